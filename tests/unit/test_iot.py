"""Goal: the state of a series depends on its readings alone, and its findings are right.

Method: hypothesis permutes, splits and repeats batches; a plain scalar oracle, written from the
rule's words over the raw readings, judges limit runs; examples for the rest. Each checker is first
shown to catch a planted fault (`test_planted_*`): a join that lets the last arrival win, an oracle
blind to interruptions, and detectors fed series that must not be accused.
"""

from __future__ import annotations

import csv
import math
import random
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models import iot
from models.events import Series
from models.iot import (
    DeviceSpec,
    SeriesState,
    canonical,
    canonical_series,
    check,
    due_ms,
    dump,
    findings,
    load,
    observe,
)
from models.iot_batch import READINGS_MAX, regular_since, run_of

MIN, HOUR, DAY = 60_000, 3_600_000, 86_400_000
T0 = 1_780_272_000_000 // DAY * DAY  # a whole hour
HORIZON = 7 * DAY
CATALOGUE = Path(__file__).parents[2] / "config" / "catalogue" / "devices.csv"


def spec(**changes: object) -> DeviceSpec:
    base = DeviceSpec(
        "coldchain", "temperature_c", "°C", 0.0, 8.0, 1800, 0, 60, 21600, "orange",
        "冷藏温度", "chilled storage temperature", "GB 31605-2020",
    )  # fmt: skip
    return msgspec.structs.replace(base, **changes)


COLD = spec()
ONE = spec(duration_s=0)
HOURLY = spec(metric="nox_mg_m3", low=None, high=50.0, duration_s=0, mean_s=3600)
DAILY = spec(metric="cod_mg_l", low=None, high=50.0, duration_s=0, mean_s=86400, interval_s=3600)


def series(t: list[int], v: list[float | None], flag: list[str] | None = None) -> Series:
    return Series("d1", "coldchain", "temperature_c", "°C", t, v, flag)


def fold(
    batches: list[Series], of: DeviceSpec | None = COLD, horizon: int = HORIZON
) -> SeriesState:
    state = None
    for key, batch in enumerate(batches):
        state = observe(state, batch, of, key, horizon)
    assert state is not None
    return state


def rules(state: SeriesState, of: DeviceSpec = COLD, clock: int | None = None) -> set[str]:
    return {f.rule for f in findings(state, of, state.last_ms if clock is None else clock, 3)}


def minutes(values: list[float], step: int = MIN, start: int = T0) -> Series:
    return series([start + i * step for i in range(len(values))], list(values))


def noisy(n: int, mean: float, sigma: float, seed: int = 1, digits: int = 2) -> list[float]:
    rng = random.Random(seed)
    return [round(rng.gauss(mean, sigma), digits) for _ in range(n)]


# ------------------------------------------------------------------------------- order, duplicates

readings = st.lists(
    st.tuples(
        st.integers(0, 5 * 24 * 60),  # half minutes, so that cells are shared
        st.one_of(
            st.none(), st.sampled_from([-0.0, 0.0, 4.0, 7.95, 8.0, 8.5, 60.0]), st.floats(-50, 99)
        ),
        st.sampled_from(["", "N", "M", "offline"]),
    ),
    min_size=1,
    max_size=40,
)  # fmt: skip


def to_series(rows: list[tuple[int, float | None, str]]) -> Series:
    return series(
        [T0 + i * 30_000 for i, _, _ in rows], [v for _, v, _ in rows], [f for _, _, f in rows]
    )


@settings(max_examples=300, deadline=None)
@given(
    st.lists(readings, min_size=1, max_size=8),
    st.randoms(use_true_random=False),
    st.sampled_from([COLD, ONE, HOURLY, DAILY]),
    st.sampled_from([HORIZON, DAY, HOUR]),
)
def test_any_order_and_redelivery_give_the_same_state(
    parts: list[list[tuple[int, float | None, str]]],
    rng: random.Random,
    of: DeviceSpec,
    horizon: int,
) -> None:
    batches = [to_series(p) for p in parts]
    again = [*batches, *rng.choices(batches, k=3)]
    rng.shuffle(again)
    a, b = fold(batches, of, horizon), fold(again, of, horizon)
    assert canonical(a) == canonical(b)
    clock = a.last_ms + HOUR
    assert findings(a, of, clock, 3) == findings(b, of, clock, 3)


