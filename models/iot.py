"""State and findings of one IoT series: beyond its limit, tampered with, silent.

The state of a series is a join-semilattice over fixed time cells: bits are OR-ed, extremes are
min/max-ed, of two samples in a cell the later wins, and everything is cut to a window behind the
newest reading. So the join is commutative, associative and idempotent: any arrival order and any
re-delivery (even the same readings under another event id, as HJ 212 resends them) give the same
state, bit for bit, without keeping event ids. The bound holds whatever the rate: one reading a
message or a thousand a second.

    over, good   one bit a cell (`cell_ms`, 10–60 s): some reading beyond the limit, some within
    hour, lo, hi least and greatest reading of each clock hour
    t, v         one sample a cell: the mean, in one message, of the cell's readings

Memory: at most 12 KB per series (2 × 2 KB bits, 169 × 24 B hours, 256 × 16 B samples) and 0.4 KB
without tamper rules; a metric judged by its mean keeps at most 3,121 samples (54 KB in all). Cost
per message: about 25 µs plus 30 ns per reading (`bench/iot.py`).
"""

from __future__ import annotations

import datetime as dt
import sys
from array import array
from bisect import bisect_left
from typing import Any, Literal, NamedTuple

import msgspec
import numpy as np

from models.events import Series
from models.iot_batch import (
    HOUR_MS,
    Batch,
    Times,
    Values,
    batch,
    canonical_series,
    check,
    flat_streak,
    mean_streak,
    regular_since,
    run_of,
    starts_of,
)

__all__ = [
    "DeviceSpec",
    "Finding",
    "SeriesState",
    "canonical",
    "canonical_series",
    "check",
    "due_ms",
    "dump",
    "findings",
    "load",
    "observe",
]

Level = Literal["yellow", "orange", "red"]

HOLD_MS = 24 * HOUR_MS
"""A finding about a stretch that has ended stays true this long, so that it is not missed."""
RUN_GAP_MS = 20 * 60_000
"""A gap up to this long never interrupts a run beyond the limit."""
COARSE_FACTOR = 4
"""A sensor seen to read only multiples of 0.5 must be flat this many times longer."""
FLAT_READINGS_MIN = 30
HUG_BAND, HUG_SHARE, HUG_HOURS, HUG_HOURS_MIN = 0.01, 0.9, 24, 20
"""Limit-hugging: 90 % of the last 24 hours (at least 20 seen) lie wholly within 1 % under it."""
SAMPLES = 256
CELL_MIN_MS, CELL_MAX_MS = 10_000, 60_000


class DeviceSpec(msgspec.Struct, frozen=True):
    """What is expected of one metric of one device class: a row of `catalogue/devices.csv`.

    `low`, `high`: limits in `unit`, None for no limit. `duration_s`: beyond the limit for this long
    without interruption, 0 = a single reading. `mean_s`: 0 = judge readings; 3600, 86400 = judge
    the mean over that window. `interval_s`: reporting interval. `flat_s`: one value for this long
    is flat; 0 turns every tamper rule off for the metric.
    """

    class_: str = msgspec.field(name="class")
    metric: str
    unit: str
    low: float | None
    high: float | None
    duration_s: int
    mean_s: int
    interval_s: int
    flat_s: int
    level: Level
    name_zh: str
    name_en: str
    standard: str


class Finding(msgspec.Struct, frozen=True, gc=False):
    """One rule true of one series. `until_ms` 0 = still going on; texts do not grow with time."""

    rule: Literal["iot-limit", "iot-tamper", "iot-silent"]
    level: Literal["blue", "yellow", "orange", "red"]
    since_ms: int
    until_ms: int
    zh: str
    en: str


SPAN_MAX_MS = 24 * 3_600_000
"""A message that covers more than a day is a backlog, not a rhythm."""
_NO_T: Times = np.empty(0, np.int64)
_NO_V: Values = np.empty(0, np.float64)


class SeriesState:
    """What is kept of one (subject, item, device, metric); see the module. Bit 0 = newest cell."""

    __slots__ = (
        "cell_ms",
        "class_",
        "device",
        "good",
        "hi",
        "hour",
        "last_ms",
        "lo",
        "metric",
        "over",
        "span_ms",
        "t",
        "v",
    )

    def __init__(self, device: str, class_: str, metric: str) -> None:
        self.device = device
        self.class_ = class_
        self.metric = metric
        self.last_ms = 0
        self.cell_ms = 0
        self.span_ms = 0
        """Longest time one message covered: how the device's readings come in."""
        self.clear()

    def clear(self) -> None:
        self.over = 0
        self.good = 0
        self.hour: array[int] = array("q")
        self.lo: array[float] = array("d")
        self.hi: array[float] = array("d")
        self.t = _NO_T
        self.v = _NO_V


