"""Goal: what is learned depends on the examples alone, stays inside the policy, and is judged
rightly: by figures that a plain count over all pairs confirms, and by detectors that find a planted
change and no other.

Method: hand-made examples with a known truth; small oracles in plain Python; each checker is first
shown to find a planted fault.
"""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from config import load
from models import learner as learner_module
from models import validation
from models.bounded import expert, probability
from models.challengers import CHAMPION
from models.drift import Drift
from models.examples import Example
from models.history import WEEKS_MAX
from models.learner import Learner, Shares, step
from models.policy import INDICATORS, Policy
from models.scorecard import GROUPS
from models.validation import CLUSTERS, SLICES_MAX, Slices, Validation
from models.weights import Weights

POLICY = load.policy()
ITEMS = [i.id for i in POLICY.items]
TRUTH = {"complaint": -0.6, "penalty_general": -0.8, "inspection_pass": 0.3}


def policy(**learning: Any) -> Policy:
    return msgspec.structs.replace(
        POLICY, learning=msgspec.structs.replace(POLICY.learning, **learning))


def example(n: int, **changed: Any) -> Example:
    made = Example(f"subject {n}", 0, "enterprise", "small", "500101", "F5211", ITEMS[n % 3],
                   100, False, 1.0, 0, 0.0, {})
    return msgspec.structs.replace(made, **changed)


def stream(days: int, a_day: int, seed: int, intercept: float = 2.5,
           truth: dict[str, float] = TRUTH, first: int = 1) -> list[tuple[int, list[Example]]]:
    """Days of examples from a logistic model with known weights."""
    rng, out = random.Random(seed), []
    for day in range(first, first + days):
        own = []
        for n in range(a_day):
            x = {name: float(rng.randrange(1, 3)) for name in truth if rng.random() < 0.4}
            chance = probability(intercept + sum(truth[k] * v for k, v in x.items()))
            own.append(example(
                rng.randrange(10**6), group=rng.choice((0, 0, 1, 1, 2)), day=day - 40,
                adverse=rng.random() > chance, features=x, grade=rng.randrange(5),
                count=rng.choice((0.0, rng.expovariate(1.0))), item=ITEMS[n % 5],
                district=f"5001{rng.randrange(5):02d}"))
        out.append((day, own))
    return out


def taught(days: Sequence[tuple[int, Sequence[Example]]], one: Learner | None = None,
           **learning: Any) -> Learner:
    one = one or Learner(policy(**learning))
    for day, examples in days:
        one.learn(day, examples)
    return one


# ------------------------------------------------------------------------- figures of the report


def pairs(scores: Sequence[float], adverse: Sequence[bool], weights: Sequence[float]) -> float:
    """AUC by every pair."""
    won = every = 0.0
    for s, y, w in zip(scores, adverse, weights, strict=True):
        for t, z, v in zip(scores, adverse, weights, strict=True):
            if y and not z:
                every += w * v
                won += w * v * (1.0 if s > t else 0.5 if s == t else 0.0)
    return won / every


def cases(n: int, seed: int) -> tuple[list[list[float]], list[bool], list[float], list[int]]:
    """Two models' chances in cells of their own, outcomes, weights, clusters."""
    rng = random.Random(seed)
    chances = [[probability((rng.randrange(-100, 60) + 0.5) / validation.CELLS_A_UNIT)
                for _ in range(n)] for _ in range(2)]
    adverse = [rng.random() < p for p in chances[0]]
    return chances, adverse, [rng.choice((1.0, 4.0)) for _ in adverse], [
        rng.randrange(CLUSTERS) for _ in adverse]


