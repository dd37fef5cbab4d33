"""Reviews by what has to be done until when, and what came of them between every two parties."""

from __future__ import annotations

import datetime as dt
from collections import Counter, defaultdict
from typing import Any, Literal, NamedTuple, get_args

from models.calendar import from_date
from storage import tallies
from storage.tallies import ALL, Lane, at
from streams.show import iso_day
from streams.view import View

Row = dict[str, Any]
Column = Literal["overdue", "soon", "later", "answered", "closed"]
COLUMNS: tuple[Column, ...] = get_args(Column)
SOON_WORKDAYS = 2
LATELY_D = 30
"""How long a closed review stays on the board [days]."""
_END = "~"
"""After every place."""


class Span(NamedTuple):
    """Where a column stands: places after `first` and before `last` of a lane."""

    lane: Lane
    first: str
    last: str


def spans(view: View, today: int) -> dict[Column, Span]:
    """The columns on a civil day. An open review is overdue from the day after its due day."""
    soon = view.workday(today, SOON_WORKDAYS) + 1
    return {
        "overdue": Span("waiting", "", at(today)),
        "soon": Span("waiting", at(today), at(soon)),
        "later": Span("waiting", at(soon), _END),
        "answered": Span("answered", "", _END),
        "closed": Span("closed", "", at(LATELY_D - today + 1)),
    }


def column(view: View, today: int, which: Column, a: str, b: str, limit: int,
           after: str) -> list[Row]:
    """Reviews of a column, the first due (or the last closed) first.

    Parameters
    ----------
    a, b
        Only between these parties, in any order; "" = any.
    after
        `place` of the last row of the page before.
    """
    span, (a, b) = spans(view, today)[which], ordered(a, b)
    return [{**row, "place": _place(row)} for row in view.board(
        span.lane, a, b, max(span.first, after), span.last, limit)]


def counts(view: View, today: int, a: str, b: str) -> dict[str, int]:
    """How many reviews stand in each column."""
    a, b = ordered(a, b)
    return {name: view.board_size(span.lane, a, b, span.first, span.last)
            for name, span in spans(view, today).items()}


def ordered(a: str, b: str) -> tuple[str, str]:
    """Two parties as they are filed: by name, an absent one last."""
    return (min(a, b), max(a, b)) if a and b else (a or b, ALL)


def _place(row: Row) -> str:
    day = _number(row["ended_on"] if row["stage"] == "closed" else row["due_on"])
    return at(-day if row["stage"] == "closed" else day, row["id"])


def statistics(sums: dict[str, int], today: int) -> Row:
    """What came of gaps, and how often grades lie apart now.

    Parameters
    ----------
    sums
        `View.tallies()`.
    today
        Civil day number: what was due before is overdue.

    Returns
    -------
    `disagreement`: of the businesses that two departments or more grade, the share of which two
    departments' grades lie `gap.levels` or more apart now. `departments`: the same, where this one
    is one of the two. `pairs`: every two parties, how often their grades lay apart in a review
    (`opened`), whether they still do and since when nobody answers, how it ended, and the median
    days it took; with the share of today. `public` is a party of reviews, not of the shares: it
    is made of the same facts as theirs. Rates are 0 to 1, None without businesses.
    """
    both: Counter[tuple[str, str]] = Counter()
    apart: Counter[tuple[str, str]] = Counter()
    ends: defaultdict[tuple[str, str], dict[tuple[str, int], int]] = defaultdict(dict)
    for name, count in sums.items():
        kind, a, b, *rest = tallies.words(name)
        key = str(a), str(b)
        if kind == "end":
            ends[key][str(rest[0]), int(rest[1])] = count
        else:
            (both if kind == "both" else apart)[key] += count
    pairs = sorted({*ends, *(k for k in both if ALL not in k)})
    return {
        "as_of": iso_day(today),
        "disagreement": _share(both[ALL, ALL], apart[ALL, ALL]),
        "departments": [{"department": a, **_share(both[a, b], apart[a, b])}
                        for a, b in sorted(both) if a and not b],
        "pairs": [{"a": a, "b": b, **_share(both[a, b], apart[a, b]),
                   **_outcome(ends.get((a, b), {}), today)} for a, b in pairs],
    }


def _share(of: int, apart: int) -> Row:
    return {"businesses": of, "apart": apart, "rate": round(apart / of, 6) if of else None}


def _outcome(ends: dict[tuple[str, int], int], today: int) -> Row:
    by: Counter[str] = Counter()
    took: Counter[int] = Counter()
    overdue = 0
    for (end, number), count in ends.items():
        by[end] += count
        if end == "open":
            overdue += count if number < today else 0
        elif end != "kept":
            took[number] += count
    return {"opened": by.total(), "open": by["open"] + by["kept"], "overdue": overdue,
            "kept": by["kept"], "adjusted_a": by["a"], "adjusted_b": by["b"],
            "by_itself": by["facts"], "median_days": median(took)}


def median(counts: Counter[int]) -> float | None:
    """Median of values by how often each occurs; None without any.

    Examples
    --------
    >>> median(Counter({3: 1, 5: 2, 9: 1})), median(Counter({2: 1, 4: 1})), median(Counter())
    (5.0, 3.0, None)
    """
    total = counts.total()
    if not total:
        return None
    middle, seen = [(total - 1) // 2, total // 2], 0
    found: list[int] = []
    for value in sorted(counts):
        seen += counts[value]
        found += [value] * sum(m < seen for m in middle[len(found):])
    return sum(found) / 2


def _number(day: str) -> int:
    return from_date(dt.date.fromisoformat(day))
