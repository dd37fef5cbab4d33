"""A scorecard that learns from outcomes and stays inside the policy.

Logistic: log-odds = intercept + offsets of the groups + sum of weight * indicator. Weights start at
the expert's, are moved by one of river's optimisers, pulled back toward the expert's, and put back
inside their bounds after every step. Pure: the same examples in the same order give the same bits,
whatever the order of keys in an example.

References
----------
[^1]: M. Zinkevich, Online convex programming, ICML 2003 (projection after each step).
[^2]: A. Gelman and J. Hill, Data Analysis Using Regression, Cambridge, 2007, ch. 12 (pooling).
[^3]: K. Murphy, Machine Learning, MIT, 2012, section 8.5.3 (recursive logistic: the offsets).
"""

from __future__ import annotations

import collections
import functools
import math
import operator
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from river import base, optim

from models.policy import INDICATORS, Policy

INPUT_MAX = 1e4
"""Larger indicators count as this much: one absurd value must not overflow a score."""
LOG_ODDS_MAX = 35.0
"""Beyond it a probability is 0 or 1 in double precision."""
OFFSETS_MAX = 100_000
"""Groups that get an offset of their own; later ones use their parent's."""
EVERYONE = ""
"""Path of the group of all: the intercept."""
UNDER = "\x1f"
"""Between the parts of a path (ASCII unit separator)."""
Bounds = tuple[float, float]
Example = Mapping[Any, Any]
"""Feature -> number, or text where it names a group."""
Floats = NDArray[np.float64]


def probability(log_odds: float) -> float:
    """Logistic function, by `math.exp` everywhere: numpy's may differ in the last bit."""
    return 1.0 / (1.0 + math.exp(-min(max(log_odds, -LOG_ODDS_MAX), LOG_ODDS_MAX)))


def added(start: float, parts: Iterable[float]) -> float:
    """From left to right; `sum` compensates from Python 3.12 on, and so has other bits."""
    return functools.reduce(operator.add, parts, start)


def expert(policy: Policy, group: int = 0) -> tuple[dict[str, float], dict[str, Bounds]]:
    """The policy's weights and bounds by indicator, of subjects of a group of `scorecard.GROUPS`.

    In log-odds of *no adverse finding*: a model started from them learns that as its True.
    """
    weights, bounds = {}, {}
    for name in INDICATORS:
        one = getattr(policy.indicators, name)
        own = (one.weight, one.individual, one.organisation)[group]
        weights[name] = one.weight if own is None else own
        bounds[name] = one.bounds
    return weights, bounds


