"""A small town that learns quickly: its log, shards of any number of partitions that fold it beside
one analysis, and what each has said. Used by tests of the analysis."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import events as ev
import msgspec

from models import events as e
from models.policy import Policy, digest, encode
from storage.effects import AlertChanged, Effect, ForAnalysis, PolicyTaken
from storage.partition import partition_of
from streams import codec, show
from streams import digest as digests
from streams.analysis import Analysis, Concluded, Own
from streams.batch import Feed
from streams.embedded import Embedded
from streams.pipeline import Entry, Shard
from streams.simulate import city

START = dt.date(2025, 9, 1)
SUBJECTS, DAYS, SEED = 400, 150, 2
OUTBREAK = 118
"""Day of the town on which many begin to complain of one thing in one district."""
DISTRICT, ITEM, CAUSE = "500106", "cq1-17", "食物中毒"
WORSE = 75
"""Day from which another policy is in force."""


@cache
def policy(**learning: Any) -> Policy:
    """Learns from findings of twenty days, and publishes every second week."""
    base = ev.policy("default")
    quick = {"horizon_d": 20, "grace_d": 5, "every_d": 10, "clean_one_in": 2, "adverse_min": 5,
             "publish_weeks": 2, "challengers_per_day": 1, **learning}
    return msgspec.structs.replace(base, learning=msgspec.structs.replace(base.learning, **quick))


@cache
def other() -> Policy:
    """The same with a heavier complaint and a lighter penalty."""
    base = policy()
    replace = msgspec.structs.replace
    return replace(base, version="other", indicators=replace(
        base.indicators, complaint=replace(base.indicators.complaint, weight=-0.3),
        penalty_general=replace(base.indicators.penalty_general, weight=-1.1)))


def change(new: Policy, recorded_ms: int) -> Entry:
    event = e.PolicyChanged(encode(new), digest(encode(new)))
    return Entry(recorded_ms, codec.encode(event), event)


@cache
def lines() -> tuple[bytes, ...]:
    """Events of the town in the order of their times: half a year, and an outbreak."""
    plain = list(city(SUBJECTS, DAYS, SEED, START, iot=False))
    return tuple(sorted([*plain, *outbreak()], key=lambda raw: json.loads(raw)["time"]))


def outbreak() -> Iterator[bytes]:
    """Five days on which twelve businesses are complained of; the second report of each is
    withdrawn a month later."""
    where = ev.codes(500)[480:492]
    first = dt.datetime.combine(START, dt.time(9), ev.BEIJING)

    def event(type_: str, id: str, subject: str, when: dt.datetime, data: Any) -> bytes:
        return json.dumps({"specversion": "1.0", "id": id, "source": "hotline", "type": type_,
                           "subject": subject, "time": when.isoformat(), "data": data}).encode()

    for n, subject in enumerate(where):
        yield event("subject.registered", f"r{n}", subject, first, {
            "name": f"餐馆{n}", "kind": "enterprise", "district": DISTRICT, "industry": "H6210",
            "size": "small", "registered_on": "2020-01-01"})
        for k in range(2):
            day = OUTBREAK + (n + 2 * k) % 5
            when = first + dt.timedelta(days=day, minutes=7 * n + k)
            yield event("complaint.filed", f"c{n}.{k}", subject, when, {
                "item": ITEM, "kind": "complaint", "category": CAUSE, "severity": 2})
        yield event("complaint.closed", f"x{n}", subject,
                    first + dt.timedelta(days=OUTBREAK + 9, minutes=n),
                    {"of": {"source": "hotline", "id": f"c{n}.1"}, "outcome": "withdrawn"})


def play(runner: Embedded, raws: Iterable[bytes]) -> None:
    """Put events into a runner, in event time."""
    feed = Feed(runner, "town", ev.FAR_MS)
    for raw in raws:
        feed.put(raw)
    feed.flush()


def at(day: int) -> int:
    """How many events of the town lie before a day of it."""
    until = dt.datetime.combine(START + dt.timedelta(days=day), dt.time(), ev.BEIJING).isoformat()
    return sum(json.loads(raw)["time"] < until for raw in lines())


def run(folder: Path | None = None, *, second: Policy | None = None) -> Embedded:
    """The town in one process; from day `WORSE` on under a second policy, if one is given."""
    runner = Embedded(folder, policy())
    begun = at(WORSE)
    play(runner, lines()[:begun])
    if second is not None:
        runner.append([change(second, runner.shard.clock_ms)], [b""])
    play(runner, lines()[begun:])
    return runner


def log_of(runner: Embedded) -> list[Entry]:
    """Its log without what the analysis concluded."""
    return [x for _, body in runner.store.read(0) for x in codec.decode_envelope(body)
            if not isinstance(x.event, Own)]


class Town:
    """So many shards beside one analysis, as on Kafka: what is concluded comes into every log
    before anything after its moment."""

    def __init__(self, partitions: int) -> None:
        self.shards = [Shard() for _ in range(partitions)]
        self.analysis = Analysis(partitions)
        self.told: list[list[ForAnalysis]] = [[] for _ in range(partitions)]
        self.concluded: list[Concluded] = []
        self.alerts: list[AlertChanged] = []

    def play(self, entries: Sequence[Entry]) -> Town:
        with ev.quick_cards():
            for entry in entries:
                self._put(entry)
        return self

    def _put(self, entry: Entry) -> None:
        concluded = []
        for n in self._homes(entry):
            told = [x for x in self._step(n, entry) if isinstance(x, ForAnalysis)]
            self.told[n] += told
            concluded += self.analysis.take(n, told)
        self.concluded += concluded
        for one in concluded:
            for event in one.events:
                own = Entry(entry.recorded_ms, codec.encode(event), event)
                for n in self._homes(own):
                    assert not [x for x in self._step(n, own) if isinstance(x, ForAnalysis)]

    def _homes(self, entry: Entry) -> Iterable[int]:
        if isinstance(entry.event, e.Broadcast):
            return range(len(self.shards))
        return [partition_of(entry.event.subject, len(self.shards))]

    def _step(self, n: int, entry: Entry) -> list[Effect]:
        effects = self.shards[n].step([entry])
        self.alerts += [x for x in effects if isinstance(x, AlertChanged)]
        return effects

    def digest(self) -> str:
        return digests.total(self.shards)


@cache
def plain() -> Embedded:
    """The town in one process, in memory, under two policies."""
    with ev.quick_cards():
        return run(second=other())


@cache
def log() -> tuple[Entry, ...]:
    return tuple(log_of(plain()))


@cache
def town(partitions: int) -> Town:
    return Town(partitions).play(log())


def policy_taken(new: Policy, recorded_ms: int = 0) -> PolicyTaken:
    return PolicyTaken(encode(new), recorded_ms)


def shown(shard: Shard, subject: str) -> dict[str, Any]:
    found = show.describe(shard, subject, shard.clock_ms)
    assert found is not None
    return found
