"""The life of an alert as a pure function: pending -> firing -> acknowledged -> resolved.

What holds now comes from `alerts.rules`, what people did from the log; neither depends on the order
of arrival, so the set of open alerts does not either. Only `opened_ms` tells when it was noticed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from alerts.matters import MATTER_RULES
from alerts.rules import Condition, alert_id
from models.ledger import DAY_MS, Fact
from models.records import ALERT_ACTS, identity
from models.scorecard import Card
from models.subject import OPEN as OPEN
from models.subject import Alert


class Transition(NamedTuple):
    """One step in the life of an alert. `was` is "" when it opens."""

    alert: Alert
    was: str
    reason: str


class Outcome(NamedTuple):
    held: dict[str, Alert] | None
    transitions: list[Transition]
    later: list[int]
    """Days on which a pending alert may fire."""


ACTED = frozenset({"act", "assigned"})
"""Reasons of transitions that a person made."""
DETECTED = frozenset({"complaint-surge", "regional-surge", "feed-silent", "identifier-errors",
                      "model-drift", "receiver-dead", "related-risk"})
"""Rules of the analysis of the whole city, and of the delivery of alerts."""
SIZES = ("places", "over")
"""Facts that say how far a cause reaches: people are told when it is further."""


def family_of(rule: str) -> str:
    """Rules that are looked at together: deadlines, devices, detections, or all that need facts."""
    if rule in MATTER_RULES:
        return "deadlines"
    if rule in DETECTED:
        return "detected"
    return "devices" if rule.startswith("iot-") else "facts"


def advance(held: dict[str, Alert] | None, found: dict[str, Condition], acts: Sequence[Fact],
            subject: str, card: Card, day: int, clock_ms: int, family: str) -> Outcome:
    """Set the alerts of one subject against the conditions that hold.

    Exactly one alert per id; a condition that is gone resolves its alert, and one that comes back
    opens it again under the same id. `family` names the rules `found` speaks for; alerts of the
    others are left alone.
    """
    if not held and not found:
        return Outcome(None, [], [])
    before: dict[str, Alert] = {}
    now: dict[str, Alert] = {}
    for id, alert in (held or {}).items():
        (before if family_of(alert.rule) == family else now)[id] = alert
    transitions: list[Transition] = []
    later: list[int] = []
    for id, condition in found.items():
        old = before.get(id)
        opened = old.opened_ms if old else clock_ms
        waits = _waits(condition, now, subject, card, day)
        if waits > day:
            later.append(waits)
        since = condition.since_ms
        if old and condition.rule.startswith("iot-"):
            # A device's cause creeps with its window: what people did about it still stands.
            since = min(since, old.since_ms)
        state, silenced = _people(id, acts, since, "pending" if waits > day else "firing")
        alert = Alert(id, condition.rule, condition.item, condition.level, state, since, opened,
                      clock_ms, condition.evidence, condition.facts, waits, silenced)
        if old is None:
            transitions.append(Transition(alert, "", "opened"))
        elif (old.state, old.level, old.silenced_until_ms) != (state, condition.level, silenced):
            reason = "level" if old.level != condition.level else "act"
            if old.state == "pending" and state == "firing":
                reason = "notice over"
            transitions.append(Transition(alert, old.state, reason))
        elif any(old.facts.get(size) != condition.facts.get(size) for size in SIZES):
            transitions.append(Transition(alert, old.state, "grown"))
        else:
            # Nobody is told of the same matter twice: evidence is that of the last transition.
            alert = old
        now[id] = alert
    for id, old in before.items():
        if id not in found:
            gone = Alert(id, old.rule, old.item, old.level, "resolved", old.since_ms,
                         old.opened_ms, clock_ms, old.evidence, old.facts)
            transitions.append(Transition(gone, old.state, "cause gone"))
    return Outcome(now or None, transitions, later)


def assigned(held: dict[str, Alert] | None, id: str, time_ms: int,
             clock_ms: int) -> list[Transition]:
    """Somebody was given an open alert: its state stays, and that it happened is told.

    Else of two officers who assign it at once neither would hear of the other. An act dated before
    the cause does nothing.
    """
    alert = (held or {}).get(id)
    if alert is None or alert.state not in OPEN or time_ms < alert.since_ms:
        return []
    return [Transition(msgspec.structs.replace(alert, updated_ms=clock_ms), alert.state,
                       "assigned")]


def _waits(condition: Condition, now: dict[str, Alert], subject: str, card: Card,
           day: int) -> int:
    """Day until which a condition is pending, because its department was told only lately."""
    if not condition.notice_workdays:
        return 0
    told = now.get(_told_by(condition, subject))
    told_day = (told.opened_ms + card.offset_ms) // DAY_MS if told else day
    return card.workday(told_day, condition.notice_workdays) + 1


def _told_by(condition: Condition, subject: str) -> str:
    """The alert by which the department was told: for an unanswered review the gap itself."""
    return alert_id("grade-gap", subject, condition.item, condition.anchor)


def _people(id: str, acts: Sequence[Fact], since_ms: int, state: str) -> tuple[str, int]:
    """State after what people did about this occurrence, and until when it is silenced [ms]."""
    if not acts:
        return state, 0
    mark = identity("alert", id)
    silenced = 0
    for act in acts:
        if act.of != mark or act.time < since_ms:
            continue
        match ALERT_ACTS.get(act.type):
            case "acknowledged":
                state = "acknowledged" if state != "closed" else state
            case "closed":
                state = "closed"
            case "reopened":
                state = "firing"
            case "silenced":
                silenced = act.day1 * 60_000
            case _:
                pass
    return state, silenced
