"""How long people took: by hand-made transitions."""

from __future__ import annotations

from notify_world import HOUR_MS, changed, notice

from alerts.escalation import Course
from dispatch.tally import Tally


def test_from_firing_to_acknowledgement() -> None:
    tally, one = Tally(), notice(level="red")
    since = one.opened_ms + HOUR_MS
    acked = changed(one, state="acknowledged", updated_ms=since + 90_000)
    tally.take(None, None, one)
    tally.take(one, Course("red", 1, since), acked)
    # What comes after an acknowledgement, or instead of one, is none.
    tally.take(acked, None, changed(acked, state="acknowledged"))
    tally.take(one, None, changed(one, state="closed"))
    assert (dict(tally.acknowledged), tally.acknowledge_s) == ({"red": 1}, {"red": 90.0})


def test_each_department_that_answered() -> None:
    tally = Tally()
    one = notice(rule="review-due", departments=["甲", "乙", "丙"])
    two = changed(one, departments=["丙"], updated_ms=one.opened_ms + 60_000)
    tally.take(one, None, two)
    tally.take(two, None, changed(two, departments=["丙"]))
    assert (tally.answered, tally.answer_s) == (2, 120.0)
