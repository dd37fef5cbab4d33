"""The embedded runner as a service: what the console, the folder and the demo talk to.

One lock guards the runner; queries on the view use a connection of their own, so reading does not
wait for writing. The log's clock is the wall clock, or one that is handed in.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing

import msgspec

from alerts.message import Catalogue
from console.service import Receipt, Rejected, Row
from models.events import DrawOrdered
from models.norms import ByClass
from models.scorecard import Timeline
from models.subject import Subject
from storage.effects import AlertChanged, Effect
from storage.effects import Rejected as StepRejected
from storage.sqlite_store import Dead, SqliteStore
from streams import checkpoint
from streams.analysis import Own
from streams.census import Census
from streams.census_embedded import EmbeddedHeld
from streams.codec import InvalidEvent
from streams.coverage import coverage, disk
from streams.embedded import Embedded
from streams.facts import variants_of
from streams.fold import fold
from streams.kept import Kept
from streams.metrics import Samples
from streams.options import wall_ms
from streams.pipeline import Entry, Shard
from streams.queries import Queries, T
from streams.reader import Reader
from streams.review_case import case
from streams.show import iso_ms
from streams.situation import Situation
from streams.tally import Tally

_LOG = logging.getLogger("xinfeng.service")
ACTS_KEPT_MAX = 10_000
COVERAGE_FACTOR = 100
"""At most a hundredth of the time is spent counting the state."""


class EmbeddedService(Queries):
    """See `console.service.Service`. Thread-safe.

    Parameters
    ----------
    runner
        Owner of the store. From here on nobody else may append to it.
    clock
        Gives the present [epoch ms]; None = the wall clock. With a clock of its own (the demo)
        a person's act is dated by that clock.
    """

    def __init__(self, runner: Embedded, clock: Callable[[], int] | None = None) -> None:
        self.runner = runner
        self._simulated = clock is not None
        self._clock = clock or wall_ms
        self._lock = threading.RLock()
        folder = runner.store.folder
        store = SqliteStore(folder, write=False) if folder else runner.store
        self._reader = Reader(store, runner.card.policy, None if folder else self._lock,
                              self._variants)
        situation = Situation(runner.standing, self._reader)
        super().__init__(self._reader, situation)
        runner.tally = Tally()
        situation.more += [runner.tally.values, Kept(self._coverage, COVERAGE_FACTOR).get]
        if folder is not None:
            situation.more.append(lambda: disk(folder))
        situation.report = self._report
        self._reported: tuple[int, Row] = (-1, {})
        self.census = Census(EmbeddedHeld(runner.shard, runner.analysis, self._reader,
                                          self._lock))
        self._acts: OrderedDict[tuple[str, str], str] = OrderedDict()
        self._closed = False

    def with_metrics(self, more: Callable[[], Mapping[str, Samples]]) -> None:
        """Show more numbers among the metrics."""
        self._situation.more.append(more)

    def close(self) -> None:
        """Write a checkpoint and let the store go; what is still under way is turned away."""
        with self._lock:
            self._closed = True
            if self._reader.store is not self.runner.store:
                self._reader.store.close()
            self.runner.close()

    # ----------------------------------------------------------------------------------- writing

    def submit(self, raws: Sequence[bytes], origin: str, *, event_time: bool = False) -> Receipt:
        """Take events in; durable when this returns.

        Parameters
        ----------
        raws
            One JSON CloudEvent each.
        origin
            Where they came from, for the dead letters.
        event_time
            Stamp each event with its own time instead of the present: history being played.
        """
        accepted = duplicates = 0
        rejected: list[Rejected] = []
        size = self.runner.envelope_events
        for start in range(0, len(raws), size):
            with self._lock:
                done = self._take(raws[start : start + size], origin, event_time)
            accepted += done.accepted
            duplicates += done.duplicates
            rejected += [Rejected(start + x.index, x.reason) for x in done.rejected]
        return Receipt(accepted, duplicates, rejected)

    def _take(self, raws: Sequence[bytes], origin: str, event_time: bool) -> Receipt:
        runner, now_ms = self.runner, self._clock()
        clock_ms = runner.shard.clock_ms if event_time else max(now_ms, runner.shard.clock_ms)
        entries: list[Entry] = []
        places: list[int] = []
        dead: list[Dead] = []
        rejected: list[Rejected] = []
        for index, raw in enumerate(raws):
            try:
                event, body, time_ms = runner.intake.accept(raw, now_ms)
            except InvalidEvent as error:
                dead.append(runner.dead(raw, error.reason, origin, now_ms, clock_ms))
                rejected.append(Rejected(index, msgspec.to_builtins(error.reason)))
                continue
            if event_time:
                clock_ms = max(clock_ms, time_ms)
            before_ms = entries[-1].recorded_ms if entries else runner.shard.clock_ms
            for report in runner.reports(before_ms, clock_ms):
                entries.append(report)
                places.append(index)
            entries.append(Entry(clock_ms, body, event))
            places.append(index)
        if not entries and not dead:
            return Receipt(0, 0, [])
        counts = runner.shard.counts
        before = counts.accepted, counts.duplicates
        effects = self._safely(
            lambda: runner.append(entries, [raws[n] for n in places], dead))
        rejected += [Rejected(places[x.position], msgspec.to_builtins(x.reason))
                     for x in effects if isinstance(x, StepRejected) and x.position >= 0]
        rejected.sort(key=lambda x: x.index)
        return Receipt(counts.accepted - before[0], counts.duplicates - before[1], rejected)

    def act(self, event: Row) -> Receipt:
        """Take in a person's act."""
        if self._simulated:
            event = self._dated(event)
        return self.submit([msgspec.json.encode(event)], "console")

    def claim(self, state: str, holder: str) -> str:
        """There is one console, and it takes people in turn."""
        return holder

    def say(self, own: Sequence[Own]) -> None:
        """Write what the delivery of alerts found out about itself."""
        with self._lock:
            self._safely(lambda: self.runner.say(own))

    def _say_order(self, order: DrawOrdered) -> None:
        self.say([order])

    def _log_ms(self) -> int:
        with self._lock:
            self.tick()
            return self.runner.shard.clock_ms

    def _items(self) -> Catalogue:
        return self._reader.items

    def _dated(self, event: Row) -> Row:
        """The act by the simulated clock; sent again, it must still be the same event."""
        key = (str(event.get("source")), str(event.get("id")))
        with self._lock:
            time_ = self._acts.setdefault(
                key, iso_ms(max(self._clock(), self.runner.shard.clock_ms)))
            while len(self._acts) > ACTS_KEPT_MAX:
                self._acts.popitem(last=False)
        return {**event, "time": time_}

    def tick(self) -> None:
        """Let time pass up to the present."""
        with self._lock:
            self._safely(lambda: self.runner.tick(self._clock()))

    def _safely(self, append: Callable[[], list[Effect]]) -> list[Effect]:
        """Append; whatever goes wrong ends the process, since the state is ahead of the log.

        Raises
        ------
        RuntimeError: the service was closed.
        """
        if self._closed:
            raise RuntimeError("the service has stopped")
        started = time.perf_counter()
        try:
            effects = append()
        except BaseException as error:
            _LOG.critical('msg="append failed, the process ends" offset=%d error=%r',
                          self.runner.offset, error)
            os._exit(1)
        self._situation.appended(time.perf_counter() - started)
        return effects

    def _coverage(self) -> Mapping[str, Samples]:
        with self._lock:
            subjects = list(self.runner.shard.subjects.values())
        return coverage(subjects, self.runner.card).values()

    def _report(self) -> Row:
        """Of the analysis as it stands; once a day of the log, it takes some milliseconds."""
        with self._lock:
            analysis = self.runner.analysis
            if self._reported[0] != analysis.day:
                self._reported = analysis.day, analysis.report()
            return self._reported[1]

    # ----------------------------------------------------------------------------------- reading

    def _ask(self, subject: str, as_of_ms: int | None,
             question: Callable[[Shard, int], T]) -> T | None:
        """The state in memory answers for now, a fold of the log for a moment before."""
        with self._lock:
            clock_ms = self.runner.shard.clock_ms
            if as_of_ms is None or as_of_ms >= clock_ms:
                return question(self.runner.shard, clock_ms)
            if self.runner.store.folder is None:
                then = fold(self.runner.store, subject, as_of_ms)
                return question(then, as_of_ms) if then is not None else None
        # A connection of its own: a long look into the past holds up neither pages nor feeds.
        with closing(SqliteStore(self.runner.store.folder, write=False)) as store:
            then = fold(store, subject, as_of_ms)
        return question(then, as_of_ms) if then is not None else None

    def _case(self, row: Row, told: list[Row] | None) -> Row:
        with self._lock:
            return case(self.runner.shard, row, told)

    def _policies(self) -> Timeline | None:
        with self._lock:
            held = self.runner.shard.timeline
            return Timeline(*held.cards) if held is not None else None

    def _copy(self, subject: str) -> tuple[Subject | None, ByClass, int]:
        with self._lock:
            shard = self.runner.shard
            held = shard.subjects.get(subject)
            packed = checkpoint.pack(held) if held is not None else b""
            norms, clock_ms = shard.norms.of, shard.clock_ms
        return checkpoint.unpack(packed) if packed else None, norms, clock_ms

    def _variants(self, alerts: Sequence[AlertChanged]) -> list[list[int | None]]:
        """Particulars of the facts in evidence, which an alert leaves out."""
        with self._lock:
            shard = self.runner.shard
            return [variants_of(shard, a.subject, [(e.source, e.id) for e in a.evidence])
                    for a in alerts]
