"""Goal: the auditor of a cluster reads each record of the alerts topic once, also over restarts.

Method: a feed in memory that counts what was read of it, over a real ledger.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from notify_world import changed, notice

from alerts.notice import Notice
from dispatch.ledger import Ledger
from streams.watched import Watched


class Partition:
    """One partition of `streams.watched.Feed`, a few records a read."""

    def __init__(self) -> None:
        self.records: list[Notice] = []
        self.start = self.at = self.reads = 0

    def assign(self, marks: dict[str, int]) -> None:
        self.at = max(marks.get("alerts/0", 1) - 1, self.start)

    def ends(self) -> dict[str, int]:
        return {"alerts/0": len(self.records)}

    def starts(self) -> dict[str, int]:
        return {"alerts/0": self.start}

    def read(self) -> dict[str, tuple[list[Notice], int]]:
        found = self.records[self.at:self.at + 2]
        self.at += len(found)
        self.reads += len(found)
        return {"alerts/0": (found, self.at)} if found else {}

    def close(self) -> None:
        pass


def watched(feed: Any, ledger: Ledger) -> Watched:
    return Watched(feed, ledger)


def test_each_record_is_read_once_also_over_a_restart(tmp_path: Path) -> None:
    feed = Partition()
    one, two, three = (notice(f"a{n}", seq=10 * n) for n in (1, 2, 3))
    feed.records = [one, two, three, changed(two, state="resolved")]
    ledger = Ledger(tmp_path / "notify.db")
    held = watched(feed, ledger)
    for _ in range(3):
        assert [n.id for n in held.firing()] == ["a1", "a3"]
    assert feed.reads == 4
    # A worker that was killed says its last records again: an older one changes nothing.
    feed.records += [two, changed(three, state="acknowledged")]
    assert [n.id for n in held.firing()] == ["a1"]
    ledger.close()
    ledger = Ledger(tmp_path / "notify.db")
    held = watched(feed, ledger)
    assert [n.id for n in held.firing()] == ["a1"] and feed.reads == 6
    feed.records.append(changed(changed(two, state="resolved"), state="firing"))
    assert held.firing() == [one, feed.records[-1]] and feed.reads == 7
    ledger.close()


def test_what_retention_removed_is_not_waited_for() -> None:
    feed = Partition()
    feed.records = [notice(f"a{n}", seq=n + 1) for n in range(6)]
    feed.start = 4
    assert [n.id for n in watched(feed, Ledger(None)).firing()] == ["a4", "a5"]
    feed.start = 6
    assert watched(feed, Ledger(None)).firing() == []


def test_what_is_over_is_forgotten_in_time() -> None:
    feed, ledger = Partition(), Ledger(None)
    over = notice("a1", state="resolved", updated_ms=1_000)
    feed.records = [over, notice("a2", seq=2, updated_ms=1_000)]
    assert len(watched(feed, ledger).firing()) == 1
    ledger.purge(2_000)
    assert ledger.all("SELECT alert FROM watched") == [("a2",)]
