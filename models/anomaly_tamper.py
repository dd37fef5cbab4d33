"""Signs of tampering and of a broken sensor in the hours of one series, kept apart.

Tampering: a past stretch played again, a density that breaks off at the limit, far quieter than its
class. A fault: stuck at a bound, spikes no such place can show, nulls, no end of maintenance.
What `models.iot` sees in single readings stays there: one exact value (flat), exact short periods
and ramps, a day within 1 % of the limit.

References
----------
[^1]: J. McCrary, Manipulation of the running variable in the regression discontinuity design,
      Journal of Econometrics 142, 2008 (here: exact counts in bins instead of local lines).
"""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from models.anomaly_course import (
    GREATEST,
    LEAST,
    MIDDLE,
    OWN_MIN_H,
    WIGGLE,
    Bools,
    Course,
    Floats,
    Norm,
)
from models.anomaly_windows import DEVICE, NULL, WindowState
from models.iot import DeviceSpec

REPLAY_LAG_MIN_H, REPLAY_RUN_MIN_H, REPLAY_BITS = 12, 12, 48.0
"""A replay copies at least 12 hours from at least 12 hours ago; its distinct hours together are
rarer than 2^-48 (48 days' worth of hours have some 800 lags and 2^10 hours)."""
RECENT_H = 48
"""A finding rests on the last 48 hours, so that one that has ended holds a day."""
BIN_SHARE, BUNCH_MIN, BUNCH_SHARE, BUNCH_P = 0.02, 48, 0.06, 1e-6
"""Bins of 2 % of the limit; hours in the bin under it, their least share of all, and the chance of
as few above it under a continuous density."""
BUNCH_OVER_CLASS = 4.0
"""Least ratio to the class's own share: thermostats set at the limit bunch, all of them."""
DULL_Z, DULL_DEVICES = 6.0, 20
"""A device this many between-device spreads under its class's wiggle is too regular for it."""
STUCK_H, STUCK_Z = 6, 8.0
SPIKE_ALONE_H = 3
SANE_BETWEEN, SANE_SPREAD, SANE_OWN = 8.0, 16.0, 25.0
"""Without bounds in the catalogue no place of the class can be further from the class's median
than 8 between-device and 16 hourly spreads; without a class, further from its own by 25."""
NULLS_MIN_H, NULLS_SHARE, STATE_H = 12, 0.5, 72


class Sign(NamedTuple):
    """One sign: hours of its first and last window, whether it goes on, and what was seen."""

    kind: Literal["tamper", "fault"]
    code: str
    aggregate: str
    first: int
    last: int
    ongoing: bool
    value: float
    low: float
    high: float


# ------------------------------------------------------------------------------------- tampering


def replay(state: WindowState, c: Course) -> Sign | None:
    """The newest hours repeat a past stretch, least and greatest readings alike, bit for bit.

    Each distinct hour of the run counts `log2((n + 1) / (m + 1/2))` bits, m of n other hours of the
    series being like it (at the same hour of day, or at all: whichever is the more). So constant
    series and thermostats that only know a few values prove nothing. Cost about 0.1 ms.
    """
    size = int(c.hour[-1]) - state.first + 1
    if size < REPLAY_LAG_MIN_H + RECENT_H:
        return None
    use = np.zeros(size, np.bool_)
    use[c.hour - state.first] = True
    lo, hi = state.lo[:size].view(np.uint32), state.hi[:size].view(np.uint32)
    key = lo.astype(np.uint64) << np.uint64(32) | hi.astype(np.uint64)
    target = slice(size - RECENT_H, size)
    past = sliding_window_view(key, RECENT_H)[: size - RECENT_H - REPLAY_LAG_MIN_H + 1]
    used = sliding_window_view(use, RECENT_H)[: past.shape[0]]
    same = (past == key[target]) & used & use[target]
    counts = np.count_nonzero(same, axis=1)
    for row in np.argsort(-counts, kind="stable")[:4].tolist():
        if counts[row] < REPLAY_RUN_MIN_H:
            return None
        run = _longest(same[row])
        if run[1] - run[0] < REPLAY_RUN_MIN_H:
            continue
        lag = size - RECENT_H - row
        first, last = size - RECENT_H + run[0], size - RECENT_H + run[1] - 1
        if _bits(key, use, first, last, lag) < REPLAY_BITS:
            continue
        while first > lag and use[first - 1] and key[first - 1] == key[first - 1 - lag]:
            first -= 1
        return Sign("tamper", "replay", "hours", state.first + first, state.first + last,
                    last == size - 1, float(last - first + 1), 0.0, float(lag))
    return None


