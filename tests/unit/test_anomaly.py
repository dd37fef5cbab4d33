"""Goal: planted faults and tampering are named as what they are, and a sound series is left alone.

Method: devices simulated as in `bench.anomaly`, a norm of their class, one thing planted in each.
Every check is shown to notice, and to keep quiet where it must: flags, maintenance, cold start,
daylight, weekends and holidays, coarse thermostats. Limits of memory and of false alarms are
measured.
"""

from __future__ import annotations

import datetime as dt
import math
from functools import cache

import msgspec
import numpy as np
import pytest

from models import anomaly
from models.anomaly import Norm, Rule, Verdict, WindowState, judge, observe
from models.anomaly_class import rate_of, threshold
from models.anomaly_course import STATISTICS, course, median, statistic
from models.anomaly_tamper import _binomial_tail
from models.calendar import WorkingDays, from_date
from models.events import Series
from models.iot import DeviceSpec

HOUR, DAY = 3_600_000, 86_400_000
T0 = from_date(dt.date(2026, 3, 2)) * DAY - 8 * HOUR  # a Monday in Beijing
RULE = Rule()
CALENDAR = WorkingDays(["2026-04-06"], [], "2026-12-31")
COLD = DeviceSpec(
    "coldchain", "temperature_c", "°C", 0.0, 8.0, 1800, 0, 300, 21600, "orange",
    "冷藏温度", "chilled storage temperature", "GB 31605-2020",
)  # fmt: skip
COD = msgspec.structs.replace(
    COLD, class_="wastewater", metric="cod_mg_l", unit="mg/L", low=None, high=50.0, mean_s=86400
)


