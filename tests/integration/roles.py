"""A site for `test_roles.py`: roles as processes of their own, on the run's Kafka and a Redis that
may be emptied and stopped."""

from __future__ import annotations

import datetime as dt
import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import events as ev
import httpx
import redis
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, TopicPartition

from bench.site import ROOT, XINFENG, Site
from config import load
from servers.process import free_port
from storage.kafka_client import Outgoing, confluent
from storage.partition import partition_of

NOW = dt.datetime.now(dt.UTC)
BASIS = [{"law": "食品安全法", "article": "1"}]
LIMIT_S = 150.0
"""For what takes a second on a machine that is not busy."""


def line(id: str, type_: str, subject: str, days: float, data: Any = None, **more: Any) -> bytes:
    """An event of so many days ago, as a department writes it."""
    made = {"specversion": "1.0", "id": id, "source": "部门", "type": type_, "subject": subject,
            "time": (NOW - dt.timedelta(days=days)).isoformat(), **more}
    return json.dumps(made | ({"data": data} if data is not None else {}),
                      ensure_ascii=False).encode()


def day(days: float) -> str:
    return (NOW - dt.timedelta(days=days)).date().isoformat()


def complaint(id: str, subject: str, days: float = 1, **more: Any) -> bytes:
    return line(id, "complaint.filed", subject, days, {
        "item": "cq1-17", "kind": "complaint", "category": "食品安全", **more})


def story(subject: str, name: str, id: str) -> list[bytes]:
    """A business with alerts: what it promised and what it was fined for is overdue."""
    return [
        line(f"{id}1", "subject.registered", subject, 300, {
            "name": name, "kind": "individual", "district": "500106", "industry": "H6210",
            "size": "small", "registered_on": "2015-01-01"}),
        line(f"{id}2", "commitment.made", subject, 200, {
            "item": "cq1-17", "matter": "m", "due_on": day(100), "kind": "approval"}),
        line(f"{id}3", "penalty.decided", subject, 99, {
            "item": "cq1-17", "document": "渝罚1", "kinds": ["closure"], "decided_on": day(99),
            "due_on": day(50), "basis": BASIS}),
        complaint(f"{id}4", subject, 3)]


def in_partition(n: int, partitions: int, count: int = 1) -> list[str]:
    """Businesses of one partition."""
    return [c for c in ev.codes(200) if partition_of(c, partitions) == n][:count]


def eventually(there: Callable[[], Any], limit_s: float = LIMIT_S) -> Any:
    """The first answer that is one; a server that is just coming up gives none."""
    until = time.monotonic() + limit_s
    while True:
        try:
            found = there()
        except (httpx.HTTPError, redis.RedisError, KafkaException, OSError):
            found = None
        if found:
            return found
        assert time.monotonic() < until, f"not within {limit_s:.0f} s"
        time.sleep(0.05)


