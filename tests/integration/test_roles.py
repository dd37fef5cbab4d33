"""The commands and roles of the cluster, on a real Kafka and a real Redis.

Goal: what `docs/operations.md` says of each command, and of each part that dies, is true. Method:
one small site whose roles are processes, as users run them; where a process adds nothing, the same
objects in this one. What is expected follows from the events sent, or from the embedded runner.
Parity and the kill test are in `test_cluster.py`.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import re
import signal
import struct
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import cluster
import events as ev
import msgspec
import pytest
import roles
from prometheus_client.parser import text_string_to_metric_families
from roles import Roles, complaint, eventually, line, story

from bench import killtest
from config import load
from models import iot
from models.draw import rank
from models.policy import encode
from servers.process import free_port
from servers.redis import Redis
from storage import kafka_log, kafka_topics
from storage.checkpoint_files import Checkpoints
from storage.kafka_client import Outgoing
from storage.kafka_log import KafkaLog
from storage.kafka_outbox import KafkaOutbox
from storage.partition import partition_of
from storage.sqlite_store import StoreError
from streams import metrics
from streams.batch import Feed
from streams.cli import invoke
from streams.connect import view_of
from streams.declared import CENSUS, FOLDED, ROLES, Declared
from streams.embedded import Embedded
from streams.fold import fold
from streams.keeper import Keeper
from streams.options import wall_ms
from streams.sequencer import Sequencer
from streams.show import describe

pytestmark = [pytest.mark.integration, pytest.mark.slow]
PARTITIONS = 4
RUN = f"roles-{os.getpid()}"
"""A prefix for the topics of this run: others may use the same Kafka."""
Row = dict[str, Any]


@pytest.fixture(autouse=True, scope="module")
def own_settings() -> Iterator[None]:
    """The settings' addresses hold, not those of the environment."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("XINFENG_KAFKA", "XINFENG_REDIS"):
            patch.delenv(name, raising=False)
        yield


@pytest.fixture(scope="module")
def own_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Redis]:
    """Its own, since it is emptied and stopped."""
    server = Redis(tmp_path_factory.mktemp("redis"), free_port())
    with cluster.started(server):
        yield server


@pytest.fixture
def make(kafka: cluster.Given, own_redis: Redis, tmp_path: Path) -> Iterator[Callable[..., Roles]]:
    """Makes a site that ends with its test."""
    made: list[Roles] = []

    def one(name: str, **given: Any) -> Roles:
        made.append(Roles(tmp_path / name, prefix=f"{RUN}-{name}", kafka=kafka.address,
                          redis_url=own_redis.address, **{"partitions": 2} | given))
        return made[-1]

    yield one
    for each in made:
        each.close()


@pytest.fixture(scope="module")
def sites() -> Iterator[list[Roles]]:
    """The last one is at work; whoever spoils it closes it, and the next test has a new one: in
    which order tests come to a worker of xdist is not known."""
    made: list[Roles] = []
    yield made
    try:
        assert [one.dead() for one in made if one.roles] in ([], [[]])
    finally:
        for one in made:
            one.close()


@pytest.fixture
def site(sites: list[Roles], kafka: cluster.Given, own_redis: Redis,
         tmp_path_factory: pytest.TempPathFactory) -> Roles:
    """Two intakes, a worker, a console; the feeds have the broker's time."""
    if not sites or not sites[-1].roles:
        made = Roles(tmp_path_factory.mktemp("site"), prefix=f"{RUN}-{len(sites)}",
                     partitions=PARTITIONS, feed_time="broker", checkpoint_s=2,
                     kafka=kafka.address, redis_url=own_redis.address)
        sites.append(made)
        made.start_servers()
        for name in ("intake1", "intake2", "worker1", "analyst", "console"):
            made.start(name)
        eventually(lambda: min(made.marks()) > 0, 2 * roles.LIMIT_S)
        eventually(lambda: made.http().get("/readyz").status_code == 200)
    return sites[-1]


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str]) -> Callable[..., list[Any]]:
    """What a command prints, as JSON, line by line."""
    def run(*words: str) -> list[Any]:
        capsys.readouterr()
        assert invoke(list(words)) == 0
        return [json.loads(x) for x in capsys.readouterr().out.splitlines()]
    return run


