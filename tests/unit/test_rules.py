"""Each alert rule: when it opens, rises and goes, to the day.

Method: stories with dates counted by hand from the contract (section 3) and the calendar of 2026:
National Day 1-7 October, make-up Saturday 10 October; the oracle looks at every step besides.
"""

from __future__ import annotations

import pytest
from story import ITEM, OTHER, Story

from alerts.rules import RULES, alert_id

DUE = (("commitment.made", "commitment-overdue", "commitment.fulfilled"),
       ("rectification.ordered", "rectification-overdue", "rectification.done"),
       ("penalty.decided", "penalty-unperformed", "penalty.performed"))


@pytest.mark.parametrize(("matter", "rule", "closer"), DUE)
def test_overdue_warns_seven_days_before_and_rises_when_late(matter: str, rule: str,
                                                             closer: str) -> None:
    s = Story()
    m = s.do("2026-05-04", matter, due_on="2026-07-10")
    s.to("2026-08-01")
    s.do("2026-08-02", closer, of=m)
    assert s.told(rule) == [("2026-07-03", "", "firing", "blue"),
                            ("2026-07-11", "firing", "firing", "yellow"),
                            ("2026-08-02", "firing", "resolved", "yellow")]


@pytest.mark.parametrize(("matter", "rule", "closer"), DUE)
def test_met_in_time_nobody_is_told(matter: str, rule: str, closer: str) -> None:
    s = Story()
    m = s.do("2026-05-04", matter, due_on="2026-07-10")
    s.do("2026-07-02", closer, of=m)
    s.to("2026-09-01")
    assert s.told(rule) == []


@pytest.mark.parametrize(("matter", "rule", "closer"), DUE)
def test_known_too_late(matter: str, rule: str, closer: str) -> None:
    """The record comes when its date has passed: late at once, and gone when the closer comes."""
    s = Story()
    s.do("2026-09-01", "act.decided", decided_on="2026-08-31")
    m = s.do("2026-05-04", matter, due_on="2026-07-10")
    s.do("2026-07-01", closer, of=m)
    assert [x[1:] for x in s.told(rule)] == [("", "firing", "yellow"),
                                             ("firing", "resolved", "yellow")]


@pytest.mark.parametrize("end", ["objection.upheld", "repair.approved"])
def test_a_matter_taken_back_or_repaired_is_settled(end: str) -> None:
    s = Story()
    m = s.do("2026-05-04", "commitment.made", due_on="2026-05-20")
    s.to("2026-06-01")
    assert s.alerts()["commitment-overdue"] == "yellow"
    s.do("2026-06-02", end, of=m)
    assert "commitment-overdue" not in s.alerts()


def test_settled_by_what_was_taken_back_is_not_settled() -> None:
    s = Story()
    m = s.do("2026-05-04", "commitment.made", due_on="2026-07-10")
    done = s.do("2026-05-20", "commitment.fulfilled", of=m)
    s.do("2026-05-25", "objection.upheld", of=done)
    s.to("2026-07-03")
    assert s.alerts()["commitment-overdue"] == "blue"


def test_a_cancelled_subject_owes_nothing() -> None:
    s = Story()
    s.do("2026-05-04", "commitment.made", due_on="2026-07-10")
    s.to("2026-07-05")
    cancelled = s.do("2026-07-06", "subject.cancelled")
    assert s.alerts() == {}
    s.do("2026-07-20", "objection.upheld", of=cancelled)
    assert s.alerts() == {"commitment-overdue": "yellow"}, "it was never cancelled"


# ------------------------------------------------------------------------------------ publication


@pytest.mark.parametrize(("decided", "warned", "late"), [
    ("2026-05-04", "2026-05-11", "2026-05-14"),  # Monday after the Labour days (9 May is worked)
    ("2026-06-01", "2026-06-08", "2026-06-11"),
    ("2026-06-05", "2026-06-12", "2026-06-17"),  # Friday
    ("2026-09-30", "2026-10-13", "2026-10-16"),  # over National Day, with 10 October worked
    ("2026-10-03", "2026-10-13", "2026-10-16"),  # decided on the holiday
    ("2026-12-28", "2027-01-04", "2027-01-07"),  # beyond the calendar: Monday to Friday
])
def test_publication_in_seven_working_days(decided: str, warned: str, late: str) -> None:
    s = Story()
    s.do(decided, "act.decided")
    s.to("2027-02-01")
    assert [(x[0], x[3]) for x in s.told("publication-overdue")] == [(warned, "blue"),
                                                                    (late, "yellow")]


