"""Goal: the embedded runner keeps every promise of `console.service.Service`, from many threads.

Method: the same cases on a store in memory and on disk; numbers are compared with the shard, pages
with the whole, and a failing store is planted under a running service.
"""

from __future__ import annotations

import datetime as dt
import inspect
import json
import logging
import sqlite3
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import events as ev
import pytest
from prometheus_client.parser import text_string_to_metric_families

from config import load
from console.service import Service
from streams import metrics
from streams.embedded import Embedded, replay
from streams.service import EmbeddedService
from streams.show import iso_ms
from streams.simulate import city

SUBJECT, OTHER = ev.codes(2)
DAY_MS = 86_400_000
NOW_MS = 1_790_000_000_000
"""2026-09-21."""


class Clock:
    def __init__(self, now_ms: int) -> None:
        self.now_ms = now_ms

    def __call__(self) -> int:
        return self.now_ms


@pytest.fixture(params=["memory", "disk"])
def made(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[EmbeddedService]:
    folder = tmp_path / "store" if request.param == "disk" else None
    with ev.quick_cards():
        service = EmbeddedService(Embedded(folder, load.policy(), envelope_events=4),
                                  Clock(NOW_MS))
        yield service
        service.close()


@pytest.fixture(scope="module")
def full() -> Iterator[EmbeddedService]:
    """A year of 150 businesses, played by the events' own time."""
    with ev.quick_cards():
        service = EmbeddedService(Embedded(None, load.policy()), Clock(NOW_MS + 60 * DAY_MS))
        service.submit(list(city(150, 365, 2, dt.date(2025, 9, 1))), "test", event_time=True)
        yield service
        service.close()


def event(number: int = 1, type_: str = "complaint.filed", subject: str = SUBJECT,
          time_ms: int = NOW_MS - 3_600_000, **changes: Any) -> bytes:
    data = {"item": "cq1-17", "kind": "complaint", "category": "食品安全"}
    return json.dumps({"specversion": "1.0", "id": f"e{number}", "source": "cq/12345",
                       "type": type_, "subject": subject, "time": iso_ms(time_ms),
                       "data": data} | changes).encode()


def of(number: int) -> dict[str, Any]:
    return {"of": {"source": "cq/12345", "id": f"e{number}"}}


def test_it_is_a_service() -> None:
    for name, method in inspect.getmembers(Service, inspect.isfunction):
        if name.startswith("_"):
            continue
        wanted = inspect.signature(method).parameters
        given = inspect.signature(getattr(EmbeddedService, name)).parameters
        for key, parameter in wanted.items():
            assert given[key].kind == parameter.kind and given[key].default == parameter.default
        assert all(p.default is not p.empty for key, p in given.items() if key not in wanted)


# ----------------------------------------------------------------------------------------- writing


def test_receipt_names_each_refused_event(made: EmbeddedService) -> None:
    """Refused by intake, by the step, sent twice: indexes hold across envelopes of four."""
    raws = [
        event(1),
        b"{",
        event(2),
        event(1),
        event(3, data={"item": "no", "kind": "complaint", "category": "x"}),
        event(2, subject=OTHER),
        event(4),
        event(5, "penalty.performed", data=of(4)),
        event(6, "penalty.performed", data=of(99)),
        event(7, time_ms=NOW_MS + DAY_MS),
    ]
    receipt = made.submit(raws, "test")
    assert (receipt.accepted, receipt.duplicates) == (4, 1)
    assert [x.index for x in receipt.rejected] == [1, 4, 5, 7, 9]
    assert [x.reason["field"] for x in receipt.rejected] == [
        "", "data.item", "id", "data.of", "time"]
    assert all(set(x.reason) == {"field", "value", "allowed", "message"}
               for x in receipt.rejected)
    assert len(made.rejects(limit=100)) == made.summary()["rejected"] == 5
    assert made.submit([], "test").accepted == 0


def test_recorded_is_the_present_and_never_goes_back(made: EmbeddedService) -> None:
    clock = made._clock
    assert isinstance(clock, Clock)
    made.submit([event(1)], "test")
    assert made.runner.shard.clock_ms == NOW_MS
    clock.now_ms -= DAY_MS
    made.submit([event(2, time_ms=NOW_MS - 2 * DAY_MS)], "test")
    made.tick()
    assert made.runner.shard.clock_ms == NOW_MS
    clock.now_ms = NOW_MS + DAY_MS
    made.tick()
    assert made.runner.shard.clock_ms == NOW_MS + DAY_MS
    recorded = [ms for (ms,) in made.runner.store.query(
        "SELECT recorded_ms FROM log WHERE offset > 1 ORDER BY offset")]
    assert recorded == [NOW_MS, NOW_MS, NOW_MS + DAY_MS]


def test_an_act_by_a_simulated_clock(made: EmbeddedService) -> None:
    """Dated by that clock, and the same event when it is sent again later."""
    clock = made._clock
    assert isinstance(clock, Clock)
    act = json.loads(event(1, "alert.acknowledged", data={"alert": "x", "actor": "李"}))
    act["time"] = "2031-01-01T00:00:00Z"
    assert made.act(act).accepted == 1
    clock.now_ms += DAY_MS
    made.tick()
    assert made.act(act).duplicates == 1
    assert made.facts(SUBJECT, 10)[0][0]["time"] == iso_ms(NOW_MS)


def test_acknowledging_an_alert(full: EmbeddedService) -> None:
    alert = full.alerts(state="firing", rule="grade-gap", limit=1)[0]
    done = full.act({"specversion": "1.0", "id": "a1", "source": "xinfeng/console",
                     "type": "alert.acknowledged", "subject": alert["subject"],
                     "time": "2020-01-01T00:00:00Z",
                     "data": {"alert": alert["id"], "actor": "李处", "note": "已知悉"}})
    assert done.accepted == 1
    after = full.alert(alert["id"])
    assert after is not None
    assert (after["state"], after["was"], after["actor"]) == ("acknowledged", "firing", "李处")
    assert after["seq"] > alert["seq"] and full.last_seq() >= after["seq"]


def test_a_review_keeps_what_the_department_wrote(full: EmbeddedService) -> None:
    review = full.reviews(state="open", limit=1)[0]
    assert review["answers"] == [] and review["state"] == "open"
    assert dt.date.fromisoformat(review["due_on"]) > dt.date(2025, 9, 1)
    full.act({"specversion": "1.0", "id": "r1", "source": "xinfeng/console",
              "type": "review.answered", "subject": review["subject"],
              "time": "2020-01-01T00:00:00Z",
              "data": {"review": review["id"], "department": review["departments"][0],
                       "decision": "keep", "reason": "整改未完成，维持原等级。"}})
    after = full.review(review["id"])
    assert after is not None
    (answer,) = after["answers"]
    assert (answer["decision"], answer["reason"]) == ("keep", "整改未完成，维持原等级。")
    assert full.review("review-none") is None


def test_threads(made: EmbeddedService) -> None:
    """Four writers with overlapping events and two readers: every event goes in once."""
    raws = list(city(40, 200, 1, dt.date(2025, 9, 1), iot=False))
    parts = [raws[n::4] + raws[:20] for n in range(4)]
    receipts, failures = [], list[BaseException]()

    def guarded(work: Callable[[], None]) -> Callable[[], None]:
        def run() -> None:
            try:
                work()
            except BaseException as error:
                failures.append(error)
        return run

    def write(part: list[bytes]) -> None:
        for n in range(0, len(part), 15):
            receipts.append(made.submit(part[n : n + 15], "test"))

    def read() -> None:
        for _ in range(30):
            made.summary()
            made.alerts(limit=5)
            made.subjects(limit=5)
            for row in made.subjects(limit=2):
                assert made.show(row["subject"]) is not None
            made.metrics_text()

    threads = [threading.Thread(target=guarded(lambda p=p: write(p))) for p in parts]
    threads += [threading.Thread(target=guarded(read)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures, failures
    assert sum(r.accepted for r in receipts) == len(raws)
    assert sum(r.duplicates for r in receipts) == 80
    assert made.runner.shard.counts.accepted == len(raws)


def test_a_failed_append_ends_the_process(
        made: EmbeddedService, monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture) -> None:
    class Ended(BaseException):
        pass

    def ended(code: int) -> None:
        raise Ended(code)

    def broken(*_: Any) -> None:
        raise sqlite3.OperationalError("disk I/O error")

    monkeypatch.setattr("streams.service.os._exit", ended)
    monkeypatch.setattr(made.runner.store, "commit", broken)
    with caplog.at_level(logging.CRITICAL), pytest.raises(Ended, match="1"):
        made.submit([event(1)], "test")
    assert "disk I/O error" in caplog.text and len(caplog.records) == 1


def test_what_is_acknowledged_survives(tmp_path: Path) -> None:
    service = EmbeddedService(Embedded(tmp_path, load.policy()), Clock(NOW_MS))
    service.submit([event(n) for n in range(10)], "test")
    digest = service.runner.digest()
    service.close()
    with pytest.raises(RuntimeError, match="stopped"):
        service.submit([event(11)], "test")
    again = Embedded(tmp_path, None)
    assert again.digest() == digest and again.shard.counts.accepted == 10
    again.close()


# ----------------------------------------------------------------------------------------- reading


def test_show_now_and_then(made: EmbeddedService) -> None:
    made.submit([event(1, time_ms=NOW_MS - 40 * DAY_MS), event(2)], "test")

    def events(row: dict[str, Any] | None) -> int:
        assert row is not None
        return sum(len(c["events"]) for c in row["items"]["cq1-17"]["contributions"])

    assert events(made.show(SUBJECT)) == events(made.show(SUBJECT, NOW_MS + DAY_MS)) == 2
    then = made.show(SUBJECT, NOW_MS - 30 * DAY_MS)
    assert events(then) == 1 and then is not None
    assert then["as_of"] == iso_ms(NOW_MS - 30 * DAY_MS)
    assert made.show(SUBJECT, NOW_MS - 50 * DAY_MS) is None
    assert made.show("nobody") is None and made.facts("nobody", 5) == ([], None)


def test_facts_newest_first(full: EmbeddedService) -> None:
    subject = max(full.runner.shard.subjects.values(), key=lambda s: len(s.facts)).key
    facts = full.facts(subject, 10_000)[0]
    assert [f["time"] for f in facts] == sorted((f["time"] for f in facts), reverse=True)
    assert full.facts(subject, 2)[0] == facts[:2]
    assert all(f["text_zh"] and f["text_en"] and f["source"] and f["id"] for f in facts)


def test_pages_of_alerts_make_the_whole(full: EmbeddedService) -> None:
    whole = full.alerts(limit=100_000)
    assert len(whole) == len({a["id"] for a in whole}) > 50
    opened = [a["opened_at"] for a in whole]
    assert opened == sorted(opened, reverse=True)
    pages, before = [], None
    while page := full.alerts(limit=7, before=before):
        pages += page
        before = page[-1]["id"]
    assert pages == whole
    assert full.alerts(before="nothing-by-that-name") == []
    rule = whole[0]["rule"]
    assert full.alerts(rule=rule, limit=100_000) == [a for a in whole if a["rule"] == rule]
    subject = whole[3]["subject"]
    assert full.alerts(subject=subject, limit=100_000) == [
        a for a in whole if a["subject"] == subject]
    assert {a["level"] for a in full.alerts(level="orange", state="firing", limit=9)} == {"orange"}
    assert full.alert(whole[5]["id"]) == whole[5] and full.alert("none") is None
    assert all(a["name"] for a in whole)


def test_evidence_is_named_with_its_particulars(full: EmbeddedService) -> None:
    texts = [e["text_zh"] for a in full.alerts(rule="grade-drop") for e in a["evidence"]]
    penalties = [t for t in texts if "行政处罚" in t]
    assert penalties and all(t.endswith(("（轻微）", "（一般）", "（严重）")) for t in penalties)


def test_pages_of_reviews_make_the_whole(full: EmbeddedService) -> None:
    whole = full.reviews(limit=1000)
    opened = [r["opened_at"] for r in whole]
    assert opened == sorted(opened, reverse=True) and len(whole) > 5
    pages, before = [], None
    while page := full.reviews(limit=3, before=before):
        pages += page
        before = page[-1]["id"]
    assert pages == whole and full.reviews(before="none") == []
    assert full.reviews(state="open", limit=1000) + full.reviews(state="closed", limit=1000) == (
        sorted(whole, key=lambda r: r["state"] == "closed"))


def test_changes_are_every_transition_once(full: EmbeddedService) -> None:
    seen, after = [], 0
    while rows := full.changes(after, 50):
        seen += rows
        after = rows[-1]["seq"]
    seqs = [r["seq"] for r in seen]
    assert seqs == sorted(set(seqs)) and after == full.last_seq()
    latest = {r["id"]: r for r in seen}
    assert latest == {a["id"]: a for a in full.alerts(limit=100_000)}
    assert full.changes(after, 5) == []


def test_search_of_subjects(full: EmbeddedService) -> None:
    rows = full.subjects(limit=1000)
    assert [r["subject"] for r in rows] == sorted(r["subject"] for r in rows)
    assert len(rows) == full.summary()["subjects"]
    half = full.subjects(limit=60)
    assert half + full.subjects(limit=1000, after=half[-1]["subject"]) == rows
    name = rows[10]["name"]
    assert rows[10] in full.subjects(q=name[2:6]) and full.subjects(q=rows[10]["subject"][3:])
    assert full.subjects(q="%") == full.subjects(q="_") == full.subjects(q="\\") == []
    assert full.subjects(q="' OR 1=1 --") == []
    for key in ("district", "kind"):
        value = rows[0][key]
        assert full.subjects(**{key: value}, limit=1000) == [r for r in rows if r[key] == value]
    graded = full.subjects(grade="A", limit=1000)
    assert graded == [r for r in rows if r["public_grade"] == "A"] != []


def test_dead_letters_keep_bytes_but_no_complainant(made: EmbeddedService) -> None:
    made.submit([b"\xff\xfe{}", event(1, data={"item": "no", "complainant": "13800138000"})],
                "folder:x.ndjson")
    second, first = made.rejects(limit=10)
    assert first["origin"] == second["origin"] == "folder:x.ndjson"
    assert first["raw_base64"] == "//57fQ==" and first["at"] == iso_ms(NOW_MS)
    assert "13800138000" not in second["raw"] and json.loads(second["raw"])["id"] == "e1"
    assert len(made.rejects(limit=1)) == 1


def test_summary_counts_what_is_there(full: EmbeddedService) -> None:
    full._situation._summary.forget()
    summary, shard = full.summary(), full.runner.shard
    alerts = [a for s in shard.subjects.values() for a in (s.alerts or {}).values()
              if a.state in ("pending", "firing", "acknowledged")]
    assert sum(summary["alerts_open"].values()) == len(alerts)
    assert sum(summary["alerts_by_rule"].values()) == len(alerts)
    assert sum(summary["grades"].values()) == summary["subjects"] == (
        len(shard.subjects) - shard.others)
    assert summary["events"] == shard.counts.accepted
    assert summary["reviews_open"] == len(full.reviews(state="open", limit=1000))
    assert summary["policy"] == {"hash": full.runner.card.hash, "version": "2026-11"}


def test_metrics_are_those_declared(full: EmbeddedService) -> None:
    text = full.metrics_text().decode()
    families = {f.name: f for f in text_string_to_metric_families(text)}
    for declared in metrics.METRICS:
        family = families[declared.name.removesuffix("_total")]
        assert family.type == declared.type and family.documentation == declared.help
        assert family.samples, declared.name
        for sample in family.samples:
            assert set(sample.labels) == set(declared.labels)
            assert not set(sample.labels.values()) & set(full.runner.shard.subjects)
    opened = {(s.labels["rule"], s.value) for s in families["xinfeng_alerts_opened"].samples}
    assert {rule for rule, _ in opened} == set(full.runner.opened)
    assert families["xinfeng_subjects"].samples[0].value == len(
        full.runner.shard.subjects) - full.runner.shard.others
    with pytest.raises(AssertionError, match="not declared"):
        metrics.text({"xinfeng_made_up": [((), 1)]})


def test_playing_history_gives_the_state_of_the_log(tmp_path: Path) -> None:
    raws = list(city(60, 200, 3, dt.date(2025, 9, 1)))
    service = EmbeddedService(Embedded(tmp_path, load.policy()), Clock(NOW_MS))
    for n in range(0, len(raws), 100):
        service.submit(raws[n : n + 100], "demo", event_time=True)
    from streams import digest

    assert digest.total([replay(service.runner.store).shard]) == service.runner.digest()
    service.close()
