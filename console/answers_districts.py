"""Answer of the HTTP interface about districts; see `console.answers`."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from console.answers import Answer
from console.answers_centre import ByLevel, Count, Counted, Quarter, Share


class RankedDistrict(Answer, frozen=True):
    """A district; `low` is the share of C and D among its graded businesses, `low_before` what it
    was of the same businesses when the quarter before ended, `change` the difference."""

    rank: Count | None
    district: str
    subjects: Count
    low: Share
    low_before: Share
    change: Annotated[float, Meta(ge=-1, le=1)] | None
    alerts_open: ByLevel
    alerts_per_1000: Annotated[float, Meta(ge=0)]


class Districts(Answer, frozen=True):
    """Registered businesses by district, the greatest share of C and D first."""

    as_of: Counted
    quarter_before: Quarter | None
    districts: list[RankedDistrict]
