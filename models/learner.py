"""Learns the weights of the card from what came of businesses, day by day, and says how well.

One bounded scorecard for each group of `scorecard.GROUPS`. Every example is predicted with what was
known on the day before, then learned: so the figures in the report are those of real forecasts. Two
baselines see only the last grade, or a decayed count of findings; the expert's card is the third
reference. What a day taught does not depend on the order in which its examples come.

Pure: the same days give the same bits. What decides weights, drift and the report goes into
`dump` and comes back by `load`; challengers do not (`models.challengers`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import chain
from typing import Any

import msgspec
import xxhash
from river import optim

from models.bounded import BoundedScorecard, expert
from models.challengers import CHAMPION, Challengers
from models.drift import Drift, Found
from models.examples import Example
from models.history import History
from models.policy import INDICATORS, Policy
from models.scorecard import GROUPS
from models.validation import Slices, Validation, cluster_of
from models.weights import Weights

MODELS = (CHAMPION, "expert card", "last grade", "decayed count")
DIMENSIONS = ("group", "kind", "department", "district", "size")
DIGITS = 4
"""Decimals of what is published: below the thousandth of a point that a score counts in."""
GRADES = 5
COUNTS = 40
"""Steps of the decayed count: none, then four a doubling from 1/16."""
PRIOR = 20.0
"""Examples that the overall share counts as, in a baseline's grade or step."""


