"""Answers of departments' systems, by HTTP: each proves itself by its own signature."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

import anyio.to_thread
from fastapi import APIRouter, Request
from starlette.responses import Response

from console.limits import FORM_BYTES_MAX, read_body
from console.problems import Json, Problem
from console.service import Row

PATH = "/api/v1/receipts/"
Receive: TypeAlias = Callable[[str, Mapping[str, str], bytes], Row | None]
"""(receiver, headers, body) -> what became of it; None = the signature is not the receiver's."""


def receiving(receive: Receive | None) -> APIRouter:
    """The route that takes them."""
    router = APIRouter(default_response_class=Json)

    @router.post(PATH + "{receiver}", status_code=202, tags=["alerts"])
    async def receipts(receiver: str, request: Request) -> Response:
        """Acts of a department's people, handed in by its system; signed by Standard Webhooks."""
        if receive is None:
            raise Problem(404, "no-channels", "this service tells nobody by webhook")
        body = await read_body(request, FORM_BYTES_MAX)
        try:
            done = await anyio.to_thread.run_sync(receive, receiver, dict(request.headers), body)
        except ValueError as error:
            raise Problem(422, "invalid-body", str(error)) from None
        if done is None:
            raise Problem(401, "signature", "no signature of this receiver, or outside its window")
        return Json(done, 202)

    return router
