"""Sums over reviews and businesses that a view keeps up as they change. Pure.

A member (a review, a business) adds one to each of its names; when it changes, the difference is
written in the same transaction. So a statistic is as quick with a million businesses as with ten,
and the same on every kind of store.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Literal, NamedTuple, TypeAlias

import msgspec

from storage.effects import ReviewChanged

Lane: TypeAlias = Literal["waiting", "answered", "closed"]
"""Of a review: somebody has still to answer · all have, and the gap stands · it is over."""
Pairs: TypeAlias = Sequence[tuple[str, str, bool]]
"""Every two departments that grade a business, and whether they lie apart."""
PAIRS = msgspec.msgpack.Decoder(list[tuple[str, str, bool]]).decode
_DAY_0 = 1_000_000
_WORDS = msgspec.json.Decoder(list[str | int]).decode
ALL = ""
"""Stands for any party."""


class Place(NamedTuple):
    """Where a review stands on the board: once for all, once a party, once every two."""

    a: str
    b: str
    lane: Lane
    at: str
    """`at` of the due day; of a closed review of the day it ended, negative: newest first."""


def at(day: int, review: str = "") -> str:
    """Orders reviews by day, then by id; without an id, before all of that day.

    Examples
    --------
    >>> at(20_000, "r"), at(-20_000) < at(-19_999, "r") < at(5)
    ('1020000r', True)
    """
    return f"{_DAY_0 + day:07d}{review}"


def review_of(at: str) -> str:
    """The review that stands there."""
    return at[7:]


def lane(review: ReviewChanged) -> Lane:
    if not review.open:
        return "closed"
    answered = {a["department"] for a in review.answers}
    return "answered" if answered.issuperset(review.departments) else "waiting"


def places(review: ReviewChanged) -> list[Place]:
    """Places of a review, each once."""
    stage = lane(review)
    day = -review.ended_day if stage == "closed" else review.due_day
    keys = {(ALL, ALL)}
    for p in review.pairs:
        keys |= {(p.a, ALL), (p.b, ALL), (p.a, p.b)}
    return [Place(a, b, stage, at(day, review.id)) for a, b in sorted(keys)]


def of_review(review: ReviewChanged) -> list[str]:
    """(end, a, b, how, number): the due day of an open one, else the days it took; kept has 0."""
    out = []
    for p in review.pairs:
        number = 0 if p.end == "kept" else review.due_day if not p.ended_day else (
            p.ended_day - p.start_day)
        out.append(name("end", p.a, p.b, p.end, number))
    return out


def of_business(pairs: Pairs) -> list[str]:
    """(both, a, b) for every two departments that grade it, for each, and for all; (apart, a, b)
    where they lie apart."""
    out = set()
    for a, b, apart in pairs:
        for key in ((a, b), (a, ALL), (b, ALL), (ALL, ALL)):
            out.add(name("both", *key))
            if apart:
                out.add(name("apart", *key))
    return sorted(out)


@lru_cache(maxsize=100_000)
def name(*words: str | int) -> str:
    """Name of a sum: one line, whatever the words are. Remembered, since few are asked for often.
    """
    return json.dumps(words, ensure_ascii=False, separators=(",", ":"))


def words(of: str) -> list[str | int]:
    """Inverse of `name`."""
    return _WORDS(of)


def moved(old: Iterable[str], new: Iterable[str]) -> Counter[str]:
    """What to add to each sum."""
    out = Counter(new)
    out.subtract(Counter(old))
    return Counter({key: n for key, n in out.items() if n})
