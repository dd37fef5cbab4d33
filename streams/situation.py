"""The situation in numbers: what the first page and Prometheus show."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from alerts.lifecycle import OPEN
from models.calendar import DAY_MS
from storage.rows import HOUR_MS
from streams import metrics, outlook, review_board
from streams.declared import LABELS_MAX
from streams.kept import Kept
from streams.refused import OTHER
from streams.show import iso_ms
from streams.view import District, Standing, View

Row = dict[str, Any]
KEPT_FACTOR = 20
"""A count over the view is kept for so many times as long as it took."""
DETAILS_S = 2.0
"""What the first page shows beside its counters may be so old."""
EMERGING = ("regional-surge", "complaint-surge", "related-risk")
"""Rules that see more than one business turn bad."""
OF_FEEDS = ("feed-silent", "identifier-errors")
EMERGING_MAX, FEEDS_MAX = 8, 200


class Situation:
    """Counts what goes through a system, and what stands in its view.

    Parameters
    ----------
    standing
        Gives how far the system is.
    """

    def __init__(self, standing: Callable[[], Standing], view: View) -> None:
        self._standing = standing
        self._view = view
        self._appends = 0
        self._append_s = 0.0
        self._summary = Kept(self._summarise, KEPT_FACTOR, waits=True)
        self._details = Kept(self._detail, KEPT_FACTOR, DETAILS_S, waits=True)
        self._reviews = Kept(lambda: review_board.statistics(view.tallies(), self.today()),
                             KEPT_FACTOR, waits=True)
        self._counted = Kept(self._count, KEPT_FACTOR)
        self.more: list[Callable[[], Mapping[str, metrics.Samples]]] = []
        """Further metrics, of what runs beside."""
        self.report: Callable[[], Row | None] = view.models
        """Gives the last word of the analysis."""

    def appended(self, seconds: float) -> None:
        """Note one append, and how long it took."""
        self._appends += 1
        self._append_s += seconds

    def summary(self) -> Row:
        """What `GET /api/v1/summary` gives; a moment old at most."""
        return self._summary.get()

    def _summarise(self) -> Row:
        now, view = self._standing(), self._view
        by_level, by_rule = view.open_alerts()
        return {
            "as_of": iso_ms(now.clock_ms),
            "subjects": now.subjects,
            "events": now.accepted,
            "duplicates": now.duplicates,
            "rejected": view.rejected(),
            "readings": now.readings,
            "alerts_open": by_level,
            "alerts_by_rule": by_rule,
            "grades": view.grades(),
            "reviews_open": view.reviews_open(),
            "policy": {"hash": now.policy, "version": now.version},
        }

    def today(self) -> int:
        """Civil day number of the system's clock."""
        return (self._standing().clock_ms + self._view.utc_offset_ms()) // DAY_MS

    def reviews(self) -> Row:
        """Outcomes of reviews and how often grades lie apart (`review_board.statistics`); a moment
        old at most, like the summary."""
        return self._reviews.get()

    def details(self) -> Row:
        """What `GET /api/v1/situation` gives: districts, trend, what emerges, feeds, the model; a
        moment old at most. Counted from what the view keeps counted, never from its rows."""
        return self._details.get()

    def _detail(self) -> Row:
        clock_ms, view = self._standing().clock_ms, self._view
        offset_ms = view.utc_offset_ms()
        hours = view.hours(outlook.first_hour(clock_ms, offset_ms))
        day_ago = clock_ms // HOUR_MS - 24
        return {
            "as_of": iso_ms(clock_ms),
            "districts": outlook.districts(view.districts()),
            "trend": outlook.trend(hours, view.grades(), clock_ms, offset_ms),
            "emerging": {"alerts": self._open(EMERGING, EMERGING_MAX),
                         "rising": outlook.rising(hours, clock_ms)},
            "feeds": outlook.feeds(view.feeds(), self._open(OF_FEEDS, FEEDS_MAX), clock_ms),
            "dead_letters_24h": sum(x.n for x in hours
                                    if x.what == "dead" and x.hour >= day_ago),
            "model": outlook.model(view.models()),
        }

    def _open(self, rules: Iterable[str], most: int) -> list[Row]:
        """Open alerts of some rules, rule by rule, of each the newest first."""
        out: list[Row] = []
        for rule in rules:
            rows = [row for state in sorted(OPEN)
                    for row in self._view.alerts(rule=rule, state=state, limit=most)]
            out += sorted(rows, key=lambda row: (row["opened_at"], row["id"]), reverse=True)
        return out[:most]

    def metrics_text(self) -> bytes:
        """Metrics in the Prometheus text format."""
        now, counted = self._standing(), self._counted.get()
        plain: dict[str, float] = {
            "xinfeng_events_accepted_total": now.accepted,
            "xinfeng_events_duplicate_total": now.duplicates,
            "xinfeng_events_conflicting_total": now.conflicts,
            "xinfeng_readings_total": now.readings,
            "xinfeng_appends_total": self._appends,
            "xinfeng_append_seconds_total": self._append_s,
            "xinfeng_subjects": now.subjects,
            "xinfeng_log_offset": now.offset,
            "xinfeng_log_clock_seconds": now.clock_ms / 1000,
            "xinfeng_view_count_age_seconds": self._counted.age_s(),
        }
        values = {**counted, **of_report(self.report())}
        for more in self.more:
            values |= more()
        return metrics.text({**{k: [((), v)] for k, v in plain.items()}, **values})

    def _count(self) -> dict[str, metrics.Samples]:
        """What must be counted over the view."""
        view = self._view
        return {
            "xinfeng_events_rejected_total": [((), view.rejected())],
            "xinfeng_reviews_open": [((), view.reviews_open())],
            "xinfeng_alerts_open": [((rule, level), n) for rule, level, n in view.open_groups()],
            "xinfeng_businesses": by_district(view.districts()),
            **self._disagreement(),
        }

    def _disagreement(self) -> dict[str, metrics.Samples]:
        found = self.reviews()
        rate = found["disagreement"]["rate"]
        return {
            "xinfeng_reviews_overdue": [((), review_board.counts(
                self._view, self.today(), "", "")["overdue"])],
            "xinfeng_disagreement_ratio": [((), rate)] if rate is not None else [],
            "xinfeng_department_disagreement_ratio": [
                ((d["department"],), d["rate"]) for d in found["departments"]],
        }


