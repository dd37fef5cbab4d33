"""What a step concludes, as values: the shell applies them, in order, once.

An effect is named by (log offset, index within the envelope); applying it again changes nothing.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import msgspec

from models.anomaly import Summary
from models.events import DrawOrdered
from models.examples import Example
from models.inspection_pool import Part


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
    members: list[str] = []
    """Businesses of a cell; `subject` is then the cell's key."""


class PairGap(msgspec.Struct, frozen=True, gc=False):
    """Two parties whose grades lay apart in a review: departments, or `public`."""

    a: str
    b: str
    """After `a` in the order of names; the same where one department's own grades lay apart."""
    start_day: int
    ended_day: int
    """Day they no longer lay apart; 0 = they do."""
    end: str
    """open · kept (both answered, the gap stands) · a, b (that party gave another grade) · facts
    (the facts changed)."""


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
    pairs: list[PairGap] = []
    """Every two parties that lay apart since it was opened; the two furthest apart, when the facts
    it was opened for were taken back."""


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
    pairs: list[tuple[str, str, bool]] = []
    """Every two departments that grade it, in the order of names, and whether they lie apart."""
    in_force: list[dict[str, Any]] = []
    """Grades in force that changed: item, from, to. A computed grade may change behind a
    department's own, and a listing or a department changes what is in force behind no path."""


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


class DrawPooled(msgspec.Struct, frozen=True):
    """What one shard has in the pool of a draw, at the place of its order in the log."""

    order: DrawOrdered
    part: Part
    ratios: list[float]
    """Of the policy in force, in the order of `records.STRATA`."""
    clock_ms: int
    day: int
    policy: str


class DrawnChanged(msgspec.Struct, frozen=True, gc=False):
    """How far an inspection has come that a business was drawn for."""

    draw: str
    """`records.draw_key` of it, 16 hex characters."""
    source: str
    id: str
    """Of the event that says so."""
    subject: str
    item: str
    stratum: str
    probability: float
    """In millionths, as it is kept."""
    drawn_ms: int
    state: str
    """drawn · released · result of the inspection (pass, fixed, fail, obstructed, untraceable)."""
    findings: int
    inspected_ms: int
    """0 = not yet."""
    updated_ms: int


class Signal(msgspec.Struct, frozen=True, gc=False):
    """A complaint as the detection of surges counts it: where, in which trade, about what.

    Said when it is taken in, and again, with the same `source` and `id`, when it begins or ceases
    to count (`counts`: it was not rejected, withdrawn or taken back). `district`, `industry` and
    `size` are the subject's registered ones when it was recorded, "" before; `day` is the civil day
    on which it was filed.
    """

    source: str
    id: str
    subject: str
    district: str
    industry: str
    size: str
    item: str
    cause: str
    """"" where it is said again."""
    day: int
    time_ms: int
    counts: bool
    recorded_ms: int


class Passed(msgspec.Struct, frozen=True, gc=False):
    """The shard's clock has come to a new hour: all that it says of the time before is said.

    `roster`: how many more businesses (fewer, if negative) there are of each (industry, district,
    size) since the last time. `taken`: events taken from each source since then; `doubled`:
    registrations of them under a code that another business holds.
    """

    clock_ms: int
    roster: list[tuple[str, str, str, int]]
    taken: dict[str, int]
    doubled: dict[str, int] = {}


class Misnamed(msgspec.Struct, frozen=True, gc=False):
    """Events with a wrong code that intake refused in a part of an hour, by source."""

    hour_ms: int
    since_ms: int
    wrong: dict[str, int]


class Linked(msgspec.Struct, frozen=True, gc=False):
    """What links a business to others (`models.links`), whenever that changes.

    `gone`: links it had before. `active`: not cancelled. `source`, `id` and `time_ms` are those of
    its registration; "" and 0 where it is still the one told before.
    """

    subject: str
    links: list[str]
    gone: list[str]
    active: bool
    source: str
    id: str
    time_ms: int
    recorded_ms: int


class Listed(msgspec.Struct, frozen=True, gc=False):
    """How a listing stands, and what links the business on the list to others.

    Said when it is taken in, whenever something is said of it, and when the business is registered
    anew. In force on the days `start_day <= day < stop_day`; on none if it was taken back.
    """

    source: str
    id: str
    subject: str
    name: str
    list_: str = msgspec.field(name="list")
    links: list[str]
    time_ms: int
    start_day: int
    stop_day: int
    recorded_ms: int


class PolicyTaken(msgspec.Struct, frozen=True, gc=False):
    """A policy came into force on the shard."""

    document: str
    recorded_ms: int


class DeviceSummary(msgspec.Struct, frozen=True, gc=False):
    """What one series of a device tells its class, once a week, when the week has just begun.

    `week` counts local weeks since 1970; `device` names the series by a hash [16 hex characters].
    """

    week: int
    class_: str
    metric: str
    device: str
    summary: Summary


ForAnalysis: TypeAlias = (Signal | Example | Passed | PolicyTaken | DeviceSummary | Misnamed
                          | Linked | Listed)
"""What the analysis of the whole city is told."""
Effect: TypeAlias = (OpenAlerts | Rejected | AlertChanged | ReviewChanged | SubjectChanged
                     | Answered | DrawPooled | DrawnChanged | ForAnalysis)
