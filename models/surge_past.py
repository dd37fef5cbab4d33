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

import numpy as np
from numpy.typing import NDArray

from models.surge_policy import SurgePolicy
from models.surge_state import WINDOW_D, Cell, Cells

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

ALL = "*"
WEEK_D = 7
FINE = 2.0 ** 16
"""Weights are multiples of 1 / FINE: then sums of counts are exact, in whatever order and by
whatever instructions numpy adds them."""
SHAPE = (0.5, 20.0)
"""Least and most shape of the prior."""
SIGMAS = 3.0
"""A past week is cut to its expectation, so many deviations and two reports."""
SEASON_MAX = 3.0
SEASON_COUNT = 50.0
"""Expected reports with which last year's season is pulled toward none."""
SEASON_D = 10
PHI_WEEKS = 20.0
"""Weeks with which a unit's overdispersion is pulled toward its level's."""


class Past:
    """Counts of all units by week, and what they say about the rates."""

    def __init__(self, state: Cells, day: int, policy: SurgePolicy) -> None:
        rule = self.rule = policy.regional
        self.state, self.day = state, day
        names = sorted(state.cells)
        first = day - WINDOW_D + 1
        flat = np.frombuffer(b"".join(state.cells[c].data for c in names), np.int32)
        flat = flat.reshape(-1, 2).astype(np.int64)
        size = np.array([len(state.cells[c].data) // 2 for c in names], np.int64)
        owner = np.repeat(np.arange(len(names)), size)
        keep = (flat[:, 0] >= first) & (flat[:, 0] <= day) & (flat[:, 1] > 0)
        owner, flat = owner[keep], flat[keep]
        self.offset = flat[:, 0] - first
        self.n = flat[:, 1]
        self.owner = owner
        self.weeks = 0
        if not len(owner):
            return
        born = int(self.offset.min())
        last = WINDOW_D - 1 - rule.guard_d
        weeks = (last - born + 1) // WEEK_D
        if weeks * WEEK_D < rule.history_d:
            return
        self.weeks = weeks
        self._name_units(names)
        self._count_weeks(last, born)
        self._rates()

    # ---------------------------------------------------------------------------------- units

    def _name_units(self, names: list[tuple[str, ...]]) -> None:
        """Number the cells and the sums over items, over districts, and over both."""
        self.cells = len(names)
        levels: list[list[Cell]] = [[(d, i, k) for d, i, k in names]]
        levels.append(sorted({(d, ALL, k) for d, _, k in names}))
        levels.append(sorted({(ALL, i, k) for _, i, k in names}))
        levels.append(sorted({(ALL, ALL, k) for _, _, k in names}))
        self.units = [u for level in levels for u in level]
        number = {u: j for j, u in enumerate(self.units)}
        self.level = np.repeat(np.arange(4), [len(level) for level in levels])
        self.up = np.array([[number[d, ALL, k], number[ALL, i, k], number[ALL, ALL, k]]
                            for d, i, k in names], np.int64)
        causes = {k: j for j, k in enumerate(sorted({u[2] for u in self.units}))}
        districts = {d: j for j, d in enumerate(sorted({d for d, _, _ in names}))}
        items = {i: j for j, i in enumerate(sorted({i for _, i, _ in names}))}
        self.causes = len(causes)
        self.cause = np.array([causes[u[2]] for u in self.units], np.int64)
        # The number past the last stands for all.
        self.district = np.array([districts.get(u[0], len(districts)) for u in self.units])
        self.item = np.array([items.get(u[1], len(items)) for u in self.units])
        self.families: dict[tuple[str, Cell], list[int]] = {}
        """Judged units of a cause that differ in their district, or in their item, only."""
        self._named = np.array([u[0] != "" for u in self.units])
        """A subject without a registration has no district: it counts in the sums only."""

    def _lift(self, counts: NDArray[np.int64]) -> NDArray[np.int64]:
        """Counts of cells -> of all units, along the first axis."""
        out = np.zeros((len(self.units), *counts.shape[1:]), counts.dtype)
        out[:self.cells] = counts
        for column in range(3):
            np.add.at(out, self.up[:, column], counts)
        return out

    def _count_weeks(self, last: int, born: int) -> None:
        week = (last - self.offset) // WEEK_D
        inside = (self.offset <= last) & (week < self.weeks)
        flat = np.bincount(self.owner[inside] * self.weeks + week[inside],
                           self.n[inside], self.cells * self.weeks)
        cells = flat.astype(np.int64).reshape(self.cells, self.weeks)
        self.counts = self._lift(cells)
        """Shape (units, weeks), the latest first."""
        self.by_cause = self.counts[self.level == 3]
        total = self.by_cause.sum(axis=0)
        steady = round(FINE * self.rule.steady_per_d) / FINE
        self.rest = total - self.by_cause + steady * WEEK_D
        """Exposure of each cause: reports of the others, shape (causes, weeks)."""
        daily = np.bincount(self.offset, self.n, WINDOW_D).astype(np.int64)
        self.daily = np.zeros((self.causes, WINDOW_D), np.int64)
        np.add.at(self.daily, (self.cause[self.owner], self.offset), self.n)
        # Weekdays of the whole weeks of the past.
        span = daily[last - self.weeks * WEEK_D + 1:last + 1].reshape(-1, WEEK_D).sum(axis=0)
        share = (span + 1.0) / (span.sum() + WEEK_D)
        since = (np.arange(WINDOW_D) - (last + 1)) % WEEK_D
        self.rest_daily = daily - self.daily + np.rint(FINE * steady * WEEK_D * share)[since] / FINE
        # Weeks for which a unit's district and item have been there.
        start = np.full(len(self.units), born)
        for axis in (self.district, self.item):
            seen = np.full(int(axis.max()) + 1, WINDOW_D)
            np.minimum.at(seen, axis[self.owner], self.offset)
            whole = axis == axis[-1]
            start = np.maximum(start, np.where(whole, born, seen[axis]))
        self.known = np.clip((last - start + 1) // WEEK_D, 0, self.weeks)
        self.judged = (self.known * WEEK_D >= self.rule.history_d) & self._named

    # ---------------------------------------------------------------------------------- rates

    def _rates(self) -> None:
        """Rate of each unit per report elsewhere: mean, and the count it rests on."""
        weeks = np.arange(self.weeks)
        aged = np.array([round(FINE * 2.0 ** (-(w + 0.5) * WEEK_D / self.rule.half_life_d)) / FINE
                         for w in weeks])
        rest = self.rest[self.cause]
        there = weeks < self.known[:, None]
        exposure = np.where(there, rest, 0.0)
        whole = np.maximum(exposure.sum(axis=1), 1e-9)
        flat = self.counts.sum(axis=1) / whole
        expected = flat[:, None] * exposure
        cut = np.minimum(self.counts, np.floor(expected + SIGMAS * np.sqrt(expected) + 2.0))
        self.aged = aged
        self.past = cut @ aged
        self.exposure = np.maximum(exposure @ aged, 1e-9)
        # Overdispersion of weeks, by level and then by unit.
        spread = ((cut - expected) ** 2).sum(axis=1)
        level_phi = np.ones(4)
        big = expected.sum(axis=1) >= 0.5 * self.weeks
        for level in range(4):
            own = big & (self.level == level)
            if own.any():
                means = math.fsum(expected[own].sum(axis=1))
                level_phi[level] = max(1.0, math.fsum(spread[own]) / means)
        typical = expected.sum(axis=1) / np.maximum(self.known, 1)
        prior = level_phi[self.level]
        self.phi = np.maximum(1.0, (spread + PHI_WEEKS * typical * prior)
                              / np.maximum(expected.sum(axis=1) + PHI_WEEKS * typical, 1e-9))
        self._priors(cut.sum(axis=1), whole)

    def _priors(self, total: Floats, whole: Floats) -> None:
        """Shrink each unit toward the product of its margins."""
        past, cause = self.past, self.cause
        cells = past[:self.cells]
        n_d, n_i = int(self.district.max()) + 1, int(self.item.max()) + 1
        d, i = self.district[:self.cells], self.item[:self.cells]
        by_d = np.bincount(d, cells, n_d)
        by_i = np.bincount(i, cells, n_i)
        by_di = np.bincount(d * n_i + i, cells, n_d * n_i)
        everything = max(float(cells.sum()), 1e-9)
        causes = past[self.level == 3] / self.exposure[self.level == 3]
        mean = causes[cause].copy()
        own = self.level == 1
        mean[own] *= by_d[self.district[own]] / everything
        own = self.level == 2
        # Many causes are of some items only: a cause's share is taken among the items that have it.
        having = np.bincount(cause[own], by_i[self.item[own]], self.causes)
        mean[own] *= by_i[self.item[own]] / np.maximum(having, 1e-9)[cause[own]]
        above = self.up[:, 1]
        mean[:self.cells] = (past[above] / self.exposure[above]
                             * by_di[d * n_i + i] / np.maximum(by_i[i], 1e-9))
        mean = np.maximum(mean, 0.02 / self.exposure)
        expected = mean * whole
        shape = np.empty(len(self.units))
        for level in range(4):
            own = (self.level == level) & self.judged
            excess = math.fsum(((total - expected) ** 2 - self.phi * expected)[own])
            found = math.fsum(expected[own] ** 2) / excess if excess > 0 else SHAPE[1]
            shape[self.level == level] = min(max(found, SHAPE[0]), SHAPE[1])
        self.weight = shape + past
        # Peers may raise what is usual for a unit, never lower it below its own past: where the
        # margins say little about it, shrinking would make its ordinary weeks look like surges.
        self.rate = np.maximum(self.weight / (shape / mean + self.exposure), past / self.exposure)
        for u in np.flatnonzero(self.judged & (self.level < 3)).tolist():
            where, what, why = self.units[u]
            if where != ALL:
                self.families.setdefault(("districts", (ALL, what, why)), []).append(u)
            if what != ALL:
                self.families.setdefault(("items", (where, ALL, why)), []).append(u)

    def _season(self, window_d: int) -> Floats:
        """By how much each cause was above its usual share at this time last year, 1 or more."""
        end = WINDOW_D - 1 - 364 + SEASON_D
        start = end - window_d - 2 * SEASON_D + 1
        if start < 0 or self.offset.min() > start:
            return np.ones(self.causes)
        own = self.level == 3
        expected = self.rate[own] * self.rest_daily[:, start:end + 1].sum(axis=1)
        seen = self.daily[:, start:end + 1].sum(axis=1)
        ratio = (seen + SEASON_COUNT) / (expected + SEASON_COUNT)
        capped: Floats = np.clip(ratio, 1.0, SEASON_MAX)
        return capped

    # --------------------------------------------------------------------------------- windows

    def window(self, window_d: int) -> tuple[Ints, Floats, Floats]:
        """Counts of the last days, their means and shapes, one for each unit."""
        from_offset = WINDOW_D - window_d
        recent = self.offset >= from_offset
        cells = np.bincount(self.owner[recent], self.n[recent], self.cells).astype(np.int64)
        self.raw = self._lift(cells)
        self.count = self._lift(cells - self._repeats(window_d, cells))
        rest = self.rest_daily[:, from_offset:].sum(axis=1)
        mean = self.rate * (rest * self._season(window_d))[self.cause]
        return self.count, mean, self._shape(mean, rest[self.cause])

    def elsewhere(self, window_d: int) -> tuple[Floats, Floats]:
        """Means and shapes against the same cause in the other districts (or items)."""
        own = np.arange(len(self.units))
        own[:self.cells] = self.up[:, 0]
        there = self.by_cause[self.cause] - self.counts[own]
        there = np.where(np.arange(self.weeks) < self.known[:, None], there, 0)
        past = np.maximum(there @ self.aged, 1e-9)
        now = self.daily[:, WINDOW_D - window_d:].sum(axis=1)[self.cause] - self.raw[own] + 1.0
        mean = self.rate * self.exposure / past * now
        # A cause as a whole has no elsewhere: on such days it is never news.
        mean[self.level == 3] = 1e9
        return mean, self._shape(mean, now)

    def _shape(self, mean: Floats, rest: Floats) -> Floats:
        """Variance phi * mean + mean**2 * (1 / past + 1 / rest), as a shape."""
        over = (self.phi - 1.0) + mean / self.weight + mean / rest
        shape: Floats = np.maximum(mean, 1e-12) / np.maximum(over, 1e-12)
        return shape

    def _repeats(self, window_d: int, cells: Ints) -> Ints:
        """Reports of one subject beyond what one subject may count for."""
        out = np.zeros(self.cells, np.int64)
        cap = self.rule.subject_cap
        for c in np.flatnonzero(cells > cap).tolist():
            held = self.state.recent.get(self.units[c])
            district = self.units[c][0]
            times: dict[tuple[str, str, str, str], int] = {}
            for (when, subject, _, _, industry, size), n in (held or {}).items():
                if n > 0 and self.day - window_d < when <= self.day:
                    member = subject, industry, district, size
                    times[member] = times.get(member, 0) + n
            for member, n in times.items():
                if n > cap:
                    usual = self.state.usual(member, self.day - self.rule.guard_d, window_d)
                    out[c] += n - min(n, max(cap, math.ceil(2 * usual)))
        return np.minimum(out, cells)
