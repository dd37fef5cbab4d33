"""Keeps small what a crash would send twice: answers that are not written down yet.

A message whose answer was lost with the process goes again. So among receivers that answer quickly
one request at a time is let out, and the next when the answer to it is in the ledger. Whoever is
usually slow holds nobody up, and whoever is slow for once does so for a moment only. How many a
crash may send twice is then one of the quick, and the few whose slow answer is just coming in,
whatever the load.
"""

from __future__ import annotations

import threading
import time

QUICK_S = 0.02
"""Who answers faster than this, as a rule, is quick: at least 50 a second, one after another. Not
less: beside the step, in one process, an answer of loopback often takes 10 ms to be read."""
PATIENCE_S = 0.05
"""How long the others wait for a quick one."""
KEYS_MAX = 10_000


class Gate:
    """Passed by a thread with the last part of its request, left when the answer is durable."""

    def __init__(self) -> None:
        self._usual_s: dict[str, float] = {}
        self._inside: dict[int, tuple[str, float, float]] = {}
        """Thread -> (whom it asks, since when, until when the others wait for it)."""
        self._free = threading.Condition()

    def enter(self, key: str) -> None:
        """Wait until no quick one is inside."""
        with self._free:
            while self._inside:
                left = max(until for _, _, until in self._inside.values()) - time.monotonic()
                if left <= 0:
                    break
                self._free.wait(left)
            now = time.monotonic()
            wait = PATIENCE_S if self._usual_s.get(key, 0.0) < QUICK_S else 0.0
            self._inside[threading.get_ident()] = (key, now, now + wait)

    def leave(self) -> None:
        """The answer is written down, or there was none."""
        with self._free:
            found = self._inside.pop(threading.get_ident(), None)
            if found is None:
                return
            key, since, _ = found
            # One that hangs counts no more than a slow one: it may be quick again.
            took = min(time.monotonic() - since, 4 * QUICK_S)
            old = self._usual_s.get(key, took)
            if len(self._usual_s) >= KEYS_MAX:
                self._usual_s.clear()
            self._usual_s[key] = 0.8 * old + 0.2 * took
            self._free.notify()
