"""The embedded runner: intake, log, step and view in one process, over one SQLite file."""

from __future__ import annotations

import datetime as dt
import itertools
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import msgspec

from models import events as e
from models.policy import Policy, decode, encode
from models.policy import digest as policy_digest
from models.scorecard import Card
from storage.effects import AlertChanged, Effect, ForAnalysis, Reason, Rejected
from storage.sqlite_store import Dead, SqliteStore, StoreError, secret
from streams import checkpoint, codec, digest
from streams.analysis import Analysis, Own, is_own
from streams.intake import Intake, oldest_ms
from streams.miscounts import Miscounts
from streams.pipeline import Entry, Shard
from streams.tally import Tally
from streams.view import Standing

DAY_MS = 86_400_000
HOUR_MS = 3_600_000
REPORT_D = 7
"""So often the report of the analysis is renewed, at least [days of the log]."""


class Embedded:
    """Owner of one store: the only thing that appends to its log.

    Parameters
    ----------
    folder
        The store; None keeps everything in memory.
    policy
        The policy to run under; None = the one the log ends with. A new one enters the log.
    oldest, ahead_max_s
        Bounds of an event's time, see `Intake`.
    envelope_events, checkpoint_events
        Events per transaction; events between two checkpoints (at least as many as subjects).

    Raises
    ------
    StoreError: the store is locked, of another version, or empty and no policy was given.
    """

    def __init__(self, folder: Path | None, policy: Policy | None, *,
                 oldest: dt.date = dt.date(1990, 1, 1), ahead_max_s: int = 300,
                 envelope_events: int = 500, checkpoint_events: int = 1_000_000,
                 challengers: bool = False) -> None:
        self.store = SqliteStore(folder, write=True)
        self.envelope_events = envelope_events
        self.checkpoint_events = checkpoint_events
        self.opened: dict[str, int] = {}
        """Alerts opened since the start, by rule."""
        self.reviews_opened = 0
        self.tally: Tally | None = None
        """Counts for Prometheus, where somebody wants them."""
        self.refused = 0
        """Events that intake refused since the start."""
        self._miscounts = Miscounts()
        self._reported_day = 0
        self._torn = False
        """Whether an append was left half done: then memory is ahead of the log."""
        self.shard, self.analysis, self.offset, unsaid = restore(self.store, challengers)
        self._since_checkpoint = 0
        document = encode(policy) if policy else ""
        in_force = self.shard.timeline.last.hash if self.shard.timeline else ""
        if policy is not None and policy_digest(document) != in_force:
            self._renew(document, in_force)
        elif self.shard.timeline is None:
            raise StoreError(f"--store {folder}: the log is empty and no policy was given")
        assert self.shard.timeline is not None
        key = secret(folder) if folder else b"in memory: never written"
        self.intake = Intake(self.shard.timeline.last, key, oldest_ms(oldest), ahead_max_s * 1000)
        self._say(unsaid)

    def _renew(self, document: str, in_force: str) -> None:
        if in_force:
            new, old = Card(decode(document), 0).item_ids, self.card.item_ids
            if new[: len(old)] != old:
                raise StoreError("policy: the items catalogue may only grow at its end; "
                                 f"the log knows {old[-1]} as its last item")
        event = e.PolicyChanged(document, policy_digest(document))
        self.append([Entry(self.shard.clock_ms, codec.encode(event), event)], [])

    @property
    def card(self) -> Card:
        assert self.shard.timeline is not None
        return self.shard.timeline.last

    # --------------------------------------------------------------------------------- appending

    @contextmanager
    def together(self) -> Iterator[None]:
        """Appends in the block become durable when it ends, all at once."""
        done = False
        try:
            with self.store.together():
                yield
            done = True
        finally:
            self._torn |= not done

    def append(self, entries: Sequence[Entry], raws: Sequence[bytes],
               dead: Sequence[Dead] = ()) -> list[Effect]:
        """Step over one envelope and commit it with its effects; durable when this returns, or when
        the block `together` does. What
        the analysis of the city concludes from it goes into the log after it.

        Raises
        ------
        Anything the store raises. The state is then ahead of the log: the process must end, and a
        restart folds the log again.
        """
        self._torn = True
        effects = self._write(entries, raws, dead)
        own = [event for concluded in self.analysis.take(0, (
            x for x in effects if isinstance(x, ForAnalysis))) for event in concluded.events]
        effects += self._say(own)
        self._torn = False
        if self.analysis.day >= self._reported_day + REPORT_D:
            self._report()
        if self._since_checkpoint >= max(self.checkpoint_events, len(self.shard.subjects)):
            self.checkpoint()
        return effects

    def say(self, own: Sequence[Own]) -> list[Effect]:
        """Append events of our own that the analysis did not conclude. Raises as `append` does."""
        self._torn = True
        effects = self._say(own)
        self._torn = False
        return effects

    def _say(self, own: Sequence[Own]) -> list[Effect]:
        """Write events of our own."""
        if not own:
            return []
        if any(isinstance(event, e.WeightsChanged) for event in own):
            self._report()
        return self._write([Entry(self.shard.clock_ms, codec.encode(event), event)
                            for event in own], [], [])

    def _write(self, entries: Sequence[Entry], raws: Sequence[bytes],
               dead: Sequence[Dead]) -> list[Effect]:
        effects: list[Effect] = []
        if entries:
            self.offset += 1
            effects = self.shard.step(entries)
        letters = {x.position: self.intake.scrub(raws[x.position]) for x in effects
                   if isinstance(x, Rejected) and x.position >= 0}
        names = ["" if isinstance(x.event, e.Broadcast) else x.event.subject
                 for x in entries]
        self.store.commit(self.offset, entries[-1].recorded_ms if entries else 0, names,
                          codec.encode_envelope(list(entries)), effects, letters, dead)
        self.refused += len(dead)
        if self.tally is not None:
            self.tally.take(entries, effects, self.shard)
            for letter in dead:
                self.tally.refused.note(letter.reason)
        for effect in effects:
            if isinstance(effect, AlertChanged) and not effect.was:
                self.opened[effect.rule] = self.opened.get(effect.rule, 0) + 1
                self.reviews_opened += effect.rule == "grade-gap"
        self._since_checkpoint += len(entries)
        return effects

    def tick(self, now_ms: int) -> list[Effect]:
        """Let time pass up to a moment; nothing happens if the log is already there."""
        if now_ms <= self.shard.clock_ms:
            return []
        event = e.Tick()
        entries = [*self.reports(self.shard.clock_ms, now_ms),
                   Entry(now_ms, codec.encode(event), event)]
        return self.append(entries, [b""] * len(entries))

    def checkpoint(self) -> None:
        """Write the state, stamped with the offset it has applied."""
        self.store.save_checkpoint(self.offset, itertools.chain(
            [self.analysis.dump()], checkpoint.dump(self.shard)))
        self._report()
        self._since_checkpoint = 0

    def _report(self) -> None:
        """Show how the analysis stands."""
        self.store.put_meta("models", msgspec.json.encode(self.analysis.report()))
        self._reported_day = self.analysis.day

    def standing(self) -> Standing:
        """How far the log is, and what went through it."""
        shard, counts = self.shard, self.shard.counts
        return Standing(shard.clock_ms, self.offset, len(shard.subjects) - shard.others,
                        counts.accepted, counts.duplicates, counts.conflicts, counts.readings,
                        self.card.hash, self.card.policy.version)

    def digest(self) -> str:
        return digest.total([self.shard])

    def close(self, *, checkpoint: bool = True) -> None:
        if not self._torn and (reports := self.reports(self.shard.clock_ms)):
            self.append(reports, [b""] * len(reports))
        if checkpoint and self._since_checkpoint and not self._torn:
            self.checkpoint()
        self.store.close()

    def reports(self, recorded_ms: int, clock_ms: int | None = None) -> list[Entry]:
        """Entries that say what intake refused in the hours before the log comes to a moment
        (None = all it did), recorded while it still is at another."""
        return [Entry(recorded_ms, codec.encode(report), report)
                for report in self._miscounts.reports(clock_ms)]

    def dead(self, raw: bytes, reason: Reason, origin: str, now_ms: int, clock_ms: int) -> Dead:
        """A dead letter for bytes that intake refused when the log was to be at `clock_ms`."""
        self._miscounts.refuse(raw, reason, clock_ms)
        return Dead(now_ms, origin, reason, self.intake.scrub(raw))


