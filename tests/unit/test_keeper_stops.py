"""Goal: an envelope that cannot be folded stops its partition there: what came before it is said,
nothing of it and nothing after it; a log of another size is refused; a policy that replaces
another of its day reaches the view.

Method: a small log in memory with a bad envelope at any place, delivered, refilled and found again
after a restart; the same log without it is the yardstick. Crashes are in
`tests/simulation/test_keeper.py`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import events as ev
import keeper_fake as fake
import pytest

from storage.kafka_log import Record, record_of
from storage.sqlite_store import StoreError
from streams import checkpoint, codec
from streams.digest import subject_digest
from streams.keeper import Keeper, Poison
from streams.pipeline import Entry

SHAPE = ev.Shape(span_d=90)


@functools.cache
def log() -> tuple[Record, ...]:
    """Twelve envelopes, the first a policy, the last a tick."""
    made = ev.build(ev.draw(5, 90, SHAPE), SHAPE)[:50]
    assert len(made) == 50
    return tuple(fake.log_of(made))


@pytest.fixture(autouse=True)
def quick() -> object:
    with ev.quick_cards():
        yield


def digest(shown: fake.World) -> int:
    states: dict[str, bytes] = {}
    for change in shown.changes:
        states |= change.states
    return sum(subject_digest(checkpoint.unpack(state)) for state in states.values())


@functools.cache
def undisturbed(upto: int) -> fake.World:
    """The log up to an offset, folded at once."""
    world = fake.World(log()[:upto])
    fake.keeper(world, Path("unused")).open()
    return world


def same(world: fake.World, upto: int) -> None:
    """The view and the out topics stand as if the log ended there."""
    plain = undisturbed(upto)
    assert world.mark(0) == upto
    assert digest(world) == digest(plain)
    assert world.said == plain.said
    assert world.noted == (upto if upto else 0)
    assert [x[:2] for c in world.changes for x in c.effects] == [
        x[:2] for c in plain.changes for x in c.effects]


def garbage(offset: int) -> Record:
    return Record(offset, b"\xc1 garbage", b"", 1)


def foreign(offset: int) -> Record:
    """Somebody else wrote to the log."""
    return record_of(offset, log()[offset].value, [("traceparent", b"x")])


def half(offset: int) -> Record:
    """Begins well, and breaks in the middle of the step: half of it is in the state by then."""
    good = codec.decode_envelope(log()[offset].value)
    broken = Entry(good[-1].recorded_ms, codec.encode(ev.change("plain").event).replace(
        b'{"', b'}"', 1), ev.change("plain").event)
    return fake.record(offset, [*good, broken])


def spoilt(bad: Callable[[int], Record], at: int) -> fake.World:
    return fake.World([*log()[:at], bad(at), *log()[at + 1 :]])


@pytest.mark.parametrize("bad", [garbage, half, foreign])
@pytest.mark.parametrize("at", [1, 4, 10])
@pytest.mark.parametrize("flush", [1, 20, 4_000])
@pytest.mark.parametrize("delivered", [False, True])
def test_the_partition_stops_there(bad: Callable[[int], Record], at: int, flush: int,
                                   delivered: bool, tmp_path: Path) -> None:
    world = spoilt(bad, at)
    keeper = fake.keeper(world, tmp_path, flush_max_events=flush)
    with pytest.raises(Poison, match=f"log partition 0, offset {at}: cannot be folded: .*nothing "
                                     "is skipped"):
        if delivered:
            whole, world.log = world.log, world.log[:1]
            keeper.open()
            world.log = whole
            keeper.take(whole)
        else:
            keeper.open()
    assert keeper.applied == at
    same(world, at)
    for again in (keeper.catch_up, functools.partial(keeper.take, world.log[at:])):
        with pytest.raises(Poison):
            again()
        assert keeper.applied == at
        same(world, at)


def test_a_policy_must_come_first(tmp_path: Path) -> None:
    """An event before any policy cannot be judged."""
    world = fake.World([log()[1]._replace(offset=0), *log()])
    with pytest.raises(Poison, match="log partition 0, offset 0: "):
        fake.keeper(world, tmp_path).open()
    assert not world.changes and not world.said and world.noted == 0


def test_it_still_stops_after_a_restart(tmp_path: Path) -> None:
    """Checkpoint or not; a log that was put right goes on without a trace of it."""
    world = spoilt(garbage, 8)
    first = fake.keeper(world, tmp_path)
    whole, world.log = world.log, world.log[:6]
    first.open()
    first.checkpoint()
    world.log = whole
    for _ in range(2):
        with pytest.raises(Poison):
            fake.keeper(world, tmp_path).open()
        same(world, 8)
    world.log = list(log())
    fake.keeper(world, tmp_path).open()
    same(world, len(log()))


def test_half_of_an_envelope_in_a_checkpoint_would_be_noticed(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Planted: the state is kept as the broken step left it."""
    monkeypatch.setattr(Keeper, "_stand_before", lambda s, offset: s.flush())
    world = spoilt(half, 10)
    with pytest.raises(Poison):
        fake.keeper(world, tmp_path).open()
    with pytest.raises(AssertionError):
        same(world, 10)


