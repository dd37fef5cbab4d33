"""`xinfeng process`: files of events through the embedded runner, in event time.

The log's clock is the highest `time` seen so far: a file replays the same on any day. A tick is
written into the log at each hour the clock passes, at most one for a gap.
"""

from __future__ import annotations

import datetime as dt
import gzip
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from models import events as e
from streams import codec
from streams.codec import InvalidEvent
from streams.embedded import DAY_MS, HOUR_MS, Embedded
from streams.pipeline import Entry

LINE_MAX = 10_000_000
ENVELOPE_EVENTS = 4_000
"""Nobody waits for a single event of a file: larger transactions than in service."""
PRESENT_MS = 4_102_444_800_000
"""The year 2100: a file must give the same result on any day, so today's clock has no say."""
JUMP_MAX_D = 3600
"""How far one event may move the clock of a log that has one, unless told otherwise [days]."""
_TICK = e.Tick()
_TICK_BODY = codec.encode(_TICK)


@contextmanager
def open_lines(name: str) -> Iterator[IO[bytes]]:
    """A file of NDJSON: plain, gzip by its ending, or `-` for standard input."""
    if name == "-":
        yield sys.stdin.buffer
    elif name.endswith(".gz"):
        with gzip.open(name, "rb") as file:
            yield file  # type: ignore[misc]
    else:
        with Path(name).open("rb") as file:
            yield file


class Feed:
    """Collects lines into envelopes and appends them.

    Parameters
    ----------
    now_ms
        The present: nothing may lie (far) after it. The clock of the log is never taken from here.
    jump_max_d
        How far one event may move the log's clock [days]: a mistyped year must not carry the whole
        log away for good. The first event of a log may lie anywhere.
    """

    def __init__(self, runner: Embedded, origin: str, now_ms: int,
                 jump_max_d: int = JUMP_MAX_D) -> None:
        self.runner = runner
        self.origin = origin
        self.now_ms = now_ms
        self.jump_max_d = jump_max_d
        self.events = 0
        self.clock_ms = runner.shard.clock_ms
        self._midnight_ms = (next_day_ms(self.clock_ms, runner.card.offset_ms)
                             if self.clock_ms else 0)
        self._entries: list[Entry] = []
        self._raws: list[bytes] = []
        self._dead: list[Any] = []
        self._whole: list[tuple[list[Entry], list[bytes]]] = []
        """Envelopes that are full or end with an hour, and what each came from."""
        self._waiting = 0
        """Entries in them."""

    def put(self, raw: bytes) -> None:
        """Take one event's bytes in; written when the envelope is full."""
        self.events += 1
        runner = self.runner
        try:
            if len(raw) > LINE_MAX:
                raise InvalidEvent(codec.reason("", f"{len(raw)} bytes",
                                                f"a line may have {LINE_MAX} bytes"))
            event, body, time_ms = runner.intake.accept(raw, self.now_ms)
            if self.clock_ms and time_ms > self.clock_ms + self.jump_max_d * DAY_MS:
                raise InvalidEvent(codec.reason(
                    "time", event.time.isoformat(),
                    f"must be at most {self.jump_max_d} days after the log's clock, "
                    f"{_iso(self.clock_ms)}; `xinfeng advance --store DIR --to TIME` moves it "
                    "there on purpose"))
        except InvalidEvent as error:
            self._dead.append(runner.dead(raw, error.reason, self.origin, self.now_ms,
                                          self.clock_ms))
            if len(self._dead) >= ENVELOPE_EVENTS:
                self.flush()
            return
        if time_ms >= self._midnight_ms:
            self._days(time_ms)
        if time_ms > self.clock_ms:
            if time_ms // HOUR_MS > self.clock_ms // HOUR_MS and self.clock_ms:
                self._tick(time_ms // HOUR_MS * HOUR_MS)
            self.clock_ms = time_ms
        self._entries.append(Entry(self.clock_ms, body, event))
        self._raws.append(raw)
        if self._waiting + len(self._entries) >= ENVELOPE_EVENTS:
            self.flush()

    def _days(self, time_ms: int) -> None:
        """Let each day pass by itself, also where nothing happened."""
        offset_ms = self.runner.card.offset_ms
        midnight_ms = self._midnight_ms or next_day_ms(time_ms, offset_ms)
        while midnight_ms <= time_ms:
            self._tick(midnight_ms)
            midnight_ms += DAY_MS
        self._midnight_ms = midnight_ms

    def _tick(self, clock_ms: int) -> None:
        """Let an hour pass, with what was refused before it, and let the analysis have its say of
        it before anything that happened after: however events are bundled."""
        entries = [*self.runner.reports(self.clock_ms, clock_ms),
                   Entry(clock_ms, _TICK_BODY, _TICK)]
        self._entries += entries
        self._raws += [b""] * len(entries)
        self.clock_ms = clock_ms
        self._close()
        if self._waiting >= ENVELOPE_EVENTS:
            self.flush()

    def _close(self) -> None:
        """Let the envelope end here."""
        self._whole.append((self._entries, self._raws))
        self._waiting += len(self._entries)
        self._entries, self._raws = [], []

    def flush(self) -> None:
        """Write what was collected, as one transaction: a disk is slow to confirm each hour."""
        if self._entries or self._dead:
            self._close()
        if self._whole:
            with self.runner.together():
                for n, (entries, raws) in enumerate(self._whole):
                    self.runner.append(entries, raws, self._dead if n == 0 else ())
        self._whole, self._waiting, self._dead = [], 0, []


def next_day_ms(after_ms: int, offset_ms: int) -> int:
    """First moment [epoch ms] of the civil day after a moment's."""
    return ((after_ms + offset_ms) // DAY_MS + 1) * DAY_MS - offset_ms


def _iso(ms: int) -> str:
    return dt.datetime.fromtimestamp(ms / 1000, dt.UTC).isoformat(timespec="seconds")


def process(runner: Embedded, files: Iterable[str], *, now_ms: int | None = None,
            jump_max_d: int = JUMP_MAX_D, progress: Any = None) -> dict[str, Any]:
    """Run files through a runner; the summary of contract section 4."""
    started = time.perf_counter()
    present = PRESENT_MS if now_ms is None else now_ms
    counts = runner.shard.counts
    before = (counts.accepted, counts.duplicates, counts.rejected, runner.refused)
    events = 0
    for name in files:
        feed = Feed(runner, name, present, jump_max_d)
        with open_lines(name) as file:
            for line in file:
                raw = line.strip()
                if raw:
                    feed.put(raw)
                    if progress is not None and not feed.events % 5000:
                        progress(events + feed.events, file)
        feed.flush()
        events += feed.events
    seconds = time.perf_counter() - started
    return {
        "events": events,
        "accepted": counts.accepted - before[0],
        "duplicates": counts.duplicates - before[1],
        "rejected": counts.rejected - before[2] + runner.refused - before[3],
        "alerts": dict(sorted(runner.opened.items())),
        "reviews": runner.reviews_opened,
        "digest": runner.digest(),
        "events_per_s": round(events / seconds) if seconds else 0,
    }
