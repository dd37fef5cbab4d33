"""POST over HTTP(S) to a checked address: no redirects, no proxies, little of the answer read."""

from __future__ import annotations

import json
import ssl
import time
from collections.abc import Collection, Iterator, Mapping
from typing import Any, NamedTuple

import urllib3
from urllib3.exceptions import HTTPError

from dispatch.gate import Gate
from dispatch.guard import Refused, Resolve, Target, resolve, target

ANSWER_MAX_BYTES = 16_384


class Answer(NamedTuple):
    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> dict[str, Any]:
        """The answer as a JSON object; {} when it is none."""
        try:
            found = json.loads(self.body)
        except (ValueError, RecursionError):
            return {}
        return found if isinstance(found, dict) else {}

    @property
    def retry_after_s(self) -> float:
        """What the receiver asks to wait; 0 = nothing, or no plain number."""
        text = self.headers.get("retry-after", "")
        return float(text) if text.isdecimal() and len(text) < 7 else 0.0


class Unreachable(Exception):
    """Nobody answered, or not in time. Whether the message arrived is not known."""


class Poster:
    """One connection a message: on a connection kept open an answer that comes twice, or late,
    would be taken for that to the next message. Used by all threads."""

    def __init__(self, hosts: Collection[str], timeout_s: float, *,
                 resolver: Resolve = resolve, context: ssl.SSLContext | None = None,
                 gate: Gate | None = None) -> None:
        self._hosts = frozenset(hosts)
        self._timeout_s = timeout_s
        self._resolver = resolver
        self.gate = gate or Gate()
        self._context = context or ssl.create_default_context()

    def post(self, url: str, body: bytes, headers: Mapping[str, str], *,
             private: bool = False) -> Answer:
        """
        Raises
        ------
        Refused: nothing may be posted there. Unreachable: no answer.
        """
        try:
            where = target(url, self._hosts, private=private, resolver=self._resolver)
        except OSError as error:
            raise Unreachable(f"cannot resolve: {error}") from None
        until = time.monotonic() + 2 * self._timeout_s
        try:
            with self._pool(where) as pool:
                response = pool.urlopen(
                    "POST", where.path, body=self._let_out(where, body),
                    redirect=False, retries=False,
                    preload_content=False, headers={
                        **headers, "Host": _host(where), "User-Agent": "xinfeng",
                        "Content-Length": str(len(body)), "Connection": "close"},
                    timeout=urllib3.Timeout(connect=self._timeout_s, read=self._timeout_s))
                read = b""
                while len(read) < ANSWER_MAX_BYTES:
                    part = response.read1(ANSWER_MAX_BYTES - len(read))
                    if not part:
                        break
                    read += part
                    if time.monotonic() > until:
                        raise Unreachable("answer too slow")
                response.close()
        except (HTTPError, OSError) as error:
            raise Unreachable(f"{type(error).__name__}: {error}"[:300]) from None
        return Answer(response.status, {k.lower(): v for k, v in response.headers.items()}, read)

    def _let_out(self, where: Target, body: bytes) -> Iterator[bytes]:
        """The body once the connection stands and the gate is free: only then can it arrive."""
        self.gate.enter(f"{where.host}:{where.port}{where.path.partition('?')[0]}")
        yield body

    def _pool(self, where: Target) -> urllib3.HTTPConnectionPool:
        """A connection to an address; the certificate must be that of the name."""
        if where.scheme == "https":
            return urllib3.HTTPSConnectionPool(
                where.address, where.port, ssl_context=self._context, assert_hostname=where.host,
                server_hostname=where.host)
        return urllib3.HTTPConnectionPool(where.address, where.port)


def _host(where: Target) -> str:
    name = f"[{where.host}]" if ":" in where.host else where.host
    usual = {"https": 443, "http": 80}[where.scheme]
    return name if where.port == usual else f"{name}:{where.port}"


__all__ = ["Answer", "Poster", "Refused", "Unreachable"]