def settled(site: Roles) -> None:
    """Everything published was taken, folded and shown; ticks go on all the while."""
    eventually(lambda: site.feeds_left() == 0)
    ends = site.log_ends()
    eventually(lambda: all(a >= b for a, b in zip(site.marks(), ends, strict=True)))


def stable(row: Row) -> Row:
    """Without what moves with the clock alone."""
    return {k: v for k, v in row.items() if k not in ("as_of", "offset")}


# ---------------------------------------------------------------------------------------- topics


def test_topics(make: Callable[..., Roles], capsys: pytest.CaptureFixture[str],
                said: Callable[..., list[Any]]) -> None:
    """`create` makes what is missing and no more; `check` says what is not as wanted."""
    site = make("topics", feed_time="broker")
    kafka, given = site.settings.kafka, ["--settings", str(site.path)]
    assert invoke(["topics", "check", *given]) == 2
    assert capsys.readouterr().out.count("missing; `xinfeng topics create` makes it") == 15
    # Who would write or look before that is told at once, not after half a minute.
    for words in (["lag"], ["publish", str(roles.ROOT / "docs/example/restaurant.ndjson")]):
        assert invoke([*words, *given]) == 2
        assert f"{site.topics.complaints}: missing; `xinfeng topics" in capsys.readouterr().err
    # Somebody was here before, and made two of them otherwise.
    wrong = [kafka_topics.Wanted(site.topics.log, 2, {"retention.ms": "86400000"}),
             kafka_topics.Wanted(site.topics.iot, 3, {})]
    assert kafka_topics.create(kafka, wrong, 1) == [site.topics.log, site.topics.iot]
    [row] = said("topics", "create", *given, "--json")
    assert len(row["created"]) == 13 and site.topics.log not in row["created"]
    assert invoke(["topics", "create", *given]) == 0
    assert capsys.readouterr().out == "nothing to do\n"
    assert invoke(["topics", "check", *given]) == 2
    found = capsys.readouterr().out.splitlines()
    assert f"{site.topics.iot}: partitions=3, wanted 2" in found
    assert f"{site.topics.log}: retention.ms=86400000, wanted -1" in found
    assert f"{site.topics.iot}: message.timestamp.type=CreateTime, wanted LogAppendTime" in found
    assert {x.partition(":")[0] for x in found} == {site.topics.log, site.topics.iot}


# ------------------------------------------------------------------------------------- the feeds


SECRETS = ("张三13800000000", "李四13911111111", "王五13722222222", "赵六13633333333")
"""Complainants, in clear."""
MARK = "坏行的记号"
"""Stands in the bad lines, to be found again."""


def spellings(text: str) -> list[bytes]:
    """How bytes may hold a text."""
    escaped = json.dumps(text).strip('"').encode()
    return [text.encode(), escaped, escaped.upper(), text.encode("utf-16-le"),
            msgspec.json.encode(text.encode()).strip(b'"='), text[2:].encode()]


