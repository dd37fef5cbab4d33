"""Districts by how many of their businesses stand badly, for people. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from models.departments import named, quarter_of
from streams.view import LEVELS, District

Row = dict[str, Any]
PER = 1_000
"""Businesses that open alerts are given for."""


def districts_of(groups: Mapping[tuple[str, str], Counter[str]], before: Mapping[str, Counter[str]],
                 held: Mapping[str, District], today: int) -> Row:
    """Districts by their share of C and D, the greatest first.

    Parameters
    ----------
    groups
        (dimension, value) -> businesses by computed public grade now; those by "district" count.
    before
        District -> the same businesses by grade at the end of the quarter before.
    held
        Open alerts by district, as the view has them.
    today
        Civil day number.

    Returns
    -------
    `quarter_before`, and `districts`: `rank` (equal shares share one; None without a graded
    business), `low` and `low_before` (shares of the graded; rate None of none), `change` of the
    rate (None where one of them is), `alerts_open` by level and `alerts_per_1000` businesses.
    """
    rows: list[Row] = []
    for (dimension, district), now in groups.items():
        if dimension != "district" or not district:
            continue
        low, was = _low(now), _low(before.get(district, Counter()))
        open_ = held[district].open if district in held else {}
        known = low["rate"] is not None and was["rate"] is not None
        rows.append({
            "rank": None, "district": district, "subjects": now.total(), "low": low,
            "low_before": was, "change": round(low["rate"] - was["rate"], 6) if known else None,
            "alerts_open": {level: open_.get(level, 0) for level in LEVELS},
            "alerts_per_1000": round(PER * sum(open_.values()) / now.total(), 1)})
    rows.sort(key=lambda row: (1.0 if row["low"]["rate"] is None else -row["low"]["rate"],
                               -row["alerts_per_1000"], row["district"]))
    rates = [row["low"]["rate"] for row in rows]
    for row, rate in zip(rows, rates, strict=True):
        row["rank"] = None if rate is None else rates.index(rate) + 1
    return {"quarter_before": named(quarter_of(today) - 1), "districts": rows}


def _low(grades: Counter[str]) -> Row:
    """Share of C and D."""
    graded = sum(grades[letter] for letter in "ABCD")
    low = grades["C"] + grades["D"]
    return {"part": low, "whole": graded, "rate": round(low / graded, 6) if graded else None}
