"""When to try again, and when to leave a receiver alone for a while. Pure; jitter is a hash."""

from __future__ import annotations

from typing import NamedTuple

import msgspec
import xxhash


class Delivery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[delivery]` of channels.toml: how hard delivery tries. Changes nothing about who is told."""

    base_url: str
    """Where people reach the console; links begin with it."""
    hosts: tuple[str, ...]
    """The only hosts that may be posted to."""
    retry_first_s: float
    retry_max_s: float
    deadline_h: float
    """What could not be delivered by then is reported, and told to the centre."""
    breaker_failures: int
    """Failures in a row after which a receiver is left alone."""
    breaker_s: float
    breaker_max_s: float
    dead_after_min: float
    """A receiver that fails for so long is reported as dead."""
    timeout_s: float
    workers_max: int
    keep_d: int
    """Delivered messages and finished alerts are kept in the ledger for so long."""


def retry_ms(key: str, attempt: int, delivery: Delivery) -> int:
    """Wait before the attempt after `attempt` [ms]: doubling, three quarters to all of it."""
    full = min(delivery.retry_first_s * 2.0 ** min(attempt - 1, 40), delivery.retry_max_s)
    share = xxhash.xxh3_64_intdigest(f"{key} {attempt}".encode()) / 2**64
    return round(1000 * full * (0.75 + 0.25 * share))


class Breaker(NamedTuple):
    """How an endpoint has done lately. `open_until_ms` 0 = closed."""

    failures: int = 0
    open_until_ms: int = 0
    failing_since_ms: int = 0


def broken(breaker: Breaker, now_ms: int, delivery: Delivery, *, hard: bool = False) -> Breaker:
    """After a failure. `hard`: a wrong address or secret, which no quick retry can mend."""
    failures = breaker.failures + 1
    since = breaker.failing_since_ms or now_ms
    if hard:
        return Breaker(failures, now_ms + round(1000 * delivery.breaker_max_s), since)
    beyond = failures - delivery.breaker_failures
    if beyond < 0:
        return Breaker(failures, 0, since)
    wait = min(delivery.breaker_s * 2.0 ** min(beyond, 40), delivery.breaker_max_s)
    return Breaker(failures, now_ms + round(1000 * wait), since)