def test_publish_good_and_bad(site: Roles, said: Callable[..., list[Any]],
                              tmp_path: Path) -> None:
    """What is good is shown; what is bad is a dead letter that names field, value and what is
    allowed, on its topic and in the view; a complainant is nowhere in clear."""
    good, other = roles.in_partition(0, PARTITIONS, 2)
    before = site.reader().rejected()
    bad = {
        "": b'not JSON, complainant: ' + SECRETS[1].encode() + MARK.encode(),
        "type": line("x1", "complaint.field", good, 1, {"complainant": SECRETS[2], "x": MARK}),
        "subject": complaint("x2", "91500106MA60AB125X", complainant=SECRETS[3], category=MARK),
        "data.item": complaint("x3", good, item="cq9-99", complainant=SECRETS[1]),
        "data.severity": complaint("x4", good, severity=9, complainant=SECRETS[2]),
        "time": complaint("x5", good, -3, complainant=SECRETS[3]),
    }
    file = tmp_path / "lines.ndjson"
    file.write_bytes(b"\n".join([
        *story(good, "重庆示例餐饮店", "g"), complaint("g5", good, complainant=SECRETS[0]), b"",
        *bad.values(), complaint("g6", other)]) + b"\n")
    [row] = said("publish", str(file), "--settings", str(site.path))
    assert row == {site.topics.records: 3, site.topics.penalties: 1, site.topics.complaints: 8}
    settled(site)
    eventually(lambda: site.reader().rejected() == before + len(bad))
    [shown] = said("show", good, "--store", site.store, "--json")
    assert shown["name"] == "重庆示例餐饮店" and shown["public"]["grade"] != "A"
    assert said("show", other, "--store", site.store, "--json")
    # The dead letters.
    held = {x["reason"]["field"]: x for x in said("rejects", "--store", site.store, "--json")
            if x["seq"] > before}
    assert sorted(row.pop("seq") for row in held.values())[-1] == before + len(bad)
    origins = {x["origin"] for x in held.values()}
    told = {x["data"]["reason"]["field"]: x["data"] for x in site.said(site.topics.rejects)[0]
            .values() if x["data"]["origin"] in origins}
    assert told == held and set(held) == set(bad)
    for field, row in held.items():
        reason = row["reason"]
        assert reason["allowed"] and reason["message"].startswith(f"{field}=" if field else "must")
        assert re.fullmatch(rf"{RUN}-\d+\.(complaints|records)(/\d/\d+)?", row["origin"])
    assert held["subject"]["reason"]["value"] == "91500106MA60AB125X"
    assert held["data.item"]["reason"]["value"] == "cq9-99"
    assert held["data.severity"]["reason"]["value"] == "9"
    # Nobody who complained is named anywhere but in the feed.
    told_of: dict[str, set[bytes]] = {}
    for topic in site.topics:
        if topic not in site.topics.feeds:
            told_of[topic] = set(site.records(topic))
    told_of["redis"] = set(site.kept())
    told_of["logs"] = {x.read_bytes() for x in site.folder.glob("*.log")}
    assert leaks(told_of) == []
    # The search sees what is there.
    for place in ("redis", site.topics.log, site.topics.alerts):
        assert any(good.encode() in x for x in told_of[place])
    for place in ("redis", site.topics.rejects):
        assert any(MARK.encode() in x for x in told_of[place])
        assert any(b'"h:' in x for x in told_of[place])
    assert leaks({"feed": set(site.records(site.topics.complaints))})


def leaks(places: dict[str, set[bytes]]) -> list[tuple[str, str]]:
    """(place, complainant) of everyone who is named in clear."""
    return [(place, who) for place, held in places.items() for who in SECRETS
            if any(word in x for x in held for word in spellings(who))]


def test_readings_in_binary_mode(site: Roles) -> None:
    """Packed readings in binary mode leave the state that plain ones leave."""
    packed, plain = roles.in_partition(1, PARTITIONS, 2)
    now = wall_ms() - 3_600_000
    t = [now + 60_000 * n for n in range(50)]
    v = [4.0 + n / 10 for n in range(50)]
    device = {"device": "d1", "class": "coldchain", "metric": "temperature_c", "unit": "°C"}
    at = dt.datetime.fromtimestamp(t[-1] / 1000, dt.UTC).isoformat()
    out = Outgoing(site.settings.kafka)
    out.send(site.topics.iot, msgspec.msgpack.encode({"item": "cq1-17", "series": [
        {**device, "t": struct.pack("<50q", *t), "v": struct.pack("<50d", *v)}]}), headers=[
            (f"ce_{k}", x.encode()) for k, x in {
                "specversion": "1.0", "id": "iot1", "source": "gw", "type": "iot.readings",
                "subject": packed, "time": at}.items()] + [("content-type", b"application/msgpack")
                                                           ])
    out.flush()
    site.publish(line("iot2", "iot.readings", plain, 0, {"item": "cq1-17", "series": [
        {**device, "t": t, "v": v}]}, time=at))
    settled(site)
    one, other = (site.reader().shard_of(key).subjects[key].devices for key in (packed, plain))
    assert len(one) == 1 and one.keys() == other.keys()
    assert [iot.dump(x) for x in one.values()] == [iot.dump(x) for x in other.values()]


# ------------------------------------------------------------------------------------ the console


