"""Goal: an envelope is written when it is full of events or bytes, or when its first event has
waited long enough; a subject has one partition, time and policies reach all.

Method: envelopes are written into lists, and decoded again as a worker does; what was put in is the
yardstick.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import NamedTuple

import events as ev
import pytest

from models import events as e
from storage.partition import partition_of
from streams import codec
from streams.envelopes import Envelopes
from streams.pipeline import Entry

COMPLAINT = {"item": "cq1-17", "kind": "complaint", "category": "食品"}


class Written(NamedTuple):
    partition: int
    entries: list[Entry]
    subjects: list[str]
    size: int

    @property
    def ids(self) -> list[str]:
        return [x.event.id for x in self.entries
                if not isinstance(x.event, e.Broadcast)]


def made(n: int, subject: str, size: int = 0) -> ev.Made:
    """A complaint whose body has about so many bytes more than it needs."""
    return ev.make("complaint.filed", "s", f"e{n}".ljust(size, "x")[:256], subject,
                   ev.dt.datetime(2026, 1, 1, 12, tzinfo=ev.BEIJING), COMPLAINT)


class Log:
    """Envelopes over so many partitions, and what they wrote."""

    def __init__(self, partitions: int = 1, *, max_events: int = 100, max_bytes: int = 1_000_000,
                 max_wait_s: float = 0.05) -> None:
        self.written: list[Written] = []
        self.open = Envelopes(partitions, self._write, max_events=max_events, max_bytes=max_bytes,
                              max_wait_s=max_wait_s)

    def _write(self, partition: int, body: bytes, subjects: Sequence[str]) -> None:
        self.written.append(Written(partition, codec.decode_envelope(body), list(subjects),
                                    len(body)))

    def put(self, one: ev.Made, now_s: float = 0.0, recorded_ms: int = 1) -> None:
        self.open.put(recorded_ms, one.event, one.body, now_s)


def test_full_by_events() -> None:
    log = Log(max_events=3)
    for n in range(7):
        log.put(made(n, ev.codes(1)[0]))
    assert [w.ids for w in log.written] == [["e0", "e1", "e2"], ["e3", "e4", "e5"]]
    log.open.flush()
    assert log.written[2].ids == ["e6"] and log.open.written == 3
    log.open.flush()
    assert len(log.written) == 3, "an empty envelope says nothing"


def test_full_by_bytes() -> None:
    """No envelope of several events goes over the limit, and none is written long before it."""
    one = made(0, ev.codes(1)[0], 200)
    log = Log(max_bytes=10 * len(one.body))
    for n in range(40):
        log.put(made(n, ev.codes(1)[0], 200))
    log.open.flush()
    assert [x for w in log.written for x in w.ids] == [f"e{n}".ljust(200, "x") for n in range(40)]
    assert all(w.size <= 10 * len(one.body) for w in log.written)
    assert all(len(w.ids) >= 8 for w in log.written[:-1])


@pytest.mark.parametrize("before", [0, 1, 3])
def test_a_single_event_over_the_limit_goes_alone(before: int) -> None:
    large = made(99, ev.codes(1)[0], 256)
    log = Log(max_bytes=len(large.body) - 1)
    small = [made(n, ev.codes(1)[0]) for n in range(before)]
    room = len(large.body) - 1 > sum(len(x.body) + 16 for x in small)
    for one in [*small, large, made(100, ev.codes(1)[0])]:
        log.put(one)
    log.open.flush()
    assert [large.id] in [w.ids for w in log.written]
    assert [i for w in log.written for i in w.ids] == [
        *(x.id for x in small), large.id, "e100"]
    assert room or len(log.written) > 3


def test_written_after_the_first_event_has_waited() -> None:
    """Each partition by its own first event; those after it do not put it off."""
    log = Log(2, max_wait_s=0.05)
    here = [c for c in ev.codes(40) if partition_of(c, 2) == 0]
    there = [c for c in ev.codes(40) if partition_of(c, 2) == 1]
    log.put(made(0, here[0]), 10.00)
    log.put(made(1, here[1]), 10.04)
    log.put(made(2, there[0]), 10.03)
    log.open.flush(10.04)
    assert log.written == []
    log.open.flush(10.051)
    assert [(w.partition, w.ids) for w in log.written] == [(0, ["e0", "e1"])]
    log.put(made(3, here[0]), 10.06)
    log.open.flush(10.081)
    assert [(w.partition, w.ids) for w in log.written[1:]] == [(1, ["e2"])]
    log.open.flush(10.111)
    assert log.written[2].ids == ["e3"], "its own wait, not that of the envelope before"


@pytest.mark.parametrize("partitions", [1, 4, 12])
def test_a_subject_has_one_partition(partitions: int) -> None:
    """Its events come out there, in the order they went in, with its name beside each."""
    draw = random.Random(partitions)
    subjects = ev.codes(90)
    log = Log(partitions, max_events=7)
    sent: dict[str, list[str]] = {}
    for n in range(400):
        subject = draw.choice(subjects)
        log.put(made(n, subject), recorded_ms=n + 1)
        sent.setdefault(subject, []).append(f"e{n}")
    log.open.flush()
    found: dict[str, list[str]] = {}
    for w in log.written:
        assert w.subjects == [x.event.subject for x in w.entries]  # type: ignore[union-attr]
        for x in w.entries:
            assert not isinstance(x.event, e.Broadcast)
            assert w.partition == partition_of(x.event.subject, partitions)
            assert x.recorded_ms == int(x.event.id[1:]) + 1
            found.setdefault(x.event.subject, []).append(x.event.id)
    assert found == sent
    assert {w.partition for w in log.written} == set(range(partitions))


class Many(dict[str, int]):
    """As if it were full, until it is emptied."""

    full = True

    def __len__(self) -> int:
        return 2_000_001 if self.full else super().__len__()

    def clear(self) -> None:
        super().clear()
        self.full = False


def test_homes_are_forgotten_and_found_again() -> None:
    """What is remembered of subjects has a limit; beyond it nothing moves."""
    log = Log(4)
    log.open._homes = Many({"other": 0})
    for n, subject in enumerate(ev.codes(20)):
        log.put(made(n, subject))
    log.open.flush()
    assert len(log.open._homes) == 20 and "other" not in log.open._homes
    assert all(w.partition == partition_of(s, 4) for w in log.written for s in w.subjects)


def test_time_reaches_all_partitions() -> None:
    """In its place among their events."""
    log = Log(3)
    subject = ev.codes(1)[0]
    log.put(made(0, subject), recorded_ms=5)
    log.open.tick(9, 0.0)
    log.put(made(1, subject), recorded_ms=11)
    log.open.flush()
    home = partition_of(subject, 3)
    for w in log.written:
        ticks = [x.recorded_ms for x in w.entries if isinstance(x.event, e.Tick)]
        assert ticks == [9]
        assert [x.recorded_ms for x in w.entries] == ([5, 9, 11] if w.partition == home else [9])
        assert w.subjects == ([subject, "", subject] if w.partition == home else [""])
    assert sorted(w.partition for w in log.written) == [0, 1, 2]


def test_a_policy_reaches_all_partitions() -> None:
    """At once, in an envelope of its own, after all that came before it."""
    log = Log(3)
    subject = ev.codes(1)[0]
    log.put(made(0, subject))
    entry = ev.change("plain")
    assert isinstance(entry.event, e.PolicyChanged)
    log.open.broadcast(entry.event, 77)
    home = partition_of(subject, 3)
    assert [(w.partition, w.ids) for w in log.written[:1]] == [(home, ["e0"])]
    assert [w.partition for w in log.written[1:]] == [0, 1, 2]
    for w in log.written[1:]:
        assert [(x.recorded_ms, x.event) for x in w.entries] == [(77, entry.event)]
        assert w.subjects == [""]
    log.open.flush()
    assert len(log.written) == 4
