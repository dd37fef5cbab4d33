"""Both scores as exact sums: caps, the clip at both ends, and the fall over a window."""

from __future__ import annotations

import events as ev
import pytest
from story import ITEM, OTHER, Story

from models.score import fall, of_item


def test_base_alone() -> None:
    s = Story()
    s.do("2026-05-04", "act.decided")
    scores = s.score()
    assert scores.credit == scores.risk == ev.card("unit").base[0] == 688_539
    assert [(c.indicator, c.public) for c in scores.contributions] == [("base", True)]


@pytest.mark.parametrize(("kind", "base"), [
    ("enterprise", 688_539), ("soe", 688_539), ("platform", 688_539), ("individual", 695_752),
    ("organisation", 702_966), ("institution", 702_966)])
def test_base_of_each_kind(kind: str, base: int) -> None:
    s = Story()
    s.do("2026-05-04", "act.decided")
    s.do("2026-05-05", "subject.registered", kind=kind)
    assert s.score().credit == base


def test_a_flood_of_complaints_is_capped() -> None:
    s = Story()
    for _ in range(20):
        s.do("2026-05-04", "complaint.filed", severity=4)
    scores = s.score()
    total = sum(c.milli for c in scores.contributions if c.indicator == "complaint")
    (cap,) = [c for c in scores.contributions if c.indicator == "cap_complaints"]
    assert total < -150_000 and cap.milli == -150_000 - total and not cap.public
    assert scores.risk == 688_539 - 150_000 and scores.credit == 688_539
    assert sum(c.milli for c in scores.contributions) == scores.risk


def test_complaints_of_all_kinds_share_one_cap() -> None:
    s = Story()
    for n in range(8):
        c = s.do("2026-05-04", "complaint.filed", severity=4, kind=("complaint", "tip")[n % 2])
        if n % 3 == 0:
            s.do("2026-05-05", "complaint.closed", of=c, outcome="upheld")
    assert s.score().risk == 688_539 - 150_000
    for _ in range(12):
        s.do("2026-05-06", "iot.alarm", verified=False, severity=4)
    assert s.score().risk == 688_539 - 150_000 - 60_000, "alarms have a cap of their own"


def test_verified_alarms_are_not_capped() -> None:
    s = Story()
    for _ in range(12):
        s.do("2026-05-06", "iot.alarm", verified=True, severity=4)
    assert s.score().credit < 688_539 - 60_000


def test_clip_at_zero() -> None:
    s = Story()
    for _ in range(4):
        s.do("2026-05-04", "penalty.decided", **{"class": "serious"})
    for _ in range(5):
        s.do("2026-05-04", "complaint.filed", severity=4)
    scores = s.score()
    assert scores.credit == scores.risk == 0 and scores.risk_unclipped < 0
    public = [c.milli for c in scores.contributions if c.public]
    assert sum(public) == 0 and sum(c.milli for c in scores.contributions) == 0
    assert [c.public for c in scores.contributions if c.indicator == "clip"] == [True, False]


def test_clip_at_a_thousand() -> None:
    s = Story()
    for n in range(50):
        s.do("2026-05-04", "inspection.completed", id=f"i{n}")
    scores = s.score()
    assert scores.credit == scores.risk == 1_000_000 < scores.risk_unclipped
    assert sum(c.milli for c in scores.contributions) == 1_000_000


def test_contributions_name_their_events_oldest_first() -> None:
    from models.records import identity
    s = Story()
    late = s.do("2026-05-09", "penalty.decided")
    early = s.do("2026-05-04", "penalty.decided")
    (found,) = [c for c in s.score().contributions if c.indicator == "penalty_general"]
    assert found.keys == [identity("test", early), identity("test", late)]


def test_severity_scales() -> None:
    points = []
    for severity in (1, 2, 3, 4):
        s = Story()
        s.do("2026-05-04", "complaint.filed", severity=severity)
        points.append(s.points("complaint"))
    assert points == [-7.213, -14.427, -21.64, -28.854]


def test_half_life() -> None:
    s = Story()
    s.do("2026-05-04", "complaint.filed")
    assert s.points("complaint", date="2026-07-03") == pytest.approx(-14.427 / 2, abs=0.001)
    assert s.points("complaint", date="2027-05-03") < 0 == s.points("complaint", date="2027-05-04")


def test_items_of_one_subject_differ() -> None:
    s = Story()
    s.do("2026-05-04", "penalty.decided", item=ITEM)
    s.do("2026-05-04", "complaint.filed", item=OTHER)
    assert s.score(ITEM).risk < s.score(OTHER).risk < 688_539
    assert s.score("public").risk == 688_539 - 93_775 - 14_427
    assert of_item([], 5) == []


def test_fall_is_measured_from_the_highest_point_of_the_window() -> None:
    s = Story()
    s.do("2026-05-04", "penalty.decided")
    s.do("2026-05-20", "penalty.decided")
    view = s.view
    public, code = of_item(view.public, s.code(ITEM)), 0
    day = view.day
    one = fall(public, [], day, 9, view.card, code)
    both = fall(public, [], day, 30, view.card, code)
    assert 93_000 < one < 94_000 and 180_000 < both < 188_000
    assert fall(public, [], day + 40, 30, view.card, code) < 0, "it has risen"
