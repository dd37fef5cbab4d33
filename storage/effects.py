"""What a step concludes, as values: the shell applies them, in order, once.

An effect is named by (log offset, index within the envelope); applying it again changes nothing.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import msgspec


class Reason(msgspec.Struct, frozen=True, gc=False):
    """Why something was refused: the field, its value, what was allowed, and a sentence."""

    field: str
    value: str
    allowed: str
    message: str


class Evidence(msgspec.Struct, frozen=True, gc=False):
    source: str
    id: str
    type: str
    time_ms: int


class Rejected(msgspec.Struct, frozen=True):
    """An event the log holds but the step refused (conflict, unfit or unmet reference)."""

    source: str
    id: str
    type: str
    subject: str
    reason: Reason
    recorded_ms: int
    position: int
    """Its place in the envelope; -1 when it was refused by the passing of time."""


class AlertChanged(msgspec.Struct, frozen=True):
    id: str
    rule: str
    level: str
    state: str
    was: str
    reason: str
    subject: str
    item: str
    since_ms: int
    opened_ms: int
    updated_ms: int
    silenced_until_ms: int
    departments: list[str]
    items: list[str]
    facts: dict[str, str]
    evidence: list[Evidence]
    weights: str
    policy: str
    actor: str = ""
    note: str = ""


class ReviewChanged(msgspec.Struct, frozen=True):
    id: str
    subject: str
    open: bool
    opened_ms: int
    start_day: int
    due_day: int
    ended_day: int
    levels: int
    highest: dict[str, Any]
    lowest: dict[str, Any]
    items: list[dict[str, Any]]
    departments: list[str]
    answers: list[dict[str, Any]]
    updated_ms: int


class SubjectChanged(msgspec.Struct, frozen=True):
    """What lists and searches show of a subject: written at registration and on a grade change."""

    subject: str
    name: str
    kind: str
    district: str
    industry: str
    size: str
    public_grade: str
    lowest_grade: str
    gap: int
    open_alerts: int
    changes: list[dict[str, Any]]
    """Grades that changed: item, from, to, since (day)."""
    recorded_ms: int


class OpenAlerts(msgspec.Struct, frozen=True, gc=False):
    """A subject's number of open alerts changed."""

    subject: str
    count: int


class Answered(msgspec.Struct, frozen=True, gc=False):
    """What a department wrote when it answered a review."""

    review: str
    department: str
    time_ms: int
    reason: str


class Signal(msgspec.Struct, frozen=True, gc=False):
    """One adverse fact as the detection of surges counts it: where, in which trade, about what.

    `district` and `industry` are the subject's registered ones when it was recorded, "" before.
    """

    source: str
    id: str
    type: str
    subject: str
    district: str
    industry: str
    item: str
    cause: str
    time_ms: int
    recorded_ms: int


class Example(msgspec.Struct, frozen=True, gc=False):
    """One outcome a learner may learn from, with what was known of the subject just before.

    `features` are the records of each type on the item in the year before [count].
    """

    source: str
    id: str
    subject: str
    kind: str
    item: str
    adverse: bool
    features: dict[str, int]
    time_ms: int
    recorded_ms: int


Effect: TypeAlias = (OpenAlerts | Rejected | AlertChanged | ReviewChanged | SubjectChanged
                     | Answered | Signal | Example)
