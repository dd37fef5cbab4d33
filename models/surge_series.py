"""Counts of one key by day, and how they are followed from day to day."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from typing import TypeAlias

Cell: TypeAlias = tuple[str, str, str]
"""District, item, cause."""
Peer: TypeAlias = tuple[str, str, str]
"""Industry, district, size: those a subject is compared with."""
Member: TypeAlias = tuple[str, str, str, str]
"""Subject, industry, district, size. A subject that moves has a series of each time."""
Key: TypeAlias = tuple[str, ...]
"""A `Cell` or a `Member`: told apart by their lengths."""
Move: TypeAlias = tuple[Key, int, int]
"""A key, a day, and by how much its count of that day rose, counts below zero taken as zero. A rise
of zero: the key has come or gone, or single reports of it have. Of subjects it may be a `Peer`,
whose roster has changed."""


class Series:
    """Counts of days, sparse: day, count, day, count ... by day ascending, no count zero."""

    __slots__ = ("data",)

    def __init__(self, data: array[int] | None = None) -> None:
        self.data: array[int] = array("i") if data is None else data

    def add(self, day: int, n: int) -> int:
        """Add to the count of a day; by how much it rose, below zero taken as zero."""
        data = self.data
        low, high = 0, len(data) // 2
        if high and data[-2] < day:
            low = high
        while low < high:
            middle = (low + high) // 2
            if data[2 * middle] < day:
                low = middle + 1
            else:
                high = middle
        at = 2 * low
        if at < len(data) and data[at] == day:
            before = data[at + 1]
            data[at + 1] += n
            if before + n == 0:
                del data[at:at + 2]
            return max(before + n, 0) - max(before, 0)
        if n:
            data[at:at] = array("i", (day, n))
        return max(n, 0)

    def drop_before(self, day: int) -> None:
        data, end = self.data, 0
        while end < len(data) and data[end] < day:
            end += 2
        if end:
            del data[:end]

    def items(self) -> Iterator[tuple[int, int]]:
        pairs = iter(self.data)
        return zip(pairs, pairs, strict=True)

    def total(self) -> int:
        return sum(self.data[1::2])
