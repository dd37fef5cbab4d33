"""The usual rhythm of each feed, and which of them are silent against it. Pure.

A feed is watched at three scales at once: hours of the day by weekday, days by weekday, weeks.
Holidays and make-up days are kinds of days of their own, shrunk toward weekends and working days.
A feed is silent when, at some scale, the chance of so long a run without events under its own
rhythm (`models.rhythm_scale`) is so small that such runs come up less often than
`false_per_source_year`. So a busy feed is missed after hours, a rare one after weeks.

What the city lacks as a whole tells nothing of one feed: an hour counts as far as the other feeds
sent what was to be expected of them, and not at all when none of them sent anything.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import msgspec
import numpy as np

from models.policy import FeedSilent
from models.rhythm_scale import Bools, Floats, Scale

SOURCES_MAX = 4096
"""Feeds that are remembered: about 6 kB each."""
HOURS = 24
MAKEUP, HOLIDAY = 7, 8
_WORKED, _OFF = (0, 1, 2, 3, 4, MAKEUP), (5, 6, HOLIDAY)
_STEPS_A_YEAR = (8766.0, 365.25, 52.18)
KEEP = 0.5 ** (1 / 26)
"""Of a cell that comes round weekly: half a year counts half."""
CITY, CITY_DOWN = 1.0, 0.8
"""How many feeds must be due for the city to be slow, and to be down when none sends."""
RELAPSES, KEEP_RELAPSES = 2.5, 0.5 ** (1 / 14)
"""An outage that ends is no part of the usual; so many within some weeks are."""
OUT_H = 7 * HOURS
"""A feed that has been silent for longer is no more missed when the city is looked at."""
CLIP = 4.0
"""A count above so many times the usual, and twenty, is cut: one flood is not usual."""


class Day(NamedTuple):
    """Kind of a civil day: 0 to 4 a worked Monday to Friday, 5 and 6 a weekend day off, `MAKEUP`,
    `HOLIDAY`."""

    kind: int
    ends_week: bool


def day_kind(day: int, is_workday: Callable[[int], bool]) -> Day:
    """Kind of a day number.

    Examples
    --------
    >>> day_kind(0, lambda d: False), day_kind(3, lambda d: False)
    (Day(kind=8, ends_week=False), Day(kind=6, ends_week=True))
    """
    weekday = (day + 3) % 7
    if is_workday(day) != (weekday < 5):
        return Day(MAKEUP if weekday >= 5 else HOLIDAY, weekday == 6)
    return Day(weekday, weekday == 6)


class Silence(msgspec.Struct, frozen=True, array_like=True):
    """A feed that is silent, or was. `hour`s count since 1970, UTC."""

    source: str
    since_hour: int
    """The first hour without events."""
    expected: float
    """Events that would have been usual since then."""
    rare: bool
    open: bool


class Rhythm:
    """Cost per hour: some dozens of numpy calls over all feeds, and a logarithm each."""

    def __init__(self) -> None:
        self.hour = 0
        """The next one to be stepped."""
        self.names: list[str] = []
        self._row: dict[str, int] = {}
        self.told: dict[str, Silence] = {}
        self._scales = (Scale(9 * HOURS, KEEP), Scale(9, KEEP), Scale(1, KEEP))
        self._counts: Floats = np.zeros((0, 9 * HOURS))
        """Events of a cell, like `Scale.n`."""
        self._first: Floats = np.zeros(0)
        self._last: Floats = np.zeros(0)
        """Hours of the first and the latest event."""
        self._relapses: Floats = np.zeros(0)
        """How often it was silent lately."""
        self._expected: Floats = np.zeros(0)
        self._had = np.zeros((2, 0), np.bool_)
        """Which had events this day, this week."""
        self._back = np.zeros((2, 0), np.bool_)
        """Which of them were silent before."""
        self._usual: Floats = np.zeros((2, 0))
        self._shared: Floats = np.zeros((2, 0))
        """What was to be expected this day and week, and as much of it as counts."""

    def step(self, counts: Mapping[str, int], day: Day, clock: int,
             rule: FeedSilent) -> list[Silence]:
        """One hour is over.

        Parameters
        ----------
        counts
            Source -> events in it.
        day, clock
            Its civil day and hour of the day [0 to 23].

        Returns
        -------
        Feeds that became silent or ended it, by name.
        """
        ended = self._admit(counts, rule)
        rows = len(self.names)
        had: Bools = np.zeros(rows, np.bool_)
        n: Floats = np.zeros(rows)
        for source, count in counts.items():
            if count and (row := self._row.get(source)) is not None:
                had[row], n[row] = True, count
        hours, days, weeks = self._scales
        like = _WORKED if day.kind in _WORKED else _OFF
        cell = day.kind * HOURS + clock
        chance = hours.chance(cell, [kind * HOURS + clock for kind in like])
        quiet: Bools = np.zeros(rows, np.bool_)
        out: Bools = np.zeros(rows, np.bool_)
        for source, silence in self.told.items():
            quiet[self._row[source]] = True
            out[self._row[source]] = self.hour - silence.since_hour > OUT_H
        share = _share(chance, had, out)
        back = had & quiet
        self._relapses += back
        quiet &= ~(back & (self._relapses >= RELAPSES))
        counted = (share > 0) & ~quiet
        self._expect(cell, n, share, had, counted)
        hours.step(cell, chance, share, had, counted)
        self._usual += chance
        self._shared += chance * share
        self._had |= had
        self._back |= had & quiet
        if clock == HOURS - 1:
            self._relapses *= KEEP_RELAPSES
            self._close(0, days, day.kind, like, quiet)
            if day.ends_week:
                self._close(1, weeks, 0, (0,), quiet)
        self._last[had] = self.hour
        for row in back.nonzero()[0].tolist():
            held = self.told.pop(self.names[row])
            ended.append(msgspec.structs.replace(held, open=False))
        self.hour += 1
        return sorted(ended + self._judge(rule), key=lambda s: (s.source, s.open))

    def _close(self, n: int, scale: Scale, cell: int, like: tuple[int, ...],
               quiet: Bools) -> None:
        """A day or a week is over; it counts as far as its hours did."""
        share = np.where(self._usual[n] > 0, self._shared[n] / np.maximum(self._usual[n], 1e-12),
                         0.0)
        had = self._had[n]
        counted = ~quiet & ~self._back[n] & ((share >= 0.5) | had)
        scale.step(cell, scale.chance(cell, like), share, had, counted)
        self._had[n], self._back[n], self._usual[n], self._shared[n] = (
            False, False, 0.0, 0.0)

    def _expect(self, cell: int, n: Floats, share: Floats, had: Bools, counted: Bools) -> None:
        hours = self._scales[0]
        usual = self._counts[:, cell] / np.maximum(hours.n[:, cell], 1.0)
        self._expected = np.where(had, 0.0, self._expected + usual * share)
        rows = counted.nonzero()[0]
        cut = np.minimum(n, CLIP * usual + 20.0)
        self._counts[rows, cell] = self._counts[rows, cell] * KEEP + cut[rows]

    def _judge(self, rule: FeedSilent) -> list[Silence]:
        """Those whose run without events has become too long."""
        due = np.zeros(len(self.names), np.bool_)
        least = -math.log(rule.p_max)
        for scale, over in zip(self._scales, self._over(), strict=True):
            due |= (scale.gap >= least) & (scale.ends >= rule.active_min) & ~over
        due &= (self.hour - 1 - self._last >= rule.min_hours) & (
            self.hour - self._first >= rule.history_d * HOURS) & (
            self._scales[1].ends >= rule.active_min)
        found = []
        for row in due.nonzero()[0].tolist():
            source = self.names[row]
            if source in self.told or not self._is_silent(row, rule):
                continue
            self.told[source] = Silence(
                source, int(self._last[row]) + 1, float(self._expected[row]),
                self._scales[1].share_active(row) * 30 < rule.rare_days, True)
            found.append(self.told[source])
        return found

    def _over(self) -> tuple[Bools, Bools, Bools]:
        """Whose run is over though the day or week, in which it counts, is not."""
        return np.zeros(len(self.names), np.bool_), self._had[0], self._had[1]

    def _is_silent(self, row: int, rule: FeedSilent) -> bool:
        for scale, over, steps in zip(self._scales, self._over(), _STEPS_A_YEAR, strict=True):
            if float(scale.ends[row]) < rule.active_min or over[row]:
                continue
            # Each run is a trial, at each scale.
            runs = len(self._scales) * max(steps * scale.share_active(row), 1.0)
            level = min(rule.p_max, rule.false_per_source_year / runs)
            if scale.surprise(row) >= -math.log(level):
                return True
        return False

    def _admit(self, counts: Mapping[str, int], rule: FeedSilent) -> list[Silence]:
        """Make room for feeds never seen; silences that end since the feed is forgotten."""
        ended: list[Silence] = []
        old = self.hour - self._last > rule.forget_d * HOURS
        if old.any():
            ended += self._forget(old)
        new = sorted(s for s, n in counts.items() if n and s not in self._row)
        new = new[:SOURCES_MAX]
        over = len(self.names) + len(new) - SOURCES_MAX
        if over > 0:
            # Those that sent least, and none that could be missed.
            ends = self._scales[1].ends.tolist()
            least = sorted((ends[row], source) for row, source in enumerate(self.names)
                           if ends[row] < rule.active_min)
            drop = {source for _, source in least[:over]}
            self._forget(np.array([s in drop for s in self.names], np.bool_))
            new = new[:SOURCES_MAX - len(self.names)]
        for source in new:
            self._row[source] = len(self.names)
            self.names.append(source)
        if new:
            for scale in self._scales:
                scale.add(len(new))
            self._counts = np.concatenate((self._counts, np.zeros((len(new), 9 * HOURS))))
            self._first = np.concatenate((self._first, np.full(len(new), float(self.hour))))
            self._last = np.concatenate((self._last, np.full(len(new), float(self.hour))))
            self._expected = np.concatenate((self._expected, np.zeros(len(new))))
            self._relapses = np.concatenate((self._relapses, np.zeros(len(new))))
            self._had = np.concatenate((self._had, np.zeros((2, len(new)), np.bool_)), axis=1)
            self._back = np.concatenate((self._back, np.zeros((2, len(new)), np.bool_)), axis=1)
            self._usual = np.concatenate((self._usual, np.zeros((2, len(new)))), axis=1)
            self._shared = np.concatenate((self._shared, np.zeros((2, len(new)))), axis=1)
        return ended

    def _forget(self, which: Bools) -> list[Silence]:
        ended = [msgspec.structs.replace(self.told.pop(self.names[row]), open=False)
                 for row in which.nonzero()[0].tolist() if self.names[row] in self.told]
        keep = ~which
        self.names = [s for s, kept in zip(self.names, keep.tolist(), strict=True) if kept]
        self._row = {s: n for n, s in enumerate(self.names)}
        for scale in self._scales:
            scale.drop(keep)
        self._counts, self._first, self._last = (
            self._counts[keep], self._first[keep], self._last[keep])
        self._expected, self._had = self._expected[keep], self._had[:, keep]
        self._back, self._relapses = self._back[:, keep], self._relapses[keep]
        self._usual, self._shared = self._usual[:, keep], self._shared[:, keep]
        return ended

    def dump(self) -> list[Any]:
        return [self.hour, self.names, list(self.told.values()),
                [scale.dump() for scale in self._scales], self._counts.tobytes(),
                *(x.tobytes() for x in (
                    self._first, self._last, self._relapses, self._expected, self._had,
                    self._back, self._usual, self._shared))]

    @classmethod
    def load(cls, held: list[Any]) -> Rhythm:
        made = cls()
        made.hour, made.names, told, scales, *arrays = held
        made._row = {s: n for n, s in enumerate(made.names)}
        made.told = {s.source: s for s in msgspec.convert(told, list[Silence])}
        for scale, one in zip(made._scales, scales, strict=True):
            scale.load(one)
        counts, first, last, relapses, expected, had, back, usual, shared = arrays
        made._counts = np.frombuffer(counts).reshape(-1, 9 * HOURS).copy()
        made._first, made._last, made._relapses, made._expected = (
            np.frombuffer(x).copy() for x in (first, last, relapses, expected))
        made._had = np.frombuffer(had, np.bool_).reshape(2, -1).copy()
        made._back = np.frombuffer(back, np.bool_).reshape(2, -1).copy()
        made._usual = np.frombuffer(usual).reshape(2, -1).copy()
        made._shared = np.frombuffer(shared).reshape(2, -1).copy()
        return made


def _share(chance: Floats, had: Bools, out: Bools) -> Floats:
    """How far an hour counts for each feed, by what the others sent of what was due [0, 1]."""
    speaks = ~out
    due = math.fsum(chance[speaks].tolist())
    sent = float(np.count_nonzero(had & speaks))
    due_others = due - np.where(speaks, chance, 0.0)
    sent_others = sent - np.where(speaks, had, 0.0)
    share = np.minimum((sent_others + CITY) / (np.maximum(due_others, 0.0) + CITY), 1.0)
    # Where most are missing it is a day off that nobody listed.
    share = np.where(share < 0.5, 2 * share * share, share)
    return np.where((sent_others == 0) & (due_others >= CITY_DOWN), 0.0, share)
