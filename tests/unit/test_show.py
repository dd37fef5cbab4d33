"""Goal: what `show` says adds up exactly, follows from the log alone, and its advice works.

Method: a simulated year of 300 subjects, and random histories in any order of arrival. `describe`
on the live shard is compared with `describe` on a fold of the subject's own events; the past, with
a system that stopped there; each path to a better grade is walked with real repair events.
"""

from __future__ import annotations

import datetime as dt
import json
import random
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import events as ev
import msgspec
import pytest

from config import load
from models import iot
from models.calendar import from_date, start_ms
from models.policy import Policy
from streams.batch import Feed
from streams.embedded import Embedded
from streams.options import moment
from streams.show import describe, fold
from streams.simulate import city

FAR_MS = 1 << 42
SUBJECT = "91350100M000100Y43"


def feed(runner: Embedded, raws: Any) -> None:
    taken = Feed(runner, "test", FAR_MS)
    for raw in raws:
        taken.put(raw)
    taken.flush()


@pytest.fixture(scope="module")
def year() -> list[bytes]:
    return list(city(300, 365, 11, dt.date(2025, 10, 1)))


@pytest.fixture(scope="module")
def live(year: list[bytes]) -> Iterator[Embedded]:
    with ev.quick_cards():
        runner = Embedded(None, load.policy())
        feed(runner, year)
        yield runner
        runner.close()


def shown(runner: Embedded, subject: str) -> dict[str, Any]:
    found = describe(runner.shard, subject, runner.shard.clock_ms)
    assert found is not None
    return found


def milli(contributions: list[dict[str, Any]], *, public: bool) -> int:
    return sum(round(1000 * c["points"]) for c in contributions
               if c["record"] == "public" or not public)


def test_contributions_add_up_exactly(live: Embedded) -> None:
    checked = 0
    for key in live.shard.subjects:
        row = shown(live, key)
        for item in row["items"].values():
            parts = item["contributions"]
            assert milli(parts, public=False) == round(1000 * item["risk_score"])
            assert milli(parts, public=True) == round(1000 * item["credit_score"])
            assert all(round(c["points"], 3) == c["points"] for c in parts)
            assert 0 <= item["risk_score"] <= 1000 and 0 < item["risk_probability"] < 1
            checked += len(parts)
        public = row["public"]
        assert milli(public["contributions"], public=True) == round(1000 * public["credit_score"])
        assert {c["record"] for c in public["contributions"]} == {"public"}
    assert checked > 500


def test_a_fold_of_the_log_says_the_same(live: Embedded) -> None:
    keys = sorted(live.shard.subjects)[::3]
    for key in keys:
        alone = fold(live.store, key)
        assert alone is not None and list(alone.subjects) == [key]
        assert describe(alone, key, alone.clock_ms) == shown(live, key)


def test_the_past_is_what_a_system_stopped_there_would_say(
        live: Embedded, year: list[bytes]) -> None:
    then_ms = moment("--as-of", "2026-04-10")
    then = Embedded(None, load.policy())
    decode = msgspec.json.Decoder(dict[str, Any]).decode
    feed(then, (raw for raw in year
                if dt.datetime.fromisoformat(decode(raw)["time"]).timestamp() * 1000 <= then_ms))
    then.tick(then_ms)
    for key in sorted(live.shard.subjects)[::5]:
        past = fold(live.store, key, then_ms)
        before = describe(then.shard, key, then_ms)
        if before is None:
            assert past is None
        else:
            assert past is not None and describe(past, key, then_ms) == before


