"""What happens when nobody answers: steps on a working clock, as a pure state machine.

A course is how far the escalation of one alert or review has come. Steps are due at moments that
follow from its start alone, never from when somebody looked: after any pause `advance` takes those
that are due, each once. An acknowledgement, an answer, a resolution or a closure stops it for good;
only a new occurrence (late evidence, a reopening, a higher level) begins a new episode.
"""

from __future__ import annotations

import msgspec

from alerts.notice import OVER, Notice, rank
from alerts.worktime import MINUTE_MS, WorkTime
from models.notify_policy import Escalate, Step


class Course(msgspec.Struct, frozen=True, array_like=True):
    """`stage` steps of `plan` were taken since `started_ms`; `stopped` says what ended it."""

    plan: str
    episode: int
    started_ms: int
    stage: int = 0
    stopped: str = ""
    stopped_ms: int = 0


def step(course: Course | None, notice: Notice, policy: Escalate) -> Course | None:
    """The course of an alert after a transition; None before it fires."""
    at = notice.updated_ms
    if notice.state == "pending":
        return course
    if notice.state in OVER or notice.state == "acknowledged":
        if course is None:
            return Course(notice.level, 1, at, 0, notice.state, at)
        if course.stopped and (course.stopped != "acknowledged" or notice.state not in OVER):
            # Over stays over. An acknowledgement that follows changes nothing.
            return course
        return _stop(course, notice.state, at)
    if course is None:
        return Course(notice.level, 1, at)
    if course.stopped or rank(notice.level) > rank(course.plan):
        return Course(notice.level, course.episode + 1, at)
    return course


def review(course: Course | None, open_: bool, unanswered: int, due_end_ms: int,
           now_ms: int) -> Course:
    """The course of a review: it starts at the end of its due day and stops when all answered."""
    if course is None or (course.stopped and open_ and unanswered):
        course = Course("review", course.episode + 1 if course else 1, due_end_ms)
    elif not course.stopped and course.started_ms != due_end_ms:
        course = msgspec.structs.replace(course, started_ms=due_end_ms)
    if not course.stopped and not (open_ and unanswered):
        return _stop(course, "answered" if open_ else "resolved", now_ms)
    return course


def advance(course: Course, now_ms: int, policy: Escalate, time: WorkTime) -> Course:
    """Take the steps that are due by now."""
    if course.stopped:
        return course
    steps = policy.plan(course.plan)
    stage = course.stage
    while stage < len(steps) and due(course, steps[stage], time) <= now_ms:
        stage += 1
    return course if stage == course.stage else msgspec.structs.replace(course, stage=stage)


def next_ms(course: Course, policy: Escalate, time: WorkTime) -> int:
    """When the next step is due; 0 = never."""
    steps = policy.plan(course.plan)
    if course.stopped or course.stage >= len(steps):
        return 0
    return due(course, steps[course.stage], time)


def due(course: Course, step: Step, time: WorkTime) -> int:
    """Moment of one step of a course."""
    if step.clock == "always":
        return course.started_ms + step.after_min * MINUTE_MS
    return time.add(course.started_ms, step.after_min)


def _stop(course: Course, why: str, at_ms: int) -> Course:
    return msgspec.structs.replace(course, stopped=why, stopped_ms=at_ms)
