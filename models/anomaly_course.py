"""What is usual for a series and its class, and how far each hour is from it.

Four aggregates of an hour (`AGGREGATES`): its least and greatest reading, their middle, and its
wiggle, the square root of the range or of the step from the hour before, whichever is greater (the
step stands in for devices that report once an hour). Usual is a robust additive model:

    value = level (of the stretch since the last service) + deviation (of the hour of day)
            + deviation (of the hour on days off) + spread * z

all medians and median deviations of the series' own hours, each drawn toward the class's
(`n / (n + k)`: partial pooling[^1]). A statistic asks for `k` of the last `n` hours at once: one
odd hour alone must be very odd. `models.anomaly_class` turns values into rates of false alarms.

Only comparisons, sums of two and square roots are taken of arrays: the same bits on any machine.

References
----------
[^1]: A. Gelman and J. Hill, Data Analysis Using Regression and Multilevel/Hierarchical Models,
      Cambridge, 2007, ch. 12.
"""

from __future__ import annotations

import math
from typing import Final, Literal, NamedTuple

import msgspec
import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from models.anomaly_windows import SERVICED, Hours, WindowState
from models.calendar import WorkingDays

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

AGGREGATES: Final = ("least", "greatest", "middle", "wiggle")
LEAST, GREATEST, MIDDLE, WIGGLE = range(4)
Kind = Literal["anomaly", "tamper", "fault"]


class Statistic(NamedTuple):
    """The `k`-th greatest of `sign * z[aggregate]` over the last `n` hours seen."""

    code: str
    kind: Kind
    aggregate: int
    sign: int
    n: int
    k: int


STATISTICS: Final = (
    # All of an hour's readings above what its least should be: one spike cannot do that.
    Statistic("high", "anomaly", LEAST, 1, 3, 3),
    Statistic("low", "anomaly", GREATEST, -1, 3, 3),
    Statistic("peaks", "anomaly", GREATEST, 1, 8, 3),
    Statistic("dips", "anomaly", LEAST, -1, 8, 3),
    Statistic("unsteady", "anomaly", WIGGLE, 1, 6, 5),
    Statistic("quiet", "tamper", WIGGLE, -1, 12, 11),
    Statistic("shift-up", "anomaly", MIDDLE, 1, 24, 18),
    Statistic("shift-down", "anomaly", MIDDLE, -1, 24, 18),
    Statistic("burst", "anomaly", GREATEST, 1, 1, 1),
    Statistic("slump", "anomaly", LEAST, -1, 1, 1),
)
MAD: Final = 1.4826
"""Standard deviation of a normal law over its median absolute deviation."""
K_LEVEL, K_HOUR, K_SPREAD, K_OFF = 24.0, 3.0, 96.0, 4.0
"""Hours (level, spread) or days (deviations) of its own with which a series counts half."""
OWN_MIN_H, OWN_MIN_D, CLASS_MIN_H = 120, 6, 24
"""Hours and days a series must have before it is judged by itself; hours, with its class."""
GRACE_H = 6
"""Hours after a service that are not judged: the new level is being found."""
STRETCHES_MAX = 8
"""Services that are told apart; hours before them neither train nor alarm."""
SPREAD_FLOOR = 0.3
"""Least spread of a device as a share of its class's: a dull device is not a strict one."""


class Norm(msgspec.Struct, frozen=True, gc=False):
    """What is usual in a class for a metric: published, versioned, the same for every partition.

    By aggregate: `level` of the median device, `between` devices [robust sd], `spread` of a
    device's hours [robust sd], `hours` 24 deviations. By statistic: `mu`, `beta`. Units are the
    metric's (wiggle: their root). `hugging` is the median share of hours just under the limit.
    """

    devices: int
    level: tuple[float, ...]
    between: tuple[float, ...]
    spread: tuple[float, ...]
    hours: tuple[tuple[float, ...], ...]
    mu: tuple[float, ...]
    beta: tuple[float, ...]
    hugging: float


class Course(NamedTuple):
    """The hours of a series that may be judged, the oldest first; n of them.

    `hour` shape (n,) [hours since 1970]; `value`, `usual`, `spread`, `z` shape (4, n), by
    aggregate; `judged` shape (n,), false in the grace after a service; `gap` median distance [h];
    `level` of the newest stretch, shape (4,); `deviation` by hour of day, shape (4, 24).
    """

    hour: Hours
    value: Floats
    usual: Floats
    spread: Floats
    z: Floats
    judged: Bools
    gap: int
    level: Floats
    deviation: Floats
    own_spread: Floats


