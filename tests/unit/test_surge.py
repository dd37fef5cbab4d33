"""Goal: what is beyond chance is told once, with the places and reports it rests on, and what is
not is not: dates on which everything rises, one noisy business, a place without a past.

Method: tails against rational sums; a small city of steady noise from a fixed seed, with outbreaks
planted into it; each check of silence is shown to have been able to fail.
"""

from __future__ import annotations

import datetime as dt
import decimal
import itertools
import math
from collections.abc import Iterable
from fractions import Fraction
from typing import Any

import msgspec
import numpy as np
import pytest

from models import calendar, surge_state
from models import surge_tails as tails
from models.surge import Surge, evaluate
from models.surge_policy import ComplaintPolicy, RegionalPolicy, SurgePolicy, special_days
from models.surge_scan import scan
from models.surge_state import Cells, Report

END = calendar.from_date(dt.date(2026, 9, 20))
DISTRICTS = tuple(f"50010{n}" for n in range(1, 8))
ITEMS = ("cq1-17", "cq1-18", "cq1-21", "cq1-28")
CAUSES = ("质量", "价格", "服务")
POLICY = SurgePolicy(regional=RegionalPolicy(false_per_week=0.05))
"""Of so small a city one false alert a week would be too many to see the others."""


# -------------------------------------------------------------------------------------- tails


def negative_binomial(n: int, mean: Fraction, shape: int) -> Fraction:
    """P(X >= n) exactly, for a whole shape."""
    share = mean / (shape + mean)
    below = sum(math.comb(j + shape - 1, j) * share**j for j in range(n))
    return 1 - (1 - share) ** shape * below


def poisson(n: int, mean: str) -> decimal.Decimal:
    with decimal.localcontext() as context:
        context.prec = 400
        m = decimal.Decimal(mean)
        term, below = decimal.Decimal(1), decimal.Decimal(0)
        for j in range(n):
            below += term
            term = term * m / (j + 1)
        return 1 - below * (-m).exp()


@pytest.mark.parametrize("n", [1, 2, 3, 7, 20, 60, 150])
@pytest.mark.parametrize("mean", ["0.001", "0.1", "1", "4.5", "30", "200"])
@pytest.mark.parametrize("shape", [1, 3, 40])
def test_negative_binomial_tails_are_exact(n: int, mean: str, shape: int) -> None:
    exact = negative_binomial(n, Fraction(mean), shape)
    found = tails.upper_tail(n, float(mean), float(shape))
    assert found == pytest.approx(float(exact), rel=1e-11)


@pytest.mark.parametrize("n", [1, 2, 3, 7, 20, 60, 150])
@pytest.mark.parametrize("mean", ["0.001", "0.1", "1", "4.5", "30", "200"])
def test_poisson_tails_are_exact(n: int, mean: str) -> None:
    exact = poisson(n, mean)
    for shape in (math.inf, 1e14):
        found = tails.upper_tail(n, float(mean), shape)
        assert found == pytest.approx(float(exact), rel=1e-11 if shape == math.inf else 1e-9)


@pytest.mark.parametrize("shape", [0.2, 2.5, 1e5, 1e8, 9e8, math.inf])
@pytest.mark.parametrize("mean", [0.02, 3.0, 800.0])
def test_tail_and_pmf_agree(mean: float, shape: float) -> None:
    for n in (1, 5, 700, 1500, 3000):
        here, after = tails.upper_tail(n, mean, shape), tails.upper_tail(n + 1, mean, shape)
        assert 0.0 <= after <= here <= 1.0
        assert here - after == pytest.approx(tails.pmf(n, mean, shape), rel=1e-6, abs=1e-12)


@pytest.mark.parametrize(("mean", "shape"), [(0.05, 0.4), (2.0, 3.0), (40.0, math.inf)])
@pytest.mark.parametrize("level", [0.1, 0.01, 1e-5])
def test_the_level_that_can_be_attained(mean: float, shape: float, level: float) -> None:
    n, tail = tails.critical(level, mean, shape)
    assert tail == pytest.approx(tails.upper_tail(n, mean, shape), rel=1e-6) and tail <= level
    assert tails.upper_tail(n - 1, mean, shape) > level


