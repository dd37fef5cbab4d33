"""Surges worked out plainly: all of one day from the counts alone, nothing kept, nothing left out.

What `models.surge.evaluate` is held against: a sound short cut there changes no bit of any result.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.surge_episode import COMPLAINT, REGIONAL, Surge, quiet, surge_id
from models.surge_grid import WEEK_D
from models.surge_past import (
    ALL,
    FINE,
    PHI_WEEKS,
    SEASON_COUNT,
    SEASON_D,
    SEASON_MAX,
    SHAPE,
    SIGMAS,
    Floats,
    Ints,
)
from models.surge_policy import SurgePolicy, special_days
from models.surge_regions import regions
from models.surge_scan import LEVELS, LOOSE, Hit
from models.surge_series import Cell, Peer
from models.surge_state import WINDOW_D, Cells
from models.surge_subjects import SHAPE as SUBJECT_SHAPE
from models.surge_subjects import TRADE_COUNT, UNIT, Burst, Bursts
from models.surge_tails import at_least, critical, discoveries, upper_tail


def evaluate(state: Cells, day: int, policy: SurgePolicy,
             held: Sequence[Surge] = ()) -> list[Surge]:
    before = [s for s in held if s.phase != "resolved"]
    out: list[Surge] = []
    if policy.complaint.enabled:
        out += subjects(bursts(state, day, policy), state, policy, before)
    if policy.regional.enabled:
        out += regions(_as_found(scan(state, day, policy)), state, policy, before)
    off = {rule for rule, on in ((COMPLAINT, policy.complaint.enabled),
                                 (REGIONAL, policy.regional.enabled)) if not on}
    out += [msgspec.structs.replace(s, phase="resolved", day=day) for s in before if s.rule in off]
    return sorted(out, key=lambda s: s.id)


def subjects(found: Bursts, state: Cells, policy: SurgePolicy,
             before: Sequence[Surge]) -> list[Surge]:
    """Episodes of `complaint-surge`."""
    rule, day = policy.complaint, found.day
    limit = discoveries([b.p for b in found.found], found.tests, rule.false_share)
    open_ = {s.subjects[0]: s for s in before if s.rule == COMPLAINT}
    out = []
    recent: dict[str, list[tuple[int, str, str]]] = {}
    wanted = {b.subject for b in found.found if b.p <= limit or b.subject in open_}
    for cell in sorted(state.recent) if wanted else ():
        for (when, subject, source, id, _, _), n in state.recent[cell].items():
            if n > 0 and subject in wanted and day - rule.window_d < when <= day:
                recent.setdefault(subject, []).append((when, source, id))
    for burst in found.found:
        old = open_.pop(burst.subject, None)
        if burst.p > (rule.keep_p if old else limit):
            if old:
                open_[burst.subject] = old
            continue
        latest = sorted(recent.get(burst.subject, ()), reverse=True)
        start = old.start_day if old else day
        out.append(Surge(
            old.id if old else surge_id(COMPLAINT, (burst.subject,), day), COMPLAINT,
            "held" if old else "opened", rule.level, "subject", "", start, day, day,
            rule.window_d, burst.reports, burst.expected, burst.p, [], [burst.subject],
            sorted((source, id) for _, source, id in latest[:policy.evidence_max])))
    out += [quiet(old, day, rule.quiet_d) for _, old in sorted(open_.items())]
    return out


def _as_found(found: Scan) -> Any:
    """`regions` asks for no more than this has."""
    return found


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
    shape = squares / excess if excess > 0 else SUBJECT_SHAPE[1]
    shape = min(max(shape, SUBJECT_SHAPE[0]), SUBJECT_SHAPE[1])

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
