"""What every view can be asked, whichever store it lies in: rows as the outside sees them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple, Protocol

from alerts.lifecycle import OPEN
from storage.effects import DrawnChanged, DrawPooled
from storage.tallies import Lane
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


class Hour(NamedTuple):
    """A count of something that happened in an hour."""

    hour: int
    """Since 1970, UTC."""
    what: str
    """"opened" and "ended": alerts of rule `a` and level `b`; "grade": net change of businesses
    with the public grade `a`; "dead": dead letters."""
    a: str
    b: str
    n: int


class District(NamedTuple):
    grades: dict[str, int]
    """Businesses by public grade."""
    open: dict[str, int]
    """Open alerts by level."""


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

    def board(self, lane: Lane, a: str, b: str, first: str, last: str, limit: int) -> list[Row]:
        """Reviews of a lane between two parties (`ALL` = any), at places after `first` and before
        `last` (`storage.tallies.at`), in their order."""

    def board_size(self, lane: Lane, a: str, b: str, first: str, last: str) -> int:
        """How many stand there."""

    def tallies(self) -> dict[str, int]:
        """Sums over reviews and businesses, by `storage.tallies.name`."""

    def clock_ms(self) -> int:
        """Up to this moment everything is in [epoch ms]."""

    def workday(self, day: int, n: int) -> int:
        """The n-th working day after a day."""

    def subjects(self, *, q: str = "", district: str = "", grade: str = "", kind: str = "",
                 limit: int = 50, after: str = "") -> list[Row]:
        """Subjects in code order; `after` = the last `subject` of the page before.

        `q` is looked for in code and name; ASCII letters count as equal in both cases.
        """

    def pools(self, draw: str) -> list[DrawPooled]:
        """What each shard that has answered has in the pool of a draw; none = no such draw."""

    def draw_ids(self, limit: int, before: str | None = None) -> list[str]:
        """Draws, the newest order first, without mere counts of a pool; `before` = the last of
        the page before."""

    def drawn(self, key: str) -> list[DrawnChanged]:
        """Who was drawn in a draw (`streams.draws.key_of`), and what came of it, by code."""

    def shards(self) -> int:
        """How many answer an order; 0 = not known yet."""

    def rejects(self, *, limit: int = 50, before: int | None = None) -> list[Row]:
        """Dead letters, newest first; -1 = all that are kept; `before` = the last `seq` of the page
        before."""

    def open_alerts(self) -> tuple[dict[str, int], dict[str, int]]:
        """Open alerts by level and by rule."""

    def open_groups(self) -> list[tuple[str, str, int]]:
        """(rule, level, open alerts)."""

    def grades(self) -> dict[str, int]:
        """Subjects by public grade."""

    def districts(self) -> dict[str, District]:
        """By code; "" holds whatever has none. Nothing is scanned for it."""

    def hours(self, first: int) -> list[Hour]:
        """What happened in each hour from `first` on, in any order; 400 days are kept."""

    def feeds(self) -> list[tuple[str, int, int]]:
        """(source, hour since 1970, events) by source and hour: of each clock hour the latest day
        with events, without the running hour."""

    def utc_offset_ms(self) -> int:
        """What civil days are off UTC; 0 before the first policy."""

    def reviews_open(self) -> int: ...

    def rejected(self) -> int:
        """Dead letters ever written."""

    def models(self) -> Row | None:
        """The last report of the analysis (`Analysis.report`); None before the first."""


def group_open(counts: Iterable[tuple[Any, ...]]) -> list[tuple[str, str, int]]:
    """(rule, level, open alerts), from (rule, level, state, number of alerts)."""
    out: dict[tuple[str, str], int] = {}
    for rule, level, state, count in counts:
        if count and state in OPEN:
            out[rule, level] = out.get((rule, level), 0) + count
    return [(*key, count) for key, count in sorted(out.items()) if count]


def count_open(counts: Iterable[tuple[Any, ...]]) -> tuple[dict[str, int], dict[str, int]]:
    """Open alerts by level and by rule, from (rule, level, state, number of alerts)."""
    by_level = dict.fromkeys(LEVELS, 0)
    by_rule: dict[str, int] = {}
    for rule, level, state, count in counts:
        if state in OPEN and count:
            by_level[level] += count
            by_rule[rule] = by_rule.get(rule, 0) + count
    return by_level, dict(sorted(by_rule.items()))


def by_district(subjects: Iterable[tuple[Any, ...]],
                alerts: Iterable[tuple[Any, ...]]) -> dict[str, District]:
    """Districts from (district, grade, businesses) and (district, level, open alerts)."""
    out: dict[str, District] = {}
    for place, rows in enumerate((subjects, alerts)):
        for code, value, n in rows:
            if n:
                held = out.setdefault(code, District({}, {}))[place]
                held[value] = held.get(value, 0) + n
    return {code: out[code] for code in sorted(out)}
