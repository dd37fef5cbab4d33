"""Goal: what the first page shows beside its counters follows from the hours a view keeps.

Method: hours written by hand, with days counted at an offset; the map against its own rules.
"""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from config.districts import districts as known
from config.load import POLICY, ConfigError
from console.tiles import heat, tile_map
from streams import outlook
from streams.view import District, Hour

EAST_MS = 8 * 3_600_000
DAY_MS = 86_400_000
NOW_MS = 20_780 * DAY_MS + 5 * 3_600_000
"""13:00 of day 20,780 eight hours east of Greenwich."""


def hour(days_ago: float, what: str, a: str = "", b: str = "", n: int = 1) -> Hour:
    return Hour(int((NOW_MS - days_ago * DAY_MS) // 3_600_000), what, a, b, n)


def test_days_are_civil_days() -> None:
    """16:00 UTC is the next morning in Beijing."""
    midnight = 20_779 * 24 + 16
    hours = [Hour(midnight - 1, "opened", "risk-high", "red", 2),
             Hour(midnight, "opened", "risk-high", "red", 3),
             Hour(midnight, "ended", "grade-gap", "blue", 4)]
    made = outlook.trend(hours, {}, NOW_MS, EAST_MS)
    assert len(made["days"]) == outlook.TREND_D
    assert made["opened"]["red"][-2:] == [2, 3] and sum(made["opened"]["red"]) == 5
    assert made["ended"]["blue"][-1] == 4 and made["opened"]["blue"][-1] == 0
    west = outlook.trend(hours, {}, NOW_MS, 0)
    assert west["opened"]["red"][-2:] == [5, 0]


def test_grades_of_the_past_follow_from_what_changed_since() -> None:
    hours = [hour(1.9, "grade", "C", n=5), hour(0.1, "grade", "C", n=-2),
             hour(0.1, "grade", "D", n=2)]
    made = outlook.trend(hours, {"A": 90, "C": 10, "D": 2}, NOW_MS, EAST_MS)
    assert made["grades"]["C"][-3:] == [12, 12, 10] and made["grades"]["C"][0] == 7
    assert made["grades"]["D"][-2:] == [0, 2] and set(made["grades"]["A"]) == {90}


def test_the_first_hour_reaches_far_enough() -> None:
    """An hour before it changes nothing."""
    first = outlook.first_hour(NOW_MS, EAST_MS)
    old = [Hour(first - 1, what, "risk-high", "red", 50) for what in ("opened", "ended")]
    assert outlook.trend(old, {}, NOW_MS, EAST_MS) == outlook.trend([], {}, NOW_MS, EAST_MS)
    assert outlook.rising(old, NOW_MS) == []


def test_what_rises_is_told_and_chance_is_not() -> None:
    usual = [hour(day + 0.5, "opened", "grade-drop", "yellow", 2) for day in range(35)]
    steady = outlook.rising(usual, NOW_MS)
    more = outlook.rising([*usual, hour(1, "opened", "grade-drop", "red", 20)], NOW_MS)
    new = outlook.rising([hour(2, "opened", "ban-breach", "red", 5)], NOW_MS)
    fewer = outlook.rising([x for x in usual if x.hour < usual[6].hour], NOW_MS)
    assert (steady, fewer) == ([], [])
    assert [(x["rule"], x["opened"], x["usual"]) for x in more] == [("grade-drop", 34, 14.0)]
    assert [x["rule"] for x in new] == ["ban-breach"]
    rng, told = random.Random(7), 0
    for _ in range(300):
        hours = [hour(35 * rng.random(), "opened", "risk-high", "red") for _ in range(100)]
        told += bool(outlook.rising(hours, NOW_MS))
    assert told <= 15


def test_risk_of_a_district_is_held_against_the_city() -> None:
    big = District({"A": 9_000, "D": 1_000}, {"red": 50, "blue": 900})
    small = District({"A": 3}, {})
    rows = {x["district"]: x for x in outlook.districts(
        {"": District({"A": 5}, {"red": 9}), "500101": big, "500102": small,
         "500103": District({"A": 1_000}, {"orange": 40})})}
    assert set(rows) == {"500101", "500102", "500103"}
    assert rows["500101"]["risk"] < 0.7 < 0.9 < rows["500102"]["risk"] < 1.1
    assert rows["500103"]["risk"] > 3 and rows["500101"]["alerts_open"]["yellow"] == 0


def test_feeds_in_trouble_come_first() -> None:
    now = NOW_MS // 3_600_000
    alert = {"id": "x", "cell": "service:feed:z", "rule": "feed-silent", "level": "orange",
             "title": {}}
    rows = outlook.feeds([("a", now - 1, 5), ("a", now - 30, 9), ("z", now - 90, 7)], [alert],
                         NOW_MS)
    assert [(x["source"], x["events_24h"], bool(x["alert"])) for x in rows] == [
        ("z", 0, True), ("a", 5, False)]
    assert outlook.feeds([], [alert], NOW_MS)[0]["last_hour"] is None


# ------------------------------------------------------------------------------------------ map


def row(code: str, risk: float = 1.0) -> dict[str, object]:
    return {"district": code, "risk": risk, "alerts_open": {"red": 1}}


def test_every_district_has_a_place_of_its_own() -> None:
    places = known()
    assert len(places) == 37
    for codes in ([x["code"] for x in places], ["510104", "510105", "510106"],
                  ["500101", "999999", "999998"], []):
        made = tile_map([row(code) for code in codes], places)
        assert sorted(x.code for x in made.tiles) == sorted(codes)
        assert len({(x.x, x.y) for x in made.tiles}) == len(codes)
        assert all(x.x + 92 <= made.width and x.y + 62 <= made.height for x in made.tiles)
    assert tile_map([row("500106")], places).tiles[0].name == "沙坪坝区"
    assert [heat(x) for x in (0.1, 1, 1.5, 2.5, 99)] == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(("line", "says"), [
    ("500102,涪陵区,-1,0", "500102: column=-1: must be a whole number from 0 to 99"),
    ("500102,涪陵区,3,x", "500102: row=x: must be a whole number from 0 to 99"),
    ("500102,涪陵区,8,0", "500102: column=8, row=0: is the place of 500229; must be free")])
def test_a_wrong_place_is_named(tmp_path: Path, line: str, says: str) -> None:
    policy = tmp_path / "policy.toml"
    policy.write_text(POLICY.read_text(encoding="utf-8"), encoding="utf-8")
    (tmp_path / "catalogue").mkdir()
    file = tmp_path / "catalogue" / "districts.csv"
    file.write_text(f"code,name,column,row\n500229,城口县,8,0\n{line}\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=says):
        known(policy)
    file.unlink()
    assert known(policy) == known()
