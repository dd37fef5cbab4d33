"""Does the default policy grade a city sensibly? Shares, flapping, worth of the risk score.

    python -m bench.city --subjects 100000 --days 365 --seed 1

Data: the simulated city (no outside data), without device readings. Compares the risk score with a
decayed count of the same events, for "a new penalty within 90 days" after day 275.
"""

from __future__ import annotations

import argparse
import collections
import datetime as dt
import itertools
import json
import sys
import time
from typing import Any

import numpy as np

from config import load
from models import records as r
from models.ledger import DAY_MS, resolve, segments
from models.score import risk_at
from models.scorecard import UNGRADED
from streams.batch import Feed
from streams.embedded import Embedded
from streams.simulate import city

HALF_LIFE_D = 90
HORIZON_D = 90
NAMES = "ABCD"


def auc(score: np.ndarray, label: np.ndarray) -> float:
    """Area under the ROC curve by midranks; ties count half."""
    _, inverse, counts = np.unique(score, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    rank = (last - (counts - 1) / 2)[inverse]
    good = int(label.sum())
    return float((rank[label].sum() - good * (good + 1) / 2) / (good * (len(label) - good)))


def interval(score: np.ndarray, label: np.ndarray, draws: int = 300) -> tuple[float, float]:
    """95 % bootstrap interval of `auc`."""
    rng = np.random.default_rng(1)
    found = []
    for _ in range(draws):
        at = rng.integers(0, len(label), len(label))
        found.append(auc(score[at], label[at]))
    low, high = np.percentile(found, [2.5, 97.5])
    return float(low), float(high)


def decayed_count(subject: Any, offset: int, day: int) -> float:
    """Complaints, penalties and failed inspections, each halved every 90 days."""
    total = 0.0
    for rows in (subject.facts, subject.signals):
        for _, _, when, _, _, _, _, kind, variant in r.RECORD.iter_unpack(rows):
            bad = kind in (r.COMPLAINT, r.PENALTY) or (kind == r.INSPECTION and variant & 7 > 1)
            if bad:
                total += 2.0 ** (-(day - (when + offset) // DAY_MS) / HALF_LIFE_D)
    return total


def snapshot(runner: Embedded) -> dict[str, tuple[float, float]]:
    """(risk, decayed count) of every subject today; higher is worse."""
    card, day = runner.card, runner.shard.day
    out = {}
    for key, s in runner.shard.subjects.items():
        facts, signals = resolve(s.facts, card.offset_ms), resolve(s.signals, card.offset_ms)
        public = segments(facts, card, public=True)
        internal = segments(facts, card, public=False) + segments(signals, card, public=False)
        risk = risk_at(public, internal, day, card, s.group)
        out[key] = (-risk, decayed_count(s, card.offset_ms, day))
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--subjects", type=int, default=100_000)
    parser.add_argument("--days", type=int, default=365)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    a = parser.parse_args()
    runner = Embedded(None, load.policy())
    feed = Feed(runner, "bench", int(time.time() * 1000) + 10 * 366 * DAY_MS)
    start = dt.date(2025, 10, 1)
    cut = (start + dt.timedelta(days=a.days - HORIZON_D)).isoformat().encode()
    seen: dict[str, tuple[float, float]] = {}
    began = time.perf_counter()
    for n, line in enumerate(city(a.subjects, a.days, a.seed, start, iot=False)):
        if not seen and line[line.index(b'"time":"') + 8 :][:10] >= cut:
            feed.flush()
            cut_day = runner.shard.day
            seen = snapshot(runner)
        feed.put(line)
        if n % 100_000 == 0:
            print(f"\r{n:,} events", end="", file=sys.stderr)
    feed.flush()
    seconds = time.perf_counter() - began
    card = runner.card
    public: collections.Counter[int] = collections.Counter()
    items: collections.Counter[int] = collections.Counter()
    changes = turned = 0
    label, risk, count = [], [], []
    for key, s in runner.shard.subjects.items():
        for item in s.graded_items():
            path = s.steps(item)
            (items if item else public)[path[-1][1]] += 1
            moves = [(d, g - before) for (_, before), (d, g) in itertools.pairwise(path)
                     if UNGRADED not in (before, g)]
            changes += len(moves)
            turned += sum(x * y < 0 and e - d <= 30 for (d, x), (e, y)
                          in itertools.pairwise(moves))
        if key in seen:
            days = [(row[2] + card.offset_ms) // DAY_MS for row in r.RECORD.iter_unpack(s.facts)
                    if row[7] == r.PENALTY]
            label.append(any(cut_day < d <= cut_day + HORIZON_D for d in days))
            risk.append(seen[key][0])
            count.append(seen[key][1])
    y, x, c = np.array(label), np.array(risk, float), np.array(count)
    graded = {n: public[n] for n in range(4)}
    result = {
        "subjects": len(runner.shard.subjects), "events": feed.events, "policy": card.hash,
        "public_share_pct": {NAMES[n]: round(100 * v / sum(graded.values()), 2)
                             for n, v in graded.items()},
        "item_share_pct": {NAMES[n]: round(100 * items[n] / sum(items[m] for m in range(4)), 2)
                           for n in range(4)},
        "grade_changes": changes, "reversed_within_30d_pct": round(100 * turned / changes, 3),
        "penalised_within_90d_pct": round(100 * float(y.mean()), 2),
        "auc_risk_score": round(auc(x, y), 4),
        "auc_risk_score_ci95": [round(v, 4) for v in interval(x, y)],
        "auc_decayed_count": round(auc(c, y), 4),
        "auc_decayed_count_ci95": [round(v, 4) for v in interval(c, y)],
        "alerts_per_1000_subject_years": {
            k: round(1000 * v / len(runner.shard.subjects) * 365 / a.days, 1)
            for k, v in sorted(runner.opened.items())},
        "seconds": round(seconds, 1),
    }
    print(file=sys.stderr)
    print(json.dumps(result, indent=None if a.json else 1, ensure_ascii=False))


if __name__ == "__main__":
    main()
