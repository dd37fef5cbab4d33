"""What a start under another policy, calendar or set of channels changes about alerts that stand.

Moments of steps are kept in the ledger as the plan of then had them, and receivers as they were
routed then. Both are worked out anew: no step is lost, and whoever is a receiver now is told.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import msgspec

from alerts import escalation
from alerts.notice import OPEN

if TYPE_CHECKING:
    from dispatch.desk import Desk
    from dispatch.ledger import Held

BATCH = 500
TERMS, CHANNELS = "terms", "channels"
"""Marks: a hash of what the ledger was last worked under; its endpoints, and one more."""


def rebase(desk: Desk, now_ms: int) -> int:
    """Look again at all that is not over, if anything that decides about it is another than at the
    last start; how many alerts and reviews were looked at.

    Where no channel was on until now, what stands counts as known, as at a first start.
    """
    ledger, terms = desk.ledger, _terms(desk)
    if ledger.mark(TERMS) == terms:
        return 0
    unheard = ledger.mark(CHANNELS) == 1 and bool(desk.endpoints)
    count, last = 0, ""
    while ids := [r[0] for r in ledger.all(
            "SELECT id FROM alerts WHERE id>? AND state NOT IN ('resolved', 'closed') "
            "ORDER BY id LIMIT ?", (last, BATCH))]:
        held = {id: found for id in ids if (found := ledger.held(id)) is not None}
        if unheard:
            desk.adopt([h.notice for h in held.values() if h.notice.state in OPEN], now_ms)
        else:
            desk.look_again({id: _advanced(desk, h, now_ms) for id, h in held.items()}, now_ms)
        count, last = count + len(held), ids[-1]
    ledger.move_mark(CHANNELS, sum(map(len, desk.endpoints.values())) + 1)
    ledger.move_mark(TERMS, terms)
    return count


def _advanced(desk: Desk, held: Held, now_ms: int) -> Held:
    return held._replace(course=held.course and escalation.advance(
        held.course, now_ms, desk.policy.escalate, desk.time))


def _terms(desk: Desk) -> int:
    """A number that differs where the policy of telling, its clock or the endpoints do."""
    said = msgspec.msgpack.encode(
        [desk.policy, desk.time.terms(), sorted(desk.endpoints.items())])
    return int.from_bytes(hashlib.blake2b(said, digest_size=7).digest(), "big") + 1
