"""The pages' forms: log in, act on an alert, answer a review. They work without script."""

from __future__ import annotations

from urllib.parse import parse_qsl

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import RedirectResponse, Response

from console.acts import ALERT_ACTS, Acts, AlertActIn, ReviewAnswerIn, parse
from console.i18n import word
from console.limits import FORM_BYTES_MAX, KEY_LENGTH_MAX, read_body
from console.pages import remembering
from console.problems import Problem
from console.refusals import refused
from console.security import COOKIE, equal, local_path, session
from console.view import YEAR_S, View, segment

FORM = "application/x-www-form-urlencoded"


NOTED = {"close": ("办结须写明理由", "closing needs a reason"),
         "assign": ("请写明指派给谁", "say to whom it is assigned")}
"""Acts whose form must have a note, and why."""


def acting(acts: Acts, view: View, token: str | None) -> APIRouter:
    """Routes that take forms."""
    router = APIRouter(include_in_schema=False)

    @router.get("/login")
    async def login(request: Request, token: str = "", next: str = "/") -> Response:
        if token:
            return enter(request, token, next)
        return view.render(request, "login.html", next=local_path(next), wrong=False)

    @router.post("/login")
    async def login_form(request: Request) -> Response:
        form = await read_form(request)
        return enter(request, form.get("token", ""), form.get("next", "/"))

    @router.post("/logout")
    async def logout() -> Response:
        response = RedirectResponse("/login", 303)
        response.delete_cookie(COOKIE)
        return response

    @router.post("/alerts/{alert_id:path}")
    async def act(request: Request, alert_id: str) -> Response:
        form = await read_form(request)
        name = form.pop("act", "")
        if name not in ALERT_ACTS:
            raise refused("act", name, (
                f"应为 {'、'.join(word('zh', 'act', act) for act in ALERT_ACTS)} 之一",
                f"must be one of {', '.join(ALERT_ACTS)}"))
        key = form.pop("key", "")[:KEY_LENGTH_MAX]
        if name != "silence":
            form.pop("until", None)
        if form.get("until", "")[10:11] == "T":
            form["until"] = f"{form['until'][:16]}:00+08:00"
        body = parse(form, AlertActIn)
        if name in NOTED and not (body.note or "").strip():
            raise refused("note", None, NOTED[name])
        said = f"done={name}"
        try:
            await run_in_threadpool(acts.on_alert, alert_id, name, body, key)
        except Problem as problem:
            if problem.slug != "changed":
                raise
            # Somebody else was first: the page shows what they did, and nothing was done here.
            said = "first=1"
        return remembering(f"/alerts/{segment(alert_id)}?{said}", body.actor)

    @router.post("/reviews/{review_id:path}")
    async def answer(request: Request, review_id: str) -> Response:
        form = await read_form(request)
        key = form.pop("key", "")[:KEY_LENGTH_MAX]
        if form.get("decision") == "keep":
            form.pop("grade", None)
        body = parse(form, ReviewAnswerIn)
        said = "done=answer"
        try:
            await run_in_threadpool(acts.on_review, review_id, body, key)
        except Problem as problem:
            if problem.slug != "changed":
                raise
            said = "first=1"
        return RedirectResponse(f"/reviews/{segment(review_id)}?{said}", 303)

    def enter(request: Request, given: str, next_path: str) -> Response:
        if token is None:
            return RedirectResponse(local_path(next_path), 303)
        if not equal(given, token):
            return view.render(
                request, "login.html", 401, next=local_path(next_path), wrong=bool(given)
            )
        response = RedirectResponse(local_path(next_path), 303)
        response.set_cookie(
            COOKIE,
            session(token),
            max_age=YEAR_S // 12,
            secure=request.url.scheme == "https",
            httponly=True,
            samesite="lax",
        )
        return response

    return router


async def read_form(request: Request) -> dict[str, str]:
    """The filled fields of a form, without the empty ones.

    Raises
    ------
    Problem: 415 for another type, 413 beyond the limit, 400 for what is no form.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != FORM:
        raise Problem(415, "content-type", f"content-type={kind}: must be {FORM}",
                      value=kind, allowed=FORM)
    body = await read_body(request, FORM_BYTES_MAX)
    try:
        fields = parse_qsl(body.decode(), errors="strict", max_num_fields=32)
    except ValueError as error:
        raise Problem(400, "malformed", f"the body is not a form: {error}") from None
    return {name: value.strip() for name, value in fields if value.strip()}
