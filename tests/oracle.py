"""The slow, plain answer to what a shard should hold: every short cut is measured against it.

Grades: the credit score of every single civil day, summed fact by fact, with plain hysteresis.
Alerts: every rule on a fresh view, the bound on points lost set aside. Timers: day by day ahead.
From the product it takes only what says what a fact counts for (`ledger.resolve`, `segments`) and
what the rules are (`rules.conditions`), bound here by name so that a fault planted in the pipeline
does not reach them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from alerts.rules import Condition, View, alert_id, conditions, devices
from models.grade import STEP
from models.ledger import FOREVER, Fact, Facts, Segment, resolve, segments
from models.records import (
    ACT,
    ALERT_ACTS,
    CANCELLED,
    COMMITMENT,
    INSPECTION,
    ORDERED,
    PENALTY,
    RECORD,
    SIZE,
    WHOLE_SUBJECT,
    identity,
)
from models.score import of_item, score
from models.scorecard import GROUP_OF_KIND, UNGRADED, Card, Timeline
from models.subject import Subject
from streams.pipeline import Shard

HOUR_MS = 3_600_000
ANY_FALL = (1 << 20, 1 << 40, 0)
"""A bound on points lost that allows for any plunge."""
_resolve, _segments, _conditions, _devices = resolve, segments, conditions, devices


class Wrong(AssertionError):
    """What a shard holds is not what its records say."""


class Answer(NamedTuple):
    path: list[tuple[int, int, int]]
    alerts: dict[str, tuple[str, str]]
    """Id -> level, state (pending counted as firing)."""


def scratch(shard: Shard, only: str | None = None) -> None:
    """Compare every subject of a shard with what its records alone say at the shard's clock.

    Findings of devices are looked at each hour, so they are compared at full hours only.

    Raises
    ------
    Wrong: with the subject, what it holds and what it should.
    """
    for key in sorted(shard.subjects):
        if only is None or key == only:
            subject = shard.subjects[key]
            _records(shard, subject)
            expected = answer(shard, subject)
            held = sorted(STEP.iter_unpack(subject.path))
            if held != expected.path:
                raise Wrong(f"{key}: path {held}, should be {expected.path}")
            alerts = {a.id: (a.level, _told(a.state)) for a in (subject.alerts or {}).values()}
            if subject.parked:
                # Whether an objection counts is settled only when what it names has arrived.
                alerts = _without(alerts, "objection-overdue")
                expected = expected._replace(alerts=_without(expected.alerts, "objection-overdue"))
            if shard.clock_ms % HOUR_MS:
                alerts = _without(alerts, "iot-")
                expected = expected._replace(alerts=_without(expected.alerts, "iot-"))
            if alerts != expected.alerts:
                raise Wrong(f"{key}: alerts {alerts}, should be {expected.alerts}")


def answer(shard: Shard, subject: Subject) -> Answer:
    """Path and alerts of a subject from its records alone."""
    assert shard.timeline is not None
    card = shard.timeline.last
    fresh, facts, signals = _fresh(shard, subject)
    view = View(fresh, facts, signals, card, shard.day, shard.clock_ms)
    return Answer(sorted(STEP.iter_unpack(fresh.path)),
                  {id: (c.level, _state(id, c.since_ms, facts.acts))
                   for id, c in holding(view).items()})


def first_change(shard: Shard, subject: Subject, horizon_d: int) -> int:
    """First day after today on which path or alerts change by the passing of time; 0 = none."""
    assert shard.timeline is not None
    card, today = shard.timeline.last, shard.day
    fresh, facts, signals = _fresh(shard, subject)
    fresh.devices = None
    long = path_of(facts, shard.timeline, fresh.group, today + horizon_d)

    def levels(day: int) -> dict[str, str]:
        fresh.path = b"".join(STEP.pack(*row) for row in long if row[1] <= day)
        view = View(fresh, facts, signals, card, day, day * 86_400_000 - card.offset_ms)
        return {id: c.level for id, c in holding(view).items()}

    now = levels(today)
    stepped = {day for _, day, _ in long}
    for day in range(today + 1, today + horizon_d + 1):
        if day in stepped or levels(day) != now:
            return day
    return 0


def timers(shard: Shard, horizon_d: int) -> None:
    """Every subject stands in the wheel for no later than the first day on which it changes."""
    for key in sorted(shard.subjects):
        subject = shard.subjects[key]
        if subject.parked:
            continue
        first = first_change(shard, subject, horizon_d)
        if first and not 0 < subject.due <= first:
            raise Wrong(f"{key}: changes on day {first} (today is {shard.day}), "
                        f"is looked at on day {subject.due}")
        if subject.due and not any(s is subject for s in shard.wheel.get(subject.due, ())):
            raise Wrong(f"{key}: due on day {subject.due}, but not in the wheel")


class Described(NamedTuple):
    """What the outside sees of a subject, exactly."""

    path: list[tuple[int, int, int]]
    scores: dict[str, tuple[int, int, int]]
    """Item -> credit, risk, risk before clipping [thousandths]."""
    contributions: dict[str, list[tuple[str, int, bool, tuple[int, ...]]]]
    alerts: list[tuple[str, str, str]]


def describe(shard: Shard) -> dict[str, Described]:
    """Paths, scores, contributions and open alerts of all subjects with any evidence."""
    assert shard.timeline is not None
    card = shard.timeline.last
    out = {}
    for key, subject in sorted(shard.subjects.items()):
        facts = _resolve(subject.facts, card.offset_ms)
        signals = _resolve(subject.signals, card.offset_ms)
        public = _segments(facts, card, public=True)
        internal = (_segments(facts, card, public=False) + _segments(signals, card, public=False))
        items = {s.item for s in public + internal} | {WHOLE_SUBJECT}
        scores, contributions = {}, {}
        for item in sorted(items):
            s = score(of_item(public, item), of_item(internal, item), shard.day, card,
                      subject.group)
            name = card.item_ids[item]
            scores[name] = (s.credit, s.risk, s.risk_unclipped)
            contributions[name] = [(c.indicator, c.milli, c.public, tuple(c.keys))
                                   for c in s.contributions]
        alerts = sorted((a.id, a.level, _told(a.state)) for a in (subject.alerts or {}).values())
        if public or internal or alerts or subject.path:
            out[key] = Described(sorted(STEP.iter_unpack(subject.path)), scores, contributions,
                                 alerts)
    return out


# --------------------------------------------------------------------------------------- grades


def path_of(facts: Facts, timeline: Timeline, group: int, today: int) -> list[tuple[int, int, int]]:
    """(item, day, grade) of every change of every computed grade up to a day, the slow way."""
    known: dict[int, list[Segment]] = {
        n: _segments(facts, card, public=True) for n, card in enumerate(timeline.cards)}
    items = {s.item for found in known.values() for s in found}
    out = []
    if items:
        for item in sorted(items | {WHOLE_SUBJECT}):
            # An item is graded from its own first evidence on, the whole subject from any.
            out += _path_of_item(known, timeline, group, item, today)
    return sorted(out)


def _path_of_item(known: dict[int, list[Segment]], timeline: Timeline, group: int, item: int,
                  today: int) -> list[tuple[int, int, int]]:
    out = []
    grade = UNGRADED
    starts = [s.start for found in known.values() for s in of_item(found, item)]
    for day in range(min(starts, default=FOREVER), today + 1):
        n = max(k for k, card in enumerate(timeline.cards) if not k or card.since_day <= day)
        card, found = timeline.cards[n], of_item(known[n], item)
        own = {s.fact.key for s in found if s.start <= day and (not item or s.item == item)}
        if len(own) < card.evidence_min:
            grade = UNGRADED
            continue
        new = step_of(grade, credit(found, day, card, group), card)
        if new != grade:
            out.append((item, day, new))
        grade = new
    return out


def credit(found: list[Segment], day: int, card: Card, group: int) -> int:
    """Credit score [thousandths]: a plain sum over what counts on the day, cut to 0..1000."""
    points = card.base[group]
    for s in found:
        if s.start <= day < s.stop:
            points += card.points[group][s.indicator][s.step][day - s.origin]
    return min(max(points, 0), 1_000_000)


def step_of(grade: int, points: int, card: Card) -> int:
    """Plain two-sided hysteresis: one level at a time, only over the margin."""
    if grade == UNGRADED:
        return sum(points < floor for floor in card.floors)
    while grade < 3 and points < card.floors[grade] - card.margin:
        grade += 1
    while grade > 0 and points >= card.floors[grade - 1] + card.margin:
        grade -= 1
    return grade


# --------------------------------------------------------------------------------------- alerts


def holding(view: View) -> dict[str, Condition]:
    """Every condition that holds on the view's day, those with a deadline the plain way."""
    out = dict(_conditions(view))
    out |= _devices(view.subject, view.card, view.day, view.clock_ms)
    for c in _deadlines(view):
        out[alert_id(c.rule, view.subject.key, c.item, c.anchor)] = c
    return out


