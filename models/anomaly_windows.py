"""What is kept of one IoT series for `models.anomaly`: least and greatest reading of each hour.

A join-semilattice, as the state of `models.iot` is: an hour's extremes are min/max-ed, its marks
OR-ed, and everything is cut to a horizon behind the newest hour. So any order, cut into messages
and repetition of the same readings gives the same state, bit for bit, and no event ids are kept.
(Unlike there, two values at one time both count: nothing depends on which came last.)

Memory: 9 B an hour of the horizon (`bytes_max`), 7.6 KB for 35 days, whatever the reporting rate.
Cost: about 15 µs a message plus 10 ns a reading.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.events import Series
from models.iot_batch import DEVICE_STATES, HOUR_MS, starts_of

Hours = NDArray[np.int64]
Floats32 = NDArray[np.float32]
Bytes = NDArray[np.uint8]

DEVICE, NULL, SERVICED = 1, 2, 4
"""Marks of an hour: some reading was flagged with a device state, was null, was flagged as
maintenance or calibration."""
SERVICE_WORDS: Final = frozenset(
    {"maintenance", "maintained", "calibration", "calibrating", "m", "c"}
    | {"维护", "检修", "校准", "标定"}
)
"""Device states after which the level of a series may lawfully be another."""
HORIZON_MAX_D = 62
OVERHEAD_BYTES = 600
"""Object, slots and the headers of three arrays (CPython 3.11, numpy 2)."""


class WindowState:
    """Hours of one (subject, item, device, metric), the oldest first, without leading gaps.

    `first`: number of the first hour [hours since 1970]; `lo`, `hi`: least and greatest reading,
    +inf and -inf for none, shape (n,); `mark`: bits, shape (n,). The last entry is the newest hour.
    """

    __slots__ = ("first", "hi", "lo", "mark")

    def __init__(self) -> None:
        self.first = 0
        self.lo: Floats32 = np.empty(0, np.float32)
        self.hi: Floats32 = np.empty(0, np.float32)
        self.mark: Bytes = np.empty(0, np.uint8)

    @property
    def nbytes(self) -> int:
        """Memory [bytes]: at most `bytes_max` of the horizon."""
        return self.lo.nbytes + self.hi.nbytes + self.mark.nbytes + OVERHEAD_BYTES


def bytes_max(horizon_d: int) -> int:
    """Most memory one state takes [bytes]."""
    return 9 * 24 * horizon_d + OVERHEAD_BYTES


def observe(state: WindowState | None, series: Series, horizon_d: int) -> WindowState:
    """Join one message's readings of one series into its state.

    Parameters
    ----------
    state
        What is known so far, changed in place; None for a new series.
    series
        Readings that passed `models.iot.check`, in any order.
    horizon_d
        Days kept behind the newest hour, 1 to `HORIZON_MAX_D`.
    """
    assert 1 <= horizon_d <= HORIZON_MAX_D, horizon_d
    if state is None:
        state = WindowState()
    t = series.t
    v = series.v
    hour = (np.frombuffer(t, "<i8") if isinstance(t, bytes) else np.array(t, np.int64)) // HOUR_MS
    value = np.frombuffer(v, "<f8") if isinstance(v, bytes) else np.array(v, np.float64)
    if not hour.size:
        return state
    if np.count_nonzero(hour[1:] < hour[:-1]):
        order = np.argsort(hour, kind="stable")
        hour, value = hour[order], value[order]
    else:
        order = None
    starts = starts_of(hour)
    lo, hi = np.minimum.reduceat(value, starts), np.maximum.reduceat(value, starts)
    if series.flag is None and not np.isnan(lo).any():  # most messages: readings and nothing else
        mark = np.zeros(starts.size, np.uint8)
    else:
        each = np.where(np.isfinite(value), 0, NULL).astype(np.uint8)
        if series.flag is not None:
            flags = _marks(series.flag)
            each |= flags if order is None else flags[order]
        lo = np.minimum.reduceat(np.where(each == 0, value, np.inf), starts)
        hi = np.maximum.reduceat(np.where(each == 0, value, -np.inf), starts)
        mark = np.bitwise_or.reduceat(each, starts)
    none = np.float32(0)  # no negative zero
    _join(state, hour[starts], lo.astype(np.float32) + none, hi.astype(np.float32) + none, mark,
          24 * horizon_d)
    return state


def _marks(flags: list[str]) -> Bytes:
    words = {word: word.strip().lower() for word in set(flags)}
    marks = {
        word: (DEVICE if low in DEVICE_STATES else 0) | (SERVICED if low in SERVICE_WORDS else 0)
        for word, low in words.items()
    }
    return np.fromiter((marks[word] for word in flags), np.uint8, len(flags))


def _join(
    state: WindowState, hour: Hours, lo: Floats32, hi: Floats32, mark: Bytes, kept: int
) -> None:
    """Join hours, rising and distinct, none without a mark or a value; keep `kept` of them."""
    size = state.lo.size
    oldest, newest = int(hour[0]), int(hour[-1])
    if oldest == newest and state.first <= oldest < state.first + size:  # most messages
        at = oldest - state.first
        state.lo[at] = min(state.lo[at], lo[0])
        state.hi[at] = max(state.hi[at], hi[0])
        state.mark[at] |= mark[0]
        return
    newest = max(newest, state.first + size - 1) if size else newest
    floor = newest - kept + 1
    skip = int(np.searchsorted(hour, floor)) if oldest < floor else 0
    if skip:
        hour, lo, hi, mark = hour[skip:], lo[skip:], hi[skip:], mark[skip:]
    first = min(state.first, int(hour[0])) if size and hour.size else state.first
    first = max(first if size else oldest, floor)
    cut = skip or (size and first > state.first)
    if first != state.first or newest - first + 1 != size:
        _move(state, first, newest - first + 1)
    if hour.size:
        places = hour - first
        state.lo[places] = np.minimum(state.lo[places], lo)
        state.hi[places] = np.maximum(state.hi[places], hi)
        state.mark[places] |= mark
    if cut:  # then the oldest that is left may be a gap
        seen = int(((state.lo <= state.hi) | (state.mark > 0)).argmax())
        if seen:
            _move(state, first + seen, newest - first + 1 - seen)


def _move(state: WindowState, first: int, size: int) -> None:
    """Lay the hours anew from `first`, `size` of them."""
    lo = np.full(size, np.inf, np.float32)
    hi = np.full(size, -np.inf, np.float32)
    mark = np.zeros(size, np.uint8)
    begin = max(first, state.first)
    end = min(first + size, state.first + state.lo.size)
    if begin < end:
        to, of = slice(begin - first, end - first), slice(begin - state.first, end - state.first)
        lo[to], hi[to], mark[to] = state.lo[of], state.hi[of], state.mark[of]
    state.first, state.lo, state.hi, state.mark = first, lo, hi, mark


def dump(state: WindowState) -> list[Any]:
    """The state as an integer and little-endian bytes, for a checkpoint."""
    return [
        state.first,
        state.lo.astype("<f4", copy=False).tobytes(),
        state.hi.astype("<f4", copy=False).tobytes(),
        state.mark.tobytes(),
    ]


def load(fields: list[Any]) -> WindowState:
    """The inverse of `dump`."""
    state = WindowState()
    state.first = fields[0]
    state.lo = np.frombuffer(fields[1], "<f4").astype(np.float32)
    state.hi = np.frombuffer(fields[2], "<f4").astype(np.float32)
    state.mark = np.frombuffer(fields[3], np.uint8).copy()
    return state


def canonical(state: WindowState) -> bytes:
    """One byte string per content: equal for equal sets of readings, however they arrived."""
    return msgspec.msgpack.encode(dump(state))
