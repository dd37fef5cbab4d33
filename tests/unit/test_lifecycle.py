"""The life of an alert: what people do, what the facts do, and that nothing is told twice."""

from __future__ import annotations

import pytest
from story import Story

from alerts.lifecycle import OPEN
from storage.effects import AlertChanged


def overdue() -> tuple[Story, str, str]:
    """A commitment past its date: the story, the commitment, the alert."""
    s = Story()
    m = s.do("2026-05-04", "commitment.made", due_on="2026-06-01")
    s.to("2026-06-10")
    alert = s.alert("commitment-overdue")
    assert alert is not None and (alert.state, alert.level) == ("firing", "yellow")
    return s, m, alert.id


@pytest.mark.parametrize(("acts", "state"), [
    ([], "firing"), (["acknowledged"], "acknowledged"), (["assigned"], "firing"),
    (["acknowledged", "assigned"], "acknowledged"), (["closed"], "closed"),
    (["acknowledged", "closed"], "closed"), (["closed", "acknowledged"], "closed"),
    (["closed", "reopened"], "firing"), (["acknowledged", "reopened"], "firing"),
    (["closed", "reopened", "acknowledged"], "acknowledged"), (["silenced"], "firing")])
def test_what_people_do(acts: list[str], state: str) -> None:
    s, m, id = overdue()
    for n, act in enumerate(acts):
        s.do(f"2026-06-{11 + n}", f"alert.{act}", alert=id, actor="李四")
    alert = s.alert("commitment-overdue")
    assert alert is not None and alert.state == state
    # It stays so for as long as the cause lasts, whatever else is looked at.
    s.to("2026-07-20")
    s.do("2026-07-21", "complaint.filed")
    alert = s.alert("commitment-overdue")
    assert alert is not None and alert.state == state
    s.do("2026-07-22", "commitment.fulfilled", of=m)
    assert s.alert("commitment-overdue") is None
    assert s.told("commitment-overdue")[-1][1:3] == (state, "resolved")


def test_people_are_named_in_the_transition() -> None:
    s, _, id = overdue()
    s.do("2026-06-11", "alert.acknowledged", alert=id, actor="李四", note="已电话联系")
    last = [x for x in s.effects if getattr(x, "reason", "") == "act"][-1]
    assert (last.actor, last.note, last.was, last.state) == (  # type: ignore[union-attr]
        "李四", "已电话联系", "firing", "acknowledged")


def test_a_warning_that_was_acknowledged_is_told_again_when_it_is_late() -> None:
    """And stays told: nothing flips back at the next look."""
    s = Story()
    s.do("2026-05-04", "commitment.made", due_on="2026-06-10")
    s.to("2026-06-04")
    alert = s.alert("commitment-overdue")
    assert alert is not None
    s.do("2026-06-05", "alert.acknowledged", alert=alert.id, actor="李四")
    s.to("2026-06-11")
    s.do("2026-06-12", "complaint.filed")
    s.to("2026-06-20")
    s.do("2026-06-21", "objection.raised", of="x1")
    assert [x[2:] for x in s.told("commitment-overdue")] == [
        ("firing", "blue"), ("acknowledged", "blue"), ("firing", "yellow")]


def test_silence_is_noted_and_ends_nothing() -> None:
    s, _, id = overdue()
    s.do("2026-06-11", "alert.silenced", alert=id, actor="李四", until="2026-06-20T00:00:00+08:00")
    alert = s.alert("commitment-overdue")
    assert alert is not None and alert.state in OPEN
    assert alert.silenced_until_ms == 1_781_884_800_000


