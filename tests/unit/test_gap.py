"""Gaps: which grade is in force, when they lie apart, and which review that belongs to."""

from __future__ import annotations

import pytest
from story import ITEM, OTHER, Story

from models.gap import extremes, involved
from models.records import ANSWERED


def far_apart() -> Story:
    """Two items computed A and D; the whole subject D."""
    s = Story()
    s.do("2026-05-03", "inspection.completed", item=OTHER)
    s.do("2026-05-04", "penalty.decided", "bad", item=ITEM, **{"class": "serious"})
    return s


def test_two_levels_open_one_review_with_everything_in_it() -> None:
    s = far_apart()
    assert (s.grade(OTHER), s.grade(ITEM), s.grade("public")) == ("A computed", "D computed",
                                                                  "D computed")
    assert s.alerts()["grade-gap"] == "red"
    (review,) = s.reviews()
    assert review.open and review.levels == 3
    assert (review.highest["item"], review.lowest["item"]) == (OTHER, ITEM)
    assert review.departments == [s.view.card.department_of[s.code(ITEM)],
                                  s.view.card.department_of[s.code(OTHER)]]
    alert = s.alert("grade-gap")
    assert alert is not None and alert.facts["review"] == review.id and alert.evidence


@pytest.mark.parametrize(("one", "other", "level"), [
    ("A", "B", None), ("A", "C", "orange"), ("A", "D", "red"), ("B", "D", "orange"),
    ("B", "C", None), ("C", "D", None), ("A", "A", None), ("D", "A", "red")])
def test_levels(one: str, other: str, level: str | None) -> None:
    s = Story()
    s.do("2026-05-04", "grade.assigned", item=ITEM, grade=one)
    s.do("2026-05-05", "grade.assigned", item=OTHER, grade=other)
    assert s.alerts().get("grade-gap") == level
    assert len({r.id for r in s.reviews()}) == (1 if level else 0)


def test_assigned_beats_direct_beats_computed() -> None:
    s = Story()
    s.do("2026-05-03", "inspection.completed")
    assert s.grade() == "A computed"
    listed = s.do("2026-05-10", "list.entered")
    assert (s.grade(), s.grade("public")) == ("D direct", "D direct")
    assigned = s.do("2026-05-20", "grade.assigned", grade="B")
    assert (s.grade(), s.grade("public")) == ("B assigned", "D direct")
    s.do("2026-05-25", "grade.withdrawn", of=assigned)
    assert s.grade() == "D direct"
    s.do("2026-06-01", "list.exited", of=listed)
    assert s.grade().endswith("computed")


@pytest.mark.parametrize("name", ["serious", "debtor", "ban"])
def test_direct_d_and_back(name: str) -> None:
    s = Story()
    s.do("2026-05-03", "inspection.completed")
    listed = s.do("2026-05-10", "list.entered", list=name, until="2026-08-31")
    assert s.grade() == "D direct" and "grade-drop" in s.alerts()
    s.to("2026-08-31")
    assert s.grade() == "D direct"
    s.to("2026-09-01")
    assert s.grade() == "A computed" and "grade-drop" not in s.alerts(), "the last day was included"
    s.do("2026-09-02", "list.exited", of=listed)
    assert s.grade() == "A computed"


@pytest.mark.parametrize("name", ["abnormal", "watch", "red"])
def test_other_lists_are_no_direct_d(name: str) -> None:
    s = Story()
    s.do("2026-05-03", "inspection.completed")
    s.do("2026-05-10", "list.entered", list=name)
    assert s.grade().endswith("computed")


def test_issuers() -> None:
    """The department before the city, the city before the nation; the market does not count."""
    s = Story()
    for issuer, grade in (("market", "D"), ("nation", "C"), ("city", "B")):
        s.do("2026-05-03", "grade.assigned", issuer=issuer, grade=grade)
        assert s.grade() == ("-" if issuer == "market" else f"{grade} assigned")
    s.do("2026-05-04", "grade.assigned", issuer="department", grade="A")
    assert s.grade() == "A assigned"


def test_the_latest_of_an_issuer_stands_whenever_it_arrives() -> None:
    s = Story()
    s.do("2026-05-10", "grade.assigned", grade="B")
    s.do("2026-05-03", "grade.assigned", grade="A")
    assert s.grade() == "B assigned"
    held = s.held(ITEM, "2026-05-09")
    assert held is not None and held.grade == 0


def test_assigned_grade_expires_after_its_last_day() -> None:
    s = Story()
    s.do("2026-05-03", "inspection.completed")
    s.do("2026-05-04", "grade.assigned", grade="C", valid_until="2026-06-30")
    assert s.alerts() == {"grade-gap": "orange"}
    s.to("2026-06-30")
    assert s.grade() == "C assigned"
    s.to("2026-07-01")
    assert s.grade() == "A computed" and s.alerts() == {}, "it closes by itself"


