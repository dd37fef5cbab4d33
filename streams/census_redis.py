"""The view in Redis as the walk over the city sees it: read by scans, nobody waits for them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from models.scorecard import Card
from storage import redis_keys as keys
from storage.effects import AlertChanged, ReviewChanged
from streams import checkpoint
from streams.census import SLICE, Dead, Glimpse, glimpse
from streams.redis_reader import RedisReader

_ALERT = msgspec.msgpack.Decoder(AlertChanged).decode
_REVIEW = msgspec.msgpack.Decoder(ReviewChanged).decode
ROWS = 200
"""Rows asked for at once."""


class RedisHeld:
    """See `census.Held`. What changes during a scan may be seen as it was or as it is."""

    def __init__(self, reader: RedisReader) -> None:
        self._reader = reader

    def now(self) -> tuple[Card | None, int]:
        timeline = self._reader.timeline()
        return (timeline.last if timeline is not None else None,
                self._reader.standing().clock_ms)

    def glimpses(self) -> Iterator[Sequence[Glimpse]]:
        for n in range(self._reader.partitions()):
            for part in self._scanned(self._reader.keys.states(n)):
                yield [glimpse(checkpoint.unpack(state)) for state in part]

    def reviews_held(self) -> Iterator[Sequence[ReviewChanged]]:
        for part in self._scanned(self._reader.keys.reviews):
            yield [_REVIEW(body) for body in part]

    def alerts_held(self) -> Iterator[Sequence[AlertChanged]]:
        for part in self._scanned(self._reader.keys.alerts):
            yield [_ALERT(keys.alert(held)[1]) for held in part]

    def dead_held(self) -> Iterator[Sequence[Dead]]:
        for start in itertools.count(0, ROWS):
            held = self._reader.client.lrange(self._reader.keys.rejects, start, start + ROWS - 1)
            if not held:
                return
            letters = [keys.DEAD(x.partition(b"\n")[2]) for x in held]
            yield [Dead(x[0], x[6].field, x[7]) for x in letters]

    def report(self) -> dict[str, Any] | None:
        return self._reader.models()

    def _scanned(self, name: str) -> Iterator[list[bytes]]:
        """Values of a hash, each field once although a scan may give it twice while it grows."""
        seen: set[bytes] = set()
        part: list[bytes] = []
        for field, value in self._reader.client.hscan_iter(name, count=SLICE):
            if field not in seen:
                seen.add(field)
                part.append(value)
            if len(part) >= SLICE:
                yield part
                part = []
        yield part
