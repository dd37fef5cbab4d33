"""The simulated city: same arguments, same bytes; valid, ordered, consistent, plausible.

Method: one city of 3,000 subjects and a year is generated once and read back with the decoder of
the contract; rates are held against ranges from `parameters.py`, codes against a plain scalar
implementation of both check characters.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import re
from collections import Counter
from itertools import pairwise

import msgspec
import pytest

from models.events import (
    EVENT_TYPES,
    ActDecidedEvent,
    Event,
    GradeAssigned,
    InspectionCompleted,
    IotAlarm,
    IotReadings,
    ListEntered,
    PenaltyDecided,
    SubjectRegistered,
)
from streams.simulate import city, truth
from streams.simulate.places import DISTRICTS
from streams.simulate.trades import ITEMS, TRADES

SUBJECTS, DAYS, SEED = 3000, 365, 7
PEOPLE_ACTS = ("alert.", "review.", "inspection.drawn", "inspection.released")
"""Only a person at the console sends these, or makes them be sent."""


@pytest.fixture(scope="module")
def raw() -> list[bytes]:
    return list(city(SUBJECTS, DAYS, SEED))


@pytest.fixture(scope="module")
def events(raw: list[bytes]) -> list[Event]:
    decode = msgspec.json.Decoder(Event).decode
    return [decode(line) for line in raw]


@pytest.fixture(scope="module")
def labels() -> list[dict[str, str]]:
    return list(truth(SUBJECTS, DAYS, SEED))


def digest(lines: list[bytes]) -> str:
    return hashlib.sha256(b"\n".join(lines)).hexdigest()


def test_same_arguments_give_the_same_bytes(raw: list[bytes]) -> None:
    assert digest(raw) == digest(list(city(SUBJECTS, DAYS, SEED)))


def test_bytes_are_pinned() -> None:
    """Goal: the same city on every platform. A change of rates or wording changes the digest."""
    assert digest(list(city(60, 120, 1)))[:16] == "6f1d7f071431b5d7"


def test_other_arguments_give_another_city(raw: list[bytes]) -> None:
    small = list(city(100, 30, 1))
    assert small != list(city(100, 30, 2))
    later = list(city(100, 30, 1, start=dt.date(2026, 3, 1)))
    assert min(msgspec.json.decode(line)["time"] for line in later).startswith("2026-03-01")


@pytest.mark.parametrize(("subjects", "days"), [(1, 1), (1, 400), (7, 2), (400, 1), (50, 800)])
def test_small_cities(subjects: int, days: int) -> None:
    decode = msgspec.json.Decoder(Event).decode
    found = [decode(line) for line in city(subjects, days, 3)]
    assert len({event.subject for event in found}) == subjects
    assert all(a.time <= b.time for a, b in pairwise(found))
    assert len(list(truth(subjects, days, 3))) <= subjects


def test_times_are_ordered_within_the_run_and_local(raw: list[bytes], events: list[Event]) -> None:
    assert all(a.time <= b.time for a, b in pairwise(events))
    assert events[0].time.date() == dt.date(2025, 10, 1)
    assert events[-1].time.date() <= dt.date(2025, 10, 1) + dt.timedelta(days=DAYS)
    pattern = re.compile(rb'"time":"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+08:00"')
    assert all(pattern.search(line) for line in raw)


def test_identity_is_unique_and_of_names_an_earlier_event(events: list[Event]) -> None:
    seen: dict[tuple[str, str], Event] = {}
    for event in events:
        ref = getattr(event.data, "of", None)
        if ref is not None:
            earlier = seen[ref.source, ref.id]
            assert earlier.subject == event.subject
            assert earlier.time < event.time
        assert (event.source, event.id) not in seen
        seen[event.source, event.id] = event


def test_registration_comes_first(events: list[Event]) -> None:
    known: set[str] = set()
    for event in events:
        if isinstance(event, SubjectRegistered):
            assert event.subject not in known
            assert event.data.registered_on <= event.time.date()
            known.add(event.subject)
        assert event.subject in known
    assert len(known) == SUBJECTS


def test_every_type_of_the_contract_occurs(events: list[Event]) -> None:
    wanted = {name for name in EVENT_TYPES if not name.startswith(PEOPLE_ACTS)}
    assert {event.type for event in events} == wanted


def scalar_check(code: str) -> bool:
    """Both check characters, straight from the standards."""
    alphabet = "0123456789ABCDEFGHJKLMNPQRTUWXY"
    total = sum(alphabet.index(c) * pow(3, i, 31) for i, c in enumerate(code[:17]))
    body = sum(int(c, 36) * w for c, w in zip(code[8:16], (3, 7, 9, 10, 5, 8, 4, 2), strict=True))
    inner = "0123456789X0"[11 - body % 11]
    return alphabet[(31 - total % 31) % 31] == code[17] and inner == code[16]


def test_codes_carry_valid_check_characters(events: list[Event]) -> None:
    assert scalar_check("91350100M000100Y43")
    assert not scalar_check("91350100M000100Y4A")
    codes = {event.subject for event in events}
    assert all(scalar_check(code) for code in codes)
    kinds = {e.subject[:2]: e.data.kind for e in events if isinstance(e, SubjectRegistered)}
    assert kinds["92"] == "individual"
    assert kinds["12"] == "institution"
    assert any(prefix[0] == "N" for prefix in kinds)


def test_registrations_are_plausible(events: list[Event]) -> None:
    born = [e.data for e in events if isinstance(e, SubjectRegistered)]
    kinds = Counter(data.kind for data in born)
    assert 0.28 < kinds["enterprise"] / SUBJECTS < 0.36
    assert 0.58 < kinds["individual"] / SUBJECTS < 0.66
    assert {data.district for data in born} == {d.code for d in DISTRICTS}
    assert len(DISTRICTS) == 37
    assert len({data.name for data in born}) > 0.99 * SUBJECTS
    first_day = sum(
        isinstance(e, SubjectRegistered) and e.time.date() == dt.date(2025, 10, 1) for e in events
    )
    assert 0.88 < first_day / SUBJECTS < 0.97


def test_volume_per_subject_and_share_of_devices(events: list[Event]) -> None:
    readings = sum(isinstance(event, IotReadings) for event in events)
    assert 8.5 < (len(events) - readings) / SUBJECTS < 11.5
    assert readings / len(events) <= 0.15


def test_penalties_and_lists_concentrate_on_few(events: list[Event]) -> None:
    penalties = [e for e in events if isinstance(e, PenaltyDecided)]
    general = {e.subject for e in penalties if e.data.class_ in ("general", None)}
    serious = {e.subject for e in penalties if e.data.class_ == "serious"}
    serious |= {
        e.subject for e in events if isinstance(e, ListEntered) and e.data.list_ == "serious"
    }
    assert 0.04 < len(general) / SUBJECTS < 0.08
    assert 0.010 < len(serious) / SUBJECTS < 0.03
    stated = sum(e.data.class_ is not None for e in penalties) / len(penalties)
    assert 0.85 < stated < 0.95
    for penalty in penalties:
        assert (penalty.data.due_on is None) == (penalty.data.amount_cny is None)


def test_most_subjects_have_a_public_act(events: list[Event]) -> None:
    acts = (InspectionCompleted, ActDecidedEvent, PenaltyDecided)
    touched = {event.subject for event in events if isinstance(event, acts)}
    assert len(touched) > 0.75 * SUBJECTS


def test_publication_is_mostly_in_time(events: list[Event]) -> None:
    decided = {
        (e.source, e.id): e.time.date()
        for e in events
        if isinstance(e, InspectionCompleted | ActDecidedEvent | PenaltyDecided)
        and e.time.date() < dt.date(2026, 8, 1)
    }
    spent = {
        (e.data.of.source, e.data.of.id): e.data.published_on
        for e in events
        if e.type == "act.published"
    }

    def workdays(first: dt.date, last: dt.date) -> int:
        days = (first + dt.timedelta(days=d) for d in range(1, (last - first).days + 1))
        return sum(day.weekday() < 5 for day in days)

    late = sum(key not in spent or workdays(day, spent[key]) > 7 for key, day in decided.items())
    assert 0.015 < late / len(decided) < 0.05


def test_items_of_a_subject_stay_within_its_trade(events: list[Event]) -> None:
    industry = {e.subject: e.data.industry for e in events if isinstance(e, SubjectRegistered)}
    allowed: dict[str, set[str]] = {}
    for trade in TRADES:
        own = allowed.setdefault(trade.industry, {"public"})
        own.update(ITEMS[number] for number, _ in trade.items)
    used: dict[str, set[str]] = {}
    for event in events:
        item = getattr(event.data, "item", None)
        if item is not None:
            assert item in allowed[industry[event.subject]]
            used.setdefault(event.subject, set()).add(item)
    assert max(len(items - {"public"}) for items in used.values()) <= 4


def test_every_catalogue_item_has_a_trade() -> None:
    assert {number for trade in TRADES for number, _ in trade.items} == set(range(len(ITEMS)))


def test_grades_mostly_good_with_some_gaps(events: list[Event]) -> None:
    assigned = [e.data for e in events if isinstance(e, GradeAssigned)]
    grades = Counter(data.grade for data in assigned)
    total = grades.total()
    assert 0.6 < grades["A"] / total < 0.85
    assert 0.01 < grades["D"] / total < 0.05
    tax = {
        e.data.original for e in events if isinstance(e, GradeAssigned) and e.data.scheme == "tax"
    }
    assert tax == {"A", "B", "M", "C", "D"}


def test_readings_have_equal_lengths_and_flags(events: list[Event]) -> None:
    day_ms = 86_400_000
    for event in events:
        if isinstance(event, IotReadings):
            sent_ms = int(event.time.timestamp() * 1000)
            for series in event.data.series:
                assert len(series.t) == len(series.v)
                assert series.flag is None or len(series.flag) == len(series.t)
                assert list(series.t) == sorted(series.t)
                assert sent_ms - day_ms < series.t[0] <= series.t[-1] <= sent_ms


def test_truth_names_about_three_percent_and_they_do_decline(
    events: list[Event], labels: list[dict[str, str]]
) -> None:
    assert 0.02 < len(labels) / SUBJECTS < 0.04
    onset = {row["subject"]: dt.date.fromisoformat(row["decline_from"]) for row in labels}
    assert len(onset) == len(labels)
    before_d = sum((day - dt.date(2025, 10, 1)).days for day in onset.values())
    after_d = len(onset) * DAYS - before_d
    signs = [e for e in events if e.subject in onset and e.type == "complaint.filed"]
    after = sum(e.time.date() >= onset[e.subject] for e in signs)
    assert after / after_d > 3 * (len(signs) - after + 1) / before_d
    penalised = {e.subject for e in events if isinstance(e, PenaltyDecided)}
    assert sum(subject in penalised for subject in onset) / len(onset) > 0.45


def test_without_devices_nothing_else_changes_in_kind(events: list[Event]) -> None:
    quiet = [msgspec.json.decode(line) for line in city(SUBJECTS, DAYS, SEED, iot=False)]
    kinds = Counter(event["type"] for event in quiet)
    assert "iot.readings" not in kinds
    assert "iot.alarm" not in kinds
    assert kinds["complaint.filed"] == sum(e.type == "complaint.filed" for e in events)
    assert kinds["grade.assigned"] == sum(e.type == "grade.assigned" for e in events)


def test_alarms_name_a_device(events: list[Event]) -> None:
    alarms = [e.data for e in events if isinstance(e, IotAlarm)]
    assert {alarm.verified for alarm in alarms} == {True, False}
    assert len({alarm.device for alarm in alarms}) > 10
