"""What one request may take: bytes of body, and a place among the submissions under way."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
from fastapi import Request
from starlette.requests import ClientDisconnect

from console.problems import Problem

BODY_BYTES_MAX = 10_000_000
"""Bytes of an intake body, where the runner's settings say nothing else."""

BODY_S = 20.0
BODY_BYTES_S = 10_000
"""A body may take `BODY_S`, and a second more for every so many bytes that came: one that drips
would hold its place among the submissions."""

FORM_BYTES_MAX = 64 * 1024
"""Bytes of an act or a form."""

KEY_LENGTH_MAX = 256


async def read_body(request: Request, bytes_max: int) -> bytes:
    """Read the body, never more of it than `bytes_max`.

    Raises
    ------
    Problem: 413 beyond the limit, 400 where the client went away, 408 where it is too slow.
    """
    declared = request.headers.get("content-length", "0")
    if declared.isdecimal() and int(declared[:20]) > bytes_max:
        raise _too_large(bytes_max)
    chunks, size = list[bytes](), 0
    try:
        with anyio.fail_after(BODY_S) as patience:
            async for chunk in request.stream():
                size += len(chunk)
                if size > bytes_max:
                    raise _too_large(bytes_max)
                chunks.append(chunk)
                patience.deadline += len(chunk) / BODY_BYTES_S
    except TimeoutError:
        raise Problem(
            408,
            "too-slow",
            f"the body came at under {BODY_BYTES_S} bytes/s",
            {"connection": "close"},
        ) from None
    except ClientDisconnect:
        raise Problem(400, "disconnected", "the client went away before the body ended") from None
    return b"".join(chunks)


class Gate:
    """Lets at most `places` in at once and turns the rest away: the client's own queue is better.

    Used on the event loop only.
    """

    def __init__(self, places: int) -> None:
        self.places = places
        self.taken = 0

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """Hold a place.

        Raises
        ------
        Problem: 503 with `Retry-After` when all are taken.
        """
        if self.taken >= self.places:
            raise Problem(
                503,
                "busy",
                f"{self.places} requests of this kind are under way: try again",
                {"retry-after": "1"},
            )
        self.taken += 1
        try:
            yield
        finally:
            self.taken -= 1


def idempotency_key(request: Request) -> str:
    """The client's key, or empty."""
    key = request.headers.get("idempotency-key", "").strip()
    if len(key) > KEY_LENGTH_MAX:
        raise Problem(400, "key", f"idempotency-key: at most {KEY_LENGTH_MAX} characters",
                      length_max=KEY_LENGTH_MAX)
    return key


def if_match(request: Request) -> int | None:
    """The state the client saw: a `seq`, in quotes or bare; None = it does not say."""
    text = request.headers.get("if-match", "").strip().strip('"')
    if not text:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) < 20):
        raise Problem(400, "if-match", f"if-match={text[:64]}: must be the seq of the alert or the "
                      "review", value=text[:64])
    return int(text)


def _too_large(bytes_max: int) -> Problem:
    return Problem(
        413, "body-too-large", f"the body is over {bytes_max} bytes", bytes_max=bytes_max
    )
