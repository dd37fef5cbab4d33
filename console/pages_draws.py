"""The pages of inspection draws: order one, and see what became of it. They work without script."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Annotated, Any
from urllib.parse import urlencode

import anyio.to_thread
from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from console.api import page
from console.draws import Draws, order_of, release_of
from console.limits import Gate
from console.pages import ROWS_SHOWN, Word, actor_of, remembering
from console.pages_write import read_form
from console.problems import Problem
from console.refusals import unfit
from console.service import Row, Service, Unfit
from console.view import View, segment
from models.events import DRAW_MAX

PICKED_SHOWN = 100
NOBODY = "-"
"""Stands for a seed or a name that counting a pool does not need."""
_SUMS = ("eligible", "resting", "drawn", "inspected", "with_problems")


def draw_pages(service: Service, draws: Draws, gate: Gate, view: View,
               districts: Sequence[Mapping[str, str]]) -> APIRouter:
    """Routes of the pages."""
    router = APIRouter(include_in_schema=False)
    by_department = [(name, list(rows)) for name, rows in groupby(
        ({"id": id, **row} for id, row in view.items.items()), key=lambda row: row["department"])]

    def form_page(request: Request, filled: Mapping[str, Any], status: int = 200,
                  **context: Any) -> Response:
        before = request.query_params.get("before") or None
        return view.render(
            request, "draws.html", status, by_department=by_department, districts=districts,
            filled={"actor": actor_of(request), **filled}, before=before,
            **page("draws", service.draws(limit=ROWS_SHOWN + 1, before=before), ROWS_SHOWN, "id"),
            **context)

    def draw_page(request: Request, found: Row, status: int = 200, **context: Any) -> Response:
        return view.render(request, "draw.html", status, d=found, sums=sums(found),
                           check=check(found), actor=actor_of(request), unseen=unseen(found),
                           waiting=sum(x["state"] == "drawn" for x in found["picked"]), **context)

    @router.get("/draws")
    def past(request: Request, before: Word = "", pool: Word = "", seed: Word = "",
             note: Annotated[str, Query(max_length=2000)] = "") -> Response:
        if not pool:
            return form_page(request, {})
        found = draws.one(pool)
        return form_page(
            request, {"item": found["item"], "district": found["district"], "seed": seed,
                      "note": note, "count": found["suggested"] or ""},
            pool=found, sums=sums(found))

    @router.post("/draws")
    async def order(request: Request) -> Response:
        form = await read_form(request)
        try:
            async with gate.place():
                return await anyio.to_thread.run_sync(ordered, form)
        except Problem as problem:
            return await anyio.to_thread.run_sync(wrong, request, form, problem)

    def wrong(request: Request, form: dict[str, str], problem: Problem) -> Response:
        return form_page(request, form, problem.status_code, problem=problem)

    def ordered(form: dict[str, str]) -> Response:
        counting = form.pop("act", "") == "count"
        fields: Row = dict(form)
        if counting:
            fields = {"seed": NOBODY, "actor": NOBODY} | fields | {"count": "0"}
        body = order_of(fields)
        if not counting and not body.count:
            raise unfit(Unfit("count", body.count, f"must be 1 to {DRAW_MAX}"))
        made = draws.order(body)
        if not counting:
            return remembering(f"/draws/{segment(made['id'])}?done=draw", body.actor)
        kept = {"pool": made["id"]} | {k: form[k] for k in ("seed", "note") if k in form}
        return remembering(f"/draws?{urlencode(kept)}#pool", form.get("actor", ""))

    @router.get("/draws/{draw_id}")
    def one(request: Request, draw_id: str, at: Annotated[int, Query(ge=0, le=1_000_000)] = 0,
            all: Word = "", done: Word = "") -> Response:
        return draw_page(request, draws.one(draw_id), at=0 if all else at,
                         shown=10**6 if all else PICKED_SHOWN, done=done)

    @router.post("/draws/{draw_id}/release")
    async def release(request: Request, draw_id: str) -> Response:
        form = await read_form(request)
        try:
            body = release_of(dict(form))
            async with gate.place():
                await anyio.to_thread.run_sync(draws.release, draw_id, body)
        except Problem as problem:
            if problem.status_code == 404:
                raise
            return await anyio.to_thread.run_sync(not_released, request, draw_id, form, problem)
        return remembering(f"/draws/{segment(draw_id)}?done=release", body.actor)

    def not_released(request: Request, draw_id: str, form: dict[str, str],
                     problem: Problem) -> Response:
        return draw_page(request, draws.one(draw_id), problem.status_code, problem=problem,
                         at=0, shown=PICKED_SHOWN, reason=form.get("reason", ""))

    return router


def sums(found: Row) -> Row:
    """The last line of the table of grades."""
    return {key: sum(share[key] for share in found["strata"]) for key in _SUMS}


def unseen(found: Row) -> list[str]:
    """Grades of which somebody was drawn and nobody inspected: nothing is estimated without."""
    return [s["stratum"] for s in found["strata"] if s["drawn"] and not s["inspected"]]


def check(found: Row) -> str:
    """A command that makes the rank of the first one drawn, or "" where nobody is."""
    if not found["picked"]:
        return ""
    parts = (found["seed"], found["item"], found["picked"][0]["subject"])
    return (f"printf '%s\\n%s\\n%s' {' '.join(map(shlex.quote, parts))} | sha256sum | "
            "cut -c 1-16")
