"""Answers of the HTTP interface about draws of inspections; see `console.answers`."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Literal

from msgspec import Meta

from console.answers import Answer, Cursor

Count = Annotated[int, Meta(ge=0)]
Chance = Annotated[float, Meta(ge=0, le=1)]
Stratum = Literal["A", "B", "C", "D", "ungraded"]


class DrawShare(Answer, frozen=True):
    """What becomes of a grade in a draw."""

    stratum: Stratum
    ratio: Annotated[Chance, Meta(description="of the policy: drawn so against the other grades")]
    eligible: Annotated[Count, Meta(description="in the pool, and may be drawn")]
    resting: Annotated[Count, Meta(description="not now: inspected or drawn a short while ago")]
    drawn: Count
    probability: Annotated[Chance, Meta(description="chance of each, before the draw")]
    expected: Annotated[float, Meta(ge=0, description="eligible times probability")]
    inspected: Count
    with_problems: Count


class Draw(Answer, frozen=True):
    """A draw: what was ordered, its grades with their chances, what came of it."""

    id: str
    item: str
    item_name: str
    department: str
    count: Annotated[Count, Meta(description="asked for; 0 = the pool was counted, nobody drawn")]
    seed: str
    district: Annotated[str, Meta(description="empty = the whole city")]
    district_name: str
    actor: str
    note: str
    ordered_at: dt.datetime
    as_of: Annotated[dt.date, Meta(description="the day whose grades it goes by")]
    policy: str
    complete: Annotated[bool, Meta(description="false: not all have answered, nobody is drawn yet")]
    drawn: Count
    suggested: Annotated[Count, Meta(description="how many the policy's ratios alone would draw")]
    unregistered: Annotated[
        Count, Meta(description="fit the item, but nobody registered them: never drawn")]
    recorded: Annotated[Count, Meta(description="of those drawn, whose history says so")]
    released: Count
    inspected: Count
    with_problems: Count
    estimate: Annotated[
        Chance | None,
        Meta(description="share of the whole pool with problems: each stratum's share among those "
             "inspected, by its size; null until some of each were"),
    ]
    strata: list[DrawShare]


class Draws(Answer, frozen=True):
    draws: list[Draw]
    next: Cursor


class DrawPicked(Answer, frozen=True):
    """A business that was drawn, and how far its inspection has come."""

    subject: str
    name: str
    district: str
    stratum: Stratum
    probability: Chance
    rank: Annotated[str, Meta(description="beginning of SHA-256 of seed, item, code")]
    raised: Annotated[str, Meta(description="list or rule that moved it to C; empty = none")]
    state: Literal["pending", "drawn", "released", "pass", "fixed", "fail", "obstructed",
                   "untraceable"]
    findings: Count
    inspected_at: dt.datetime | None


class DrawWhole(Draw, frozen=True):
    """A draw with all it picked, D first, then by rank."""

    picked: list[DrawPicked]
