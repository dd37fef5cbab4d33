"""The city's year as a table: one row an event, columns instead of objects.

A row costs 26 bytes, so that ten million events fit into 260 MB; JSON is written only at the end.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, auto
from typing import Final

import numpy as np
from numpy.typing import NDArray

from streams.simulate.draws import Bools, Calendar, Ints
from streams.simulate.population import Population
from streams.simulate.trades import NO_ITEM

NO_REF: Final = -1
_SLOTS: Final = np.array([0, 0, 0, 1, 0, 1, 2, 3], np.int64)
"""An event falls on the first item of a subject half the time."""


class Kind(IntEnum):
    """What a row is; decides how it is written."""

    REGISTERED = 0
    CANCELLED = auto()
    COMPLAINT = auto()
    COMPLAINT_CLOSED = auto()
    PENALTY = auto()
    PERFORMED = auto()
    REVOKED = auto()
    ACT = auto()
    PUBLISHED = auto()
    INSPECTION = auto()
    READINGS = auto()
    ALARM = auto()
    COMMITMENT = auto()
    FULFILLED = auto()
    BREACHED = auto()
    LISTED = auto()
    LIST_EXITED = auto()
    LIST_REVOKED = auto()
    ORDERED = auto()
    RECTIFIED = auto()
    NOT_RECTIFIED = auto()
    INTERVIEW = auto()
    REPAIR = auto()
    REPAIR_APPROVED = auto()
    REPAIR_REJECTED = auto()
    OBJECTION = auto()
    OBJECTION_UPHELD = auto()
    OBJECTION_REJECTED = auto()
    ARREARS = auto()
    DECLARED = auto()
    VERIFIED = auto()
    GRADE = auto()
    GRADE_WITHDRAWN = auto()


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows just planned, for their follow-ups; all arrays have the same length.

    `t` moments [s]; `number` the row's place in the plan; `detail` what the kind makes of it.
    """

    t: Ints
    subject: Ints
    item: Ints
    detail: Ints
    number: Ints

    def __len__(self) -> int:
        return len(self.t)

    def __getitem__(self, mask: Bools) -> Rows:
        return Rows(
            self.t[mask], self.subject[mask], self.item[mask], self.detail[mask], self.number[mask]
        )


class Plan:
    """Collects rows; `columns` hands them over in time order."""

    def __init__(self, people: Population, calendar: Calendar) -> None:
        self.people = people
        self.calendar = calendar
        self._blocks: list[tuple[NDArray[np.generic], ...]] = []
        self._count = 0

    def add(
        self,
        kind: Kind,
        t: Ints,
        subject: Ints,
        item: Ints | None = None,
        detail: Ints | int = 0,
        ref: Ints | None = None,
    ) -> Rows:
        """Plan rows, without those past the end; returns those that were kept."""
        n = len(t)
        items = np.full(n, NO_ITEM) if item is None else item
        refs = np.full(n, NO_REF) if ref is None else ref
        details = np.broadcast_to(np.asarray(detail, np.int64), (n,))
        keep = t < self.calendar.end_s
        if ref is None and kind not in (Kind.REGISTERED, Kind.CANCELLED):
            # What happens by itself needs a living subject; what follows from it does not.
            keep &= (t > self.people.born_s[subject]) & (t < self.people.gone_s[subject])
        rows = Rows(t[keep], subject[keep], items[keep], details[keep], np.zeros(0, np.int64))
        numbers = np.arange(self._count, self._count + len(rows))
        self._count += len(rows)
        self._blocks.append(
            (
                rows.t.astype(np.int32),
                rows.subject.astype(np.int32),
                np.full(len(rows), kind, np.uint8),
                rows.item.astype(np.uint8),
                rows.detail.astype(np.int32),
                refs[keep].astype(np.int32),
            )
        )
        return Rows(rows.t, rows.subject, rows.item, rows.detail, numbers)

    def follow(self, kind: Kind, of: Rows, t: Ints, detail: Ints | int = 0) -> Rows:
        """Plan one row after each of `of` that names it; never before it."""
        return self.add(kind, np.maximum(t, of.t + 60), of.subject, of.item, detail, of.number)

    def items_of(self, rng: np.random.Generator, subject: Ints) -> Ints:
        """A supervision item for each event of a subject, its first one most often."""
        slot = _SLOTS[rng.integers(0, len(_SLOTS), len(subject))]
        slot %= self.people.item_count[subject]
        return self.people.items[subject, slot].astype(np.int64)

    def columns(self) -> Columns:
        """All rows; frees the blocks."""
        t, subject, kind, item, detail, ref = (
            np.concatenate([block[c] for block in self._blocks]) for c in range(6)
        )
        self._blocks = []
        # Stable: rows of one second keep the order of planning, causes before effects.
        return Columns(t, subject, kind, item, detail, ref, np.argsort(t, kind="stable"))


@dataclass(frozen=True, slots=True)
class Columns:
    """The finished table, in order of planning; `order` sorts it by time."""

    t: NDArray[np.generic]
    subject: NDArray[np.generic]
    kind: NDArray[np.generic]
    item: NDArray[np.generic]
    detail: NDArray[np.generic]
    ref: NDArray[np.generic]
    order: NDArray[np.int64]