def test_console(site: Roles, said: Callable[..., list[Any]]) -> None:
    """It shows what the commands show, takes events in, and what people do about alerts."""
    [key] = roles.in_partition(2, PARTITIONS)
    lines = story(key, "重庆控制台小店", "c")
    bad = complaint("cx", "91500106MA60AB125X")
    with site.http() as http:
        answer = http.post("/api/v1/events", content=b"\n".join([*lines[:2], bad, *lines[2:]]),
                           headers={"content-type": "application/x-ndjson"})
        assert answer.status_code == 202
        body = answer.json()
        assert (body["accepted"], body["duplicates"]) == (4, 0)
        [refused] = body["rejected"]
        assert refused["index"] == 2 and refused["reason"]["field"] == "subject"
        settled(site)
        row = http.get(f"/api/v1/subjects/{key}").json()
        assert row["name"] == "重庆控制台小店"
        [same] = said("show", key, "--store", site.store, "--json")
        assert stable(row) == stable(same)
        assert http.get("/api/v1/subjects/91350100M000100Y43").status_code == 404
        summary = http.get("/api/v1/summary").json()
        assert summary["subjects"] == site.reader().counts()["subjects"] > 0
        assert sum(summary["grades"].values()) == len(site.reader().subjects(limit=100))
        [dead] = eventually(lambda: [x for x in http.get("/api/v1/rejects").json()["rejects"]
                                     if x["origin"].startswith("http:")])
        assert dead["reason"] == refused["reason"] and json.loads(dead["raw"]) == json.loads(bad)
        # What a person does about an alert.
        alerts = http.get("/api/v1/alerts", params={"subject": key}).json()["alerts"]
        assert {x["rule"] for x in alerts} >= {"commitment-overdue", "penalty-unperformed"}
        alert = next(x for x in alerts if x["state"] == "firing")
        done = http.post(f"/api/v1/alerts/{alert['id']}/acknowledge", json={"actor": "李处"})
        assert done.status_code == 202 and done.json()["accepted"] == 1
        state = eventually(lambda: http.get(f"/api/v1/alerts/{alert['id']}").json()["state"]
                           != "firing" and "acknowledged")
        assert http.get(f"/api/v1/alerts/{alert['id']}").json()["state"] == state
        # The past, as the embedded runner tells it.
        with ev.quick_cards():
            runner = Embedded(None, load.policy())
            feed = Feed(runner, "test", wall_ms())
            for raw in lines:
                feed.put(raw)
            feed.flush()
        for days in (250, 150, 75, 2):
            as_of = roles.day(days)
            then = dt.datetime.combine(dt.date.fromisoformat(as_of), dt.time(23, 59, 59, 999000),
                                       ev.BEIJING)
            ms = round(then.timestamp() * 1000)
            shard = fold(runner.store, key, ms)
            assert shard is not None
            got = http.get(f"/api/v1/subjects/{key}", params={"as_of": as_of})
            assert got.json() == json.loads(msgspec.json.encode(describe(shard, key, ms)))
        assert http.get(f"/api/v1/subjects/{key}", params={"as_of": "2020-01-01"}
                        ).status_code == 404


def test_two_officers_at_two_consoles(site: Roles) -> None:
    """Both saw the same alert and act at once: one is first, and the other is told by whom."""
    key = roles.in_partition(1, PARTITIONS, 7)[6]
    site.start("console2")
    try:
        with site.http() as one, site.http("console2") as two:
            one.post("/api/v1/events", content=b"\n".join(story(key, "重庆两台小店", "t")),
                     headers={"content-type": "application/x-ndjson"})
            settled(site)
            eventually(lambda: two.get("/readyz").status_code == 200)
            seen = eventually(lambda: [
                x for x in two.get("/api/v1/alerts", params={"subject": key}).json()["alerts"]
                if x["state"] == "firing"])[0]
            told: dict[str, Any] = {}
            ready = threading.Barrier(2)

            def act(http: Any, actor: str) -> None:
                ready.wait()
                told[actor] = http.post(f"/api/v1/alerts/{seen['id']}/close",
                                        json={"actor": actor, "seq": seen["seq"]})

            threads = [threading.Thread(target=act, args=x) for x in ((one, "甲"), (two, "乙"))]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            won, lost = sorted(told, key=lambda x: int(told[x].status_code))
            assert [told[x].status_code for x in (won, lost)] == [202, 409]
            assert told[lost].json()["actor"] == won and won in told[lost].json()["detail"]
            now = eventually(lambda: (row := one.get(f"/api/v1/alerts/{seen['id']}").json())
                             and row["state"] == "closed" and row)
            assert now["actor"] == won
    finally:
        console, _ = site.roles.pop("console2"), site.ports.pop("console2")
        console.terminate()
        console.wait(25)


