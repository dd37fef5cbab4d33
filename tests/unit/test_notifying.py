"""Goal: an alert of real events reaches its receiver once, and what is answered comes back.

Method: an embedded service on a store, its dispatcher, and receivers on loopback; time is the wall
clock. Commands and acts are typed as people would. The processes and Kafka are in
`tests/integration/test_notify_site.py`.
"""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import hmac
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from bench.notify_site import configure, departments, events
from bench.receivers import SECRET, Behaviour, Receivers
from config import load
from config.channels import channels
from console.acts import Acts, AlertActIn
from console.problems import Problem
from dispatch.audit import Gap
from dispatch.dispatcher import Dispatcher
from dispatch.ledger import Ledger
from streams import deliveries, notifier, run, telling, told_row
from streams.cli import invoke
from streams.embedded import Embedded, restore
from streams.notifier import Notifier
from streams.options import wall_ms
from streams.receipts import Receipts
from streams.service import EmbeddedService

ITEM = departments(1)[0][1]


class World:
    """A service with a dispatcher, turned by hand."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder = folder
        policy, self.channels = configure(folder, 2, port)
        self.policy = load.policy(policy)
        self.service = EmbeddedService(Embedded(folder / "store", self.policy))
        self.settings = channels(self.channels, {})
        self.open()

    def open(self) -> None:
        store = self.folder / "store"
        self.dispatcher: Dispatcher = notifier.dispatcher(store / notifier.LEDGER, self.policy,
                                                          self.settings)
        self.told = telling.Told(store, 8 * 3_600_000)
        telling.begin(self.told, self.dispatcher)
        self.notifier = Notifier(
            self.dispatcher,
            lambda event: [str(x.reason) for x in self.service.act(event).rejected],
            self.service.say, lambda: telling.firing(store, 8 * 3_600_000))

    def close_dispatcher(self) -> None:
        self.told.close()
        self.dispatcher.close()

    def feed(self, *numbers: int) -> None:
        for n in numbers:
            assert not self.service.submit(events(n, ITEM), "test").rejected

    def deliver(self) -> None:
        while telling.turn(self.told, self.dispatcher):
            pass
        self.dispatcher.sender.drain(wall_ms() + 120_000)
        self.notifier.carry_back()

    def alerts(self, **wanted: str) -> list[dict[str, Any]]:
        return self.service.alerts(**wanted)  # type: ignore[arg-type]


@contextmanager
def world(folder: Path, **how: Behaviour) -> Iterator[tuple[World, Receivers]]:
    with Receivers(how) as server:
        made = World(folder, server.port)
        try:
            yield made, server
        finally:
            made.close_dispatcher()
            made.service.close()


def test_an_alert_is_told_once_also_over_a_restart(tmp_path: Path) -> None:
    with world(tmp_path) as (site, server):
        site.feed(1, 2)
        site.deliver()
        heard = server.names["r0"]
        assert len(heard.alerts) == 2 and len(heard.heard) == 2
        site.close_dispatcher()
        site.feed(3)
        site.open()
        site.deliver()
        assert len(heard.alerts) == 3 and all(h.requests == 1 for h in heard.heard.values())
        site.notifier.audit(_stopped_after(1))
        values = site.notifier.metrics()
        assert values["xinfeng_notify_gaps"] == [((), 0)]
        assert values["xinfeng_messages_sent_total"] == [(("r0", "webhook"), 1)]
        site.service.with_metrics(site.notifier.metrics)
        text = site.service.metrics_text().decode()
        assert 'xinfeng_messages_sent_total{channel="webhook",receiver="r0"} 1.0' in text


def _stopped_after(turns: int) -> threading.Event:
    class Stop(threading.Event):
        left = turns

        def wait(self, timeout: float | None = None) -> bool:
            self.left -= 1
            return self.left < 0

    return Stop()


def test_what_stands_at_the_first_start_is_told_to_nobody(tmp_path: Path) -> None:
    with Receivers() as server:
        policy, _ = configure(tmp_path, 2, server.port)
        with closing(EmbeddedService(Embedded(tmp_path / "store", load.policy(policy)))) as old:
            for raw in events(1, ITEM):
                assert not old.submit([raw], "test").rejected
        site = World(tmp_path, server.port)
        site.feed(2)
        site.deliver()
        assert len(server.names["r0"].alerts) == 1
        assert site.dispatcher.gaps(telling.firing(tmp_path / "store", 0)) == []
        site.close_dispatcher()
        site.service.close()


def test_answers_come_back_as_acts_once(tmp_path: Path) -> None:
    with world(tmp_path) as (site, server):
        site.feed(1)
        alert = site.alerts()[0]["id"]
        server.behaviours["r0"] = Behaviour(reply={"acts": [
            {"type": "alert.acknowledged", "alert": alert, "actor": "王工", "note": "已联系"},
            {"type": "alert.closed", "alert": "of somebody else", "actor": "王工"}]})
        site.deliver()
        row = site.service.alert(alert)
        assert row is not None and row["state"] == "acknowledged"
        assert (row["actor"], row["note"]) == ("王工 (r0)", "已联系")
        before = site.service.last_seq()
        site.dispatcher.ledger.move_mark(notifier.ANSWERS, 0)
        assert site.notifier.carry_back() == 1
        site.deliver()
        values = site.notifier.metrics()
        assert values["xinfeng_acknowledged_total"] == [((row["level"],), 1)]
        ((_, took),) = values["xinfeng_acknowledge_seconds_total"]
        assert 0 <= took < 600
        assert site.service.last_seq() == before


def test_a_system_answers_a_review_it_was_told_of_for_its_own_department(tmp_path: Path) -> None:
    """The message of the grade gap names the review; who answers stands with the reason."""
    (mine, item), (other, second) = departments(2)
    with world(tmp_path) as (site, server):
        first, *rest = events(1, item)
        grades = [json.dumps({
            **json.loads(first), "id": it, "type": "grade.assigned",
            "data": {"item": it, "issuer": "department", "grade": grade}}).encode()
            for it, grade in ((item, "A"), (second, "D"))]
        assert not site.service.submit([first, *rest, *grades], "test").rejected
        site.deliver()
        rows = [row for body in server.names["r0"].bodies for row in body["data"]["alerts"]]
        (gap,) = [row for row in rows if row["rule"] == "grade-gap"]
        answer = {"type": "review.answered", "review": gap["review"], "decision": "keep",
                  "actor": "王工", "reason": "依据充分"}
        server.behaviours["r0"] = Behaviour(reply={"acts": [
            {**answer, "department": mine}, {**answer, "department": other},
            {**answer, "department": mine, "review": "review-of-somebody-else"}]})
        Acts(site.service).on_alert(gap["id"], "assign", AlertActIn("甲"), "")
        site.deliver()
        review = site.service.review(gap["review"])
        assert review is not None
        assert [(a["department"], a["reason"]) for a in review["answers"]] == [
            (mine, "依据充分 (王工 (r0))")]


def test_a_dead_receiver_is_an_alert_and_ends(tmp_path: Path) -> None:
    with world(tmp_path, r0=Behaviour(status=503)) as (site, server):
        site.dispatcher.delivery = msgspec.structs.replace(site.dispatcher.delivery,
                                                           dead_after_min=0.0)
        site.feed(1)
        telling.turn(site.told, site.dispatcher)
        while not site.dispatcher.desk.outbox.failing_since("r0/webhook"):
            site.dispatcher.sender.drain(wall_ms() + 100)
        site.notifier.report_dead()
        site.notifier.report_dead()
        (row,) = site.alerts(rule="receiver-dead")
        assert row["state"] == "firing" and row["cell"] == "service:receiver:r0"
        assert departments(1)[0][0] in row["title"]["zh"]
        server.behaviours["r0"] = Behaviour()
        site.deliver()
        site.notifier.report_dead()
        (row,) = site.alerts(rule="receiver-dead")
        assert row["state"] == "resolved"
        # What delivery said is in the log, and a restart takes none of it for the analysis'.
        shard, _, offset, unsaid = restore(site.service.runner.store)
        assert (offset, unsaid) == (site.service.runner.offset, [])
        assert len(shard.subjects) == len(site.service.runner.shard.subjects)


def test_of_two_officers_one_is_first_and_the_other_is_told(tmp_path: Path) -> None:
    with world(tmp_path) as (site, _):
        site.feed(1)
        acts, row = Acts(site.service), site.alerts()[0]
        done: list[Any] = []

        def act(actor: str) -> None:
            try:
                done.append(acts.on_alert(row["id"], "close", AlertActIn(actor, seq=row["seq"]),
                                          ""))
            except Problem as problem:
                done.append(problem)

        threads = [threading.Thread(target=act, args=(f"officer {n}",)) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        first = site.service.alert(row["id"])
        assert first is not None and first["state"] == "closed"
        refused = [x for x in done if isinstance(x, Problem)]
        assert len(refused) == 7 and {x.status_code for x in refused} == {409}
        assert all(first["actor"] in x.detail for x in refused)
        again = acts.on_alert(row["id"], "close", AlertActIn(first["actor"], seq=row["seq"]), "")
        assert again["accepted"] == 0 and again["duplicates"] == 1


@pytest.mark.parametrize(("before", "act"), [
    (["acknowledge"], "acknowledge"), (["close"], "acknowledge"), (["close"], "assign"),
    (["close"], "close"), (["close", "reopen"], "reopen")])
def test_an_act_that_comes_too_late_to_do_anything_is_told_so(tmp_path: Path, before: list[str],
                                                              act: str) -> None:
    """Also where the officer does not say which state they saw; the same officer again is told
    that it is done."""
    with world(tmp_path) as (site, _):
        site.feed(1)
        acts, id = Acts(site.service), site.alerts()[0]["id"]
        for each in before:
            assert acts.on_alert(id, each, AlertActIn("甲"), "")["accepted"] == 1
        with pytest.raises(Problem, match="甲 was first") as told:
            acts.on_alert(id, act, AlertActIn("乙"), "")
        assert told.value.status_code == 409
        held = site.service.alert(id)
        assert held is not None and held["actor"] == "甲"
        if act == before[-1]:
            assert acts.on_alert(id, act, AlertActIn("甲"), "")["duplicates"] == 1


def test_a_silence_that_is_over_before_it_begins_is_refused(tmp_path: Path) -> None:
    with world(tmp_path) as (site, _):
        site.feed(1)
        past = AlertActIn("甲", "查", dt.datetime(2020, 1, 1, tzinfo=dt.UTC))
        with pytest.raises(Problem, match=r'until="2020-01-01.*: must lie after now'):
            Acts(site.service).on_alert(site.alerts()[0]["id"], "silence", past, "")


@pytest.mark.parametrize("order", [("甲", "乙"), ("乙", "甲")])
def test_two_officers_assign_at_once(tmp_path: Path, order: tuple[str, str],
                                     said: Callable[..., tuple[int, str, str]]) -> None:
    """By HTTP and by command: one wins, the other is told; a repeat of the first is none."""
    from starlette.testclient import TestClient

    with world(tmp_path) as (site, _):
        site.feed(1)
        row = site.alerts()[0]
        app = run.console_of(site.service, load.settings(), None, "127.0.0.1")
        client = TestClient(app, base_url="http://127.0.0.1")
        seen = {"if-match": f'"{row["seq"]}"'}
        path = f"/api/v1/alerts/{row['id']}/assign"
        won, lost = ({"actor": who, "note": f"交{who}"} for who in order)
        assert client.post(path, json=won, headers=seen).json()["accepted"] == 1
        answer = client.post(path, json=lost, headers=seen)
        assert answer.status_code == 409 and answer.json()["actor"] == order[0]
        assert client.post(path, json=won, headers=seen).json()["duplicates"] == 1
        now = site.service.alert(row["id"])
        assert now is not None and now["seq"] > row["seq"]
        assert (now["state"], now["reason"], now["actor"]) == ("firing", "assigned", order[0])
    command = ("assign", row["id"], "--actor", order[1], "--store", tmp_path / "store", "--seq")
    code, _, err = said(*command, row["seq"])
    assert code == 3 and f"{order[0]} was first" in err
    assert said(*command, now["seq"])[0] == 0
    assert said("replay", "--store", tmp_path / "store")[0] == 0


def test_a_silence_and_its_lifting_survive_a_restart_and_a_replay(
        tmp_path: Path, said: Callable[..., tuple[int, str, str]]) -> None:
    until = dt.datetime.now(dt.UTC).replace(second=0, microsecond=0) + dt.timedelta(hours=2)
    with world(tmp_path) as (site, server):
        site.feed(1)
        acts, row = Acts(site.service), site.alerts()[0]
        with pytest.raises(Problem, match="a silence needs a reason"):
            acts.on_alert(row["id"], "silence", AlertActIn("李四", until=until), "")
        with pytest.raises(Problem, match="there is none"):
            acts.on_alert("nothing", "silence", AlertActIn("李四", "检修", until), "")
        acts.on_alert(row["id"], "silence", AlertActIn("李四", "检修", until), "")
        shard = restore(site.service.runner.store)[0]
        (held,) = shard.subjects[row["subject"]].alerts.values()
        assert held.silenced_until_ms == until.timestamp() * 1000
        site.deliver()
        again = acts.on_alert(row["id"], "silence", AlertActIn("李四", "检修", until), "")
        assert again["duplicates"] == 1
        acts.on_alert(row["id"], "unsilence", AlertActIn("王五", "已修好"), "")
        again = acts.on_alert(row["id"], "unsilence", AlertActIn("王五", "已修好"), "")
        assert again["duplicates"] == 1
        shown = site.service.alert(row["id"])
        assert shown is not None and shown["silenced_until"] is None
        assert (shown["actor"], shown["note"], shown["reason"]) == ("王五", "已修好", "act")
        site.deliver()
        assert [a["state"] for b in server.names["r0"].bodies for a in b["data"]["alerts"]
                ] == ["firing"] * 2
    assert said("replay", "--store", tmp_path / "store")[0] == 0


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    def run_(*words: object) -> tuple[int, str, str]:
        capsys.readouterr()
        code = invoke([str(w) for w in words])
        return code, *capsys.readouterr()

    return run_


def test_the_commands(tmp_path: Path, said: Callable[..., tuple[int, str, str]]) -> None:
    with world(tmp_path) as (site, _):
        site.feed(1, 2)
        site.deliver()
        one, two = site.alerts()
    store, channels_ = tmp_path / "store", ("--channels", tmp_path / "channels.toml")
    code, out, _ = said("deliveries", "--store", store, "--alert", one["id"], "--json")
    (row,) = [json.loads(x) for x in out.splitlines()]
    assert code == 0 and (row["receiver"], row["state"], row["code"]) == ("r0", "delivered", 200)
    assert len(said("deliveries", "--store", store)[1].splitlines()) == 2
    assert said("audit", "--store", store, *channels_) == (0, "", "")
    file = tmp_path / "alert.json"
    file.write_text(json.dumps(one), "utf-8")
    code, out, _ = said("route", file, "--policy", tmp_path / "site-policy.toml", *channels_,
                        "--json")
    found = json.loads(out)["receivers"]
    assert code == 0 and found[0]["receiver"] == "r0" and "department" in found[0]["because"][0]
    assert said("route", tmp_path / "none.json")[0] == 2
    # Its department is told at once, and once more by the steps that name it.
    file.write_text(json.dumps({**one, "level": "orange"}), "utf-8")
    out = said("route", file, "--policy", tmp_path / "site-policy.toml")[1]
    assert f"{departments(1)[0][0]}" in out and "at once, again +540 min (work)" in out
    for change, words in (({"level": "purple"}, "level=purple: must be one of blue, yellow"),
                          ({"departments": "x"}, "departments=x: must be a list")):
        file.write_text(json.dumps({**one, **change}), "utf-8")
        code, _, err = said("route", file)
        assert code == 2 and words in err
    assert said("ack", one["id"], "--actor", "a", "--seq", one["seq"], "--store", store)[0] == 0
    code, _, err = said("close", one["id"], "--actor", "b", "--seq", one["seq"], "--store", store)
    assert code == 3 and "a was first: acknowledged" in err
    for _ in range(2):
        code, out, _ = said("ack", one["id"], "--actor", "a", "--store", store)
        assert code == 0 and json.loads(out)["duplicates"] == 1
    until = (dt.datetime.now(dt.UTC) + dt.timedelta(days=2)).isoformat()
    assert said("silence", two["id"], "--actor", "a", "--until", until, "--store", store)[0] == 2
    assert said("silence", two["id"], "--actor", "a", "--until", until, "--note", "检修", "--store",
                store)[0] == 0
    assert said("assign", two["id"], "--actor", "a", "--note", "x", "--store", store)[0] == 0
    code, out, _ = said("assign", two["id"], "--actor", "a", "--note", "x", "--store", store)
    assert code == 0 and json.loads(out)["duplicates"] == 1
    assert said("ack", "nothing", "--actor", "a", "--store", store)[0] == 2
    # An alert that the dispatcher never saw is what the auditor is for.
    with closing(EmbeddedService(Embedded(store, None), lambda: wall_ms() - 600_000)) as service:
        assert not service.submit(events(3, ITEM), "test").rejected
    code, out, _ = said("audit", "--store", store, *channels_)
    assert code in (0, 3)


def test_a_receipt_is_taken_by_its_signature(tmp_path: Path) -> None:
    with world(tmp_path) as (site, _):
        site.feed(1)
        alert = site.alerts()[0]["id"]
        receive = Receipts(site.policy, site.settings, site.service.act, site.service.alert,
                           site.service.review)
        app = run.console_of(site.service, load.settings(), None, "127.0.0.1", receive)
        from starlette.testclient import TestClient

        client = TestClient(app, base_url="http://127.0.0.1")
        body = msgspec.json.encode({"acts": [
            {"type": "alert.acknowledged", "alert": alert, "actor": "王工"}]})
        headers = _signed("m1", body)
        assert client.post("/api/v1/receipts/r0", content=body).status_code == 401
        assert client.post("/api/v1/receipts/r9", content=body, headers=headers).status_code == 401
        changed = body.replace(b"acknowledged", b"closed")
        assert client.post("/api/v1/receipts/r0", content=changed,
                           headers=headers).status_code == 401
        old = _signed("m2", body, -600)
        assert client.post("/api/v1/receipts/r0", content=body, headers=old).status_code == 401
        answer = client.post("/api/v1/receipts/r0", content=body, headers=headers)
        assert answer.status_code == 202 and answer.json()["accepted"] == 1
        answer = client.post("/api/v1/receipts/r0", content=body, headers=_signed("m1", body, 1))
        assert answer.json() == {"accepted": 0, "duplicates": 1, "rejected": []}
        # It is of another department.
        answer = client.post("/api/v1/receipts/r1", content=body, headers=_signed("m3", body))
        assert answer.json()["rejected"][0]["index"] == 0
        row = site.service.alert(alert)
        assert row is not None and row["state"] == "acknowledged" and row["actor"] == "王工 (r0)"


def _signed(id: str, body: bytes, off_s: int = 0) -> dict[str, str]:
    at = str(wall_ms() // 1000 + off_s)
    key = base64.b64decode(SECRET.removeprefix("whsec_"))
    mark = hmac.digest(key, f"{id}.{at}.".encode() + body, hashlib.sha256)
    return {"webhook-id": id, "webhook-timestamp": at, "content-type": "application/json",
            "webhook-signature": f"v1,{base64.b64encode(mark).decode()}"}


def test_a_record_of_the_topic_is_the_same_notice(tmp_path: Path) -> None:
    """What a worker writes to Kafka says all that the store's own view says."""
    from storage.effects import AlertChanged
    from storage.kafka_client import Topics
    from storage.view import Placed
    from streams.outgoing import Outgoing

    with world(tmp_path) as (site, _):
        site.feed(1)
        (held,) = site.told.standing(telling.ALERTS)
        body = site.service.runner.store.query("SELECT body FROM alerts")[0][0]
        effect = msgspec.msgpack.decode(body, type=AlertChanged)
        offset, place = divmod(held.seq, 1 << 24)
        out = Outgoing(Topics.of("x"), 3, lambda _: held.name,
                       lambda _: (held.kind, held.district))
        (message,) = out.messages([Placed(offset, place, effect, b"")], {}, 0)
        assert told_row.notice(message.value, 0) == held
        assert held.name and held.kind == "enterprise" and held.district == "500106"


