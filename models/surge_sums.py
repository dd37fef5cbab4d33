"""Sums whose last bit depends on nothing but the numbers."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def total(values: Floats) -> float:
    """Exactly rounded: the same in any order."""
    return math.fsum(values.tolist())


def columns(values: Floats) -> Floats:
    """Sum of each column, in one order: eight by eight, then in pairs, then the rows that are left.

    Examples
    --------
    >>> columns(np.ones((53, 2))).tolist()
    [53.0, 53.0]
    """
    rows, width = values.shape
    whole = rows // 8 * 8
    if not whole:
        return np.add.accumulate(values, axis=0)[-1]
    r = values[:whole].reshape(-1, 8, width).sum(axis=0)
    out: Floats = ((r[0] + r[1]) + (r[2] + r[3])) + ((r[4] + r[5]) + (r[6] + r[7]))
    for row in values[whole:]:
        out += row
    return out