@settings(max_examples=50, deadline=None)
@given(st.lists(readings, min_size=1, max_size=6), st.sampled_from([COLD, HOURLY]))
def test_log_form_checkpoint_and_raw_form_agree(
    parts: list[list[tuple[int, float | None, str]]], of: DeviceSpec
) -> None:
    raw = fold([to_series(p) for p in parts], of)
    log = fold([canonical_series(to_series(p)) for p in parts], of)
    assert canonical(raw) == canonical(log)
    packed = msgspec.msgpack.decode(msgspec.msgpack.encode(dump(raw)))
    again = load(packed)
    assert canonical(again) == canonical(raw)
    more = minutes([9.0] * 40, start=T0 + 3 * DAY)
    assert canonical(observe(again, more, of, 9, HORIZON)) == canonical(
        observe(raw, more, of, 9, HORIZON)
    )


def test_long_history_in_any_order_keeps_the_bound() -> None:
    """More samples, hours and bits than are kept: what is dropped must not depend on order."""
    values = noisy(10 * 1440, 6, 1.5)
    batches = [
        minutes(values[i : i + 90], start=T0 + i * MIN) for i in range(0, len(values), 90)
    ]  # 10 days > horizon
    for of in (COLD, HOURLY, DAILY):
        base = fold(batches, of)
        for seed in range(5):
            mixed = batches[:]
            random.Random(seed).shuffle(mixed)
            assert canonical(fold(mixed, of)) == canonical(base)
        assert len(canonical(base)) < (54_000 if of.mean_s else 12_000)  # the module's promise


def test_planted_fault_last_arrival_wins_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    def careless(state: SeriesState, new: object, cell: object, grid: object) -> None:
        state.t, state.v = new.t.copy(), new.v.copy()  # type: ignore[attr-defined]

    monkeypatch.setattr(iot, "_join_samples", careless)
    a, b = minutes([1.0, 2.0]), minutes([3.0, 4.0], start=T0 + HOUR)
    assert canonical(fold([a, b])) != canonical(fold([b, a]))


# --------------------------------------------------------------------------------- runs, by oracle


def oracle(rows: dict[int, float], of: DeviceSpec, silent: int, blind: bool = False) -> bool:
    """Some run beyond the limit is long enough: scalar, over raw readings one per cell."""
    gap = max(silent * of.interval_s * 1000, of.duration_s * 500, 20 * MIN)
    start = last = None
    for t in sorted(rows):
        over = (of.high is not None and rows[t] > of.high) or (
            of.low is not None and rows[t] < of.low
        )
        if not over:
            if not blind:
                start = None
            continue
        if start is None or last is None or t - last > gap:
            start = t
        last = t
        if t - start >= of.duration_s * 1000:
            return True
    return False


sparse = st.dictionaries(
    st.integers(0, 300), st.sampled_from([-1.0, 4.0, 8.0, 8.1, 9.0]), min_size=1, max_size=120
)
streaky = st.lists(
    st.tuples(st.sampled_from([4.0, 9.0, 9.5, -2.0]), st.integers(1, 45), st.integers(0, 30)),
    min_size=1,
    max_size=8,
)


@settings(max_examples=300, deadline=None)
@given(st.one_of(sparse, streaky), st.sampled_from([0, 60, 90, 300, 1800]), st.integers(1, 5))
def test_limit_run_agrees_with_the_scalar_oracle(
    made: dict[int, float] | list[tuple[float, int, int]], duration: int, parts: int
) -> None:
    rows: dict[int, float] = {}
    if isinstance(made, dict):
        rows = {T0 + i * MIN: v for i, v in made.items()}
    else:
        at = T0
        for value, length, pause in made:
            rows |= {at + i * MIN: value for i in range(length)}
            at += (length + pause) * MIN
    of = spec(duration_s=duration)
    times = list(rows)
    batches = [series(times[i::parts], [rows[t] for t in times[i::parts]]) for i in range(parts)]
    state = fold([b for b in batches if b.t], of)
    assert ("iot-limit" in rules(state, of)) == oracle(rows, of, 3)


