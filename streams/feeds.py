"""Reads the topics that departments write to, in bulk, and puts them into one order."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import NamedTuple

import msgspec
from confluent_kafka import (
    OFFSET_BEGINNING,
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    TopicPartition,
)

from storage.kafka_client import QUEUED_MAX_KB, Access, Topics, confluent
from storage.kafka_log import ASK_S, again, ask
from storage.sqlite_store import StoreError
from streams.merge import Merge

HELD_MAX = 20_000
"""Records of one feed that may wait for the others: then it is read no further for a while."""
POLL_MAX = 5_000
CHECKED = "xinfeng-checked"
"""Header of records that our own intake has checked: complainants are hashed already."""


class Feed(NamedTuple):
    topic: str
    partition: int


class Raw(NamedTuple):
    """One record of a feed."""

    feed: Feed
    offset: int
    value: bytes
    checked: bool


class Feeds:
    """All partitions of all feeds, read from where `done` came to last time.

    Raises
    ------
    StoreError: a topic is missing.
    """

    def __init__(self, access: Access) -> None:
        self._doubt = False
        """Whether the broker may have been away: then its feeds may be longer than they seem."""
        self.clock_ms = 0
        """Up to here all feeds are known, and all that they hold was given out."""
        self.until_ms = 0
        """History is played up to here only, until the analysis has had its say."""
        self._access, self._topics = access, Topics.of(access.prefix)
        self._consumer = Consumer({
            **confluent(access), "group.id": f"{access.prefix}.intake.feeds",
            "enable.auto.commit": False, "auto.offset.reset": "earliest",
            "queued.max.messages.kbytes": QUEUED_MAX_KB, "fetch.wait.max.ms": 20,
            "allow.auto.create.topics": False, "fetch.error.backoff.ms": 100,
            "error_cb": self._doubted,
        })
        self.feeds = list(self._partitions())
        self._at = {feed: self._committed(feed) for feed in self.feeds}
        """Next offset to read, by feed."""
        self._end = dict.fromkeys(self.feeds, 0)
        self._merge: Merge[Feed, Raw] = Merge(self.feeds)
        self._paused: set[Feed] = set()
        self.done = dict(self._at)
        """Next offset that was not given out yet, by feed."""
        self._consumer.assign([TopicPartition(f.topic, f.partition, at or OFFSET_BEGINNING)
                               for f, at in self._at.items()])
        self.look()

    def close(self) -> None:
        self._consumer.close()

    def _partitions(self) -> Iterator[Feed]:
        # First what was concluded: it comes before events of the same moment.
        for topic in (self._topics.conclusions, *self._topics.feeds):
            found = ask(partial(self._consumer.list_topics, topic, timeout=ASK_S)).topics[topic]
            if found.error is not None:
                raise StoreError(f"Kafka topic {topic}: {found.error.str()}; "
                                 "`xinfeng topics create` makes it")
            for partition in sorted(found.partitions):
                yield Feed(topic, partition)

    def _committed(self, feed: Feed) -> int:
        while True:
            try:
                held = self._consumer.committed([TopicPartition(*feed)], timeout=ASK_S)[0]
            except KafkaException as error:
                again(error.args[0])
                continue
            if not again(held.error):
                return max(held.offset, 0)

    # ------------------------------------------------------------------------------------- reading

    def _doubted(self, _: KafkaError) -> None:
        self._doubt = True

    def look(self) -> bool:
        """Ask the broker how far each feed goes; whether it answered."""
        for feed in self.feeds:
            try:
                low, high = self._consumer.get_watermark_offsets(TopicPartition(*feed),
                                                                 timeout=ASK_S)
            except KafkaException as error:
                again(error.args[0])
                return False
            self._end[feed] = max(self._end[feed], high)
            # What retention removed before anybody read it cannot be waited for.
            self._at[feed] = max(self._at[feed], low)
        self._doubt = False
        return True

    def lag(self) -> int:
        """Records that are there and not yet read."""
        return sum(max(end - self._at[feed], 0) for feed, end in self._end.items())

    def heard_ms(self) -> int:
        """Time of the last conclusion that was given out, or of the first record there ever was;
        0 = there is neither. Asks the broker."""
        consumer = Consumer({**confluent(self._access), "enable.auto.commit": False,
                             "group.id": f"{self._access.prefix}.intake.look"})
        try:
            times = []
            for feed in self.feeds:
                at = self.done[feed] - 1 if feed.topic == self._topics.conclusions else 0
                if at < 0 or self._end[feed] <= at:
                    continue
                consumer.assign([TopicPartition(*feed, at)])
                message = consumer.poll(ASK_S)
                if message is None or again(message.error()):
                    return 0
                if feed.topic == self._topics.conclusions:
                    return int(message.timestamp()[1])
                times.append(int(message.timestamp()[1]))
            return min(times, default=0)
        finally:
            consumer.close()

    def is_conclusion(self, raw: Raw) -> bool:
        """Whether a record comes from the analysis."""
        return raw.feed.topic == self._topics.conclusions

    @property
    def waiting(self) -> int:
        """Records that were read and wait for other feeds."""
        return self._merge.waiting

    def read(self, now_ms: int, wait_s: float) -> Iterator[tuple[int, Raw]]:
        """(time, record) of what can be let through, in order.

        Parameters
        ----------
        now_ms
            A feed that was read to its end is known up to this moment; 0 = history is played: it
            has ended.
        wait_s
            How long to wait for a first record.
        """
        merge = self._merge
        for message in self._consumer.consume(POLL_MAX, timeout=wait_s):
            if again(message.error()):
                self._doubt = True
            else:
                self._put(message)
        if self._doubt and not self.look():
            # What other feeds got meanwhile cannot be seen: time must not pass over it.
            return
        for feed in self.feeds:
            end = self._consumer.get_watermark_offsets(TopicPartition(*feed), cached=True)
            if end is not None:
                self._end[feed] = max(self._end[feed], end[1])
            if self._at[feed] >= self._end[feed]:
                known_ms = now_ms or merge.latest_ms
                if not now_ms and feed.topic == self._topics.conclusions:
                    known_ms = min(known_ms, self.until_ms - 1)
                merge.quiet(feed, known_ms)
        for time_ms, raw in merge.ready():
            self.done[raw.feed] = raw.offset + 1
            yield time_ms, raw
        self.clock_ms = merge.clock_ms
        self._balance()

    def _put(self, message: Message) -> None:
        feed = Feed(message.topic() or "", message.partition() or 0)
        offset = message.offset() or 0
        self._at[feed] = max(self._at[feed], offset + 1)
        headers = dict(message.headers() or [])
        value = bytes(message.value() or b"")
        if "ce_specversion" in headers:
            value = structured(headers, value)
        if feed.topic == self._topics.conclusions:
            # What was waited for is there: up to its own moment everything is known.
            self.until_ms = max(self.until_ms, message.timestamp()[1] + 1)
        self._merge.put(feed, message.timestamp()[1],
                        Raw(feed, offset, value, CHECKED in headers))

    def _balance(self) -> None:
        """Stop reading feeds that run ahead, until the others have come after them."""
        for feed in self.feeds:
            held = self._merge.held(feed)
            if held > HELD_MAX and feed not in self._paused:
                self._paused.add(feed)
                self._consumer.pause([TopicPartition(*feed)])
            elif held < HELD_MAX // 2 and feed in self._paused:
                self._paused.discard(feed)
                self._consumer.resume([TopicPartition(*feed)])

    def commit(self) -> None:
        """Remember in Kafka what was given out: only after all that follows from it is durable."""
        self._consumer.commit(offsets=[TopicPartition(f.topic, f.partition, at)
                                       for f, at in self.done.items()], asynchronous=True)


def structured(headers: dict[str, str | bytes | None], body: bytes) -> bytes:
    """A CloudEvent in binary mode (attributes in `ce_` headers) as one in structured mode.

    Bytes in msgpack data become base64 strings, which the decoder takes for bytes. An empty body is
    no data; one that is not what its content type says becomes a text that says so.
    """
    event: dict[str, object] = {name[3:]: _text(value) for name, value in headers.items()
                                if name.startswith("ce_") and name != "ce_data"}
    if body:
        packed = "msgpack" in (_text(headers.get("content-type")) or "")
        event["data"] = _data(packed, body)
    return msgspec.json.encode(event)


def _text(value: str | bytes | None) -> str | None:
    if value is None:
        return None
    raw = value if isinstance(value, bytes) else value.encode("utf-8", "replace")
    return raw.decode("utf-8", "replace")


def _data(packed: bool, body: bytes) -> msgspec.Raw | str:
    """A body as JSON, or what is wrong with it: it must not reach beyond its place."""
    try:
        if packed:
            return msgspec.Raw(msgspec.json.encode(msgspec.msgpack.decode(body)))
        return msgspec.json.decode(body, type=msgspec.Raw)
    except (msgspec.MsgspecError, TypeError, ValueError, RecursionError):
        return f"not {'msgpack' if packed else 'JSON'}"
