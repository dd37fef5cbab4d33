"""The state in the view in Redis: subjects, policies, clocks. Makes shards that can be described.

Writers go on meanwhile: what is asked for in one question is of one moment, two questions are not.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, cast

import msgspec
import redis

from models.ledger import DAY_MS
from models.scorecard import Timeline
from models.subject import Subject
from storage import redis_keys as keys
from storage.partition import partition_of
from storage.redis_keys import Keys
from storage.sqlite_store import StoreError
from streams import checkpoint, digest
from streams.pipeline import Shard
from streams.rows import Row
from streams.show import describe
from streams.view import Standing

_UNPACK = msgspec.msgpack.Decoder().decode
CHUNK = 2_000
"""Rows asked for at once when a query must look through many."""


class RedisState:
    """What the view under one prefix knows of subjects and partitions, from any thread.

    Parameters
    ----------
    client
        With `decode_responses=False`.
    """

    def __init__(self, client: redis.Redis, prefix: str = "xinfeng") -> None:
        # Its types allow for an asynchronous client too.
        self.client = cast(Any, client)
        self.keys = Keys(prefix)
        self._timelines: dict[bytes, Timeline] = {}

    def partitions(self) -> int:
        """Of the log that the view was made from; 0 = nothing was written yet.

        Raises
        ------
        StoreError: the view has another schema.
        """
        held = self.client.hgetall(self.keys.layout)
        if not held:
            return 0
        if int(held[b"schema"]) != keys.SCHEMA:
            raise StoreError(f"the view under {self.keys.prefix} has schema "
                             f"{int(held[b'schema'])}, this program reads {keys.SCHEMA}")
        return int(held[b"partitions"])

    def shard_of(self, subject: str) -> Shard:
        """A shard with this one subject, if it is known, at its partition's clock.

        It can be described, not stepped: it knows no identities and stands in no timer wheel.
        """
        partitions = self.partitions()
        if not partitions:
            return Shard()
        n = partition_of(subject, partitions)
        with self.client.pipeline() as tx:
            tx.hget(self.keys.states(n), subject)
            tx.hgetall(self.keys.part(n))
            tx.lrange(self.keys.sources(n), 0, -1)
            state, part, sources = tx.execute()
        shard = Shard()
        timeline = self._timeline(part)
        if timeline is not None:
            shard.bring(timeline)
            shard.clock_ms = int(part[b"clock_ms"])
            shard.day = (shard.clock_ms + timeline.last.offset_ms) // DAY_MS
        shard.sources = {name.decode(): code for code, name in enumerate(sources)}
        if state is not None:
            shard.subjects[subject] = checkpoint.unpack(state)
        return shard

    def records_of(self, subjects: Iterable[str]) -> Shard:
        """A shard that knows the records of some subjects, and nothing else."""
        partitions, shard, wanted = self.partitions(), Shard(), sorted(subjects)
        with self.client.pipeline(transaction=False) as tx:
            for subject in wanted:
                tx.hget(self.keys.states(partition_of(subject, partitions)), subject)
            for subject, state in zip(wanted, tx.execute(), strict=True):
                if state is not None:
                    shard.subjects[subject] = checkpoint.unpack(state)
        return shard

    def _timeline(self, part: dict[bytes, bytes]) -> Timeline | None:
        """The policies a partition has seen. Kept: making one takes 15 ms."""
        name = part.get(b"cards")
        if name is None:
            return None
        held = self._timelines.get(name)
        if held is None:
            held = checkpoint.timeline(_UNPACK(self.client.hget(self.keys.cards, name)))
            # Partitions may be on either side of a change of policy.
            if len(self._timelines) > 2:
                self._timelines.clear()
            self._timelines[name] = held
        return held

    def _parts(self) -> list[dict[bytes, bytes]]:
        """What is held of each partition that has begun."""
        with self.client.pipeline() as tx:
            for n in range(self.partitions()):
                tx.hgetall(self.keys.part(n))
            return [part for part in tx.execute() if part]

    def timeline(self) -> Timeline | None:
        """The policies of the partition that is furthest."""
        return self._newest(self._parts())

    def _newest(self, parts: list[dict[bytes, bytes]]) -> Timeline | None:
        known = [p for p in parts if b"cards" in p]
        return self._timeline(max(known, key=lambda p: int(p[b"clock_ms"]))) if known else None

    def show(self, subject: str) -> Row | None:
        """Assessment of a subject at its partition's clock."""
        shard = self.shard_of(subject)
        return describe(shard, subject, shard.clock_ms)

    def digest(self) -> str:
        """Of all subjects and policies; of one moment only while nobody writes. About 20 µs each.
        """
        timeline = self.timeline()
        norms = max(((int(p[b"clock_ms"]), p.get(b"norms", b"0")) for p in self._parts()),
                    default=(0, b"0"))[1]
        return digest.combine(self._all(), timeline.cards if timeline is not None else (),
                              norms.decode())

    def _all(self) -> Iterator[Subject]:
        for n in range(self.partitions()):
            seen: set[bytes] = set()
            for key, state in self.client.hscan_iter(self.keys.states(n), count=CHUNK):
                # While a hash grows, a scan may give the same field twice.
                if key not in seen:
                    seen.add(key)
                    yield checkpoint.unpack(state)

    def counts(self) -> dict[str, int]:
        """Fates of events, and `subjects`: the sums over all partitions."""
        return _sums(self._parts())

    def standing(self) -> Standing:
        """How far the view is: by its slowest partition."""
        parts = self._parts()
        sums = dict.fromkeys(("subjects", "accepted", "duplicates", "conflicts", "readings"), 0)
        sums |= {name: value for name, value in _sums(parts).items() if name in sums}
        timeline = self._newest(parts)
        card = timeline.last if timeline is not None else None
        return Standing(clock_ms=min((int(p[b"clock_ms"]) for p in parts), default=0),
                        offset=sum(int(p[b"mark"]) for p in parts), **sums,
                        policy=card.hash if card is not None else "",
                        version=card.policy.version if card is not None else "")


def _sums(parts: list[dict[bytes, bytes]]) -> dict[str, int]:
    out: dict[str, int] = {}
    for part in parts:
        for name, value in _UNPACK(part[b"counts"]).items():
            out[name] = out.get(name, 0) + value
    return out
