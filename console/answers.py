"""What the HTTP interface answers, as types: the OpenAPI document takes its schemas from here.

Answers are passed through as they come from the service; that they fit is held by
`tests/contracts/test_openapi.py`. Optional fields have a default. Those about subjects, reviews,
the city, and models and policies are in `console.answers_*`.
"""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

Level = Literal["blue", "yellow", "orange", "red"]
AlertState = Literal["pending", "firing", "acknowledged", "resolved", "closed"]
Cursor = Annotated[str | None, Meta(description="of the next page; null = this was the last")]


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """Base of all answers."""


class Text(Answer, frozen=True):
    zh: str
    en: str


class Evidence(Answer, frozen=True):
    source: str
    id: str
    type: str
    time: dt.datetime
    text_zh: str
    text_en: str
    subject: Annotated[str, Meta(description="where it is of a related business")] = ""


class Alert(Answer, frozen=True):
    """An alert; `seq` names its last transition."""

    id: str
    seq: int
    rule: str
    level: Level
    state: AlertState
    subject: str
    name: str
    items: list[str]
    departments: list[str]
    since: dt.datetime
    opened_at: dt.datetime
    updated_at: dt.datetime
    silenced_until: dt.datetime | None
    title: Text
    body: Text
    evidence: list[Evidence]
    proposals: list[dict[str, Any]]
    was: str
    reason: str
    actor: str
    note: str
    weights: str
    policy: str
    cell: str = ""
    members: list[str] = []


class Alerts(Answer, frozen=True):
    alerts: list[Alert]
    next: Cursor


class Transition(Answer, frozen=True):
    """A step in the life of an alert; an assignment moves no state."""

    at: dt.datetime
    was: str
    state: str
    level: str
    reason: str
    actor: str
    note: str
    silenced_until: dt.datetime | None
    seq: int = 0


class Delivery(Answer, frozen=True):
    """A message about an alert, on one channel."""

    receiver: str
    endpoint: str
    reason: str
    state: Literal["waiting", "sending", "delivered", "dead"]
    attempts: int
    code: int
    answer: str
    at: dt.datetime | None
    done_at: dt.datetime | None


class Story(Answer, frozen=True):
    """How an alert went."""

    transitions: list[Transition]
    whole: bool
    why: dict[str, Any] | None
    ledger: Annotated[str, Meta(description="here, off, or where the ledger is kept")]
    deliveries: list[Delivery]


class Refusal(Answer, frozen=True):
    """Why something was refused."""

    field: str | None
    value: Any
    allowed: str | None
    message: str


class Reject(Answer, frozen=True):
    """A dead letter."""

    seq: int
    at: dt.datetime
    origin: str
    reason: Refusal
    raw: str
    raw_base64: str = ""
    source: str = ""
    id: str = ""
    type: str = ""
    subject: str = ""


class Rejects(Answer, frozen=True):
    rejects: list[Reject]
    next: Annotated[int | None, Meta(description="of the next page; null = this was the last")]


class Summary(Answer, frozen=True):
    """The situation in numbers."""

    as_of: dt.datetime | None
    subjects: int
    events: int
    duplicates: int
    rejected: int
    alerts_open: dict[str, int]
    alerts_by_rule: dict[str, int]
    grades: dict[str, int]
    reviews_open: int
    policy: dict[str, Any] | None


class ActRef(Answer, frozen=True):
    """The event an act became."""

    source: str
    id: str


class Done(Answer, frozen=True):
    """What became of a person's act."""

    accepted: int
    duplicates: int
    event: ActRef | None
