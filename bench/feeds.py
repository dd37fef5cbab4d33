"""Question: how often is a feed called silent that is not, and how soon is one that is?

Data: hourly counts of the simulated city's feeds (33 sources, of 30 to 60,000 events a year) with
three feeds planted beside them: one that sends each working day at 10, one each night at 2, one
each Tuesday. False alarms: three years undisturbed. Delays: in the second year one feed at a time
falls silent at 24 random hours. The city's own outage: all fall silent for three days. Wrong codes:
binomial draws at an allowed and at three planted rates. The constants of `models/rhythm_scale.py`
and the defaults were set on seeds 1 to 5.
Command: `python -m bench.feeds [--seeds 11,12,13] [--subjects 1000,3000,20000] [--json]`
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from config import load
from models.calendar import WorkingDays, from_date
from models.policy import FeedSilent
from models.rhythm import HOURS, Rhythm, Silence, day_kind
from models.wrong_codes import WrongCodes
from streams.simulate.city import planned
from streams.simulate.draws import Calendar
from streams.simulate.population import populate
from streams.simulate.sources import SOURCES

START = dt.date(2024, 1, 1)
DAYS = 1_096
FIRST_H = from_date(START) * HOURS
PLANTED = ("planted.office", "planted.night", "planted.weekly")
KILLED = ("cq.12345", "cq.credit", "cq.scj", "cq.iot", "cq.rsj", "cq.zjw", "cq.hbj", "cq.xfj",
          "cq.rfb", *PLANTED)
OUTAGES = 24
PATIENCE_H = 240 * HOURS
RATES = (2e-4, 1e-3, 1e-2)

Table = NDArray[np.int64]


def hourly(subjects: int, days: int, seed: int) -> tuple[list[str], Table]:
    """Names of the feeds; events by hour and feed, local time."""
    calendar = Calendar(START, days)
    rows, _ = planned(populate(subjects, days, seed), calendar, seed)
    names = sorted({source for line in SOURCES for source in line})
    at = {source: n for n, source in enumerate(names)}
    table = np.array([[at[source] for source in line] for line in SOURCES])
    out = np.zeros((days * HOURS, len(names) + len(PLANTED)), np.int64)
    np.add.at(out, (np.minimum(rows.t.astype(np.int64) // 3600, len(out) - 1),
                    table[rows.kind, rows.item]), 1)
    is_workday = workdays().is_workday
    for day in range(days):
        number = from_date(START) + day
        out[day * HOURS + 10, -3] = 40 * is_workday(number)
        out[day * HOURS + 2, -2] = 1_000
        out[day * HOURS + 14, -1] = 5 * ((number + 3) % 7 == 1)
    return [*names, *PLANTED], out


def workdays() -> WorkingDays:
    calendar = load.policy().calendar
    return calendar.working_days()


class Watched:
    """A rhythm that hears of a table, hour by hour."""

    def __init__(self, names: Sequence[str], rule: FeedSilent) -> None:
        self.names, self.rule = names, rule
        self.rhythm = Rhythm()
        self.rhythm.hour = FIRST_H
        self._is_workday = workdays().is_workday

    def hear(self, counts: NDArray[np.int64]) -> list[Silence]:
        day, clock = divmod(self.rhythm.hour, HOURS)
        heard: Mapping[str, int] = {self.names[n]: int(counts[n])
                                    for n in counts.nonzero()[0].tolist()}
        return self.rhythm.step(heard, day_kind(day, self._is_workday), clock, self.rule)


def false_alarms(names: Sequence[str], table: Table, rule: FeedSilent) -> float:
    """A source-year, from the day on which sources may be judged."""
    watched = Watched(names, rule)
    told = sum(s.open for counts in table for s in watched.hear(counts))
    return told / (len(names) * (len(table) / HOURS - rule.history_d) / 365.25)


def delays(names: Sequence[str], table: Table, rule: FeedSilent,
           seed: int) -> tuple[dict[str, list[int]], int]:
    """Feed -> hours until each outage was told, `PATIENCE_H` = it was not; and how many feeds were
    called silent when the whole city was, for three days, in those cases."""
    rng = np.random.default_rng([seed, 4])
    starts = sorted(set(rng.integers(400 * HOURS, 600 * HOURS, OUTAGES).tolist()))
    watched, held = Watched(names, rule), {}
    for hour in range(max(starts)):
        if hour in starts:
            held[hour] = watched.rhythm.dump()
        watched.hear(table[hour])
    held[max(starts)] = watched.rhythm.dump()
    found: dict[str, list[int]] = {name: [] for name in KILLED}
    blamed = 0
    for start in starts:
        for name in KILLED:
            watched.rhythm = Rhythm.load(held[start])
            found[name].append(_delay(watched, table, start, list(names).index(name)))
        watched.rhythm = Rhythm.load(held[start])
        before = set(watched.rhythm.told)
        for _ in range(3 * HOURS):
            watched.hear(np.zeros(len(names), np.int64))
        blamed += len(set(watched.rhythm.told) - before)
    return found, blamed


def _delay(watched: Watched, table: Table, start: int, column: int) -> int:
    if watched.names[column] in watched.rhythm.told:
        return 0
    for hour in range(start, min(start + PATIENCE_H, len(table))):
        counts = table[hour].copy()
        counts[column] = 0
        if any(s.open and s.source == watched.names[column] for s in watched.hear(counts)):
            return hour - start + 1
    return PATIENCE_H


def wrong_codes(seed: int) -> dict[str, Any]:
    """Feeds of 50, 500 and 5,000 events a day: false alarms a source-year at half the allowed rate
    and at it, 300 source-years each; days until a planted rate is told, median of 100."""
    rule = load.policy().rules.identifier_errors
    rng = np.random.default_rng([seed, 5])
    out: dict[str, Any] = {}
    for a_day in (50, 500, 5_000):
        row: dict[str, Any] = {}
        for rate in (rule.rate / 2, rule.rate):
            codes, told = WrongCodes(), 0
            names = [f"s{n}" for n in range(300)]
            sent = dict.fromkeys(names, a_day)
            for day in range(1, 366):
                wrong = rng.binomial(a_day, rate, len(names)).tolist()
                codes.add(day, sent, dict(zip(names, wrong, strict=True)))
                told += sum(x.open and x.since_day == day + 1
                            for x in codes.judge(day + 1, rule))
            row[f"false at {rate:g}"] = round(told / len(names), 4)
        for rate in RATES:
            days = []
            for _ in range(100):
                codes, day = WrongCodes(), 0
                while day < 90:
                    day += 1
                    codes.add(day, {"s": a_day}, {"s": int(rng.binomial(a_day, rate))})
                    if codes.judge(day + 1, rule):
                        break
                days.append(day)
            row[f"days at {rate:g}"] = float(np.median(days))
        out[str(a_day)] = row
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seeds", default="11,12,13")
    parser.add_argument("--subjects", default="1000,3000,20000")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    rule = load.policy().rules.feed_silent
    seeds = [int(x) for x in given.seeds.split(",")]
    out: dict[str, Any] = {"false_per_source_year": {}}
    for subjects in map(int, given.subjects.split(",")):
        out["false_per_source_year"][subjects] = [
            round(false_alarms(*hourly(subjects, DAYS, seed), rule), 4) for seed in seeds]
    names, table = hourly(20_000, DAYS, seeds[0])
    found, blamed = delays(names, table, rule, seeds[0])
    out["delays_h"] = {name: {
        "events_a_year": round(float(table[:, names.index(name)].sum()) / DAYS * 365.25),
        "median": float(np.median(hours)), "p90": float(np.percentile(hours, 90)),
        "missed": sum(h == PATIENCE_H for h in hours)} for name, hours in found.items()}
    out["blamed_in_city_outages"] = blamed
    out["wrong_codes"] = wrong_codes(seeds[0])
    sys.stdout.write(json.dumps(out, indent=None if given.json else 1) + "\n")


if __name__ == "__main__":
    main()
