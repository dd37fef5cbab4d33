"""The distributed runner as a service: reads the view in Redis, writes to the Kafka feeds.

What is sent here is checked at once, so that the sender learns what is wrong; it is durable on the
feed when the answer goes out. Whether an event was there before only its shard can tell, a moment
later: `duplicates` is always 0.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Sequence

import msgspec
import redis

from alerts.message import Catalogue
from config.districts import district_names
from config.load import Settings
from console.service import Receipt, Rejected, Row
from models.events import DrawOrdered
from models.norms import ByClass
from models.policy import Policy
from models.scorecard import Card, Timeline
from models.subject import Subject
from storage.kafka_client import Outgoing, Topics
from storage.kafka_log import KafkaLog
from storage.sqlite_store import Dead
from streams import codec, outgoing, rows
from streams.analysis import Concluded
from streams.census import Census
from streams.census_redis import RedisHeld
from streams.codec import InvalidEvent
from streams.feeds import CHECKED
from streams.intake import Intake, oldest_ms
from streams.options import wall_ms
from streams.outgoing import conclusion
from streams.past import past
from streams.pipeline import Shard
from streams.queries import Queries, T
from streams.redis_reader import RedisReader
from streams.refused import Refused
from streams.review_case import case
from streams.situation import Situation

SEEN_S = 2.0
"""How long a person's act is waited for until the view shows it."""
CLAIM_S = 30
"""How long who acts on a state keeps others from it: the view has shown the act by then, or it was
lost with its console."""
POLICY_S = 5.0
"""How often the policy in force is looked at."""


class ClusterService(Queries):
    """See `console.service.Service`. Thread-safe.

    Parameters
    ----------
    policy
        To check events by until the log has one.
    secret
        Key of the complainants' hash: the same as the intake's.
    """

    def __init__(self, settings: Settings, policy: Policy, secret: bytes,
                 reader: RedisReader) -> None:
        situation = Situation(reader.standing, reader)
        super().__init__(reader, situation)
        self._refused = Refused()
        situation.more.append(self._refused.values)
        self._settings = settings
        self._reader = reader
        self._topics = Topics.of(settings.kafka.prefix)
        self._out = Outgoing(settings.kafka)
        self._intake = Intake(Card(policy, 0), secret, oldest_ms(settings.intake.time_oldest),
                              settings.intake.time_ahead_max_s * 1000)
        self.census = Census(RedisHeld(reader))
        self._looked_s = 0.0
        self._lock = threading.Lock()

    # ----------------------------------------------------------------------------------- writing

    def submit(self, raws: Sequence[bytes], origin: str) -> Receipt:
        """Take events in; on the feeds, durably, when this returns.

        Parameters
        ----------
        raws
            One JSON CloudEvent each.
        origin
            Where they came from, for the dead letters.
        """
        accepted, now_ms = 0, wall_ms()
        rejected: list[Rejected] = []
        dead: list[tuple[str, Dead]] = []
        with self._lock:
            self._renew()
            for index, raw in enumerate(raws):
                try:
                    event, _, _ = self._intake.accept(raw, now_ms)
                except InvalidEvent as error:
                    self._refused.note(error.reason)
                    rejected.append(Rejected(index, msgspec.to_builtins(error.reason)))
                    dead.append((f"{origin}/{uuid.uuid4()}",
                                 Dead(now_ms, origin, error.reason, self._intake.scrub(raw))))
                    continue
                self._out.send(self._topics.feed_of(codec.type_of(event)), codec.as_json(event),
                               key=event.subject.encode(), headers=[(CHECKED, b"1")])
                accepted += 1
            for id, letter in dead:
                self._out.send(self._topics.rejects, outgoing.dead_letter(id, letter),
                               key=id.encode())
            self._out.flush()
        return Receipt(accepted, 0, rejected)

    def _say_order(self, order: DrawOrdered) -> None:
        if self._settings.kafka.feed_time == "producer":
            # The times of conclusions are the city's clock then: nothing is added to them.
            raise RuntimeError("history is being played (kafka.feed_time = producer): nothing can "
                               "be ordered meanwhile")
        now_ms = wall_ms()
        self._out.send(self._topics.conclusions, conclusion(Concluded(now_ms, [order])),
                       timestamp_ms=now_ms)
        self._out.flush()

    def _log_ms(self) -> int:
        return self._reader.clock_ms()

    def _items(self) -> Catalogue:
        timeline = self._reader.timeline()
        return rows.catalogue(timeline.last.policy, district_names()) if timeline else {}

    def _renew(self) -> None:
        """Check by the policy the log ends with."""
        now_s = time.monotonic()
        if now_s - self._looked_s > POLICY_S:
            self._looked_s = now_s
            timeline = self._reader.timeline()
            if timeline is not None:
                self._intake.card = timeline.last

    def act(self, event: Row) -> Receipt:
        """Take in a person's act; a moment is waited for the view to show it."""
        data = event.get("data")
        seen: Callable[[], object] = self._view.last_seq
        if isinstance(data, dict) and "review" in data:
            seen = lambda: self._view.review(str(data["review"]))  # noqa: E731
        elif isinstance(data, dict) and "alert" in data:
            seen = lambda: self._view.alert(str(data["alert"]))  # noqa: E731
        before = seen()
        receipt = self.submit([msgspec.json.encode(event)], "console")
        until = time.monotonic() + SEEN_S
        while receipt.accepted and seen() == before and time.monotonic() < until:
            time.sleep(0.02)
        return receipt

    def claim(self, state: str, holder: str) -> str:
        """See `console.service.Service`: consoles of one view agree through its Redis."""
        client, name = self._reader.client, self._reader.keys.claim(state)
        try:
            held = client.set(name, holder, nx=True, get=True, ex=CLAIM_S)
        except redis.OutOfMemoryError:
            # A view that is full must not keep people from acting: the log's order decides then.
            return holder
        return holder if held is None else str(held, "utf-8")

    # ----------------------------------------------------------------------------------- reading

    def last_seq(self) -> int:
        """
        Raises
        ------
        ConnectionError: Redis does not answer.
        """
        try:
            return super().last_seq()
        except redis.RedisError as error:
            raise ConnectionError(f"Redis: {error}") from error

    def _ask(self, subject: str, as_of_ms: int | None,
             question: Callable[[Shard, int], T]) -> T | None:
        """The view answers for now; for a moment before, the subject's log is read."""
        shard = self._reader.shard_of(subject)
        if as_of_ms is None or as_of_ms >= shard.clock_ms:
            return question(shard, shard.clock_ms)
        log = KafkaLog(self._settings.kafka)
        try:
            then = past(log, subject, as_of_ms)
        finally:
            log.close()
        return question(then, as_of_ms) if then is not None else None

    def _case(self, row: Row, told: list[Row] | None) -> Row:
        return case(self._reader.shard_of(row["subject"]), row, told)

    def _policies(self) -> Timeline | None:
        return self._reader.timeline()

    def _copy(self, subject: str) -> tuple[Subject | None, ByClass, int]:
        # The view holds no norms of classes, only their hash.
        shard = self._reader.shard_of(subject)
        return shard.subjects.get(subject), {}, shard.clock_ms
