"""The page behind a signed link of a letter: the addressee confirms there. No login.

GET shows and POST acts, so that a scanner of mails or a preview in a chat, which follow links by
themselves, change nothing. What may be done is what the link was made for, by whom it was sent to.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple, TypeAlias
from urllib.parse import unquote

import msgspec
from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from console.acts import Acts, AlertActIn, ReviewAnswerIn, parse
from console.pages import ACTOR_COOKIE
from console.pages_write import read_form
from console.problems import Problem
from console.security import ANSWERS
from console.service import Row, Service
from console.view import View


class Addressee(NamedTuple):
    """Whom a link was sent to, and what for; `action` is `acknowledge` or `answer`."""

    receiver: str
    name: str
    department: str
    action: str
    about: str
    expired: bool


Read: TypeAlias = Callable[[str, str, str, str, str], Addressee | None]
"""(receiver, action, until, signature, about) -> who it is; None = it is not our link."""


def answering(service: Service, acts: Acts, view: View, read: Read | None) -> APIRouter:
    """The page and its form."""
    router = APIRouter(include_in_schema=False)
    path = ANSWERS + "{receiver}/{action}/{until}/{signature}/{about:path}"

    def claimed(request: Request) -> tuple[Addressee, Row]:
        p = request.path_params
        who = read(p["receiver"], p["action"], p["until"], p["signature"], p["about"]
                   ) if read else None
        if who is None:
            raise Problem(404, "no-such-link", "this link is not one of ours, or was cut short")
        find = service.review if who.action == "answer" else service.alert
        found = find(who.about)
        if found is None:
            raise Problem(404, "no-such-matter", "what this link was about is no longer there")
        return who, found

    def page(request: Request, who: Addressee, row: Row, said: str = "", status: int = 200,
             typed: Mapping[str, str] = MappingProxyType({})) -> Response:
        if who.expired:
            said, status = "link_expired", 410
        elif not said and not _open(who, row):
            said = "link_over"
        typed = {"actor": unquote(request.cookies.get(ACTOR_COOKIE, "")), **typed}
        # Whoever has still to answer what has changed under the pen does so on what it is now.
        return view.render(request, "answer.html", status, who=who, row=row, said=said,
                           typed=typed,
                           form=not said or (said == "rv_first" and _open(who, row)))

    @router.get(path)
    def show(request: Request) -> Response:
        return page(request, *claimed(request))

    @router.post(path)
    async def confirm(request: Request) -> Response:
        form = await read_form(request)
        return await run_in_threadpool(act, request, form)

    def act(request: Request, form: dict[str, str]) -> Response:
        who, row = claimed(request)
        if who.expired or not _open(who, row):
            return page(request, who, row, "" if who.expired else "link_over", 409)
        actor = parse({"actor": form.get("actor", "")}, AlertActIn).actor
        signed = f"{actor} ({who.receiver})"
        # Whoever sends the same form twice does one thing.
        key = hashlib.sha256(msgspec.json.encode([*who[:5], form])).hexdigest()[:32]
        seq = {"seq": form["seq"]} if "seq" in form else {}
        if who.action == "answer":
            grade = {"grade": form["grade"]} if form.get("decision") == "adjust" and form.get(
                "grade") else {}
            answer = parse({
                "department": who.department, "decision": form.get("decision", ""),
                "reason": f"{form['reason']} ({signed})" if form.get("reason") else "",
                **grade, **seq}, ReviewAnswerIn)
            try:
                acts.on_review(who.about, answer, key)
            except Problem as problem:
                if problem.slug != "changed":
                    raise
                return page(request, who, service.review(who.about) or row, "rv_first", 409, form)
        else:
            note = {"note": form["note"]} if "note" in form else {}
            try:
                acts.on_alert(who.about, "acknowledge",
                              parse({"actor": signed, **note, **seq}, AlertActIn), key)
            except Problem as problem:
                if problem.slug != "changed":
                    raise
                return page(request, who, service.alert(who.about) or row, "was_first", 409)
        return page(request, who, row, "answer_taken")

    return router


def _open(who: Addressee, row: Row) -> bool:
    """Whether there is something left to answer."""
    if who.action != "answer":
        return row.get("state") == "firing"
    answered = {a.get("department") for a in row.get("answers") or []}
    return row.get("state") == "open" and who.department not in answered
