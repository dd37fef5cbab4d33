"""Goal: clients that send their request byte by byte hold up nobody, and are sent away in time.

Method: the web server of the service on a socket, some hundred connections that drip their head or
their body, and receipts and events sent beside them; limits are short here.
"""

from __future__ import annotations

import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from console_fake import FakeService

from console import limits
from console.api_write import SUBMISSIONS_MAX
from console.app import create_app
from streams import patience, run

SLOW = 150
"""Connections of each kind; more of the second than there are places for submissions."""
assert SLOW > SUBMISSIONS_MAX


@contextmanager
def serving() -> Iterator[int]:
    app = create_app(FakeService(), receive=lambda receiver, headers, body: {"accepted": 1})
    stopping = threading.Event()
    with run.listen("127.0.0.1", 0) as sock:
        server = threading.Thread(target=_serve, args=(app, sock, stopping), daemon=True)
        server.start()
        yield sock.getsockname()[1]
        stopping.set()
        server.join(10)


def _serve(app: object, sock: socket.socket, stopping: threading.Event) -> None:
    import uvicorn

    server = uvicorn.Server(uvicorn.Config(  # as streams.run makes it
        app, log_config=None, access_log=False, lifespan="off",  # type: ignore[arg-type]
        http=patience.Patience))
    threading.Thread(target=lambda: (stopping.wait(), setattr(server, "should_exit", True)),
                     daemon=True).start()
    server.run(sockets=[sock])


def post(port: int, path: str, body: bytes) -> tuple[int, float]:
    started = time.monotonic()
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", body,
                                     {"content-type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            status = answer.status
    except urllib.error.HTTPError as error:
        status = error.code
    return status, time.monotonic() - started


def test_who_drips_holds_up_nobody_and_is_sent_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "HEADER_S", 2.0)
    monkeypatch.setattr(limits, "BODY_S", 2.0)
    with serving() as port:
        heads, bodies, receipts = ([socket.create_connection(("127.0.0.1", port))
                                    for _ in range(SLOW)] for _ in range(3))
        for each in heads:
            each.sendall(b"GET /healthz HTTP/1.1\r\nhost: 127.0.0.1\r\nx-a: ")
        for path, held in ((b"events", bodies), (b"receipts/r0", receipts)):
            for each in held:
                each.sendall(b"POST /api/v1/" + path + b" HTTP/1.1\r\nhost: 127.0.0.1\r\n"
                             b"content-type: application/json\r\ncontent-length: 1000\r\n\r\n{")
        took = []
        for _ in range(40):
            status, seconds = post(port, "/api/v1/receipts/r0", b"{}")
            assert status == 202
            took.append(seconds)
        assert sorted(took)[-2] < 0.5, took
        until = time.monotonic() + 8.0
        left = [*heads, *bodies, *receipts]
        said = b""
        while left and time.monotonic() < until:
            for each in [*left]:
                each.settimeout(0.005)
                try:
                    each.send(b"x")
                    got = each.recv(4096)
                except TimeoutError:
                    continue
                except OSError:
                    got = b""
                said += got[:16]
                if not got:
                    left.remove(each)
                    each.close()
        assert not left, f"{len(left)} are still held"
        assert b"408" in said
        # And there is room for events again, which the dripping bodies took all places of.
        assert post(port, "/api/v1/events", b"[]")[0] in (202, 400, 422)


def test_a_connection_kept_open_is_answered_again_and_again(
        monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock of a head begins with its request, not with the connection."""
    monkeypatch.setattr(patience, "HEADER_S", 1.5)
    with serving() as port, socket.create_connection(("127.0.0.1", port), timeout=5) as kept:
        for _ in range(3):
            kept.sendall(b"GET /healthz HTTP/1.1\r\nhost: 127.0.0.1\r\n")
            time.sleep(0.3)
            kept.sendall(b"\r\n")
            answer = b""
            while not answer.endswith(b"ok\n"):  # head and body may come apart
                answer += kept.recv(4096)
            assert answer.startswith(b"HTTP/1.1 200")
            time.sleep(0.4)
        kept.sendall(b"GET /healthz HTTP/1.1\r\n")
        time.sleep(1.8)
        assert kept.recv(4096) == b""


def test_a_slow_body_of_some_size_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "BODY_S", 0.3)
    with serving() as port, socket.create_connection(("127.0.0.1", port), timeout=5) as client:
        client.sendall(b"POST /api/v1/receipts/r0 HTTP/1.1\r\nhost: 127.0.0.1\r\n"
                       b"content-type: application/json\r\ncontent-length: 30000\r\n\r\n")
        for _ in range(6):
            client.sendall(b" " * 5_000)
            time.sleep(0.12)
        assert client.recv(4096).startswith(b"HTTP/1.1 202")
