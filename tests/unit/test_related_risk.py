"""Goal: who is told that a business near it came onto a list: with what evidence, in which words,
to which departments; and that it ends, that a nominee makes no storm, and that nobody is named.

Method: small stories through a whole embedded runner, as the pages and the interface show them; the
index of links by hand; what shards say put on a topic and read again, in any interleaving.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from typing import Any

import events as ev
import msgspec
import pytest
import town as tw
from starlette.testclient import TestClient

from alerts.notice import Notice
from alerts.routing import Directory, route
from console.app import create_app
from models import links
from models.links import Member, Members
from models.policy import Policy
from storage.effects import ForAnalysis, Linked, Listed
from storage.kafka_client import Topics
from storage.view import Placed
from streams import analyst, codec, outgoing
from streams.analysis import Analysis, Concluded
from streams.batch import Feed
from streams.embedded import Embedded, replay
from streams.pipeline import Shard
from streams.profile import profile
from streams.rows import catalogue
from streams.service import EmbeddedService
from streams.show import describe

LISTED, NEAR, FAR, OTHER = ev.codes(4)
SECRET = "ctl-zhang-san"
HTML = {"accept": "text/html"}
JSON = {"content-type": "application/cloudevents+json"}


@pytest.fixture(autouse=True)
def quick() -> Iterator[None]:
    with ev.quick_cards():
        yield


def policy(**changed: Any) -> Policy:
    base, replace = ev.policy("default"), msgspec.structs.replace
    return replace(base, rules=replace(base.rules, related_risk=replace(
        base.rules.related_risk, **changed)))


class City:
    """A store with four businesses; `LISTED` and `NEAR` are under one controller."""

    def __init__(self, rules: Policy | None = None) -> None:
        self.runner = Embedded(None, rules or policy())
        self._n = 0
        for code, controllers in ((LISTED, [SECRET, "a"]), (NEAR, [SECRET, "b"]), (FAR, ["c"])):
            self.register("2025-09-01T09:00", code, controllers=controllers)

    def do(self, when: str, type_: str, subject: str, of: str = "", **data: Any) -> str:
        self._n += 1
        if of:
            data["of"] = {"source": "dept", "id": of}
        feed = Feed(self.runner, "test", ev.FAR_MS)
        feed.put(json.dumps({
            "specversion": "1.0", "id": f"x{self._n}", "source": "dept", "type": type_,
            "subject": subject, "time": f"{when}:00+08:00",
            **({"data": data} if data else {})}).encode())
        feed.flush()
        return f"x{self._n}"

    def register(self, when: str, subject: str, **data: Any) -> str:
        return self.do(when, "subject.registered", subject, **{
            "name": f"企业{ev.codes(40).index(subject)}", "kind": "enterprise",
            "district": "500106", "industry": "H6210", "size": "small",
            "registered_on": "2020-01-01", **data})

    def list(self, when: str, subject: str = LISTED, name: str = "serious", **data: Any) -> str:
        return self.do(when, "list.entered", subject, list=name, authority="市市场监管局",
                       basis="依据", **data)

    def to(self, when: str) -> City:
        self.runner.tick(int(ev.dt.datetime.fromisoformat(f"{when}:00+08:00").timestamp() * 1000))
        return self

    def alerts(self, state: str = "firing") -> list[dict[str, Any]]:
        rows = EmbeddedService(self.runner).alerts(rule="related-risk", state=state, limit=100)
        return sorted(rows, key=lambda row: row["subject"])

    def told(self) -> list[str]:
        return [row["subject"] for row in self.alerts()]


# --------------------------------------------------------------------------- who is told, of what


def shown(city: City, code: str) -> dict[str, Any]:
    """Its scores and grades."""
    found = describe(city.runner.shard, code, city.runner.shard.clock_ms)
    assert found is not None
    return {part: found[part] for part in ("public", "items", "gap")}


def test_one_alert_with_the_listing_and_both_registrations() -> None:
    city = City()
    before = {code: shown(city, code) for code in (NEAR, FAR)}
    listing = city.list("2025-09-02T10:20")
    assert city.to("2025-09-02T10:59").told() == [], "the hour is not over"
    [alert] = city.to("2025-09-02T11:00").alerts()
    assert (alert["subject"], alert["level"], alert["was"]) == (NEAR, "orange", "")
    assert alert["since"] == "2025-09-02T02:20:00.000Z"
    assert alert["opened_at"] == "2025-09-02T03:00:00.000Z"
    assert [(x["type"], x["id"], x.get("subject")) for x in alert["evidence"]] == [
        ("list.entered", listing, LISTED), ("subject.registered", "x1", LISTED),
        ("subject.registered", "x2", None)]
    assert alert["title"]["zh"] == "关联主体列入严重失信主体名单：企业0（同一控制人）"
    assert LISTED in alert["body"]["zh"] and "不影响其信用评分和等级" in alert["body"]["zh"]
    assert "does not touch its scores or grades" in alert["body"]["en"]
    assert {code: shown(city, code) for code in (NEAR, FAR)} == before, "no score and no grade"
    found = replay(city.runner.store)
    assert found.concluded == found.alike >= 1


@pytest.mark.parametrize(("name", "told"), [
    ("serious", [NEAR]), ("debtor", [NEAR]), ("ban", [NEAR]), ("abnormal", []), ("watch", []),
    ("red", [])])
def test_lists_that_count(name: str, told: list[str]) -> None:
    city = City()
    city.list("2025-09-02T10:00", name=name)
    assert city.to("2025-09-03T00:00").told() == told


def test_another_list_is_another_cause() -> None:
    city = City()
    city.list("2025-09-02T10:00")
    city.list("2025-09-05T10:00", name="ban")
    assert city.to("2025-09-06T00:00").told() == [NEAR, NEAR]
    assert len({alert["id"] for alert in city.alerts()}) == 2


def ends(city: City, listing: str) -> dict[str, Any]:
    def near(**data: Any) -> None:
        city.register("2025-09-10T10:00", NEAR, **data)

    def late(type_: str, **data: Any) -> None:
        city.do("2025-09-10T10:00", type_, LISTED, of=listing, **data)

    return {
        "left": lambda: late("list.exited"),
        "revoked": lambda: late("list.revoked"),
        "repaired": lambda: late("repair.approved"),
        "objected": lambda: late("objection.upheld"),
        "registered otherwise": lambda: near(controllers=["b"]),
        "the listed one too": lambda: city.register("2025-09-10T10:00", LISTED, controllers=["a"]),
        "cancelled": lambda: city.do("2025-09-10T10:00", "subject.cancelled", NEAR),
        "switched off": lambda: city.runner._renew(
            tw.encode(policy(enabled=False)), city.runner.card.hash),
    }


@pytest.mark.parametrize("how", ["left", "revoked", "repaired", "objected", "registered otherwise",
                                 "the listed one too", "cancelled", "switched off"])
def test_it_ends_with_its_cause(how: str) -> None:
    city = City()
    listing = city.list("2025-09-02T10:00")
    [before] = city.to("2025-09-09T10:00").alerts()
    ends(city, listing)[how]()
    assert city.to("2025-09-11T00:00").told() == []
    [ended] = city.alerts("resolved")
    assert ended["id"] == before["id"] and ended["reason"] == "cause gone"
    assert ended["evidence"] == before["evidence"] and "已消除" in ended["body"]["zh"]


def test_it_ends_on_the_last_day_of_the_listing() -> None:
    city = City()
    city.list("2025-09-02T10:00", until="2025-09-20")
    assert city.to("2025-09-20T23:00").told() == [NEAR]
    assert city.to("2025-09-21T01:00").told() == []


def test_it_comes_back_under_its_id() -> None:
    """The revocation of the listing is itself taken back."""
    city = City()
    revoked = city.do("2025-09-05T10:00", "list.revoked", LISTED,
                      of=city.list("2025-09-02T10:00"))
    [ended] = city.to("2025-09-06T00:00").alerts("resolved")
    city.do("2025-09-07T10:00", "objection.upheld", LISTED, of=revoked)
    [again] = city.to("2025-09-08T00:00").alerts()
    assert again["id"] == ended["id"] and again["was"] == ""


def test_a_link_that_comes_later() -> None:
    """And a business whose cancellation was taken back."""
    city = City()
    city.list("2025-09-02T10:00")
    gone = city.do("2025-09-03T10:00", "subject.cancelled", NEAR)
    assert city.to("2025-09-04T00:00").told() == []
    city.register("2025-10-04T10:00", OTHER, controllers=[SECRET])
    assert city.to("2025-10-05T00:00").told() == [OTHER]
    city.do("2025-10-06T10:00", "objection.upheld", NEAR, of=gone)
    assert city.to("2025-10-07T00:00").told() == sorted((OTHER, NEAR))
    [late] = [a for a in city.alerts() if a["subject"] == OTHER]
    assert late["since"][:10] == "2025-09-02", "the listing's own day"


def test_a_platform_when_the_policy_says_so() -> None:
    """Down and up, and not across: operators of one platform are not related."""
    for on, told in ((False, ([], [])), (True, ([FAR], sorted((NEAR, OTHER))))):
        for listed, expected in zip((NEAR, FAR), told, strict=True):
            city = City(policy(links=("controller", "platform") if on else ("controller",)))
            city.register("2025-09-01T10:00", FAR, kind="platform")
            for code in (NEAR, OTHER):
                city.register("2025-09-01T10:00", code, kind="individual", platform=FAR)
            city.list("2025-09-02T10:00", listed)
            assert city.to("2025-09-03T00:00").told() == expected
            assert all("平台" in alert["title"]["zh"] for alert in city.alerts())


def test_a_policy_of_later_finds_what_was_there() -> None:
    city = City(policy(enabled=False))
    city.list("2025-09-02T10:00", name="watch")
    assert city.to("2025-09-03T00:00").told() == []
    city.runner._renew(tw.encode(policy(lists=("watch",), level="yellow")), city.runner.card.hash)
    [alert] = city.to("2025-09-04T00:00").alerts()
    assert alert["level"] == "yellow"
    city.runner._renew(tw.encode(policy(lists=("watch",), level="red")), city.runner.card.hash)
    [alert] = city.to("2025-09-05T00:00").alerts()
    assert (alert["level"], alert["reason"]) == ("red", "level")


# ---------------------------------------------------------------------------------------- a storm


def test_a_nominee_is_told_once_with_a_number() -> None:
    city = City(policy(businesses_max=5))
    everybody = ev.codes(40)

    def under(first: int, last: int, when: str) -> None:
        for code in everybody[first:last]:
            city.register(when, code, controllers=[SECRET])

    under(4, 8, "2025-09-01T10:00")
    city.list("2025-09-02T10:00")
    assert city.to("2025-09-03T00:00").told() == sorted([NEAR, *everybody[4:8]]), "five"
    under(8, 9, "2025-09-03T10:00")
    [alert] = city.to("2025-09-04T00:00").alerts()
    assert alert["subject"] == LISTED and "超过 5 户" in alert["title"]["zh"]
    assert [x["type"] for x in alert["evidence"]] == ["list.entered", "subject.registered"]
    assert all("subject" not in x for x in alert["evidence"]), "its own"
    under(9, 14, "2025-09-04T10:00")  # eleven
    [alert] = city.to("2025-09-05T00:00").alerts()
    assert "超过 10 户" in alert["title"]["zh"] and alert["reason"] == "grown"
    under(14, 19, "2025-09-05T10:00")  # sixteen: nothing new is said
    [same] = city.to("2025-09-06T00:00").alerts()
    assert same == alert
    for code in everybody[4:19]:
        city.do("2025-09-06T10:00", "subject.cancelled", code)
    assert city.to("2025-09-07T00:00").told() == [NEAR]


# -------------------------------------------------------------------------------- who hears of it


def departments(city: City) -> list[str]:
    [alert] = city.to("2025-09-03T00:00").alerts()
    return alert["departments"]  # type: ignore[no-any-return]


def test_departments_of_its_items() -> None:
    """By its record and its registration; by complaints only if there is nothing else; else none,
    and the centre is told."""
    city = City()
    city.list("2025-09-02T10:00")
    assert departments(city) == []
    notify = policy().notify
    assert notify is not None
    found = route(Notice("a", "related-risk", "orange", "firing", NEAR, "", "public", ["public"],
                         [], 0, 0, 0, 0, {}, [], 1), Directory(notify))
    assert {Directory(notify).by_id[r.receiver].role for r in found} == {"centre"}

    complaint = {"item": "cq1-01", "kind": "complaint", "category": "质量"}
    city = City()
    city.do("2025-09-01T10:00", "complaint.filed", NEAR, **complaint)
    city.list("2025-09-02T10:00")
    assert departments(city) == ["市发展改革委"]

    city = City()
    city.do("2025-09-01T10:00", "complaint.filed", NEAR, **complaint)
    city.do("2025-09-01T11:00", "inspection.completed", NEAR, item="cq1-17", plan="random",
            result="pass", findings=[])
    city.register("2025-09-01T12:00", NEAR, controllers=[SECRET], items=["cq1-47"])
    city.list("2025-09-02T10:00")
    assert departments(city) == ["市市场监管局", "重庆市税务局"]


def test_pages_and_interface() -> None:
    city = City()
    city.list("2025-09-02T10:00")
    [alert] = city.to("2025-09-03T00:00").alerts()
    service = EmbeddedService(city.runner, lambda: city.runner.shard.clock_ms)
    client = TestClient(create_app(service, items=catalogue(policy(), {})), "http://localhost")
    page = client.get(f"/alerts/{alert['id']}", headers=HTML).text
    assert f"/subjects/{LISTED}?fact=" in page and f"/subjects/{NEAR}?fact=" in page
    page = client.get(f"/subjects/{NEAR}", headers=HTML).text
    assert f'href="/subjects/{LISTED}"' in page and f'href="/alerts/{alert["id"]}"' in page
    found = profile(city.runner.shard, NEAR, city.runner.shard.clock_ms)
    assert found is not None and found["related"]["listed"] == [
        {"subject": LISTED, "name": "企业0", "list": "serious", "by": "controller",
         "alert": alert["id"]}]
    [emerging] = client.get("/api/v1/situation").json()["emerging"]["alerts"]
    assert emerging["id"] == alert["id"]
    assert city.runner.analysis.report()["related"] == {"links": 4, "listings": 1, "alerts": 1}
    done = client.post(f"/api/v1/alerts/{alert['id']}/acknowledge", json={"actor": "李处"})
    assert done.status_code in (200, 202), done.text
    assert city.alerts("acknowledged")[0]["id"] == alert["id"]
    for path in (f"/subjects/{LISTED}", f"/subjects/{NEAR}", f"/alerts/{alert['id']}", "/"):
        for headers in (HTML, {}):
            assert SECRET not in client.get(path, headers=headers).text


# ------------------------------------------------------------------------- what is told, and kept


def told_of(city: City) -> list[ForAnalysis]:
    """What its shard says, folded again."""
    shard = Shard()
    return [x for _, body in city.runner.store.read(0)
            for x in shard.step(codec.decode_envelope(body)) if isinstance(x, ForAnalysis)]


def test_nobody_is_named() -> None:
    city = City()
    city.do("2025-09-05T10:00", "list.exited", LISTED, of=city.list("2025-09-02T10:00"))
    said = [x for x in told_of(city) if isinstance(x, Linked | Listed)]
    assert len(said) == 5
    assert SECRET not in str(said)
    assert SECRET.encode() not in city.runner.analysis.dump()


def test_what_is_told_can_be_read_from_a_topic() -> None:
    city = City()
    city.do("2025-09-05T10:00", "list.revoked", LISTED, of=city.list("2025-09-02T10:00"))
    city.do("2025-09-05T10:00", "subject.cancelled", NEAR)
    told = told_of(city.to("2025-09-06T00:00"))
    assert {type(x) for x in told} >= {Linked, Listed}
    out = outgoing.Outgoing(Topics.of("t"), 3, lambda _: "")
    read = []
    for n, one in enumerate(told):
        for message in out.messages([Placed(7, n, one, b"")], {}, 0):
            if message.topic == "t.signals":
                record = analyst._RECORD(message.value)
                assert message.partition == 3 and record.id == f"3-7-{n}"
                read.append(msgspec.convert(record.data, outgoing.TOLD[record.type]))
    assert read == told


def test_streams_in_any_interleaving() -> None:
    """What three shards say, in pieces, with the analysis dumped and loaded in between."""
    city = City()
    listing = city.list("2025-09-02T10:00")
    for n, code in enumerate(ev.codes(40)[4:20]):
        city.register(f"2025-09-{3 + n % 4:02d}T10:00", code, controllers=[SECRET, "c"])
    city.list("2025-09-04T10:00", FAR, "debtor")
    city.do("2025-09-12T10:00", "list.exited", LISTED, of=listing)
    entries = tw.log_of(city.to("2025-09-20T00:00").runner)
    first_ms = entries[1].recorded_ms
    entries[0] = entries[0]._replace(recorded_ms=first_ms)
    ticks = [ev.tick(ms) for ms in range(first_ms, city.runner.shard.clock_ms, 6 * 3_600_000)]
    town = tw.Town(3).play(sorted([*entries, *ticks], key=lambda x: x.recorded_ms))
    wanted = [c for c in town.concluded if c.events]
    assert sum(len(c.events) for c in wanted) > 20
    rng = random.Random(3)
    analysis, got, at = Analysis(3), list[Concluded](), [0, 0, 0]
    while left := [n for n in range(3) if at[n] < len(town.told[n])]:
        n, size = rng.choice(left), rng.randrange(1, 9)
        got += analysis.take(n, town.told[n][at[n]:at[n] + size])
        at[n] += size
        if rng.random() < 0.2:
            analysis = Analysis.load(analysis.dump())
    assert [c for c in got if c.events] == wanted


def test_members() -> None:
    made = Members()
    link = "controller 00"
    people = [Member(f"s{n}", n != 2, "src", f"r{n}", n) for n in range(4)]
    for member in people:
        made.put(link, member)
    made.put(link, people[1])
    assert [made.get(link, m.subject) for m in people] == people
    assert made.get(link, "s9") is None and made.get("controller 01", "s1") is None
    assert made.others(link, "s0", 2) == [people[1], people[3]], "cancelled ones are left out"
    assert made.others(link, "s0", 1) == frozenset({"s1", "s3"})
    assert made.others("platform 00", "s0", 1) == []
    again = Members.load(msgspec.msgpack.decode(msgspec.msgpack.encode(made.dump())))
    assert again.dump() == made.dump() and again.get(link, "s3") == people[3]
    for one in (made, again):
        for member in people:
            one.drop(link, "s9")
            assert len(one) == 1
            one.drop(link, member.subject)
            assert one.get(link, member.subject) is None
        assert len(one) == 0 and one.dump() == []


def test_a_business_is_not_its_own_platform_and_few_controllers_are_looked_at() -> None:
    assert all(links.other_end(links.other_end(x)) == x for x in ("operator 0", "platform 0"))
    city = City()
    city.register("2025-09-02T09:00", FAR, kind="platform", platform=FAR,
                  controllers=[f"c{n:03d}" for n in range(99)])
    [last] = [x for x in told_of(city) if isinstance(x, Linked)][-1:]
    assert [links.kind_of(x) for x in last.links] == ["controller"] * 32 + ["platform"]
    assert len(last.gone) == 1, "the one it had"
