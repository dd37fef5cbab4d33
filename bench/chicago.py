"""If inspectors followed our ranking, how many days earlier would critical violations be found?

    python -m bench.chicago --data DIR --from 2013-09-03 --to 2013-10-31 --rerank daily \
        --out SCORES.csv [--table]
    python -m bench.chicago --data DIR --progressive

DIR holds the files of github.com/Chicago/food-inspections-evaluation and `score_metric.py`.
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
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from bench.chicago_data import Data, Inspection, State, load
from bench.chicago_models import Floats, Ranker, Row, rankers

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
    return hashlib.blake2b(one.license.encode(), digest_size=8).digest()


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