def test_how_many_of_several() -> None:
    chances = [0.1, 0.5, 0.02, 0.3, 0.9]
    for k in range(6):
        exact = sum(math.prod(q if on else 1 - q for q, on in zip(chances, row, strict=True))
                    for row in itertools.product((0, 1), repeat=5) if sum(row) >= k)
        assert tails.at_least(k, chances) == pytest.approx(exact, rel=1e-12)


def test_discoveries_by_hand() -> None:
    assert tails.discoveries([], 10, 0.1) == 0.0
    assert tails.discoveries([0.011], 10, 0.1) == 0.0
    assert tails.discoveries([0.01], 10, 0.1) == 0.01
    # Step-up: the second saves the first.
    assert tails.discoveries([0.019, 0.02], 10, 0.1) == 0.02


def test_a_level_spends_its_share() -> None:
    rng = np.random.default_rng(3)
    for ceilings in (rng.random(50).tolist(), [1e-9] * 40 + [1.0] * 3, [1e-9] * 5):
        for false in (0.001, 0.1, 2.0):
            level = tails.level_for(ceilings, false)
            spent = sum(min(level, c) for c in ceilings)
            assert spent <= false * (1 + 1e-9)
            assert level == 1.0 or spent == pytest.approx(false)


# --------------------------------------------------------------------------------------- a city


class City:
    """Steady noise: every cell has `rate` complaints a day, about one of 40 businesses."""

    def __init__(self, rate: float = 0.1, days: int = 420, seed: int = 1) -> None:
        self.rng = np.random.default_rng(seed)
        self.reports: list[Report] = []
        self.n = 0
        for d, i, k in itertools.product(DISTRICTS, ITEMS, CAUSES):
            counts = self.rng.poisson(rate, days)
            for back in np.flatnonzero(counts).tolist():
                self.more((d, i, k), END - back, int(counts[back]))

    def more(self, cell: tuple[str, str, str], day: int, n: int = 1, subject: str = "") -> None:
        for _ in range(n):
            self.n += 1
            who = subject or f"{cell[0]}{cell[1]}{self.rng.integers(40)}"
            self.reports.append(Report("12345", f"r{self.n}", who, cell[0], "H6210", "micro",
                                       cell[1], cell[2], day))

    def state(self, until: int = END) -> Cells:
        state = Cells()
        state.advance(until)
        for report in self.reports:
            if report.day <= until:
                state.add(report)
        for d in DISTRICTS:
            state.enrol(("H6210", d, "micro"), 160)
        return state

    def told(self, days: Iterable[int], policy: SurgePolicy = POLICY) -> list[Surge]:
        """Every surge of every day, in order."""
        held: list[Surge] = []
        out = []
        state = Cells()
        by_day: dict[int, list[Report]] = {}
        for report in self.reports:
            by_day.setdefault(report.day, []).append(report)
        days = list(days)
        for d in DISTRICTS:
            state.enrol(("H6210", d, "micro"), 160)
        for day in range(min(by_day), days[-1] + 1):
            state.advance(day)
            for report in by_day.get(day, ()):
                state.add(report)
            if day in days:
                held = evaluate(state, day, policy, held)
                out += held
        return out


def regional(told: Iterable[Surge]) -> list[Surge]:
    return [s for s in told if s.rule == "regional-surge"]


CELL = (DISTRICTS[2], ITEMS[1], CAUSES[0])


def test_noise_alone_is_silent() -> None:
    assert City().told(range(END - 40, END + 1)) == []


def test_an_outbreak_opens_is_held_and_resolved_under_one_id() -> None:
    city = City()
    for day in range(END - 40, END - 26):
        city.more(CELL, day, 2)
    told = regional(city.told(range(END - 45, END + 1)))
    assert len({s.id for s in told}) == 1
    assert told[0].phase == "opened" and told[0].start_day <= END - 35
    assert told[-1].phase == "resolved" and all(s.phase != "resolved" for s in told[:-1])
    assert {s.phase for s in told[1:-1]} <= {"held", "grown"}
    assert {s.start_day for s in told} == {told[0].start_day}
    first = told[0]
    assert (first.scope, first.level, first.cause) == ("cell", "orange", CELL[2])
    assert [(p.district, p.item) for p in first.places] == [CELL[:2]]
    assert first.reports >= 4 and first.expected < 3 and first.p < 1e-4
    assert len(first.subjects) >= 3


