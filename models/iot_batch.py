"""The array half of `models.iot`: a message's readings as sorted arrays, and what arrays show.

Pure. Cost: a few numpy calls per series (about 5 µs) plus 30 ns per reading given as a list.
"""

from __future__ import annotations

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.events import Series

Times = NDArray[np.int64]
Values = NDArray[np.float64]

READINGS_MAX = 100_000
"""Readings one series of one message may hold."""
T_MIN_MS, T_MAX_MS = 946_684_800_000, 4_102_444_800_000
"""2000-01-01 and 2100-01-01: a time outside is a unit error (seconds, microseconds)."""

HOUR_MS = 3_600_000
REGULAR_MIN = 48
"""Samples a regular stretch needs."""
REPEAT_TRIES = 4
"""Earlier occurrences of the newest eight samples that are tried as a period."""

OFFLINE = frozenset({"offline", "b", "comms", "离线", "断线", "通讯故障"})
"""The device says that there is no data: not a sign of life."""
DEVICE_STATES = OFFLINE | frozenset(
    {"maintenance", "maintained", "calibration", "calibrating", "fault", "stopped", "test"}
    | {"m", "c", "d", "f", "s"}  # HJ 212: maintained, calibration, fault, stopped, set
    | {"维护", "检修", "校准", "标定", "故障", "停机", "停产", "停运", "调试"}
)
"""Flags that make a reading a matter of the device, never of the subject. Case-insensitive. Any
other word ("", "N", "normal", HJ 212 "T" over range, or an unknown one) leaves it a reading: a
word nobody defined must not become an exemption."""


class Batch(msgspec.Struct, frozen=True, gc=False):
    """Usable readings of one message of one series.

    `t` [epoch ms], shape (n,), strictly rising; `v`, shape (n,), finite; `alive_ms` the newest
    sign of life [epoch ms], 0 if there is none. Nulls and readings in a device state are left out
    of `t` and `v`; a device state other than offline is a sign of life, a bare null is not.
    """

    t: Times
    v: Values
    alive_ms: int


def batch(series: Series) -> Batch:
    """Sort by time, keep the last of equal times, drop nulls and device states."""
    t, v, flags = _sorted(*_arrays(series), series.flag)
    v = v + 0.0  # no negative zero: equal values must have equal bytes
    good = np.isfinite(v)
    alive = good
    if flags is not None:
        states, offline = _device_words(flags)
        if states:
            state = np.fromiter((f in states for f in flags), np.bool_, len(flags))
            alive = good | state
            good = good & ~state
            if offline:
                alive = alive & ~np.fromiter((f in offline for f in flags), np.bool_, len(flags))
    if np.count_nonzero(good) == good.size:
        return Batch(t, v, int(t[-1]) if t.size else 0)
    where = alive.nonzero()[0]
    return Batch(t[good], v[good], int(t[where[-1]]) if where.size else 0)


V_MAX = 1e15
"""Values beyond are no readings, and their sums would not stay finite."""


