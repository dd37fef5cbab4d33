"""The log on Kafka: one topic, a partition for each shard, an envelope a record.

The number of partitions is part of the log: it says which shard a subject belongs to. It stands in
a header of each record, so that a topic that was given more partitions is noticed, not folded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

import numpy as np
from confluent_kafka import (
    OFFSET_BEGINNING,
    Consumer,
    KafkaError,
    KafkaException,
    TopicPartition,
)

from storage.kafka_client import QUEUED_MAX_KB, Access, Outgoing, Topics, confluent
from storage.partition import partition_of
from storage.sqlite_store import StoreError, subject_hash

_PASSING = (KafkaError._TRANSPORT, KafkaError._ALL_BROKERS_DOWN, KafkaError._TIMED_OUT,
            KafkaError._RESOLVE, KafkaError._UNKNOWN_PARTITION, KafkaError._MAX_POLL_EXCEEDED,
            KafkaError.LEADER_NOT_AVAILABLE, KafkaError.NOT_LEADER_FOR_PARTITION,
            KafkaError.COORDINATOR_NOT_AVAILABLE, KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
            KafkaError.NOT_COORDINATOR, KafkaError.REQUEST_TIMED_OUT,
            KafkaError.NETWORK_EXCEPTION)
"""Errors that end when the broker is back."""
T = TypeVar("T")
ASK_S = 10.0
"""How long one question to the broker may take before it is asked again."""


class Record(NamedTuple):
    offset: int
    value: bytes
    subjects: bytes
    """8 bytes an event, little endian: `subject_hash` of its subject."""
    partitions: int
    """Of the log when it was written; 0 = a record that intake did not write."""


def write(out: Outgoing, topic: str, partition: int, partitions: int, envelope: bytes,
          subjects: Sequence[str]) -> None:
    """Append one envelope to a partition of the log."""
    hashes = np.array([subject_hash(s) for s in subjects], "<u8").tobytes()
    out.send(topic, envelope, partition=partition,
             headers=[("subjects", hashes), ("partitions", b"%d" % partitions)])


def again(error: KafkaError | None) -> bool:
    """Whether an error ends by itself, so that one should ask again.

    Raises
    ------
    KafkaException: it does not.
    """
    if error is None:
        return False
    if error.code() in _PASSING or error.retriable():
        return True
    raise KafkaException(error)


def ask(question: Callable[[], T]) -> T:
    """The broker's answer to a question, asked again for as long as it is away.

    Raises
    ------
    KafkaException: what time does not mend.
    """
    while True:
        try:
            return question()
        except KafkaException as error:
            again(error.args[0])


def record_of(offset: int, value: bytes | None,
              headers: Mapping[str, Any] | Iterable[Any] | None) -> Record:
    """A record as any client of Kafka hands it over, whoever wrote it."""
    held = dict(headers or ())
    subjects, partitions = (bytes(held.get(x) or b"") for x in ("subjects", "partitions"))
    known = partitions.isdigit() and len(subjects) % 8 == 0
    return Record(offset, value or b"", subjects if known else b"",
                  int(partitions) if known else 0)


class KafkaLog:
    """Reads the log. One thread at a time.

    Parameters
    ----------
    patient
        Wait for ever for a broker that is away, instead of raising.
    """

    def __init__(self, access: Access, *, patient: bool = True) -> None:
        self.topic = Topics.of(access.prefix).log
        self._servers = access.servers
        self._patient = patient
        self._ask_s = ASK_S if patient else 3.0
        self._consumer = Consumer({
            **confluent(access), "group.id": f"{access.prefix}.log.readers",
            "enable.auto.commit": False, "auto.offset.reset": "error",
            "queued.max.messages.kbytes": QUEUED_MAX_KB, "fetch.wait.max.ms": 50,
            "allow.auto.create.topics": False,
        })

    def close(self) -> None:
        self._consumer.close()

    def partitions(self) -> int:
        """Number of partitions of the log.

        Raises
        ------
        StoreError: there is no such topic.
        """
        while True:
            try:
                found = self._consumer.list_topics(self.topic,
                                                  timeout=self._ask_s).topics[self.topic]
            except KafkaException as error:
                self._again(error)
                continue
            if found.error is not None:
                raise StoreError(f"Kafka topic {self.topic}: {found.error.str()}; "
                                 "`xinfeng topics create` makes it")
            return len(found.partitions)

    def end(self, partition: int) -> int:
        """The offset that the next envelope will have."""
        return self._bounds(partition)[1]

    def _bounds(self, partition: int) -> tuple[int, int]:
        while True:
            try:
                low, high = self._consumer.get_watermark_offsets(
                    TopicPartition(self.topic, partition), timeout=self._ask_s)
                return low, high
            except KafkaException as error:
                self._again(error)

    def _again(self, error: KafkaException) -> None:
        """Return when the question should be asked again."""
        if again(error.args[0]) and not self._patient:
            raise StoreError(f"kafka.servers={self._servers}: no broker answers") from None

    def find(self, subject: str) -> Iterator[tuple[int, bytes, set[int]]]:
        """(offset, envelope, positions) of the events of one subject and of those of none, in its
        partition. Reads all of that partition's log."""
        partition = partition_of(subject, self.partitions())
        want = (subject_hash(subject), subject_hash(""))
        for record in self.read(partition, 0, self.end(partition)):
            array = np.frombuffer(record.subjects, "<u8")
            at = np.flatnonzero((array == want[0]) | (array == want[1]))
            if len(at):
                yield record.offset, record.value, set(at.tolist())

    def read(self, partition: int, start: int, stop: int) -> Iterator[Record]:
        """Records with start <= offset < stop, in order, whole.

        Raises
        ------
        StoreError: the broker no longer has the first of them.
        """
        if start >= stop:
            return
        low = self._bounds(partition)[0]
        if low > start:
            raise StoreError(f"Kafka topic {self.topic}, partition {partition}: begins at offset "
                             f"{low}, needed from {start}; the log must be kept for ever "
                             "(retention.ms=-1, cleanup.policy=delete)")
        at = TopicPartition(self.topic, partition, start if start else OFFSET_BEGINNING)
        self._consumer.assign([at])
        try:
            while start < stop:
                # Waits for one, and takes what came with it: `consume` would wait for all 256.
                first = self._consumer.poll(1.0)
                if first is None:
                    continue
                for message in (first, *self._consumer.consume(255, timeout=0)):
                    if again(message.error()):
                        continue
                    offset = message.offset()
                    assert offset is not None and offset >= start
                    start = offset + 1
                    if offset < stop:
                        yield record_of(offset, message.value(), message.headers())
        finally:
            self._consumer.unassign()
