"""What every channel is: takes a letter, says what became of it, never raises for the world."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Literal, NamedTuple, Protocol, TypeAlias, TypeVar

from alerts.letter import Letter
from dispatch.outbox import Act

Fate: TypeAlias = Literal["ok", "retry", "endpoint", "letter"]
"""`retry`: later, by itself. `endpoint`: the address or the secret is wrong, nothing will go until
somebody mends it. `letter`: this one will never be taken."""
T = TypeVar("T")
MACHINE_MAX = 500
"""Most alerts of one letter to a machine: some 500 KB."""


def is_machine(endpoint: str) -> bool:
    """Whether an endpoint is told of every alert of a letter, however many."""
    return endpoint.endswith(("/webhook", "/alertmanager"))


def parts(told: Sequence[T], endpoints: Iterable[str]) -> Iterator[Sequence[T]]:
    """What goes into one letter each: all at once to people, so much at a time to machines."""
    most = MACHINE_MAX if any(map(is_machine, endpoints)) else max(len(told), 1)
    for start in range(0, len(told), most):
        yield told[start : start + most]


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
