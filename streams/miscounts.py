"""How many events with a wrong code intake refused, hour by hour, to be written into the log.

What was counted and not written yet is lost with the process: part of an hour, at most.
"""

from __future__ import annotations

import msgspec

from models.events import IntakeReport
from storage.effects import Reason

HOUR_MS = 3_600_000
SOURCES_MAX = 1_000
"""Sources counted in an hour: whoever makes up more is not counted."""


class _Source(msgspec.Struct):
    source: str


_SOURCE = msgspec.json.Decoder(_Source)


class Miscounts:
    """Of the hour under way."""

    def __init__(self) -> None:
        self._hour = 0
        self._wrong: dict[str, int] = {}

    def refuse(self, raw: bytes, reason: Reason, clock_ms: int) -> None:
        """An event was refused, at a time of the log [epoch ms] that never goes back."""
        if reason.field != "subject" or not clock_ms:
            return
        try:
            source = _SOURCE.decode(raw).source
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            return
        if not (0 < len(source) <= 256 and source.isprintable()):
            return
        if source in self._wrong or len(self._wrong) < SOURCES_MAX:
            self._hour = clock_ms // HOUR_MS
            self._wrong[source] = self._wrong.get(source, 0) + 1

    def report(self, clock_ms: int) -> IntakeReport | None:
        """What is to be written before the log comes to a moment; None = nothing yet."""
        if not self._wrong or clock_ms // HOUR_MS <= self._hour:
            return None
        said = IntakeReport(self._hour * HOUR_MS, dict(sorted(self._wrong.items())))
        self._wrong = {}
        return said
