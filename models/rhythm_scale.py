"""One length of time (hours, days or weeks) at which feeds are watched: how usual a step without
any event is, and what a run of such steps adds up to. Pure.

Only whether a step had events counts, not how many: a feed that sends a thousand at once is no less
likely to pause. Chances by cell of the calendar are shrunk toward those of like cells. A run of
empty steps is measured in the feed's own time, the sum of `-log(1 - chance)`: without dependence
between steps it is exponential [^1]. Feeds come in spells, so past runs say how much slower they
end the longer they last (`theta`), and the chance of a run is a negative binomial's zero [^2].

[^1]: D. R. Cox, P. A. W. Lewis, The Statistical Analysis of Series of Events, 1966 (rescaling).
[^2]: gamma-mixed Poisson: `P(0) = (1 + theta x) ** (-1 / theta)`, Lomax in x.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

PRIOR = 2.0
"""Steps that the chance of like cells is worth against a cell's own."""
OVERALL = 0.5
"""The same of the feed's overall chance against that of like cells."""
KEEP_TOTAL = 0.5 ** (1 / 2000)
KEEP_RATE = 0.5 ** (1 / 50)
"""Of the latest runs, by which it is seen that a feed has become slower."""
RATE_PRIOR = 5.0
KEEP_RUNS = 0.5 ** (1 / 500)
CHANCE_MAX = 1 - 1e-4
LONG, SETTLED = 4.0, 20.0
"""Own time of a run from which on it is no more learned what is usual, once so many runs are known:
it may be an outage. That makes chances 2 % too high, which the latest runs put right."""
OUTAGE = 10.0
"""An outage that was told shows a slower feed at most as far as a run this long."""
EDGES = (0.5, 1.0, 2.0, 4.0, 8.0)
_CENTRES = (0.25, 0.75, 1.5, 3.0, 6.0, 10.0)
_THETAS = ((0.01, 0.30), (0.05, 0.25), (0.1, 0.2), (0.2, 0.12), (0.4, 0.08), (0.8, 0.04),
           (1.6, 0.01))
"""Overdispersion and how likely it is before anything was seen."""
_COLUMNS = ("gap", "pending", "recent", "foreseen", "ends", "steps", "active")
_TABLES = ("n", "a", "ended", "exposed", "trial")


