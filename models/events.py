"""The events of the contract, decoded and validated in one pass.

Wire form: CloudEvents 1.0 (JSON, or msgpack inside the log). One `Struct` per event type; the
union `Event` is what a decoder yields. Unknown keys are dropped by the decoder: they are kept out
of the core and out of the log, since they may carry personal data.
"""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Literal, TypeAlias

import msgspec
from msgspec import Meta

from models.weights import Weights

Text: TypeAlias = Annotated[str, Meta(min_length=1, max_length=256)]
Note: TypeAlias = Annotated[str, Meta(max_length=2000)]
Money: TypeAlias = Annotated[float, Meta(ge=0, le=1e15)]
Severity: TypeAlias = Annotated[int, Meta(ge=1, le=4)]
District: TypeAlias = Annotated[str, Meta(pattern=r"^[0-9A-Za-z]{2,12}$")]
Industry: TypeAlias = Annotated[str, Meta(pattern=r"^[A-T][0-9]{0,4}$")]

DRAW_MAX = 10_000
"""Businesses drawn at once, at most."""

Kind: TypeAlias = Literal[
    "enterprise", "individual", "organisation", "institution", "soe", "platform"
]
Size: TypeAlias = Literal["micro", "small", "medium", "large", "unknown"]
Grade: TypeAlias = Literal["A", "B", "C", "D"]
Stratum: TypeAlias = Literal["A", "B", "C", "D", "ungraded"]
Issuer: TypeAlias = Literal["department", "city", "province", "nation", "market"]
ListName: TypeAlias = Literal["serious", "debtor", "abnormal", "watch", "red", "ban"]
PenaltyKind: TypeAlias = Literal[
    "warning",
    "criticism",
    "fine",
    "confiscation",
    "suspension",
    "downgrade",
    "revocation",
    "restriction",
    "shutdown",
    "closure",
    "ban",
    "detention",
]
PenaltyClass: TypeAlias = Literal["minor", "general", "serious"]
Act: TypeAlias = Literal[
    "permit",
    "penalty",
    "compulsion",
    "confirmation",
    "levy",
    "payment",
    "ruling",
    "compensation",
    "reward",
    "inspection",
]
InspectionResult: TypeAlias = Literal["pass", "fixed", "fail", "obstructed", "untraceable"]