def judged(flaw: Callable[[float], float] = float) -> None:
    """Compares `Validation` with plain sums; `flaw` spoils what it is given."""
    chances, adverse, weights, clusters = cases(150, 1)
    board = Validation(("one", "two"))
    for part in (slice(0, 70), slice(70, 150)):
        board.add([[flaw(p) for p in c[part]] for c in chances], adverse[part], weights[part],
                  clusters[part])
    report, total = board.report(), sum(weights)
    for name, own in zip(("one", "two"), chances, strict=True):
        found = report[name]
        assert found["auc"] == pytest.approx(pairs(own, adverse, weights), abs=1e-6)
        rows = list(zip(own, adverse, weights, strict=True))
        lost = sum(-w * math.log(p if y else 1 - p) for p, y, w in rows) / total
        assert found["log_loss"] == pytest.approx(lost, abs=1e-6)
        squared = sum(w * (p - y) ** 2 for p, y, w in rows) / total
        assert found["brier"] == pytest.approx(squared, abs=1e-6)
        done, tenths = 0.0, {}
        for value in sorted(set(own)):
            inside = [row for row in rows if row[0] == value]
            n = sum(w for _, _, w in inside)
            tenths.setdefault(int(10 * (done + n / 2) / total), []).extend(inside)
            done += n
        gaps = []
        for tenth, shown in zip(tenths.values(), found["calibration"], strict=True):
            n = sum(w for _, _, w in tenth)
            said, seen = (sum(w * p for p, _, w in tenth) / n, sum(w * y for _, y, w in tenth) / n)
            assert shown == pytest.approx({"predicted": said, "observed": seen, "n": n}, abs=1e-6)
            gaps.append(n / total * abs(said - seen))
        assert found["ece"] == pytest.approx(sum(gaps), abs=1e-6)


def test_figures_are_those_of_all_pairs() -> None:
    judged()
    for flaw in (lambda p: 1.0 - p, lambda p: p * 0.8, lambda p: round(p, 1) or 0.05):
        with pytest.raises(AssertionError):
            judged(flaw)


def test_chances_in_one_cell_are_off_by_no_more_than_it_says() -> None:
    rng = random.Random(2)
    chance = [rng.uniform(0.02, 0.06) for _ in range(300)]
    adverse = [rng.random() < 0.3 for _ in chance]
    board = Validation(("one",))
    board.add([chance], adverse, [1.0] * 300, [0] * 300)
    found = board.report()["one"]
    off = abs(found["auc"] - pairs(chance, adverse, [1.0] * 300))
    assert 0.0 < off <= found["within"] < 0.03


def test_a_rank_of_its_own() -> None:
    board = Validation(("one",))
    board.add([[0.5, 0.5]], [True, False], [1.0, 1.0], [0, 1], [[1.0, 0.0]])
    assert board.report()["one"]["auc"] == 1.0
    assert board.report()["one"]["log_loss"] == pytest.approx(math.log(2), abs=1e-6)


def test_interval_is_the_jackknife() -> None:
    """Without each group in turn, everything computed anew over all pairs."""
    chances, adverse, weights, clusters = cases(150, 3)
    board = Validation(("one", "two"))
    board.add(chances, adverse, weights, clusters)
    found = board.leads()[0]

    def lead(without: int) -> tuple[float, float]:
        at = [n for n, c in enumerate(clusters) if c != without]
        y, w = [adverse[n] for n in at], [weights[n] for n in at]
        areas, lost = [], []
        for own in chances:
            p = [own[n] for n in at]
            areas.append(pairs(p, y, w))
            lost.append(sum(-v * math.log(q if z else 1 - q)
                            for q, z, v in zip(p, y, w, strict=True)) / sum(w))
        return areas[0] - areas[1], lost[1] - lost[0]

    whole, rest = lead(-1), [lead(n) for n in range(CLUSTERS)]
    for n, key in enumerate(("auc", "log_loss")):
        mean = sum(r[n] for r in rest) / CLUSTERS
        wide = 2.04 * math.sqrt(31 / 32 * sum((r[n] - mean) ** 2 for r in rest))
        assert [found[f"{key}_low"], found[key], found[f"{key}_high"]] == pytest.approx(
            [whole[n] - wide, whole[n], whole[n] + wide], abs=2e-6)
    assert found["over"] == "two" and found["better"] == "one"
    area = [pairs(chances[0], adverse, weights), *(pairs(
        [chances[0][n] for n in at], [adverse[n] for n in at], [weights[n] for n in at])
        for at in ([n for n, c in enumerate(clusters) if c != k] for k in range(CLUSTERS)))]
    mean = sum(area[1:]) / CLUSTERS
    wide = 2.04 * math.sqrt(31 / 32 * sum((a - mean) ** 2 for a in area[1:]))
    own = board.report()["one"]
    assert [own["auc_low"], own["auc_high"]] == pytest.approx(
        [max(area[0] - wide, 0.0), min(area[0] + wide, 1.0)], abs=2e-6)
    same = Validation(("one", "two"))
    same.add([chances[0], chances[0]], adverse, weights, clusters)
    assert same.leads()[0]["better"] is None and same.leads()[0]["auc_high"] == 0.0