class Roles(Site):
    """A site whose roles have ports, and options of their own."""

    def __init__(self, folder: Path, **given: Any) -> None:
        super().__init__(folder, **given)
        with self.path.open("a", encoding="utf-8") as file:
            file.write("[log]\ntick_s = 1\n")
        self.settings = load.settings(self.path)
        self.ports: dict[str, int] = {}

    @property
    def store(self) -> str:
        """What the reading commands take."""
        return f"{self.settings.redis.url}#{self.settings.kafka.prefix}"

    def start(self, name: str, *options: str) -> None:
        """`intake…`, `worker…`, `console…`: with metrics, or listening, on a free port."""
        command = name.rstrip("0123456789")
        port = self.ports[name] = free_port()
        option = "--port" if command in ("console", "run") else "--metrics-port"
        with (self.folder / f"{name}.log").open("ab") as log:
            self.roles[name] = subprocess.Popen(
                [*XINFENG, command, "--settings", str(self.path), option, str(port), *options],
                cwd=ROOT, env=self.environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True)

    def log(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text("utf-8")

    def http(self, name: str = "console") -> httpx.Client:
        return httpx.Client(base_url=f"http://127.0.0.1:{self.ports[name]}", timeout=60)

    def metrics(self, role: str) -> str:
        return httpx.get(f"http://127.0.0.1:{self.ports[role]}/metrics", timeout=60).text

    def metric(self, role: str, name: str) -> float | None:
        """What a role says of a metric; None = nothing."""
        text = self.metrics(role)
        found = [x for x in text.splitlines() if x.startswith(name + " ")]
        return float(found[0].rpartition(" ")[2]) if found else None

    def publish(self, *lines: bytes) -> None:
        """As the command does, without starting one."""
        out = Outgoing(self.settings.kafka)
        for raw in lines:
            try:
                type_ = str(json.loads(raw)["type"])
            except (ValueError, KeyError, TypeError):
                type_ = ""
            out.send(self.topics.feed_of(type_), raw)
        out.flush()

    def leader(self) -> str:
        """The one intake that works; "" = none does, or each was asked on another side of a
        handover and said that it does."""
        leads = [x for x in self.roles if x.startswith("intake")
                 and self.metric(x, "xinfeng_intake_leads") == 1]
        return leads[0] if len(leads) == 1 else ""

    def accepted(self) -> int:
        return int(self.reader().counts().get("accepted", 0))

    # ------------------------------------------------------------------------------ all that is

    def records(self, topic: str) -> Iterator[bytes]:
        """Key, value and headers of every record of a topic, as bytes."""
        consumer = Consumer({**confluent(self.settings.kafka), "group.id": "of the tests",
                             "enable.auto.commit": False, "fetch.wait.max.ms": 10})
        for partition in consumer.list_topics(topic, timeout=60).topics[topic].partitions:
            at, end = 0, consumer.get_watermark_offsets(TopicPartition(topic, partition),
                                                        timeout=60)[1]
            consumer.assign([TopicPartition(topic, partition, OFFSET_BEGINNING)])
            while at < end:
                message = consumer.poll(1.0)
                if message is not None and message.error() is None:
                    yield b"\0".join((bytes(message.key() or b""), bytes(message.value() or b""),
                                      repr(message.headers()).encode()))
                    at = (message.offset() or 0) + 1
        consumer.close()

    def kept(self) -> Iterator[bytes]:
        """Every key of Redis with all it holds, as bytes."""
        client: Any = self.client()
        for key in client.keys("*"):
            match client.type(key):
                case b"hash":
                    held = client.hgetall(key)
                case b"list":
                    held = client.lrange(key, 0, -1)
                case b"set":
                    held = client.smembers(key)
                case b"zset":
                    held = client.zrange(key, 0, -1)
                case b"stream":
                    held = client.xrange(key)
                case _:
                    held = client.get(key)
            yield key + b"\0" + flat(held)


def flat(held: Any) -> bytes:
    """All bytes in a value, whatever its form."""
    match held:
        case bytes():
            return held
        case dict():
            return b"\0".join(flat(x) for pair in held.items() for x in pair)
        case list() | tuple() | set():
            return b"\0".join(flat(x) for x in held)
        case _:
            return str(held).encode()


def rss_mb(pid: int) -> float:
    """Memory of a process."""
    for text in Path(f"/proc/{pid}/status").read_text("utf-8").splitlines():
        if text.startswith("VmRSS:"):
            return int(text.split()[1]) / 1024
    raise AssertionError(pid)


def children(pid: int) -> dict[int, list[str]]:
    """Arguments of the processes that a process started, by their number."""
    found = {}
    for at in Path("/proc").iterdir():
        if not at.name.isdigit():
            continue
        try:
            stat = (at / "stat").read_text("utf-8", "replace").rpartition(")")[2].split()
            if int(stat[1]) == pid and stat[0] != "Z":
                words = (at / "cmdline").read_bytes().decode("utf-8", "replace").split("\0")
                found[int(at.name)] = words[words.index("-c") + 2 : -1]
        except (OSError, ValueError):
            continue  # It has just gone, or is just becoming another.
    return found


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{pid}/stat")
    return stat.exists() and stat.read_text("utf-8").rpartition(")")[2].split()[0] != "Z"
