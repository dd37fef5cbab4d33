"""What a keeper works with, in memory, and a small log for it. Nothing fails here: for faults see
`tests/simulation/cluster_faults.py`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import events as ev

from storage.checkpoint_files import Checkpoints
from storage.kafka_client import Topics
from storage.kafka_log import Record
from storage.view import Change, MarkMismatch
from streams import codec
from streams.keeper import Keeper
from streams.outgoing import Message
from streams.pipeline import Entry

TOPICS = Topics.of("x")


def record(offset: int, entries: Sequence[Entry], partitions: int = 1) -> Record:
    """An envelope as it lies in the log."""
    return Record(offset, codec.encode_envelope(list(entries)), b"", partitions)


def log_of(made: Sequence[ev.Made], each: int = 5) -> list[Record]:
    """A policy, then events in envelopes of so many, then a tick after them all."""
    told = ev.entries(made)
    cut = [told[n : n + each] for n in range(0, len(told), each)]
    return [record(n, entries) for n, entries in enumerate(
        [[ev.change("plain")], *cut, [ev.tick(ev.end_ms(list(made)))]])]


class World:
    """A log, a view and the out topics."""

    def __init__(self, log: Sequence[Record]) -> None:
        self.log = list(log)
        self.changes: list[Change] = []
        self.said: list[Message] = []
        self.noted = 0
        self.closed = False

    # log
    def close(self) -> None:
        self.closed = True

    def end(self, partition: int) -> int:
        return len(self.log)

    def read(self, partition: int, start: int, stop: int) -> Iterator[Record]:
        yield from self.log[start:stop]

    # view
    def mark(self, partition: int) -> int:
        return self.changes[-1].upto if self.changes else 0

    def apply(self, change: Change) -> None:
        if self.mark(0) != change.after:
            raise MarkMismatch(self.mark(0))
        self.changes.append(change._replace(effects=list(change.effects)))

    # out topics
    def emitted(self, partition: int) -> int:
        return self.noted

    def send(self, messages: Iterable[Message]) -> None:
        self.said += messages

    def flush(self) -> None:
        """All is durable already."""

    def note(self, partition: int, emitted: int) -> None:
        self.noted = emitted


def keeper(world: World, folder: Path, *, flush_max_events: int = 4_000,
           partition: int = 0, partitions: int = 1) -> Keeper:
    return Keeper(partition, partitions, log=world, view=world, outbox=world,
                  checkpoints=Checkpoints(folder), topics=TOPICS,
                  flush_max_events=flush_max_events)

