"""Grades in force, and how far they lie apart (MID-25: two levels or more -> one review).

The gap is followed along the facts' own days, like the grades: its episodes, and so the identity
of a review, do not depend on the order of arrival.
"""

from __future__ import annotations

from typing import NamedTuple

import xxhash

from models.grade import STEP
from models.ledger import FOREVER, Fact, Facts, list_span
from models.records import (
    ANSWERED,
    ASSIGNED,
    ISSUERS,
    LISTED,
    NO_GRADE,
    WHOLE_SUBJECT,
    identity,
)
from models.scorecard import UNGRADED, Card
from models.subject import Subject

REVIEWS_MAX = 64
"""Reviews of one subject whose answers still count: one a month for five years."""


PUBLIC = "public"
"""What the comprehensive grade is called beside the departments."""


class InForce(NamedTuple):
    grade: int
    source: str
    """computed · direct · assigned."""
    since: int
    """Day it came into force."""
    fact: Fact | None
    """The assignment or the listing it rests on."""


class Assigned(NamedTuple):
    item: int
    issuer: int
    grade: int
    start: int
    stop: int
    fact: Fact


def review_id(subject: str, number: int) -> str:
    """Identity of a subject's review, by the number of its gap episode."""
    return f"review-{xxhash.xxh3_128_hexdigest(f'review|{subject}|{number}'.encode())[:20]}"


class Grades:
    """All grades of one subject over time, from its paths, listings and assignments."""

    def __init__(self, subject: Subject, facts: Facts, card: Card) -> None:
        self.card = card
        self.paths: dict[int, list[tuple[int, int]]] = {}
        for code, day, grade in STEP.iter_unpack(subject.path):
            self.paths.setdefault(code, []).append((day, grade))
        self.direct = sorted(
            (*list_span(f), f.key, f) for f in facts.by_type.get(LISTED, ())
            if f.variant in card.direct and list_span(f)[0])
        self.subject = subject.key
        self.assigned = self._assigned(facts) if ASSIGNED in facts.by_type or facts.acts else []
        self.items = sorted({*self.paths, *(a.item for a in self.assigned)})

    def _assigned(self, facts: Facts) -> list[Assigned]:
        """Assignments, each until it ends or its issuer's next one for that item starts."""
        card = self.card
        raw: list[tuple[int, int, int, int, Fact, int]] = []
        for f in facts.by_type.get(ASSIGNED, ()):
            if not f.revoked:
                stop = f.day1 + 1 if f.day1 else FOREVER
                if f.closed_day:
                    stop = min(stop, f.closed_day)
                raw.append((f.item, f.variant >> 3, f.time, f.key, f, stop))
        given = {r[0] for r in raw}
        own = {identity("review", review_id(self.subject, n)) for n in range(REVIEWS_MAX)} if (
            facts.acts) else set()
        for f in facts.acts:
            if f.type != ANSWERED or f.of not in own:
                continue
            # A department that adjusts its grade in a review has assigned it.
            if f.variant & 8 and f.variant & 7 != NO_GRADE:
                # Its items are those it was graded for, by the facts or by itself.
                raw.extend((item, 0, f.time, f.key, f, FOREVER)
                           for item in sorted({*self.paths, *given}) if item
                           and card.department_codes[card.department_of[item]] == f.extra)
        raw.sort(key=lambda r: r[:4])
        out = []
        for n, (item, issuer, _, _, f, stop) in enumerate(raw):
            if n + 1 < len(raw) and raw[n + 1][:2] == (item, issuer):
                stop = min(stop, raw[n + 1][4].day)
            if f.day < stop:
                out.append(Assigned(item, issuer, f.variant & 7, f.day, stop, f))
        return out

    def at(self, item: int, day: int) -> InForce | None:
        """Grade in force of an item (0 = public) on a day; None = ungraded.

        The department's own grade first, then a direct rule, then the computed grade.
        """
        allowed = self.card.policy.gap.issuers
        best: Assigned | None = None
        for a in self.assigned:
            if (a.item == item and a.start <= day < a.stop and ISSUERS[a.issuer] in allowed
                    and (best is None or a.issuer < best.issuer)):
                best = a
        if best is not None:
            return InForce(best.grade, "assigned", best.start, best.fact)
        path = self.paths.get(item)
        for start, stop, _, f in self.direct:
            if start <= day < stop and (path or item == WHOLE_SUBJECT):
                return InForce(3, "direct", start, f)
        grade, since = UNGRADED, 0
        for step_day, step in path or ():
            if step_day <= day:
                grade, since = step, step_day
        return None if grade == UNGRADED else InForce(grade, "computed", since, None)

    def vector(self, day: int) -> dict[int, InForce]:
        """Every grade in force on a day, by item code."""
        items = self.items if self.items or not self.direct else [WHOLE_SUBJECT]
        out = {}
        for item in items:
            held = self.at(item, day)
            if held is not None:
                out[item] = held
        return out

    def levels(self, day: int) -> int:
        """Largest distance between two grades in force on a day."""
        held = [g.grade for g in self.vector(day).values()]
        return max(held) - min(held) if held else 0

    def widest(self) -> int:
        """Bound on the distance between two grades at any time: most need no closer look."""
        held = [grade for path in self.paths.values() for _, grade in path if grade != UNGRADED]
        held += [a.grade for a in self.assigned]
        if self.direct:
            held.append(3)
        return max(held) - min(held) if held else 0

    def outside(self) -> list[int]:
        """Days on which listings and assignments start and end, which no path tells of."""
        days = [d for start, stop, _, _ in self.direct for d in (start, stop)]
        return days + [d for a in self.assigned for d in (a.start, a.stop)]

    def breaks(self) -> list[int]:
        """Every day on which a grade in force may change."""
        days = {day for path in self.paths.values() for day, _ in path}
        days.update(self.outside())
        return sorted(d for d in days if d < FOREVER)


