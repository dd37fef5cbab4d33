"""Where events come from and what they are called on the wire."""

from __future__ import annotations

from typing import Final

from streams.simulate.departments import (
    CREDIT_CENTRE,
    REGISTRY,
    department_source,
    hotline_source,
)
from streams.simulate.plan import Kind


def source_of(kind: int, item: int) -> str:
    """Address of the system an event comes from."""
    match kind:
        case Kind.REGISTERED | Kind.CANCELLED:
            return "cq.register"
        case Kind.COMPLAINT | Kind.COMPLAINT_CLOSED:
            return hotline_source(item)
        case Kind.READINGS | Kind.ALARM:
            return "cq.iot"
        case Kind.PUBLISHED | Kind.DECLARED | Kind.VERIFIED | Kind.ARREARS:
            return CREDIT_CENTRE
        case Kind.REPAIR | Kind.REPAIR_APPROVED | Kind.REPAIR_REJECTED:
            return CREDIT_CENTRE
        case Kind.OBJECTION | Kind.OBJECTION_UPHELD | Kind.OBJECTION_REJECTED:
            return CREDIT_CENTRE
        case _:
            return department_source(item)


SOURCES: Final = tuple(
    tuple(source_of(kind, item) for item in range(REGISTRY + 1)) for kind in Kind
)

TYPES: Final = {
    Kind.REGISTERED: "subject.registered",
    Kind.CANCELLED: "subject.cancelled",
    Kind.COMPLAINT: "complaint.filed",
    Kind.COMPLAINT_CLOSED: "complaint.closed",
    Kind.PENALTY: "penalty.decided",
    Kind.PERFORMED: "penalty.performed",
    Kind.REVOKED: "penalty.revoked",
    Kind.ACT: "act.decided",
    Kind.PUBLISHED: "act.published",
    Kind.INSPECTION: "inspection.completed",
    Kind.READINGS: "iot.readings",
    Kind.ALARM: "iot.alarm",
    Kind.COMMITMENT: "commitment.made",
    Kind.FULFILLED: "commitment.fulfilled",
    Kind.BREACHED: "commitment.breached",
    Kind.LISTED: "list.entered",
    Kind.LIST_EXITED: "list.exited",
    Kind.LIST_REVOKED: "list.revoked",
    Kind.ORDERED: "rectification.ordered",
    Kind.RECTIFIED: "rectification.done",
    Kind.NOT_RECTIFIED: "rectification.failed",
    Kind.INTERVIEW: "interview.held",
    Kind.REPAIR: "repair.applied",
    Kind.REPAIR_APPROVED: "repair.approved",
    Kind.REPAIR_REJECTED: "repair.rejected",
    Kind.OBJECTION: "objection.raised",
    Kind.OBJECTION_UPHELD: "objection.upheld",
    Kind.OBJECTION_REJECTED: "objection.rejected",
    Kind.ARREARS: "arrears.confirmed",
    Kind.DECLARED: "information.declared",
    Kind.VERIFIED: "information.verified",
    Kind.GRADE: "grade.assigned",
    Kind.GRADE_WITHDRAWN: "grade.withdrawn",
}
