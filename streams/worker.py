"""`xinfeng worker`: keeps the partitions that Faust assigns to it."""

from __future__ import annotations

import asyncio
import logging
import os
import threading
import time
from collections import deque
from collections.abc import AsyncIterable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, cast

import faust
from prometheus_client import start_http_server

from config.load import Settings
from config.measures import shipped
from storage import kafka_log, kafka_topics
from storage.checkpoint_files import Checkpoints
from storage.kafka_client import Topics
from storage.kafka_log import KafkaLog, Record
from storage.kafka_outbox import KafkaOutbox
from storage.sqlite_store import StoreError
from streams import faust_app, logs
from streams.connect import view_of
from streams.keeper import Keeper, Poison
from streams.worker_metrics import WorkerMetrics

_LOG = logging.getLogger("xinfeng.worker")
IDLE_S = 2.0
"""After so long without an envelope a partition asks the log itself: Faust may have stopped
delivering, and correctness must not rest on it."""
THREADS_MAX = 64
REMIND_S = 60.0
WATCH_S = 5.0
"""How often the broker is asked whether somebody has every partition."""
UNHELD_S = 15.0
"""A process without a partition ends after so long with one that nobody has, and joins anew when
it is started again; one that has others gives those without twice the time."""


class _Pump:
    """One partition: what Faust delivered, and the thread that folds it."""

    def __init__(self, keeper: Keeper, log: KafkaLog, pool: ThreadPoolExecutor,
                 settings: Settings, metrics: WorkerMetrics) -> None:
        self.keeper = keeper
        self._log = log
        self._pool = pool
        self._settings = settings
        self._metrics = metrics
        self._waiting: deque[Record] = deque()
        self._there = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._opened = False
        self._paused = False
        self._poisoned = False
        self._end = 0
        self._busy: asyncio.Future[None] | None = None
        self._task = asyncio.create_task(self._run())

    async def offer(self, record: Record, end: int) -> None:
        """Hand an envelope over; waits while too many wait already. `end` is how far the log is
        known to go."""
        self._end = max(end, record.offset + 1)
        while self._opened and len(self._waiting) >= self._settings.worker.queue_max:
            self._room.clear()
            await self._room.wait()
        if self._opened:  # Else: opening reads the log to its end, and a gap is refilled.
            self._waiting.append(record)
            self._there.set()

    def _refuse(self) -> None:
        """Take in nothing more, and let go whoever waits to hand something over: Faust delivers
        all partitions by one hand."""
        self._opened = False
        self._waiting.clear()
        self._room.set()

    def pause(self) -> None:
        """Somebody else may get the partition: fold no further until it is said who."""
        self._paused = True

    def resume(self) -> None:
        self._paused = False
        self._there.set()

    async def close(self, *, save: bool = False) -> None:
        """Let the partition go.

        Parameters
        ----------
        save
            Say what follows from all that was folded, and write a checkpoint: nobody else has the
            partition yet.
        """
        self._task.cancel()
        self._refuse()
        self.keeper.stop()
        await asyncio.gather(self._task, return_exceptions=True)
        if self._busy is not None:
            await asyncio.gather(self._busy, return_exceptions=True)
        if save and not self._poisoned:
            await self._call(self.keeper.close)
        await asyncio.get_running_loop().run_in_executor(self._pool, self._log.close)
        self._metrics.forget(self.keeper.partition)

    async def _call(self, work: Callable[..., None], *args: Any) -> None:
        started, before = time.perf_counter(), self.keeper.shard.counts.accepted
        loop = asyncio.get_running_loop()
        # A thread cannot be cancelled: whoever closes waits for it (`close`).
        self._busy = loop.run_in_executor(self._pool, work, *args)
        await asyncio.shield(self._busy)
        self._metrics.seconds.inc(time.perf_counter() - started)
        self._metrics.events.inc(max(self.keeper.shard.counts.accepted - before, 0))
        self._metrics.look(self.keeper, len(self._waiting), self._end)

    async def _run(self) -> None:
        try:
            await self._call(self.keeper.open)
            await self._call(self._metrics.count, self.keeper)
            self._opened = True
            saved = time.monotonic()
            while True:
                try:
                    async with asyncio.timeout(IDLE_S):
                        await self._there.wait()
                except TimeoutError:
                    if not self._paused:
                        await self._call(self.keeper.catch_up)
                self._there.clear()
                if self._paused:
                    continue
                records = list(self._waiting)
                self._waiting.clear()
                self._room.set()
                if records:
                    await self._call(self.keeper.take, records)
                if time.monotonic() - saved > self._settings.worker.checkpoint_s:
                    await self._call(self.keeper.checkpoint)
                    await self._call(self._metrics.count, self.keeper)
                    saved = time.monotonic()
        except asyncio.CancelledError:
            raise
        except Poison as error:
            await self._stand_still(str(error))
        except BaseException as error:
            _LOG.critical('msg="the process ends" partition=%d error=%r', self.keeper.partition,
                          error, exc_info=None if isinstance(error, StoreError) else error)
            os._exit(1)

    async def _stand_still(self, why: str) -> None:
        """The shard stops where it is; the others go on."""
        self._poisoned = True
        self._refuse()
        self._metrics.stopped.labels(str(self.keeper.partition)).set(1)
        self._metrics.look(self.keeper, 0, self._end)
        while True:
            _LOG.critical('msg="partition stopped" error="%s"', why)
            await asyncio.sleep(REMIND_S)


