"""Random draws from integers alone, and moments that follow the year, the week and the day."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Sequence
from statistics import NormalDist
from typing import Final

import numpy as np
from numpy.typing import NDArray

from streams.simulate.parameters import DAY_S, LEVELS, YEAR_D

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

# Complaints by month: March (15 March) highest, February lowest (Shanxi 2018, standards §5).
_PUBLIC_MONTHS: Final = (90, 60, 145, 100, 105, 100, 100, 100, 100, 105, 110, 105)
_OFFICE_MONTHS: Final = (85, 60, 110, 105, 100, 105, 100, 100, 110, 105, 115, 110)
_PUBLIC_WEEK: Final = (110, 105, 100, 100, 100, 95, 90)
_OFFICE_WEEK: Final = (100, 105, 105, 105, 95, 4, 3)
_PUBLIC_HOURS: Final = (2, 1, 1, 0, 0, 1, 2, 4, 8, 12, 13, 9, 8, 9, 11, 11, 10, 9, 8, 8, 8, 6, 4, 3)
_OFFICE_HOURS: Final = (
    0,
    0,
    0,
    0,
    0,
    0,
    0,
    0,
    2,
    14,
    16,
    10,
    1,
    3,
    14,
    15,
    12,
    5,
    1,
    0,
    0,
    0,
    0,
    0,
)
# Offices rest on fixed holidays; make-up working days are left out: the brief reckons Mon-Fri.
_HOLIDAYS: Final = frozenset(
    [(10, d) for d in range(1, 8)] + [(5, d) for d in range(1, 6)] + [(1, 1)]
)


def stream(seed: int, purpose: int) -> np.random.Generator:
    """Independent stream for one purpose: a change in one part leaves the others' draws alone."""
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, purpose])))


def quantiles(sigma: float) -> Ints:
    """Lognormal multipliers by risk level: per mille of the median, shape (LEVELS,).

    Rounded to integers, so that the last bit of a platform's `exp` does not matter.
    """
    normal = NormalDist()
    levels = ((i + 0.5) / LEVELS for i in range(LEVELS))
    return np.array([round(1000 * math.exp(sigma * normal.inv_cdf(u))) for u in levels], np.int64)


def pick(rng: np.random.Generator, weights: Ints | Sequence[int], n: int) -> Ints:
    """`n` indices, each with probability proportional to its non-negative integer weight."""
    edges = np.cumsum(np.asarray(weights, np.int64))
    return np.searchsorted(edges, rng.integers(0, edges[-1], n), side="right").astype(np.int64)


def choose(rng: np.random.Generator, rows: Sequence[Sequence[int]], which: Ints) -> Ints:
    """One outcome per element; `rows[which[k]]` are its shares, summing to 1000."""
    edges = np.cumsum(np.asarray(rows, np.int64), axis=1)
    draw = rng.integers(0, 1000, len(which))
    outcome: Ints = (draw[:, None] >= edges[which]).sum(axis=1)
    return outcome


def chance(rng: np.random.Generator, n: int, per_mille: int | Ints) -> Bools:
    """`n` coin tosses."""
    tosses: Bools = rng.integers(0, 1000, n) < per_mille
    return tosses


def expected(subjects: int, per_1000_years: int, days: int) -> int:
    """Number of events in the city: its expectation, so that only who and when are random."""
    return subjects * per_1000_years * days // (1000 * YEAR_D)


class Calendar:
    """Days of the run with their weights for the public's acts and for those of offices.

    Seconds are counted from midnight (+08:00) of the first day.
    """

    def __init__(self, start: dt.date, days: int) -> None:
        self.start = start
        self.days = days
        self.end_s = days * DAY_S
        dates = [start + dt.timedelta(days=d) for d in range(days)]
        self.public_days = np.array([_public_weight(d) for d in dates], np.int64)
        self.office_days = np.array([_office_weight(d) for d in dates], np.int64)
        self._first = np.datetime64(start, "D")

    def public(self, rng: np.random.Generator, n: int) -> Ints:
        """Moments [s] at which people act, shape (n,)."""
        return pick(rng, self.public_days, n) * DAY_S + _of_day(rng, _PUBLIC_HOURS, n)

    def office(self, rng: np.random.Generator, n: int) -> Ints:
        """Moments [s] at which offices act, shape (n,)."""
        return pick(rng, self.office_days, n) * DAY_S + _of_day(rng, _OFFICE_HOURS, n)

    def later(self, rng: np.random.Generator, t: Ints, low_d: int, high_d: int) -> Ints:
        """Office hours of a day `low_d` to `high_d` days after each moment (at least one day)."""
        day = t // DAY_S + rng.integers(low_d, high_d + 1, len(t))
        return day * DAY_S + _of_day(rng, _OFFICE_HOURS, len(t))

    def workdays_later(self, rng: np.random.Generator, t: Ints, low_d: int, high_d: int) -> Ints:
        """The same counted in Mondays to Fridays, the day itself not counted."""
        first = self._first + (t // DAY_S).astype("timedelta64[D]")
        steps = rng.integers(low_d, high_d + 1, len(t))
        day = (np.busday_offset(first, steps, roll="backward") - self._first).astype(np.int64)
        moments: Ints = day * DAY_S + _of_day(rng, _OFFICE_HOURS, len(t))
        return moments


def _of_day(rng: np.random.Generator, hours: Sequence[int], n: int) -> Ints:
    return pick(rng, hours, n) * 3600 + rng.integers(0, 3600, n)


def _public_weight(day: dt.date) -> int:
    peak = 2 if day.month == 3 and 12 <= day.day <= 18 else 1
    return _PUBLIC_MONTHS[day.month - 1] * _PUBLIC_WEEK[day.weekday()] * peak


def _office_weight(day: dt.date) -> int:
    share = 5 if (day.month, day.day) in _HOLIDAYS else 100
    return _OFFICE_MONTHS[day.month - 1] * _OFFICE_WEEK[day.weekday()] * share