def test_a_draw_over_all_partitions(site: Roles) -> None:
    """An order goes through intake to every partition; their answers are one draw, each business'
    history says so, and a reader of the out topic hears of it."""
    keys = [key for n in range(PARTITIONS) for key in unused(n)]
    site.publish(*(line(f"reg-{key}", "subject.registered", key, 300, {
        "name": f"养老院{n}", "kind": "organisation", "district": "500106", "industry": "Q8514",
        "size": "small", "registered_on": "2015-01-01"}) for n, key in enumerate(keys)))
    settled(site)
    order = {"item": "cq2-03", "count": 5, "seed": "2026-11-22", "actor": "李处"}
    with site.http() as http:
        pool = http.post("/api/v1/draws", json={**order, "count": 0}).json()
        assert pool["complete"] and sum(x["eligible"] for x in pool["strata"]) == len(keys)
        made = http.post("/api/v1/draws", json=order)
        assert made.status_code == 201
        draw = made.json()
        wanted = sorted(keys, key=lambda key: rank("2026-11-22", "cq2-03", key))[:5]
        assert [x["subject"] for x in draw["picked"]] == wanted
        assert draw["strata"][4]["probability"] == 5 / len(keys)
        shown = eventually(lambda: (found := http.get(f"/api/v1/draws/{draw['id']}").json())[
            "recorded"] == 5 and found)
        assert {x["state"] for x in shown["picked"]} == {"drawn"}
        assert http.post("/api/v1/draws", json=order).json()["id"] == draw["id"]
        assert [x["id"] for x in http.get("/api/v1/draws").json()["draws"]] == [draw["id"]]
        site.publish(line("insp-1", "inspection.completed", wanted[0], 0, {
            "item": "cq2-03", "plan": "random", "result": "fail", "draw": draw["id"],
            "findings": [{"code": "f", "severity": "minor"}]}))
        eventually(lambda: http.get(f"/api/v1/draws/{draw['id']}").json()["with_problems"] == 1)
        gone = http.post(f"/api/v1/draws/{draw['id']}/release",
                         json={"actor": "李处", "reason": "并入联合检查"})
        assert gone.status_code == 200
        eventually(lambda: http.get(f"/api/v1/draws/{draw['id']}").json()["released"] == 4)
    said = site.said(site.topics.proposals)[0].values()
    told = {x["subject"]: x["data"]["state"] for x in said
            if x["type"] == "xinfeng.inspection.changed"}
    assert told == {wanted[0]: "fail"} | dict.fromkeys(wanted[1:], "released")
    # The failed inspection is the first thing that grades it: its measures are told as they are.
    measured = {x["data"]["item"]: x["data"] for x in said
                if x["type"] == "xinfeng.measure.recommended" and x["subject"] == wanted[0]}
    with site.http() as http:
        held = http.get(f"/api/v1/subjects/{wanted[0]}").json()
    held["items"]["public"] = held["public"]
    assert set(measured) == {"cq2-03", "public"}
    for item, data in measured.items():
        assert (data["from"], data["to"]) == ("ungraded", held["items"][item]["grade"])
        assert data["measures"] == held["items"][item]["measures"] != []


def unused(partition: int) -> list[str]:
    """Businesses of a partition that no other test has."""
    return roles.in_partition(partition, PARTITIONS, 6)[3:]


def test_every_role_shows_what_it_declares(site: Roles) -> None:
    """What rules and dashboards ask of the roles is there, under the declared labels."""
    [key] = roles.in_partition(1, PARTITIONS)
    site.publish(*story(key, "重庆指标小店", "m"))
    settled(site)
    eventually(lambda: "xinfeng_model_drifting" in site.http().get("/metrics").text)
    labels = {m.name.removesuffix("_total"): set(m.labels) for m in metrics.ALL}
    shown: dict[str, set[str]] = {}
    for role in site.ports:
        for family in text_string_to_metric_families(site.metrics(role)):
            if not family.name.startswith("xinfeng_") or family.name.endswith("_created"):
                continue
            shown.setdefault(role, set()).add(family.name)
            for sample in family.samples:
                assert set(sample.labels) - {"le"} == labels[family.name], sample

    def named(declared: Iterable[Declared], *begin: str) -> set[str]:
        return {m.name.removesuffix("_total") for m in declared if m.name.startswith(begin)}

    assert shown["worker1"] == named((*FOLDED, *CENSUS), "") | named(
        ROLES, "xinfeng_partition_", "xinfeng_worker_")
    assert shown["intake1"] == named(ROLES, "xinfeng_intake_") | {"xinfeng_dead_letters"}
    assert shown["analyst"] == named(ROLES, "xinfeng_analyst_")
    assert shown["console"] >= named(metrics.METRICS, "") | {"xinfeng_model_examples"}


