"""Does learning pay? The learned card against the expert's on a city whose truth is known.

    python -m bench.accuracy_city --subjects 60000 --days 730 --seed 1

Data: the simulated city (no outside data), without device readings, through the real pipeline in
memory; examples are cut as in service, day by day, when their outcome is final. The learner is
stopped `horizon_d` before the end. Weights it would publish then score every item of every
business on that day, and both cards are compared, on the same businesses, in telling

- outcomes: who has an adverse finding in the days that follow, which no card has seen;
- truth: who was in decline by then (the city's own label; a business counts by its worst item).

`start` says which expert the learner began with: the policy's; `reversed`, the same weights, the
heaviest given to the lightest indicator; `shrunk`, a tenth of each; `equal`, the same for every bad
indicator: all put inside the policy's bounds. With outcomes `by lot` there is nothing to learn, and
no lead may show. Intervals: 95 %, bootstrap over businesses, paired. `without trades` leaves out
what was learned of items and of the intercept: what remains moves a public grade.

Drift: from a day on, evidence is dealt to other businesses, or one clean outcome in twenty becomes
a finding, or half the findings fall away; days until it is told, and what is told of nothing.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import random
import sys
import time
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from config import load
from models.bounded import expert, probability
from models.examples import Example
from models.learner import Learner
from models.policy import INDICATORS, Policy
from models.scorecard import GROUPS, Card
from models.weights import NOTHING_LEARNED, Weights
from storage.effects import Effect
from storage.sqlite_store import Dead
from streams.batch import Feed
from streams.embedded import Embedded
from streams.panel import examples_of
from streams.pipeline import Entry
from streams.simulate import city, truth

START = dt.date(2025, 10, 1)
EPOCH = dt.date(1970, 1, 1)
FAR_MS = 4_102_444_800_000
DRAWS = 300
Floats = NDArray[np.float64]
Days = list[tuple[int, list[Example]]]


class City(NamedTuple):
    """Examples by the day they became final, and all items of all businesses on one day."""

    days: Days
    cut: int
    """The day of `last`: nothing learned before it knows what came after."""
    last: list[Example]
    declined: dict[str, int]
    """Bad actors: day on which their decline began."""
    events: int


class Runner(Embedded):
    """Keeps the examples that its step cuts."""

    def __init__(self, policy: Policy) -> None:
        self.examples: list[Example] = []
        super().__init__(None, policy)

    def append(self, entries: Sequence[Entry], raws: Sequence[bytes],
               dead: Sequence[Dead] = ()) -> list[Effect]:
        effects = super().append(entries, raws, dead)
        self.examples += [x for x in effects if isinstance(x, Example)]
        return effects


def history(subjects: int, days: int, seed: int, policy: Policy) -> City:
    """Play a city; its examples by the day on which they became final, in service too."""
    own = policy.learning
    runner = Runner(policy)
    feed = Feed(runner, "bench", FAR_MS)
    for line in city(subjects, days, seed, START, iot=False):
        feed.put(line)
    feed.flush()
    first = (START - EPOCH).days
    by_day: dict[int, list[Example]] = {d: [] for d in range(
        first + own.horizon_d + own.grace_d, first + days)}
    for one in runner.examples:
        by_day.setdefault(one.day + own.horizon_d + own.grace_d, []).append(one)
    cut = first + days - 1 - own.horizon_d
    everyone = Card(msgspec.structs.replace(
        policy, learning=msgspec.structs.replace(own, clean_one_in=1)), 0)
    last = [x for s in runner.shard.subjects.values() for x in examples_of(s, everyone, cut)]
    declined = {row["subject"]: (dt.date.fromisoformat(row["decline_from"]) - EPOCH).days
                for row in truth(subjects, days, seed, START)}
    return City(sorted(by_day.items()), cut, last, declined, feed.events)


# ------------------------------------------------------------------------------------ the cards


def other(policy: Policy, start: str) -> Policy:
    """The policy with wrong weights, inside its bounds."""
    held = {name: getattr(policy.indicators, name) for name in INDICATORS}
    dealt = dict(held)
    if start == "reversed":
        for good in (True, False):
            names = sorted((n for n in INDICATORS if (held[n].bounds[1] > 0) == good),
                           key=lambda n: (held[n].weight, n))
            dealt |= zip(names, [held[n] for n in reversed(names)], strict=True)

    def weight(name: str) -> float:
        low, high = held[name].bounds
        wanted = {"shrunk": held[name].weight / 10, "equal": -0.5 if low < 0 else 0.1}.get(
            start, dealt[name].weight)
        return float(min(max(wanted, low), high))

    return msgspec.structs.replace(policy, indicators=msgspec.structs.replace(
        policy.indicators, **{name: msgspec.structs.replace(
            held[name], weight=weight(name), individual=None, organisation=None)
            for name in INDICATORS}))


def chances(policy: Policy, learned: Weights, rows: Sequence[Example]) -> Floats:
    """Chance of an adverse finding by the expert's card and what was learned, in its bounds."""
    cards = []
    for group in range(len(GROUPS)):
        weights, bounds = expert(policy, group)
        cards.append({n: min(max(w + learned.moved.get(n, (0.0,) * 3)[group], bounds[n][0]),
                             bounds[n][1]) for n, w in weights.items()})
    out = []
    for e in rows:
        trades = learned.trades[e.group]
        z = getattr(policy.subjects, GROUPS[e.group]) + trades.get("", 0.0) + trades.get(
            e.item, 0.0) + sum(cards[e.group][n] * v for n, v in e.features.items())
        out.append(1.0 - probability(z))
    return np.array(out)


