"""Goal: each alert goes to those it concerns, with the reason, and to somebody in any case.

Method: cases over a small directory, with and without channels.
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from notify_world import POLICY, notice, with_receivers

from alerts.notice import REVIEW_RULE
from alerts.routing import Directory, explain, route
from models.notify_policy import LEVELS, Receiver

DIRECTORY = Directory(POLICY)


def who(over: dict[str, Any], stage: int = 0, directory: Directory = DIRECTORY,
        plan: str = "orange") -> dict[str, tuple[str, ...]]:
    found = route(notice(**over), directory, POLICY.escalate.plan(plan), stage)
    return {r.receiver: r.because for r in found}


@pytest.mark.parametrize(("over", "want"), [
    ({}, {"scjg": ("department 市市场监管局",)}),
    ({"district": "500106"}, {"scjg-500106": ("office 市市场监管局 500106",),
                              "scjg": ("department 市市场监管局",)}),
    ({"district": "500106", "level": "yellow"},
     {"scjg-500106": ("office 市市场监管局 500106",)}),
    ({"level": "red"}, {"scjg": ("department 市市场监管局",), "centre": ("level",)}),
    ({"rule": "grade-gap", "departments": ["市市场监管局", "市生态环境局"], "district": "500106"},
     {"scjg": ("gap",), "sthj": ("gap",)}),
    ({"kind": "soe"}, {"scjg": ("department 市市场监管局",), "gzw": ("state soe",),
                       "sjj": ("state soe",)}),
    ({"kind": "institution", "level": "red"},
     {"scjg": ("department 市市场监管局",), "bianban": ("state institution",),
      "sjj": ("state institution",), "centre": ("level",)}),
    ({"kind": "soe", "level": "yellow"}, {"scjg": ("department 市市场监管局",)}),
    ({"rule": "regional-surge", "subject": "", "cell": "500106|cq1-17"},
     {"scjg": ("department 市市场监管局",), "centre": ("rule",)}),
    ({"departments": ["不存在的局"]}, {"centre": ("nobody for 不存在的局",)}),
    ({"departments": []}, {"centre": ("nobody else",)}),
    ({"rule": REVIEW_RULE}, {}),
])
def test_who_is_told(over: dict[str, Any], want: dict[str, tuple[str, ...]]) -> None:
    assert who(over) == want


def test_steps_add_receivers_and_name_the_stage() -> None:
    found = route(notice(), DIRECTORY, POLICY.escalate.orange, 2)
    assert [(r.receiver, r.stage, r.direct) for r in found] == [
        ("scjg", 1, True), ("dcs", 1, False), ("centre", 2, False)]
    review = route(notice(rule=REVIEW_RULE), DIRECTORY, POLICY.escalate.review, 3)
    assert [(r.receiver, r.stage, r.direct) for r in review] == [
        ("scjg", 3, True), ("dcs", 3, False), ("joint", 3, False)]


def test_who_cannot_be_reached_is_replaced_by_the_next_above() -> None:
    only = Directory(POLICY, {"scjg", "centre"})
    assert who({"district": "500106", "level": "yellow"}, directory=only) == {
        "scjg": ("office 市市场监管局 500106; unreachable scjg-500106",)}
    assert who({"departments": ["市生态环境局"]}, directory=only) == {
        "centre": ("department 市生态环境局; unreachable sthj",)}
    # Nobody at all: it stays with the department, and the auditor will find it.
    assert who({}, directory=Directory(POLICY, ())) == {"scjg": ("department 市市场监管局",)}


def test_a_department_has_people_and_a_system() -> None:
    system = Receiver("scjg-sys", "市场监管系统", "department", "市市场监管局", mode="system")
    policy = with_receivers(POLICY, [*POLICY.receivers, system])
    assert set(who({}, directory=Directory(policy))) == {"scjg", "scjg-sys"}
    assert set(who({}, directory=Directory(policy, {"scjg", "centre"}))) == {"scjg"}


def test_explained_for_people() -> None:
    rows = explain(route(notice(level="red"), DIRECTORY), DIRECTORY)
    assert [(r["name"], r["because"]) for r in rows] == [
        ("市市场监管局", ["department 市市场监管局"]), ("市公共信用信息中心", ["level"])]


departments = sorted({r.department for r in POLICY.receivers if r.department})


@given(st.lists(st.sampled_from([*departments, "别的局"]), max_size=4),
       st.sampled_from(LEVELS), st.sampled_from(["soe", "enterprise", "institution", ""]),
       st.sampled_from(["", "500106", "500103", "500112"]), st.integers(0, 3),
       st.sets(st.sampled_from([r.id for r in POLICY.receivers])))
def test_somebody_is_always_told(names: list[str], level: str, kind: str, district: str,
                                 stage: int, reachable: set[str]) -> None:
    n = notice(departments=names, level=level, kind=kind, district=district)
    directory = Directory(POLICY, reachable)
    found = route(n, directory, POLICY.escalate.plan(level), stage)
    ids = [r.receiver for r in found]
    assert ids and len(set(ids)) == len(ids)
    if "centre" in reachable:
        assert set(ids) <= reachable
    everybody = {r.receiver for r in route(n, DIRECTORY)}
    more = {r.receiver for r in route(n, DIRECTORY, POLICY.escalate.plan(level), stage)}
    assert everybody <= more


def test_a_review_asks_every_department_it_names() -> None:
    n = notice(rule=REVIEW_RULE, departments=["市市场监管局", "市生态环境局"])
    found = route(n, DIRECTORY, POLICY.escalate.review, 1)
    assert [r.receiver for r in found] == ["scjg", "sthj"]
