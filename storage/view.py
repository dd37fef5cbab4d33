"""What a shard hands to the view: the effects of some envelopes, and the subjects they touched."""

from __future__ import annotations

from typing import NamedTuple

from storage.effects import Effect


class Placed(NamedTuple):
    """An effect with its name: offset of the envelope in the log, place within it."""

    offset: int
    place: int
    effect: Effect
    raw: bytes
    """Bytes of the refused event, for a `Rejected`; else empty."""


class Change(NamedTuple):
    """All that follows from the envelopes `after` <= offset < `upto` of one partition.

    A view takes it whole or not at all, and only when it stands at `after`: so an older write can
    never overwrite a newer one, and nothing is applied twice.
    """

    partition: int
    partitions: int
    after: int
    upto: int
    clock_ms: int
    counts: dict[str, int]
    """Fates of events over the whole log of the partition, and `subjects`."""
    cards: list[tuple[int, str, str]] | None
    """(first day, document, weights) of every policy so far; None = as before."""
    sources: list[str]
    """Names of sources that are new since `after`, in the order of their codes."""
    effects: list[Placed]
    states: dict[str, bytes]
    """Whole state of each touched subject, packed by `streams.checkpoint`."""
    norms: str = "0"
    """Hash of the norms of devices that they were judged by."""


class MarkMismatch(Exception):
    """The view stands elsewhere than a change expects: `mark` is the next offset it needs."""

    def __init__(self, mark: int) -> None:
        super().__init__(f"the view stands at offset {mark}")
        self.mark = mark
