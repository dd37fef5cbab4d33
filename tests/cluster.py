"""Fixtures with a real Kafka and a real Redis, for tests marked `integration`.

| fixture | of | for |
|---|---|---|
| `kafka` | the run: all workers share it | everything but ending it; use topic names of your own |
| `kafka_alone` | one module | tests that `kill()`, `stop()`, `restart()` it |
| `redis_server` | one worker | everything, also ending it |

An address given by `XINFENG_KAFKA` or `XINFENG_REDIS` is used, else one is started on a free port
with its data in pytest's temporary folder. Where none can be had the test is skipped with one line;
in CI it fails.
"""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn, TypeVar

import pytest

from servers.kafka import Kafka
from servers.process import Server, ServerError, born, free_port
from servers.redis import Redis

ROOT = Path(__file__).parents[1]
S = TypeVar("S", bound=Server)


@dataclass(frozen=True)
class Given:
    """A server that is not this test's own."""

    address: str

    def start(self) -> NoReturn:
        pytest.skip(f"{self.address} is given: a test ends only what it started")

    stop = kill = restart = start


def missing(err: ServerError) -> NoReturn:
    if os.environ.get("CI"):
        pytest.fail(str(err), pytrace=False)
    pytest.skip(str(err).splitlines()[0])


@contextmanager
def started(server: S) -> Iterator[S]:
    try:
        server.start()
    except ServerError as err:
        missing(err)
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Given]:
    if given := os.environ.get("XINFENG_KAFKA"):
        yield Given(given)
        return
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    # As long as this file is open and locked, the keeper keeps Kafka up.
    with (folder / "kafka.users").open("a") as users:
        with (folder / "kafka.gate").open("a") as gate:
            fcntl.flock(gate, fcntl.LOCK_EX)
            fcntl.flock(users, fcntl.LOCK_SH)
            address = shared_kafka(folder)
        yield Given(address)


def shared_kafka(folder: Path) -> str:
    """The address of the run's Kafka; starts it for the first who asks."""
    state = folder / "kafka.json"
    if state.exists():
        keeper = json.loads(state.read_text("utf-8"))
        if born(keeper["pid"]) == keeper["born"]:
            return str(keeper["address"])
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "servers.keep", str(folder / f"kafka-{port}"), str(port),
         str(folder / "kafka.users")],
        cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
        start_new_session=True)
    assert process.stdout is not None
    word, _, address = process.stdout.readline().strip().partition(" ")
    if word != "ready":
        missing(ServerError(f"{word} {address}\n{process.stdout.read()}".strip()))
    state.write_text(json.dumps(
        {"pid": process.pid, "born": born(process.pid), "address": address}), "utf-8")
    return address


@pytest.fixture(scope="module")
def kafka_alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kafka]:
    server = Kafka(tmp_path_factory.mktemp("kafka"), free_port())
    with started(server):
        yield server


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Redis | Given]:
    if given := os.environ.get("XINFENG_REDIS"):
        yield Given(given)
        return
    server = Redis(tmp_path_factory.mktemp("redis"), free_port())
    with started(server):
        yield server