class Episode(NamedTuple):
    """A time during which grades lay apart, pauses shorter than the policy's window included."""

    number: int
    start: int
    ended: int
    """Day the gap was gone; 0 = it is there."""


def episode(grades: Grades, day: int) -> Episode | None:
    """The last gap episode up to a day; None when there never was one."""
    return next(iter(reversed(episodes(grades, day))), None)


def episodes(grades: Grades, day: int) -> list[Episode]:
    """The gap episodes up to a day, numbered from 0.

    A number rather than a start day names a review: a late fact that moves the start by a few days
    must not open a second review for the same matter.
    """
    rule = grades.card.policy.gap
    out: list[Episode] = []
    if grades.widest() < rule.levels:
        return out
    for at in grades.breaks():
        if at > day:
            break
        apart = grades.levels(at) >= rule.levels
        current = out[-1] if out else None
        if apart and (current is None or (current.ended and at - current.ended > rule.merge_d)):
            out.append(Episode(len(out), at, 0))
        elif apart and current is not None and current.ended:
            out[-1] = current._replace(ended=0)
        elif not apart and current is not None and not current.ended:
            out[-1] = current._replace(ended=at)
    return out


def parties(grades: dict[int, int], card: Card) -> dict[str, tuple[int, int]]:
    """Best and worst grade of each department, and of `public`, from grades by item code."""
    out: dict[str, tuple[int, int]] = {}
    for item, grade in grades.items():
        name = card.department_of[item] or PUBLIC
        best, worst = out.get(name, (grade, grade))
        out[name] = min(best, grade), max(worst, grade)
    return dict(sorted(out.items()))


def distance(a: tuple[int, int], b: tuple[int, int]) -> int:
    """Levels by which two parties lie apart at most.

    Examples
    --------
    >>> distance((0, 1), (2, 2)), distance((3, 3), (1, 2))
    (2, 2)
    """
    return max(a[1] - b[0], b[1] - a[0])


def extremes(vector: dict[int, InForce]) -> tuple[int, int]:
    """Item codes of the best and the worst grade in force; ties by item code, public last."""
    order = sorted(vector, key=lambda i: (i == WHOLE_SUBJECT, i))
    return min(order, key=lambda i: vector[i].grade), max(order, key=lambda i: vector[i].grade)


def involved(vector: dict[int, InForce], levels: int) -> list[int]:
    """Items whose grade lies `levels` or more from another one in force."""
    held = [g.grade for g in vector.values()]
    low, high = min(held), max(held)
    return [i for i in sorted(vector)
            if vector[i].grade - low >= levels or high - vector[i].grade >= levels]
