"""What does learning cost an example, with and without the challengers, and how large is its state?

    python -m bench.learner --subjects 30000 --days 730

Data: examples of the simulated city, seed 1, cut as in service (`bench/accuracy_city.py`): by day
as they come, and the same put together into days of 2,000, as a larger city has. Medians of the
repeats, in process time. `river logistic` is the trivial baseline: the same examples to river's
logistic regression, one prediction and one step each, and no figures.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from itertools import chain
from typing import Any

import msgspec
from river import linear_model, optim

from bench.accuracy_city import Days, history
from config import load
from models.learner import Learner
from models.policy import Policy

A_DAY = 2_000


def together(days: Days, a_day: int) -> Days:
    """The same examples in the same order, so many a day."""
    rows = list(chain.from_iterable(own for _, own in days))
    return [(n, rows[at : at + a_day]) for n, at in enumerate(range(0, len(rows), a_day), 1)]


def seconds(do: Callable[[], Any], repeats: int) -> float:
    took = []
    for _ in range(repeats):
        began = time.process_time()
        do()
        took.append(time.process_time() - began)
    return statistics.median(took)


def taught(policy: Policy, days: Days, challengers: bool = False) -> Learner:
    one = Learner(policy, challengers=challengers)
    for day, rows in days:
        one.learn(day, rows)
    return one


def plain(days: Days) -> None:
    model: Any = linear_model.LogisticRegression(optim.AdaGrad(0.2))
    for _, rows in days:
        for e in rows:
            model.predict_proba_one(e.features)
            model.learn_one(e.features, e.adverse, w=e.weight)


def run(a: argparse.Namespace) -> dict[str, Any]:
    policy = load.policy()
    days = history(a.subjects, a.days, 1, policy).days
    large = together(days, A_DAY)
    n = sum(len(rows) for _, rows in days)
    few = large[: max(1, a.challenged // A_DAY)]
    m = sum(len(rows) for _, rows in few)
    every = msgspec.structs.replace(policy, learning=msgspec.structs.replace(
        policy.learning, challengers_per_day=A_DAY))
    one = taught(policy, days)
    state = one.dump()
    us = {
        "days as they come": seconds(lambda: taught(policy, days), a.repeats) / n,
        f"days of {A_DAY:,}": seconds(lambda: taught(policy, large), a.repeats) / n,
        "river logistic": seconds(lambda: plain(days), a.repeats) / n,
        "with every example challenged": seconds(lambda: taught(every, few, True), 1) / m,
    }
    return {
        "subjects": a.subjects, "days": a.days, "examples": n,
        "features_mean": round(sum(len(e.features) for _, rows in days for e in rows) / n, 2),
        "us_an_example": {name: round(1e6 * x, 1) for name, x in us.items()},
        "ms": {"report": round(1e3 * seconds(one.report, a.repeats), 1),
               "weights": round(1e3 * seconds(lambda: one.weights(0, 1), 1), 2),
               "dump": round(1e3 * seconds(one.dump, a.repeats), 1),
               "load": round(1e3 * seconds(lambda: Learner(policy).load(state), a.repeats), 1)},
        "dump_kib": round(len(state) / 1024),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--subjects", type=int, default=30_000)
    parser.add_argument("--days", type=int, default=730)
    parser.add_argument("--challenged", type=int, default=8_000)
    parser.add_argument("--repeats", type=int, default=3)
    a = parser.parse_args()
    print(json.dumps(run(a), indent=1))


if __name__ == "__main__":
    main()
