"""Keeps small what a crash would send twice: answers that are not written down yet.

A message whose answer was lost with the process goes again. So one request at a time is let out,
and the next when the answer to it is in the ledger, or when it takes longer than `young_s`: a slow
receiver holds nobody up. How many a crash may send twice is then one of the quick, and those that
are slow just then, whatever the load.
"""

from __future__ import annotations

import threading
import time


class Gate:
    """Passed by a thread with the last part of its request, left when the answer is durable."""

    def __init__(self, young_s: float = 0.005) -> None:
        self._young_s = young_s
        self._since: dict[int, float] = {}
        self._free = threading.Condition()

    def enter(self) -> None:
        """Wait until nobody is young inside."""
        me = threading.get_ident()
        with self._free:
            while self._since:
                left = max(self._since.values()) + self._young_s - time.monotonic()
                if left <= 0:
                    break
                self._free.wait(left)
            self._since[me] = time.monotonic()

    def leave(self) -> None:
        """The answer is written down, or there was none."""
        with self._free:
            if self._since.pop(threading.get_ident(), None) is not None:
                self._free.notify()
