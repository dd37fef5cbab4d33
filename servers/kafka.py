"""Apache Kafka: one node that is broker and controller (KRaft)."""

from __future__ import annotations

import socket
import struct
import subprocess
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from servers import fetch
from servers.process import LOOPBACK, Server, ServerError, free_port

MESSAGE_MAX_BYTES = 16 << 20

LOG4J = """\
rootLogger.level = INFO
logger.settings.name = org.apache.kafka.common.config.AbstractConfig
logger.settings.level = WARN
rootLogger.appenderRef.out.ref = out
appender.out.type = Console
appender.out.name = out
appender.out.layout.type = PatternLayout
appender.out.layout.pattern = %d{ISO8601} %-5p %c{1}: %m%n
"""


class Kafka(Server):
    """Keeps every message for ever, and makes no topic that nobody asked for."""

    name: ClassVar[str] = "kafka"
    start_s: ClassVar[float] = 180.0

    def __init__(self, folder: Path, port: int, heap_mb: int = 512) -> None:
        super().__init__(folder, port)
        self.heap_mb = heap_mb

    @property
    def settings_file(self) -> Path:
        return self.folder / "server.properties"

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def prepare(self) -> None:
        # The quorum's voters are part of the data: the controller keeps its port.
        controller = self.folder / "controller.port"
        if not controller.exists():
            controller.write_text(str(free_port()), "ascii")
        self.settings_file.write_text(
            settings(self.port, int(controller.read_text("ascii")), self.data), "utf-8")
        (self.folder / "log4j2.properties").write_text(LOG4J, "utf-8")
        if not (self.data / "meta.properties").exists():
            self._format()

    def _format(self) -> None:
        cluster = urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        # With =, since an id may begin with a dash and would be read as an option.
        arguments = ["format", f"--cluster-id={cluster}", "--config", str(self.settings_file)]
        script = fetch.kafka_script("kafka-storage")
        command = [str(script)] if script else self._java("kafka.tools.StorageTool")
        done = subprocess.run(
            [*command, *arguments], cwd=self.folder, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise ServerError(f"kafka cannot make its storage in {self.data}:\n"
                              f"{(done.stderr or done.stdout).strip()}")

    def command(self) -> list[str]:
        script = fetch.kafka_script("kafka-server-start")
        command = [str(script)] if script else self._java("kafka.Kafka")
        return [*command, str(self.settings_file)]

    def environment(self) -> Mapping[str, str]:
        """What the scripts of an installed Kafka read; ours need none of it."""
        return {"KAFKA_HEAP_OPTS": self._heap(), "LOG_DIR": str(self.folder)}

    def _heap(self) -> str:
        return f"-Xmx{self.heap_mb}m"

    def _java(self, main: str) -> list[str]:
        """The serial collector starts fastest and takes least from two shared cores."""
        return [str(fetch.java()), self._heap(), "-XX:+UseSerialGC", "-Djava.awt.headless=true",
                f"-Dlog4j2.configurationFile={self.folder / 'log4j2.properties'}",
                "-cp", f"{fetch.kafka_jars()}/*", main]

    def answers(self) -> bool:
        """The broker is in its own metadata: it has joined and may lead partitions."""
        with socket.create_connection((LOOPBACK, self.port), timeout=2.0) as link:
            # Metadata, version 1: key, version, correlation, no client id; then no topics.
            body = struct.pack(">hhihi", 3, 1, 7, -1, 0)
            link.sendall(struct.pack(">i", len(body)) + body)
            with link.makefile("rb") as answer:
                head = answer.read(12)
        if len(head) < 12:
            return False
        _, correlation, brokers = struct.unpack(">iii", head)
        return bool(correlation == 7 and brokers == 1)


def settings(port: int, controller_port: int, data: Path) -> str:
    """server.properties."""
    lines = {
        "process.roles": "broker,controller",
        "node.id": 1,
        "controller.quorum.voters": f"1@{LOOPBACK}:{controller_port}",
        "controller.listener.names": "CONTROLLER",
        "listeners": f"PLAINTEXT://{LOOPBACK}:{port},CONTROLLER://{LOOPBACK}:{controller_port}",
        "advertised.listeners": f"PLAINTEXT://{LOOPBACK}:{port}",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "log.dirs": data,
        "auto.create.topics.enable": "false",
        "num.partitions": 1,
        "default.replication.factor": 1,
        "min.insync.replicas": 1,
        "message.max.bytes": MESSAGE_MAX_BYTES,
        "replica.fetch.max.bytes": MESSAGE_MAX_BYTES,
        "log.retention.ms": -1,
        "log.retention.bytes": -1,
        # One replica and few partitions of what Kafka keeps for itself: made quickly.
        "offsets.topic.replication.factor": 1,
        "offsets.topic.num.partitions": 4,
        "transaction.state.log.replication.factor": 1,
        "transaction.state.log.min.isr": 1,
        "transaction.state.log.num.partitions": 4,
        "share.coordinator.state.topic.replication.factor": 1,
        "share.coordinator.state.topic.min.isr": 1,
        "share.coordinator.state.topic.num.partitions": 2,
        "group.initial.rebalance.delay.ms": 100,
        # The default, 128 MB, is a quarter of the heap.
        "log.cleaner.dedupe.buffer.size": 32 << 20,
        # After kill -9 the controller waits this long for the broker it remembers.
        "broker.session.timeout.ms": 3000,
        "broker.heartbeat.interval.ms": 500,
    }
    return "".join(f"{key}={value}\n" for key, value in lines.items())
