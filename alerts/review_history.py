"""What happened in one grade-gap review, along the facts' own days. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from alerts.pairs import days
from models.gap import Assigned, Episode, Grades, InForce, episodes, review_id
from models.ledger import Fact
from models.records import ANSWERED, identity


class Moved(NamedTuple):
    """A grade in force that became another one on a day; None = ungraded."""

    day: int
    item: int
    was: InForce | None
    now: InForce | None


def episode_of(grades: Grades, id: str, day: int) -> Episode | None:
    """The gap episode of a review; None when the facts no longer know it."""
    found = (e for e in episodes(grades, day) if review_id(grades.subject, e.number) == id)
    return next(found, None)


def moves(grades: Grades, episode: Episode, day: int) -> list[Moved]:
    """Grades that changed from the day a gap opened to the day it was gone, or to today."""
    out = []
    before = grades.vector(episode.start - 1)
    for at in days(grades, episode.start, min(day, episode.ended or day)):
        vector = grades.vector(at)
        for item in sorted({*before, *vector}):
            was, now = before.get(item), vector.get(item)
            if (was and (was.grade, was.source)) != (now and (now.grade, now.source)):
                out.append(Moved(at, item, was, now))
        before = vector
    return out


def answers(acts: Iterable[Fact], id: str) -> list[Fact]:
    """Answers to a review."""
    mark = identity("review", id)
    return [f for f in acts if f.type == ANSWERED and f.of == mark]


def became(grades: Grades, answer: Fact) -> list[Assigned]:
    """The grades an answer assigned."""
    return [a for a in grades.assigned if a.fact.key == answer.key]
