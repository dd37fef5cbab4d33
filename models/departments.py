"""What the records of one business say of the departments that keep them, by quarter.

`count` is a function of the set of records and the day alone, so sums of it over businesses are
right after reversals, late arrivals and in any order. `Total` adds them up.

A quarter is a number: 4 * year + 0..3. Acts count in the quarter of their decision, inspections and
records in that of their own day.
"""

from __future__ import annotations

import datetime as dt
from functools import lru_cache
from typing import NamedTuple, TypeAlias

from models.calendar import from_date, to_date
from models.grade import STEP
from models.ledger import Fact, Facts
from models.records import (
    ACT,
    ACTS,
    ALERT_ACTS,
    ASSIGNED,
    INSPECTION,
    PENALTY,
    WHOLE_SUBJECT,
)
from models.scorecard import UNGRADED, Card

Key: TypeAlias = tuple[str, int, str]
"""(department, quarter, what is counted)."""

ON_TIME, LATE, OVERDUE, WAITING = "on_time", "late", "overdue", "waiting"
STATES = (ON_TIME, LATE, OVERDUE, WAITING)
"""Of something with a deadline: done by it, done after it, not done and past it, not yet due."""
FIRST_YEAR = 1990
"""Quarters are marked in a mask from here on; what lies before is marked there."""
_ANSWERS = frozenset(code for code, name in ALERT_ACTS.items()
                     if name in ("acknowledged", "assigned", "closed"))
_INSPECTED, _FOUND = 2, (1, 2)
"""Results up to this one were carried out; those that found something wrong."""


@lru_cache(maxsize=20_000)
def quarter_of(day: int) -> int:
    """Quarter of a civil day number.

    Examples
    --------
    >>> named(quarter_of(0)), named(quarter_of(89)), named(quarter_of(90))
    ('1970Q1', '1970Q1', '1970Q2')
    """
    date = to_date(day)
    return 4 * date.year + (date.month - 1) // 3