def test_a_gap_is_logged_when_it_is_found_not_at_each_look(
        caplog: pytest.LogCaptureFixture) -> None:
    """Where no channel is on everything is a gap: a log must not say all of it every minute."""
    looks = iter([[], one := [Gap(f"a{n}", "r0", "not told") for n in range(25)], one,
                  [*one[1:], Gap("b", "", "nobody is to be told")], one])

    class Held:
        def gaps(self, firing: object) -> list[Gap]:
            return next(looks)

    site = Notifier(Held(), lambda _: [], None, list)  # type: ignore[arg-type]
    site.audit(_stopped_after(5))
    said = [r.getMessage() for r in caplog.records]
    assert [sum(f"alert=a{n} " in x for x in said) for n in (0, 19, 20)] == [2, 1, 0]
    assert sum("more=5" in x for x in said) == 1 and sum("alert=b " in x for x in said) == 1
    assert len(said) == 20 + 1 + 1 + 1


def test_a_ledger_that_is_made_later_is_found(tmp_path: Path) -> None:
    """The console of a cluster starts before its dispatcher has made one."""
    there = deliveries.Beside(tmp_path / "worker" / "notify.db")
    assert there() == (None, str(tmp_path / "worker" / "notify.db"))
    with closing(Ledger(tmp_path / "worker" / "notify.db")):
        ask, where = there()
        assert where == "here" and ask is not None and ask("an-alert") == []
        assert there()[0] is ask
