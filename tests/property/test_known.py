"""Defects that were found and mended, in their smallest form, so that they stay mended.

An open one stands here under a strict `xfail` with a name as its reason, and that name in
`events.KNOWN` keeps random histories away from it. Whoever mends it takes both away.
"""

from __future__ import annotations

import events as ev
import pytest
import simulator
from story import Story

from streams import checkpoint
from streams.batch import Feed
from streams.embedded import Embedded
from streams.pipeline import Entry


def test_marks_and_names_agree() -> None:
    """A name in `KNOWN` without a test here would hide a defect for good."""
    marked = {mark.kwargs["reason"] for name, test in globals().items() if name.startswith("test_")
              for mark in getattr(test, "pytestmark", ()) if mark.name == "xfail"}
    assert marked == ev.KNOWN


# ---------------------------------------------------------------------- ahead of the log's clock


def test_tomorrow() -> None:
    """An event may lie five minutes ahead of the clock. Past midnight its day must be looked at."""
    s = Story()
    for day in ("2026-05-03", "2026-05-04", "2026-05-05"):
        s.do(day, "penalty.decided", **{"class": "minor"})
    ahead(s, "2026-05-06T00:01:00", "penalty.decided", **{"class": "minor"})
    assert "score-plunge" not in s.alerts()
    s.to("2026-05-07")
    assert "score-plunge" in s.alerts()


def test_cancelled_tomorrow() -> None:
    s = Story()
    s.do("2026-05-05", "penalty.decided")
    ahead(s, "2026-05-06T00:01:00", "subject.cancelled")
    s.to("2026-05-07")
    assert s.alerts() == {}


def test_first_evidence_tomorrow() -> None:
    """A path never holds a step that lies ahead of the clock; the oracle looks at each."""
    s = Story()
    ahead(s, "2026-05-06T00:01:00", "inspection.completed")
    assert s.grade() == "-" and s.path() == []
    s.to("2026-05-06")
    assert s.grade() == "A computed" and s.path() == [("2026-05-06", "A")]


def ahead(s: Story, when: str, type_: str, **data: object) -> None:
    """Something happens four minutes after the moment at which it is recorded."""
    made = s.make(when, type_, **data)
    s._step([Entry(made.time_ms - 240_000, made.body, made.event)])


# ------------------------------------------------------------------------- the list of subjects


def listing(*events: tuple[str, str, dict[str, object]], to: str) -> tuple[str, str, int]:
    """Grades and gap of the list of subjects, which must be those in force, on a date."""
    s = Story()
    runner = Embedded(None, ev.policy("unit"))
    feed = Feed(runner, "known", ev.FAR_MS)
    for when, type_, data in events:
        of = data.pop("of", None)
        feed.put(s.make(when, type_, of, **data).raw)  # type: ignore[arg-type]
    feed.flush()
    runner.tick(s.to(to).shard.clock_ms)
    row = runner.store.query("SELECT public_grade, lowest_grade, gap FROM subjects")
    assert row == [simulator.listed(runner, s.key)]
    return row[0]  # type: ignore[return-value]


GIVEN: tuple[str, str, dict[str, object]] = (
    "2026-05-04", "grade.assigned", {"grade": "B", "valid_until": "2026-06-30", "id": "given"})


@pytest.mark.parametrize(("events", "to", "row"), [
    ([GIVEN], "2026-06-30", ("ungraded", "B", 0)),
    ([GIVEN], "2026-07-01", ("ungraded", "ungraded", 0)),
    ([GIVEN, ("2026-05-05", "subject.registered", {})], "2026-05-06", ("ungraded", "B", 0)),
    ([GIVEN, ("2026-05-05", "grade.withdrawn", {"of": "given"})], "2026-05-06",
     ("ungraded", "ungraded", 0)),
    ([GIVEN, ("2026-05-05", "grade.assigned", {"grade": "C", "valid_until": "2026-05-09"})],
     "2026-05-10", ("ungraded", "ungraded", 0)),
    ([("2026-05-04", "inspection.completed", {}),
      ("2026-05-05", "list.entered", {"until": "2026-06-30"})], "2026-06-30", ("D", "D", 0)),
    ([("2026-05-04", "inspection.completed", {}),
      ("2026-05-05", "list.entered", {"until": "2026-06-30"}),
      ("2026-05-06", "subject.registered", {})], "2026-05-07", ("D", "D", 0)),
], ids=["in force", "ended", "registered", "withdrawn", "replaced", "listed", "listed registered"])
def test_expired_rows(events: list[tuple[str, str, dict[str, object]]], to: str,
                      row: tuple[str, str, int]) -> None:
    """The list of subjects shows what is in force, whatever day ended it and whoever changed it."""
    assert listing(*((w, t, dict(data)) for w, t, data in events), to=to) == row


# ---------------------------------------------------------------- a reference that waited too long