def by_district(districts: Mapping[str, District]) -> metrics.Samples:
    """Businesses by (district, grade); beyond so many districts the smaller are "other"."""
    sizes = {name: sum(x.grades.values()) for name, x in districts.items()}
    shown = set(sorted(sizes, key=lambda d: (-sizes[d], d))[: LABELS_MAX - 1])
    out: dict[tuple[str, ...], float] = {}
    for name, district in districts.items():
        for grade, n in district.grades.items():
            key = name if name in shown else OTHER, grade
            out[key] = out.get(key, 0) + n
    return sorted(out.items())


def of_report(report: Row | None) -> dict[str, metrics.Samples]:
    """Samples of what the analysis reports (`Analysis.report`); none before the first."""
    learner = report.get("learner") if report else None
    if report is None or not learner:
        return {}
    out: dict[str, metrics.Samples] = {
        "xinfeng_model_examples": [((), learner["examples"])],
        "xinfeng_model_adverse": [((), learner["adverse"])],
        "xinfeng_model_drifting": [((), float(learner["drift"]["drifting"]))],
        "xinfeng_weights_published": [((), report["published"])],
        "xinfeng_analysis_clock_seconds": [((), report["as_of_day"] * DAY_MS / 1000)],
        "xinfeng_model_lead_auc": [((row["over"],), row["auc"]) for row in learner["leads"]
                                   if row["auc"] is not None],
    }
    known = {**(learner["challengers"] or {"models": {}})["models"], **learner["models"]}
    for key in ("auc", "log_loss", "ece"):
        out[f"xinfeng_model_{key}"] = [((name,), model[key]) for name, model in known.items()
                                       if model[key] is not None]
    if learner.get("published_day") is not None:
        out["xinfeng_weights_clock_seconds"] = [((), learner["published_day"] * DAY_MS / 1000)]
    return out
