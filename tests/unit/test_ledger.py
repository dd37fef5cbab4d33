"""What a fact counts for, and until when: the periods of law, and everything that ends them early.

Method: tables of dates worked out by hand from the orders (publicity), short stories for the rest.
The policy is `unit`: numbers of its own, so that a calibration does not touch these tests.
"""

from __future__ import annotations

import itertools

import events as ev
import pytest
from story import ITEM, OTHER, Story, date_of, day_of

from models.ledger import FOREVER, list_span, publicity, taken_back
from models.records import CLASSES, LISTED, identity


@pytest.mark.parametrize(("class_", "decided", "repair_from", "ends"), [
    # Order 58, over before Order 36 came: three months to three years.
    ("general", "2023-05-01", "2023-08-01", "2026-04-01"),
    ("serious", "2023-05-01", "2024-05-01", "2026-05-01"),
    ("minor", "2024-01-31", "2024-01-31", "2024-04-30"),
    # Decided under 58, still public on 2026-04-01: 36 takes over where it ends earlier, not before.
    ("general", "2024-06-30", "2024-09-30", "2026-04-01"),
    ("general", "2025-04-01", "2025-07-01", "2026-04-01"),
    ("general", "2025-04-02", "2025-07-02", "2026-04-02"),
    ("general", "2026-03-31", "2026-06-30", "2027-03-31"),
    ("serious", "2026-03-31", "2027-03-31", "2029-03-31"),
    # Order 36: three to twelve months, twelve to thirty-six.
    ("general", "2026-04-01", "2026-07-01", "2027-04-01"),
    ("serious", "2026-04-01", "2027-04-01", "2029-04-01"),
    ("minor", "2026-08-31", "2026-08-31", "2026-11-30"),
    ("serious", "2028-02-29", "2029-02-28", "2031-02-28"),
    # Before both: the first regime known rules.
    ("general", "2020-01-01", "2020-04-01", "2023-01-01"),
])
def test_publicity(class_: str, decided: str, repair_from: str, ends: str) -> None:
    least, most = publicity(ev.card("unit"), CLASSES.index(class_), day_of(decided))
    assert (date_of(least), date_of(most)) == (repair_from, ends)


@pytest.mark.parametrize(("class_", "decided", "last", "gone"), [
    ("general", "2026-04-10", "2027-04-09", "2027-04-10"),
    ("general", "2025-01-10", "2026-03-31", "2026-04-01"),
    ("minor", "2026-04-10", "2026-07-09", "2026-07-10"),
    ("serious", "2026-04-10", "2029-04-09", "2029-04-10"),
])
def test_effect_ends_with_publicity(class_: str, decided: str, last: str, gone: str) -> None:
    s = Story()
    s.do("2026-04-12", "penalty.decided", **{"class": class_, "decided_on": decided})
    if last > "2026-04-12":
        assert s.points(f"penalty_{class_}", date=last) < 0
    assert s.points(f"penalty_{class_}", date=gone) == 0
    assert s.points(f"penalty_{class_}", date="2026-04-11") == 0, "not before its own day"


@pytest.mark.parametrize(("data", "class_"), [
    ({"kinds": ["warning"]}, "minor"), ({"kinds": ["fine"], "amount_cny": 3000.0}, "minor"),
    ({"kinds": ["fine"], "amount_cny": 3000.01}, "general"),
    ({"kinds": ["confiscation"]}, "general"), ({"kinds": ["warning", "suspension"]}, "general"),
    ({"kinds": ["closure"]}, "serious"), ({"kinds": ["fine"], "amount_cny": 1e6}, "serious"),
    ({"kinds": ["closure"], "class": "minor"}, "minor"),
])
def test_class_of_a_penalty(data: dict[str, object], class_: str) -> None:
    """The department's own class, else from kinds and amount."""
    s = Story()
    s.do("2026-05-04", "penalty.decided", **{"class": None, **data})
    assert [c for c in CLASSES if s.points(f"penalty_{c}")] == [class_]


def test_repair_ends_the_effect_and_keeps_the_history() -> None:
    s = Story()
    p = s.do("2026-05-04", "penalty.decided")
    s.do("2026-09-01", "repair.applied", of=p)
    assert s.points("penalty_general") < 0
    s.do("2026-09-20", "repair.approved", of=p)
    assert s.points("penalty_general", date="2026-09-19") < 0
    assert s.points("penalty_general") == 0
    assert s.path() == [("2026-05-04", "B"), ("2026-09-20", "A")]
    # A later rejection does not undo an approval; a second approval moves nothing.
    s.do("2026-09-25", "repair.rejected", of=p)
    s.do("2026-09-26", "repair.approved", of=p)
    assert s.path() == [("2026-05-04", "B"), ("2026-09-20", "A")]


