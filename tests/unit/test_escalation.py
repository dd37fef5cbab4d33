"""Goal: steps at the right working moment, each once, none after an answer; new causes begin anew.

Method: courses by hand; then random acts against the plain rule (a step is taken if and only if its
moment came while the course ran), however seldom anybody looked.
"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from notify_world import HOUR_MS, POLICY, TIME, at, changed, notice

from alerts import escalation
from alerts.escalation import Course

START = at("2026-09-30T16:00")
PLAN = POLICY.escalate


def test_steps_fall_on_working_time_across_the_national_day() -> None:
    course = escalation.step(None, notice(updated_ms=START), PLAN)
    assert course == Course("orange", 1, START)
    # 2 of 9 hours are left on the 30th; 1 to 7 October are off.
    assert escalation.next_ms(course, PLAN, TIME) == at("2026-10-08T16:00")
    assert escalation.advance(course, at("2026-10-08T15:59"), PLAN, TIME).stage == 0
    one = escalation.advance(course, at("2026-10-08T16:00"), PLAN, TIME)
    assert one.stage == 1
    # Saturday the 10th is worked.
    assert escalation.next_ms(one, PLAN, TIME) == at("2026-10-09T16:00")
    both = escalation.advance(course, at("2026-12-01T00:00"), PLAN, TIME)
    assert both.stage == 2 and escalation.next_ms(both, PLAN, TIME) == 0


def test_red_runs_on_every_hour_of_the_day() -> None:
    course = escalation.step(None, notice(level="red", updated_ms=at("2026-10-01T02:00")), PLAN)
    assert course is not None
    assert escalation.next_ms(course, PLAN, TIME) == at("2026-10-01T02:30")


def test_an_acknowledgement_stops_it_and_the_end_after_it_is_final() -> None:
    firing = notice(updated_ms=START)
    course = escalation.step(None, firing, PLAN)
    acked = changed(firing, state="acknowledged", updated_ms=START + HOUR_MS)
    stopped = escalation.step(course, acked, PLAN)
    assert stopped is not None and stopped.stopped == "acknowledged"
    assert escalation.advance(stopped, at("2026-12-01T00:00"), PLAN, TIME) is stopped
    over = escalation.step(stopped, changed(acked, state="resolved"), PLAN)
    assert over is not None and over.stopped == "resolved"
    late = changed(acked, state="acknowledged", seq=9)
    assert escalation.step(over, late, PLAN) is over
    again = escalation.step(over, changed(firing, seq=10, updated_ms=START + 9), PLAN)
    assert again == Course("orange", 2, START + 9)


def test_a_higher_level_begins_anew_unless_acknowledged() -> None:
    firing = notice(updated_ms=START)
    course = escalation.step(None, firing, PLAN)
    red = changed(firing, level="red", updated_ms=START + 5)
    assert escalation.step(course, red, PLAN) == Course("red", 2, START + 5)
    lower = changed(firing, level="yellow", updated_ms=START + 5)
    assert escalation.step(course, lower, PLAN) == course
    acked = escalation.step(course, changed(firing, state="acknowledged"), PLAN)
    assert escalation.step(acked, changed(red, state="acknowledged"), PLAN) == acked


def test_pending_has_no_course() -> None:
    assert escalation.step(None, notice(state="pending"), PLAN) is None


def test_a_review_reminds_before_its_day_and_stops_with_the_last_answer() -> None:
    due_end = at("2026-11-21T00:00")
    course = escalation.review(None, True, 2, due_end, START)
    assert escalation.next_ms(course, PLAN, TIME) == at("2026-11-19T09:00")
    one = escalation.advance(course, at("2026-11-19T09:00"), PLAN, TIME)
    assert one.stage == 1
    # One of two has answered: it goes on.
    assert escalation.review(one, True, 1, due_end, START + 1) == one
    assert escalation.next_ms(one, PLAN, TIME) == due_end
    done = escalation.review(one, True, 0, due_end, START + 2)
    assert done.stopped == "answered"
    assert escalation.review(done, False, 0, due_end, START + 3) == done
    assert escalation.review(done, True, 1, due_end, START + 4).episode == 2


looks = st.lists(st.integers(0, 40 * 24), min_size=1, max_size=20)


@given(looks, st.integers(0, 40 * 24), st.sampled_from(["blue", "yellow", "orange", "red"]))
def test_each_step_is_taken_once_and_none_after_the_acknowledgement(
        hours: list[int], acked_h: int, level: str) -> None:
    firing = notice(level=level, updated_ms=START)
    course = escalation.step(None, firing, PLAN)
    assert course is not None
    steps = PLAN.plan(level)
    moments = [escalation.due(course, s, TIME) for s in steps]
    assert moments == sorted(moments)
    acked_ms = START + acked_h * HOUR_MS
    taken: list[int] = []
    for now in sorted({*(START + h * HOUR_MS for h in hours), acked_ms}):
        before = course.stage
        if now == acked_ms:
            course = escalation.advance(course, now, PLAN, TIME)
            taken += range(before, course.stage)
            made = escalation.step(course, changed(firing, state="acknowledged", updated_ms=now),
                                   PLAN)
            assert made is not None
            course = made
            continue
        course = escalation.advance(course, now, PLAN, TIME)
        taken += range(before, course.stage)
    assert taken == [n for n, m in enumerate(moments) if m <= acked_ms]
