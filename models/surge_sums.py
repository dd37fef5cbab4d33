"""Sums whose last bit depends on nothing but the numbers."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def total(values: Floats) -> float:
    """Exactly rounded, as `math.fsum`: the same in any order. Finite ones, above 1e-200 or 0."""
    return totals(values, np.zeros(len(values), np.int64), 1)[0]


def totals(values: Floats, group: NDArray[np.int64], groups: int) -> list[float]:
    """As `total`, of the values of each group.

    Mantissas are added as whole numbers, those of one exponent together.

    Examples
    --------
    >>> totals(np.array([1e16, 1.0, 3.0, 1.0, -1e16]), np.array([0, 0, 1, 0, 0]), 2)
    [2.0, 3.0]
    """
    if not len(values):
        return [0.0] * groups
    part, exponent = np.frexp(values)
    whole = (part * 2.0 ** 53).astype(np.int64)
    low = int(exponent.min())
    span = int(exponent.max()) - low + 1
    place = group * span + exponent - low
    high_sums = np.bincount(place, whole >> 27, groups * span).tolist()
    low_sums = np.bincount(place, whole & 0x7FFFFFF, groups * span).tolist()
    return [math.fsum([math.ldexp(s, low + j - shift)
                       for sums, shift in ((high_sums, 26), (low_sums, 53))
                       for j, s in enumerate(sums[at:at + span]) if s])
            for at in range(0, groups * span, span)]


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
        one: Floats = np.cumsum(values, axis=0)[-1]
        return one
    r = values[:whole].reshape(-1, 8, width).sum(axis=0)
    out: Floats = ((r[0] + r[1]) + (r[2] + r[3])) + ((r[4] + r[5]) + (r[6] + r[7]))
    for row in values[whole:]:
        out += row
    return out
