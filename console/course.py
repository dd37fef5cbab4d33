"""The chart of a subject's scores, as an option for ECharts, and what its marks are labelled by."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from console import i18n
from console.i18n import Lang
from console.service import Row
from console.view import pick, points


def option(course: Row, lang: Lang, subject: str, as_of: str) -> dict[str, Any]:
    """Two lines over time, and a dot for each fact that moved them; a dot leads to its fact."""

    def word(key: str) -> str:
        return i18n.word(lang, "ui", key)

    def line(name: str, values: list[float], colour: str, dash: str) -> dict[str, Any]:
        return {
            "name": word(name), "type": "line", "showSymbol": False, "silent": True,
            "lineStyle": {"width": 2, "type": dash, "color": colour},
            "itemStyle": {"color": colour},
            "data": [list(pair) for pair in zip(course["days"], values, strict=True)],
        }

    dots = []
    for mark in course["marks"]:
        if mark["score"] is None:
            continue
        bad = mark["points"] < 0
        query = f"as_of={quote(as_of)}&" if as_of else ""
        dots.append({
            "name": f"{mark['day']}  {pick(lang, mark)}  {points(mark['points'])}",
            "value": [mark["day"], mark["score"]],
            "href": f"/subjects/{quote(subject, safe='')}?{query}fact={mark['key']}"
                    f"#f-{mark['key']}",
            "itemStyle": {"color": "var(--D)" if bad else "var(--A)"},
            "tooltip": {"formatter": "{b}"},
        })
    values = [*course["credit"], *course["risk"]]
    return {
        "grid": {"left": 44, "right": 18, "top": 40, "bottom": 30},
        "legend": {"top": 4},
        "tooltip": {"trigger": "item"},
        "xAxis": {"type": "time"},
        "yAxis": {
            "type": "value",
            "min": 100 * (int(min(values)) // 100),
            "max": min(1000, 100 * (int(max(values)) // 100 + 1)),
        },
        "series": [
            line("credit_score", course["credit"], "var(--accent)", "solid"),
            line("risk_score", course["risk"], "var(--orange)", "dashed"),
            {"name": word("fact"), "type": "scatter", "z": 5, "symbolSize": 11, "cursor": "pointer",
             "itemStyle": {"color": "var(--D)"}, "data": dots},
        ],
    }
