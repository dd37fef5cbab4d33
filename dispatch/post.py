"""POST over HTTP(S) to a checked address: no redirects, no proxies, little of the answer read."""

from __future__ import annotations

import json
import time
from collections import OrderedDict
from collections.abc import Collection, Mapping
from threading import Lock
from typing import Any, NamedTuple

import urllib3
from urllib3.exceptions import HTTPError

from dispatch.guard import Refused, Resolve, Target, resolve, target

ANSWER_MAX_BYTES = 16_384
POOLS_MAX = 200


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
    """Keeps connections open, by checked address. Used by all threads."""

    def __init__(self, hosts: Collection[str], timeout_s: float, *,
                 resolver: Resolve = resolve) -> None:
        self._hosts = frozenset(hosts)
        self._timeout_s = timeout_s
        self._resolver = resolver
        self._pools: OrderedDict[tuple[str, str, int, str], urllib3.HTTPConnectionPool] = (
            OrderedDict())
        self._lock = Lock()

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
            response = self._pool(where).urlopen(
                "POST", where.path, body=body, redirect=False, retries=False, preload_content=False,
                timeout=urllib3.Timeout(connect=self._timeout_s, read=self._timeout_s),
                headers={**headers, "Host": _host(where), "User-Agent": "xinfeng"})
            read = b""
            while len(read) < ANSWER_MAX_BYTES:
                part = response.read1(ANSWER_MAX_BYTES - len(read))
                if not part:
                    break
                read += part
                if time.monotonic() > until:
                    response.close()
                    raise Unreachable("answer too slow")
            if len(read) >= ANSWER_MAX_BYTES:
                response.close()
            response.release_conn()
        except (HTTPError, OSError) as error:
            raise Unreachable(f"{type(error).__name__}: {error}"[:300]) from None
        return Answer(response.status, {k.lower(): v for k, v in response.headers.items()}, read)

    def close(self) -> None:
        with self._lock:
            for pool in self._pools.values():
                pool.close()
            self._pools.clear()

    def _pool(self, where: Target) -> urllib3.HTTPConnectionPool:
        """Connections to an address; the certificate must be that of the name."""
        key = (where.scheme, where.address, where.port, where.host)
        with self._lock:
            pool = self._pools.get(key)
            if pool is None:
                if where.scheme == "https":
                    pool = urllib3.HTTPSConnectionPool(
                        where.address, where.port, maxsize=4, assert_hostname=where.host,
                        server_hostname=where.host, cert_reqs="CERT_REQUIRED")
                else:
                    pool = urllib3.HTTPConnectionPool(where.address, where.port, maxsize=4)
                self._pools[key] = pool
                while len(self._pools) > POOLS_MAX:
                    self._pools.popitem(last=False)[1].close()
            self._pools.move_to_end(key)
        return pool


def _host(where: Target) -> str:
    name = f"[{where.host}]" if ":" in where.host else where.host
    usual = {"https": 443, "http": 80}[where.scheme]
    return name if where.port == usual else f"{name}:{where.port}"


__all__ = ["Answer", "Poster", "Refused", "Unreachable"]
