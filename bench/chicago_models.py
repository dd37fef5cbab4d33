"""Who ranks the candidates: our bounded scorecard and the baselines, behind one protocol."""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from river import forest, linear_model, optim, preprocessing

from models.bounded import BoundedScorecard

Row = dict[str, float | str]
Floats = NDArray[np.float64]

PRIOR: dict[str, tuple[float, float, float]] = {
    # the business: a finding is never good news
    "critical_180d": (0.05, 0.0, 1.0), "critical_720d": (0.10, 0.0, 1.0),
    "serious_720d": (0.05, 0.0, 1.0), "failed_720d": (0.05, 0.0, 1.0),
    "minor_180d": (0.10, 0.0, 1.5), "minor_720d": (0.20, 0.0, 1.5),
    "clean": (-0.10, -0.6, 0.0), "first": (0.10, -1.0, 1.0),
    "since": (0.05, 0.0, 0.5), "since_visit": (0.20, 0.0, 0.6),
    "visit_complaint": (0.10, 0.0, 1.0), "visit_reinspection": (0.15, 0.0, 1.0),
    "visit_suspected_food_poisoning": (0.10, 0.0, 1.0), "visit_license": (0.0, -0.5, 0.5),
    # the register
    "risk_high": (0.40, 0.0, 1.5), "risk_low": (-0.20, -1.5, 0.0),
    "age": (-0.05, -0.5, 0.5), "age_unknown": (0.0, -0.7, 0.7), "young": (-0.1, -0.7, 0.7),
    # the place and the day
    "place_block": (0.2, 0.0, 1.0), "place_near": (0.2, 0.0, 1.0),
    "place_quarter": (0.3, 0.0, 1.0), "place_side": (0.3, 0.0, 1.0),
    "place_high": (0.1, 0.0, 1.0), "minor_restaurant": (0.1, 0.0, 1.0),
    "place_serious": (0.2, 0.0, 1.0), "garbage": (0.03, 0.0, 0.3), "burglary": (0.0, 0.0, 0.3),
    "warm": (0.10, 0.0, 0.5), "city_14d": (0.0, 0.0, 1.0), "city_60d": (0.0, 0.0, 1.0),
}
"""Indicator -> (expert weight, lowest, highest) [log-odds of a critical finding per unit]."""
INTERCEPT = -3.2
SIMPLE = ("critical_180d", "critical_720d", "serious_720d", "failed_720d", "first", "since",
          "since_visit", "visit_complaint", "visit_reinspection", "risk_high", "risk_low", "age",
          "garbage", "burglary", "warm")
"""The simple event features of the plain river model."""


class Ranker(Protocol):
    def learn(self, rows: Sequence[Row], found: Sequence[bool]) -> None:
        """Outcomes of one day, in a fixed order."""

    def score(self, rows: Sequence[Row]) -> Floats:
        """Higher = sooner; a probability where the model has one. Shape (n,)."""


class Bounded:
    """`models.bounded`: every weight within sign and bounds, kinds and items pooled."""

    def __init__(self, **changed: Any) -> None:
        settings: dict[str, Any] = {
            "strength": 60.0, "group_strength": 20.0, "intercept_strength": 5.0,
            "optimizer": optim.AdaGrad(0.1), **changed}
        self.model = BoundedScorecard(
            {k: v[0] for k, v in PRIOR.items()}, {k: v[1:] for k, v in PRIOR.items()},
            intercept=INTERCEPT, groups=("kind", "item"), **settings)

    def learn(self, rows: Sequence[Row], found: Sequence[bool]) -> None:
        for x, y in zip(rows, found, strict=True):
            self.model.learn_one(x, y)

    def score(self, rows: Sequence[Row]) -> Floats:
        return np.array([self.model.predict_proba_one(x)[True] for x in rows])


class River:
    """A model of river's, on the features it is given; kinds as indicators where it takes all."""

    def __init__(self, model: Any, names: tuple[str, ...] = ()) -> None:
        self.model, self.names = model, names

    def _row(self, x: Row) -> dict[str, Any]:
        if self.names:
            return {n: x[n] for n in self.names}
        return {**{k: v for k, v in x.items() if not isinstance(v, str)}, f"kind_{x['kind']}": 1.0}

    def learn(self, rows: Sequence[Row], found: Sequence[bool]) -> None:
        for x, y in zip(rows, found, strict=True):
            self.model.learn_one(self._row(x), y)

    def score(self, rows: Sequence[Row]) -> Floats:
        return np.array([self.model.predict_proba_one(self._row(x)).get(True, 0.0) for x in rows])