def test_slices() -> None:
    chances, adverse, weights, _ = cases(150, 4)
    kinds = ["abc"[n % 3] for n in range(150)]
    slices = Slices(("kind", "all"))
    slices.add([kinds, [""] * 150], chances[0], adverse, weights)
    found = slices.report()
    assert list(found["kind"]) == ["a", "b", "c"]
    for kind, row in found["kind"].items():
        at = [n for n in range(150) if kinds[n] == kind]
        w = [weights[n] for n in at]
        assert row["n"] == sum(w)
        assert row["auc"] == pytest.approx(pairs(
            [math.floor(math.log(chances[0][n] / (1 - chances[0][n])) * 8) for n in at],
            [adverse[n] for n in at], w), abs=1e-6)
        assert row["observed"] == pytest.approx(
            sum(weights[n] * adverse[n] for n in at) / sum(w), abs=1e-6)
        assert row["predicted"] == pytest.approx(
            sum(weights[n] * chances[0][n] for n in at) / sum(w), abs=1e-6)
    many = [str(n) for n in range(2 * SLICES_MAX)]
    slices.add([many, [""] * len(many)], [0.1] * len(many), [False] * len(many), [1.0] * len(many))
    found = slices.report()
    assert len(found["kind"]) == SLICES_MAX and found["kind"]["other"]["n"] > SLICES_MAX
    assert slices.report()["all"][""]["n"] == sum(weights) + len(many)


def test_empty_report() -> None:
    one = Learner(POLICY, challengers=True)
    one.learn(5, [])
    found = json.loads(json.dumps(one.report(), allow_nan=False))
    figures = found["models"][CHAMPION]
    assert found["examples"] == 0 and not any(figures.values()) and figures["ece"] is None
    assert found["challengers"]["since_day"] is None and found["drift"]["found"] == []


def test_the_report_is_of_forecasts() -> None:
    """Figures on truth that is known: what was said before learning, by each model."""
    one = taught(stream(30, 60, 5))
    found = json.loads(json.dumps(one.report(), allow_nan=False))
    assert found["examples"] == 1800 and (found["first_day"], found["last_day"]) == (1, 30)
    assert set(found["models"]) == {CHAMPION, "expert card", "last grade", "decayed count"}
    assert 0.45 < found["models"]["last grade"]["auc"] < 0.55, "grades were drawn by lot"
    assert [row["better"] for row in found["leads"]][1:] == [CHAMPION, CHAMPION]
    assert set(found["slices"]["group"]) == set(GROUPS)
    assert set(found["slices"]["department"]) == {
        i.department for i in POLICY.items if i.id in ITEMS[:5]}
    # A model that had seen the outcome would know it: coins cannot be foreseen.
    coins = [(day, [msgspec.structs.replace(e, adverse=bool(hash_(e) % 2)) for e in own])
             for day, own in stream(30, 60, 6)]
    auc = taught(coins).report()["models"][CHAMPION]["auc"]
    assert 0.45 < auc < 0.55


def hash_(e: Example) -> int:
    return validation.xxhash.xxh32_intdigest(f"{e.subject}{e.day}".encode())


# ------------------------------------------------------------------------------------- learning


def test_by_hand() -> None:
    """One example: said by the expert's card, then one step of it."""
    own = policy(strength=2.0, intercept_strength=1.0, group_strength=10.0, rate=0.1)
    one = Learner(own)
    weights, _ = expert(own, 1)
    w = weights["penalty_general"]
    p = 1.0 - probability(own.subjects.individual + 2.0 * w)
    one.learn(1, [example(1, group=1, adverse=True, features={"penalty_general": 2.0},
                          weight=3.0)])
    found = one.report()["models"]
    assert found[CHAMPION]["log_loss"] == found["expert card"]["log_loss"]
    assert found[CHAMPION]["log_loss"] == pytest.approx(-math.log(p), abs=1e-6)
    assert found["last grade"]["log_loss"] == pytest.approx(-math.log(1 / 20), abs=1e-6)
    card = one.cards[1]
    error, held = 3.0 * (1.0 - p), 3.0 * p * (1.0 - p)
    assert card.offset() == pytest.approx(-min(error / (1.0 + held), 3.0))
    assert card.offset(ITEMS[1]) == pytest.approx(-error / (10.0 + held))
    # AdaGrad's first step is as long as its rate, whatever the slope.
    assert card.weight("penalty_general") == pytest.approx(w - 0.1)
    assert one.cards[0].card() == dict(sorted(expert(own, 0)[0].items()))


