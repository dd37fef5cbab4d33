"""Goal: the walk over the city gives one complete table, of every business, while the service goes
on; departments, devices and groups are those of the states, and pages never wait.

Method: the embedded service in memory and on disk with a small city; what people do about alerts
and reviews, and dead letters, are planted and found again; a fleet of devices with faults; the walk
is stopped half way and races with appends.
"""

from __future__ import annotations

import datetime as dt
import json
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import events as ev
import fleet
import pytest

from config import load
from models.calendar import from_date, start_ms
from models.departments import named, quarter_of
from models.ledger import DAY_MS
from storage.effects import AlertChanged
from streams import census, cli, codec, device_view
from streams.batch import process
from streams.census import Census, Glimpse
from streams.embedded import Embedded
from streams.service import EmbeddedService
from streams.show import iso_ms
from streams.simulate import city

START = dt.date(2025, 10, 1)


class Clock:
    def __init__(self) -> None:
        self.now_ms = 0

    def __call__(self) -> int:
        return self.now_ms


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("census") / "store"
    with ev.quick_cards():
        runner = Embedded(folder, load.policy())
        clock = Clock()
        clock.now_ms = 1_790_000_000_000
        service = EmbeddedService(runner, clock)
        service.submit(list(city(120, 250, 4, START)), "test", event_time=True)
        clock.now_ms = runner.shard.clock_ms + 60_000
        _people(service)
        service.close()
    return folder


def _people(service: EmbeddedService) -> None:
    """Two yellow alerts are answered, one of them at once; three letters are dead."""
    now = iso_ms(service.runner.shard.clock_ms)
    told = [a for a in service.alerts(limit=5_000) if a["level"] == "yellow"
            and a["state"] == "firing" and a["departments"] and a["subject"]]
    for n, alert in enumerate((told[0], told[-1])):
        receipt = service.act({
            "specversion": "1.0", "id": f"ack{n}", "source": "console",
            "type": "alert.acknowledged", "subject": alert["subject"], "time": now,
            "data": {"alert": alert["id"], "actor": "王敏"}})
        assert receipt.accepted == 1, receipt
    data = {"item": "cq1-17", "kind": "complaint", "category": "x"}
    letter = {"specversion": "1.0", "id": "d1", "source": "cq/12345", "type": "complaint.filed",
              "subject": "91500106MA60AB125X", "time": now, "data": data}
    bad = [letter, letter | {"subject": told[0]["subject"], "data": data | {"kind": "odd"}},
           letter | {"data": data | {"item": "nowhere"}}]
    assert len(service.submit([json.dumps(x).encode() for x in bad], "test").rejected) == 3


@pytest.fixture(scope="module")
def service(store: Path) -> Iterator[EmbeddedService]:
    with ev.quick_cards():
        service = EmbeddedService(Embedded(store, None))
        assert service.departments()["as_of"] is None
        assert service.devices()["as_of"] is None
        service.census.walk()
        yield service
        service.close()


def test_models_show_the_newer_report(service: EmbeddedService,
                                      monkeypatch: pytest.MonkeyPatch) -> None:
    """A walk over a large city takes ten minutes; the analyst of a cluster writes its report to the
    view meanwhile."""
    table = service.census.table
    assert table is not None and table.report is not None
    day = table.report["as_of_day"]
    for held, shown in ((None, day), (day - 3, day), (day + 3, day + 3)):
        report = None if held is None else {**table.report, "as_of_day": held}
        monkeypatch.setattr(service._view, "models", lambda given=report: given)
        assert service.models()["report"]["as_of_day"] == shown


def quarters(service: EmbeddedService) -> list[dict[str, Any]]:
    return [service.departments(quarter=q) for q in service.departments()["quarters"]]


