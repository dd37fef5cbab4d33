"""Goal: counts depend on what happened alone, evidence only grows with reports, and p-values mean
what they say.

Method: random reports in random orders, cuts and take-backs; one report more in any place; a large
number of draws from the law a test assumes, with fixed seeds; and a whole city of noise.
"""

from __future__ import annotations

import datetime as dt
import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models import calendar
from models import surge_tails as tails
from models.surge import evaluate
from models.surge_policy import SurgePolicy
from models.surge_scan import scan
from models.surge_state import RECENT_D, WINDOW_D, Cells, Report
from models.surge_subjects import bursts

END = calendar.from_date(dt.date(2026, 9, 20))
POLICY = SurgePolicy()
DISTRICTS, ITEMS, CAUSES = ("d1", "d2", "d3", "d4"), ("i1", "i2", "i3"), ("a", "b", "c")

REPORTS = st.lists(st.builds(
    lambda n, s, d, i, c, back: Report("s", str(n), f"b{s}", d, "H", ("", "micro")[n % 2], i, c,
                                       END - back),
    st.integers(0, 10**6), st.integers(0, 6), st.sampled_from(DISTRICTS[:2]),
    st.sampled_from(ITEMS[:2]), st.sampled_from(CAUSES[:2]),
    st.one_of(st.integers(-2, 9), st.integers(RECENT_D - 9, RECENT_D + 9),
              st.integers(WINDOW_D - 9, WINDOW_D + 9))), max_size=25, unique_by=lambda r: r.id)


def counted(reports: list[Report], limit: int = 100) -> Cells:
    state = Cells(cells_max=limit, subjects_max=limit)
    state.advance(END)
    for report in reports:
        state.add(report)
    return state


@given(REPORTS, st.data())
def test_order_does_not_matter(reports: list[Report], data: st.DataObject) -> None:
    """Nor when the clock moves, as long as nothing leaves the window before its time."""
    whole = counted(reports).dump()
    assert counted(data.draw(st.permutations(reports))).dump() == whole
    walked = Cells(cells_max=100, subjects_max=100)
    for report in sorted(reports, key=lambda r: (r.day, r.id)):
        walked.advance(min(report.day, END))
        walked.add(report)
    walked.advance(END)
    assert walked.dump() == whole


@given(REPORTS, st.data())
def test_limits_do_not_depend_on_the_order(reports: list[Report], data: st.DataObject) -> None:
    limit = data.draw(st.integers(1, 5))
    state = counted(reports, limit)
    assert counted(data.draw(st.permutations(reports)), limit).dump() == state.dump()
    assert max(len(state.cells), len(state.subjects)) <= limit


@given(REPORTS, REPORTS, st.data())
def test_taking_back_is_exact(kept: list[Report], gone: list[Report], data: st.DataObject) -> None:
    """Also when it arrives before the report."""
    gone = [r._replace(id=f"g{r.id}") for r in gone]
    acts = [("add", r) for r in kept + gone] + [("take_back", r) for r in gone]
    state = Cells(cells_max=100, subjects_max=100)
    state.advance(END)
    for act, report in data.draw(st.permutations(acts)):
        getattr(state, act)(report)
    assert state.dump() == counted(kept).dump()


@given(REPORTS, st.data())
def test_parts_of_a_city_add_up(reports: list[Report], data: st.DataObject) -> None:
    parts = [Cells(100, 100) for _ in range(3)]
    for report in reports:
        part = parts[data.draw(st.integers(0, 2))]
        part.advance(END)
        part.add(report)
    parts[0].enrol(("H", "d1", "micro"), 2)
    parts[2].enrol(("H", "d1", "micro"), 3)
    wanted = counted(reports)
    wanted.enrol(("H", "d1", "micro"), 5)
    whole = Cells(100, 100)
    whole.advance(END)
    for part in data.draw(st.permutations(parts)):
        whole.merge(part)
    assert whole.dump() == wanted.dump()


@given(REPORTS)
def test_dump_and_load(reports: list[Report]) -> None:
    state = counted(reports)
    again = Cells.load(state.dump())
    assert again.dump() == state.dump()
    again.advance(END + 30)
    state.advance(END + 30)
    assert again.dump() == state.dump()


# -------------------------------------------------------------------------------------- evidence


def noise(seed: int, rate: float = 0.08, days: int = 420) -> list[Report]:
    rng = np.random.default_rng(seed)
    out = []
    for d, i, k in itertools.product(DISTRICTS, ITEMS, CAUSES):
        counts = rng.poisson(rate, days)
        for back in np.flatnonzero(counts).tolist():
            for n in range(int(counts[back])):
                out.append(Report("s", f"{d}{i}{k}{back}.{n}", f"{d}{rng.integers(60)}", d, "H",
                                  "micro", i, k, END - back))
    return out


BASE = noise(5)


def evidence(state: Cells) -> dict[tuple[object, ...], float]:
    """p-values of all that has one."""
    found: dict[tuple[object, ...], float] = {}
    for hit in scan(state, END, POLICY, 1.0).hits:
        found[hit.kind, hit.unit, hit.window_d] = hit.p
    for burst in bursts(state, END, POLICY).found:
        found["subject", burst.subject] = burst.p
    return found


