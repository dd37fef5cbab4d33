"""What a view keeps of effects, the same for every kind of store. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from storage.effects import (
    AlertChanged,
    Answered,
    DrawnChanged,
    DrawPooled,
    OpenAlerts,
    Passed,
    Rejected,
    ReviewChanged,
    SubjectChanged,
)
from storage.tallies import Pairs
from storage.view import Placed

HOUR_MS = 3_600_000
HOURS_KEPT_D = 400
"""How long a view says what happened in an hour."""
PLACE_BITS = 24
"""A sequence number is the log offset and, in its low bits, the effect's place in the envelope."""


class SubjectRow(NamedTuple):
    """What lists and searches show of a subject."""

    subject: str
    name: str
    kind: str
    district: str
    industry: str
    public_grade: str
    lowest_grade: str
    gap: int
    open_alerts: int


UNKNOWN = SubjectRow("", "", "", "", "", "ungraded", "ungraded", 0, 0)
"""What is shown of a subject before its first `SubjectChanged`."""


class Taken(NamedTuple):
    """A shard came to an hour; what each source sent since it came to the one before."""

    clock_ms: int
    events: Mapping[str, int]


class Rows(NamedTuple):
    """Rows to write, in the order of their effects; `seq` names the effect."""

    alerts: list[tuple[int, AlertChanged]]
    """(seq, transition)."""
    reviews: list[tuple[int, ReviewChanged]]
    subjects: dict[str, SubjectRow]
    open_alerts: dict[str, int]
    """Subjects of which nothing else is new."""
    answers: list[Answered]
    pairs: dict[str, Pairs]
    """Departments that grade a subject two by two, of each in `subjects`."""
    rejects: list[tuple[int, Rejected, bytes]]
    """(seq, refusal, bytes of the event)."""
    recorded_ms: dict[str, int]
    """When the log took the last word about each of `subjects` [epoch ms]."""
    taken: list[Taken]
    pools: list[DrawPooled]
    drawn: list[DrawnChanged]


def rows_of(effects: Iterable[Placed]) -> Rows:
    """Rows for some effects in the order of the log. Of a subject only the last word counts."""
    rows = Rows([], [], {}, {}, [], {}, [], {}, [], [], [])
    for offset, place, effect, raw in effects:
        assert place < 1 << PLACE_BITS
        seq = offset << PLACE_BITS | place
        match effect:
            case AlertChanged():
                rows.alerts.append((seq, effect))
            case SubjectChanged(subject=subject):
                rows.open_alerts.pop(subject, None)
                rows.subjects[subject] = SubjectRow(
                    subject, effect.name, effect.kind, effect.district, effect.industry,
                    effect.public_grade, effect.lowest_grade, effect.gap, effect.open_alerts)
                rows.pairs[subject] = effect.pairs
                rows.recorded_ms[subject] = effect.recorded_ms
            case OpenAlerts(subject=subject, count=count):
                row = rows.subjects.get(subject)
                if row is None:
                    rows.open_alerts[subject] = count
                else:
                    rows.subjects[subject] = row._replace(open_alerts=count)
            case ReviewChanged():
                rows.reviews.append((seq, effect))
            case Answered():
                rows.answers.append(effect)
            case Rejected():
                rows.rejects.append((seq, effect, raw))
            case Passed():
                rows.taken.append(Taken(effect.clock_ms, effect.taken))
            case DrawPooled():
                rows.pools.append(effect)
            case DrawnChanged():
                rows.drawn.append(effect)
            case _:
                pass
    return rows
