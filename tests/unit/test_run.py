"""Goal: `xinfeng run` serves, watches its folder, plays the demonstration, and stops cleanly.

Method: the real process on a free port, spoken to by HTTP and signals; the folder also alone.
"""

from __future__ import annotations

import gzip
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from config import load
from streams import demo, folder
from streams.cli import invoke
from streams.embedded import Embedded
from streams.service import EmbeddedService

ROOT = Path(__file__).parents[2]
SUBJECT = "91350100M000100Y43"
LIMIT_S = 120.0
"""For what takes a second on a machine that is not busy."""
PROGRAM = [sys.executable, "-c", "from streams.cli import main; main()", "run"]


def event(number: int, **changes: Any) -> bytes:
    return json.dumps({
        "specversion": "1.0", "id": f"e{number}", "source": "cq/12345", "type": "complaint.filed",
        "subject": SUBJECT, "time": "2026-01-20T08:00:00Z",
        "data": {"item": "cq1-17", "kind": "complaint", "category": "食品安全"}} | changes
    ).encode()


class Server:
    """A running service and what it printed."""

    def __init__(self, process: subprocess.Popen[str], address: str) -> None:
        self.process = process
        self.address = address

    def get(self, path: str) -> Any:
        with urllib.request.urlopen(self.address + path, timeout=LIMIT_S) as answer:
            body = answer.read()
            return json.loads(body) if "json" in answer.headers["content-type"] else body.decode()

    def post(self, body: bytes) -> Any:
        request = urllib.request.Request(
            self.address + "api/v1/events", body, {"content-type": "application/x-ndjson"})
        with urllib.request.urlopen(request, timeout=LIMIT_S) as answer:
            assert answer.status == 202
            return json.loads(answer.read())

    def stop(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(LIMIT_S)


@contextmanager
def serving(*arguments: object) -> Iterator[Server]:
    with subprocess.Popen([*PROGRAM, "--port", "0", *map(str, arguments)], cwd=ROOT, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        try:
            assert process.stdout is not None
            address = process.stdout.readline().strip()
            assert address.startswith("http://127.0.0.1:"), address
            yield Server(process, address)
        finally:
            process.kill()


def eventually(check: Any, seconds: float = LIMIT_S) -> None:
    until = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < until, "it did not come"
        time.sleep(0.05)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_service_on_a_store(tmp_path: Path, number: int) -> None:
    """Events by HTTP and by folder; stopped, with a stream open; started again."""
    inbox, store, settings = tmp_path / "in", tmp_path / "s", tmp_path / "s.toml"
    settings.write_text(f'[intake]\nfolder = "{inbox}"\n')
    with serving("--store", store, "--settings", settings) as server:
        assert server.post(event(1) + b"\n" + event(2) + b"\nx") == {
            "accepted": 2, "duplicates": 0, "rejected": [{"index": 2, "reason": {
                "field": "", "value": "", "allowed": ANY, "message": ANY}}]}
        assert "text/html" in urllib.request.urlopen(server.address, timeout=LIMIT_S).headers[
            "content-type"]
        (inbox / "a.ndjson").write_bytes(event(2) + b"\n" + event(3) + b"\n")
        eventually((inbox / "done" / "a.ndjson").exists)
        assert server.get(f"api/v1/subjects/{SUBJECT}")["items"]["cq1-17"]["risk_score"] < 690
        assert server.get("api/v1/summary")["events"] == 3
        assert "xinfeng_events_accepted_total 3.0" in server.get("metrics")
        stream = urllib.request.urlopen(server.address + "api/v1/alerts/stream", timeout=LIMIT_S)
        assert server.stop(number) == 0
        # To its proper end: where an open stream holds the service up, it is cut off in the end,
        # and this raises IncompleteRead.
        stream.read()
    assert invoke(["digest", "--store", str(store)]) == 0
    held = Embedded(store, None)
    assert held.shard.counts.accepted == 3 and held.store.meta("checkpoint") == held.offset
    held.close()
    with serving("--store", store) as server:
        assert server.post(event(3)) == {"accepted": 0, "duplicates": 1, "rejected": []}


class _Any:
    def __eq__(self, other: object) -> bool:
        return isinstance(other, str)

    __hash__ = None  # type: ignore[assignment]


ANY = _Any()


def test_the_demonstration_is_lively(tmp_path: Path) -> None:
    """The page does not wait for the past, which comes by itself, and the present goes on."""
    settings = tmp_path / "s.toml"
    settings.write_text("[demo]\nsubjects = 400\ndays_per_minute = 600.0\n")
    present = time.strftime("%Y-%m-%d", time.gmtime(time.time() - 86_400))
    with serving("--demo", "--settings", settings, "--store", tmp_path / "s") as server:
        assert "<html" in server.get("")
        assert server.get("api/v1/summary")["as_of"] < present, "the page waited for the past"
        eventually(lambda: sum(server.get("api/v1/summary")["alerts_open"].values()) > 5)
        eventually(lambda: server.get("api/v1/summary")["as_of"] > present)
        before = server.get("api/v1/summary")
        eventually(lambda: server.get("api/v1/summary")["as_of"] > before["as_of"])
        alert = server.get("api/v1/alerts?state=firing&limit=1")["alerts"][0]
        assert alert["title"]["zh"] and alert["name"]
        assert server.stop() == 0
    # Played on where it stopped, without a duplicate.
    with serving("--demo", "--settings", settings, "--store", tmp_path / "s") as server:
        eventually(lambda: server.get("api/v1/summary")["events"] > before["events"])
        now = server.get("api/v1/summary")
        assert now["duplicates"] < 20 + now["events"] / demo.AGAIN_EVERY


def test_where_nobody_may_listen(capfd: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert invoke(["run", "--port", port]) == 2
        assert "cannot listen" in capfd.readouterr().err
    assert invoke(["run", "--host", "192.0.2.1"]) == 2
    assert "http.token" in capfd.readouterr().err


def test_a_thread_that_fails_stops_the_service(tmp_path: Path) -> None:
    inbox, settings = tmp_path / "in", tmp_path / "s.toml"
    inbox.write_text("a file where a folder should be")
    settings.write_text(f'[intake]\nfolder = "{inbox}"\n')
    done = subprocess.run([*PROGRAM, "--port", "0", "--settings", str(settings)], cwd=ROOT,
                          capture_output=True, text=True, timeout=LIMIT_S, check=False)
    assert done.returncode == 1 and "folder" in done.stderr


def test_the_demonstration_needs_a_store_of_its_own(
        tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    runner = Embedded(tmp_path, load.policy())
    EmbeddedService(runner).submit([event(1)], "test")
    runner.close()
    assert invoke(["run", "--demo", "--port", "0", "--store", str(tmp_path)]) == 2
    assert "other events" in capfd.readouterr().err


# ------------------------------------------------------------------------------------------ folder


@pytest.fixture
def service() -> Iterator[EmbeddedService]:
    made = EmbeddedService(Embedded(None, load.policy()))
    yield made
    made.close()


NEVER = threading.Event()


def old(path: Path, body: bytes) -> Path:
    path.write_bytes(body)
    return path


def test_files_that_are_good_and_bad(service: EmbeddedService, tmp_path: Path) -> None:
    old(tmp_path / "good.ndjson", event(1) + b"\n\n" + event(2))
    folder.take(service, tmp_path / "good.ndjson", NEVER)
    assert (tmp_path / "done" / "good.ndjson").exists()
    old(tmp_path / "bad.ndjson.gz", gzip.compress(event(3) + b"\n\n\nx\n" + event(4) + b"\ny\n"))
    folder.take(service, tmp_path / "bad.ndjson.gz", NEVER)
    report = json.loads((tmp_path / "failed" / "bad.ndjson.gz.rejects.json").read_bytes())
    assert (report["accepted"], report["rejected"], report["error"]) == (2, 2, None)
    assert [x["line"] for x in report["rejects"]] == [4, 6]
    assert service.rejects(limit=1)[0]["origin"] == "folder:bad.ndjson.gz"


def test_a_file_that_cannot_be_read_to_its_end(service: EmbeddedService, tmp_path: Path) -> None:
    body = gzip.compress(b"\n".join(event(n, id=f"{os.urandom(20).hex()}") for n in range(3000)))
    old(tmp_path / "half.ndjson.gz", body[: len(body) // 2])
    folder.take(service, tmp_path / "half.ndjson.gz", NEVER)
    report = json.loads((tmp_path / "failed" / "half.ndjson.gz.rejects.json").read_bytes())
    assert report["error"] and 0 < report["accepted"] < 3000


def test_a_file_is_left_for_the_next_start_when_the_service_stops(
        service: EmbeddedService, tmp_path: Path) -> None:
    path = old(tmp_path / "a.ndjson", event(1))
    stop = threading.Event()
    stop.set()
    folder.take(service, path, stop)
    assert path.exists() and service.runner.shard.counts.accepted == 0


def test_the_same_name_again_is_kept_too(service: EmbeddedService, tmp_path: Path) -> None:
    for n in range(3):
        old(tmp_path / "a.ndjson", event(n))
        folder.take(service, tmp_path / "a.ndjson", NEVER)
    assert sorted(p.name for p in (tmp_path / "done").iterdir()) == [
        "2-a.ndjson", "3-a.ndjson", "a.ndjson"]


def test_only_files_that_are_completely_written(service: EmbeddedService, tmp_path: Path,
                                                monkeypatch: pytest.MonkeyPatch) -> None:
    path = old(tmp_path / "a.ndjson", event(1))
    for other in ("b.csv", ".c.ndjson", "d.ndjson.part"):
        old(tmp_path / other, b"x")
    stop = threading.Event()
    monkeypatch.setattr(folder, "QUIET_S", 3_600.0)
    folder.sweep(service, tmp_path, stop)
    assert path.exists(), "it changed a moment ago"
    monkeypatch.setattr(folder, "QUIET_S", 0.0)
    folder.sweep(service, tmp_path, stop)
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        ".c.ndjson", "b.csv", "d.ndjson.part", "done"]


def test_the_player_waits_for_its_day() -> None:
    """At full speed up to the present, then no event before its time."""
    clock_ms = 1_790_000_000_000
    runner = Embedded(None, load.policy())
    player = demo.Player(load.Demo(60, 0.01, 1), demo.first_day(runner.store, clock_ms), 0)
    service = EmbeddedService(runner, player.clock)
    stop = threading.Event()
    thread = threading.Thread(target=player.play, args=(service, stop))
    thread.start()
    eventually(lambda: runner.shard.clock_ms >= player.present_ms)
    stop.set()
    thread.join(LIMIT_S)
    assert not thread.is_alive()
    # Nothing was turned away but the codes that are mistyped on purpose.
    dead = service.rejects(limit=1_000)
    assert dead and all(x["reason"]["field"] == "subject" and '-x"' in x["raw"] for x in dead)
    assert runner.shard.clock_ms < player.present_ms + 3_600_000
    assert demo.first_day(runner.store, clock_ms + 10**10) == player.first
    service.close()
