"""Does the default policy grade a city sensibly? Shares, flapping, warnings, worth of the score.

    python -m bench.city --subjects 100000 --days 365 --seed 1

Data: the simulated city (no outside data), without device readings, through the real pipeline in
memory. The risk score of 90 days before the end is asked for "a new penalty within 90 days" and
compared, on the same subjects, with a decayed count of complaints, penalties and failed
inspections (half-life 90 days): once of all of them, once of those that may still be counted (not
repaired, expired or rejected). A reversal is a computed grade that falls and rises, or rises and
falls, within 30 days; it is `by_time` when nobody acted on one of its two days (decay, expiry).
"""

from __future__ import annotations

import argparse
import collections
import datetime as dt
import itertools
import json
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import Progress

from config import load
from models import records as r
from models.gap import Grades
from models.ledger import DAY_MS, Segment, resolve, segments
from models.score import of_item, risk_at
from models.scorecard import UNGRADED, Card
from models.subject import Subject
from streams.batch import Feed
from streams.embedded import Embedded
from streams.simulate import city

HALF_LIFE_D = 90
HORIZON_D = 90
REVERSED_D = 30
DRAWS = 300
FAR_MS = 4_102_444_800_000
EVENTS_PER_SUBJECT_YEAR = 10.2
"""For the progress bar only."""
TARGETS = {"A": (70, 85), "B": (10, 20), "C": (2, 6), "D": (1, 4)}
"""Per cent: published class shares, /docs/requirements.md."""
Floats = NDArray[np.float64]


