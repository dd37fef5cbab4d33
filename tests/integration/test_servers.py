"""Goal: the servers that tests and developers start are real, keep what they are to keep over
kill -9, and `down` stops those that `up` started and nothing else.

Method: real processes on free ports. Another cluster's folder, a forged pid and a stranger's
process stand for what must not be touched.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from cluster import Given, missing
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import NewTopic

from servers.kafka import MESSAGE_MAX_BYTES, Kafka
from servers.process import ServerError, born, free_port
from servers.prometheus import Prometheus
from servers.redis import Redis

pytestmark = pytest.mark.integration
ROOT = Path(__file__).parents[2]


def make_topic(address: str, name: str) -> None:
    admin = KafkaAdminClient(bootstrap_servers=address)
    admin.create_topics([NewTopic(name, num_partitions=1, replication_factor=1)])
    admin.close()


def send(address: str, topic: str, *values: bytes) -> None:
    producer = KafkaProducer(bootstrap_servers=address, acks="all",
                             max_request_size=MESSAGE_MAX_BYTES)
    for value in values:
        producer.send(topic, value).get(timeout=120)
    producer.close()


def read(address: str, topic: str, count: int) -> list[bytes]:
    consumer = KafkaConsumer(bootstrap_servers=address, auto_offset_reset="earliest",
                             consumer_timeout_ms=120_000)
    consumer.assign([TopicPartition(topic, 0)])
    out: list[bytes] = []
    for message in consumer:
        out.append(message.value)
        if len(out) == count:
            break
    consumer.close()
    return out


def test_the_shared_kafka_carries_a_message(kafka: Given) -> None:
    topic = f"servers-{os.getpid()}-{time.time_ns()}"
    make_topic(kafka.address, topic)
    send(kafka.address, topic, b"one", b"two")
    assert read(kafka.address, topic, 2) == [b"one", b"two"]


def test_kafka_keeps_a_message_over_kill_9(kafka_alone: Kafka) -> None:
    make_topic(kafka_alone.address, "kept")
    large = b"x" * (MESSAGE_MAX_BYTES - 1024)
    send(kafka_alone.address, "kept", b"small", large)
    before = kafka_alone.pid
    kafka_alone.kill()
    assert born(before) is None
    kafka_alone.start()
    assert kafka_alone.pid != before
    assert read(kafka_alone.address, "kept", 2) == [b"small", large]


def test_kafka_makes_no_topic_by_itself(kafka_alone: Kafka) -> None:
    producer = KafkaProducer(bootstrap_servers=kafka_alone.address, max_block_ms=1000)
    with pytest.raises(Exception, match=r"absent|metadata|UnknownTopic"):
        producer.send("nobody-asked", b"x").get(timeout=60)
    producer.close()
    admin = KafkaAdminClient(bootstrap_servers=kafka_alone.address)
    assert "nobody-asked" not in str(admin.list_topics())
    admin.close()


def test_redis_keeps_a_value_over_kill_9(redis_server: Redis) -> None:
    with redis.Redis.from_url(redis_server.address) as client:
        client.set("servers-kept", "yes")
        # A disk that is slow holds up what is written to the file; the kernel keeps the rest.
        while client.info("persistence")["aof_buffer_length"]:  # type: ignore[index]
            time.sleep(0.01)
    redis_server.kill()
    with pytest.raises(redis.ConnectionError):
        redis.Redis.from_url(redis_server.address).ping()
    redis_server.start()
    assert redis.Redis.from_url(redis_server.address).get("servers-kept") == b"yes"
    redis_server.restart()
    assert redis.Redis.from_url(redis_server.address).get("servers-kept") == b"yes"


def test_a_server_that_cannot_start_shows_its_log(tmp_path: Path) -> None:
    (tmp_path / "appendonlydir").write_text("in the way")
    with pytest.raises(ServerError, match=r"(?s)ended with code 1.*appendonlydir"):
        Redis(tmp_path, free_port()).start()


def test_a_taken_port_is_named(redis_server: Redis, tmp_path: Path) -> None:
    port = int(redis_server.address.rpartition(":")[2].partition("/")[0])
    with pytest.raises(ServerError, match=f"port {port} is taken"):
        Redis(tmp_path, port).start()


@pytest.fixture
def stranger() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(["sleep", "300"], start_new_session=True)
    yield process
    process.kill()
    process.wait()


def servers(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Only Redis is started: Kafka is given."""
    environment = {**os.environ, "XINFENG_KAFKA": "127.0.0.1:1"}
    environment.pop("XINFENG_REDIS", None)
    return subprocess.run(
        [sys.executable, "-m", "servers", "--folder", str(folder), *arguments],
        cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300, check=False)


def test_down_stops_what_up_started_and_nothing_else(
        redis_server: Redis, tmp_path: Path, stranger: subprocess.Popen[bytes]) -> None:
    port = free_port()
    up = servers(tmp_path, "up", "--redis-port", str(port))
    assert up.returncode == 0, up.stderr
    assert up.stdout == ("export XINFENG_KAFKA=127.0.0.1:1\n"
                         f"export XINFENG_REDIS=redis://127.0.0.1:{port}/0\n")
    again = servers(tmp_path, "up", "--redis-port", str(port))
    assert "already running" in again.stderr and again.stdout == up.stdout
    assert servers(tmp_path, "status").returncode == 0

    # As if the machine had given the pid of an ended server to a stranger.
    run = tmp_path / "run.json"
    state = json.loads(run.read_text())
    assert set(state) == {"redis"}
    state["kafka"] = {**state["redis"], "pid": stranger.pid}
    run.write_text(json.dumps(state))
    status = servers(tmp_path, "status")
    assert status.returncode == 1 and "ended" in status.stdout

    down = servers(tmp_path, "down")
    assert down.returncode == 0, down.stderr
    assert born(state["redis"]["pid"]) is None
    assert stranger.poll() is None
    assert redis.Redis.from_url(redis_server.address).ping()
    assert (tmp_path / "data/redis").is_dir()
    assert "nothing to stop" in servers(tmp_path, "down", "--wipe").stderr
    assert not (tmp_path / "data").exists()


def test_up_starts_again_what_has_died(tmp_path: Path) -> None:
    port = str(free_port())
    servers(tmp_path, "up", "--redis-port", port)
    try:
        first = json.loads((tmp_path / "run.json").read_text())["redis"]["pid"]
        os.kill(first, 9)
        assert "ended" in servers(tmp_path, "status").stdout
        assert servers(tmp_path, "up", "--redis-port", port).returncode == 0
        assert json.loads((tmp_path / "run.json").read_text())["redis"]["pid"] != first
    finally:
        servers(tmp_path, "down", "--wipe")


def test_prometheus_answers(tmp_path: Path) -> None:
    server = Prometheus(tmp_path, free_port(), targets=["127.0.0.1:1"])
    try:
        server.start()
    except ServerError as err:
        missing(err)
    assert server.answers()
    server.stop()
