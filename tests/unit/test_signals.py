"""Goal: every adverse fact is told once as a signal, every outcome as an example with what was
known just before it; both follow from the log alone, under names that follow from it too.

Method: short stories with counts worked out by hand; a random log, folded twice, in other
envelopes, from a checkpoint, and through a keeper with any size of flush.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import events as ev
import keeper_fake as fake
import msgspec
import pytest

from storage.effects import Effect, Example, Signal
from storage.kafka_log import Record
from streams import checkpoint, codec, signals
from streams.pipeline import Shard

SUBJECT, OTHER = ev.codes(2)
ITEM, ELSE = "cq1-17", "cq1-18"
BASIS = [{"law": "食品安全法", "article": "1"}]
DATA: dict[str, dict[str, Any]] = {
    "complaint.filed": {"kind": "tip", "category": "食品安全"},
    "penalty.decided": {"document": "渝罚1", "kinds": ["fine", "warning"], "basis": BASIS},
    "inspection.completed": {"plan": "random", "result": "fail", "findings": [
        {"code": "F-7", "severity": "serious"}, {"code": "F-8", "severity": "minor"}]},
    "iot.alarm": {"device": "d1", "code": "over", "severity": 2, "verified": True},
    "commitment.made": {"matter": "m", "due_on": "2027-01-01", "kind": "approval"},
    "interview.held": {"kind": "warning"},
}


@pytest.fixture(autouse=True)
def quick() -> object:
    with ev.quick_cards():
        yield


class Told:
    """A shard, and what it said of one event after another."""

    def __init__(self) -> None:
        self.shard = ev.shard("plain")
        self.n = 0

    def do(self, day: str, type_: str, *, subject: str = SUBJECT, item: str = ITEM,
           recorded: str = "", **more: Any) -> tuple[Signal | None, Example | None]:
        """One event; its signal and its example."""
        self.n += 1
        data = {**DATA.get(type_, {}), **more}
        if type_ in DATA:
            data["item"] = item
        if type_ == "penalty.decided":
            data["decided_on"] = day[:10]
        when = ev.dt.datetime.fromisoformat(day if "T" in day else day + "T12:00:00+08:00")
        made = ev.make(type_, "部门", f"e{self.n}", subject, when, data)
        at = made.time_ms if not recorded else round(
            ev.dt.datetime.fromisoformat(recorded).timestamp() * 1000)
        effects = self.shard.step(
            [ev.entries([made], max(at, self.shard.clock_ms))[0]])
        found = [x for x in effects if isinstance(x, Signal)], [
            x for x in effects if isinstance(x, Example)]
        assert all(len(x) <= 1 for x in found)
        assert all(x.id == made.id for part in found for x in part)
        return found[0][0] if found[0] else None, found[1][0] if found[1] else None


REGISTERED = {"name": "示例", "kind": "individual", "district": "500106", "industry": "H6210",
              "size": "small", "registered_on": "2015-01-01"}


# ------------------------------------------------------------------------------ which events


@pytest.mark.parametrize(("type_", "more", "cause"), [
    ("complaint.filed", {}, "食品安全"),
    ("penalty.decided", {}, "fine"),
    ("inspection.completed", {}, "F-7"),
    ("inspection.completed", {"findings": []}, "fail"),
    ("inspection.completed", {"result": "obstructed", "findings": []}, "obstructed"),
    ("inspection.completed", {"result": "untraceable", "findings": []}, "untraceable"),
    ("iot.alarm", {}, "over"),
    ("iot.alarm", {"verified": False}, "over"),
])
def test_a_signal_of_each_type(type_: str, more: dict[str, Any], cause: str) -> None:
    told = Told()
    told.do("2026-01-02", "subject.registered", **REGISTERED)
    signal, _ = told.do("2026-03-04", type_, recorded="2026-03-05T00:00:00+08:00", **more)
    noon = 1_772_596_800_000
    assert signal == Signal("部门", "e2", type_, SUBJECT, "500106", "H6210", ITEM, cause, noon,
                            noon + 12 * 3_600_000)


def test_before_registration_nothing_is_known_of_place_and_trade() -> None:
    told = Told()
    signal, example = told.do("2026-03-04", "penalty.decided")
    assert signal is not None and (signal.district, signal.industry) == ("", "")
    assert example is not None and example.kind == ""
    told.do("2026-03-05", "subject.registered", **REGISTERED)
    signal, example = told.do("2026-03-06", "penalty.decided")
    assert signal is not None and (signal.district, signal.industry) == ("500106", "H6210")
    assert example is not None and example.kind == "individual"


@pytest.mark.parametrize(("type_", "more", "adverse"), [
    ("inspection.completed", {"result": "pass", "findings": []}, False),
    ("inspection.completed", {"result": "fixed"}, False),
    ("inspection.completed", {"result": "fail"}, True),
    ("inspection.completed", {"result": "obstructed"}, True),
    ("inspection.completed", {"result": "untraceable"}, True),
    ("penalty.decided", {}, True),
])
def test_an_example_of_each_outcome(type_: str, more: dict[str, Any], adverse: bool) -> None:
    """Good outcomes are no signals, but are learned from."""
    signal, example = Told().do("2026-03-04", type_, **more)
    noon = 1_772_596_800_000
    assert example == Example("部门", "e1", SUBJECT, "", ITEM, adverse, {}, noon, noon)
    assert (signal is not None) == adverse


@pytest.mark.parametrize("type_", ["complaint.filed", "iot.alarm"])
def test_what_is_no_outcome_is_no_example(type_: str) -> None:
    assert Told().do("2026-03-04", type_)[1] is None


def test_nothing_else_is_told() -> None:
    """Of all other types neither; so what is told was among the four."""
    shape = ev.Shape(devices=True)
    made = ev.build(ev.draw(8, 700, shape), shape)
    type_of = {m.id: m.type for m in made}
    effects = _all(made)
    assert {type_of[x.id] for x in effects if isinstance(x, Signal)} == {
        "complaint.filed", "penalty.decided", "inspection.completed", "iot.alarm"}
    assert {type_of[x.id] for x in effects if isinstance(x, Example)} == {
        "penalty.decided", "inspection.completed"}
    assert set(type_of.values()) > {"list.entered", "iot.readings", "complaint.closed"}


def test_what_was_refused_or_sent_twice_is_told_once() -> None:
    made = ev.make("complaint.filed", "s", "1", SUBJECT, ev.dt.datetime(2026, 1, 1, 8,
                   tzinfo=ev.BEIJING), {**DATA["complaint.filed"], "item": ITEM})
    other = ev.make("complaint.filed", "s", "1", SUBJECT, ev.dt.datetime(2026, 1, 2, 8,
                    tzinfo=ev.BEIJING), {**DATA["complaint.filed"], "item": ITEM})
    shard = ev.shard("plain")
    effects = [x for one in (made, made, other, made) for x in shard.step(ev.entries([one]))]
    assert [x.time_ms for x in effects if isinstance(x, Signal)] == [made.time_ms]


# ------------------------------------------------------------------------ what was known before


def test_features_are_the_year_before_on_the_item() -> None:
    """Records by type: on the item, of the subject, later than a year before, not later than the
    outcome, and not the outcome itself."""
    told = Told()
    told.do("2025-03-04T12:00:00+08:00", "complaint.filed")  # a year before, to the second
    told.do("2025-03-04T12:00:01+08:00", "complaint.filed")
    told.do("2025-10-01", "complaint.filed", item=ELSE)
    told.do("2025-10-01", "complaint.filed", subject=OTHER)
    told.do("2025-10-02", "iot.alarm", verified=False)
    told.do("2025-10-03", "commitment.made")
    told.do("2025-10-04", "penalty.decided")
    told.do("2025-10-05", "interview.held")
    told.do("2026-03-04T12:00:00+08:00", "complaint.filed")  # at the same moment
    _, example = told.do("2026-03-04", "inspection.completed")
    assert example is not None
    assert example.features == {"commitment.made": 1, "complaint.filed": 2, "interview.held": 1,
                                "iot.alarm": 1, "penalty.decided": 1}
    assert list(example.features) == sorted(example.features)
    _, example = told.do("2026-03-05", "inspection.completed", item=ELSE)
    assert example is not None and example.features == {"complaint.filed": 1}


def test_what_is_recorded_late_was_not_known() -> None:
    """Neither what arrives after the outcome, nor what happened after it and arrived before."""
    told = Told()
    told.do("2026-03-10", "complaint.filed")
    _, example = told.do("2026-03-04", "penalty.decided")
    assert example is not None and example.features == {}
    told.do("2026-03-01", "complaint.filed")
    _, example = told.do("2026-03-05", "penalty.decided")
    assert example is not None
    assert example.features == {"complaint.filed": 1, "penalty.decided": 1}


def test_a_year_that_is_too_long_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Planted faults."""
    monkeypatch.setattr(signals, "KNOWN_D", 366)
    with pytest.raises(AssertionError):
        test_features_are_the_year_before_on_the_item()


