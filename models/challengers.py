"""River's other classifiers in shadow: would the centre learn more from them than from the card?

They see the same indicators as the scorecard, and the item, of a few examples a day, and are
compared with it on just those. Nothing they say reaches a weight, a score or a grade. They are not
part of a checkpoint: after a restart they begin anew, and the report says since when they count.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from river import compose, forest, linear_model, optim, preprocessing, tree

from models.examples import Example
from models.history import History
from models.policy import INDICATORS
from models.validation import Validation, cluster_of

SEED = 1
DEPTH_MAX = 12
LEAST = 1e-4
"""No chance below it, or above its opposite: a tree says 0 of what it has not seen."""
CHAMPION = "bounded scorecard"
NAMES = ("adaptive forest", "adaptive tree", "logistic")


class Challengers:
    """Each is asked, then told; deterministic, since all that is random has a seed.

    `since_day` is the first day they count from. Cost: 1 ms an example at first, up to 5 once the
    trees have grown, nearly all of it the forest's. Memory: trees of at most 2**12 leaves.
    """

    def __init__(self) -> None:
        self.since_day: int | None = None
        self.board = Validation((CHAMPION, *NAMES))
        self.history = History()
        """Of them and the champion on the same examples; it begins anew with them."""
        self.weight = self.clean = 0.0
        self.forest: Any = forest.ARFClassifier(seed=SEED, max_depth=DEPTH_MAX)
        self.tree: Any = tree.HoeffdingAdaptiveTreeClassifier(seed=SEED, max_depth=DEPTH_MAX)
        self.logistic: Any = compose.Pipeline(
            preprocessing.StandardScaler(), linear_model.LogisticRegression(optim.SGD(0.01)))

    def learn(self, day: int, examples: Sequence[Example], champion: Sequence[float]) -> None:
        """Examples of one day, with the chance that the champion gave them."""
        if not examples:
            return
        self.since_day = day if self.since_day is None else self.since_day
        chances: list[list[float]] = [[] for _ in NAMES]
        for one in examples:
            full: dict[str, Any] = {name: one.features.get(name, 0.0) for name in INDICATORS}
            named = {**full, "group": str(one.group), "item": one.item}
            flat = {**full, f"item_{one.item}": 1.0}
            # The forest takes no weights: its odds are those of the sample.
            times = self.weight / self.clean if self.clean else 1.0
            p = _chance(self.forest.predict_proba_one(named))
            said = (p / (p + (1.0 - p) * times), _chance(self.tree.predict_proba_one(named)),
                    _chance(self.logistic.predict_proba_one(flat)))
            for chance, own in zip(said, chances, strict=True):
                own.append(min(max(chance, LEAST), 1.0 - LEAST))
            self.forest.learn_one(named, one.adverse)
            self.tree.learn_one(named, one.adverse, w=one.weight)
            self.logistic.learn_one(flat, one.adverse, w=one.weight)
            if not one.adverse:
                self.weight, self.clean = self.weight + one.weight, self.clean + 1.0
        self.board.add([champion, *chances], [e.adverse for e in examples],
                       [e.weight for e in examples], [cluster_of(e.subject) for e in examples])

    def report(self) -> dict[str, Any]:
        return {"since_day": self.since_day, "examples": self.board.examples,
                "adverse": self.board.adverse, "models": self.board.report(),
                "leads": self.board.leads(), "history": self.history.report()}


def _chance(said: dict[Any, float]) -> float:
    return float(said.get(True, 0.0)) if said else 0.5
