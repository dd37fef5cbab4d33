"""Goal: what is counted for Prometheus is what happened.

Method: a simulated city is folded in envelopes; each count is compared with one made from the
log's events, the view and the state in the plainest way. The cut-off of labels is shown by flooding
it.
"""

from __future__ import annotations

import datetime as dt
import threading
import time
from collections import Counter
from typing import Any

import events as ev
import msgspec
import pytest
from prometheus_client.parser import text_string_to_metric_families

from config import load
from models import events as e
from models.grade import STEP, letter
from storage.effects import Reason
from streams import codec, metrics
from streams.coverage import coverage
from streams.declared import LABELS_MAX, LATENESS
from streams.embedded import Embedded
from streams.kept import Kept
from streams.pipeline import Entry, Shard
from streams.refused import Refused
from streams.service import EmbeddedService
from streams.simulate import city
from streams.situation import by_district
from streams.tally import Tally
from streams.view import District

NOW_MS = 1_790_000_000_000


@pytest.fixture(scope="module")
def played() -> EmbeddedService:
    service = EmbeddedService(Embedded(None, load.policy()), lambda: NOW_MS)
    raws = list(city(100, 330, 3, dt.date(2025, 9, 1)))
    for n in range(0, len(raws), 200):
        service.submit(raws[n : n + 200], "demo", event_time=True)
    # One code that is wrong, an id used for two events, and no event at all.
    first = msgspec.json.decode(raws[0])
    wrong = ({**first, "id": "w", "subject": first["subject"][:-1] + "I"},
             {**first, "data": {**first["data"], "name": "甲"}})
    service.submit([*map(msgspec.json.encode, wrong), b"x"], "test", event_time=True)
    return service


def shown(service: EmbeddedService) -> dict[str, dict[tuple[str, ...], float]]:
    """Metric -> label values in the declared order -> value."""
    labels = {m.name: m.labels for m in metrics.ALL}
    out: dict[str, dict[tuple[str, ...], float]] = {}
    for family in text_string_to_metric_families(service.metrics_text().decode()):
        for sample in family.samples:
            names = labels.get(sample.name, tuple(sorted(sample.labels)))
            out.setdefault(sample.name, {})[
                tuple(sample.labels[name] for name in names)] = sample.value
    return out


def log_of(service: EmbeddedService) -> list[Entry]:
    return [entry for _, body in service.runner.store.read(0)
            for entry in codec.decode_envelope(body)]


def test_counts_are_those_of_the_log(played: EmbeddedService) -> None:
    found, log = shown(played), log_of(played)
    assert {k[0]: v for k, v in found["xinfeng_events_taken_total"].items()} == Counter(
        str(x.event.__struct_config__.tag) for x in log if not isinstance(x.event, e.PolicyChanged))
    sources = Counter(x.event.source for x in log if isinstance(x.event, e.CloudEvent))
    assert {k[0]: v for k, v in found[f"{LATENESS.name}_count"].items()} == sources
    late_s = sum(x.recorded_ms / 1000 - x.event.time.timestamp() for x in log
                 if isinstance(x.event, e.CloudEvent))
    assert sum(found[f"{LATENESS.name}_sum"].values()) == pytest.approx(late_s, rel=1e-6)
    inspected = [x.event.data.result for x in log if isinstance(x.event, e.InspectionCompleted)]
    by_result: Counter[str] = Counter()
    for (_, result), n in found["xinfeng_inspections_total"].items():
        by_result[result] += round(n)
    assert by_result == Counter(inspected) and len({g for g, _ in found[
        "xinfeng_inspections_total"]}) >= 3
    dead = found["xinfeng_dead_letters_total"]
    assert dead == Counter((row["reason"]["field"] or "body",) for row in played.rejects(limit=-1))
    assert {("subject",), ("id",), ("body",)} <= set(dead)


def test_migration_leads_to_the_grades_of_the_view(played: EmbeddedService) -> None:
    """Who came to a grade and did not leave it has it; direct rules apart."""
    found = shown(played)
    moved = found["xinfeng_grade_changes_total"]
    held = Counter(letter(s.last_step(0)[1]) for s in played.runner.shard.subjects.values())
    for grade in "ABCD":
        net = (sum(n for (_, now), n in moved.items() if now == grade)
               - sum(n for (was, _), n in moved.items() if was == grade))
        assert net == held[grade], grade
    businesses = found["xinfeng_businesses"]
    grades = played.summary()["grades"]
    assert {g: sum(n for (_, x), n in businesses.items() if x == g) for g in grades} == grades
    opened = played.summary()["alerts_open"]
    assert {k: sum(n for (_, level), n in found["xinfeng_alerts_open"].items() if level == k)
            for k in opened} == opened
    assert found["xinfeng_model_examples"][()] > 0 and len(found["xinfeng_model_auc"]) >= 4


