"""Goal: the bounded scorecard keeps river's conventions and its own contract.

Method: river's checks, then a table of optimisers over the promises of `models/bounded.py`; what
it learns is compared with the weights that made the data.
"""

from __future__ import annotations

import copy
import math
import pickle
import sys
import types
from collections.abc import Iterator
from typing import Any

import events as ev
import numpy as np
import pytest
from river import checks, optim

from models import bounded
from models.bounded import UNDER, BoundedScorecard, expert, probability
from models.policy import INDICATORS

OPTIMISERS = {
    "SGD": optim.SGD(0.02), "AdaGrad": optim.AdaGrad(0.1), "RMSProp": optim.RMSProp(0.003),
    "Momentum": optim.Momentum(0.002), "Adam": optim.Adam(0.003),
}
PRIOR = {"fine": -1.0, "pass": 0.1, "listed": -2.0}
BOUNDS = {"fine": (-2.0, -0.25), "pass": (0.0, 0.5), "listed": (-4.0, -0.5)}


def made(name: str = "AdaGrad", **changed: Any) -> BoundedScorecard:
    settings = {"intercept": 1.0, "strength": 2.0, "groups": ("kind", "item"), **changed}
    return BoundedScorecard(PRIOR, BOUNDS, optimizer=OPTIMISERS[name], **settings)


def stream(n: int, seed: int, truth: dict[str, float],
           intercept: float = 1.0) -> Iterator[tuple[dict[str, Any], bool]]:
    """Examples from a logistic model with known weights; two kinds, six items."""
    rng = np.random.default_rng(seed)
    for _ in range(n):
        x: dict[str, Any] = {name: float(rng.integers(0, 3)) for name in truth}
        y = bool(rng.random() < probability(
            intercept + sum(truth[k] * v for k, v in sorted(x.items()))))
        yield x | {"kind": f"k{rng.integers(2)}", "item": f"i{rng.integers(3)}"}, y


def columns(rows: list[dict[str, Any]]) -> dict[str, list[Any]]:
    return {name: [x[name] for x in rows] for name in rows[0]}


# ------------------------------------------------------------------------------- river's checks


def names() -> list[str]:
    """River asks scikit-learn for data sets that a binary classifier is never given."""
    held = {k: sys.modules.get(k) for k in ("sklearn", "sklearn.datasets")}
    try:
        sys.modules["sklearn"] = types.ModuleType("sklearn")
        sys.modules["sklearn.datasets"] = sys.modules["sklearn"].datasets = types.ModuleType(
            "datasets")  # type: ignore[attr-defined]
        found = list(checks.yield_checks(BoundedScorecard()))
    finally:
        for k, module in held.items():
            if module is None:
                sys.modules.pop(k)
            else:
                sys.modules[k] = module
    CHECKS.update({f"{n}-{check.__name__}": check for n, check in enumerate(found)})
    return list(CHECKS)


CHECKS: dict[str, Any] = {}


@pytest.mark.parametrize("name", names())
def test_river(name: str) -> None:
    CHECKS[name](BoundedScorecard(optimizer=optim.AdaGrad(0.05)))


# -------------------------------------------------------------------------------- our contract


def test_no_outcomes_is_the_expert() -> None:
    """Every weight, and every probability, is the policy's to the last bit."""
    card = ev.card("unit")
    for group in range(3):
        weights, bounds = expert(card.policy, group)
        model = BoundedScorecard(weights, bounds, intercept=4.0)
        assert model.card() == dict(sorted(weights.items())) and set(weights) == set(INDICATORS)
        assert all(card.indicators[n].bounds == bounds[i] for n, i in enumerate(INDICATORS))
        x = {"penalty_general": 1.5, "complaint": 2.0}
        z = 4.0 + 0.0 + weights["complaint"] * 2.0 + weights["penalty_general"] * 1.5
        assert model.log_odds_one(x) == z and model.predict_proba_one(x)[True] == probability(z)


@pytest.mark.parametrize("name", sorted(OPTIMISERS.keys() - {"RMSProp"}))
def test_true_weights_are_found(name: str) -> None:
    """Inside the bounds: near the truth. Outside: at the bound. RMSProp divides each slope by its
    own recent size and so stays biased, in river's models too."""
    inside, outside = made(name), made(name)
    for x, y in stream(20_000, 1, {"fine": -0.6, "pass": 0.3, "listed": -0.9}):
        inside.learn_one(x, y)
    assert inside.card() == pytest.approx({"fine": -0.6, "pass": 0.3, "listed": -0.9}, abs=0.2)
    for x, y in stream(5_000, 1, {"listed": 0.4}):
        outside.learn_one(x, y)
    assert -0.6 < outside.weight("listed") <= -0.5, "the data say +0.4; -0.5 at most is allowed"