class Worker:
    """The pumps of the partitions this process has."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._topics = Topics.of(settings.kafka.prefix)
        log = KafkaLog(settings.kafka)
        self.partitions = log.partitions()
        log.close()
        shipped()  # A wrong catalogue is named at the start, not by the first change of a grade.
        self._outbox = KafkaOutbox(settings.kafka)
        self._view = view_of(settings)
        self._pool = ThreadPoolExecutor(THREADS_MAX, "keeper")
        self._turn = threading.Lock()
        self._pumps: dict[int, _Pump] = {}
        self._metrics = WorkerMetrics(Path(settings.worker.folder))

    def _pump(self, partition: int) -> _Pump:
        log = KafkaLog(self._settings.kafka)
        folder = Path(self._settings.worker.folder) / f"p{partition:04d}-of-{self.partitions:04d}"
        keeper = Keeper(
            partition, self.partitions, log=log, view=self._view, outbox=self._outbox,
            checkpoints=Checkpoints(folder), topics=self._topics,
            flush_max_events=self._settings.worker.flush_max_events, turn=self._turn,
            tally=self._metrics.tally)
        return _Pump(keeper, log, self._pool, self._settings, self._metrics)

    def revoked(self) -> None:
        for pump in self._pumps.values():
            pump.pause()

    async def assigned(self, partitions: set[int]) -> None:
        """Take over what is new, go on with what stayed, let the rest go."""
        lost = [self._pumps.pop(p) for p in set(self._pumps) - partitions]
        for pump in self._pumps.values():
            pump.resume()
        for partition in sorted(partitions - set(self._pumps)):
            self._pumps[partition] = self._pump(partition)
        _LOG.info("msg=assigned partitions=%s", sorted(partitions))
        await asyncio.gather(*(pump.close() for pump in lost))

    async def watch(self) -> None:
        """End the process where partitions are left that nobody has: whoever joins makes Faust
        share out again (see `kafka_topics.unheld`)."""
        since, before = time.monotonic(), set[int]()
        while True:
            await asyncio.sleep(WATCH_S)
            unheld = await asyncio.to_thread(kafka_topics.unheld, self._settings.kafka,
                                             self.partitions)
            if not unheld or unheld != before:
                since, before = time.monotonic(), unheld
            elif time.monotonic() - since > UNHELD_S * (2 if self._pumps else 1):
                _LOG.critical('msg="nobody has these partitions; the process ends to join anew" '
                              'partitions=%s', sorted(unheld))
                await self.close()
                os._exit(1)

    async def close(self) -> None:
        """Leave everything so that a restart finds a fresh checkpoint."""
        pumps, self._pumps = list(self._pumps.values()), {}
        await asyncio.gather(*(pump.close(save=True) for pump in pumps))
        _LOG.info("msg=closed partitions=%s", sorted(p.keeper.partition for p in pumps))

    async def fold(self, stream: AsyncIterable[Any]) -> None:
        """Faust's agent over the log."""
        async for event in stream.events():  # type: ignore[attr-defined]
            message = event.message
            pump = self._pumps.get(message.partition)
            if pump is not None:
                end = stream.app.consumer.highwater(message.tp)  # type: ignore[attr-defined]
                await pump.offer(kafka_log.record_of(message.offset, message.value,
                                                     message.headers), end or 0)


def serve(settings: Settings, metrics_port: int, metrics_host: str) -> None:
    """Run a worker until SIGINT or SIGTERM; leaves the process."""
    logs.to_stderr()
    made = faust_app.app(settings.kafka, "worker", leader=False)
    worker = Worker(settings)
    name = Topics.of(settings.kafka.prefix).log
    if metrics_port:
        start_http_server(metrics_port, metrics_host)

    @made.agent(made.topic(name), name="fold")
    async def fold(stream: faust.StreamT[bytes]) -> None:
        await worker.fold(stream)

    @made.task  # type: ignore[untyped-decorator]
    async def watch() -> None:
        await worker.watch()

    async def revoked(_: Any, *__: Any, **___: Any) -> None:
        worker.revoked()

    async def assigned(_: Any, *args: Any, **__: Any) -> None:
        await worker.assigned({tp.partition for tp in args[0] if tp.topic == name})

    async def closing(*_: Any, **__: Any) -> None:
        await worker.close()

    # Faust's own types leave out that a receiver may be a coroutine with any arguments.
    made.on_partitions_revoked.connect(cast(Any, revoked))
    made.on_partitions_assigned.connect(cast(Any, assigned))
    made.on_before_shutdown.connect(cast(Any, closing))
    faust_app.run(made)
