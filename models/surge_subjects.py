"""Subjects with far more complaints than their own past and their peers' explain.

A subject's rate, per report of the whole city on the same days, is gamma with the mean of its peers
(same industry, district and size; small groups pulled toward the industry) and a shape estimated
from how subjects differ; its own past makes it sharper (gamma-Poisson [^1]). The count of the last
days is then negative binomial. Of the p-values of all subjects of the city those are believed that
Benjamini and Hochberg's procedure takes: counts of different subjects are independent given the
city's days, so on average at most the policy's share of a day's alerts is false, however many
subjects there are. A subject with fewer reports than `count_min` has the p-value 1.

References
----------
[^1]: C. N. Morris, Parametric empirical Bayes inference, JASA 78 (1983) 47-55; as used for counts
      in W. DuMouchel, Bayesian data mining in large frequency tables, American Statistician 53
      (1999) 177-202.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.surge_people import people
from models.surge_policy import SurgePolicy
from models.surge_state import WINDOW_D, Cells
from models.surge_sums import total as total_of
from models.surge_tails import upper_tail

UNIT = 2 ** 20
SHAPE = (0.1, 20.0)
TRADE_COUNT = 20.0
"""Expected reports with which a trade is pulled toward the city."""


class Burst(NamedTuple):
    """A subject with enough reports in the window."""

    subject: str
    reports: int
    expected: float
    p: float


class Bursts(NamedTuple):
    """Of one day; `tests` is how many subjects there are."""

    day: int
    found: list[Burst]
    tests: int


def bursts(state: Cells, day: int, policy: SurgePolicy) -> Bursts:
    """P-values of all subjects with at least `count_min` reports in the last `window_d` days."""
    rule, guard_d = policy.complaint, policy.regional.guard_d
    table = people(state, day)
    first = day - WINDOW_D + 1
    start, until, recently, end = np.searchsorted(table.log[1], (
        max(first, state.horizon()), day - guard_d + 1, day - rule.window_d + 1, day + 1)).tolist()
    owner, when, n = table.log
    group = table.group[:len(table.names)]
    there = group >= 0
    daily = np.bincount(when[start:end] - first, n[start:end], WINDOW_D)
    aged = _aged(WINDOW_D - guard_d, policy.regional.half_life_d)
    if not daily[:len(aged)].any():
        return Bursts(day, [], int(there.sum()))

    born = int((daily > 0).argmax())
    exposures = daily[:len(aged)] + policy.regional.steady_per_d * (np.arange(len(aged)) >= born)
    whole, recent = float(exposures.sum()), WINDOW_D - rule.window_d
    past, late = slice(start, until), slice(max(start, recently), end)
    total = np.bincount(owner[past], n[past], len(group))
    now = np.bincount(owner[late], n[late], len(group)).astype(np.int64)

    size = len(table.groups)
    trade = table.trade[:size]
    seen = np.bincount(group[there], minlength=size)
    members = np.maximum(seen, table.roster[:size])
    reports = np.bincount(group[there], total[there], size)
    in_trade = np.bincount(trade, reports, len(table.trades))
    of_trade = np.bincount(trade, members, len(table.trades))
    city = float(reports.sum()) / float(members.sum())
    # Reports of one subject in the past: of a trade, then of a group.
    mean_trade = (in_trade + TRADE_COUNT) / (of_trade + TRADE_COUNT / city)
    pull = rule.peer_count
    mean = (reports + pull) / (members + pull / mean_trade[trade])

    # Shape by moments: variance of a count = mean + mean**2 / shape, silent subjects included.
    expected = mean[group]
    squares = total_of(members * mean ** 2)
    excess = (total_of(((total - expected) ** 2)[there]) + total_of((members - seen) * mean ** 2)
              - total_of(members * mean))
    shape = min(max(squares / excess if excess > 0 else SHAPE[1], SHAPE[0]), SHAPE[1])

    rest_now = float(daily[recent:].sum())
    rest_now += policy.regional.steady_per_d * rule.window_d
    aged_whole = float((exposures * aged).sum()) / UNIT
    busy = (now >= rule.count_min) & there
    held = start + np.flatnonzero(busy[owner[past]])
    weighted = np.bincount(owner[held], n[held] * aged[when[held] - first], len(group)) / UNIT
    found = []
    for s in np.flatnonzero(busy).tolist():
        weight = shape + float(weighted[s])
        rate = weight / (shape * whole / float(expected[s]) + aged_whole)
        rest = max(rest_now - float(now[s]), 1.0)
        mu = rate * rest
        p = upper_tail(int(now[s]), mu, 1.0 / (1.0 / weight + 1.0 / rest))
        found.append(Burst(table.names[s], int(now[s]), mu, p))
    found.sort(key=lambda b: (b.p, b.subject))
    return Bursts(day, found, int(members.sum()))


@lru_cache(maxsize=8)
def _aged(days: int, half_life_d: float) -> NDArray[np.int64]:
    """Weights in whole units, oldest day first: sums are exact, whatever their order."""
    return np.array([round(UNIT * 2.0 ** (-(days - 1 - d) / half_life_d)) for d in range(days)],
                    np.int64)
