"""The pages of grade-gap reviews: the board with the matrix of departments, and one case."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from secrets import token_hex
from typing import Any, get_args
from urllib.parse import urlencode

from fastapi import APIRouter, Request
from starlette.responses import Response

from console import i18n
from console.api import page
from console.pages import ROWS_SHOWN, Word
from console.problems import Problem
from console.service import Column, Row, Service
from console.view import View, language

COLUMNS: tuple[Column, ...] = get_args(Column)
CARDS_SHOWN = 6
"""Of each column on the board; the others are a click away."""
PAIRS_SHOWN = 12
"""Of the outcomes, those with most reviews."""


def cases(service: Service, view: View) -> APIRouter:
    """Routes of the pages of reviews; none changes anything."""
    router = APIRouter(include_in_schema=False)

    @router.get("/reviews")
    def reviews(
        request: Request,
        column: Word = "",
        a: Word = "",
        b: Word = "",
        after: Word = "",
        pairs: Word = "",
    ) -> Response:
        found = service.review_statistics()
        common: dict[str, Any] = {
            "statistics": found,
            "parties": sorted({p for pair in found["pairs"] for p in (pair["a"], pair["b"])}),
            "chosen": {"a": a, "b": b},
            "counts": service.review_board(a=a, b=b),
            "columns": COLUMNS,
        }
        one = next((c for c in COLUMNS if c == column), None)
        if one is not None:
            rows = service.review_column(one, a=a, b=b, limit=ROWS_SHOWN + 1, after=after)
            return view.render(
                request,
                "reviews_column.html",
                column=one,
                after=after,
                **common,
                **page("reviews", _dated(rows, found["as_of"]), ROWS_SHOWN, "place"),
            )
        cards = {
            c: _dated(service.review_column(c, a=a, b=b, limit=CARDS_SHOWN), found["as_of"])
            for c in COLUMNS
            if common["counts"][c]
        }
        outcomes = outcome_rows(found["pairs"], a, b)
        shown = len(outcomes) if pairs == "all" else PAIRS_SHOWN
        return view.render(
            request,
            "reviews.html",
            cards=cards,
            outcomes=outcomes[:shown],
            outcomes_more=len(outcomes) if len(outcomes) > shown else 0,
            matrix=matrix(
                found["pairs"],
                found["departments"],
                i18n.word(language(request), "ui", "rv_rate"),
            ),
            **common,
        )

    @router.get("/reviews/{review_id:path}")
    def review(
        request: Request, review_id: str, done: Word = "", first: Word = ""
    ) -> Response:
        found = service.review_case(review_id)
        if found is None:
            raise Problem(404, "no-such-review", f"review={review_id}: there is none",
                          review=review_id)
        return view.render(
            request, "review.html", r=found, done=done, first=first, key=token_hex(16)
        )

    return router


def outcome_rows(pairs: Sequence[Row], a: str, b: str) -> list[Row]:
    """Every two parties that had a review, of those asked for; the most reviews first."""
    asked = {party for party in (a, b) if party}
    found = [p for p in pairs if p["opened"] and asked <= {p["a"], p["b"]}]
    return sorted(found, key=lambda p: (-p["opened"], p["a"], p["b"]))


def matrix(pairs: Sequence[Row], departments: Sequence[Row], label: str) -> dict[str, Any] | None:
    """Option of the heat map: how often any two departments' grades lie apart now [percent].

    A click on a cell leads to the board of these two. None where no two grade the same business.
    """
    names = [d["department"] for d in departments if d["businesses"]]
    place = {name: n for n, name in enumerate(names)}
    cells = []
    for p in pairs:
        if not p["businesses"]:
            continue
        percent = round(100 * p["rate"], 1)
        text = f"{p['a']} · {p['b']}: {p['apart']} / {p['businesses']}"
        href = "/reviews?" + urlencode({"a": p["a"], "b": p["b"]})
        for x, y in ((p["a"], p["b"]), (p["b"], p["a"])):
            cells.append({"value": [place[x], place[y], percent], "name": text, "href": href})
    if not cells:
        return None
    axis: dict[str, Any] = {
        "type": "category",
        "data": names,
        "axisTick": {"show": False},
        "splitArea": {"show": True, "areaStyle": {"color": ["transparent"]}},
        "axisLabel": {"width": 96, "overflow": "truncate", "interval": 0, "fontSize": 11},
    }
    top = max(float(c["value"][2]) for c in cells)
    return {
        "grid": {"left": 108, "right": 12, "top": 8, "bottom": 132},
        "tooltip": {"formatter": "{b}"},
        "xAxis": {**axis, "axisLabel": {**axis["axisLabel"], "rotate": 60}},
        "yAxis": {**axis, "inverse": True},
        "visualMap": {
            "min": 0,
            "max": max(top, 1.0),
            "dimension": 2,
            "orient": "horizontal",
            "left": "center",
            "bottom": 0,
            "itemHeight": 90,
            "text": [f"{max(top, 1.0):.0f} %", "0 %"],
            "textStyle": {"color": "var(--muted)"},
            "inRange": {"color": ["var(--soft)", "var(--orange)", "var(--red)"]},
        },
        "series": [
            {
                "name": label,
                "type": "heatmap",
                "cursor": "pointer",
                "data": cells,
                "itemStyle": {"borderColor": "var(--card)", "borderWidth": 1},
            }
        ],
    }


def _dated(rows: Sequence[Row], today: str) -> list[Row]:
    """Rows with the `days` that are left until they are due, below 0 when they are over."""
    now = dt.date.fromisoformat(today)
    return [{**row, "days": (dt.date.fromisoformat(row["due_on"]) - now).days} for row in rows]
