"""Goal: an example says what counted for a business on a day, and what came of it by what is known
when the horizon and the grace are over; whoever is left out is left out for a stated reason.

Method: hand-worked stories; then random histories against a slow, plain definition, in any order of
arrival; the step's own examples are those of the definition on the day it says them. Planted faults
are found.
"""

from __future__ import annotations

import datetime as dt
import itertools
import random
from collections.abc import Callable
from types import SimpleNamespace
from typing import NamedTuple

import events as ev
import msgspec
import oracle
import pytest
import xxhash
from hypothesis import given
from hypothesis import strategies as st
from story import ITEM, OTHER, Story, day_of

from models import records as r
from models.examples import Example
from models.ledger import Fact
from models.policy import INDICATORS
from models.scorecard import Card
from models.subject import Subject
from storage.effects import Effect
from streams import panel
from streams.panel import examples_of, place_of
from streams.pipeline import Entry, Shard

LEARNING = ev.policy().learning
WAIT_D = LEARNING.horizon_d + LEARNING.grace_d


def every(variant: str = "unit", one_in: int = 1) -> Card:
    """The policy's card, with all of those without a finding in the sample."""
    policy = ev.policy(variant)
    return Card(msgspec.structs.replace(policy, learning=msgspec.structs.replace(
        policy.learning, clean_one_in=one_in)), 0)


ALL = every()
PLAIN = every("plain")
SOME = every("plain", 3)


def seen(story: Story, date: str) -> dict[str, Example]:
    return {x.item: x for x in examples_of(story.subject, ALL, day_of(date))}


def adverse(story: Story, date: str = "2026-01-01") -> dict[str, bool]:
    return {item: x.adverse for item, x in seen(story, date).items()}


def begun(*items: str) -> Story:
    """A business that passed an inspection before the day that is looked at."""
    story = Story()
    story.do("2025-12-01", "subject.registered", kind="individual", industry="F5211")
    for item in items or (ITEM,):
        story.do("2025-12-02", "inspection.completed", item=item)
    return story


# ------------------------------------------------------------------------------------- stories


def test_what_an_example_says() -> None:
    story = begun()
    story.do("2025-12-20", "complaint.filed", severity=2)
    story.do("2026-03-01", "penalty.decided")
    [one] = seen(story, "2026-01-01").values()
    assert (one.subject, one.item, one.day) == (story.key, ITEM, day_of("2026-01-01"))
    assert (one.group, one.kind, one.size) == (1, "individual", "small")
    assert (one.district, one.industry) == ("500106", "F5211")
    assert (one.adverse, one.weight, one.grade, one.count) == (True, 1.0, 0, 0.0)
    # A passed inspection without findings weighs 1; a complaint of severity 2 is twelve days old.
    assert one.features == {"complaint": pytest.approx(2 ** (-12 / 60)), "inspection_pass": 1.0}
    # A day in the penalty's life: the finding counts, and what it weighs.
    after = seen(story, "2026-03-11")[ITEM]
    assert not after.adverse and after.count == pytest.approx(2 ** (-10 / 180))
    assert after.features["penalty_general"] == pytest.approx(2 ** (-10 / 365))
    assert after.grade == story.subject.grade_at(story.code(ITEM), day_of("2026-03-11"))


@pytest.mark.parametrize(("when", "expected"), [
    ("2026-01-01", False), ("2026-01-02", True), ("2026-06-30", True), ("2026-07-01", False)])
def test_the_horizon_begins_after_the_day(when: str, expected: bool) -> None:
    """180 days: 1 January is what is known already, 30 June is the last."""
    story = begun()
    story.do(when, "penalty.decided")
    assert adverse(story) == {ITEM: expected}


def test_a_penalty_that_is_revoked_was_no_finding() -> None:
    story = begun()
    penalty = story.do("2026-02-01", "penalty.decided")
    assert adverse(story) == {ITEM: True}
    back = story.do("2026-07-20", "penalty.revoked", of=penalty)
    assert adverse(story) == {ITEM: False}
    story.do("2026-07-25", "objection.upheld", of=back)
    assert adverse(story) == {ITEM: True}, "the revocation was taken back"


def test_what_was_repaired_happened_all_the_same() -> None:
    story = begun()
    penalty = story.do("2026-02-01", "penalty.decided")
    story.do("2026-05-10", "repair.approved", of=penalty)
    assert adverse(story) == {ITEM: True}
    assert "penalty_general" in seen(story, "2026-05-09")[ITEM].features
    assert "penalty_general" not in seen(story, "2026-05-10")[ITEM].features