def _deadlines(view: View) -> Iterator[Condition]:
    """Matters with a deadline, from resolved facts; only what is late or nearly so."""
    policy, day = view.card.policy.rules, view.day
    if not view.active:
        return
    for kind, name, due in ((COMMITMENT, "commitment-overdue", policy.commitment_overdue),
                            (ORDERED, "rectification-overdue", policy.rectification_overdue),
                            (PENALTY, "penalty-unperformed", policy.penalty_unperformed)):
        for fact in view.facts.by_type.get(kind, ()):
            met = fact.performed_day if kind == PENALTY else fact.closed_day
            if fact.revoked or not fact.day1 or met or fact.repair == 2 or not due.enabled:
                continue
            warn = max(fact.day1 - due.warn, fact.day)
            if day > fact.day1:
                yield _condition(view, name, fact, due.level, fact.day1 + 1)
            elif day >= warn:
                yield _condition(view, name, fact, due.warn_level, warn)
    rule = policy.publication_overdue
    for kind in (ACT, INSPECTION, PENALTY):
        for fact in view.facts.by_type.get(kind, ()):
            if fact.published_day or fact.revoked or not rule.enabled:
                continue
            if kind == PENALTY and fact.variant == 0:
                continue
            decided = fact.day2 or fact.day
            warn = view.card.calendar.add(decided, rule.warn_workdays)
            last = view.card.calendar.add(decided, rule.due_workdays)
            if day > last:
                yield _condition(view, "publication-overdue", fact, rule.level, last + 1)
            elif day >= warn:
                yield _condition(view, "publication-overdue", fact, rule.warn_level, warn)


