"""Clocks of an office: working minutes and quiet hours, over the policy's calendar. Pure.

Moments are epoch milliseconds; civil time is UTC plus a fixed offset (no daylight saving, as in
China since 1991). A working day is worked from one civil minute to another.
"""

from __future__ import annotations

from models.calendar import DAY_MS, WorkingDays
from models.notify_policy import Quiet, Work

MINUTE_MS = 60_000


class WorkTime:
    """Working minutes of a calendar. Each question costs a few binary searches.

    Examples
    --------
    >>> import datetime as dt
    >>> days = WorkingDays([], [], "2026-12-31")
    >>> time = WorkTime(days, Work(from_min=540, to_min=1080), 8 * 3_600_000)
    >>> friday = int(dt.datetime(2026, 11, 20, 9, 30, tzinfo=dt.UTC).timestamp() * 1000)
    >>> later = time.add(friday, 60)  # 17:30 in Beijing: half an hour is left, then the weekend
    >>> dt.datetime.fromtimestamp(later / 1000, dt.UTC).isoformat()
    '2026-11-23T01:30:00+00:00'
    """

    def __init__(self, days: WorkingDays, work: Work, offset_ms: int) -> None:
        self.days = days
        self.offset_ms = offset_ms
        self._from = work.from_min * MINUTE_MS
        self._to = work.to_min * MINUTE_MS
        self._day = self._to - self._from

    def add(self, ms: int, minutes: int) -> int:
        """The first moment by which so many working minutes have passed since `ms`.

        Negative minutes go back: the last moment from which so many are left until `ms`.
        """
        if minutes == 0:
            return ms
        worked = self._worked(ms)
        goal = worked + minutes * MINUTE_MS
        if minutes > 0:
            # The day on which the count is reached: its end counts, the next morning does not.
            day, rest = divmod(goal - 1, self._day)
            return self._nth_start(day) + rest + 1
        day, rest = divmod(goal, self._day)
        return self._nth_start(day) + rest

    def between(self, a: int, b: int) -> int:
        """Whole working minutes from `a` to `b`, negative if `b` is before `a`."""
        span = self._worked(b) - self._worked(a)
        return span // MINUTE_MS if span >= 0 else -(-span // MINUTE_MS)

    def day_of(self, ms: int) -> int:
        """Civil day number of a moment."""
        return (ms + self.offset_ms) // DAY_MS

    def start(self, day: int) -> int:
        """First moment of a civil day."""
        return day * DAY_MS - self.offset_ms

    def terms(self) -> list[object]:
        """All that its answers follow from, as plain values."""
        return [self.offset_ms, self._from, self._to, sorted(self.days.exceptions.items())]

    def _worked(self, ms: int) -> int:
        """Milliseconds worked since day 0 up to a moment."""
        day, of_day = divmod(ms + self.offset_ms, DAY_MS)
        before = self.days.between(0, day - 1) * self._day
        if not self.days.is_workday(day):
            return before
        return before + min(max(of_day - self._from, 0), self._day)

    def _nth_start(self, n: int) -> int:
        """Moment at which the working day number `n` (0 = the first after day 0) begins."""
        # `add(0, 1)` is the first working day after day 0; `between(0, that) == 1`.
        return self.start(self.days.add(0, n + 1) if n >= 0 else self.days.add(1, n)) + self._from


def quiet_until(ms: int, quiet: Quiet, time: WorkTime) -> int:
    """`ms` itself when it is not quiet then, else the first moment after that is not."""
    at = ms
    while True:
        day = time.day_of(at)
        if quiet.days_off and not time.days.is_workday(day):
            at = time.start(day + 1)
            continue
        minute = (at - time.start(day)) // MINUTE_MS
        first, end = quiet.from_min, quiet.to_min
        if first < end and first <= minute < end:
            at = time.start(day) + end * MINUTE_MS
        elif first > end and minute >= first:
            at = time.start(day + 1)
        elif first > end and minute < end:
            at = time.start(day) + end * MINUTE_MS
        else:
            return at