def test_the_reports_behind_it_are_named() -> None:
    city = City(rate=0.02)
    before = city.n
    for day in range(END - 4, END + 1):
        city.more(CELL, day, 2)
    surge, = regional(evaluate(city.state(), END, POLICY))
    named = set(surge.evidence)
    assert {("12345", f"r{n}") for n in range(before + 1, city.n + 1)} <= named
    few, = regional(evaluate(city.state(), END, msgspec.structs.replace(POLICY, evidence_max=3)))
    assert len(few.evidence) == 3 and set(few.evidence) <= named


def test_a_cause_that_spreads_is_one_alert_though_each_place_is_weak() -> None:
    city = City(rate=0.03)
    for d in DISTRICTS[:5]:
        for back in (1, 3, 8, 11):
            city.more((d, ITEMS[back % 4], CAUSES[1]), END - back)
    found = scan(city.state(), END, POLICY)
    told = regional(evaluate(city.state(), END, POLICY))
    assert len(told) == 1 and told[0].level == "red" and told[0].scope in ("districts", "items")
    assert len({p.district for p in told[0].places}) >= 3
    assert all(p > 1e-5 for _, _, p in found.cells.values()), "no cell could have told alone"


def test_it_grows_when_neighbours_join() -> None:
    city = City()
    for day in range(END - 30, END + 1):
        city.more(CELL, day, 2)
        if day > END - 15:
            city.more((DISTRICTS[4], ITEMS[1], CAUSES[0]), day, 2)
            city.more((DISTRICTS[5], ITEMS[1], CAUSES[0]), day, 2)
    told = regional(city.told(range(END - 32, END + 1)))
    assert len({s.id for s in told}) == 1, "neighbours of one outbreak are the same alert"
    assert "grown" in {s.phase for s in told} and told[0].level == "orange"
    assert told[-1].level == "red" and len(told[-1].places) >= 3


def test_two_episodes_of_one_place_have_two_ids() -> None:
    city = City()
    for start in (END - 100, END - 20):
        for day in range(start, start + 8):
            city.more(CELL, day, 2)
    opened = [s for s in regional(city.told(range(END - 105, END + 1))) if s.phase == "opened"
              and CELL[:2] in {(p.district, p.item) for p in s.places}]
    assert len(opened) == len({s.id for s in opened}) == 2


def spike(times: int, first: dt.date) -> tuple[City, range]:
    """Every cell of a cause has `times` more complaints for a week."""
    city = City()
    start = calendar.from_date(first)
    for day in range(start, start + 7):
        for d, i in itertools.product(DISTRICTS, ITEMS):
            city.more((d, i, CAUSES[0]), day, int(city.rng.poisson(0.1 * times)))
    return city, range(start - 3, start + 25)


def test_the_consumers_day_is_no_surge() -> None:
    city, days = spike(4, dt.date(2026, 3, 12))
    assert regional(city.told(days)) == []
    # The same is one when nobody knows the date, and on another date.
    assert regional(city.told(days, msgspec.structs.replace(POLICY, special=())))
    city, days = spike(4, dt.date(2026, 7, 12))
    assert len({s.id for s in regional(city.told(days))}) == 1


def test_an_outbreak_on_the_consumers_day_is_told_all_the_same() -> None:
    city, days = spike(4, dt.date(2026, 3, 12))
    for day in range(days[0] + 3, days[0] + 10):
        city.more(CELL, day, 5)
    told = regional(city.told(days))
    assert told and (CELL[0], CELL[1]) in {(p.district, p.item) for p in told[0].places}


def test_what_rises_everywhere_at_once_is_the_day() -> None:
    """All causes alike, on a date nobody listed: a feed that catches up, a holiday."""
    city = City()
    for day in range(END - 6, END + 1):
        for cell in itertools.product(DISTRICTS, ITEMS, CAUSES):
            city.more(cell, day, int(city.rng.poisson(0.3)))
    assert regional(city.told(range(END - 6, END + 1))) == []