def test_an_open_objection_leaves_the_item_out() -> None:
    """Nobody knows yet; the other item is known."""
    story = begun(ITEM, OTHER)
    penalty = story.do("2026-02-01", "penalty.decided")
    story.do("2026-02-03", "objection.raised", of=penalty)
    assert adverse(story) == {OTHER: False}
    story.do("2026-03-03", "objection.rejected", of=penalty)
    assert adverse(story) == {ITEM: True, OTHER: False}


def test_another_finding_beside_the_one_objected_to() -> None:
    story = begun()
    penalty = story.do("2026-02-01", "penalty.decided")
    story.do("2026-02-03", "objection.raised", of=penalty)
    story.do("2026-04-01", "inspection.completed", result="fail")
    assert adverse(story) == {ITEM: True}


def test_a_listing_concerns_every_item() -> None:
    story = begun(ITEM, OTHER)
    story.do("2026-02-01", "list.entered", list="red")
    assert adverse(story) == {ITEM: False, OTHER: False}
    story.do("2026-02-02", "list.entered", list="serious")
    assert adverse(story) == {ITEM: True, OTHER: True}


@pytest.mark.parametrize(("result", "expected"), [
    ("pass", False), ("fixed", False), ("fail", True), ("obstructed", True),
    ("untraceable", True)])
def test_results_of_inspections(result: str, expected: bool) -> None:
    story = begun()
    story.do("2026-02-01", "inspection.completed", result=result)
    assert adverse(story) == {ITEM: expected}


def test_broken_promises() -> None:
    story = begun(ITEM, OTHER)
    made = story.do("2026-01-05", "commitment.made", due_on="2026-03-01")
    story.do("2026-02-01", "complaint.filed")
    assert adverse(story) == {ITEM: False, OTHER: False}, "a complaint is no finding"
    story.do("2026-03-02", "commitment.breached", of=made)
    assert adverse(story) == {ITEM: True, OTHER: False}
    story.do("2026-03-03", "objection.upheld", of=made)
    assert adverse(story) == {ITEM: False, OTHER: False}, "no promise, no breach"


def test_a_business_that_ended() -> None:
    story = begun()
    story.do("2026-04-01", "subject.cancelled")
    assert adverse(story) == {}, "nobody could find anything for half of the time"
    assert adverse(story, "2025-12-03") == {}
    story.do("2026-02-01", "penalty.decided")
    assert adverse(story) == {ITEM: True}, "but what was found was found"
    assert adverse(story, "2026-04-01") == {}


def test_of_whom_nothing_is_known() -> None:
    story = Story()
    story.do("2026-02-01", "penalty.decided")
    assert adverse(story, "2026-01-31") == {}, "it would be known by its finding only"
    assert adverse(story, "2026-02-01") == {ITEM: False}


def test_one_of_so_many_without_a_finding() -> None:
    """A share of them, by business and day, each standing for as many; findings all."""
    story, fourth = begun(), every(one_in=4)
    kept = [x for day in range(day_of("2026-01-01"), day_of("2026-01-01") + 2_000)
            for x in examples_of(story.subject, fourth, day)]
    assert {x.weight for x in kept} == {4.0}
    # Good evidence lasts two years: so many days there was something to say.
    days = sum(bool(examples_of(story.subject, ALL, day))
               for day in range(day_of("2026-01-01"), day_of("2026-01-01") + 2_000))
    assert sum(x.weight for x in kept) == pytest.approx(days, rel=0.15)
    story.do("2026-02-01", "penalty.decided")
    assert {x.weight for day in range(day_of("2026-01-01"), day_of("2026-01-31"))
            for x in examples_of(story.subject, fourth, day)} == {1.0}


# ------------------------------------------------------------------------------- the definition


class Row(NamedTuple):
    item: str
    adverse: bool
    weight: float
    grade: int
    past: float
    features: dict[str, float]


def found(shard: Shard, subject: Subject) -> list[Fact]:
    """Adverse findings that stand, as the law of the matter names them."""
    facts = oracle._resolve(subject.facts, ALL.offset_ms)
    out = []
    for fact in facts.by_key.values():
        name = r.TYPE_NAMES[fact.type]
        bad = name == "penalty.decided" or (
            name == "inspection.completed"
            and r.RESULTS[fact.variant & 7] in ("fail", "obstructed", "untraceable")) or (
            name == "list.entered"
            and r.LISTS[fact.variant] in ("serious", "debtor", "abnormal", "ban")) or (
            name in ("commitment.breached", "rectification.failed") and fact.parent is not None
            and not fact.parent.revoked)
        if bad and not fact.revoked:
            out.append(fact)
    return out


