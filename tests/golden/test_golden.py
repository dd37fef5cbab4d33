"""Two small logs whose conclusions are pinned: a change of score shows here, wanted or not.

`story.ndjson` is written by hand: a year of a restaurant and of a noodle shop, from registration
to the black list and back. The other log is a simulated city. `expected.json` holds the summary of
`xinfeng process` for both; after a change that is meant, and only then, write it again with

    python tests/golden/test_golden.py

and say so in CHANGELOG.md.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

import events as ev  # noqa: E402
import oracle  # noqa: E402

from streams import batch, show  # noqa: E402
from streams.embedded import Embedded  # noqa: E402
from streams.pipeline import Shard  # noqa: E402
from streams.simulate import city  # noqa: E402

EXPECTED = HERE / "expected.json"
STORY = HERE / "story.ndjson"
RESTAURANT, NOODLES = ev.codes(2)
CITY = (60, 120, 1)


def summaries(folder: Path) -> dict[str, Any]:
    """What `xinfeng process` says about each log, without its speed."""
    town = folder / "city.ndjson"
    town.write_bytes(b"\n".join(city(*CITY)) + b"\n")
    out = {}
    for name, file in (("story", STORY), ("city", town)):
        runner = Embedded(None, ev.policy("default"))
        out[name] = batch.process(runner, [str(file)], now_ms=ev.FAR_MS)
        del out[name]["events_per_s"]
        oracle.scratch(runner.shard)
    return out


def test_summaries(tmp_path: Path) -> None:
    expected = json.loads(EXPECTED.read_text("utf-8"))
    made = summaries(tmp_path)
    for name in expected:
        assert made[name] == expected[name], f"{name}: see the head of this file"


def test_summaries_notice_a_lighter_penalty(tmp_path: Path,
                                            monkeypatch: pytest.MonkeyPatch) -> None:
    """Planted fault: one weight changes, the expectation does not."""
    import msgspec
    plain = ev.policy("default")
    general = msgspec.structs.replace(plain.indicators.penalty_general, weight=-0.9)
    lighter = msgspec.structs.replace(
        plain, indicators=msgspec.structs.replace(plain.indicators, penalty_general=general))
    monkeypatch.setattr(ev, "policy", lambda variant="plain": lighter)
    with pytest.raises(AssertionError):
        test_summaries(tmp_path)


# ---------------------------------------------------------------------------------- the story


def until(date: str) -> tuple[Shard, dict[str, Any], dict[str, str]]:
    """The log up to noon of a date: the shard, the restaurant as shown, its alerts."""
    runner = Embedded(None, ev.policy("default"))
    feed = batch.Feed(runner, "story", ev.FAR_MS)
    for line in STORY.read_bytes().splitlines():
        time = line.split(b'"time":"')[1][:16].decode()
        if time <= f"{date}T12:00":
            feed.put(line)
    feed.flush()
    now_ms = int(ev.dt.datetime.fromisoformat(f"{date}T12:00+08:00").timestamp() * 1000)
    runner.tick(now_ms)
    shard = runner.shard
    oracle.scratch(shard)
    shown = show.describe(shard, RESTAURANT, shard.clock_ms)
    assert shown is not None
    held: dict[str, str] = {}
    for alert in (shard.subjects[RESTAURANT].alerts or {}).values():
        held[alert.rule] = max(held.get(alert.rule, ""), alert.level)
    return shard, shown, held


@pytest.mark.parametrize(("date", "market", "health", "public", "alerts"), [
    ("2025-12-05", None, None, "ungraded", {}),
    ("2026-01-20", "A computed", "A assigned", "A", {}),
    # Complaints move the risk score only.
    ("2026-02-28", "A computed", "A assigned", "A", {}),
    ("2026-03-21", "C computed", "A assigned", "C",
     {"grade-drop": "yellow", "grade-gap": "orange", "score-plunge": "yellow"}),
    # The health department has answered: adjusted to B.
    ("2026-04-03", "C computed", "B assigned", "C",
     {"grade-drop": "yellow", "score-plunge": "yellow"}),
    ("2026-06-07", "C computed", "B assigned", "C", {"grade-drop": "yellow"}),
    ("2026-06-08", "C computed", "B assigned", "C",
     {"grade-drop": "yellow", "commitment-overdue": "blue"}),
    ("2026-06-16", "C computed", "B assigned", "C",
     {"grade-drop": "yellow", "commitment-overdue": "yellow"}),
    ("2026-07-09", "C computed", "B assigned", "C", {"grade-drop": "yellow"}),
    # The penalty is repaired.
    ("2026-07-10", "B computed", "B assigned", "B", {}),
    # On the list of serious dishonesty: D by the list itself, and two levels from the B.
    ("2026-08-04", "D direct", "B assigned", "D",
     {"grade-drop": "orange", "grade-gap": "orange", "score-plunge": "yellow",
      "risk-high": "orange"}),
    # A permit that nobody published, over the National Day holiday.
    ("2026-10-08", "D direct", "B assigned", "D",
     {"grade-drop": "orange", "grade-gap": "orange", "review-overdue": "orange",
      "risk-high": "orange"}),
    ("2026-10-21", "B computed", "B assigned", "B", {}),
    ("2026-11-05", "B computed", "B assigned", "B", {}),
])
def test_story(date: str, market: str | None, health: str | None, public: str,
               alerts: dict[str, str]) -> None:
    _, shown, held = until(date)
    items = shown["items"]
    for item, expected in (("cq1-17", market), ("cq1-31", health)):
        found = items.get(item)
        grade = f"{found['grade']} {found['grade_source']}" if found else None
        assert grade == (expected or (grade if grade and grade.startswith("ungraded") else None))
    assert shown["public"]["grade"] == public
    assert held == alerts


def test_story_unpublished_permit() -> None:
    """Decided on 28 September: working days are 29, 30, then 8, 9, 10 (made up), 12, 13 October."""
    told = {}
    for date in ("2026-10-09", "2026-10-10", "2026-10-13", "2026-10-14", "2026-10-20"):
        _, _, held = until(date)
        told[date] = held.get("publication-overdue")
    assert told == {"2026-10-09": None, "2026-10-10": "blue", "2026-10-13": "blue",
                    "2026-10-14": "yellow", "2026-10-20": "yellow"}


def test_story_of_the_noodle_shop() -> None:
    """A penalty that was objected to and taken back: nothing of it is left."""
    shard, _, _ = until("2026-05-01")
    before = show.describe(shard, NOODLES, shard.clock_ms)
    shard, _, _ = until("2026-05-20")
    after = show.describe(shard, NOODLES, shard.clock_ms)
    assert before is not None and after is not None
    names = [[c["indicator"] for c in x["items"]["cq1-17"]["contributions"]]
             for x in (before, after)]
    assert "penalty_minor" in names[0] and "penalty_minor" not in names[1]
    objected = [event for c in before["items"]["cq1-17"]["contributions"] for event in c["events"]
                if event.get("objected")]
    assert [event["id"] for event in objected] == ["pen-9"]


def test_story_of_the_dead_letters() -> None:
    """One of each kind: a duplicate (no letter), a conflict, an unfit reference, a bad code."""
    runner = Embedded(None, ev.policy("default"))
    batch.process(runner, [str(STORY)], now_ms=ev.FAR_MS)
    rows = runner.store.query("SELECT origin, id FROM rejects ORDER BY seq")
    assert sorted(id for _, id in rows) == ["", "odd-1", "pen-1"]
    assert runner.shard.counts.duplicates == 1 and runner.shard.counts.conflicts == 1


if __name__ == "__main__":
    import tempfile
    with tempfile.TemporaryDirectory() as name:
        text = json.dumps(summaries(Path(name)), ensure_ascii=False, indent=1)
    EXPECTED.write_text(text + "\n", "utf-8")
    print(text)
