"""The embedded runner as a service: what the console, the folder and the demo talk to.

One lock guards the runner; queries on the view use a connection of their own, so reading does not
wait for writing. The log's clock is the wall clock, or one that is handed in.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from alerts.message import record_text
from console.service import Receipt, Rejected, Row
from models import records as r
from models.ledger import DAY_MS, resolve
from storage.effects import AlertChanged, Effect
from storage.effects import Rejected as StepRejected
from storage.sqlite_store import Dead, SqliteStore
from streams import metrics
from streams.codec import InvalidEvent
from streams.embedded import Embedded
from streams.fold import fold
from streams.options import wall_ms
from streams.pipeline import Entry
from streams.reader import Reader
from streams.show import describe, iso_day, iso_ms

_LOG = logging.getLogger("xinfeng.service")
ACTS_KEPT_MAX = 10_000


class EmbeddedService:
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
        self._reader = Reader(store, runner.card.policy, None if folder else self._lock)
        self._opened: Counter[tuple[str, str]] = Counter()
        self._appends = 0
        self._append_s = 0.0
        self._acts: OrderedDict[tuple[str, str], str] = OrderedDict()
        self._summary: tuple[float, Row] = (0.0, {})

    def close(self) -> None:
        """Write a checkpoint and let the store go."""
        with self._lock:
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
                dead.append(runner.dead(raw, error.reason, origin, now_ms))
                rejected.append(Rejected(index, msgspec.to_builtins(error.reason)))
                continue
            if event_time:
                clock_ms = max(clock_ms, time_ms)
            entries.append(Entry(clock_ms, body, event))
            places.append(index)
        if not entries and not dead:
            return Receipt(0, 0, [])
        counts = runner.shard.counts
        before = counts.accepted, counts.duplicates
        effects = self._append(entries, [raws[n] for n in places], dead)
        rejected += [Rejected(places[x.position], msgspec.to_builtins(x.reason))
                     for x in effects if isinstance(x, StepRejected) and x.position >= 0]
        rejected.sort(key=lambda x: x.index)
        return Receipt(counts.accepted - before[0], counts.duplicates - before[1], rejected)

    def act(self, event: Row) -> Receipt:
        """Take in a person's act."""
        if self._simulated:
            event = self._dated(event)
        return self.submit([msgspec.json.encode(event)], "console")

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
            self._count(self._safely(lambda: self.runner.tick(self._clock())))

    def _append(self, entries: list[Entry], raws: list[bytes], dead: list[Dead]) -> list[Effect]:
        effects = self._safely(lambda: self.runner.append(entries, raws, dead))
        self._count(effects)
        return effects

    def _safely(self, append: Callable[[], list[Effect]]) -> list[Effect]:
        """Append; whatever goes wrong ends the process, since the state is ahead of the log."""
        started = time.perf_counter()
        try:
            return append()
        except BaseException as error:
            _LOG.critical("msg=\"append failed, the process ends\" offset=%d error=%r",
                          self.runner.offset, error)
            os._exit(1)
        finally:
            self._appends += 1
            self._append_s += time.perf_counter() - started

    def _count(self, effects: Sequence[Effect]) -> None:
        for effect in effects:
            if isinstance(effect, AlertChanged) and not effect.was:
                self._opened[effect.rule, effect.level] += 1

    # ----------------------------------------------------------------------------------- reading

    def show(self, subject: str, as_of_ms: int | None = None) -> Row | None:
        """Assessment of a subject now, or as it stood at a moment."""
        with self._lock:
            clock_ms = self.runner.shard.clock_ms
            if as_of_ms is None or as_of_ms >= clock_ms:
                return describe(self.runner.shard, subject, clock_ms)
            if self._reader.store is self.runner.store:
                then = fold(self.runner.store, subject, as_of_ms)
                return then and describe(then, subject, as_of_ms)
        store = SqliteStore(self.runner.store.folder, write=False)
        try:
            then = fold(store, subject, as_of_ms)
        finally:
            store.close()
        return then and describe(then, subject, as_of_ms)

    def events_of(self, subject: str, limit: int) -> list[Row]:
        """Facts about a subject, newest first, in words."""
        with self._lock:
            held = self.runner.shard.subjects.get(subject)
            if held is None:
                return []
            card, sources = self.runner.card, list(self.runner.shard.sources)
            facts = [f for records in (held.facts, held.signals)
                     for f in resolve(records, card.offset_ms).by_key.values()]
            facts.sort(key=lambda f: (f.time, f.key), reverse=True)
            del facts[limit:]
            refs = held.refs({f.key for f in facts})
        out = []
        for f in facts:
            type_ = r.TYPE_NAMES[f.type]
            words = record_text(type_, iso_day((f.time + card.offset_ms) // DAY_MS), f.variant)
            code, id = refs[f.key]
            out.append({"time": iso_ms(f.time), "type": type_, "source": sources[code], "id": id,
                        "item": card.item_ids[f.item] if f.item else "",
                        "text_zh": words["zh"], "text_en": words["en"]})
        return out

    def subjects(self, *, q: str = "", district: str = "", grade: str = "", kind: str = "",
                 limit: int = 50, after: str = "") -> list[Row]:
        return self._reader.subjects(q=q, district=district, grade=grade, kind=kind, limit=limit,
                                     after=after)

    def alerts(self, *, rule: str | None = None, state: str | None = None,
               level: str | None = None, subject: str | None = None, limit: int = 50,
               before: str | None = None) -> list[Row]:
        return self._reader.alerts(rule=rule, state=state, level=level, subject=subject,
                                   limit=limit, before=before)

    def alert(self, alert_id: str) -> Row | None:
        return self._reader.alert(alert_id)

    def changes(self, after_seq: int, limit: int) -> list[Row]:
        return self._reader.changes(after_seq, limit)

    def last_seq(self) -> int:
        return self._reader.last_seq()

    def reviews(self, *, state: str | None = None, limit: int = 50,
                before: str | None = None) -> list[Row]:
        return self._reader.reviews(state=state, limit=limit, before=before)

    def review(self, review_id: str) -> Row | None:
        return self._reader.review(review_id)

    def rejects(self, *, limit: int = 50) -> list[Row]:
        return self._reader.rejects(limit=limit)

    def summary(self) -> Row:
        """The situation in numbers. Kept for twenty times as long as it took to count."""
        until, held = self._summary
        if time.monotonic() < until:
            return held
        started = time.monotonic()
        shard, policy = self.runner.shard, self.runner.card
        by_level, by_rule = self._reader.open_alerts()
        made = {
            "as_of": iso_ms(shard.clock_ms),
            "subjects": len(shard.subjects),
            "events": shard.counts.accepted,
            "duplicates": shard.counts.duplicates,
            "rejected": self._reader.rejected(),
            "readings": shard.counts.readings,
            "alerts_open": by_level,
            "alerts_by_rule": by_rule,
            "grades": self._reader.grades(),
            "reviews_open": self._reader.reviews_open(),
            "policy": {"hash": policy.hash, "version": policy.policy.version},
        }
        ended = time.monotonic()
        self._summary = ended + 20 * (ended - started), made
        return made

    def metrics_text(self) -> bytes:
        """Metrics in the Prometheus text format."""
        shard, summary = self.runner.shard, self.summary()
        counts = shard.counts

        def one(value: float) -> list[tuple[tuple[str, ...], float]]:
            return [((), value)]

        values: dict[str, Any] = {
            "xinfeng_events_accepted_total": one(counts.accepted),
            "xinfeng_events_duplicate_total": one(counts.duplicates),
            "xinfeng_events_conflicting_total": one(counts.conflicts),
            "xinfeng_events_rejected_total": one(summary["rejected"]),
            "xinfeng_readings_total": one(counts.readings),
            "xinfeng_alerts_opened_total": sorted(self._opened.items()),
            "xinfeng_appends_total": one(self._appends),
            "xinfeng_append_seconds_total": one(self._append_s),
            "xinfeng_subjects": one(len(shard.subjects)),
            "xinfeng_log_offset": one(self.runner.offset),
            "xinfeng_log_clock_seconds": one(shard.clock_ms / 1000),
            "xinfeng_alerts_open": [((k,), v) for k, v in summary["alerts_open"].items()],
            "xinfeng_reviews_open": one(summary["reviews_open"]),
        }
        return metrics.text(values)