def test_truth_is_found_and_pays() -> None:
    """Towards the weights that made the data, and ahead of the expert's card."""
    one = taught(stream(200, 100, 7), strength=5.0)
    for name, true in TRUTH.items():
        for card in one.cards[:2]:
            assert abs(card.weight(name) - true) < abs(card.expert(name) - true) / 2 + 0.05, name
    lead = one.report()["leads"][0]
    assert lead["over"] == "expert card" and lead["log_loss_low"] > 0.0 and lead["auc"] > 0.0
    assert one.drifts() == [], "learning is no drift"


def test_a_sample_of_the_clean_counts_for_all() -> None:
    """One in four of those without a finding, each for four: as calibrated as on all."""
    rng = random.Random(8)
    sampled = [(day, [msgspec.structs.replace(e, weight=1.0 if e.adverse else 4.0)
                      for e in own if e.adverse or rng.random() < 0.25])
               for day, own in stream(60, 300, 8)]
    (whole, part) = (sum(row["n"] for row in taught(days).report()["models"][CHAMPION][
        "calibration"]) for days in (stream(60, 300, 8), sampled))
    assert part == pytest.approx(whole, rel=0.05)
    rows = taught(sampled).report()["slices"]["group"].values()
    for row in rows:
        assert row["predicted"] == pytest.approx(row["observed"], abs=0.03)
    raw = [(day, [msgspec.structs.replace(e, weight=1.0) for e in own]) for day, own in sampled]
    assert any(row["observed"] > 0.15 + sampled_row["observed"] for row, sampled_row in zip(
        taught(raw).report()["slices"]["group"].values(), rows, strict=True)), "a planted fault"


DAYS = stream(12, 12, 9)
WHOLE = taught(DAYS).dump()


@settings(max_examples=15, deadline=None)
@given(st.randoms(use_true_random=False))
def test_the_order_of_examples_does_not_matter(rng: random.Random) -> None:
    mixed = [(day, rng.sample(own, len(own))) for day, own in DAYS]
    assert taught(mixed).dump() == WHOLE


def test_an_order_that_mattered_would_be_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(learner_module, "_place", lambda e: 0)
    assert taught([(day, own[::-1]) for day, own in DAYS]).dump() != taught(DAYS).dump()


def test_days_only_go_on() -> None:
    one = taught(DAYS)
    with pytest.raises(AssertionError, match="days only go on"):
        one.learn(DAYS[-1][0], [])


def test_dump_and_load() -> None:
    """Continued elsewhere, everything is the same to the bit; without a part of it, it is not."""
    days = [*stream(40, 100, 10, 2.0), *stream(60, 100, 11, -0.5, first=41)]
    one = taught(days[:50], adverse_min=50)
    assert one.weights(50, 1) and one.drifting
    state = one.dump()
    assert len(state) < 2_000_000
    others = []
    for spoil in (None, "drift", "shares", "given", "board"):
        two = Learner(one.policy)
        two.load(state)
        assert two.dump() == state
        if spoil == "drift":
            two.drift = Learner(one.policy).drift
        elif spoil == "shares":
            two.shares = Learner(one.policy).shares
        elif spoil == "given":
            two.given = None
        elif spoil == "board":
            two.board.rank[0] = 0.0
        others.append(two)
    for each in (one, *others):
        taught(days[50:], each)
    same, *spoiled = others
    assert same.dump() == one.dump() and same.report() == one.report()
    assert same.weights(100, 2) == one.weights(100, 2) and same.drifts() == one.drifts()
    assert all(two.dump() != one.dump() for two in spoiled)


