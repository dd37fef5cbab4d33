"""Goal: a feed that is silent against its own rhythm is told once and in time, whatever its rhythm
is; a holiday, a quiet night and an outage of the whole city are not told of any feed.

Method: chances worked by hand; feeds of plain rhythms over some months of 2025 and 2026, with an
outage cut into one; a simulated city undisturbed. Each check of silence about an alarm has a
neighbour that shows the alarm.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable, Mapping

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.feeds import Watched, false_alarms, hourly
from config import load
from models import rhythm
from models.calendar import WorkingDays, from_date
from models.policy import FeedSilent
from models.rhythm import HOLIDAY, HOURS, MAKEUP, Day, Rhythm, Silence, day_kind
from models.rhythm_scale import Scale

RULE = FeedSilent(enabled=True)
START = from_date(dt.date(2025, 5, 5))
CALENDAR = load.policy().calendar
DAYS = WorkingDays(CALENDAR.holidays, CALENDAR.workdays, CALENDAR.covered_to)
Sends = Callable[[int, int], int]
"""(day number, hour) -> events."""


def office(day: int, hour: int) -> int:
    return 6 if DAYS.is_workday(day) and 9 <= hour < 17 else 0


FEEDS: dict[str, Sends] = {
    "busy": lambda day, hour: 50,
    "office": office,
    "night": lambda day, hour: 1_000 * (hour == 2),
    "weekly": lambda day, hour: 5 * ((day + 3) % 7 == 1 and hour == 14),
    "rare": lambda day, hour: (day * 7919 % 11 == 0) * (hour == 9 + day % 7)}


def play(feeds: Mapping[str, Sends], days: int, made: Rhythm | None = None,
         rule: FeedSilent = RULE) -> tuple[Rhythm, list[tuple[int, Silence]]]:
    """What was told, each with the hour that showed it."""
    made = made or Rhythm()
    made.hour = made.hour or START * HOURS
    told = []
    for _ in range(days * HOURS):
        day, clock = divmod(made.hour, HOURS)
        counts = {name: n for name, sends in feeds.items() if (n := sends(day, clock))}
        found = made.step(counts, day_kind(day, DAYS.is_workday), clock, rule)
        told += [(made.hour - 1, s) for s in found]
    return made, told


def cut(sends: Sends, first: int, days: float) -> Sends:
    """Silent from a day on."""
    return lambda day, hour: 0 if first <= day + hour / 24 < first + days else sends(day, hour)


# -------------------------------------------------------------------------------------- by hand


def test_a_chance_is_shrunk_toward_like_cells() -> None:
    scale = Scale(2, 1.0)
    scale.add(1)
    scale.n[0], scale.a[0] = [2.0, 8.0], [1.0, 8.0]
    scale.steps[0], scale.active[0] = 10.0, 9.0
    # Overall 9.5 / 11; of both cells (9 + half of that) / 10.5; own (1 + 2 of that) / 4.
    shared = (9 + 0.5 * 9.5 / 11) / 10.5
    assert scale.chance(0, (0, 1))[0] == pytest.approx((1 + 2 * shared) / 4)


@pytest.mark.parametrize(("gap", "ends", "wanted"), [
    (3.0, 100.0, math.log(1 + 0.02 * 3) / 0.02),
    (3.0, 1e9, math.log(1 + 0.01 * 3) / 0.01),
    (3.0, 1.0, math.log(1 + 1.01 * 3) / 1.01),
    (0.0, 5.0, 0.0)])
def test_a_run_is_as_surprising_as_a_negative_binomial_zero(gap: float, ends: float,
                                                            wanted: float) -> None:
    """With nothing seen the likeliest overdispersion is the first, 0.01; 1 / `ends` is added."""
    scale = Scale(1, 1.0)
    scale.add(1)
    scale.gap[0], scale.ends[0] = gap, ends
    assert scale.surprise(0) == pytest.approx(wanted)


def test_runs_that_end_late_make_long_runs_likelier() -> None:
    scale = Scale(1, 1.0)
    scale.add(2)
    scale.gap[:], scale.ends[:] = 9.0, 100.0
    scale.ended[:] = [60, 10, 10, 10, 5, 5]
    scale.exposed[0] = [60, 10, 10, 10, 5, 5]
    scale.exposed[1] = [60, 12, 18, 26, 20, 30]
    assert scale.surprise(1) < 0.6 * scale.surprise(0)


@pytest.mark.parametrize(("date", "wanted"), [
    ("2025-09-30", Day(1, False)), ("2025-10-01", Day(HOLIDAY, False)),
    ("2025-10-11", Day(MAKEUP, False)), ("2025-10-12", Day(6, True))])
def test_kinds_of_days(date: str, wanted: Day) -> None:
    assert day_kind(from_date(dt.date.fromisoformat(date)), DAYS.is_workday) == wanted


# -------------------------------------------------------------------------------------- rhythms


@pytest.fixture(scope="module")
def learned() -> bytes:
    """Five feeds after 33 weeks; nothing was told, National Day among them."""
    made, told = play(FEEDS, 231)
    assert told == []
    return msgspec.msgpack.encode(made.dump())


def again(learned: bytes) -> Rhythm:
    return Rhythm.load(msgspec.msgpack.decode(learned))


@pytest.mark.parametrize(("name", "within_h", "rare"), [
    ("busy", 4, False), ("office", 24, False), ("night", 24 * 4, False),
    ("weekly", 24 * 7 * 3, False), ("rare", 24 * 7 * 18, True)])
def test_an_outage_is_told_and_ends(learned: bytes, name: str, within_h: int, rare: bool) -> None:
    first = START + 231  # a Monday
    days = within_h // 24 + 1
    feeds = {**FEEDS, name: cut(FEEDS[name], first, days + 0.4)}
    made, told = play(feeds, days + 30, again(learned))
    mine = [(hour, s) for hour, s in told if s.source == name]
    assert [s.open for _, s in mine] == [True, False], "told once, and ended once"
    (opened, silence), (ended, last) = mine
    assert opened - first * HOURS < within_h and (not rare or silence.rare)
    assert silence.since_hour <= first * HOURS and last.since_hour == silence.since_hour
    assert FEEDS[name](*divmod(ended, HOURS)), "ended by an event"
    assert [s for _, s in told if s.source != name] == []
    assert not made.told


def test_an_office_may_rest(learned: bytes) -> None:
    """Weekends and the Spring Festival of 2026; not as many working days."""
    made, told = play(FEEDS, 85, again(learned))
    assert told == []
    _, told = play({**FEEDS, "office": lambda day, hour: 0}, 2, made)
    assert [s.source for _, s in told] == ["office"]


def test_what_the_city_lacks_no_feed_is_blamed_for(learned: bytes) -> None:
    """Down as a whole for five days, and slow on a day nobody listed."""
    first = START + 231
    down = {name: cut(sends, first, 5) for name, sends in FEEDS.items()}
    offices = {f"office{n}": office for n in range(20)}
    # At night nobody else could have sent anything.
    assert {s.source for _, s in play(down, 8, again(learned))[1]} == {"busy"}
    made, told = play(offices, 231)
    assert told == []
    rest = {**{name: cut(sends, first, 3) for name, sends in offices.items()}, "office0": office}
    assert play(rest, 10, Rhythm.load(made.dump()))[1] == []
    alone = {**offices, "office3": cut(office, first, 3)}
    assert {s.source for _, s in play(alone, 10, Rhythm.load(made.dump()))[1]} == {"office3"}


def test_a_young_feed_is_not_judged() -> None:
    _, told = play({**FEEDS, "office": cut(office, START + RULE.history_d - 3, 2)}, 60)
    assert told == []
    _, told = play({**FEEDS, "office": cut(office, START + RULE.history_d + 1, 2)}, 60)
    assert [s.source for _, s in told] == ["office", "office"]


def test_a_feed_that_has_become_slower_is_not_told_for_ever(learned: bytes) -> None:
    """From every hour to once a day."""
    feeds = {**FEEDS, "busy": lambda day, hour: 50 * (hour == 12)}
    _, told = play(feeds, 120, again(learned))
    hours = [hour for hour, s in told if s.source == "busy" and s.open]
    assert hours and max(hours) < (START + 231 + 30) * HOURS and len(hours) <= 15


def test_a_feed_that_is_gone_is_forgotten(learned: bytes) -> None:
    rule = FeedSilent(enabled=True, forget_d=90)
    made, told = play({**FEEDS, "busy": lambda day, hour: 0}, 92, again(learned), rule)
    assert [(s.source, s.open) for _, s in told] == [("busy", True), ("busy", False)]
    assert "busy" not in made.names


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever makes up sources pushes out the like, not those that send."""
    monkeypatch.setattr(rhythm, "SOURCES_MAX", 8)
    made, _ = play(FEEDS, 21)
    for n in range(50):
        day, clock = divmod(made.hour, HOURS)
        made.step({f"x{n}-{m}": 1 for m in range(20)}, day_kind(day, DAYS.is_workday), clock, RULE)
        assert len(made.names) <= 8
    assert {"busy", "office"} <= set(made.names)


