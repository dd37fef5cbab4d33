"""If inspectors followed our ranking, how many days earlier would critical violations be found?

    python -m bench.chicago --data DIR --from 2013-09-03 --to 2013-10-31 --rerank daily \\
        --out SCORES.csv [--table]
    python -m bench.chicago --data DIR --progressive

DIR holds the files of github.com/Chicago/food-inspections-evaluation in the form its README
describes, and score_metric.py. Candidates are the window's inspections. Before the window all
history is known; inside it, what the simulation has carried out on earlier simulated days, and
complaints, burglaries, weather and unscheduled visits up to the day before. Who inspects is not
known and nothing stands for it, except that a place's past findings include the strictness of
those who made them. Of a candidate's own row only the register is read: place, facility type, risk
class, first licence (if begun); not its flags, its identity or its real date. SCORES.csv holds
score = -position and goes through `DIR/score_metric.py SCORES.csv LABELS --boot 2000` as it is.

Features, expert weights, bounds and settings were chosen on simulated windows before 2013-09-01
only (2012-09 to 2013-08, two months each); the practice windows were looked at afterwards.
`--progressive` predicts each inspection of the whole real schedule on its eve, then learns it.
Random: mean over 200 orders. Intervals: 2,000 bootstrap draws of the metric script's own kind.
Baselines learn from all features ours has, unless they say "simple"; scikit-learn is optional.
"""

from __future__ import annotations

import argparse
import copy
import csv
import datetime as dt
import hashlib
import importlib.util
import itertools
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from bench.chicago_data import Data, Inspection, State, load
from bench.chicago_models import Floats, Ranker, Row, rankers

ORDERS = 200
DRAWS = 2000
WARM_UP = 2000
"""Inspections that the calibration of `--progressive` leaves out at the start."""
Days = list[tuple[int, list[Inspection], list[Row]]]


def critical(ones: list[Inspection]) -> list[bool]:
    return [one.critical > 0 for one in ones]


def history(data: Data, before: int) -> tuple[State, Days]:
    """State on the eve of `before`, and every earlier day's inspections with what was known."""
    state, days = State(data), []
    earlier = itertools.takewhile(lambda i: i.day < before, data.inspections)
    for day, made in itertools.groupby(earlier, key=lambda i: i.day):
        ones = list(made)
        state.begin(day)
        days.append((day, ones, [state.features(one) for one in ones]))
        for one in ones:
            state.learn(one, day)
    return state, days


def neutral(one: Inspection) -> bytes:
    """Order among equals: says nothing of the real order."""
    return hashlib.blake2b(str(one.id).encode(), digest_size=8).digest()


def simulate(state: State, ranker: Ranker, window: list[Inspection],
             rerank: bool = True) -> list[Inspection]:
    """The window's inspections in the order in which the ranker would have them made.

    `state` and `ranker` know all days before the window; each simulated day they learn what was
    found by the inspections that the simulation has carried out that day.
    """
    left = sorted(window, key=neutral)
    start = window[0].day
    out: list[Inspection] = []
    for day, made in itertools.groupby(window, key=lambda i: i.day):
        slots = len(list(made))
        if rerank or not out:
            state.begin(day, schedule_from=start)
            rows = [state.features(one) for one in left]
            order = np.argsort(-ranker.score(rows), kind="stable").tolist()
        else:
            order = list(range(len(left)))
        chosen = order[:slots]
        today = [left[n] for n in chosen]
        out += today
        if rerank:
            ranker.learn([rows[n] for n in chosen], critical(today))
            for one in today:
                state.learn(one, day)
        left = [left[n] for n in (sorted(order[slots:]) if rerank else order[slots:])]
    return out


# ---------------------------------------------------------------------------------- measuring


class Metric:
    """`score_metric.py` of the data folder, asked in process."""

    def __init__(self, folder: Path, window: list[Inspection]) -> None:
        spec = importlib.util.spec_from_file_location("score_metric", folder / "score_metric.py")
        assert spec and spec.loader, "DIR/score_metric.py is missing"
        self.script: Any = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(self.script)
        self.window = window
        self.day = np.array([one.day for one in window], float)
        self.found = np.array(critical(window))

    def scores(self, order: list[Inspection]) -> Floats:
        place = {one.id: n for n, one in enumerate(order)}
        return np.array([-float(place[one.id]) for one in self.window])

    def row(self, score: Floats) -> dict[str, Any]:
        """The script's own numbers and its 95 % intervals."""
        out: dict[str, Any] = self.script.evaluate(self.day, score, self.found)
        rng = np.random.default_rng(20140902)
        draws = []
        for _ in range(DRAWS):
            at = rng.integers(0, len(self.day), len(self.day))
            one = self.script.evaluate(self.day[at], score[at], self.found[at])
            draws.append((one["days_earlier_mean"], one["roc_auc"]))
        low, high = np.percentile(np.array(draws), [2.5, 97.5], axis=0)
        out |= {"days_ci": (low[0], high[0]), "auc_ci": (low[1], high[1])}
        out["draws"] = np.array(draws)[:, 0]
        return out

    def random(self) -> dict[str, Any]:
        rng = np.random.default_rng(1)
        rows = [self.script.evaluate(self.day, rng.permutation(len(self.day)).astype(float),
                                     self.found) for _ in range(ORDERS)]
        days = [r["days_earlier_mean"] for r in rows]
        low, high = np.percentile(days, [2.5, 97.5])
        return {**{k: float(np.mean([r[k] for r in rows])) for k in rows[0]},
                "days_ci": (low, high), "draws": None}


