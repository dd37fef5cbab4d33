"""`xinfeng dispatcher`: tells people and systems of alerts, on a cluster. One process.

Reads `xinfeng.alerts` and `xinfeng.reviews`, every partition from the mark in its ledger. What
receivers answer goes to the feeds like any other event; a receiver that cannot be reached is a
conclusion, like those of the analysis. What it has taken and said is in the ledger alone: killed at
any moment it goes on from there.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
from confluent_kafka import Consumer, TopicPartition
from prometheus_client import REGISTRY, start_http_server

from alerts.notice import Notice
from config.channels import Channels
from config.load import Settings
from dispatch.dispatcher import Dispatcher
from models.policy import Policy, decode
from storage.kafka_client import QUEUED_MAX_KB, Access, Outgoing, Topics, confluent
from storage.kafka_log import ASK_S, KafkaLog, again, ask
from storage.sqlite_store import StoreError
from streams import logs, notifier, told_row
from streams.analysis import Concluded, Own
from streams.feeds import CHECKED
from streams.metrics import Live
from streams.options import wall_ms
from streams.outgoing import conclusion
from streams.sequencer import last_policy

_LOG = logging.getLogger("xinfeng.dispatcher")
POLL_MAX = 500
POLL_S = 0.05
POLICY_S = 30.0
"""How often the policy in force is looked at."""


def policy_in_force(access: Access) -> Policy:
    """
    Raises
    ------
    StoreError: the log has none yet.
    """
    held = last_policy(access)
    if not held:
        raise StoreError("the log has no policy yet: start `xinfeng intake` first")
    return decode(held)


class Feed:
    """Transitions of alerts and reviews from Kafka, as notices.

    `sources` are (topic, partition), each with a mark of its own in the ledger.
    """

    def __init__(self, access: Access, offset_ms: int) -> None:
        self._topics = Topics.of(access.prefix)
        log = KafkaLog(access)
        self.sources = [(topic, p) for topic in (self._topics.alerts, self._topics.reviews)
                        for p in range(log.partitions())]
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
        return {name_of(t, p): int(ask(lambda t=t, p=p: self._consumer.get_watermark_offsets(  # type: ignore[misc]
            TopicPartition(t, p), timeout=ASK_S))[1]) for t, p in self.sources}

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

    def standing(self, ends: dict[str, int]) -> Iterator[tuple[str, list[Notice]]]:
        """Last notice of every alert and review up to the ends, by partition. Reads it all."""
        for topic, partition in self.sources:
            source = name_of(topic, partition)
            last: dict[str, Notice] = {}
            at, end = 0, ends[source]
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


def firing(access: Access) -> list[Notice]:
    """Alerts that are firing, as the topic has them."""
    policy = policy_in_force(access)
    feed = Feed(access, policy.utc_offset_min * 60_000)
    try:
        return [n for source, held in feed.standing(feed.ends()) for n in held
                if n.state == "firing" and source.startswith("alerts/")]
    finally:
        feed.close()


class Telling:
    """One dispatcher under one policy."""

    def __init__(self, settings: Settings, policy: Policy, channels: Channels) -> None:
        self._access = settings.kafka
        self._topics = Topics.of(settings.kafka.prefix)
        self._out = Outgoing(settings.kafka)
        self._feed = Feed(settings.kafka, policy.utc_offset_min * 60_000)
        path = Path(settings.worker.folder) / notifier.LEDGER
        self.dispatcher: Dispatcher = notifier.dispatcher(path, policy, channels)
        # Where history is played the conclusions' times are the city's clock: nothing is added.
        say = None if settings.kafka.feed_time == "producer" else self._say
        self.notifier = notifier.Notifier(self.dispatcher, self._post, say,
                                          lambda: firing(self._access))
        self._begin()

    def _begin(self) -> None:
        """The first time: what stands in the topics is known already, and told to nobody anew."""
        marks = self._marks()
        new = [s for t, p in self._feed.sources if not marks.get(s := name_of(t, p))]
        if new:
            ends = self._feed.ends()
            for source, standing in self._feed.standing(ends):
                if source in new:
                    self.dispatcher.adopt(standing, upto=ends[source] + 1, source=source)
        self._feed.assign(self._marks())

    def _marks(self) -> dict[str, int]:
        ledger = self.dispatcher.ledger
        return {**ledger.marks("alerts/"), **ledger.marks("reviews/")}

    def _post(self, event: dict[str, Any]) -> Sequence[str]:
        """Onto a feed; intake and shard judge it."""
        self._out.send(self._topics.feed_of(str(event["type"])), msgspec.json.encode(event),
                       key=str(event["subject"]).encode(), headers=[(CHECKED, b"1")])
        self._out.flush()
        return []

    def _say(self, own: Sequence[Own]) -> None:
        at_ms = wall_ms()
        self._out.send(self._topics.conclusions, conclusion(Concluded(at_ms, [*own])),
                       timestamp_ms=at_ms)
        self._out.flush()

    def tell(self, stop: threading.Event) -> None:
        """Take in what is new, until told to stop."""
        while not stop.is_set():
            for source, (notices, upto) in self._feed.read().items():
                self.dispatcher.submit(notices, upto=upto + 1, source=source)

    def close(self) -> None:
        self._feed.close()
        self.dispatcher.close()


def serve(settings: Settings, channels: Channels, metrics_port: int, metrics_host: str) -> None:
    """Run until SIGINT or SIGTERM. A new policy in the log ends the process, so that it begins
    again under it."""
    logs.to_stderr()
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    if metrics_port:
        start_http_server(metrics_port, metrics_host)
    policy = _policy(settings.kafka, stop)
    while policy is not None:
        made = Telling(settings, policy, channels)
        collector = Live(made.notifier.metrics)
        REGISTRY.register(collector)
        _LOG.info("msg=telling channels=%d receivers=%d", len(channels.channel),
                  len(policy.notify.receivers) if policy.notify else 0)
        renewed = _work(made, settings.kafka, policy, stop)
        REGISTRY.unregister(collector)
        made.close()
        policy = None if stop.is_set() else renewed


def _policy(access: Access, stop: threading.Event) -> Policy | None:
    """The policy in force, as soon as there is one that says who is told; None = told to stop."""
    said = False
    while not stop.is_set():
        held = last_policy(access)
        policy = decode(held) if held else None
        if policy is not None and policy.notify is not None:
            return policy
        if not said:
            _LOG.info('msg="waits for a policy with a section notify: is intake running?"')
            said = True
        stop.wait(0.5)
    return None


def _work(made: Telling, access: Access, policy: Policy, stop: threading.Event) -> Policy | None:
    """Run the threads of one dispatcher; the policy that is in force now, if another one is."""
    ended = threading.Event()

    def guarded(task: Callable[[threading.Event], None]) -> None:
        """A thread's outermost frame."""
        try:
            task(ended)
        except BaseException as error:
            _LOG.critical('msg="the process ends" error=%r', error, exc_info=error)
            os._exit(1)

    threads = [threading.Thread(target=guarded, args=(task,), daemon=True) for task in (
        made.tell, made.notifier.deliver, made.notifier.report, made.notifier.audit)]
    for thread in threads:
        thread.start()
    looked_s, renewed = time.monotonic(), None
    while not stop.wait(0.2):
        if time.monotonic() - looked_s > POLICY_S:
            looked_s = time.monotonic()
            now = decode(last_policy(access))
            if now.notify is not None and now != policy:
                renewed = now
                break
    ended.set()
    for thread in threads:
        thread.join()
    return renewed
