"""Beijing civil days and Chinese working days, by arithmetic on day numbers.

A day is an integer: days since 1970-01-01 in Beijing civil time (UTC+8; the summer time of
1986-1991 is left out, no event of ours has a time of day from then). Working days are Monday to
Friday, less holidays, plus the weekend days worked to make up for them; the exceptions come with
the policy (`config/workdays.py` makes them), so that the same log replays to the same due dates.
"""

from __future__ import annotations

import datetime as dt
from bisect import bisect_right
from collections.abc import Iterable, Mapping
from typing import TypeAlias

Dates: TypeAlias = Iterable[dt.date] | Iterable[str]
"""Dates, or dates in ISO form."""

DAY_MS = 86_400_000
BEIJING_OFFSET_MS = 8 * 3_600_000

_EPOCH = dt.date(1970, 1, 1).toordinal()
_MONDAY = -3
"""1969-12-29, a Monday: the zero of the weekday count."""


def day_of(ms: int) -> int:
    """Beijing day number of a moment [epoch ms].

    Examples
    --------
    >>> day_of(0), day_of(16 * 3_600_000 - 1), day_of(16 * 3_600_000)
    (0, 0, 1)
    """
    return (ms + BEIJING_OFFSET_MS) // DAY_MS


def start_ms(day: int) -> int:
    """First moment [epoch ms] of a Beijing day: `day_of(start_ms(d)) == d`."""
    return day * DAY_MS - BEIJING_OFFSET_MS


def to_date(day: int) -> dt.date:
    """Civil date of a day number."""
    return dt.date.fromordinal(day + _EPOCH)


def from_date(date: dt.date) -> int:
    """Day number of a civil date."""
    return date.toordinal() - _EPOCH


def add_months(day: int, months: int) -> int:
    """The same day of the month, `months` calendar months later (earlier if negative).

    Clipped to the month's end, as periods of months end in law.

    Examples
    --------
    >>> to_date(add_months(from_date(dt.date(2026, 1, 31)), 1)).isoformat()
    '2026-02-28'
    """
    date = to_date(day)
    years, month0 = divmod(date.month - 1 + months, 12)
    first = dt.date(date.year + years, month0 + 1, 1)
    next_first = dt.date(first.year + (month0 == 11), (month0 + 1) % 12 + 1, 1)
    length = (next_first - first).days
    return from_date(first) + min(date.day, length) - 1


class WorkingDays:
    """The working days of China, with the exceptions known for some years.

    Parameters
    ----------
    holidays
        Weekdays that are off.
    workdays
        Weekend days that are worked.
    covered_to
        The last day the two lists speak for; they speak from 1 January of the year of
        the earliest exception. Other days count by plain Monday to Friday, see `covered`.

    Raises
    ------
    ValueError: no ISO date, a holiday on a weekend, a make-up day on a weekday.

    Notes
    -----
    `add`, `between` and `is_workday` cost one binary search over the exceptions (about 40 a year).

    Examples
    --------
    >>> days = WorkingDays(["2026-10-01", "2026-10-02"], ["2026-10-10"], "2026-12-31")
    >>> to_date(days.add(from_date(dt.date(2026, 9, 30)), 1)).isoformat()
    '2026-10-05'
    """

    def __init__(self, holidays: Dates, workdays: Dates, covered_to: dt.date | str) -> None:
        change = {_day(date): -1 for date in holidays}
        made_up = {_day(date): 1 for date in workdays}
        for day in change:
            if _weekday(day) >= 5:
                raise ValueError(f"holidays: {to_date(day)} is a weekend day: must be a weekday")
        for day in made_up:
            if _weekday(day) < 5:
                raise ValueError(f"workdays: {to_date(day)} is a weekday: must be a weekend day")
        change |= made_up
        self._change = change
        self._days = sorted(change)
        self._sums = [0]
        """Entry i: by how much the first i exceptions change the count of weekdays."""
        for day in self._days:
            self._sums.append(self._sums[-1] + change[day])
        self._last = _day(covered_to)
        first = to_date(self._days[0]).replace(month=1, day=1) if self._days else None
        self._first = self._last + 1 if first is None else from_date(first)

    @property
    def exceptions(self) -> Mapping[int, int]:
        """Day -> 1 where a weekend day is worked, -1 where a weekday is off."""
        return self._change

    def is_workday(self, day: int) -> bool:
        """Whether `day` is worked."""
        change = self._change.get(day)
        return _weekday(day) < 5 if change is None else change > 0

    def covered(self, day: int) -> bool:
        """Whether holidays and make-up days of that date are known (else Monday to Friday)."""
        return self._first <= day <= self._last

    def between(self, a: int, b: int) -> int:
        """Working days after `a` up to and including `b`; negative if `b` is before `a`.

        The inverse of `add`: `between(day, add(day, n)) == n`.
        """
        return self._count(b) - self._count(a)

    def add(self, day: int, n: int) -> int:
        """The n-th working day after `day`, which is not counted itself; before, if n < 0.

        `add(day, 0)` is `day`.
        """
        if n == 0:
            return day
        target = self._count(day) + n if n > 0 else self._count(day - 1) + 1 + n
        # From the plain Monday-to-Friday answer up by what is missing, then down over what was
        # too much: the answer is the first day by which the count is reached.
        found = _nth_weekday(_weekdays(day) + n)
        while (missing := target - self._count(found)) > 0:
            found = _nth_weekday(_weekdays(found) + missing)
        while self._count(found - 1) >= target:
            found -= 1
        return found

    def _count(self, day: int) -> int:
        return _weekdays(day) + self._sums[bisect_right(self._days, day)]


def _day(date: dt.date | str) -> int:
    return from_date(dt.date.fromisoformat(date) if isinstance(date, str) else date)


def _weekday(day: int) -> int:
    return (day - _MONDAY) % 7


def _weekdays(day: int) -> int:
    weeks, rest = divmod(day - _MONDAY, 7)
    return 5 * weeks + min(rest + 1, 5)


def _nth_weekday(n: int) -> int:
    weeks, rest = divmod(n - 1, 5)
    return 7 * weeks + rest + _MONDAY
