"""Goal: what evaluation keeps from day to day, and what it leaves out, changes no bit of a result.

Method: long random histories - reports on the day, late and from the future, taken back before and
after they came, limits that evict, parts merged, rosters that change, days that are skipped or
asked for again, states dumped and loaded - judged day by day beside `plain_surges`, which works all
of it out from the counts. Sums and bounds are held against exact ones.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator

import numpy as np
import plain_surges as plain
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models import surge_bounds, surge_grid, surge_sums
from models import surge_tails as tails
from models.surge import Surge, evaluate
from models.surge_policy import ComplaintPolicy, RegionalPolicy, SurgePolicy
from models.surge_scan import scan
from models.surge_state import Cells, Report
from models.surge_subjects import bursts

FIRST, DAYS, JUDGED = 20_000, 640, 130
POLICIES = (
    SurgePolicy(regional=RegionalPolicy(false_per_week=20.0)),
    SurgePolicy(RegionalPolicy(false_per_week=100.0, p_max=0.04, keep_p=0.3, windows_d=(2, 5, 9),
                               spread_d=10, spread_min=2, count_min=2, subject_cap=2, guard_d=33,
                               subjects_min=1, half_life_d=77.0, steady_per_d=0.3),
                ComplaintPolicy(count_min=2, window_d=9, false_share=0.4),
                special=(("01-01", "12-31"),)),
    SurgePolicy(RegionalPolicy(p_max=0.02, history_d=28), holidays=frozenset(range(20_500, 20_530)),
                evidence_max=5),
)


class Life:
    """A random history of one state."""

    def __init__(self, seed: int, cells_max: int, subjects_max: int) -> None:
        self.rng = random.Random(seed)
        self.state = Cells(cells_max, subjects_max)
        self.sent: list[Report] = []
        self.n = 0
        self.wild = False
        """Whether clocks jump and parts are merged."""

    def report(self, day: int, cell: tuple[str, str, str], who: int) -> Report:
        self.n += 1
        where, what, why = cell
        return Report("s", str(self.n), f"b{where}{who}", where, f"H{who % 3}",
                      ("", "micro")[(who // 7 + day // 200) % 2], what, why, day)

    def cell(self) -> tuple[str, str, str]:
        rng = self.rng
        where = "" if rng.random() < 0.03 else f"d{min(rng.randrange(6), rng.randrange(6))}"
        return where, f"i{min(rng.randrange(5), rng.randrange(5))}", rng.choice("aaabbc")

    def live(self, day: int) -> None:
        rng, state = self.rng, self.state
        state.advance(day)
        for _ in range(rng.choice((0, 1, 3, 5, 8))):
            shift = rng.choice((0, 0, 0, 0, 0, -1, -9, -60, -399, -420, 2, 30, 150))
            self.act(self.report(day + shift, self.cell(), rng.randrange(40)))
        if day // 9 % 5 == 1:
            # An outbreak of one cause: a cell, or places alike.
            for k in range(rng.choice((1, 2, 4))):
                self.act(self.report(day, (f"d{k % 3}", "i1", "b"), rng.randrange(40)))
        if day // 11 % 7 == 1:
            self.act(self.report(day, ("d2", "i0", "a"), 3))
        for _ in range(min(rng.randrange(4), len(self.sent))):
            state.take_back(self.sent.pop(rng.randrange(max(0, len(self.sent) - 300),
                                                        len(self.sent))))
        if rng.random() < 0.2:
            state.enrol((f"H{rng.randrange(4)}", f"d{rng.randrange(6)}", "micro"),
                        rng.choice((1, 5, 40, -2)))
        if self.wild and rng.random() < 0.03:
            part = Cells(state.cells_max, state.subjects_max)
            part.advance(day)
            for _ in range(12):
                part.add(self.report(day - rng.randrange(60), self.cell(), rng.randrange(40)))
            state.merge(part)
        if rng.random() < 0.04:
            self.state = Cells.load(state.dump())

    def act(self, report: Report) -> None:
        if self.rng.random() < 0.1:
            # Taken back before it comes; perhaps it never does.
            self.state.take_back(report)
            if self.rng.random() < 0.7:
                self.state.add(report)
            return
        self.state.add(report)
        self.sent.append(report)
        if self.rng.random() < 0.02:
            self.state.add(report)

    def days(self) -> Iterator[int]:
        """Days to judge, most of them in order, each after what came until then."""
        for day in range(FIRST, FIRST + DAYS):
            self.live(day)
            if day < FIRST + DAYS - JUDGED and self.rng.random() < 0.95:
                continue
            if self.wild and self.rng.random() < 0.1:
                yield day + self.rng.choice((-30, -6, -1, 5, 90, 300))
            yield day


def judge(life: Life, policy: SurgePolicy) -> list[Surge]:
    """Walk a life; every surge of every day, each held against the plain one."""
    held: list[Surge] = []
    told = []
    for day in life.days():
        state = life.state
        before = state.dump()
        found = evaluate(state, day, policy, held)
        assert found == plain.evaluate(state, day, policy, held), day
        assert bursts(state, day, policy) == plain.bursts(state, day, policy), day
        for loose in (0.05, 1.0) if day % 3 == 0 else (0.05,):
            own, other = scan(state, day, policy, loose), plain.scan(state, day, policy, loose)
            assert own.hits == other.hits and own.spreads == other.spreads, day
            assert dict(own.cells) == other.cells
            assert sorted(own.ceilings) == sorted(other.ceilings)
        assert state.dump() == before, "looking changes nothing"
        held = found
        told += found
    return told


@pytest.mark.parametrize("policy", range(len(POLICIES)))
@pytest.mark.parametrize("wild", [False, True])
def test_what_is_kept_changes_nothing(policy: int, wild: bool) -> None:
    life = Life(10 * policy + wild, 10_000, 10_000)
    life.wild = wild
    told = judge(life, POLICIES[policy])
    assert {s.rule for s in told} == {"regional-surge", "complaint-surge"}
    assert {"opened", "held", "resolved"} <= {s.phase for s in told}


@pytest.mark.parametrize("seed", [1, 2])
def test_nor_under_limits(seed: int) -> None:
    """Cells and subjects come and go all the time."""
    life = Life(seed, 25, 60)
    life.wild = seed == 2
    judge(life, POLICIES[seed])
    assert life.state.overflow > 100


def test_nor_when_nobody_has_read_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """Or when tables are made anew all the time."""
    monkeypatch.setattr("models.surge_state.MOVES_MAX", 3)
    monkeypatch.setattr(surge_grid, "ROWS", surge_grid.WINDOW_D + 7)
    monkeypatch.setattr("models.surge_people.ANEW_D", 3)
    assert judge(Life(5, 10_000, 10_000), POLICIES[0])


@pytest.mark.parametrize("what", ["move", "here"])
def test_a_change_that_nobody_follows_is_noticed(what: str,
                                                 monkeypatch: pytest.MonkeyPatch) -> None:
    """Planted faults: take-backs, or single reports, are not passed on."""
    right = Cells._moved

    def wrong(self: Cells, kind: bool, key: tuple[str, ...], day: int = 0, rise: int = 0) -> None:
        if not (rise < 0 if what == "move" else rise == 0 and kind):
            right(self, kind, key, day, rise)

    monkeypatch.setattr(Cells, "_moved", wrong)
    with pytest.raises((AssertionError, KeyError)):
        for seed in range(5):
            judge(Life(seed, 25, 60), POLICIES[1])


# ------------------------------------------------------------------------------------------ sums


@given(st.lists(st.tuples(st.one_of(
    st.floats(-1e12, 1e12).filter(lambda x: x == 0 or abs(x) > 1e-150),
    st.sampled_from((0.1, -0.1, 1e16, -1e16, 1.0, 2.0 ** -60))), st.integers(0, 2)), max_size=60))
def test_sums_are_exact(rows: list[tuple[float, int]]) -> None:
    values, group = np.array([x for x, _ in rows]), np.array([g for _, g in rows], np.int64)
    found = surge_sums.totals(values, group, 3)
    assert found == [math.fsum(values[group == g]) for g in range(3)]
    assert surge_sums.total(values) == math.fsum(values)


@settings(deadline=None)
@given(st.integers(4, 60), st.integers(1, 9), st.integers(0, 10**6))
def test_sums_over_weeks_are_those_of_rows(weeks: int, units: int, seed: int) -> None:
    """Bit for bit as numpy adds a row of less than 128 numbers."""
    values = np.random.default_rng(seed).random((units, weeks)) ** 9
    found = surge_sums.columns(np.ascontiguousarray(values.T))
    assert found.tolist() == [float(row.sum()) for row in values]


@given(st.lists(st.one_of(st.floats(0.0, 1.0), st.just(1e-9)), max_size=40), st.floats(1e-6, 5.0))
def test_the_common_level_is_that_of_one_after_another(ceilings: list[float], false: float) -> None:
    def plainly() -> float:
        left, spent = len(ceilings), 0.0
        for ceiling in sorted(ceilings):
            level = (false - spent) / left
            if level <= ceiling:
                return min(1.0, level)
            spent += ceiling
            left -= 1
        return 1.0

    assert tails.level_for(ceilings, false) == plainly()


@given(st.lists(st.tuples(st.integers(1, 90), st.floats(1e-4, 90.0), st.one_of(
    st.floats(0.05, 1e12), st.floats(0.05, 50.0), st.just(1e9))), min_size=1, max_size=30))
def test_bounds_rule_out_only_what_they_may(rows: list[tuple[int, float, float]]) -> None:
    n, mean, shape = (np.array(column) for column in zip(*rows, strict=True))
    exact = [tails.upper_tail(*row) for row in rows]
    for bound, p in zip(surge_bounds.least(n, mean, shape), exact, strict=True):
        assert bound <= surge_bounds.at_most(p)
    table = surge_bounds.tails(mean, shape, surge_bounds.ATTAINED_MAX)
    for level in (0.1, 0.003, 0.0001):
        for q, (_, m, s) in zip(surge_bounds.attained(level, table), rows, strict=True):
            assert q <= tails.critical(level, m, s)[1] * (1 + 1e-9)


def test_bounds_are_sharp_where_there_are_many() -> None:
    n = np.repeat(np.arange(1, 20), 20)
    mean, shape = np.linspace(0.1, 9.0, len(n)), np.linspace(0.5, 50.0, len(n))
    found = surge_bounds.least(n, mean, shape)
    exact = [tails.upper_tail(*row) for row in zip(n.tolist(), mean.tolist(), shape.tolist(),
                                                   strict=True)]
    assert found == pytest.approx(exact, rel=1e-6, abs=1e-11)