def test_the_coverage_is_that_of_the_slow_look(played: EmbeddedService) -> None:
    shard, card = played.runner.shard, played.runner.card
    grades: Counter[tuple[str, str]] = Counter()
    for subject in shard.subjects.values():
        last = {item: grade for item, _, grade in STEP.iter_unpack(subject.path)}
        for item, grade in last.items():
            if item:
                grades[card.department_of[item], letter(grade)] += 1
    found = coverage(shard.subjects.values(), card)
    assert found.grades == grades and len({d for d, _ in grades}) > 5
    businesses = [s for s in shard.subjects.values() if s.registration() is not None]
    assert found.registered == len(businesses) > found.known > 0
    assert found.known == sum(bool(s.facts or s.signals or s.path) for s in businesses)
    assert coverage([], None) == (0, 0, {})


def test_an_inspection_counts_for_the_grade_before_it() -> None:
    """It may move the grade in the same envelope."""
    runner = Embedded(None, load.policy())
    runner.tally = Tally()
    service = EmbeddedService(runner, lambda: NOW_MS)
    first: dict[str, Any] = next(
        msgspec.json.decode(raw) for raw in city(150, 300, 3, dt.date(2025, 9, 1))
        if b'"inspection.completed"' in raw)
    code = ev.codes(1)[0]
    for n in range(40):
        at = dt.datetime(2026, 1, 1, tzinfo=dt.UTC) + dt.timedelta(days=n)
        event = {**first, "id": f"i{n}", "subject": code, "time": at.isoformat()}
        event["data"] = {**event["data"], "result": "fail"}
        service.submit([msgspec.json.encode(event)], "test", event_time=True)
    path = [(0, "ungraded")] + [(day, letter(grade)) for item, day, grade in STEP.iter_unpack(
        runner.shard.subjects[code].path) if item == 0]
    found = shown(service)["xinfeng_inspections_total"]
    assert found[("ungraded", "fail")] >= 1 and sum(found.values()) == 40
    assert {grade for grade, _ in found} <= {grade for _, grade in path}


def test_labels_are_cut_off() -> None:
    refused = Refused()
    for n in range(3 * LABELS_MAX):
        refused.note(Reason(f"data.x{n}[3].y", "", "", ""))
    rows = dict(refused.values()["xinfeng_dead_letters_total"])
    assert len(rows) == LABELS_MAX and sum(map(float, rows.values())) == 3 * LABELS_MAX  # type: ignore[arg-type]
    assert ("data.x0",) in rows and rows[("other",)] == 2 * LABELS_MAX + 1
    tally = Tally()
    event = codec.decode(msgspec.json.encode({
        "specversion": "1.0", "id": "a", "source": "s", "type": "subject.cancelled",
        "subject": ev.codes(1)[0], "time": "2026-01-01T00:00:00Z", "data": {}}))
    for n in range(3 * LABELS_MAX):
        tally.take([Entry(NOW_MS, b"", msgspec.structs.replace(event, source=f"s{n}"))], [],
                   Shard())
    assert len(tally.values()[LATENESS.name]) == LABELS_MAX
    districts = by_district({f"5{n:05}": District({"A": 1 + n}, {}) for n in range(100)})
    assert len(districts) == LABELS_MAX and sum(float(n) for _, n in districts) == 5050  # type: ignore[arg-type]
    assert dict(districts)[("other", "A")] == sum(range(1, 42))


def test_a_slow_count_holds_nobody_up() -> None:
    """The first is waited for; then the last one is given while the next is made."""
    calls, go = [0], threading.Event()

    def make() -> int:
        calls[0] += 1
        if calls[0] == 2:
            go.wait(60)
        time.sleep(0.03)
        return calls[0]

    kept = Kept(make, 1.0)
    assert kept.get() == 1
    time.sleep(0.05)
    assert kept.get() == 1, "the second was waited for"
    assert kept.age_s() > 0.04
    go.set()
    until = time.monotonic() + 60
    while kept.get() == 1:
        assert time.monotonic() < until
        time.sleep(0.01)
    assert calls[0] >= 2


def test_what_a_count_raises_is_raised_once() -> None:
    calls: list[int] = []

    def make() -> int:
        calls.append(1)
        time.sleep(0.03)
        if len(calls) == 2:
            raise ConnectionError("away")
        return len(calls)

    kept = Kept(make, 1.0)
    assert kept.get() == 1
    time.sleep(0.05)
    seen: list[object] = []
    until = time.monotonic() + 60
    while not seen or seen[-1] != 3:
        assert time.monotonic() < until
        try:
            seen.append(kept.get())
        except ConnectionError as error:
            seen.append(str(error))
        time.sleep(0.01)
    assert seen.count("away") == 1
