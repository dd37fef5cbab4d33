"""Counts that surges are looked for in: exact, bounded, the same whatever the order of arrival.

A report is an adverse fact about a subject, on its own civil day. Counts are signed sums, so that
taking one back is exact even if that arrives first; states of parts of a city add up to the state
of the whole.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from typing import Any, NamedTuple, TypeAlias

import msgspec
import xxhash

from models.surge_series import Cell, Key, Member, Move, Peer, Series

WINDOW_D = 400
"""How many days of counts are kept: a year and the month around this day last year."""
RECENT_D = 42
"""How many days the single reports are kept, as evidence."""
CELLS_MAX = 100_000
"""Cells kept. Chongqing has 38 districts, 61 items and some causes an item: below 20,000."""
SUBJECTS_MAX = 8_000_000
"""Subjects kept; one costs about 500 bytes and 32 a day with reports."""
REPORTS_MAX = 2_000
"""Recent reports kept of one cell, the latest."""
MOVES_MAX = 1_000_000
"""Moves that wait for a reader; when there are more, tables are made anew."""


class Report(NamedTuple):
    """One adverse fact; `day` is the civil day on which it happened."""

    source: str
    id: str
    subject: str
    district: str
    industry: str
    size: str
    item: str
    cause: str
    day: int

    @property
    def cell(self) -> Cell:
        return self.district, self.item, self.cause

    @property
    def member(self) -> Member:
        return self.subject, self.industry, self.district, self.size


Named: TypeAlias = tuple[int, str, str, str, str, str]
"""Day, subject, source, id, industry, size."""
Recent: TypeAlias = dict[Named, int]
"""A report -> 1, or -1 for what was taken back before it arrived."""


class Cells:
    """Counts of a city's cells and subjects.

    `clock_d` is the newest day there is; `advance` moves it and forgets what is too old. `roster`:
    how many subjects there are of each peer group, reports or not (0 if nobody said).
    `overflow`: reports whose cell or subject was not kept, because of the limits. What is kept is
    the keys of smallest hash, so that it does not depend on the order of arrival either.
    """

    def __init__(self, cells_max: int = CELLS_MAX, subjects_max: int = SUBJECTS_MAX) -> None:
        self.cells: dict[Key, Series] = {}
        self.subjects: dict[Key, Series] = {}
        self.recent: dict[Key, Recent] = {}
        self.roster: dict[Peer, int] = {}
        self.clock_d = 0
        self.overflow = 0
        self.cells_max = cells_max
        self.subjects_max = subjects_max
        self._heaviest: dict[bool, tuple[int, Key]] = {}
        """Of the cells (True) and of the subjects, when it is known."""
        self.moves: dict[bool, list[Move] | None] = {True: None, False: None}
        """Of the cells (True) and of the subjects, since its table was read; None without one."""
        self.tables: dict[bool, Any] = {}
        """What evaluation keeps from day to day, all of it from the counts. Never dumped."""

    # ------------------------------------------------------------------------------- counting

    def add(self, report: Report) -> None:
        """Count a report on its own day; one older than the window is not looked at."""
        self._count(report, 1)

    def take_back(self, report: Report) -> None:
        """As if the report had never been; it may arrive before the report."""
        self._count(report, -1)

    def enrol(self, peer: Peer, n: int = 1) -> None:
        """`n` more subjects of a peer group (fewer, if negative)."""
        total = self.roster.get(peer, 0) + n
        if total:
            self.roster[peer] = total
        else:
            self.roster.pop(peer, None)
        self._moved(False, peer)

    def advance(self, day: int) -> None:
        """Move the clock to `day`, never back, and forget what lies before the window."""
        if day <= self.clock_d:
            return
        old = self._horizons()
        self.clock_d = day
        first, recent = self._horizons()
        if (first, recent) == old:
            return
        for held in (self.cells, self.subjects):
            for key in [k for k, series in held.items() if series.data[0] < first]:
                held[key].drop_before(first)
                self._settle(key)
        for cell in list(self.recent):
            reports = self.recent[cell]
            for name in [name for name in reports if name[0] < recent]:
                del reports[name]
            if not reports:
                del self.recent[cell]
        for moves in self.moves.values():
            if moves and len(moves) > MOVES_MAX:
                self.moves = {True: None, False: None}
                self.tables.clear()
                break

    def horizon(self) -> int:
        """First day of which counts are kept."""
        return self._horizons()[0]

    def _moved(self, kind: bool, key: Key, day: int = 0, rise: int = 0) -> None:
        moves = self.moves[kind]
        if moves is not None:
            moves.append((key, day, rise))

    def _horizons(self) -> tuple[int, int]:
        """First days of which counts and reports are kept: moved on once a week, to save work."""
        return (self.clock_d - WINDOW_D + 1) // 7 * 7, (self.clock_d - RECENT_D + 1) // 7 * 7

    def _count(self, report: Report, n: int) -> None:
        first, recent = self._horizons()
        if report.day < first:
            return
        for key in (report.cell, report.member):
            if not self._put(key, ((report.day, n),)):
                self.overflow += n
            elif len(key) == 3 and report.day >= recent:
                self._remember(report, n)

    def _put(self, key: Key, counts: Iterable[tuple[int, int]]) -> bool:
        """Add counts of days to a series; whether there was room for it."""
        if not self._room(key):
            return False
        series, kind = self._held(key).setdefault(key, Series()), len(key) == 3
        for day, n in counts:
            self._moved(kind, key, day, series.add(day, n))
        self._settle(key)
        return True

    def _held(self, key: Key) -> dict[Key, Series]:
        return self.cells if len(key) == 3 else self.subjects

    def _remember(self, report: Report, n: int) -> None:
        self._keep(report.cell, (report.day, report.subject, report.source, report.id,
                                 report.industry, report.size), n)

    def _keep(self, cell: Key, name: Named, n: int) -> None:
        self._moved(True, cell)
        held = self.recent.setdefault(cell, {})
        total = held.get(name, 0) + n
        if total:
            held[name] = total
        else:
            del held[name]
        if len(held) > REPORTS_MAX:
            del held[min(held)]
        if not held:
            del self.recent[cell]

    def _settle(self, key: Key) -> None:
        held = self._held(key)
        if not held[key].data:
            del held[key]
            self._heaviest.pop(len(key) == 3, None)
            self._moved(len(key) == 3, key)

    # --------------------------------------------------------------------------------- limits

    def _room(self, key: Key) -> bool:
        """Whether a key may be kept; evicts the key of largest hash if that is another one."""
        held, kind = self._held(key), len(key) == 3
        if key in held:
            return True
        heaviest = self._heaviest.get(kind)
        if len(held) < (self.cells_max if kind else self.subjects_max):
            if heaviest:
                self._heaviest[kind] = max(heaviest, (_hash(key), key))
            return True
        if not heaviest:
            heaviest = self._heaviest[kind] = max((_hash(other), other) for other in held)
        if (_hash(key), key) > heaviest:
            return False
        gone = heaviest[1]
        series = held.pop(gone)
        self.overflow += series.total()
        for day, n in series.items():
            self._moved(kind, gone, day, -max(n, 0))
        if kind:
            self.recent.pop(gone, None)
        del self._heaviest[kind]
        return True

    def usual(self, member: Key, last: int, window_d: int) -> float:
        """Reports of a subject in `window_d` days, on average of its past up to day `last`."""
        series = self.subjects.get(member)
        n = sum(k for day, k in series.items() if k > 0 and day <= last) if series else 0
        return n * window_d / (WINDOW_D - max(0, self.clock_d - last))

    # ------------------------------------------------------------------------ merge, dump, load

    def merge(self, other: Cells) -> None:
        """Add the counts of another part of the city."""
        self.advance(other.clock_d)
        first, recent = self._horizons()
        self.overflow += other.overflow
        for held in (other.cells, other.subjects):
            for key in sorted(held):
                if not self._put(key, (x for x in held[key].items() if x[0] >= first)):
                    self.overflow += held[key].total()
        for cell, more in sorted(other.recent.items()):
            if cell in self.cells or cell not in other.cells:
                for name, n in sorted(more.items()):
                    if name[0] >= recent:
                        self._keep(cell, name, n)
        for peer, n in other.roster.items():
            self.enrol(peer, n)

    def dump(self) -> bytes:
        """All of it, the same bytes for the same counts."""
        return msgspec.msgpack.encode((
            self.clock_d, self.overflow, self.cells_max, self.subjects_max,
            [(*cell, self.cells[cell].data.tolist()) for cell in sorted(self.cells)],
            [(*key, self.subjects[key].data.tolist()) for key in sorted(self.subjects)],
            [(*cell, [(*name, n) for name, n in sorted(self.recent[cell].items())])
             for cell in sorted(self.recent)],
            [(*peer, n) for peer, n in sorted(self.roster.items())]))

    @classmethod
    def load(cls, blob: bytes) -> Cells:
        clock_d, overflow, cells_max, subjects_max, cells, subjects, recent, roster = (
            msgspec.msgpack.decode(blob, type=_Dump))
        made = cls(cells_max, subjects_max)
        made.clock_d, made.overflow = clock_d, overflow
        for district, item, cause, data in cells:
            made.cells[(district, item, cause)] = Series(array("i", data))
        for subject, industry, district, size, data in subjects:
            made.subjects[(subject, industry, district, size)] = Series(array("i", data))
        for district, item, cause, rows in recent:
            made.recent[(district, item, cause)] = {row[:6]: row[6] for row in rows}
        made.roster = {(a, b, c): n for a, b, c, n in roster}
        return made


_Dump = tuple[int, int, int, int,
              list[tuple[str, str, str, list[int]]],
              list[tuple[str, str, str, str, list[int]]],
              list[tuple[str, str, str, list[tuple[int, str, str, str, str, str, int]]]],
              list[tuple[str, str, str, int]]]


def _hash(key: Key) -> int:
    return xxhash.xxh3_64_intdigest("\x1f".join(key).encode())