class Learner:
    """Three scorecards, their references, their drift, and what was published of them.

    Parameters
    ----------
    policy
        Expert's weights and bounds, catalogue, and `learning`.
    challengers
        Whether river's other models run in shadow.

    Memory: about 3 MB and a few floats an item. Cost: 30 us an example; a challenged one
    1 to 5 ms.
    """

    def __init__(self, policy: Policy, *, challengers: bool = False) -> None:
        self.policy = policy
        self.cards = [_card(policy, group) for group in range(len(GROUPS))]
        self.experts = [_unlearned(policy, group) for group in range(len(GROUPS))]
        self.board = Validation(MODELS)
        self.slices = Slices(DIMENSIONS)
        self.shares = [Shares(GRADES), Shares(COUNTS)]
        own = policy.learning
        self.drift = Drift(own.drift_delta, own.drift_least, own.drift_hold_d)
        self.challengers = Challengers() if challengers else None
        self.day: int | None = None
        self.first_day: int | None = None
        self.given: Weights | None = None
        """Last published."""
        self.history = History()
        self._department = {i.id: i.department for i in policy.items}

    def learn(self, day: int, examples: Sequence[Example]) -> None:
        """All examples whose outcome became final on a civil day that is over, in any order."""
        assert self.day is None or day > self.day, f"day {day} after {self.day}: days only go on"
        self.day = day
        if examples:
            self.first_day = day if self.first_day is None else self.first_day
            self._learn(day, sorted(examples, key=_place))
        self.drift.end(day)

    def weights(self, since_day: int, number: int) -> Weights | None:
        """What was learned, to be published; None while too few findings were seen, or if it is
        what was given out before."""
        if self.board.adverse < self.policy.learning.adverse_min:
            return None
        moved = {}
        for name in INDICATORS:
            by = tuple(_plain(c.weight(name) - c.expert(name)) for c in self.cards)
            if any(by):
                moved[name] = (by[0], by[1], by[2])
        trades = tuple(_offsets(card) for card in self.cards)
        made = Weights(f"w{number:06d}", since_day, moved, (trades[0], trades[1], trades[2]))
        last = self.given
        if (made.moved, made.trades) == ((last.moved, last.trades) if last else ({}, ({}, {}, {}))):
            return None
        self.given = made
        return made

    def note(self) -> None:
        """Keep how the forecasts stand at the end of a week: after its last day, and after what
        was published of it."""
        assert self.day is not None
        given = self.given
        self.history.add(self.day, self.board, self.drifting, given.name if given is not None
                         and given.since_day == self.day else None)
        if self.challengers is not None:
            self.challengers.history.add(self.day, self.challengers.board)

    def recentre(self, policy: Policy) -> None:
        """A new policy: what was learned stays, as distances from the new expert's weights."""
        self.policy = policy
        for group, old in enumerate(self.cards):
            new = _card(policy, group)
            weights, bounds, intercept = new.prior or {}, new.bounds or {}, new.intercept
            new.prior, new.bounds, new.intercept = old.prior, old.bounds, old.intercept
            new.restore(old.export())
            new.recentre(weights, bounds, intercept)
            self.cards[group] = new
        self.experts = [_unlearned(policy, group) for group in range(len(GROUPS))]
        self._department = {i.id: i.department for i in policy.items}
        own = policy.learning
        self.drift.set(own.drift_delta, own.drift_least, own.drift_hold_d)

    @property
    def drifting(self) -> bool:
        """From a detection of drift until the model has been right again for `drift_hold_d`."""
        return self.drift.drifting

    def drifts(self) -> list[Found]:
        """Detections, oldest first, the last hundred."""
        return list(self.drift.found)

    def report(self) -> dict[str, Any]:
        """For people, as JSON: how good each model's forecasts were, who leads, where, and drift.

        `models` by name, `leads` of the champion over the others, `slices` of the champion by
        dimension and value, `history` by week. Days are civil days; chances
        are of an adverse finding.
        """
        challenged = self.challengers
        return {
            "examples": self.board.examples, "adverse": self.board.adverse,
            "first_day": self.first_day, "last_day": self.day,
            "published": self.given.name if self.given else None,
            "published_day": self.given.since_day if self.given else None,
            "models": self.board.report(), "leads": self.board.leads(),
            "slices": self.slices.report(),
            "drift": {"drifting": self.drifting,
                      "found": [msgspec.structs.asdict(f) for f in self.drifts()]},
            "history": self.history.report(),
            "challengers": challenged.report() if challenged is not None else None,
        }

    def dump(self) -> bytes:
        """Everything but the challengers; `load` continues from it, bit for bit."""
        return msgspec.msgpack.encode({
            "cards": [c.export() for c in self.cards], "board": self.board.state(),
            "slices": self.slices.state(), "shares": [s.sums for s in self.shares],
            "drift": self.drift.state(), "day": self.day, "first_day": self.first_day,
            "given": self.given, "history": self.history.rows})

    def load(self, data: bytes) -> None:
        """Inverse of `dump`, into a learner made with the policy of that moment."""
        state = msgspec.msgpack.decode(data)
        for card, own in zip(self.cards, state["cards"], strict=True):
            card.restore(own)
        self.board.restore(state["board"])
        self.slices.restore(state["slices"])
        for share, sums in zip(self.shares, state["shares"], strict=True):
            share.sums = [list(pair) for pair in sums]
        self.drift.restore(state["drift"])
        self.day, self.first_day = state["day"], state["first_day"]
        self.given = msgspec.convert(state["given"], Weights | None)
        # Learners that kept no history had none in their dump; it begins with the next week.
        self.history.restore(state.get("history", []))

    def _learn(self, day: int, rows: list[Example]) -> None:
        """Predict all, take stock, then learn one by one."""
        ripe = self.board.adverse >= self.policy.learning.adverse_min
        adverse, weights = [e.adverse for e in rows], [e.weight for e in rows]
        own, reference = self._said(self.cards, rows), self._said(self.experts, rows)
        steps = [[e.grade for e in rows], [step(e.count) for e in rows]]
        simple = [[s.chance(n) for n in at] for s, at in zip(self.shares, steps, strict=True)]
        self.board.add([own, reference, *simple], adverse, weights,
                       [cluster_of(e.subject) for e in rows],
                       [None, None, None, [math.log2(e.count + 1e-3) for e in rows]])
        self.slices.add([[GROUPS[e.group] for e in rows], [e.kind for e in rows],
                         [self._department.get(e.item, "") for e in rows],
                         [e.district for e in rows], [e.size for e in rows]],
                        own, adverse, weights)
        if ripe:
            # Before that it only finds its level, which is no drift.
            self.drift.update(day, own, adverse, weights)
        if self.challengers is not None:
            few = range(min(self.policy.learning.challengers_per_day, len(rows)))
            self.challengers.learn(day, [rows[n] for n in few], [own[n] for n in few])
        for share, at in zip(self.shares, steps, strict=True):
            for n, y, w in zip(at, adverse, weights, strict=True):
                share.learn(n, y, w)
        for e in rows:
            self.cards[e.group].learn_one({**e.features, "item": e.item}, not e.adverse, e.weight)

    @staticmethod
    def _said(cards: Sequence[BoundedScorecard], rows: Sequence[Example]) -> list[float]:
        """Chance of an adverse finding of each, by the card of its group."""
        out = [0.0] * len(rows)
        for group, card in enumerate(cards):
            at = [n for n, e in enumerate(rows) if e.group == group]
            if not at:
                continue
            own = [rows[n].features for n in at]
            names = sorted(set(chain.from_iterable(own)))
            x: dict[str, Any] = {name: [f.get(name, 0.0) for f in own] for name in names}
            x["item"] = [rows[n].item for n in at]
            for n, p in zip(at, card.predict_proba_many(x).tolist(), strict=True):
                out[n] = 1.0 - p
        return out


