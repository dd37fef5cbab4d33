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
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import cached_property
from typing import NamedTuple

import numpy as np

from models.surge_bounds import ATTAINED_MAX, at_most, attained, least, tails
from models.surge_past import Floats, Ints, Past
from models.surge_policy import SurgePolicy, special_days
from models.surge_series import Cell
from models.surge_state import Cells
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


class Scan:
    """What one day showed, before anybody decides.

    `hits`: all with a p-value of at most `loose`, by p-value. `spreads`: those tested, by kind and
    whether of the whole city. `cells`: of each judged cell with reports in the last `spread_d`
    days count, expected, p-value.
    """

    def __init__(self, day: int, hits: list[Hit], spreads: dict[tuple[str, bool], int],
                 cells: Mapping[Cell, tuple[int, float, float]], tests: Sequence[Window]) -> None:
        self.day, self.hits, self.spreads, self.cells = day, hits, spreads, cells
        self._tests = tests

    @cached_property
    def ceilings(self) -> Floats:
        """For every unit and window tested: the largest chance it had of an alarm."""
        return np.concatenate([_ceiling(t) for t in self._tests] or [np.empty(0)])


def scan(state: Cells, day: int, policy: SurgePolicy, loose: float = LOOSE) -> Scan:
    """Test every unit on one day, from the reports of that day and before.

    Costs some 10 ns for every unit and past week; tails are worked out where `surge_bounds` cannot
    rule out that they matter.
    """
    past = Past(state, day, policy)
    if not past.weeks:
        return Scan(day, [], {}, {}, ())
    rule = policy.regional
    hits: list[Hit] = []
    special = special_days(policy, range(day - 27, day + 1))
    tests: dict[int, Window] = {}
    for window_d in sorted({*rule.windows_d, rule.spread_d}):
        tests[window_d] = Window(past, window_d,
                                1 if window_d == rule.spread_d else rule.count_min,
                                any(d > day - window_d for d in special))
    bound(tests.values())
    for window_d, own in tests.items():
        if window_d in rule.windows_d:
            for u in own.above[(own.reports[own.above] >= rule.count_min)
                               & (own.least <= at_most(loose))].tolist():
                p = own.p(u)
                if p <= loose:
                    hits.append(Hit("unit", past.units[u], window_d, int(own.reports[u]),
                                    float(own.mean[u]), p, (past.units[u],)))
    last = tests[rule.spread_d]
    spreads: dict[tuple[str, bool], int] = {}
    for kind, families in past.families.items():
        size = np.bincount(families[past.judged & (families >= 0)], minlength=len(past.units))
        for whole in (False, True):
            n = int(((size >= rule.spread_min) & ((past.level == 3) == whole)).sum())
            if n:
                spreads[kind, whole] = n
        for family in last.spreading(families, size, loose):
            members = np.flatnonzero(past.judged & (families == family)).tolist()
            members.sort(key=past.units.__getitem__)
            hit = _spread(kind, past.units[family], members, last, past, rule.spread_min)
            if hit and hit.p <= loose and hit.reports >= rule.count_min:
                hits.append(hit)
    hits.sort(key=lambda h: (h.p, h.kind, h.unit, h.window_d))
    return Scan(day, hits, spreads, Places(past, last),
                [own for window_d, own in tests.items() if window_d in rule.windows_d])


def _ceiling(tests: Window) -> Floats:
    """Bound of P(count >= count_min) by a factorial moment: mean**n / n! * prod(1 + j / shape)."""
    mean, shape = (x[tests.past.judged] for x in (tests.mean, tests.shape))
    bound = np.ones_like(mean)
    for j in range(tests.past.rule.count_min):
        bound *= mean / (j + 1) * (1.0 + j / shape)
    capped: Floats = np.minimum(bound, 1.0)
    return capped


class Window:
    """All units in one window. `above`: judged ones with more reports than their mean, at least
    `count_min`; `least`: at most their p-values."""

    def __init__(self, past: Past, window_d: int, count_min: int, special: bool) -> None:
        self.past, self.window_d, self.special = past, window_d, special
        self.raw, self.reports, self.mean, self.shape = past.window(window_d)
        self.above = np.flatnonzero(past.judged & (self.reports >= count_min)
                                    & (self.reports > self.mean))
        self.least = np.zeros(len(self.above))
        self._p: dict[int, float] = {}

    def p(self, unit: int) -> float:
        """The p-value of a judged unit with reports; 1 if it is not above its mean."""
        n, mean, shape = int(self.reports[unit]), float(self.mean[unit]), float(self.shape[unit])
        if n <= mean:
            return 1.0
        found = self._p.get(unit)
        if found is None:
            found = upper_tail(n, mean, shape)
            if self.special and found < LEVELS[0]:
                elsewhere = upper_tail(n, *self.past.elsewhere(unit, self.window_d, self.raw))
                found = max(found, min(1.0, self.past.rule.special_factor * elsewhere))
            self._p[unit] = found
        return found

    def spreading(self, families: Ints, size: Ints, loose: float) -> list[int]:
        """Families whose spread may have a p-value of at most `loose`."""
        few, past = self.past.rule.spread_min, self.past
        out: set[int] = set()
        members = table = None
        left = size >= few
        for level in LEVELS:
            rising = self.above[self.least <= at_most(level)]
            own = families[rising]
            n = np.bincount(own[own >= 0], minlength=len(size))
            left &= n >= few
            some = np.flatnonzero(left).tolist()
            if not some:
                break
            if members is None or table is None:
                members = np.flatnonzero(past.judged & (families >= 0))
                members = members[left[families[members]]]
                table = tails(self.mean[members], self.shape[members], ATTAINED_MAX)
            chance, of = attained(level, table), families[members]
            for family in some:
                p = at_least(int(n[family]), chance[of == family].tolist()) * len(LEVELS)
                if p <= at_most(loose):
                    out.add(family)
                    left[family] = False
        return sorted(out)


def bound(tests: Collection[Window]) -> None:
    """Work out `least` of several windows."""
    found = least(np.concatenate([t.reports[t.above] for t in tests]),
                  np.concatenate([t.mean[t.above] for t in tests]),
                  np.concatenate([t.shape[t.above] for t in tests]))
    ends = np.cumsum([len(t.above) for t in tests])
    for t, own in zip(tests, np.split(found, ends[:-1]), strict=True):
        t.least = own


class Places(Mapping[Cell, tuple[int, float, float]]):
    """See `Scan.cells`; p-values are worked out when asked for, while the counts are the same."""

    def __init__(self, past: Past, tests: Window) -> None:
        self._past, self._tests = past, tests

    @cached_property
    def _units(self) -> dict[Cell, int]:
        past = self._past
        there = past.is_cell & past.judged & (self._tests.reports > 0)
        return {past.units[u]: u for u in np.flatnonzero(there).tolist()}

    def __getitem__(self, cell: Cell) -> tuple[int, float, float]:
        u, tests = self._units[cell], self._tests
        return int(tests.reports[u]), float(tests.mean[u]), tests.p(u)

    def __iter__(self) -> Iterator[Cell]:
        return iter(self._units)

    def __len__(self) -> int:
        return len(self._units)


def _spread(kind: str, unit: Cell, members: list[int], tests: Window, past: Past,
            least: int) -> Hit | None:
    """Whether more of the units rise than chance explains, at the best of `LEVELS`."""
    best: Hit | None = None
    mean, shape = tests.mean, tests.shape
    found = {u: tests.p(u) for u in members if tests.reports[u] > 0}
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