@pytest.mark.parametrize(("type_", "data", "awaited"), [
    ("act.decided", {"act": "reward"}, True), ("inspection.completed", {}, True),
    ("penalty.decided", {}, True), ("penalty.decided", {"class": "serious"}, True),
    ("penalty.decided", {"class": "minor"}, False), ("complaint.filed", {}, False),
    ("commitment.made", {"due_on": "2026-12-01"}, False)])
def test_what_must_be_published(type_: str, data: dict[str, str], awaited: bool) -> None:
    s = Story()
    act = s.do("2026-06-01", type_, **data)
    s.to("2026-06-20")
    assert bool(s.told("publication-overdue")) == awaited
    if awaited:
        s.do("2026-06-21", "act.published", of=act)
        assert s.told("publication-overdue")[-1][2] == "resolved"


def test_published_in_time_and_publication_taken_back() -> None:
    s = Story()
    act = s.do("2026-06-01", "act.decided")
    published = s.do("2026-06-05", "act.published", of=act)
    s.to("2026-06-20")
    assert s.told("publication-overdue") == []
    s.do("2026-06-21", "objection.upheld", of=published)
    assert s.told("publication-overdue") == [("2026-06-21", "", "firing", "yellow")]


# ---------------------------------------------------------------------------------- grades, scores


def test_grade_drop_stays_news_for_180_days() -> None:
    s = Story()
    s.do("2026-05-03", "inspection.completed")
    s.do("2026-05-04", "list.entered", list="abnormal")
    s.do("2026-05-04", "list.entered", list="abnormal")
    assert s.alerts()["grade-drop"] == "yellow yellow", "the item and the whole subject"
    s.to("2026-10-30")
    assert s.alerts()["grade-drop"] == "yellow yellow" and s.grade() == "C computed"
    s.to("2026-10-31")
    assert "grade-drop" not in s.alerts() and s.grade() == "C computed"


@pytest.mark.parametrize(("class_", "level"), [("general", None), ("serious", "orange")])
def test_grade_drop_levels(class_: str, level: str | None) -> None:
    """To B nobody is told by default; to D it is orange."""
    s = Story()
    s.do("2026-05-03", "inspection.completed")
    s.do("2026-05-04", "penalty.decided", **{"class": class_})
    assert s.alerts().get("grade-drop") == (f"{level} {level}" if level else None)


def test_grade_drop_to_c_and_its_recovery() -> None:
    s = Story()
    s.do("2026-05-03", "inspection.completed")
    s.do("2026-05-04", "penalty.decided")
    last = s.do("2026-05-05", "penalty.decided")
    assert s.path()[-1] == ("2026-05-05", "C") and s.alerts()["grade-drop"] == "yellow yellow"
    s.do("2026-05-20", "repair.approved", of=last)
    assert s.path()[-1] == ("2026-05-20", "B") and "grade-drop" not in s.alerts()


def test_a_first_grade_is_no_drop() -> None:
    s = Story()
    s.do("2026-05-04", "penalty.decided", **{"class": "serious"})
    assert s.path() == [("2026-05-04", "D")] and "grade-drop" not in s.alerts()


def test_a_late_good_fact_makes_a_drop_of_a_first_grade() -> None:
    s = Story()
    s.do("2026-05-04", "penalty.decided", **{"class": "serious"})
    s.do("2026-05-02", "inspection.completed")
    assert s.alerts()["grade-drop"] == "orange orange"


