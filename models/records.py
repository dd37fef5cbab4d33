"""Records: an event reduced to the 40 bytes the core needs, and the tables of its codes.

A subject's evidence is a `bytearray` of records in arrival order; nothing that is concluded from
it depends on that order. Source and id of each record stand beside it (`refs`), in the same order.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any, TypeAlias

import xxhash

from models import events as e
from models.calendar import from_date
from models.policy import PenaltyClasses

RECORD = struct.Struct("<QQqiiIHBB")
"""key, of [64-bit identities], time [ms], day1, day2 [days], extra, item [code], type, variant."""
SIZE = RECORD.size
KEY = struct.Struct("<Q")

Row: TypeAlias = tuple[int, int, int, int, int, int, int, int, int]

TYPE_NAMES: tuple[str, ...] = ("", *e.EVENT_TYPES)
TYPES: dict[str, int] = {name: code for code, name in enumerate(TYPE_NAMES) if code}

COMPLAINT = TYPES["complaint.filed"]
COMPLAINT_CLOSED = TYPES["complaint.closed"]
PENALTY = TYPES["penalty.decided"]
PERFORMED = TYPES["penalty.performed"]
PENALTY_REVOKED = TYPES["penalty.revoked"]
ACT = TYPES["act.decided"]
PUBLISHED = TYPES["act.published"]
INSPECTION = TYPES["inspection.completed"]
READINGS = TYPES["iot.readings"]
ALARM = TYPES["iot.alarm"]
COMMITMENT = TYPES["commitment.made"]
FULFILLED = TYPES["commitment.fulfilled"]
BREACHED = TYPES["commitment.breached"]
LISTED = TYPES["list.entered"]
LIST_EXITED = TYPES["list.exited"]
LIST_REVOKED = TYPES["list.revoked"]
ORDERED = TYPES["rectification.ordered"]
RECTIFIED = TYPES["rectification.done"]
NOT_RECTIFIED = TYPES["rectification.failed"]
INTERVIEW = TYPES["interview.held"]
REPAIR_APPLIED = TYPES["repair.applied"]
REPAIR_APPROVED = TYPES["repair.approved"]
REPAIR_REJECTED = TYPES["repair.rejected"]
OBJECTION_RAISED = TYPES["objection.raised"]
OBJECTION_UPHELD = TYPES["objection.upheld"]
OBJECTION_REJECTED = TYPES["objection.rejected"]
ARREARS = TYPES["arrears.confirmed"]
DECLARED = TYPES["information.declared"]
VERIFIED = TYPES["information.verified"]
ASSIGNED = TYPES["grade.assigned"]
WITHDRAWN = TYPES["grade.withdrawn"]
REGISTERED = TYPES["subject.registered"]
CANCELLED = TYPES["subject.cancelled"]
ANSWERED = TYPES["review.answered"]
ALERT_ACTS = {TYPES[f"alert.{name}"]: name for name in
              ("acknowledged", "assigned", "closed", "reopened", "silenced")}

TARGETS: dict[int, frozenset[int]] = {
    COMPLAINT_CLOSED: frozenset({COMPLAINT}),
    PERFORMED: frozenset({PENALTY}),
    PENALTY_REVOKED: frozenset({PENALTY}),
    PUBLISHED: frozenset({ACT, PENALTY, INSPECTION}),
    FULFILLED: frozenset({COMMITMENT}),
    BREACHED: frozenset({COMMITMENT}),
    LIST_EXITED: frozenset({LISTED}),
    LIST_REVOKED: frozenset({LISTED}),
    RECTIFIED: frozenset({ORDERED}),
    NOT_RECTIFIED: frozenset({ORDERED}),
    VERIFIED: frozenset({DECLARED}),
    WITHDRAWN: frozenset({ASSIGNED}),
}
"""Which types an `of` may name. Repairs and objections may name any record."""

ANY_TARGET = frozenset({REPAIR_APPLIED, REPAIR_APPROVED, REPAIR_REJECTED,
                        OBJECTION_RAISED, OBJECTION_UPHELD, OBJECTION_REJECTED})
MODIFIERS = frozenset(TARGETS) | ANY_TARGET
"""Types that say something about an earlier record, and are parked while it is missing."""

GRADES = "ABCD"
ISSUERS = ("department", "city", "province", "nation", "market")
LISTS = ("serious", "debtor", "abnormal", "watch", "red", "ban")
CLASSES = ("minor", "general", "serious")
RESULTS = ("pass", "fixed", "fail", "obstructed", "untraceable")
FINDINGS = ("", "minor", "serious", "critical")
OUTCOMES = ("upheld", "mediated", "rejected", "withdrawn")
ACTS = ("permit", "penalty", "compulsion", "confirmation", "levy", "payment", "ruling",
        "compensation", "reward", "inspection")
COMMITMENT_KINDS = ("approval", "voluntary", "association", "repair")
NO_GRADE = 7
WHOLE_SUBJECT = 0
"""Item code of what concerns the whole subject, and of its public grade."""


def identity(source: str, id: str) -> int:
    """64-bit identity of the pair; a control character cannot occur in either (see intake)."""
    return xxhash.xxh3_64_intdigest(f"{source}\n{id}".encode())


def hash32(text: str) -> int:
    return xxhash.xxh32_intdigest(text.encode())


def _of(ref: e.Ref | None) -> int:
    return identity(ref.source, ref.id) if ref else 0


def penalty_class(p: e.Penalty, rule: PenaltyClasses) -> int:
    """Index into `CLASSES`: the department's own class, else from kinds and amount."""
    if p.class_:
        return CLASSES.index(p.class_)
    amount = p.amount_cny or 0.0
    if set(p.kinds) & set(rule.serious_kinds) or amount >= rule.serious_fine_cny:
        return 2
    if set(p.kinds) <= set(rule.minor_kinds) and amount <= rule.minor_fine_cny:
        return 0
    return 1