class Data(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """Base of all `data` objects."""


class Ref(Data, frozen=True, gc=False):
    """Names an earlier event: the pair (`source`, `id`) is its identity."""

    source: Text
    id: Text


class Basis(Data, frozen=True, gc=False):
    law: Text
    article: Text


class Finding(Data, frozen=True, gc=False):
    code: Text
    severity: Literal["minor", "serious", "critical"]


# ------------------------------------------------------------------------------------------ data


class NoData(Data, frozen=True, gc=False):
    pass


class Registration(Data, frozen=True, gc=False):
    name: Text
    kind: Kind
    district: District
    industry: Industry
    size: Size
    registered_on: dt.date
    aliases: list[Text] = []
    controllers: list[Text] = []
    platform: Text | None = None
    items: Annotated[list[Text], Meta(max_length=64)] = []
    """Items that the business falls under, as the object library of inspections has it."""


class Complaint(Data, frozen=True, gc=False):
    item: Text
    kind: Literal["complaint", "tip"]
    category: Text
    severity: Severity = 2
    complainant: Text | None = None


class ComplaintClosed(Data, frozen=True, gc=False):
    of: Ref
    outcome: Literal["upheld", "mediated", "rejected", "withdrawn"]


class Penalty(Data, frozen=True, gc=False):
    item: Text
    document: Text
    kinds: Annotated[list[PenaltyKind], Meta(min_length=1, max_length=12)]
    decided_on: dt.date
    basis: Annotated[list[Basis], Meta(min_length=1, max_length=32)]
    amount_cny: Money | None = None
    class_: PenaltyClass | None = msgspec.field(default=None, name="class")
    due_on: dt.date | None = None


class OfReason(Data, frozen=True, gc=False):
    of: Ref
    reason: Note | None = None


class ActDecided(Data, frozen=True, gc=False):
    act: Act
    item: Text
    decided_on: dt.date


class ActPublished(Data, frozen=True, gc=False):
    of: Ref
    published_on: dt.date
    url: Note | None = None


class Inspection(Data, frozen=True, gc=False):
    item: Text
    plan: Literal["random", "targeted", "complaint", "joint", "iot"]
    result: InspectionResult
    findings: Annotated[list[Finding], Meta(max_length=256)]
    draw: Text | None = None


class Series(Data, frozen=True, gc=False):
    """Readings of one metric of one device.

    `t` epoch milliseconds and `v` values, same length. In the log and in msgpack both are
    little-endian bytes (int64, float64; NaN = null). `flag` is one word a reading.
    """

    device: Text
    class_: Text = msgspec.field(name="class")
    metric: Text
    unit: Annotated[str, Meta(max_length=32)]
    t: list[int] | bytes
    v: list[float | None] | bytes
    flag: list[str] | None = None


class Readings(Data, frozen=True, gc=False):
    item: Text
    series: Annotated[list[Series], Meta(min_length=1, max_length=1000)]


class Alarm(Data, frozen=True, gc=False):
    item: Text
    device: Text
    code: Text
    severity: Severity
    verified: bool


class Commitment(Data, frozen=True, gc=False):
    item: Text
    matter: Text
    due_on: dt.date
    kind: Literal["approval", "voluntary", "association", "repair"]


class Of(Data, frozen=True, gc=False):
    of: Ref


class ListEntry(Data, frozen=True, gc=False):
    list_: ListName = msgspec.field(name="list")
    authority: Text
    basis: list[Basis] | Text
    until: dt.date | None = None


class Order(Data, frozen=True, gc=False):
    item: Text
    due_on: dt.date
    of: Ref | None = None


class Interview(Data, frozen=True, gc=False):
    item: Text
    kind: Literal["reminder", "warning"]
    of: Ref | None = None


class RepairApplication(Data, frozen=True, gc=False):
    of: Ref
    method: Literal["commitment", "rectification", "verification", "training", "report", "charity"]


class Objection(Data, frozen=True, gc=False):
    of: Ref
    ground: Note | None = None


class Arrears(Data, frozen=True, gc=False):
    kind: Literal["sme", "wage"]
    amount_cny: Money


class Declaration(Data, frozen=True, gc=False):
    category: Text
    authorised: bool


class AssignedGrade(Data, frozen=True, gc=False):
    item: Text
    issuer: Issuer
    grade: Grade
    scheme: Text | None = None
    original: Text | None = None
    valid_until: dt.date | None = None


class AlertAct(Data, frozen=True, gc=False):
    alert: Text
    actor: Text
    note: Note | None = None
    until: Annotated[dt.datetime, Meta(tz=True)] | None = None


class Drawn(Data, frozen=True, gc=False):
    """That a business was drawn for an inspection (MID-21): out of which stratum, by what chance.

    `rank` is its place in the draw's public order, see `models.draw`.
    """

    item: Text
    draw: Text
    stratum: Stratum
    probability: Annotated[float, Meta(gt=0, le=1)]
    rank: Annotated[str, Meta(max_length=64)] = ""


class ReviewAnswer(Data, frozen=True, gc=False):
    review: Text
    department: Text
    decision: Literal["keep", "adjust"]
    reason: Annotated[str, Meta(min_length=1, max_length=2000)]
    grade: Grade | None = None


# ---------------------------------------------------------------------------------------- events


class CloudEvent(msgspec.Struct, frozen=True, gc=False, tag_field="type", omit_defaults=True):
    """Context attributes shared by all events; `time` must carry an offset."""

    specversion: Literal["1.0"]
    id: Text
    source: Text
    subject: Annotated[str, Meta(min_length=1, max_length=64)]
    time: Annotated[dt.datetime, Meta(tz=True)]

    @property
    def type(self) -> str:
        return str(self.__struct_config__.tag)


class SubjectRegistered(CloudEvent, tag="subject.registered", frozen=True, gc=False):
    data: Registration


class SubjectCancelled(CloudEvent, tag="subject.cancelled", frozen=True, gc=False):
    data: NoData = NoData()


class ComplaintFiledEvent(CloudEvent, tag="complaint.filed", frozen=True, gc=False):
    data: Complaint


class ComplaintClosedEvent(CloudEvent, tag="complaint.closed", frozen=True, gc=False):
    data: ComplaintClosed


class PenaltyDecided(CloudEvent, tag="penalty.decided", frozen=True, gc=False):
    data: Penalty


class PenaltyPerformed(CloudEvent, tag="penalty.performed", frozen=True, gc=False):
    data: OfReason


class PenaltyRevoked(CloudEvent, tag="penalty.revoked", frozen=True, gc=False):
    data: OfReason


class ActDecidedEvent(CloudEvent, tag="act.decided", frozen=True, gc=False):
    data: ActDecided


class ActPublishedEvent(CloudEvent, tag="act.published", frozen=True, gc=False):
    data: ActPublished


class InspectionCompleted(CloudEvent, tag="inspection.completed", frozen=True, gc=False):
    data: Inspection


class IotReadings(CloudEvent, tag="iot.readings", frozen=True, gc=False):
    data: Readings


class IotAlarm(CloudEvent, tag="iot.alarm", frozen=True, gc=False):
    data: Alarm


class CommitmentMade(CloudEvent, tag="commitment.made", frozen=True, gc=False):
    data: Commitment


class CommitmentFulfilled(CloudEvent, tag="commitment.fulfilled", frozen=True, gc=False):
    data: Of


class CommitmentBreached(CloudEvent, tag="commitment.breached", frozen=True, gc=False):
    data: Of


class ListEntered(CloudEvent, tag="list.entered", frozen=True, gc=False):
    data: ListEntry


class ListExited(CloudEvent, tag="list.exited", frozen=True, gc=False):
    data: Of


class ListRevoked(CloudEvent, tag="list.revoked", frozen=True, gc=False):
    data: Of


class RectificationOrdered(CloudEvent, tag="rectification.ordered", frozen=True, gc=False):
    data: Order


class RectificationDone(CloudEvent, tag="rectification.done", frozen=True, gc=False):
    data: Of


class RectificationFailed(CloudEvent, tag="rectification.failed", frozen=True, gc=False):
    data: Of


class InterviewHeld(CloudEvent, tag="interview.held", frozen=True, gc=False):
    data: Interview


class RepairApplied(CloudEvent, tag="repair.applied", frozen=True, gc=False):
    data: RepairApplication


class RepairApproved(CloudEvent, tag="repair.approved", frozen=True, gc=False):
    data: Of


class RepairRejected(CloudEvent, tag="repair.rejected", frozen=True, gc=False):
    data: Of


class ObjectionRaised(CloudEvent, tag="objection.raised", frozen=True, gc=False):
    data: Objection


class ObjectionUpheld(CloudEvent, tag="objection.upheld", frozen=True, gc=False):
    data: Objection


class ObjectionRejected(CloudEvent, tag="objection.rejected", frozen=True, gc=False):
    data: Objection


class ArrearsConfirmed(CloudEvent, tag="arrears.confirmed", frozen=True, gc=False):
    data: Arrears


class InformationDeclared(CloudEvent, tag="information.declared", frozen=True, gc=False):
    data: Declaration


class InformationVerified(CloudEvent, tag="information.verified", frozen=True, gc=False):
    data: Of


class GradeAssigned(CloudEvent, tag="grade.assigned", frozen=True, gc=False):
    data: AssignedGrade


class GradeWithdrawn(CloudEvent, tag="grade.withdrawn", frozen=True, gc=False):
    data: Of


class AlertAcknowledged(CloudEvent, tag="alert.acknowledged", frozen=True, gc=False):
    data: AlertAct


class AlertAssigned(CloudEvent, tag="alert.assigned", frozen=True, gc=False):
    data: AlertAct


class AlertClosed(CloudEvent, tag="alert.closed", frozen=True, gc=False):
    data: AlertAct


class AlertReopened(CloudEvent, tag="alert.reopened", frozen=True, gc=False):
    data: AlertAct


class AlertSilenced(CloudEvent, tag="alert.silenced", frozen=True, gc=False):
    data: AlertAct


class ReviewAnswered(CloudEvent, tag="review.answered", frozen=True, gc=False):
    data: ReviewAnswer


class InspectionDrawn(CloudEvent, tag="inspection.drawn", frozen=True, gc=False):
    data: Drawn


class InspectionReleased(CloudEvent, tag="inspection.released", frozen=True, gc=False):
    data: OfReason


Event: TypeAlias = (
    SubjectRegistered
    | SubjectCancelled
    | ComplaintFiledEvent
    | ComplaintClosedEvent
    | PenaltyDecided
    | PenaltyPerformed
    | PenaltyRevoked
    | ActDecidedEvent
    | ActPublishedEvent
    | InspectionCompleted
    | IotReadings
    | IotAlarm
    | CommitmentMade
    | CommitmentFulfilled
    | CommitmentBreached
    | ListEntered
    | ListExited
    | ListRevoked
    | RectificationOrdered
    | RectificationDone
    | RectificationFailed
    | InterviewHeld
    | RepairApplied
    | RepairApproved
    | RepairRejected
    | ObjectionRaised
    | ObjectionUpheld
    | ObjectionRejected
    | ArrearsConfirmed
    | InformationDeclared
    | InformationVerified
    | GradeAssigned
    | GradeWithdrawn
    | AlertAcknowledged
    | AlertAssigned
    | AlertClosed
    | AlertReopened
    | AlertSilenced
    | ReviewAnswered
    | InspectionDrawn
    | InspectionReleased
)
"""Every event of the contract."""


# --------------------------------------------------------------------------- events of the log only


class Tick(msgspec.Struct, frozen=True, gc=False, tag_field="type", tag="tick"):
    """Time passed without events: falls on all shards, carries no data."""


class PolicyChanged(msgspec.Struct, frozen=True, gc=False, tag_field="type", tag="policy.changed"):
    """A policy comes into force, on all shards, from the day it was recorded."""

    document: str
    hash: Text


class WeightsChanged(msgspec.Struct, frozen=True, gc=False, tag_field="type",
                     tag="weights.changed"):
    """Learned weights come into force, on all shards, from their own day on."""

    weights: Weights


class NormsChanged(msgspec.Struct, frozen=True, gc=False, tag_field="type", tag="norms.changed"):
    """What is usual in each class of devices (`models.norms`), on all shards, from now on."""

    document: str
    hash: Text


class DrawOrdered(msgspec.Struct, frozen=True, gc=False, tag_field="type", tag="draw.ordered"):
    """Somebody orders a draw of inspections: every shard says whom it has in the pool, as of here.

    `count` 0 asks how many there are, and draws nobody.
    """

    draw: Text
    item: Text
    count: Annotated[int, Meta(ge=0, le=DRAW_MAX)]
    seed: Text
    actor: Text
    district: Annotated[str, Meta(max_length=12)] = ""
    note: Note = ""


class Detection(Data, frozen=True, gc=False):
    """What the analysis of the whole city says of one business, cell or feed.

    `alert` is the alert's id, `since_ms` when its cause arose. A detection replaces the one before
    it of the same alert; one that is not `open` ends it.
    """

    alert: Text
    rule: Text
    level: Literal["blue", "yellow", "orange", "red"]
    open: bool
    since_ms: int
    item: str
    items: list[str]
    facts: dict[str, str]
    evidence: list[tuple[str, str, str, int]] = []
    """Source, id, type and time [ms] of the events that speak for it."""
    members: list[str] = []
    """Businesses of a cell."""


class Detected(msgspec.Struct, frozen=True, gc=False, tag_field="type", tag="detected"):
    """A detection, on the shard of its `subject`: a business, or a key with one of `NO_BUSINESS`.

    `at_ms`: the moment up to which the analysis had seen the log.
    """

    subject: str
    at_ms: int
    data: Detection


class IntakeReport(msgspec.Struct, frozen=True, gc=False, tag_field="type", tag="intake.report"):
    """Events with a wrong code that intake refused in an hour, by source: on the shard of
    its `subject`. `since_ms` names the part of the hour, one a process: said again of the same
    part, the larger count of each source stands."""

    hour_ms: int
    since_ms: int
    wrong: dict[str, int]
    subject: str = "service:intake"


NO_BUSINESS = ("cell:", "service:")
"""What the keys of alerts begin with that concern no single business."""

Broadcast: TypeAlias = Tick | PolicyChanged | WeightsChanged | NormsChanged | DrawOrdered
"""Entries for every shard."""
LogEvent: TypeAlias = Event | Broadcast | Detected | IntakeReport
"""What the log may hold."""

EVENT_TYPES: tuple[str, ...] = tuple(
    str(t.__struct_config__.tag) for t in Event.__args__
)
