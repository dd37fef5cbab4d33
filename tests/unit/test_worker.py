"""Goal: one partition of a worker holds up none of the others: neither a full one, nor one that
stops at an envelope it cannot fold, nor one that is given away.

Method: the pumps of a worker over logs in memory, with a keeper that can be held in its work;
envelopes are offered one after another, as Faust's one stream does. A planted fault, a pump that
lets nobody go, shows that the waiting is noticed.
"""

from __future__ import annotations

import asyncio
import functools
import logging
import threading
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import events as ev
import keeper_fake as fake
import msgspec
import prometheus_client
import pytest

from config import load
from storage.kafka_log import Record
from streams import worker
from streams.worker import _Pump
from streams.worker_metrics import WorkerMetrics

QUEUE_MAX = 3
FULL_S = 0.3
"""A queue that has taken nothing for so long is full."""
PATIENCE_S = 60.0
"""After so long without going on somebody waits for ever."""
SHAPE = ev.Shape(span_d=60)


@functools.cache
def log() -> tuple[Record, ...]:
    return tuple(fake.log_of(ev.build(ev.draw(9, 60, SHAPE), SHAPE), 2))


@functools.cache
def metrics() -> WorkerMetrics:
    return WorkerMetrics(Path())


class Held:
    """One partition of a worker, whose work can be held up."""

    def __init__(self, records: Sequence[Record], folder: Path, partition: int = 0) -> None:
        self.world = fake.World(records[:1])
        self.whole = list(records)
        self.keeper = fake.keeper(self.world, folder, partition=partition)
        self.go = threading.Event()
        self.go.set()
        self.taken: list[int] = []
        plain = self.keeper.take

        def take(records: Sequence[Record]) -> None:
            assert self.go.wait(2 * PATIENCE_S)
            self.taken.append(len(records))
            plain(records)

        self.keeper.take = take  # type: ignore[method-assign]
        settings = load.settings()
        made = msgspec.structs.replace(settings, worker=msgspec.structs.replace(
            settings.worker, queue_max=QUEUE_MAX, checkpoint_s=86_400))
        log: Any = self.world
        self.pump = _Pump(self.keeper, log, ThreadPoolExecutor(2), made, metrics())

    async def opened(self) -> None:
        await until(lambda: self.pump._opened)
        self.world.log = self.whole

    async def offer(self, offset: int, patience_s: float | None = None) -> None:
        await asyncio.wait_for(self.pump.offer(self.whole[offset], len(self.whole)),
                               PATIENCE_S if patience_s is None else patience_s)


