"""Goal: what is counted of departments is what the events say, whatever came late or was revoked.

Method: generated histories in any order of arrival, against an oracle that reads the events
themselves, counts working days one by one and looks at every day; the oracle notices planted
faults. Ranking and deadlines on small tables by hand.
"""

from __future__ import annotations

import datetime as dt
import random
from collections import Counter
from typing import Any
from unittest import mock

import events as ev
import pytest

from models import deadlines, departments, ranking
from models import events as e
from models import records as r
from models.calendar import from_date, to_date
from models.departments import Total, named, numbered, quarter_of
from models.ledger import DAY_MS, resolve
from models.scorecard import UNGRADED
from models.subject import Subject
from streams.pipeline import Shard

CARD = ev.card()
REVOKERS = ("penalty.revoked", "list.revoked", "objection.upheld")


def counted(shard: Shard, subject: Subject) -> departments.Counted:
    assert shard.timeline is not None
    card = shard.timeline.last
    return departments.count(resolve(subject.facts, card.offset_ms),
                             resolve(subject.signals, card.offset_ms), subject.path, card,
                             shard.day)


# ------------------------------------------------------------------------------------- the oracle


def day_of(when: dt.datetime) -> dt.date:
    return when.astimezone(ev.BEIJING).date()


def workday(day: dt.date, n: int) -> dt.date:
    calendar = CARD.policy.calendar
    while n:
        day += dt.timedelta(days=1)
        n -= day in calendar.workdays or (day.weekday() < 5 and day not in calendar.holidays)
    return day


def quarter(day: dt.date) -> int:
    return 4 * day.year + (day.month - 1) // 3


class Oracle:
    """Of the events a shard has taken in about one subject."""

    def __init__(self, made: list[ev.Made], subject: Subject, today: dt.date) -> None:
        self.today = today
        records = subject.facts + subject.signals
        kept = [m.event for m in made if m.event.subject == subject.key
                and not isinstance(m.event, e.IotReadings | e.SubjectRegistered)]
        self.events = {r.identity(x.source, x.id): x for x in kept
                       if r.find(records, r.identity(x.source, x.id)) is not None}
        self.naming: dict[int, list[int]] = {}
        for key, event in self.events.items():
            target = self.target(event)
            if target is not None:
                self.naming.setdefault(target, []).append(key)

    def target(self, event: Any) -> int | None:
        """Identity of the record that an event says something of, where it may."""
        code = r.TYPES[event.type]
        if code not in r.MODIFIERS:
            return None
        key = r.identity(event.data.of.source, event.data.of.id)
        named = self.events.get(key)
        if named is None or named is event:
            return None
        allowed = r.TARGETS.get(code)
        return key if allowed is None or r.TYPES[named.type] in allowed else None

    def stands(self, key: int, above: frozenset[int] = frozenset()) -> bool:
        if key in above:
            return False
        return not any(self.events[k].type in REVOKERS and self.stands(k, above | {key})
                       for k in self.naming.get(key, ()))

    def items(self) -> dict[int, str]:
        out = {k: x.data.item for k, x in self.events.items() if hasattr(x.data, "item")}
        later = [(round(x.time.timestamp() * 1000), k) for k, x in self.events.items()
                 if self.target(x) is not None]
        for _, key in sorted(later):
            target = self.target(self.events[key])
            assert target is not None
            out[key] = out.get(target, "")
        return {k: item for k, item in out.items() if item not in ("", "public")}

    def sums(self) -> Counter[tuple[str, int, str]]:
        out: Counter[tuple[str, int, str]] = Counter()
        for key, item in self.items().items():
            event: Any = self.events[key]
            department = CARD.department_of[CARD.item_codes[item]]
            day = day_of(event.time)
            out[department, quarter(day), "records"] += 1
            if not self.stands(key):
                continue
            data = event.data
            if event.type == "inspection.completed":
                out[department, quarter(day), "inspections"] += 1
                out[department, quarter(day), "inspections_done"] += data.result in (
                    "pass", "fixed", "fail")
                out[department, quarter(day), "inspections_found"] += data.result in (
                    "fixed", "fail")
                kind, decided = "inspection", day
            elif event.type == "act.decided":
                kind, decided = data.act, data.decided_on
            elif event.type == "penalty.decided" and r.CLASSES[
                    r.penalty_class(data, CARD.policy.penalty_classes)] != "minor":
                kind, decided = "penalty", data.decided_on
            else:
                continue
            due = workday(decided, 7)
            public = min((self.events[k].data.published_on for k in self.naming.get(key, ())
                          if self.events[k].type == "act.published" and self.stands(k)),
                         default=None)
            state = ("on_time" if public <= due else "late") if public is not None else (
                "overdue" if self.today > due else "waiting")
            out[department, quarter(decided), f"act.{kind}.{state}"] += 1
        return +out


