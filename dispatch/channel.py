"""What every channel is: takes a letter, says what became of it, never raises for the world."""

from __future__ import annotations

from typing import Literal, NamedTuple, Protocol, TypeAlias

from alerts.letter import Letter
from dispatch.outbox import Act

Fate: TypeAlias = Literal["ok", "retry", "endpoint", "letter"]
"""`retry`: later, by itself. `endpoint`: the address or the secret is wrong, nothing will go until
somebody mends it. `letter`: this one will never be taken."""


MACHINES = ("/webhook", "/alertmanager")
"""Ends of the names of endpoints that are told of every alert of a letter, however many."""


class Outcome(NamedTuple):
    """`code` is the channel's own (an HTTP status, an errcode)."""

    fate: Fate
    code: int
    text: str
    retry_after_s: float = 0.0
    acts: tuple[Act, ...] = ()


class Channel(Protocol):
    """One endpoint. `send` is called by one thread at a time, and ends within its time limit."""

    @property
    def endpoint(self) -> str: ...
    @property
    def receiver(self) -> str: ...
    @property
    def per_minute_max(self) -> int:
        """Messages a minute at most; 0 = no limit."""

    def send(self, letter: Letter, now_ms: int) -> Outcome: ...