def test_a_history_of_figures_as_they_stood() -> None:
    """Row by row what the report said on that day; a learner goes on with it after a restart."""
    days = [*stream(40, 100, 10, 2.0), *stream(60, 100, 11, -0.5, first=41)]
    one, stood = Learner(policy(adverse_min=50)), []
    one.learn(0, [])
    one.note()
    assert one.history.rows == [], "nothing was judged yet"
    for day, examples in days:
        one.learn(day, examples)
        if day % 7 == 5:
            given = one.weights(day, day) if day in (19, 61) else None
            one.note()
            said = one.report()
            stood.append({
                "day": day, "examples": 100 * day, "adverse": said["adverse"],
                "auc": {name: m["auc"] for name, m in said["models"].items()},
                "ece": {name: m["ece"] for name, m in said["models"].items()},
                "drifting": one.drifting, "weights": given.name if given else None})
            two = Learner(one.policy)
            two.load(one.dump())
            assert two.dump() == one.dump() and two.report() == one.report()
            one = two
    assert one.report()["history"] == stood and len(stood) == 14
    assert [row["weights"] for row in stood if row["weights"]] == ["w000019", "w000061"]
    assert {row["drifting"] for row in stood} == {False, True}


def test_a_history_is_bounded() -> None:
    one = taught(stream(1, 50, 10))
    sizes = []
    for week in range(2 * WEEKS_MAX):
        one.learn(5 + 7 * week, [])
        one.note()
        sizes.append(len(one.dump()))
    days = [row.day for row in one.history.rows]
    assert days == [5 + 7 * week for week in range(WEEKS_MAX, 2 * WEEKS_MAX)]
    assert sizes[-1] - sizes[WEEKS_MAX] < 2_000 < 50_000 < sizes[WEEKS_MAX] - sizes[0] < 80_000


def test_a_dump_from_before_there_was_a_history() -> None:
    one = taught(stream(10, 50, 10))
    one.note()
    held = msgspec.msgpack.decode(one.dump())
    del held["history"]
    two = Learner(one.policy)
    two.load(msgspec.msgpack.encode(held))
    assert two.history.rows == [] and one.history.rows != []
    assert {**two.report(), "history": 0} == {**one.report(), "history": 0}
    two.learn(12, [])
    two.note()
    assert [row.day for row in two.history.rows] == [12]


# -------------------------------------------------------------------------------------- weights


def applied(made: Weights, own: Policy, group: int) -> dict[str, float]:
    """The expert's weights with what was learned, inside the bounds."""
    weights, bounds = expert(own, group)
    return {n: min(max(w + made.moved.get(n, (0.0,) * 3)[group], bounds[n][0]), bounds[n][1])
            for n, w in weights.items()}


def illegal(one: Learner, made: Weights) -> list[str]:
    """What of the published weights is not as the policy allows."""
    out = []
    for group in range(3):
        weights, bounds = expert(one.policy, group)
        for name, (low, high) in bounds.items():
            free = weights[name] + made.moved.get(name, (0.0,) * 3)[group]
            if not low - 1e-4 <= free <= high + 1e-4:
                out.append(f"{name}: {free} beyond {low}, {high}")
        out += [f"{name}: {v}" for name, v in made.trades[group].items() if not 0 < abs(v) <= 3.0]
    numbers = [*(v for by in made.moved.values() for v in by),
               *(v for by in made.trades for v in by.values())]
    out += [f"{v}: not rounded" for v in numbers if v != round(v, 4) or not math.isfinite(v)]
    out += [f"{name}: nothing" for name, by in made.moved.items() if not any(by)]
    return out


def hostile(seed: int) -> list[tuple[int, list[Example]]]:
    """Absurd values, weights and labels that always say the opposite of the evidence."""
    rng = random.Random(seed)
    return [(day, [example(rng.randrange(9), group=rng.randrange(3), day=day, grade=4,
                           adverse=rng.random() < (0.02, 0.5, 0.98)[seed % 3],
                           weight=rng.choice((0.0, 1.0, 100.0)), count=rng.choice((0.0, 1e9)),
                           item=rng.choice((*ITEMS, "gone")),
                           features={n: rng.choice((0.5, 3.0, 1e6)) for n in rng.sample(
                               INDICATORS, rng.randrange(len(INDICATORS)))})
                   for _ in range(40)]) for day in range(1, 25)]


