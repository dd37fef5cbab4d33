"""Goal: a review's case says who graded what on which facts, who answered, what it did, and how it
ended; between every two parties that is followed on its own.

Method: stories of one business, a few lines each (`story`).
"""

from __future__ import annotations

from typing import Any

from story import ITEM, OTHER, Story

from storage import tallies
from storage.effects import ReviewChanged
from streams import rows
from streams.review_case import case

Row = dict[str, Any]
ADJUST = {"decision": "adjust", "reason": "整改到位"}


def departments(s: Story) -> tuple[str, str]:
    """Those of the two items."""
    return (s.view.card.department_of[s.code(ITEM)], s.view.card.department_of[s.code(OTHER)])


def apart(*, public: str = "B") -> Story:
    """The departments of the two items gave A and C; the public grade lies between."""
    s = Story()
    s.do("2026-05-03", "grade.assigned", item="public", issuer="city", grade=public)
    s.do("2026-05-04", "grade.assigned", id="good", item=ITEM, grade="A")
    s.do("2026-05-05", "grade.assigned", id="poor", item=OTHER, grade="C")
    return s


def whole(s: Story, told: list[Row] | None = None, id: str = "") -> Row:
    last = next(r for r in reversed(s.reviews()) if id in ("", r.id))
    reasons = {(a["department"], a["time_ms"]): "写明的理由" for a in last.answers}
    return case(s.shard, rows.review_row(last, "企业", reasons), told)


def ends(r: ReviewChanged | Row) -> list[tuple[str, str, str]]:
    pairs = r["pairs"] if isinstance(r, dict) else [
        {"a": p.a, "b": p.b, "end": p.end} for p in r.pairs]
    return [(p["a"], p["b"], p["end"]) for p in pairs]


def test_every_grade_stands_beside_the_others_with_its_facts() -> None:
    s = apart()
    s.do("2026-05-06", "penalty.decided", id="fine", item=ITEM)
    found = whole(s)
    grades = {g["item"]: g for g in found["grades"]}
    assert set(grades) == {ITEM, OTHER, "public"}
    assert [g["apart"] for g in found["grades"]] == [True, True, False], "those apart come first"
    good = grades[ITEM]
    assert (good["grade"], good["grade_source"], good["since"]) == ("A", "assigned", "2026-05-04")
    assert [(f["source"], f["id"], f["type"]) for f in good["rests_on"]] == [
        ("test", "good", "grade.assigned")]
    (fine,) = good["evidence"]
    assert (fine["id"], fine["time"], fine["type"]) == (
        "fine", "2026-05-06T04:00:00.000Z", "penalty.decided")
    assert fine["points"] < 0 and "行政处罚" in fine["text_zh"] and "enalty" in fine["text_en"]
    assert grades[OTHER]["evidence"] == [], "a fine of another item is no evidence here"


def test_tasks_are_told_waiting_overdue_and_answered_late() -> None:
    s, (one, other) = apart(), departments(apart())
    told = [{"receiver": "nobody", "endpoint": "nobody/mail", "at": None, "reason": "first",
             "state": "delivered"}]
    assert [(k["department"], k["state"]) for k in whole(s)["tasks"]] == [
        (one, "waiting"), (other, "waiting")]
    assert all(k["told"] is None for k in whole(s)["tasks"]), "nobody here knows"
    assert all(k["told"] == {} for k in whole(s, told)["tasks"]), "told, but neither of them"
    due = whole(s)["due_on"]
    s.to(due)
    assert {k["state"] for k in whole(s)["tasks"]} == {"waiting"}, "the due day is theirs"
    s.to("2026-06-01")
    assert {k["state"] for k in whole(s)["tasks"]} == {"overdue"}
    s.do("2026-06-02", "review.answered", review=s.reviews()[-1].id, department=one)
    first, second = whole(s)["tasks"]
    assert (first["state"], first["decision"]) == ("answered_late", "keep")
    assert first["answered_at"] == "2026-06-02T04:00:00.000Z" and second["state"] == "overdue"


def test_an_adjustment_comes_back_as_a_grade_and_ends_the_gap() -> None:
    s, (one, other) = apart(), departments(apart())
    assert ends(whole(s)) == [(*sorted((one, other)), "open")]
    s.do("2026-05-08", "review.answered", id="ans", review=s.reviews()[-1].id, department=other,
         grade="B", **ADJUST)
    found = whole(s)
    assert found["state"] == "closed" and found["ended_on"] == "2026-05-08"
    (answer,) = found["answers"]
    assert answer["assigned"] == [{"item": OTHER, "grade": "B", "from": "2026-05-08",
                                   "until": None}]
    which = "a" if other < one else "b"
    assert ends(found) == [(*sorted((one, other)), which)]
    assert [h["what"] for h in found["history"]] == ["grade", "opened", "answer", "grade", "closed"]
    closed = found["history"][-1]
    assert (closed["how"], closed["departments"]) == ("adjusted", [other])
    assert {k["department"]: k["state"] for k in found["tasks"]} == {
        one: "not_needed", other: "answered"}
    assert next(g for g in found["grades"] if g["item"] == OTHER)["rests_on"][0]["id"] == "ans"