@settings(max_examples=25, deadline=None)
@given(st.sampled_from(DISTRICTS), st.sampled_from(ITEMS), st.sampled_from(CAUSES),
       st.lists(st.tuples(st.integers(0, 13), st.integers(0, 70)), min_size=1, max_size=12))
def test_more_complaints_never_lower_the_evidence(
        d: str, i: str, k: str, more: list[tuple[int, int]]) -> None:
    state = counted(BASE, 10_000)
    before = evidence(state)
    for n, (back, who) in enumerate(more):
        state.add(Report("s", f"m{n}", f"{d}{who}", d, "H", "micro", i, k, END - back))
    after = evidence(state)
    for key, p in before.items():
        if key[0] == "subject":
            touched = key[1] in {f"{d}{who}" for back, who in more if back < 7}
        else:
            unit = key[1]
            assert isinstance(unit, tuple)
            touched = unit[2] == k
        if touched:
            # Shrinking a subject's rate uses the city's days: they move by what is added.
            assert after[key] <= p * (1 + 1e-9), key


MORE = [Report("s", f"x{n}", f"x{n % 5}", "d2", "H", "micro", "i1", "b", END - n % 4)
        for n in range(12)]


@settings(max_examples=5, deadline=None)
@given(st.integers(0, 10**6))
def test_the_same_counts_give_the_same_surges(seed: int) -> None:
    """To the last bit, evidence and ids included."""
    order = np.random.default_rng(seed).permutation(len(BASE + MORE))
    told = evaluate(counted([(BASE + MORE)[j] for j in order], 10_000), END, POLICY)
    assert told == evaluate(counted(BASE + MORE, 10_000), END, POLICY) and told


# -------------------------------------------------------------------------------------- validity


@pytest.mark.parametrize(("mean", "shape"), [(0.05, 0.3), (0.7, 2.0), (5.0, 1.0), (30.0, 8.0),
                                             (3.0, math.inf)])
def test_p_values_are_valid(mean: float, shape: float) -> None:
    """Under the law assumed, P(p <= a) <= a for every a, and close to what can be attained."""
    rng = np.random.default_rng(11)
    n = 200_000
    rates = mean * (rng.gamma(shape, 1 / shape, n) if shape < math.inf else np.ones(n))
    values, times = np.unique(rng.poisson(rates), return_counts=True)
    p = np.array([tails.upper_tail(int(v), mean, shape) for v in values])
    for level in (0.5, 0.1, 0.01, 0.001):
        share = times[p <= level].sum() / n
        error = 4 * math.sqrt(level / n)
        assert share <= level + error
        assert abs(share - tails.critical(level, mean, shape)[1]) <= error


def test_spread_is_valid() -> None:
    """Counting small p-values, with the level each can attain: at most its own p-value."""
    rng = np.random.default_rng(12)
    means = rng.uniform(0.02, 3.0, 20)
    level, runs = 0.1, 20_000
    least = [tails.critical(level, m)[0] for m in means]
    chances = [tails.critical(level, m)[1] for m in means]
    reached = (rng.poisson(means, (runs, 20)) >= least).sum(axis=1)
    for k in range(1, 8):
        exact = tails.at_least(k, chances)
        share = float((reached >= k).mean())
        assert abs(share - exact) <= 4 * math.sqrt(exact * (1 - exact) / runs) + 1e-4


def test_a_city_of_noise_has_valid_p_values() -> None:
    """Rates estimated from the past, not known: still at most what a p-value promises."""
    below = dict.fromkeys((0.1, 0.01, 0.001), 0)
    tests = 0
    for seed in range(12):
        state = counted(noise(100 + seed, 0.15), 10_000)
        found = scan(state, END, POLICY, 1.0)
        p = [h.p for h in found.hits if h.kind == "unit"]
        tests += len(found.ceilings)
        for level in below:
            below[level] += sum(x <= level for x in p)
    for level, n in below.items():
        # Windows and sums overlap: about a fifth of the tests are independent.
        assert n <= tests * level + 4 * math.sqrt(5 * tests * level), (level, n, tests)
    assert below[0.1] > 0


def test_a_p_value_that_is_too_small_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Planted fault: the overdispersion is forgotten."""
    right = tails.upper_tail
    monkeypatch.setattr(tails, "upper_tail", lambda n, mean, shape=math.inf: right(n, mean))
    with pytest.raises(AssertionError):
        test_p_values_are_valid(0.7, 2.0)


def test_false_discoveries_stay_a_share() -> None:
    """Of 20,000 subjects without a surge and 20 with one, at most the policy's share are false."""
    rng = np.random.default_rng(13)
    false = true = 0
    for _ in range(40):
        rates = rng.gamma(0.5, 0.05 / 0.5, 20_000)
        rates[:20] += 12.0
        counts = rng.poisson(rates)
        p = [tails.upper_tail(int(n), 0.05, 0.5) for n in counts[counts >= 3]]
        limit = tails.discoveries(p, 20_000, 0.1)
        who = np.flatnonzero(counts >= 3)
        told = [int(w) for w, x in zip(who, p, strict=True) if x <= limit]
        false += sum(w >= 20 for w in told)
        true += sum(w < 20 for w in told)
    assert true > 40 * 15 and false <= 0.1 * (true + false) + 4 * math.sqrt(0.1 * true)