def test_who_got_it_and_a_silence_that_is_lifted_are_transitions_with_actor_and_reason() -> None:
    s, _, id = overdue()
    s.do("2026-06-10", "alert.assigned", alert=id, actor="李四", note="王五")
    s.do("2026-06-11", "alert.silenced", alert=id, actor="李四", note="检修",
         until="2026-06-20T00:00:00+08:00")
    s.do("2026-06-12", "alert.silenced", alert=id, actor="王五", note="已修好")
    s.do("2026-05-20", "alert.assigned", alert=id, actor="李四", note="before the cause")
    told = [x for x in s.effects if isinstance(x, AlertChanged) and x.id == id and x.actor]
    assert [(x.reason, x.was, x.state, x.actor, x.note, bool(x.silenced_until_ms)) for x in told
            ] == [("assigned", "firing", "firing", "李四", "王五", False),
                  ("act", "firing", "firing", "李四", "检修", True),
                  ("act", "firing", "firing", "王五", "已修好", False)]
    # What is over, or was never opened, is given to nobody.
    s.do("2026-06-13", "alert.closed", alert=id, actor="李四")
    before = len(s.effects)
    s.do("2026-06-14", "alert.assigned", alert=id, actor="李四")
    s.do("2026-06-14", "alert.silenced", alert="nothing", actor="李四",
         until="2026-06-20T00:00:00+08:00")
    assert not [x for x in s.effects[before:] if isinstance(x, AlertChanged)]


def test_an_act_about_an_earlier_occurrence_does_not_touch_a_new_one() -> None:
    s = Story()
    s.do("2026-05-03", "inspection.completed")
    a = s.do("2026-05-04", "grade.assigned", grade="D")
    gap = s.alert("grade-gap")
    assert gap is not None
    s.do("2026-05-05", "alert.closed", alert=gap.id, actor="李四")
    s.do("2026-05-06", "grade.withdrawn", of=a)
    assert s.alert("grade-gap") is None
    s.do("2026-08-06", "grade.assigned", grade="D")
    new = s.alert("grade-gap")
    assert new is not None and new.id != gap.id and new.state == "firing"


def test_an_act_about_another_alert_does_nothing() -> None:
    s, _, _ = overdue()
    before = len(s.told("commitment-overdue"))
    s.do("2026-06-11", "alert.closed", alert="commitment-overdue-00000000", actor="李四")
    assert len(s.told("commitment-overdue")) == before


def test_an_act_that_is_dated_before_the_cause_does_nothing() -> None:
    s, _, id = overdue()
    s.do("2026-05-20", "alert.closed", alert=id, actor="李四")
    alert = s.alert("commitment-overdue")
    assert alert is not None and alert.state == "firing"


def test_a_cause_that_comes_back_opens_the_same_alert_again() -> None:
    s = Story()
    red = s.do("2026-05-04", "list.entered", list="red")
    first = s.do("2026-05-10", "list.entered", list="ban")
    s.do("2026-05-20", "list.exited", of=first)
    s.do("2026-06-10", "list.entered", list="ban")
    s.do("2026-06-20", "list.exited", of=red)
    told = s.told("list-conflict")
    assert [x[1:3] for x in told] == [("", "firing"), ("firing", "resolved"), ("", "firing"),
                                      ("firing", "resolved")]
    assert len({x.id for x in s.effects if getattr(x, "rule", "") == "list-conflict"}) == 1


def test_opened_says_when_it_was_noticed_since_when_it_arose() -> None:
    s = Story()
    s.do("2026-09-01", "act.decided")
    s.do("2026-05-04", "commitment.made", due_on="2026-06-01")
    alert = s.alert("commitment-overdue")
    assert alert is not None
    assert alert.since_ms == 1_780_329_600_000 - 86_400_000 + 86_400_000  # 2026-06-02 Beijing
    assert alert.opened_ms == s.shard.clock_ms > alert.since_ms
    s.to("2026-10-01")
    later = s.alert("commitment-overdue")
    assert later is not None and later.opened_ms == alert.opened_ms


def test_nobody_is_told_twice_of_the_same() -> None:
    s, _, _ = overdue()
    count = len(s.effects)
    for day in ("2026-06-11", "2026-06-12"):
        s.do(day, "objection.raised", of="x1")
        s.do(day, "objection.rejected", of="x1")
    s.to("2026-06-30")
    rules = [x.rule for x in s.effects[count:] if hasattr(x, "rule")]  # type: ignore[union-attr]
    assert "commitment-overdue" not in rules