def test_what_came_before_must_be_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Planted: it stops without a word."""
    monkeypatch.setattr(Keeper, "_stand_before", lambda s, offset: None)
    world = spoilt(garbage, 4)
    with pytest.raises(Poison):
        fake.keeper(world, tmp_path).open()
    with pytest.raises(AssertionError):
        same(world, 4)


# -------------------------------------------------------------------------------- other refusals


@pytest.mark.parametrize("written", [2, 12])
def test_a_log_of_another_size_is_refused(written: int, tmp_path: Path) -> None:
    """One subject would lie in two partitions."""
    other = log()[3]._replace(partitions=written)
    world = fake.World([*log()[:3], other, *log()[4:]])
    keeper = fake.keeper(world, tmp_path)
    with pytest.raises(StoreError, match=f"log partition 0: was written with {written} partitions, "
                                         "the topic has 1"):
        keeper.open()
    assert keeper.applied == 3 and world.mark(0) == 0


@pytest.mark.parametrize(("headers", "subjects", "partitions"), [
    ([("subjects", b"12345678"), ("partitions", b"4")], b"12345678", 4),
    ({"subjects": b"12345678", "partitions": b"12", "x": None}, b"12345678", 12),
    (None, b"", 0), ([], b"", 0), ({"partitions": b"4"}, b"", 4),
    ({"subjects": b"12345678"}, b"", 0), ({"subjects": b"1", "partitions": b"4"}, b"", 0),
    ({"subjects": None, "partitions": None}, b"", 0), ({"partitions": b"-1"}, b"", 0),
    ({"partitions": b"x"}, b"", 0), ({"partitions": b"\xff"}, b"", 0),
])
def test_headers_of_anybody(headers: Any, subjects: bytes, partitions: int) -> None:
    """A record of the log is read, whoever wrote it; one without our headers is of no log."""
    assert record_of(7, b"v", headers) == Record(7, b"v", subjects, partitions)
    assert record_of(7, None, headers).value == b""


# ------------------------------------------------------------------------------------- policies


def cards_shown(world: fake.World) -> list[tuple[int, str, str]]:
    return next(c.cards for c in reversed(world.changes) if c.cards is not None)


@pytest.mark.parametrize("restart", [False, True])
def test_a_policy_that_replaces_another_of_its_day(restart: bool, tmp_path: Path) -> None:
    """There are as many as before: the view must get them all the same."""
    noon = ev.end_ms([]) + 400 * ev.DAY_MS
    first = [fake.record(0, [ev.change("plain")]), fake.record(1, [ev.change("hasty", noon)])]
    world = fake.World(first)
    keeper = fake.keeper(world, tmp_path)
    keeper.open()
    keeper.checkpoint()
    before = cards_shown(world)
    assert [document for _, document, _ in before] == [
        ev.encode(ev.policy(x)) for x in ("plain", "hasty")]
    world.log.append(fake.record(2, [ev.change("nervous", noon + 60_000)]))
    if restart:
        keeper = fake.keeper(world, tmp_path)
        keeper.open()
    else:
        keeper.take(world.log[2:])
    after = cards_shown(world)
    assert [document for _, document, _ in after] == [
        ev.encode(ev.policy(x)) for x in ("plain", "nervous")]
    assert [day for day, _, _ in after] == [day for day, _, _ in before]
    assert checkpoint.cards(keeper.shard) == after


def test_a_policy_that_stands_is_not_written_again(tmp_path: Path) -> None:
    """It has 20 KB."""
    world = fake.World(log())
    keeper = fake.keeper(world, tmp_path, flush_max_events=1)
    keeper.open()
    assert [c.cards is not None for c in world.changes] == [True] + [False] * (
        len(world.changes) - 1)
    assert len(world.changes) > 5
