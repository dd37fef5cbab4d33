"""Answers of the HTTP interface about subjects; see `console.answers`."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from console.answers import Answer, Cursor

Grade = Literal["A", "B", "C", "D", "ungraded"]
Record = Literal["public", "internal"]
Score = Annotated[float, Meta(ge=0, le=1000)]
Probability = Annotated[float, Meta(ge=0, le=1)]


class Named(Answer, frozen=True):
    """Names an event."""

    source: str
    id: str
    objected: bool = False
    points: float = 0.0


class Contribution(Answer, frozen=True):
    """All points of an item add up to its risk score, the public ones to its credit score."""

    indicator: str
    points: float
    record: Record
    events: list[Named]
    weight: float = 0.0
    expert_weight: float = 0.0


class Assigned(Answer, frozen=True):
    """A department's own grade."""

    grade: Grade
    issuer: str
    since: dt.date
    valid_until: dt.date | None
    in_force: bool
    event: Named


class Period(Answer, frozen=True):
    """Grade at the end of the last finished evaluation period."""

    kind: Literal["continuous", "monthly", "yearly"]
    ended_on: dt.date
    grade: Grade
    credit_score: Score


class Cited(Answer, frozen=True):
    law: str
    article: Annotated[str, Meta(description='"" where the basis was written as one text')]


class Measure(Answer, frozen=True):
    """A measure of the grade in force. Nothing is done by itself: people decide."""

    kind: Literal["incentive", "attention", "restriction"]
    state: Literal["recommended", "proposed", "not_applicable", "withheld"]
    channel_zh: str
    channel_en: str
    text_zh: str
    text_en: str
    seed_ref: Annotated[str, Meta(description="paper and item, see docs/requirements.md")]
    paper: str
    basis: Annotated[list[Cited], Meta(description="what the facts of a restriction cite; of any "
                                                   "other measure, the paper it is from")]
    reason: Literal["", "no_fact", "no_basis", "minor", "breached"] = ""
    reason_zh: str = ""
    reason_en: str = ""
    proposal_only: Annotated[bool, Meta(description="true for restrictions")] = False
    facts: list[Named] = msgspec.field(default_factory=list)
    until: Annotated[dt.date | None, Meta(description="withheld before this day")] = None


class Public(Answer, frozen=True):
    """The public grade."""

    grade: Grade
    grade_source: Literal["computed", "direct", "assigned"]
    since: dt.date | None
    credit_score: Score
    computed: Grade
    assigned: Assigned | None
    period: Period
    measures: list[Measure]


class Item(Public, frozen=True):
    """One supervision item of a subject."""

    department: str
    risk_score: Score
    risk_probability: Probability
    weights: str
    contributions: list[Contribution]


class End(Answer, frozen=True):
    item: str
    grade: Grade


class Gap(Answer, frozen=True):
    levels: Annotated[int, Meta(ge=1, le=3)]
    highest: End
    lowest: End


class Repair(Answer, frozen=True):
    event: Named
    from_: dt.date = msgspec.field(name="from")
    points: float


class Listing(Answer, frozen=True):
    list_: str = msgspec.field(name="list")
    since: dt.date
    until: dt.date | None
    event: Named


class Assessment(Answer, frozen=True):
    """Everything concluded about a subject."""

    subject: str
    as_of: dt.datetime
    name: str
    district: str
    kind: str
    industry: str
    size: str
    items: dict[str, Item]
    public: Public
    gap: Gap | None
    lists: list[Listing]
    open_alerts: list[str]
    open_reviews: list[str]
    repairable: list[Repair]
    path: dict[str, Any] | None
    history: list[dict[str, Any]]
    policy: str


class SubjectRow(Answer, frozen=True):
    """A subject in a list."""

    subject: str
    name: str
    kind: str
    district: str
    industry: str
    public_grade: Grade
    lowest_grade: Grade
    gap: int
    open_alerts: int


class Subjects(Answer, frozen=True):
    subjects: list[SubjectRow]
    next: Cursor


class Fact(Answer, frozen=True):
    """A fact about a subject; `key` is its place in the list."""

    key: str
    time: dt.datetime
    day: dt.date
    type: str
    source: str
    id: str
    item: str
    department: str
    text_zh: str
    text_en: str
    revoked: bool = False
    repair: Literal["applied", "approved", "rejected"] | None = None
    repair_on: dt.date | None = None
    objection: Literal["open", "rejected"] | None = None
    performed_on: dt.date | None = None


class Facts(Answer, frozen=True):
    events: list[Fact]
    next: Cursor


class Report(Answer, frozen=True):
    """A credit report; with `internal` it says more."""

    number: str
    digest: Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
    schema_: str = msgspec.field(name="schema")
    scope: Record
    as_of: dt.datetime
    policy: str
    weights: str
    subject: dict[str, Any]
    public: dict[str, Any]
    grades: list[dict[str, Any]]
    lists: list[Listing]
    records: list[dict[str, Any]]
    records_left_off: int
    commitments: dict[str, Any]