def test_one_business_is_no_region() -> None:
    city = City()
    for day in range(END - 9, END + 1):
        city.more(CELL, day, 2, subject="the one")
    told = evaluate(city.state(), END, POLICY)
    assert [(s.rule, s.subjects) for s in told] == [("complaint-surge", ["the one"])]
    surge = told[0]
    assert (surge.reports, surge.level, surge.phase) == (14, "yellow", "opened")
    assert len(surge.evidence) == 14 and surge.p < 1e-6 and surge.expected < 1


def test_a_flood_taken_back_was_never_there() -> None:
    city = City()
    without = city.state()
    state, n = city.state(), len(city.reports)
    for day in range(END - 9, END + 1):
        city.more(CELL, day, 3, subject="the one")
        city.more(CELL, day, 3)
    for report in city.reports[n:]:
        state.add(report)
    held = evaluate(state, END, POLICY)
    assert {s.rule for s in held} == {"regional-surge", "complaint-surge"}
    for report in city.reports[n:]:
        state.take_back(report)
    assert state.dump() == without.dump() and evaluate(state, END, POLICY) == []
    day = END + POLICY.regional.quiet_d
    gone = evaluate(state, day, POLICY, held)
    assert [s.phase for s in gone] == ["resolved", "resolved"]
    assert {s.id for s in gone} == {s.id for s in held}
    assert evaluate(state, day + 1, POLICY, gone) == []


def test_a_rule_switched_off_ends_what_it_told() -> None:
    city = City()
    for day in range(END - 9, END + 1):
        city.more(CELL, day, 3)
        city.more(CELL, day, 2, subject="the one")
    state = city.state()
    held = evaluate(state, END, POLICY)
    assert {s.rule for s in held} == {"regional-surge", "complaint-surge"}
    off = SurgePolicy(regional=RegionalPolicy(enabled=False),
                      complaint=ComplaintPolicy(enabled=False))
    gone = evaluate(state, END, off, held)
    assert {(s.id, s.phase) for s in gone} == {(s.id, "resolved") for s in held}
    assert evaluate(state, END, off, gone) == []


def test_a_large_business_is_held_against_its_own_past() -> None:
    city = City()
    for back in range(400):
        city.more(CELL, END - back, 2, subject="platform")
    assert evaluate(city.state(), END, POLICY) == []
    for back in range(7):
        city.more(CELL, END - back, 4, subject="platform")
    told = evaluate(city.state(), END, POLICY)
    assert [s.subjects for s in told if s.rule == "complaint-surge"] == [["platform"]]


# ---------------------------------------------------------------------------------------- edges


def test_nothing_at_all() -> None:
    assert evaluate(Cells(), END, POLICY) == []


def test_no_past() -> None:
    """A city's first weeks are judged by nobody."""
    city = City(days=60)
    for day in range(END - 6, END + 1):
        city.more(CELL, day, 5)
    assert regional(evaluate(city.state(), END, POLICY)) == []


def test_a_new_district_is_not_a_surge() -> None:
    """Nor the first weeks of a department that begins to report."""
    for new in (("500157", None), (None, "cq2-11")):
        city = City()
        for back in range(40):
            for d, i, k in itertools.product(DISTRICTS, ITEMS, CAUSES):
                cell = (new[0] or d, new[1] or i, k)
                city.more(cell, END - back, int(city.rng.poisson(0.1)))
        told = regional(city.told(range(END - 40, END + 1)))
        assert {(p.district, p.item) for s in told for p in s.places} == set()


def test_what_has_not_happened_yet_is_not_looked_at() -> None:
    city = City()
    state = city.state()
    before = evaluate(state, END - 3, POLICY)
    n = len(city.reports)
    for day in range(END - 2, END + 1):
        city.more(CELL, day, 9)
    for report in city.reports[n:]:
        state.add(report)
    assert evaluate(state, END - 3, POLICY) == before == []
    assert evaluate(state, END, POLICY) != []


