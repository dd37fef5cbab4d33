"""The first page: what is wrong now, complete without script."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from console import chart, i18n
from console.pages import Word, actor_of
from console.service import Row, Service
from console.tiles import tile_map
from console.view import View, language

ALERTS_SHOWN = 60
LEVELS = ("red", "orange", "yellow", "blue")


def watching(service: Service, view: View, districts: Sequence[Mapping[str, str]]) -> APIRouter:
    """Its routes; they change nothing."""
    router = APIRouter(include_in_schema=False)

    @router.get("/")
    def situation(
        request: Request,
        level: Word = "",
        rule: Word = "",
        state: Word = "",
        wall: Annotated[bool, Query()] = False,
    ) -> Response:
        # The cursor is read first: a change in between comes twice, and the page drops one.
        seq = service.last_seq()
        alerts = service.alerts(
            level=level or None, rule=rule or None, state=state or None, limit=ALERTS_SHOWN
        )
        summary = service.summary()
        lang = language(request)
        words = {name: i18n.labels(lang, name) for name in ("level", "state", "rule")}
        words["ui"] = {key: i18n.word(lang, "ui", key) for key in SAID_BY_SCRIPT}
        return view.render(
            request,
            "situation.html",
            seq=seq,
            alerts=alerts,
            alerts_max=ALERTS_SHOWN,
            summary=summary,
            shares=chart.shares(summary.get("grades", {})),
            chosen={"level": level, "rule": rule, "state": state},
            words=words,
            wall=wall,
            actor=actor_of(request),
            **panels(request),
        )

    @router.get("/situation/panels")
    def renewed(request: Request) -> Response:
        """The parts beside the list, which the page renews now and then."""
        return view.render(request, "panels.html", **panels(request))

    def panels(request: Request) -> Row:
        now = service.situation()
        lang = language(request)
        return {
            "now": now,
            "map": tile_map(now["districts"], districts),
            "alerts_trend": alerts_trend(now["trend"], lang),
            "grades_trend": grades_trend(now["trend"]),
        }

    return router


SAID_BY_SCRIPT = ("connecting", "live", "lost", "sit_ack_busy", "sit_ack_done", "sit_ack_failed",
                  "sit_ack_who", "was_first")


def alerts_trend(trend: Row, lang: i18n.Lang) -> Row:
    """Option of the chart of alerts a day: opened upward by level, ended downward."""
    def bars(what: str, sign: int, stack: str) -> list[Row]:
        return [{"type": "bar", "stack": stack, "name": i18n.word(lang, "level", level),
                 "data": [sign * n for n in trend[what][level]],
                 "itemStyle": {"color": f"var(--{level})", "opacity": 1 if sign > 0 else 0.45}}
                for level in LEVELS]

    return _axes(trend["days"]) | {
        "legend": {"bottom": 0, "itemWidth": 12, "itemHeight": 10},
        "yAxis": {"type": "value", "minInterval": 1},
        "series": bars("opened", 1, "day") + bars("ended", -1, "day"),
    }


def grades_trend(trend: Row) -> Row:
    """Option of the chart of businesses with the grades that need somebody: B, C, D."""
    return _axes(trend["days"]) | {
        "legend": {"bottom": 0, "itemWidth": 12, "itemHeight": 10},
        "yAxis": {"type": "value", "minInterval": 1, "scale": True},
        "series": [{"type": "line", "name": grade, "data": trend["grades"][grade],
                    "symbol": "none", "step": "end", "lineStyle": {"width": 2.5},
                    "color": f"var(--{grade})"}
                   for grade in ("B", "C", "D")],
    }


def _axes(days: list[str]) -> Row:
    return {
        "grid": {"left": 8, "right": 8, "top": 12, "bottom": 30, "containLabel": True},
        "tooltip": {"trigger": "axis"},
        "xAxis": {"type": "category", "data": [day[5:] for day in days]},
    }
