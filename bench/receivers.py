"""Receivers to send to: webhooks that honour the idempotency key, and the robots' formats.

    python -m bench.receivers --port 9000 --behaviours '{"r0": {"fail": 0.1}}'

Not a product: what the tests and `bench.notify` deliver to. A behaviour says how often a receiver
fails with 503 before (`fail`) or after (`late`) it processed a message, hangs before (`hang`) or
after (`mute`), takes its time (`slow_ms`), answers twice (`twice`), redirects, or acknowledges what
it is told of (`ack`); shares are drawn
from the message's key and the attempt, so that a run repeats. `GET /state` tells what came.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import datetime as dt
import hashlib
import hmac
import json
import threading
import time
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

import xxhash

SECRET = "whsec_" + base64.b64encode(b"a secret of twenty-four by").decode()
WINDOW_S = 300
HANG_S = 3_600.0


@dataclass
class Behaviour:
    fail: float = 0.0
    late: float = 0.0
    hang: float = 0.0
    mute: float = 0.0
    slow_ms: float = 0.0
    twice: bool = False
    status: int = 200
    reply: dict[str, Any] | None = None
    location: str = ""
    code: int = 0
    ack: str = ""
    """Who acknowledges, in the answer, what a webhook tells of as firing."""


@dataclass
class Heard:
    """What came under one key."""

    requests: int = 0
    processed: int = 0
    answered: int = 0
    again: int = 0
    """Requests that came although one had been answered with success."""
    first_ms: float = 0.0


@dataclass
class Name:
    """One receiver."""

    heard: dict[str, Heard] = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)
    bodies: list[dict[str, Any]] = field(default_factory=list)
    alerts: set[str] = field(default_factory=set)
    acked: set[str] = field(default_factory=set)
    """Alerts told of as acknowledged."""
    latencies_ms: list[float] = field(default_factory=list)
    """From the alert's own `updated_at` to here, for the first request of each key."""
    at_once: int = 0
    at_once_max: int = 0


class Receivers:
    """An HTTP server on loopback, in a thread of its own."""

    def __init__(self, behaviours: dict[str, Behaviour] | None = None, *, port: int = 0,
                 keep: bool = True) -> None:
        self.behaviours = behaviours or {}
        self.names: dict[str, Name] = {}
        self.port = port
        self._keep = keep
        self._ready = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Receivers:
        self._thread.start()
        assert self._ready.wait(60)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(
            asyncio.start_server(self._client, "127.0.0.1", self.port, backlog=1024))
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        self._loop.run_forever()
        server.close()
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        self._loop.run_until_complete(asyncio.sleep(0.01))
        self._loop.close()

    async def _client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
                headers = {k.lower(): v.strip() for k, _, v in
                           (line.partition(":") for line in head[1:] if line)}
                body = await reader.readexactly(int(headers.get("content-length", 0)))
                await self._answer(head[0].split(" ")[1], headers, body, writer)
                if headers.get("connection") == "close":
                    break
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    async def _answer(self, target: str, headers: dict[str, str], body: bytes,
                      writer: asyncio.StreamWriter) -> None:
        parts = urlsplit(target)
        if parts.path == "/state":
            await _write(writer, 200, json.dumps(self.state("latency" in parts.query)).encode())
            return
        kind, name = _who(parts.path, parse_qs(parts.query))
        how = self.behaviours.get(name, Behaviour())
        mine = self.names.setdefault(name, Name())
        mine.at_once += 1
        mine.at_once_max = max(mine.at_once_max, mine.at_once)
        try:
            wrong = _CHECKS[kind](parts.query, headers, body)
            if wrong is not None:
                mine.refused.append(wrong[1].decode())
                await _write(writer, *wrong)
                return
            key = headers.get("webhook-id") or hashlib.sha256(body).hexdigest()
            heard = mine.heard.setdefault(key, Heard(first_ms=time.time() * 1000))
            heard.requests += 1
            if heard.answered:
                heard.again += 1

            def drawn(share: float, what: str) -> bool:
                seed = f"{key} {heard.requests} {what}".encode()
                return share > 0 and xxhash.xxh3_64_intdigest(seed) / 2**64 < share

            if how.slow_ms:
                await asyncio.sleep(how.slow_ms / 1000)
            if drawn(how.fail, "fail"):
                await _write(writer, 503, b'{"error":"later"}')
                return
            if drawn(how.hang, "hang"):
                await asyncio.sleep(HANG_S)
            if not heard.processed or kind != "hook":
                heard.processed += 1
                said = json.loads(body)
                if self._keep:
                    mine.bodies.append(said)
                if kind == "hook":
                    for alert in said["data"]["alerts"]:
                        mine.alerts.add(alert["id"])
                        if alert["state"] == "acknowledged":
                            mine.acked.add(alert["id"])
                        at = dt.datetime.fromisoformat(alert["updated_at"]).timestamp() * 1000
                        mine.latencies_ms.append(heard.first_ms - at)
            if drawn(how.late, "late"):
                await _write(writer, 500, b'{"error":"lost the answer"}')
                return
            if drawn(how.mute, "mute"):
                await asyncio.sleep(HANG_S)
            reply = how.reply if how.reply is not None else _success(kind, how.code)
            if how.ack and kind == "hook":
                reply = {"acts": [{"type": "alert.acknowledged", "alert": a["id"], "actor": how.ack}
                                  for a in json.loads(body)["data"]["alerts"]
                                  if a["state"] == "firing"]}
            extra = f"location: {how.location}\r\n" if how.location else ""
            if 200 <= how.status < 300:
                heard.answered += 1
            await _write(writer, how.status, json.dumps(reply).encode(), extra)
            if how.twice:
                await _write(writer, how.status, json.dumps(reply).encode(), extra)
        finally:
            mine.at_once -= 1

    def state(self, latency: bool = False) -> dict[str, Any]:
        """Sums by receiver; cheap without latencies."""
        return {name: {"keys": len(n.heard), "requests": sum(h.requests for h in n.heard.values()),
                       "processed": sum(h.processed for h in n.heard.values()),
                       "processed_twice": sum(h.processed > 1 for h in n.heard.values()),
                       "again": sum(h.again for h in n.heard.values()),
                       "refused": len(n.refused), "at_once_max": n.at_once_max,
                       "alerts": len(n.alerts), "acked": len(n.acked),
                       "latency_ms": _quantiles(n.latencies_ms) if latency else {}}
                for name, n in self.names.items()}


