"""How good forecasts were, week by week: progressive figures as they stood, bounded.

`models.validation` keeps sums, which say how models stand now; what they said a year ago is not in
them any more. Pure.

Memory: `WEEKS_MAX` rows, about 60 kB. Cost: a row a week, 0.3 ms.
"""

from __future__ import annotations

from typing import Any

import msgspec

from models.validation import Validation

WEEKS_MAX = 260
"""Five years; older rows are dropped."""


class Stood(msgspec.Struct, frozen=True):
    """Figures of all forecasts judged up to a day.

    `auc` and `ece` [0, 1] by name of the model; None for what cannot be said yet.
    """

    day: int
    examples: int
    adverse: int
    auc: dict[str, float | None]
    ece: dict[str, float | None]
    drifting: bool
    """At the end of the week."""
    weights: str | None
    """Version that was published on this day."""


class History:
    """Rows by day, the oldest first."""

    def __init__(self) -> None:
        self.rows: list[Stood] = []

    def add(self, day: int, board: Validation, drifting: bool = False,
            weights: str | None = None) -> None:
        """A row, unless no forecast has been judged yet."""
        assert not self.rows or day > self.rows[-1].day, f"day {day} after {self.rows[-1].day}"
        if not board.examples:
            return
        figures = board.figures()
        self.rows = [*self.rows, Stood(
            day, board.examples, board.adverse, {name: auc for name, (auc, _) in figures.items()},
            {name: ece for name, (_, ece) in figures.items()}, drifting, weights)][-WEEKS_MAX:]

    def report(self) -> list[dict[str, Any]]:
        """For people, as JSON."""
        return [msgspec.structs.asdict(row) for row in self.rows]

    def restore(self, rows: Any) -> None:
        """Rows as `dump` of the learner has them."""
        self.rows = msgspec.convert(rows, list[Stood])