def auc(score: Floats, label: NDArray[np.bool_]) -> float:
    """Area under the ROC curve by midranks; ties count half."""
    _, inverse, counts = np.unique(score, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    rank = (last - (counts - 1) / 2)[inverse]
    good = int(label.sum())
    return float((rank[label].sum() - good * (good + 1) / 2) / (good * (len(label) - good)))


def intervals(scores: dict[str, Floats], label: NDArray[np.bool_]) -> dict[str, list[float]]:
    """95 % bootstrap intervals of each `auc`, and of each one's lead of the first over it."""
    rng = np.random.default_rng(1)
    found = []
    for _ in range(DRAWS):
        at = rng.integers(0, len(label), len(label))
        found.append([auc(score[at], label[at]) for score in scores.values()])
    drawn = np.array(found)
    first, *others = scores
    out = {name: drawn[:, n] for n, name in enumerate(scores)}
    out |= {f"{first} minus {name}": drawn[:, 0] - out[name] for name in others}
    return {name: [round(float(x), 4) for x in np.percentile(values, [2.5, 97.5])]
            for name, values in out.items()}


def known(subject: Subject, card: Card) -> tuple[list[Segment], list[Segment]]:
    """What a subject's records count for: public and internal."""
    facts = resolve(subject.facts, card.offset_ms)
    signals = resolve(subject.signals, card.offset_ms)
    return segments(facts, card, public=True), [*segments(facts, card, public=False),
                                                *segments(signals, card, public=False)]


def decayed_counts(subject: Subject, offset: int, day: int,
                   lawful: set[int]) -> tuple[float, float]:
    """Complaints, penalties and failed inspections, each halved every 90 days: all, lawful."""
    total = counted = 0.0
    for rows in (subject.facts, subject.signals):
        for key, _, when, _, _, _, _, kind, variant in r.RECORD.iter_unpack(rows):
            if kind in (r.COMPLAINT, r.PENALTY) or (kind == r.INSPECTION and variant & 7 > 1):
                weight = 2.0 ** (-(day - (when + offset) // DAY_MS) / HALF_LIFE_D)
                total += weight
                counted += weight if key in lawful else 0.0
    return total, counted


def snapshot(runner: Embedded) -> dict[str, tuple[float, float, float]]:
    """(risk, decayed count, lawful count) of every living subject today; higher is worse."""
    card, day = runner.card, runner.shard.day
    out = {}
    for key, s in runner.shard.subjects.items():
        if s.cancelled_day and s.cancelled_day <= day:
            continue
        public, internal = known(s, card)
        lawful = {x.fact.key for x in (*public, *internal) if x.start <= day < x.stop}
        out[key] = (-float(risk_at(public, internal, day, card, s.group)),
                    *decayed_counts(s, card.offset_ms, day, lawful))
    return out


def acted(own: list[Segment], day: int) -> bool:
    """Whether a fact begins on that day, or somebody ends one: a repair or an exit."""
    return any(s.start == day or (s.stop == day and (s.fact.closed_day == day or (
        s.fact.repair == 2 and s.fact.repair_day == day))) for s in own)


class Paths:
    """Changes of the computed grades of all subjects, at the end."""

    def __init__(self, subjects: Iterable[Subject], card: Card) -> None:
        self.changes = self.reversed = self.by_time = 0
        for s in subjects:
            public: list[Segment] | None = None
            for item in s.graded_items():
                moves = [(day, grade - before) for (_, before), (day, grade)
                         in itertools.pairwise(s.steps(item)) if UNGRADED not in (before, grade)]
                self.changes += len(moves)
                for (first, x), (second, y) in itertools.pairwise(moves):
                    if x * y > 0 or second - first > REVERSED_D:
                        continue
                    self.reversed += 1
                    public = known(s, card)[0] if public is None else public
                    own = of_item(public, item)
                    self.by_time += not (acted(own, first) and acted(own, second))


def shares(counted: collections.Counter[int]) -> dict[str, float]:
    graded = sum(counted[n] for n in range(4))
    return {r.GRADES[n]: round(100 * counted[n] / graded, 2) for n in range(4)}


def grades(runner: Embedded) -> dict[str, dict[str, float]]:
    """Shares of the grades among graded, living subjects: computed ones, and those in force."""
    card, day = runner.card, runner.shard.day
    count: dict[str, collections.Counter[int]] = collections.defaultdict(collections.Counter)
    for s in runner.shard.subjects.values():
        if s.cancelled_day and s.cancelled_day <= day:
            continue
        for item in s.graded_items():
            count["computed_items" if item else "computed_public"][s.last_step(item)[1]] += 1
        view = Grades(s, resolve(s.facts, card.offset_ms), card)
        for item, held in view.vector(day).items():
            count["in_force_items" if item else "in_force_public"][held.grade] += 1
    return {name: shares(c) for name, c in sorted(count.items())}


def run(a: argparse.Namespace) -> dict[str, Any]:
    runner = Embedded(None, load.policy(a.policy))
    feed = Feed(runner, "bench", FAR_MS)
    start = dt.date(2025, 10, 1)
    cut = (start + dt.timedelta(days=a.days - HORIZON_D)).isoformat().encode()
    seen: dict[str, tuple[float, float, float]] = {}
    penalised: set[str] = set()
    began = time.perf_counter()
    with Progress(console=Console(stderr=True)) as bar:
        task = bar.add_task("city", total=a.subjects * a.days / 365 * EVENTS_PER_SUBJECT_YEAR)
        for n, line in enumerate(city(a.subjects, a.days, a.seed, start, iot=False)):
            if not seen and line[line.index(b'"time":"') + 8 :][:10] >= cut:
                feed.flush()
                seen = snapshot(runner)
            if seen and b'"penalty.decided"' in line:
                penalised.add(line[line.index(b'"subject":"') + 11 :][:18].decode())
            feed.put(line)
            if n % 5000 == 0:
                bar.update(task, completed=n)
        feed.flush()
    seconds = time.perf_counter() - began
    subjects = runner.shard.subjects
    paths = Paths(subjects.values(), runner.card)
    y = np.array([key in penalised for key in seen])
    columns = np.array(list(seen.values())).T
    scores = dict(zip(("risk_score", "decayed_count", "lawful_count"), columns, strict=True))
    years = len(subjects) * a.days / 365
    return {
        "subjects": len(subjects), "days": a.days, "seed": a.seed, "events": feed.events,
        "policy": runner.card.hash, "share_pct": grades(runner),
        "grade_changes": paths.changes,
        "reversed_within_30d_pct": round(100 * paths.reversed / paths.changes, 2),
        "of_these_by_time_pct": round(100 * paths.by_time / paths.changes, 2),
        "penalised_within_90d_pct": round(100 * float(y.mean()), 2),
        "auc": {name: round(auc(score, y), 4) for name, score in scores.items()},
        "auc_ci95": intervals(scores, y),
        "alerts_per_1000_subject_years": {k: round(1000 * v / years, 1)
                                          for k, v in sorted(runner.opened.items())},
        "opened_a_day_per_100000": {k: round(100_000 * v / years / 365, 2)
                                    for k, v in sorted(runner.opened.items())},
        "seconds": round(seconds, 1),
    }


def show(found: dict[str, Any]) -> None:
    print(f"{found['subjects']:,} subjects, {found['days']} days, seed {found['seed']}, "
          f"{found['events']:,} events, policy {found['policy']}, {found['seconds']} s")
    print(f"\n{'share of grades, %':24}" + "".join(f"{g:>8}" for g in TARGETS))
    print(f"{'target':24}" + "".join(f"{f'{low}-{high}':>8}" for low, high in TARGETS.values()))
    for name, row in found["share_pct"].items():
        print(f"{name:24}" + "".join(f"{row[g]:8.2f}" for g in TARGETS))
    print(f"\n{found['grade_changes']:,} grade changes, reversed within 30 days "
          f"{found['reversed_within_30d_pct']} %, by time alone {found['of_these_by_time_pct']} %")
    print(f"\nnew penalty within 90 days: {found['penalised_within_90d_pct']} % of subjects")
    for name, (low, high) in found["auc_ci95"].items():
        value = found["auc"].get(name)
        print(f"{name:32} {f'{value:.4f}' if value else '':6} 95 % {low:.4f} to {high:.4f}")
    print(f"\n{'alerts opened':24}{'per 1000 subject-years':>24}{'a day per 100,000':>20}")
    for name, value in found["alerts_per_1000_subject_years"].items():
        print(f"{name:24}{value:24.1f}{found['opened_a_day_per_100000'][name]:20.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--subjects", type=int, default=100_000)
    parser.add_argument("--days", type=int, default=365)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--policy", type=Path, default=None)
    parser.add_argument("--json", action="store_true")
    a = parser.parse_args()
    found = run(a)
    if a.json:
        json.dump(found, sys.stdout, ensure_ascii=False)
        print()
    else:
        show(found)


if __name__ == "__main__":
    main()