def test_expiry_that_uncovers_a_gap() -> None:
    """Nothing happens but time: a covering grade ends, the computed one behind it lies apart."""
    s = Story()
    s.do("2026-05-04", "penalty.decided", **{"class": "serious"})
    s.do("2026-05-05", "grade.assigned", item="public", issuer="city", grade="B")
    s.do("2026-05-05", "grade.assigned", item=ITEM, grade="C", valid_until="2027-01-31")
    s.to("2027-01-31")
    assert "grade-gap" not in s.alerts()
    s.to("2027-02-01")
    assert s.grade() == "C computed" and "grade-gap" not in s.alerts()
    t = Story()
    t.do("2026-05-04", "penalty.decided", **{"class": "serious"})
    t.do("2026-05-05", "grade.assigned", item="public", issuer="city", grade="B")
    t.do("2026-05-05", "grade.assigned", item=ITEM, grade="C", valid_until="2026-06-30")
    t.to("2026-06-30")
    assert "grade-gap" not in t.alerts()
    t.to("2026-07-01")
    assert t.grade() == "D computed" and t.alerts()["grade-gap"] == "orange"


def test_review_closes_by_itself_and_comes_back_under_its_id_within_the_window() -> None:
    s = Story()
    s.do("2026-05-03", "inspection.completed")
    a = s.do("2026-05-04", "grade.assigned", grade="C")
    first = s.alert("grade-gap")
    s.do("2026-05-20", "grade.withdrawn", of=a)
    assert s.alert("grade-gap") is None and not s.reviews()[-1].open
    s.do("2026-06-19", "grade.assigned", grade="C")
    again = s.alert("grade-gap")
    assert first is not None and again is not None and again.id == first.id
    assert s.reviews()[-1].open and s.reviews()[-1].id == s.reviews()[0].id


def test_beyond_the_window_it_is_another_review() -> None:
    s = Story()
    s.do("2026-05-03", "inspection.completed")
    a = s.do("2026-05-04", "grade.assigned", grade="C")
    s.do("2026-05-20", "grade.withdrawn", of=a)
    s.do("2026-06-20", "grade.assigned", grade="C")
    assert len({r.id for r in s.reviews()}) == 2
    assert len({x[0] for x in s.told("grade-gap") if x[1] == ""}) == 2


def test_late_evidence_that_moves_the_start_keeps_the_review() -> None:
    s = far_apart()
    first = s.alert("grade-gap")
    s.do("2026-05-02", "penalty.decided", item=ITEM, **{"class": "serious"})
    again = s.alert("grade-gap")
    assert first is not None and again is not None and first.id == again.id
    assert len({r.id for r in s.reviews()}) == 1


def test_answer_adjust_assigns_and_ends_the_review() -> None:
    s = far_apart()
    review = s.reviews()[0].id
    department = s.view.card.department_of[s.code(OTHER)]
    answer = s.do("2026-05-12", "review.answered", review=review, department=department,
                  decision="adjust", grade="C")
    assert s.grade(OTHER) == "C assigned" and "grade-gap" not in s.alerts()
    assert not s.reviews()[-1].open and len(s.reviews()[-1].answers) == 1
    s.do("2026-05-15", "objection.upheld", of=answer)
    assert s.grade(OTHER) == "A computed" and s.alerts()["grade-gap"] == "red"


def test_answer_keep_is_noted_and_changes_no_grade() -> None:
    s = far_apart()
    review = s.reviews()[0].id
    department = s.view.card.department_of[s.code(OTHER)]
    s.do("2026-05-12", "review.answered", review=review, department=department)
    assert s.grade(OTHER) == "A computed" and s.alerts()["grade-gap"] == "red"
    assert s.reviews()[-1].answers[0]["decision"] == "keep"
    assert len(s.view.facts.by_type[ANSWERED]) == 1


def test_answer_to_no_review_of_this_subject_assigns_nothing() -> None:
    s = Story()
    s.do("2026-05-03", "inspection.completed")
    s.do("2026-05-12", "review.answered", review="review-0000", decision="adjust", grade="D",
         department=s.view.card.department_of[s.code(ITEM)])
    assert s.grade() == "A computed"


def test_extremes_and_involved() -> None:
    s = far_apart()
    vector = s.view.grades.vector(s.shard.day)
    assert extremes(vector) == (s.code(OTHER), s.code(ITEM)), "public last among equals"
    assert involved(vector, 2) == sorted([s.code("public"), s.code(ITEM), s.code(OTHER)])
    assert involved(vector, 4) == []
    assert s.view.grades.levels(s.shard.day) == s.view.grades.widest() == 3
