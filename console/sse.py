"""The alert stream: every transition once, in order, also across a lost connection.

The cursor is the transition's `seq`, which the service keeps durably; a client that comes back
with `Last-Event-ID` goes on exactly where it was.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

from starlette.concurrency import run_in_threadpool

from console.limits import Gate
from console.problems import Problem, dumps
from console.service import Row, Service

STREAMS_MAX = 500
ROWS_MAX = 200
"""Transitions read at once."""

POLL_S = 0.2
HEARTBEAT_S = 15.0
LIFE_S = 1800.0
"""After this a stream ends and the browser opens the next: no connection lives for ever."""


class Streams:
    """The open streams of one application."""

    def __init__(
        self, service: Service, poll_s: float = POLL_S, heartbeat_s: float = HEARTBEAT_S
    ) -> None:
        self.gate = Gate(STREAMS_MAX)
        self.closing = False
        self._service = service
        self._poll_s = poll_s
        self._heartbeat_s = heartbeat_s
        self._seq = 0
        self._read_at = float("-inf")
        self._reading = asyncio.Lock()

    def close(self) -> None:
        """End every stream at its next poll; the runner calls this before it stops the server."""
        self.closing = True

    async def newest(self) -> int:
        """Newest `seq`, read at most once per poll whatever the number of streams."""
        async with self._reading:
            if time.monotonic() - self._read_at >= self._poll_s:
                self._seq = await run_in_threadpool(self._service.last_seq)
                self._read_at = time.monotonic()
        return self._seq

    async def events(self, after: int, wanted: dict[str, str]) -> AsyncIterator[bytes]:
        """Server-sent events after `after`, for ever; `wanted` {field: value} narrows them.

        A cursor beyond the newest `seq` belongs to another store: the client is told to start over.
        """
        async with self.gate.place():
            yield b"retry: 2000\n\n"
            # Read afresh: the shared reading may be older than the cursor the client was given.
            newest = await run_in_threadpool(self._service.last_seq)
            if after > newest:
                after = newest
                yield b"id: %d\nevent: reset\ndata: {}\n\n" % newest
            opened_at = spoke_at = time.monotonic()
            while not self.closing and time.monotonic() - opened_at < LIFE_S:
                rows: list[Row] = []
                if await self.newest() > after:
                    rows = await run_in_threadpool(self._service.changes, after, ROWS_MAX)
                for row in rows:
                    after = int(row["seq"])
                    if all(str(row.get(field)) == value for field, value in wanted.items()):
                        yield b"id: %d\nevent: alert\ndata: %b\n\n" % (after, dumps(row))
                        spoke_at = time.monotonic()
                if time.monotonic() - spoke_at >= self._heartbeat_s:
                    yield b": alive\n\n"
                    spoke_at = time.monotonic()
                if not rows:
                    await asyncio.sleep(self._poll_s)


def cursor(last_event_id: str | None, after: int | None) -> int | None:
    """Where a client wants to go on: its header wins over the address it first opened.

    Raises
    ------
    Problem: 400 for a header that is no number.
    """
    if last_event_id is None or last_event_id == "":
        return after
    if not (last_event_id.isascii() and last_event_id.isdecimal() and len(last_event_id) < 19):
        raise Problem(400, "last-event-id", f"last-event-id={last_event_id}: must be a number >= 0")
    return int(last_event_id)
