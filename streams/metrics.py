"""The metrics of the service and of delivery, and how all are shown to Prometheus.

Together with `streams/declared.py` every metric is declared once: `ALL`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import accumulate
from typing import NamedTuple, TypeAlias

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from streams.declared import CENSUS, FOLDED, MODELS, ROLES, VIEW, Declared


class Spread(NamedTuple):
    """Value of a histogram: how many in each bucket, the last beyond all bounds, and their sum."""

    counts: tuple[float, ...]
    sum: float


Samples: TypeAlias = Sequence[tuple[tuple[str, ...], float | Spread]]
"""(label values, value) of one metric."""



METRICS: tuple[Declared, ...] = (
    Declared("xinfeng_events_accepted_total", "counter",
             "Events [count] folded into the state, over the whole log."),
    Declared("xinfeng_events_duplicate_total", "counter",
             "Events [count] sent again unchanged and dropped, over the whole log."),
    Declared("xinfeng_events_conflicting_total", "counter",
             "Events [count] refused since their identity was used for another one."),
    Declared("xinfeng_events_rejected_total", "counter",
             "Dead letters [count], from intake and from the step: a feed is sending bad data."),
    Declared("xinfeng_readings_total", "counter",
             "Device readings [count] folded into the state, over the whole log."),
    Declared("xinfeng_appends_total", "counter",
             "Envelopes [count] committed since the process started."),
    Declared("xinfeng_append_seconds_total", "counter",
             "Time [s] spent stepping and committing: divided by appends, the latency of a write."),
    Declared("xinfeng_subjects", "gauge", "Subjects [count] in the state."),
    Declared("xinfeng_log_offset", "gauge", "Offset of the last envelope in the log."),
    Declared("xinfeng_log_clock_seconds", "gauge",
             "The log's clock [s since 1970]: behind the wall clock when ticks stop."),
    *VIEW,
)
"""Of every service: shown by the console of both runners."""


NOTIFY: tuple[Declared, ...] = (
    Declared("xinfeng_messages_sent_total", "counter",
             "Messages [count] that a receiver took, since the process started.",
             ("receiver", "channel")),
    Declared("xinfeng_messages_failed_total", "counter",
             "Attempts [count] to send a message that failed, since the process started.",
             ("receiver", "channel")),
    Declared("xinfeng_messages_waiting", "gauge",
             "Messages [count] on their way: a receiver that is slow or away shows here.",
             ("receiver", "channel")),
    Declared("xinfeng_messages_oldest_seconds", "gauge",
             "Age [s] of the oldest message on its way: nothing should wait for long."),
    Declared("xinfeng_messages_undelivered", "gauge",
             "Messages [count] given up, each told to the centre."),
    Declared("xinfeng_acknowledged_total", "counter",
             "Alerts [count] that were acknowledged, since the process started.", ("level",)),
    Declared("xinfeng_acknowledge_seconds_total", "counter",
             "Time [s] from firing to acknowledgement: divided by the count, how long people take.",
             ("level",)),
    Declared("xinfeng_answered_total", "counter",
             "Answers [count] of departments to reviews, since the process started."),
    Declared("xinfeng_answer_seconds_total", "counter",
             "Time [s] from the opening of a review to each answer."),
    Declared("xinfeng_receivers_dead", "gauge",
             "Receivers [count] that cannot be reached: each is an alert too."),
    Declared("xinfeng_notify_gaps", "gauge",
             "Alerts and receivers [count] that fell between, by the auditor: must be 0."),
    Declared("xinfeng_notify_mark", "gauge",
             "Transitions of alerts are taken in up to here [number in the view, or offset]."),
)
"""Of the delivery of alerts, where there is one."""

MORE: tuple[Declared, ...] = (*FOLDED, *CENSUS, *MODELS, *NOTIFY)
"""Shown where somebody has values."""

ALL: tuple[Declared, ...] = (*METRICS, *MORE, *ROLES)


def text(values: Mapping[str, Samples]) -> bytes:
    """All metrics in the Prometheus text format, the process's own (memory, CPU) included.

    Parameters
    ----------
    values
        {name: samples}; a name that is not declared is a bug.
    """
    known = {m.name for m in (*METRICS, *MORE)}
    assert set(values) <= known, f"not declared: {set(values) - known}"
    registry = CollectorRegistry()
    registry.register(_Once(values))
    ProcessCollector(registry=registry)
    return generate_latest(registry)


class _Once(Collector):
    """Gives the values of one scrape."""

    def __init__(self, values: Mapping[str, Samples]) -> None:
        self._values = values

    def describe(self) -> Iterator[Metric]:
        return iter(())

    def collect(self) -> Iterator[Metric]:
        more = [m for m in MORE if m.name in self._values]
        return _families(self._values, (*METRICS, *more))


class Live(Collector):
    """Asks for the values at each scrape; for a role that shows only its own."""

    def __init__(self, values: Callable[[], Mapping[str, Samples]]) -> None:
        self._values = values

    def describe(self) -> Iterator[Metric]:
        return iter(())

    def collect(self) -> Iterator[Metric]:
        values = self._values()
        return _families(values, [m for m in (*METRICS, *MORE) if m.name in values])


def _families(values: Mapping[str, Samples], declared: Iterable[Declared]) -> Iterator[Metric]:
    for m in declared:
        samples = values.get(m.name, ())
        if m.type == "histogram":
            yield _histogram(m, samples)
            continue
        family = (CounterMetricFamily if m.type == "counter" else GaugeMetricFamily)(
            m.name, m.help, labels=m.labels)
        for labels, value in samples:
            assert not isinstance(value, Spread), m.name
            family.add_metric(labels, value)
        yield family


def _histogram(m: Declared, samples: Samples) -> HistogramMetricFamily:
    family = HistogramMetricFamily(m.name, m.help, labels=m.labels)
    bounds = [*map(repr, m.buckets), "+Inf"]
    for labels, value in samples:
        assert isinstance(value, Spread), m.name
        family.add_metric(labels, list(zip(bounds, accumulate(value.counts), strict=True)),
                          value.sum)
    return family
