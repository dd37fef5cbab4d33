"""Counts what passes where events are folded, for Prometheus: about a microsecond an event.

Counts begin with the process; what a crash makes it fold again is counted again.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from models import events as e
from models.grade import letter
from models.records import WHOLE_SUBJECT
from storage.effects import (
    AlertChanged,
    Effect,
    Passed,
    Rejected,
    ReviewChanged,
    SubjectChanged,
)
from streams.declared import LABELS_MAX, LATENESS
from streams.metrics import Samples, Spread
from streams.pipeline import Entry, Shard
from streams.refused import OTHER, Refused

_BOUNDS = LATENESS.buckets
_NOTED = frozenset({AlertChanged, Passed, Rejected, ReviewChanged, SubjectChanged})


class Tally:
    """One writer at a time; `values` from any thread."""

    def __init__(self) -> None:
        self._types: dict[type, int] = {}
        self._late: dict[str, list[float]] = {}
        """Source -> events by bucket, the last one without a bound; then their sum [s]."""
        self._opened: Counter[tuple[str, str]] = Counter()
        self._moved: Counter[tuple[str, str]] = Counter()
        self._found: Counter[tuple[str, str]] = Counter()
        self._closed: Counter[tuple[str]] = Counter({("yes",): 0, ("no",): 0})
        self.refused = Refused()
        self._doubled = 0

    def take(self, entries: Iterable[Entry], effects: Sequence[Effect], shard: Shard) -> None:
        """Note one envelope, after the shard has folded it."""
        inspected = []
        types, held = self._types, self._late
        for recorded_ms, _, event in entries:
            kind = type(event)
            types[kind] = types.get(kind, 0) + 1
            if isinstance(event, e.CloudEvent):
                late_s = recorded_ms / 1000 - event.time.timestamp()
                row = held.get(event.source) or self._row(event.source)
                row[bisect_left(_BOUNDS, late_s)] += 1
                row[-1] += max(late_s, 0.0)
                if kind is e.InspectionCompleted:
                    inspected.append(event)
        before: dict[str, str] = {}
        for effect in effects:
            if type(effect) in _NOTED:
                self._note(effect, before)
        for inspection in inspected:
            assert isinstance(inspection, e.InspectionCompleted)
            grade = before.get(inspection.subject) or grade_of(shard, inspection.subject)
            self._found[grade, inspection.data.result] += 1

    def _row(self, source: str) -> list[float]:
        """Of a source not met yet."""
        name = source if len(self._late) < LABELS_MAX - 1 else OTHER
        return self._late.setdefault(name, [0] * (len(_BOUNDS) + 2))

    def _note(self, effect: Effect, before: dict[str, str]) -> None:
        match effect:
            case AlertChanged():
                if not effect.was:
                    self._opened[effect.rule, effect.level] += 1
            case SubjectChanged():
                for change in effect.changes:
                    if change["item"] == "public":
                        before.setdefault(effect.subject, change["from"])
                        self._moved[change["from"], change["to"]] += 1
            case ReviewChanged():
                if not effect.open:
                    self._closed[("yes" if effect.ended_day <= effect.due_day else "no",)] += 1
            case Rejected():
                self.refused.note(effect.reason)
            case Passed():
                self._doubled += sum(effect.doubled.values())
            case _:
                pass

    def values(self) -> Mapping[str, Samples]:
        """Values for `streams.metrics`."""
        return {
            "xinfeng_alerts_opened_total": listed(self._opened),
            "xinfeng_events_taken_total": sorted(
                ((str(kind.__struct_config__.tag),), n)  # type: ignore[attr-defined]
                for kind, n in list(self._types.items())),
            LATENESS.name: [
                ((source,), Spread(tuple(row[:-1]), row[-1]))
                for source, row in sorted((s, list(r)) for s, r in list(self._late.items()))],
            **self.refused.values(),
            "xinfeng_identifiers_doubled_total": [((), self._doubled)],
            "xinfeng_grade_changes_total": listed(self._moved),
            "xinfeng_inspections_total": listed(self._found),
            "xinfeng_reviews_closed_total": listed(self._closed),
        }


def listed(counts: Mapping[tuple[str, str], int] | Mapping[tuple[str], int]) -> Samples:
    return sorted([*counts.items()])


def grade_of(shard: Shard, key: str) -> str:
    """Computed public grade of a subject as it stands."""
    subject = shard.subjects.get(key)
    return letter(subject.last_step(WHOLE_SUBJECT)[1]) if subject is not None else "ungraded"
