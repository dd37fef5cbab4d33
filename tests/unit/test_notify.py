"""Goal: what a receiver is told of an alert, and what holds it back, each with its reason.

Method: tables of (what it was told, alert, moment) against the decision; each rule of suppression
once where it holds and once where it must not.
"""

from __future__ import annotations

from typing import Any

import pytest
from notify_world import HOUR_MS, POLICY, TIME, at, changed, notice

from alerts.escalation import Course
from alerts.notice import REVIEW_RULE, Notice
from alerts.notify import (
    Decision,
    Reason,
    Told,
    after,
    decide,
    digest_ms,
    mutes,
    storm,
)
from alerts.routing import Route

DIRECT = Route("scjg", 0, True, ("department 市市场监管局",))
ABOVE = Route("dcs", 1, False, ("step 1",))
NOW = at("2026-11-16T10:00")
RUNNING = Course("orange", 1, NOW)
FIRST = Told(NOW, "orange", "firing", 1, 1, 0, 0)


def ask(n: Notice, told: Told = Told(), route: Route | None = DIRECT, now: int = NOW,  # noqa: B008
        course: Course | None = RUNNING, *, mates: tuple[Notice, ...] = (),
        system: bool = False) -> Decision:
    return decide(n, told, course, route, now, mates, POLICY, TIME, system=system)


@pytest.mark.parametrize(("over", "told", "route", "now", "reason", "again"), [
    ({}, Told(), DIRECT, NOW, Reason.FIRST, 0),
    ({"state": "pending"}, Told(), DIRECT, NOW, Reason.PENDING, 0),
    ({"state": "resolved"}, Told(), DIRECT, NOW, Reason.NOTHING, 0),
    ({"state": "resolved"}, FIRST, DIRECT, NOW, Reason.RESOLVED, 0),
    ({"state": "closed"}, FIRST, None, NOW, Reason.RESOLVED, 0),
    ({"state": "acknowledged"}, Told(), DIRECT, NOW, Reason.FIRST, 0),
    ({"state": "acknowledged"}, Told(), ABOVE, NOW, Reason.NOTHING, 0),
    ({}, Told(), ABOVE, NOW, Reason.ESCALATION, 0),
    ({}, Told(), Route("dcs", 0, False, ()), NOW, Reason.NOTHING, 0),
    ({"level": "red"}, FIRST, DIRECT, NOW, Reason.CHANGED, 0),
    ({"level": "yellow"}, FIRST, DIRECT, NOW, Reason.NOTHING, at("2026-11-18T10:00")),
    ({}, FIRST, DIRECT, NOW, Reason.NOTHING, at("2026-11-17T10:00")),
    ({}, FIRST, DIRECT, at("2026-11-17T10:00"), Reason.REMINDER, 0),
    ({}, FIRST, DIRECT._replace(stage=1), NOW, Reason.REMINDER, 0),
    ({"state": "acknowledged"}, FIRST, ABOVE, NOW, Reason.NOTHING, 0),
    ({"state": "acknowledged", "updated_ms": NOW}, FIRST, DIRECT, NOW, Reason.NOTHING,
     at("2026-11-19T10:00")),
    ({"state": "acknowledged", "updated_ms": NOW}, FIRST, DIRECT, at("2026-11-19T10:00"),
     Reason.REMINDER, 0),
    ({}, Told(NOW, "orange", "resolved", 1, 1), DIRECT, NOW, Reason.REOPENED, 0),
    ({}, Told(NOW, "orange", "firing", 1, 0), DIRECT, NOW, Reason.REOPENED, 0),
    ({}, Told(NOW, "orange", "firing", 1, 1, 0, 10), DIRECT, at("2026-12-17T10:00"),
     Reason.NOTHING, 0),
    ({}, FIRST, None, at("2026-12-17T10:00"), Reason.NOTHING, 0),
])
def test_what_there_is_to_say(over: dict[str, Any], told: Told, route: Route | None, now: int,
                              reason: Reason, again: int) -> None:
    found = ask(notice(**over), told, route, now)
    assert (found.reason, found.again_ms) == (reason, again)
    assert found.send == (reason not in (Reason.NOTHING, Reason.PENDING))


def test_said_once() -> None:
    for over in ({}, {"level": "red"}, {"state": "acknowledged"}):
        n = notice(**over)
        told = after(n, Told(), RUNNING, DIRECT, NOW, Reason.FIRST)
        assert not ask(n, told).send
        over_ = changed(n, state="resolved")
        assert ask(over_, told).reason is Reason.RESOLVED
        assert not ask(over_, after(over_, told, RUNNING, DIRECT, NOW, Reason.RESOLVED)).send