def test_planted_fault_oracle_blind_to_interruption_disagrees() -> None:
    values = [9.0] * 20 + [4.0] + [9.0] * 20
    rows = {T0 + i * MIN: v for i, v in enumerate(values)}
    assert oracle(rows, COLD, 3, blind=True)
    assert not oracle(rows, COLD, 3)
    assert "iot-limit" not in rules(fold([minutes(values)]))


def test_planted_fault_run_detector_needs_its_need() -> None:
    bits = (1 << 31) - 1
    assert run_of(bits, 0, 3, 30) == (30, 0)
    assert run_of(bits, 0, 3, 31) is None
    assert run_of(bits, 1 << 15, 3, 30) is None
    assert run_of(bits, 1 << 15, 3, 15) is None
    broken = ((1 << 20) - 1) << 41 & ~(1 << 50) | 1  # beside a long stretch without readings
    assert run_of(broken, 0, 3, 19) == (60, 41)
    assert run_of(broken, 1 << 50, 3, 19) is None
    assert run_of(broken, 1 << 60, 3, 19) is None
    assert run_of(bits & ~(0b11 << 10), 0, 3, 30) == (30, 0)
    assert run_of(bits & ~(0b111 << 10), 0, 3, 30) is None


def test_run_across_batches_and_one_reading_a_message() -> None:
    values = [4.0] * 10 + [9.0] * 31
    single = [minutes([v], start=T0 + i * MIN) for i, v in enumerate(values)]
    whole = fold([minutes(values)])
    # How readings were cut into messages is a fact of its own: the device's rhythm.
    one_by_one = fold(single)
    assert (one_by_one.span_ms, whole.span_ms > 0) == (0, True)
    one_by_one.span_ms = whole.span_ms
    assert canonical(one_by_one) == canonical(whole)
    assert "iot-limit" not in rules(fold(single[:-1]))
    (found,) = findings(whole, COLD, whole.last_ms, 3)
    assert (found.rule, found.level, found.until_ms) == ("iot-limit", "orange", 0)
    assert found.since_ms == T0 + 10 * MIN
    assert "0–8 °C" in found.zh and "GB 31605-2020" in found.zh
    assert "30 min" in found.en


def test_run_ends_and_is_held_for_a_day() -> None:
    state = fold([minutes([9.0] * 40 + [4.0] * 5)])
    (found,) = findings(state, COLD, state.last_ms, 3)
    assert found.until_ms == T0 + 40 * MIN
    assert "iot-limit" in rules(state, clock=found.until_ms + DAY)
    assert "iot-limit" not in rules(state, clock=found.until_ms + DAY + 1)


def test_late_reading_within_the_limit_splits_a_run() -> None:
    values = [9.0] * 40
    gap = [v for i, v in enumerate(values) if i != 20]
    times = [T0 + i * MIN for i in range(40) if i != 20]
    state = fold([series(times, gap)])
    assert "iot-limit" in rules(state)
    observe(state, series([T0 + 20 * MIN], [4.0]), COLD, 1, HORIZON)
    assert "iot-limit" not in rules(state)