def graded(subject: Subject, today: int) -> dict[int, set[int]]:
    """Quarters in which the computed grade of an item was one, day by day."""
    out: dict[int, set[int]] = {}
    for item in subject.graded_items():
        if item:
            days = range(subject.steps(item)[0][0], today + 1)
            quarters = {quarter(to_date(d)) for d in days if subject.grade_at(item, d) != UNGRADED}
            out |= {item: quarters} if quarters else {}
    return out


def check(seed: int) -> int:
    """Hold the count to the oracle on a history of this seed; how many acts it had."""
    shape = ev.Shape(span_d=(60, 200, 400)[seed % 3], kinds=(
        *ev.KINDS, *("act.decided", "act.published", "inspection.completed", "objection.upheld",
                     "penalty.revoked") * 12))
    made = ev.build(ev.draw(seed, 60, shape), shape)
    if seed % 2:
        random.Random(seed).shuffle(made)
    shard = ev.fold([*ev.entries(made), ev.tick(ev.end_ms(made, 1 + seed % 15))])
    acts, total, sums = 0, Total(), Counter[tuple[str, int, str]]()
    for subject in shard.subjects.values():
        if not subject.is_business:
            continue
        own = counted(shard, subject)
        oracle = Oracle(made, subject, to_date(shard.day))
        wanted = oracle.sums()
        assert own.sums == dict(wanted), (seed, subject.key)
        found = graded(subject, shard.day)
        for item, quarters in found.items():
            for q in range(min(quarters) - 2, quarter_of(shard.day) + 2):
                if departments.has(own.graded.get(item, 0), q) != (q in quarters):
                    # A department's own grade counts too.
                    assert q not in quarters, (seed, item, named(q))
                    assert any(x[7] == r.ASSIGNED and x[6] == item
                               for x in r.RECORD.iter_unpack(subject.facts))
        acts += sum(n for (_, _, name), n in wanted.items() if name.startswith("act."))
        total.add(own)
        sums += wanted
    assert total.sums == dict(sums)
    return acts


@pytest.mark.parametrize("seeds", range(4))
def test_the_count_is_what_the_events_say(seeds: int) -> None:
    assert sum(check(20 * seeds + n) for n in range(20)) > 100


@pytest.mark.parametrize(("name", "fault"), [
    ("state_of", lambda done, due, day: departments.ON_TIME if done else departments.WAITING),
    ("state_of", lambda done, due, day: ("late" if done > due - 1 else "on_time") if done else
     "overdue" if day > due else "waiting"),
    ("quarter_of", lambda day: quarter_of(day + 3)),
    ("_graded", lambda masks, path, day: None),
])
def test_a_planted_fault_is_found(name: str, fault: Any) -> None:
    with mock.patch.object(departments, name, fault), pytest.raises(AssertionError):
        for seed in range(40):
            check(seed)


def test_the_order_of_arrival_does_not_matter() -> None:
    shape = ev.Shape(span_d=200)
    made = ev.build(ev.draw(7, 80, shape), shape)
    end = ev.end_ms(made, 3)
    found = []
    for seed in range(3):
        arrivals = list(made)
        random.Random(seed).shuffle(arrivals)
        shard = ev.fold([*ev.entries(arrivals), ev.tick(end)])
        total = Total()
        for subject in sorted(shard.subjects.values(), key=lambda s: s.key, reverse=bool(seed)):
            if subject.is_business:
                total.add(counted(shard, subject))
        found.append((total.sums, total.newest, total.graded, total.inspected, total.answers))
    assert found[0] == found[1] == found[2]
    assert found[0][0]


# --------------------------------------------------------------------------------------- quarters


def test_quarters() -> None:
    assert [numbered(x) for x in ("", "2026", "2026Q0", "2026Q12", "26Q1", "2026-Q1", "２０２６Q1")
            ] == [None] * 7
    day = from_date(dt.date(2026, 9, 30))
    assert (named(quarter_of(day)), named(quarter_of(day + 1))) == ("2026Q3", "2026Q4")
    assert all(numbered(named(q)) == q for q in range(4 * 1990, 4 * 2040))
    mask = departments.mask_of(8104, 8106)
    assert [departments.has(mask, q) for q in range(8103, 8108)] == [False, *[True] * 3, False]
    assert departments.mask_of(8106, 8104) == 0


# -------------------------------------------------------------------------------------- deadlines

OPENED = 1_790_000_000_000
"""A Monday, 2026-09-21, 22:13 in Beijing."""
H = 3_600_000