class Grid(NamedTuple):
    """How much is kept: a function of the spec and the horizon alone."""

    cell_ms: int
    bits: int
    hours: int
    samples: int


def observe(
    state: SeriesState | None,
    series: Series,
    spec: DeviceSpec | None,
    key: int,
    horizon_ms: int,
) -> SeriesState:
    """Join one message's readings of one series into its state.

    Parameters
    ----------
    state
        What is known so far, changed in place; None for a new series.
    series
        Readings that passed `check`.
    spec
        The metric's row; None for an unknown metric: only the time of the newest reading is kept.
    key
        64-bit key of the event. Not used: the join is idempotent, so that a re-delivery needs no
        memory of keys, and it has no ties that a key would break.
    horizon_ms
        Readings older than this behind the newest reading have no effect [ms], > 0.

    Returns
    -------
    The state. A change of the spec's cell width starts it afresh; a changed limit holds for the
    readings that follow.
    """
    new = batch(series)
    if state is None:
        state = SeriesState(series.device, series.class_, series.metric)
    if spec is None:
        state.last_ms = max(state.last_ms, new.alive_ms)
        return state
    grid = _grid(spec, horizon_ms)
    if state.cell_ms != grid.cell_ms:
        state.cell_ms = grid.cell_ms
        state.clear()
    if new.t.size > 1:
        state.span_ms = max(state.span_ms, min(int(new.t[-1] - new.t[0]), SPAN_MAX_MS))
    moved = new.alive_ms > state.last_ms
    if moved:
        shift = new.alive_ms // grid.cell_ms - state.last_ms // grid.cell_ms
        state.last_ms = new.alive_ms
        if shift and (state.over or state.good):
            mask = (1 << grid.bits) - 1
            state.over = (state.over << shift) & mask if shift < grid.bits else 0
            state.good = (state.good << shift) & mask if shift < grid.bits else 0
    if new.t.size:
        cell = new.t // grid.cell_ms
        if grid.bits:
            _join_bits(state, new, cell, spec, grid)
        if grid.samples:
            _join_samples(state, new, cell, grid)
        if grid.hours:
            _join_hours(state, new)
    if moved or new.t.size:
        _cut(state, grid, horizon_ms)
    return state


def findings(
    state: SeriesState, spec: DeviceSpec | None, clock_ms: int, silent_intervals: int
) -> tuple[Finding, ...]:
    """What is true of the series at `clock_ms`: at most one finding per rule, in rule order.

    `iot-limit`: a run beyond the limit of at least `duration_s` (or a window whose mean is beyond
    it) is going on, or ended within the last 24 hours. A run is broken by a reading within the
    limit, and by a gap longer than all of `silent_intervals` intervals, half the duration and 20
    minutes (so that a device slower than its row can still be in violation); its length is measured
    in cells, so to within one cell.
    `iot-tamper`: flat (going on or ended within 24 hours), too regular or hugging the limit (in the
    newest readings, at most 24 hours old).
    `iot-silent`: no sign of life for more than `silent_intervals` reporting intervals, or as many
    of the times that one of its messages covers, if those are longer (at most a day).
    """
    if spec is None:
        return ()
    limit = (
        _mean_limit(state, spec, clock_ms)
        if spec.mean_s
        else _run_limit(state, spec, clock_ms, silent_intervals)
    )
    tamper = _tamper(state, spec, clock_ms) if spec.flat_s else None
    silent = None
    due = due_ms(state, spec, silent_intervals)
    if due and clock_ms >= due:
        zh, en = f"自 {_when(state.last_ms)} 起无数据", f"no reading since {_when(state.last_ms)}"
        silent = _finding("iot-silent", "blue", spec, state.last_ms, 0, zh, en)
    if limit is None and tamper is None and silent is None:
        return ()
    return tuple(f for f in (limit, tamper, silent) if f is not None)


def due_ms(state: SeriesState, spec: DeviceSpec | None, silent_intervals: int) -> int:
    """First moment at which the series counts as silent [epoch ms]; 0 = never."""
    if spec is None or not spec.interval_s or not state.last_ms:
        return 0
    # A device whose platform delivers a day's readings at a time is not silent in between.
    return state.last_ms + silent_intervals * max(spec.interval_s * 1000, state.span_ms) + 1