def check(series: Series, not_after_ms: int | None = None) -> str | None:
    """Why a series cannot be taken; None if it can.

    Parameters
    ----------
    series
        As decoded: the types of `t`, `v` and `flag` are already right.
    not_after_ms
        Newest time allowed [epoch ms], e.g. the event's time plus a tolerance. Without it a clock
        set ahead on one device would push that series' true readings out of its horizon.

    Returns
    -------
    The field, its value and what is allowed; None for a valid series.

    Examples
    --------
    >>> check(Series("d1", "kitchen", "gas_ppm", "ppm", [1_700_000_000_000], [1.0, 2.0]))
    'v=2 readings: must be as many as t (1)'
    """
    t, v = series.t, series.v
    for name, field in (("t", t), ("v", v)):
        if isinstance(field, bytes) and len(field) % 8:
            return f"{name}={len(field)} bytes: must be a multiple of 8"
    n, n_v = (len(f) // 8 if isinstance(f, bytes) else len(f) for f in (t, v))
    if n > READINGS_MAX:
        return f"t={n} readings: must be at most {READINGS_MAX}"
    if n != n_v:
        return f"v={n_v} readings: must be as many as t ({n})"
    if series.flag is not None and len(series.flag) != n:
        return f"flag={len(series.flag)} readings: must be as many as t ({n})"
    if n == 0:
        return "t=0 readings: must be at least 1"
    times = np.frombuffer(t, "<i8") if isinstance(t, bytes) else t
    first, last = int(min(times)), int(max(times))
    upper = T_MAX_MS if not_after_ms is None else min(not_after_ms, T_MAX_MS)
    if first < T_MIN_MS or last > upper:
        wrong = first if first < T_MIN_MS else last
        return f"t={wrong}: must be epoch milliseconds from {T_MIN_MS} to {upper}"
    values = _arrays(series)[1]
    wild = np.abs(values) > V_MAX
    if wild.any():
        return f"v={values[wild][0]}: must be null or finite, at most {V_MAX:g} either way"
    return None


def canonical_series(series: Series) -> Series:
    """The same readings as the log keeps them: one form for one content.

    `t` int64 and `v` float64 as little-endian bytes, sorted, one reading per time, one NaN for
    null; `flag` only if some reading is in a device state. 16 bytes a reading.
    """
    t, v, flags = _sorted(*_arrays(series), series.flag)
    if flags is not None and not _device_words(flags)[0]:
        flags = None
    v = np.where(np.isnan(v), np.nan, v + 0.0)  # one NaN, no negative zero
    return msgspec.structs.replace(
        series,
        t=t.astype("<i8", copy=False).tobytes(),
        v=v.astype("<f8", copy=False).tobytes(),
        flag=flags,
    )


def _arrays(series: Series) -> tuple[Times, Values]:
    t, v = series.t, series.v
    return (
        np.frombuffer(t, "<i8") if isinstance(t, bytes) else np.array(t, np.int64),
        np.frombuffer(v, "<f8") if isinstance(v, bytes) else np.array(v, np.float64),
    )


def _sorted(t: Times, v: Values, flags: list[str] | None) -> tuple[Times, Values, list[str] | None]:
    if np.count_nonzero(t[1:] > t[:-1]) >= t.size - 1:
        return t, v, flags
    order = np.argsort(t, kind="stable")
    t = t[order]
    order = order[np.append(t[1:] != t[:-1], True)]
    t = t[np.append(t[1:] != t[:-1], True)]
    return t, v[order], None if flags is None else [flags[i] for i in order.tolist()]


def _device_words(flags: list[str]) -> tuple[frozenset[str], frozenset[str]]:
    """The flags present, as written, that are device states, and those that mean offline."""
    words = [(word, word.strip().lower()) for word in set(flags)]
    return (
        frozenset(word for word, low in words if low in DEVICE_STATES),
        frozenset(word for word, low in words if low in OFFLINE),
    )


# ------------------------------------------------------------------ what the arrays of a state show


def run_of(over_bits: int, good_bits: int, gap: int, need: int) -> tuple[int, int] | None:
    """Newest run beyond the limit: the ages of its first and last cell [cells].

    Parameters
    ----------
    over_bits, good_bits
        Bit i: the cell of age i has a reading beyond the limit; has one within it.
    gap
        Most cells from one reading of a run to the next.
    need
        Least cells from the first to the last of a run. 0: a single reading will do; above 0 a cell
        that also has a reading within the limit interrupts.
    """
    if need:
        over_bits &= ~good_bits
        # Most series leave here, in a microsecond: never `need` + 1 cells in a row not interrupted.
        free = ~good_bits & ((1 << over_bits.bit_length()) - 1)
        length = 1
        while 2 * length <= need + 1:
            free &= free >> length
            length *= 2
        if not free & (free >> (need + 1 - length)):
            return None
    if not over_bits:
        return None
    over, good = -_ages(over_bits)[::-1], -_ages(good_bits)[::-1]
    before = np.searchsorted(good, over, side="right")
    breaks = (before[1:] != before[:-1]) | (over[1:] - over[:-1] > gap)
    edges = breaks.nonzero()[0]
    first = -over[np.append(0, edges + 1)]
    last = -over[np.append(edges, over.size - 1)]
    long_enough = (first - last >= need).nonzero()[0]
    if not long_enough.size:
        return None
    return int(first[long_enough[-1]]), int(last[long_enough[-1]])


def starts_of(group: Times) -> Times:
    """Where each stretch of equal elements begins, shape (k,), from 0; `group` not empty."""
    new = np.empty(group.size, np.bool_)
    new[0] = True
    np.not_equal(group[1:], group[:-1], out=new[1:])
    return new.nonzero()[0]


def _ages(bits: int) -> Times:
    raw = np.frombuffer(bits.to_bytes((bits.bit_length() + 7) // 8, "little"), np.uint8)
    return np.unpackbits(raw, bitorder="little").nonzero()[0]


def mean_streak(
    t: Times, v: Values, low: float, high: float, hours: int, clock_ms: int
) -> tuple[int, int, float, bool] | None:
    """Newest streak of complete windows whose mean is beyond the limit.

    A window is `hours` clock hours long and moves by the hour. An hour's mean is the mean of its
    samples and is valid with 75 % of the samples the series' own rhythm (the median step) promises;
    a window's mean is the mean of its valid hours and is valid with 75 % of them (HJ 75: 45 minutes
    of an hour; a day's mean from its hourly means). Judged only when the window is over.

    Returns
    -------
    Start of the first and end of the last window of the streak [epoch ms], mean of the last window,
    whether that is the newest valid window; None without a streak.
    """
    if t.size < 2:
        return None
    hour = t // HOUR_MS
    starts = starts_of(hour)
    counts = np.diff(np.append(starts, t.size))
    hourly = np.add.reduceat(v, starts) / counts
    if low <= float(hourly.min()) and float(hourly.max()) <= high:
        return None  # most series leave here
    step_ms = max(float(np.median(np.diff(t))), 1.0)
    span = int(hour[-1] - hour[0]) + 1 + hours - 1  # the first window ends with the first hour
    means, valid = np.zeros(span), np.zeros(span, np.bool_)
    at = hour[starts] - hour[0] + hours - 1
    means[at] = hourly
    valid[at] = counts >= max(0.75 * HOUR_MS / step_ms, 1.0) - 1e-9
    means[~valid] = 0.0
    n_valid = np.lib.stride_tricks.sliding_window_view(valid, hours).sum(axis=1)
    sums = np.lib.stride_tricks.sliding_window_view(means, hours).sum(axis=1)
    ends = (np.arange(n_valid.size, dtype=np.int64) + int(hour[0]) + 1) * HOUR_MS
    enough = n_valid >= max(0.75 * hours * min(1.0, HOUR_MS / step_ms), 1.0) - 1e-9
    judged = (enough & (ends <= max(clock_ms, int(t[-1]) + int(step_ms)))).nonzero()[0]
    mean = sums[judged] / n_valid[judged]
    beyond = (mean < low) | (mean > high)
    where = beyond.nonzero()[0]
    if not where.size:
        return None
    last = int(where[-1])
    within = (~beyond[:last]).nonzero()[0]
    first = int(within[-1]) + 1 if within.size else 0
    since = int(ends[judged[first]]) - hours * HOUR_MS
    return since, int(ends[judged[last]]), float(mean[last]), last == judged.size - 1


def flat_streak(
    hour: list[int], lo: list[float], hi: list[float], need: int
) -> tuple[int, int, float] | None:
    """Newest streak of clock hours holding one single value: first hour, last hour, value.

    At least `need` hours from the first to the last, at most one hour missing in between. Zero does
    not count: it is a stopped process or a value below detection.
    """
    last = len(hour) - 1
    while last >= 0:
        first, value = last, lo[last]
        if value != hi[last] or value == 0.0:
            last -= 1
            continue
        while (
            first and lo[first - 1] == value == hi[first - 1] and hour[first] - hour[first - 1] <= 2
        ):
            first -= 1
        if hour[last] - hour[first] >= need:
            return hour[first], hour[last], value
        last = first - 1
    return None


def regular_since(t: Times, v: Values) -> int:
    """Since when the newest samples are too regular for a sensor [epoch ms]; 0 if they are not.

    Either the last 48 samples rise or fall by one exact step, or they repeat with a period of at
    least 4 samples: three whole periods and at least 48 samples, equal to 1e-6, with at least 4
    different values in a period; 8 if all are multiples of 0.5, for a thermostat read in coarse
    steps may well repeat a few.
    """
    n = v.size
    if n < REGULAR_MIN:
        return 0
    a, b, c = v[-3:].tolist()
    if a != b and abs((b - a) - (c - b)) <= 1e-6:
        steps = np.diff(v[-REGULAR_MIN:])
        if abs(float(steps[-1])) > 1e-6 and float(np.ptp(steps)) <= 1e-6:
            return int(t[-REGULAR_MIN])
    buf = np.rint(v * 1e6).tobytes()
    pattern = buf[-64:]
    end = len(buf) - 32  # so that the period is at least 4 samples
    for _ in range(REPEAT_TRIES):
        at = buf.rfind(pattern, max(0, len(buf) - 64 - (n // 3) * 8), end)
        if at < 0:
            return 0
        end = at + 63
        if at % 8:
            continue
        period = (len(buf) - 64 - at) // 8
        m = max(3 * period, REGULAR_MIN)
        if m <= n and buf[(n - m) * 8 : (n - period) * 8] == buf[(n - m + period) * 8 :]:
            values = set(v[-period:].tolist())
            if len(values) >= (8 if all((2 * x) % 1 == 0 for x in values) else 4):
                return int(t[n - m])
    return 0
