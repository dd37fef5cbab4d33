"""Cold stores with a sensor each, as a log: what is planted in some, and shards that fold it.

The shards are told the norms of the class that their own summaries make, as the analysis beside the
log would: on the day after a week has closed.
"""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import events as ev
import msgspec
import numpy as np
import xxhash

from models import anomaly, norms
from models import events as e
from models.calendar import from_date
from models.policy import Policy, digest, encode
from models.subject import Subject
from storage.effects import AlertChanged, DeviceSummary, Effect
from storage.partition import partition_of
from streams import codec
from streams import digest as digest_
from streams.pipeline import Entry, Shard

HOUR, DAY = 3_600_000, 86_400_000
T0 = from_date(dt.date(2026, 3, 2)) * DAY - 8 * HOUR  # a Monday in Beijing
DAYS, PLANTED = 23, 21
ITEM, METRIC = "cq1-17", "temperature_c"
STEP, EVERY_H = 15 * 60_000, 6
"""Time between two readings [ms], and hours in a message."""
FAULTS = ("replay", "stuck", "smooth", "drift", "service", "nulls")
"""What is planted in the first devices, on the days from `PLANTED` on."""
WANTED: dict[str, set[str]] = {
    "replay": {"iot-tamper"}, "smooth": {"iot-tamper"}, "drift": {"iot-anomaly"},
    "stuck": {"iot-fault", "iot-limit"}, "nulls": {"iot-fault"}, "service": set(), "": set(),
}
"""Rules that must have opened; of what drifts or is smoothed the limit may be passed too."""


class Sent(NamedTuple):
    """One message and when it arrives."""

    recorded_ms: int
    event: e.LogEvent


def fault_of(device: int) -> str:
    return FAULTS[device] if device < len(FAULTS) else ""


