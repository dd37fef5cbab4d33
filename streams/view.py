"""What every view can be asked, whichever store it lies in: rows as the outside sees them."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from alerts.lifecycle import OPEN
from streams.rows import Row

LEVELS = ("red", "orange", "yellow", "blue")
GRADES = ("A", "B", "C", "D", "ungraded")


class Standing(NamedTuple):
    """How far a system is, and what went through it."""

    clock_ms: int
    """Up to this moment everything is in [epoch ms]."""
    offset: int
    """Envelopes folded."""
    subjects: int
    accepted: int
    duplicates: int
    conflicts: int
    readings: int
    policy: str
    """Hash of the policy in force; "" before the first."""
    version: str


class View(Protocol):
    """Queries of one view, from any thread. Limits are counts of rows."""

    def alerts(self, *, rule: str | None = None, state: str | None = None,
               level: str | None = None, subject: str | None = None, limit: int = 50,
               before: str | None = None) -> list[Row]:
        """Alerts, the newest opening first; `before` = the last `id` of the page before."""

    def alert(self, alert_id: str) -> Row | None: ...

    def transitions_of(self, alert_id: str) -> tuple[list[Row], bool]:
        """What happened to an alert, oldest first (`rows.transition_row`); False = the view no
        longer keeps the beginning."""

    def changes(self, after_seq: int, limit: int) -> list[Row]:
        """Transitions with `seq` above `after_seq`, oldest first."""

    def last_seq(self) -> int:
        """`seq` of the newest transition, 0 before the first."""

    def reviews(self, *, state: str | None = None, limit: int = 50,
                before: str | None = None) -> list[Row]:
        """Reviews, the newest opening first; `before` = the last `id` of the page before."""

    def review(self, review_id: str) -> Row | None: ...

    def subjects(self, *, q: str = "", district: str = "", grade: str = "", kind: str = "",
                 limit: int = 50, after: str = "") -> list[Row]:
        """Subjects in code order; `after` = the last `subject` of the page before.

        `q` is looked for in code and name; ASCII letters count as equal in both cases.
        """

    def rejects(self, *, limit: int = 50, before: int | None = None) -> list[Row]:
        """Dead letters, newest first; -1 = all that are kept; `before` = the last `seq` of the page
        before."""

    def open_alerts(self) -> tuple[dict[str, int], dict[str, int]]:
        """Open alerts by level and by rule."""

    def grades(self) -> dict[str, int]:
        """Subjects by public grade."""

    def reviews_open(self) -> int: ...

    def rejected(self) -> int:
        """Dead letters ever written."""

    def models(self) -> Row | None:
        """The last report of the analysis (`Analysis.report`); None before the first."""


def count_open(counts: list[tuple[str, str, str, int]]) -> tuple[dict[str, int], dict[str, int]]:
    """Open alerts by level and by rule, from (rule, level, state, number of alerts)."""
    by_level = dict.fromkeys(LEVELS, 0)
    by_rule: dict[str, int] = {}
    for rule, level, state, count in counts:
        if state in OPEN:
            by_level[level] += count
            by_rule[rule] = by_rule.get(rule, 0) + count
    return by_level, dict(sorted(by_rule.items()))