def definition(shard: Shard, subject: Subject, card: Card, day: int) -> list[Row]:
    """Every item with evidence or a grade on the day, one by one, in floating point."""
    assert shard.timeline is not None
    facts = oracle._resolve(subject.facts, card.offset_ms)
    signals = oracle._resolve(subject.signals, card.offset_ms)
    ended = min((f.day for f in facts.by_type.get(r.CANCELLED, ()) if not f.revoked),
                default=1 << 30)
    if ended <= day:
        return []
    bad = found(shard, subject)
    soon = [f for f in bad if day < f.day <= day + LEARNING.horizon_d]
    segments = [s for records, public in ((facts, True), (facts, False), (signals, False))
                for s in oracle._segments(records, card, public=public) if s.start <= day < s.stop]
    path = oracle.path_of(facts, shard.timeline, subject.group, day)
    items = {s.item for s in segments} | {item for item, _, _ in path}
    sampled = xxhash.xxh3_64_intdigest(
        f"{subject.key}\n{day}".encode()) % card.policy.learning.clean_one_in == 0
    if not any(f.objection != 1 for f in soon) and (
            not sampled or ended <= day + LEARNING.horizon_d):
        return []
    rows = []
    for item in sorted(items - {0}):
        about = [f for f in soon if f.item in (0, item)]
        hit = any(f.objection != 1 for f in about)
        if about and not hit:
            continue
        features: dict[str, float] = {}
        for s in segments:
            if s.item in (0, item):
                one = card.indicators[s.indicator]
                x = one.multipliers[s.step]
                if one.half_life_d:
                    x *= 2 ** (-(day - s.origin) / one.half_life_d)
                name = INDICATORS[s.indicator]
                features[name] = features.get(name, 0.0) + x
        grade = [g for code, since, g in path if code == item and since <= day][-1:] or [4]
        any_hit = any(f.objection != 1 for f in soon)
        rows.append(Row(card.item_ids[item], hit,
                        1.0 if any_hit else float(card.policy.learning.clean_one_in), grade[0],
                        sum(0.5 ** ((day - f.day) / 180) for f in bad
                            if f.day <= day and f.item in (0, item)),
                        {k: v for k, v in features.items() if v}))
    return rows


def same(made: list[Example], rows: list[Row]) -> bool:
    return len(made) == len(rows) and all(
        (x.item, x.adverse, x.weight, x.grade) == row[:4]
        and x.count == pytest.approx(row.past, abs=1e-6) and list(x.features) == sorted(x.features)
        and x.features == pytest.approx(row.features) for x, row in zip(made, rows, strict=True))


SHAPE = ev.Shape(span_d=450)


def shard_of(seed: int, n: int = 40) -> tuple[Shard, list[ev.Made]]:
    made = ev.build(ev.draw(seed, n, SHAPE), SHAPE)
    return ev.fold([*ev.entries(made), ev.tick(ev.end_ms(made, 1))]), made


def check(seeds: range) -> tuple[int, int]:
    """Compare; how many examples there were, and how many of them adverse."""
    count = hits = 0
    for seed in seeds:
        rng = random.Random(seed)
        shard, _ = shard_of(seed)
        for subject in shard.subjects.values():
            for _ in range(12):
                day, card = shard.day - rng.randrange(0, 460), rng.choice((PLAIN, SOME))
                rows = definition(shard, subject, card, day)
                made = examples_of(subject, card, day)
                assert same(made, rows), (seed, subject.key, day, made, rows)
                count += len(made)
                hits += sum(x.adverse for x in made)
    return count, hits


def test_examples_are_those_of_the_definition() -> None:
    count, hits = check(range(60))
    assert count > 1_000 and hits > 300 and count - hits > 300


@given(moves=ev.moves(SHAPE, 14), back=st.integers(0, 460))
def test_examples_are_those_of_the_definition_for_any_history(moves: list[ev.Move],
                                                              back: int) -> None:
    made = ev.build(moves, SHAPE)
    if made:
        shard = ev.fold([*ev.entries(made), ev.tick(ev.end_ms(made, 1))])
        for subject in shard.subjects.values():
            assert same(examples_of(subject, PLAIN, shard.day - back),
                        definition(shard, subject, PLAIN, shard.day - back))


