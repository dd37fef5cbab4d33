"""Says effects on the out topics, and remembers in Kafka how far that came.

The mark is a committed offset of a consumer group that never consumes: it outlives the worker and
is there for whoever keeps the partition next.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from confluent_kafka import Consumer, KafkaException, TopicPartition

from storage.kafka_client import Access, Outgoing, Topics, confluent
from storage.kafka_log import ASK_S, again


class Message(Protocol):
    @property
    def topic(self) -> str: ...
    @property
    def key(self) -> bytes: ...
    @property
    def value(self) -> bytes: ...
    @property
    def partition(self) -> int:
        """-1 = the one of its key."""


class KafkaOutbox:
    """Shared by all partitions of a worker, from any thread."""

    def __init__(self, access: Access) -> None:
        self._out = Outgoing(access, linger_ms=0)
        self._log = Topics.of(access.prefix).log
        self._marks = Consumer({**confluent(access), "group.id": f"{access.prefix}.emitted",
                                "enable.auto.commit": False})

    def emitted(self, partition: int) -> int:
        """The offset up to which everything was said."""
        while True:
            try:
                found = self._marks.committed([TopicPartition(self._log, partition)],
                                              timeout=ASK_S)[0]
            except KafkaException as error:
                again(error.args[0])
                continue
            if not again(found.error):
                return max(found.offset, 0)

    def send(self, messages: Iterable[Message]) -> None:
        """Hand records over."""
        for m in messages:
            self._out.send(m.topic, m.value, key=m.key, partition=m.partition)

    def flush(self) -> None:
        """Wait until what was handed over is durable."""
        self._out.flush()

    def note(self, partition: int, emitted: int) -> None:
        """Remember how far a partition came; not at once, and lost by a crash: then the little that
        came after is said twice, under the same ids."""
        self._marks.commit(offsets=[TopicPartition(self._log, partition, emitted)],
                           asynchronous=True)
