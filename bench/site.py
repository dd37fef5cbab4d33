"""A whole site on this machine: Kafka, Redis, intakes and workers as processes of their own.

For parity, the kill test and tests: everything is started here and ended here, on free ports, with
its data in one folder.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import redis
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, TopicPartition

from config import load
from config.load import Settings
from servers.kafka import Kafka
from servers.process import free_port
from servers.redis import Redis
from storage import kafka_topics
from storage.kafka_client import Topics, confluent
from storage.kafka_log import KafkaLog
from storage.redis_view import RedisView
from storage.sqlite_store import StoreError
from streams.redis_reader import RedisReader

XINFENG = [sys.executable, "-c", "from streams.cli import main; main()"]
ROOT = Path(__file__).parents[1]
GRACE_S = 20.0


class Site:
    """
    Parameters
    ----------
    folder
        For everything that is written.
    prefix
        Of topics, groups and keys.
    kafka, redis_server
        Servers that run already; None = start one here.
    """

    def __init__(self, folder: Path, *, prefix: str = "kt", partitions: int = 4,
                 feed_partitions: int = 2, checkpoint_s: int = 20, feed_time: str = "producer",
                 kafka: str = "", redis_url: str = "") -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.kafka = None if kafka else Kafka(folder / "kafka", free_port())
        self.redis = None if redis_url else Redis(folder / "redis", free_port())
        address = kafka or (self.kafka.address if self.kafka else "")
        url = redis_url or (self.redis.address if self.redis else "")
        self.path = folder / f"{prefix}.toml"
        self.path.write_text(
            f'[kafka]\nservers = "{address}"\nprefix = "{prefix}"\npartitions = {partitions}\n'
            f'feed_partitions = {feed_partitions}\nfeed_time = "{feed_time}"\nsession_s = 6\n'
            f'[redis]\nurl = "{url}"\n[worker]\nfolder = "{folder / prefix}"\n'
            f"checkpoint_s = {checkpoint_s}\n", "utf-8")
        self.environment = {k: v for k, v in os.environ.items()
                            if k not in ("XINFENG_KAFKA", "XINFENG_REDIS")}
        self.environment["XINFENG_PSEUDONYM_KEY"] = "of the tests"
        given = {k: os.environ.pop(k) for k in ("XINFENG_KAFKA", "XINFENG_REDIS")
                 if k in os.environ}
        self.settings: Settings = load.settings(self.path)
        os.environ.update(given)
        self.topics = Topics.of(prefix)
        self.roles: dict[str, subprocess.Popen[bytes]] = {}

    def start_servers(self) -> None:
        for server in (self.kafka, self.redis):
            if server is not None:
                server.start()
        kafka = self.settings.kafka
        kafka_topics.create(kafka, kafka_topics.wanted(
            kafka, log=kafka.partitions, feed=kafka.feed_partitions,
            by_producer=kafka.feed_time == "producer"), 1)

    # ---------------------------------------------------------------------------------- processes

    def start(self, name: str) -> None:
        """Start a role: `intake…` or `worker…`; its output goes to `<name>.log`."""
        command = name.rstrip("0123456789")
        with (self.folder / f"{name}.log").open("ab") as log:
            self.roles[name] = subprocess.Popen(
                [*XINFENG, command, "--settings", str(self.path)], cwd=ROOT,
                env=self.environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True)

    def run(self, *arguments: str) -> bytes:
        """Run a command of `xinfeng` with the site's settings; what it printed."""
        return subprocess.run([*XINFENG, *arguments, "--settings", str(self.path)], cwd=ROOT,
                              env=self.environment, check=True, stdout=subprocess.PIPE).stdout

    def kill(self, name: str) -> None:
        self._end(name, signal.SIGKILL)

    def stop(self, name: str) -> None:
        self._end(name, signal.SIGTERM)

    def _end(self, name: str, how: signal.Signals) -> None:
        process = self.roles.pop(name)
        if process.poll() is None:
            os.killpg(process.pid, how)
            try:
                process.wait(GRACE_S)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()

    def dead(self) -> list[str]:
        """Roles that ended by themselves."""
        return [name for name, process in self.roles.items() if process.poll() is not None]

    def close(self) -> None:
        for name in list(self.roles):
            self.kill(name)
        for server in (self.redis, self.kafka):
            if server is not None:
                server.kill()

    # -------------------------------------------------------------------------------------- looking

    def client(self) -> redis.Redis:
        return redis.Redis.from_url(self.settings.redis.url, socket_timeout=30)

    def reader(self) -> RedisReader:
        return RedisReader(self.client(), self.settings.kafka.prefix)

    def taken(self) -> int:
        """Events that the view counts as accepted; -1 = Redis does not answer."""
        try:
            return self.reader().counts().get("accepted", 0)
        except (redis.RedisError, StoreError):
            return -1

    def feeds_left(self) -> int:
        """Records of the feeds that intake has not noted as taken."""
        consumer = Consumer({**confluent(self.settings.kafka),
                             "group.id": f"{self.settings.kafka.prefix}.intake.feeds"})
        left = 0
        for topic in (*self.topics.feeds, self.topics.conclusions):
            one = topic == self.topics.conclusions
            for partition in range(1 if one else self.settings.kafka.feed_partitions):
                at = TopicPartition(topic, partition)
                end = consumer.get_watermark_offsets(at, timeout=60)[1]
                left += end - max(consumer.committed([at], timeout=60)[0].offset, 0)
        consumer.close()
        return left

    def log_ends(self) -> list[int]:
        log = KafkaLog(self.settings.kafka)
        ends = [log.end(p) for p in range(self.settings.kafka.partitions)]
        log.close()
        return ends

    def marks(self) -> list[int]:
        """Next offset the view needs, of each partition."""
        view = RedisView(self.client(), self.settings.kafka.prefix)
        return [view.mark(p) for p in range(self.settings.kafka.partitions)]

    def untold(self) -> int:
        """Records that the analyst has not heard."""
        consumer = Consumer({**confluent(self.settings.kafka),
                             "group.id": f"{self.settings.kafka.prefix}.analyst"})
        left = 0
        for topic in (self.topics.signals, self.topics.examples):
            for partition in range(self.settings.kafka.partitions):
                at = TopicPartition(topic, partition)
                end = consumer.get_watermark_offsets(at, timeout=60)[1]
                left += end - max(consumer.committed([at], timeout=60)[0].offset, 0)
        consumer.close()
        return left

    def settled(self) -> bool:
        """Whether everything published was taken, folded and shown, and all that follows."""
        return (self.feeds_left() == 0 and self.marks() == self.log_ends()
                and self.untold() == 0 and self.feeds_left() == 0)

    def wait(self, limit_s: float, revive: bool = True) -> float:
        """Wait until all is settled; how long it took [s]."""
        started = time.monotonic()
        calm = 0
        while calm < 2:
            if time.monotonic() - started > limit_s:
                raise TimeoutError(f"not settled after {limit_s:.0f} s: feeds left "
                                   f"{self.feeds_left()}, log {self.log_ends()}, view "
                                   f"{self.marks()}; see {self.folder}/*.log")
            for name in self.dead() if revive else []:
                self.start(name)
            time.sleep(0.5)
            try:
                calm = calm + 1 if self.settled() else 0
            except (KafkaException, redis.RedisError):
                calm = 0  # A server is just coming back.
        return time.monotonic() - started

    def said(self, topic: str) -> tuple[dict[str, Any], int]:
        """Events of an out topic by id, as its reader keeps them, and how many it dropped."""
        consumer = Consumer({**confluent(self.settings.kafka), "group.id": "of the tests",
                             "enable.auto.commit": False})
        found: dict[str, Any] = {}
        repeats: Counter[str] = Counter()
        parts = consumer.list_topics(topic, timeout=60).topics[topic].partitions
        for partition in parts:
            at, end = 0, consumer.get_watermark_offsets(TopicPartition(topic, partition),
                                                        timeout=60)[1]
            consumer.assign([TopicPartition(topic, partition, OFFSET_BEGINNING)])
            while at < end:
                for message in consumer.consume(5_000, timeout=1.0):
                    assert message.error() is None, message.error()
                    event = msgspec.json.decode(message.value() or b"")
                    if event["id"] in found:
                        repeats[event["id"]] += 1
                    found[event["id"]] = event
                    at = (message.offset() or 0) + 1
        consumer.close()
        return found, sum(repeats.values())
