"""Counts over the whole state of a shard: coverage, and computed grades by department.

Below a microsecond a subject, so now and then only.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from models.grade import letter
from models.records import WHOLE_SUBJECT
from models.scorecard import Card
from models.subject import Subject
from streams.metrics import Samples

_STEP = np.dtype([("item", "<u2"), ("day", "<i4"), ("grade", "u1")])
"""`models.grade.STEP`."""


class Coverage(NamedTuple):
    registered: int
    known: int
    """Of them with a fact, a signal or a grade."""
    grades: dict[tuple[str, str], int]
    """(department, grade) -> supervision items of businesses."""

    def values(self) -> dict[str, Samples]:
        """Values for `streams.metrics`."""
        return {"xinfeng_businesses_registered": [((), self.registered)],
                "xinfeng_businesses_known": [((), self.known)],
                "xinfeng_item_grades": sorted(self.grades.items())}


def coverage(subjects: Iterable[Subject], card: Card | None) -> Coverage:
    """Count. Who folds meanwhile is seen before or after, subject by subject.

    Parameters
    ----------
    subjects
        A list of its own where somebody folds meanwhile.
    card
        The policy in force; None = there is none yet.
    """
    if card is None:
        return Coverage(0, 0, {})
    registered = known = 0
    paths = []
    for subject in subjects:
        if subject.profile:
            registered += 1
            known += bool(subject.facts or subject.signals or subject.path)
        if path := subject.path:
            paths.append(path)
    steps = np.frombuffer(b"".join(paths), _STEP)
    lengths = np.fromiter((len(p) for p in paths), np.int64, len(paths)) // _STEP.itemsize
    owner = np.repeat(np.arange(len(paths)), lengths)
    # Sorted by item, then day: of each run of one item of one subject the last step is in force.
    last = np.ones(len(steps), bool)
    last[:-1] = (owner[1:] != owner[:-1]) | (steps["item"][1:] != steps["item"][:-1])
    held = steps[last & (steps["item"] != WHOLE_SUBJECT)]
    pairs, counts = np.unique(held[["item", "grade"]], return_counts=True)
    grades: dict[tuple[str, str], int] = {}
    for (item, grade), n in zip(pairs.tolist(), counts.tolist(), strict=True):
        key = card.department_of[item], letter(grade)
        grades[key] = grades.get(key, 0) + n
    return Coverage(registered, known, grades)


def disk(folder: Path) -> dict[str, Samples]:
    """What is free where a folder lies, or will."""
    while not folder.exists():
        folder = folder.parent
    return {"xinfeng_disk_free_bytes": [((), shutil.disk_usage(folder).free)]}
