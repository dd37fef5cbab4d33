"""The HTTP interface of contract §6: events and people's acts."""

from __future__ import annotations

from functools import partial
from typing import Annotated, TypeVar

import anyio.to_thread
import msgspec
from fastapi import APIRouter, Path, Request
from starlette.responses import Response

from console.acts import ALERT_ACTS, Acts, AlertActIn, ReviewAnswerIn, parse
from console.intake import split
from console.limits import FORM_BYTES_MAX, Gate, idempotency_key, if_match, read_body
from console.openapi import ACT_BODY, ANSWER_BODY, EVENTS_BODY, KEY_HEADER, SEEN_HEADER
from console.problems import Json, Problem
from console.service import Receipt, Row, Service

SUBMISSIONS_MAX = 64
"""Requests to `/events` under way; the next is told to come back."""

Body = TypeVar("Body", AlertActIn, ReviewAnswerIn)

WRITERS_MAX = 8
"""Of these, submissions handed to the service at once; the pages keep their own threads."""


def writing(service: Service, acts: Acts, body_bytes_max: int) -> APIRouter:
    """Routes that put events into the log, at most so many bytes of them at a time."""
    router = APIRouter(prefix="/api/v1", default_response_class=Json)
    gate = Gate(SUBMISSIONS_MAX)
    writers = anyio.CapacityLimiter(WRITERS_MAX)

    @router.post("/events", status_code=202, tags=["events"], openapi_extra=EVENTS_BODY)
    async def events(request: Request) -> Response:
        """Hand in one event or a batch; durable in the log before the answer.

        One bad event does not keep the others out: it is listed under `rejected` and kept as a
        dead letter.
        """
        async with gate.place():
            body = await read_body(request, body_bytes_max)
            origin = f"http:{request.client.host if request.client else 'unknown'}"
            headers = dict(request.headers)
            receipt = await anyio.to_thread.run_sync(
                partial(_submit, service, body, headers, origin), limiter=writers
            )
        return Json(receipt, 202)

    @router.post(
        "/alerts/{alert_id:path}/{act}",
        status_code=202,
        tags=["alerts"],
        openapi_extra={**ACT_BODY, "parameters": [KEY_HEADER, SEEN_HEADER]},
    )
    async def act_on_alert(
        alert_id: str,
        act: Annotated[str, Path(json_schema_extra={"enum": [*ALERT_ACTS]})],
        request: Request,
    ) -> Response:
        """Do something about an alert: acknowledge, assign, close, reopen or silence it."""
        if act not in ALERT_ACTS:
            raise Problem(
                404,
                "no-such-act",
                f"act={act}: must be one of {', '.join(ALERT_ACTS)}",
                act=act,
                allowed=list(ALERT_ACTS),
            )
        body = _seen(request, parse(await json_body(request), AlertActIn))
        key = idempotency_key(request)
        done = await anyio.to_thread.run_sync(acts.on_alert, alert_id, act, body, key)
        return Json(done, 202)

    @router.post(
        "/reviews/{review_id:path}/answer",
        status_code=202,
        tags=["reviews"],
        openapi_extra={**ANSWER_BODY, "parameters": [KEY_HEADER, SEEN_HEADER]},
    )
    async def answer_review(review_id: str, request: Request) -> Response:
        """Answer a review for a department: keep its grade, or adjust it, with the reason."""
        body = _seen(request, parse(await json_body(request), ReviewAnswerIn))
        key = idempotency_key(request)
        done = await anyio.to_thread.run_sync(acts.on_review, review_id, body, key)
        return Json(done, 202)

    return router


def _seen(request: Request, body: Body) -> Body:
    """The body with the state of the header, where there is one."""
    seen = if_match(request)
    return body if seen is None else msgspec.structs.replace(body, seq=seen)


async def json_body(request: Request) -> bytes:
    """The body of an act.

    Raises
    ------
    Problem: 415 for another type, 413 beyond the limit.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise Problem(415, "content-type", f"content-type={kind}: must be application/json",
                      value=kind, allowed="application/json")
    return await read_body(request, FORM_BYTES_MAX)


def _submit(service: Service, body: bytes, headers: dict[str, str], origin: str) -> Row:
    batch = split(body, headers)
    receipt = service.submit(batch.raws, origin) if batch.raws else Receipt(0, 0, [])
    return {
        "accepted": receipt.accepted,
        "duplicates": receipt.duplicates,
        "rejected": [
            {"index": batch.places[each.index], "reason": each.reason} for each in receipt.rejected
        ],
    }