def test_a_grade_given_outside_the_review_counts_as_that_departments() -> None:
    s, (one, other) = apart(), departments(apart())
    s.do("2026-05-09", "grade.assigned", item=ITEM, grade="B")
    assert ends(whole(s)) == [(*sorted((one, other)), "a" if one < other else "b")]
    assert whole(s)["answers"] == []


def test_facts_that_change_end_it_by_themselves() -> None:
    s = apart()
    s.do("2026-05-09", "grade.withdrawn", of="poor")
    found = whole(s)
    assert [e[2] for e in ends(found)] == ["facts"]
    assert found["history"][-1]["how"] == "facts" and found["pairs"][0]["since"] == "2026-05-05"


def test_a_gap_that_both_keep_stands_and_waits_for_nobody() -> None:
    s, (one, other) = apart(), departments(apart())
    id = s.reviews()[-1].id
    s.do("2026-05-07", "review.answered", review=id, department=one)
    assert tallies.lane(s.reviews()[-1]) == "waiting" and ends(whole(s))[0][2] == "open"
    s.do("2026-05-08", "review.answered", review=id, department=other)
    assert tallies.lane(s.reviews()[-1]) == "answered" and ends(whole(s))[0][2] == "kept"
    assert s.reviews()[-1].open and whole(s)["stage"] == "answered"


def test_a_review_whose_gap_never_was_is_closed() -> None:
    """Its facts were taken back, so no episode is left: the view must not keep it open."""
    s = Story()
    s.do("2026-05-03", "grade.assigned", id="good", item=ITEM, grade="A")
    s.do("2026-05-04", "penalty.decided", id="bad", item=OTHER, **{"class": "serious"})
    opened = s.reviews()[-1]
    assert opened.open and opened.pairs
    s.do("2026-05-20", "penalty.revoked", of="bad")
    last = s.reviews()[-1]
    assert (last.id, last.open) == (opened.id, False)
    assert [(p.end, p.ended_day - p.start_day) for p in last.pairs] == [("facts", 16)]
    assert {last.pairs[0].a, last.pairs[0].b} == {
        x["department"] or "public" for x in (opened.highest, opened.lowest)}
    assert (last.opened_ms, last.start_day, last.due_day) == (
        opened.opened_ms, opened.start_day, opened.due_day)
    found = whole(s)
    assert found["history"][-1]["how"] == "taken_back" and found["ended_on"] == "2026-05-20"


def test_a_grade_adjusted_on_the_day_the_gap_came_is_that_departments_doing() -> None:
    """No day is left on which the grades lay apart, and yet somebody answered."""
    s, (one, other) = apart(), departments(apart())
    id = s.reviews()[-1].id
    s.do("2026-05-05T16:00:00", "review.answered", review=id, department=other, grade="B",
         **ADJUST)
    found = whole(s)
    assert (found["id"], found["state"], found["ended_on"]) == (id, "closed", "2026-05-05")
    assert ends(found) == [(*sorted((one, other)), "a" if other < one else "b")]
    assert found["answers"][0]["department"] == other
    assert (found["history"][-1]["how"], found["history"][-1]["departments"]) == (
        "adjusted", [other])


def test_a_closed_review_keeps_the_day_it_was_opened() -> None:
    s = apart()
    opened = s.reviews()[-1].opened_ms
    s.do("2026-05-09", "grade.withdrawn", of="poor")
    assert s.reviews()[-1].opened_ms == opened < s.reviews()[-1].updated_ms


def test_a_third_party_that_comes_apart_is_told_of_and_followed_on_its_own() -> None:
    s, (one, other) = apart(), departments(apart())
    s.do("2026-05-10", "grade.assigned", item="public", issuer="city", grade="D")
    found = s.reviews()[-1]
    pairs = {(p.a, p.b): (p.start_day - found.start_day, p.end) for p in found.pairs}
    assert pairs[tuple(sorted((one, other)))] == (0, "open")  # type: ignore[index]
    assert pairs[tuple(sorted(("public", one)))] == (5, "open")  # type: ignore[index]
    s.do("2026-05-12", "grade.assigned", item=OTHER, grade="B")
    found = s.reviews()[-1]
    assert found.open and {(p.a, p.b): p.end for p in found.pairs} == {
        tuple(sorted((one, other))): "a" if other < one else "b",
        tuple(sorted(("public", one))): "open", tuple(sorted(("public", other))): "open"}


def test_within_one_department_it_is_a_pair_too() -> None:
    s = Story()
    s.do("2026-05-03", "grade.assigned", item=ITEM, grade="B")
    own = s.view.card.department_of[s.code(ITEM)]
    twin = next(i for i, d in zip(s.view.card.item_ids[1:], s.view.card.department_of[1:],
                                  strict=True) if d == own and i != ITEM)
    s.do("2026-05-04", "grade.assigned", item=twin, grade="D")
    assert (own, own, "open") in ends(s.reviews()[-1])
