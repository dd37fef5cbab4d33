"""Every metric of the service, declared once: name, type, unit, labels, and why it exists.

No entity id is a label; the largest set of labels is (rule, level).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal, NamedTuple, TypeAlias

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

Samples: TypeAlias = Sequence[tuple[tuple[str, ...], float]]
"""(label values, value) of one metric."""


class Declared(NamedTuple):
    name: str
    type: Literal["counter", "gauge"]
    help: str
    labels: tuple[str, ...] = ()


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
    Declared("xinfeng_alerts_opened_total", "counter",
             "Alerts [count] opened since the process started: a rule that storms shows here.",
             ("rule", "level")),
    Declared("xinfeng_appends_total", "counter",
             "Envelopes [count] committed since the process started."),
    Declared("xinfeng_append_seconds_total", "counter",
             "Time [s] spent stepping and committing: divided by appends, the latency of a write."),
    Declared("xinfeng_subjects", "gauge", "Subjects [count] in the state."),
    Declared("xinfeng_log_offset", "gauge", "Offset of the last envelope in the log."),
    Declared("xinfeng_log_clock_seconds", "gauge",
             "The log's clock [s since 1970]: behind the wall clock when ticks stop."),
    Declared("xinfeng_alerts_open", "gauge", "Alerts [count] nobody has closed yet.", ("level",)),
    Declared("xinfeng_reviews_open", "gauge", "Reviews [count] of grade gaps still open."),
)


def text(values: Mapping[str, Samples]) -> bytes:
    """All metrics in the Prometheus text format, the process's own (memory, CPU) included.

    Parameters
    ----------
    values
        {name: samples}; a name that is not declared is a bug.
    """
    known = {m.name for m in METRICS}
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
        for m in METRICS:
            family = (CounterMetricFamily if m.type == "counter" else GaugeMetricFamily)(
                m.name, m.help, labels=m.labels)
            for labels, value in self._values.get(m.name, ()):
                family.add_metric(labels, value)
            yield family