def _condition(view: View, rule: str, fact: Fact, level: str, since: int) -> Condition:
    return Condition(rule, fact.item, fact.key, level, view.ms(since), [fact.key], {})


def _state(id: str, since_ms: int, acts: Sequence[Fact]) -> str:
    """What people last did about this occurrence of an alert."""
    state = "firing"
    for act in acts:
        if act.of == identity("alert", id) and act.time >= since_ms:
            match ALERT_ACTS.get(act.type):
                case "acknowledged":
                    state = "closed" if state == "closed" else "acknowledged"
                case "closed":
                    state = "closed"
                case "reopened":
                    state = "firing"
    return state


# -------------------------------------------------------------------------------------- the rest


def _fresh(shard: Shard, subject: Subject) -> tuple[Subject, Facts, Facts]:
    """A subject of the same records, everything concluded from them left out or made again."""
    assert shard.timeline is not None
    card = shard.timeline.last
    fresh = Subject(subject.key)
    profile = subject.registration()
    fresh.profile = subject.profile
    fresh.group = GROUP_OF_KIND[profile.kind] if profile else 0
    fresh.devices = subject.devices
    fresh.fall, fresh.low = ANY_FALL, 1 << 40
    facts = _resolve(subject.facts, card.offset_ms)
    signals = _resolve(subject.signals, card.offset_ms)
    gone = [f.day for f in facts.by_type.get(CANCELLED, ()) if not f.revoked]
    fresh.cancelled_day = min(gone, default=0)
    fresh.marked = True
    fresh.path = b"".join(STEP.pack(*row) for row in
                          path_of(facts, shard.timeline, fresh.group, shard.day))
    return fresh, facts, signals


def _records(shard: Shard, subject: Subject) -> None:
    """Each record has its reference; what waits for its target is exactly what is parked."""
    assert shard.timeline is not None
    names = list(shard.sources)
    orphans: set[int] = set()
    waiting: set[int] = set()
    for records, refs in ((subject.facts, subject.fact_refs),
                          (subject.signals, subject.signal_refs)):
        lines = bytes(refs).split(b"\n")[:-1]
        if len(lines) != len(records) // SIZE:
            raise Wrong(f"{subject.key}: {len(records) // SIZE} records, {len(lines)} references")
        for row, line in zip(RECORD.iter_unpack(records), lines, strict=True):
            code, _, id = line.partition(b" ")
            if identity(names[int(code)], id.decode()) != row[0]:
                raise Wrong(f"{subject.key}: record {row[0]} stands beside {line!r}")
        facts = _resolve(records, shard.timeline.last.offset_ms)
        missing = {f.key for f in facts.orphans}
        orphans |= missing
        # One that names a waiting one may wait with it.
        waiting |= {f.key for f in facts.by_key.values() if _root(f).key in missing}
    if not orphans <= set(subject.parked or ()) <= waiting:
        raise Wrong(f"{subject.key}: parked {sorted(subject.parked or ())}, "
                    f"should be {sorted(orphans)}")


def _root(fact: Fact) -> Fact:
    seen = set()
    while fact.parent is not None and fact.key not in seen:
        seen.add(fact.key)
        fact = fact.parent
    return fact


def _told(state: str) -> str:
    return state.replace("pending", "firing")


def _without(alerts: dict[str, tuple[str, str]], rule: str) -> dict[str, tuple[str, str]]:
    return {id: held for id, held in alerts.items() if not id.startswith(rule)}