def _longest(same: Bools) -> tuple[int, int]:
    """Newest of the longest runs: begin and end."""
    edges = np.flatnonzero(np.diff(np.concatenate(([0], same.astype(np.int8), [0]))))
    begin, end = edges[::2], edges[1::2]
    best = int(np.flatnonzero(end - begin == (end - begin).max())[-1])
    return int(begin[best]), int(end[best])


def _bits(key: np.ndarray, use: Bools, first: int, last: int, lag: int) -> float:
    own = np.zeros(key.size, np.bool_)
    own[first : last + 1] = own[first - lag : last + 1 - lag] = True
    other = use & ~own
    total, met = 0.0, set()
    for at in range(first, last + 1):
        if int(key[at]) in met:
            continue
        met.add(int(key[at]))
        like = other & (key == key[at])
        hour = slice(at % 24, None, 24)
        shares = [(np.count_nonzero(like[of]) + 0.5) / (np.count_nonzero(other[of]) + 1)
                  for of in (slice(None), hour)]
        total -= math.log2(min(max(shares), 1.0))
    return total


def just_under(c: Course, spec: DeviceSpec) -> tuple[float, int, int, int, int]:
    """Share of hours in the bin just under the limit, and the numbers behind it.

    Returns
    -------
    Share; hours in the bin under the limit, in the next one under, in the one above; and the sign:
    1 the upper limit, -1 the lower, 0 none. Of two limits the one that more hours are close to.
    """
    best = (0.0, 0, 0, 0, 0)
    for limit, sign, aggregate in ((spec.high, 1, GREATEST), (spec.low, -1, LEAST)):
        if limit is None or not limit:
            continue
        x = sign * (c.value[aggregate] - limit)
        width = BIN_SHARE * abs(limit)
        under = int(np.count_nonzero((x <= 1e-6 * width) & (x > -width)))
        deeper = int(np.count_nonzero((x <= -width) & (x > -2 * width)))
        above = int(np.count_nonzero((x > 1e-6 * width) & (x <= width)))
        if under > best[1]:
            best = (under / c.hour.size, under, deeper, above, sign)
    return best


def hugging(c: Course, spec: DeviceSpec, norm: Norm | None) -> Sign | None:
    """The density of the hours' extremes breaks off at the limit.

    Under a density that is log-linear around the limit the bin above holds `r / (1 + r)` of both,
    r being the ratio of the bin under the limit to the next one, but at most 1 and less two
    standard errors; as few as seen must then be a chance under `BUNCH_P`.
    """
    share, under, deeper, above, sign = just_under(c, spec)
    usual = 0.0 if norm is None else norm.hugging
    if under < BUNCH_MIN or share < max(BUNCH_SHARE, BUNCH_OVER_CLASS * usual):
        return None
    ratio = (under - 2 * math.sqrt(under)) / (deeper + 2 * math.sqrt(deeper) + 1e-9)
    ratio = min(max(ratio, 0.0), 1.0)
    if _binomial_tail(under + above, ratio / (1 + ratio), above) > BUNCH_P:
        return None
    limit = spec.high if sign > 0 else spec.low
    assert limit is not None
    width = BIN_SHARE * abs(limit)
    x = sign * (c.value[GREATEST if sign > 0 else LEAST] - limit)
    hits = c.hour[(x <= 1e-6 * width) & (x > -width)]
    if int(c.hour[-1]) - int(hits[-1]) > RECENT_H:
        return None
    ends = sorted((limit - sign * width, limit))
    return Sign("tamper", "hugging", "greatest" if sign > 0 else "least", int(hits[0]),
                int(hits[-1]), True, share, ends[0], ends[1])


def _binomial_tail(n: int, p: float, k: int) -> float:
    """P(X <= k) of a binomial."""
    if p <= 0:
        return 1.0
    logs = [math.lgamma(n + 1) - math.lgamma(i + 1) - math.lgamma(n - i + 1)
            + i * math.log(p) + (n - i) * math.log1p(-p) for i in range(k + 1)]
    return min(1.0, math.fsum(math.exp(one) for one in logs))


