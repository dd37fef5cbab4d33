"""A subject's story in a few lines: what happens on which day, and what is concluded from it."""

from __future__ import annotations

import datetime as dt
from typing import Any

import events as ev
import oracle

from alerts.rules import View
from models.gap import InForce
from models.ledger import DAY_MS, resolve, segments
from models.score import Scores, of_item, score
from models.subject import Alert, Subject
from storage.effects import AlertChanged, Effect, Rejected, ReviewChanged
from streams.pipeline import Entry

ITEM, OTHER = "cq1-01", "cq1-17"
"""Two items of different departments."""

_DEFAULTS: dict[str, dict[str, Any]] = {
    "subject.registered": {"name": "企业", "kind": "enterprise", "district": "500106",
                           "industry": "H6210", "size": "small", "registered_on": "2015-01-01"},
    "complaint.filed": {"item": ITEM, "kind": "complaint", "category": "退款", "severity": 2},
    "penalty.decided": {"item": ITEM, "document": "渝罚1", "kinds": ["fine"], "class": "general",
                        "basis": [{"law": "食品安全法", "article": "1"}]},
    "act.decided": {"act": "permit", "item": ITEM},
    "inspection.completed": {"item": ITEM, "plan": "random", "result": "pass", "findings": []},
    "iot.alarm": {"item": ITEM, "device": "d1", "code": "over", "severity": 2, "verified": True},
    "commitment.made": {"item": ITEM, "matter": "m", "kind": "approval"},
    "list.entered": {"list": "serious", "authority": "市市场监管局", "basis": "依据"},
    "rectification.ordered": {"item": ITEM},
    "interview.held": {"item": ITEM, "kind": "warning"},
    "repair.applied": {"method": "training"},
    "arrears.confirmed": {"kind": "wage", "amount_cny": 1.0},
    "information.declared": {"category": "资质", "authorised": True},
    "grade.assigned": {"item": ITEM, "issuer": "department", "grade": "A"},
    "review.answered": {"decision": "keep", "reason": "复核"},
    "inspection.drawn": {"item": ITEM, "stratum": "A", "probability": 0.5},
}
_DATED = {"penalty.decided": "decided_on", "act.decided": "decided_on",
          "act.published": "published_on"}


class Story:
    """One subject under one policy, day by day. The oracle looks at every step."""

    def __init__(self, variant: str = "unit") -> None:
        self.variant = variant
        self.shard = ev.shard(variant)
        self.key = ev.codes(1)[0]
        self.effects: list[Effect] = []
        self._count = 0

    # ------------------------------------------------------------------------------- happenings

    def do(self, when: str, type_: str, of: str | None = None, id: str | None = None,
           **data: Any) -> str:
        """Something happens on a date (at noon) or at a moment; returns its id."""
        made = self.make(when, type_, of, id, **data)
        self._step([Entry(max(self.shard.clock_ms, made.time_ms), made.body, made.event)])
        return made.id

    def make(self, when: str, type_: str, of: str | None = None, id: str | None = None,
             **data: Any) -> ev.Made:
        """The event alone."""
        self._count += 1
        moment = dt.datetime.fromisoformat(when if "T" in when else f"{when}T12:00:00")
        moment = moment.replace(tzinfo=ev.BEIJING)
        body = {**_DEFAULTS.get(type_, {}), **data}
        if type_ in _DATED:
            body.setdefault(_DATED[type_], moment.date().isoformat())
        if of is not None:
            body["of"] = {"source": "test", "id": of}
        whole = None if type_ == "subject.cancelled" else body
        return ev.make(type_, "test", id or f"x{self._count}", self.key, moment, whole, of or "",
                       self.variant)

    def to(self, date: str, hour: int = 12) -> Story:
        """Time passes up to a date."""
        moment = dt.datetime.combine(dt.date.fromisoformat(date), dt.time(hour), ev.BEIJING)
        self._step([ev.tick(int(moment.timestamp() * 1000))])
        return self

    def _step(self, envelope: list[Entry]) -> None:
        self.effects += self.shard.step(envelope)
        oracle.scratch(self.shard)

    # ------------------------------------------------------------------------------ conclusions

    @property
    def subject(self) -> Subject:
        return self.shard.subjects[self.key]

    @property
    def view(self) -> View:
        assert self.shard.timeline is not None
        card = self.shard.timeline.last
        return View(self.subject, resolve(self.subject.facts, card.offset_ms),
                    resolve(self.subject.signals, card.offset_ms), card, self.shard.day,
                    self.shard.clock_ms)

    def score(self, item: str = ITEM, date: str | None = None) -> Scores:
        """Both scores of an item [thousandths] with their contributions."""
        view, code = self.view, self.code(item)
        day = day_of(date) if date else view.day
        internal = (segments(view.facts, view.card, public=False)
                    + segments(view.signals, view.card, public=False))
        public = segments(view.facts, view.card, public=True)
        return score(of_item(public, code), of_item(internal, code), day, view.card,
                     self.subject.group)

    def points(self, indicator: str, item: str = ITEM, date: str | None = None) -> float:
        """Points of one indicator, 0 when it is not listed."""
        return sum(c.milli for c in self.score(item, date).contributions
                   if c.indicator == indicator) / 1000

    def path(self, item: str = ITEM) -> list[tuple[str, str]]:
        """(date, grade) changes of the computed grade."""
        return [(date_of(day), "ABCD"[grade]) for day, grade in self.subject.steps(self.code(item))]

    def held(self, item: str = ITEM, date: str | None = None) -> InForce | None:
        """Grade in force."""
        return self.view.grades.at(self.code(item), day_of(date) if date else self.shard.day)

    def grade(self, item: str = ITEM) -> str:
        held = self.held(item)
        return "-" if held is None else f"{'ABCD'[held.grade]} {held.source}"

    def code(self, item: str) -> int:
        assert self.shard.timeline is not None
        return self.shard.timeline.last.item_codes[item]

    def alerts(self, *without: str) -> dict[str, str]:
        """Rule -> level of what is held; several of a rule are joined. Publication left out."""
        out: dict[str, list[str]] = {}
        for alert in (self.subject.alerts or {}).values():
            if alert.rule not in ("publication-overdue", *without):
                out.setdefault(alert.rule, []).append(alert.level)
        return {rule: " ".join(sorted(levels)) for rule, levels in sorted(out.items())}

    def alert(self, rule: str) -> Alert | None:
        """The one alert of a rule."""
        found = [a for a in (self.subject.alerts or {}).values() if a.rule == rule]
        assert len(found) <= 1, found
        return found[0] if found else None

    def told(self, rule: str) -> list[tuple[str, str, str, str]]:
        """(date, was, state, level) of every transition of a rule."""
        return [(date_of((x.updated_ms + 28_800_000) // DAY_MS), x.was, x.state, x.level)
                for x in self.effects if isinstance(x, AlertChanged) and x.rule == rule]

    def reviews(self) -> list[ReviewChanged]:
        return [x for x in self.effects if isinstance(x, ReviewChanged)]

    def rejected(self) -> list[Rejected]:
        return [x for x in self.effects if isinstance(x, Rejected)]


def day_of(date: str) -> int:
    return (dt.date.fromisoformat(date) - dt.date(1970, 1, 1)).days


def date_of(day: int) -> str:
    return (dt.date(1970, 1, 1) + dt.timedelta(days=day)).isoformat()