def clean(device: int, days: int, weekend: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """A quarter-hourly series with daylight, slow weather and noise."""
    rng = np.random.default_rng([5, device])
    t = T0 + np.arange(days * 96) * 15 * 60_000
    hour, day = (t - T0) / HOUR % 24, (t - T0) // DAY
    weather = np.convolve(rng.normal(0, 0.15, days + 1), [0.6, 0.4])[: days + 1]
    v = 4 + rng.uniform(-0.8, 0.8) + 0.6 * np.cos((hour - 15) / 12 * np.pi)
    v += np.interp((t - T0) / DAY, np.arange(days + 1), weather) + rng.normal(0, 0.3, t.size)
    v += weekend * ((day % 7) >= 5) * ((hour > 8) & (hour < 18))
    return t, np.round(v, 1)


def series(t: np.ndarray, v: np.ndarray, flag: list[str] | None = None) -> Series:
    return Series("d", "coldchain", "temperature_c", "°C", t.astype("<i8").tobytes(),
                  v.astype("<f8").tobytes(), flag)


def seen(t: np.ndarray, v: np.ndarray, flag: list[str] | None = None) -> WindowState:
    return observe(None, series(t, v, flag), RULE.horizon_d)


@cache
def norm() -> Norm:
    told: list[anomaly.Summary] = []
    for of in (None, "first"):
        first = None if of is None else anomaly.class_norm(told)
        told = []
        for device in range(100, 124):
            state = seen(*clean(device, 35))
            one = anomaly.summary(state, COLD, first, CALENDAR, T0 + 35 * DAY)
            assert one is not None
            told.append(one)
    out = anomaly.class_norm(told)
    assert out is not None
    return out


def verdicts(
    t: np.ndarray, v: np.ndarray, flag: list[str] | None = None, of: DeviceSpec = COLD,
    by: Norm | None = None, days: WorkingDays | None = CALENDAR,
) -> tuple[Verdict, ...]:  # fmt: skip
    clock = int(t[-1]) // HOUR * HOUR + HOUR
    return judge(seen(t, v, flag), of, by or norm(), RULE, days, clock)


def kinds(*args: object, **more: object) -> dict[str, str]:
    return {v.kind: v.code for v in verdicts(*args, **more)}  # type: ignore[arg-type]


# ------------------------------------------------------------------------------------- noticed


def last(t: np.ndarray, days: float) -> np.ndarray:
    return t >= int(t[-1]) - days * DAY


def test_a_level_out_of_the_ordinary_is_an_anomaly_with_its_numbers() -> None:
    t, v = clean(1, 36)
    v = np.where(last(t, 0.25), v + 4, v)
    (found,) = verdicts(t, v)
    assert (found.kind, found.code, found.aggregate) == ("anomaly", "high", "least")
    assert found.value > found.high > found.low and not found.until_ms
    assert abs(found.since_ms - (int(t[-1]) - DAY // 4)) <= 2 * HOUR
    assert found.false_alarms < RULE.false_alarms
    assert "预期" in found.zh and "expected" in found.en and "°C" in found.en


def test_door_open_again_and_again_is_an_anomaly() -> None:
    t, v = clean(2, 36)
    opened = last(t, 1) & (t // HOUR % 2 == 0) & (t // 900_000 % 4 == 0)
    assert kinds(t, np.where(opened, v + 3, v)) == {"anomaly": "peaks"}


def test_a_slow_drift_is_an_anomaly() -> None:
    t, v = clean(3, 40)
    ramp = np.clip((t - (t[-1] - 5 * DAY)) / (5 * DAY), 0, 1) * 2.5
    assert "anomaly" in kinds(t, v + ramp)


def test_a_replayed_day_is_tampering_and_says_which() -> None:
    t, v = clean(4, 36)
    v[-96:] = v[-4 * 96 : -3 * 96]
    (found,) = verdicts(t, v)
    assert (found.kind, found.code, found.high) == ("tamper", "replay", 72.0)
    assert found.since_ms == int(t[-96])


def test_too_quiet_is_tampering() -> None:
    t, v = clean(5, 35)
    quiet = np.round(v.mean() + 0.1 * np.cos(((t - T0) / HOUR % 24 - 15) / 12 * np.pi), 2)
    assert kinds(t, np.where(last(t, 1), quiet, v))["tamper"] == "quiet"


def test_quiet_from_the_first_day_is_tampering_against_the_class() -> None:
    t, _ = clean(6, 36)
    v = np.round(4 + 0.3 * np.sin(t / DAY) + 0.01 * np.cos(t / 7e5), 3)
    assert kinds(t, v)["tamper"] == "dull"


def test_cut_off_at_the_limit_is_tampering() -> None:
    rng = np.random.default_rng(3)
    t, v = clean(7, 36)
    v = v * 2 + 38
    free = v + rng.normal(0, 1.5, t.size)
    assert "tamper" not in kinds(t, np.round(free, 1), of=COD)
    cut = np.where(last(t, 14), np.minimum(free + 5, 50 - 0.5 * rng.random(t.size)), free)
    found = [f for f in verdicts(t, np.round(cut, 1), of=COD) if f.kind == "tamper"]
    assert [f.code for f in found] == ["hugging"] and (found[0].low, found[0].high) == (49.0, 50.0)


def test_stuck_at_a_bound_is_a_fault_and_nothing_else() -> None:
    t, v = clean(8, 36)
    assert kinds(t, np.where(last(t, 1), 85.0, v)) == {"fault": "stuck"}


def test_spikes_no_store_can_show_are_a_fault() -> None:
    t, v = clean(9, 36)
    v[[-150, -90, -40]] = 90.0
    assert kinds(t, v) == {"fault": "spikes"}


def test_nulls_are_a_fault() -> None:
    t, v = clean(10, 36)
    assert kinds(t, np.where(last(t, 1.5) & (t // 900_000 % 4 == 0), np.nan, v)) == {
        "fault": "nulls"
    }


def test_a_device_never_out_of_maintenance_is_reported_as_a_fault() -> None:
    t, v = clean(11, 36)
    flag = ["maintenance" if one else "" for one in last(t, 4)]
    assert kinds(t, v, flag) == {"fault": "state"}


# ----------------------------------------------------------------------------------- left alone


@pytest.mark.parametrize("word", ["maintenance", "C", "校准", "offline", "fault"])
def test_flagged_readings_neither_alarm_nor_train(word: str) -> None:
    t, v = clean(12, 37)
    wild = last(t, 2) & ~last(t, 0.5)
    flag = [word if one else "N" for one in wild]
    assert kinds(t, np.where(wild, 60.0, v), flag) == {}
    usual = course(seen(t, v, flag), None, None, int(t[-1]))
    spoilt = course(seen(t, np.where(wild, 60.0, v), flag), None, None, int(t[-1]))
    assert usual is not None and spoilt is not None
    assert all(np.array_equal(a, b) for a, b in zip(usual, spoilt, strict=True))


def test_an_unknown_word_is_no_exemption() -> None:
    t, v = clean(12, 36)
    wild = last(t, 0.5)
    assert "anomaly" in kinds(t, np.where(wild, v + 4, v), ["hello" if w else "" for w in wild])


def test_hours_with_nulls_do_not_alarm() -> None:
    t, v = clean(13, 36)
    v = np.where(last(t, 0.4), v + 4, v)
    v[last(t, 0.4) & (t // 900_000 % 4 == 1)] = np.nan
    assert kinds(t, v) == {}


def test_another_level_after_maintenance_is_no_anomaly_but_without_it_is() -> None:
    t, v = clean(14, 38)
    v = np.where(last(t, 2), v + 1.5, v)
    flag = ["M" if a and not b else "N" for a, b in zip(last(t, 2.2), last(t, 2), strict=True)]
    assert kinds(t, v, flag) == {}
    assert kinds(t, v) == {"anomaly": "shift-up"} or "anomaly" in kinds(t, v)


def test_a_cold_start_is_silent() -> None:
    t, v = clean(15, 40)
    for hours in (1, 6, 12, 23, 30, 48, 96, 140):
        n = hours * 4
        assert kinds(t[:n], v[:n]) == {}
        own = judge(seen(t[:n], v[:n] + 30), COLD, None, RULE, None, int(t[n - 1]) + HOUR)
        assert own == ()


def test_a_new_device_far_outside_its_class_is_seen_by_its_second_day() -> None:
    t, v = clean(16, 2)
    assert "anomaly" in kinds(t, v + 12)


def test_weekends_and_holidays_are_no_anomalies() -> None:
    t, v = clean(17, 36, weekend=-2.0)  # 2026-04-06, day 35, is a holiday
    holiday = (t >= T0 + 35 * DAY) & ((t - T0) / HOUR % 24 > 8) & ((t - T0) / HOUR % 24 < 18)
    v = np.where(holiday, v - 0.6, v)
    for days in (33, 34, 35, 36):
        n = days * 96
        assert "anomaly" not in kinds(t[:n], v[:n])


def test_a_coarse_thermostat_repeats_itself_and_is_not_accused() -> None:
    rng = np.random.default_rng(8)
    t = T0 + np.arange(36 * 96) * 900_000
    v = 3.5 + 0.5 * (rng.random(t.size) < 0.5 + 0.3 * np.cos((t - T0) / DAY * 2 * np.pi))
    assert "tamper" not in kinds(t, v)
    constant = 4.0 + 0.5 * (t // DAY % 9 == 0)  # whole days of one value, again and again
    assert judge(seen(t, constant), COLD, None, RULE, None, int(t[-1])) == ()


def test_codes_and_unknown_metrics_are_never_judged() -> None:
    t, v = clean(18, 36)
    state = seen(t, np.where(last(t, 0.5), v + 9, v))
    clock = int(t[-1]) + HOUR
    assert judge(state, None, norm(), RULE, None, clock) == ()
    code = msgspec.structs.replace(COLD, flat_s=0)
    assert judge(state, code, norm(), RULE, None, clock) == ()
    off = msgspec.structs.replace(RULE, enabled=False)
    assert judge(state, COLD, norm(), off, None, clock) == ()


def test_a_finding_holds_a_day_then_ends() -> None:
    t, v = clean(19, 40)
    odd = (t >= T0 + 36 * DAY) & (t < T0 + 36.5 * DAY)
    state = seen(t, np.where(odd, v + 4, v))
    at = [judge(state, COLD, norm(), RULE, CALENDAR, T0 + int(d * DAY)) for d in (36.4, 37, 38.5)]
    assert [len(one) for one in at] == [1, 1, 0]
    assert at[0][0].until_ms == 0 and at[1][0].until_ms > 0
    assert (at[0][0].code, at[0][0].since_ms) == (at[1][0].code, at[1][0].since_ms)


def test_only_hours_that_have_ended_are_judged() -> None:
    t, v = clean(20, 36)
    state = seen(t, np.where(last(t, 0.5), v + 4, v))
    assert judge(state, COLD, norm(), RULE, CALENDAR, int(t[-1]) - DAY) == ()


# ----------------------------------------------------------------------------------- the numbers


def test_false_alarms_stay_below_the_stated_rate() -> None:
    months, alarms = 0.0, 0
    for device in range(30, 44):
        t, v = clean(device, 64)
        on = False
        for day in range(36, 65):
            n = day * 96
            found = judge(seen(t[:n], v[:n]), COLD, norm(), RULE, CALENDAR, T0 + day * DAY)
            alarms += bool(found) and not on
            on = bool(found)
        months += 29 / 30
    assert alarms <= RULE.false_alarms * months, (alarms, months)


@pytest.mark.parametrize("at", range(len(STATISTICS)))
def test_a_threshold_is_a_rate(at: int) -> None:
    for rate in (0.001, 0.05, 1.0):
        assert math.isclose(rate_of(norm(), at, threshold(norm(), at, rate)), rate, rel_tol=1e-6)
    assert threshold(norm(), at, 0.01) > threshold(norm(), at, 0.1)


def test_a_norm_stands_when_some_of_its_class_are_broken() -> None:
    told = []
    for device in range(100, 124):
        t, v = clean(device, 35)
        v = v * 3 if device < 103 else v
        one = anomaly.summary(seen(t, v), COLD, norm(), CALENDAR, T0 + 35 * DAY)
        assert one is not None
        told.append(one)
    out = anomaly.class_norm(told)
    assert out is not None and anomaly.class_norm(told[::-1]) == out
    assert abs(out.level[2] - norm().level[2]) < 0.3 and out.beta[0] < 2 * norm().beta[0]
    assert anomaly.class_norm(told[:5]) is None


def test_memory_is_bounded_whatever_the_rate() -> None:
    state = None
    for day in range(80):
        t = T0 + day * DAY + np.arange(0, DAY, 60_000)
        state = observe(state, series(t, np.sin(t / 1e6)), RULE.horizon_d)
    assert state is not None
    assert state.nbytes <= anomaly.bytes_max(RULE.horizon_d) == 8160
    assert state.lo.size == 24 * RULE.horizon_d
    assert sum(len(f) for f in anomaly.dump(state)[1:]) <= 7560


def test_median_skips_what_is_not_known() -> None:
    x = np.array([[3.0, np.nan, 1.0, 2.0], [4.0, 1.0, np.nan, np.nan], [np.nan] * 4])
    assert median(x).tolist()[:2] == [2.0, 2.5] and math.isnan(median(x)[2])


def test_a_statistic_is_the_kth_of_the_last_n_hours() -> None:
    t, v = clean(21, 36)
    c = course(seen(t, v), norm(), None, int(t[-1]) + HOUR)
    assert c is not None
    for s in STATISTICS:
        x = statistic(c, s)
        slow = [
            sorted((s.sign * c.z[s.aggregate, i - s.n + 1 : i + 1]).tolist())[s.n - s.k]
            for i in range(s.n - 1, c.hour.size)
        ]
        assert x[s.n - 1 :].tolist() == slow and np.isnan(x[: s.n - 1]).all()


def test_binomial_tail() -> None:
    assert math.isclose(_binomial_tail(10, 0.5, 3), (1 + 10 + 45 + 120) / 1024)


def test_due_is_a_function_of_the_state_and_the_clock() -> None:
    t, v = clean(22, 2)
    state, every = seen(t, v), RULE.every_h
    end = (state.first + state.lo.size) * HOUR
    for phase in range(every):
        for late in range(40):
            due = anomaly.due_ms(state, RULE, end + late * HOUR, phase, found=False)
            if late > 24:
                assert due == 0, "nothing came for a day"
            elif late < 24 - every:
                assert 0 < due - (end + late * HOUR) <= every * HOUR
            assert not due or (due // HOUR - phase) % every == 0
            assert anomaly.due_ms(state, RULE, end + late * HOUR, phase, found=True)
    assert anomaly.due_ms(WindowState(), RULE, end, 0, found=True) == 0
    off = msgspec.structs.replace(RULE, enabled=False)
    assert anomaly.due_ms(state, off, end, 0, found=True) == 0


def test_a_series_that_went_quiet_is_not_judged() -> None:
    t, v = clean(11, 36)
    state = seen(t, v, ["maintenance" if one else "" for one in last(t, 4)])
    end = (state.first + state.lo.size) * HOUR
    found = [judge(state, COLD, norm(), RULE, CALENDAR, end + h * HOUR) for h in (0, 24, 25)]
    assert [len(one) for one in found] == [1, 1, 0]