@pytest.mark.parametrize("name", OPTIMISERS)
def test_the_stronger_the_prior_the_nearer(name: str) -> None:
    far = []
    for strength in (0.0, 100.0, 10_000.0, math.inf):
        model = made(name, strength=strength)
        for x, y in stream(500, 2, {"fine": -0.3, "pass": 0.1}):
            model.learn_one(x, y)
        far.append(abs(model.weight("fine") + 1.0))
    assert far[0] >= far[2] and far[1] >= far[2] and far[3] == 0.0
    assert name != "SGD" or far == sorted(far, reverse=True)


@pytest.mark.parametrize("name", OPTIMISERS)
def test_state(name: str) -> None:
    """Exported, stored as text, restored elsewhere: goes on bit for bit. So do copies, pickles."""
    rows = list(stream(300, 3, {"fine": -0.5, "pass": 0.1, "free": 0.2}))
    one, two = made(name), made(name)
    for x, y in rows[:150]:
        one.learn_one(x, y)
    state = {k: float(repr(v)) for k, v in one.export().items()}
    for x, y in rows[:40]:
        two.learn_one(x, y)    # what it held before is gone
    two = made(name)
    two.restore(state)
    assert two.export() == one.export()
    others = [two, copy.deepcopy(one), pickle.loads(pickle.dumps(one))]
    for x, y in rows[150:]:
        one.learn_one(x, y)
        for other in others:
            other.learn_one(x, y)
    assert all(other.export() == one.export() for other in others)
    assert all(o.predict_proba_one(rows[0][0]) == one.predict_proba_one(rows[0][0]) for o in others)


def test_restore_forgets_what_was_there() -> None:
    one, two = made(), made()
    for x, y in stream(50, 4, {"fine": -0.5, "other": 1.0}):
        two.learn_one(x, y)
    two.restore(one.export())
    assert two.card() == one.card() and two.export() == one.export()


@pytest.mark.parametrize("name", OPTIMISERS)
def test_a_batch_of_one_row_is_learn_one(name: str) -> None:
    one, many = made(name), made(name)
    for n, (x, y) in enumerate(stream(200, 5, {"fine": -0.5, "pass": 0.1})):
        w = (0.5, 1.0, 3.0)[n % 3]
        one.learn_one(x, y, w)
        many.learn_many(columns([x]), [y], [w])
    assert many.export() == one.export()


@pytest.mark.parametrize("name", OPTIMISERS)
def test_a_batch_is_one_step_along_the_mean(name: str) -> None:
    """The definition, row by row in plain Python; rows in another order give the same bits."""
    rows, found = zip(*stream(64, 6, {"fine": -0.5, "pass": 0.1}), strict=True)
    model, other = made(name), made(name)
    p = [model.predict_proba_one(x)[True] for x in rows]
    assert model.predict_proba_many(columns(list(rows))).tolist() == p
    model.learn_many(columns(list(rows)), found)
    backwards = columns(list(rows)[::-1])
    other.learn_many(dict(reversed(backwards.items())), found[::-1])
    assert other.export() == model.export()
    slope = {}
    for k in ("fine", "pass"):
        n = sum(x[k] != 0 for x in rows)
        loss = math.fsum((a - y) * x[k] for a, x, y in zip(p, rows, found, strict=True)) / 64
        slope[k] = n * loss / (n + 2.0)
    weights: dict[Any, Any] = dict(PRIOR)
    OPTIMISERS[name].clone().step(weights, slope)
    for k in slope:
        assert model.weight(k) == min(max(weights[k], BOUNDS[k][0]), BOUNDS[k][1])
    top = -math.fsum(a - y for a, y in zip(p, found, strict=True)) / (
        1.0 + math.fsum(a * (1 - a) for a in p))
    assert model.offset() == top