def first_day(quarter: int) -> int:
    """Its first civil day number.

    Examples
    --------
    >>> first_day(quarter_of(90)), quarter_of(first_day(8106)), quarter_of(first_day(8106) - 1)
    (90, 8106, 8105)
    """
    return from_date(dt.date(quarter // 4, quarter % 4 * 3 + 1, 1))


def named(quarter: int) -> str:
    """A quarter as people write it."""
    return f"{quarter // 4}Q{quarter % 4 + 1}"


def numbered(text: str) -> int | None:
    """The inverse of `named`; None for what names no quarter.

    Examples
    --------
    >>> numbered("2026Q3"), numbered("2026Q5")
    (8106, None)
    """
    year, _, part = text.strip().upper().partition("Q")
    if not (year.isascii() and year.isdigit() and len(year) == 4 and part in ("1", "2", "3", "4")):
        return None
    return 4 * int(year) + int(part) - 1


def state_of(done_day: int, due_day: int, day: int) -> str:
    """How a deadline was kept, as of a day; `done_day` 0 = not done."""
    if done_day:
        return ON_TIME if done_day <= due_day else LATE
    return OVERDUE if day > due_day else WAITING


def mask_of(first: int, last: int) -> int:
    """Bits of the quarters from one to another, both included; 0 where there are none."""
    low = max(first - 4 * FIRST_YEAR, 0)
    high = max(last - 4 * FIRST_YEAR, 0)
    return (1 << (high + 1)) - (1 << low) if last >= first else 0


def has(mask: int, quarter: int) -> bool:
    """Whether a quarter is marked in a mask."""
    return bool(mask >> max(quarter - 4 * FIRST_YEAR, 0) & 1)


class Counted(NamedTuple):
    """What one business adds.

    `sums` by key; `newest` (department, "record" or "grade") -> moment of the newest [epoch ms];
    `graded`, `inspected` item code -> mask of the quarters in which some business has a grade
    there, and in which an inspection result came in; `answers` identity of an alert -> moments at
    which somebody did something about it [epoch ms].
    """

    sums: dict[Key, int]
    newest: dict[tuple[str, str], int]
    graded: dict[int, int]
    inspected: dict[int, int]
    answers: dict[int, set[int]]


def count(facts: Facts, signals: Facts, path: bytes, card: Card, day: int) -> Counted:
    """What a business' records say on a day. Cost about 1 us a record.

    Parameters
    ----------
    path
        Its changes of grade (`Subject.path`).
    card
        In force: names the items' departments, counts working days.

    Acts are those that must be public within `due_workdays` (`alerts.matters`, SUP-07): ten kinds,
    minor penalties left out. What was revoked never was.
    """
    out = Counted({}, {}, {}, {}, {})
    sums, department_of = out.sums, card.department_of
    for known in (facts, signals):
        for fact in known.by_key.values():
            department = department_of[fact.item]
            if not department or fact.day > day:
                continue
            _add(sums, department, quarter_of(fact.day), "records")
            _newest(out.newest, (department, "record"), fact.time)
        for fact in known.acts:
            if fact.type in _ANSWERS:
                out.answers.setdefault(fact.of, set()).add(fact.time)
    due_workdays = card.policy.rules.publication_overdue.due_workdays
    for type_ in (ACT, INSPECTION, PENALTY):
        for fact in facts.by_type.get(type_, ()):
            decided = fact.day2 or fact.day
            if fact.revoked or decided > day or (type_ == PENALTY and not fact.variant):
                continue
            kind = ACTS[fact.variant] if type_ == ACT else (
                "penalty" if type_ == PENALTY else "inspection")
            state = state_of(fact.published_day, card.workday(decided, due_workdays), day)
            _add(sums, department_of[fact.item], quarter_of(decided), f"act.{kind}.{state}")
    for fact in facts.by_type.get(INSPECTION, ()):
        if not fact.revoked and fact.day <= day:
            _inspection(out, fact, department_of[fact.item])
    for fact in facts.by_type.get(ASSIGNED, ()):
        if not fact.revoked and fact.item != WHOLE_SUBJECT and fact.day <= day:
            _newest(out.newest, (department_of[fact.item], "grade"), fact.time)
            last = min(x for x in (fact.day1 or day, fact.closed_day or day, day))
            _mark(out.graded, fact.item, quarter_of(fact.day), quarter_of(last))
    _graded(out.graded, path, day)
    return out


def _inspection(out: Counted, fact: Fact, department: str) -> None:
    quarter = quarter_of(fact.day)
    result = fact.variant & 7
    _add(out.sums, department, quarter, "inspections")
    if result <= _INSPECTED:
        _add(out.sums, department, quarter, "inspections_done")
    if result in _FOUND:
        _add(out.sums, department, quarter, "inspections_found")
    _mark(out.inspected, fact.item, quarter, quarter)


def _graded(masks: dict[int, int], path: bytes, day: int) -> None:
    """Marks the quarters in which the computed grade of each item is one."""
    held: dict[int, int] = {}
    for item, since, grade in STEP.iter_unpack(path):
        if item == WHOLE_SUBJECT or since > day:
            continue
        start = held.pop(item, None)
        if start is not None:
            # Until the day before: that may lie in the quarter before.
            _mark(masks, item, quarter_of(start), quarter_of(max(since - 1, start)))
        if grade != UNGRADED:
            held[item] = since
    for item, start in held.items():
        _mark(masks, item, quarter_of(start), quarter_of(day))


def _add(sums: dict[Key, int], department: str, quarter: int, name: str) -> None:
    if department:
        key = department, quarter, name
        sums[key] = sums.get(key, 0) + 1


def _newest(held: dict[tuple[str, str], int], key: tuple[str, str], ms: int) -> None:
    held[key] = max(held.get(key, 0), ms)


def _mark(masks: dict[int, int], item: int, first: int, last: int) -> None:
    masks[item] = masks.get(item, 0) | mask_of(first, last)


class Total:
    """Sums over all businesses; `add` in any order gives the same."""

    def __init__(self) -> None:
        self.sums: dict[Key, int] = {}
        self.newest: dict[tuple[str, str], int] = {}
        self.graded: dict[int, int] = {}
        self.inspected: dict[int, int] = {}
        self.answers: dict[int, set[int]] = {}

    def add(self, one: Counted) -> None:
        """Take one business in."""
        for key, n in one.sums.items():
            self.sums[key] = self.sums.get(key, 0) + n
        for what, ms in one.newest.items():
            self.newest[what] = max(self.newest.get(what, 0), ms)
        for masks, own in ((self.graded, one.graded), (self.inspected, one.inspected)):
            for item, mask in own.items():
                masks[item] = masks.get(item, 0) | mask
        for alert, times in one.answers.items():
            self.answers.setdefault(alert, set()).update(times)

    def answered(self, alert: int, opened_ms: int) -> int:
        """First moment from an opening on at which somebody acted on an alert [epoch ms]; 0 =
        none. What was done about an earlier opening of it is no answer to this one."""
        return min((ms for ms in self.answers.get(alert, ()) if ms >= opened_ms), default=0)

    def put(self, department: str, quarter: int, name: str, n: int = 1) -> None:
        """Count something that stands in no business' records."""
        key = department, quarter, name
        self.sums[key] = self.sums.get(key, 0) + n

    def of(self, department: str, quarter: int, name: str) -> int:
        return self.sums.get((department, quarter, name), 0)
