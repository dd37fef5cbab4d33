"""A slow walk over the whole city beside the step: what departments, devices and groups add up to.

Counting as events come in would have to be undone by every reversal; a walk over the states is
right whatever came late or was taken back, and costs the step nothing. It takes a few subjects at
a time, rests many times as long, and puts its last complete table in place of the one before:
pages read that and never wait. A million businesses take about ten minutes.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, Protocol, TypeVar

import msgspec

from alerts.lifecycle import OPEN
from models import deadlines, departments
from models.calendar import DAY_MS
from models.events import NO_BUSINESS
from models.grade import STEP, letter
from models.ledger import resolve
from models.records import WHOLE_SUBJECT, identity
from models.scorecard import UNGRADED, Card
from models.subject import Profile, Subject
from storage.effects import AlertChanged, ReviewChanged

REST = 9.0
"""Rest after a slice, in times of what it took: the walk takes a tenth of a core at most."""
PAUSE_S = 5.0
"""Between two walks, at least."""
SLICE = 50
"""Businesses looked at at once."""
STATES: dict[str, frozenset[str]] = {
    "silent": frozenset({"iot-silent"}),
    "suspicious": frozenset({"iot-tamper", "iot-anomaly", "iot-fault"}),
    "over": frozenset({"iot-limit"}),
}
"""State of a device -> open alerts that make it so; without any it is `well`."""
DIMENSIONS = ("district", "size", "kind")
_T = TypeVar("_T")
_PROFILE = msgspec.msgpack.Decoder(Profile).decode


class Series(NamedTuple):
    """One metric of a device, as a list shows it."""

    item: int
    device: str
    metric: str
    class_: str
    last_ms: int


class Glimpse(NamedTuple):
    """What the walk needs of one business, taken in one moment."""

    key: str
    facts: bytes
    signals: bytes
    path: bytes
    profile: bytes
    cancelled_day: int
    alerts: list[tuple[str, dict[str, str], int]]
    """(rule, facts, item) of the open alerts of its devices."""
    series: list[Series]


class Dead(NamedTuple):
    """A dead letter: when it came, which field was wrong, its bytes."""

    received_ms: int
    field: str
    raw: bytes


class Held(Protocol):
    """States and view of a runner, in slices; each call begins anew."""

    def now(self) -> tuple[Card | None, int]:
        """The card in force, None before the first, and the clock [epoch ms]."""

    def glimpses(self) -> Iterator[Sequence[Glimpse]]: ...

    def reviews_held(self) -> Iterator[Sequence[ReviewChanged]]: ...

    def alerts_held(self) -> Iterator[Sequence[AlertChanged]]: ...

    def dead_held(self) -> Iterator[Sequence[Dead]]: ...

    def report(self) -> dict[str, Any] | None:
        """The last report of the analysis; None before the first."""


class DeviceRow(NamedTuple):
    """One device of a business under one item."""

    subject: str
    item: int
    device: str
    name: str
    district: str
    class_: str
    metrics: tuple[str, ...]
    last_ms: int
    states: tuple[str, ...]
    """Rules of its open alerts, sorted; none = well."""

    @property
    def cursor(self) -> str:
        """What lists are ordered by, and go on after."""
        return f"{self.subject}/{self.item:05d}/{self.device}"


class Table(NamedTuple):
    """One complete walk."""

    as_of_ms: int
    card: Card
    total: departments.Total
    devices: list[DeviceRow]
    """By `cursor`."""
    by_state: dict[str, list[DeviceRow]]
    """silent, suspicious, over, well -> those of `devices` that are; one may be several."""
    groups: dict[tuple[str, str], Counter[str]]
    """(dimension, value) -> businesses by computed public grade."""
    before: dict[str, Counter[str]]
    """District -> the same businesses by their grade when the quarter before ended."""
    subjects: int
    report: dict[str, Any] | None
    """Of the analysis; None before the first."""
    took_s: float


def glimpse(subject: Subject) -> Glimpse:
    """Under the lock of whoever may change the subject. Cost about 1 us."""
    return Glimpse(
        subject.key, subject.facts, subject.signals, subject.path, subject.profile,
        subject.cancelled_day,
        [(a.rule, a.facts, a.item) for a in subject.alerts.values()
         if a.state in OPEN and "device" in a.facts] if subject.alerts else [],
        [Series(item, device, metric, s.class_, s.last_ms)
         for (item, device, metric), s in subject.devices.items()] if subject.devices else [])


class Census:
    """Walks again and again; `table` is the last complete walk, None before the first.

    Parameters
    ----------
    held
        What it walks over.
    """

    def __init__(self, held: Held) -> None:
        self._held = held
        self.table: Table | None = None

    def run(self, stop: threading.Event) -> None:
        """Until the event is set."""
        while not stop.is_set():
            self.walk(stop.wait)
            took_s = self.table.took_s if self.table is not None else 0.0
            if stop.wait(max(PAUSE_S, took_s)):
                return

    def walk(self, wait: Callable[[float], bool] = lambda seconds: False) -> None:
        """Once; given up if `wait` (seconds) says so."""
        card, clock_ms = self._held.now()
        if card is None:
            return
        started, walk = time.monotonic(), _Walk(card, clock_ms)
        if (_given_up(self._held.glimpses(), walk.business, wait)
                or _given_up(self._held.reviews_held(), walk.review, wait)
                or _given_up(self._held.alerts_held(), walk.alert, wait)
                or _given_up(self._held.dead_held(), walk.dead, wait)):
            return
        self.table = walk.table(self._held.report(), time.monotonic() - started)


def _given_up(parts: Iterator[Sequence[_T]], take: Callable[[_T], None],
              wait: Callable[[float], bool]) -> bool:
    """Take in all parts, resting after each; whether the wait said to stop."""
    begun = time.perf_counter()
    for part in parts:
        for one in part:
            take(one)
        if wait((time.perf_counter() - begun) * REST):
            return True
        begun = time.perf_counter()
    return False


class _Asked(NamedTuple):
    """What is kept of a review until the alert says whom it concerned."""

    start_day: int
    due_day: int
    ended_day: int
    answers: dict[str, int]


class _Walk:
    """One walk under way."""

    def __init__(self, card: Card, clock_ms: int) -> None:
        self.card, self.clock_ms = card, clock_ms
        self.day = (clock_ms + card.offset_ms) // DAY_MS
        self.total = departments.Total()
        self.devices: list[DeviceRow] = []
        self.groups: dict[tuple[str, str], Counter[str]] = {}
        self.before: dict[str, Counter[str]] = {}
        self.quarter_day = departments.first_day(departments.quarter_of(self.day))
        self.subjects = 0
        self.asked: dict[str, _Asked] = {}
        self.workdays = deadlines.answer_workdays(card.policy)

    def business(self, one: Glimpse) -> None:
        card = self.card
        facts, signals = resolve(one.facts, card.offset_ms), resolve(one.signals, card.offset_ms)
        self.total.add(departments.count(facts, signals, one.path, card, self.day))
        if one.key.startswith(NO_BUSINESS):
            return
        self.subjects += 1
        profile = _PROFILE(one.profile) if one.profile else None
        if profile is not None and not (one.cancelled_day and one.cancelled_day <= self.day):
            grade = was = UNGRADED
            for item, since, step in STEP.iter_unpack(one.path):
                if item == WHOLE_SUBJECT and since <= self.day:
                    grade, was = step, step if since < self.quarter_day else was
            self.before.setdefault(profile.district, Counter())[letter(was)] += 1
            for dimension in DIMENSIONS:
                at = dimension, str(getattr(profile, dimension))
                self.groups.setdefault(at, Counter())[letter(grade)] += 1
        if one.series:
            self._devices(one, profile)

    def _devices(self, one: Glimpse, profile: Profile | None) -> None:
        by: dict[tuple[int, str], list[Series]] = {}
        for series in one.series:
            by.setdefault((series.item, series.device), []).append(series)
        for (item, device), own in by.items():
            states = {rule for rule, facts, of in one.alerts
                      if of == item and facts.get("device") == device}
            self.devices.append(DeviceRow(
                one.key, item, device, profile.name if profile else "",
                profile.district if profile else "", own[0].class_,
                tuple(sorted(s.metric for s in own)), max(s.last_ms for s in own),
                tuple(sorted(states))))

    def table(self, report: dict[str, Any] | None, took_s: float) -> Table:
        devices = sorted(self.devices, key=lambda row: row.cursor)
        by_state = {name: [row for row in devices if rules.intersection(row.states)]
                    for name, rules in STATES.items()}
        by_state["well"] = [row for row in devices if not row.states]
        return Table(self.clock_ms, self.card, self.total, devices, by_state, self.groups,
                     self.before, self.subjects, report, took_s)

    def review(self, one: ReviewChanged) -> None:
        answers: dict[str, int] = {}
        for each in one.answers:
            held = answers.get(each["department"])
            answers[each["department"]] = min(each["time_ms"], held or each["time_ms"])
        self.asked[one.id] = _Asked(one.start_day, one.due_day, one.ended_day, answers)

    def alert(self, one: AlertChanged) -> None:
        asked = self.asked.get(one.facts.get("review", ""))
        if one.rule == "grade-gap" and asked is not None:
            for department in one.departments:
                deadlines.put_review(
                    self.total, self.card, department, one.opened_ms, asked.start_day,
                    asked.due_day, asked.ended_day, asked.answers.get(department, 0), self.day)
        elif one.level in self.workdays and one.state != "pending":
            deadlines.put_alert(
                self.total, self.card, one.departments, one.opened_ms,
                one.updated_ms if one.state in ("resolved", "closed") else 0,
                self.total.answered(identity("alert", one.id), one.opened_ms),
                self.workdays[one.level], self.day)

    def dead(self, one: Dead) -> None:
        quarter = departments.quarter_of((one.received_ms + self.card.offset_ms) // DAY_MS)
        item = self.card.item_codes.get(_item(one.raw), WHOLE_SUBJECT)
        self.total.put(self.card.department_of[item], quarter,
                       "wrong_codes" if one.field == "subject" else "refused")


def _item(raw: bytes) -> str:
    """The item that a dead letter names; "" where it can be seen no more."""
    try:
        found: Any = msgspec.json.decode(raw)
        return str(found["data"]["item"])
    except (msgspec.MsgspecError, UnicodeDecodeError, KeyError, TypeError, RecursionError):
        return ""


