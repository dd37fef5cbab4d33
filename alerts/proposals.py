"""What an alert proposes to the departments it concerns: attention, never a restriction. Pure.

A proposal follows from the alert and the catalogue of measures alone, so it is the same in every
runner. Nothing is done by itself: people decide.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from alerts.told import Alert, Words
from models.measures import Measure

INSPECTIONS: Words = ("双随机、一公开", "Random inspections")
GUIDANCE: Words = ("行政指导", "Guidance")


class Advice(NamedTuple):
    """One measure proposed."""

    channel: Words
    text: Words
    seed_ref: str
    """Number and item of the policy paper it is from, see docs/requirements.md."""
    department: str = ""
    """Who is to do it, where it is for one department only."""


def proposals(alert: Alert, catalogue: Iterable[Measure]) -> list[Advice]:
    """Measures proposed while somebody still has to see to an alert; for most rules none."""
    if alert.state not in ("firing", "acknowledged"):
        return []
    if alert.rule == "grade-drop":
        return [_from(one) for one in catalogue
                if one.grade == alert.facts["to"] and one.kind == "attention"]
    if alert.rule in _INSPECT:
        return [_MORE]
    if alert.rule == "ban-breach":
        return [_ON_SITE]
    if alert.rule in _INTERVIEWS and alert.facts.get("late"):
        return [one._replace(department=next(iter(alert.departments), ""))
                for one in _INTERVIEWS[alert.rule]]
    return []


def _from(one: Measure) -> Advice:
    return Advice((one.channel, one.channel_en), (one.measure, one.measure_en), one.seed_ref)


_MORE = Advice(INSPECTIONS, ("风险较高，适当提高抽查比例和频次",
                             "high risk: draw and inspect it more often"), "000 14")
_ON_SITE = Advice(INSPECTIONS, ("加强现场检查，核实禁入期间的经营活动",
                                "inspect it on site: what was done while it was barred"),
                  "002 三(四)")
_REMIND = Advice(GUIDANCE, ("提示约谈（谁认定、谁约谈）",
                            "a reminding interview, by the department that determined the matter"),
                 "000 16")
_WARN = Advice(GUIDANCE, ("提示约谈后仍不改正的，警示约谈",
                          "a warning interview where the reminder had no effect"), "000 16")

_INSPECT = frozenset({"risk-high", "score-plunge", "repeat-offence"})
_INTERVIEWS = {"commitment-overdue": (_REMIND,), "rectification-overdue": (_REMIND, _WARN),
               "penalty-unperformed": (_REMIND, _WARN)}
"""Once the day has passed, not in the days of warning before."""
