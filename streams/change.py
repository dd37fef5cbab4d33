"""From what a shard did to what the view needs. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias

from models import events as e
from storage.effects import Effect, Rejected
from storage.view import Change, Placed
from streams import checkpoint
from streams.pipeline import Entry, Shard

Cards: TypeAlias = list[tuple[int, str, str]]
"""(first day, document, weights) of every policy, oldest first."""


def place(offset: int, effects: Sequence[Effect], raws: Mapping[int, bytes]) -> list[Placed]:
    """The effects of one envelope with their names.

    Parameters
    ----------
    raws
        Bytes that go to the dead letters, by the position of the refused event.
    """
    return [Placed(offset, n, effect, raws.get(effect.position, b"")
                   if isinstance(effect, Rejected) else b"") for n, effect in enumerate(effects)]


def touched(entries: Iterable[Entry], effects: Iterable[Effect]) -> set[str]:
    """Subjects of which something that is shown may have changed: those of the events, and those
    the passing of time had something to say about.

    The bounds and timers of others may have moved: they are shown nowhere.
    """
    out = {x.event.subject for x in entries if not isinstance(x.event, e.Broadcast)}
    for effect in effects:
        subject = getattr(effect, "subject", None)
        if subject is not None:
            out.add(subject)
    return out


def change(shard: Shard, partition: int, partitions: int, after: int, upto: int,
           effects: list[Placed], subjects: Iterable[str], sources_known: int,
           cards_known: Cards) -> Change:
    """What a view that stands at `after` needs to stand at `upto`.

    Parameters
    ----------
    shard
        Has folded the log of its partition up to `upto`.
    effects, subjects
        Of all envelopes between, from `place` and `touched`.
    sources_known
        Length of `shard.sources` at `after`.
    cards_known
        `checkpoint.cards(shard)` at `after`: compared as a whole, since a policy replaces another
        of its day.
    """
    counts = {name: getattr(shard.counts, name) for name in shard.counts.__slots__}
    counts["subjects"] = len(shard.subjects) - shard.others
    cards = checkpoint.cards(shard)
    held = shard.subjects
    return Change(partition, partitions, after, upto, shard.clock_ms, counts,
                  cards if cards != cards_known else None, list(shard.sources)[sources_known:],
                  effects, {key: checkpoint.pack(held[key]) for key in subjects if key in held},
                  shard.norms.hash)
