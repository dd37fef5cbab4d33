"""The HTTP interface of contract §6: draws of inspections by grade."""

from __future__ import annotations

from typing import Annotated, Literal

import anyio.to_thread
from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from console import draws_csv
from console.api import Limit, cursor_in, page
from console.api_write import json_body
from console.centre_api import attachment
from console.draws import Draws, order_of, release_of
from console.limits import Gate
from console.openapi import DRAW_BODY, RELEASE_BODY
from console.problems import Json
from console.service import Service
from console.view import segment


def drawing(service: Service, draws: Draws, gate: Gate) -> APIRouter:
    """Routes of draws; `gate` lets so many orders wait for their answer at once."""
    router = APIRouter(default_response_class=Json, tags=["draws"])

    @router.get("/api/v1/draws")
    def past(
        limit: Limit = 50,
        before: Annotated[str | None, Query(max_length=512)] = None,
    ) -> Response:
        """Draws of inspections, newest first, in pages, without those they drew."""
        rows = service.draws(limit=limit + 1, before=cursor_in(before, service.draw))
        return Json(page("draws", rows, limit, "id"))

    @router.post("/api/v1/draws", status_code=201, openapi_extra=DRAW_BODY)
    async def order(request: Request) -> Response:
        """Draw businesses for an inspection under an item, by grade; or count its pool.

        The same order on the same day is the same draw, whoever repeats it: no key is needed to
        make a repeat safe. `count` 0 draws nobody. 503 with `Retry-After`: it is ordered, not
        everybody has answered; the same order again returns the draw.
        """
        body = order_of(await json_body(request))
        async with gate.place():
            made = await anyio.to_thread.run_sync(draws.order, body)
        return Json(made, 201, {"location": f"/api/v1/draws/{segment(made['id'])}"})

    @router.get("/api/v1/draws/{draw_id}")
    def one(draw_id: str) -> Response:
        """One draw with those it picked, and how far each inspection has come.

        Anybody can check it: see `models.draw` and `xinfeng draw --check ID`.
        """
        return Json(draws.one(draw_id))

    @router.post("/api/v1/draws/{draw_id}/release", openapi_extra=RELEASE_BODY)
    async def release(draw_id: str, request: Request) -> Response:
        """Let go whoever was drawn and not inspected, with the reason; the draw as it is then."""
        body = release_of(await json_body(request))
        async with gate.place():
            return Json(await anyio.to_thread.run_sync(draws.release, draw_id, body))

    @router.get("/draws/{draw_id}.csv")
    def listed(draw_id: str, lang: Literal["zh", "en"] = "zh") -> Response:
        """Who was drawn, as a file for the double-random system: a row a business.

        UTF-8 with a byte order mark, CRLF, no formulas.
        """
        found = draws.listed(draw_id)
        return attachment(draws_csv.drawn_list(found, lang).encode(), "text/csv; charset=utf-8",
                          f"{found['id']}.csv")

    return router
