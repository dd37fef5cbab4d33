"""The view in Redis: what the shards conclude, for the console and the reading commands.

Each partition has a mark: the log offset that its part of the view needs next. A change is written
whole, together with the new mark, by a transaction that fails when the mark moved meanwhile. So a
late or repeated writer changes nothing, and every effect is applied exactly once.

Nothing expires. Where something is dropped there is a limit with a name, below.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import msgspec
import redis
import xxhash

from storage import redis_draws, redis_reviews
from storage import redis_keys as keys
from storage.redis_keys import Keys
from storage.rows import HOUR_MS, HOURS_KEPT_D, UNKNOWN, Rows, SubjectRow, rows_of
from storage.sqlite_store import Dead, StoreError
from storage.view import Change, MarkMismatch

TRANSITIONS_MAX = 200_000
"""Transitions kept for streams that come back: weeks of a municipality, 200 MB. The alerts
themselves are all kept."""
REJECTS_MAX = 100_000
"""Dead letters kept, the newest: nobody reads more, and the topic has them all."""
RAW_MAX_BYTES = 8_192
"""Of one dead letter: a broken feed of large messages must not fill the memory."""
_PACK = msgspec.msgpack.Encoder().encode

_SCRIPT = (Path(__file__).parent / "redis_view.lua").read_text()


class RedisView:
    """Write side of the view under one prefix. Thread-safe; any number of writers.

    Parameters
    ----------
    client
        With `decode_responses=False`. The view needs one server: its keys lie in no one slot.
    """

    def __init__(self, client: redis.Redis, prefix: str = "xinfeng") -> None:
        # Its types allow for an asynchronous client too.
        self.client = cast(Any, client)
        self.keys = Keys(prefix)

    def check(self) -> None:
        """Look whether the server may hold a view.

        Raises
        ------
        StoreError: it drops keys when it is full, or holds a view of another schema.
        """
        memory = self.client.info("memory")
        policy = str(memory.get("maxmemory_policy", ""))
        if memory.get("maxmemory") and policy.startswith("allkeys-"):
            raise StoreError(f"Redis: maxmemory-policy {policy} drops subjects when memory is "
                             "full; set noeviction")
        self._layout(self.client.hgetall(self.keys.layout), 0)

    def mark(self, partition: int) -> int:
        """Log offset that a partition's part of the view needs next; 0 = nothing was applied."""
        return int(self.client.hget(self.keys.part(partition), "mark") or 0)

    def apply(self, change: Change) -> None:
        """Write a change and move the mark, or do nothing.

        Cost: 1 ms; for each subject 1.5 µs here and in the server, for each effect 12 µs here and
        15 µs there (bench/view.py).

        Raises
        ------
        MarkMismatch: the view does not stand at `change.after`. If it stands at `change.upto`, the
        change was applied before: by somebody else, or by a call whose answer was lost.
        StoreError: the view was made from a log with another number of partitions.
        """
        while True:
            try:
                return self._apply(change)
            except redis.WatchError:
                # Another writer was first, or the connection broke, or somebody made the layout:
                # unless the mark has moved, try again.
                if (mark := self.mark(change.partition)) != change.after:
                    raise MarkMismatch(mark) from None

    def _apply(self, change: Change) -> None:
        at = self.keys.part(change.partition)
        with self.client.pipeline() as tx:
            tx.watch(at, self.keys.layout)
            mark, layout = int(tx.hget(at, "mark") or 0), tx.hgetall(self.keys.layout)
            self._expect(mark, layout, change)
            rows = rows_of(change.effects)
            # What is there cannot change meanwhile: only this partition writes it, and who does
            # moves the mark.
            sums = redis_reviews.Sums(tx, self.keys, rows)
            tx.multi()
            if not layout:
                tx.hset(self.keys.layout, mapping={
                    "schema": keys.SCHEMA, "partitions": change.partitions})
            self._write(tx, change, rows, sums)
            tx.execute()

    def _expect(self, mark: int, layout: dict[bytes, bytes], change: Change) -> None:
        """Raise unless the view stands where the change begins."""
        self._layout(layout, change.partitions)
        if mark != change.after:
            raise MarkMismatch(mark)

    def _layout(self, held: dict[bytes, bytes], partitions: int) -> None:
        if not held:
            return
        schema, stored = int(held[b"schema"]), int(held[b"partitions"])
        if schema != keys.SCHEMA:
            raise StoreError(f"the view under {self.keys.prefix} has schema {schema}, this program "
                             f"writes {keys.SCHEMA}; clear it and fold the log again")
        if partitions and stored != partitions:
            raise StoreError(f"the view under {self.keys.prefix} was made from a log of {stored} "
                             f"partitions, this one has {partitions}; clear it and fold the log "
                             "again")

    def _write(self, tx: Any, change: Change, rows: Rows, sums: redis_reviews.Sums) -> None:
        names, n = self.keys, change.partition
        fields: dict[str, Any] = {"mark": change.upto, "clock_ms": change.clock_ms,
                                  "counts": _PACK(change.counts), "norms": change.norms}
        if change.states:
            tx.hset(names.states(n), mapping=change.states)
        if change.cards is not None:
            # Once for all partitions: a policy has 20 KB.
            cards = _PACK(change.cards)
            fields["cards"] = xxhash.xxh3_128_hexdigest(cards)
            tx.hset(names.cards, fields["cards"], cards)
        if change.sources:
            tx.rpush(names.sources(n), *change.sources)
        self._effects(tx, change, rows, sums)
        tx.hset(names.part(n), mapping=fields)

    def _effects(self, tx: Any, change: Change, rows: Rows, sums: redis_reviews.Sums) -> None:
        names = self.keys
        words: list[Any] = []
        # Districts first: alerts are counted by them.
        for row in rows.subjects.values():
            words += ("subject", row.subject, *_subject(row),
                      rows.recorded_ms[row.subject] // HOUR_MS)
        for code, count in rows.open_alerts.items():
            group, _, row_ = _subject(UNKNOWN)
            words += ("open", code, count, group, row_)
        for _, x in rows.alerts:
            words += ("alert", x.id, x.subject, keys.group(x.rule, x.level, x.state),
                      int(not x.was), _PACK(x), x.updated_ms // HOUR_MS)
        for seq, refused, raw in rows.rejects:
            words += _dead(f"log/{change.partition}/{seq}", Dead(
                refused.recorded_ms, "log", refused.reason, raw, refused.source, refused.id,
                refused.type, refused.subject))
        for name, n in sums.moved.items():
            words += ("tally", name, n)
        for clock_ms, taken in rows.taken:
            hour = clock_ms // HOUR_MS
            for source, n in taken.items():
                words += ("taken", change.partition, hour, source, n)
            words += ("passed", change.partition, hour)
        if words:
            # With its text: a script known by its hash only may be forgotten by the server.
            tx.eval(_SCRIPT, 1, names.prefix, TRANSITIONS_MAX, REJECTS_MAX, HOURS_KEPT_D,
                    *words)
        sums.write(tx)
        for _, review in rows.reviews:
            now, before = ("open", "closed") if review.open else ("closed", "open")
            tx.hset(names.reviews, review.id, _PACK(review))
            tx.zrem(names.reviews_in(before), review.id)
            for state in (now, "all"):
                tx.zadd(names.reviews_in(state), {review.id: -review.opened_ms})
        redis_draws.put(tx, names, change.partition, rows.pools, rows.drawn)
        if rows.answers:
            tx.hset(names.answers, mapping={
                keys.answer(x.review, x.department, x.time_ms): x.reason for x in rows.answers})

    def reject(self, id: str, dead: Dead) -> None:
        """Keep a dead letter of intake, once.

        Parameters
        ----------
        id
            Names it among all: "topic/partition/offset".
        """
        self.client.eval(_SCRIPT, 1, self.keys.prefix, TRANSITIONS_MAX, REJECTS_MAX, HOURS_KEPT_D,
                         *_dead(id, dead))

    def rejects_mark(self) -> int:
        """Offset of the rejects topic from which dead letters of intake are not here yet."""
        return int(self.client.get(self.keys.rejects_mark) or 0)

    def move_rejects_mark(self, offset: int) -> None:
        self.client.set(self.keys.rejects_mark, offset)

    def clear(self) -> None:
        """Remove the whole view at once: writers that are at work find it empty, and begin again.
        """
        pattern = "".join(f"[{c}]" if c in "*?[" else c for c in self.keys.prefix) + ":*"
        # One key at a time: `unpack` takes only some thousands.
        self.client.eval("for _, key in ipairs(redis.call('KEYS', ARGV[1])) do "
                         "redis.call('UNLINK', key) end", 0, pattern)


def _subject(row: SubjectRow) -> tuple[str, int, bytes]:
    """(group, open alerts, the rest) of a row."""
    return keys.group(row.district, row.public_grade, row.kind), row.open_alerts, _PACK(row[1:8])


def _dead(id: str, dead: Dead) -> tuple[str, str, bytes, int]:
    return ("dead", id, _PACK((dead.received_ms, dead.origin, dead.source, dead.id, dead.type,
                               dead.subject, dead.reason, dead.raw[:RAW_MAX_BYTES])),
            dead.received_ms // HOUR_MS)