class BoundedScorecard(base.Classifier):
    """Online logistic scorecard with an expert's prior, bounds and shared intercepts.

    After n examples in which an indicator was present its gradient is
    (n * loss + `strength` * (weight - prior)) / (n + `strength`), that of a maximum a posteriori
    estimate: the prior is worth about `strength / (p * (1 - p))` examples and fades as they come.
    A group's offset is normal around its parent's, so that one with few examples stays near its
    parent. Memory: a few floats an indicator and group. Cost: about 1 us an indicator.

    Parameters
    ----------
    prior, intercept
        Expert weights [log-odds of True per unit], 0 where not given, and the log-odds of a subject
        about whom nothing is known.
    bounds, free
        (lowest, highest) weight; (-`free`, `free`) where not given.
    strength, intercept_strength, group_strength
        Precision [1 / log-odds**2] of the prior of weights (`math.inf`: they are not learned), of
        the intercept and of offsets.
    groups
        Names of features that name a group (text), from coarse to fine, e.g. ("kind", "item").
    offset_bound
        Most that an offset, or the intercept from its start, may be moved [log-odds].
    memory
        Examples after which the past counts no more than this many; `math.inf` = all of it.
    optimizer
        One of river's that moves weights by a step: SGD, AdaGrad, RMSProp, Momentum, Adam.

    Examples
    --------
    >>> card = BoundedScorecard({"fine": -1.0}, {"fine": (-2.0, -0.5)}, strength=1.0)
    >>> card.predict_proba_one({"fine": 1.0})[True] == probability(-1.0)
    True
    >>> for _ in range(2000):
    ...     card.learn_one({"fine": 1.0}, True)
    >>> card.card()
    {'fine': -0.5}
    """

    def __init__(
        self, prior: Mapping[str, float] | None = None,
        bounds: Mapping[str, Bounds] | None = None, intercept: float = 0.0,
        strength: float = 10.0, intercept_strength: float = 1.0, group_strength: float = 10.0,
        groups: tuple[str, ...] | None = None, offset_bound: float = 3.0, memory: float = math.inf,
        free: float = 5.0, optimizer: optim.base.Optimizer | None = None,
    ) -> None:
        self.prior, self.bounds, self.intercept = prior, bounds, intercept
        self.strength, self.intercept_strength = strength, intercept_strength
        self.group_strength, self.groups, self.offset_bound = group_strength, groups, offset_bound
        self.memory, self.free, self.optimizer = memory, free, optimizer
        self._optimizer = self._fresh()
        self._groups = tuple(groups or ())
        self._weights: dict[Any, float] = {}
        self._seen, self._offsets, self._precision = (dict[str, float]() for _ in range(3))
        for name, weight in (prior or {}).items():
            assert weight == self._inside(name, weight), f"{name}: expert's weight out of bounds"

    def expert(self, name: str) -> float:
        return (self.prior or {}).get(name, 0.0)

    def bound(self, name: str) -> Bounds:
        return (self.bounds or {}).get(name, (-self.free, self.free))

    def weight(self, name: str) -> float:
        return self._weights.get(name, self.expert(name))

    def card(self) -> dict[str, float]:
        """Weight of every indicator that is known, by name."""
        return {name: self.weight(name) for name in sorted({*(self.prior or {}), *self._weights})}

    def offset(self, *path: str) -> float:
        """Offset of one group over its parent; without a path, the intercept's move."""
        return self._offsets.get(UNDER.join(path), 0.0)

    def contributions(self, x: Example) -> list[tuple[str, float]]:
        """(group or indicator, log-odds), in the order in which they are added up."""
        return [*((path, self._offsets.get(path, 0.0)) for path in self._paths(x)),
                *((name, self.weight(name) * value) for name, value in self._inputs(x))]

    def log_odds_one(self, x: Example) -> float:
        return added(self.intercept, (part for _, part in self.contributions(x)))

    def predict_proba_one(self, x: Example, **_: Any) -> dict[base.typing.ClfTarget, float]:
        p = probability(self.log_odds_one(x))
        return {False: 1.0 - p, True: p}

    def predict_proba_many(self, x: Mapping[str, ArrayLike]) -> Floats:
        """Probability of True of each row, the same bits as `predict_proba_one`; `x`: column
        name -> values, shape (n,), those of `groups` text."""
        columns, paths = self._columns(x)
        return np.array([probability(z) for z in self._log_odds_many(columns, paths)])

    def learn_one(self, x: Example, y: base.typing.ClfTarget, w: float = 1.0) -> None:
        """One step along the gradient at (x, y), which counts `w` times; then inside the bounds."""
        assert 0.0 <= w < math.inf, "a weight is not negative"
        p = probability(self.log_odds_one(x))
        error = (p - float(bool(y))) * w
        self._step({n: (error * v, 1.0) for n, v in self._inputs(x)}, w)
        self._shift([(path, error, p * (1.0 - p) * w) for path in self._paths(x)])

    def learn_many(self, x: Mapping[str, ArrayLike], y: Sequence[bool] | NDArray[np.bool_],
                   w: Sequence[float] | Floats | None = None) -> None:
        """One step along the mean gradient of all rows, taken at the weights before it.

        A batch of one row is `learn_one`, bit for bit. Means are exact sums (`math.fsum`), so the
        order of the rows does not matter. `x` as in `predict_proba_many`; `y`, `w` shape (n,).
        """
        if not (n := len(y)):
            return
        columns, paths = self._columns(x)
        weights = np.ones(n) if w is None else np.asarray(w, float)
        assert bool(np.all((weights >= 0.0) & np.isfinite(weights))), "a weight is not negative"
        p = np.array([probability(z) for z in self._log_odds_many(columns, paths)])
        error = (p - np.asarray(y, bool).astype(float)) * weights
        self._step({name: (math.fsum(error * v) / n, float(np.count_nonzero(v)))
                    for name, v in columns.items() if np.any(v)}, math.fsum(weights) / n)
        rows: dict[str, list[int]] = {}
        for row, path in enumerate(paths):
            for one in path:
                rows.setdefault(one, []).append(row)
        curvature = p * (1.0 - p) * weights
        self._shift([(one, math.fsum(error[of]), math.fsum(curvature[of]))
                     for one, of in sorted(rows.items())])

    def recentre(self, prior: Mapping[str, float], bounds: Mapping[str, Bounds],
                 intercept: float) -> None:
        """A new policy: what was learned stays, as a distance from the expert and inside the new
        bounds; a weight that was never moved is the new expert's, exactly."""
        moved = {n: w - self.expert(n) for n, w in self._weights.items()}
        self.prior, self.bounds, self.intercept = dict(prior), dict(bounds), intercept
        for name, distance in moved.items():
            self._weights[name] = self._inside(name, self.expert(name) + distance)

    def export(self) -> dict[str, float]:
        """Everything learned, as plain floats; `restore` continues from it, bit for bit."""
        out = {f"{kind}:{name}": float(values[name])
               for kind, values in self._state().items() for name in sorted(values)}
        for name, value in sorted(vars(self._optimizer).items()):
            if isinstance(value, Mapping):
                out |= {f"optimizer.{name}:{k}": float(value[k]) for k in sorted(value)}
            elif isinstance(value, int | float):
                out[f"optimizer.{name}"] = float(value)
        return out

    def restore(self, state: Mapping[str, float]) -> None:
        """Inverse of `export`, into a model made with the same parameters."""
        for values in self._state().values():
            values.clear()
        self._optimizer = self._fresh()
        for key, value in state.items():
            kind, _, name = key.partition(":")
            if not kind.startswith("optimizer."):
                self._state()[kind][name] = value
                continue
            attribute = kind.removeprefix("optimizer.")
            held = getattr(self._optimizer, attribute)
            if name and held is None:    # some make it at their first step
                held = collections.defaultdict(float)
            if name:
                held[name] = value
            setattr(self._optimizer, attribute, held if name else type(held)(value))

    def _fresh(self) -> optim.base.Optimizer:
        """An optimiser of our own that has made no step."""
        return optim.AdaGrad(0.05) if self.optimizer is None else self.optimizer.clone()

    def _state(self) -> dict[str, dict[str, float]]:
        return {"weight": self._weights, "seen": self._seen,
                "offset": self._offsets, "precision": self._precision}

    def _inputs(self, x: Example) -> list[tuple[str, float]]:
        """Indicators that are present, by name: an indicator at 0 says nothing of its weight."""
        out = [(name, float(x[name])) for name in sorted(x) if name not in self._groups and x[name]]
        assert not any(math.isnan(value) for _, value in out), "not a number"
        return [(name, min(max(value, -INPUT_MAX), INPUT_MAX)) for name, value in out]

    def _paths(self, x: Example) -> list[str]:
        """Groups of an example, from everyone to the finest that is named."""
        out, path = [EVERYONE], ""
        for name in self._groups:
            if name not in x:
                break
            path = f"{path}{UNDER}{x[name]}" if path else str(x[name])
            out.append(path)
        return out

    def _columns(self, x: Example) -> tuple[dict[str, Floats], list[list[str]]]:
        columns = {name: np.clip(np.asarray(x[name], float), -INPUT_MAX, INPUT_MAX)
                   for name in sorted(x) if name not in self._groups}
        assert not any(np.isnan(v).any() for v in columns.values()), "not a number"
        named = {name: list(x[name]) for name in self._groups if name in x}
        n = len(next(iter(columns.values()), next(iter(named.values()), [])))
        return columns, [self._paths({k: v[i] for k, v in named.items()}) for i in range(n)]

    def _log_odds_many(self, columns: Mapping[str, Floats], paths: list[list[str]]) -> list[float]:
        total = np.array([added(self.intercept, (self._offsets.get(one, 0.0) for one in path))
                          for path in paths])
        for name, values in columns.items():
            total += self.weight(name) * values
        return list(map(float, total))

    def _step(self, gradient: Mapping[str, tuple[float, float]], w: float) -> None:
        """Move weights by name -> (gradient of the loss, examples in it); then project."""
        if not w or self.strength == math.inf:
            return
        slope: dict[Any, float] = {}
        for name, (loss, examples) in gradient.items():
            n = self._seen[name] = min(self._seen.get(name, 0.0) + examples * w, self.memory)
            here = self._weights.setdefault(name, self.expert(name))
            pull = self.strength * (here - self.expert(name))
            slope[name] = (n * loss + pull) / (n + self.strength)
        if slope:
            self._optimizer.step(self._weights, slope)
            for name in slope:
                self._weights[name] = self._inside(name, self._weights[name])

    def _shift(self, moves: list[tuple[str, float, float]]) -> None:
        """Newton's step for offsets: (path, gradient, curvature), the prior in the precision."""
        for path, error, curvature in moves:
            if path not in self._offsets and len(self._offsets) >= OFFSETS_MAX:
                continue
            at_first = self.group_strength if path else self.intercept_strength
            held = self._precision.get(path, at_first) + curvature
            self._precision[path] = held = min(held, at_first + self.memory * 0.25)
            moved = self._offsets.get(path, 0.0) - error / held
            self._offsets[path] = min(max(moved, -self.offset_bound), self.offset_bound)

    def _inside(self, name: str, weight: float) -> float:
        low, high = self.bound(name)
        return min(max(weight, low), high)
