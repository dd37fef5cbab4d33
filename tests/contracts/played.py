"""A small city played once into an embedded store, and again into views in Redis.

The same envelopes are stepped by one shard, and by shards of 1 and 4 partitions whose changes are
applied to a view each: what the views say can then be compared.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import events as ev
import msgspec

from config import load
from models import events as e
from models.policy import decode, encode
from models.policy import digest as policy_digest
from storage.effects import Effect, Rejected
from storage.partition import partition_of
from storage.redis_view import RedisView
from storage.sqlite_store import Dead
from storage.view import Change, Placed
from streams import checkpoint, codec
from streams.batch import PRESENT_MS, Feed
from streams.change import change, place, touched
from streams.embedded import DAY_MS, Embedded
from streams.pipeline import Entry, Shard
from streams.show import iso_ms
from streams.simulate import city

SUBJECTS, DAYS, SEED = 500, 200, 5
START = dt.date(2025, 9, 1)


class Step(NamedTuple):
    """One envelope as the embedded runner took it."""

    entries: Sequence[Entry]
    raws: Mapping[int, bytes]
    dead: Sequence[Dead]


class Recording(Embedded):
    """Keeps its envelopes, to be played again."""

    def __init__(self, folder: Path | None) -> None:
        self.steps: list[Step] = []
        super().__init__(folder, load.policy())

    def _write(self, entries: Sequence[Entry], raws: Sequence[bytes],
               dead: Sequence[Dead]) -> list[Effect]:
        effects = super()._write(entries, raws, dead)
        letters = {x.position: self.intake.scrub(raws[x.position]) for x in effects
                   if isinstance(x, Rejected) and x.position >= 0}
        self.steps.append(Step(list(entries), letters, list(dead)))
        return effects


class Partition:
    """One shard, and what of it a view does not know yet."""

    def __init__(self, number: int, partitions: int) -> None:
        self.number, self.partitions = number, partitions
        self.shard = Shard()
        self.offset = self.after = self.sources = 0
        self.cards: list[tuple[int, str, str]] = []
        self.effects: list[Placed] = []
        self.touched: set[str] = set()

    def step(self, entries: Sequence[Entry], raws: Mapping[int, bytes]) -> None:
        effects = self.shard.step(entries)
        self.effects += place(self.offset, effects, raws)
        self.touched |= touched(entries, effects)
        self.offset += 1

    def change(self) -> Change:
        return change(self.shard, self.number, self.partitions, self.after, self.offset,
                      self.effects, self.touched, self.sources, self.cards)

    def applied(self) -> None:
        self.after, self.sources = self.offset, len(self.shard.sources)
        self.cards = checkpoint.cards(self.shard)
        self.effects, self.touched = [], set()


def changes(steps: Sequence[Step], partitions: int, every: int = 3) -> Iterator[Change | Dead]:
    """What shards of so many partitions say to a view, several envelopes at once; dead letters of
    intake in between."""
    parts = [Partition(n, partitions) for n in range(partitions)]
    for n, step in enumerate(steps):
        for part in parts:
            mine = [(x, at) for at, x in enumerate(step.entries)
                    if isinstance(x.event, e.Broadcast)
                    or partition_of(x.event.subject, partitions) == part.number]
            if mine:
                part.step([x for x, _ in mine], {new: step.raws[at] for new, (_, at)
                                                 in enumerate(mine) if at in step.raws})
            if (part.offset > part.after) and (n % every == 0 or n + 1 == len(steps)):
                yield part.change()
                part.applied()
        yield from step.dead


def show_to(view: RedisView, steps: Sequence[Step], partitions: int) -> None:
    """Play envelopes into a view."""
    for n, x in enumerate(changes(steps, partitions)):
        if isinstance(x, Change):
            view.apply(x)
        else:
            view.reject(f"feed/0/{n}", x)
            view.reject(f"feed/0/{n}", x)


def event(type_: str, subject: str, time_ms: int, data: dict[str, Any], id: str) -> bytes:
    return json.dumps({"specversion": "1.0", "id": id, "source": "xinfeng/console",
                       "type": type_, "subject": subject, "time": iso_ms(time_ms),
                       "data": data}).encode()


def play(folder: Path, asked: Callable[[Recording], tuple[list[Any], list[Any]]]) -> Recording:
    """The city, then what people do about its alerts and reviews (`asked`), refused events of every
    kind, a new policy, and 40 days of silence."""
    runner = Recording(folder)
    feed = Feed(runner, "city.ndjson", PRESENT_MS)
    lines = list(city(SUBJECTS, DAYS, SEED, START))
    for n, line in enumerate(lines):
        feed.put(line)
        if n % 40 == 0:
            feed.put(line)
        if n % 300 == 0:
            feed.flush()
        if n == len(lines) // 2:
            feed.flush()
            renew(runner)
    feed.put(b"{")
    feed.put(b'{"specversion":"1.0","id":"\xff"}')
    now = feed.clock_ms
    feed.flush()
    alerts, reviews = asked(runner)
    for n, row in enumerate(alerts):
        feed.put(event("alert.acknowledged" if n % 2 else "alert.closed", row["subject"],
                       now + n, {"alert": row["id"], "actor": "李处", "note": "已知悉"}, f"a{n}"))
    for n, row in enumerate(reviews):
        for m, department in enumerate(row["departments"][:2]):
            feed.put(event("review.answered", row["subject"], now + n, {
                "review": row["id"], "department": department, "decision": "keep",
                "reason": f"维持原等级 {n}.{m}"}, f"r{n}.{m}"))
    other, some = ev.codes(2)[0], alerts[0]["subject"]
    complaint = {"item": "cq1-17", "kind": "complaint", "category": "食品安全"}
    of = {"source": "xinfeng/console", "id": "c1"}
    feed.put(event("complaint.filed", some, now, complaint, "c1"))
    feed.put(event("complaint.filed", some, now, {**complaint, "category": "其他"}, "c1"))
    feed.put(event("penalty.performed", some, now, {"of": of}, "p1"))
    feed.put(event("penalty.performed", other, now, {"of": {**of, "id": "never"}}, "p2"))
    feed.flush()
    feed.put(event("complaint.filed", other, now + 40 * DAY_MS, complaint, "c2"))
    feed.flush()
    runner.tick(now + 41 * DAY_MS)
    return runner


def renew(runner: Recording) -> None:
    """A stricter policy, from here on."""
    policy = decode(runner.card.document)
    bands = msgspec.structs.replace(policy.bands, a=policy.bands.a + 20)
    document = encode(msgspec.structs.replace(policy, version="stricter", bands=bands))
    new = e.PolicyChanged(document, policy_digest(document))
    runner.append([Entry(runner.shard.clock_ms, codec.encode(new), new)], [b""])
