"""Goal: a due date in working days is the one a Chinese office would count.

Method: the days of 2025 and 2026 as the State Council published them, written out by hand; the
library's own `is_workday` day by day; and a count by walking as the oracle of the arithmetic.
"""

from __future__ import annotations

import datetime as dt

import chinese_calendar
import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.workdays import calendar_exceptions, covered_years
from models.calendar import (
    WorkingDays,
    add_months,
    day_of,
    from_date,
    start_ms,
    to_date,
)

DAYS = WorkingDays(**calendar_exceptions(2004, 2026))
CIVIL = st.integers(from_date(dt.date(2000, 1, 1)), from_date(dt.date(2030, 12, 31)))


def day(text: str) -> int:
    return from_date(dt.date.fromisoformat(text))


def text(number: int) -> str:
    return to_date(number).isoformat()


@pytest.mark.parametrize(
    ("start", "n", "expected"),
    [
        ("2026-03-02", 1, "2026-03-03"),
        ("2026-03-06", 1, "2026-03-09"),
        # National Day 2025: off 1-8 October, 28 September and 11 October worked
        ("2025-09-26", 1, "2025-09-28"),
        ("2025-09-30", 1, "2025-10-09"),
        ("2025-09-30", 3, "2025-10-11"),
        ("2025-09-30", 7, "2025-10-16"),
        # National Day 2026: off 1-7 October, 20 September and 10 October worked
        ("2026-09-18", 1, "2026-09-20"),
        ("2026-09-30", 1, "2026-10-08"),
        ("2026-09-30", 7, "2026-10-15"),
        # Spring Festival 2026: off 15-23 February, 14 and 28 February worked
        ("2026-02-12", 7, "2026-02-28"),
        ("2026-02-13", 7, "2026-03-02"),
        ("2026-02-17", 7, "2026-03-03"),
        ("2026-02-14", 1, "2026-02-24"),
        ("2026-02-24", -1, "2026-02-14"),
        ("2026-02-18", -1, "2026-02-14"),
        # beyond what is known: Monday to Friday
        ("2027-09-30", 1, "2027-10-01"),
    ],
)
def test_nth_working_day(start: str, n: int, expected: str) -> None:
    assert text(DAYS.add(day(start), n)) == expected


def test_same_days_as_the_library() -> None:
    first, last = covered_years()
    for number in range(day(f"{first}-01-01"), day(f"{last}-12-31") + 1):
        assert DAYS.is_workday(number) == chinese_calendar.is_workday(to_date(number))
        assert DAYS.covered(number)


def test_covered_says_where_knowledge_ends() -> None:
    assert not DAYS.covered(day("2003-12-31"))
    assert DAYS.covered(day("2026-12-31"))
    assert not DAYS.covered(day("2027-01-01"))
    assert not WorkingDays([], [], "2026-12-31").covered(day("2026-06-01"))


def test_exceptions_keep_to_the_years_asked() -> None:
    found = calendar_exceptions(2025, 2040)
    assert found["covered_to"] == "2026-12-31"
    assert found["holidays"][0] == "2025-01-01"
    assert found["workdays"][0] == "2025-01-26"
    assert "2026-10-10" in found["workdays"]
    assert calendar_exceptions(2025, 2025)["covered_to"] == "2025-12-31"
    with pytest.raises(ValueError, match="2030"):
        calendar_exceptions(2030, 2031)


@pytest.mark.parametrize(
    ("holidays", "workdays"), [(["2026-10-03"], []), ([], ["2026-10-08"]), (["8 October"], [])]
)
def test_impossible_exceptions_are_refused(holidays: list[str], workdays: list[str]) -> None:
    with pytest.raises(ValueError, match=r"2026-10|8 October"):
        WorkingDays(holidays, workdays, "2026-12-31")


@given(CIVIL, st.integers(-60, 60))
def test_add_is_what_walking_finds(start: int, n: int) -> None:
    walked, left, step = start, abs(n), 1 if n > 0 else -1
    while left:
        walked += step
        left -= DAYS.is_workday(walked)
    assert DAYS.add(start, n) == walked


@given(CIVIL, st.integers(0, 3000))
def test_between_is_the_inverse_of_add(start: int, n: int) -> None:
    assert DAYS.between(start, DAYS.add(start, n)) == n
    assert DAYS.between(DAYS.add(start, n), start) == -n


@given(st.lists(st.sampled_from(["2026-10-03", "2026-10-04", "2026-10-10"]), unique=True), CIVIL)
def test_more_make_up_days_than_holidays(made_up: list[str], start: int) -> None:
    days = WorkingDays([], made_up, "2026-12-31")
    assert days.between(start, days.add(start, 9)) == 9
    assert days.is_workday(days.add(start, 9))


@pytest.mark.parametrize(
    ("start", "months", "expected"),
    [
        ("2026-01-31", 1, "2026-02-28"),
        ("2028-01-31", 1, "2028-02-29"),
        ("2028-02-29", 12, "2029-02-28"),
        ("2025-11-30", 3, "2026-02-28"),
        ("2026-12-15", 1, "2027-01-15"),
        ("2026-03-31", -1, "2026-02-28"),
        ("2026-01-01", -1, "2025-12-01"),
        ("2026-05-20", 36, "2029-05-20"),
    ],
)
def test_add_months_clips_to_the_month_end(start: str, months: int, expected: str) -> None:
    assert text(add_months(day(start), months)) == expected


def test_days_begin_at_midnight_in_beijing() -> None:
    assert text(day_of(start_ms(day("2026-11-21")))) == "2026-11-21"
    assert text(day_of(start_ms(day("2026-11-21")) - 1)) == "2026-11-20"
    moment = dt.datetime(2026, 11, 20, 16, tzinfo=dt.UTC)
    assert start_ms(day("2026-11-21")) == int(moment.timestamp() * 1000)
    assert day_of(-1) == 0
    assert text(day_of(-9 * 3_600_000)) == "1969-12-31"


@given(CIVIL)
def test_dates_and_numbers_agree(number: int) -> None:
    assert from_date(to_date(number)) == number
