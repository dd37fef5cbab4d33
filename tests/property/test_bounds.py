"""Goal: no stream of outcomes, however adversarial, takes a weight out of its bounds or sign, and
nothing about an example but its content decides what is learned from it.

Method: hypothesis makes streams with absurd values, weights, batches, groups and new policies; the
checker of bounds is first shown to find a model that forgets to project.
"""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from river import optim

from models.bounded import BoundedScorecard

PRIOR = {"bad": -1.0, "good": 0.2, "fixed": -0.5, "worst": -4.0}
BOUNDS = {"bad": (-2.0, 0.0), "good": (0.0, 0.5), "fixed": (-0.5, -0.5), "worst": (-6.0, -0.5)}
OPTIMISERS = (optim.SGD(1.0), optim.AdaGrad(0.5), optim.RMSProp(0.2), optim.Momentum(0.5),
              optim.Adam(0.5))
NAMES = (*PRIOR, "unlisted")
values = st.one_of(st.floats(-3, 3), st.floats(allow_nan=False, allow_infinity=False),
                   st.sampled_from([0.0, 1e308, -1e308, 5e-324]))
examples = st.tuples(
    st.fixed_dictionaries({}, optional={
        **dict.fromkeys(NAMES, values), "kind": st.sampled_from("ab"),
        "item": st.sampled_from("xy"),
    }), st.booleans(), st.one_of(st.just(1.0), st.floats(0, 1e9)))
streams = st.lists(examples, max_size=40)


class Forgetful(BoundedScorecard):
    """A planted fault: the step is not projected."""

    def _inside(self, name: str, weight: float) -> float:
        return weight


def made(n: int, **changed: Any) -> BoundedScorecard:
    kind = Forgetful if changed.pop("forgetful", False) else BoundedScorecard
    return kind(PRIOR, BOUNDS, groups=("kind", "item"), optimizer=OPTIMISERS[n],
                **{"strength": 1.0, **changed})


def held(model: BoundedScorecard) -> None:
    for name, weight in model.card().items():
        low, high = model.bound(name)
        assert low <= weight <= high, f"{name}: {weight}"
    assert all(math.isfinite(v) for v in model.export().values())
    for key, value in model.export().items():
        assert not key.startswith("offset:") or abs(value) <= model.offset_bound


@pytest.mark.parametrize("n", range(len(OPTIMISERS)))
def test_a_planted_fault_is_found(n: int) -> None:
    model = made(n, forgetful=True)
    with pytest.raises(AssertionError, match="bad"):
        for _ in range(200):
            model.learn_one({"bad": 3.0}, True, 5.0)
            held(model)


@settings(max_examples=150, deadline=None)
@given(stream=streams, n=st.integers(0, len(OPTIMISERS) - 1), strength=st.sampled_from(
    [0.0, 1e-9, 1.0, 1e6, math.inf]), memory=st.sampled_from([1.0, 50.0, math.inf]))
def test_bounds_hold(stream: list[Any], n: int, strength: float, memory: float) -> None:
    model = made(n, strength=strength, memory=memory)
    for x, y, w in stream:
        model.learn_one(x, y, w)
        held(model)
        p = model.predict_proba_one(x)
        assert 0.0 <= p[True] <= 1.0 and p[False] == 1.0 - p[True]
    names = {k for x, _, _ in stream for k in x if k in NAMES}
    model.learn_many({k: [x.get(k, 0.0) for x, _, _ in stream] for k in names},
                     [y for _, y, _ in stream] if names else [])
    held(model)
    model.recentre({"bad": -0.1}, {"bad": (-0.2, -0.1), "good": (0.4, 0.5)}, 1.0)
    held(BoundedScorecard(model.prior, model.bounds))
    assert -0.2 <= model.weight("bad") <= -0.1


@settings(max_examples=60, deadline=None)
@given(x=st.fixed_dictionaries({n: st.floats(-10, 10) for n in PRIOR}), y=st.booleans(),
       n=st.integers(0, len(OPTIMISERS) - 1))
def test_a_flood_of_one_bad_faith_example(x: dict[str, float], y: bool, n: int) -> None:
    """A thousand times the same: at most the bounds are reached, and the sign never turns."""
    model = made(n)
    for _ in range(300):
        model.learn_one(x, y, 10.0)
    model.learn_many({k: [v] * 1000 for k, v in x.items()}, [y] * 1000)
    held(model)
    card = model.card()
    assert card["bad"] <= 0 <= card["good"] and card["fixed"] == -0.5 and card["worst"] <= -0.5
    before = made(n).log_odds_one(x)
    most = sum(max(abs(PRIOR[k] - b) for b in BOUNDS[k]) * abs(v) for k, v in x.items())
    assert abs(model.log_odds_one(x) - before) <= most + 3 * model.offset_bound + 1e-9


@settings(max_examples=80, deadline=None)
@given(stream=streams, n=st.integers(0, len(OPTIMISERS) - 1), data=st.data())
def test_order_of_keys_is_nothing(stream: list[Any], n: int, data: st.DataObject) -> None:
    """Keys shuffled, or present at 0: the same bits."""
    one, two = made(n), made(n)
    for x, y, w in stream:
        keys = data.draw(st.permutations([*x, *(k for k in NAMES if k not in x)]))
        other = {k: x.get(k, 0.0) for k in keys}
        assert one.predict_proba_one(x) == two.predict_proba_one(other)
        one.learn_one(x, y, w)
        two.learn_one(other, y, w)
    assert one.export() == two.export() and one.card() == two.card()


@settings(max_examples=80, deadline=None)
@given(before=streams, after=streams, n=st.integers(0, len(OPTIMISERS) - 1))
def test_exported_state_goes_on(before: list[Any], after: list[Any], n: int) -> None:
    one, two = made(n), made(n)
    for x, y, w in before:
        one.learn_one(x, y, w)
    two.restore({k: float(repr(v)) for k, v in one.export().items()})
    assert two.export() == one.export()
    for x, y, w in after:
        one.learn_one(x, y, w)
        two.learn_one(x, y, w)
        assert one.predict_proba_one(x) == two.predict_proba_one(x)
    assert two.export() == one.export()


@settings(max_examples=60, deadline=None)
@given(x=st.dictionaries(st.sampled_from(list(PRIOR)), st.floats(-10, 10)))
def test_no_outcomes_is_the_expert(x: dict[str, float]) -> None:
    total = 0.5
    for name in sorted(x):
        total += PRIOR[name] * x[name]
    model = BoundedScorecard(PRIOR, BOUNDS, intercept=0.5)
    assert model.log_odds_one(x) == total and model.card() == dict(sorted(PRIOR.items()))
