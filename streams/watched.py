"""Alerts and reviews as Kafka has them: for the dispatcher as they come, for its auditor as they
stand.

The auditor must not believe what the dispatcher remembers, so it reads the topic by itself; what it
has read it keeps beside the ledger, and each look reads what is new only.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
from confluent_kafka import Consumer, TopicPartition

from alerts.notice import Notice
from dispatch.ledger import Ledger
from storage.kafka_client import QUEUED_MAX_KB, Access, Topics, confluent
from storage.kafka_log import ASK_S, KafkaLog, again, ask
from streams import told_row

POLL_MAX = 50
"""Records at once; see `streams.telling.BATCH`."""
POLL_S = 0.05
WATCH = "watch/"
"""Marks of the auditor begin so: offset + 1 of each partition."""
_PACK = msgspec.msgpack.Encoder().encode
_NOTICE = msgspec.msgpack.Decoder(Notice).decode


class Feed:
    """Transitions of alerts and reviews from Kafka, as notices.

    `sources` are (topic, partition), each with a mark of its own in the ledger.
    """

    def __init__(self, access: Access, offset_ms: int, *, reviews: bool = True) -> None:
        topics = Topics.of(access.prefix)
        log = KafkaLog(access)
        self.sources = [(topic, p)
                        for topic in ((topics.alerts, topics.reviews) if reviews else
                                      (topics.alerts,)) for p in range(log.partitions())]
        log.close()
        self._offset_ms = offset_ms
        self._consumer = Consumer({
            **confluent(access), "group.id": f"{access.prefix}.dispatcher",
            "enable.auto.commit": False, "auto.offset.reset": "earliest",
            "queued.max.messages.kbytes": QUEUED_MAX_KB, "fetch.wait.max.ms": 20,
            "allow.auto.create.topics": False, "fetch.error.backoff.ms": 100})

    def close(self) -> None:
        self._consumer.close()

    def assign(self, marks: dict[str, int]) -> None:
        """Read each partition from its mark on."""
        self._consumer.assign([TopicPartition(t, p, marks.get(name_of(t, p), 1) - 1)
                               for t, p in self.sources])

    def ends(self) -> dict[str, int]:
        """End of each partition."""
        return {name: high for name, (_, high) in self._limits().items()}

    def starts(self) -> dict[str, int]:
        """First offset that each partition still has."""
        return {name: low for name, (low, _) in self._limits().items()}

    def read(self) -> dict[str, tuple[list[Notice], int]]:
        """(notices, next offset) of each partition of which there is something new."""
        out: dict[str, tuple[list[Notice], int]] = {}
        for message in self._consumer.consume(POLL_MAX, timeout=POLL_S):
            if again(message.error()):
                continue
            source = name_of(message.topic() or "", message.partition() or 0)
            notices, _ = out.get(source, ([], 0))
            notice = told_row.notice(bytes(message.value() or b""), self._offset_ms)
            out[source] = (notices if notice is None else [*notices, notice],
                           (message.offset() or 0) + 1)
        return out

    def _limits(self) -> dict[str, tuple[int, int]]:
        found: dict[str, tuple[int, int]] = {}
        for topic, partition in self.sources:
            at = TopicPartition(topic, partition)
            found[name_of(topic, partition)] = ask(
                lambda at=at: self._consumer.get_watermark_offsets(at, timeout=ASK_S))  # type: ignore[misc]
        return found

    def standing(self, ends: dict[str, int]) -> Iterator[tuple[str, list[Notice]]]:
        """Last notice of every alert and review up to the ends, by partition. Reads it all."""
        for topic, partition in self.sources:
            source = name_of(topic, partition)
            last: dict[str, Notice] = {}
            at, end = self.starts()[source], ends[source]
            self._consumer.assign([TopicPartition(topic, partition, 0)])
            while at < end:
                for message in self._consumer.consume(POLL_MAX, timeout=1.0):
                    if again(message.error()):
                        continue
                    at = (message.offset() or 0) + 1
                    notice = told_row.notice(bytes(message.value() or b""), self._offset_ms)
                    if notice is not None and at <= end and (
                            notice.id not in last or last[notice.id].seq < notice.seq):
                        last[notice.id] = notice
            yield source, [n for n in last.values() if n.state in ("firing", "acknowledged")]


def name_of(topic: str, partition: int) -> str:
    """Under which the ledger keeps the mark of a partition: offset + 1, since 0 says never."""
    return f"{topic.rpartition('.')[2]}/{partition}"


class Watched:
    """The alerts that are firing, by a feed of its own. One thread.

    A look costs what is new in the topic, and the alerts that are firing.
    """

    def __init__(self, feed: Feed, ledger: Ledger) -> None:
        self._feed = feed
        self._ledger = ledger
        self._feed.assign(self._marks())

    def close(self) -> None:
        self._feed.close()

    def firing(self) -> list[Notice]:
        """As the topic has them by now."""
        ends = self._feed.ends()
        while any(self._marks().get(s, 1) - 1 < end for s, end in ends.items()):
            for source, (notices, upto) in self._feed.read().items():
                self._keep(source, notices, upto)
            for source, start in self._feed.starts().items():
                # What retention removed before it was read is not waited for.
                if self._marks().get(source, 1) - 1 < start:
                    self._keep(source, [], start)
        return [_NOTICE(row[0]) for row in self._ledger.all(
            "SELECT body FROM watched WHERE firing=1 ORDER BY alert")]

    def _marks(self) -> dict[str, int]:
        return {k.removeprefix(WATCH): v for k, v in self._ledger.marks(WATCH).items()}

    def _keep(self, source: str, notices: list[Notice], upto: int) -> None:
        with self._ledger.transaction():
            for n in notices:
                firing = n.state == "firing"
                self._ledger.db.execute(
                    "INSERT INTO watched VALUES (?,?,?,?,?) ON CONFLICT (alert) DO UPDATE SET "
                    "seq=excluded.seq, firing=excluded.firing, updated_ms=excluded.updated_ms, "
                    "body=excluded.body WHERE excluded.seq>watched.seq",
                    (n.id, n.seq, firing, n.updated_ms, _PACK(n) if firing else b""))
            self._ledger.set_mark(WATCH + source, upto + 1)


def firing(access: Access, offset_ms: int) -> list[Notice]:
    """Alerts that are firing, as the topic has them; reads it all."""
    feed = Feed(access, offset_ms, reviews=False)
    try:
        return [n for _, held in feed.standing(feed.ends()) for n in held if n.state == "firing"]
    finally:
        feed.close()
