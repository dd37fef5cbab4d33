"""Geometry of the small charts; the templates draw it as inline SVG."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

WIDTH, HEIGHT = 420.0, 112.0
"""View box of a step chart [svg units]."""

LEFT, TOP, STEP = 28.0, 10.0, 19.0
"""Room for the axis, first grade line, distance between grade lines [svg units]."""

ROWS = ("A", "B", "C", "D", "ungraded")


class Share(msgspec.Struct, frozen=True):
    """One piece of the shares bar: `x` and `width` in percent."""

    grade: str
    count: int
    percent: float
    x: float
    width: float


class Steps(msgspec.Struct, frozen=True):
    """The grade of one item over time: an SVG path, its dots, and its first and last day."""

    item: str
    path: str
    dots: list[tuple[float, float, str]]
    first: str
    last: str


def shares(grades: Mapping[str, int]) -> list[Share]:
    """Pieces of a bar of 100 percent, best grade first; empty where nobody is counted."""
    total = sum(grades.values())
    pieces, x = list[Share](), 0.0
    for grade in (*ROWS, *sorted(set(grades) - set(ROWS))):
        count = grades.get(grade, 0)
        if count:
            width = 100 * count / total
            pieces.append(Share(grade, count, round(width, 1), round(x, 3), round(width, 3)))
            x += width
    return pieces


def steps(history: Iterable[Mapping[str, Any]], until: str) -> list[Steps]:
    """One step chart an item, all on the time axis from the first change to `until`."""
    by_item: dict[str, list[tuple[int, str, str]]] = {}
    for row in history:
        change = (_day(row["day"]), _grade(row.get("grade")), _grade(row.get("from")))
        by_item.setdefault(str(row["item"]), []).append(change)
    if not by_item:
        return []
    first = min(change[0] for changes in by_item.values() for change in changes)
    newest = max(change[0] for changes in by_item.values() for change in changes)
    last = max(_day(until[:10]) if until else newest, newest, first + 1)
    return [
        _item_steps(item, sorted(changes, key=lambda change: change[0]), first, last)
        for item, changes in sorted(by_item.items())
    ]


def _item_steps(item: str, changes: Sequence[tuple[int, str, str]], first: int, last: int) -> Steps:
    def x(day: int) -> float:
        return round(LEFT + (day - first) * (WIDTH - LEFT - 6) / (last - first), 1)

    day, grade, before = changes[0]
    path = [f"M{x(first)} {_y(before)}H{x(day)}" if day > first else f"M{x(day)} {_y(grade)}"]
    dots = []
    for day, grade, _ in changes:
        path.append(f"H{x(day)}V{_y(grade)}")
        dots.append((x(day), _y(grade), f"{dt.date.fromordinal(day)} {grade}"))
    path.append(f"H{x(last)}")
    return Steps(
        item,
        "".join(path),
        dots,
        str(dt.date.fromordinal(first)),
        str(dt.date.fromordinal(last)),
    )


def _y(grade: str) -> float:
    return TOP + STEP * ROWS.index(grade)


def _grade(value: object) -> str:
    return str(value) if value in ROWS else "ungraded"


def _day(value: object) -> int:
    """Ordinal of an ISO date, or of days since 1970."""
    if isinstance(value, int):
        return dt.date(1970, 1, 1).toordinal() + value
    return dt.date.fromisoformat(str(value)[:10]).toordinal()
