"""What Prometheus reads of a worker."""

from __future__ import annotations

from prometheus_client import Counter, Gauge

from streams.keeper import Keeper


class WorkerMetrics:
    """What Prometheus reads of a worker."""

    def __init__(self) -> None:
        part = ("partition",)
        self.applied = Gauge("xinfeng_partition_applied_offset",
                             "Next offset of the log to fold.", part)
        self.lag = Gauge("xinfeng_partition_lag_envelopes",
                         "Envelopes [count] of the log not folded yet, as of the last look.", part)
        self.waiting = Gauge("xinfeng_partition_waiting_envelopes",
                             "Envelopes [count] delivered and not folded: at queue_max the worker "
                             "reads no further.", part)
        self.subjects = Gauge("xinfeng_partition_subjects", "Subjects [count] kept.", part)
        self.clock = Gauge("xinfeng_partition_clock_seconds",
                           "The partition's clock [s since 1970].", part)
        self.stopped = Gauge("xinfeng_partition_stopped",
                             "1 where an envelope cannot be folded: somebody must look.", part)
        self.reopened = Gauge("xinfeng_partition_reopened",
                              "Times [count] a partition was folded again since its view stood "
                              "elsewhere.", part)
        self.events = Counter("xinfeng_worker_events", "Events [count] folded by this process.")
        self.seconds = Counter("xinfeng_worker_seconds",
                               "Time [s] spent folding and writing, over all partitions.")

    def look(self, keeper: Keeper, waiting: int, end: int) -> None:
        name = str(keeper.partition)
        self.applied.labels(name).set(keeper.applied)
        self.waiting.labels(name).set(waiting)
        self.subjects.labels(name).set(len(keeper.shard.subjects))
        self.clock.labels(name).set(keeper.shard.clock_ms / 1000)
        self.reopened.labels(name).set(keeper.reopened)
        self.lag.labels(name).set(max(end - keeper.applied, 0))

    def forget(self, partition: int) -> None:
        """Somebody else has the partition now: what was last seen of it here says nothing."""
        for gauge in (self.applied, self.lag, self.waiting, self.subjects, self.clock,
                      self.stopped, self.reopened):
            gauge.remove(str(partition))