@pytest.mark.parametrize("seed", range(30))
def test_random_histories_in_any_order_of_arrival(seed: int) -> None:
    """Conflicts, duplicates, late events and a change of policy included."""
    shape = ev.Shape(span_d=200, devices=seed % 3 == 0)
    made = ev.build(ev.draw(seed, 50, shape), shape)
    rng = random.Random(seed)
    rng.shuffle(made)
    raws = [m.raw for m in made]
    raws += rng.sample(raws, 5)
    conflict = json.loads(raws[0])
    conflict["time"] = "2025-11-21T00:00:00Z"
    raws.append(json.dumps(conflict).encode())
    with ev.quick_cards():
        runner = Embedded(None, ev.policy("plain"))
        feed(runner, raws[: len(raws) // 2])
        if seed % 2:
            entry = ev.change("nervous", runner.shard.clock_ms)
            runner.append([entry], [b""])
        feed(runner, raws[len(raws) // 2 :])
        runner.tick(ev.end_ms(made))
        for key in runner.shard.subjects:
            alone = fold(runner.store, key)
            assert alone is not None
            assert describe(alone, key, alone.clock_ms) == shown(runner, key)


def test_what_waited_in_vain_is_not_in_the_fold() -> None:
    """A reference that never arrived became a dead letter; its target came too late for it."""
    penalty = given(1, "penalty.decided", "2026-01-05T08:00:00Z", PENALTY)
    revoked = given(2, "penalty.revoked", "2026-01-06T08:00:00Z", {"of": ref(1)})
    later = given(3, "complaint.filed", "2026-03-06T08:00:00Z", COMPLAINT)
    runner = Embedded(None, load.policy())
    feed(runner, [revoked, later, penalty])
    assert runner.shard.counts.rejected == 1
    row = shown(runner, SUBJECT)
    assert row["repairable"], "the penalty stands"
    alone = fold(runner.store, SUBJECT)
    assert alone is not None and describe(alone, SUBJECT, alone.clock_ms) == row


def test_what_expired_and_was_sent_again_is_in_the_fold() -> None:
    """The first sending became a dead letter, the second found what it names."""
    penalty = given(1, "penalty.decided", "2026-01-05T08:00:00Z", PENALTY)
    revoked = given(2, "penalty.revoked", "2026-01-06T08:00:00Z", {"of": ref(1)})
    later = given(3, "complaint.filed", "2026-03-06T08:00:00Z", COMPLAINT)
    runner = Embedded(None, load.policy())
    feed(runner, [revoked, later, penalty, revoked])
    assert runner.shard.counts.rejected == 1 and runner.shard.counts.duplicates == 0
    assert not shown(runner, SUBJECT)["repairable"], "the penalty is revoked"
    agrees(runner)


def test_what_expired_twice_is_not_in_the_fold() -> None:
    revoked = given(2, "penalty.revoked", "2026-01-06T08:00:00Z", {"of": ref(1)})
    runner = Embedded(None, load.policy())
    feed(runner, [revoked, given(3, "complaint.filed", "2026-03-06T08:00:00Z", COMPLAINT), revoked,
                  given(4, "complaint.filed", "2026-06-06T08:00:00Z", COMPLAINT),
                  given(1, "penalty.decided", "2026-01-05T08:00:00Z", PENALTY)])
    assert runner.shard.counts.rejected == 2 and shown(runner, SUBJECT)["repairable"]
    agrees(runner)


def test_what_was_unfit_and_sent_again_corrected_is_in_the_fold() -> None:
    """A misfit leaves no identity: the corrected event under the same id stands."""
    runner = Embedded(None, load.policy())
    feed(runner, [given(1, "penalty.decided", "2026-01-05T08:00:00Z", PENALTY),
                  given(2, "complaint.filed", "2026-01-05T09:00:00Z", COMPLAINT),
                  given(3, "penalty.revoked", "2026-01-06T08:00:00Z", {"of": ref(2)}),
                  given(3, "penalty.revoked", "2026-01-06T08:00:00Z", {"of": ref(1)})])
    assert runner.shard.counts.rejected == 1 and not shown(runner, SUBJECT)["repairable"]
    agrees(runner)


def test_what_another_subject_had_sent_before_is_not_in_the_fold() -> None:
    """One identity, two subjects: the first stands, and the second has nothing."""
    other = json.loads(given(1, "penalty.decided", "2026-01-05T08:00:00Z", PENALTY))
    other["subject"] = ev.codes(1)[0]
    runner = Embedded(None, load.policy())
    feed(runner, [json.dumps(other).encode(),
                  given(1, "penalty.decided", "2026-01-05T08:00:00Z", PENALTY),
                  given(2, "complaint.filed", "2026-01-05T09:00:00Z", COMPLAINT)])
    assert runner.shard.counts.conflicts == 1 and not shown(runner, SUBJECT)["repairable"]
    agrees(runner)


def test_what_names_a_later_event_does_not_wait_in_vain_in_the_fold() -> None:
    """Dated months before the penalty it revokes, by mistake; the log had the penalty first."""
    runner = Embedded(None, load.policy())
    feed(runner, [given(1, "penalty.decided", "2026-05-05T08:00:00Z", PENALTY),
                  given(2, "penalty.revoked", "2026-01-06T08:00:00Z", {"of": ref(1)})])
    assert not shown(runner, SUBJECT)["repairable"]
    agrees(runner)


def test_readings_under_one_id_are_all_in_the_fold() -> None:
    def readings(value: float) -> bytes:
        at_ms = int(dt.datetime(2026, 1, 5, 8, tzinfo=dt.UTC).timestamp() * 1000)
        return given(1, "iot.readings", "2026-01-05T08:00:00Z", {"item": "cq1-17", "series": [
            {"device": "d1", "class": "coldchain", "metric": "temperature_c", "unit": "C",
             "t": [at_ms - 60_000 * n for n in range(120)], "v": [value] * 120}]})

    runner = Embedded(None, load.policy())
    feed(runner, [readings(4.0), readings(30.0), readings(4.0)])
    assert runner.shard.counts.accepted == 3
    alone = fold(runner.store, SUBJECT)
    assert alone is not None
    one, other = alone.subjects[SUBJECT].devices, runner.shard.subjects[SUBJECT].devices
    assert one is not None and other is not None and list(one) == list(other)
    assert [iot.canonical(s) for s in one.values()] == [iot.canonical(s) for s in other.values()]


@pytest.mark.parametrize("seed", range(20))
def test_random_histories_whose_references_expire(seed: int) -> None:
    """References wait for four days only; half of everything is sent again."""
    shape = ev.Shape(span_d=60, devices=seed % 3 == 0)
    made = ev.build(ev.draw(seed, 60, shape), shape)
    rng = random.Random(seed)
    if seed % 2:
        rng.shuffle(made)
    else:
        made.sort(key=lambda m: m.time_ms + rng.randrange(20) * ev.DAY_MS)
    again = made.copy()
    for one in rng.sample(made, len(made) // 2):
        again.insert(rng.randrange(again.index(one) + 1, len(again) + 1), one)
    plain = ev.policy("plain")
    policy = msgspec.structs.replace(plain, limits=msgspec.structs.replace(plain.limits, park_d=4))
    with ev.quick_cards():
        runner = Embedded(None, policy)
        for one in again:
            feed(runner, [one.raw])
        runner.tick(ev.end_ms(made, 30))
        for key in runner.shard.subjects:
            agrees(runner, key)


def agrees(runner: Embedded, subject: str = SUBJECT) -> None:
    """The fold of the log says of a subject what the running system says."""
    alone = fold(runner.store, subject)
    assert alone is not None
    assert describe(alone, subject, alone.clock_ms) == shown(runner, subject)


def test_repairs_of_the_path_lead_where_it_says(live: Embedded) -> None:
    walked = 0
    for key in sorted(live.shard.subjects):
        row = shown(live, key)
        path = row["path"]
        if path is None or not path["steps"]:
            continue
        alone = fold(live.store, key)
        assert alone is not None
        by = from_date(dt.date.fromisoformat(path["by"]))
        approvals = sorted((approval(key, n, step) for n, step in enumerate(path["steps"])),
                           key=lambda raw: json.loads(raw)["time"])
        entries = []
        for raw in approvals:
            event, body, time_ms = live.intake.accept(raw, FAR_MS)
            entries.append(ev.Entry(max(time_ms, alone.clock_ms), body, event))
        alone.step([*entries, ev.tick(max(start_ms(by) + 3_600_000, alone.clock_ms + 1))])
        after = describe(alone, key, alone.clock_ms)
        assert after is not None and after["public"]["computed"] == path["to"] < row["public"][
            "computed"], (key, path)
        walked += 1
    assert walked >= 5


def test_shape(live: Embedded) -> None:
    worst = max((shown(live, key) for key in live.shard.subjects),
                key=lambda row: (len(row["items"]), len(row["open_alerts"])))
    assert worst["open_alerts"] == sorted(worst["open_alerts"])
    assert json.loads(json.dumps(worst)) == worst, "built-in types only"
    assert worst["as_of"].endswith("Z") and worst["policy"] == live.card.hash
    assert list(worst["items"]) == sorted(worst["items"])
    for item in worst["items"].values():
        assert item["grade_source"] in ("computed", "assigned", "direct")
        assert item["period"]["kind"] in ("yearly", "monthly", "continuous")
        assert dt.date.fromisoformat(item["period"]["ended_on"]) <= dt.date(2026, 9, 30)
    days = [(h["day"], h["item"]) for h in worst["history"]]
    assert days == sorted(days, key=lambda x: x[0])
    gaps = [row["gap"] for key in live.shard.subjects if (row := shown(live, key))["gap"]]
    assert gaps and all(ord(g["lowest"]["grade"]) - ord(g["highest"]["grade"]) == g["levels"] > 0
                        for g in gaps)


def test_unknown_subject(live: Embedded) -> None:
    assert describe(live.shard, "nobody", live.shard.clock_ms) is None
    assert fold(live.store, "nobody") is None
    assert fold(live.store, next(iter(live.shard.subjects)), 0) is None


COMPLAINT = {"item": "cq1-17", "kind": "complaint", "category": "食品安全", "severity": 3}
PENALTY = {"item": "cq1-17", "document": "渝〔2026〕1号", "kinds": ["fine"], "class": "general",
           "decided_on": "2026-01-05", "basis": [{"law": "食品安全法", "article": "124"}]}


def given(number: int, type_: str, time: str, data: dict[str, Any]) -> bytes:
    return json.dumps({"specversion": "1.0", "id": f"e{number}", "source": "cq/test",
                       "type": type_, "subject": SUBJECT, "time": time, "data": data}).encode()


def ref(number: int) -> dict[str, str]:
    return {"source": "cq/test", "id": f"e{number}"}


def approval(subject: str, number: int, step: dict[str, Any]) -> bytes:
    named = {"source": step["repair"]["source"], "id": step["repair"]["id"]}
    return json.dumps({"specversion": "1.0", "id": f"repair-{number}", "source": "cq/repairs",
                       "type": "repair.approved", "subject": subject,
                       "time": f"{step['from']}T00:00:00+08:00", "data": {"of": named}}).encode()


def steady() -> Policy:
    """The default policy with the numbers these cases speak of, whatever it is tuned to."""
    policy, replace = load.policy(), msgspec.structs.replace
    penalty = replace(policy.indicators.penalty_general, weight=-1.3, half_life_d=365)
    return replace(
        policy, subjects=replace(policy.subjects, enterprise=4.0),
        score=replace(policy.score, base_points=400.0, base_odds=1.0, pdo=50.0),
        bands=replace(policy.bands, a=650.0, b=560.0, c=460.0),
        indicators=replace(policy.indicators, penalty_general=penalty))


@pytest.fixture
def small() -> Iterator[Embedded]:
    with ev.quick_cards():
        runner = Embedded(None, steady())
        feed(runner, [given(1, "penalty.decided", "2026-01-05T08:00:00Z", PENALTY),
                      given(2, "complaint.filed", "2026-01-20T08:00:00Z", COMPLAINT)])
        yield runner
        runner.close()


def test_one_business(small: Embedded) -> None:
    row = shown(small, SUBJECT)
    item = row["items"]["cq1-17"]
    assert item["department"] == "市市场监管局" and item["assigned"] is None
    assert item["grade"] == item["computed"] == "B" and item["since"] == "2026-01-05"
    assert [c["indicator"] for c in item["contributions"]] == [
        "base", "complaint", "penalty_general"]
    assert item["contributions"][2]["events"] == [{**ref(1), "points": -91.141}]
    assert item["contributions"][2]["points"] == -91.141
    assert item["contributions"][2]["weight"] == item["contributions"][2]["expert_weight"]
    # In force on 2026-01-05: three months at least before a repair.
    assert row["repairable"] == [{"event": ref(1), "from": "2026-04-05",
                                  "points": -item["contributions"][2]["points"]}]
    assert row["path"] == {"to": "A", "by": "2026-04-05", "steps": [
        {"repair": ref(1), "points": row["repairable"][0]["points"], "from": "2026-04-05"}]}
    assert item["period"] == {"kind": "monthly", "ended_on": "2025-12-31", "grade": "ungraded",
                              "credit_score": 688.539}
    assert row["public"]["period"]["kind"] == "yearly"
    assert row["gap"] is None and row["lists"] == [] and row["name"] == ""
    assert row["history"] == [
        {"item": i, "day": "2026-01-05", "from": "ungraded", "grade": "B"}
        for i in ("public", "cq1-17")]


def test_an_item_answers_for_its_own_facts_and_those_of_the_whole(small: Embedded) -> None:
    other = {**COMPLAINT, "item": "cq1-40"}
    feed(small, [given(3, "complaint.filed", "2026-01-20T08:00:00Z", other),
                 given(4, "arrears.confirmed", "2026-01-20T08:00:00Z",
                       {"kind": "wage", "amount_cny": 90_000})])
    items = shown(small, SUBJECT)["items"]
    facts = {id: [e["id"] for c in item["contributions"] for e in c["events"]]
             for id, item in items.items()}
    assert facts == {"cq1-17": ["e2", "e1", "e4"], "cq1-40": ["e3", "e4"]}


def test_only_a_complaint_is_no_grade() -> None:
    runner = Embedded(None, load.policy())
    feed(runner, [given(2, "complaint.filed", "2026-01-20T08:00:00Z", COMPLAINT)])
    row = shown(runner, SUBJECT)
    item = row["items"]["cq1-17"]
    assert (item["grade"], item["since"]) == ("ungraded", None)
    assert item["risk_score"] < item["credit_score"]
    assert row["path"] is None and row["public"]["grade"] == "ungraded"


def test_an_open_objection_marks_the_fact_until_it_is_answered(small: Embedded) -> None:
    def mark(row: dict[str, Any]) -> list[bool]:
        return [e.get("objected", False) for c in row["items"]["cq1-17"]["contributions"]
                if c["indicator"] == "penalty_general" for e in c["events"]]

    feed(small, [given(3, "objection.raised", "2026-01-21T08:00:00Z", {"of": ref(1)})])
    assert mark(shown(small, SUBJECT)) == [True]
    feed(small, [given(4, "objection.rejected", "2026-01-22T08:00:00Z", {"of": ref(1)})])
    assert mark(shown(small, SUBJECT)) == [False]


def test_what_was_revoked_is_not_listed(small: Embedded) -> None:
    feed(small, [given(3, "penalty.revoked", "2026-01-21T08:00:00Z", {"of": ref(1)})])
    row = shown(small, SUBJECT)
    assert [c["indicator"] for c in row["items"]["cq1-17"]["contributions"]] == [
        "base", "complaint"]
    assert row["repairable"] == [] and row["items"]["cq1-17"]["grade"] == "ungraded"


def test_a_listing_rules_until_it_ends(small: Embedded) -> None:
    feed(small, [given(3, "list.entered", "2026-02-01T08:00:00Z",
                       {"list": "serious", "authority": "市市场监管局", "basis": "条例",
                        "until": "2026-12-31"})])
    row = shown(small, SUBJECT)
    assert row["public"]["grade"] == "D" and row["public"]["grade_source"] == "direct"
    assert row["public"]["since"] == "2026-02-01"
    assert row["lists"] == [{"list": "serious", "since": "2026-02-01", "until": "2026-12-31",
                             "event": ref(3)}]
    # Repaired at once it is gone; what it weighed is the greater part.
    assert row["path"]["steps"][0]["repair"] == ref(3) and row["path"]["to"] == "B"


def test_an_assigned_grade_stands_before_the_computed_one(small: Embedded) -> None:
    feed(small, [given(3, "grade.assigned", "2026-02-01T08:00:00Z", {
        "item": "cq1-17", "issuer": "department", "grade": "D", "valid_until": "2026-06-30"})])
    item = shown(small, SUBJECT)["items"]["cq1-17"]
    assert (item["grade"], item["grade_source"], item["computed"]) == ("D", "assigned", "B")
    assert item["assigned"] == {"grade": "D", "issuer": "department", "since": "2026-02-01",
                                "valid_until": "2026-06-30", "in_force": True, "event": ref(3)}
    assert shown(small, SUBJECT)["gap"]["levels"] == 2
    small.tick(moment("--to", "2026-07-01"))
    item = shown(small, SUBJECT)["items"]["cq1-17"]
    assert item["assigned"] is None and item["grade_source"] == "computed"


def test_a_market_grade_is_shown_but_not_in_force(small: Embedded) -> None:
    feed(small, [given(3, "grade.assigned", "2026-02-01T08:00:00Z",
                       {"item": "cq1-17", "issuer": "market", "grade": "D"})])
    item = shown(small, SUBJECT)["items"]["cq1-17"]
    assert item["grade_source"] == "computed" and not item["assigned"]["in_force"]


def test_history_is_a_chain(live: Embedded) -> None:
    for key in live.shard.subjects:
        held: dict[str, str] = {}
        for change in shown(live, key)["history"]:
            assert change["from"] == held.get(change["item"], "ungraded") != change["grade"]
            held[change["item"]] = change["grade"]
        days = [h["day"] for h in shown(live, key)["history"]]
        assert all(a <= b for a, b in pairwise(days))
