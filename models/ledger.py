"""The ledger: the facts known of one subject, and what each may count for, on which days.

`resolve` joins records (in any order) into facts; `segments` says which indicator each fact feeds
from which day to which. Both are functions of the *set* of records alone: that is why a score does
not depend on the order of arrival and why a revoked fact leaves no trace.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from models.policy import INDICATORS
from models.records import (
    ALARM,
    ALERT_ACTS,
    ANSWERED,
    ARREARS,
    BREACHED,
    CLASSES,
    COMMITMENT,
    COMPLAINT,
    COMPLAINT_CLOSED,
    FULFILLED,
    INSPECTION,
    INTERVIEW,
    LIST_EXITED,
    LIST_REVOKED,
    LISTED,
    LISTS,
    MODIFIERS,
    NOT_RECTIFIED,
    OBJECTION_RAISED,
    OBJECTION_REJECTED,
    OBJECTION_UPHELD,
    ORDERED,
    PENALTY,
    PENALTY_REVOKED,
    PERFORMED,
    PUBLISHED,
    RECORD,
    RECTIFIED,
    RELEASED,
    REPAIR_APPLIED,
    REPAIR_APPROVED,
    REPAIR_REJECTED,
    TARGETS,
    VERIFIED,
    WHOLE_SUBJECT,
    WITHDRAWN,
    Row,
)
from models.scorecard import Card

FOREVER = 1 << 30
"""A day that never comes."""
DAY_MS = 86_400_000

_I = {name: n for n, name in enumerate(INDICATORS)}
PENALTY_INDICATORS = [_I[f"penalty_{c}"] for c in CLASSES]
LIST_INDICATORS = [_I[f"list_{name}"] for name in LISTS]
INSPECTION_INDICATORS = [_I["inspection_pass"], _I["inspection_fixed"], _I["inspection_fail"],
               _I["inspection_evaded"], _I["inspection_evaded"]]
_COMPLAINT = _I["complaint"]
_TIP = _I["tip"]
_MEDIATED = _I["complaint_mediated"]
_UPHELD = _I["complaint_upheld"]
_OVERDUE = {COMMITMENT: _I["commitment_overdue"], ORDERED: _I["rectification_overdue"],
            PENALTY: _I["penalty_unperformed"]}


class Segment(NamedTuple):
    """One fact counting towards one indicator, on the days `start <= day < stop`.

    `origin` is the day its age is counted from, `item` 0 = the whole subject.
    """

    indicator: int
    step: int
    item: int
    start: int
    stop: int
    origin: int
    fact: Fact


class Fact:
    """A record with everything later records say about it.

    Days are civil days; 0 = never. `objection` is 1 while an objection is open, 2 after it was
    rejected. `repair` likewise: 1 applied, 2 approved, 3 rejected.
    """

    # Defaults live on the class: a fact is made for every record at every look.
    parent: Fact | None = None
    revoked = False
    closed = -1
    """Outcome of a complaint; for a matter 0 = done, 1 = breached or failed."""
    closed_day = 0
    performed_day = 0
    published_day = 0
    repair = 0
    repair_day = 0
    objection = 0
    objected = 0
    """Time [ms] of the open objection."""

    def __init__(self, row: Row, offset_ms: int) -> None:
        (self.key, self.of, self.time, self.day1, self.day2, self.extra, self.item, self.type,
         self.variant) = row
        self.day = (self.time + offset_ms) // DAY_MS


class Facts(NamedTuple):
    """All facts of a subject by identity, and the modifiers whose target is unknown or unfit."""

    by_key: dict[int, Fact]
    by_type: dict[int, list[Fact]]
    acts: list[Fact]
    """What people did about alerts and reviews (`of` = identity of the alert or review)."""
    orphans: list[Fact]


NO_FACTS = Facts({}, {}, [], [])


def resolve(records: bytes, offset_ms: int) -> Facts:
    """Join records into facts, whatever order they stand in.

    Cost about 0.6 µs a record. Modifiers act in the order of their own times, ties by identity.
    """
    by_key: dict[int, Fact] = {}
    by_type: dict[int, list[Fact]] = {}
    for row in RECORD.iter_unpack(records):
        fact = Fact(row, offset_ms)
        by_key[row[0]] = fact
        kind = row[7]
        if kind in by_type:
            by_type[kind].append(fact)
        else:
            by_type[kind] = [fact]
    modifiers = [f for kind in by_type if kind in MODIFIERS for f in by_type[kind]]
    acts = [f for kind in by_type if kind in _ACTS for f in by_type[kind]]
    orphans: list[Fact] = []
    if modifiers:
        modifiers.sort(key=_when)
        for fact in modifiers:
            target = by_key.get(fact.of)
            if target is None or not fits(fact.type, target.type) or target is fact:
                orphans.append(fact)
                continue
            fact.parent = target
            fact.item = target.item
        for key in taken_back([(f.key, f.of) for f in modifiers
                               if f.type in REVOKING and f.parent is not None]):
            by_key[key].revoked = True
        acts = [f for f in acts if not f.revoked]
        for fact in modifiers:
            # What was itself taken back must not act either: it never happened.
            if fact.parent is not None and not fact.revoked:
                _MODIFY[fact.type](fact.parent, fact)
    if len(acts) > 1:
        acts.sort(key=_when)
    return Facts(by_key, by_type, acts, orphans)


def taken_back(revocations: list[tuple[int, int]]) -> set[int]:
    """Identities that are revoked, by (identity, of) of the revocations, oldest first.

    A revocation that was itself revoked takes nothing back: chains are followed to their end.
    """
    if len(revocations) == 1:
        return {revocations[0][1]}
    by: dict[int, list[int]] = {}
    for key, of in revocations:
        by.setdefault(of, []).append(key)
    counts: dict[int, bool] = {}
    for first, _ in revocations:
        # Depth first with a list, since a chain may be longer than Python recurses.
        stack = [first]
        while stack:
            key = stack[-1]
            above = by.get(key, ())
            if key not in counts:
                counts[key] = False  # in a circle nothing stands
                stack.extend(k for k in above if k not in counts)
            else:
                stack.pop()
                counts[key] = not any(counts[k] for k in above)
    return {of for key, of in revocations if counts[key]}


def fits(modifier: int, target: int) -> bool:
    """Whether a modifier of that type may name a record of that type."""
    allowed = TARGETS.get(modifier)
    return allowed is None or target in allowed


def _when(fact: Fact) -> tuple[int, int]:
    return fact.time, fact.key


def _decide(target: Fact, by: Fact) -> None:
    # A complaint that was taken up again: its last outcome stands.
    target.closed = by.variant
    target.closed_day = by.day


def _settle(outcome: int) -> Callable[[Fact, Fact], None]:
    def settle(target: Fact, by: Fact) -> None:
        if target.closed < 0:
            target.closed = outcome
            target.closed_day = by.day

    return settle


def _perform(target: Fact, by: Fact) -> None:
    target.performed_day = target.performed_day or by.day


def _publish(target: Fact, by: Fact) -> None:
    day = by.day1
    target.published_day = min(target.published_day, day) if target.published_day else day


def _nothing(target: Fact, by: Fact) -> None:
    """Revocations have acted before all others."""


def _withdraw(target: Fact, by: Fact) -> None:
    target.closed_day = target.closed_day or by.day


def _repair(state: int) -> Callable[[Fact, Fact], None]:
    def repair(target: Fact, by: Fact) -> None:
        if target.repair != 2:
            target.repair = state
            target.repair_day = by.day

    return repair


def _object(target: Fact, by: Fact) -> None:
    if target.objection != 1:
        target.objection = 1
        target.objected = by.time


def _uphold(target: Fact, by: Fact) -> None:
    target.objection = 0


def _dismiss(target: Fact, by: Fact) -> None:
    target.objection = 2


_ACTS = frozenset(ALERT_ACTS) | {ANSWERED}
REVOKING = frozenset({PENALTY_REVOKED, LIST_REVOKED, OBJECTION_UPHELD, RELEASED})
"""Types after which what they name never happened."""
_MODIFY: dict[int, Callable[[Fact, Fact], None]] = {
    COMPLAINT_CLOSED: _decide,
    PERFORMED: _perform,
    PENALTY_REVOKED: _nothing,
    PUBLISHED: _publish,
    FULFILLED: _settle(0),
    BREACHED: _settle(1),
    LIST_EXITED: _withdraw,
    LIST_REVOKED: _nothing,
    RECTIFIED: _settle(0),
    NOT_RECTIFIED: _settle(1),
    VERIFIED: _settle(0),
    WITHDRAWN: _withdraw,
    RELEASED: _nothing,
    REPAIR_APPLIED: _repair(1),
    REPAIR_APPROVED: _repair(2),
    REPAIR_REJECTED: _repair(3),
    OBJECTION_RAISED: _object,
    OBJECTION_UPHELD: _uphold,
    OBJECTION_REJECTED: _dismiss,
}


def publicity(card: Card, class_: int, origin: int) -> tuple[int, int]:
    """(first day a repair may be applied for, day publicity ends) of a penalty of that class.

    The regime in force at the decision rules; a later regime that ends earlier takes over, at the
    earliest on its own first day. Source: NDRC Order 58 (2023-05-01 to 2026-03-31) and
    Order 36 (from 2026-04-01), see docs/decisions.
    """
    name = CLASSES[class_]
    least = most = 0
    for n, (since, months) in enumerate(card.regimes):
        low, high = getattr(months, name)
        low_day, high_day = card.months_after(origin, low), card.months_after(origin, high)
        if n == 0 or since <= origin:
            least, most = low_day, high_day
        else:
            least, most = min(least, max(low_day, since)), min(most, max(high_day, since))
    return least, most


def list_span(fact: Fact) -> tuple[int, int]:
    """Days [start, stop) on which a listing is in force; empty when it was revoked."""
    if fact.revoked:
        return 0, 0
    stop = fact.day1 + 1 if fact.day1 else FOREVER
    if fact.closed_day:
        stop = min(stop, fact.closed_day)
    if fact.repair == 2:
        stop = min(stop, fact.repair_day)
    return fact.day, stop


def segments(facts: Facts, card: Card, *, public: bool) -> list[Segment]:
    """What the facts count for: only public records, or only internal signals.

    Sorted by nothing: sums over it are integers and do not depend on order.
    """
    out: list[Segment] = []
    produce = _PUBLIC if public else _INTERNAL
    for kind, group in facts.by_type.items():
        make = produce.get(kind)
        if make is not None:
            for fact in group:
                if not fact.revoked:
                    make(fact, card, out)
    return out


def _add(out: list[Segment], card: Card, indicator: int, step: int, fact: Fact, item: int,
         start: int, origin: int, stop: int = FOREVER) -> None:
    one = card.indicators[indicator]
    end = origin + card.span_d[indicator]
    if one.max_months:
        end = min(end, card.months_after(origin, one.max_months))
    end = min(end, stop)
    if fact.repair == 2:
        end = min(end, fact.repair_day)
    if start < end:
        out.append(Segment(indicator, step, item, start, end, origin, fact))


def _penalty(fact: Fact, card: Card, out: list[Segment]) -> None:
    origin = min(fact.day2, fact.day) if fact.day2 else fact.day
    stop = publicity(card, fact.variant, origin)[1]
    _add(out, card, PENALTY_INDICATORS[fact.variant], 0, fact, fact.item, fact.day, origin, stop)


def _inspection(fact: Fact, card: Card, out: list[Segment]) -> None:
    indicator = INSPECTION_INDICATORS[fact.variant & 7]
    step = min(fact.variant >> 3, len(card.indicators[indicator].multipliers) - 1)
    _add(out, card, indicator, step, fact, fact.item, fact.day, fact.day)


def _alarm(fact: Fact, card: Card, out: list[Segment]) -> None:
    if fact.variant & 4:
        _add(out, card, _I["iot_violation"], fact.variant & 3, fact, fact.item, fact.day, fact.day)


def _raw_alarm(fact: Fact, card: Card, out: list[Segment]) -> None:
    if not fact.variant & 4:
        _add(out, card, _I["iot_alarm"], fact.variant & 3, fact, fact.item, fact.day, fact.day)


def _listed(fact: Fact, card: Card, out: list[Segment]) -> None:
    indicator = LIST_INDICATORS[fact.variant]
    if card.public[indicator]:
        start, stop = list_span(fact)
        _add(out, card, indicator, 0, fact, WHOLE_SUBJECT, start, start, stop)


def _watched(fact: Fact, card: Card, out: list[Segment]) -> None:
    indicator = LIST_INDICATORS[fact.variant]
    if not card.public[indicator]:
        start, stop = list_span(fact)
        _add(out, card, indicator, 0, fact, WHOLE_SUBJECT, start, start, stop)


def _outcome(indicator: str, target: int) -> Callable[[Fact, Card, list[Segment]], None]:
    def make(fact: Fact, card: Card, out: list[Segment]) -> None:
        parent = fact.parent
        if parent is not None and parent.type == target and not parent.revoked:
            _add(out, card, _I[indicator], 0, fact, parent.item, fact.day, fact.day)

    return make


def _arrears(fact: Fact, card: Card, out: list[Segment]) -> None:
    _add(out, card, _I["arrears"], 0, fact, WHOLE_SUBJECT, fact.day, fact.day)


def _verified(fact: Fact, card: Card, out: list[Segment]) -> None:
    if fact.parent is not None and not fact.parent.revoked:
        _add(out, card, _I["information_verified"], 0, fact, WHOLE_SUBJECT, fact.day, fact.day)


def _complaint(fact: Fact, card: Card, out: list[Segment]) -> None:
    filed = _TIP if fact.variant & 4 else _COMPLAINT
    step = fact.variant & 3
    if fact.closed < 0:
        _add(out, card, filed, step, fact, fact.item, fact.day, fact.day)
        return
    closed = max(fact.closed_day, fact.day)
    _add(out, card, filed, step, fact, fact.item, fact.day, fact.day, closed)
    after = (_UPHELD, _MEDIATED, -1, -1)[fact.closed]
    if after >= 0:
        _add(out, card, after, step, fact, fact.item, closed, closed)


def _interview(fact: Fact, card: Card, out: list[Segment]) -> None:
    if fact.variant:
        _add(out, card, _I["interview"], 0, fact, fact.item, fact.day, fact.day)


def _overdue(fact: Fact, card: Card, out: list[Segment]) -> None:
    """From the day after the due date until the matter is settled, however it is settled."""
    if not fact.day1:
        return
    settled = fact.performed_day if fact.type == PENALTY else fact.closed_day
    start = max(fact.day1 + 1, fact.day)
    _add(out, card, _OVERDUE[fact.type], 0, fact, fact.item, start, start, settled or FOREVER)


_Make = Callable[[Fact, Card, list[Segment]], None]
_PUBLIC: dict[int, _Make] = {
    PENALTY: _penalty,
    INSPECTION: _inspection,
    ALARM: _alarm,
    LISTED: _listed,
    BREACHED: _outcome("commitment_breached", COMMITMENT),
    FULFILLED: _outcome("commitment_fulfilled", COMMITMENT),
    NOT_RECTIFIED: _outcome("rectification_failed", ORDERED),
    ARREARS: _arrears,
    VERIFIED: _verified,
}
_INTERNAL: dict[int, _Make] = {
    COMPLAINT: _complaint,
    ALARM: _raw_alarm,
    LISTED: _watched,
    INTERVIEW: _interview,
    COMMITMENT: _overdue,
    ORDERED: _overdue,
    PENALTY: _overdue,
}
