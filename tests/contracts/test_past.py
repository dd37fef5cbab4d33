"""Goal: the past of a subject is the same from the log on Kafka as from the one in SQLite.

Method: a city, and stories of references that were refused and sent again, through the embedded
runner; its entries once more in the envelopes of 1, 4 and 12 partitions, read by the real
`KafkaLog.find` from memory. `past` there and `fold` on SQLite are described at several moments.
Planted faults: a log that loses a subject's events of one envelope, and one without refusals.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import events as ev
import pytest

from config import load
from models import events as e
from storage.kafka_log import KafkaLog, Record
from storage.partition import partition_of
from storage.sqlite_store import SqliteStore, subject_hash
from streams import codec, past
from streams.batch import PRESENT_MS, Feed
from streams.embedded import Embedded
from streams.fold import fold
from streams.pipeline import Entry
from streams.show import describe
from streams.simulate import city

START = dt.date(2025, 10, 1)
MOMENTS = (dt.datetime(2025, 11, 3, 9, 30), dt.datetime(2026, 1, 20), dt.datetime(2026, 4, 8, 17))
WAITED, UNFIT, TWICE, NEVER = ev.codes(4)
PENALTY = {"item": "cq1-17", "document": "渝罚1", "kinds": ["fine"], "decided_on": "2025-10-05",
           "basis": [{"law": "食品安全法", "article": "1"}], "amount_cny": 50_000}
COMPLAINT = {"item": "cq1-17", "kind": "complaint", "category": "食品"}


def event(subject: str, id: str, type_: str, day: str, data: dict[str, Any]) -> bytes:
    return json.dumps({"specversion": "1.0", "source": "部门", "id": f"{subject[-4:]}-{id}",
                       "type": type_, "subject": subject, "time": f"{day}T08:00:00Z",
                       "data": data}).encode()


def of(subject: str, id: str) -> dict[str, Any]:
    return {"of": {"source": "部门", "id": f"{subject[-4:]}-{id}"}}


def stories() -> Iterator[bytes]:
    """What was refused, and what became of it."""
    # Sent before the penalty it revokes, given up, sent again when the penalty was there.
    revoked = event(WAITED, "2", "penalty.revoked", "2025-10-06", of(WAITED, "1"))
    yield revoked
    yield event(WAITED, "3", "complaint.filed", "2025-12-20", COMPLAINT)
    yield event(WAITED, "1", "penalty.decided", "2025-10-05", PENALTY)
    yield revoked
    # Named what cannot be revoked, and was corrected under the same id.
    yield event(UNFIT, "1", "penalty.decided", "2025-10-05", PENALTY)
    yield event(UNFIT, "2", "complaint.filed", "2025-10-06", COMPLAINT)
    yield event(UNFIT, "3", "penalty.revoked", "2025-10-07", of(UNFIT, "2"))
    yield event(UNFIT, "3", "penalty.revoked", "2025-10-07", of(UNFIT, "1"))
    # Given up twice: the penalty stands.
    revoked = event(TWICE, "2", "penalty.revoked", "2025-10-06", of(TWICE, "1"))
    yield revoked
    yield event(TWICE, "3", "complaint.filed", "2025-12-21", COMPLAINT)
    yield revoked
    yield event(TWICE, "4", "complaint.filed", "2026-03-21", COMPLAINT)
    yield event(TWICE, "1", "penalty.decided", "2025-10-05", PENALTY)
    # Sent twice, and once otherwise under the same id: the first stands.
    yield event(NEVER, "1", "penalty.decided", "2025-10-05", PENALTY)
    yield event(NEVER, "1", "penalty.decided", "2025-10-05", PENALTY)
    yield event(NEVER, "1", "penalty.decided", "2025-10-05", {**PENALTY, "kinds": ["closure"]})


def arriving() -> list[bytes]:
    """City and stories as they come in: what is late comes with what was sent before it."""
    told: list[tuple[float, bytes]] = []
    for lines in (city(120, 200, 4, START), *([x for x in stories() if key.encode() in x]
                                              for key in (WAITED, UNFIT, TWICE, NEVER))):
        clock = 0.0
        for line in lines:
            clock = max(clock, dt.datetime.fromisoformat(json.loads(line)["time"]).timestamp())
            told.append((clock, line))
    return [line for _, line in sorted(told, key=lambda x: x[0])]


class Kept(Embedded):
    """Remembers what went into its log."""

    def __init__(self, folder: Path) -> None:
        self.kept: list[Entry] = []
        super().__init__(folder, load.policy())

    def append(self, entries: Sequence[Entry], raws: Sequence[bytes], dead: Any = ()) -> Any:
        self.kept += entries
        return super().append(entries, raws, dead)


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kept]:
    with ev.quick_cards():
        runner = Kept(tmp_path_factory.mktemp("ran"))
        if not runner.kept:
            runner.kept.append(next(_policies(runner)))
        feed = Feed(runner, "city", PRESENT_MS)
        for line in arriving():
            feed.put(line)
        feed.flush()
        runner.tick(int(dt.datetime(2026, 5, 1, tzinfo=dt.UTC).timestamp() * 1000))
        assert runner.shard.counts.rejected >= 5
        yield runner
        runner.close()


def _policies(runner: Embedded) -> Iterator[Entry]:
    for _, body, positions in runner.store.find(""):
        yield from codec.decode_entries(body, positions)


class Memory(KafkaLog):
    """The log on Kafka, without Kafka."""

    def __init__(self, entries: Sequence[Entry], partitions: int, each: int = 20) -> None:
        self.held: list[list[Record]] = [[] for _ in range(partitions)]
        for number, records in enumerate(self.held):
            mine = [x for x in entries if isinstance(x.event, e.Broadcast)
                    or partition_of(x.event.subject, partitions) == number]
            for at in range(0, len(mine), each):
                cut = mine[at : at + each]
                records.append(Record(len(records), codec.encode_envelope(cut), b"".join(
                    subject_hash("" if isinstance(x.event, e.Broadcast)
                                 else x.event.subject).to_bytes(8, "little") for x in cut),
                    partitions))

    def partitions(self) -> int:
        return len(self.held)

    def end(self, partition: int) -> int:
        return len(self.held[partition])

    def read(self, partition: int, start: int, stop: int) -> Iterator[Record]:
        yield from self.held[partition][start:stop]


def subjects(ran: Kept) -> list[str]:
    """The stories', and those of the city with the most to tell."""
    most = sorted(ran.shard.subjects.values(), key=lambda s: (-len(s.facts), s.key))
    found = dict.fromkeys((WAITED, UNFIT, TWICE, NEVER, *(s.key for s in most)))
    return list(found)[:30]