# --------------------------------------------------------------------------------------- the view


def conclusions(site: Roles) -> Row:
    reader = site.reader()
    # `seq` says in which order they came to this view.
    rejects = sorted(json.dumps(dict(x, seq=0), sort_keys=True)
                     for x in reader.rejects(limit=-1))
    return {**killtest.conclusions(reader), "digest": reader.digest(), "rejects": rejects,
            "subjects": reader.subjects(limit=1_000), "counts": reader.counts()}


def test_a_view_that_is_emptied_comes_back(site: Roles, capsys: pytest.CaptureFixture[str]
                                           ) -> None:
    """By the command, or with everything in that Redis, under a worker that is at work."""
    rejected = site.reader().rejected()
    site.publish(*story(roles.in_partition(3, PARTITIONS)[0], "重庆重建小店", "v"),
                 complaint("vx", "91500106MA60AB125X"))
    settled(site)
    eventually(lambda: site.reader().rejected() > rejected)
    before = conclusions(site)
    assert before["alerts"] and before["rejects"] and before["digest"]

    def emptied() -> None:
        with site.client() as client:
            client.flushall()

    def rebuilt() -> None:
        assert invoke(["view", "rebuild", "--settings", str(site.path)]) == 0
        assert "fold their partitions again" in capsys.readouterr().out

    for harm in (rebuilt, emptied):
        ends = site.log_ends()
        harm()
        eventually(lambda at=ends: all(a >= b for a, b in zip(site.marks(), at, strict=True)))
        eventually(lambda: site.reader().rejected() == len(before["rejects"]))
        assert conclusions(site) == before
    assert "the view stands elsewhere, folding again" in site.log("worker1")


# ------------------------------------------------------------------------------------- what dies


def test_a_redis_that_does_not_answer(site: Roles, own_redis: Redis) -> None:
    """The worker waits, does not grow, and goes on; nothing is lost. The limit of its queues is in
    `tests/unit/test_worker.py`."""
    codes = ev.codes(40)
    before, worker = site.accepted(), site.roles["worker1"].pid
    ends = site.log_ends()
    held = roles.rss_mb(worker)
    lines = [complaint(f"r{n}", codes[n % 40], category="x" * 250) for n in range(4_000)]
    os.kill(own_redis.pid, signal.SIGSTOP)
    try:
        stopped = time.monotonic()
        site.publish(*lines)
        eventually(lambda: site.feeds_left() == 0)
        while time.monotonic() - stopped < 5:
            assert roles.rss_mb(worker) < held + 60
            time.sleep(0.2)
        assert sum(site.log_ends()) > sum(ends), "the log takes everything in"
        assert site.dead() == []
    finally:
        os.kill(own_redis.pid, signal.SIGCONT)
    settled(site)
    assert site.accepted() == before + len(lines)
    assert site.roles["worker1"].pid == worker


def test_an_intake_that_is_killed(site: Roles) -> None:
    """The one in wait takes over, and nothing that was sent meanwhile is lost."""
    before = site.accepted()
    first = eventually(site.leader)
    codes = ev.codes(20)
    site.publish(*[complaint(f"k{n}", codes[n % 20]) for n in range(300)])
    site.kill(first)
    site.publish(*[complaint(f"k{n}", codes[n % 20]) for n in range(300, 400)])
    second = eventually(site.leader)
    assert second != first
    site.publish(*[complaint(f"k{n}", codes[n % 20]) for n in range(400, 450)])
    settled(site)
    assert site.accepted() == before + 450
    site.start(first)