def auc(score: Floats, label: Floats, weight: Floats) -> float:
    """Area under the ROC curve; ties count half, `weight` is how often a row counts."""
    values, at = np.unique(score, return_inverse=True)
    bad = np.bincount(at, label * weight, len(values))
    clean = np.bincount(at, (1 - label) * weight, len(values))
    return float((bad * (np.cumsum(clean) - clean / 2)).sum() / (bad.sum() * clean.sum()))


def compared(scores: dict[str, Floats], label: Floats, subject: Sequence[str]) -> dict[str, Any]:
    """AUC of each, and the lead of each over the first with its interval."""
    _, at = np.unique(np.array(subject), return_inverse=True)
    rng, once = np.random.default_rng(1), np.ones(len(label))
    names = list(scores)
    # Ranks need finding once: a draw only changes how often a business counts.
    ranks = {n: np.unique(s, return_inverse=True)[1].astype(float) for n, s in scores.items()}
    found = []
    for _ in range(DRAWS):
        times = rng.poisson(1.0, int(at.max()) + 1)[at].astype(float)
        found.append([auc(ranks[n], label, times) for n in names])
    drawn = np.array(found)
    whole = {n: auc(ranks[n], label, once) for n in names}
    return {"auc": {n: round(v, 4) for n, v in whole.items()},
            "lead": {n: [round(whole[n] - whole[names[0]], 4), *(round(float(x), 4) for x in
                         np.percentile(drawn[:, k] - drawn[:, 0], [2.5, 97.5]))]
                     for k, n in enumerate(names) if k}}


def learned(policy: Policy, days: Days, until: int) -> tuple[Learner, Weights]:
    one = Learner(policy)
    for day, examples in days:
        if day <= until:
            one.learn(day, examples)
    return one, one.weights(until, 1) or NOTHING_LEARNED


def by_lot(days: Days) -> Days:
    """Each day's outcomes dealt among its examples."""
    rng, out = random.Random(1), []
    for day, rows in days:
        seen = rng.sample([(e.adverse, e.weight) for e in rows], len(rows))
        out.append((day, [msgspec.structs.replace(e, adverse=y, weight=w)
                          for e, (y, w) in zip(rows, seen, strict=True)]))
    return out


def pays(found: City, policy: Policy) -> dict[str, Any]:
    """One row a start: both cards on the day of the cut."""
    rows = found.last
    adverse = np.array([float(e.adverse) for e in rows])
    subjects = [e.subject for e in rows]
    names, first = np.unique(np.array(subjects), return_inverse=True)
    bad = np.array([float(found.declined.get(str(n), 1 << 30) <= found.cut) for n in names])
    out = {}
    for start in ("policy", "reversed", "shrunk", "equal", "by lot"):
        own = policy if start in ("policy", "by lot") else other(policy, start)
        _, made = learned(own, by_lot(found.days) if start == "by lot" else found.days, found.cut)
        plain = Weights(made.name, 0, made.moved, ({}, {}, {}))
        scores = {"expert": chances(own, NOTHING_LEARNED, rows),
                  "learned": chances(own, made, rows), "without trades": chances(own, plain, rows)}
        if start != "policy":
            scores["policy's expert"] = chances(policy, NOTHING_LEARNED, rows)
        worst = {}
        for name, score in scores.items():
            worst[name] = np.zeros(len(names))
            np.maximum.at(worst[name], first, score)
        out[start] = {"outcomes": compared(scores, adverse, subjects),
                      "truth": compared(worst, bad, names.tolist()),
                      "expected": {n: round(float(s.sum() / adverse.sum()), 3)
                                   for n, s in scores.items()}}
    return out


