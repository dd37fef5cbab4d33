"""What a shard says of draws: whom it has in the pool, how far each inspection is. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from models.draw import pooled
from models.events import DrawOrdered
from models.ledger import REVOKING, resolve
from models.records import DRAWN, INSPECTION, MILLION, RESULTS, STRATA, Row, find
from models.scorecard import Card
from models.subject import Subject
from storage.effects import DrawnChanged, DrawPooled

_OWN = frozenset({DRAWN, INSPECTION})


def pool(order: DrawOrdered, subjects: Iterable[Subject], card: Card, day: int,
         clock_ms: int) -> DrawPooled:
    """What the shard has in the pool of an order. Cost: 1 us a subject, 30 us one in the pool."""
    return DrawPooled(order, pooled(order, subjects, card, day),
                      [x.ratio for x in card.policy.inspections.strata()], clock_ms, day, card.hash)


def concerned(subject: Subject, row: Row) -> int:
    """Key of the draw that a new record says something of, be it that it takes something back, or
    takes back what did; 0 = of none."""
    seen = set()
    while row[7] not in _OWN:
        named = find(subject.facts, row[1]) if row[7] in REVOKING else None
        if named is None or named[0] in seen:
            return 0
        seen.add(named[0])
        row = named
    return row[1]


def course(subject: Subject, draw: int, card: Card, clock_ms: int,
           named: Callable[[int], tuple[str, str]]) -> DrawnChanged | None:
    """How far the inspection has come that a draw asked for; None where the business was not drawn
    in it, as far as is known. `named` gives source and id of a record."""
    facts = resolve(subject.facts, card.offset_ms)
    drawn = min((f for f in facts.by_type.get(DRAWN, ()) if f.of == draw),
                key=lambda f: (f.revoked, f.time, f.key), default=None)
    if drawn is None:
        return None
    done = max((f for f in facts.by_type.get(INSPECTION, ())
                if f.of == draw and f.item == drawn.item and not f.revoked),
               key=lambda f: (f.time, f.key), default=None)
    state = "released" if drawn.revoked else "drawn"
    if done is not None:
        state = RESULTS[done.variant & 7]
    return DrawnChanged(
        f"{draw:016x}", *named(drawn.key), subject.key, card.item_ids[drawn.item],
        STRATA[drawn.variant], drawn.extra / MILLION, drawn.time, state,
        done.extra if done is not None else 0, done.time if done is not None else 0, clock_ms)
