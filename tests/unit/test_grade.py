"""Grades: bands, two-sided hysteresis, and the walk that must find what a daily look would find.

Method: tables at the exact thousandth of a point; stories; and random segments walked both ways.
"""

from __future__ import annotations

import random

import events as ev
import oracle
import pytest
from story import ITEM, Story, date_of, day_of

from models.grade import band, clip, graded_since, hold, walk
from models.ledger import FOREVER, Fact, Segment
from models.policy import INDICATORS
from models.records import PENALTY
from models.scorecard import UNGRADED

CARD = ev.card("unit")  # 650 / 560 / 460, margin 8


@pytest.mark.parametrize(("score", "grade"), [
    (1_000_000, "A"), (650_000, "A"), (649_999, "B"), (560_000, "B"), (559_999, "C"),
    (460_000, "C"), (459_999, "D"), (0, "D")])
def test_band(score: int, grade: str) -> None:
    assert "ABCD"[band(score, CARD)] == grade


@pytest.mark.parametrize(("before", "score", "after"), [
    ("A", 650_000, "A"), ("A", 642_000, "A"), ("A", 641_999, "B"), ("A", 551_999, "C"),
    ("A", 552_000, "B"), ("A", 451_999, "D"), ("A", 0, "D"),
    ("B", 657_999, "B"), ("B", 658_000, "A"), ("B", 552_000, "B"), ("B", 551_999, "C"),
    ("C", 567_999, "C"), ("C", 568_000, "B"), ("C", 658_000, "A"), ("C", 657_999, "B"),
    ("D", 467_999, "D"), ("D", 468_000, "C"), ("D", 568_000, "B"), ("D", 1_000_000, "A"),
    ("B", 600_000, "B"), ("D", 460_000, "D"), ("C", 460_000, "C")])
def test_hysteresis_both_ways(before: str, score: int, after: str) -> None:
    held = hold("ABCD".index(before), score, CARD)
    assert "ABCD"[held] == after
    assert oracle.step_of("ABCD".index(before), score, CARD) == held


def test_hold_is_the_plain_definition_everywhere() -> None:
    for grade in range(4):
        for score in range(440_000, 680_000, 111):
            assert hold(grade, score, CARD) == oracle.step_of(grade, score, CARD)
            # Holding again at the same score moves nothing: no flapping.
            assert hold(hold(grade, score, CARD), score, CARD) == hold(grade, score, CARD)


@pytest.mark.parametrize(("score", "clipped"), [(-1, 0), (0, 0), (5, 5), (1_000_000, 1_000_000),
                                                (1_000_001, 1_000_000)])
def test_clip(score: int, clipped: int) -> None:
    assert clip(score) == clipped


def test_a_drop_and_the_way_back_by_decay() -> None:
    s = Story()
    s.do("2026-05-04", "penalty.decided", **{"class": "serious"})
    s.to("2029-06-01")
    dates = [(date[:4], grade) for date, grade in s.path()]
    assert dates == [("2026", "D"), ("2026", "C"), ("2028", "B"), ("2029", "A")]
    # Up only at floor + margin, and on the first such day; at the end of publicity at once.
    assert s.path()[-1] == ("2029-05-04", "A")
    for (up, _), need in zip(s.path()[1:3], (468_000, 568_000), strict=True):
        assert s.score(date=up).credit >= need
        assert s.score(date=date_of(day_of(up) - 1)).credit < need


def test_within_the_margin_nothing_moves() -> None:
    """A at 650 exactly would fall at 649.9 without a margin; it stays down to 642."""
    s = Story()
    s.do("2026-05-04", "inspection.completed")
    s.do("2026-05-05", "inspection.completed", result="fail")
    score = s.score().credit
    assert 642_000 <= score < 658_000 and s.path() == [("2026-05-04", "A")]
    t = Story()
    t.do("2026-05-05", "penalty.decided")
    assert t.path() == [("2026-05-05", "B")]