@settings(max_examples=10, deadline=None)
@given(st.lists(st.dictionaries(st.sampled_from("abcde"), st.integers(1, 50), max_size=5),
                max_size=80), st.integers(0, 80), st.randoms())
def test_dump_and_order(hours: list[dict[str, int]], at: int, rng: object) -> None:
    """Loaded anywhere it goes on bit for bit; the order of sources makes no difference."""
    rule = FeedSilent(enabled=True, history_d=14, active_min=2, p_max=0.04,
                      false_per_source_year=100)
    straight, broken, told = Rhythm(), Rhythm(), []
    straight.hour = broken.hour = START * HOURS
    for n, counts in enumerate(hours * 10):
        if n == at:
            broken = Rhythm.load(broken.dump())
        day, clock = divmod(straight.hour, HOURS)
        kind = day_kind(day, DAYS.is_workday)
        told += straight.step(counts, kind, clock, rule)
        broken.step(dict(reversed(counts.items())), kind, clock, rule)
    assert broken.dump() == straight.dump()


# ------------------------------------------------------------------------------------- a city


@pytest.fixture(scope="module")
def city() -> tuple[list[str], object]:
    return hourly(3_000, 430, 21)


def test_false_alarms_in_a_city(city: tuple[list[str], object]) -> None:
    """A year undisturbed: three times the target could be chance in 33 source-years, no more."""
    names, table = city
    assert false_alarms(names, table, RULE) <= 3 * RULE.false_per_source_year  # type: ignore[arg-type]
    loud = FeedSilent(enabled=True, false_per_source_year=20, p_max=0.04)
    assert false_alarms(names, table[:150 * HOURS], loud) > 0.5  # type: ignore[index]


def test_outages_in_a_city(city: tuple[list[str], object]) -> None:
    """A busy feed by its next working hours, an office by some working days."""
    names, table = city
    killed = table.copy()  # type: ignore[attr-defined]
    start = 400 * HOURS + 10
    for name in ("cq.12345", "cq.rsj"):
        killed[start:, names.index(name)] = 0
    watched = Watched(names, RULE)
    told = {}
    for n, counts in enumerate(killed):
        for s in watched.hear(counts):
            if s.open and n >= start:
                told[s.source] = n - start
    assert told["cq.12345"] <= 36 and told["cq.rsj"] <= 24 * 21
