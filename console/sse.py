"""The alert stream: every transition once, in order, also across a lost connection.

The cursor is the transition's `seq`, which the service keeps durably; a client that comes back
with `Last-Event-ID` goes on exactly where it was.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Iterable
from typing import NamedTuple

from starlette.concurrency import run_in_threadpool

from console.limits import Gate
from console.problems import Problem, dumps
from console.service import Row, Service

STREAMS_MAX = 500
ROWS_MAX = 200
"""Transitions read at once by a stream that is behind the others."""

POLL_S = 0.2
HEARTBEAT_S = 15.0
TAIL_MAX = 1000
"""Transitions that all streams share: some seconds of a flood, some MB."""
IDLE_S = 5.0
LIFE_S = 1800.0
"""After this a stream ends and the browser opens the next: no connection lives for ever."""


class Told(NamedTuple):
    """A transition, and what goes over the wire for it."""

    seq: int
    row: Row
    data: bytes


class Streams:
    """The open streams of one application.

    All of them follow one tail: the newest transitions, read from the service and packed once
    whatever the number of streams. Whoever is further behind reads for itself until it is there.
    """

    def __init__(
        self, service: Service, poll_s: float = POLL_S, heartbeat_s: float = HEARTBEAT_S
    ) -> None:
        self.gate = Gate(STREAMS_MAX)
        self.closing = False
        self._service = service
        self._poll_s = poll_s
        self._heartbeat_s = heartbeat_s
        self._tail: deque[Told] = deque()
        self._floor = self._newest = -1
        """The tail holds every transition between: floor < seq <= newest."""
        self._read_at = float("-inf")
        self._reading = asyncio.Lock()
        self._packed: dict[int, bytes] = {}
        """What follows a cursor, as most streams stand at the same one."""

    def close(self) -> None:
        """End every stream at its next poll; the runner calls this before it stops the server."""
        self.closing = True

    async def _advance(self) -> None:
        """Read what is new, at most once per poll whatever the number of streams."""
        async with self._reading:
            now = time.monotonic()
            if now - self._read_at < self._poll_s:
                return
            if now - self._read_at > IDLE_S:
                # Nobody listened: what happened meanwhile is not caught up with.
                self._floor = self._newest = await run_in_threadpool(self._service.last_seq)
                self._tail.clear()
            fresh = await run_in_threadpool(self._fresh)
            self._read_at = time.monotonic()
            if fresh:
                self._tail.extend(fresh)
                self._newest = fresh[-1].seq
                self._packed.clear()
            while len(self._tail) > TAIL_MAX:
                self._floor = self._tail.popleft().seq

    def _fresh(self) -> list[Told]:
        """Transitions after the newest; a flood comes in parts."""
        if self._service.last_seq() <= self._newest:
            return []
        return [told(row) for row in self._service.changes(self._newest, TAIL_MAX)]

    async def _after(self, after: int, wanted: dict[str, str]) -> tuple[int, bytes]:
        """The next cursor, and the events up to it."""
        await self._advance()
        if after >= self._newest:
            return after, b""
        if after < self._floor:
            rows = await run_in_threadpool(self._service.changes, after, ROWS_MAX)
            found = [told(row) for row in rows]
            return (found[-1].seq if found else after), pack(found, wanted)
        if wanted:
            return self._newest, pack((x for x in self._tail if x.seq > after), wanted)
        if after not in self._packed:
            self._packed[after] = pack((x for x in self._tail if x.seq > after), wanted)
        return self._newest, self._packed[after]

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
                before = after
                after, events = await self._after(after, wanted)
                if events:
                    yield events
                    spoke_at = time.monotonic()
                elif time.monotonic() - spoke_at >= self._heartbeat_s:
                    yield b": alive\n\n"
                    spoke_at = time.monotonic()
                if after == before or after >= self._newest:
                    await asyncio.sleep(self._poll_s)


def told(row: Row) -> Told:
    seq = int(row["seq"])
    return Told(seq, row, b"id: %d\nevent: alert\ndata: %b\n\n" % (seq, dumps(row)))


def pack(events: Iterable[Told], wanted: dict[str, str]) -> bytes:
    """Those with the wanted values, as they go over the wire."""
    return b"".join(x.data for x in events if all(
        str(x.row.get(field)) == value for field, value in wanted.items()))


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