# ---------------------------------------------------------------------------------------- drift


def drifts(found: City, policy: Policy) -> dict[str, Any]:
    """Days until a change is told, and what is told where there is none."""
    since = found.days[len(found.days) * 2 // 3][0]

    def changed(kind: str) -> Iterator[tuple[int, list[Example]]]:
        rng = random.Random(1)
        for day, rows in found.days:
            new = rows
            if day >= since and kind == "evidence dealt to others":
                dealt = rng.sample([e.features for e in rows], len(rows))
                new = [msgspec.structs.replace(e, features=x)
                       for e, x in zip(rows, dealt, strict=True)]
            elif day >= since and kind == "findings rise":
                new = [e if e.adverse or rng.random() > 0.05 else
                       msgspec.structs.replace(e, adverse=True) for e in rows]
            elif day >= since and kind == "findings halve":
                new = [e for e in rows if not e.adverse or rng.random() < 0.5]
            yield day, new

    out = {}
    for kind in ("nothing", "evidence dealt to others", "findings rise", "findings halve"):
        one, last = Learner(policy), 0
        for day, rows in changed(kind):
            one.learn(day, rows)
            last = day if one.drifting else last
        told = [f for f in one.drifts() if f.day >= since]
        out[kind] = {"before": len(one.drifts()) - len(told), "after": len(told),
                     "delay_d": told[0].day - since if told else None,
                     "first": msgspec.structs.asdict(told[0]) if told else None,
                     "drifting_until_d": last - since if last else None}
    return {"days": found.days[-1][0] - since, "changes": out}


def run(a: argparse.Namespace) -> dict[str, Any]:
    policy = load.policy()
    began = time.perf_counter()
    found = history(a.subjects, a.days, a.seed, policy)
    one, _ = learned(policy, found.days, 1 << 30)
    report = one.report()
    return {
        "subjects": a.subjects, "days": a.days, "seed": a.seed, "events": found.events,
        "examples": report["examples"], "adverse": report["adverse"],
        "learned_until_cut": sum(len(rows) for day, rows in found.days if day <= found.cut),
        "scored": len(found.last), "with_a_finding": sum(e.adverse for e in found.last),
        "pays": pays(found, policy),
        "progressive": {n: {k: v for k, v in m.items() if k != "calibration"}
                        for n, m in report["models"].items()},
        "leads": report["leads"], "drift": drifts(found, policy),
        "seconds": round(time.perf_counter() - began, 1),
    }


def show(found: dict[str, Any]) -> None:
    print(f"{found['subjects']:,} subjects, {found['days']} days, seed {found['seed']}, "
          f"{found['events']:,} events; {found['examples']:,} examples ({found['adverse']:,} "
          f"adverse), {found['learned_until_cut']:,} until the cut; {found['scored']:,} items "
          f"scored ({found['with_a_finding']:,} with a finding); {found['seconds']} s\n")
    print(f"{'start':10}{'against':10}{'card':18}{'AUC':>8}"
          f"{'lead over the expert it began with':>38}{'expected/seen':>15}")
    for start, row in found["pays"].items():
        for against in ("outcomes", "truth"):
            for name, value in row[against]["auc"].items():
                low = row[against]["lead"].get(name)
                lead = f"{low[0]:+.4f} ({low[1]:+.4f} to {low[2]:+.4f})" if low else ""
                ratio = f"{row['expected'][name]:15.3f}" if against == "outcomes" else ""
                print(f"{start:10}{against:10}{name:18}{value:8.4f}{lead:>38}{ratio}")
    print("\nforecasts, then learned:")
    for name, m in found["progressive"].items():
        print(f"{name:20} AUC {m['auc']:.4f} log-loss {m['log_loss']:.4f} Brier {m['brier']:.4f} "
              f"ECE {m['ece']:.4f}")
    for row in found["leads"]:
        print(f"bounded scorecard over {row['over']}: AUC {row['auc']:+.4f} ({row['auc_low']:+.4f} "
              f"to {row['auc_high']:+.4f})")
    print("\ndrift")
    for kind, row in found["drift"]["changes"].items():
        print(f"{kind:28} detections before {row['before']}, after {row['after']}; first after "
              f"{row['delay_d']} days: {row['first']}; drifting until day "
              f"{row['drifting_until_d']} of {found['drift']['days']}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--subjects", type=int, default=60_000)
    parser.add_argument("--days", type=int, default=730)
    parser.add_argument("--seed", type=int, default=1)
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
