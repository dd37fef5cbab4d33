"""Answers of the HTTP interface about reviews of grade gaps; see `console.answers`."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from console.answers import Answer, Cursor, Delivery
from console.answers_subject import Assigned, Grade, Score

GradeSource = Literal["computed", "assigned", "direct"]
Decision = Literal["keep", "adjust"]
Party = Annotated[str, Meta(description="a department, or `public`")]
Count = Annotated[int, Meta(ge=0)]
Stage = Annotated[
    Literal["waiting", "answered", "closed"],
    Meta(description="somebody has still to answer · all have, and the gap stands · it is over"),
]


class Held(Answer, frozen=True):
    """A grade, as it lay apart from another one."""

    item: Annotated[str, Meta(description="id of the catalogue, or `public`")]
    department: str
    grade: Grade
    grade_source: GradeSource


class Pair(Answer, frozen=True):
    """Two parties whose grades lay apart."""

    a: Party
    b: Party
    since: dt.date
    ended_on: dt.date | None
    end: Annotated[
        Literal["open", "kept", "a", "b", "facts"],
        Meta(description="they lie apart · both answered and they still do · a or b gave another "
             "grade · the facts changed"),
    ]


class Answered(Answer, frozen=True):
    """What a department answered."""

    department: str
    at: dt.datetime
    decision: Decision
    grade: Grade | None
    reason: str


class ReviewHead(Answer, frozen=True):
    """What is said of a review wherever it is named."""

    id: str
    seq: Annotated[
        int, Meta(ge=0, lt=2**52, description="names this state: another one after each change, "
                  "in no order")]
    subject: str
    name: str
    state: Literal["open", "closed"]
    stage: Stage
    opened_at: dt.datetime
    updated_at: dt.datetime
    since: dt.date
    due_on: dt.date
    ended_on: dt.date | None
    levels: Annotated[int, Meta(ge=0, le=3, description="0 once it is closed")]
    highest: Held | None
    lowest: Held | None
    items: Annotated[list[Held], Meta(description="grades that lie apart")]
    departments: Annotated[list[str], Meta(description="who is asked")]
    pairs: Annotated[list[Pair], Meta(description="all who lay apart since it was opened")]


class Review(ReviewHead, frozen=True):
    """A review of a grade gap."""

    answers: list[Answered]


class Reviews(Answer, frozen=True):
    reviews: list[Review]
    next: Cursor


class Reassigned(Answer, frozen=True):
    """A grade that an answer assigned, until the day before another one followed."""

    item: str
    grade: Grade
    from_: dt.date = msgspec.field(name="from")
    until: dt.date | None


class CaseAnswer(Answered, frozen=True):
    """An answer and the `grade.assigned` that became of it."""

    assigned: list[Reassigned]


class Reference(Answer, frozen=True):
    """Names a fact in words; they are empty for one that is too old."""

    source: str
    id: str
    type: str
    time: dt.datetime | None
    text_zh: str
    text_en: str
    objected: bool = False


class Weighed(Reference, frozen=True, kw_only=True):
    """A fact and what it costs or earns."""

    points: float
    indicator: str


class GradeInForce(Held, frozen=True):
    """A grade with all that it rests on."""

    since: dt.date | None
    computed: Annotated[Grade, Meta(description="what the facts alone give")]
    credit_score: Score
    assigned: Assigned | None
    apart: Annotated[bool, Meta(description="it lies two levels or more from another one")]
    rests_on: Annotated[
        list[Reference], Meta(description="the assignment or listing; none if computed")]
    evidence: Annotated[
        list[Weighed], Meta(description="facts of the public record, the heaviest first")]


class Task(Answer, frozen=True):
    """Who must answer by when, and whether they have."""

    department: str
    due_on: dt.date
    state: Literal["waiting", "overdue", "answered", "answered_late", "not_needed"]
    answered_at: dt.datetime | None
    decision: Decision | None
    told: Annotated[
        dict[str, Count] | None,
        Meta(description="messages to it, by reason: first, reminder, escalation …"),
    ]


class CaseStep(Answer, frozen=True):
    """A step; what more it says depends on `what`."""

    day: dt.date
    what: Literal["opened", "grade", "answer", "closed"]
    how: Annotated[
        Literal["adjusted", "facts", "taken_back"] | UnsetType,
        Meta(description="of `closed`: by whom or what"),
    ] = UNSET


class Told(Delivery, frozen=True):
    """A message about the review, to whom."""

    name: str
    department: str


class ReviewCase(ReviewHead, frozen=True):
    """A review whole."""

    answers: list[CaseAnswer]
    grades: Annotated[
        list[GradeInForce], Meta(description="all of the business, those that lie apart first")]
    tasks: list[Task]
    history: Annotated[
        list[CaseStep], Meta(description="what opened, changed and ended it, oldest first")]
    told: Annotated[
        list[Told] | None, Meta(description="null where this runner keeps no ledger of messages")]


class Columns(Answer, frozen=True):
    """Reviews in each column of the board."""

    overdue: Count
    soon: Count
    later: Count
    answered: Count
    closed: Count


class BoardRow(ReviewHead, frozen=True):
    place: Annotated[str, Meta(description="cursor")]


class ReviewBoard(Answer, frozen=True):
    """Reviews by deadline; the rows only of the column that was asked for."""

    columns: Columns
    reviews: list[BoardRow] | UnsetType = UNSET
    next: Cursor | UnsetType = UNSET


class Disagreement(Answer, frozen=True):
    """How many lie apart now."""

    businesses: Annotated[Count, Meta(description="graded by both, or by two or more")]
    apart: Annotated[Count, Meta(description="of these, grades two levels or more apart now")]
    rate: Annotated[float, Meta(ge=0, le=1)] | None


class OfDepartment(Disagreement, frozen=True):
    department: str


class Outcome(Disagreement, frozen=True):
    """What came of the gaps between two parties; `public` has no share of today."""

    a: Party
    b: Party
    opened: Annotated[Count, Meta(description="reviews in which they lay apart")]
    open: Count
    overdue: Count
    kept: Annotated[Count, Meta(description="of the open ones, answered by both: the gap stands")]
    adjusted_a: Annotated[Count, Meta(description="ended since a gave another grade")]
    adjusted_b: Count
    by_itself: Annotated[Count, Meta(description="ended since the facts changed")]
    median_days: Annotated[float, Meta(description="from the first day apart to the end")] | None


class ReviewStatistics(Answer, frozen=True):
    """Grades apart now, and what came of gaps."""

    as_of: dt.date
    disagreement: Disagreement
    departments: list[OfDepartment]
    pairs: list[Outcome]
