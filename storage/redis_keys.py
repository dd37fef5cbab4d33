"""Names and forms of all that a view keeps in Redis (docs/operations.md has the table)."""

from __future__ import annotations

import json
from typing import NamedTuple

import msgspec

from storage.effects import Reason

SCHEMA = 4
"""Raised when a key changes its form: a view is then built again from the log."""
DEAD = msgspec.msgpack.Decoder(tuple[int, str, str, str, str, str, Reason, bytes]).decode
"""A dead letter: received [epoch ms], origin, source, id, type, subject, reason, bytes."""
ROW = msgspec.msgpack.Decoder(tuple[str, str, str, str, str, str, int]).decode
"""`SubjectRow` from its name to its gap."""


class Keys:
    """Names of the keys under one prefix."""

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self.layout = f"{prefix}:layout"
        self.cards = f"{prefix}:cards"
        self.subjects = f"{prefix}:subjects"
        self.alerts = f"{prefix}:alerts"
        self.transitions = f"{prefix}:transitions"
        self.seq = f"{prefix}:seq"
        self.reviews = f"{prefix}:reviews"
        self.answers = f"{prefix}:answers"
        self.pairs = f"{prefix}:pairs"
        self.tallies = f"{prefix}:tallies"
        self.rejects = f"{prefix}:rejects"
        self.rejects_mark = f"{prefix}:rejects:mark"
        self.models = f"{prefix}:models"
        self.feeds = f"{prefix}:feeds"
        self.draws = f"{prefix}:draws"

    def part(self, partition: int) -> str:
        return f"{self.prefix}:part:{partition}"

    def states(self, partition: int) -> str:
        return f"{self.prefix}:states:{partition}"

    def sources(self, partition: int) -> str:
        return f"{self.prefix}:sources:{partition}"

    def hours(self, day: int) -> str:
        """Counts of the hours of a day since 1970, UTC."""
        return f"{self.prefix}:hours:{day}"

    def claim(self, state: str) -> str:
        """Who acts on a state of an alert or review, for some seconds: the one key that expires."""
        return f"{self.prefix}:claim:{state}"

    def pool(self, draw: str) -> str:
        """What each partition has in the pool of a draw."""
        return f"{self.draws}:pool:{draw}"

    def drawn(self, key: str) -> str:
        """Who was drawn in a draw, by its `records.draw_key` in hex."""
        return f"{self.draws}:drawn:{key}"

    def reviews_in(self, state: str) -> str:
        """`state` is open, closed or all."""
        return f"{self.reviews}:{state}"

    def board(self, a: str, b: str, lane: str) -> str:
        return f"{self.reviews}:board:{group(a, b, lane)}"


class Group(NamedTuple):
    """Values by which a list may be narrowed, and how many rows have these."""

    values: list[str]
    name: bytes
    size: int


def group(*values: str) -> str:
    """Name of the group of rows with these values: one line, whatever they are."""
    return json.dumps(values, separators=(",", ":"))


def groups(held: dict[bytes, bytes], wanted: dict[int, str]) -> list[Group]:
    """Those groups that have rows, with the `wanted` values at their places; by name."""
    out = []
    for name, count in sorted(held.items()):
        values = json.loads(name)
        if int(count) > 0 and all(values[n] == value for n, value in wanted.items()):
            out.append(Group(values, name, int(count)))
    return out


def answer(review: str, department: str, time_ms: int) -> str:
    """Field under which the text of an answer stands."""
    return f"{review}\n{department}\n{time_ms}"


def alert(held: bytes) -> tuple[int, bytes]:
    """(seq of the last transition, body) of a kept alert."""
    head, _, body = held.partition(b"\n")
    return int(head.partition(b" ")[0]), body


def subject(held: bytes) -> tuple[int, bytes]:
    """(open alerts, row) of a kept subject."""
    _, count, row = held.split(b"\n", 2)
    return int(count), row