def test_without_evidence_ungraded() -> None:
    s = Story()
    s.do("2026-05-04", "complaint.filed")
    s.do("2026-05-04", "act.decided")
    assert s.grade() == s.grade("public") == "-"
    s.do("2026-05-10", "inspection.completed")
    assert s.grade() == "A computed" and s.path() == [("2026-05-10", "A")]


def test_minimum_of_evidence() -> None:
    s = Story("two facts")
    s.do("2026-05-04", "inspection.completed")
    assert s.grade() == "-"
    s.do("2026-05-20", "inspection.completed")
    assert s.grade() == "A computed" and s.path() == [("2026-05-20", "A")]
    # A late one moves the beginning back, never a grade from nothing.
    s.do("2026-05-10", "inspection.completed")
    assert s.path() == [("2026-05-10", "A")]


def test_an_item_is_graded_from_its_own_first_evidence_on() -> None:
    s = Story()
    s.do("2026-05-04", "arrears.confirmed")
    assert s.path("public") == [("2026-05-04", "B")] and s.path(ITEM) == []
    s.do("2026-05-20", "inspection.completed")
    assert s.path(ITEM) == [("2026-05-20", "B")]


def test_graded_since() -> None:
    assert graded_since([], 1) == FOREVER
    one, two = segment(10, 20, 1), segment(5, 9, 2)
    assert graded_since([one, two], 1) == 5
    assert graded_since([one, two], 2) == 10
    assert graded_since([one, one._replace(start=30)], 2) == FOREVER, "one fact counts once"


def segment(start: int, stop: int, key: int, indicator: str = "penalty_general",
            step: int = 0) -> Segment:
    fact = Fact((key, 0, start * 86_400_000, 0, 0, 0, 1, PENALTY, 1), 0)
    return Segment(INDICATORS.index(indicator), step, 1, start, stop, start, fact)


@pytest.mark.parametrize("chunk", range(4))
def test_walk_finds_what_a_daily_look_finds(chunk: int) -> None:
    """Random segments; both walks from every kind of start, in one go and cut in two."""
    rng = random.Random(chunk)
    public = [n for n, i in enumerate(CARD.indicators) if i.record == "public"]
    for _ in range(60):
        known = []
        for key in range(1, rng.randrange(2, 9)):
            start = rng.randrange(400)
            indicator = rng.choice(public)
            stop = start + rng.randrange(1, min(700, CARD.span_d[indicator]))
            known.append(segment(start, stop, key)._replace(indicator=indicator))
        end = rng.randrange(200, 900)
        slow, grade = [], UNGRADED
        for day in range(min(s.start for s in known), end + 1):
            new = oracle.step_of(grade, oracle.credit(known, day, CARD, 0), CARD)
            if new != grade:
                slow.append((day, new))
            grade = new
        fast = walk(known, 1, CARD, 0, UNGRADED, 0, end)
        assert fast.steps == slow
        # Walked on from the middle: the same steps after it.
        cut = rng.randrange(end)
        at = UNGRADED
        for day, step in slow:
            at = step if day < cut else at
        assert walk(known, 1, CARD, 0, at, cut, end).steps == [x for x in slow if x[0] >= cut]
        # The next day is the first on which the daily look would see a change.
        first = 0
        for day in range(max(end + 1, min(s.start for s in known)), 2_000):
            if oracle.step_of(grade, oracle.credit(known, day, CARD, 0), CARD) != grade:
                first = day
                break
        assert fast.next_day == first


def test_walk_checker_notices() -> None:
    """Planted fault: a walk that looks only where facts begin or end misses the rise by decay."""
    known = [segment(0, 900, 1, "penalty_serious")]
    fast = walk(known, 1, CARD, 0, UNGRADED, 0, 899).steps
    eager = []
    grade = UNGRADED
    for day in (0,):
        new = oracle.step_of(grade, oracle.credit(known, day, CARD, 0), CARD)
        eager.append((day, new))
    assert fast != eager and fast[0] == eager[0]