@given(moves=ev.moves(SHAPE, 14), seed=st.integers(0, 99), back=st.integers(0, 300))
def test_the_order_of_arrival_does_not_matter(moves: list[ev.Move], seed: int, back: int) -> None:
    """To the last bit."""
    made = ev.build(moves, SHAPE)
    if not made:
        return
    found = []
    for order in (made, made[::-1], random.Random(seed).sample(made, len(made))):
        shard = ev.fold([*ev.entries(order), ev.tick(ev.end_ms(made, 1))])
        found.append([x for key in sorted(shard.subjects) for x in examples_of(
            shard.subjects[key], PLAIN, shard.day - back)])
    assert found[0] == found[1] == found[2]


def _revoked_stay(p: pytest.MonkeyPatch) -> None:
    p.setattr(panel, "_findings", lambda facts: [
        f for kind in panel.ADVERSE & facts.by_type.keys() for f in facts.by_type[kind]
        if kind != r.INSPECTION or f.variant & 7 > 1])


def _sees_the_future(p: pytest.MonkeyPatch) -> None:
    plain = panel._features
    p.setattr(panel, "_features", lambda live, item, day, card: plain(live, item, day + 1, card))


def _all_are_sampled(p: pytest.MonkeyPatch) -> None:
    p.setattr(panel, "xxhash", SimpleNamespace(xxh3_64_intdigest=lambda _: 0))


@pytest.mark.parametrize("plant", [_revoked_stay, _sees_the_future, _all_are_sampled])
def test_planted_faults_are_found(plant: Callable[[pytest.MonkeyPatch], None],
                                  monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch)
    with pytest.raises(AssertionError):
        check(range(60))


# ------------------------------------------------------------------------------------- the step


def told(effects: list[Effect]) -> list[Example]:
    return [x for x in effects if isinstance(x, Example)]


def test_each_business_is_looked_at_once_in_so_many_days() -> None:
    """On the day its code decides, when horizon and grace are over; whatever happens to whom."""
    shard, _ = shard_of(3, 60)
    days = range(shard.day + 1, shard.day + 401)
    looked: dict[str, list[int]] = {}
    for day in days:
        before = {k: examples_of(s, shard._card, day - WAIT_D - 1)
                  for k, s in shard.subjects.items()
                  if (day - place_of(k, LEARNING)) % LEARNING.every_d == 0}
        said = told(shard.step([ev.tick(day * ev.DAY_MS - ALL.offset_ms)]))
        for key in before:
            looked.setdefault(key, []).append(day)
        assert said == [x for key in shard.subjects if key in before for x in before[key]]
    assert set(looked) == set(shard.subjects)
    for found in looked.values():
        assert {b - a for a, b in itertools.pairwise(found)} == {LEARNING.every_d}


@pytest.mark.parametrize(("late_d", "expected"), [(0, True), (WAIT_D, True), (WAIT_D + 1, None)])
def test_what_arrives_within_the_grace_changes_the_outcome(late_d: int,
                                                           expected: bool | None) -> None:
    """A penalty of the horizon's last day is known at once, on the last day of the grace, or one
    day later: then the example has been told, without it."""
    story = Story()
    place = place_of(story.key, LEARNING)
    looked = next(d for d in range(day_of("2025-12-05"), day_of("2026-12-01"))
                  if (d + WAIT_D + 1 - place) % LEARNING.every_d == 0 and
                  xxhash.xxh3_64_intdigest(f"{story.key}\n{d}".encode()) % LEARNING.clean_one_in)
    story.do("2025-12-02", "inspection.completed")
    decided = dt.date(1970, 1, 1) + dt.timedelta(looked + 1)
    penalty = story.make(decided.isoformat(), "penalty.decided")
    recorded_ms = max(penalty.time_ms, (looked + late_d) * ev.DAY_MS + 60_000)
    effects: list[Effect] = []
    for day in range(looked + 1, looked + WAIT_D + 3):
        noon_ms = day * ev.DAY_MS - ALL.offset_ms + ev.DAY_MS // 2
        if day == looked + max(late_d, 1):
            effects += story.shard.step([ev.tick(noon_ms), Entry(
                max(recorded_ms, noon_ms), penalty.body, penalty.event)])
        else:
            effects += story.shard.step([ev.tick(noon_ms)])
    hits = [x.adverse for x in told(effects) if x.day == looked]
    assert hits == [expected] * (expected is not None), "a clean one is not in the sample"


def test_cells_are_no_businesses() -> None:
    shard = ev.shard()
    made = ev.make("alert.acknowledged", "s", "a", "cell:x", dt.datetime(
        2026, 1, 1, 12, tzinfo=ev.BEIJING), {"alert": "x", "actor": "y"})
    shard.step(ev.entries([made]))
    assert shard.others == 1 and not any(shard.panels.values())