def dull(c: Course, norm: Norm | None) -> Sign | None:
    """Over its whole horizon the series is far quieter than its class: too regular for a sensor."""
    if norm is None or norm.devices < DULL_DEVICES or c.hour.size < OWN_MIN_H:
        return None
    own, level = float(np.median(c.value[WIGGLE])), norm.level[WIGGLE]
    bound = level - DULL_Z * max(norm.between[WIGGLE], 0.05 * level)
    if own >= min(bound, 0.5 * level):
        return None
    return Sign("tamper", "dull", "wiggle", int(c.hour[0]), int(c.hour[-1]), True,
                own * own, max(bound, 0.0) ** 2, math.inf)


# ---------------------------------------------------------------------------------------- faults


def sane_range(c: Course, norm: Norm | None, sane: tuple[float, float] | None) -> tuple[
    float, float
]:
    """Values that such a place can show: the catalogue's, or far from all that the class shows."""
    if sane is not None:
        return sane
    if norm is not None and norm.spread[GREATEST] > 0:
        far = [SANE_BETWEEN * norm.between[a] + SANE_SPREAD * norm.spread[a]
               for a in (LEAST, GREATEST)]
        return norm.level[LEAST] - far[0], norm.level[GREATEST] + far[1]
    low = float((c.usual[LEAST] - SANE_OWN * c.spread[LEAST]).min())
    return low, float((c.usual[GREATEST] + SANE_OWN * c.spread[GREATEST]).max())


def stuck(c: Course, low: float, high: float) -> Sign | None:
    """One value, hour after hour, that such a place cannot show or that this one never shows."""
    flat = c.value[LEAST] == c.value[GREATEST]
    if not flat[-RECENT_H:].any():
        return None
    value: Floats = c.value[LEAST]
    new = np.append(True, ~flat[1:] | ~flat[:-1] | (value[1:] != value[:-1]))
    begin = np.flatnonzero(new)
    end = np.append(begin[1:], new.size)
    odd = (value < low) | (value > high) | (np.abs(c.z[MIDDLE]) >= STUCK_Z)
    for a, b in zip(begin[::-1].tolist(), end[::-1].tolist(), strict=True):
        if c.hour[-1] - c.hour[b - 1] > RECENT_H:
            return None
        if b - a >= STUCK_H and odd[a:b].all():
            return Sign("fault", "stuck", "least", int(c.hour[a]), int(c.hour[b - 1]),
                        b == new.size, float(value[a]), low, high)
    return None


def spikes(c: Course, low: float, high: float) -> Sign | None:
    """Hours with a reading such a place cannot show, and none such in the hours around them.

    What lasts or comes again at once is no spike: it may be so, and passes a limit then.
    """
    out = np.flatnonzero((c.value[GREATEST] > high) | (c.value[LEAST] < low))
    far = np.diff(c.hour[out]) > SPIKE_ALONE_H
    alone = np.append(True, far) & np.append(far, True)
    hit = out[alone & (c.hour[out] > c.hour[-1] - RECENT_H)] if out.size else out
    if not hit.size:
        return None
    first = int(hit[0])
    aggregate = GREATEST if c.value[GREATEST][first] > high else LEAST
    return Sign("fault", "spikes", ("least", "greatest")[aggregate], int(c.hour[first]),
                int(c.hour[hit[-1]]), int(c.hour[-1] - c.hour[hit[-1]]) < 24,
                float(c.value[aggregate][first]), low, high)


def unusable(state: WindowState, newest: int) -> Sign | None:
    """Nulls in most of the last two days' hours, or a device state for three days on end.

    `newest`: number of the newest hour that has ended. Looks at marks alone, so that a device
    that never sends a plain reading is seen too.
    """
    mark = state.mark[: max(newest - state.first + 1, 0)]
    if not mark.size:
        return None
    at = np.flatnonzero((mark > 0) | (state.lo[: mark.size] <= state.hi[: mark.size]))
    recent = at[at > mark.size - 1 - RECENT_H]
    nulls = recent[(mark[recent] & NULL) > 0]
    if nulls.size >= NULLS_MIN_H and nulls.size >= NULLS_SHARE * recent.size:
        return Sign("fault", "nulls", "hours", state.first + int(nulls[0]),
                    state.first + int(nulls[-1]), bool(nulls[-1] == at[-1]),
                    float(nulls.size), 0.0, NULLS_SHARE * recent.size)
    flagged = (mark[at] & DEVICE) > 0
    if at.size and flagged[-1]:
        plain = np.flatnonzero(~flagged)
        first = int(at[plain[-1] + 1]) if plain.size else int(at[0])
        if int(at[-1]) - first + 1 >= STATE_H:
            return Sign("fault", "state", "hours", state.first + first,
                        state.first + int(at[-1]), True, float(STATE_H), 0.0, float(STATE_H))
    return None
