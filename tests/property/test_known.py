"""Open defects, smallest form. Each is expected to fail until it is mended: then this file says so.

Whoever mends one takes its mark away here and its name out of `events.KNOWN`, so that the random
histories go there again.
"""

from __future__ import annotations

import events as ev
import pytest
import simulator
from story import Story

from streams.batch import Feed
from streams.embedded import Embedded
from streams.pipeline import Entry


def test_marks_and_names_agree() -> None:
    """A name in `KNOWN` without a test here would hide a defect for good."""
    marked = {mark.kwargs["reason"] for test in (test_tomorrow, test_cancelled_tomorrow,
                                                 test_expired_rows)
              for mark in getattr(test, "pytestmark", ()) if mark.name == "xfail"}
    assert marked == ev.KNOWN


@pytest.mark.xfail(reason="tomorrow", strict=True)
def test_tomorrow() -> None:
    """An event may lie five minutes ahead of the clock. Past midnight its day must be looked at."""
    s = Story()
    for day in ("2026-05-04", "2026-05-05"):
        s.do(day, "penalty.decided", **{"class": "minor"})
    made = s.make("2026-05-06T00:01:00", "penalty.decided", **{"class": "minor"})
    s.shard.step([Entry(made.time_ms - 240_000, made.body, made.event)])
    s.to("2026-05-07")
    assert "score-plunge" in s.alerts()


@pytest.mark.xfail(reason="tomorrow", strict=True)
def test_cancelled_tomorrow() -> None:
    s = Story()
    s.do("2026-05-05", "penalty.decided")
    made = s.make("2026-05-06T00:01:00", "subject.cancelled")
    s.shard.step([Entry(made.time_ms - 240_000, made.body, made.event)])
    s.to("2026-05-07")
    assert s.alerts() == {}


@pytest.mark.xfail(reason="expired rows", strict=True)
def test_expired_rows() -> None:
    """The list of subjects must not show a grade whose last day has passed."""
    s = Story()
    runner = Embedded(None, ev.policy("unit"))
    feed = Feed(runner, "known", ev.FAR_MS)
    feed.put(s.make("2026-05-04", "grade.assigned", grade="A", valid_until="2026-06-30").raw)
    feed.flush()
    runner.tick(s.to("2026-08-01").shard.clock_ms)
    row = runner.store.query("SELECT public_grade, lowest_grade, gap FROM subjects")
    assert row == [simulator.listed(runner, s.key)] == [("ungraded", "ungraded", 0)]