# ----------------------------------------------------------------------- the same, whatever comes


@functools.cache
def log() -> tuple[Record, ...]:
    shape = ev.Shape(subjects=4, kinds=("complaint.filed", "penalty.decided", "iot.alarm",
                                        "inspection.completed", "subject.registered",
                                        "complaint.closed", "penalty.revoked"))
    return tuple(fake.log_of(ev.build(ev.draw(2, 120, shape), shape), 7))


def _all(made: list[ev.Made]) -> list[Effect]:
    shard = ev.shard("plain")
    return [x for entry in ev.entries(made) for x in shard.step([entry])]


def named(shard: Shard, records: tuple[Record, ...]) -> dict[str, Signal | Example]:
    """What a fold tells, by the names it must have on the topics of partition 3."""
    return {f"3-{record.offset}-{place}": effect for record in records
            for place, effect in enumerate(shard.step(codec.decode_envelope(record.value)))
            if isinstance(effect, Signal | Example)}


@functools.cache
def wanted() -> dict[str, Signal | Example]:
    return named(Shard(), log())


def test_the_log_decides() -> None:
    """Folded again it tells the same, also on from a checkpoint of its middle."""
    assert sum(isinstance(x, Signal) for x in wanted().values()) > 30
    assert sum(isinstance(x, Example) and bool(x.features) for x in wanted().values()) > 15
    assert named(Shard(), log()) == wanted()
    shard = Shard()
    half = len(log()) // 2
    first = named(shard, log()[:half])
    again = checkpoint.load(list(checkpoint.dump(shard)))
    assert first | named(again, log()[half:]) == wanted()


