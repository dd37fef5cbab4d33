"""What Prometheus reads of a worker."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from prometheus_client import REGISTRY

from streams.coverage import Coverage, coverage, disk
from streams.declared import counter, gauge
from streams.keeper import Keeper
from streams.metrics import Live, Samples
from streams.tally import Tally


class WorkerMetrics:
    """
    Parameters
    ----------
    folder
        Where its checkpoints lie.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.applied = gauge("xinfeng_partition_applied_offset")
        self.lag = gauge("xinfeng_partition_lag_envelopes")
        self.waiting = gauge("xinfeng_partition_waiting_envelopes")
        self.subjects = gauge("xinfeng_partition_subjects")
        self.clock = gauge("xinfeng_partition_clock_seconds")
        self.stopped = gauge("xinfeng_partition_stopped")
        self.reopened = gauge("xinfeng_partition_reopened")
        self.events = counter("xinfeng_worker_events_total")
        self.seconds = counter("xinfeng_worker_seconds_total")
        self.tally = Tally()
        """Of all partitions of this process."""
        self._counted: dict[int, Coverage] = {}
        REGISTRY.register(Live(self._values))

    def look(self, keeper: Keeper, waiting: int, end: int) -> None:
        name = str(keeper.partition)
        self.applied.labels(name).set(keeper.applied)
        self.waiting.labels(name).set(waiting)
        self.subjects.labels(name).set(len(keeper.shard.subjects))
        self.clock.labels(name).set(keeper.shard.clock_ms / 1000)
        self.reopened.labels(name).set(keeper.reopened)
        self.lag.labels(name).set(max(end - keeper.applied, 0))

    def count(self, keeper: Keeper) -> None:
        """Count a partition's state, in the thread that folds it."""
        shard = keeper.shard
        self._counted[keeper.partition] = coverage(
            shard.subjects.values(), shard.timeline.last if shard.timeline else None)

    def forget(self, partition: int) -> None:
        """Somebody else has the partition now: what was last seen of it here says nothing."""
        for each in (self.applied, self.lag, self.waiting, self.subjects, self.clock,
                     self.stopped, self.reopened):
            each.remove(str(partition))
        self._counted.pop(partition, None)

    def _values(self) -> Mapping[str, Samples]:
        held, grades = list(self._counted.values()), dict[tuple[str, str], int]()
        for one in held:
            for key, n in one.grades.items():
                grades[key] = grades.get(key, 0) + n
        return {**self.tally.values(), **disk(self._folder),
                **Coverage(sum(x.registered for x in held), sum(x.known for x in held),
                         grades).values()}
