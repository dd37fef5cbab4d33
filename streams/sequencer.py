"""The intake of a cluster: one process that puts all feeds into one order, checks every event, and
writes envelopes to the log. It is the only writer of the log, and the clock of the city.

Time comes from the feeds themselves: an event is recorded at the time the broker gave it, and time
passes (ticks) only as far as every feed has been read. So an intake that was away for an hour reads
on as if it had been there, and nobody is warned of what was settled in that hour.

One process is enough: it is measured at several times what a worker folds. Others stand by.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition

from config import load
from config.load import Settings
from models import events as e
from models.policy import Policy, decode, digest, encode
from models.scorecard import Card
from storage import kafka_log
from storage.kafka_client import Access, Outgoing, Topics, confluent
from storage.kafka_log import ASK_S, KafkaLog, again, ask
from storage.sqlite_store import Dead, StoreError
from streams import codec, outgoing
from streams.analysis import next_week_ms
from streams.codec import InvalidEvent
from streams.envelopes import Envelopes
from streams.feeds import Feeds, Raw
from streams.intake import Intake, oldest_ms
from streams.miscounts import Miscounts
from streams.options import wall_ms
from streams.outgoing import conclusion_of
from streams.refused import Refused

_LOG = logging.getLogger("xinfeng.intake")
COMMIT_S = 1.0
"""How often what was read is noted: what lies after it is read again after a crash."""
HOUR_MS = 3_600_000
POLL_S = 0.02
HELD_S = 10.0
"""How often it is said that history waits."""


class Sequencer:
    """
    Parameters
    ----------
    policy
        To be in force; enters the log if it does not end with it. None = the one the log ends
        with, or the default.
    secret
        Key of the complainants' hash: the same for every intake and console.
    """

    def __init__(self, settings: Settings, policy: Policy | None, secret: bytes,
                 refused: Refused | None = None) -> None:
        self._settings = settings
        access: Access = settings.kafka
        self._topics = Topics.of(access.prefix)
        self._held = last_policy(access)
        if policy is None:
            policy = decode(self._held) if self._held else load.policy()
        self._by_producer = settings.kafka.feed_time == "producer"
        self._intake = Intake(Card(policy, 0), secret, oldest_ms(settings.intake.time_oldest),
                              settings.intake.time_ahead_max_s * 1000)
        log = KafkaLog(access)
        partitions = log.partitions()
        log.close()
        self._out = Outgoing(access)
        self._envelopes = Envelopes(
            partitions, lambda partition, body, subjects: kafka_log.write(
                self._out, self._topics.log, partition, partitions, body, subjects),
            max_events=settings.log.envelope_events, max_bytes=settings.log.envelope_max_bytes,
            max_wait_s=settings.log.envelope_ms / 1000)
        self._dead: list[tuple[str, Dead]] = []
        self._feeds = Feeds(access)
        self._miscounts = Miscounts()
        self._refused = refused or Refused()
        self.events = self.rejected = 0
        self.clock_ms = 0
        self._ticked_ms = 0
        self._held_s = time.monotonic()
        self._tick_due = self._commit_due = 0.0
        self._policy = encode(policy)

    # -------------------------------------------------------------------------------------- running

    def run(self, stop: Callable[[], bool]) -> None:
        """Work until `stop` says so. What was read by then is written and noted.

        Raises
        ------
        StoreError, KafkaException: something is wrong that time does not mend.
        """
        self._renew()
        while not stop():
            self.turn()
        self._report(None)
        self.settle()

    def turn(self) -> None:
        """Read once, write what is ready; commit and tick when it is time to."""
        now_ms = 0 if self._by_producer else wall_ms()
        full = self._envelopes.max_wait_s
        for time_ms, raw in self._feeds.read(now_ms, min(POLL_S, full)):
            if self._feeds.is_conclusion(raw):
                self._conclude(time_ms, raw)
            else:
                self._take(time_ms, raw)
        now_s = time.monotonic()
        if self._by_producer:
            self._hold(now_s)
        self._envelopes.flush(now_s)
        if not self._by_producer and now_s >= self._tick_due:
            self._tick()
            self._tick_due = now_s + min(self._settings.log.tick_s, 60)
        if now_s >= self._commit_due:
            self.settle()
            self._commit_due = time.monotonic() + COMMIT_S

    def _take(self, time_ms: int, raw: Raw) -> None:
        self._report(time_ms)
        if self._by_producer and time_ms // HOUR_MS > self._ticked_ms // HOUR_MS:
            if self._ticked_ms:
                self._envelopes.tick(time_ms // HOUR_MS * HOUR_MS, time.monotonic())
            self._ticked_ms = time_ms
        self.clock_ms = max(self.clock_ms, time_ms)
        try:
            event, body, _ = self._intake.accept(raw.value, time_ms, hashed=raw.checked)
        except InvalidEvent as error:
            self.rejected += 1
            origin = f"{raw.feed.topic}/{raw.feed.partition}/{raw.offset}"
            self._miscounts.refuse(raw.value, error.reason, self.clock_ms)
            self._refused.note(error.reason)
            self._dead.append((origin, Dead(time_ms, raw.feed.topic, error.reason,
                                            self._intake.scrub(raw.value))))
            return
        self.events += 1
        self._envelopes.put(time_ms, event, body, time.monotonic())

    def _conclude(self, time_ms: int, raw: Raw) -> None:
        """Write what the analysis concluded."""
        said = conclusion_of(raw.value)
        recorded_ms = max(time_ms, self.clock_ms) if self.clock_ms else 0
        for event in said.events:
            if isinstance(event, e.Detected):
                self._envelopes.put(recorded_ms, event, codec.encode(event), time.monotonic())
            else:
                self._envelopes.broadcast(event, recorded_ms)
        if self._by_producer:
            week_ms = next_week_ms(said.at_ms, self._intake.card.policy)
            self._feeds.until_ms = max(self._feeds.until_ms, week_ms)

    def _hold(self, now_s: float) -> None:
        """Where history waits for the analysis, let it know that the time has come."""
        feeds = self._feeds
        if not feeds.until_ms and feeds.waiting and (heard_ms := feeds.heard_ms()):
            feeds.until_ms = next_week_ms(heard_ms, self._intake.card.policy)
        if not feeds.waiting or feeds.clock_ms != feeds.until_ms - 1:
            self._held_s = now_s
        elif self._ticked_ms < feeds.until_ms:
            self._report(feeds.until_ms)
            self._ticked_ms = self.clock_ms = feeds.until_ms
            self._envelopes.tick(feeds.until_ms, now_s)
            self._envelopes.flush()
        elif now_s - self._held_s > HELD_S:
            _LOG.warning('msg="history waits for the analysis" until_ms=%d '
                         'hint="is `xinfeng analyst` running?"', feeds.until_ms)
            self._held_s = now_s

    def _tick(self) -> None:
        """Let time pass up to where all feeds are known, if the broker answers."""
        if self._feeds.look() and self._feeds.clock_ms > self.clock_ms:
            self._report(self._feeds.clock_ms)
            self.clock_ms = self._feeds.clock_ms
            self._envelopes.tick(self.clock_ms, time.monotonic())

    def _report(self, clock_ms: int | None) -> None:
        """Say which codes were wrong before the log comes to a moment; None = up to now."""
        for report in self._miscounts.reports(clock_ms):
            self._envelopes.put(self.clock_ms, report, codec.encode(report), time.monotonic())

    def settle(self) -> None:
        """Make durable what was taken, then note how far the feeds were read."""
        self._envelopes.flush()
        for id, dead in self._dead:
            self._out.send(self._topics.rejects, outgoing.dead_letter(id, dead), key=id.encode())
        self._out.flush()
        self._dead.clear()
        self._feeds.commit()

    def lag(self) -> int:
        """Records of the feeds that were not taken yet."""
        return self._feeds.lag() + self._feeds.waiting

    def close(self) -> None:
        self._feeds.close()

    # --------------------------------------------------------------------------------------- policy

    def _renew(self) -> None:
        """Put the policy into the log, unless the log ends with it.

        Raises
        ------
        StoreError: it does not go on from the one before.
        """
        if self._held == self._policy:
            return
        if self._held:
            old = Card(decode(self._held), 0).item_ids
            if self._intake.card.item_ids[:len(old)] != old:
                raise StoreError("policy: the items catalogue may only grow at its end; "
                                 f"the log knows {old[-1]} as its last item")
        event = e.PolicyChanged(self._policy, digest(self._policy))
        # From the day on which each shard stands: what still waits in the feeds comes after.
        self._envelopes.broadcast(event, 0)
        self._out.flush()
        self._out.send(self._topics.policies, self._policy.encode(), key=b"policy")
        self._out.flush()
        _LOG.info("msg=policy hash=%s partitions=%d", event.hash, self._envelopes.partitions)


def last_policy(access: Access) -> str:
    """The policy document the log ends with; "" = there is none yet."""
    topic = TopicPartition(Topics.of(access.prefix).policies, 0, OFFSET_BEGINNING)
    consumer = Consumer({**confluent(access), "group.id": f"{access.prefix}.policies",
                         "enable.auto.commit": False, "auto.offset.reset": "earliest"})
    try:
        _, end = ask(lambda: consumer.get_watermark_offsets(topic, timeout=ASK_S))
        held, at = "", 0
        consumer.assign([topic])
        while at < end:
            message = consumer.poll(1.0)
            if message is not None and not again(message.error()):
                held = bytes(message.value() or b"").decode()
                at = (message.offset() or 0) + 1
        return held
    finally:
        consumer.close()
