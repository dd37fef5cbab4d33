"""What a city's units usually report, and what they report now.

The count of a *unit* (a cell, or one with `*` for "all") in the last days is held against its own
past, as a share of what the rest of the city reported on the same days: all other causes, and a
small steady stream with the city's weekdays. Conditioning on the city's own days [^1] takes
season, weekday, 15 March, holidays, feeds that fail and complaints taken back later out of the
comparison, without a model of them; on listed dates a cause must besides exceed its own rise
elsewhere. The rate is gamma-Poisson: a prior at the product of its margins, the past discounted by
age [^2], past outbreaks cut to what was plausible [^3], variance inflated by what weeks show [^4].
So the count is negative binomial, and its tail exact.

References
----------
[^1]: M. Kulldorff et al., A space-time permutation scan statistic for disease outbreak detection,
      PLoS Medicine 2 (2005) e59.
[^2]: R. L. Smith and J. E. Miller, A non-Gaussian state space model and application to prediction
      of records, J. R. Stat. Soc. B 48 (1986) 79-88.
[^3]: C. P. Farrington et al., A statistical algorithm for the early detection of outbreaks of
      infectious disease, J. R. Stat. Soc. A 159 (1996) 547-563.
[^4]: A. Noufaily et al., An improved algorithm for outbreak detection in multiple surveillance
      systems, Statistics in Medicine 32 (2013) 1206-1222.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from models.surge_grid import (
    ABOVE,
    ALL,
    CAUSE,
    DISTRICT,
    ITEM,
    LEVEL,
    NAMED,
    OVER_DISTRICTS,
    OVER_ITEMS,
    WEEK_D,
    Counts,
    Ints,
    grid,
)
from models.surge_policy import SurgePolicy
from models.surge_series import Member
from models.surge_state import WINDOW_D, Cells
from models.surge_sums import columns, totals

__all__ = ["ALL", "Floats", "Ints", "Past"]

Floats = NDArray[np.float64]

FINE = 2.0 ** 16
"""Weights are multiples of 1 / FINE: then sums of counts are exact, in whatever order and by
whatever instructions numpy adds them."""
SHAPE = (0.5, 20.0)
"""Least and most shape of the prior."""
SIGMAS = 3.0
"""A past week is cut to its expectation, so many deviations and two reports."""
CUT_MIN = 3
"""Fewer reports are never cut."""
SEASON_MAX = 3.0
SEASON_COUNT = 50.0
"""Expected reports with which last year's season is pulled toward none."""
SEASON_D = 10
PHI_WEEKS = 20.0
"""Weeks with which a unit's overdispersion is pulled toward its level's."""


