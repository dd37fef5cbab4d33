"""The pages that show: server-rendered, complete without script."""

from __future__ import annotations

from secrets import token_hex
from typing import Annotated
from urllib.parse import unquote

from fastapi import APIRouter, FastAPI, Query, Request
from starlette.responses import RedirectResponse, Response

from console import chart, i18n
from console.api import moment_ms, no_subject, page
from console.course import option
from console.problems import Problem
from console.refusals import allowed_zh
from console.service import Row, Service
from console.view import YEAR_S, View, language, segment
from models.gap import review_id
from models.records import identity

ROWS_SHOWN = 50
REVIEWS_SHOWN = 20
MEMBERS_SHOWN = 200
ACTOR_COOKIE = "xinfeng_actor"

Word = Annotated[str, Query(max_length=256)]


def actor_of(request: Request) -> str:
    """Who acted last from this browser; "" = nobody yet."""
    return unquote(request.cookies.get(ACTOR_COOKIE, ""))


def remembering(path: str, actor: str) -> Response:
    """Leads on after an act; the browser keeps who acted, for the next form."""
    response = RedirectResponse(path, 303)
    if actor:
        response.set_cookie(ACTOR_COOKIE, segment(actor), max_age=YEAR_S, samesite="lax",
                            httponly=True)
    return response


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
    def subject(
        request: Request, subject: str, as_of: Word = "", before: Word = "", fact: Word = ""
    ) -> Response:
        found = service.profile(subject, moment_ms(as_of), before=before, at=fact)
        if found is None:
            raise no_subject(subject, as_of)
        shown = found["show"]
        course = found["course"]
        return view.render(
            request,
            "subject.html",
            s=shown,
            p=found,
            as_of=as_of,
            paged=bool(before or fact),
            # As they were at that moment, in the words of today.
            alerts=[(service.alert(then["id"]) or {}) | then
                    for then in sorted(found["alerts"], key=graveness)[:ROWS_SHOWN]],
            course=option(course, language(request), shown["subject"], as_of) if course else None,
            steps=chart.steps(shown.get("history") or [], str(shown.get("as_of") or "")),
            rows=chart.ROWS,
            span=points_span(shown),
        )

    @router.get("/alerts/{alert_id:path}")
    def alert(request: Request, alert_id: str, done: Word = "", first: Word = "") -> Response:
        found = service.alert(alert_id)
        if found is None:
            raise Problem(404, "no-such-alert", f"alert={alert_id}: there is none",
                          alert=alert_id)
        state = str(found.get("state"))
        return view.render(
            request,
            "alert.html",
            alert=found,
            story=service.story(alert_id),
            evidence={(e.get("source"), e.get("id")) for e in found.get("evidence") or []},
            keys={
                (e["source"], e["id"]): f"{identity(e['source'], e['id']):016x}"
                for e in found.get("evidence") or []
            },
            reviews=reviews_of(service, found),
            members=[member(service, code)
                     for code in (found.get("members") or ())[:MEMBERS_SHOWN]],
            done=done,
            first=first,
            offered=(*i18n.ACTS_BY_STATE.get(state, ("acknowledge", "assign", "close", "silence")),
                     *(("unsilence",) if found.get("silenced_until") else ())),
            key=token_hex(16),
            actor=actor_of(request),
        )

    @router.get("/rejects")
    def rejects(request: Request, before: Annotated[int | None, Query(ge=0)] = None) -> Response:
        zh = language(request) == "zh"
        rows = [_shown(row, zh) for row in service.rejects(limit=ROWS_SHOWN + 1, before=before)]
        return view.render(request, "rejects.html", before=before,
                           **page("rejects", rows, ROWS_SHOWN, "seq"))

    @router.get("/api/docs")
    def docs(request: Request) -> Response:
        return view.render(request, "docs.html", api=app.openapi())

    return router


def reviews_of(service: Service, alert: Row) -> list[Row]:
    """The reviews of an alert's subject, newest first; of a grade gap only, which opens them."""
    subject = str(alert.get("subject") or "")
    if not subject or alert.get("rule") not in ("grade-gap", "review-overdue"):
        return []
    found = list[Row]()
    while len(found) < REVIEWS_SHOWN:
        review = service.review(review_id(subject, len(found)))
        if review is None:
            break
        found.append(review)
    return found[::-1]


def graveness(alert: Row) -> int:
    """Where an alert stands in a list that begins with the gravest level."""
    return list(i18n.LEVELS).index(alert["level"]) if alert["level"] in i18n.LEVELS else 9


def member(service: Service, code: str) -> Row:
    """A subject by its code as lists have it; the code alone where it has no row (yet)."""
    # The list after the word just before the code begins with the code, at the cost of one seek.
    rows = service.subjects(limit=1, after=f"{code[:-1]}{chr(ord(code[-1]) - 1)}") if code else []
    return rows[0] if rows and rows[0]["subject"] == code else {"subject": code}


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


def _shown(row: Row, zh: bool) -> Row:
    raw, reason = row.get("raw", ""), row.get("reason") or {}
    text = raw.decode("utf-8", "replace") if isinstance(raw, bytes) else str(raw)
    why = str(reason.get("allowed") or reason.get("message") or "")
    return {**row, "raw": text[:4000], "why": allowed_zh(why) if zh else why}
