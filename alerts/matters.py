"""Matters with a deadline: commitments, orders, fines, and acts that must be published.

Each depends on one record and on those that settle it, so one pass over the raw records answers
for all of them; most looks at a subject need no more than this.
"""

from __future__ import annotations

from models.ledger import DAY_MS, FOREVER, REVOKING, fits, taken_back
from models.records import (
    ACT,
    BREACHED,
    COMMITMENT,
    FULFILLED,
    INSPECTION,
    NOT_RECTIFIED,
    ORDERED,
    PENALTY,
    PERFORMED,
    PUBLISHED,
    RECORD,
    RECTIFIED,
    REPAIR_APPROVED,
)
from models.scorecard import Card
from models.subject import Subject

RULE_OF = {COMMITMENT: "commitment-overdue", ORDERED: "rectification-overdue",
           PENALTY: "penalty-unperformed"}
PUBLICATION = "publication-overdue"
MATTER_RULES = frozenset(RULE_OF.values()) | {PUBLICATION}
_SETTLES = frozenset({PERFORMED, FULFILLED, BREACHED, RECTIFIED, NOT_RECTIFIED, REPAIR_APPROVED})
_ACTS = frozenset({ACT, INSPECTION, PENALTY})

Matter = tuple[str, int, int, str, int, int, bool]
"""rule, item, identity of the record, level, since [day], due [day], late."""


def matters(subject: Subject, card: Card, day: int) -> tuple[list[Matter], int]:
    """The matters of which somebody must be told on `day`, and the next day to look again.

    A matter is told of `warn` before it is due and again when it is late. Minor penalties are in
    principle not published (Order 36); all other acts are, within seven working days (SUP-07).
    Cost about 0.2 µs a record.
    """
    if subject.cancelled_day and subject.cancelled_day <= day:
        return [], FOREVER
    policy = card.policy.rules
    dues = {COMMITMENT: policy.commitment_overdue, ORDERED: policy.rectification_overdue,
            PENALTY: policy.penalty_unperformed}
    publication = policy.publication_overdue
    offset = card.offset_ms
    settled: set[int] = set()
    published: set[int] = set()
    revokers: list[tuple[int, int, int, int]] = []
    # What waits for its target, or names an unfit one, says nothing.
    waiting = subject.parked or ()
    closers: list[tuple[int, int, int]] = []
    candidates: list[tuple[int, int, int, int, int, int]] = []
    for key, of, time, day1, day2, _, item, kind, variant in RECORD.iter_unpack(subject.facts):
        if key in waiting:
            continue
        if kind == PUBLISHED:
            published.add(of)
            closers.append((key, of, kind))
        elif kind in _SETTLES:
            settled.add(of)
            closers.append((key, of, kind))
        elif kind in REVOKING:
            revokers.append((time, key, of, kind))
        elif kind in _ACTS or kind in RULE_OF:
            candidates.append((key, time, day1, day2, item, kind if kind != PENALTY or variant
                               else -PENALTY))
    revoked: set[int] = set()
    if revokers:
        types = {row[0]: row[7] for row in RECORD.iter_unpack(subject.facts)}
        revoked = taken_back([(key, of) for _, key, of, kind in sorted(revokers)
                              if of in types and fits(kind, types[of])])
        # What was itself taken back settles nothing.
        settled = {of for key, of, kind in closers if kind != PUBLISHED and key not in revoked}
        published = {of for key, of, kind in closers if kind == PUBLISHED and key not in revoked}
    out: list[Matter] = []
    nearest = FOREVER
    for key, time, day1, day2, item, kind in candidates:
        if key in revoked:
            continue
        own = (time + offset) // DAY_MS
        rule = dues.get(abs(kind))
        if rule is not None and day1 and rule.enabled and key not in settled:
            warn = max(day1 - rule.warn, own)
            if day < warn:
                nearest = min(nearest, warn)
            elif day <= day1:
                nearest = min(nearest, day1 + 1)
                out.append((RULE_OF[abs(kind)], item, key, rule.warn_level, warn, day1, False))
            else:
                out.append((RULE_OF[abs(kind)], item, key, rule.level, day1 + 1, day1, True))
        if kind in _ACTS and publication.enabled and key not in published:
            decided = day2 or own
            warn = card.workday(decided, publication.warn_workdays)
            if day < warn:
                nearest = min(nearest, warn)
                continue
            due = card.workday(decided, publication.due_workdays)
            if day <= due:
                nearest = min(nearest, due + 1)
                out.append((PUBLICATION, item, key, publication.warn_level, warn, due, False))
            else:
                out.append((PUBLICATION, item, key, publication.level, due + 1, due, True))
    return out, nearest