def moments(ran: Kept) -> list[int]:
    return [int(m.replace(tzinfo=ev.BEIJING).timestamp() * 1000) for m in MOMENTS] + [
        ran.shard.clock_ms]


def differing(ran: Kept, log: KafkaLog) -> list[tuple[str, int]]:
    """(subject, moment) at which the two logs say other things; they say something of most."""
    wrong, said = [], 0
    store = SqliteStore(ran.store.folder or Path(), write=False)
    try:
        for key in subjects(ran):
            for ms in moments(ran):
                one, other = fold(store, key, ms), past.past(log, key, ms)
                shown = [describe(x, key, ms) if x is not None else None for x in (one, other)]
                if shown[0] != shown[1]:
                    wrong.append((key, ms))
                said += shown[0] is not None
    finally:
        store.close()
    assert said > 90
    return wrong


@pytest.mark.parametrize("partitions", [1, 4, 12])
def test_the_past_is_the_same(partitions: int, ran: Kept) -> None:
    assert differing(ran, Memory(ran.kept, partitions)) == []


def test_the_present_is_the_past_of_now(ran: Kept) -> None:
    """What was refused included: `past` has no dead letters to look into."""
    log, ms = Memory(ran.kept, 4), ran.shard.clock_ms
    for key in subjects(ran):
        shard = past.past(log, key, ms)
        assert shard is not None and describe(shard, key, ms) == describe(ran.shard, key, ms)


def test_the_stories_are_what_they_say(ran: Kept) -> None:
    log, ms = Memory(ran.kept, 4), ran.shard.clock_ms
    stands = {}
    for key in (WAITED, UNFIT, TWICE, NEVER):
        shard = past.past(log, key, ms)
        assert shard is not None
        found = describe(shard, key, ms)
        assert found is not None
        stands[key] = bool(found["repairable"])
    assert stands == {WAITED: False, UNFIT: False, TWICE: True, NEVER: True}


def test_before_anything_happened(ran: Kept) -> None:
    log = Memory(ran.kept, 4)
    assert past.past(log, WAITED, int(dt.datetime(2025, 10, 1).timestamp() * 1000)) is None
    assert past.past(log, "91350100M000100Y43", ran.shard.clock_ms) is None
    assert past.past(Memory([], 4), WAITED, ran.shard.clock_ms) is None


@pytest.mark.parametrize("each", [1, 500])
def test_envelopes_do_not_matter(each: int, ran: Kept) -> None:
    log = Memory(ran.kept, 4, each)
    ms = moments(ran)[1]
    for key in subjects(ran)[:8]:
        one, other = past.past(log, key, ms), fold(ran.store, key, ms)
        assert (one is None) == (other is None)
        if one is not None and other is not None:
            assert describe(one, key, ms) == describe(other, key, ms)


# -------------------------------------------------------------------------------- planted faults


def test_a_lost_envelope_is_noticed(ran: Kept) -> None:
    log = Memory(ran.kept, 1)
    del log.held[0][len(log.held[0]) // 3]
    assert differing(ran, log)


def test_forgotten_refusals_are_noticed(ran: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(past._Own, "refusals", lambda *_: iter(()))
    found = {key for key, _ in differing(ran, Memory(ran.kept, 4))}
    assert found >= {UNFIT, TWICE}
