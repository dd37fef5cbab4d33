"""The pages that show: server-rendered, complete without script."""

from __future__ import annotations

from secrets import token_hex
from typing import Annotated
from urllib.parse import unquote

from fastapi import APIRouter, FastAPI, Query, Request
from starlette.responses import Response

from console import chart, i18n
from console.api import moment_ms, page
from console.problems import Problem
from console.service import Row, Service
from console.view import View

FACTS_SHOWN = 300
ROWS_SHOWN = 50
OPEN_STATES = ("pending", "firing", "acknowledged")
ACTOR_COOKIE = "xinfeng_actor"

Word = Annotated[str, Query(max_length=256)]


def showing(app: FastAPI, service: Service, view: View) -> APIRouter:
    """Routes of the pages; none changes anything."""
    router = APIRouter(include_in_schema=False)

    @router.get("/subjects")
    def subjects(
        request: Request,
        q: Word = "",
        district: Word = "",
        grade: Word = "",
        kind: Word = "",
        after: Word = "",
    ) -> Response:
        rows = service.subjects(
            q=q.strip(),
            district=district,
            grade=grade,
            kind=kind,
            limit=ROWS_SHOWN + 1,
            after=after,
        )
        chosen = {"q": q, "district": district, "grade": grade, "kind": kind}
        return view.render(
            request,
            "subjects.html",
            chosen=chosen,
            after=after,
            **page("subjects", rows, ROWS_SHOWN, "subject"),
        )

    @router.get("/subjects/{subject:path}")
    def subject(request: Request, subject: str, as_of: Word = "") -> Response:
        found = service.show(subject, moment_ms(as_of))
        if found is None:
            raise Problem(404, "no-such-subject", f"subject={subject}: there is none")
        alerts = service.alerts(subject=subject, limit=ROWS_SHOWN)
        return view.render(
            request,
            "subject.html",
            s=found,
            as_of=as_of,
            facts=service.events_of(subject, FACTS_SHOWN),
            alerts=[alert for alert in alerts if alert.get("state") in OPEN_STATES],
            steps=chart.steps(found.get("history") or [], str(found.get("as_of") or "")),
            rows=chart.ROWS,
            span=points_span(found),
        )

    @router.get("/alerts/{alert_id:path}")
    def alert(request: Request, alert_id: str, done: Word = "", first: Word = "") -> Response:
        found = service.alert(alert_id)
        if found is None:
            raise Problem(404, "no-such-alert", f"alert={alert_id}: there is none")
        state = str(found.get("state"))
        return view.render(
            request,
            "alert.html",
            alert=found,
            done=done,
            first=first,
            offered=(*i18n.ACTS_BY_STATE.get(state, ("acknowledge", "assign", "close", "silence")),
                     *(("unsilence",) if found.get("silenced_until") else ())),
            key=token_hex(16),
            actor=unquote(request.cookies.get(ACTOR_COOKIE, "")),
        )

    @router.get("/rejects")
    def rejects(request: Request) -> Response:
        return view.render(
            request, "rejects.html", rejects=[_shown(row) for row in service.rejects(limit=200)]
        )

    @router.get("/api/docs")
    def docs(request: Request) -> Response:
        return view.render(request, "docs.html", api=app.openapi())

    return router


def points_span(found: Row) -> float:
    """Largest absolute points of a fact of a subject: the scale of the bars."""
    return (
        max(
            (
                abs(float(each.get("points", 0)))
                for item in (found.get("items") or {}).values()
                for each in item.get("contributions") or []
                if each.get("indicator") != "base"
            ),
            default=0.0,
        )
        or 1.0
    )


def _shown(row: Row) -> Row:
    raw = row.get("raw", "")
    text = raw.decode("utf-8", "replace") if isinstance(raw, bytes) else str(raw)
    return {**row, "raw": text[:4000]}