def line(name: str, row: dict[str, Any], first: Any) -> str:
    low, high = row["days_ci"]
    out = (f"{name:24}{row['days_earlier_mean']:6.2f} [{low:5.2f}, {high:5.2f}]"
           f"{100 * row['first_half_share']:8.1f} %{row['roc_auc']:8.3f}")
    if first is not None and row["draws"] is not None and first is not row["draws"]:
        low, high = np.percentile(first - row["draws"], [2.5, 97.5])
        out += f"   [{low:5.2f}, {high:5.2f}]"
    return out


def window_run(a: argparse.Namespace, data: Data) -> None:
    start, end = (dt.date.fromisoformat(x).toordinal() for x in (a.start, a.end))
    window = [one for one in data.inspections if start <= one.day <= end]
    metric = Metric(a.data, window)
    began = time.perf_counter()
    state, days = history(data, window[0].day)
    print(f"{len(window)} candidates, {sum(critical(window))} critical; {len(days)} days of "
          f"history, {time.perf_counter() - began:.0f} s", file=sys.stderr)
    makers = rankers()
    if not a.table:
        makers = {"xinfeng": makers["xinfeng"]}
    first = None
    print(f"{'':24}{'days earlier':>22}{'1st half':>10}{'AUC':>8}   lead of xinfeng, days")
    for name, make in makers.items():
        if make is None:
            print(f"{name:24}needs bench/requirements.txt")
            continue
        began = time.perf_counter()
        ranker = make()
        for _, ones, rows in days:
            ranker.learn(rows, critical(ones))
        known = copy.deepcopy(state, {id(data): data})
        order = simulate(known, ranker, window, a.rerank == "daily")
        row = metric.row(metric.scores(order))
        if name == "xinfeng":
            first = row["draws"]
            with a.out.open("w", newline="", encoding="utf-8") as file:
                writer = csv.writer(file)
                writer.writerow(("inspection_id", "score"))
                writer.writerows((one.id, -n) for n, one in enumerate(order, 1))
        print(line(name, row, first), f"  {time.perf_counter() - began:.0f} s", flush=True)
    if a.table:
        print(line(f"random, mean of {ORDERS}", metric.random(), None))


def predictions(data: Data, make: dict[str, Callable[[], Ranker]]) -> Iterator[
        tuple[list[bool], dict[str, Floats]]]:
    """Of each real day: what was found, and what each ranker had said on its eve."""
    state, made = State(data), {name: one() for name, one in make.items()}
    for day, group in itertools.groupby(data.inspections, key=lambda i: i.day):
        ones = list(group)
        state.begin(day)
        rows: list[Row] = [state.features(one) for one in ones]
        found = critical(ones)
        yield found, {name: one.score(rows) for name, one in made.items()}
        for ranker in made.values():
            ranker.learn(rows, found)
        for one in ones:
            state.learn(one, day)


def calibration_error(p: Floats, y: Floats) -> float:
    """Expected calibration error: mean |predicted - found| over tenths of equal size."""
    order = np.argsort(p, kind="stable")
    return float(sum(len(part) / len(p) * abs(p[part].mean() - y[part].mean())
                     for part in np.array_split(order, 10)))


def progressive_run(a: argparse.Namespace, data: Data) -> None:
    made = {name: make for name, make in rankers().items()
            if make is not None and (name == "xinfeng" or (a.table and name.startswith("river")))}
    found: list[bool] = []
    said: dict[str, list[Floats]] = {name: [] for name in made}
    for day_found, scores in predictions(data, made):
        found += day_found
        for name, p in scores.items():
            said[name].append(p)
    y = np.array(found, float)
    metric = Metric(a.data, data.inspections)
    rng = np.random.default_rng(1)
    print(f"{len(y)} inspections, {int(y.sum())} critical\n"
          f"{'':24}{'AUC':>6} [95 %]{'':12}{'calibration error':>18}{'later':>8}")
    for name, parts in said.items():
        p = np.concatenate(parts)

        def auc(at: Any, p: Floats = p) -> float:
            ranks = metric.script.midranks(p[at])
            bad = y[at] > 0
            n = int(bad.sum())
            return float((ranks[bad].sum() - n * (n + 1) / 2) / (n * (len(bad) - n)))

        drawn = [auc(rng.integers(0, len(y), len(y))) for _ in range(300)]
        low, high = np.percentile(drawn, [2.5, 97.5])
        print(f"{name:24}{auc(slice(None)):6.4f} [{low:.4f}, {high:.4f}]"
              f"{calibration_error(p, y):14.4f}"
              f"{calibration_error(p[WARM_UP:], y[WARM_UP:]):12.4f}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--from", dest="start", default="2013-09-03")
    parser.add_argument("--to", dest="end", default="2013-10-31")
    parser.add_argument("--rerank", choices=("daily", "never"), default="daily")
    parser.add_argument("--out", type=Path, default=Path("scores.csv"))
    parser.add_argument("--table", action="store_true", help="run every baseline too")
    parser.add_argument("--progressive", action="store_true", help="predict the real schedule")
    a = parser.parse_args()
    data = load(a.data)
    if a.progressive:
        progressive_run(a, data)
    else:
        window_run(a, data)


if __name__ == "__main__":
    main()