def _quantiles(values: list[float]) -> dict[str, float]:
    ordered = sorted(values)
    return {name: round(ordered[min(int(q * len(ordered)), len(ordered) - 1)], 1)
            for name, q in (("p50", 0.5), ("p99", 0.99), ("max", 1.0))} if ordered else {}


def _who(path: str, query: dict[str, list[str]]) -> tuple[str, str]:
    if path.startswith("/cgi-bin/webhook/send"):
        return "wecom", query.get("key", [""])[0]
    if path.startswith("/robot/send"):
        return "dingtalk", query.get("access_token", [""])[0]
    kind = "feishu" if path.startswith("/open-apis/bot/v2/hook/") else "hook"
    return kind, path.rpartition("/")[2]


def _success(kind: str, code: int) -> dict[str, Any]:
    if kind == "feishu":
        return {"code": code, "msg": "success" if not code else "refused", "data": {}}
    return {"errcode": code, "errmsg": "ok" if not code else "refused"} if kind != "hook" else {}


Wrong = tuple[int, bytes] | None


def _hook(query: str, headers: dict[str, str], body: bytes) -> Wrong:
    at, id = headers.get("webhook-timestamp", ""), headers.get("webhook-id", "")
    if not at.isdecimal() or abs(time.time() - int(at)) > WINDOW_S:
        return 401, b'{"error":"outside the replay window"}'
    key = base64.b64decode(SECRET.removeprefix("whsec_"))
    want = base64.b64encode(hmac.digest(key, f"{id}.{at}.".encode() + body, hashlib.sha256))
    given = headers.get("webhook-signature", "").split(" ")
    if not any(hmac.compare_digest(f"v1,{want.decode()}", g) for g in given):
        return 401, b'{"error":"no matching signature"}'
    return None


def _wecom(query: str, headers: dict[str, str], body: bytes) -> Wrong:
    said = json.loads(body)
    most = {"markdown": 4096, "text": 2048}[said["msgtype"]]
    if len(said[said["msgtype"]]["content"].encode()) > most:
        return 200, b'{"errcode":40058,"errmsg":"content exceed max length"}'
    return None


def _dingtalk(query: str, headers: dict[str, str], body: bytes) -> Wrong:
    given = parse_qs(query)
    at = given.get("timestamp", ["0"])[0]
    want = base64.b64encode(hmac.digest(ROBOT_SECRET.encode(), f"{at}\n{ROBOT_SECRET}".encode(),
                                        hashlib.sha256)).decode()
    if given.get("sign", [""])[0] != want or abs(time.time() * 1000 - int(at)) > 3_600_000:
        return 200, b'{"errcode":310000,"errmsg":"sign not match"}'
    if len(body) > 20_000:
        return 200, b'{"errcode":460101,"errmsg":"message too long, exceed 20000 bytes"}'
    return None


def _feishu(query: str, headers: dict[str, str], body: bytes) -> Wrong:
    said = json.loads(body)
    at = said.get("timestamp", "0")
    want = base64.b64encode(hmac.digest(f"{at}\n{ROBOT_SECRET}".encode(), b"",
                                        hashlib.sha256)).decode()
    if said.get("sign") != want or abs(time.time() - int(at)) > 3_600:
        return 200, b'{"code":19021,"msg":"sign match fail or timestamp is not within one hour"}'
    if len(body) > 20_480:
        return 200, b'{"code":9499,"msg":"Bad Request"}'
    return None


ROBOT_SECRET = "SEC0123456789abcdef"
_CHECKS = {"hook": _hook, "wecom": _wecom, "dingtalk": _dingtalk, "feishu": _feishu}


async def _write(writer: asyncio.StreamWriter, status: int, body: bytes, extra: str = "") -> None:
    writer.write((f"HTTP/1.1 {status} x\r\ncontent-type: application/json\r\n{extra}"
                  f"content-length: {len(body)}\r\n\r\n").encode() + body)
    await writer.drain()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--behaviours", default="{}")
    given = parser.parse_args()
    behaviours = {k: Behaviour(**v) for k, v in json.loads(given.behaviours).items()}
    with Receivers(behaviours, port=given.port, keep=False) as server:
        print(server.port, flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    main()
