"""Counts dead letters by the field that was wrong, for Prometheus."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from storage.effects import Reason
from streams.declared import LABELS_MAX
from streams.metrics import Samples

OTHER = "other"


class Refused:
    """One writer at a time; `values` from any thread."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()

    def note(self, reason: Reason) -> None:
        field = ".".join(reason.field.partition("[")[0].split(".")[:2]) or "body"
        known = field in self._counts or len(self._counts) < LABELS_MAX - 1
        self._counts[field if known else OTHER] += 1

    def values(self) -> Mapping[str, Samples]:
        """Values for `streams.metrics`."""
        return {"xinfeng_dead_letters_total": [
            ((field,), n) for field, n in sorted([*self._counts.items()])]}