def test_all_roles_by_one_command(make: Callable[..., Roles]) -> None:
    """`run --distributed` starts them, starts again what was killed, and ends them all."""
    site = make("all", feed_time="broker")
    site.start_servers()
    site.start("run", "--distributed", "--workers", "1")
    top = site.roles["run"].pid
    eventually(lambda: site.http("run").get("/readyz").status_code == 200, 2 * roles.LIMIT_S)
    eventually(lambda: min(site.marks()) > 0)
    held = roles.children(top)
    assert sorted(words[0] for words in held.values()) == [
        "analyst", "console", "dispatcher", "intake", "worker"]
    [worker] = [pid for pid, words in held.items() if words[0] == "worker"]
    os.kill(worker, signal.SIGKILL)
    now = eventually(lambda: len(found := roles.children(top)) == 5 and worker not in found
                     and found)
    assert {pid for pid, words in now.items() if words[0] != "worker"} == set(held) - {worker}
    assert sorted(now.values()) == sorted(held.values())
    os.kill(top, signal.SIGTERM)
    assert site.roles.pop("run").wait(roles.LIMIT_S) == 0
    eventually(lambda: not any(roles.alive(pid) for pid in now))


# ------------------------------------------------------------------------- intake in this process


def sequence(site: Roles, policy: Any) -> Sequencer:
    """An intake that began its work."""
    made = Sequencer(site.settings, policy, b"k")
    try:
        made.run(lambda: True)
    finally:
        made.close()
    return made


def test_policies(make: Callable[..., Roles], tmp_path: Path) -> None:
    """A changed policy enters every partition once; a catalogue that shrank is refused in one
    line."""
    site = make("policy", feed_time="broker")
    site.start_servers()
    plain = load.policy()
    strict = msgspec.structs.replace(plain, version="strict", bands=msgspec.structs.replace(
        plain.bands, a=plain.bands.a + 20))
    for policy, ends in ((plain, [1, 1]), (strict, [2, 2]), (strict, [2, 2]), (None, [2, 2]),
                         (plain, [3, 3])):
        sequence(site, policy)
        assert site.log_ends() == ends
    log = KafkaLog(site.settings.kafka)
    for partition in range(2):
        documents = [x.value for x in log.read(partition, 0, 3)]
        assert [encode(p).encode() in x for p, x in zip((plain, strict, plain), documents,
                                                       strict=True)] == [True] * 3
    log.close()
    fewer = msgspec.structs.replace(plain, items=plain.items[:-1])
    with pytest.raises(StoreError, match="the items catalogue may only grow at its end; the log "
                                         f"knows {plain.items[-1].id} as its last item") as error:
        sequence(site, fewer)
    assert "\n" not in str(error.value)
    assert site.log_ends() == [3, 3]
    # As a process, with a policy file.
    items = (load.POLICY.parent / "catalogue" / "items.csv").read_text("utf-8-sig").splitlines()
    (tmp_path / "items.csv").write_text("\n".join(items[:-1]) + "\n", "utf-8")
    file = tmp_path / "fewer.toml"
    # A department without an item has no receiver either.
    receivers = (load.POLICY.parent / "catalogue" / "receivers.csv").read_text("utf-8-sig")
    left = {i.department for i in fewer.items}
    (tmp_path / "receivers.csv").write_text("".join(
        x for x in receivers.splitlines(keepends=True)
        if plain.items[-1].department in left or plain.items[-1].department not in x), "utf-8")
    file.write_text('extends = "policy.toml"\n[catalogue]\nitems = "items.csv"\n'
                    'receivers = "receivers.csv"\n', "utf-8")
    site.start("intake", "--policy", str(file))
    assert site.roles["intake"].wait(roles.LIMIT_S) == 1
    site.roles.clear()
    [said] = [x for x in site.log("intake").splitlines() if "level=INFO" not in x]
    assert "level=CRITICAL" in said and "the items catalogue may only grow at its end" in said
    assert site.log_ends() == [3, 3]


def test_a_feed_that_nobody_writes_to(make: Callable[..., Roles], tmp_path: Path) -> None:
    """Of history being played: feeds without a single record hold the others up not at all."""
    site = make("empty", feed_time="producer")
    site.start_servers()
    [key] = roles.in_partition(1, 2)
    file = tmp_path / "history.ndjson"
    # On one day in the middle of a week: history waits for nobody there.
    days = next(d for d in range(300, 307) if (roles.NOW - dt.timedelta(days=d)).weekday() == 4)
    lines = [complaint(f"h{n}", key, days - n / 2000) for n in range(200)]
    file.write_bytes(b"\n".join(lines))
    assert invoke(["publish", str(file), "--event-time", "--settings", str(site.path)]) == 0
    intake = Sequencer(site.settings, load.policy(), b"k")
    started = time.monotonic()
    intake.run(lambda: intake.events == len(lines) or time.monotonic() - started > roles.LIMIT_S)
    intake.close()
    assert intake.events == len(lines)
    for partition in range(2):
        keeper = Keeper(partition, 2, log=KafkaLog(site.settings.kafka),
                        view=view_of(site.settings), outbox=KafkaOutbox(site.settings.kafka),
                        checkpoints=Checkpoints(tmp_path / str(partition)), topics=site.topics)
        keeper.open()
    assert site.marks() == site.log_ends() and site.accepted() == len(lines)
    # The clock is the events' own.
    shard = site.reader().shard_of(key)
    last = dt.datetime.fromisoformat(json.loads(lines[-1])["time"]).timestamp() * 1000
    assert abs(shard.clock_ms - last) < 3_600_000