def overdue(variant: str = "unit") -> Story:
    """A fine that was paid; the payment arrived before the fine, and waited in vain."""
    s = Story(variant)
    s.do("2026-03-01", "penalty.performed", "fine", "paid")
    s.to("2026-04-15")
    assert [x.id for x in s.rejected()] == ["paid"]
    s.do("2026-04-15T13:00:00", "penalty.decided", id="fine", due_on="2026-04-20")
    s.to("2026-05-01")
    assert "penalty-unperformed" in s.alerts()
    return s


def test_an_expired_reference_is_taken_when_it_is_sent_again() -> None:
    s = overdue()
    s.do("2026-03-01", "penalty.performed", "fine", "paid")
    assert "penalty-unperformed" not in s.alerts()
    counts = s.shard.counts
    assert (counts.accepted, counts.duplicates, counts.conflicts) == (3, 0, 0)
    s.do("2026-03-01", "penalty.performed", "fine", "paid")
    assert counts.duplicates == 1


def test_an_expired_reference_may_be_sent_again_corrected() -> None:
    s = overdue()
    s.do("2026-04-16", "penalty.performed", "fine", "paid")
    assert "penalty-unperformed" not in s.alerts() and s.shard.counts.conflicts == 0


def test_an_expired_reference_stays_forgotten_over_a_restart() -> None:
    s = overdue()
    s.shard = checkpoint.load(list(checkpoint.dump(s.shard)))
    s.do("2026-03-01", "penalty.performed", "fine", "paid")
    assert "penalty-unperformed" not in s.alerts()


def test_an_expired_reference_may_wait_again() -> None:
    s = Story()
    for month in ("03", "05", "07"):
        s.do("2026-03-01", "penalty.performed", "fine", "paid")
        assert s.subject.parked
        s.to(f"2026-{month}-30").to(f"2026-{int(month) + 1:02}-15")
    assert [x.id for x in s.rejected()] == ["paid"] * 3
    assert s.shard.identities.count == 0


@pytest.mark.parametrize("size", [1, 2, 9])
def test_references_that_expire_within_an_envelope(size: int) -> None:
    """Sent, expired, sent again and again, its target last: the cut of envelopes shows nowhere."""
    s = Story()
    paid = s.make("2026-03-01", "penalty.performed", "fine", "paid")
    other = s.make("2026-03-02", "penalty.performed", "fine", "paid")
    fine = s.make("2026-05-20", "penalty.decided", id="fine")
    at = [ev.tick(int(ev.dt.datetime(2026, month, day, tzinfo=ev.BEIJING).timestamp() * 1000))
          for month, day in ((3, 20), (4, 15), (4, 16), (5, 20), (5, 21))]
    log = [Entry(paid.time_ms, paid.body, paid.event),
           at[0]._replace(body=paid.body, event=paid.event),    # a duplicate
           at[1]._replace(body=paid.body, event=paid.event),    # the first has expired
           at[2]._replace(body=other.body, event=other.event),  # a conflict with the second
           at[3]._replace(body=other.body, event=other.event),  # that has expired, too
           at[3]._replace(body=fine.body, event=fine.event),
           at[4]._replace(body=other.body, event=other.event)]  # a duplicate
    effects = [effect for n in range(0, len(log), size)
               for effect in s.shard.step(log[n : n + size])]
    counts = s.shard.counts
    assert (counts.accepted, counts.duplicates, counts.conflicts, counts.rejected) == (4, 2, 1, 3)
    assert len([x for x in effects if type(x).__name__ == "Rejected"]) == 3
    assert s.shard.identities.count == 2 and not s.subject.parked
    s.to("2026-06-01")


# ------------------------------------------------------------------------------------- readings


def test_readings_leave_no_identity() -> None:
    """However many messages a device sends, and twice: nothing is kept but its state."""
    s = Story()
    series = [{"device": "d1", "class": "coldchain", "metric": "temperature_c", "unit": "C",
               "t": [1_777_000_000_000], "v": [4.0]}]
    for n in range(50):
        for _ in range(2):
            s.do(f"2026-05-05T12:00:{n:02}", "iot.readings", id=f"m{n}", item="cq1-01",
                 series=series)
    assert s.shard.identities.count == 0
    assert s.shard.counts.accepted == 100 and s.shard.counts.duplicates == 0


def test_readings_may_share_an_id_with_another_event() -> None:
    """In either order both are taken: an id of a device's message is compared with none."""
    series = [{"device": "d1", "class": "coldchain", "metric": "temperature_c", "unit": "C",
               "t": [1_777_000_000_000], "v": [4.0]}]
    for first in (True, False):
        s = Story()
        if first:
            s.do("2026-05-05", "iot.readings", id="x", item="cq1-01", series=series)
        s.do("2026-05-05", "penalty.decided", id="x")
        if not first:
            s.do("2026-05-05", "iot.readings", id="x", item="cq1-01", series=series)
        assert s.shard.counts.accepted == 2 and s.subject.devices and s.subject.facts