class Reducer:
    """Turns events into rows, for one policy.

    `items` maps catalogue ids to codes 1.., `departments` names to codes; `penalty_classes` is the
    policy's rule for penalties that name no class.
    """

    def __init__(self, items: dict[str, int], departments: dict[str, int],
                 penalty_classes: PenaltyClasses) -> None:
        self.items = items
        self.departments = departments
        self.penalty_classes = penalty_classes
        self._by_class: dict[type, Callable[[Any], Row]] = {
            e.ComplaintFiledEvent: self._complaint,
            e.PenaltyDecided: self._penalty,
            e.InspectionCompleted: self._inspection,
            e.ActDecidedEvent: self._act,
            e.ActPublishedEvent: self._published,
        }

    def row(self, event: e.Event, key: int, time_ms: int) -> Row:
        """The record of `event`, as the fields of `RECORD`."""
        of, day1, day2, extra, item, type_, variant = (
            self._by_class.get(type(event)) or self._other)(event)  # type: ignore[misc]
        return (key, of, time_ms, day1, day2, extra, item, type_, variant)

    # Each returns (of, day1, day2, extra, item, type, variant).

    def _complaint(self, ev: e.ComplaintFiledEvent) -> Any:
        d = ev.data
        variant = d.severity - 1 + (4 if d.kind == "tip" else 0)
        return 0, 0, 0, hash32(d.category), self.items[d.item], COMPLAINT, variant

    def _penalty(self, ev: e.PenaltyDecided) -> Any:
        d = ev.data
        basis = d.basis[0]
        return (0, from_date(d.due_on) if d.due_on else 0, from_date(d.decided_on),
                hash32(basis.law + basis.article), self.items[d.item], PENALTY,
                penalty_class(d, self.penalty_classes))

    def _inspection(self, ev: e.InspectionCompleted) -> Any:
        d = ev.data
        worst = max((FINDINGS.index(f.severity) for f in d.findings), default=0)
        return (0, 0, 0, len(d.findings), self.items[d.item], INSPECTION,
                RESULTS.index(d.result) + 8 * worst)

    def _act(self, ev: e.ActDecidedEvent) -> Any:
        d = ev.data
        return 0, 0, from_date(d.decided_on), 0, self.items[d.item], ACT, ACTS.index(d.act)

    def _published(self, ev: e.ActPublishedEvent) -> Any:
        return _of(ev.data.of), from_date(ev.data.published_on), 0, 0, 0, PUBLISHED, 0

    def _other(self, ev: e.Event) -> Any:
        type_ = TYPES[ev.type]
        match ev:
            case e.ComplaintClosedEvent(data=d):
                return _of(d.of), 0, 0, 0, 0, type_, OUTCOMES.index(d.outcome)
            case e.IotAlarm(data=d):
                variant = d.severity - 1 + (4 if d.verified else 0)
                return 0, 0, 0, hash32(d.device + "\n" + d.code), self.items[d.item], type_, variant
            case e.CommitmentMade(data=d):
                return (0, from_date(d.due_on), 0, hash32(d.matter), self.items[d.item], type_,
                        COMMITMENT_KINDS.index(d.kind))
            case e.RectificationOrdered(data=d):
                return _of(d.of), from_date(d.due_on), 0, 0, self.items[d.item], type_, 0
            case e.InterviewHeld(data=d):
                return (_of(d.of), 0, 0, 0, self.items[d.item], type_,
                        1 if d.kind == "warning" else 0)
            case e.ListEntered(data=d):
                return (0, from_date(d.until) if d.until else 0, 0, 0, WHOLE_SUBJECT, type_,
                        LISTS.index(d.list_))
            case e.ArrearsConfirmed(data=d):
                return (0, 0, 0, min(int(d.amount_cny // 10_000), 2**32 - 1), WHOLE_SUBJECT, type_,
                        1 if d.kind == "wage" else 0)
            case e.InformationDeclared(data=d):
                return 0, 0, 0, hash32(d.category), WHOLE_SUBJECT, type_, int(d.authorised)
            case e.GradeAssigned(data=d):
                item = WHOLE_SUBJECT if d.item == "public" else self.items[d.item]
                return (0, from_date(d.valid_until) if d.valid_until else 0, 0, 0, item, type_,
                        GRADES.index(d.grade) + 8 * ISSUERS.index(d.issuer))
            case e.ReviewAnswered(data=d):
                grade = GRADES.index(d.grade) if d.grade else NO_GRADE
                return (identity("review", d.review), 0, 0, self.departments[d.department],
                        WHOLE_SUBJECT, type_, grade + (8 if d.decision == "adjust" else 0))
            case (e.AlertAcknowledged(data=a) | e.AlertAssigned(data=a) | e.AlertClosed(data=a)
                  | e.AlertReopened(data=a) | e.AlertSilenced(data=a)):
                until_min = int(a.until.timestamp() // 60) if a.until else 0
                return (identity("alert", a.alert), until_min, 0, hash32(a.actor), WHOLE_SUBJECT,
                        type_, 0)
            case e.SubjectRegistered() | e.SubjectCancelled() | e.IotReadings():
                return 0, 0, 0, 0, WHOLE_SUBJECT, type_, 0
            case _:
                return _of(ev.data.of), 0, 0, 0, WHOLE_SUBJECT, type_, 0  # type: ignore[union-attr]


def find(records: bytes | bytearray, key: int) -> Row | None:
    """The record with that identity, or None. A byte search, since it runs in C."""
    needle = KEY.pack(key)
    at = records.find(needle)
    while at >= 0:
        if at % SIZE == 0:
            return RECORD.unpack_from(records, at)  # type: ignore[return-value]
        at = records.find(needle, at + 1)
    return None