@pytest.mark.parametrize(("ended", "answered", "after_d", "state"), [
    (0, 0, 0, "waiting"),
    (0, 0, 2, "waiting"),          # due at the end of Wednesday
    (0, 0, 3, "overdue"),
    (0, OPENED + 2 * H, 0, "on_time"),
    (0, OPENED + 49 * H, 9, "on_time"),
    (0, OPENED + 73 * H, 9, "late"),
    (OPENED + H, 0, 9, None),      # over before anybody had to answer
    (OPENED + 99 * H, 0, 9, "overdue"),
    (OPENED + H, OPENED + H, 9, "on_time"),
])
def test_deadlines_of_alerts(ended: int, answered: int, after_d: int, state: str | None) -> None:
    total = Total()
    day = (OPENED + CARD.offset_ms) // DAY_MS + after_d
    deadlines.put_alert(total, CARD, ["市公安局", "市教委"], OPENED, ended, answered, 2, day)
    got = {k: n for k, n in total.sums.items() if k[0] == "市教委"}
    if state is None:
        assert not total.sums
        return
    assert got.pop(("市教委", numbered("2026Q3"), f"alert.{state}")) == 1
    if answered:
        assert got[("市教委", numbered("2026Q3"), "alert.answer_min")] == (
            answered - OPENED) // 60_000
    else:
        assert not got


def test_an_answer_belongs_to_its_opening() -> None:
    total = Total()
    for times in ({OPENED + 5}, {OPENED - 9, OPENED + 3}):
        total.add(departments.Counted({}, {}, {}, {}, {7: times}))
    assert total.answered(7, OPENED) == OPENED + 3
    assert total.answered(7, OPENED - 9) == OPENED - 9
    assert total.answered(7, OPENED + 6) == total.answered(8, 0) == 0


def test_who_must_answer_comes_from_the_policy() -> None:
    found = deadlines.answer_workdays(CARD.policy)
    assert found["yellow"] == 2 and found["orange"] == 1 and "blue" not in found


def test_deadlines_of_reviews() -> None:
    total, day = Total(), from_date(dt.date(2026, 9, 30))
    for answered, ended in ((0, 0), (0, day - 3), (0, day - 12), (OPENED + H, 0)):
        deadlines.put_review(total, CARD, "市教委", OPENED, day - 20, day - 9, ended, answered,
                             day)
    q = quarter_of(day)
    assert total.sums == {
        ("市教委", q, "review.overdue"): 2, ("市教委", q, "review.on_time"): 1,
        ("市教委", q, "review.answers"): 1, ("市教委", q, "review.answer_min"): 60}


# ---------------------------------------------------------------------------------------- ranking


def test_the_formula_by_hand() -> None:
    q, total = numbered("2026Q3"), Total()
    assert q is not None
    for name, n in {"act.permit.on_time": 8, "act.penalty.late": 1, "act.permit.overdue": 1,
                    "act.permit.waiting": 5, "records": 99, "refused": 1, "wrong_codes": 25,
                    "review.on_time": 1, "review.overdue": 1, "alert.on_time": 1, "alert.late": 3,
                    "inspections": 10, "inspections_done": 9, "review.answers": 1,
                    "review.answer_min": 90}.items():
        total.put("市教委", q, name, n)
    total.put("市公安局", q, "records", 3)
    for department in ("市科技局", "市统计局"):
        total.put(department, q, "act.permit.on_time")
        total.put(department, q, "records")
    made = {row["department"]: row for row in ranking.rows(total, CARD, q, OPENED)}
    row = made["市教委"]
    assert row["components"] == {"timeliness": 0.8, "completeness": 0.99, "reviews": 0.5,
                                 "alerts": 0.25, "inspections": 0.9, "codes": 0.0005}
    assert row["score"] == round(100 * (0.8 + 0.99 + 0.5 + 0.25 + 0.9 + 0.0005) / 6, 2) == 57.34
    assert row["overdue"] == 1 and row["review_answer_h"] == 1.5 and row["alert_answer_h"] is None
    assert (made["市科技局"]["rank"], made["市统计局"]["rank"], row["rank"]) == (1, 1, 3)
    assert made["市公安局"]["score"] is None and made["市公安局"]["rank"] is None
    assert [r["rank"] for r in ranking.rows(total, CARD, q, OPENED)][:4] == [1, 1, 3, None]
    city = ranking.city(list(made.values()), CARD)
    assert (city["timeliness"]["part"], city["timeliness"]["whole"]) == (10, 12)


def test_coverage_and_digital_access_by_hand() -> None:
    """业务覆盖率: graded items of all inspection items; 数字化接入率: the linked ones of them."""
    q, total = numbered("2026Q3"), Total()
    assert q is not None
    codes = [n for n, d in enumerate(CARD.department_of) if d == "市市场监管局"]
    for item in codes[:6]:
        total.graded[item] = departments.mask_of(q - 1, q)
    for item in codes[4:9]:
        total.inspected[item] = departments.mask_of(q, q)
    row = next(r for r in ranking.rows(total, CARD, q, 0) if r["department"] == "市市场监管局")
    assert row["coverage"] == {"part": 6, "whole": 10, "rate": 0.6}
    assert row["access"] == {"part": 2, "whole": 10, "rate": 0.2}
    before = next(r for r in ranking.rows(total, CARD, q - 1, 0)
                  if r["department"] == "市市场监管局")
    assert (before["coverage"]["part"], before["access"]["part"]) == (6, 0)
    assert sum(r["coverage"]["whole"] for r in ranking.rows(total, CARD, q, 0)) == 61
