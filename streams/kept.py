"""A value that takes a while to make, kept for a multiple of that while."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

T = TypeVar("T")
QUICK_S = 0.02
"""What takes longer is made anew beside, while the last one is given: a scrape does not wait."""


class Kept(Generic[T]):
    """Thread-safe. Unless told otherwise, only the very first value is waited for.

    Parameters
    ----------
    factor
        A value is kept for so many times as long as it took: at most 1 / factor of a core is spent.
    least_s
        It is kept for so long at least [s].
    waits
        Whether whoever finds it too old waits for a new one, however long that takes.
    """

    def __init__(self, make: Callable[[], T], factor: float, least_s: float = 0.0, *,
                 waits: bool = False) -> None:
        self._make = make
        self._factor = factor
        self._least_s = least_s
        self._waits = waits
        self._lock = threading.Lock()
        self._held: tuple[T, float, float] | None = None
        """Value, when it was made and for how long it is good [s, monotonic]."""
        self._pool: ThreadPoolExecutor | None = None
        self._running: Future[tuple[T, float, float]] | None = None

    def get(self) -> T:
        """The value. Raises what making it raised, once."""
        with self._lock:
            if self._running is not None and self._running.done():
                done, self._running = self._running, None
                self._held = done.result()
            if self._held is None:
                self._held = self._timed()
            value, made_s, good_s = self._held
            if self._running is not None or time.monotonic() - made_s < good_s:
                return value
            if self._waits or good_s < QUICK_S * self._factor:
                self._held = self._timed()
                return self._held[0]
            self._pool = self._pool or ThreadPoolExecutor(1, "kept")
            self._running = self._pool.submit(self._timed)
            return value

    def forget(self) -> None:
        """Let the next one be made anew."""
        with self._lock:
            self._held = None

    def age_s(self) -> float:
        """Of the value given last; 0 before the first."""
        held = self._held
        return time.monotonic() - held[1] if held is not None else 0.0

    def _timed(self) -> tuple[T, float, float]:
        started = time.monotonic()
        value = self._make()
        ended = time.monotonic()
        return value, ended, max(self._factor * (ended - started), self._least_s)
