"""The situation in numbers: what the first page and Prometheus show."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable
from typing import Any

from storage.effects import AlertChanged, Effect
from streams import metrics
from streams.embedded import Embedded
from streams.reader import Reader
from streams.show import iso_ms

Row = dict[str, Any]
KEPT_FACTOR = 20
"""A count over the view is kept for so many times as long as it took."""


class Situation:
    """Counts what goes through a runner, and what stands in its view."""

    def __init__(self, runner: Embedded, reader: Reader) -> None:
        self._runner = runner
        self._reader = reader
        self._opened: Counter[tuple[str, str]] = Counter()
        self._appends = 0
        self._append_s = 0.0
        self._kept: tuple[float, Row] = (0.0, {})

    def appended(self, effects: Iterable[Effect], seconds: float) -> None:
        """Note one append: what followed from it, and how long it took."""
        self._appends += 1
        self._append_s += seconds
        for effect in effects:
            if isinstance(effect, AlertChanged) and not effect.was:
                self._opened[effect.rule, effect.level] += 1

    def summary(self) -> Row:
        """What `GET /api/v1/summary` gives; a moment old at most."""
        until, held = self._kept
        started = time.monotonic()
        if started < until:
            return held
        shard, card, reader = self._runner.shard, self._runner.card, self._reader
        by_level, by_rule = reader.open_alerts()
        made = {
            "as_of": iso_ms(shard.clock_ms),
            "subjects": len(shard.subjects),
            "events": shard.counts.accepted,
            "duplicates": shard.counts.duplicates,
            "rejected": reader.rejected(),
            "readings": shard.counts.readings,
            "alerts_open": by_level,
            "alerts_by_rule": by_rule,
            "grades": reader.grades(),
            "reviews_open": reader.reviews_open(),
            "policy": {"hash": card.hash, "version": card.policy.version},
        }
        ended = time.monotonic()
        self._kept = ended + KEPT_FACTOR * (ended - started), made
        return made

    def metrics_text(self) -> bytes:
        """Metrics in the Prometheus text format."""
        shard, summary = self._runner.shard, self.summary()
        counts = shard.counts
        plain: dict[str, float] = {
            "xinfeng_events_accepted_total": counts.accepted,
            "xinfeng_events_duplicate_total": counts.duplicates,
            "xinfeng_events_conflicting_total": counts.conflicts,
            "xinfeng_events_rejected_total": summary["rejected"],
            "xinfeng_readings_total": counts.readings,
            "xinfeng_appends_total": self._appends,
            "xinfeng_append_seconds_total": self._append_s,
            "xinfeng_subjects": len(shard.subjects),
            "xinfeng_log_offset": self._runner.offset,
            "xinfeng_log_clock_seconds": shard.clock_ms / 1000,
            "xinfeng_reviews_open": summary["reviews_open"],
        }
        values: dict[str, metrics.Samples] = {k: [((), v)] for k, v in plain.items()}
        values["xinfeng_alerts_opened_total"] = sorted(self._opened.items())
        values["xinfeng_alerts_open"] = [((k,), v) for k, v in summary["alerts_open"].items()]
        return metrics.text(values)