def test_every_business_and_record_is_counted(service: EmbeddedService) -> None:
    table = service.census.table
    assert table is not None
    shard = service.runner.shard
    assert table.subjects == service.summary()["subjects"] == len(shard.subjects) - shard.others
    whole = sum(found["city"]["records"] for found in quarters(service))
    items = sum(bool(e["item"]) for s in shard.subjects if shard.subjects[s].is_business
                for e in service.facts(s, 10_000)[0])
    assert whole == items > 300
    assert service.departments()["as_of"] == iso_ms(shard.clock_ms)


def test_acts_overdue_are_those_that_alerts_name(service: EmbeddedService) -> None:
    """The other way round to the same number: the alerts of the step."""
    late = Counter[str]()
    for subject in service.runner.shard.subjects.values():
        for alert in (subject.alerts or {}).values():
            if alert.rule == "publication-overdue" and alert.facts.get("late"):
                late[service.runner.card.department_of[alert.item]] += 1
    counted = Counter[str]()
    for found in quarters(service):
        for row in found["departments"]:
            counted[row["department"]] += row["overdue"]
    # The alert of a business that closed is over; its act is not public for all that.
    closed = [s for s in service.runner.shard.subjects.values() if s.cancelled_day]
    assert late and late.keys() <= (+counted).keys()
    assert 0 <= counted.total() - late.total() <= 5 * len(closed)


