"""The embedded runner as the walk over the city sees it: states under its lock, few at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any

import msgspec

from models.scorecard import Card
from storage.effects import AlertChanged, Reason, ReviewChanged
from streams.analysis import Analysis
from streams.census import SLICE, Dead, Glimpse, glimpse
from streams.pipeline import Shard
from streams.reader import Reader

_ALERT = msgspec.msgpack.Decoder(AlertChanged).decode
_REVIEW = msgspec.msgpack.Decoder(ReviewChanged).decode
_REASON = msgspec.msgpack.Decoder(Reason).decode
ROWS = 200
"""Rows of the view read at once."""


class EmbeddedHeld:
    """See `census.Held`.

    Parameters
    ----------
    lock
        Held while anybody changes the shard or the analysis.
    """

    def __init__(self, shard: Shard, analysis: Analysis, reader: Reader,
                 lock: AbstractContextManager[Any]) -> None:
        self._shard, self._analysis = shard, analysis
        self._reader, self._lock = reader, lock

    def now(self) -> tuple[Card | None, int]:
        with self._lock:
            timeline = self._shard.timeline
            return timeline.last if timeline is not None else None, self._shard.clock_ms

    def glimpses(self) -> Iterator[Sequence[Glimpse]]:
        with self._lock:
            subjects = list(self._shard.subjects.values())
        for start in range(0, len(subjects), SLICE):
            with self._lock:
                part = [glimpse(one) for one in subjects[start : start + SLICE]]
            yield part

    def reviews_held(self) -> Iterator[Sequence[ReviewChanged]]:
        for rows in self._rows("reviews"):
            yield [_REVIEW(body) for _, body in rows]

    def alerts_held(self) -> Iterator[Sequence[AlertChanged]]:
        for rows in self._rows("alerts"):
            yield [_ALERT(body) for _, body in rows]

    def dead_held(self) -> Iterator[Sequence[Dead]]:
        after = 0
        while rows := self._reader.query(
                "SELECT seq, received_ms, reason, raw FROM rejects WHERE seq > ? ORDER BY seq "
                "LIMIT ?", (after, ROWS)):
            yield [Dead(at, _REASON(reason).field, raw) for _, at, reason, raw in rows]
            after = rows[-1][0]

    def report(self) -> dict[str, Any] | None:
        # The store has one only now and then.
        with self._lock:
            return self._analysis.report()

    def _rows(self, table: str) -> Iterator[list[tuple[Any, ...]]]:
        after = ""
        while rows := self._reader.query(
                f"SELECT id, body FROM {table} WHERE id > ? ORDER BY id LIMIT ?", (after, ROWS)):
            yield rows
            after = rows[-1][0]