def test_rejected_repair_changes_nothing() -> None:
    s = Story()
    p = s.do("2026-05-04", "penalty.decided")
    s.do("2026-09-20", "repair.rejected", of=p)
    assert s.points("penalty_general") < 0 and s.path() == [("2026-05-04", "B")]


@pytest.mark.parametrize("revoker", ["penalty.revoked", "objection.upheld"])
def test_revocation_leaves_no_trace(revoker: str) -> None:
    never, s = Story(), Story()
    for story in (never, s):
        story.do("2026-05-03", "inspection.completed", "good")
    p = s.do("2026-05-04", "penalty.decided", **{"class": "serious"})
    assert s.path()[-1] == ("2026-05-04", "D")
    s.do("2026-06-04", revoker, of=p)
    never.to("2026-06-04")
    assert s.score() == never.score()
    assert s.subject.path == never.subject.path
    assert s.alerts() == never.alerts()


def test_objection_marks_until_it_is_answered() -> None:
    s = Story()
    p = s.do("2026-05-04", "penalty.decided")
    s.do("2026-05-11", "objection.raised", of=p)
    key = identity("test", p)
    assert s.view.facts.by_key[key].objection == 1 and s.points("penalty_general") < 0
    s.do("2026-05-15", "objection.rejected", of=p)
    assert s.view.facts.by_key[key].objection == 2
    s.do("2026-05-20", "objection.raised", of=p)
    assert s.view.facts.by_key[key].objection == 1


def test_a_revoked_revocation_takes_nothing_back() -> None:
    s = Story()
    p = s.do("2026-05-04", "penalty.decided")
    back = s.do("2026-05-10", "penalty.revoked", of=p)
    assert s.path() == []
    s.do("2026-05-20", "objection.upheld", of=back)
    assert s.path() == [("2026-05-04", "B")]


@pytest.mark.parametrize(("revocations", "gone"), [
    ([], set()), ([(2, 1)], {1}), ([(2, 1), (3, 2)], {2}), ([(2, 1), (3, 2), (4, 3)], {1, 3}),
    ([(2, 1), (3, 1), (4, 3)], {1, 3}), ([(2, 1), (3, 2), (4, 2)], {2}),
])
def test_chains_of_revocations(revocations: list[tuple[int, int]], gone: set[int]) -> None:
    for order in itertools.permutations(revocations):
        assert taken_back(list(order)) == gone


def test_a_very_long_chain_of_revocations() -> None:
    """Goal: no depth of it ends the process."""
    gone = taken_back([(n + 1, n) for n in range(1, 20_001)])
    assert len(gone) == 10_000 and 20_000 in gone


@pytest.mark.parametrize(("until", "exited", "repaired", "stop"), [
    (None, None, None, None), ("2026-08-01", None, None, "2026-08-02"),
    (None, "2026-07-01", None, "2026-07-01"), ("2026-08-01", "2026-07-01", None, "2026-07-01"),
    ("2026-06-15", "2026-07-01", None, "2026-06-16"),
    (None, "2026-07-01", "2026-06-10", "2026-06-10"),
])
def test_list_span(until: str | None, exited: str | None, repaired: str | None,
                   stop: str | None) -> None:
    s = Story()
    listed = s.do("2026-06-01", "list.entered", **({"until": until} if until else {}))
    if repaired:
        s.do(repaired, "repair.approved", of=listed)
    if exited:
        s.do(exited, "list.exited", of=listed)
    s.to("2026-09-01")
    (fact,) = s.view.facts.by_type[LISTED]
    assert list_span(fact) == (day_of("2026-06-01"), day_of(stop) if stop else FOREVER)
    s.do("2026-09-02", "list.revoked", of=listed)
    (fact,) = s.view.facts.by_type[LISTED]
    assert list_span(fact) == (0, 0) and s.path("public") == []


@pytest.mark.parametrize(("outcome", "indicator"), [
    ("upheld", "complaint_upheld"), ("mediated", "complaint_mediated"), ("rejected", ""),
    ("withdrawn", "")])
@pytest.mark.parametrize("kind", ["complaint", "tip"])
def test_closing_replaces_a_complaint(kind: str, outcome: str, indicator: str) -> None:
    s = Story()
    c = s.do("2026-05-04", "complaint.filed", kind=kind, severity=3)
    assert s.points(kind) < 0 and s.score().credit == s.score().contributions[0].milli
    s.do("2026-05-20", "complaint.closed", of=c, outcome=outcome)
    live = {x.indicator for x in s.score().contributions} - {"base"}
    assert live == ({indicator} if indicator else set())
    assert s.path() == [], "raw complaints never enter the public record"


def test_a_complaint_taken_up_again_has_its_last_outcome() -> None:
    s = Story()
    c = s.do("2026-05-04", "complaint.filed")
    s.do("2026-05-20", "complaint.closed", of=c, outcome="upheld")
    s.do("2026-05-25", "complaint.closed", of=c, outcome="rejected")
    assert [x.indicator for x in s.score().contributions] == ["base"]


