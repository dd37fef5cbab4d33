"""Puts the records of several feeds into one order: that of the times the broker gave them. Pure.

Deadlines are judged by the log's clock. Were one feed read ahead of another, time would pass before
all that belongs to it is known, and somebody would be warned of what was settled long ago. So a
record is let through only when no feed can have an earlier one, or another of the same time.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Hashable, Iterator
from typing import Generic, TypeVar

T = TypeVar("T")
K = TypeVar("K", bound=Hashable)


class _Feed(Generic[T]):
    __slots__ = ("clock_ms", "known_ms", "waiting")

    def __init__(self) -> None:
        self.waiting: deque[tuple[int, T]] = deque()
        self.clock_ms = 0
        self.known_ms = 0


class Merge(Generic[K, T]):
    """Feeds are kept apart by key; ties between them fall in the order in which they were named.

    Examples
    --------
    >>> m = Merge(["a", "b"])
    >>> m.put("a", 3, "x"); m.put("a", 9, "y"); m.put("b", 5, "z")
    >>> list(m.ready()), m.clock_ms
    ([(3, 'x')], 4)
    >>> m.quiet("b", 20); list(m.ready()), m.clock_ms
    ([(5, 'z')], 8)
    """

    def __init__(self, feeds: list[K]) -> None:
        self._feeds: dict[K, _Feed[T]] = {feed: _Feed() for feed in feeds}
        self.waiting = 0
        """Records that were put and not yet given out."""

    def put(self, feed: K, time_ms: int, record: T) -> None:
        """Take a record in. A feed's clock never goes back: an earlier time counts as the last."""
        held = self._feeds[feed]
        held.clock_ms = max(held.clock_ms, time_ms)
        held.waiting.append((held.clock_ms, record))
        self.waiting += 1

    def quiet(self, feed: K, until_ms: int) -> None:
        """Nothing more will come from a feed with a time up to this one."""
        held = self._feeds[feed]
        held.known_ms = max(held.known_ms, until_ms)

    def held(self, feed: K) -> int:
        """Records of one feed that wait for others."""
        return len(self._feeds[feed].waiting)

    @property
    def latest_ms(self) -> int:
        """Time of the last record of any feed."""
        return max((f.clock_ms for f in self._feeds.values()), default=0)

    @property
    def clock_ms(self) -> int:
        """Up to here everything is known."""
        return min((max(f.clock_ms - 1, f.known_ms) for f in self._feeds.values()), default=0)

    def ready(self) -> Iterator[tuple[int, T]]:
        """(time, record) of all that can be let through, in order."""
        until = self.clock_ms
        heap = [(f.waiting[0][0], n, f) for n, f in enumerate(self._feeds.values())
                if f.waiting and f.waiting[0][0] <= until]
        heapq.heapify(heap)
        while heap:
            _, n, feed = heap[0]
            time_ms, record = feed.waiting.popleft()
            self.waiting -= 1
            yield time_ms, record
            if feed.waiting and feed.waiting[0][0] <= until:
                heapq.heapreplace(heap, (feed.waiting[0][0], n, feed))
            else:
                heapq.heappop(heap)
