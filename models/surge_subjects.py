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

import math
from typing import NamedTuple

import numpy as np

from models.surge_policy import SurgePolicy
from models.surge_state import WINDOW_D, Cells, Peer
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
    first, last = day - WINDOW_D + 1, day - guard_d
    # One number a subject, though it may have moved; its peers are those of its last series.
    number: dict[str, int] = {}
    one, peer, size, parts = [], list[Peer](), [], []
    for (subject, *own), series in state.subjects.items():
        at = number.setdefault(subject, len(number))
        group_of = (own[0], own[1], own[2])
        if at == len(peer):
            peer.append(group_of)
        elif group_of > peer[at]:
            peer[at] = group_of
        one.append(at)
        size.append(len(series.data) // 2)
        parts.append(series.data)
    flat = np.frombuffer(b"".join(parts), np.int32).reshape(-1, 2).astype(np.int64)
    owner = np.repeat(np.array(one, np.int64), size)
    keep = (flat[:, 0] >= first) & (flat[:, 0] <= day) & (flat[:, 1] > 0)
    owner, when, n = owner[keep], flat[keep, 0], flat[keep, 1]
    past = when <= last
    if not past.any():
        return Bursts(day, [], len(number))

    born = int(when.min())
    daily = np.bincount(when - first, n, WINDOW_D)
    # Weights in whole units: sums are exact, whatever the order of the subjects.
    aged = np.array([round(UNIT * 2.0 ** (-(last - first - d) / policy.regional.half_life_d))
                     for d in range(WINDOW_D - guard_d)], np.int64)
    exposures = daily[:len(aged)] + policy.regional.steady_per_d * (np.arange(len(aged)) + first
                                                                    >= born)
    whole, recent = float(exposures.sum()), day - rule.window_d
    total = np.bincount(owner[past], n[past], len(number))
    weighted = np.bincount(owner[past], n[past] * aged[when[past] - first], len(number)) / UNIT
    now = np.bincount(owner[when > recent], n[when > recent], len(number)).astype(np.int64)

    names = sorted({*peer, *state.roster})
    place = {p: j for j, p in enumerate(names)}
    group = np.array([place[p] for p in peer], np.int64)
    seen = np.bincount(group, minlength=len(names))
    people = np.maximum(seen, [state.roster.get(p, 0) for p in names])
    trades = {t: j for j, t in enumerate(sorted({p[0] for p in names}))}
    trade = np.array([trades[p[0]] for p in names], np.int64)
    reports = np.bincount(group, total, len(names))
    in_trade = np.bincount(trade, reports, len(trades))
    of_trade = np.bincount(trade, people, len(trades))
    city = float(reports.sum()) / float(people.sum())
    # Reports of one subject in the past: of a trade, then of a group.
    mean_trade = (in_trade + TRADE_COUNT) / (of_trade + TRADE_COUNT / city)
    pull = rule.peer_count
    mean = (reports + pull) / (people + pull / mean_trade[trade])

    # Shape by moments: variance of a count = mean + mean**2 / shape, silent subjects included.
    expected = mean[group]
    squares = math.fsum(people * mean ** 2)
    excess = (math.fsum((total - expected) ** 2) + math.fsum((people - seen) * mean ** 2)
              - math.fsum(people * mean))
    shape = min(max(squares / excess if excess > 0 else SHAPE[1], SHAPE[0]), SHAPE[1])

    rest_now = float(daily[recent - first + 1:].sum())
    rest_now += policy.regional.steady_per_d * rule.window_d
    aged_whole = float((exposures * aged).sum()) / UNIT
    found: list[tuple[int, int, float, float]] = []
    for s in np.flatnonzero(now >= rule.count_min).tolist():
        weight = shape + float(weighted[s])
        rate = weight / (shape * whole / float(expected[s]) + aged_whole)
        rest = max(rest_now - float(now[s]), 1.0)
        mu = rate * rest
        p = upper_tail(int(now[s]), mu, 1.0 / (1.0 / weight + 1.0 / rest))
        found.append((int(s), int(now[s]), mu, p))
    names_of = list(number)
    return Bursts(day, sorted((Burst(names_of[s], k, mu, p) for s, k, mu, p in found),
                              key=lambda b: (b.p, b.subject)), int(people.sum()))
