"""HTTP connections that do not wait for ever: a request's head must come within a time.

Uvicorn waits for a head without end, so that a client which sends a byte now and then holds a
connection for as long as it likes. Bodies have their own limit, in `console.limits`.
"""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.h11_impl import H11Protocol

HEADER_S = 10.0
"""From the first byte of a request, or the beginning of its connection, to the end of its head."""


class Patience(H11Protocol):
    """For `uvicorn.Config(http=...)`."""

    _head: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._wait()

    def data_received(self, data: bytes) -> None:
        if self._head is None and self._idle():
            self._wait()
        super().data_received(data)
        if not self._idle():
            self._stop()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop()
        super().connection_lost(exc)

    def _idle(self) -> bool:
        """No request is being answered: what comes is a head."""
        return self.cycle is None or bool(self.cycle.response_complete)

    def _wait(self) -> None:
        self._head = self.loop.call_later(HEADER_S, self._too_slow)

    def _stop(self) -> None:
        if self._head is not None:
            self._head.cancel()
            self._head = None

    def _too_slow(self) -> None:
        self._head = None
        if self._idle() and not self.transport.is_closing():
            self.transport.close()