def test_plunge_opens_at_eighty_points_and_ends_when_it_has_recovered() -> None:
    s = Story()
    s.do("2026-05-04", "complaint.filed", severity=4)
    s.do("2026-05-10", "complaint.filed", severity=4)
    assert "score-plunge" not in s.alerts()
    s.do("2026-05-20", "complaint.filed", severity=4)
    assert s.alerts() == {}, "78 points"
    s.do("2026-05-21", "interview.held")
    assert s.alerts() == {"score-plunge": "yellow"}
    s.to("2026-07-01")
    ((opened, *_), (gone, *_)) = s.told("score-plunge")
    assert opened == "2026-05-21" and "2026-05-21" < gone < "2026-06-04"


def test_plunge_over_the_edge_of_the_window() -> None:
    """Two losses, together over the limit: within the window a plunge, a day beyond it none."""
    for second, plunge in (("2026-06-02", True), ("2026-06-03", False)):
        s = Story()
        s.do("2026-05-04", "inspection.completed", result="untraceable")
        s.do(second, "inspection.completed", result="fail",
             findings=[{"code": "f", "severity": "critical"}])
        assert ("score-plunge" in s.alerts()) == plunge, second


# ------------------------------------------------------------------------------ answers in time


def test_objection_overdue_after_seven_working_days_and_again_after_as_many() -> None:
    s = Story()
    p = s.do("2026-06-01", "penalty.decided")
    s.do("2026-06-05", "objection.raised", of=p)
    s.to("2026-07-20")
    assert [(x[0], x[3]) for x in s.told("objection-overdue")] == [("2026-06-17", "yellow"),
                                                                  ("2026-06-27", "orange")]
    s.do("2026-07-21", "objection.rejected", of=p)
    assert s.told("objection-overdue")[-1][2] == "resolved"


@pytest.mark.parametrize("of", ["complaint.filed", "list.entered", "iot.alarm",
                                "inspection.completed"])
def test_objection_to_anything_falls_due(of: str) -> None:
    s = Story()
    fact = s.do("2026-06-01", of)
    s.do("2026-06-05", "objection.raised", of=fact)
    s.to("2026-06-16")
    assert "objection-overdue" not in s.alerts()
    s.to("2026-06-17")
    assert s.alerts()["objection-overdue"] == "yellow"


def test_objection_answered_in_time() -> None:
    s = Story()
    p = s.do("2026-06-01", "penalty.decided")
    s.do("2026-06-05", "objection.raised", of=p)
    s.do("2026-06-10", "objection.upheld", of=p)
    s.to("2026-07-20")
    assert s.told("objection-overdue") == []


def test_review_overdue_waits_for_the_notice_it_gave() -> None:
    """Ten working days from the day the department was told, not from the day the gap arose."""
    s = Story()
    s.do("2026-06-01", "inspection.completed", item=OTHER)
    s.to("2026-08-03")
    s.do("2026-06-02", "penalty.decided", item=ITEM, **{"class": "serious"})
    assert s.alerts()["grade-gap"] == "red"
    waiting = s.alert("review-overdue")
    assert waiting is not None and waiting.state == "pending"
    s.to("2026-09-01")
    states = [(x[0], x[1], x[2]) for x in s.told("review-overdue")]
    assert states == [("2026-08-03", "", "pending"), ("2026-08-18", "pending", "firing")]


def test_review_overdue_in_time_for_those_who_are_silent() -> None:
    s = Story()
    s.do("2026-06-01", "inspection.completed", item=OTHER)
    s.do("2026-06-02", "penalty.decided", item=ITEM, **{"class": "serious"})
    review = s.reviews()[0]
    s.do("2026-06-08", "review.answered", review=review.id,
         department=s.view.card.department_of[s.code(OTHER)])
    s.to("2026-06-17")
    alert = s.alert("review-overdue")
    assert alert is not None and alert.state == "firing"
    assert alert.facts["departments"] == s.view.card.department_of[s.code(ITEM)]
    s.to("2026-07-02")
    assert s.alerts()["review-overdue"] == "orange"
    s.do("2026-07-03", "review.answered", review=review.id,
         department=s.view.card.department_of[s.code(ITEM)])
    assert "review-overdue" not in s.alerts() and "grade-gap" in s.alerts()


