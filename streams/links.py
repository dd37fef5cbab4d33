"""What the search for related risk is told of registrations and listings. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from models import events as e
from models import records as r
from models.ledger import list_span, resolve
from models.links import links_of
from models.scorecard import Card
from models.subject import Profile, Subject
from storage.effects import Linked, Listed

RULE = "related-risk"
Named = Callable[[int], tuple[str, str]]
"""Source and id of a record, by its identity."""


def registered(subject: Subject, before: Profile | None, event: e.SubjectRegistered, card: Card,
               recorded_ms: int, named: Named) -> Iterator[Linked | Listed]:
    """What is to be said after a registration was taken over; `before` = the one until now."""
    old, now = links_of(subject.key, before), links_of(subject.key, subject.registration())
    if not (old or now):
        return
    yield Linked(subject.key, now, [link for link in old if link not in now],
                 not subject.cancelled_day, event.source, event.id,
                 round(event.time.timestamp() * 1000), recorded_ms)
    if subject.marked:
        listed = [row[0] for row in r.RECORD.iter_unpack(subject.facts) if row[7] == r.LISTED]
        yield from listings(subject, listed, card, recorded_ms, named)


def cancelled(subject: Subject, recorded_ms: int) -> Iterator[Linked]:
    """What is to be said when a business was cancelled, or that was taken back."""
    links = links_of(subject.key, subject.registration())
    if links:
        yield Linked(subject.key, links, [], not subject.cancelled_day, "", "", 0, recorded_ms)


def listings(subject: Subject, keys: Sequence[int], card: Card, recorded_ms: int,
             named: Named) -> Iterator[Listed]:
    """How listings stand, by the identities of their records. Nothing of the red list."""
    facts = resolve(subject.facts, card.offset_ms)
    profile = subject.registration()
    for key in keys:
        fact = facts.by_key[key]
        if r.LISTS[fact.variant] != "red":
            yield Listed(*named(key), subject.key, profile.name if profile else "",
                         r.LISTS[fact.variant], links_of(subject.key, profile), fact.time,
                         *list_span(fact), recorded_ms)


def concerned(subject: Subject, card: Card) -> list[int]:
    """Codes of the items a business is supervised for, ascending: those it was registered with and
    those of its record; only if there are none, those it was complained of."""
    profile = subject.registration()
    known = {card.item_codes[item] for item in (profile.items if profile else ())
             if item in card.item_codes}
    for records in (subject.facts, subject.signals):
        known |= {row[6] for row in r.RECORD.iter_unpack(records)}
        known.discard(r.WHOLE_SUBJECT)
        if known:
            break
    return sorted(known)
