"""Goal: clocks of an office are right across evenings, weekends, holidays and make-up days.

Method: known moments by hand, and every answer of `add` and `between` against a count minute by
minute, over the autumn of 2026 with its holidays.
"""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from notify_world import DAYS, HOUR_MS, MINUTE_MS, OFFSET_MS, POLICY, TIME, at

from alerts.worktime import WorkTime, quiet_until
from models.notify_policy import Work

START, END = at("2026-09-14T00:00"), at("2026-10-19T00:00")
WORKED: list[bool] = []
"""For each minute of those weeks, whether it is worked: the slow, plain answer."""
for _minute in range(START // MINUTE_MS, END // MINUTE_MS):
    _day, _of = divmod(_minute + OFFSET_MS // MINUTE_MS, 1_440)
    WORKED.append(DAYS.is_workday(_day) and 540 <= _of < 1_080)

minutes = st.integers(0, len(WORKED) - 1)


def plain(a: int, b: int) -> int:
    return sum(WORKED[a:b])


@given(minutes, minutes)
def test_between_counts_worked_minutes(a: int, b: int) -> None:
    a, b = min(a, b), max(a, b)
    found = TIME.between(START + a * MINUTE_MS, START + b * MINUTE_MS)
    assert found == plain(a, b)
    assert TIME.between(START + b * MINUTE_MS, START + a * MINUTE_MS) == -found


@given(minutes, st.integers(1, 3_000), st.integers(0, MINUTE_MS - 1))
def test_add_is_the_first_moment_by_which_so_many_have_passed(a: int, n: int, ms: int) -> None:
    start = START + a * MINUTE_MS + ms
    end = TIME.add(start, n)
    if end > END:
        return
    def worked(to: int) -> int:
        return TIME._worked(to) - TIME._worked(start)
    assert worked(end) == n * MINUTE_MS
    assert worked(end - 1) < n * MINUTE_MS
    if ms == 0:
        assert plain(a, (end - START) // MINUTE_MS) == n


@given(st.integers(5_000, len(WORKED) - 1), st.integers(1, 900))
def test_back_again(a: int, n: int) -> None:
    end = START + a * MINUTE_MS
    begin = TIME.add(end, -n)
    assert TIME.between(begin, end) == n
    assert TIME.between(begin + MINUTE_MS, end) < n


def test_across_the_national_day() -> None:
    # 1 to 7 October are off, Saturday the 10th is worked.
    assert TIME.add(at("2026-09-30T17:00"), 60) == at("2026-09-30T18:00")
    assert TIME.add(at("2026-09-30T17:00"), 61) == at("2026-10-08T09:01")
    assert TIME.add(at("2026-10-03T12:00"), 3 * 540) == at("2026-10-10T18:00")


def test_a_zone_without_daylight_saving_is_only_an_offset() -> None:
    far = WorkTime(DAYS, Work(540, 1_080), -11 * HOUR_MS)
    monday = at("2026-11-16T09:00") + OFFSET_MS + 11 * HOUR_MS
    assert far.add(monday, 540) == monday + 9 * HOUR_MS


def test_quiet_hours() -> None:
    quiet = POLICY.quiet
    for now, until in (("2026-11-16T10:00", "2026-11-16T10:00"),
                       ("2026-11-16T20:00", "2026-11-17T08:00"),
                       ("2026-11-17T07:59", "2026-11-17T08:00"),
                       ("2026-11-20T20:30", "2026-11-23T08:00"),
                       ("2026-10-01T12:00", "2026-10-08T08:00"),
                       ("2026-10-10T12:00", "2026-10-10T12:00")):
        assert quiet_until(at(now), quiet, TIME) == at(until), now
    noon = msgspec.structs.replace(quiet, from_min=720, to_min=840, days_off=False)
    assert quiet_until(at("2026-11-21T13:00"), noon, TIME) == at("2026-11-21T14:00")
    assert quiet_until(at("2026-11-21T14:00"), noon, TIME) == at("2026-11-21T14:00")
