"""Keeps one partition: folds its log, and says what follows, to the out topics and to the view.

Nothing here rests on an acknowledgement. The log says what happened; three marks say how far it was
taken: `applied` (folded into the state), `emitted` (said on the out topics), and the mark of the
view itself. After a crash the state is folded again from a checkpoint or from the start, and only
what lies beyond a mark is said again. All three count the offset that comes next.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

from alerts.message import Catalogue
from config.districts import district_names
from storage.checkpoint_files import Checkpoints, Damaged
from storage.effects import Rejected
from storage.kafka_client import Topics
from storage.kafka_log import Record
from storage.sqlite_store import StoreError
from storage.view import Change, MarkMismatch, Placed
from streams import checkpoint, codec, rows
from streams.change import Cards, change, place, touched
from streams.measures import measures_of
from streams.outgoing import Message, Outgoing
from streams.pipeline import Shard
from streams.tally import Tally

_LOG = logging.getLogger("xinfeng.worker")
SAY_S = 5.0
"""How often a long refill says where it is."""


class Log(Protocol):
    """Where envelopes are read from (`storage.kafka_log`)."""

    def end(self, partition: int) -> int: ...
    def read(self, partition: int, start: int, stop: int) -> Iterator[Record]: ...


class View(Protocol):
    """Where the state is shown (`storage.redis_view`)."""

    def mark(self, partition: int) -> int: ...
    def apply(self, change: Change) -> None: ...


class Outbox(Protocol):
    """Where effects are said (`storage.kafka_outbox`), and how far they were."""

    def emitted(self, partition: int) -> int: ...
    def send(self, messages: Iterable[Message]) -> None:
        """Hand records over."""
    def flush(self) -> None:
        """Wait until what was handed over is durable."""
    def note(self, partition: int, emitted: int) -> None: ...


class Poison(Exception):
    """An envelope that cannot be folded: the shard stops before it, nothing is skipped."""

    def __init__(self, partition: int, offset: int, error: Exception) -> None:
        super().__init__(f"log partition {partition}, offset {offset}: cannot be folded: "
                         f"{error!r}; the shard stops here, nothing is skipped")
        self.offset = offset


class Keeper:
    """Owner of one partition. One thread at a time; every method may block.

    Parameters
    ----------
    partition, partitions
        Which of how many: a log with another number of partitions is refused.
    flush_max_events
        Events whose effects are held back to be written together, at most.
    turn
        Held while computing, never while waiting: keepers in several threads of one process then
        do not fight for the interpreter, which costs more than it gives.
    tally
        Counts for Prometheus; of all keepers that share `turn`.
    """

    def __init__(self, partition: int, partitions: int, *, log: Log, view: View, outbox: Outbox,
                 checkpoints: Checkpoints, topics: Topics, flush_max_events: int = 4_000,
                 turn: threading.Lock | None = None, tally: Tally | None = None) -> None:
        self.partition = partition
        self.partitions = partitions
        self.shard = Shard()
        self.applied = self.emitted = self.shown = 0
        self.checkpointed = -1
        self.flush_max_events = flush_max_events
        self.reopened = 0
        self._log, self._view, self._outbox, self._checkpoints = log, view, outbox, checkpoints
        self._outgoing = Outgoing(topics, partition, self._name_of, self._profile_of,
                                  lambda key: measures_of(self.shard, key))
        self._held: list[Placed] = []
        self._said: list[Message] = []
        """In words as each envelope ends: said again after a crash they must be the same."""
        self._named: tuple[str, Catalogue] = "", {}  # by a policy's hash
        self._touched: set[str] = set()
        self._events = 0
        self._sources, self._cards = 0, Cards()
        """How many sources, and which policies, the view knows."""
        self._stopping = threading.Event()
        self._turn = turn or threading.Lock()
        self._tally = tally or Tally()

    # ------------------------------------------------------------------------------------ opening

    def open(self) -> None:
        """Load the newest checkpoint that the view is not behind of, and refill up to the log's
        end."""
        started = time.monotonic()
        self._begin()
        loaded = self.applied
        self.catch_up()
        _LOG.info("msg=opened partition=%d checkpoint=%d applied=%d subjects=%d seconds=%.1f",
                  self.partition, loaded, self.applied, len(self.shard.subjects),
                  time.monotonic() - started)

    def _begin(self) -> None:
        """Stand where that checkpoint stands."""
        self.shown = self._view.mark(self.partition)
        self.emitted = max(self.emitted, self.shown, self._outbox.emitted(self.partition))
        self.shard, self.applied = self._load()
        self.checkpointed = self.applied
        self._held, self._said, self._touched, self._events = [], [], set(), 0
        self._sources, self._cards = len(self.shard.sources), checkpoint.cards(self.shard)

    def _load(self) -> tuple[Shard, int]:
        for offset in reversed(self._checkpoints.offsets()):
            if offset > self.shown:
                continue
            try:
                with self._turn:
                    return checkpoint.load(self._checkpoints.load(offset)), offset
            except Damaged as error:
                _LOG.warning('msg="checkpoint passed over" partition=%d error="%s"',
                             self.partition, error)
                self._checkpoints.remove(offset)
        return Shard(), 0

    def stop(self) -> None:
        """Break a long refill off; from any thread."""
        self._stopping.set()

    def close(self) -> None:
        """Say what follows from all that was folded, and write a checkpoint for whoever keeps the
        partition next."""
        self.flush()
        self.checkpoint()

    # ------------------------------------------------------------------------------------- taking

    def catch_up(self) -> None:
        """Fold whatever the log has, and say what follows.

        Raises
        ------
        Poison: an envelope cannot be folded; what comes before it was said.
        """
        mark = self._view.mark(self.partition)
        if mark != self.shown:
            # Emptied while nothing happened here: no write would notice.
            self._reopen(mark)
            return
        try:
            self._refill(self._log.end(self.partition))
            self.flush()
        except Poison as poison:
            self._stand_before(poison.offset)
            raise

    def take(self, records: Sequence[Record]) -> None:
        """Fold envelopes as they were delivered: what was folded is skipped, a gap is refilled from
        the log. Raises as `catch_up` does."""
        try:
            for record in records:
                if record.offset > self.applied:
                    self._refill(record.offset)
                # A refill may have come further than it was sent.
                if record.offset == self.applied:
                    self._fold(record)
            self.flush()
        except Poison as poison:
            self._stand_before(poison.offset)
            raise

    def _stand_before(self, offset: int) -> None:
        """Say what comes before an envelope that cannot be folded. It may have left half of itself
        in the state: that is folded again up to there."""
        self._begin()
        self._refill(offset)
        self.flush()

    def _refill(self, stop: int) -> None:
        said, reopened = time.monotonic(), self.reopened
        for record in self._log.read(self.partition, self.applied, stop):
            self._fold(record)
            if self.reopened != reopened:
                return  # All of the log was folded meanwhile.
            if time.monotonic() - said > SAY_S:
                said = time.monotonic()
                _LOG.info("msg=refilling partition=%d applied=%d of=%d", self.partition,
                          self.applied, stop)
            if self._stopping.is_set():
                return

    def _fold(self, record: Record) -> None:
        if not record.partitions:
            raise Poison(self.partition, record.offset, ValueError("has not the headers of intake"))
        if record.partitions != self.partitions:
            raise StoreError(
                f"log partition {self.partition}: was written with {record.partitions} partitions, "
                f"the topic has {self.partitions}; a log keeps its number of partitions")
        with self._turn:
            try:
                entries = codec.decode_envelope(record.value)
                effects = self.shard.step(entries)
            except Exception as error:
                raise Poison(self.partition, record.offset, error) from error
        self.applied = record.offset + 1
        if self.applied > self.shown:
            with self._turn:
                self._tally.take(entries, effects, self.shard)
                raws = {x.position: codec.as_json(entries[x.position].event) for x in effects
                        if isinstance(x, Rejected) and x.position >= 0}
                placed = place(record.offset, effects, raws)
                self._held += placed
                if record.offset >= self.emitted:
                    self._said += self._words(placed)
            self._touched |= touched(entries, effects)
            self._events += len(entries)
            if self._events >= self.flush_max_events:
                self.flush()
        else:
            self._sources, self._cards = len(self.shard.sources), checkpoint.cards(self.shard)

    # ------------------------------------------------------------------------------------- saying

    def flush(self) -> None:
        """Say what follows from the envelopes folded since: on the topics, then in the view."""
        if self.applied <= self.shown or self.shard.timeline is None:
            return
        with self._turn:
            self._outbox.send(self._said)
            made = change(self.shard, self.partition, self.partitions, self.shown, self.applied,
                          self._held, self._touched, self._sources, self._cards)
        if self._said:
            self._outbox.flush()
        if self.applied > self.emitted:
            self.emitted = self.applied
            self._outbox.note(self.partition, self.emitted)
        try:
            self._view.apply(made)
        except MarkMismatch as error:
            # It may have been taken although the answer was lost.
            if error.mark != made.upto:
                self._reopen(error.mark)
                return
        self.shown = self.applied
        self._sources, self._cards = len(self.shard.sources), checkpoint.cards(self.shard)
        self._held, self._said, self._touched, self._events = [], [], set(), 0

    def _words(self, placed: Sequence[Placed]) -> Iterator[Message]:
        """Effects as records of the out topics, by the policy and the names of the moment."""
        timeline = self.shard.timeline
        if not placed or timeline is None:
            return iter(())
        if (card := timeline.last).hash != self._named[0]:
            self._named = card.hash, rows.catalogue(card.policy, district_names())
        return self._outgoing.messages(placed, self._named[1], card.offset_ms)

    def _reopen(self, mark: int) -> None:
        """The view lost something, or another wrote to it: begin again from where it stands."""
        _LOG.warning('msg="the view stands elsewhere, folding again" partition=%d view=%d '
                     "expected=%d", self.partition, mark, self.shown)
        self.reopened += 1
        self.open()

    def checkpoint(self) -> None:
        """Write the state, if it changed since the last time and all of it was said."""
        if self.applied and self.applied != self.checkpointed and self.applied == self.shown:
            with self._turn:
                self._checkpoints.save(self.applied, checkpoint.dump(self.shard))
            self.checkpointed = self.applied

    def _name_of(self, key: str) -> str:
        subject = self.shard.subjects.get(key)
        profile = subject.registration() if subject is not None else None
        return profile.name if profile is not None else ""

    def _profile_of(self, key: str) -> tuple[str, str]:
        subject = self.shard.subjects.get(key)
        profile = subject.registration() if subject is not None else None
        return (profile.kind, profile.district) if profile is not None else ("", "")
