"""What the centre asks of the whole city, for both runners: departments, devices, models, policy.

Answers about departments and devices come from the last complete walk (`streams.census`) and say
of which moment they are; before the first walk they say that there is none.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from bisect import bisect_right
from itertools import islice
from typing import Any

from models import policy_diff, ranking
from models.departments import named, numbered, quarter_of
from models.norms import ByClass
from models.scorecard import Card, Timeline
from models.subject import Subject
from streams import device_view, policy_view
from streams.census import STATES, Census, DeviceRow, Table
from streams.district_table import districts_of
from streams.show import iso_day, iso_ms
from streams.view import View

Row = dict[str, Any]
QUARTERS_SHOWN = 12

class Centre(ABC):
    """The half of a service that answers for the whole city."""

    _view: View
    census: Census

    @abstractmethod
    def _policies(self) -> Timeline | None:
        """Policies and weights, None before the first."""

    @abstractmethod
    def _copy(self, subject: str) -> tuple[Subject | None, ByClass, int]:
        """A subject nobody else changes, the norms of devices, and the clock [epoch ms]."""

    # ------------------------------------------------------------------------------- departments

    def departments(self, *, quarter: str = "") -> Row:
        table = self.census.table
        if table is None:
            return {"as_of": None, "quarter": quarter or None, "quarters": [], "departments": [],
                    "city": None, "trend": None}
        return departments_of(table, quarter)

    def districts(self) -> Row:
        table = self.census.table
        if table is None:
            return {"as_of": None, "quarter_before": None, "districts": []}
        return {"as_of": iso_ms(table.as_of_ms)} | districts_of(
            table.groups, table.before, self._view.districts(), _today(table))

    # ----------------------------------------------------------------------------------- devices

    def devices(self, *, state: str = "", item: str = "", district: str = "", subject: str = "",
                limit: int = 50, after: str = "") -> Row:
        table = self.census.table
        if table is None:
            return {"as_of": None, "devices": [], "next": None, "counts": {}}
        ids = table.card.item_ids
        wanted = table.by_state.get(state, []) if state else table.devices
        start = bisect_right(wanted, after, key=lambda row: row.cursor) if after else 0
        rows = (row for row in islice(wanted, start, None)
                if (not item or ids[row.item] == item)
                and (not district or row.district.startswith(district))
                and (not subject or subject in row.subject or subject in row.name))
        found = list(islice(rows, limit + 1))
        return {"as_of": iso_ms(table.as_of_ms),
                "devices": [_device_row(row, table.card) for row in found[:limit]],
                "next": found[limit - 1].cursor if len(found) > limit else None,
                "counts": {"all": len(table.devices)}
                | {name: len(rows) for name, rows in table.by_state.items()}}

    def device(self, subject: str, item: str, device: str) -> Row | None:
        timeline = self._policies()
        if timeline is None or item not in timeline.last.item_codes:
            return None
        held, norms, clock_ms = self._copy(subject)
        if held is None:
            return None
        card = timeline.last
        found = device_view.device(held, card.item_codes[item], device, card, norms, clock_ms)
        if found is not None:
            alerts = [self._view.alert(id) for id in device_view.alert_ids(found, card)]
            found["alerts"] = sorted((a for a in alerts if a is not None),
                                     key=lambda a: str(a["opened_at"]), reverse=True)
        return found

    # -------------------------------------------------------------------------- models and policy

    def models(self) -> Row:
        timeline, table = self._policies(), self.census.table
        card = timeline.last if timeline is not None else None
        # The walk over a large city began ten minutes ago; the view of one process is as old as its
        # checkpoint.
        known = (table.report if table is not None else None, self._view.models())
        report = max((r for r in known if r), key=lambda r: int(r["as_of_day"]), default=None)
        return {
            "report": _dated(report) if report is not None else None,
            "learning": None if card is None else {
                "enabled": card.policy.learning.enabled,
                "adverse_min": card.policy.learning.adverse_min,
                "horizon_d": card.policy.learning.horizon_d,
                "grace_d": card.policy.learning.grace_d,
                "publish_weeks": card.policy.learning.publish_weeks},
            "in_force": None if card is None else {
                "name": card.weights, "policy": card.hash, "weights": policy_view.weights(card)},
            "versions": [] if timeline is None else policy_view.weights_history(timeline),
            "groups": None if table is None else {
                "as_of": iso_ms(table.as_of_ms), "subjects": table.subjects,
                "by": _groups(table)},
        }

    def policies(self) -> Row:
        timeline = self._policies()
        if timeline is None:
            return {"in_force": None, "policies": [], "weights": []}
        return {"in_force": timeline.last.hash, "policies": policy_view.history(timeline),
                "weights": policy_view.weights_history(timeline)}

    def policy(self, hash: str = "") -> Row | None:
        timeline = self._policies()
        return None if timeline is None else policy_view.document(timeline, hash)

    def policy_diff(self, old: str, new: str) -> list[Row] | None:
        timeline = self._policies()
        if timeline is None:
            return None
        both = [policy_view.document(timeline, hash) for hash in (old, new)]
        if both[0] is None or both[1] is None:
            return None
        return policy_diff.diff(both[0], both[1])


def departments_of(table: Table, quarter: str = "") -> Row:
    """The answer about departments that a walk gives; "" = the quarter under way."""
    today = quarter_of(_today(table))
    known = sorted({q for _, q, _ in table.total.sums if q <= today} | {today})
    shown = known[-QUARTERS_SHOWN:]
    chosen = numbered(quarter) if quarter else today
    assert chosen is not None, quarter
    rows = ranking.rows(table.total, table.card, chosen, table.as_of_ms)
    return {
        "as_of": iso_ms(table.as_of_ms), "quarter": named(chosen),
        "over": chosen < today, "quarters": [named(q) for q in reversed(shown)],
        "components": list(ranking.COMPONENTS), "departments": rows,
        "city": ranking.city(rows, table.card) | {
            "unattributed": table.total.of("", chosen, "wrong_codes")
            + table.total.of("", chosen, "refused")},
        "targets": {str(year): share for year, share in ranking.COVERAGE_TARGETS},
        "trend": {"quarters": [named(q) for q in shown],
                  "on_time": ranking.trend(table.total, table.card, shown)},
    }


def _today(table: Table) -> int:
    return (table.as_of_ms + table.card.offset_ms) // 86_400_000


def _device_row(row: DeviceRow, card: Card) -> Row:
    specs = [card.devices.get((row.class_, metric)) for metric in row.metrics]
    return {"subject": row.subject, "name": row.name, "district": row.district,
            "item": card.item_ids[row.item], "device": row.device, "class": row.class_,
            "metrics": list(row.metrics),
            "labels": [{"zh": spec.name_zh if spec else metric,
                        "en": spec.name_en if spec else metric}
                       for metric, spec in zip(row.metrics, specs, strict=True)],
            "last_at": iso_ms(row.last_ms),
            "states": list(row.states), "state": state_of(row.states)}


def state_of(rules: tuple[str, ...]) -> str:
    """The worst that is said of a device."""
    for state in ("suspicious", "over", "silent"):
        if STATES[state] & set(rules):
            return state
    return "well"


def _groups(table: Table) -> list[Row]:
    out = []
    for (dimension, value), grades in sorted(table.groups.items()):
        graded = sum(n for grade, n in grades.items() if grade in "ABCD")
        out.append({"dimension": dimension, "value": value, "subjects": grades.total(),
                    "graded": graded, "grades": {g: grades.get(g, 0) for g in "ABCD"},
                    "low_share": round((grades["C"] + grades["D"]) / graded, 6) if graded
                    else None})
    return out


def _dated(report: Row) -> Row:
    """The report with dates beside its day numbers."""
    learner = report.get("learner") or {}
    if learner:
        shadow = learner["challengers"]
        learner = learner | {
            "history": _weeks(learner),
            "challengers": shadow | {"history": _weeks(shadow)} if shadow else None}
    days = {"as_of": report.get("as_of_day"), "first": learner.get("first_day"),
            "last": learner.get("last_day")}
    found = (learner.get("drift") or {}).get("found") or []
    return report | {"learner": learner or None,
                     "dates": {name: iso_day(day) if day else None for name, day in days.items()},
                     "drift_dates": [iso_day(each["day"]) for each in found]}


def _weeks(told: Row) -> list[Row]:
    """Rows of a history; none where it was told before there was one."""
    return [row | {"date": iso_day(row["day"])} for row in told.get("history", ())]
