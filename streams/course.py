"""How a subject's two scores went over time, by the engine itself, with the facts that moved them.

Computed from today's knowledge of the facts, as the grades' history is: what was taken back leaves
no trace, and what came late counts from its own day.
"""

from __future__ import annotations

from models.calendar import from_date, to_date
from models.ledger import FOREVER, Segment, segments
from models.score import score
from models.scorecard import Card
from streams.look import Look, Row
from streams.show import iso_day

YEARS = 3
"""How far back it goes."""
DAYS_MAX = 200
"""Days looked at: the first of each month, and those on which the costliest facts came or went."""
MARKS_MAX = 60
"""Facts marked on it: the costliest."""


def course(look: Look) -> Row | None:
    """The two scores of the whole subject; None while nothing is known of it.

    Returns
    -------
    `days` (ISO dates, ascending), `credit` and `risk` (points, as many), and `marks`: facts with
    their `day`, the `points` they brought on it and the `score` then, whether `record` is public or
    internal, and everything `Look.row` says. About 0.1 ms a day looked at, with a few dozen facts.
    """
    view, group = look.view, look.subject.group
    # What lies ahead (a matter that will be overdue) has moved nothing yet.
    events = [(s, public) for segments_, public in ((view.public, True), (view.internal, False))
              for s in segments_ if s.start <= look.day]
    if not events:
        return None
    first = max(min(s.start for s, _ in events) - 1, _years_before(look.day))
    tables = look.card.points[group]
    came = sorted(((tables[s.indicator][s.step][min(s.start - s.origin, s.stop - 1 - s.origin)],
                    s, public) for s, public in events),
                  key=lambda x: (-abs(x[0]), x[1].start, x[1].fact.key))
    days = _days(first, look.day, [s for _, s, _ in came])
    credit, risk = dict[int, int](), dict[int, int]()
    for card, start, end in look.timeline.spans(first, look.day):
        wanted = [d for d in days if start <= d <= end]
        if wanted:
            _scores(look, card, wanted, credit, risk)
    marks = []
    for milli, s, public in came[:MARKS_MAX]:
        if s.start >= first and milli:
            marks.append({**look.row(s.fact), "day": iso_day(s.start), "points": milli / 1000,
                          "record": "public" if public else "internal",
                          "score": risk[s.start] / 1000 if s.start in risk else None})
    marks.sort(key=lambda m: (m["day"], m["key"]))
    return {"days": [iso_day(d) for d in days], "credit": [credit[d] / 1000 for d in days],
            "risk": [risk[d] / 1000 for d in days], "marks": marks}


def _scores(look: Look, card: Card, days: list[int], credit: dict[int, int],
            risk: dict[int, int]) -> None:
    public = segments(look.view.facts, card, public=True)
    internal = (segments(look.view.facts, card, public=False)
                + segments(look.view.signals, card, public=False))
    for day in days:
        found = score(public, internal, day, card, look.subject.group)
        credit[day], risk[day] = found.credit, found.risk


def _days(first: int, last: int, came: list[Segment]) -> list[int]:
    """The days to look at: eve and day of each change, the weightiest first while there is room."""
    days = {first, last}
    at = to_date(first)
    while (day := from_date(at)) <= last:
        if day >= first:
            days.add(day)
        at = at.replace(year=at.year + at.month // 12, month=at.month % 12 + 1, day=1)
    for s in came:
        if len(days) >= DAYS_MAX:
            break
        days.update(d for d in (s.start - 1, s.start, s.stop - 1, s.stop)
                    if first <= d <= last and d < FOREVER)
    return sorted(days)


def _years_before(day: int) -> int:
    at = to_date(day)
    return from_date(at.replace(year=at.year - YEARS, day=min(at.day, 28)))

