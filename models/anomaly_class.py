"""What a class of devices has in common, and how rare a value of a statistic is in it.

The daily maxima of a statistic follow nearly a Gumbel law[^1]. Its two numbers are estimated for
the class from quantiles that a few faulty devices do not move, so that a threshold is a rate of
false alarms. A norm is made of many subjects' devices, so no shard can make it: it is learned
beside the log and published on it, like weights, and every shard judges by the same.

References
----------
[^1]: S. Coles, An Introduction to Statistical Modeling of Extreme Values, Springer, 2001, ch. 3.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import msgspec
import numpy as np

from models.anomaly_course import (
    MAD,
    OWN_MIN_D,
    OWN_MIN_H,
    STATISTICS,
    Floats,
    Norm,
    course,
    median,
    statistic,
)
from models.anomaly_windows import WindowState
from models.calendar import WorkingDays

DEVICES_MIN, DEVICES_MAX = 8, 512
"""Devices a class needs for a norm, and the most that are taken."""
TAIL_MU: Final = (0.3, 0.2, 0.85, 0.7, 0.05, -0.65, -0.25, -0.3, 1.8, 1.6)
TAIL_BETA: Final = (0.6, 0.65, 0.6, 0.65, 0.3, 0.25, 0.55, 0.55, 0.7, 0.75)
"""Gumbel location and scale of daily maxima without a class: simulated devices, seed 11."""



def threshold(norm: Norm | None, at: int, rate: float) -> float:
    """Value of `STATISTICS[at]` whose false alarms are `rate` a device-month, all of them together.

    Daily maxima are taken as Gumbel: P(greater than x) = 1 - exp(-exp(-(x - mu) / beta)).
    """
    mu, beta = tail(norm, at)
    p = min(rate / (30.0 * len(STATISTICS)), 0.5)
    return mu - beta * math.log(-math.log1p(-p))


def rate_of(norm: Norm | None, at: int, value: float) -> float:
    """The inverse of `threshold`: false alarms a device-month at least this high."""
    mu, beta = tail(norm, at)
    return -30.0 * len(STATISTICS) * math.expm1(-math.exp(min(-(value - mu) / beta, 700.0)))


def tail(norm: Norm | None, at: int) -> tuple[float, float]:
    return (TAIL_MU[at], TAIL_BETA[at]) if norm is None else (norm.mu[at], norm.beta[at])


class Summary(msgspec.Struct, frozen=True, gc=False):
    """What one device tells its class; about 3 KB."""

    level: tuple[float, ...]
    spread: tuple[float, ...]
    hours: tuple[tuple[float, ...], ...]
    maxima: tuple[tuple[float, ...], ...]
    """By statistic: the greatest value of each day."""
    hugging: float


def summarise(
    state: WindowState, norm: Norm | None, days: WorkingDays | None, clock_ms: int, hugging: float
) -> Summary | None:
    """What the series tells its class, measured by the norm so far; None before `OWN_MIN_D` days.

    `hugging`: share of its hours just under the limit (`models.anomaly_tamper.just_under`).
    """
    c = course(state, norm, days, clock_ms)
    if c is None or c.hour.size < OWN_MIN_H or c.hour[-1] - c.hour[0] < 24 * OWN_MIN_D:
        return None
    day = (c.hour + 8) // 24
    maxima = []
    for s in STATISTICS:
        x = statistic(c, s)
        known = np.isfinite(x)
        of, x = day[known], x[known]
        starts = np.flatnonzero(np.append(True, of[1:] != of[:-1])) if of.size else of
        top = np.maximum.reduceat(x, starts) if of.size else x
        maxima.append(tuple(float(one) for one in top))
    return Summary(
        tuple(c.level.tolist()), tuple(c.own_spread.tolist()),
        tuple(tuple(row) for row in c.deviation.tolist()), tuple(maxima), hugging,
    )  # fmt: skip


def class_norm(summaries: Sequence[Summary]) -> Norm | None:
    """The norm of a class; the order of its devices does not matter. None with too few.

    Medians throughout: a norm stands as long as most of the class is in order. Of more than
    `DEVICES_MAX` the caller takes those with the least hash.
    """
    assert len(summaries) <= DEVICES_MAX, len(summaries)
    if len(summaries) < DEVICES_MIN:
        return None
    level = np.array([one.level for one in summaries]).T
    middle = median(level)
    between = MAD * median(np.abs(level - middle[:, None]))
    spread = median(np.array([one.spread for one in summaries]).T)
    hours = median(np.array([one.hours for one in summaries]).transpose(1, 2, 0))
    mu, beta = [], []
    for at in range(len(STATISTICS)):
        top = np.sort(np.array([x for one in summaries for x in one.maxima[at]]))
        fit = _gumbel(top) if top.size >= 200 else (TAIL_MU[at], TAIL_BETA[at])
        mu.append(fit[0])
        beta.append(fit[1])
    return Norm(
        len(summaries), tuple(middle.tolist()), tuple(between.tolist()), tuple(spread.tolist()),
        tuple(tuple(row) for row in hours.tolist()), tuple(mu), tuple(beta),
        float(np.median([one.hugging for one in summaries])),
    )  # fmt: skip


def _gumbel(top: Floats) -> tuple[float, float]:
    """Location and scale from the 50 % and 90 % points: up to 5 % of faulty days move them little.

    Quantile of p: mu - beta ln(-ln p), so beta = (q90 - q50) / 1.8839 and mu = q50 - 0.3665 beta.
    """
    q50, q90 = float(top[top.size // 2]), float(top[top.size * 9 // 10])
    beta = max((q90 - q50) / 1.8839, 0.05)
    return q50 - 0.3665 * beta, beta
