"""Goal: however the feeds are read, their records come out in one and the same order, none is lost,
and none comes out before every feed is known to be past it.

Method: hypothesis draws feeds with their times and any interleaving of reading, of news that a feed
has nothing up to a moment, and of asking for what is ready. The yardstick is a plain sort by (time,
feed, arrival); while records come out, an account of its own is kept of what each feed is known to
have. Planted faults: one feed is not asked, ties are let through too early, ties fall otherwise.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import TypeAlias

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from streams.merge import Merge

Feeds: TypeAlias = list[list[int]]
"""Times of the records of each feed, as the broker gave them: they may go back."""
Steps: TypeAlias = list[tuple[int, int]]
"""(which feed, what to do): see `play`."""
Record: TypeAlias = tuple[int, int]
"""(feed, number within it)."""
END = 1 << 40
FEEDS = st.lists(st.lists(st.integers(1, 12), max_size=8), min_size=1, max_size=4)
STEPS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 11)), max_size=60)


def wanted(feeds: Feeds) -> list[tuple[int, Record]]:
    """The yardstick. A feed's clock never goes back: an earlier time counts as the last."""
    out = []
    for feed, times in enumerate(feeds):
        clock = 0
        for n, time in enumerate(times):
            clock = max(clock, time)
            out.append((clock, (feed, n)))
    return sorted(out)


def play(feeds: Feeds, steps: Steps, make: Callable[[list[int]], Merge[int, Record]] = Merge
         ) -> list[tuple[int, Record]]:
    """One interleaving, checked as it goes; what came out."""
    merge = make(list(range(len(feeds))))
    read = [0] * len(feeds)
    said = [0] * len(feeds)
    """Up to when each feed was said to have nothing more."""
    out: list[tuple[int, Record]] = []

    def known(feed: int) -> int:
        """The latest moment of which a feed can have no record that was not read."""
        last = max(feeds[feed][:read[feed]], default=0)
        return max(last - 1, said[feed])

    def drain() -> None:
        passed = min(known(feed) for feed in range(len(feeds)))
        assert merge.clock_ms == passed
        for time, record in merge.ready():
            assert time <= passed, "let through before every feed was known to be past it"
            out.append((time, record))
        assert merge.waiting == sum(read) - len(out)
        assert [merge.held(f) for f in range(len(feeds))] == [
            read[f] - sum(record[0] == f for _, record in out) for f in range(len(feeds))]
        assert not list(merge.ready()), "something was ready and was kept back"

    for which, what in steps:
        feed = which % len(feeds)
        if what < 6:
            if read[feed] < len(feeds[feed]):
                merge.put(feed, feeds[feed][read[feed]], (feed, read[feed]))
                read[feed] += 1
        elif what < 9:
            # What the broker says: everything up to a moment was read. It is true of the rest.
            rest = feeds[feed][read[feed]:]
            last = max(feeds[feed][:read[feed]], default=0)
            until = (rest[0] if rest else last + 3) - 1 - (what - 6)
            if not rest or rest[0] > last:
                merge.quiet(feed, until)
                said[feed] = max(said[feed], until)
        else:
            drain()
    for feed, times in enumerate(feeds):
        for n in range(read[feed], len(times)):
            merge.put(feed, times[n], (feed, n))
        read[feed] = len(times)
        merge.quiet(feed, END)
        said[feed] = END
    drain()
    assert merge.latest_ms == max((max(times) for times in feeds if times), default=0)
    return out


@settings(max_examples=300)
@given(FEEDS, STEPS)
def test_one_order_however_it_is_read(feeds: Feeds, steps: Steps) -> None:
    out = play(feeds, steps)
    assert out == wanted(feeds)
    assert all(a[0] <= b[0] for a, b in pairwise(out))


@given(FEEDS, STEPS, STEPS)
def test_two_readings_of_the_same_feeds(feeds: Feeds, one: Steps, other: Steps) -> None:
    assert play(feeds, one) == play(feeds, other)


@given(st.lists(st.integers(1, 9), min_size=1, max_size=9), st.integers(2, 4))
def test_a_silent_feed_holds_all_the_others(times: list[int], feeds: int) -> None:
    """Until something is known of it."""
    merge: Merge[int, int] = Merge(list(range(feeds)))
    for n, time in enumerate(times):
        merge.put(0, time, n)
    for feed in range(1, feeds - 1):
        merge.quiet(feed, END)
    assert list(merge.ready()) == [] and merge.clock_ms == 0
    merge.quiet(feeds - 1, END)
    # Of the last moment the first feed may have more.
    last = max(times)
    assert [time for time, _ in merge.ready()] == [
        t for t, _ in wanted([times]) if t < last]
    merge.quiet(0, last)
    assert merge.waiting == sum(t == last for t, _ in wanted([times]))
    assert len(list(merge.ready())) == sum(t == last for t, _ in wanted([times]))


def test_no_feeds() -> None:
    merge: Merge[str, str] = Merge([])
    assert list(merge.ready()) == [] and merge.clock_ms == merge.latest_ms == 0


# ------------------------------------------------------------------------------ planted faults


class _IgnoresTheLast(Merge[int, Record]):
    """Lets records through without asking one feed."""

    @property
    def clock_ms(self) -> int:
        feeds = list(self._feeds.values())
        return min(max(f.clock_ms - 1, f.known_ms) for f in feeds[: max(len(feeds) - 1, 1)])


class _TiesTooEarly(Merge[int, Record]):
    """Takes a feed to be past the very moment of its last record."""

    @property
    def clock_ms(self) -> int:
        return min(max(f.clock_ms, f.known_ms) for f in self._feeds.values())


class _OtherTies(Merge[int, Record]):
    """Ties fall the other way round."""

    def __init__(self, feeds: list[int]) -> None:
        super().__init__(feeds)
        self._feeds = dict(reversed(self._feeds.items()))


class _GoesBack(Merge[int, Record]):
    """A feed's clock goes back with its records."""

    def put(self, feed: int, time_ms: int, record: Record) -> None:
        self._feeds[feed].clock_ms = 0
        super().put(feed, time_ms, record)


@pytest.mark.parametrize("planted", [_IgnoresTheLast, _TiesTooEarly, _OtherTies, _GoesBack])
def test_a_planted_fault_is_noticed(planted: type[Merge[int, Record]]) -> None:
    @settings(max_examples=500, database=None, report_multiple_bugs=False,
              phases=[Phase.generate])
    @given(FEEDS, STEPS)
    def look(feeds: Feeds, steps: Steps) -> None:
        assert play(feeds, steps, planted) == wanted(feeds)

    with pytest.raises(AssertionError):
        look()
