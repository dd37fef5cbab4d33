"""Goal: clients that send their request byte by byte hold up nobody, and are sent away in time.

Method: the web server of the service on a socket, some hundred connections that drip their head or
their body, and receipts and events sent beside them. Limits are long here where somebody is to be
served within them, and short where somebody is to be sent away.
"""

from __future__ import annotations

import selectors
import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest
from console_fake import FakeService

from console import limits
from console.api_write import SUBMISSIONS_MAX
from console.app import create_app
from streams import patience, run

SLOW = 150
"""Connections of each kind; more of the second than there are places for submissions."""
assert SLOW > SUBMISSIONS_MAX
LIMIT_S = 60.0
"""For what takes a moment on a machine that is not busy."""


@contextmanager
def serving() -> Iterator[int]:
    app = create_app(FakeService(), receive=lambda receiver, headers, body: {"accepted": 1})
    stopping = threading.Event()
    with run.listen("127.0.0.1", 0) as sock:
        server = threading.Thread(target=_serve, args=(app, sock, stopping), daemon=True)
        server.start()
        yield sock.getsockname()[1]
        stopping.set()
        server.join(LIMIT_S)


def _serve(app: object, sock: socket.socket, stopping: threading.Event) -> None:
    import uvicorn

    server = uvicorn.Server(uvicorn.Config(  # as streams.run makes it
        app, log_config=None, access_log=False, lifespan="off",  # type: ignore[arg-type]
        http=patience.Patience))
    threading.Thread(target=lambda: (stopping.wait(), setattr(server, "should_exit", True)),
                     daemon=True).start()
    server.run(sockets=[sock])


def post(port: int, path: str, body: bytes) -> int:
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", body,
                                     {"content-type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=LIMIT_S) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def drips(port: int) -> list[socket.socket]:
    """Connections that have begun: a head, a body of events, a body of a receipt."""
    begun = [b"GET /healthz HTTP/1.1\r\nhost: 127.0.0.1\r\nx-a: "]
    begun += [b"POST /api/v1/" + path + b" HTTP/1.1\r\nhost: 127.0.0.1\r\n"
              b"content-type: application/json\r\ncontent-length: 1000\r\n\r\n{"
              for path in (b"events", b"receipts/r0")]
    made = []
    for first in begun:
        for _ in range(SLOW):
            made.append(socket.create_connection(("127.0.0.1", port)))
            made[-1].sendall(first)
    return made


def test_who_drips_holds_up_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """While all of them are held, others are answered; only events find no place."""
    monkeypatch.setattr(patience, "HEADER_S", 10 * LIMIT_S)
    monkeypatch.setattr(limits, "BODY_S", 10 * LIMIT_S)
    with serving() as port:
        held = drips(port)
        until = time.monotonic() + LIMIT_S
        while post(port, "/api/v1/events", b"[]") != 503:
            assert time.monotonic() < until
        assert [post(port, "/api/v1/receipts/r0", b"{}") for _ in range(40)] == [202] * 40
        for each in held:
            each.close()


def test_who_drips_is_sent_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "HEADER_S", 1.0)
    monkeypatch.setattr(limits, "BODY_S", 1.0)
    with serving() as port, selectors.DefaultSelector() as left:
        for each in drips(port):
            each.setblocking(False)
            left.register(each, selectors.EVENT_READ)
        until = time.monotonic() + LIMIT_S
        said = b""
        while left.get_map():
            assert time.monotonic() < until, f"{len(left.get_map())} are still held"
            for key, _ in left.select(0.1):
                try:
                    got = key.fileobj.recv(4096)  # type: ignore[union-attr]
                except OSError:
                    got = b""
                said += got[:16]
                if not got:
                    left.unregister(key.fileobj)
                    key.fileobj.close()  # type: ignore[union-attr]
            for key in [*left.get_map().values()]:
                with suppress(OSError):
                    key.fileobj.send(b"x")  # type: ignore[union-attr]
        assert b"408" in said
        # And there is room for events again, which the dripping bodies took all places of.
        assert post(port, "/api/v1/events", b"[]") in (202, 400, 422)


def test_a_connection_kept_open_is_answered_again_and_again(
        monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock of a head begins with its request, not with the connection."""
    monkeypatch.setattr(patience, "HEADER_S", 0.5)
    with serving() as port, socket.create_connection(("127.0.0.1", port), LIMIT_S) as kept:
        def answered() -> None:
            answer = b""
            while not answer.endswith(b"ok\n"):  # head and body may come apart
                answer += kept.recv(4096)
            assert answer.startswith(b"HTTP/1.1 200")

        kept.sendall(b"GET /healthz HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n")
        answered()
        # The clock of the connection's beginning runs out. The next ones have a longer one, since
        # a busy machine makes every pause longer.
        time.sleep(0.7)
        monkeypatch.setattr(patience, "HEADER_S", 10 * LIMIT_S)
        for _ in range(2):
            kept.sendall(b"GET /healthz HTTP/1.1\r\nhost: 127.0.0.1\r\n")
            time.sleep(0.2)
            kept.sendall(b"\r\n")
            answered()
        monkeypatch.setattr(patience, "HEADER_S", 0.3)
        kept.sendall(b"GET /healthz HTTP/1.1\r\n")
        assert kept.recv(4096) == b""


def test_a_slow_body_of_some_size_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes longer than a body may that does not come on."""
    monkeypatch.setattr(limits, "BODY_S", 1.0)
    monkeypatch.setattr(limits, "BODY_BYTES_S", 500)  # each part is good for ten seconds
    with serving() as port, socket.create_connection(("127.0.0.1", port), LIMIT_S) as client:
        client.sendall(b"POST /api/v1/receipts/r0 HTTP/1.1\r\nhost: 127.0.0.1\r\n"
                       b"content-type: application/json\r\ncontent-length: 30000\r\n\r\n"
                       + b" " * 5_000)
        for _ in range(5):
            time.sleep(0.25)
            client.sendall(b" " * 5_000)
        assert client.recv(4096).startswith(b"HTTP/1.1 202")