def restore(store: SqliteStore, challengers: bool = False) -> tuple[Shard, Analysis, int,
                                                                    list[Own]]:
    """State of a store: its checkpoint, then the log after it; and what the analysis concluded
    that the log does not hold, since the process ended in between."""
    offset, parts = store.load_checkpoint()
    if offset:
        analysis = Analysis.load(next(parts), challengers=challengers)
        shard = checkpoint.load(parts)
    else:
        analysis, shard = Analysis(challengers=challengers), Shard()
    applied = offset
    unsaid: deque[Own] = deque()
    for applied, body in store.read(offset):  # noqa: B007 (the last one is what we return)
        _, own = fold(shard, analysis, codec.decode_envelope(body), unsaid)
        unsaid.extend(own)
    return shard, analysis, applied, list(unsaid)


def fold(shard: Shard, analysis: Analysis, entries: Sequence[Entry],
         unsaid: deque[Own]) -> tuple[int, list[Own]]:
    """Step over an envelope of the log; how many of `unsaid` it holds (they leave it), in that form
    or another, and what the analysis concludes from it."""
    said = 0
    for entry in entries:
        if unsaid and is_own(entry.event):
            said += entry.event == unsaid.popleft()
    told = [x for x in shard.step(entries) if isinstance(x, ForAnalysis)]
    return said, [event for concluded in analysis.take(0, told) for event in concluded.events]


class Replayed(NamedTuple):
    shard: Shard
    concluded: int
    """Events of the analysis that the log holds."""
    alike: int
    """Those that the analysis concluded again from the log, bit for bit."""


def replay(store: SqliteStore) -> Replayed:
    """The state folded again from the log alone, whatever the checkpoint says; and whether the
    analysis comes to the same conclusions again."""
    shard, analysis = Shard(), Analysis()
    unsaid: deque[Own] = deque()
    concluded = alike = 0
    for _, body in store.read(0):
        entries = codec.decode_envelope(body)
        concluded += sum(is_own(x.event) for x in entries)
        said, own = fold(shard, analysis, entries, unsaid)
        alike += said
        unsaid.extend(own)
    return Replayed(shard, concluded, alike)