def test_leap_day() -> None:
    policy = SurgePolicy(special=(("02-29", "02-29"), ("12-30", "01-02")))
    leap = calendar.from_date(dt.date(2028, 2, 29))
    found = special_days(policy, range(leap - 70, leap + 400))
    dates = [calendar.to_date(d).isoformat() for d in sorted(found)]
    assert dates == ["2027-12-30", "2027-12-31", "2028-01-01", "2028-01-02", "2028-02-29",
                     "2028-12-30", "2028-12-31", "2029-01-01", "2029-01-02"]
    holiday = special_days(SurgePolicy(special=(), holidays=frozenset({leap})), range(leap + 9))
    assert holiday == {leap}


def test_a_subject_that_moves_keeps_its_past() -> None:
    city = City()
    for back in range(30, 400, 2):
        city.more(CELL, END - back, 1, subject="mover")
    for back in range(6):
        city.more((DISTRICTS[5], *CELL[1:]), END - back, 1, subject="mover")
    assert evaluate(city.state(), END, POLICY) == []


# --------------------------------------------------------------------------------------- limits


def report(subject: str, cell: tuple[str, str, str], day: int, id: str) -> Report:
    return Report("s", id, subject, cell[0], "H", "micro", cell[1], cell[2], day)


def test_limits_are_kept_and_counted() -> None:
    rows = [report(f"b{n}", (f"d{n % 9}", "i", "c"), END, str(n)) for n in range(40)]
    states = []
    for order in (rows, rows[::-1], sorted(rows, key=lambda r: r.subject)):
        state = Cells(cells_max=4, subjects_max=10)
        state.advance(END)
        for row in order:
            state.add(row)
        states.append(state)
    assert len({s.dump() for s in states}) == 1
    state = states[0]
    assert (len(state.cells), len(state.subjects)) == (4, 10)
    kept = sum(s.total() for held in (state.cells, state.subjects) for s in held.values())
    assert state.overflow + kept == 80 and state.overflow > 0


def test_what_is_too_old_is_forgotten() -> None:
    state = Cells()
    state.advance(END)
    state.add(report("b", ("d", "i", "c"), END, "1"))
    whole = state.dump()
    state.add(report("b", ("d", "i", "c"), END - surge_state.WINDOW_D - 7, "0"))
    assert state.dump() == whole
    state.advance(END + surge_state.RECENT_D + 7)
    assert not state.recent and state.cells
    state.advance(END + surge_state.WINDOW_D + 7)
    assert not state.cells and not state.subjects
    again = Cells()
    again.advance(state.clock_d)
    assert state.dump() == again.dump()


def test_reports_of_a_cell_are_the_latest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(surge_state, "REPORTS_MAX", 5)
    rows = [report("b", ("d", "i", "c"), END - n, str(n)) for n in range(9)]
    for order in (rows, rows[::-1]):
        state = Cells()
        state.advance(END)
        for row in order:
            state.add(row)
        assert sorted(r[0] for r in state.recent["d", "i", "c"]) == list(range(END - 4, END + 1))
        assert state.cells["d", "i", "c"].total() == 9


@pytest.mark.parametrize(("section", "key", "value"), [
    ("regional", "false_per_week", 0.0), ("regional", "windows_d", (0,)),
    ("regional", "guard_d", 7), ("complaint", "false_share", 1.0), ("complaint", "count_min", 1)])
def test_a_policy_out_of_bounds_is_refused(section: str, key: str, value: Any) -> None:
    raw = msgspec.to_builtins(POLICY)
    raw[section][key] = value
    with pytest.raises(msgspec.ValidationError, match=key):
        msgspec.convert(raw, SurgePolicy)


# ------------------------------------------------------------------------- the tests can fail


def test_a_tail_that_is_one_off_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Planted fault: P(X > n) instead of P(X >= n)."""
    right = tails.upper_tail
    monkeypatch.setattr(tails, "upper_tail", lambda n, *rest: right(n + 1, *rest))
    with pytest.raises(AssertionError):
        test_negative_binomial_tails_are_exact(3, "1", 3)


def test_a_rule_without_a_cap_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Planted fault: one business counts as often as it likes, and alone."""
    rule = msgspec.structs.replace(POLICY.regional, subject_cap=1000, subjects_min=1)
    city = City()
    for day in range(END - 9, END + 1):
        city.more(CELL, day, 2, subject="the one")
    assert regional(evaluate(city.state(), END, msgspec.structs.replace(POLICY, regional=rule)))