def test_envelopes_do_not_matter() -> None:
    """But for the names."""
    entries = [x for record in log() for x in codec.decode_envelope(record.value)]
    one, each = Shard(), Shard()
    told = [x for x in one.step(entries) if isinstance(x, Signal | Example)]
    assert told == [x for entry in entries for x in each.step([entry])
                    if isinstance(x, Signal | Example)] == list(wanted().values())


@pytest.mark.parametrize("flush", [1, 10, 50, 4_000])
@pytest.mark.parametrize("delivered", [False, True])
def test_they_reach_their_topics(flush: int, delivered: bool, tmp_path: Path) -> None:
    """`<partition>-<offset>-<place>`, whatever is flushed together and however it arrives."""
    world = fake.World(log()[:1] if delivered else log())
    keeper = fake.keeper(world, tmp_path, flush_max_events=flush, partition=3)
    keeper.open()
    if delivered:
        world.log = list(log())
        for n in range(1, len(log()), 3):
            keeper.take(log()[n : n + 3])
    found: dict[str, Signal | Example] = {}
    for message in world.said:
        event = msgspec.json.decode(message.value)
        kinds: dict[str, type[Signal | Example]] = {"xinfeng.signal": Signal,
                                                    "xinfeng.example": Example}
        if event["type"] not in kinds:
            assert message.topic not in (fake.TOPICS.signals, fake.TOPICS.examples)
            continue
        effect = msgspec.convert(event["data"], kinds[event["type"]])
        assert event["id"] not in found
        found[event["id"]] = effect
        assert event["subject"] == effect.subject and event["source"] == "urn:xinfeng:log"
        if isinstance(effect, Signal):
            assert message.topic == fake.TOPICS.signals
            assert message.key.decode() == f"{effect.district}|{effect.item}"
        else:
            assert message.topic == fake.TOPICS.examples
            assert message.key.decode() == effect.item
    assert found == wanted()
    assert list(found) == list(wanted()), "in the order of the log"