async def until(there: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not there():
            await asyncio.sleep(0.01)


async def fill(held: Held) -> int:
    """Offer until it takes no more; the offset that waits."""
    held.go.clear()
    for offset in range(1, len(held.whole)):
        try:
            await held.offer(offset, FULL_S)
        except TimeoutError:
            return offset
    raise AssertionError("it took everything in")


def gauge(name: str, partition: int) -> float | None:
    return prometheus_client.REGISTRY.get_sample_value(name, {"partition": str(partition)})


def played(test: Callable[[Path], Awaitable[None]]) -> Any:
    """A test with an event loop of its own."""
    @functools.wraps(test)
    def run(tmp_path: Path) -> None:
        async def alone() -> None:
            async with asyncio.timeout(4 * PATIENCE_S):
                await test(tmp_path)

        with ev.quick_cards():
            asyncio.run(alone())
    return run


@played
async def test_what_is_offered_is_folded(tmp_path: Path) -> None:
    held = Held(log(), tmp_path)
    await held.opened()
    for offset in range(1, len(log())):
        await held.offer(offset)
    await until(lambda: held.keeper.applied == len(log()))
    assert held.world.mark(0) == len(log())
    assert gauge("xinfeng_partition_applied_offset", 0) is not None
    await held.pump.close()
    assert gauge("xinfeng_partition_applied_offset", 0) is None


@played
async def test_a_queue_has_a_limit(tmp_path: Path) -> None:
    """Beyond it who delivers waits; nothing is lost by that."""
    held = Held(log(), tmp_path)
    await held.opened()
    waits = await fill(held)
    assert waits <= 2 * QUEUE_MAX + 1
    held.go.set()
    for offset in range(waits, len(log())):
        await held.offer(offset)
    await until(lambda: held.keeper.applied == len(log()))
    assert max(held.taken) <= QUEUE_MAX
    await held.pump.close()


@played
async def test_what_was_not_delivered_is_fetched(tmp_path: Path) -> None:
    """Faust may leave out what it likes, the last included."""
    held = Held(log(), tmp_path)
    await held.opened()
    await held.offer(len(log()) // 2)
    await until(lambda: held.keeper.applied == len(log()))
    await held.pump.close()


async def stops(tmp_path: Path) -> None:
    records = list(log())
    records[1] = Record(1, b"\xc1", b"", 1)
    held = Held(records, tmp_path, partition=6)
    await held.opened()
    waits = await fill(held)
    # Faust's hand waits here, with envelopes of other partitions behind it.
    delivering = asyncio.create_task(held.pump.offer(records[waits], waits + 1))
    await asyncio.sleep(0)
    assert not delivering.done()
    held.go.set()
    await asyncio.wait_for(delivering, PATIENCE_S)
    assert held.keeper.applied == 1
    await until(lambda: gauge("xinfeng_partition_stopped", 6) == 1)
    for offset in range(waits + 1, len(records)):
        await held.offer(offset)
    assert gauge("xinfeng_partition_applied_offset", 6) == 1 == held.world.mark(0)
    await held.pump.close()
    assert gauge("xinfeng_partition_stopped", 6) is None


def test_one_that_stops_lets_the_others_go_on(tmp_path: Path,
                                              caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.CRITICAL, "xinfeng.worker"):
        played(stops)(tmp_path)
    [line] = [x.getMessage() for x in caplog.records]
    assert line.startswith('msg="partition stopped" error="log partition 6, offset 1: cannot be '
                           "folded: ")
    assert "\n" not in line


@played
async def test_one_that_is_given_away_lets_the_others_go_on(tmp_path: Path) -> None:
    """Also where its last piece of work takes long: what waits in it is somebody else's now."""
    held = Held(log(), tmp_path)
    await held.opened()
    waits = await fill(held)
    delivering = asyncio.create_task(held.pump.offer(log()[waits], waits + 1))
    await asyncio.sleep(0)
    closing = asyncio.create_task(held.pump.close())
    await asyncio.wait_for(delivering, PATIENCE_S)
    assert not closing.done() and not held.world.closed, "its thread is still at work"
    held.go.set()
    await closing
    assert held.world.closed, "its connection to Kafka goes too"
    applied = held.keeper.applied
    await held.offer(len(log()) - 1)
    await asyncio.sleep(0.05)
    assert held.keeper.applied == applied


@played
async def test_a_pause(tmp_path: Path) -> None:
    """While Kafka hands partitions out nothing is folded; then all of it is."""
    held = Held(log(), tmp_path)
    await held.opened()
    held.pump.pause()
    for offset in (1, 2):
        await held.offer(offset)
    await asyncio.sleep(0.1)
    assert held.keeper.applied == 1
    held.pump.resume()
    await until(lambda: held.keeper.applied >= 3)
    await held.pump.close()


@played
async def test_an_end_that_is_told_of_leaves_a_checkpoint(tmp_path: Path) -> None:
    held = Held(log()[:4], tmp_path)
    await held.opened()
    await held.offer(1)
    await until(lambda: held.keeper.applied >= 2)
    await held.pump.close(save=True)
    assert held.keeper._checkpoints.offsets()[-1] == held.keeper.applied == held.world.mark(0)


def test_a_pump_that_lets_nobody_go_is_noticed(tmp_path: Path,
                                               monkeypatch: pytest.MonkeyPatch) -> None:
    """Planted fault."""
    monkeypatch.setattr(_Pump, "_refuse", lambda s: setattr(s, "_opened", False) or True)
    monkeypatch.setattr(worker, "REMIND_S", 0.05)
    monkeypatch.setitem(globals(), "PATIENCE_S", 2.0)
    with pytest.raises(TimeoutError):
        played(stops)(tmp_path)