def readings(device: int, days: int = DAYS) -> tuple[np.ndarray, np.ndarray, list[str] | None]:
    """Times, values and flags of a sensor: daylight, slow weather, noise, and what is planted."""
    rng = np.random.default_rng([7, device])
    t = T0 + np.arange(days * DAY // STEP) * STEP
    hour = (t - T0) / HOUR % 24
    weather = np.interp((t - T0) / DAY, np.arange(days + 1), rng.normal(0, 0.15, days + 1))
    v = 3.5 + rng.uniform(-0.5, 0.5) + 0.6 * np.cos((hour - 15) / 12 * np.pi) + weather
    v = v + rng.normal(0, 0.3, t.size)
    own, day = t >= T0 + PLANTED * DAY, DAY // STEP
    at = np.flatnonzero(own)
    flags: list[str] | None = None
    match fault_of(device):
        case "replay":
            v[at] = v[at - 3 * day]
        case "stuck":
            v[at] = 85.0
        case "smooth":
            v[at] = v.mean() + 0.05 * (v[at] - v.mean())
        case "drift":
            v[at] += 3
        case "service":
            v[at] = rng.uniform(-60, 60, at.size)
            flags = ["maintenance" if one else "N" for one in own]
        case "nulls":
            v[at[::3]] = np.nan
    return t, np.round(v, 1) if fault_of(device) != "smooth" else np.round(v, 2), flags


def messages(devices: int, days: int = DAYS, every_h: int = EVERY_H) -> list[Sent]:
    """Every sensor's messages, in the order in which they are sent."""
    out = []
    for device, code in enumerate(ev.codes(devices)):
        t, v, flags = readings(device, days)
        n = every_h * HOUR // STEP
        for k in range(0, t.size, n):
            own = slice(k, k + n)
            one = e.Series("d1", "coldchain", METRIC, "°C", t[own].astype("<i8").tobytes(),
                           v[own].astype("<f8").tobytes(), flags[own] if flags else None)
            end = int(t[own][-1])
            out.append(Sent(end + 60_000, e.IotReadings(
                "1.0", f"{device}-{k}", "iot", code, dt.datetime.fromtimestamp(end / 1000, dt.UTC),
                e.Readings(ITEM, [one]))))
    return sorted(out, key=lambda x: x.recorded_ms)


def disturbed(sent: Sequence[Sent], seed: int, late_h: int = 10) -> list[Sent]:
    """The same with each message up to `late_h` hours late, and one in ten sent again."""
    rng = random.Random(seed)
    out = [x._replace(recorded_ms=x.recorded_ms + rng.randrange(late_h * HOUR)) for x in sent]
    out += [x._replace(recorded_ms=x.recorded_ms + rng.randrange(late_h * HOUR)) for x in sent
            if rng.random() < 0.1]
    return sorted(out, key=lambda x: x.recorded_ms)


class Fleet:
    """Shards of a log of some partitions, and everything they said.

    Parameters
    ----------
    told
        Norms by the day on which they are published; None = those that the summaries make.
    """

    def __init__(self, partitions: int = 1, told: dict[int, str] | None = None,
                 policy: Policy | None = None) -> None:
        self.policy = policy if policy is not None else ev.policy("default")
        self.shards = [Shard() for _ in range(partitions)]
        self.effects: list[Effect] = []
        self.log: list[Entry] = []
        self.week = norms.Week()
        self.told = told
        self.published: dict[int, str] = {}
        document = encode(self.policy)
        self.broadcast(T0, e.PolicyChanged(document, digest(document)))

    def broadcast(self, ms: int, event: e.LogEvent) -> None:
        entry = Entry(ms, codec.encode(event), event)
        self.log.append(entry)
        for shard in self.shards:
            self.effects += shard.step([entry])

    def run(self, sent: Iterable[Sent], last_day: int = DAYS + 1, first_day: int = 0) -> Fleet:
        """Day by day: its messages, then the time, then what the analysis has to say."""
        by_day: dict[int, list[Sent]] = {}
        for x in sent:
            by_day.setdefault((x.recorded_ms - T0) // DAY, []).append(x)
        for day in range(first_day, last_day):
            homes: list[list[Entry]] = [[] for _ in self.shards]
            for x in by_day.get(day, ()):
                assert isinstance(x.event, e.IotReadings)
                entry = Entry(x.recorded_ms, codec.encode(x.event), x.event)
                homes[partition_of(x.event.subject, len(self.shards))].append(entry)
                self.log.append(entry)
            for shard, entries in zip(self.shards, homes, strict=True):
                self.effects += shard.step(entries)
            self.broadcast(T0 + (day + 1) * DAY, e.Tick())
            self._publish(day)
        return self

    def _publish(self, day: int) -> None:
        for x in self.effects:
            if isinstance(x, DeviceSummary):
                self.week.put(x.week, x.class_, x.metric, x.device, x.summary)
        document = self.week.norms(self.policy) if self.told is None else self.told.get(day)
        if document:
            self.week.publish(document)
            self.published[day] = document
            self.broadcast(T0 + (day + 1) * DAY, e.NormsChanged(document, norms.digest(document)))

    def digest(self) -> str:
        return digest_.total(self.shards)

    def subject(self, code: str) -> Subject:
        return next(s.subjects[code] for s in self.shards if code in s.subjects)

    def opened(self, code: str) -> set[str]:
        """Rules of the alerts of a business that ever opened."""
        return {x.rule for x in self.effects if isinstance(x, AlertChanged)
                and x.subject == code and not x.was}


def expected(fleet: Fleet, device: int, code: str, clock_ms: int) -> tuple[anomaly.Verdict, ...]:
    """The definition: all readings that had come, in one message, judged at the last turn."""
    shard = next(s for s in fleet.shards if code in s.subjects)
    assert shard.timeline is not None
    card = shard.timeline.last
    t, v, flags = readings(device)
    rule = card.policy.rules.iot.anomaly
    turn = clock_ms // HOUR
    while (turn - xxhash.xxh3_64_intdigest(code.encode()) % rule.every_h) % rule.every_h:
        turn -= 1
    turn *= HOUR
    n = EVERY_H * HOUR // STEP
    come = sum(int(t[k + n - 1]) + 60_000 <= turn for k in range(0, t.size, n)) * n
    state = anomaly.observe(
        None, e.Series("d1", "coldchain", METRIC, "°C", t[:come].astype("<i8").tobytes(),
                       v[:come].astype("<f8").tobytes(), flags[:come] if flags else None),
        rule.horizon_d)
    norm = shard.norms.of.get(("coldchain", METRIC))
    return anomaly.judge(state, card.devices["coldchain", METRIC], norm, rule, card.calendar, turn)


def without(policy: Policy) -> Policy:
    """The policy without anomalies, as documents of old logs are read."""
    raw = msgspec.json.decode(encode(policy))
    del raw["rules"]["iot"]["anomaly"]
    return msgspec.convert(raw, Policy)
