"""Places in Chicago: counts that fade with time and are spread in space.

Places are cells of 250 m on a grid over the city; a field is a count that fades with time
(half-life in days) and is spread in space by a Gaussian (sigma in km).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
SOUTH, WEST, CELL_KM = 41.62, -87.96, 0.25
KM_LAT, KM_LON = 111.2, 82.9
ROWS, COLUMNS = 188, 148
PLACE_PRECISION = 3.0
"""Of the prior of a place's deviation [1 / log-odds**2]."""


def cell(lat: str, lon: str) -> tuple[int, int]:
    if not lat or not lon:
        return -1, -1
    row = int((float(lat) - SOUTH) * KM_LAT / CELL_KM)
    column = int((float(lon) - WEST) * KM_LON / CELL_KM)
    return (row, column) if 0 <= row < ROWS and 0 <= column < COLUMNS else (-1, -1)


def spread(n: int, sigma_km: float) -> Floats:
    """Gaussian kernel between the cells of one axis, shape (n, n)."""
    x = np.arange(n) * CELL_KM
    out: Floats = np.exp(-0.5 * ((x[:, None] - x[None, :]) / sigma_km) ** 2)
    return out


class Field:
    """Counts over the city that fade with time; `smooth` is spread anew when it is asked for."""

    def __init__(self, sigma_km: float, half_life_d: float) -> None:
        self.keep = 2.0 ** (-1.0 / half_life_d)
        self.count = np.zeros((ROWS, COLUMNS))
        self.down, self.across = spread(ROWS, sigma_km), spread(COLUMNS, sigma_km)
        self._smooth: Floats | None = None

    def fade(self) -> None:
        self.count *= self.keep
        self._smooth = None

    def add(self, at: tuple[int, int], n: float = 1.0) -> None:
        if at[0] >= 0:
            self.count[at] += n
            self._smooth = None

    @property
    def smooth(self) -> Floats:
        if self._smooth is None:
            self._smooth = self.down @ self.count @ self.across
        return self._smooth


class Place:
    """How findings around a place deviate from what its businesses let expect.

    One Newton step of a local log-odds shift from 0: sum of (found - expected) over sum of
    expected * (1 - expected), plus the precision of the prior; both weighted by the kernel.
    """

    def __init__(self, sigma_km: float, half_life_d: float) -> None:
        self.surplus, self.information = (Field(sigma_km, half_life_d) for _ in range(2))

    def fade(self) -> None:
        self.surplus.fade()
        self.information.fade()

    def add(self, at: tuple[int, int], found: float, expected: float) -> None:
        self.surplus.add(at, found - expected)
        self.information.add(at, expected * (1 - expected))

    def shift(self, at: tuple[int, int]) -> float:
        if at[0] < 0:
            return 0.0
        return float(self.surplus.smooth[at] / (self.information.smooth[at] + PLACE_PRECISION))
