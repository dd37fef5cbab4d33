"""The pool of businesses that may be inspected under an item, by stratum (MID-22).

A business is in the pool of an item while it is registered and not cancelled, if its trade or its
registration names the item, or a fact of its own does. Its stratum is its grade in force under the
item, else its public one; a watch list or a high risk moves it to C, since such a business is to be
looked at more often whatever its record says. Everything here is a function of the records known.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import msgspec

from models.gap import Grades
from models.ledger import Facts, list_span, resolve
from models.records import (
    DRAWN,
    INSPECTION,
    LISTED,
    LISTS,
    PLANS,
    RECORD,
    STRATA,
    WHOLE_SUBJECT,
)
from models.scorecard import UNGRADED, Card
from models.subject import OPEN, Profile, Subject

_C = STRATA.index("C")


class Place(NamedTuple):
    """Where a business stands in the pool of an item."""

    stratum: int
    """Index into `STRATA`."""
    raised: str
    """What moved it to C: a list or a rule; "" = its grade stands."""
    resting: bool
    """Whether it was inspected or drawn as often as its stratum allows, and is not drawn now."""


class Candidate(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One that may be drawn. Ordered by `rank`, a hash [16 hex characters], then by code."""

    rank: str
    subject: str
    name: str
    district: str
    raised: str = ""


class Part(msgspec.Struct, frozen=True, array_like=True):
    """What one shard has in the pool: for each of `STRATA`, how many may be drawn, how many rest,
    and the first candidates; and how many businesses fit but were never registered with us."""

    eligible: list[int]
    resting: list[int]
    candidates: list[list[Candidate]]
    unregistered: int = 0


class Pool:
    """The pool of an item [code] on a civil day, of the city or of one district."""

    def __init__(self, item: int, card: Card, day: int, district: str = "") -> None:
        self.item, self.card, self.day, self.district = item, card, day, district
        self._id = card.item_ids[item]
        self._trades = tuple(code for of, code in card.policy.inspections.industries
                             if of == self._id)
        # Looked for in packed registrations: most businesses are out without being unpacked.
        self._words = tuple(word.encode() for word in (self._id, *self._trades))

    def place(self, subject: Subject) -> tuple[Place, Profile] | None:
        """Where a business stands in it; None = outside. Cost: 0.6 us outside, 8 to 30 us inside.
        """
        if subject.cancelled_day and subject.cancelled_day <= self.day:
            return None
        packed = subject.profile
        named = any(word in packed for word in self._words)
        if not named and not _mentions(subject, self.item):
            return None
        profile = subject.registration()
        if profile is None or (self.district and profile.district != self.district):
            return None
        named = self._id in profile.items or profile.industry.startswith(self._trades)
        facts = resolve(subject.facts, self.card.offset_ms)
        if not named and not _is_object(subject, facts, self.item):
            return None
        stratum, raised = _stratum(subject, facts, self.item, self.card, self.day)
        return Place(stratum, raised, _rests(facts, self.item, stratum, self.card,
                                             self.day)), profile

    def unregistered(self, subject: Subject) -> bool:
        """Whether facts of the item are known of a code that nobody ever registered."""
        return (not subject.profile and subject.is_business and _mentions(subject, self.item)
                and _is_object(subject, resolve(subject.facts, self.card.offset_ms), self.item))


def _mentions(subject: Subject, item: int) -> bool:
    """Whether anything kept of a business bears the item, quickly."""
    if _has_device(subject, item):
        return True
    # The code's two bytes, anywhere: few records need a look.
    return item.to_bytes(2, "little") in subject.facts and any(
        row[6] == item for row in RECORD.iter_unpack(subject.facts))


def _has_device(subject: Subject, item: int) -> bool:
    return subject.devices is not None and any(of == item for of, _, _ in subject.devices)


def _is_object(subject: Subject, facts: Facts, item: int) -> bool:
    """Whether a fact that stands, or a device, shows that the item concerns the business. That it
    was drawn does not, nor a complaint, which anybody can make."""
    return _has_device(subject, item) or any(
        f.item == item and not f.revoked and f.type != DRAWN and f.parent is None
        for f in facts.by_key.values())


def _stratum(subject: Subject, facts: Facts, item: int, card: Card, day: int) -> tuple[int, str]:
    grades = Grades(subject, facts, card)
    held = grades.at(item, day) or grades.at(WHOLE_SUBJECT, day)
    grade = held.grade if held is not None else UNGRADED
    if _C <= grade < UNGRADED:
        return grade, ""
    return next(((_C, why) for why in _reasons(subject, facts, card, day)), (grade, ""))


def _reasons(subject: Subject, facts: Facts, card: Card, day: int) -> Iterable[str]:
    policy = card.policy.inspections.raised
    for fact in facts.by_type.get(LISTED, ()):
        start, stop = list_span(fact)
        if LISTS[fact.variant] in policy.lists and start <= day < stop:
            yield LISTS[fact.variant]
    for alert in (subject.alerts or {}).values():
        if alert.rule in policy.rules and alert.state in OPEN:
            yield alert.rule


def _rests(facts: Facts, item: int, stratum: int, card: Card, day: int) -> bool:
    """Whether it was drawn and waits to be inspected, or had all the inspections that its stratum
    takes in the policy's months. An inspection that answers a draw is counted once."""
    policy = card.policy.inspections
    drawn = [f for f in facts.by_type.get(DRAWN, ()) if f.item == item and not f.revoked]
    done = [f for f in facts.by_type.get(INSPECTION, ())
            if f.item == item and not f.revoked and f.day <= day]
    answered = {f.of for f in done if f.of}
    if any(f.of not in answered and f.day <= day < f.day + policy.waiting_d for f in drawn):
        return True
    rule = policy.strata()[stratum]
    if not rule.times:
        return False
    own = {f.of for f in drawn}
    days = [f.day for f in drawn if f.of in answered] + [
        f.day for f in done if PLANS[f.day1] in policy.counted and f.of not in own]
    return sum(card.months_after(at, rule.months) > day for at in days) >= rule.times

