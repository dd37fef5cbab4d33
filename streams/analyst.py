"""`xinfeng analyst`: the analysis of the whole city, on a cluster.

Reads what the shards tell it, writes what it concludes to a topic that intake reads like a feed.
Its state is a checkpoint stamped with how far it read; lost, it is made again from the topics. It
may run twice for a moment: both come to the same conclusions, and a shard takes each once.
"""

from __future__ import annotations

import logging
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import redis
from confluent_kafka import OFFSET_BEGINNING, Consumer, Message, TopicPartition
from prometheus_client import start_http_server

from config.load import Settings
from storage.checkpoint_files import Checkpoints, Damaged
from storage.effects import ForAnalysis
from storage.kafka_client import QUEUED_MAX_KB, Outgoing, Topics, confluent
from storage.kafka_log import KafkaLog, again
from storage.redis_keys import Keys
from streams import logs
from streams.analysis import Analysis, Concluded
from streams.connect import client
from streams.declared import counter, gauge
from streams.outgoing import TOLD, conclusion

_LOG = logging.getLogger("xinfeng.analyst")
POLL_MAX = 5_000
POLL_S = 0.05
SHOW_S = 15.0
"""Between two reports for the console: pages are that old, and so late after the view was emptied.
"""

CLOCK = gauge("xinfeng_analyst_clock_seconds")
TOLD_COUNT = counter("xinfeng_analyst_records_total")
CONCLUDED = counter("xinfeng_analyst_conclusions_total")


class Record(msgspec.Struct):
    """What is read of a record: its place in the log, what it is, what it says."""

    id: str
    type: str
    data: dict[str, Any]


_RECORD = msgspec.json.Decoder(Record).decode
_HEAD = msgspec.msgpack.Decoder(tuple[list[int], list[tuple[int, int]]]).decode


class Analyst:
    """Reads two topics of one partition for each of the log: streams are numbered signals first.

    One thread.
    """

    def __init__(self, settings: Settings, *, challengers: bool = True) -> None:
        access = settings.kafka
        self._topics = Topics.of(access.prefix)
        log = KafkaLog(access)
        self.partitions = log.partitions()
        log.close()
        self._settings = settings
        self._checkpoints = Checkpoints(Path(settings.worker.folder, "analyst"))
        self._streams = [(topic, p) for topic in (self._topics.signals, self._topics.examples)
                         for p in range(self.partitions)]
        self._at = [0] * len(self._streams)
        """Next offset to read, by stream."""
        self._seen: list[tuple[int, int]] = [(-1, -1)] * len(self._streams)
        """Place in the log of the last thing heard, by stream: what comes again is dropped."""
        self.analysis = Analysis(len(self._streams), challengers=challengers)
        self._load(challengers)
        self._out = Outgoing(access)
        self._consumer = Consumer({
            **confluent(access), "group.id": f"{access.prefix}.analyst",
            "enable.auto.commit": False, "auto.offset.reset": "earliest",
            "queued.max.messages.kbytes": QUEUED_MAX_KB, "fetch.wait.max.ms": 20,
            "allow.auto.create.topics": False, "fetch.error.backoff.ms": 100})
        self._consumer.assign([TopicPartition(topic, p, at or OFFSET_BEGINNING)
                               for (topic, p), at in zip(self._streams, self._at, strict=True)])
        self._number = {stream: n for n, stream in enumerate(self._streams)}
        self._saved_s = self._shown_s = time.monotonic()

    def _load(self, challengers: bool) -> None:
        for offset in reversed(self._checkpoints.offsets()):
            try:
                head, state = self._checkpoints.load(offset)
            except Damaged as error:
                _LOG.warning('msg="checkpoint passed over" error="%s"', error)
                self._checkpoints.remove(offset)
                continue
            self._at, self._seen = _HEAD(head)
            self.analysis = Analysis.load(state, challengers=challengers)
            return

    def turn(self) -> int:
        """Read once, say what follows; how many records there were."""
        messages = [m for m in self._consumer.consume(POLL_MAX, timeout=POLL_S)
                    if not again(m.error())]
        for concluded in self._hear(messages):
            self._say(concluded)
        if messages:
            TOLD_COUNT.inc(len(messages))
            CLOCK.set(self.analysis.clock_ms / 1000)
            self._out.flush()
            # For whoever wants to know how far it is; a restart goes by the checkpoint.
            self._consumer.commit(offsets=[TopicPartition(topic, p, at) for (topic, p), at in zip(
                self._streams, self._at, strict=True)], asynchronous=True)
        if time.monotonic() - self._saved_s > self._settings.worker.checkpoint_s:
            self.save()
        if time.monotonic() - self._shown_s > SHOW_S:
            self.show()
        return len(messages)

    def _hear(self, messages: list[Message]) -> Iterator[Concluded]:
        told: dict[int, list[ForAnalysis]] = {}
        for m in messages:
            n = self._number[m.topic() or "", m.partition() or 0]
            self._at[n] = (m.offset() or 0) + 1
            record = _RECORD(m.value() or b"")
            _, offset, place = record.id.split("-")
            where = int(offset), int(place)
            if where > self._seen[n]:
                self._seen[n] = where
                told.setdefault(n, []).append(msgspec.convert(record.data, TOLD[record.type]))
        for n, one in told.items():
            yield from self.analysis.take(n, one)

    def _say(self, concluded: Concluded) -> None:
        at_ms, events = concluded
        self._out.send(self._topics.conclusions, conclusion(concluded), timestamp_ms=at_ms)
        CONCLUDED.inc(len(events))
        if events:
            _LOG.info("msg=concluded at_ms=%d events=%d weights=w%06d", at_ms, len(events),
                      self.analysis.published)

    def save(self) -> None:
        """Write a checkpoint."""
        head = msgspec.msgpack.encode([self._at, self._seen])
        self._checkpoints.save(sum(self._at), [head, self.analysis.dump()])
        self._saved_s = time.monotonic()

    def show(self) -> None:
        """Write the report for the console."""
        self._shown_s = time.monotonic()
        if self.analysis.policy is None:
            return  # nothing was heard yet
        try:
            with client(self._settings, patient=False) as held:
                held.set(Keys(self._settings.kafka.prefix).models, msgspec.json.encode(
                    self.analysis.report()))
        except redis.RedisError as error:
            _LOG.warning('msg="report not shown" error="%s"', error)

    def close(self) -> None:
        self.save()
        self.show()
        self._consumer.close()


def serve(settings: Settings, metrics_port: int, metrics_host: str, *, challengers: bool) -> None:
    """Run until SIGINT or SIGTERM."""
    logs.to_stderr()
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    if metrics_port:
        start_http_server(metrics_port, metrics_host)
    analyst = Analyst(settings, challengers=challengers)
    _LOG.info("msg=analysing partitions=%d", analyst.partitions)
    while not stop.is_set():
        analyst.turn()
    analyst.close()