class Scale:
    """
    Parameters
    ----------
    cells
        Cells of the calendar. Memory: 16 bytes a cell and feed.
    keep
        What of the past a cell keeps when it comes round.
    """

    def __init__(self, cells: int, keep: float) -> None:
        self.keep = keep
        self.n: Floats = np.zeros((0, cells))
        """Steps of each cell, and how many had events."""
        self.a: Floats = np.zeros((0, cells))
        self.ended: Floats = np.zeros((0, len(_CENTRES)))
        """Runs that ended after so much own time, and how many should have."""
        self.exposed: Floats = np.zeros((0, len(_CENTRES)))
        self.trial: Floats = np.zeros((0, len(_CENTRES)))
        """`exposed` of the run under way: it counts when it has ended."""
        self.gap: Floats = np.zeros(0)
        """Own time since the last step with events."""
        self.pending: Floats = np.zeros(0)
        self.recent: Floats = np.zeros(0)
        """Latest runs that ended, and how many should have."""
        self.foreseen: Floats = np.zeros(0)
        self.ends: Floats = np.zeros(0)
        self.steps: Floats = np.zeros(0)
        self.active: Floats = np.zeros(0)
        self._thetas: dict[int, float] = {}
        """Row -> its overdispersion, until another of its runs ends."""

    def add(self, rows: int) -> None:
        for name in _COLUMNS:
            setattr(self, name, np.concatenate((getattr(self, name), np.zeros(rows))))
        for name in _TABLES:
            held = getattr(self, name)
            setattr(self, name, np.concatenate((held, np.zeros((rows, held.shape[1])))))

    def drop(self, keep: Bools) -> None:
        for name in _COLUMNS + _TABLES:
            setattr(self, name, getattr(self, name)[keep])
        self._thetas.clear()

    def chance(self, cell: int, like: Sequence[int]) -> Floats:
        """Chance [0, 1) that a step in a cell has events, of each feed."""
        n = self.n[:, like[0]]
        a = self.a[:, like[0]]
        for other in like[1:]:
            n = n + self.n[:, other]
            a = a + self.a[:, other]
        overall = (self.active + 0.5) / (self.steps + 1.0)
        shared = (a + OVERALL * overall) / (n + OVERALL)
        own = (self.a[:, cell] + PRIOR * shared) / (self.n[:, cell] + PRIOR)
        return np.minimum(own, CHANCE_MAX)

    def step(self, cell: int, chance: Floats, share: Floats, had: Bools, counts: Bools) -> None:
        """One step is over.

        Parameters
        ----------
        share
            How much of the step counts [0, 1]: what the whole city lacks no feed need answer for.
        had
            Which feeds had events.
        counts
            Which feeds may learn from it.
        """
        rate = np.minimum((self.recent + RATE_PRIOR) / (self.foreseen + RATE_PRIOR), 1.0)
        seen = chance * share
        due = seen * rate
        # By math.log, since numpy's may differ in the last bit from one machine to the next.
        logs = np.array([math.log(x) for x in (1.0 - chance).tolist()])
        at = np.searchsorted(EDGES, self.gap, side="right")
        self.trial[np.arange(len(at)), at] += due
        self.pending += seen
        done = (had & counts).nonzero()[0]
        back = (had & ~counts).nonzero()[0]
        self.foreseen[back] += np.minimum(self.pending[back], OUTAGE)
        if len(done):
            self.ended[done] *= KEEP_RUNS
            self.exposed[done] = self.exposed[done] * KEEP_RUNS + self.trial[done]
            self.ended[done, at[done]] += 1.0
            self.recent[done] = self.recent[done] * KEEP_RATE + 1.0
            self.foreseen[done] = self.foreseen[done] * KEEP_RATE + self.pending[done]
            self.ends[done] += 1.0
            for row in done.tolist():
                self._thetas.pop(row, None)
        self.pending[had] = 0.0
        self.trial[had] = 0.0
        rows = (counts & (had | (self.gap < LONG) | (self.ends < SETTLED))).nonzero()[0]
        self.gap = np.where(had, 0.0, self.gap - logs * rate * share)
        self.n[rows, cell] = self.n[rows, cell] * self.keep + 1.0
        self.a[rows, cell] = self.a[rows, cell] * self.keep + had[rows]
        self.steps[rows] = self.steps[rows] * KEEP_TOTAL + 1.0
        self.active[rows] = self.active[rows] * KEEP_TOTAL + had[rows]

    def share_active(self, row: int) -> float:
        """Share of steps with events."""
        return float(self.active[row]) / max(float(self.steps[row]), 1.0)

    def surprise(self, row: int) -> float:
        """-log of the chance that a run gets as long as the one under way."""
        theta = self._thetas.get(row)
        if theta is None:
            theta = self._thetas[row] = self._theta(row)
        theta += 1.0 / max(float(self.ends[row]), 1.0)
        return math.log1p(theta * float(self.gap[row])) / theta

    def _theta(self, row: int) -> float:
        """The likeliest overdispersion, by how the past runs ended; ties go to the smaller."""
        ended, exposed = self.ended[row].tolist(), self.exposed[row].tolist()
        best, found = -math.inf, 0.0
        for theta, prior in _THETAS:
            score = math.log(prior)
            for n, due, x in zip(ended, exposed, _CENTRES, strict=True):
                score -= n * math.log1p(theta * x) + due / (1.0 + theta * x)
            if score > best:
                best, found = score, theta
        return found

    def dump(self) -> list[Any]:
        return [getattr(self, name).tobytes() for name in _COLUMNS + _TABLES]

    def load(self, held: Sequence[bytes]) -> None:
        for name, blob in zip(_COLUMNS + _TABLES, held, strict=True):
            like = getattr(self, name)
            values = np.frombuffer(blob, np.float64).copy()
            setattr(self, name, values.reshape(-1, like.shape[1]) if like.ndim == 2 else values)
        self._thetas.clear()
