"""One day's look at all districts, items and causes: what is higher than its past explains.

Each unit's count is held against its own past (`surge_past`).

Spread: of n districts (or items) with a rising cause, as many as are below a p-value are compared
with the exact law of that number, each unit with the level it can attain (counts are small); the
counting of small p-values is that of higher criticism [^1].

References
----------
[^1]: D. Donoho and J. Jin, Higher criticism for detecting sparse heterogeneous mixtures, Annals of
      Statistics 32 (2004) 962-994.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from models.surge_past import ALL, Floats, Ints, Past
from models.surge_policy import SurgePolicy, special_days
from models.surge_state import Cell, Cells
from models.surge_tails import at_least, critical, upper_tail

LOOSE = 0.05
"""Hits are kept up to this p-value, for those who decide."""
LEVELS = (0.1, 0.03, 0.01, 0.003, 0.001, 0.0003, 0.0001)
"""p-values below which rising units are counted for a spread."""


class Hit(NamedTuple):
    """A unit, or a cause that spreads, with evidence; `kind` is unit, districts or items.

    `unit` of a spread: the cause in the whole city, over districts in one item, or over items in
    one district.
    """

    kind: str
    unit: Cell
    window_d: int
    reports: int
    expected: float
    p: float
    units: tuple[Cell, ...]
    """The rising ones of a spread; of a unit itself."""


class Scan(NamedTuple):
    """What one day showed, before anybody decides."""

    day: int
    hits: list[Hit]
    """All with a p-value of at most `loose`, by p-value."""
    ceilings: Sequence[float]
    """For every unit and window tested: the largest chance it had of an alarm."""
    spreads: dict[tuple[str, bool], int]
    """Spreads tested, by kind and whether of the whole city."""
    cells: dict[Cell, tuple[int, float, float]]
    """Of each judged cell with reports in the last `spread_d` days: count, expected, p-value."""


def scan(state: Cells, day: int, policy: SurgePolicy, loose: float = LOOSE) -> Scan:
    """Test every unit on one day, from the reports of that day and before.

    Costs some 10 ns for every unit and past week, and 20 us for each one with enough reports.
    """
    past = Past(state, day, policy)
    if not past.weeks:
        return Scan(day, [], [], {}, {})
    rule = policy.regional
    hits: list[Hit] = []
    ceilings: list[Floats] = []
    special = special_days(policy, range(day - 27, day + 1))
    tests: dict[int, _Tests] = {}
    for window_d in sorted({*rule.windows_d, rule.spread_d}):
        count, mean, shape = past.window(window_d)
        everywhere = (past.elsewhere(window_d)
                      if any(d > day - window_d for d in special) else None)
        least = rule.count_min if window_d != rule.spread_d else 1
        found: dict[int, float] = {}
        for u in np.flatnonzero(past.judged & (count >= least) & (count > mean)).tolist():
            p = upper_tail(int(count[u]), float(mean[u]), float(shape[u]))
            if everywhere is not None and p < LEVELS[0]:
                p = max(p, min(1.0, rule.special_factor * upper_tail(
                    int(count[u]), float(everywhere[0][u]), float(everywhere[1][u]))))
            found[u] = p
            if p <= loose and count[u] >= rule.count_min and window_d in rule.windows_d:
                hits.append(Hit("unit", past.units[u], window_d, int(count[u]), float(mean[u]), p,
                                (past.units[u],)))
        if window_d in rule.windows_d:
            ceilings.append(_ceiling(rule.count_min, mean, shape)[past.judged])
        tests[window_d] = _Tests(count, mean, shape, found)
    last = tests[rule.spread_d]
    spreads: dict[tuple[str, bool], int] = {}
    for (kind, unit), members in sorted(past.families.items()):
        if len(members) >= rule.spread_min:
            group = kind, unit[:2] == (ALL, ALL)
            spreads[group] = spreads.get(group, 0) + 1
            hit = _spread(kind, unit, members, last, past, rule.spread_min)
            if hit and hit.p <= loose and hit.reports >= rule.count_min:
                hits.append(hit)
    cells = {past.units[u]: (int(last.reports[u]), float(last.mean[u]), last.found.get(u, 1.0))
             for u in np.flatnonzero(last.reports[:past.cells] > 0).tolist() if past.judged[u]}
    hits.sort(key=lambda h: (h.p, h.kind, h.unit, h.window_d))
    return Scan(day, hits, np.concatenate(ceilings).tolist(), spreads, cells)


def _ceiling(count_min: int, mean: Floats, shape: Floats) -> Floats:
    """Bound of P(count >= count_min) by a factorial moment: mean**n / n! * prod(1 + j / shape)."""
    bound = np.ones_like(mean)
    for j in range(count_min):
        bound *= mean / (j + 1) * (1.0 + j / shape)
    return np.minimum(bound, 1.0)


class _Tests(NamedTuple):
    """Of all units in one window; `found`: p-values of those above their mean."""

    reports: Ints
    mean: Floats
    shape: Floats
    found: dict[int, float]


def _spread(kind: str, unit: Cell, members: list[int], tests: _Tests, past: Past,
            least: int) -> Hit | None:
    """Whether more of the units rise than chance explains, at the best of `LEVELS`."""
    best: Hit | None = None
    _, mean, shape, found = tests
    for level in LEVELS:
        rising = [u for u in members if found.get(u, 1.0) <= level]
        if len(rising) < least:
            break
        chances = [critical(level, float(mean[u]), float(shape[u]))[1] for u in members]
        p = min(1.0, at_least(len(rising), chances) * len(LEVELS))
        if best is None or p < best.p:
            best = Hit(kind, unit, past.rule.spread_d,
                       sum(int(tests.reports[u]) for u in rising),
                       math.fsum(mean[u] for u in rising), p, tuple(past.units[u] for u in rising))
    return best
