"""Effects of the log as notices: what the desk takes in."""

from __future__ import annotations

from typing import NamedTuple

from alerts.notice import REVIEW_RULE, Fact, Notice
from models.calendar import DAY_MS, to_date
from models.events import NO_BUSINESS
from storage.effects import AlertChanged, ReviewChanged


class Profile(NamedTuple):
    """What is registered of a subject."""

    name: str = ""
    kind: str = ""
    district: str = ""


UNKNOWN = Profile()


def of_alert(a: AlertChanged, seq: int, profile: Profile = UNKNOWN) -> Notice:
    """A transition; `seq` is its number in the log's view."""
    subject, cell = (("", a.subject) if a.subject.startswith(NO_BUSINESS) else (a.subject, ""))
    return Notice(
        a.id, a.rule, a.level, a.state, subject, cell, a.item, a.items, a.departments, a.since_ms,
        a.opened_ms, a.updated_ms, a.silenced_until_ms, a.facts,
        [Fact(e.source, e.id, e.type, e.time_ms) for e in a.evidence], seq, profile.name,
        profile.kind, profile.district, a.reason, a.actor)


def of_review(r: ReviewChanged, seq: int, offset_ms: int, profile: Profile = UNKNOWN) -> Notice:
    """A review as a matter of its own, told of by the steps of its escalation only.

    `departments` are those that have not answered, so that nobody is asked twice.
    """
    answered = {a["department"] for a in r.answers}
    waiting = [d for d in r.departments if d not in answered]
    due_end = (r.due_day + 1) * DAY_MS - offset_ms
    facts = {"due": to_date(r.due_day).isoformat(), "due_end_ms": str(due_end)}
    state = "firing" if r.open and waiting else "resolved"
    return Notice(
        r.id, REVIEW_RULE, "orange", state, r.subject, "", "public",
        [str(i["item"]) for i in r.items], waiting, r.opened_ms, r.opened_ms, r.updated_ms, 0,
        facts, [], seq, profile.name, profile.kind, profile.district)
