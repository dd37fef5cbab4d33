"""Every metric of the service, declared once: name, type, unit, labels, and why it exists.

No entity id is a label; the largest set of labels is (rule, level).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
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
    Declared("xinfeng_reviews_overdue", "gauge",
             "Reviews [count] that a department has not answered by its day."),
    Declared("xinfeng_disagreement_ratio", "gauge",
             "Share [0-1] of the businesses graded by two departments or more whose grades lie so "
             "far apart now that they must be reviewed: do departments judge alike?"),
    # A label each for two departments would be their square; the page has that.
    Declared("xinfeng_department_disagreement_ratio", "gauge",
             "The same of each department, with any other one: who judges unlike the rest.",
             ("department",)),
)


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


def text(values: Mapping[str, Samples]) -> bytes:
    """All metrics in the Prometheus text format, the process's own (memory, CPU) included.

    Parameters
    ----------
    values
        {name: samples}; a name that is not declared is a bug.
    """
    known = {m.name for m in (*METRICS, *NOTIFY)}
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
        more = [m for m in NOTIFY if m.name in self._values]
        return _families(self._values, (*METRICS, *more))


class Live(Collector):
    """Asks for the values at each scrape; for a role that shows only its own."""

    def __init__(self, values: Callable[[], Mapping[str, Samples]]) -> None:
        self._values = values

    def describe(self) -> Iterator[Metric]:
        return iter(())

    def collect(self) -> Iterator[Metric]:
        values = self._values()
        return _families(values, [m for m in (*METRICS, *NOTIFY) if m.name in values])


def _families(values: Mapping[str, Samples], declared: Iterable[Declared]) -> Iterator[Metric]:
    for m in declared:
        family = (CounterMetricFamily if m.type == "counter" else GaugeMetricFamily)(
            m.name, m.help, labels=m.labels)
        for labels, value in values.get(m.name, ()):
            family.add_metric(labels, value)
        yield family
