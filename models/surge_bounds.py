"""Lower bounds of p-values, many at once: what they rule out need not be worked out.

Computed by vectors, so the last bits depend on the platform. They decide what is computed, never
what is told: `at_most` leaves room for that.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

COUNT_MAX = 64
"""Of larger counts nothing is ruled out."""
ROOM = 1e-5
"""Large shapes are taken for Poisson elsewhere, not here: tails differ by so much at most."""
ATTAINED_MAX = 16
"""Counts with which the levels that units can attain are looked for."""


def at_most(level: float) -> float:
    """A number that no bound exceeds if its p-value is at most `level`."""
    return level * (1.0 + ROOM) + 1e-12


def tails(mean: Floats, shape: Floats, count_max: int) -> Floats:
    """P(X >= n) for n = 0 ... count_max, one row each, for shapes that are no infinity."""
    out = np.empty((count_max + 1, len(mean)))
    share = mean / (shape + mean)
    term = np.exp(-shape * np.log1p(mean / shape))
    out[0] = 1.0
    for j in range(count_max):
        np.subtract(out[j], term, out=out[j + 1])
        term *= (shape + j) / (j + 1) * share
    return out


def least(n: Ints, mean: Floats, shape: Floats) -> Floats:
    """At most P(X >= n), but for rounding.

    Examples
    --------
    >>> least(np.array([1, 900]), np.ones(2), np.full(2, 1e8)).round(3).tolist()
    [0.632, 0.0]
    """
    out = np.zeros(len(n))
    order = np.argsort(n)
    start = 0
    # Most counts are small: those with about as many terms are taken together, if they are many.
    for upper in (2, 6, 20, COUNT_MAX):
        end = int(np.searchsorted(n, upper, side="right", sorter=order))
        if end - start > upper // 4:
            some = order[start:end]
            table = tails(mean[some], shape[some], upper)
            out[some] = table[n[some], np.arange(end - start)]
        start = end
    return out


def attained(level: float, table: Floats) -> Floats:
    """At most the level that a test of `level` attains, for each column of `tails`."""
    found: Floats = np.where(table <= level * (1.0 - ROOM), table, 0.0).max(axis=0)
    return np.maximum(found * (1.0 - ROOM) - 1e-12, 0.0)
