"""Goal: no flood of complaints, tips and raw alarms against one business moves its credit score,
its grades or its public record at all, nor its risk score by more than the policy's caps; and no
weights that a log may carry, however they were come by, leave their bounds or their sign.

Method: random histories with and without a flood, on many days, under the expert's weights, under
random ones, under distances far beyond every bound, and under what the learner makes of outcomes
that an adversary chose. Planted faults are found.
"""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Callable, Iterator, Sequence
from functools import cache

import checks
import events as ev
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models import events as e
from models import scorecard
from models.examples import Example
from models.learner import Learner
from models.ledger import resolve, segments
from models.policy import INDICATORS
from models.score import Scores, of_item, risk_at, score
from models.scorecard import GROUPS, Card
from models.subject import Subject
from models.weights import NOTHING_LEARNED, Weights
from streams import codec
from streams.pipeline import Entry, Shard

SHAPE = ev.Shape(span_d=200)
TARGET = ev.codes(2)[0]
FIRST = dt.datetime.combine(ev.FIRST, dt.time(8), ev.BEIJING)
SINCE = (ev.FIRST - dt.date(1970, 1, 1)).days
POLICY = ev.policy("plain")
CAPS = round(1000 * sum(POLICY.caps.values()))


def flood(seed: int, n: int) -> list[ev.Made]:
    """Reports of an adversary, and what becomes of some of them."""
    rng = random.Random(seed)
    items = ev.card().item_ids[1:]
    out: list[ev.Made] = []
    for k in range(n):
        when = FIRST + dt.timedelta(seconds=rng.randrange(200 * 86_400))
        item = items[rng.randrange(3) * 7]
        if rng.random() < 0.3:
            out.append(ev.make("iot.alarm", "flood", f"f{k}", TARGET, when, {
                "item": item, "device": f"d{k % 9}", "code": "over",
                "severity": rng.randrange(1, 5), "verified": False}))
            continue
        out.append(ev.make("complaint.filed", "flood", f"f{k}", TARGET, when, {
            "item": item, "kind": rng.choice(("complaint", "tip")), "category": "x",
            "severity": rng.randrange(1, 5), "complainant": f"{k % 5}"}))
        if rng.random() < 0.4:
            out.append(ev.make("complaint.closed", "flood", f"g{k}", TARGET,
                               when + dt.timedelta(days=rng.randrange(40)),
                               {"of": {"source": "flood", "id": f"f{k}"}, "outcome": rng.choice((
                                   "rejected", "withdrawn", "mediated", "upheld"))}, f"f{k}"))
    return out


def far(sign: float) -> Weights:
    """Distances beyond every bound: worst (-) or best (+) for every kind of business."""
    return Weights("w000001", SINCE, dict.fromkeys(INDICATORS, (sign * 1e9,) * 3), (
        {"": sign}, {"": sign, "cq1-17": -sign}, {}))


def example(n: int, day: int, features: dict[str, float], adverse: bool) -> Example:
    return Example(f"s{n}", n % 3, "enterprise", "small", "500106", "H6210", "cq1-17", day, adverse,
                   1_000.0, 0, 0.0, features)


@cache
def taught(sign: int) -> Weights:
    """What the learner makes of an adversary's outcomes: whoever is reported is found out, or
    nobody who is reported ever is, and whoever is clean always is."""
    policy = msgspec.structs.replace(POLICY, learning=msgspec.structs.replace(
        POLICY.learning, adverse_min=1, strength=0.1, rate=1.0))
    learner = Learner(policy)
    names = ("complaint", "tip", "complaint_upheld", "complaint_mediated", "iot_alarm")
    for day in range(SINCE - 40, SINCE):
        learner.learn(day, [x for n in range(30) for x in (
            example(n, day - 20, dict.fromkeys(names, 1.0 + n % 4), sign < 0),
            example(n + 100, day - 20, {}, sign > 0))])
    made = learner.weights(SINCE, 1)
    assert made is not None
    return made


