"""Between which parties of a grade-gap review the grades lie apart, and what ended it. Pure.

Parties are the departments that grade a business, and `public`. Everything is followed along the
facts' own days, like the gap itself.
"""

from __future__ import annotations

from itertools import combinations, combinations_with_replacement
from typing import NamedTuple

from alerts.rules import Review
from models.gap import PUBLIC, Grades, InForce, distance, parties
from models.ledger import Fact
from models.records import ANSWERED, ASSIGNED, ISSUERS, WHOLE_SUBJECT
from models.scorecard import Card


class Course(NamedTuple):
    """How it went between two parties of one review (`storage.effects.PairGap`)."""

    a: str
    b: str
    start: int
    ended: int
    end: str


def shared(grades: dict[int, int], card: Card) -> list[tuple[str, str, bool]]:
    """Every two departments that grade a business, and whether they lie apart.

    Parameters
    ----------
    grades
        Grades in force, 0 to 3, by item code.
    """
    if len(grades) < 2:
        return []
    held = parties({i: g for i, g in grades.items() if i != WHOLE_SUBJECT}, card)
    levels = card.policy.gap.levels
    return [(a, b, distance(held[a], held[b]) >= levels) for a, b in combinations(held, 2)]


def courses(grades: Grades, review: Review, day: int) -> list[Course]:
    """Every two parties that lay apart since a review was opened, by name.

    Parameters
    ----------
    day
        Today: later changes are not known yet. Two that come apart again count from their first
        day, since the review is the same.
    """
    card = grades.card
    found: dict[tuple[str, str], Course] = {}
    last = min(day, review.ended or day)
    before: dict[int, InForce] = {}
    for at in days(grades, review.start, last):
        vector = grades.vector(at)
        held = parties({i: g.grade for i, g in vector.items()}, card)
        apart = {(a, b) for a, b in combinations_with_replacement(held, 2)
                 if distance(held[a], held[b]) >= card.policy.gap.levels}
        for a, b in apart:
            start = found[a, b].start if (a, b) in found else at
            found[a, b] = Course(a, b, start, 0, "open")
        for key, course in found.items():
            if key not in apart and not course.ended:
                found[key] = course._replace(
                    ended=at, end=_ended_by(course, before, vector, at, card))
        before = vector
    answered = {card.department_names[f.extra] for f in review.answers} | {PUBLIC}
    return [c._replace(end="kept") if not c.ended and {c.a, c.b} <= answered else c
            for _, c in sorted(found.items())]


def undone(departments: list[str], start: int, ended: int, adjusted: set[str]) -> Course:
    """What is left of a gap that the facts no longer know: its two ends.

    Parameters
    ----------
    departments
        Of the best and the worst grade; "" = the public one.
    adjusted
        Departments whose answer to the review gave another grade: on the day it was opened that
        leaves no day on which the grades lay apart.
    """
    a, b = sorted(d or PUBLIC for d in departments)
    end = "a" if a in adjusted else "b" if b in adjusted else "facts"
    return Course(a, b, start, ended, end)


def days(grades: Grades, first: int, last: int) -> list[int]:
    """The days of a span on which a grade in force may change, its first one included."""
    return sorted({first, *(d for d in grades.breaks() if first <= d <= last)})


def own_act(held: InForce | None, at: int) -> Fact | None:
    """The department's own grade or answer, if that is what an item's grade rests on since a day.
    """
    if held is None or held.source != "assigned" or held.since != at or held.fact is None:
        return None
    fact = held.fact
    if fact.type == ASSIGNED and ISSUERS[fact.variant >> 3] != "department":
        return None
    assert fact.type in (ASSIGNED, ANSWERED)
    return fact


def _ended_by(course: Course, before: dict[int, InForce], now: dict[int, InForce], at: int,
              card: Card) -> str:
    """a, b or facts."""
    acts: list[tuple[int, int, str]] = []
    for item, held in now.items():
        party = card.department_of[item] or PUBLIC
        fact = own_act(held, at) if party in (course.a, course.b) else None
        if fact is not None and before.get(item) != held:
            acts.append((fact.time, fact.key, "a" if party == course.a else "b"))
    return min(acts)[2] if acts else "facts"
