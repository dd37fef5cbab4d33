"""What is kept quiet before those it concerns is no matter for those above them either."""

from __future__ import annotations

from typing import TYPE_CHECKING

from alerts.notify import LOOK_MS, Decision, Reason

if TYPE_CHECKING:
    from dispatch.desk import Case, Desk


def held_above(desk: Desk, case: Case, decision: Decision, now_ms: int) -> Decision:
    """The decision about a receiver that a step of the escalation names: held back while all whom
    the alert concerns are told of another in its stead, which has an escalation of its own.

    Else a superior would hear of an alert that nobody could acknowledge.
    """
    if (not decision.send or decision.wants is Reason.RESOLVED or case.route is None
            or case.route.direct or case.held.notice.level == "red"):
        return decision
    pairs = {p.receiver: p for p in desk.ledger.pairs_of(case.held.notice.id)}
    by = ""
    for each in desk.routes(case.held):
        if each.direct and desk.directory.by_id[each.receiver].mode == "people":
            pair = pairs.get(each.receiver)
            if pair is None or pair.reason != Reason.INHIBITION:
                return decision
            by = pair.by
    if not by:
        return decision
    return Decision(False, Reason.INHIBITION, now_ms + LOOK_MS, decision.wants, by)