def weights_of(seed: int) -> Weights:
    return (NOTHING_LEARNED, far(-1), far(1), taught(-1), taught(1),
            checks.random_weights(random.Random(seed), "w000001", SINCE))[seed % 6]


def fold(made: Sequence[ev.Made], learned: Weights) -> Shard:
    arrivals = [*ev.entries(made), ev.tick(ev.end_ms(made, 1))]
    if learned.since_day:
        event = e.WeightsChanged(learned)
        arrivals.insert(len(arrivals) // 2, Entry(
            arrivals[len(arrivals) // 2].recorded_ms, codec.encode(event), event))
    return ev.fold(arrivals)


def scores(shard: Shard, subject: Subject, item: int, day: int) -> tuple[Scores, int]:
    """Both scores of an item on a day, under the card of today; and the risk as alerts see it."""
    card = shard._card
    facts = resolve(subject.facts, card.offset_ms)
    signals = resolve(subject.signals, card.offset_ms)
    public = of_item(segments(facts, card, public=True), item)
    internal = of_item(segments(facts, card, public=False)
                       + segments(signals, card, public=False), item)
    return (score(public, internal, day, card, subject.group, item),
            risk_at(public, internal, day, card, subject.group, item))


def hold(made: Sequence[ev.Made], seed: int, n: int) -> int:
    """Compare a history with the same and a flood; the most that it cost [thousandths]."""
    learned, more = weights_of(seed), flood(seed, n)
    base = ev.make("inspection.completed", "base", "b", TARGET, FIRST, {
        "item": "cq1-01", "plan": "random", "result": "pass", "findings": []})
    everything = [base, *made, *more]
    plain = fold([base, *made], learned)
    flooded = fold(random.Random(seed).sample(everything, len(everything)), learned)
    for shard in (plain, flooded):
        shard.step([ev.tick(ev.end_ms(everything, 1))])
    one, other = plain.subjects[TARGET], flooded.subjects[TARGET]
    assert one.path == other.path, "grades"
    assert one.facts and len(other.facts) == len(one.facts), "nothing of it is a public fact"
    most = 0
    for day in range(SINCE, flooded.day + 60, 11):
        for item in {0, *one.graded_items()}:
            (a, risk_a), (b, risk_b) = (scores(plain, one, item, day),
                                        scores(flooded, other, item, day))
            assert a.credit == b.credit, f"credit {a.credit} -> {b.credit} on day {day}"
            assert [c[:3] for c in a.contributions if c.public] == [
                c[:3] for c in b.contributions if c.public]
            assert 0 <= a.risk - b.risk <= CAPS and 0 <= risk_a - risk_b <= CAPS, (
                f"risk {a.risk} -> {b.risk} on day {day}, caps {CAPS}")
            most = max(most, a.risk - b.risk)
    return most


def test_a_flood_moves_nothing_but_the_risk_and_that_to_its_caps() -> None:
    costs = []
    with ev.quick_cards():
        for seed in range(48):
            made = ev.build(ev.draw(seed, 12, SHAPE), SHAPE)
            costs.append(hold(made, seed, 120))
    assert max(costs) == CAPS, "some floods reach both caps"
    assert sum(c > 0 for c in costs) > 30


@settings(max_examples=30)
@given(moves=ev.moves(SHAPE, 10), seed=st.integers(0, 300), n=st.integers(0, 60))
def test_any_flood_on_any_history(moves: list[ev.Move], seed: int, n: int) -> None:
    with ev.quick_cards():
        hold(ev.build(moves, SHAPE), seed, n)


def test_the_adversary_reaches_the_bounds() -> None:
    """Else the floods above were not the worst; and they stay there however long it goes on."""
    for sign in (-1, 1):
        card = Card(POLICY, SINCE, taught(sign))
        for name in ("complaint", "complaint_upheld", "iot_alarm"):
            n = INDICATORS.index(name)
            low, high = card.indicators[n].bounds
            for group in range(len(GROUPS)):
                assert card.weight(n, group) == pytest.approx(
                    low if sign < 0 else high, abs=0.02), name


# ------------------------------------------------------------------------------- bounds of weights

ANY = st.floats(allow_nan=False, allow_infinity=False)
DOCUMENTS = st.builds(
    Weights, st.just("w000001"), st.just(SINCE),
    st.dictionaries(st.sampled_from([*INDICATORS, "no such indicator"]), st.tuples(ANY, ANY, ANY),
                    max_size=6),
    st.tuples(*[st.dictionaries(st.sampled_from(["", "cq1-17", "no such item"]),
                                st.floats(-20, 20), max_size=3)] * 3))


def bounded(learned: Weights) -> None:
    """Every weight and every point in its bounds, and of its sign, at every age."""
    card = Card(POLICY, SINCE, learned)
    for n, one in enumerate(card.indicators):
        low, high = one.bounds
        for group in range(len(GROUPS)):
            assert low <= card.weight(n, group) <= high, INDICATORS[n]
            for step, table in zip(one.multipliers, card.points[group][n], strict=True):
                edges = sorted(round(1000 * card.factor * x * step) for x in (low, high, 0.0))
                assert edges[0] <= min(table) and max(table) <= edges[-1]
                assert high > 0 or max(table) <= 0
                assert low < 0 or min(table) >= 0


@settings(max_examples=25)
@given(learned=DOCUMENTS)
def test_no_document_leaves_the_bounds(learned: Weights) -> None:
    bounded(learned)
    again = msgspec.json.decode(msgspec.json.encode(learned), type=Weights)
    assert Card(POLICY, SINCE, again).points == Card(POLICY, SINCE, learned).points


@pytest.mark.parametrize("sign", [-1, 1])
def test_far_distances_stand_at_the_bounds(sign: int) -> None:
    bounded(far(sign))
    bounded(taught(sign))


# --------------------------------------------------------------------------------- planted faults


def _no_caps(p: pytest.MonkeyPatch) -> None:
    p.setattr(scorecard, "CAPPED", {})


def _public(name: str) -> Callable[[pytest.MonkeyPatch], None]:
    """A signal is taken into the public record."""
    def plant(p: pytest.MonkeyPatch) -> None:
        own = msgspec.structs.replace(getattr(POLICY.indicators, name), record="public")
        made = msgspec.structs.replace(
            POLICY, indicators=msgspec.structs.replace(POLICY.indicators, **{name: own}))
        p.setattr(ev, "policy", lambda variant="plain": made)

    return plant


def _unclipped(p: pytest.MonkeyPatch) -> None:
    def weight(self: Card, indicator: int, group: int) -> float:
        moved = self.learned.moved.get(INDICATORS[indicator], (0.0,) * 3)[group]
        return self.indicators[indicator].weight + min(max(moved, -5.0), 5.0)

    p.setattr(Card, "weight", weight)


@pytest.fixture
def fresh() -> Iterator[None]:
    """Cards of before are not those of a fault, nor the other way round."""
    ev._remembered.cache_clear()
    yield
    ev._remembered.cache_clear()


@pytest.mark.parametrize(("test", "plant"), [
    (test_a_flood_moves_nothing_but_the_risk_and_that_to_its_caps, _no_caps),
    (test_a_flood_moves_nothing_but_the_risk_and_that_to_its_caps, _public("iot_alarm")),
    (test_a_flood_moves_nothing_but_the_risk_and_that_to_its_caps, _public("tip")),
    (lambda: test_far_distances_stand_at_the_bounds(-1), _unclipped)])
def test_planted_faults_are_found(test: Callable[[], None],
                                  plant: Callable[[pytest.MonkeyPatch], None], fresh: None,
                                  monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch)
    with pytest.raises(AssertionError):
        test()
