"""Grades: bands over the credit score, walked along the facts' own days.

A grade has memory (two-sided hysteresis), so it is a path, not a point: `walk` follows the score
from day to day, not from arrival to arrival. A late fact therefore rewrites the path from its own
day on, and every order of arrival ends on the same path.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from models.ledger import FOREVER, Segment
from models.records import GRADES
from models.scorecard import UNGRADED, Card

STEP = struct.Struct("<HiB")
"""One change of a computed grade: item code, day, grade 0..3 (A..D)."""
TOLD = struct.Struct("<HB")
"""A grade in force: item code, grade."""


class Walk(NamedTuple):
    steps: list[tuple[int, int]]
    """(day, grade) changes within the walk, first to last."""
    next_day: int
    """First later day on which the grade may change by the passing of time alone; 0 = never."""


def band(score: int, card: Card) -> int:
    """Grade of a score [thousandths] on which no earlier grade bears."""
    a, b, c = card.floors
    return 0 if score >= a else 1 if score >= b else 2 if score >= c else 3


def hold(grade: int, score: int, card: Card) -> int:
    """Grade after `grade` at `score`: it moves only when a band is left by more than the margin.

    Examples
    --------
    With floors 650/550/450 and margin 10: an A falls at 639.999, a B rises at 660.
    """
    margin = card.margin
    if grade < 3 and score < card.floors[grade] - margin:
        return band(score + margin, card)
    if grade > 0 and score >= card.floors[grade - 1] + margin:
        return band(score - margin, card)
    return grade


def total(segments: list[Segment], day: int, tables: list[list[list[int]]]) -> int:
    """Sum of the points [thousandths] of all segments on `day`."""
    points = 0
    for indicator, step, _, start, stop, origin, _ in segments:
        if start <= day < stop:
            points += tables[indicator][step][day - origin]
    return points


def clip(score: int) -> int:
    return 0 if score < 0 else 1_000_000 if score > 1_000_000 else score


def graded_since(segments: list[Segment], least: int) -> int:
    """First day with at least `least` distinct public facts; FOREVER when there are fewer."""
    if len(segments) < least:
        return FOREVER
    if least == 1:
        return min(s.start for s in segments)
    first: dict[int, int] = {}
    for s in segments:
        first[s.fact.key] = min(s.start, first.get(s.fact.key, FOREVER))
    days = sorted(first.values())
    return days[least - 1] if len(days) >= least else FOREVER


def walk(segments: list[Segment], item: int, card: Card, group: int, grade: int, start: int,
         end: int) -> Walk:
    """Follow the grade from `start` (where it was `grade` the day before) through `end`.

    Parameters
    ----------
    segments
        All public segments that count for the item: its own and those of the whole subject.
    item
        Its code. An item is graded from its own first evidence on (0 = public: from any).
    group
        Row of `scorecard.GROUPS`: the subject's kind.
    grade
        0..3, or `UNGRADED` before there was evidence.
    start, end
        Civil days, inclusive.

    Returns
    -------
    The changes in [start, end], and the next day after `end` that must be looked at. Between two
    breakpoints (a fact starting or stopping) a score can only rise, since only bad
    evidence decays; the day of a rise is found by bisection.
    """
    own = segments if not item else [s for s in segments if s.item == item]
    since = graded_since(own, card.evidence_min)
    tables = card.points[group]
    base = card.base[group]
    breaks = {start}
    for s in segments:
        breaks.add(s.start)
        breaks.add(s.stop)
    breaks.add(since)
    days = sorted(d for d in breaks if start <= d < FOREVER)
    steps: list[tuple[int, int]] = []
    for n, day in enumerate(days):
        if day < since:
            grade = UNGRADED if day <= end else grade
            continue
        until = days[n + 1] if n + 1 < len(days) else FOREVER
        while True:
            score = clip(base + total(segments, day, tables))
            new = band(score, card) if grade == UNGRADED else hold(grade, score, card)
            if new != grade:
                if day > end:
                    return Walk(steps, day)
                steps.append((day, new))
                grade = new
            if grade == 0 or until - day < 2:
                break
            rise = _rise(segments, tables, base, card, grade, day, until)
            if not rise:
                break
            day = rise
    return Walk(steps, 0)


def _rise(segments: list[Segment], tables: list[list[list[int]]], base: int, card: Card,
          grade: int, day: int, until: int) -> int:
    """First day in (day, until) on which decay alone lifts the grade; 0 = none."""
    live = [s for s in segments if s.start <= day < s.stop]
    if not live:
        return 0
    # Nothing changes after the last table has run out, so the search is bounded by it.
    low, high = day, min(until - 1, max(s.stop for s in live) - 1)
    need = card.floors[grade - 1] + card.margin
    if high <= low or clip(base + total(live, high, tables)) < need:
        return 0
    while high - low > 1:
        middle = (low + high) // 2
        if clip(base + total(live, middle, tables)) >= need:
            high = middle
        else:
            low = middle
    return high


def letter(grade: int) -> str:
    return "ungraded" if grade == UNGRADED else GRADES[grade]