@pytest.mark.parametrize("seed", range(3))
def test_weights_stay_inside_the_policy(seed: int) -> None:
    one = taught(hostile(seed), adverse_min=1, strength=0.0, rate=1.0)
    made = one.weights(30, 7)
    assert made is not None and (made.name, made.since_day) == ("w000007", 30)
    assert illegal(one, made) == [] and len(made.moved) > 10
    for group in range(3):
        for name, (low, high) in expert(one.policy, group)[1].items():
            assert low <= applied(made, one.policy, group)[name] <= high
    for card in one.cards:
        card._weights["complaint"] = 0.5
    wrong = one.weights(31, 8)
    assert wrong is not None and illegal(one, wrong), "complaints may not raise a score"


def test_when_weights_are_given_out() -> None:
    days = stream(40, 60, 12)
    one = taught(days[:1], adverse_min=100)
    assert 0 < one.board.adverse < 100 and one.weights(2, 1) is None
    taught(days[1:], one)
    first = one.weights(50, 1)
    assert first is not None and one.board.adverse >= 100
    assert set(first.moved) == set(TRUTH)
    assert all("" in by and set(by) <= {"", *ITEMS[:5]} for by in first.trades)
    card = one.cards[1]
    assert first.moved["complaint"][1] == round(
        card.weight("complaint") - card.expert("complaint"), 4)
    assert first.trades[1][ITEMS[0]] == round(card.offset(ITEMS[0]), 4)
    assert one.weights(60, 2) is None, "nothing new"
    one.learn(99, [])
    assert one.weights(99, 2) is None
    taught(stream(1, 5, 13, first=100), one)
    second = one.weights(101, 2)
    assert second is not None and second.name == "w000002" and second.moved != first.moved
    assert Learner(policy(adverse_min=1)).weights(1, 1) is None, "nothing was learned"


def test_a_new_policy() -> None:
    """Distances stay, the expert's weights and bounds are the new ones; figures go on."""
    one = taught(stream(40, 60, 14), adverse_min=1)
    before = one.weights(41, 1)
    assert before is not None
    indicators = msgspec.structs.replace(
        POLICY.indicators, complaint=msgspec.structs.replace(POLICY.indicators.complaint,
                                                             weight=-0.3))
    new = msgspec.structs.replace(policy(adverse_min=1, strength=99.0), indicators=indicators)
    examples = one.board.examples
    one.recentre(new)
    assert one.weights(42, 2) is None, "the same distances"
    assert one.cards[0].expert("complaint") == -0.3 and one.cards[0].strength == 99.0
    assert applied(before, new, 0)["complaint"] == pytest.approx(
        one.cards[0].weight("complaint"), abs=1e-4)
    assert one.board.examples == examples
    narrow = msgspec.structs.replace(
        POLICY.indicators, complaint=msgspec.structs.replace(
            POLICY.indicators.complaint, weight=-0.2, bounds=(-0.21, -0.19)))
    one.recentre(msgspec.structs.replace(policy(adverse_min=1), indicators=narrow))
    made = one.weights(43, 3)
    assert made is not None and illegal(one, made) == []
    taught(stream(5, 20, 15, first=50), one)


# ---------------------------------------------------------------------------------------- drift


def world(drift: Drift, days: int, odds: float, seed: int, first: int = 1,
          a_day: int = 120) -> Drift:
    """Chances are said rightly, then the odds of a finding are multiplied."""
    rng = random.Random(seed)
    for day in range(first, first + days):
        chances = [rng.choice((0.02, 0.05, 0.3)) for _ in range(a_day)]
        real = [p * odds / (1 - p + p * odds) for p in chances]
        adverse = [rng.random() < p for p in real]
        drift.update(day, chances, adverse, [1.0] * a_day)
        drift.end(day)
    return drift