@pytest.mark.parametrize(("matter", "closer", "indicator"), [
    ("commitment.made", "commitment.fulfilled", "commitment_overdue"),
    ("commitment.made", "commitment.breached", "commitment_overdue"),
    ("rectification.ordered", "rectification.done", "rectification_overdue"),
    ("penalty.decided", "penalty.performed", "penalty_unperformed")])
def test_overdue_points_run_from_the_day_after(matter: str, closer: str, indicator: str) -> None:
    s = Story()
    m = s.do("2026-05-04", matter, due_on="2026-06-10")
    s.to("2026-06-10")
    assert s.points(indicator) == 0
    s.to("2026-06-11")
    assert s.points(indicator) < 0
    s.do("2026-06-20", closer, of=m)
    assert s.points(indicator) == 0 and s.points(indicator, date="2026-06-19") < 0


@pytest.mark.parametrize(("story", "indicator", "sign"), [
    ([("commitment.made", {"due_on": "2026-06-01"}), ("commitment.fulfilled", {})],
     "commitment_fulfilled", 1),
    ([("commitment.made", {"due_on": "2026-06-01"}), ("commitment.breached", {})],
     "commitment_breached", -1),
    ([("rectification.ordered", {"due_on": "2026-06-01"}), ("rectification.failed", {})],
     "rectification_failed", -1),
    ([("information.declared", {}), ("information.verified", {})], "information_verified", 1),
])
def test_what_follows_from_a_matter(story: list[tuple[str, dict[str, str]]], indicator: str,
                                    sign: int) -> None:
    s = Story()
    (first, data), (second, more) = story
    m = s.do("2026-05-04", first, **data)
    assert s.points(indicator) == 0
    s.do("2026-05-10", second, of=m, **more)
    assert s.points(indicator) * sign > 0
    s.do("2026-05-12", "objection.upheld", of=m)
    assert s.points(indicator) == 0, "without the matter nothing follows from it"


@pytest.mark.parametrize(("type_", "data", "indicator"), [
    ("inspection.completed", {"result": "pass"}, "inspection_pass"),
    ("inspection.completed", {"result": "fixed"}, "inspection_fixed"),
    ("inspection.completed", {"result": "fail"}, "inspection_fail"),
    ("inspection.completed", {"result": "obstructed"}, "inspection_evaded"),
    ("inspection.completed", {"result": "untraceable"}, "inspection_evaded"),
    ("iot.alarm", {"verified": True}, "iot_violation"),
    ("arrears.confirmed", {}, "arrears"), ("list.entered", {"list": "red"}, "list_red"),
    ("list.entered", {"list": "abnormal"}, "list_abnormal"),
])
def test_public_evidence(type_: str, data: dict[str, object], indicator: str) -> None:
    s = Story()
    s.do("2026-05-04", type_, **data)
    (found,) = [c for c in s.score().contributions if c.indicator != "base"]
    assert (found.indicator, found.public) == (indicator, True) and found.milli
    assert s.path("public")


@pytest.mark.parametrize(("type_", "data", "indicator"), [
    ("iot.alarm", {"verified": False}, "iot_alarm"), ("interview.held", {}, "interview"),
    ("list.entered", {"list": "watch"}, "list_watch"), ("complaint.filed", {}, "complaint")])
def test_internal_evidence(type_: str, data: dict[str, object], indicator: str) -> None:
    """It moves the risk score; the credit record and the grade do not know of it."""
    s = Story()
    s.do("2026-05-04", type_, **data)
    (found,) = [c for c in s.score().contributions if c.indicator != "base"]
    assert (found.indicator, found.public) == (indicator, False)
    assert s.score().credit > s.score().risk and s.grade() == "-" and s.path("public") == []


def test_reminders_and_declarations_weigh_nothing() -> None:
    s = Story()
    s.do("2026-05-04", "interview.held", kind="reminder")
    s.do("2026-05-04", "information.declared")
    s.do("2026-05-04", "act.decided")
    assert [c.indicator for c in s.score().contributions] == ["base"]


def test_evidence_of_one_item_is_not_that_of_another() -> None:
    s = Story()
    s.do("2026-05-04", "penalty.decided", item=ITEM)
    s.do("2026-05-05", "inspection.completed", item=OTHER)
    s.do("2026-05-06", "list.entered", list="abnormal")
    assert s.points("penalty_general", ITEM) < 0 and s.points("penalty_general", OTHER) == 0
    assert s.points("list_abnormal", ITEM) == s.points("list_abnormal", OTHER) < 0
    assert s.points("penalty_general", "public") < 0 < s.points("inspection_pass", "public")
