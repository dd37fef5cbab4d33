"""Every metric of every process, declared once: name, type, unit, labels, and why it exists.

Labels are bounded: closed words, districts and departments of the catalogue, partitions, receivers
of the policy. What comes from outside (sources, fields of refused events, districts of
registrations) is cut off at `LABELS_MAX` values; the rest is "other". No entity id is a label.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from prometheus_client import Counter, Gauge

LABELS_MAX = 60
DAY_S = 86_400.0


class Declared(NamedTuple):
    name: str
    type: Literal["counter", "gauge", "histogram"]
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()
    """Upper bounds of a histogram, ascending, without infinity."""


LATENESS = Declared(
    "xinfeng_event_lateness_seconds", "histogram",
    "Time [s] from when something happened to when the log took the event, by source, since the "
    "process started: whether a department reports in time. Its count: events by source.",
    ("source",), (60.0, 600.0, 3_600.0, 6 * 3_600.0, DAY_S, 3 * DAY_S, 7 * DAY_S, 30 * DAY_S))

FOLDED: tuple[Declared, ...] = (
    Declared("xinfeng_alerts_opened_total", "counter",
             "Alerts [count] opened since the process started: a rule that storms shows here.",
             ("rule", "level")),
    Declared("xinfeng_events_taken_total", "counter",
             "Events [count] read from the log since the process started, by type, those sent "
             "again included: which classes of information arrive at all.", ("type",)),
    LATENESS,
    Declared("xinfeng_dead_letters_total", "counter",
             "Events [count] refused since the process started, by the field that was wrong: "
             "\"subject\" are wrong codes, \"body\" is no event at all.", ("field",)),
    Declared("xinfeng_identifiers_doubled_total", "counter",
             "Registrations [count] under a code that another business holds, since the process "
             "started."),
    Declared("xinfeng_grade_changes_total", "counter",
             "Changes [count] of a public grade since the process started: the migration.",
             ("was", "now")),
    Declared("xinfeng_inspections_total", "counter",
             "Inspections [count] since the process started, by the public grade before them: "
             "whether a worse grade finds more.", ("grade", "result")),
    Declared("xinfeng_reviews_closed_total", "counter",
             "Reviews [count] closed since the process started, and whether in time.",
             ("in_time",)),
    Declared("xinfeng_disk_free_bytes", "gauge",
             "Free space [bytes] where the store or the checkpoints lie: without it the process "
             "ends."),
)
"""Counted where events are folded: the service in one process, and each worker."""

CENSUS: tuple[Declared, ...] = (
    Declared("xinfeng_businesses_registered", "gauge", "Businesses [count] that are registered."),
    Declared("xinfeng_businesses_known", "gauge",
             "Registered businesses [count] of which there is a fact, a signal or a grade: "
             "divided by all registered, the coverage of subjects."),
    Declared("xinfeng_item_grades", "gauge",
             "Computed grades in force [count] of supervision items, by department.",
             ("department", "grade")),
)
"""Counted over the state now and then, by whoever holds it."""

VIEW: tuple[Declared, ...] = (
    Declared("xinfeng_businesses", "gauge",
             "Businesses [count] by district (\"\" = not known) and public grade.",
             ("district", "grade")),
    Declared("xinfeng_alerts_open", "gauge", "Alerts [count] nobody has closed yet.",
             ("rule", "level")),
    Declared("xinfeng_reviews_open", "gauge", "Reviews [count] of grade gaps still open."),
    Declared("xinfeng_reviews_overdue", "gauge",
             "Reviews [count] that a department has not answered by its day."),
    Declared("xinfeng_disagreement_ratio", "gauge",
             "Share [0-1] of the businesses graded by two departments or more whose grades lie so "
             "far apart now that they must be reviewed: whether departments judge alike."),
    # A label each for two departments would be their square; the page has that.
    Declared("xinfeng_department_disagreement_ratio", "gauge",
             "The same of each department, with any other one: who judges unlike the rest.",
             ("department",)),
    Declared("xinfeng_view_count_age_seconds", "gauge",
             "Time [s] since the view was last counted for these numbers."),
)
"""Counted over the view now and then."""

MODELS: tuple[Declared, ...] = (
    Declared("xinfeng_model_auc", "gauge",
             "Progressive ROC-AUC [0, 1] of each forecast, the learned one and what it must beat.",
             ("model",)),
    Declared("xinfeng_model_log_loss", "gauge", "Progressive log-loss [nats] of each forecast.",
             ("model",)),
    Declared("xinfeng_model_ece", "gauge",
             "Expected calibration error [0, 1] of each forecast.", ("model",)),
    Declared("xinfeng_model_lead_auc", "gauge",
             "AUC of the learned scorecard minus that of another forecast.", ("over",)),
    Declared("xinfeng_model_examples", "gauge", "Examples [count] learned from."),
    Declared("xinfeng_model_adverse", "gauge", "Examples [count] with an adverse finding."),
    Declared("xinfeng_model_drifting", "gauge", "1 while forecasts are worse than they were."),
    Declared("xinfeng_weights_published", "gauge", "Versions [count] of the weights so far."),
    Declared("xinfeng_weights_clock_seconds", "gauge",
             "Day [s since 1970] of the weights in force; not given before the first."),
    Declared("xinfeng_analysis_clock_seconds", "gauge",
             "Day [s since 1970] up to which the city was analysed: behind the log's clock when "
             "the analysis is away."),
)

ROLES: tuple[Declared, ...] = (
    Declared("xinfeng_partition_applied_offset", "gauge", "Next offset of the log to fold.",
             ("partition",)),
    Declared("xinfeng_partition_lag_envelopes", "gauge",
             "Envelopes [count] of the log not folded yet, as of the last look.", ("partition",)),
    Declared("xinfeng_partition_waiting_envelopes", "gauge",
             "Envelopes [count] delivered and not folded: at queue_max the worker reads no "
             "further.", ("partition",)),
    Declared("xinfeng_partition_subjects", "gauge", "Subjects [count] kept.", ("partition",)),
    Declared("xinfeng_partition_clock_seconds", "gauge", "The partition's clock [s since 1970].",
             ("partition",)),
    Declared("xinfeng_partition_stopped", "gauge",
             "1 where an envelope cannot be folded: somebody must look.", ("partition",)),
    Declared("xinfeng_partition_reopened", "gauge",
             "Times [count] a partition was folded again since its view stood elsewhere.",
             ("partition",)),
    Declared("xinfeng_worker_events_total", "counter", "Events [count] folded by this process."),
    Declared("xinfeng_worker_seconds_total", "counter",
             "Time [s] spent folding and writing, over all partitions."),
    Declared("xinfeng_analyst_clock_seconds", "gauge",
             "Time [s since 1970] up to which every shard was heard."),
    Declared("xinfeng_analyst_records_total", "counter", "Records [count] taken in."),
    Declared("xinfeng_analyst_conclusions_total", "counter",
             "Events [count] written for the log."),
    Declared("xinfeng_intake_events_total", "counter",
             "Events [count] checked and written to the log."),
    Declared("xinfeng_intake_rejected_total", "counter", "Events [count] refused by intake."),
    Declared("xinfeng_intake_lag_records", "gauge",
             "Records [count] of the feeds not yet taken."),
    Declared("xinfeng_intake_clock_seconds", "gauge",
             "Time [s since 1970] up to which all feeds were read."),
    Declared("xinfeng_intake_leads", "gauge",
             "1 in the process that does the work, 0 in those in wait."),
)
"""Of the roles on Kafka."""

_OF_ROLES = {m.name: m for m in ROLES}


def gauge(name: str) -> Gauge:
    """A gauge of a role, as declared, in the process's registry."""
    m = _OF_ROLES[name]
    assert m.type == "gauge", name
    return Gauge(m.name, m.help, m.labels)


def counter(name: str) -> Counter:
    """A counter of a role, as declared, in the process's registry."""
    m = _OF_ROLES[name]
    assert m.type == "counter", name
    return Counter(m.name, m.help, m.labels)
