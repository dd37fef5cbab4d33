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
    """Of the hours that were not written yet: one, as a rule."""

    def __init__(self) -> None:
        self._held: dict[int, tuple[int, dict[str, int]]] = {}
        """Hour -> when its first was refused, count by source."""

    def refuse(self, raw: bytes, reason: Reason, clock_ms: int) -> None:
        """An event was refused, at a time of the log [epoch ms]."""
        if reason.field != "subject" or not clock_ms:
            return
        try:
            source = _SOURCE.decode(raw).source
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            return
        if not (0 < len(source) <= 256 and source.isprintable()):
            return
        _, wrong = self._held.setdefault(clock_ms // HOUR_MS, (clock_ms, {}))
        if source in wrong or len(wrong) < SOURCES_MAX:
            wrong[source] = wrong.get(source, 0) + 1

    def reports(self, clock_ms: int | None = None) -> list[IntakeReport]:
        """What is to be written before the log comes to a moment; None = all that was counted."""
        due = [h for h in sorted(self._held) if clock_ms is None or h < clock_ms // HOUR_MS]
        out = []
        for hour in due:
            since_ms, wrong = self._held.pop(hour)
            out.append(IntakeReport(hour * HOUR_MS, since_ms, dict(sorted(wrong.items()))))
        return out
