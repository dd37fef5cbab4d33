"""Records: an event reduced to the 40 bytes the core needs, and the tables of its codes.

A subject's evidence is a byte string of records in arrival order; nothing that is concluded from
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
TYPE_AT = SIZE - 2
"""Where in a record its type stands."""
KEY = struct.Struct("<Q")

Row: TypeAlias = tuple[int, int, int, int, int, int, int, int, int]
Fields: TypeAlias = tuple[int, int, int, int, int, int]

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
DRAWN = TYPES["inspection.drawn"]
RELEASED = TYPES["inspection.released"]
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
    RELEASED: frozenset({DRAWN}),
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
STRATA = ("A", "B", "C", "D", "ungraded")
PLANS = ("random", "targeted", "complaint", "joint", "iot")
MILLION = 1_000_000
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


def draw_key(draw: str) -> int:
    """What records name a draw of inspections by: 64 bits."""
    return identity("draw", draw)


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
        self.items = {**items, "public": WHOLE_SUBJECT}
        self.departments = departments
        self.penalty_classes = penalty_classes
        own: dict[type, Callable[[Any], Fields]] = {
            e.ComplaintFiledEvent: self._complaint,
            e.ComplaintClosedEvent: _complaint_closed,
            e.PenaltyDecided: self._penalty,
            e.InspectionCompleted: self._inspection,
            e.InspectionDrawn: self._drawn,
            e.ActDecidedEvent: self._act,
            e.ActPublishedEvent: _published,
            e.IotAlarm: self._alarm,
            e.CommitmentMade: self._commitment,
            e.RectificationOrdered: self._order,
            e.InterviewHeld: self._interview,
            e.ListEntered: _listed,
            e.ArrearsConfirmed: _arrears,
            e.InformationDeclared: _declared,
            e.GradeAssigned: self._assigned,
            e.ReviewAnswered: self._answered,
            e.SubjectRegistered: _nothing,
            e.SubjectCancelled: _nothing,
            e.IotReadings: _nothing,
        }
        self._fields: dict[type, tuple[int, Callable[[Any], Fields]]] = {}
        for cls in e.Event.__args__:
            code = TYPES[str(cls.__struct_config__.tag)]
            default = _alert_act if code in ALERT_ACTS else _modifier
            self._fields[cls] = (code, own.get(cls, default))

    def row(self, event: e.Event, key: int, time_ms: int) -> Row:
        """The record of `event`, as the fields of `RECORD`."""
        kind, fields = self._fields[type(event)]
        of, day1, day2, extra, item, variant = fields(event.data)
        return (key, of, time_ms, day1, day2, extra, item, kind, variant)

    # Each returns (of, day1, day2, extra, item, variant).

    def _complaint(self, d: e.Complaint) -> Fields:
        return (0, 0, 0, hash32(d.category), self.items[d.item],
                d.severity - 1 + (4 if d.kind == "tip" else 0))

    def _penalty(self, d: e.Penalty) -> Fields:
        basis = d.basis[0]
        return (0, from_date(d.due_on) if d.due_on else 0, from_date(d.decided_on),
                hash32(basis.law + basis.article), self.items[d.item],
                penalty_class(d, self.penalty_classes))

    def _inspection(self, d: e.Inspection) -> Fields:
        worst = max((FINDINGS.index(f.severity) for f in d.findings), default=0)
        return (draw_key(d.draw) if d.draw else 0, PLANS.index(d.plan), 0, len(d.findings),
                self.items[d.item], RESULTS.index(d.result) + 8 * worst)

    def _drawn(self, d: e.Drawn) -> Fields:
        return (draw_key(d.draw), 0, 0, max(1, round(d.probability * MILLION)), self.items[d.item],
                STRATA.index(d.stratum))

    def _act(self, d: e.ActDecided) -> Fields:
        return 0, 0, from_date(d.decided_on), 0, self.items[d.item], ACTS.index(d.act)

    def _alarm(self, d: e.Alarm) -> Fields:
        return (0, 0, 0, hash32(d.device + "\n" + d.code), self.items[d.item],
                d.severity - 1 + (4 if d.verified else 0))

    def _commitment(self, d: e.Commitment) -> Fields:
        return (0, from_date(d.due_on), 0, hash32(d.matter), self.items[d.item],
                COMMITMENT_KINDS.index(d.kind))

    def _order(self, d: e.Order) -> Fields:
        return _of(d.of), from_date(d.due_on), 0, 0, self.items[d.item], 0

    def _interview(self, d: e.Interview) -> Fields:
        return _of(d.of), 0, 0, 0, self.items[d.item], 1 if d.kind == "warning" else 0

    def _assigned(self, d: e.AssignedGrade) -> Fields:
        return (0, from_date(d.valid_until) if d.valid_until else 0, 0, 0, self.items[d.item],
                GRADES.index(d.grade) + 8 * ISSUERS.index(d.issuer))

    def _answered(self, d: e.ReviewAnswer) -> Fields:
        grade = GRADES.index(d.grade) if d.grade else NO_GRADE
        return (identity("review", d.review), 0, 0, self.departments[d.department], WHOLE_SUBJECT,
                grade + (8 if d.decision == "adjust" else 0))


def _modifier(d: e.Of | e.OfReason) -> Fields:
    return _of(d.of), 0, 0, 0, WHOLE_SUBJECT, 0


def _complaint_closed(d: e.ComplaintClosed) -> Fields:
    return _of(d.of), 0, 0, 0, WHOLE_SUBJECT, OUTCOMES.index(d.outcome)


def _published(d: e.ActPublished) -> Fields:
    return _of(d.of), from_date(d.published_on), 0, 0, WHOLE_SUBJECT, 0


def _listed(d: e.ListEntry) -> Fields:
    return 0, from_date(d.until) if d.until else 0, 0, 0, WHOLE_SUBJECT, LISTS.index(d.list_)


def _arrears(d: e.Arrears) -> Fields:
    return (0, 0, 0, min(int(d.amount_cny // 10_000), 2**32 - 1), WHOLE_SUBJECT,
            1 if d.kind == "wage" else 0)


def _declared(d: e.Declaration) -> Fields:
    return 0, 0, 0, hash32(d.category), WHOLE_SUBJECT, int(d.authorised)


def _alert_act(d: e.AlertAct) -> Fields:
    until_min = int(d.until.timestamp() // 60) if d.until else 0
    return identity("alert", d.alert), until_min, 0, hash32(d.actor), WHOLE_SUBJECT, 0


def _nothing(d: object) -> Fields:
    return 0, 0, 0, 0, WHOLE_SUBJECT, 0


def find(records: bytes, key: int) -> Row | None:
    """The record with that identity, or None. A byte search, since it runs in C."""
    needle = KEY.pack(key)
    at = records.find(needle)
    while at >= 0:
        if at % SIZE == 0:
            return RECORD.unpack_from(records, at)
        at = records.find(needle, at + 1)
    return None


def root(records: bytes, row: Row) -> Row | None:
    """What a record is about, through any number of others; None while one of them is missing."""
    seen = set()
    while row[7] in MODIFIERS:
        found = find(records, row[1])
        if found is None or found[0] in seen:
            return None
        seen.add(found[0])
        row = found
    return row