class Past:
    """Counts of all units by week, and what they say about the rates.

    A unit has the number that the grid gave it, which means nothing. `judged`: whether it is tested
    at all.
    """

    def __init__(self, state: Cells, day: int, policy: SurgePolicy) -> None:
        self.rule = policy.regional
        self.state, self.day = state, day
        self.grid = grid(state, day)
        self.units = self.grid.units
        self.weeks = 0
        first = self._first = day - WINDOW_D + 1 - self.grid.base
        self.daily = self._days(self.grid.causes.all)[:, :len(self.grid.top)]
        """Shape (days, causes)."""
        self.total = self.daily.sum(axis=1, dtype=np.int64)
        if not self.total.any():
            return
        self.born = int((self.total > 0).argmax())
        last = WINDOW_D - 1 - self.rule.guard_d
        weeks = (last - self.born + 1) // WEEK_D
        if weeks * WEEK_D < self.rule.history_d:
            return
        self.weeks = weeks
        facts = self.grid.facts[:, :len(self.units)]
        self.level, self.cause, self.above = facts[LEVEL], facts[CAUSE], facts[ABOVE:ABOVE + 3]
        self.district, self.item = facts[DISTRICT], facts[ITEM]
        self.families = {"districts": facts[OVER_DISTRICTS], "items": facts[OVER_ITEMS]}
        """The sum over districts, or items, that a unit is part of, or -1."""
        self.top = np.array(self.grid.top, np.int64)
        self.is_cell = self.level == 0
        self.cells = np.flatnonzero(self.is_cell)
        self.there = self.grid.parts[:len(self.units)] > 0
        rows = first + last - WEEK_D * np.arange(weeks)
        self.counts: Counts = self.grid.weekly.all[rows, :len(self.units)]
        """Shape (weeks, units), the latest first."""
        self._often = self._repeated()
        self._exposures(last)
        # A subject without a registration has no district: it counts in the sums only.
        self.judged = ((self.known * WEEK_D >= self.rule.history_d) & (facts[NAMED] > 0)
                       & self.there)
        self._rates()

    def _days(self, counts: Counts) -> Counts:
        return counts[self._first:self._first + WINDOW_D]

    def _exposures(self, last: int) -> None:
        self.by_cause = self.counts[:, self.top].astype(np.int64)
        total = self.by_cause.sum(axis=1)
        steady = round(FINE * self.rule.steady_per_d) / FINE
        self.rest = total[:, None] - self.by_cause + steady * WEEK_D
        """Exposure of each cause: reports of the others, shape (weeks, causes)."""
        # Weekdays of the whole weeks of the past.
        span = self.total[last - self.weeks * WEEK_D + 1:last + 1].reshape(-1, WEEK_D).sum(axis=0)
        share = (span + 1.0) / (span.sum() + WEEK_D)
        since = (np.arange(WINDOW_D) - (last + 1)) % WEEK_D
        self.steady = np.rint(FINE * steady * WEEK_D * share)[since] / FINE
        # Weeks for which a unit's district and item have been there.
        start = np.full(len(self.units), self.born)
        for axis, matrix in ((self.district, self.grid.districts), (self.item, self.grid.items)):
            held = self._days(matrix.all) > 0
            first = np.ascontiguousarray(held.T).argmax(axis=1)
            seen = np.where(held[first, np.arange(len(first))], first, WINDOW_D)
            seen[0] = self.born
            start = np.maximum(start, seen[axis])
        self.known = np.clip((last - start + 1) // WEEK_D, 0, self.weeks)

    def _rest(self, start: int, end: int) -> Floats:
        """Exposure of each cause on some days."""
        own = self.daily[start:end].sum(axis=0, dtype=np.int64)
        out: Floats = self.total[start:end].sum() - own + self.steady[start:end].sum()
        return out

    # ---------------------------------------------------------------------------------- rates

    def _rates(self) -> None:
        """Rate of each unit per report elsewhere: mean, and the count it rests on."""
        size = len(self.units)
        self.aged = _aged(self.weeks, self.rule.half_life_d)
        whole = np.maximum(self._until_known(self.rest), 1e-9)
        self.exposure = np.maximum(self._until_known(self.rest * self.aged[:, None]), 1e-9)
        total = self.counts.sum(axis=0, dtype=np.int64)
        flat = total / whole
        expected = self.rest.take(self.cause, axis=1)
        weeks = np.arange(self.weeks)[:, None]
        early = max(self.weeks - 8, 0)
        expected[early:] *= weeks[early:] < self.known
        young = np.flatnonzero((self.known < early) & self.there)
        expected[:, young] *= weeks < self.known[young]
        expected *= flat
        cut = self.counts.astype(np.float64)
        at = np.flatnonzero(self.counts >= CUT_MIN)
        n, mean = cut.reshape(-1)[at], expected.reshape(-1)[at]
        plausible = np.minimum(n, np.floor(mean + SIGMAS * np.sqrt(mean) + 2.0))
        cut.reshape(-1)[at] = plausible
        self.past = self.aged @ cut
        # Overdispersion of weeks, by level and then by unit.
        means = columns(expected)
        np.subtract(cut, expected, out=cut)
        np.multiply(cut, cut, out=cut)
        spread = columns(cut)
        big = np.flatnonzero(means >= 0.5 * self.weeks)
        spreads, of = (totals(x[big], self.level[big], 4) for x in (spread, means))
        level_phi = np.array([max(1.0, a / b) if b else 1.0
                              for a, b in zip(spreads, of, strict=True)])
        typical = means / np.maximum(self.known, 1)
        prior = level_phi[self.level]
        self.phi = np.maximum(1.0, (spread + PHI_WEEKS * typical * prior)
                              / np.maximum(means + PHI_WEEKS * typical, 1e-9))
        self._priors(total - np.bincount(at % size, n - plausible, size), whole)

    def _until_known(self, weekly: Floats) -> Floats:
        """Sums over the weeks known of each unit, of something known of each cause."""
        sums = np.zeros((self.weeks + 1, weekly.shape[1]))
        np.cumsum(weekly, axis=0, out=sums[1:])
        out: Floats = sums[self.known, self.cause]
        return out

    def _priors(self, total: Floats, whole: Floats) -> None:
        """Shrink each unit toward the product of its margins."""
        past, cause, cells = self.past, self.cause, self.cells
        n_d, n_i = self.grid.districts.all.shape[1], self.grid.items.all.shape[1]
        d, i, own = self.district[cells], self.item[cells], past[cells]
        by_d = np.bincount(d, own, n_d)
        by_i = np.bincount(i, own, n_i)
        by_di = np.bincount(d * n_i + i, own, n_d * n_i)
        everything = max(float(own.sum()), 1e-9)
        mean = (past[self.top] / self.exposure[self.top])[cause]
        one = self.level == 1
        mean[one] *= by_d[self.district[one]] / everything
        two = np.flatnonzero((self.level == 2) & self.there)
        # Many causes are of some items only: a cause's share is taken among the items that have it.
        having = np.bincount(cause[two], by_i[self.item[two]], len(self.top))
        mean[two] *= by_i[self.item[two]] / np.maximum(having, 1e-9)[cause[two]]
        above = self.above[1, cells]
        mean[cells] = past[above] / self.exposure[above] * by_di[d * n_i + i] / np.maximum(
            by_i[i], 1e-9)
        mean = np.maximum(mean, 0.02 / self.exposure)
        expected = mean * whole
        beyond = (total - expected) ** 2 - self.phi * expected
        judged = np.flatnonzero(self.judged)
        squares, excess = (totals(x[judged], self.level[judged], 4)
                           for x in (expected ** 2, beyond))
        shape = np.array([min(max(a / b if b > 0 else SHAPE[1], SHAPE[0]), SHAPE[1])
                          for a, b in zip(squares, excess, strict=True)])[self.level]
        self.weight = shape + past
        # Peers may raise what is usual for a unit, never lower it below its own past: where the
        # margins say little about it, shrinking would make its ordinary weeks look like surges.
        self.rate = np.maximum(self.weight / (shape / mean + self.exposure), past / self.exposure)

    def _season(self, window_d: int) -> Floats:
        """By how much each cause was above its usual share at this time last year, 1 or more."""
        end = WINDOW_D - 1 - 364 + SEASON_D
        start = end - window_d - 2 * SEASON_D + 1
        if start < 0 or self.born > start:
            return np.ones(len(self.top))
        expected = self.rate[self.top] * self._rest(start, end + 1)
        seen = self.daily[start:end + 1].sum(axis=0, dtype=np.int64)
        ratio = (seen + SEASON_COUNT) / (expected + SEASON_COUNT)
        capped: Floats = np.clip(ratio, 1.0, SEASON_MAX)
        return capped

    # --------------------------------------------------------------------------------- windows

    def window(self, window_d: int) -> tuple[Ints, Ints, Floats, Floats]:
        """Reports of the last days, those that count, their means and shapes, of each unit."""
        from_offset = WINDOW_D - window_d
        last = self._days(self.grid.daily.all)[from_offset:, :len(self.units)]
        raw = last.sum(axis=0, dtype=np.int64)
        count = raw.copy()
        repeats = self._repeats(window_d, raw)
        cells, beyond = (np.array([*x], np.int64) for x in (repeats, repeats.values()))
        for units in (cells, *self.above[:, cells]):
            np.subtract.at(count, units, beyond)
        rest = self._rest(from_offset, WINDOW_D)
        mean = self.rate * (rest * self._season(window_d))[self.cause]
        return raw, count, mean, self._shape(mean, rest[self.cause])

    def elsewhere(self, unit: int, window_d: int, raw: Ints) -> tuple[float, float]:
        """Mean and shape against the same cause in the other districts (or items)."""
        u = np.array([unit])
        cause, own = self.cause[unit], self.above[0, unit]
        there = self.by_cause[:, cause] - self.counts[:, own]
        there[self.known[unit]:] = 0
        past = np.maximum(there @ self.aged, 1e-9)
        now = self.daily[WINDOW_D - window_d:, cause].sum(dtype=np.int64) - raw[own] + 1.0
        # A cause as a whole has no elsewhere: on such days it is never news.
        mean = (np.array([1e9]) if self.level[unit] == 3
                else self.rate[u] * self.exposure[u] / past * now)
        return float(mean[0]), float(self._shape(mean, now, u)[0])

    def _shape(self, mean: Floats, rest: Floats, units: Ints | slice = slice(None)) -> Floats:
        """Variance phi * mean + mean**2 * (1 / past + 1 / rest), as a shape."""
        over = (self.phi[units] - 1.0) + mean / self.weight[units] + mean / rest
        shape: Floats = np.maximum(mean, 1e-12) / np.maximum(over, 1e-12)
        return shape

    def _repeats(self, window_d: int, raw: Ints) -> dict[int, int]:
        """Cells, and their reports of one subject beyond what one subject may count for."""
        out: dict[int, int] = {}
        cap = self.rule.subject_cap
        for cell, member, ages in self._often:
            n = len(ages) if ages[0] < window_d else sum(age < window_d for age in ages)
            if n > cap and raw[cell] > cap:
                usual = self.state.usual(member, self.day - self.rule.guard_d, window_d)
                beyond = n - min(n, max(cap, math.ceil(2 * usual)))
                out[cell] = min(out.get(cell, 0) + beyond, int(raw[cell]))
        return out

    def _repeated(self) -> list[tuple[int, Member, list[int]]]:
        """Cells, subjects with more reports there than one may count for, and how old these are."""
        cap, before = self.rule.subject_cap, self.day - max(self.rule.spread_d,
                                                            *self.rule.windows_d)
        out = []
        for cell, often in self.grid.often.items():
            for member, days in often:
                if len(days) > cap and days[-cap - 1] > before:
                    ages = [self.day - day for day in days if before < day <= self.day]
                    if len(ages) > cap:
                        out.append((cell, member, ages))
        return out


@lru_cache(maxsize=256)
def _aged(weeks: int, half_life_d: float) -> Floats:
    return np.array([round(FINE * 2.0 ** (-(w + 0.5) * WEEK_D / half_life_d)) / FINE
                     for w in range(weeks)])