class Batch:
    """A scikit-learn model fitted anew whenever it is asked after learning, on all outcomes."""

    def __init__(self, make: Callable[[], Any], every: int = 1) -> None:
        self.make, self.every = make, every
        self.rows: list[list[float]] = []
        self.found: list[bool] = []
        self.model: Any = None
        self.stale = 0

    @staticmethod
    def _row(x: Row) -> list[float]:
        kinds = ("school", "daycare", "restaurant", "grocery", "bakery", "care", "bar", "catering")
        return [*(float(x[k]) for k in PRIOR), *(float(x["kind"] == k) for k in kinds)]

    def learn(self, rows: Sequence[Row], found: Sequence[bool]) -> None:
        self.rows += [self._row(x) for x in rows]
        self.found += found
        self.stale += 1

    def score(self, rows: Sequence[Row]) -> Floats:
        if len(set(self.found)) < 2:
            return np.full(len(rows), 0.13)
        if self.model is None or self.stale >= self.every:
            self.model, self.stale = self.make(), 0
            self.model.fit(np.array(self.rows), np.array(self.found))
        out: Floats = self.model.predict_proba(np.array([self._row(x) for x in rows]))[:, 1]
        return out


class Rule:
    """No learning: one indicator, or a sum of them."""

    def __init__(self, *names: str) -> None:
        self.names = names

    def learn(self, rows: Sequence[Row], found: Sequence[bool]) -> None: ...

    def score(self, rows: Sequence[Row]) -> Floats:
        return np.array([math.fsum(float(x[n]) for n in self.names) for x in rows])


class Mean:
    """Ensemble: mean log-odds of its members."""

    def __init__(self, *members: Ranker) -> None:
        self.members = members

    def learn(self, rows: Sequence[Row], found: Sequence[bool]) -> None:
        for one in self.members:
            one.learn(rows, found)

    def score(self, rows: Sequence[Row]) -> Floats:
        p = np.clip([one.score(rows) for one in self.members], 1e-6, 1 - 1e-6)
        out: Floats = 1.0 / (1.0 + np.exp(-np.mean(np.log(p / (1 - p)), axis=0)))
        return out


def rankers(seed: int = 1) -> dict[str, Callable[[], Ranker] | None]:
    """Rows of the table; None where scikit-learn is not installed (bench/requirements.txt)."""
    out: dict[str, Callable[[], Ranker] | None] = {
        "xinfeng": Bounded,
        "decayed past count": lambda: Rule("critical_720d"),
        "place's past rate": lambda: Rule("place_near"),
        "river logistic, simple": lambda: River(
            preprocessing.StandardScaler() | linear_model.LogisticRegression(), SIMPLE),
        "river logistic, all": lambda: River(
            preprocessing.StandardScaler() | linear_model.LogisticRegression()),
        "river adaptive forest": lambda: River(
            forest.ARFClassifier(n_models=10, seed=seed)),
        "batch logistic": None, "batch boosting": None, "ensemble": None,
    }
    try:
        ensemble, linear, pipeline, scaling = (importlib.import_module(f"sklearn.{m}") for m in (
            "ensemble", "linear_model", "pipeline", "preprocessing"))
    except ImportError:
        return out

    def logistic() -> Any:
        return pipeline.make_pipeline(scaling.StandardScaler(),
                                      linear.LogisticRegression(C=0.01, max_iter=500))

    def boosting() -> Any:
        return ensemble.HistGradientBoostingClassifier(
            learning_rate=0.05, max_iter=80, max_leaf_nodes=6, l2_regularization=5.0,
            random_state=seed)

    out["batch logistic"] = lambda: Batch(logistic)
    out["batch boosting"] = lambda: Batch(boosting)
    out["ensemble"] = lambda: Mean(Bounded(), Batch(logistic), Batch(boosting))
    return out