class Shares:
    """A baseline's chance: the share of adverse examples in a bin so far, near the share of all."""

    def __init__(self, bins: int) -> None:
        self.sums = [[0.0, 0.0] for _ in range(bins + 1)]
        """Weight of the adverse and of all, by bin; the last is all bins."""

    def chance(self, at: int) -> float:
        all_bad, every = self.sums[-1]
        bad, n = self.sums[at]
        return (bad + PRIOR * (all_bad + 1.0) / (every + PRIOR)) / (n + PRIOR)

    def learn(self, at: int, adverse: bool, weight: float) -> None:
        for pair in (self.sums[at], self.sums[-1]):
            pair[0] += weight * adverse
            pair[1] += weight


def step(count: float) -> int:
    """Bin of a decayed count."""
    if count < 1.0 / 16:
        return 0
    return min(1 + int(4.0 * math.log2(count * 16.0)), COUNTS - 1)


def _place(e: Example) -> tuple[int, int, str, str, bool]:
    """By day, then mixed: neighbours in code or item must not follow each other."""
    mixed = xxhash.xxh3_64_intdigest(f"{e.subject}\n{e.item}\n{e.day}".encode())
    return e.day, mixed, e.subject, e.item, e.adverse


def _card(policy: Policy, group: int) -> BoundedScorecard:
    own = policy.learning
    weights, bounds = expert(policy, group)
    return BoundedScorecard(
        weights, bounds, getattr(policy.subjects, GROUPS[group]), own.strength,
        own.intercept_strength, own.group_strength, ("item",), memory=own.memory,
        optimizer=optim.AdaGrad(own.rate))


def _unlearned(policy: Policy, group: int) -> BoundedScorecard:
    weights, bounds = expert(policy, group)
    return BoundedScorecard(weights, bounds, getattr(policy.subjects, GROUPS[group]), math.inf,
                            groups=("item",))


def _offsets(card: BoundedScorecard) -> dict[str, float]:
    """How far the intercept ("") and each item's offset were moved, those that are not 0."""
    found = ((key.partition(":"), value) for key, value in card.export().items())
    out = {name: _plain(value) for (kind, _, name), value in found if kind == "offset"}
    return {name: out[name] for name in sorted(out) if out[name]}


def _plain(value: float) -> float:
    """As published; never -0.0."""
    return round(value, DIGITS) + 0.0