def test_a_new_policy_recentres() -> None:
    """What was learned stays as a distance; what was not is the new expert's; all inside."""
    model = made()
    for x, y in stream(400, 7, {"fine": -0.4}):
        model.learn_one(x, y)
    moved = model.weight("fine") + 1.0
    assert moved > 0.1
    model.recentre({"fine": -1.2, "pass": 0.2, "listed": -3.0},
                   {"fine": (-2.0, -0.25), "pass": (0.0, 0.5), "listed": (-4.0, -0.5)}, 2.0)
    assert model.card() == {"fine": -1.2 + moved, "listed": -3.0, "pass": 0.2}
    model.recentre({"fine": -1.2}, {"fine": (-2.0, -1.1)}, 2.0)
    assert model.weight("fine") == -1.1
    with pytest.raises(AssertionError, match="out of bounds"):
        BoundedScorecard({"fine": 0.1}, BOUNDS)


def test_sharing_beats_none_on_small_trades() -> None:
    """Many items with few examples each: pooled intercepts predict new outcomes better than
    one intercept an item, and better than one for all."""
    rng = np.random.default_rng(8)
    level = {(k, i): 0.8 * k - 0.4 + 0.3 * rng.standard_normal() for k in range(2)
             for i in range(60)}
    keys = list(level)

    def examples(n: int) -> list[tuple[dict[str, Any], bool]]:
        out = []
        for _ in range(n):
            k, i = keys[int(rng.integers(len(keys)))]
            out.append(({"kind": f"k{k}", "item": f"i{i}"},
                        bool(rng.random() < probability(level[k, i] - 1.5))))
        return out

    train, test = examples(1500), examples(20_000)
    loss = {}
    for name, changed in {"shared": {}, "alone": {"group_strength": 0.01},
                          "none": {"groups": None}}.items():
        model = made(intercept=-1.5, offset_bound=10.0, **changed)
        for x, y in train:
            model.learn_one(x if model.groups else {}, y)
        p = [model.predict_proba_one(x if model.groups else {})[True] for x, _ in test]
        loss[name] = -np.mean([math.log(a if y else 1 - a)
                               for a, (_, y) in zip(p, test, strict=True)])
    assert loss["shared"] < loss["none"] - 0.005 and loss["shared"] < loss["alone"] - 0.005, loss


def test_a_new_item_starts_at_its_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    model = made()
    for n in range(300):
        model.learn_one({"kind": "shop", "item": f"i{n % 5}"}, n % 3 > 0)
        model.learn_one({"kind": "school", "item": f"i{n % 5}"}, True)
    new = dict(model.contributions({"kind": "school", "item": "never seen"}))
    assert new["school"] > 0.1 and new[f"school{UNDER}never seen"] == 0.0
    assert model.offset("school") > 0.0 > model.offset("shop")
    monkeypatch.setattr(bounded, "OFFSETS_MAX", 0)
    model.learn_one({"kind": "bar", "item": "late"}, False)
    assert model.offset("bar") == 0.0, "no room: it goes on with its parent's"


def test_contributions_add_up() -> None:
    model = made()
    for x, y in stream(100, 9, {"fine": -0.5, "pass": 0.1}):
        model.learn_one(x, y)
    total = model.intercept
    for _, part in model.contributions(x):
        total += part
    assert model.log_odds_one(x) == total
    same = made(groups=("kind",))
    same.learn_one({"kind": "fine", "fine": 1.0}, True)
    parts = same.contributions({"kind": "fine", "fine": 1.0})
    assert [name for name, _ in parts] == ["", "fine", "fine"], "a group may be named like one"


def test_memory_follows_a_change() -> None:
    """With a memory the intercept follows a world that has changed; without, it lags."""
    after = {}
    for memory in (200.0, math.inf):
        model = made(memory=memory)
        for y in (True,) * 3000 + (False,) * 300:
            model.learn_one({}, y)
        after[memory] = model.predict_proba_one({})[True]
    assert after[200.0] < after[math.inf] - 0.1


def test_what_is_refused() -> None:
    model = made()
    for x, w in (({"fine": math.nan}, 1.0), ({"fine": 1.0}, -1.0), ({"fine": 1.0}, math.inf)):
        with pytest.raises(AssertionError):
            model.learn_one(x, True, w)
    with pytest.raises(AssertionError):
        model.learn_many({"fine": [1.0, math.nan]}, [True, True])
    model.learn_many({"fine": []}, [])
    model.learn_one({"fine": 1.0}, True, 0.0)
    assert model.card() == dict(sorted(PRIOR.items()))