def test_cell_with_a_reading_within_the_limit_interrupts() -> None:
    mixed = [9.0, 4.0] + [9.0] * 60
    assert "iot-limit" not in rules(fold([minutes(mixed, step=MIN // 2)]))
    assert "iot-limit" in rules(fold([minutes([*mixed, 9.0, 9.0], step=MIN // 2)]))


def test_edge_of_the_window_in_both_orders() -> None:
    for apart in range(55, 66):
        a, b = minutes([9.0]), minutes([4.0], start=T0 + apart * MIN)
        assert canonical(fold([a, b], COLD, HOUR)) == canonical(fold([b, a], COLD, HOUR)), apart


def test_later_sample_of_a_cell_wins() -> None:
    a, b = series([T0], [5.0]), series([T0 + 10_000], [3.0])
    assert fold([a, b]).v.tolist() == fold([b, a]).v.tolist() == [3.0]


def test_slow_device_can_still_be_beyond_its_limit() -> None:
    assert "iot-limit" in rules(fold([minutes([9.0] * 6, step=10 * MIN)]))
    assert "iot-limit" not in rules(fold([minutes([9.0] * 2, step=30 * MIN)]))
    gas = spec(duration_s=60)
    assert "iot-limit" in rules(fold([minutes([9.0] * 2, step=15 * MIN)], gas), gas)


def test_low_limit_and_single_reading() -> None:
    assert "iot-limit" in rules(fold([minutes([4.0, -0.5, 4.0])], ONE), ONE)
    assert "iot-limit" not in rules(fold([minutes([0.0, 8.0])], ONE), ONE)


def test_reading_behind_the_horizon_has_no_effect() -> None:
    state = fold([minutes([4.0, 4.1, 4.2], start=T0 + 8 * DAY)])
    before = canonical(state)
    span_ms = state.span_ms
    observe(state, minutes([99.0] * 60), COLD, 2, HORIZON)
    state.span_ms = span_ms
    assert canonical(state) == before


# -------------------------------------------------------------------------------------------- means


def test_hourly_mean_not_the_single_reading() -> None:
    spike = [30.0] * 30 + [400.0] + [30.0] * 89
    assert not rules(fold([minutes(spike)], HOURLY), HOURLY)
    high = noisy(60, 40, 3) + noisy(60, 60, 3, 2) + noisy(60, 40, 3, 3)
    state = fold([minutes(high)], HOURLY)
    (found,) = findings(state, HOURLY, state.last_ms, 3)
    assert (found.since_ms, found.until_ms) == (T0 + HOUR, T0 + 2 * HOUR)
    expected = sum(high[60:120]) / 60
    assert f"{expected:.6g}" in found.en


def test_hour_with_too_few_readings_is_not_judged() -> None:
    few = minutes(noisy(60, 40, 3) + noisy(40, 90, 3))
    state = fold([few], HOURLY)
    assert not rules(state, HOURLY)
    assert "iot-limit" not in rules(state, HOURLY, T0 + 3 * HOUR)
    assert "iot-limit" in rules(
        fold([minutes(noisy(60, 40, 3) + noisy(46, 90, 3))], HOURLY), HOURLY, T0 + 3 * HOUR
    )


def test_daily_mean_of_hourly_values_and_of_minutes() -> None:
    for step, n in ((HOUR, 24), (MIN, 1440), (2 * HOUR, 13)):
        over = fold([minutes(noisy(n, 55, 2), step=step)], DAILY)
        assert "iot-limit" in rules(over, DAILY), step
        under = fold([minutes([45.0, 70.0, 30.0] * (n // 3), step=step)], DAILY)
        assert "iot-limit" not in rules(under, DAILY), step


def test_fast_readings_are_averaged_within_a_cell() -> None:
    values = [40.0, 70.0] * 1800  # every second, mean 55
    batches = [minutes(values[i : i + 500], 1000, T0 + i * 1000) for i in range(0, 3600, 500)]
    state = fold(batches, HOURLY)
    assert state.t.size == 60
    assert "iot-limit" in rules(state, HOURLY, T0 + HOUR)


# ------------------------------------------------------------------------------------------- tamper


def test_flat_is_found_and_what_must_not_be_accused_is_not() -> None:
    flat = fold([minutes([4.37] * 500)])
    (found,) = findings(flat, COLD, flat.last_ms, 3)
    assert (found.rule, found.level) == ("iot-tamper", "orange")
    assert "4.37" in found.zh
    innocent = {
        "noise": noisy(1500, 4, 0.1),
        "well controlled, 0.1 steps": noisy(1500, 4, 0.04, digits=1),
        "coarse sensor, half a day": [4.0] * 720,
        "too short": [4.37] * 300,
        "off": [0.0] * 1500,
        "thermostat in 0.5 steps": [3.5, 4.0, 4.5, 4.0] * 400,
        "thermostat in 0.5 steps, wide": [3.0, 3.5, 4.0, 4.5, 5.0, 4.5, 4.0, 3.5] * 200,
        "slow drift in 0.1 steps": [round(3 + i / 600, 1) for i in range(1500)],
    }
    for name, values in innocent.items():
        assert "iot-tamper" not in rules(fold([minutes(values)])), name
    assert "iot-tamper" in rules(fold([minutes([4.0] * 1600)])), "coarse, but more than a day"
    mixed = noisy(300, 4.2, 0.3) + [4.0] * 520
    assert "iot-tamper" in rules(fold([minutes(mixed)])), "known to read finer than 0.5"


def test_flat_needs_thirty_readings() -> None:
    assert "iot-tamper" not in rules(fold([minutes([4.37] * 9, step=HOUR)], spec(interval_s=3600)))


def test_flat_that_ended_is_held_for_a_day() -> None:
    state = fold([minutes([4.37] * 500 + noisy(1400, 4, 0.2))])
    (found,) = findings(state, COLD, state.last_ms, 3)
    assert found.until_ms == T0 + 8 * HOUR
    assert not rules(fold([minutes([4.37] * 500 + noisy(2000, 4, 0.2))]))


def test_too_regular() -> None:
    loop = noisy(40, 4, 0.4)
    assert "iot-tamper" in rules(fold([minutes(noisy(50, 4, 0.4, 5) + loop * 4)]))
    six = [4.1, 4.0, 4.3, 4.2, 3.9, 4.1]
    assert "iot-tamper" in rules(fold([minutes(six * 10)]))
    wave = [4 + math.sin(i * 2 * math.pi / 30) for i in range(200)]
    assert "iot-tamper" in rules(fold([minutes(wave)]))
    assert "iot-tamper" in rules(fold([minutes([1 + 0.02 * i for i in range(100)])]))
    single = [minutes([v], start=T0 + i * MIN) for i, v in enumerate(loop * 4)]
    assert "iot-tamper" in rules(fold(single)), "one reading a message"
    for seed in range(300):
        natural = noisy(256, 4, 0.15, seed, digits=1)
        assert not regular_since(np.arange(256), np.array(natural)), seed


def test_limit_hugging() -> None:
    hugging = noisy(30 * 60, 49.8, 0.05)
    assert "iot-tamper" in rules(fold([minutes(hugging)], HOURLY), HOURLY)
    assert "iot-tamper" not in rules(fold([minutes(noisy(30 * 60, 48, 0.8))], HOURLY), HOURLY)
    assert "iot-tamper" not in rules(fold([minutes(noisy(10 * 60, 49.8, 0.05))], HOURLY), HOURLY)
    assert "iot-tamper" in rules(fold([minutes(noisy(30 * 60, 7.96, 0.01))]))
    set_point = spec(low=None, high=-18.0)
    for innocent in (
        [-18.0] * (22 * 60),  # coarse sensor at the set point
        noisy(30 * 60, -18.2, 0.1, digits=1),
        noisy(30 * 60, -18.3, 0.15),
    ):
        assert "iot-tamper" not in rules(fold([minutes(innocent)], set_point), set_point)


# ----------------------------------------------------------------------------------- flags, silence


@pytest.mark.parametrize("flag", ["M", "c", "D", "F", "b", "S", "Maintenance", "OFFLINE", "维护"])
def test_device_states_never_count_against_the_subject(flag: str) -> None:
    times = [T0 + i * MIN for i in range(1500)]
    state = fold([series(times, [99.0] * 1500, [flag] * 1500)])
    assert rules(state, clock=times[-1]) <= {"iot-silent"}
    mean = fold([series(times, [99.0] * 1500, [flag] * 1500)], HOURLY)
    assert rules(mean, HOURLY, times[-1]) <= {"iot-silent"}


@pytest.mark.parametrize("flag", ["", "N", "normal", "T", "whatever"])
def test_other_flags_are_readings(flag: str) -> None:
    times = [T0 + i * MIN for i in range(60)]
    plain = fold([series(times, [9.0] * 60)])
    assert canonical(fold([series(times, [9.0] * 60, [flag] * 60)])) == canonical(plain)
    assert "iot-limit" in rules(plain)


def test_silence_and_its_timer() -> None:
    state = fold([minutes([4.0, 4.1, 4.2])])
    due = due_ms(state, COLD, 3)
    # Two minutes came in one message: longer than the reporting interval of one minute.
    assert due == state.last_ms + 3 * 120_000 + 1
    assert "iot-silent" not in rules(state, clock=due - 1)
    (found,) = findings(state, COLD, due, 3)
    assert (found.rule, found.level, found.since_ms) == ("iot-silent", "blue", state.last_ms)


def test_null_and_offline_are_no_sign_of_life_but_maintenance_is() -> None:
    t = [T0, T0 + HOUR, T0 + 2 * HOUR, T0 + 3 * HOUR]
    state = fold([series(t, [4.0, None, 4.0, None], ["", "", "M", "B"])])
    assert state.last_ms == T0 + 2 * HOUR
    assert due_ms(fold([series([T0], [None])]), COLD, 3) == 0


def test_unknown_metric_keeps_the_newest_time_only() -> None:
    state = fold([minutes([99.0] * 100)], None)
    assert state.last_ms == T0 + 99 * MIN
    assert (findings(state, None, T0 + DAY, 3), due_ms(state, None, 3)) == ((), 0)
    assert len(canonical(state)) < 100


# ---------------------------------------------------------------------------------- check, log form


def test_unsorted_and_repeated_times_keep_the_last() -> None:
    a = series([T0 + MIN, T0, T0 + MIN], [1.0, 2.0, 3.0], ["", "M", ""])
    b = canonical_series(a)
    assert isinstance(b.t, bytes) and isinstance(b.v, bytes)
    assert np.frombuffer(b.t, "<i8").tolist() == [T0, T0 + MIN]
    assert np.frombuffer(b.v, "<f8").tolist() == [2.0, 3.0]
    assert b.flag == ["M", ""]
    assert canonical_series(b) == b
    assert canonical_series(series([T0], [None], ["N"])).flag is None


@pytest.mark.parametrize(
    ("bad", "field"),
    [
        (series([T0, T0 + 1], [1.0]), "v=1"),
        (series([T0], [1.0], ["", ""]), "flag=2"),
        (series([], []), "t=0"),
        (series([T0 // 1000], [1.0]), f"t={T0 // 1000}"),
        (series([2**70], [1.0]), f"t={2**70}"),
        (series([T0], [float("inf")]), "v=inf"),
        (Series("d", "c", "m", "", b"1234567", b""), "t=7 bytes"),
        (series([T0] * (READINGS_MAX + 1), [1.0] * (READINGS_MAX + 1)), "t=100001"),
    ],
)
def test_check_names_field_value_and_rule(bad: Series, field: str) -> None:
    reason = check(bad)
    assert reason is not None and reason.startswith(field) and "must be" in reason


def test_check_accepts_and_bounds_the_future() -> None:
    good = series([T0, T0 + 1], [None, 2.0], ["", "N"])
    assert check(good) is None
    assert check(canonical_series(good)) is None
    assert check(good, T0) == f"t={T0 + 1}: must be epoch milliseconds from 946684800000 to {T0}"


def test_catalogue_rows_are_specs() -> None:
    with CATALOGUE.open(encoding="utf-8", newline="") as file:
        rows = [
            {k: v for k, v in row.items() if v or k not in ("low", "high")} | {
                k: None for k in ("low", "high") if not row[k]
            }
            for row in csv.DictReader(file)
        ]  # fmt: skip
    specs = msgspec.convert(rows, list[DeviceSpec], strict=False)
    assert len({(s.class_, s.metric) for s in specs}) == len(specs) >= 18
    for s in specs:
        assert s.mean_s in (0, 3600, 86400), s
        assert s.interval_s > 0 and s.standard and s.name_zh and s.name_en, s
        assert s.low is not None or s.high is not None, s
        assert not (s.mean_s and s.duration_s), s