# ------------------------------------------------------------------------------------ the others


def test_repeat_offence_at_three_of_one_cause() -> None:
    s = Story()
    basis = [{"law": "食品安全法", "article": "34"}]
    ids = [s.do(day, "penalty.decided", basis=basis, **{"class": "minor"})
           for day in ("2026-05-04", "2026-06-04")]
    s.do("2026-06-20", "penalty.decided", basis=[{"law": "食品安全法", "article": "35"}])
    s.do("2026-06-21", "penalty.decided", basis=basis, item=OTHER)
    assert "repeat-offence" not in s.alerts()
    ids.append(s.do("2026-07-04", "penalty.decided", basis=basis, **{"class": "minor"}))
    alert = s.alert("repeat-offence")
    assert alert is not None and (alert.level, len(alert.evidence)) == ("orange", 3)
    s.do("2026-07-10", "penalty.revoked", of=ids[0])
    assert "repeat-offence" not in s.alerts()


def test_repeat_offence_ends_with_its_window() -> None:
    s = Story()
    for day in ("2026-05-04", "2026-06-04", "2026-07-04"):
        s.do(day, "penalty.decided", **{"class": "minor"})
    s.to("2027-05-03")
    assert "repeat-offence" in s.alerts()
    s.to("2027-05-04")
    assert "repeat-offence" not in s.alerts()


@pytest.mark.parametrize(("type_", "data", "breach"), [
    ("commitment.made", {"due_on": "2026-12-01"}, True), ("act.decided", {"act": "permit"}, True),
    ("act.decided", {"act": "ruling"}, False), ("inspection.completed", {}, False)])
@pytest.mark.parametrize("late", [False, True])
def test_ban_breach(type_: str, data: dict[str, str], breach: bool, late: bool) -> None:
    s = Story()
    if late:
        s.do("2026-06-01", type_, **data)
    ban = s.do("2026-05-10", "list.entered", list="ban")
    if not late:
        s.do("2026-06-01", type_, **data)
    assert ("ban-breach" in s.alerts()) == breach
    s.to("2026-08-29")
    assert ("ban-breach" in s.alerts()) == breach
    s.to("2026-08-30")
    assert "ban-breach" not in s.alerts()
    s.do("2026-08-31", "act.decided")
    assert "ban-breach" in s.alerts()
    s.do("2026-09-01", "list.revoked", of=ban)
    assert "ban-breach" not in s.alerts()


def test_activity_before_or_after_a_ban_is_no_breach() -> None:
    s = Story()
    s.do("2026-05-01", "act.decided")
    ban = s.do("2026-05-10", "list.entered", list="ban")
    s.do("2026-06-01", "list.exited", of=ban)
    s.do("2026-06-02", "act.decided")
    assert "ban-breach" not in s.alerts()


@pytest.mark.parametrize("black", ["serious", "debtor", "ban"])
def test_list_conflict(black: str) -> None:
    s = Story()
    red = s.do("2026-05-04", "list.entered", list="red")
    s.do("2026-05-10", "list.entered", list=black, until="2026-06-30")
    assert s.alerts()["list-conflict"] == "orange"
    s.to("2026-07-01")
    assert "list-conflict" not in s.alerts()
    s.do("2026-07-02", "list.entered", list=black)
    assert s.alerts()["list-conflict"] == "orange"
    s.do("2026-07-03", "list.exited", of=red)
    assert "list-conflict" not in s.alerts()


def test_red_and_watch_do_not_conflict() -> None:
    s = Story()
    s.do("2026-05-04", "list.entered", list="red")
    s.do("2026-05-10", "list.entered", list="watch")
    s.do("2026-05-10", "list.entered", list="abnormal")
    assert "list-conflict" not in s.alerts()


def test_ids_are_those_of_the_cause() -> None:
    assert alert_id("r", "s", 1, 2) == alert_id("r", "s", 1, 2)
    assert len({alert_id(r, s, i, a) for r in "ab" for s in "st" for i in (1, 2)
                for a in (1, 2)}) == 16
    assert len({rule.__name__ for rule in RULES}) == len(RULES)
