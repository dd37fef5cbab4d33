"""Goal: what is kept of a series for `models.anomaly` depends on its readings alone, bit for bit.

Method: hypothesis permutes, cuts and repeats readings with nulls, flags, conflicting values at one
time and jumps beyond the horizon; the state and the verdicts must be those of one message in time
order, and of a plain dictionary of hours. A join that lets the last arrival win is shown to fail.
"""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from models import anomaly
from models.anomaly import Rule, WindowState, canonical, dump, judge, load, observe
from models.anomaly_windows import DEVICE, NULL, SERVICED
from models.events import Series
from models.iot import DeviceSpec

HOUR, DAY = 3_600_000, 86_400_000
T0 = 1_780_272_000_000 // DAY * DAY
HORIZON_D = 14
SPEC = DeviceSpec(
    "coldchain", "temperature_c", "°C", 0.0, 8.0, 1800, 0, 300, 21600, "orange",
    "冷藏", "cold", "GB",
)  # fmt: skip
Reading = tuple[int, float | None, str]

readings = st.lists(
    st.tuples(
        st.integers(0, 40 * 24 * 4).map(lambda k: T0 + k * HOUR // 4),
        st.none() | st.sampled_from([0.0, -0.0, 1.5, 4.0, 4.1, -18.0, 1e15]) | st.floats(-50, 50),
        st.sampled_from(["", "", "N", "M", "offline", "校准", "fault"]),
    ),
    min_size=1, max_size=60,
)  # fmt: skip


def fold(parts: list[list[Reading]]) -> WindowState:
    state = None
    for part in parts:
        one = Series("d", "coldchain", "temperature_c", "°C", [t for t, _, _ in part],
                     [v for _, v, _ in part], [f for _, _, f in part])
        state = observe(state, one, HORIZON_D)
    assert state is not None
    return state


def plain(some: list[Reading]) -> dict[int, tuple[float, float, int]]:
    """Hours by their definition."""
    marks = {"M": DEVICE | SERVICED, "校准": DEVICE | SERVICED, "offline": DEVICE, "fault": DEVICE}
    newest = max(t for t, _, _ in some) // HOUR
    out: dict[int, tuple[float, float, int]] = {}
    for t, v, flag in some:
        if t // HOUR <= newest - 24 * HORIZON_D:
            continue
        mark = (NULL if v is None else 0) | marks.get(flag, 0)
        lo, hi, old = out.get(t // HOUR, (math.inf, -math.inf, 0))
        if not mark:
            assert v is not None
            w = float(np.float32(v))
            lo, hi = min(lo, w), max(hi, w)
        out[t // HOUR] = (lo, hi, old | mark)
    return out


def hours(state: WindowState) -> dict[int, tuple[float, float, int]]:
    rows = zip(state.lo.tolist(), state.hi.tolist(), state.mark.tolist(), strict=True)
    return {state.first + i: row for i, row in enumerate(rows) if row[0] <= row[1] or row[2]}


def check_cut(data: Any, some: list[Reading], of: Any) -> None:
    """Order, cut and repetition change nothing."""
    shuffled = data.draw(st.permutations(some))
    again = data.draw(st.lists(st.sampled_from(some), max_size=10))
    sent = list(shuffled) + again
    cuts = sorted(data.draw(st.lists(st.integers(0, len(sent)), max_size=6)))
    edges = [0, *cuts, len(sent)]
    parts = [sent[a:b] for a, b in itertools.pairwise(edges) if a < b]
    assert of(parts) == of([sorted(some, key=lambda r: r[0])])


@settings(max_examples=200, deadline=None)
@given(st.data(), readings)
def test_order_cut_and_repetition_change_nothing(data: Any, some: list[Reading]) -> None:
    check_cut(data, some, lambda parts: canonical(fold(parts)))


@settings(max_examples=200, deadline=None)
@given(readings)
def test_the_state_is_its_definition(some: list[Reading]) -> None:
    state = fold([some])
    assert hours(state) == plain(some)
    assert state.nbytes <= anomaly.bytes_max(HORIZON_D)
    assert canonical(load(dump(state))) == canonical(state)


def test_planted_last_arrival_wins_is_noticed() -> None:
    def wrong(parts: list[list[Reading]]) -> dict[int, float | None]:
        return {t // HOUR: v for part in parts for t, v, _ in part}

    @settings(max_examples=50, deadline=None, database=None, phases=[Phase.generate])
    @given(st.data(), readings)
    def attempt(data: Any, some: list[Reading]) -> None:
        check_cut(data, [(T0, 1.0, ""), (T0 + 1, 2.0, ""), (T0 + 2, 3.0, ""), *some], wrong)

    with pytest.raises(AssertionError):
        attempt()


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from(["shift", "replay", "spike", "none"]))
def test_verdicts_are_the_same_however_a_month_arrives(seed: int, planted: str) -> None:
    rng = np.random.default_rng(seed)
    t = T0 + np.arange(30 * 96) * 900_000
    v = np.round(4 + np.sin((t - T0) / DAY * 2 * np.pi) + rng.normal(0, 0.3, t.size), 1)
    if planted == "shift":
        v[-40:] += 5
    elif planted == "replay":
        v[-96:] = v[-4 * 96 : -3 * 96]
    elif planted == "spike":
        v[[-20, -60]] = 200
    rule = Rule(horizon_d=30)
    clock = int(t[-1]) + HOUR

    def run(order: np.ndarray, cuts: list[int]) -> tuple[bytes, Any]:
        state = None
        for part in np.split(order, cuts):
            if part.size:
                one = Series("d", "coldchain", "temperature_c", "°C", t[part].tolist(),
                             v[part].tolist())
                state = observe(state, one, rule.horizon_d)
        assert state is not None
        return canonical(state), judge(state, SPEC, None, rule, None, clock)

    straight = run(np.arange(t.size), [])
    order = np.concatenate((rng.permutation(t.size), rng.integers(0, t.size, 200)))
    assert run(order, sorted(rng.integers(0, t.size, 20).tolist())) == straight
    codes = {one.code for one in straight[1]}
    assert {"shift": codes - {"replay"}, "replay": codes & {"replay"},
            "spike": codes & {"spikes"}, "none": {"none"} - codes}[planted]
