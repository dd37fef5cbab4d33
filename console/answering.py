"""The page behind a signed link of a message: the addressee confirms there. No login.

GET shows and POST acts, so that a scanner of mails or a preview in a chat, which follow links by
themselves, change nothing. What may be done is what the message told of, by whom it was sent to:
each alert is acknowledged, each review answered, with a form of its own.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple, TypeAlias

import msgspec
from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from console.acts import Acts, AlertActIn, ReviewAnswerIn, parse
from console.pages import actor_of
from console.pages_write import read_form
from console.problems import Problem
from console.security import ANSWERS
from console.service import Row, Service
from console.view import View


class Addressee(NamedTuple):
    """Whom a link was sent to, and about which alerts and reviews."""

    receiver: str
    name: str
    department: str
    about: tuple[str, ...]
    more: int
    """Further ones that the message told of."""
    expired: bool


class Done(NamedTuple):
    """What came of a form, about which alert or review."""

    about: str
    said: str
    status: int = 200
    typed: Mapping[str, str] = MappingProxyType({})


Read: TypeAlias = Callable[[str], Addressee | None]
"""What stands after `ANSWERS` in a link -> who it is; None = it is not our link."""
NOTHING = Done("", "")


def answering(service: Service, acts: Acts, view: View, read: Read | None) -> APIRouter:
    """The page and its forms."""
    router = APIRouter(include_in_schema=False)
    path = ANSWERS + "{token}"

    def find(about: str) -> Row | None:
        return service.alert(about) or service.review(about)

    def claimed(token: str) -> tuple[Addressee, dict[str, Row]]:
        who = read(token) if read else None
        if who is None:
            raise Problem(404, "no-such-link", "this link is not one of ours, or was cut short")
        found = {about: row for about in who.about if (row := find(about)) is not None}
        if not found:
            raise Problem(404, "no-such-matter", "what this link was about is no longer there")
        return who, found

    def page(request: Request, who: Addressee, rows: Mapping[str, Row],
             done: Done = NOTHING) -> Response:
        if who.expired:
            return view.render(request, "answer.html", 410, who=who, said="link_expired")
        matters = []
        for about, row in rows.items():
            of = done if about == done.about else NOTHING
            left = _open(who, row)
            # Whoever has still to answer what has changed under the pen does so on what it is now.
            again = of.said == "rv_first" and left
            matters.append({
                "id": about, "row": row, "review": _is_review(row),
                "acted": about == done.about, "said": of.said or ("" if left else "link_over"),
                "form": (left and not of.said) or again,
                "typed": of.typed,
            })
        actor = done.typed.get("actor") or actor_of(request)
        return view.render(request, "answer.html", done.status, who=who, matters=matters,
                           actor=actor)

    @router.get(path)
    def show(request: Request, token: str) -> Response:
        return page(request, *claimed(token))

    @router.post(path)
    async def confirm(request: Request, token: str) -> Response:
        form = await read_form(request)
        return await run_in_threadpool(act, request, token, form)

    def act(request: Request, token: str, form: dict[str, str]) -> Response:
        who, rows = claimed(token)
        about = form.pop("about", "") or (who.about[0] if len(who.about) == 1 else "")
        if about not in rows:
            raise Problem(404, "no-such-matter", f"about={about}: must be what the link is about")
        if who.expired:
            return page(request, who, rows)
        if not _open(who, rows[about]):
            return page(request, who, rows, Done(about, "link_over", 409, form))
        actor = parse({"actor": form.get("actor", "")}, AlertActIn).actor
        signed = f"{actor} ({who.receiver})"
        # Whoever sends the same form twice does one thing.
        key = hashlib.sha256(msgspec.json.encode([who.receiver, about, form])).hexdigest()[:32]
        review = _is_review(rows[about])
        try:
            if review:
                acts.on_review(about, _answer(who, form, signed), key)
            else:
                fields: Row = {n: form[n] for n in ("note", "seq") if n in form}
                body = parse({**fields, "actor": signed}, AlertActIn)
                acts.on_alert(about, "acknowledge", body, key)
        except Problem as problem:
            if problem.slug != "changed":
                raise
            done = Done(about, "rv_first" if review else "was_first", 409, form)
        else:
            done = Done(about, "answer_taken", 200, form)
        rows[about] = find(about) or rows[about]
        return page(request, who, rows, done)

    return router


def _answer(who: Addressee, form: Mapping[str, str], signed: str) -> ReviewAnswerIn:
    """The answer of a form, for the department it was sent to, in the name of who signs."""
    fields = {
        "department": who.department,
        "decision": form.get("decision", ""),
        "reason": f"{form['reason']} ({signed})" if form.get("reason") else "",
        **({"seq": form["seq"]} if "seq" in form else {}),
        **({"grade": form["grade"]} if form.get("decision") == "adjust" and form.get("grade")
           else {}),
    }
    answer: ReviewAnswerIn = parse(fields, ReviewAnswerIn)
    return answer


def _is_review(row: Row) -> bool:
    return "rule" not in row


def _open(who: Addressee, row: Row) -> bool:
    """Whether there is something left to answer."""
    if not _is_review(row):
        return row.get("state") == "firing"
    answered = {a.get("department") for a in row.get("answers") or []}
    return row.get("state") == "open" and who.department not in answered
