"""Chinese holidays and make-up days, taken from the `chinesecalendar` library for the policy.

The core may not import a library whose data change with its version: a replay must use the days
that were in force. So the lists are written into the policy and travel in the log.
"""

from __future__ import annotations

import datetime as dt
from typing import TypedDict

from chinese_calendar import constants  # type: ignore[import-untyped]


class CalendarExceptions(TypedDict):
    """Arguments of `models.calendar.WorkingDays`; ISO dates, ascending."""

    holidays: list[str]
    workdays: list[str]
    covered_to: str


def calendar_exceptions(first_year: int, last_year: int) -> CalendarExceptions:
    """Where China's working days differ from Monday to Friday.

    Parameters
    ----------
    first_year, last_year
        Both included; years the library does not know are left out.

    Returns
    -------
    `holidays`, weekdays that are off; `workdays`, weekend days that are worked; `covered_to`, the
    last day known: the State Council publishes a year's days only in the autumn before.

    Raises
    ------
    ValueError: the library knows none of the years.

    Examples
    --------
    >>> found = calendar_exceptions(2026, 2030)
    >>> found["covered_to"], found["workdays"][:2]
    ('2026-12-31', ['2026-01-04', '2026-02-14'])
    """
    known_from, known_to = covered_years()
    first, last = max(first_year, known_from), min(last_year, known_to)
    if first > last:
        raise ValueError(
            f"first_year={first_year}, last_year={last_year}: "
            f"must include one of {known_from}-{known_to}"
        )
    start, end = dt.date(first, 1, 1), dt.date(last, 12, 31)
    return {
        "holidays": [
            day.isoformat()
            for day in sorted(constants.holidays)
            if start <= day <= end and day.weekday() < 5 and day not in constants.workdays
        ],
        "workdays": [
            day.isoformat()
            for day in sorted(constants.workdays)
            if start <= day <= end and day.weekday() >= 5
        ],
        "covered_to": end.isoformat(),
    }


def covered_years() -> tuple[int, int]:
    """First and last year the installed library knows; to be checked each autumn."""
    return min(constants.holidays).year, max(constants.holidays).year
