"""A draw done again from the log alone: as anybody may ask who doubts it, and for a moment before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from models.draw import Outcome
from models.events import DrawOrdered, Tick
from storage.effects import DrawPooled
from storage.sqlite_store import SqliteStore
from streams import codec, draws
from streams.pipeline import Entry, Shard
from streams.reader import Reader

Progress = Callable[[int], None]
"""Called with the events folded so far."""


class Checked(NamedTuple):
    """A draw in the log against the same draw done again."""

    order: DrawOrdered
    drawn: int
    """Businesses that the log says were drawn."""
    again: int
    differ: list[str]
    """Codes drawn in one of them only, or with another chance."""


def _entries(store: SqliteStore, progress: Progress | None) -> Iterator[list[Entry]]:
    events = 0
    for _, body in store.read(0):
        entries = codec.decode_envelope(body)
        yield list(entries)
        events += len(entries)
        if progress is not None:
            progress(events)


def pool_of(store: SqliteStore, draw_id: str, progress: Progress | None = None,
            ) -> DrawPooled | None:
    """What was in the pool at the place of an order in the log; None where there is no such order.
    Cost: all of the log up to there is folded."""
    shard = Shard()
    for entries in _entries(store, progress):
        for effect in shard.step(entries):
            if isinstance(effect, DrawPooled) and effect.order.draw == draw_id:
                return effect
    return None


def pool_at(store: SqliteStore, order: DrawOrdered, until_ms: int,
            progress: Progress | None = None) -> DrawPooled | None:
    """What an order would have found at a moment [epoch ms], by what the log held then; None where
    it held nothing yet. Nothing is written."""
    shard = Shard()
    for entries in _entries(store, progress):
        held = [entry for entry in entries if entry.recorded_ms <= until_ms]
        shard.step(held)
        if len(held) < len(entries):
            break
    if not shard.subjects:
        return None
    shard.step([Entry(until_ms, codec.encode(Tick()), Tick())])
    [pooled] = [x for x in shard.step([Entry(until_ms, codec.encode(order), order)])
                if isinstance(x, DrawPooled)]
    return pooled


def check(store: SqliteStore, reader: Reader, draw_id: str,
          progress: Progress | None = None) -> Checked | None:
    """Do a draw again and compare it with what the log says of each business drawn."""
    pooled = pool_of(store, draw_id, progress)
    if pooled is None:
        return None
    made: Outcome = draws.outcome([pooled])
    again = {one.subject: (one.stratum, round(one.probability, 6)) for one in made.picked}
    held = {one.subject: (one.stratum, one.probability)
            for one in reader.drawn(draws.key_of(draw_id))}
    differ = sorted(code for code in again.keys() | held.keys()
                    if again.get(code) != held.get(code))
    return Checked(pooled.order, len(held), len(again), differ)
