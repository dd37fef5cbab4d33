"""`xinfeng show`: everything concluded about one subject, with the facts behind each number.

`describe` reads it off a shard that holds the subject; `streams.fold.fold` makes such a shard for
any subject and any moment from the log alone. Both give the same answer.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import Any

from alerts import lifecycle, rules
from models.calendar import to_date
from models.gap import InForce, extremes
from models.grade import STEP, letter
from models.ledger import DAY_MS, Fact, list_span, resolve, segments
from models.policy import INDICATORS
from models.records import GRADES, ISSUERS, LISTED, LISTS, RECORD, WHOLE_SUBJECT
from models.score import Contribution, of_item, score
from models.scorecard import UNGRADED, Card, Timeline
from streams.fold import fold
from streams.measures import Measures
from streams.pipeline import Shard
from streams.repair import path, repairable

__all__ = ["describe", "fold", "iso_day", "iso_ms"]

Row = dict[str, Any]
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


def iso_ms(ms: int) -> str:
    """A moment [epoch ms] as RFC 3339 in UTC.

    Examples
    --------
    >>> iso_ms(0)
    '1970-01-01T00:00:00.000Z'
    """
    moment = _EPOCH + dt.timedelta(milliseconds=ms)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def iso_day(day: int) -> str:
    """A civil day number as an ISO date."""
    return to_date(day).isoformat()


def describe(shard: Shard, subject_key: str, as_of_ms: int) -> Row | None:
    """The object of contract section 2; None for a subject the shard does not know.

    Parameters
    ----------
    shard
        Holds the subject, and has let time pass up to `as_of_ms`.
    as_of_ms
        The moment it is asked for [epoch ms].

    Returns
    -------
    Built-in types only. Points have three decimals at most: as thousandths they add up exactly.
    Cost about 1 ms for a subject with a few dozen facts.
    """
    subject = shard.subjects.get(subject_key)
    if subject is None or shard.timeline is None:
        return None
    return _Description(shard, shard.timeline, subject_key, as_of_ms).whole()


class _Description:
    """One subject on one day, with what several parts of its description share."""

    def __init__(self, shard: Shard, timeline: Timeline, key: str, as_of_ms: int) -> None:
        self.timeline = timeline
        self.card = timeline.last
        self.subject = shard.subjects[key]
        self.as_of_ms = as_of_ms
        self.day = (as_of_ms + self.card.offset_ms) // DAY_MS
        self.view = rules.View(
            self.subject, resolve(self.subject.facts, self.card.offset_ms),
            resolve(self.subject.signals, self.card.offset_ms), self.card, self.day, as_of_ms)
        self.sources = list(shard.sources)
        every = {row[0] for records in (self.subject.facts, self.subject.signals)
                 for row in RECORD.iter_unpack(records)}
        self.refs = self.subject.refs(every)
        self.measures = Measures(self.subject, lambda: self.view, self.ref)
        self.then: dict[int, tuple[Card, list[Any]]] = {}

    def whole(self) -> Row:
        profile = self.subject.registration()
        vector = self.view.grades.vector(self.day)
        out: Row = {"subject": self.subject.key, "as_of": iso_ms(self.as_of_ms),
                    "name": "", "district": "", "kind": "", "industry": "", "size": ""}
        if profile is not None:
            out |= {"name": profile.name, "district": profile.district, "kind": profile.kind,
                    "industry": profile.industry, "size": profile.size,
                    "registered_on": profile.registered_on.isoformat(),
                    "aliases": list(profile.aliases), "platform": profile.platform}
        if self.subject.cancelled_day:
            out["cancelled_on"] = iso_day(self.subject.cancelled_day)
        repairs = repairable(self.view)
        found = path(self.view, repairs)
        review = self.view.review
        return out | {
            "items": {self.card.item_ids[code]: self.item(code, vector.get(code))
                      for code in self.codes()},
            "public": self.public(vector.get(WHOLE_SUBJECT)),
            "gap": self.gap(vector),
            "lists": self.lists(),
            "open_alerts": sorted(a.id for a in (self.subject.alerts or {}).values()
                                  if a.state in lifecycle.OPEN),
            "open_reviews": [review.id] if review is not None and review.open else [],
            "repairable": [{"event": self.ref(r.fact), "from": iso_day(r.day),
                            "points": r.milli / 1000} for r in repairs],
            "path": None if found is None else {
                "to": letter(found.grade), "by": iso_day(found.day),
                "steps": [{"repair": self.ref(r.fact), "points": r.milli / 1000,
                           "from": iso_day(max(r.day, self.day))} for r in found.steps]},
            "history": self.history(),
            "policy": self.card.hash,
        }

    def codes(self) -> list[int]:
        """Items that have a grade path, an assignment or any record, by catalogue order."""
        facts = [*self.view.facts.by_key.values(), *self.view.signals.by_key.values()]
        return sorted({*self.view.grades.items, *(f.item for f in facts)} - {WHOLE_SUBJECT})

    def item(self, code: int, held: InForce | None) -> Row:
        card = self.card
        scores = score(of_item(self.view.public, code), of_item(self.view.internal, code),
                       self.day, card, self.subject.group, code)
        return {
            "department": card.department_of[code],
            "risk_score": scores.risk / 1000,
            "credit_score": scores.credit / 1000,
            **_grade(held),
            "computed": letter(self.subject.grade_at(code, self.day)),
            "assigned": self.assigned(code),
            "risk_probability": round(card.probability(scores.risk_unclipped), 4),
            "weights": card.weights,
            "period": self.period(code),
            "contributions": self.contributions(scores.contributions),
            "measures": self.measures.of(code, _letter(held)),
        }

    def public(self, held: InForce | None) -> Row:
        scores = score(self.view.public, [], self.day, self.card, self.subject.group)
        return {**_grade(held),
                "computed": letter(self.subject.grade_at(WHOLE_SUBJECT, self.day)),
                "credit_score": scores.credit / 1000,
                "assigned": self.assigned(WHOLE_SUBJECT),
                "period": self.period(WHOLE_SUBJECT),
                "contributions": self.contributions(
                    c for c in scores.contributions if c.public),
                "measures": self.measures.of(WHOLE_SUBJECT, _letter(held))}

    def contributions(self, of: Iterable[Contribution]) -> list[Row]:
        return [{"indicator": c.indicator, "points": c.milli / 1000,
                 "record": "public" if c.public else "internal", **self.weights(c.indicator),
                 "events": [{**self.ref(self.fact(key)), "points": milli / 1000}
                            for key, milli in zip(c.keys, c.each, strict=True)]} for c in of]

    def weights(self, indicator: str) -> Row:
        """Weight of an indicator [log-odds per unit at age 0], and what of it is the expert's."""
        if indicator not in INDICATORS:
            return {}
        n, group = INDICATORS.index(indicator), self.subject.group
        return {"weight": round(self.card.weight(n, group), 4),
                "expert_weight": self.card.expert(n, group)}

    def fact(self, key: int) -> Fact:
        return self.view.facts.by_key.get(key) or self.view.signals.by_key[key]

    def ref(self, fact: Fact) -> Row:
        """Names a fact; `objected` while an objection to it is open."""
        code, id = self.refs[fact.key]
        out: Row = {"source": self.sources[code], "id": id}
        if fact.objection == 1:
            out["objected"] = True
        return out

    def assigned(self, code: int) -> Row | None:
        """The department's own grade, also where the policy does not let it count."""
        active = [a for a in self.view.grades.assigned
                  if a.item == code and a.start <= self.day < a.stop]
        if not active:
            return None
        allowed = self.card.policy.gap.issuers
        best = min(active, key=lambda a: (ISSUERS[a.issuer] not in allowed, a.issuer, a.fact.key))
        return {"grade": GRADES[best.grade], "issuer": ISSUERS[best.issuer],
                "since": iso_day(best.start),
                "valid_until": iso_day(best.fact.day1) if best.fact.day1 else None,
                "in_force": ISSUERS[best.issuer] in allowed, "event": self.ref(best.fact)}

    def period(self, code: int) -> Row:
        """Computed grade and score at the end of the last finished evaluation period."""
        periods, id = self.card.policy.periods, self.card.item_ids[code]
        kind = ("monthly" if id in periods.monthly else
                "continuous" if id in periods.continuous else periods.default)
        ended = self.day
        if kind != "continuous":
            first = to_date(self.day).replace(day=1)
            ended -= (to_date(self.day) - (first if kind == "monthly" else
                                           first.replace(month=1))).days + 1
        if ended not in self.then:
            card = self.timeline.spans(ended, ended)[-1][0]
            self.then[ended] = card, segments(self.view.facts, card, public=True)
        card, public = self.then[ended]
        credit = score(of_item(public, code), [], ended, card, self.subject.group).credit
        return {"kind": kind, "ended_on": iso_day(ended),
                "grade": letter(self.subject.grade_at(code, ended)), "credit_score": credit / 1000}

    def gap(self, vector: dict[int, InForce]) -> Row | None:
        if not vector:
            return None
        high, low = extremes(vector)
        levels = vector[low].grade - vector[high].grade
        if not levels:
            return None
        ends = ({"item": self.card.item_ids[i], "grade": letter(vector[i].grade)}
                for i in (high, low))
        return {"levels": levels, "highest": next(ends), "lowest": next(ends)}

    def lists(self) -> list[Row]:
        out = []
        for fact in self.view.facts.by_type.get(LISTED, ()):
            start, stop = list_span(fact)
            if start <= self.day < stop:
                out.append((start, fact.key, {
                    "list": LISTS[fact.variant], "since": iso_day(start),
                    "until": iso_day(fact.day1) if fact.day1 else None, "event": self.ref(fact)}))
        return [row for _, _, row in sorted(out, key=lambda x: x[:2])]

    def history(self) -> list[Row]:
        """Every change of every computed grade, oldest first."""
        out = []
        before: dict[int, int] = {}
        for code, day, grade in STEP.iter_unpack(self.subject.path):
            out.append((day, code, {"item": self.card.item_ids[code], "day": iso_day(day),
                                    "from": letter(before.get(code, UNGRADED)),
                                    "grade": letter(grade)}))
            before[code] = grade
        return [row for _, _, row in sorted(out, key=lambda x: x[:2])]


def _grade(held: InForce | None) -> Row:
    return {"grade": _letter(held),
            "grade_source": "computed" if held is None else held.source,
            "since": iso_day(held.since) if held is not None else None}


def _letter(held: InForce | None) -> str:
    return letter(UNGRADED if held is None else held.grade)
