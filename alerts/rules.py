"""The alert rules that need one subject only, as pure functions of its facts and a day.

Each rule yields the conditions that hold, and adds to `later` the days on which its answer may
change by the passing of time alone. `alerts.lifecycle` turns conditions into transitions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cached_property
from itertools import chain
from typing import NamedTuple

import xxhash

from alerts.matters import matters
from models import anomaly, iot
from models import gap as gap_
from models.ledger import DAY_MS, FOREVER, Fact, Facts, Segment, list_span, segments
from models.policy import Answer
from models.records import (
    ACT,
    ANSWERED,
    COMMITMENT,
    GRADES,
    LISTED,
    LISTS,
    OBJECTION_RAISED,
    PENALTY,
    WHOLE_SUBJECT,
    identity,
)
from models.score import fall, of_item, risk_at
from models.scorecard import UNGRADED, Card
from models.subject import Subject


class Condition(NamedTuple):
    """A cause for an alert that holds now. `since` is the day the cause arose, by its own time."""

    rule: str
    item: int
    anchor: int
    """What tells two causes of one rule and item apart: a fact's identity, an episode, a device."""
    level: str
    since_ms: int
    evidence: list[int]
    facts: dict[str, str]
    notice_workdays: int = 0
    """Working days the department has from the day it was told before the alert fires."""


class Review(NamedTuple):
    """The state of a grade-gap review, from the facts alone."""

    id: str
    open: bool
    start: int
    ended: int
    levels: int
    highest: int
    lowest: int
    items: list[int]
    grades: dict[int, gap_.InForce]
    answers: list[Fact]
    due: int
    departments: list[str]


class View:
    """What the rules see: one subject on one day."""

    def __init__(self, subject: Subject, facts: Facts, signals: Facts, card: Card, day: int,
                 clock_ms: int) -> None:
        self.subject = subject
        self.facts = facts
        self.signals = signals
        self.card = card
        self.day = day
        self.clock_ms = clock_ms
        self.later: list[int] = []
        self.grades = gap_.Grades(subject, facts, card)
        self.active = not subject.cancelled_day or subject.cancelled_day > day

    @cached_property
    def public(self) -> list[Segment]:
        """What may enter the public record."""
        return segments(self.facts, self.card, public=True)

    @cached_property
    def internal(self) -> list[Segment]:
        """What moves the risk score only."""
        return (segments(self.facts, self.card, public=False)
                + segments(self.signals, self.card, public=False))

    @cached_property
    def review(self) -> Review | None:
        """The review that is open, if one is."""
        grades, levels = self.grades, self.card.policy.gap.levels
        if grades.widest() < levels or grades.levels(self.day) < levels:
            return None
        return review(self)

    def ms(self, day: int) -> int:
        """First moment of a civil day."""
        return day * DAY_MS - self.card.offset_ms

    def at(self, *days: int) -> None:
        """Note the days after today on which to look again."""
        self.later.extend(d for d in days if self.day < d < FOREVER)


def alert_id(rule: str, subject: str, item: int, anchor: int) -> str:
    """Stable for the same cause, whenever and in whatever order its facts arrive."""
    digest = xxhash.xxh3_128_hexdigest(f"{rule}\n{subject}\n{item}\n{anchor}".encode())
    return f"{rule}-{digest[:20]}"


def review(view: View) -> Review | None:
    """The subject's latest review, open or ended; None when its grades never lay apart."""
    rule = view.card.policy.gap
    held = gap_.episode(view.grades, view.day)
    if held is None:
        return None
    vector = view.grades.vector(view.day)
    id = gap_.review_id(view.subject.key, held.number)
    mark = identity("review", id)
    answers = [f for f in view.facts.acts if f.type == ANSWERED and f.of == mark]
    due = view.card.workday(held.start, rule.answer_workdays)
    if held.ended or not vector:
        return Review(id, False, held.start, held.ended, 0, 0, 0, [], vector, answers, due, [])
    highest, lowest = gap_.extremes(vector)
    items = gap_.involved(vector, rule.levels)
    levels = vector[lowest].grade - vector[highest].grade
    names = [view.card.department_of[i] for i in items if i]
    return Review(id, True, held.start, 0, levels, highest, lowest, items, vector, answers, due,
                  list(dict.fromkeys(names)))


