"""The quarterly evaluation and ranking of departments (SUP-25), and what its numbers are made of.

The papers name six things a department is judged by and give no weights: each counts the same. A
share that has nothing to be taken of is left out, never guessed. Coverage and digital access
(SUP-24) stand beside the ranking: they are properties of the catalogue, not of a quarter's work.

    timeliness    acts public within 7 working days, of those due (SUP-07)
    completeness  records taken in, of all that were sent (dead letters with a wrong code apart)
    reviews       reviews of grade gaps answered by their due day, of those due
    alerts        alerts answered before they would be escalated, of those due
    inspections   inspections carried out, of those begun (not obstructed, the place was found)
    codes         1 up to one wrong code in 10,000 events, beyond in inverse proportion (SUP-20)
"""

from __future__ import annotations

from typing import Any, NamedTuple

from models.departments import LATE, ON_TIME, OVERDUE, WAITING, Total, has
from models.records import ACTS
from models.scorecard import Card

COMPONENTS = ("timeliness", "completeness", "reviews", "alerts", "inspections", "codes")
RANKED_MIN = 3
"""With fewer components that can be said, a department is listed and not ranked."""
CODES_MAX = 1e-4
"""Share of wrong codes that the papers allow."""
COVERAGE_TARGETS = ((2023, 0.4), (2025, 0.7), (2027, 1.0))
"""Share of inspection items covered that is asked for by the end of a year."""


class Share(NamedTuple):
    """`part` of `whole`; None where there is nothing to take a share of."""

    part: int
    whole: int

    @property
    def value(self) -> float | None:
        return self.part / self.whole if self.whole else None


def rows(total: Total, card: Card, quarter: int, clock_ms: int) -> list[dict[str, Any]]:
    """All departments of the catalogue in the order of their rank; those not ranked come last."""
    made = [_row(total, card, department, quarter, clock_ms)
            for department in card.department_names]
    made.sort(key=lambda r: (r["score"] is None, -(r["score"] or 0.0), r["department"]))
    for n, row in enumerate(made):
        above = made[n - 1] if n else None
        row["rank"] = None if row["score"] is None else (
            above["rank"] if above is not None and above["score"] == row["score"] else n + 1)
    return made


def city(made: list[dict[str, Any]], card: Card) -> dict[str, Any]:
    """The same numbers of all departments together, from their parts."""
    out: dict[str, Any] = {}
    for name in ("timeliness", "completeness", "reviews", "alerts", "inspections", "coverage",
                 "access"):
        out[name] = _shown(Share(sum(r[name]["part"] for r in made),
                                 sum(r[name]["whole"] for r in made)))
    wrong, sent = (sum(r["codes"][key] for r in made) for key in ("wrong", "sent"))
    out["codes"] = {"wrong": wrong, "sent": sent, "rate": wrong / sent if sent else None}
    out["records"] = sum(r["records"] for r in made)
    out["items"] = len(card.item_ids) - 1
    return out


def trend(total: Total, card: Card, quarters: list[int]) -> dict[str, list[float | None]]:
    """Share of acts public in time by department, and "" = the whole city, quarter by quarter."""
    out: dict[str, list[float | None]] = {"": []}
    for quarter in quarters:
        shares = {d: _timely(total, d, quarter) for d in card.department_names}
        out[""].append(Share(sum(s.part for s in shares.values()),
                             sum(s.whole for s in shares.values())).value)
        for department, share in shares.items():
            out.setdefault(department, []).append(share.value)
    return {d: values for d, values in out.items() if not d or any(v is not None for v in values)}


def _row(total: Total, card: Card, department: str, quarter: int,
         clock_ms: int) -> dict[str, Any]:
    def of(name: str) -> int:
        return total.of(department, quarter, name)

    records, refused, wrong = of("records"), of("refused"), of("wrong_codes")
    sent = records + refused + wrong
    items = [code for code, own in enumerate(card.department_of) if own == department]
    graded = [i for i in items if has(total.graded.get(i, 0), quarter)]
    linked = [i for i in graded if has(total.inspected.get(i, 0), quarter)]
    rate = wrong / sent if sent else None
    shares = {
        "timeliness": _timely(total, department, quarter),
        "completeness": Share(records, records + refused),
        "reviews": _kept(total, department, quarter, "review"),
        "alerts": _kept(total, department, quarter, "alert"),
        "inspections": Share(of("inspections_done"), of("inspections")),
    }
    parts: dict[str, float | None] = {name: share.value for name, share in shares.items()}
    parts["codes"] = None if rate is None else 1.0 if rate <= CODES_MAX else CODES_MAX / rate
    known = [value for value in parts.values() if value is not None]
    acts = {kind: {state: of(f"act.{kind}.{state}")
                   for state in (ON_TIME, LATE, OVERDUE, WAITING)} for kind in ACTS}
    return {
        "department": department,
        # To two decimals: what is equal on paper shares a rank.
        "score": round(100 * sum(known) / len(known), 2) if len(known) >= RANKED_MIN else None,
        "components": {name: None if parts[name] is None else round(parts[name] or 0.0, 6)
                       for name in COMPONENTS},
        **{name: _shown(share) for name, share in shares.items()},
        "acts": {kind: states for kind, states in acts.items() if any(states.values())},
        "overdue": sum(states[OVERDUE] for states in acts.values()),
        "review_answer_h": _mean(of("review.answer_min"), of("review.answers")),
        "alert_answer_h": _mean(of("alert.answer_min"), of("alert.answers")),
        "codes": {"wrong": wrong, "sent": sent, "rate": rate},
        "coverage": _shown(Share(len(graded), len(items))),
        "access": _shown(Share(len(linked), len(items))),
        "records": records,
        "inspections_found": of("inspections_found"),
        "record_age_d": _age(total, department, "record", clock_ms),
        "grade_age_d": _age(total, department, "grade", clock_ms),
    }


def _timely(total: Total, department: str, quarter: int) -> Share:
    states = {state: sum(total.of(department, quarter, f"act.{kind}.{state}") for kind in ACTS)
              for state in (ON_TIME, LATE, OVERDUE)}
    return Share(states[ON_TIME], sum(states.values()))


def _kept(total: Total, department: str, quarter: int, what: str) -> Share:
    part = total.of(department, quarter, f"{what}.{ON_TIME}")
    return Share(part, part + sum(total.of(department, quarter, f"{what}.{state}")
                                  for state in (LATE, OVERDUE)))


def _shown(share: Share) -> dict[str, Any]:
    value = share.value
    return {"part": share.part, "whole": share.whole,
            "rate": None if value is None else round(value, 6)}


def _mean(minutes: int, n: int) -> float | None:
    return round(minutes / n / 60, 2) if n else None


def _age(total: Total, department: str, what: str, clock_ms: int) -> float | None:
    newest = total.newest.get((department, what))
    return None if newest is None else round(max(clock_ms - newest, 0) / 86_400_000, 2)
