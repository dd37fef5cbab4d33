"""Who is in the pool of an item, in which stratum, and who rests."""

from __future__ import annotations

import msgspec
import pytest
from story import ITEM, Story, day_of

from models.inspection_pool import Place, Pool
from models.records import STRATA


def at(s: Story, item: str = ITEM, date: str = "", district: str = "") -> Place | None:
    assert s.shard.timeline is not None
    found = Pool(s.code(item), s.shard.timeline.last, day_of(date) if date else s.shard.day,
                 district).place(s.subject)
    return None if found is None else found[0]


def unregistered(s: Story) -> bool:
    assert s.shard.timeline is not None
    return Pool(s.code(ITEM), s.shard.timeline.last, s.shard.day).unregistered(s.subject)


def stratum(s: Story, item: str = ITEM) -> str:
    found = at(s, item)
    assert found is not None
    return STRATA[found.stratum] + (f" {found.raised}" if found.raised else "")


def registered(**data: object) -> Story:
    s = Story()
    s.do("2026-01-01", "subject.registered", **data)
    return s


def test_a_fact_of_the_item_puts_a_business_into_its_pool() -> None:
    s = registered()
    assert at(s) is None
    s.do("2026-02-01", "inspection.completed")
    assert at(s) is not None and at(s, "cq1-31") is None


def test_a_complaint_does_not_nor_does_being_drawn() -> None:
    s = registered()
    s.do("2026-02-01", "complaint.filed")
    s.do("2026-02-01", "inspection.drawn", draw="d", stratum="A", probability=0.5)
    assert at(s) is None


def test_a_fact_that_was_taken_back_does_not() -> None:
    s = registered()
    fact = s.do("2026-02-01", "penalty.decided")
    assert at(s) is not None
    s.do("2026-02-02", "penalty.revoked", of=fact)
    assert at(s) is None


def test_the_trade_or_the_registration_does_at_once() -> None:
    s = registered(industry="G5430")
    assert at(s, "cq1-08") is not None and at(s, "cq1-34") is None
    s = registered(items=["cq1-31"])
    assert at(s, "cq1-31") is not None and at(s, "cq1-08") is None
    s.do("2026-01-02", "subject.registered", items=["cq1-32"])
    assert at(s, "cq1-31") is None and at(s, "cq1-32") is not None


def test_only_who_is_registered_and_not_cancelled() -> None:
    s = Story()
    s.do("2026-02-01", "inspection.completed")
    assert at(s) is None
    assert unregistered(s)
    s.do("2026-02-02", "subject.registered")
    assert at(s) is not None
    assert not unregistered(s)
    s.do("2026-02-03", "subject.cancelled")
    assert at(s) is None


def test_a_district_leaves_the_others_out() -> None:
    s = registered(items=[ITEM])
    assert at(s, district="500106") is not None and at(s, district="500103") is None


def test_the_stratum_is_the_grade_of_the_item_else_the_public_one() -> None:
    s = registered(items=[ITEM])
    assert stratum(s) == "ungraded"
    s.do("2026-02-01", "grade.assigned", item="public", grade="B")
    assert stratum(s) == "B"
    s.do("2026-02-02", "grade.assigned", grade="D")
    assert stratum(s) == "D"
    s.do("2026-02-03", "grade.assigned", grade="A")
    assert stratum(s) == "A"


def test_a_watch_list_moves_to_c_for_as_long_as_it_lasts() -> None:
    s = registered(items=[ITEM])
    s.do("2026-02-01", "grade.assigned", grade="A")
    listed = s.do("2026-02-02", "list.entered", list="watch")
    assert stratum(s) == "C watch"
    s.do("2026-02-05", "list.exited", of=listed)
    assert stratum(s) == "A"
    s.do("2026-02-06", "grade.assigned", grade="D")
    s.do("2026-02-07", "list.entered", list="watch")
    assert stratum(s) == "D"


def resting(s: Story, date: str) -> bool:
    s.to(date)
    found = at(s)
    assert found is not None
    return found.resting


def test_an_a_rests_two_years_after_an_inspection_that_counts() -> None:
    s = registered(items=[ITEM])
    s.do("2026-02-01", "grade.assigned", grade="A")
    for plan in ("complaint", "iot", "targeted"):
        s.do("2026-02-02", "inspection.completed", plan=plan)
    assert not resting(s, "2026-02-03")
    s.do("2026-02-10", "inspection.completed", plan="random")
    assert resting(s, "2026-02-11") and resting(s, "2028-02-09")
    assert not resting(s, "2028-02-10")


def test_a_d_never_rests_but_while_it_waits() -> None:
    s = registered(items=[ITEM])
    s.do("2026-02-01", "grade.assigned", grade="D")
    for day in range(2, 8):
        s.do(f"2026-02-0{day}", "inspection.completed", plan="random")
    assert not resting(s, "2026-02-08")
    drawn = s.do("2026-03-01", "inspection.drawn", draw="d1", stratum="D", probability=1.0)
    assert resting(s, "2026-03-02") and resting(s, "2026-05-29")
    assert not resting(s, "2026-05-30")
    s.do("2026-06-01", "inspection.released", of=drawn)
    assert not resting(s, "2026-06-02")


def test_an_inspection_that_answers_a_draw_counts_once() -> None:
    """Two in a year for a C: drawn and inspected is one of them."""
    s = registered(items=[ITEM])
    s.do("2026-02-01", "grade.assigned", grade="C")
    s.do("2026-02-02", "inspection.drawn", draw="d1", stratum="C", probability=0.5)
    assert resting(s, "2026-02-03")
    s.do("2026-02-04", "inspection.completed", draw="d1")
    assert not resting(s, "2026-02-05")
    s.do("2026-02-06", "inspection.completed")
    assert resting(s, "2026-02-07") and not resting(s, "2027-02-05")


def test_who_was_let_go_does_not_rest() -> None:
    s = registered(items=[ITEM])
    drawn = s.do("2026-02-02", "inspection.drawn", draw="d1", stratum="ungraded", probability=0.5)
    assert resting(s, "2026-02-03")
    s.do("2026-02-04", "inspection.released", of=drawn)
    assert not resting(s, "2026-02-05")


def test_being_drawn_changes_no_score_and_no_grade() -> None:
    s = registered(items=[ITEM])
    s.do("2026-02-01", "penalty.decided")
    before = s.score(), s.path(), s.alerts()
    drawn = s.do("2026-02-01", "inspection.drawn", draw="d1", stratum="A", probability=0.02)
    assert (s.score(), s.path(), s.alerts()) == before
    s.do("2026-02-01", "inspection.released", of=drawn)
    assert (s.score(), s.path(), s.alerts()) == before


def test_what_is_released_must_have_been_drawn() -> None:
    s = registered(items=[ITEM])
    fact = s.do("2026-02-01", "penalty.decided")
    s.do("2026-02-02", "inspection.released", of=fact)
    [refused] = s.rejected()
    assert refused.reason.field == "data.of" and refused.reason.allowed == "inspection.drawn"


@pytest.mark.parametrize("items", [["cq9-99"], ["public"]])
def test_a_registration_names_items_of_the_catalogue(items: list[str]) -> None:
    import events as ev

    from streams.codec import InvalidEvent

    made = Story().make("2026-01-01", "subject.registered", items=[])
    raw = msgspec.json.decode(made.raw)
    raw["data"]["items"] = items
    with pytest.raises(InvalidEvent) as refused:
        ev.intake().accept(msgspec.json.encode(raw), made.time_ms)
    assert refused.value.reason.field == "data.items"
    assert refused.value.reason.value == items[0]