def grade_gap(view: View) -> Iterator[Condition]:
    rule = view.card.policy.rules.grade_gap
    if view.grades.widest() < view.card.policy.gap.levels:
        # No two grades that ever were lie that far apart: their dates do not matter.
        return
    # A listing or an assignment changes the gap by its own dates, without a step on a path.
    view.at(*view.grades.outside())
    held = view.review if rule.enabled else None
    if held is None or not held.open:
        return
    evidence = [g.fact.key for g in held.grades.values() if g.fact is not None]
    for item in held.items:
        evidence += _worst(view, item)
    number = int(held.id[-8:], 16)
    level = rule.widest_level if held.levels >= 3 else rule.level
    yield Condition("grade-gap", WHOLE_SUBJECT, number, level, view.ms(held.start),
                    list(dict.fromkeys(evidence)), {
        "review": held.id,
        "levels": str(held.levels),
        "highest": view.card.item_ids[held.highest],
        "highest_grade": GRADES[held.grades[held.highest].grade],
        "lowest": view.card.item_ids[held.lowest],
        "lowest_grade": GRADES[held.grades[held.lowest].grade],
        "items": " ".join(view.card.item_ids[i] for i in held.items),
    })


def review_overdue(view: View) -> Iterator[Condition]:
    rule = view.card.policy.rules.review_overdue
    held = view.review if rule.enabled else None
    if held is None or not held.open:
        return
    answered = {view.card.department_names[f.extra] for f in held.answers}
    silent = [d for d in held.departments if d not in answered]
    due = view.card.workday(held.start, rule.workdays)
    view.at(due + 1, view.card.workday(due, rule.workdays) + 1)
    if silent and view.day > due:
        yield Condition("review-overdue", WHOLE_SUBJECT, int(held.id[-8:], 16),
                        _answer_level(view, rule, due), view.ms(due + 1), [],
                        {"review": held.id, "departments": " ".join(silent)}, rule.workdays)


def grade_drop(view: View) -> Iterator[Condition]:
    rule = view.card.policy.rules.grade_drop
    if not rule.enabled:
        return
    levels = (None, rule.to_b, rule.to_c, rule.to_d)
    for item, path in view.grades.paths.items():
        before, fallen_day, fallen_from = UNGRADED, 0, UNGRADED
        for day, grade in path:
            if grade != UNGRADED and before != UNGRADED and grade > before:
                fallen_day, fallen_from = day, before
            elif grade < before:
                fallen_day = 0
            before = grade
        level = levels[before] if before != UNGRADED else None
        if not fallen_day or level is None:
            continue
        view.at(fallen_day + rule.hold_d)
        if view.day < fallen_day + rule.hold_d:
            yield Condition("grade-drop", item, fallen_day, level, view.ms(fallen_day),
                            _worst(view, item),
                            {"from": GRADES[fallen_from], "to": GRADES[before]})
    for start, stop, key, fact in view.grades.direct:
        view.at(start, stop)
        if start <= view.day < stop:
            yield Condition("grade-drop", WHOLE_SUBJECT, key, rule.to_d, view.ms(start), [key],
                            {"from": "", "to": "D", "list": LISTS[fact.variant]})