def course(
    state: WindowState, norm: Norm | None, days: WorkingDays | None, clock_ms: int
) -> Course | None:
    """Hours that have ended by the clock, without marks, against what is usual; None if too few."""
    hour = np.arange(state.first, state.first + state.lo.size, dtype=np.int64)
    ended = (hour + 1) * 3_600_000 <= clock_ms
    use = (state.mark == 0) & (state.lo <= state.hi) & ended
    stretch, n_stretches = _stretches(state)
    use &= stretch > n_stretches - STRETCHES_MAX
    n = int(np.count_nonzero(use))
    if n < (OWN_MIN_H if norm is None else CLASS_MIN_H):
        return None
    hour, stretch = hour[use], stretch[use]
    whole = n == hour[-1] - hour[0] + 1
    gap = 1 if whole else max(1, int(np.median(np.diff(hour))))
    lo, hi = state.lo[use].astype(np.float64), state.hi[use].astype(np.float64)
    middle = (lo + hi) * 0.5
    step = np.zeros(n)
    step[1:] = np.where(np.diff(hour) <= 2 * gap, np.abs(np.diff(middle)), 0.0)
    value = np.stack((lo, hi, middle, np.sqrt(np.maximum(hi - lo, step))))

    place = hour + 8  # Beijing
    day = place // 24
    if norm is None and int(day[-1] - day[0]) < OWN_MIN_D:
        return None
    grid = _Grid(place - int(day[0]) * 24, int(day[-1] - day[0]) + 1)
    prior = np.zeros((4, 24)) if norm is None else np.array(norm.hours)
    w_level = np.full(4, 1.0 if norm is None else n / (n + K_LEVEL))

    # Levels of the stretches, hours of day about them, levels without the hours.
    own, count = grid.medians(value - _levels(value - prior[:, place % 24], stretch))
    weight = count / (count + (K_HOUR if norm is not None else 0.5))
    deviation = weight * np.where(count > 0, own, 0.0) + (1 - weight) * prior
    level = _levels(value - deviation[:, place % 24], stretch)
    usual = level + deviation[:, place % 24]
    off = holiday = np.zeros(n, np.bool_)
    if days is not None:
        off, holiday = _days_off(day, days)
        free = off & ~holiday
        if free.any():
            own, count = grid.medians(np.where(free, value - usual, np.nan))
            weight = count / (count + K_OFF)
            correction = weight * np.where(count > 0, own, 0.0)
            usual = usual + np.where(free, correction[:, place % 24], 0.0)

    rest = value - usual
    pooled = MAD * median(np.abs(rest))
    resolution = _resolution(value[0], value[1])
    least = np.array([resolution, resolution, resolution, math.sqrt(resolution)]) * 0.3
    w = np.full(4, 1.0) if norm is None else np.full(4, n / (n + K_SPREAD))
    if norm is not None:
        pooled = w * pooled + (1 - w) * np.array(norm.spread)
        least = np.maximum(least, SPREAD_FLOOR * np.array(norm.spread))
    own, count = grid.medians(np.abs(rest), neighbours=True)
    weight = count / (count + 30.0)
    hourly = weight * MAD * np.where(count > 0, own, 0.0) + (1 - weight) * pooled[:, None]
    spread = np.maximum(hourly, least[:, None])[:, place % 24]
    if holiday.any():  # only now: of a past of holidays alone the spread would be nothing
        rest = np.where(holiday, _beyond_any_hour(rest, usual, level, deviation), rest)
    if norm is not None:  # while the own level is unknown, devices differ as devices do
        drawn = (1 - w_level[:, None]) * (np.array(norm.level)[:, None] - level)
        usual, rest = usual + drawn, np.where(holiday, rest, rest - drawn)
        spread = spread + ((1 - w_level) * np.array(norm.between))[:, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        z = np.where(spread > 0, rest / spread, 0.0)
    judged = np.ones(n, np.bool_)
    for one in range(int(stretch[0]) + 1, int(stretch[-1]) + 1):
        judged[np.flatnonzero(stretch == one)[:GRACE_H]] = False
    return Course(hour, value, usual, spread, z, judged, gap, level[:, -1], deviation, pooled)


def statistic(c: Course, s: Statistic) -> Floats:
    """The statistic at each hour, shape (n,); NaN where its hours are too few or too far apart."""
    out = np.full(c.hour.size, np.nan)
    if c.hour.size < s.n:
        return out
    span = sliding_window_view(c.hour, s.n)
    z = np.sort(sliding_window_view(s.sign * c.z[s.aggregate], s.n), axis=1)[:, s.n - s.k]
    near = (span[:, -1] - span[:, 0] < 2 * s.n * c.gap) & c.judged[s.n - 1 :]
    out[s.n - 1 :] = np.where(near, z, np.nan)
    return out


# ----------------------------------------------------------------------------------------- parts


def median(x: Floats) -> Floats:
    """Median over the last axis of the numbers that are not NaN; NaN if there are none."""
    n = x.shape[-1] - np.count_nonzero(np.isnan(x), axis=-1)
    sizes = set(n.ravel().tolist()) - {0}
    middles = sorted({(k - 1) // 2 for k in sizes} | {k // 2 for k in sizes})
    # Only these need stand where they would if sorted; of a series without gaps they are few.
    ordered = np.partition(x, middles, axis=-1) if len(middles) <= 8 else np.sort(x, axis=-1)
    middle: Floats = np.full(n.shape, np.nan)
    for k in sizes:
        half = (ordered[..., (k - 1) // 2] + ordered[..., k // 2]) * 0.5
        middle = np.where(n == k, half, middle) if len(sizes) > 1 or 0 in n else half
    return middle


class _Grid:
    """Places hours in days x hours of day, to take medians by hour of day."""

    def __init__(self, place: Hours, days: int) -> None:
        self.place = place
        self.days = days

    def medians(self, x: Floats, neighbours: bool = False) -> tuple[Floats, Floats]:
        """Median by hour of day and how many there were, both shape (4, 24)."""
        flat = np.full((4, self.days * 24), np.nan)
        flat[:, self.place] = x
        by_hour = flat.reshape(4, self.days, 24).transpose(0, 2, 1)
        if neighbours:
            rolled = [np.roll(by_hour, shift, axis=1) for shift in (-1, 1)]
            by_hour = np.concatenate((by_hour, *rolled), axis=2)
        return median(by_hour), np.count_nonzero(~np.isnan(by_hour), axis=2).astype(np.float64)


def _levels(value: Floats, stretch: Hours) -> Floats:
    """Median of each stretch, at each of its hours."""
    level = np.empty(value.shape)
    if stretch[0] == stretch[-1]:  # most series
        level[:] = median(value)[:, None]
        return level
    for one in range(int(stretch[0]), int(stretch[-1]) + 1):
        inside = stretch == one
        if inside.any():
            level[:, inside] = median(value[:, inside])[:, None]
    return level


def _stretches(state: WindowState) -> tuple[Hours, int]:
    """By hour, how many services ended before it; and their number."""
    serviced = (state.mark & SERVICED) > 0
    ends = np.zeros(serviced.size, np.int64)
    ends[1:] = serviced[:-1] & ~serviced[1:]
    number = np.cumsum(ends)
    return number, int(number[-1]) if number.size else 0


def _days_off(day: Hours, days: WorkingDays) -> tuple[Bools, Bools]:
    """Which hours lie on days off, and which of them on weekdays that are off: holidays."""
    each, place = np.unique(day, return_inverse=True)
    free = np.array([not days.is_workday(one) for one in each.tolist()], np.bool_)[place]
    return free, free & ((day + 3) % 7 < 5)


def _beyond_any_hour(rest: Floats, usual: Floats, level: Floats, deviation: Floats) -> Floats:
    """On a holiday all hours may be as any hour is: how far beyond all of them (0 = within)."""
    value = rest + usual
    top = level + deviation.max(axis=1)[:, None]
    bottom = level + deviation.min(axis=1)[:, None]
    beyond = np.where(value > top, value - top, np.where(value < bottom, value - bottom, 0.0))
    beyond[WIGGLE] = np.maximum(beyond[WIGGLE], 0.0)  # a closed kitchen is quiet
    return beyond


def _resolution(lo: Floats, hi: Floats) -> float:
    """Smallest step between two values of the series; 0 if all are one."""
    steps = np.diff(np.unique(np.concatenate((lo, hi))))
    return float(steps.min()) if steps.size else 0.0
