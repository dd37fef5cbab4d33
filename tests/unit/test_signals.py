"""Goal: the analysis of the city is told of each complaint once, and again whenever it begins or
ceases to count, in whatever order the word comes; nothing is said of who complained.

Method: hand-worked stories, each with its facts in every order; then random histories, where the
last word about each complaint is what its records say; a fault is planted and found.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence
from pathlib import Path

import events as ev
import keeper_fake as fake
import msgspec
import pytest
from story import Story

from models import records as r
from models.ledger import resolve
from storage.effects import Effect, Signal
from streams import signals
from streams.pipeline import Entry

FILED = {"item": "cq1-17", "kind": "complaint", "category": "食品安全", "complainant": "张三"}


def said(effects: Sequence[Effect]) -> list[Signal]:
    return [x for x in effects if isinstance(x, Signal)]


def told(story: Story) -> list[tuple[str, bool]]:
    return [(x.id, x.counts) for x in said(story.effects)]


def filed(story: Story, when: str = "2026-01-05", **data: str) -> str:
    return story.do(when, "complaint.filed", **{**FILED, **data})


def test_a_complaint_is_told_once() -> None:
    """With where, which trade, about what; not who."""
    story = Story()
    story.do("2026-01-01", "subject.registered", district="500106", industry="H6210")
    id = filed(story)
    [one] = said(story.effects)
    assert (one.id, one.source, one.subject, one.counts) == (id, "test", story.key, True)
    assert (one.district, one.industry, one.size) == ("500106", "H6210", "small")
    assert (one.item, one.cause) == ("cq1-17", "食品安全")
    assert one.day == 20458 and one.time_ms == one.recorded_ms
    assert "张三" not in str(one) and "h:" not in str(one), "nothing of who complained, not a hash"
    assert not {"complainant", "severity"} & set(msgspec.structs.asdict(one))


def test_before_registration_the_place_is_not_known() -> None:
    story = Story()
    filed(story)
    [one] = said(story.effects)
    assert (one.district, one.industry, one.size) == ("", "", "")


@pytest.mark.parametrize(("outcome", "counts"), [
    ("upheld", True), ("mediated", True), ("rejected", False), ("withdrawn", False)])
def test_its_outcome(outcome: str, counts: bool) -> None:
    story = Story()
    id = filed(story)
    story.do("2026-01-09", "complaint.closed", of=id, outcome=outcome)
    assert told(story) == [(id, True), (id, counts)]
    again = said(story.effects)[1]
    assert again.cause == "" and again.day == said(story.effects)[0].day


def test_taken_up_again() -> None:
    """An objection to the closing is upheld; or a later closing says otherwise."""
    story = Story()
    id = filed(story)
    closed = story.do("2026-01-09", "complaint.closed", of=id, outcome="rejected")
    objection = story.do("2026-01-12", "objection.upheld", of=closed)
    story.do("2026-01-13", "objection.upheld", of=objection)
    story.do("2026-01-20", "complaint.closed", of=id, outcome="upheld")
    assert told(story) == [(id, True), (id, False), (id, True), (id, False), (id, True)]


def test_an_objection_against_the_complaint() -> None:
    story = Story()
    id = filed(story)
    story.do("2026-01-06", "objection.raised", of=id)
    assert told(story) == [(id, True)], "nobody has decided yet"
    story.do("2026-01-09", "objection.upheld", of=id)
    story.do("2026-01-10", "complaint.closed", of=id, outcome="upheld")
    assert told(story)[1:] == [(id, False), (id, False)]


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
@pytest.mark.parametrize("last", [True, False])
def test_whatever_comes_first(order: tuple[int, ...], last: bool) -> None:
    """A complaint, its rejection, and an objection to that, in any order."""
    story = Story()
    made = [story.make("2026-01-05", "complaint.filed", id="f", **FILED),
            story.make("2026-01-06", "complaint.closed", of="f", id="c", outcome="rejected"),
            story.make("2026-01-07", "objection.upheld", of="c", id="o")][: 3 if last else 2]
    clock_ms = max(m.time_ms for m in made)
    for n in order:
        if n < len(made):
            story._step([Entry(clock_ms, made[n].body, made[n].event)])
    assert told(story)[-1] == ("f", last), "the last word counts"
    assert [x.cause for x in said(story.effects)].count("食品安全") == 1


def test_other_facts_say_nothing() -> None:
    story = Story()
    story.do("2026-01-01", "subject.registered")
    penalty = story.do("2026-01-02", "penalty.decided")
    story.do("2026-01-03", "objection.upheld", of=penalty)
    story.do("2026-01-04", "inspection.completed", result="fail")
    assert said(story.effects) == []


def test_a_reference_that_waits_in_vain_says_nothing() -> None:
    story = Story("hasty")
    story.do("2026-01-05", "complaint.closed", of="nowhere", outcome="rejected")
    story.to("2026-02-20")
    filed(story, "2026-02-21")
    assert [counts for _, counts in told(story)] == [True]


# ----------------------------------------------------------------------------- random histories

SHAPE = ev.Shape(span_d=60, kinds=("complaint.filed",) * 5 + ("complaint.closed",) * 5 + (
    "objection.raised", "objection.upheld", "objection.upheld", "penalty.decided",
    "subject.registered"))


def histories(seed: int) -> list[ev.Made]:
    made = ev.build(ev.draw(seed, 40, SHAPE), SHAPE)
    random.Random(seed).shuffle(made)
    return made


def check(seed: int) -> None:
    """The last word about each complaint is whether it counts by its records."""
    made = histories(seed)
    shard = ev.shard()
    last: dict[tuple[str, str], bool] = {}
    first: set[tuple[str, str]] = set()
    for entry in ev.entries(made):
        for one in said(shard.step([entry])):
            assert bool(one.cause) == ((one.source, one.id) not in first), "the cause once"
            first.add((one.source, one.id))
            last[one.source, one.id] = one.counts
    counts = {}
    for subject in shard.subjects.values():
        facts = resolve(subject.signals, 28_800_000)
        keys = {f.key: f for f in facts.by_type.get(r.COMPLAINT, ())}
        names = list(shard.sources)
        for key, (code, id) in subject.refs(set(keys)).items():
            fact = keys[key]
            counts[names[code], id] = not fact.revoked and fact.closed not in (2, 3)
    assert last == counts


def test_the_last_word_is_what_the_records_say() -> None:
    for seed in range(60):
        check(seed)


def test_a_closing_that_is_passed_over_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signals, "DECIDES", frozenset({r.OBJECTION_UPHELD}))
    with pytest.raises(AssertionError):
        test_the_last_word_is_what_the_records_say()


def test_the_cut_of_envelopes_does_not_matter() -> None:
    for seed in range(10):
        arrivals = list(ev.entries(histories(seed)))
        found = []
        for size in (1, 7, 500):
            shard = ev.shard()
            found.append([x for n in range(0, len(arrivals), size)
                          for x in said(shard.step(arrivals[n:n + size]))])
        assert found[0] == found[1] == found[2] != []


@pytest.mark.parametrize("flush", [1, 3, 4_000])
def test_a_keeper_tells_the_same_under_the_same_ids(flush: int, tmp_path: Path) -> None:
    """However much is written at once, and in the partition of the shard: its order matters."""
    with ev.quick_cards():
        log = fake.log_of(histories(4))
        world, whole = fake.World(log), fake.World(log)
        fake.keeper(whole, tmp_path / "whole").open()
        one = fake.keeper(world, tmp_path / "parts", flush_max_events=flush)
        one.open()
        one.flush()
    topics = {fake.TOPICS.signals, fake.TOPICS.examples}
    found = [m for m in world.said if m.topic in topics]
    assert found == [m for m in whole.said if m.topic in topics] and len(found) > 20
    assert {m.partition for m in found} == {0}
    ids = [msgspec.json.decode(m.value)["id"] for m in found if m.topic == fake.TOPICS.signals]
    assert len(set(ids)) == len(ids) and ids == sorted(ids, key=lambda i: [
        int(part) for part in i.split("-")])
