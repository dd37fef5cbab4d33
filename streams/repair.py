"""What a subject can have repaired, from when, and which repairs lift its public grade.

Arithmetic on the real engine: a repair ends a fact's segments on its day, and the grade is walked
again over what is left. Pure.
"""

from __future__ import annotations

from typing import NamedTuple

from alerts.rules import View
from models.grade import walk
from models.ledger import FOREVER, Fact, Segment, publicity
from models.records import PENALTY, WHOLE_SUBJECT
from models.scorecard import UNGRADED

CONSIDERED_MAX = 40
"""Repairs a path is sought among: the costliest. More would only make the answer slow."""


class Repair(NamedTuple):
    """A public fact that costs points and may be repaired from `day` on."""

    fact: Fact
    day: int
    """First civil day a repair may be applied for; may lie in the past."""
    milli: int
    """Points [thousandths] it costs on the view's day, as a positive number."""


class Path(NamedTuple):
    """The fewest repairs, in that order, after which the public grade is better."""

    grade: int
    day: int
    """Earliest day of the better grade."""
    steps: list[Repair]
    """Empty: the grade rises by the passing of time alone."""


def repairable(view: View) -> list[Repair]:
    """Every fact of the public record that costs points today, the earliest possible first.

    A penalty waits for the least time of its publicity; all others may be repaired as soon as they
    are put right.
    """
    card, day = view.card, view.day
    tables = card.points[view.subject.group]
    costs: dict[int, int] = {}
    facts: dict[int, Fact] = {}
    for s in view.public:
        if s.start <= day < s.stop:
            milli = tables[s.indicator][s.step][day - s.origin]
            if milli < 0:
                facts[s.fact.key] = s.fact
                costs[s.fact.key] = costs.get(s.fact.key, 0) - milli
    out = [Repair(fact, _first_day(fact, view), costs[key]) for key, fact in facts.items()]
    return sorted(out, key=lambda r: (r.day, -r.milli, r.fact.key))


def _first_day(fact: Fact, view: View) -> int:
    if fact.type != PENALTY:
        return view.day
    origin = min(fact.day2, fact.day) if fact.day2 else fact.day
    return publicity(view.card, fact.variant, origin)[0]


def path(view: View, repairs: list[Repair]) -> Path | None:
    """How the public grade gets better soonest; None when it is A or nothing here would do.

    Repairs are added by date until the grade rises, then every one that was not needed is left
    out again, the cheapest first.
    """
    now = view.grades.at(WHOLE_SUBJECT, view.day)
    if now is None or now.grade == 0:
        return None
    current = _grade_on(view, {}, view.day)
    if current in (0, UNGRADED):
        return None
    costly = sorted(repairs, key=lambda r: (-r.milli, r.fact.key))[:CONSIDERED_MAX]
    known = [r for r in repairs if r in costly]
    natural = walk(view.public, WHOLE_SUBJECT, view.card, view.subject.group,
                   view.subject.grade_at(WHOLE_SUBJECT, view.day - 1), view.day, view.day)
    days = {max(r.day, view.day) for r in known}
    days.update(stop for _, stop, _, _ in view.grades.direct if view.day < stop < FOREVER)
    if natural.next_day:
        days.add(natural.next_day)
    for day in sorted(days):
        chosen = [r for r in known if r.day <= day]
        if _grade_on(view, _ends(view, chosen), day) < current:
            return _fewest(view, chosen, day, current)
    return None


def _fewest(view: View, chosen: list[Repair], day: int, current: int) -> Path:
    for repair in sorted(chosen, key=lambda r: (r.milli, -r.day, r.fact.key)):
        fewer = [r for r in chosen if r is not repair]
        if _grade_on(view, _ends(view, fewer), day) < current:
            chosen = fewer
    return Path(_grade_on(view, _ends(view, chosen), day), day, chosen)


def _ends(view: View, chosen: list[Repair]) -> dict[int, int]:
    """Day on which each repaired fact ends, by identity."""
    return {r.fact.key: max(r.day, view.day) for r in chosen}


def _grade_on(view: View, ends: dict[int, int], day: int) -> int:
    """Public grade of the engine on a day, direct rules included, if those facts ended then."""
    for start, stop, key, _ in view.grades.direct:
        if start <= day < min(stop, ends.get(key, FOREVER)):
            return 3
    grade = view.subject.grade_at(WHOLE_SUBJECT, view.day - 1)
    left = [_ended(s, ends) for s in view.public] if ends else view.public
    steps = walk([s for s in left if s.start < s.stop], WHOLE_SUBJECT, view.card,
                 view.subject.group, grade, view.day, day).steps
    return steps[-1][1] if steps else grade


def _ended(segment: Segment, ends: dict[int, int]) -> Segment:
    end = ends.get(segment.fact.key, FOREVER)
    return segment._replace(stop=end) if end < segment.stop else segment