def test_partitions_that_faust_gives_to_nobody(make: Callable[..., Roles], tmp_path: Path) -> None:
    """A worker of a group that is calm and has nothing ends, and started again it has all."""
    site = make("unheld")
    site.start_servers()
    site.publish(complaint("u1", ev.codes(1)[0]))
    (tmp_path / "sitecustomize.py").write_text(
        # What its assignor does when a broker that is just back names no partitions.
        "from faust.assignor.partition_assignor import PartitionAssignor\n"
        "PartitionAssignor._get_copartitioned_groups = classmethod(lambda *_: {})\n"
        # It ends for certain; how soon is a matter of patience.
        "from streams import worker\nworker.WATCH_S, worker.UNHELD_S = 0.5, 2.0\n", "utf-8")
    site.environment["PYTHONPATH"] = os.pathsep.join([str(tmp_path), str(roles.ROOT)])
    site.start("worker1")
    del site.environment["PYTHONPATH"]
    site.start("intake1")
    eventually(lambda: "msg=assigned partitions=[]" in site.log("worker1"))
    eventually(lambda: site.dead() == ["worker1"])
    assert re.search(r"nobody has these partitions.* partitions=\[0, 1\]", site.log("worker1"))
    site.start("worker1")
    eventually(lambda: site.accepted() == 1)
    eventually(lambda: kafka_topics.unheld(site.settings.kafka, 2) == set())
    # One more than there are partitions stays in wait.
    for name in ("worker2", "worker3"):
        site.start(name)
    time.sleep(22)  # Longer than it takes to end.
    assert site.dead() == []


def test_a_console_without_redis(site: Roles, own_redis: Redis) -> None:
    """It says that it is not ready, and is again when Redis is back."""
    with site.http() as http:
        own_redis.kill()
        answer = eventually(lambda: http.get("/readyz"))
        own_redis.start()
        assert answer.status_code == 503 and "does not answer" in answer.text
        eventually(lambda: http.get("/readyz").status_code == 200)


# ------------------------------------------------------------------------ it stops a partition


def test_an_envelope_that_cannot_be_folded(site: Roles) -> None:
    """Its partition stops, and says so; the others go on."""
    try:
        stops_one(site)
        assert site.dead() == []
    finally:
        site.close()


def stops_one(site: Roles) -> None:
    settled(site)
    stopped = 3
    out = Outgoing(site.settings.kafka)
    at = site.log_ends()[stopped]
    kafka_log.write(out, site.topics.log, stopped, PARTITIONS, b"\xc1 no envelope", [""])
    out.flush()
    name = f'xinfeng_partition_stopped{{partition="{stopped}"}}'
    eventually(lambda: site.metric("worker1", name) == 1)
    said = [x for x in site.log("worker1").splitlines() if "level=CRITICAL" in x]
    assert len(said) == 1 and 'msg="partition stopped"' in said[0]
    found = re.search(rf"log partition {stopped}, offset (\d+): cannot be folded", said[0])
    assert found is not None and int(found[1]) >= at
    mark = int(found[1])
    before = site.accepted()
    lines = [complaint(f"p{n}", key) for n, key in enumerate(ev.codes(40))]
    site.publish(*lines)
    others = sum(partition_of(key, PARTITIONS) != stopped for key in ev.codes(40))
    assert 0 < others < 40
    eventually(lambda: site.accepted() == before + others)
    eventually(lambda: site.log_ends()[stopped] > mark + 2)
    assert site.marks()[stopped] == mark
    assert site.accepted() == before + others
    assert site.metric("worker1", name) == 1
    assert site.metric("worker1", name.replace(str(stopped), "0")) is None
    with site.http() as http:
        assert http.get("/readyz").status_code == 200