def score_plunge(view: View) -> Iterator[Condition]:
    rule = view.card.policy.rules.score_plunge
    if not rule.enabled or not view.active or not _may_have_plunged(view.subject, view.card):
        return
    card, day, group = view.card, view.day, view.subject.group
    first = day - rule.window_d
    recent = [s for segments in (view.public, view.internal) for s in segments
              if first < s.start <= day and not card.positive[s.indicator]]
    if -sum(_at_once(s, card, group) for s in recent) < 1000 * rule.fall_points:
        return
    # Good evidence that ends may be what tips the scale.
    view.at(*(s.stop for s in view.public if card.positive[s.indicator]))
    for item in sorted({s.item for s in recent if s.item}) or [WHOLE_SUBJECT]:
        public, internal = of_item(view.public, item), of_item(view.internal, item)
        limit = 1000 * rule.fall_points

        def fallen(at: int, item: int = item, public: list[Segment] = public,
                   internal: list[Segment] = internal) -> int:
            return fall(public, internal, at, rule.window_d, card, group, item)

        points = fallen(day)
        if points >= limit:
            own = [s for s in recent if not s.item or s.item == item]
            # Until something starts or ends, the score can only recover: find the day it has.
            low, high = day, min([min(s.start for s in own) + rule.window_d,
                                  *(s.stop for s in public if s.stop > day),
                                  *(s.start for s in chain(public, internal) if s.start > day)])
            if high - 1 > low and fallen(high - 1) < limit:
                high -= 1
                while high - low > 1:
                    middle = (low + high) // 2
                    low, high = (middle, high) if fallen(middle) >= limit else (low, middle)
            view.at(high)
            own.sort(key=lambda s: (s.start, s.fact.time, s.fact.key))
            yield Condition("score-plunge", item, 0, rule.level, view.ms(own[-1].start),
                            list(dict.fromkeys(s.fact.key for s in own)),
                            {"points": str(points // 1000), "days": str(rule.window_d)})


def risk_high(view: View) -> Iterator[Condition]:
    rule = view.card.policy.rules.risk_high
    if not rule.enabled or not view.active or not _may_be_high(view.subject, view.card):
        return
    card, day, group = view.card, view.day, view.subject.group
    bad = [s for s in chain(view.public, view.internal)
           if s.start <= day < s.stop and not card.positive[s.indicator]]
    for item in sorted({s.item for s in bad if s.item}) or ([WHOLE_SUBJECT] if bad else []):
        public, internal = of_item(view.public, item), of_item(view.internal, item)

        def risk(at: int, item: int = item, public: list[Segment] = public,
                 internal: list[Segment] = internal) -> int:
            return risk_at(public, internal, at, card, group, item)

        now = risk(day)
        if now > card.high_risk:
            # Only good evidence that ends can bring it there by itself.
            view.at(*(s.stop for s in public if card.positive[s.indicator]))
            continue
        own = sorted((s for s in bad if not s.item or s.item == item),
                     key=lambda s: (s.start, s.fact.time, s.fact.key))
        # Until something starts or ends, the score can only recover: find the day it has.
        high = min(d for s in chain(public, internal) for d in (s.start, s.stop) if d > day)
        low = day
        if high < FOREVER and high - 1 > low and risk(high - 1) > card.high_risk:
            high -= 1
            while high - low > 1:
                middle = (low + high) // 2
                low, high = (middle, high) if risk(middle) <= card.high_risk else (low, middle)
        view.at(high)
        yield Condition("risk-high", item, 0, rule.level, view.ms(own[-1].start),
                        list(dict.fromkeys(s.fact.key for s in own)),
                        {"probability": f"{card.probability(now):.2f}",
                         "limit": f"{rule.probability:g}",
                         "days": str(card.policy.learning.horizon_d)})


def may_be_low(subject: Subject, card: Card) -> bool:
    """Whether the bounds on points lost allow for a plunge or a high risk at all."""
    return _may_have_plunged(subject, card) or _may_be_high(subject, card)


def _may_have_plunged(subject: Subject, card: Card) -> bool:
    _, before, now = subject.fall
    return before + now >= card.plunges


def _may_be_high(subject: Subject, card: Card) -> bool:
    return subject.low >= card.high_after[subject.group]


def held_down(view: View) -> int:
    """Points [thousandths] that all bad facts together cost today: bounds every risk score."""
    card, day = view.card, view.day
    tables = card.points[view.subject.group]
    return -sum(tables[s.indicator][s.step][day - s.origin]
                for s in chain(view.public, view.internal)
                if s.start <= day < s.stop and not card.positive[s.indicator])


def lost_lately(view: View) -> int:
    """Points [thousandths] lost at once to bad facts of the last 30 days: bounds any plunge."""
    card, day, group = view.card, view.day, view.subject.group
    return -sum(_at_once(s, card, group) for segments in (view.public, view.internal)
                for s in segments if day - 30 < s.start <= day and not card.positive[s.indicator])


def _at_once(segment: Segment, card: Card, group: int) -> int:
    return card.points[group][segment.indicator][segment.step][0]


def _worst(view: View, item: int, most: int = 8) -> list[int]:
    """Public facts that cost an item points on the view's day, the latest first."""
    live = sorted({(s.fact.time, s.fact.key) for s in of_item(view.public, item)
                   if s.start <= view.day < s.stop and not view.card.positive[s.indicator]},
                  reverse=True)
    return [key for _, key in live[:most]]


def objection_overdue(view: View) -> Iterator[Condition]:
    rule = view.card.policy.rules.objection_overdue
    if not rule.enabled:
        return
    for facts in (view.facts, view.signals):
        if OBJECTION_RAISED not in facts.by_type:
            continue
        for fact in facts.by_key.values():
            if fact.objection != 1 or fact.revoked:
                continue
            raised = (fact.objected + view.card.offset_ms) // DAY_MS
            due = view.card.workday(raised, rule.workdays)
            view.at(due + 1, view.card.workday(due, rule.workdays) + 1)
            if view.day > due:
                yield Condition("objection-overdue", fact.item, fact.key,
                                _answer_level(view, rule, due), view.ms(due + 1), [fact.key],
                                {"due": str(due)})


def _answer_level(view: View, rule: Answer, due: int) -> str:
    later = view.card.workday(due, rule.workdays)
    return rule.later_level if view.day > later else rule.level


def repeat_offence(view: View) -> Iterator[Condition]:
    rule = view.card.policy.rules.repeat_offence
    if not rule.enabled:
        return
    causes: dict[tuple[int, int], list[Fact]] = {}
    for fact in view.facts.by_type.get(PENALTY, ()):
        if (not fact.revoked and fact.repair != 2
                and view.day - rule.window_d < fact.day):
            causes.setdefault((fact.item, fact.extra), []).append(fact)
    for (item, cause), group in causes.items():
        if len(group) >= rule.count:
            group.sort(key=lambda f: (f.time, f.key))
            view.at(group[-rule.count].day + rule.window_d)
            yield Condition("repeat-offence", item, cause, rule.level, group[rule.count - 1].time,
                            [f.key for f in group],
                            {"count": str(len(group)), "days": str(rule.window_d)})


def ban_breach(view: View) -> Iterator[Condition]:
    rule = view.card.policy.rules.ban_breach
    if not rule.enabled:
        return
    bans = [f for f in view.facts.by_type.get(LISTED, ())
            if LISTS[f.variant] == "ban" and list_span(f)[0]]
    for ban in bans:
        start, stop = list_span(ban)
        active = [f for f in view.facts.by_key.values()
                  if not f.revoked and f.time > ban.time and start <= f.day < stop
                  and (f.type == COMMITMENT or (f.type == ACT and f.variant == 0))]
        if not active:
            continue
        active.sort(key=lambda f: (f.time, f.key))
        view.at(active[-1].day + rule.hold_d)
        if view.day < active[-1].day + rule.hold_d:
            yield Condition("ban-breach", active[-1].item, ban.key, rule.level, active[0].time,
                            [ban.key, *(f.key for f in active)], {})


def list_conflict(view: View) -> Iterator[Condition]:
    rule = view.card.policy.rules.list_conflict
    if not rule.enabled:
        return
    red: list[Fact] = []
    black: list[Fact] = []
    for fact in view.facts.by_type.get(LISTED, ()):
        start, stop = list_span(fact)
        view.at(start, stop)
        if start <= view.day < stop:
            if LISTS[fact.variant] == "red":
                red.append(fact)
            elif fact.variant in view.card.direct:
                black.append(fact)
    if red and black:
        both = sorted([*red, *black], key=lambda f: (f.time, f.key))
        yield Condition("list-conflict", WHOLE_SUBJECT, 0, rule.level, both[-1].time,
                        [f.key for f in both],
                        {"lists": " ".join(LISTS[f.variant] for f in both)})


RULES: tuple[Callable[[View], Iterator[Condition]], ...] = (
    grade_gap,
    grade_drop,
    score_plunge,
    risk_high,
    review_overdue,
    objection_overdue,
    repeat_offence,
    ban_breach,
    list_conflict,
)


def deadlines(subject: Subject, card: Card, day: int) -> tuple[dict[str, Condition], int]:
    """Conditions of the matters with a deadline, by alert id, and the next day to look again."""
    found, nearest = matters(subject, card, day)
    out = {}
    for rule, item, key, level, since, due, late in found:
        id = alert_id(rule, subject.key, item, key)
        out[id] = Condition(rule, item, key, level, since * DAY_MS - card.offset_ms, [key],
                            {"due": str(due), "late": "1" if late else ""})
    return out, nearest


def devices(subject: Subject, card: Card, day: int, clock_ms: int) -> dict[str, Condition]:
    """Conditions of the subject's devices, by alert id."""
    rule = card.policy.rules.iot
    out: dict[str, Condition] = {}
    if not rule.enabled or not subject.devices or (
            subject.cancelled_day and subject.cancelled_day <= day):
        return out
    judged = (subject.verdicts if rule.anomaly.enabled else None) or {}
    told = {"anomaly": ("iot-anomaly", rule.anomaly.level),
            "tamper": ("iot-tamper", rule.tamper_level),
            "fault": ("iot-fault", rule.anomaly.fault_level)}
    for at, state in sorted(subject.devices.items()):
        item, device, metric = at
        spec = card.devices.get((state.class_, metric))
        verdicts = judged.get(at, ())
        faults = [v for v in verdicts if v.kind == "fault"]
        anchor = identity(device, metric)
        shown: list[tuple[str, str, int, str, str]] = []
        for found in iot.findings(state, spec, clock_ms, rule.silent_intervals):
            level = {"iot-tamper": rule.tamper_level,
                     "iot-silent": rule.silent_level}.get(found.rule, found.level)
            if found.rule == "iot-tamper" and any(
                    anomaly.silences(f, found.since_ms, found.until_ms) for f in faults):
                continue  # no accusation rests on a broken sensor
            shown.append((found.rule, level, found.since_ms, found.zh, found.en))
        for verdict in verdicts:
            shown.append((*told[verdict.kind], verdict.since_ms, verdict.zh, verdict.en))
        for name, at_level, since_ms, zh, en in shown:
            # Of two signs of one rule the one in single readings speaks: it is exact.
            out.setdefault(alert_id(name, subject.key, item, anchor), Condition(
                name, item, anchor, at_level, since_ms, [],
                {"device": device, "metric": metric, "zh": zh, "en": en}))
    return out


def detected(subject: Subject, card: Card) -> dict[str, Condition]:
    """Conditions that the analysis of the whole city said hold, by alert id."""
    out: dict[str, Condition] = {}
    for id, event in (subject.detected or {}).items():
        said = event.data
        if said.open:
            # Its evidence is told as it was detected, not looked up.
            out[id] = Condition(said.rule, card.item_codes.get(said.item, WHOLE_SUBJECT), 0,
                                said.level, said.since_ms, [], said.facts)
    return out


def conditions(view: View) -> dict[str, Condition]:
    """Everything else that holds on the view's day. `view.later` is filled on the way."""
    out: dict[str, Condition] = {}
    for rule in RULES:
        for found in rule(view):
            id = alert_id(found.rule, view.subject.key, found.item, found.anchor)
            out[id] = found
    return out
