"""Daily counts of a city's units as matrices, kept up to date from day to day.

Nothing is in here that is not in the counts: a grid made anew is the same but for the numbers its
units have, and no result depends on those.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from models.surge_series import Cell, Key, Member, Move
from models.surge_state import WINDOW_D, Cells

Ints = NDArray[np.int64]
Counts = NDArray[np.int32]

ALL = "*"
WEEK_D = 7
ROWS = WINDOW_D + 224
"""Days of a grid: a new one is made every 32 weeks."""
LEVEL, CAUSE, DISTRICT, ITEM, NAMED, ABOVE, OVER_DISTRICTS, OVER_ITEMS = 0, 1, 2, 3, 4, 5, 8, 9
"""What is known of a unit. ABOVE: three numbers, of a cell the sums over items, over districts and
over both. OVER_...: the sum whose parts the unit's alikes are that differ in that, or -1."""
_FACTS = 10


class Matrix:
    """Counts by day, columns added at need."""

    def __init__(self, rows: int) -> None:
        self.rows = rows
        self.all: Counts = np.zeros((rows, 64), np.int32)

    def fit(self, columns: int) -> None:
        width = self.all.shape[1]
        if columns > width:
            wider = np.zeros((self.rows, max(columns, width * 3 // 2)), np.int32)
            wider[:, :width] = self.all
            self.all = wider

    def add(self, row: Ints, column: Ints, n: Ints) -> None:
        np.add.at(self.all.reshape(-1), row * self.all.shape[1] + column, n)


class Grid:
    """Units are the cells and the sums over items, over districts and over both (levels 0 to 3).

    `daily`, `weekly`: counts of a day, and of the seven days up to it. `causes`, `districts`,
    `items`: daily sums. Row 0 is the day `base`.
    """

    def __init__(self, state: Cells, day: int) -> None:
        self.base = day - WINDOW_D - WEEK_D + 1
        self.units: list[Cell] = []
        self.number: dict[Key, int] = {}
        self.facts = np.zeros((_FACTS, 64), np.int64)
        self.parts = np.zeros(64, np.int64)
        """How many cells there are of a unit: of none, there is no unit."""
        self.top: list[int] = []
        """The unit of each cause in the whole city."""
        self.daily, self.weekly = Matrix(ROWS), Matrix(ROWS + WEEK_D)
        self.causes, self.districts, self.items = Matrix(ROWS), Matrix(ROWS), Matrix(ROWS)
        self._names: tuple[dict[str, int], ...] = ({}, {ALL: 0}, {ALL: 0})
        """Numbers of causes, districts, items; the first stands for all."""
        self.who: dict[Key, set[str]] = {}
        """Subjects of a cell's recent reports, and perhaps some of reports now forgotten."""
        self.often: dict[int, list[tuple[Member, list[int]]]] = {}
        """Cell -> days of those with two recent reports or more, ascending."""
        cells = list(state.cells)
        series = [state.cells[cell] for cell in cells]
        flat = np.frombuffer(b"".join(s.data for s in series), np.int32).reshape(-1, 2)
        unit = np.array([self._unit(cell) for cell in cells], np.int64)
        owner = np.repeat(unit, np.array([len(s.data) // 2 for s in series], np.int64))
        self._fit()
        self._put(owner, flat[:, 0].astype(np.int64), np.maximum(flat[:, 1], 0).astype(np.int64),
                  weekly=False)
        for later in range(WEEK_D):
            self.weekly.all[later:later + ROWS] += self.daily.all
        self._heed(state, cells)

    def serves(self, state: Cells, day: int) -> bool:
        """Whether the grid has what is held against the past of a day."""
        first = day - WINDOW_D + 1
        return self.base <= first and day < self.base + ROWS and state.horizon() <= first

    def follow(self, state: Cells, moves: Iterable[Move]) -> None:
        """Take in what has changed since."""
        cells: dict[Key, int] = {}
        owner, days, rises = [], [], []
        for cell, day, rise in moves:
            at = cells.get(cell)
            if at is None:
                at = cells[cell] = self._unit(cell)
            if rise:
                owner.append(at)
                days.append(day)
                rises.append(rise)
        self._fit()
        self._put(np.array(owner, np.int64), np.array(days, np.int64), np.array(rises, np.int64))
        self._heed(state, cells)

    def behind(self, subjects: set[str]) -> list[Key]:
        """Cells with all recent reports of some subjects."""
        return [cell for cell, who in self.who.items() if not who.isdisjoint(subjects)]

    # ---------------------------------------------------------------------------------- units

    def _unit(self, unit: Key) -> int:
        """The number of a unit; the first time, those above it are numbered too."""
        at = self.number.get(unit)
        if at is None:
            where, what, why = unit
            above = [] if where == what == ALL else [
                self._unit(u) for u in ((where, ALL, why), (ALL, what, why), (ALL, ALL, why))
                if u != unit]
            cause, district, item = (names.setdefault(name, len(names)) for names, name in zip(
                self._names, (why, where, what), strict=True))
            at = self.number[unit] = len(self.units)
            self.units.append((where, what, why))
            if at >= self.facts.shape[1]:
                self.facts = np.concatenate((self.facts, np.zeros_like(self.facts)), axis=1)
                self.parts = np.concatenate((self.parts, np.zeros_like(self.parts)))
            level = (what == ALL) + 2 * (where == ALL)
            if level == 3:
                self.top.append(at)
            up = above if level == 0 else [at] * 3
            over = ([up[1], up[0]] if level == 0 else [above[-1], -1] if level == 1
                    else [-1, above[-1]] if level == 2 else [-1, -1])
            self.facts[:, at] = level, cause, district, item, where != "", *up, *over
        return at

    def _fit(self) -> None:
        for matrix, names in zip((self.causes, self.districts, self.items), self._names,
                                 strict=True):
            matrix.fit(len(names))
        self.daily.fit(len(self.units))
        self.weekly.fit(len(self.units))

    def _put(self, cell: Ints, day: Ints, n: Ints, *, weekly: bool = True) -> None:
        row = day - self.base
        inside = (row >= 0) & (row < ROWS) & (n != 0)
        if not inside.any():
            return
        cell, row, n = cell[inside], row[inside], n[inside]
        facts = self.facts[:, cell]
        for matrix, which in ((self.causes, CAUSE), (self.districts, DISTRICT), (self.items, ITEM)):
            matrix.add(row, facts[which], n)
        units = np.concatenate((cell, *facts[ABOVE:ABOVE + 3]))
        rows, counts = np.tile(row, 4), np.tile(n, 4)
        self.daily.add(rows, units, counts)
        if weekly:
            later = rows + np.arange(WEEK_D)[:, None]
            self.weekly.add(later.reshape(-1), np.tile(units, WEEK_D), np.tile(counts, WEEK_D))

    def _heed(self, state: Cells, cells: Iterable[Key]) -> None:
        """Whether cells are there, and who is behind their recent reports."""
        for cell in cells:
            at = self.number[cell]
            there = cell in state.cells
            if there != self.parts[at]:
                self.parts[at] = there
                self.parts[self.facts[ABOVE:ABOVE + 3, at]] += 1 if there else -1
            held = state.recent.get(cell)
            self.often.pop(at, None)
            if not held:
                self.who.pop(cell, None)
                continue
            who = self.who[cell] = {name[1] for name in held}
            if len(who) == len(held) and max(held.values()) == 1:
                continue
            twice = {s for s, n in Counter([name[1] for name in held]).items() if n > 1}
            times: dict[Member, list[int]] = {}
            for name, n in held.items():
                if n > 1 or (n == 1 and name[1] in twice):
                    times.setdefault((name[1], name[4], cell[0], name[5]), []).extend([name[0]] * n)
            if times:
                self.often[at] = [(member, sorted(days)) for member, days in times.items()]


def grid(state: Cells, day: int) -> Grid:
    """The grid of a state, up to date."""
    held, moves = state.tables.get(True), state.moves[True]
    if not isinstance(held, Grid) or moves is None or not held.serves(state, day):
        held = state.tables[True] = Grid(state, day)
    elif moves:
        held.follow(state, moves)
    state.moves[True] = []
    return held