def dump(state: SeriesState) -> list[Any]:
    """The state as strings, integers and little-endian bytes, for a checkpoint."""
    return [
        state.device,
        state.class_,
        state.metric,
        state.last_ms,
        state.cell_ms,
        state.span_ms,
        state.over.to_bytes((state.over.bit_length() + 7) // 8, "little"),
        state.good.to_bytes((state.good.bit_length() + 7) // 8, "little"),
        _little(state.hour),
        _little(state.lo),
        _little(state.hi),
        state.t.astype("<i8", copy=False).tobytes(),
        state.v.astype("<f8", copy=False).tobytes(),
    ]


def load(fields: list[Any]) -> SeriesState:
    """The inverse of `dump`."""
    device, class_, metric, last_ms, cell_ms, span_ms, over, good, hour, lo, hi, t, v = fields
    state = SeriesState(device, class_, metric)
    state.last_ms, state.cell_ms, state.span_ms = last_ms, cell_ms, span_ms
    state.over, state.good = int.from_bytes(over, "little"), int.from_bytes(good, "little")
    for target, content in ((state.hour, hour), (state.lo, lo), (state.hi, hi)):
        target.frombytes(content)
        if sys.byteorder == "big":
            target.byteswap()
    if t:
        state.t = np.frombuffer(t, "<i8").astype(np.int64)
        state.v = np.frombuffer(v, "<f8").astype(np.float64)
    return state


def canonical(state: SeriesState) -> bytes:
    """One byte string per content: equal for equal sets of readings, however they arrived."""
    return msgspec.msgpack.encode(dump(state))


# --------------------------------------------------------------------------------------------- join


def _grid(spec: DeviceSpec, horizon_ms: int) -> Grid:
    cell_ms = min(max(spec.interval_s * 1000, CELL_MIN_MS), CELL_MAX_MS)
    limited = spec.low is not None or spec.high is not None
    bits = hours = samples = 0
    if limited and not spec.mean_s:
        window_ms = 2 * HOLD_MS + min(spec.duration_s * 1000, HOLD_MS)
        bits = min(window_ms, horizon_ms) // cell_ms + 1
    if spec.flat_s:
        window_ms = HOLD_MS + max(COARSE_FACTOR * spec.flat_s * 1000, HOLD_MS)
        hours = min(window_ms, horizon_ms) // HOUR_MS + 1
        samples = SAMPLES
    if limited and spec.mean_s:
        window_ms = min(HOLD_MS + spec.mean_s * 1000 + 4 * HOUR_MS, horizon_ms)
        samples = max(samples, window_ms // cell_ms + 1)
    return Grid(cell_ms, bits, hours, samples)


def _join_bits(state: SeriesState, new: Batch, cell: Times, spec: DeviceSpec, grid: Grid) -> None:
    v = new.v
    age = state.last_ms // grid.cell_ms - cell
    if age[0] >= grid.bits:
        inside = age < grid.bits
        age, v = age[inside], v[inside]
        if not age.size:
            return
    beyond = None if spec.high is None else v > spec.high
    if spec.low is not None:
        below = v < spec.low
        beyond = below if beyond is None else beyond | below
    if beyond is not None and np.count_nonzero(beyond):
        state.over |= _bits(age[beyond])
        age = age[~beyond]
    if age.size:
        state.good |= _bits(age)


def _bits(age: Times) -> int:
    """The integer with bit `age[i]` set for every i; `age` falling, shape (n,), n > 0."""
    base = int(age[-1])
    marks = np.zeros(int(age[0]) - base + 1, np.uint8)
    marks[age - base if base else age] = 1
    return int.from_bytes(np.packbits(marks, bitorder="little").tobytes(), "little") << base


def _join_samples(state: SeriesState, new: Batch, cell: Times, grid: Grid) -> None:
    t, v = new.t, new.v
    if np.count_nonzero(cell[1:] != cell[:-1]) < t.size - 1:
        first = starts_of(cell)
        last = np.append(first[1:], t.size) - 1
        t, v = t[last], np.add.reduceat(v, first) / (last - first + 1)
    if state.t.size:
        newer = int(cell[0]) > int(state.t[-1]) // grid.cell_ms
        keep = grid.samples - t.size if newer else grid.samples
        if keep > 0:
            t = np.concatenate((state.t[-keep:], t))
            v = np.concatenate((state.v[-keep:], v))
        if not newer:
            order = np.lexsort((v, t))
            t, v = t[order], v[order]
            cell = t // grid.cell_ms
            latest = np.append(cell[1:] != cell[:-1], True)
            t, v = t[latest], v[latest]
    if t.base is not None or t.size > grid.samples:  # keep no view of a larger array alive
        t, v = t[-grid.samples :].copy(), v[-grid.samples :].copy()
    state.t, state.v = t, v


def _join_hours(state: SeriesState, new: Batch) -> None:
    first, last = int(new.t[0]) // HOUR_MS, int(new.t[-1]) // HOUR_MS
    if first == last:
        _join_hour(state, first, float(new.v.min()), float(new.v.max()))
        return
    hour = new.t // HOUR_MS
    starts = starts_of(hour)
    lows, highs = np.minimum.reduceat(new.v, starts), np.maximum.reduceat(new.v, starts)
    for h, lo, hi in zip(hour[starts].tolist(), lows.tolist(), highs.tolist(), strict=True):
        _join_hour(state, h, lo, hi)


def _join_hour(state: SeriesState, hour: int, lo: float, hi: float) -> None:
    hours = state.hour
    if not hours or hour > hours[-1]:
        hours.append(hour)
        state.lo.append(lo)
        state.hi.append(hi)
        return
    at = bisect_left(hours, hour)
    if hours[at] == hour:
        state.lo[at] = min(state.lo[at], lo)
        state.hi[at] = max(state.hi[at], hi)
    else:
        hours.insert(at, hour)
        state.lo.insert(at, lo)
        state.hi.insert(at, hi)


def _cut(state: SeriesState, grid: Grid, horizon_ms: int) -> None:
    """Drop hours and samples that the newest reading has left behind (whole cells, by cell)."""
    if state.hour and state.hour[0] <= state.last_ms // HOUR_MS - grid.hours:
        n = bisect_left(state.hour, state.last_ms // HOUR_MS - grid.hours + 1)
        del state.hour[:n], state.lo[:n], state.hi[:n]
    floor_ms = (state.last_ms - horizon_ms) // grid.cell_ms * grid.cell_ms
    if state.t.size and int(state.t[0]) < floor_ms:
        n = int(np.searchsorted(state.t, floor_ms))
        state.t, state.v = state.t[n:].copy(), state.v[n:].copy()


# ---------------------------------------------------------------------------------------- judgement


def _run_limit(
    state: SeriesState, spec: DeviceSpec, clock_ms: int, silent_intervals: int
) -> Finding | None:
    if not state.over:
        return None
    cell_ms = state.cell_ms
    gap_ms = max(silent_intervals * spec.interval_s * 1000, spec.duration_s * 500, RUN_GAP_MS)
    need = -(-spec.duration_s * 1000 // cell_ms)
    run = run_of(state.over, state.good, -(-gap_ms // cell_ms), need)
    if run is None:
        return None
    top = state.last_ms // cell_ms
    since, end = (top - run[0]) * cell_ms, (top - run[1] + 1) * cell_ms
    recovered = state.good & ((1 << run[1]) - 1)
    ongoing = not recovered and clock_ms - end <= gap_ms
    if not ongoing and end < clock_ms - HOLD_MS:
        return None
    length = f"{spec.duration_s // 60} 分钟以上" if spec.duration_s else ""
    for_en = f" for at least {spec.duration_s // 60} min" if spec.duration_s else ""
    return _finding(
        "iot-limit",
        spec.level,
        spec,
        since,
        0 if ongoing else end,
        f"自 {_when(since)} 起超出限值（{_limits(spec)}）{length}",
        f"beyond {_limits(spec)}{for_en} since {_when(since)}",
    )


def _mean_limit(state: SeriesState, spec: DeviceSpec, clock_ms: int) -> Finding | None:
    low = float("-inf") if spec.low is None else spec.low
    high = float("inf") if spec.high is None else spec.high
    if not state.v.size or (low <= float(state.v.min()) and float(state.v.max()) <= high):
        return None
    hours = max(1, spec.mean_s // 3600)
    streak = mean_streak(state.t, state.v, low, high, hours, clock_ms)
    if streak is None:
        return None
    since, end, mean, newest = streak
    if end < clock_ms - HOLD_MS:
        return None
    return _finding(
        "iot-limit",
        spec.level,
        spec,
        since,
        0 if newest else end,
        f"自 {_when(since)} 起 {hours} 小时均值 {mean:.6g} 超出限值（{_limits(spec)}）",
        f"{hours}-hour mean {mean:.6g} beyond {_limits(spec)} since {_when(since)}",
    )


def _tamper(state: SeriesState, spec: DeviceSpec, clock_ms: int) -> Finding | None:
    flat = _flat(state, spec, clock_ms)
    if flat is not None:
        return flat
    if clock_ms - state.last_ms > HOLD_MS:
        return None
    since = regular_since(state.t[-SAMPLES:], state.v[-SAMPLES:])
    if since:
        zh, en = "读数变化过于规律，疑似模拟数据", "too regular for a sensor"
        return _finding("iot-tamper", "orange", spec, since, 0, zh, en)
    since = _hugging(state, spec)
    if since:
        zh, en = "读数长时间紧贴限值", "stays within 1 % under its limit"
        return _finding("iot-tamper", "orange", spec, since, 0, zh, en)
    return None


def _flat(state: SeriesState, spec: DeviceSpec, clock_ms: int) -> Finding | None:
    lo, hi = np.frombuffer(state.lo), np.frombuffer(state.hi)
    need = -(-spec.flat_s // 3600)
    if np.count_nonzero(lo == hi) * 2 <= need:
        return None
    if ((lo * 2) % 1 == 0).all() and ((hi * 2) % 1 == 0).all():
        need *= COARSE_FACTOR
    streak = flat_streak(state.hour.tolist(), lo.tolist(), hi.tolist(), need)
    if streak is None or state.t.size < 2:
        return None
    since, end, value = streak[0] * HOUR_MS, (streak[1] + 1) * HOUR_MS, streak[2]
    step_ms = (int(state.t[-1]) - int(state.t[0])) / (state.t.size - 1)
    ongoing = streak[1] == state.hour[-1]
    if end - since < FLAT_READINGS_MIN * step_ms or end < clock_ms - HOLD_MS:
        return None
    zh = f"自 {_when(since)} 起读数恒为 {value:.6g} {spec.unit}，疑似人为固定"
    en = f"exactly {value:.6g} {spec.unit} since {_when(since)}"
    return _finding("iot-tamper", "orange", spec, since, 0 if ongoing else end, zh, en)


def _hugging(state: SeriesState, spec: DeviceSpec) -> int:
    """Since when the series hugs its upper limit [epoch ms]; 0 if it does not.

    An hour of one single value counts only for emissions (judged by a mean): a thermostat set at
    the limit and read in coarse steps shows just that, and is left to the flat rule. One that is
    read finer swings by more than 1 %.
    """
    if spec.high is None or not state.hour:
        return 0
    floor = spec.high - HUG_BAND * abs(spec.high)
    newest = state.hour[-1]
    recent = slice(-HUG_HOURS, None)
    seen = [
        (h, floor <= lo and hi <= spec.high and (lo < hi or spec.mean_s > 0))
        for h, lo, hi in zip(state.hour[recent], state.lo[recent], state.hi[recent], strict=True)
        if h > newest - HUG_HOURS
    ]
    hugs = sum(hug for _, hug in seen)
    if len(seen) < HUG_HOURS_MIN or hugs < HUG_SHARE * len(seen):
        return 0
    return seen[0][0] * HOUR_MS


# -------------------------------------------------------------------------------------------- words


def _finding(
    rule: Literal["iot-limit", "iot-tamper", "iot-silent"],
    level: Literal["blue", "yellow", "orange", "red"],
    spec: DeviceSpec,
    since_ms: int,
    until_ms: int,
    zh: str,
    en: str,
) -> Finding:
    law = f"（{spec.standard}）" if rule == "iot-limit" and spec.standard else ""
    law_en = f" ({spec.standard})" if law else ""
    return Finding(
        rule, level, since_ms, until_ms, f"{spec.name_zh}{zh}{law}", f"{spec.name_en}: {en}{law_en}"
    )


def _limits(spec: DeviceSpec) -> str:
    low = "" if spec.low is None else f"{spec.low:.6g}"
    high = "" if spec.high is None else f"{spec.high:.6g}"
    text = f"{low}–{high}" if low and high else f"≤ {high}" if high else f"≥ {low}"
    return f"{text} {spec.unit}".rstrip()


_CHINA = dt.timezone(dt.timedelta(hours=8))


def _when(ms: int) -> str:
    """China Standard Time, to the minute."""
    return f"{dt.datetime.fromtimestamp(ms // 1000, _CHINA):%Y-%m-%d %H:%M}"


def _little(numbers: array[Any]) -> bytes:
    if sys.byteorder == "big":
        numbers = numbers[:]
        numbers.byteswap()
    return numbers.tobytes()