@pytest.mark.parametrize("seed", range(3))
def test_a_planted_change_is_found_and_nothing_else(seed: int) -> None:
    drift = world(Drift(1e-4, 0.15, 28), 300, 1.0, seed)
    assert drift.found == [] and not drift.drifting, "a stationary world"
    world(drift, 60, 2.0, seed + 100, first=301)
    first = drift.found[0]
    assert 301 <= first.day <= 330 and drift.drifting
    assert abs(first.before) < 0.1 and first.after > 0.3
    assert {f.series for f in drift.found} == {"calibration", "log-loss"}
    assert {f.detector for f in drift.found} == {"ADWIN", "Page-Hinkley"}
    world(drift, 200, 1.0, seed + 200, first=361)
    assert not drift.drifting, "right again, and quiet"
    assert max(f.day for f in drift.found) < 420, "becoming right is no drift"
    blind = world(world(Drift(1e-4, 9.0, 28), 300, 1.0, seed), 60, 2.0, seed + 100, first=301)
    assert blind.found == [], "the check can fail"


def test_too_few_findings_are_drift_too() -> None:
    drift = world(world(Drift(1e-4, 0.15, 28), 200, 1.0, 1), 120, 0.4, 2, first=201)
    assert drift.found and {f.series for f in drift.found} == {"calibration"}
    assert drift.found[0].after < -0.3 and drift.drifting
    world(drift, 600, 0.4, 3, first=321)
    assert drift.drifting, "still wrong: it holds however long"


def test_another_mix_of_businesses_is_no_drift() -> None:
    """Worse ones, foreseen to be worse."""
    rng, drift = random.Random(4), Drift(1e-4, 0.15, 28)
    for day in range(400):
        p = [rng.choice((0.02, 0.05) if day < 200 else (0.2, 0.4)) for _ in range(60)]
        drift.update(day, p, [rng.random() < q for q in p], [1.0] * 60)
        drift.end(day)
    assert drift.found == []


def test_a_large_city_has_larger_blocks() -> None:
    drift = world(Drift(1e-4, 0.15, 28), 3, 1.0, 6, a_day=20_000)
    assert 3 * 20 <= drift.watches[0].adwin.width <= 3 * 24
    assert all(abs(value) < 0.35 for value in drift.watches[0].last)


def test_a_new_policy_of_drift() -> None:
    drift = world(Drift(1e-4, 0.15, 28), 100, 1.0, 5)
    kept = drift.watches
    drift.set(1e-4, 0.3, 10)
    assert drift.watches is kept and (drift.least, drift.hold_d) == (0.3, 10)
    drift.set(1e-2, 0.3, 10)
    assert drift.watches is not kept and drift.delta == 1e-2


# -------------------------------------------------------------------- baselines and challengers


def test_baselines() -> None:
    shares = Shares(3)
    assert shares.chance(0) == pytest.approx((20 * 1 / 20) / 20)
    shares.learn(0, True, 2.0)
    shares.learn(1, False, 8.0)
    assert shares.chance(0) == pytest.approx((2 + 20 * 3 / 30) / 22)
    assert shares.chance(2) == pytest.approx((20 * 3 / 30) / 20)
    found = [step(x) for x in (0.0, 0.06, 0.0625, 0.125, 1.0, 1e9)]
    assert found == [0, 0, 1, 5, 17, 39]
    assert list(np.diff([step(x / 100) for x in range(5000)]) < 0) == [False] * 4999


def test_challengers_never_touch_the_card() -> None:
    days = stream(15, 30, 16)
    own = policy(adverse_min=1, challengers_per_day=20)
    alone, watched = taught(days, Learner(own)), taught(days, Learner(own, challengers=True))
    again = taught(days, Learner(own, challengers=True))
    for each in (alone, watched, again):
        each.note()
    assert watched.dump() == alone.dump() and watched.weights(50, 1) == alone.weights(50, 1)
    found = watched.report()["challengers"]
    assert found == again.report()["challengers"], "its random numbers have a seed"
    assert (found["since_day"], found["examples"]) == (1, 15 * 20)
    assert set(found["models"]) == {CHAMPION, "adaptive forest", "adaptive tree", "logistic"}
    assert all(0.0 < m["log_loss"] < 2.0 for m in found["models"].values())
    after = Learner(own, challengers=True)
    after.load(watched.dump())
    assert [set(row["auc"]) for row in found["history"]] == [set(found["models"])]
    assert after.report()["challengers"]["since_day"] is None, "they begin anew"
    assert after.report()["challengers"]["history"] == [] != after.report()["history"]
    assert {**after.report(), "challengers": 0} == {**watched.report(), "challengers": 0}
