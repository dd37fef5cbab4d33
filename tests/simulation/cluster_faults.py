"""A partition's log, view, out topics and checkpoints in memory; each may fail at any call.

Not a test itself: `check(seed)` plays one life of a partition and compares it with an undisturbed
one. The log is fixed; what fails, when, and how Faust delivers is drawn from the seed.
"""

from __future__ import annotations

import datetime as dt
import functools
import random
from collections.abc import Iterable, Iterator, Sequence

import msgspec

from config import load
from models import events as e
from models.policy import digest, encode
from models.scorecard import Card
from storage.checkpoint_files import Damaged
from storage.kafka_client import Topics
from storage.kafka_log import Record
from storage.view import Change, MarkMismatch
from streams import checkpoint
from streams.digest import subject_digest
from streams.envelopes import Envelopes
from streams.intake import Intake
from streams.keeper import Keeper
from streams.outgoing import Message
from streams.simulate import city

TOPICS = Topics.of("sim")
HOUR_MS = 3_600_000


class Crash(Exception):
    """The process died here."""


@functools.cache
def written() -> tuple[Record, ...]:
    """One partition's log: a small city of a year, 20 events an envelope."""
    policy = load.policy()
    out: list[Record] = []

    def write(partition: int, body: bytes, subjects: Sequence[str]) -> None:
        out.append(Record(len(out), body, b"", 1))

    envelopes = Envelopes(1, write, max_events=20, max_bytes=1_000_000, max_wait_s=9.0)
    document = encode(policy)
    envelopes.broadcast(e.PolicyChanged(document, digest(document)), 0)
    intake = Intake(Card(policy, 0), b"k", 0, 300_000)
    clock = 0
    for line in city(30, 365, 5, start=dt.date(2025, 1, 1)):
        event, body, time_ms = intake.accept(line, 4_000_000_000_000)
        if clock and time_ms // HOUR_MS > clock // HOUR_MS:
            envelopes.tick(time_ms // HOUR_MS * HOUR_MS, 0.0)
        clock = max(clock, time_ms)
        envelopes.put(clock, event, body, 0.0)
    envelopes.flush()
    return tuple(out)


class World:
    """What outlives a process, and the faults that befall it."""

    def __init__(self, seed: int, *, faults: bool) -> None:
        self.random = random.Random(seed)
        self.rate = self.random.choice((0.002, 0.01, 0.03)) if faults else 0.0
        self.crashes = 0
        # The log on the broker, of which `end` envelopes were written by now.
        self.log = written()
        self.end_ = 0
        # The view: every change it took, so that it can lose the last ones.
        self.changes: list[Change] = []
        self.said: dict[tuple[str, str, str], bytes] = {}
        self.meant: dict[tuple[str, str], bytes] = {}
        """By source and id alone: an event that goes to two topics is one."""
        self.repeated = 0
        self.noted = 0
        self.checkpoints: dict[int, list[bytes]] = {}

    def fault(self) -> None:
        if self.random.random() < self.rate:
            self.crashes += 1
            raise Crash

    # log
    def end(self, partition: int) -> int:
        self.fault()
        return self.end_

    def read(self, partition: int, start: int, stop: int) -> Iterator[Record]:
        for record in self.log[start:stop]:
            self.fault()
            yield record

    # view
    def mark(self, partition: int) -> int:
        self.fault()
        return self.changes[-1].upto if self.changes else 0

    def apply(self, change: Change) -> None:
        self.fault()
        mark = self.changes[-1].upto if self.changes else 0
        if mark != change.after:
            raise MarkMismatch(mark)
        self.changes.append(change._replace(effects=list(change.effects)))
        self.fault()

    def lose(self) -> None:
        """The view loses its last changes, or all of them."""
        kept = 0 if self.random.random() < 0.3 else max(len(self.changes)
                                                       - self.random.randrange(1, 4), 0)
        del self.changes[kept:]

    # out topics
    def emitted(self, partition: int) -> int:
        self.fault()
        return self.noted

    def send(self, messages: Iterable[Message]) -> None:
        for m in messages:
            self.fault()
            record = msgspec.json.decode(m.value)
            one = record["source"], record["id"]
            assert self.meant.setdefault(one, m.value) == m.value, f"{one} was said in two ways"
            self.repeated += (m.topic, *one) in self.said
            self.said[m.topic, *one] = m.value

    def flush(self) -> None:
        self.fault()

    def note(self, partition: int, emitted: int) -> None:
        if self.random.random() < 0.7:  # not at once, and lost by a crash
            self.noted = max(self.noted, emitted)


class Files:
    """Checkpoints as `storage.checkpoint_files` keeps them; now and then one is damaged."""

    def __init__(self, world: World) -> None:
        self.world = world

    def save(self, offset: int, parts: Iterable[bytes]) -> None:
        held = []
        for part in parts:
            self.world.fault()
            held.append(part)
        self.world.checkpoints[offset] = held
        for old in self.offsets()[:-2]:
            self.remove(old)

    def offsets(self) -> list[int]:
        return sorted(self.world.checkpoints)

    def remove(self, offset: int) -> None:
        self.world.checkpoints.pop(offset, None)

    def load(self, offset: int) -> Iterator[bytes]:
        yield from self.world.checkpoints[offset]
        if self.world.rate and self.world.random.random() < 0.05:
            raise Damaged("planted")


def keeper(world: World) -> Keeper:
    return Keeper(0, 1, log=world, view=world, outbox=world,  # type: ignore[arg-type]
                  checkpoints=Files(world), topics=TOPICS,  # type: ignore[arg-type]
                  flush_max_events=world.random.choice((1, 50, 400)))


def live(seed: int, *, faults: bool = True) -> World:
    """One life of a partition, up to the end of its log."""
    world = World(seed, faults=faults)
    draw = world.random
    holders: list[Keeper] = []
    delivered = 0
    while True:
        try:
            if not holders:
                made = keeper(world)
                made.open()
                holders.append(made)
            if faults and len(holders) == 1 and draw.random() < 0.02:
                # A rebalance: the old holder does not know yet that it lost the partition.
                made = keeper(world)
                made.open()
                holders.append(made)
            holder = draw.choice(holders)
            world.end_ = min(world.end_ + draw.randrange(0, 6), len(world.log))
            if faults and draw.random() < 0.02:
                world.lose()
            choice = draw.random()
            if choice < 0.7 and world.end_:
                # Faust delivers what comes next, or something older, or leaves something out.
                start = delivered if draw.random() < 0.8 else draw.randrange(0, world.end_)
                start = min(start, world.end_)
                upto = min(start + draw.randrange(0, 8), world.end_)
                holder.take(world.log[start:upto])
                delivered = upto
            elif choice < 0.9:
                holder.catch_up()
            elif choice < 0.95:
                holder.checkpoint()
            elif len(holders) > 1:
                gone = holders.pop(0)
                gone.stop()
                gone.close()
            if world.end_ == len(world.log) and draw.random() < 0.2:
                world.rate = 0.0
                last = holders[-1]
                last.catch_up()
                if world.mark(0) == len(world.log) == last.applied:
                    return world
        except Crash:
            holders.clear()


def digest_of(world: World) -> int:
    states: dict[str, bytes] = {}
    for change in world.changes:
        states |= change.states
    return sum(subject_digest(checkpoint.unpack(state)) for state in states.values())


def effects_of(world: World) -> list[tuple[int, int]]:
    return [(p.offset, p.place) for change in world.changes for p in change.effects]


@functools.cache
def undisturbed() -> World:
    return live(0, faults=False)


def check(seed: int) -> World:
    """Play one life, and hold it against the undisturbed one."""
    there, plain = live(seed), undisturbed()
    assert digest_of(there) == digest_of(plain), "the view shows another state"
    assert effects_of(there) == effects_of(plain), "the view took effects twice, or lost some"
    missing, invented = plain.said.keys() - there.said.keys(), there.said.keys() - plain.said.keys()
    assert not missing, f"never said: {sorted(missing)[:3]}"
    assert not invented, f"said although nothing followed: {sorted(invented)[:3]}"
    assert there.said == plain.said, "said otherwise"
    assert there.changes[-1].counts == plain.changes[-1].counts
    return there
