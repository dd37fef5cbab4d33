"""The scorecard: log-odds to integer points, the same on every machine."""

from __future__ import annotations

import math
import random

import events as ev
import msgspec
import pytest

from models.policy import INDICATORS
from models.scorecard import AGE_MAX_D, Card, Timeline, decay
from models.weights import Weights

CARD = ev.card("unit")


def test_points_to_double_the_odds() -> None:
    """One doubling of the odds is `pdo` points; even odds stand at `base_points`."""
    assert CARD.probability(400_000) == pytest.approx(0.5)
    for points, odds in ((450_000, 2), (500_000, 4), (350_000, 0.5), (0, 2**-8),
                         (1_000_000, 2**12)):
        p = CARD.probability(points)
        assert (1 - p) / p == pytest.approx(odds)
    assert CARD.base[0] == round(1000 * (400 + 50 / math.log(2) * 4.0))


def test_weights_become_points_at_once_and_halve() -> None:
    for n, name in enumerate(INDICATORS):
        one = CARD.indicators[n]
        for step, factor in enumerate(one.multipliers):
            table = CARD.points[0][n][step]
            assert table[0] == round(1000 * 50 / math.log(2) * one.weight * factor), name
            if one.half_life_d:
                assert abs(2 * table[one.half_life_d] - table[0]) <= 2
                assert sorted(table, key=abs, reverse=True) == table, "it only fades"
            else:
                assert set(table) == {table[0]}


def test_tables_are_long_enough_for_every_effect() -> None:
    """No segment may ask for an age that its table does not have."""
    for n in range(len(INDICATORS)):
        for group in range(3):
            assert all(len(t) >= CARD.span_d[n] for t in CARD.points[group][n])
        months = CARD.indicators[n].max_months
        assert CARD.span_d[n] == AGE_MAX_D or CARD.span_d[n] >= 30.5 * months


@pytest.mark.parametrize("half", [1, 2, 30, 365, 730])
def test_decay_is_exact_to_the_last_bits(half: int) -> None:
    curve = decay(half, 4 * half + 1)
    for age in (0, half, 2 * half, 4 * half):
        assert abs(curve[age] - 2**64 / 2 ** (age / half)) < 2**64 * 1e-12
    assert decay(0, 3) == [2**64] * 3


def test_own_weights_of_individuals_and_organisations() -> None:
    policy = ev.policy("unit")
    changed = msgspec.structs.replace(
        policy, indicators=msgspec.structs.replace(
            policy.indicators, arrears=msgspec.structs.replace(
                policy.indicators.arrears, individual=-1.0)))
    card = Card(changed, 0)
    n = INDICATORS.index("arrears")
    assert card.points[1][n][0][0] == -72_135
    assert card.points[0][n][0][0] == card.points[2][n][0][0] == -93_775


def test_remembered_days_are_those_of_the_calendar() -> None:
    rng = random.Random(1)
    for _ in range(300):
        day, n = rng.randrange(18_000, 21_000), rng.randrange(1, 20)
        assert CARD.workday(day, n) == CARD.workday(day, n) == CARD.calendar.add(day, n)


def test_timeline_cuts_a_span_at_each_card() -> None:
    timeline = Timeline(first := Card(ev.policy("unit"), 0))
    timeline.renew(ev.policy(), 100)
    timeline.renew(ev.policy("unit"), 200)
    _, second, third = timeline.cards
    assert (second.policy, third.policy) == (ev.policy(), ev.policy("unit"))
    assert timeline.spans(50, 250) == [(first, 50, 99), (second, 100, 199), (third, 200, 250)]
    assert timeline.spans(100, 100) == [(second, 100, 100)]
    assert timeline.spans(0, 99) == [(first, 0, 99)]
    # A card of the same day takes the place of the one before; the first one rules what was before.
    timeline.renew(ev.policy("nervous"), 200)
    assert timeline.cards[:2] == [first, second] and len(timeline.cards) == 3
    assert timeline.last.policy == ev.policy("nervous")
    assert timeline.spans(-5, 10) == [(first, -5, 10)]


def test_weights_and_policies_join_whichever_comes_first() -> None:
    """Distances from the expert hold beside any policy, inside its bounds."""
    moved = Weights("w000001", 150, {"complaint": (-0.1, 0.05, 9.0)}, ({"": 0.5}, {}, {}))
    n = INDICATORS.index("complaint")
    one, other = Timeline(Card(ev.policy("unit"), 0)), Timeline(Card(ev.policy("unit"), 0))
    one.renew(ev.policy(), 100)
    one.learn(moved)
    one.renew(ev.policy("unit"), 200)
    other.renew(ev.policy(), 100)
    other.renew(ev.policy("unit"), 200)
    other.learn(moved)
    for timeline in (one, other):
        assert [(c.since_day, c.policy.version, c.weights) for c in timeline.cards] == [
            (0, "2026-11", "w000000"), (100, "2026-11", "w000000"), (150, "2026-11", "w000001"),
            (200, "2026-11", "w000001")]
    card = one.last
    _, high = card.indicators[n].bounds
    expert = ev.card("unit").weight(n, 0)
    assert card.weight(n, 0) == expert - 0.1 and card.weight(n, 2) == high == 0.0
    assert card.experience(0, 0) == card.experience(0, 1) == round(1000 * card.factor * 0.5)
    assert card.experience(1, 1) == 0 and card.base == ev.card("unit").base
    assert card.steeper_than(ev.card("unit")) == card.points[0][n][0][0] / (
        ev.card("unit").points[0][n][0][0])
