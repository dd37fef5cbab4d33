"""Collects accepted events into envelopes, one open for each partition of the log.

An envelope is written when it is full, or when its first event has waited long enough: a lone event
is not late, and a flood is written in bulk.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from models import events as e
from storage.partition import partition_of
from streams import codec
from streams.pipeline import Entry

Write = Callable[[int, bytes, Sequence[str]], None]
"""(partition, envelope, subject of each event)."""
_TICK = e.Tick()
_TICK_BODY = codec.encode(_TICK)


class _Open:
    __slots__ = ("entries", "since", "size", "subjects")

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.subjects: list[str] = []
        self.size = 0
        self.since = 0.0


class Envelopes:
    """
    Parameters
    ----------
    partitions
        Of the log.
    write
        Appends one envelope to a partition.
    max_events, max_bytes
        When an envelope is full. A single event may be larger.
    max_wait_s
        How long an event may wait for others.
    """

    def __init__(self, partitions: int, write: Write, *, max_events: int, max_bytes: int,
                 max_wait_s: float) -> None:
        self.partitions = partitions
        self.written = 0
        """Envelopes written so far."""
        self._write = write
        self._max_events, self._max_bytes, self.max_wait_s = max_events, max_bytes, max_wait_s
        self._open = [_Open() for _ in range(partitions)]
        self._homes: dict[str, int] = {}

    def put(self, recorded_ms: int, event: e.Event | e.Detected | e.IntakeReport, body: bytes,
            now_s: float) -> None:
        """Take in an event; `now_s` is any clock that only goes forward."""
        home = self._homes.get(event.subject)
        if home is None:
            if len(self._homes) > 2_000_000:
                self._homes.clear()
            home = self._homes[event.subject] = partition_of(event.subject, self.partitions)
        self._add(home, Entry(recorded_ms, body, event), event.subject, now_s)

    def tick(self, clock_ms: int, now_s: float) -> None:
        """Let time pass in every partition."""
        for partition in range(self.partitions):
            self._add(partition, Entry(clock_ms, _TICK_BODY, _TICK), "", now_s)

    def broadcast(self, event: e.Broadcast, clock_ms: int) -> None:
        """An entry for every partition, each in an envelope of its own, at once."""
        self.flush()
        body = codec.encode(event)
        for partition in range(self.partitions):
            self._add(partition, Entry(clock_ms, body, event), "", 0.0)
        self.flush()

    def _add(self, partition: int, entry: Entry, subject: str, now_s: float) -> None:
        held = self._open[partition]
        if held.entries and held.size + len(entry.body) > self._max_bytes:
            self._close(partition)
        if not held.entries:
            held.since = now_s
        held.entries.append(entry)
        held.subjects.append(subject)
        held.size += len(entry.body) + 16
        if len(held.entries) >= self._max_events or held.size >= self._max_bytes:
            self._close(partition)

    def _close(self, partition: int) -> None:
        held = self._open[partition]
        self._write(partition, codec.encode_envelope(held.entries), held.subjects)
        self.written += 1
        held.entries, held.subjects, held.size = [], [], 0

    def flush(self, now_s: float | None = None) -> None:
        """Write what has waited long enough by `now_s`; None = everything."""
        for partition, held in enumerate(self._open):
            if held.entries and (now_s is None or now_s - held.since >= self.max_wait_s):
                self._close(partition)