def test_a_level_that_falls_and_rises_again_is_no_news() -> None:
    high = after(notice(level="red"), Told(), RUNNING, DIRECT, NOW, Reason.FIRST)
    low = after(notice(level="orange"), high, RUNNING, DIRECT, NOW, Reason.REMINDER)
    assert not ask(notice(level="red"), low).send


def test_a_silence_holds_back_until_its_end_and_says_which() -> None:
    until = NOW + 5 * HOUR_MS
    found = ask(notice(silenced_until_ms=until))
    assert found == (False, Reason.SILENCE, until, Reason.FIRST, "grade-drop-1")
    assert ask(notice(silenced_until_ms=until), now=until).send


GAP = notice("grade-gap-1", rule="grade-gap")


@pytest.mark.parametrize(("source", "target", "held"), [
    (GAP, notice(), True),
    (changed(GAP, state="acknowledged"), notice(), True),
    (changed(GAP, state="resolved"), notice(), False),
    (changed(GAP, state="pending"), notice(), False),
    (changed(GAP, silenced_until_ms=NOW + 1), notice(), False),
    (changed(GAP, subject="another"), notice(), False),
    (GAP, notice(level="red"), False),
    (GAP, notice(rule="ban-breach"), False),
    (notice("x", rule="ban-breach", level="red"), notice(level="yellow"), True),
    (notice("x", rule="ban-breach", level="red"), notice(level="orange"), False),
])
def test_inhibition(source: Notice, target: Notice, held: bool) -> None:
    assert mutes(source, target, POLICY.inhibit, NOW) is held
    found = ask(target, mates=(source,))
    if held:
        assert found.reason is Reason.INHIBITION and found.by == source.id and found.again_ms > NOW
    else:
        assert found.reason is not Reason.INHIBITION


def test_the_end_is_told_though_something_else_began() -> None:
    assert ask(notice(state="resolved"), FIRST, mates=(GAP,)).reason is Reason.RESOLVED


NIGHT = at("2026-11-16T23:00")


@pytest.mark.parametrize(("level", "held"), [
    ("blue", True), ("yellow", True), ("orange", False), ("red", False)])
def test_quiet_hours(level: str, held: bool) -> None:
    found = ask(notice(level=level, updated_ms=NIGHT - HOUR_MS), now=NIGHT)
    assert (found.reason is Reason.QUIET) is held
    assert found.send is not held
    if held:
        assert found.again_ms == at("2026-11-17T08:00")


def test_the_first_word_waits_for_others() -> None:
    found = ask(notice(level="yellow"))
    assert found == (False, Reason.GATHERING, NOW + 60_000, Reason.FIRST, "")
    assert ask(notice(level="yellow"), now=NOW + 60_000).send
    # A reminder waits for nothing.
    late = at("2026-11-18T12:00")
    assert ask(notice(level="yellow"), Told(NOW, "yellow", "firing", 1, 1), now=late).send


def test_a_storm_has_a_limit_for_red_of_its_own() -> None:
    rules = POLICY.storm
    assert not storm(19, 0, "orange", rules) and storm(20, 0, "orange", rules)
    assert not storm(80, 60 - 1, "red", rules) and storm(80, 60, "red", rules)
    assert not storm(60, 60, "orange", rules)
    assert digest_ms(1_200_001, "orange", rules) == 1_800_000
    assert digest_ms(1_200_000, "red", rules) == 1_260_000


def test_a_system_is_told_of_every_transition_once() -> None:
    n = notice(level="blue", updated_ms=NIGHT)
    found = ask(n, now=NIGHT, system=True)
    assert found.send and found.reason is Reason.TRANSITION
    told = after(n, Told(), RUNNING, DIRECT, NIGHT, Reason.TRANSITION)
    assert not ask(n, told, now=NIGHT + 400 * HOUR_MS, system=True).send
    acked = changed(n, state="acknowledged")
    assert ask(acked, told, system=True).send
    assert ask(changed(acked, state="resolved"), told, None, system=True).send
    assert not ask(changed(n, state="resolved"), Told(), system=True).send
    assert not ask(notice(rule=REVIEW_RULE), system=True).send


def test_a_review_is_told_of_by_its_steps_only() -> None:
    n = notice("review-1", rule=REVIEW_RULE)
    course = Course("review", 1, NOW, 1)
    department = Route("scjg", 1, True, ("step 1",))
    assert ask(n, route=department, course=course).reason is Reason.REMINDER
    assert ask(n, route=ABOVE, course=course).reason is Reason.ESCALATION
    told = after(n, Told(), course, department, NOW, Reason.REMINDER)
    assert not ask(n, told, department, at("2026-12-16T10:00"), course).send
    again = ask(n, told, department._replace(stage=2), at("2026-12-16T10:00"), course)
    assert again.reason is Reason.REMINDER
