"""Goal: one event with a mistyped year does not carry the clock of a log away for good."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path

import events as ev
import msgspec
import pytest

from storage.effects import Reason
from streams.batch import Feed, process
from streams.embedded import Embedded

SUBJECT = ev.codes(1)[0]


def line(id: str, time: str) -> bytes:
    return json.dumps({
        "specversion": "1.0", "id": id, "source": "s", "type": "complaint.filed",
        "subject": SUBJECT, "time": time,
        "data": {"item": "cq1-01", "kind": "tip", "category": "c", "severity": 1}}).encode()


def run(tmp_path: Path, *lines: bytes, **options: int) -> tuple[Embedded, dict[str, object]]:
    file = tmp_path / "log.ndjson"
    file.write_bytes(b"\n".join(lines) + b"\n")
    runner = Embedded(None, ev.policy())
    return runner, process(runner, [str(file)], **options)  # type: ignore[arg-type]


def reasons(runner: Embedded) -> list[Reason]:
    return [msgspec.msgpack.decode(body, type=Reason)
            for body, in runner.store.query("SELECT reason FROM rejects ORDER BY seq")]


def ms(time: str) -> int:
    return int(dt.datetime.fromisoformat(time).timestamp() * 1000)


def test_a_mistyped_year_is_a_dead_letter(tmp_path: Path) -> None:
    runner, summary = run(tmp_path, line("a", "2026-05-04T08:00:00Z"),
                          line("b", "2062-05-05T08:00:00Z"), line("c", "2026-05-06T08:00:00Z"))
    assert (summary["accepted"], summary["rejected"]) == (2, 1)
    assert runner.shard.clock_ms == ms("2026-05-06T08:00:00Z")
    [why] = reasons(runner)
    assert (why.field, why.value) == ("time", "2062-05-05T08:00:00+00:00")
    assert why.allowed == ("must be at most 3600 days after the log's clock, "
                           "2026-05-04T08:00:00+00:00; `xinfeng advance --store DIR --to TIME` "
                           "moves it there on purpose")


@pytest.mark.parametrize(("time", "accepted"), [
    ("2036-03-12T08:00:00Z", 2), ("2036-03-12T08:00:00.001Z", 1), ("1999-01-01T00:00:00Z", 2)])
def test_up_to_the_limit(tmp_path: Path, time: str, accepted: int) -> None:
    """3,600 days and no more; backwards any distance."""
    _, summary = run(tmp_path, line("a", "2026-05-04T08:00:00Z"), line("b", time))
    assert summary["accepted"] == accepted


def test_another_limit(tmp_path: Path) -> None:
    lines = line("a", "2026-05-04T08:00:00Z"), line("b", "2026-05-06T08:00:00Z")
    assert run(tmp_path, *lines, jump_max_d=1)[1]["rejected"] == 1
    assert run(tmp_path, *lines, jump_max_d=2)[1]["rejected"] == 0


def test_the_first_event_of_a_log_may_lie_anywhere(tmp_path: Path) -> None:
    runner, summary = run(tmp_path, line("a", "2062-05-04T08:00:00Z"))
    assert summary["accepted"] == 1 and runner.shard.clock_ms == ms("2062-05-04T08:00:00Z")


def test_the_clock_may_be_moved_on_purpose(tmp_path: Path) -> None:
    runner, _ = run(tmp_path, line("a", "2010-05-04T08:00:00Z"))
    feed = Feed(runner, "f", ev.FAR_MS)
    feed.put(line("b", "2030-05-04T08:00:00Z"))
    feed.flush()
    assert runner.shard.counts.accepted == 1
    runner.tick(ms("2030-05-01T00:00:00Z"))
    feed = Feed(runner, "f", ev.FAR_MS)
    feed.put(line("b", "2030-05-04T08:00:00Z"))
    feed.flush()
    assert runner.shard.counts.accepted == 2


def test_the_limit_grows_with_the_file(tmp_path: Path) -> None:
    """Ten years at a step of a year each, in one envelope."""
    _, summary = run(tmp_path, *(line(f"e{y}", f"{y}-01-01T00:00:00Z") for y in range(2020, 2031)))
    assert summary["accepted"] == 11