def test_answers_and_letters_are_found(service: EmbeddedService) -> None:
    alerts: dict[str, AlertChanged] = {}
    held = service.census._held
    for part in held.alerts_held():
        alerts |= {a.id: a for a in part}
    said = [a for a in alerts.values() if a.state == "acknowledged"]
    assert len(said) == 2
    offset = service.runner.card.offset_ms
    for alert in said:
        q = named(quarter_of((alert.opened_ms + offset) // DAY_MS))
        found = service.departments(quarter=q)
        for name in alert.departments:
            row = next(r for r in found["departments"] if r["department"] == name)
            assert row["alert_answer_h"] is not None, (alert.id, q)
    rows = service.departments()["departments"]
    market = next(r for r in rows if r["department"] == "市市场监管局")
    assert market["codes"]["wrong"] == 1
    assert market["completeness"]["whole"] - market["completeness"]["part"] == 1
    assert service.departments()["city"]["unattributed"] == 1


def test_reviews_are_counted_for_each_department(service: EmbeddedService) -> None:
    rows = [r for found in quarters(service) for r in found["departments"]]
    reviews = {r["id"]: r for r in service.reviews(limit=1_000)}
    assert reviews and sum(r["reviews"]["whole"] for r in rows) > 0
    asked = sum(len(a["departments"]) for a in service.alerts(rule="grade-gap", limit=1_000))
    assert sum(r["reviews"]["whole"] for r in rows) <= asked


def test_groups_add_up(service: EmbeddedService) -> None:
    groups = service.models()["groups"]["by"]
    by = {d: sum(g["subjects"] for g in groups if g["dimension"] == d) for d in census.DIMENSIONS}
    assert len(set(by.values())) == 1 and by["size"] > 100
    assert all(0 <= g["low_share"] <= 1 and sum(g["grades"].values()) == g["graded"]
               for g in groups if g["graded"])


def test_districts_add_up(service: EmbeddedService) -> None:
    """To the groups by district, and to the open alerts of the view."""
    found = service.districts()
    rows = found["districts"]
    groups = {g["value"]: g for g in service.models()["groups"]["by"]
              if g["dimension"] == "district"}
    assert {row["district"] for row in rows} == groups.keys() and len(rows) > 10
    for row in rows:
        group, low, was = groups[row["district"]], row["low"], row["low_before"]
        assert (row["subjects"], low["whole"]) == (group["subjects"], group["graded"])
        assert low["rate"] == group["low_share"] and was["whole"] <= row["subjects"]
        assert row["alerts_per_1000"] == round(
            1000 * sum(row["alerts_open"].values()) / row["subjects"], 1)
    rates = [row["low"]["rate"] for row in rows]
    assert rates == sorted(rates, key=lambda x: -1 if x is None else x, reverse=True)
    assert [row["rank"] for row in rows] == [
        None if rate is None else 1 + sum(other is not None and other > rate for other in rates)
        for rate in rates]
    total = sum(sum(row["alerts_open"].values()) for row in rows)
    assert 0 < total <= sum(service.summary()["alerts_open"].values())
    assert any(row["change"] for row in rows) and sum(row["low_before"]["part"] for row in rows)


def test_a_district_is_held_against_the_end_of_the_quarter_before(tmp_path: Path) -> None:
    """The restaurant of the README: B on 30 June, C on 30 September by a fine of 1 September."""
    runner = Embedded(tmp_path, load.policy())
    process(runner, [str(Path(__file__).parents[2] / "docs" / "example" / "restaurant.ndjson")])
    clock = Clock()
    clock.now_ms = runner.shard.clock_ms
    service = EmbeddedService(runner, clock)
    subject = "91500106MA60AB125D"
    for until, before, day, change in ((dt.date(2025, 9, 1), "2025Q2", "2025-06-30", 1.0),
                                       (dt.date(2025, 10, 8), "2025Q3", "2025-09-30", 0.0)):
        clock.now_ms = max(clock.now_ms, start_ms(from_date(until)) + DAY_MS // 2)
        service.tick()
        service.census.walk()
        found = service.districts()
        (row,) = found["districts"]
        asked = service.show(subject, start_ms(from_date(dt.date.fromisoformat(day)) + 1) - 1)
        assert asked is not None
        grade = asked["public"]["grade"]
        assert (found["quarter_before"], row["district"]) == (before, "500106")
        assert row["low_before"]["part"] == (grade in ("C", "D")) == 1 - change
        assert row["low"] == {"part": 1, "whole": 1, "rate": 1.0} and row["change"] == change
    service.close()


def test_the_command_says_the_same(service: EmbeddedService, store: Path,
                                   capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    q = service.departments()["quarters"][-1]
    assert cli.invoke(["departments", "--quarter", q, "--store", str(store), "--json"]) == 0
    got = json.loads(capfdbinary.readouterr().out)
    assert got == json.loads(json.dumps(service.departments(quarter=q)))
    assert cli.invoke(["departments", "--store", str(store), "--csv"]) == 0
    assert capfdbinary.readouterr().out.startswith(b"\xef\xbb\xbf")
    assert cli.invoke(["departments", "--store", str(store), "--lang", "en"]) == 0
    assert "市市场监管局".encode() in capfdbinary.readouterr().out
    for wrong in (["--quarter", "Q3"], ["--csv", "--json"]):
        assert cli.invoke(["departments", "--store", str(store), *wrong]) == 2
        assert b"--" in capfdbinary.readouterr().err


# ---------------------------------------------------------------------------- while it goes on


def test_a_walk_that_is_stopped_leaves_the_last_table(service: EmbeddedService) -> None:
    before = service.census.table
    calls: list[float] = []

    def wait(seconds: float) -> bool:
        calls.append(seconds)
        return len(calls) > 1

    service.census.walk(wait)
    assert service.census.table is before
    assert len(calls) == 2 and all(s > 0 for s in calls)


def test_pages_do_not_wait_for_a_walk(service: EmbeddedService) -> None:
    """While a walk rests in the middle, everything is answered from the table before."""
    reached, go = threading.Event(), threading.Event()

    def wait(seconds: float) -> bool:
        reached.set()
        assert go.wait(120)
        return False

    walker = threading.Thread(target=service.census.walk, args=(wait,))
    walker.start()
    try:
        assert reached.wait(60)
        assert service.departments()["as_of"] is not None
        assert service.devices()["as_of"] is not None
        assert service.models()["groups"] is not None
    finally:
        go.set()
        walker.join(60)


def test_a_walk_races_with_appends() -> None:
    """No walk fails, and the last one has everything."""
    with ev.quick_cards():
        clock = Clock()
        clock.now_ms = 1_790_000_000_000
        made = EmbeddedService(Embedded(None, load.policy()), clock)
        raws = list(city(60, 90, 9, START))
        stop, failed = threading.Event(), list[BaseException]()

        def walk() -> None:
            try:
                while not stop.is_set():
                    made.census.walk()
            except BaseException as error:  # a thread's outermost frame: the test tells of it
                failed.append(error)

        walker = threading.Thread(target=walk)
        walker.start()
        for n in range(0, len(raws), 40):
            made.submit(raws[n : n + 40], "test", event_time=True)
        stop.set()
        walker.join(120)
        made.census.walk()
        assert failed == []
        assert made.census.table is not None
        assert made.census.table.subjects == made.summary()["subjects"]
        made.close()


def test_before_any_policy_there_is_no_table() -> None:
    class Nothing:
        def now(self) -> tuple[None, int]:
            return None, 0

    empty = Census(Nothing())  # type: ignore[arg-type]
    empty.walk()
    assert empty.table is None


# ---------------------------------------------------------------------------------------- devices


@pytest.fixture(scope="module")
def cold() -> Iterator[EmbeddedService]:
    """Ten cold stores, six of them with a fault each, and a device that nobody knows."""
    with ev.quick_cards():
        clock = Clock()
        made = EmbeddedService(Embedded(None, load.policy()), clock)
        sent = fleet.messages(10)
        clock.now_ms = sent[-1].recorded_ms + fleet.HOUR
        odd = {"specversion": "1.0", "id": "odd", "source": "iot", "type": "iot.readings",
               "subject": ev.codes(1)[0], "time": iso_ms(clock.now_ms - fleet.HOUR),
               "data": {"item": fleet.ITEM, "series": [{
                   "device": "d/2 &", "class": "x", "metric": "y", "unit": "", "t": [
                       clock.now_ms - fleet.HOUR], "v": [1.0]}]}}
        raws = [codec.as_json(x.event) for x in sent]
        made.submit([*raws, json.dumps(odd).encode()], "test", event_time=True)
        made.tick()
        made.census.walk()
        yield made
        made.close()


def test_devices_by_state(cold: EmbeddedService) -> None:
    every = cold.devices(limit=500)
    assert every["counts"]["all"] == len(every["devices"]) == 11
    for state, rules in census.STATES.items():
        found = {(x["subject"], x["device"]) for x in cold.devices(state=state)["devices"]}
        wanted = {(s.key, a.facts["device"]) for s in cold.runner.shard.subjects.values()
                  for a in (s.alerts or {}).values()
                  if a.rule in rules and a.state in ("pending", "firing", "acknowledged")}
        assert found == wanted, state
        assert every["counts"][state] == len(found)
    assert every["counts"]["suspicious"] >= 3
    assert {x["state"] for x in cold.devices(state="well")["devices"]} == {"well"}


def test_devices_in_pages_and_by_filter(cold: EmbeddedService) -> None:
    got, after = [], ""
    while True:
        page = cold.devices(limit=3, after=after)
        got += page["devices"]
        after = page["next"] or ""
        if not after:
            break
    assert got == cold.devices(limit=500)["devices"]
    one = ev.codes(10)[4]
    assert [x["subject"] for x in cold.devices(subject=one[3:])["devices"]] == [one]
    assert cold.devices(item="cq1-18")["devices"] == []
    assert cold.devices(district="99")["devices"] == []


def shown(cold: EmbeddedService, n: int) -> dict[str, Any]:
    found = cold.device(ev.codes(10)[n], fleet.ITEM, "d1")
    assert found is not None
    return found


@pytest.mark.parametrize("n", range(10))
def test_hours_are_those_of_the_readings(cold: EmbeddedService, n: int) -> None:
    t, v, flags = fleet.readings(n)
    wanted: dict[int, list[float]] = {}
    for ms, value, flag in zip(t.tolist(), v.tolist(), flags or ["N"] * t.size, strict=True):
        if flag == "N" and value == value:
            wanted.setdefault(ms // fleet.HOUR * fleet.HOUR, []).append(value)
    [series] = shown(cold, n)["series"]
    assert [row[0] for row in series["hours"]] == list(wanted)
    for (_, lo, hi), values in zip(series["hours"], wanted.values(), strict=True):
        assert (lo, hi) == (pytest.approx(min(values), abs=1e-4), pytest.approx(max(values),
                                                                              abs=1e-4))
    assert (series["low"], series["high"], series["unit"]) == (0.0, 8.0, "°C")
    planted = fleet.fault_of(n)
    kinds = {p["kind"] for p in series["periods"]}
    assert ("maintenance" in kinds) == (planted == "service")
    assert ("null" in kinds) == (planted == "nulls")
    inside = [lo <= a and b <= hi for (x, a, b) in series["hours"] for (y, lo, hi)
              in series["usual"] if x == y]
    assert len(inside) > 400
    if not planted:
        assert sum(inside) / len(inside) > 0.97


def test_nobody_is_accused_because_of_a_broken_sensor(cold: EmbeddedService) -> None:
    stuck = fleet.FAULTS.index("stuck")
    found = shown(cold, stuck)
    rules = {f["rule"] for f in found["series"][0]["found"]}
    assert "iot-fault" in rules and "iot-tamper" not in rules
    assert set(found["states"]) == rules
    assert {a["rule"] for a in found["alerts"]} >= rules
    # 85 degrees in every cell that came: one stretch, not one for each reading.
    assert len(found["series"][0]["beyond"]) == 1


def test_what_is_not_kept_is_not_shown(cold: EmbeddedService) -> None:
    subject = ev.codes(1)[0]
    found = cold.device(subject, fleet.ITEM, "d/2 &")
    assert found is not None
    [series] = found["series"]
    assert (series["kept"], series["known"], series["hours"]) == ("nothing", False, [])
    for wrong in ((subject, fleet.ITEM, "d9"), (subject, "cq1-18", "d1"), (subject, "no", "d1"),
                  ("nobody", fleet.ITEM, "d1")):
        assert cold.device(*wrong) is None


def test_a_page_changes_nothing(cold: EmbeddedService) -> None:
    before = cold.runner.digest()
    for n in range(10):
        shown(cold, n)
    assert cold.runner.digest() == before
    assert device_view.GAP_H == 2
    held = cold.runner.shard.subjects[ev.codes(1)[0]]
    assert isinstance(census.glimpse(held), Glimpse)


# ----------------------------------------------------------------------------------------- policy


def test_policies_and_their_difference() -> None:
    with ev.quick_cards():
        runner = Embedded(None, load.policy())
        made = EmbeddedService(runner)
        raws = list(city(20, 30, 9, START))
        made.submit(raws, "test", event_time=True)
        runner.append([ev.change("nervous", runner.shard.clock_ms)], [b""])
        found = made.policies()
        assert [p["version"] for p in found["policies"]] == [
            ev.policy("nervous").version, load.policy().version]
        assert found["in_force"] == runner.card.hash == found["policies"][0]["hash"]
        assert found["policies"][1]["since"] is None and found["policies"][0]["since"] is not None
        old, new = (p["hash"] for p in reversed(found["policies"]))
        changes = made.policy_diff(old, new)
        assert changes is not None
        by = {c["key"]: (c["from"], c["to"]) for c in changes}
        assert by["bands.a"] == (663.0, 680.0) and by["gap.levels"] == (2, 1)
        assert "score.pdo" not in by
        assert made.policy_diff(old, old) == [] and made.policy_diff(old, "nowhere") is None
        document = made.policy(new)
        assert document is not None and document["bands"]["a"] == 680.0
        made.close()
