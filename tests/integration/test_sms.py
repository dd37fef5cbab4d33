"""Goal: a short message fits what its gateway takes, a refusal inside an answer of 200 is one, and
what failed goes again, once.

Method: an HTTP gateway on loopback that speaks the JSON of an SMSEagle (a gateway of one's own, as
centres run them), counts segments as the networks do, and fails as it is told; letters go through
Apprise, outbox and sender. The second kind is a form, as most providers take it.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

import msgspec
import pytest
from notify_world import DELIVERY, ITEMS, OFFSET_MS, at, notice

from alerts import render
from alerts.letter import Letter, entry, letter
from alerts.notify import Reason
from dispatch.answer_link import SHORT_MAX, Links
from dispatch.apprise_channel import AppriseChannel
from dispatch.ledger import Ledger
from dispatch.outbox import Outbox
from dispatch.sender import Sender
from models.notify_policy import Receiver

BASE = "https://credit.example.gov.cn"
PERSON = Receiver("dcs", "值班员", "centre", language="zh")
TOKEN, PHONE = "0123456789", "13800000000"
PARTS_MAX = 3


class Gateway:
    """What it is to answer next, and what it took."""

    def __init__(self) -> None:
        self.answers: list[tuple[int, str | None]] = []
        """(status, error inside the answer) of the next requests; then all is well."""
        self.asked: list[str] = []
        self.taken: list[str] = []
        self.port = 0

    def take(self, path: str, raw: bytes) -> tuple[int, Any]:
        if path == "/jsonrpc/sms":
            params = json.loads(raw)["params"]
            text, known = params["message"], params["access_token"] == TOKEN
        else:
            fields = {k: v[0] for k, v in parse_qs(raw.decode()).items()}
            text, known = fields["content"], fields["mobile"] == PHONE
        self.asked.append(text)
        status, error = self.answers.pop(0) if self.answers else (200, None)
        if not known:
            error = "Invalid access token"
        elif render.segments(text) > PARTS_MAX:
            error = "Message too long"
        if error or status != 200:
            return status, {"result": {"status": "error", "error_text": error or "busy"}}
        self.taken.append(text)
        return 200, {"result": {"message_id": len(self.taken), "status": "ok"}}


@contextmanager
def gateway() -> Iterator[Gateway]:
    made = Gateway()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            raw = self.rfile.read(int(self.headers["content-length"]))
            status, said = made.take(self.path, raw)
            body = json.dumps(said).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield made
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def made(count: int = 1, **over: Any) -> Letter:
    entries = [entry(notice(f"grade-drop-{n}", **over), Reason.FIRST, ITEMS, BASE, OFFSET_MS,
                     at("2026-11-16T10:00")) for n in range(count)]
    return letter(PERSON, entries, now_ms(), BASE)


def channel(url: str, segments_max: int = PARTS_MAX) -> AppriseChannel:
    return AppriseChannel("dcs/sms", "dcs", url, "sms", timeout_s=30.0, segments_max=segments_max)


def eagle(port: int, token: str = TOKEN) -> str:
    return f"smseagle://{token}@127.0.0.1:{port}/{PHONE}"


@pytest.mark.parametrize("segments_max", [1, 2, 3])
@pytest.mark.parametrize("x", [made(), made(12), made(name="长" * 400), made(name="🏭" * 400)])
def test_it_fits_in_its_segments_and_keeps_the_link(segments_max: int, x: Letter) -> None:
    with gateway() as held:
        assert channel(eagle(held.port), segments_max).send(x, now_ms()).fate == "ok"
        (text,) = held.taken
    assert render.segments(text) <= segments_max
    assert x.link in text and "橙色" in text


@pytest.mark.parametrize("count", [1, 12])
def test_its_signed_link_arrives_whole(count: int) -> None:
    """Three segments have room for it beside words; one has not, and the plain link stands there.
    """
    x = made(count, name="长" * 400)
    links = Links("k" * 32, BASE, 14, {PERSON.id: PERSON})
    notices = [notice(e.alert) for e in x.entries]
    x = msgspec.structs.replace(x, short=links.url(PERSON, notices, now_ms(), most=SHORT_MAX))
    with gateway() as held:
        for most in (3, 1):
            assert channel(eagle(held.port), most).send(x, now_ms()).fate == "ok"
        three, one = held.taken
    assert render.segments(three) <= 3 and render.segments(one) == 1
    claim = links.read(three.rpartition("/a/")[2], now_ms())
    assert claim is not None and len(claim.about) == min(count, 3) and "橙色" in three
    assert x.link in one and "/a/" not in one


def test_a_message_that_is_too_long_is_refused_by_this_gateway() -> None:
    """Else the test above could not fail."""
    with gateway() as held:
        outcome = channel(eagle(held.port), 4).send(made(12, name="长" * 400), now_ms())
        assert (outcome.fate, held.taken) == ("retry", [])
        assert "error" in outcome.text


@pytest.mark.parametrize(("status", "error"), [
    (200, "No credit left"), (500, None), (503, None), (404, None), (302, None)])
def test_an_error_in_whatever_form_is_no_success(status: int, error: str | None) -> None:
    with gateway() as held:
        held.answers = [(status, error)]
        outcome = channel(eagle(held.port)).send(made(), now_ms())
        assert outcome.fate == "retry" and outcome.text and len(held.asked) == 1
    assert channel(eagle(held.port)).send(made(), now_ms()).fate == "retry"


def test_a_wrong_token() -> None:
    with gateway() as held:
        assert channel(eagle(held.port, "9876543210")).send(made(), now_ms()).fate == "retry"


def test_a_form_is_posted_with_the_names_that_a_provider_asks_for() -> None:
    with gateway() as held:
        url = (f"form://127.0.0.1:{held.port}/send?:message=content&:mobile={PHONE}"
               "&:type=&:title=&:version=")
        outcome = channel(url).send(made(), now_ms())
        assert outcome.fate == "ok", outcome
        assert made().link in held.taken[0]
        held.answers = [(500, None)]
        assert channel(url).send(made(), now_ms()).fate == "retry"


def test_what_failed_goes_again_until_it_is_taken_once(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr("apprise.url.time.sleep", slept.append)
    with gateway() as held:
        held.answers = [(503, None), (200, "No credit left"), (500, None)]
        outbox = Outbox(Ledger(None))
        sender = Sender(outbox, [channel(eagle(held.port))], DELIVERY, now_ms)
        letters = [made(name=f"企业{n}") for n in range(3)]
        with outbox.ledger.transaction():
            for n, x in enumerate(letters):
                # Letters of the test differ in their text only.
                key = msgspec.structs.replace(x, key=f"{x.key}{n}")
                outbox.put(key, ["dcs/sms"], now_ms(), now_ms() + 600_000)
        sender.drain(now_ms() + 120_000)
        assert outbox.counts()["delivered"] == 3
        assert len(held.taken) == len(set(held.taken)) == 3 and len(held.asked) == 6
        assert slept == [], "Apprise waits between two messages"
