"""Goal: what is enqueued is delivered, given up and reported as promised; the auditor finds gaps.

Method: a desk and a sender over a ledger, with channels that do as told and a clock that is set by
hand; every kind of gap is planted once.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from notify_world import DELIVERY, HOUR_MS, ITEMS, MINUTE_MS, POLICY, TIME, at, changed, notice

from alerts import render
from alerts.letter import Letter
from alerts.notice import Notice
from alerts.notify import Reason
from alerts.routing import Directory
from dispatch.backoff import Breaker, broken, retry_ms
from dispatch.channel import MACHINE_MAX, Outcome
from dispatch.dispatcher import Dispatcher
from dispatch.ledger import Ledger, LedgerError
from dispatch.notices import Profile, of_alert, of_review
from dispatch.outbox import Act
from dispatch.webhook import event as event_of
from models.notify_policy import Notify, Step
from storage.effects import AlertChanged, Evidence, ReviewChanged

NOW = at("2026-11-16T10:00")
OK = Outcome("ok", 200, "")
LATER = Outcome("retry", 503, "later")


class Fake:
    """A channel that answers as it is told and remembers what it was sent."""

    def __init__(self, receiver: str, answer: Callable[[int], Outcome] = lambda n: OK,
                 per_minute_max: int = 0) -> None:
        self.receiver = receiver
        self.endpoint = f"{receiver}/fake"
        self.per_minute_max = per_minute_max
        self.letters: list[Letter] = []
        self.at_once = 0
        self._answer = answer

    def send(self, letter: Letter, now_ms: int) -> Outcome:
        self.at_once += 1
        assert self.at_once == 1, "two at once"
        self.letters.append(letter)
        outcome = self._answer(len(self.letters))
        self.at_once -= 1
        return outcome

    def said(self) -> list[tuple[str, str]]:
        return [(e.alert, e.reason) for x in self.letters for e in x.entries]


class World:
    """A dispatcher, its clock and its channels."""

    def __init__(self, *channels: Fake, path: Path | None = None, policy: Notify = POLICY,
                 now: int = NOW, **delivery: Any) -> None:
        self.now = now
        self.channels = channels
        self.view: dict[str, Notice] = {}
        self.dispatcher = Dispatcher(path, policy, TIME, ITEMS, channels,
                                     msgspec.structs.replace(DELIVERY, **delivery),
                                     lambda: self.now)

    def take(self, *notices: Notice) -> None:
        self.view |= {n.id: n for n in notices}
        self.dispatcher.submit(notices, upto=max(n.seq for n in notices) + 1)
        self.send()

    def send(self) -> None:
        """Everything that may go now."""
        sender = self.dispatcher.sender
        for channel in self.channels:
            if self.now >= sender.breakers[channel.endpoint].open_until_ms:
                sender._serve(channel.endpoint)

    def pass_to(self, ms: int) -> None:
        """Time passes, with a look at every timer on the way."""
        while self.now < ms:
            again = self.dispatcher.tick()
            self.send()
            due = [self.dispatcher.desk.outbox.next_due(c.endpoint) for c in self.channels]
            later = [m for m in (again, *due, *(
                b.open_until_ms for b in self.dispatcher.sender.breakers.values())) if m > self.now]
            self.now = min([ms, *later])
        self.dispatcher.tick()
        self.send()

    def gaps(self) -> list[Any]:
        return self.dispatcher.gaps(self.view.values())


def test_told_once_reminded_escalated_and_told_that_it_is_over() -> None:
    people, above, centre = Fake("scjg"), Fake("dcs"), Fake("centre")
    world = World(people, above, centre)
    first = notice()
    world.take(first)
    world.take(first)
    assert people.said() == [(first.id, Reason.FIRST)] and above.said() == []
    world.pass_to(at("2026-11-17T10:00"))
    assert above.said() == [(first.id, Reason.ESCALATION)]
    assert people.said()[1:] == [(first.id, Reason.REMINDER)]
    world.take(changed(first, state="acknowledged", updated_ms=world.now))
    world.pass_to(at("2026-11-20T09:59"))
    assert len(people.letters) == 2 and len(above.letters) == 1 and centre.letters == []
    world.pass_to(at("2026-11-20T10:00"))
    assert people.said()[2:] == [(first.id, Reason.REMINDER)]
    world.take(changed(first, seq=3, state="resolved", updated_ms=world.now))
    for one in (people, above):
        assert one.said()[-1] == (first.id, Reason.RESOLVED)
    assert centre.letters == [] and world.gaps() == []
    assert world.dispatcher.tick() == 0
    keys = [x.key for x in people.letters]
    assert len(set(keys)) == len(keys)
    rows = world.dispatcher.deliveries(first.id)
    assert {r["state"] for r in rows} == {"delivered"} and len(rows) == 6


def test_what_is_acknowledged_late_reminds_when_idle_all_the_same() -> None:
    """However often it was said before anybody acknowledged."""
    people = Fake("scjg")
    world = World(people)
    world.take(notice())
    world.pass_to(NOW + 60 * 24 * HOUR_MS)
    before = len(people.letters)
    assert before > POLICY.remind.most
    world.take(changed(notice(), state="acknowledged", updated_ms=world.now))
    due = TIME.add(world.now, POLICY.remind.idle_min.of("orange"))
    world.pass_to(due - 1)
    assert len(people.letters) == before
    world.pass_to(due)
    assert people.said()[before:] == [(notice().id, Reason.REMINDER)]
    world.pass_to(due + 300 * 24 * HOUR_MS)
    assert len(people.letters) == before + POLICY.remind.most


def test_alerts_about_one_subject_come_in_one_letter() -> None:
    people = Fake("scjg")
    world = World(people, Fake("centre"))
    world.take(*(notice(f"a-{n}", level="yellow", rule="repeat-offence", seq=n + 1,
                        facts={"days": "365", "count": "3"}) for n in range(3)))
    assert people.letters == []
    world.pass_to(NOW + MINUTE_MS)
    assert [x.count for x in people.letters] == [3]
    # What comes with something weightier goes along with it.
    world.take(notice("b-1", level="yellow", subject="x", seq=9, updated_ms=world.now),
               notice("b-2", subject="x", seq=10, updated_ms=world.now))
    assert [x.count for x in people.letters] == [3, 2]


def test_a_review_keeps_its_children_quiet_until_it_is_over() -> None:
    people = Fake("scjg")
    world = World(people, Fake("sthj"), Fake("centre"))
    gap = notice("grade-gap-1", rule="grade-gap", departments=["市市场监管局", "市生态环境局"],
                 facts={"levels": "2", "highest": "cq1-17", "highest_grade": "A",
                        "lowest": "cq1-40", "lowest_grade": "C"})
    drop = notice(seq=2)
    world.take(gap, drop)
    assert people.said() == [("grade-gap-1", Reason.FIRST)] and world.gaps() == []
    world.now += HOUR_MS
    world.take(changed(gap, seq=3, state="resolved", updated_ms=world.now))
    assert people.said()[1:] == [(drop.id, Reason.FIRST), ("grade-gap-1", Reason.RESOLVED)]


def test_what_a_review_keeps_quiet_is_not_escalated_either() -> None:
    """Its department was never told of it, so nobody could acknowledge; after the review it is."""
    people, above, centre = Fake("scjg"), Fake("dcs"), Fake("centre")
    world = World(people, above, centre)
    gap = notice("grade-gap-1", rule="grade-gap",
                 facts={"levels": "2", "highest": "cq1-17", "highest_grade": "A",
                        "lowest": "cq1-40", "lowest_grade": "C"})
    drop = notice(seq=2)
    world.take(gap, drop)
    world.take(changed(gap, seq=3, state="acknowledged", updated_ms=world.now))
    world.pass_to(NOW + 6 * 24 * HOUR_MS)
    assert above.letters == centre.letters == [] and world.gaps() == []
    assert {alert for alert, _ in people.said()} == {gap.id}
    world.take(changed(gap, seq=4, state="resolved", updated_ms=world.now))
    assert (drop.id, Reason.FIRST) in people.said()
    world.pass_to(world.now + 24 * HOUR_MS)
    assert above.said()[0] == (drop.id, Reason.ESCALATION) and world.gaps() == []


def test_a_storm_becomes_a_digest_that_says_so() -> None:
    people = Fake("scjg")
    world = World(people, Fake("centre"))
    world.take(*(notice(f"a-{n}", subject=f"s-{n}", seq=n + 1) for n in range(100)))
    assert len(people.letters) == 20 and world.gaps() == []
    world.take(notice("red-1", subject="r", level="red", seq=200, updated_ms=world.now))
    assert len(people.letters) == 21
    world.pass_to(NOW + 600_000)
    digest = people.letters[21]
    assert digest.digest and digest.count == 80 and len(digest.entries) == 20
    assert "汇总" in digest.note.zh and len(people.letters) == 22
    assert world.gaps() == []


def test_a_flood_over_many_receivers_gives_each_one_digest() -> None:
    """More than fit into one look at the timers, mixed; some alerts have two receivers."""
    people = [Fake("scjg"), Fake("sthj"), Fake("jtj"), Fake("dcs")]
    names = ["市市场监管局", "市生态环境局", "市交通局"]
    world = World(*people)
    world.take(*[notice(f"a{n}", subject=f"s{n}", seq=n + 1, departments=[
        names[n % 3], names[(n // 3) % 3]]) for n in range(900)])
    world.pass_to(NOW + 3 * HOUR_MS)
    for one in people[:3]:
        digests = [x.count for x in one.letters if x.digest]
        assert len(digests) == 1 and len(one.letters) == 21
        told = sum(1 for n in range(900) for k in {n % 3, (n // 3) % 3} if people[k] is one)
        assert digests[0] == told - 20


@pytest.mark.parametrize(("kind", "count"), [("alertmanager", 50), ("wecom", 20)])
def test_a_machine_gets_all_of_a_digest(kind: str, count: int) -> None:
    """People have a number for what is too much to read; an Alertmanager has nothing but alerts."""
    one = Fake("scjg")
    one.endpoint = f"scjg/{kind}"
    world = World(one)
    world.take(*[notice(f"a{n}", subject=f"s{n}", seq=n + 1) for n in range(70)])
    world.pass_to(NOW + HOUR_MS)
    digest = one.letters[-1]
    assert digest.digest and digest.count == 50
    assert len(digest.entries) + len(digest.rest) == count
    assert len(event_of(digest)["data"]["alerts"]) == count
    assert f"另有 {50 - len(digest.entries)} 条预警" in render.wecom_markdown(digest)


def test_a_machine_gets_a_flood_in_parts() -> None:
    """Each of a size that can be sent; none is lost, none comes twice."""
    one = Fake("scjg")
    one.endpoint = "scjg/webhook"
    world = World(one)
    world.take(*[notice(f"a{n}", subject=f"s{n}", seq=n + 1) for n in range(MACHINE_MAX + 80)])
    world.pass_to(NOW + HOUR_MS)
    told = [[e.alert for e in (*x.entries, *x.rest)] for x in one.letters]
    assert max(map(len, told)) == MACHINE_MAX
    assert sorted(x for letter in told for x in letter) == sorted(
        f"a{n}" for n in range(MACHINE_MAX + 80))


def test_of_a_digest_that_is_given_up_the_centre_is_told_of_all() -> None:
    centre = Fake("centre")
    refused = Outcome("letter", 400, "no")
    world = World(Fake("scjg", lambda n: refused if n > 20 else OK), centre)
    world.take(*[notice(f"a{n}", subject=f"s{n}", seq=n + 1) for n in range(70)])
    world.pass_to(NOW + HOUR_MS)
    (told,) = [x for x in centre.letters if x.reason == Reason.UNDELIVERED]
    assert told.count == 50 and len(told.entries) == 20
    assert sum(1 for n in range(70) for row in world.dispatcher.deliveries(f"a{n}")
               if row["reason"] == Reason.UNDELIVERED) == 50


def test_a_silence_begins_ends_and_can_be_lifted() -> None:
    people = Fake("scjg")
    world = World(people, Fake("centre"))
    quiet = notice(silenced_until_ms=NOW + 8 * HOUR_MS)
    world.take(quiet)
    assert people.letters == [] and world.gaps() == []
    world.now += HOUR_MS
    world.take(msgspec.structs.replace(quiet, seq=quiet.seq + 1, silenced_until_ms=0))
    world.send()
    assert people.said() == [("grade-drop-1", Reason.FIRST)]


def test_an_unanswered_review() -> None:
    people, above, joint = Fake("scjg"), Fake("dcs"), Fake("joint")
    other = Fake("sthj")
    world = World(people, other, above, joint, Fake("centre"))
    review = ReviewChanged("review-1", "91500106MA5U00017K", True, NOW, 20773, 20777, 0, 2, {}, {},
                           [{"item": "cq1-17"}, {"item": "cq1-40"}],
                           ["市市场监管局", "市生态环境局"], [], NOW)
    profile = Profile("重庆示例餐饮管理有限公司", "enterprise", "500112")
    world.take(of_review(review, 1, TIME.offset_ms, profile))
    assert all(c.letters == [] for c in world.channels)
    answered = msgspec.structs.replace(review, answers=[{"department": "市生态环境局"}])
    world.take(of_review(answered, 2, TIME.offset_ms, profile))
    world.pass_to(at("2026-12-05T00:00"))
    assert people.said() == [("review-1", Reason.REMINDER)] * 3
    assert above.said() == [("review-1", Reason.ESCALATION)] * 2
    assert joint.said() == [("review-1", Reason.ESCALATION)] and other.letters == []
    assert "逾期" in people.letters[-1].entries[0].title.zh
    done = msgspec.structs.replace(answered, open=False, answers=[
        {"department": "市生态环境局"}, {"department": "市市场监管局"}])
    world.take(of_review(done, 3, TIME.offset_ms, profile))
    assert joint.said()[-1] == ("review-1", Reason.RESOLVED)
    assert world.dispatcher.tick() == 0


def test_effects_become_notices() -> None:
    changed_ = AlertChanged(
        "a", "grade-drop", "red", "firing", "", "opened", "s", "cq1-17", 1, 2, 3, 0, ["d"],
        ["cq1-17"], {"from": "A", "to": "D"}, [Evidence("x", "y", "penalty.decided", 5)], "w", "p")
    n = of_alert(changed_, 7, Profile("名", "soe", "500106"))
    assert (n.id, n.seq, n.kind, n.district, n.evidence[0].type) == (
        "a", 7, "soe", "500106", "penalty.decided")
    assert of_review(ReviewChanged("r", "s", False, 0, 0, 10, 9, 0, {}, {}, [], [], [], 9), 1,
                     0).state == "resolved"


def test_begun_over_a_history_nobody_is_told_anew_but_clocks_start() -> None:
    people, above = Fake("scjg"), Fake("dcs")
    world = World(people, above, Fake("centre"))
    old = notice(updated_ms=at("2025-01-01T10:00"))
    world.dispatcher.adopt([old], upto=2)
    world.view[old.id] = old
    assert world.gaps() == []
    world.take(changed(notice("new"), seq=5))
    assert people.said() == [("new", Reason.FIRST)]
    world.pass_to(at("2026-11-17T10:00"))
    assert (old.id, Reason.ESCALATION) in above.said()


# ---------------------------------------------------------------------------------------- delivery


def test_a_failure_is_tried_again_and_the_breaker_opens_and_closes() -> None:
    people = Fake("scjg", lambda n: LATER if n <= 7 else OK)
    world = World(people, Fake("centre"))
    world.take(notice())
    assert world.dispatcher.sender.breakers["scjg/fake"].failures == 1
    for _ in range(4):
        world.now += 1_000
        world.send()
    assert world.dispatcher.sender.breakers["scjg/fake"].open_until_ms > world.now
    world.pass_to(NOW + 20_000)
    assert len({x.key for x in people.letters}) == 1 and len(people.letters) == 8
    assert world.dispatcher.sender.breakers["scjg/fake"] == Breaker()
    assert world.dispatcher.deliveries("grade-drop-1")[0]["attempts"] == 8


def test_a_dead_receiver_is_reported_and_the_centre_told_instead() -> None:
    people, centre = Fake("scjg", lambda n: LATER), Fake("centre")
    world = World(people, centre, deadline_h=1.0, dead_after_min=10.0)
    world.take(notice(level="red", rule="ban-breach", facts={}))
    assert centre.said() == [("grade-drop-1", Reason.FIRST)]
    world.pass_to(NOW + 11 * MINUTE_MS)
    (dead,) = world.dispatcher.dead()
    assert (dead.endpoint, dead.since_ms, dead.waiting, dead.code) == ("scjg/fake", NOW, 1, 503)
    assert world.gaps() == []
    world.pass_to(NOW + HOUR_MS + 5 * MINUTE_MS)
    told = [x for x in centre.letters if x.entries[0].reason == Reason.UNDELIVERED]
    assert told and "通过fake送达市市场监管局" in told[0].note.zh
    assert not [g for g in world.gaps() if g.receiver == "scjg"]


def test_a_channel_that_was_taken_away_is_not_dead_for_ever(tmp_path: Path) -> None:
    path = tmp_path / "d.db"
    world = World(Fake("scjg", lambda n: LATER), path=path)
    world.take(notice())
    world.pass_to(NOW + HOUR_MS)
    assert [d.receiver for d in world.dispatcher.dead()] == ["scjg"]
    world.dispatcher.close()
    other = Fake("scjg")
    other.endpoint = "scjg/other"
    assert World(other, path=path, now=world.now).dispatcher.dead() == []


def test_a_letter_that_will_never_be_taken_is_given_up_at_once() -> None:
    people, centre = Fake("scjg", lambda n: Outcome("letter", 40058, "too long")), Fake("centre")
    world = World(people, centre)
    world.take(notice())
    world.pass_to(NOW + MINUTE_MS)
    assert len(people.letters) == 1 and centre.said() == [("grade-drop-1", Reason.UNDELIVERED)]


def test_a_wrong_secret_is_left_alone_until_it_may_have_been_mended() -> None:
    people = Fake("scjg", lambda n: Outcome("endpoint", 401, "no") if n == 1 else OK)
    world = World(people, Fake("centre"), breaker_max_s=300.0)
    world.take(notice())
    world.pass_to(NOW + 299_000)
    assert len(people.letters) == 1
    world.pass_to(NOW + 301_000)
    assert len(people.letters) == 2


def test_a_robot_is_not_sent_more_than_it_takes() -> None:
    people = Fake("scjg", per_minute_max=5)
    world = World(people, Fake("centre"))
    world.take(*(notice(f"a-{n}", subject=f"s-{n}", seq=n + 1) for n in range(12)))
    assert len(people.letters) == 5
    world.now += 60_001
    world.send()
    assert len(people.letters) == 10


def test_what_is_red_goes_first() -> None:
    people = Fake("scjg", lambda n: LATER if n == 1 else OK)
    world = World(people, Fake("centre"))
    world.take(*(notice(f"a-{n}", subject=f"s-{n}", seq=n + 1) for n in range(4)))
    done = len(people.letters)
    world.dispatcher.sender.breakers["scjg/fake"] = Breaker(9, world.now + 1_000, world.now)
    world.take(notice("a-4", subject="s-4", seq=5), notice("red", subject="r", level="red", seq=6))
    world.dispatcher.sender.breakers["scjg/fake"] = Breaker()
    world.send()
    assert people.letters[done].entries[0].alert == "red"


def test_after_a_crash_it_goes_again_under_the_same_key(tmp_path: Path) -> None:
    path = tmp_path / "d.db"
    world = World(Fake("scjg"), Fake("centre"), path=path)
    world.dispatcher.submit([notice()], upto=2)
    row = world.dispatcher.desk.outbox.claim("scjg/fake", world.now, world.now + 10_000)
    assert row is not None
    with pytest.raises(LedgerError, match="another dispatcher"):
        Ledger(path)
    world.dispatcher.close()
    people = Fake("scjg")
    again = World(people, Fake("centre"), path=path)
    assert again.dispatcher.mark() == 2
    again.dispatcher.submit([notice()], upto=2)
    again.send()
    assert [x.key for x in people.letters] == [row.letter.key]


def test_receivers_and_channels_come_and_go(tmp_path: Path) -> None:
    path = tmp_path / "d.db"
    world = World(Fake("scjg", lambda n: LATER), Fake("gzw"), Fake("centre"), path=path)
    world.take(notice(kind="soe"), notice("night", level="yellow", subject="y", seq=2,
                                          rule="ban-breach", facts={}))
    world.dispatcher.close()
    centre = Fake("centre")
    again = World(centre, path=path)
    kept = tuple(r for r in POLICY.receivers if r.id != "gzw")
    desk = again.dispatcher.desk
    desk.policy = msgspec.structs.replace(POLICY, receivers=kept)
    desk.directory = Directory(desk.policy, desk.endpoints)
    again.pass_to(NOW + 30 * 24 * HOUR_MS)
    # What was for the channel that is gone is told to the centre, and so is what follows.
    assert (notice().id, Reason.UNDELIVERED) in centre.said()
    assert ("night", Reason.FIRST) in centre.said()
    again.view = {"night": notice("night", level="yellow", subject="y", seq=2, rule="ban-breach")}
    assert again.gaps() == []


@pytest.mark.parametrize(("plan", "steps"), [
    ((), []),
    ((Step(1_200, ("department", "superior")),), [(1_200, "superior")]),
    ((Step(60, ("superior",)), Step(540, ("centre",))), [(60, "superior"), (540, "centre")])])
def test_under_another_policy_what_stands_follows_the_new_steps(
        tmp_path: Path, plan: tuple[Step, ...], steps: list[tuple[int, str]]) -> None:
    """Moments of the old plan are in the ledger: later, earlier or without end in the new one."""
    path = tmp_path / "d.db"
    world = World(Fake("scjg"), Fake("centre"), Fake("dcs"), path=path)
    world.take(notice())
    world.dispatcher.close()
    policy = msgspec.structs.replace(
        POLICY, escalate=msgspec.structs.replace(POLICY.escalate, orange=plan))
    others = {"superior": Fake("dcs"), "centre": Fake("centre")}
    again = World(Fake("scjg"), *others.values(), path=path, policy=policy)
    again.view = {notice().id: notice()}
    for minutes, role in steps:
        due = TIME.add(notice().updated_ms, minutes)
        again.pass_to(due - 1)
        assert others[role].said() == []
        again.pass_to(due)
        assert others[role].said() == [(notice().id, Reason.ESCALATION)]
    again.pass_to(NOW + 5 * 24 * HOUR_MS)
    assert again.gaps() == []


def test_who_is_a_receiver_since_the_last_start_is_told(tmp_path: Path) -> None:
    """Its department had no channel, and the centre stood in for it."""
    path = tmp_path / "d.db"
    world = World(Fake("centre"), path=path)
    world.take(notice(), notice("seen", seq=2, subject="y", state="acknowledged"))
    world.dispatcher.close()
    for _ in range(2):
        people, centre = Fake("scjg"), Fake("centre")
        again = World(people, centre, path=path, now=NOW + HOUR_MS)
        again.view = {notice().id: notice()}
        again.pass_to(NOW + 2 * HOUR_MS)
        assert again.gaps() == [] and centre.said() == []
        said = people.said()
        again.dispatcher.close()
        if _ == 0:
            assert sorted(said) == [(notice().id, Reason.FIRST), ("seen", Reason.FIRST)]
    assert said == []


def test_where_the_first_channel_is_switched_on_what_stands_is_told_to_nobody(
        tmp_path: Path) -> None:
    path = tmp_path / "d.db"
    world = World(path=path)
    world.take(*[notice(f"a{n}", subject=f"s{n}", seq=n + 1) for n in range(50)])
    world.dispatcher.close()
    people, centre = Fake("scjg"), Fake("centre")
    again = World(people, centre, path=path, now=NOW + HOUR_MS)
    again.view = dict(world.view)
    again.pass_to(NOW + 2 * HOUR_MS)
    assert again.gaps() == [] and people.said() == [] and centre.said() == []
    # Its clocks begin then.
    again.pass_to(NOW + 3 * 24 * HOUR_MS)
    assert {reason for _, reason in people.said()} == {Reason.REMINDER}


def test_what_a_system_answered_comes_back_as_an_event() -> None:
    act = Act("alert.acknowledged", "王工", alert="grade-drop-1", note="已安排")
    world = World(Fake("scjg", lambda n: Outcome("ok", 200, "", acts=(act,))), Fake("centre"))
    world.take(notice())
    ((number, receiver, event),) = world.dispatcher.answers(0)
    assert event["type"] == "alert.acknowledged"
    assert event["data"] == {"alert": "grade-drop-1", "actor": "王工 (scjg)", "note": "已安排"}
    assert world.dispatcher.answers(0) == [(number, "scjg", event)] and receiver == "scjg"
    assert world.dispatcher.answers(number) == []


def test_backoff_grows_within_its_limit_and_is_the_same_each_time() -> None:
    delivery = msgspec.structs.replace(DELIVERY, retry_first_s=5.0, retry_max_s=900.0)
    waits = [retry_ms("k", n, delivery) for n in range(1, 40)]
    assert waits == [retry_ms("k", n, delivery) for n in range(1, 40)]
    assert all(3_750 * 2**n <= w <= 5_000 * 2**n for n, w in enumerate(waits[:7]))
    assert max(waits) <= 900_000 and len({retry_ms(str(k), 1, delivery) for k in range(50)}) > 40
    assert broken(Breaker(), 0, delivery, hard=True).open_until_ms > 0


def test_threads_deliver_to_all_one_at_a_time_each() -> None:
    channels = [Fake(r.id) for r in POLICY.receivers]
    dispatcher = Dispatcher(None, POLICY, TIME, ITEMS, channels, DELIVERY,
                            lambda: time.time_ns() // 1_000_000)
    stop = threading.Event()
    thread = threading.Thread(target=dispatcher.run, args=(stop,))
    thread.start()
    dispatcher.submit([notice(f"a-{n}", subject=f"s-{n}", seq=n + 1, level="red",
                              departments=[POLICY.receivers[n % 20].department],
                              updated_ms=time.time_ns() // 1_000_000) for n in range(200)],
                      upto=201)
    until = time.monotonic() + 120
    while dispatcher.desk.outbox.counts()["waiting"] and time.monotonic() < until:
        time.sleep(0.01)
    stop.set()
    thread.join(60)
    assert sum(len(c.letters) for c in channels) >= 200
    assert dispatcher.desk.outbox.counts()["delivered"] == sum(len(c.letters) for c in channels)
    dispatcher.close()


def test_what_escapes_a_channel_ends_the_process() -> None:
    def bug(n: int) -> Outcome:
        raise RuntimeError("a bug")

    world = World(Fake("scjg", bug), Fake("centre"))
    world.dispatcher.submit([notice()], upto=2)
    with pytest.raises(RuntimeError, match="a bug"):
        world.dispatcher.sender.run(threading.Event())


# ------------------------------------------------------------------------------------------- audit


def sql(text: str) -> Callable[[World], None]:
    def plant(world: World) -> None:
        world.dispatcher.ledger.db.execute(text)
        world.now += 3 * MINUTE_MS
    return plant


def a_lost_transition(world: World) -> None:
    world.view["grade-drop-1"] = changed(world.view["grade-drop-1"], seq=99, level="red")
    world.now += 3 * MINUTE_MS


def an_alert_nobody_took(world: World) -> None:
    world.view["other"] = notice("other")
    world.now += 3 * MINUTE_MS


@pytest.mark.parametrize(("plant", "words"), [
    (an_alert_nobody_took, "not taken"),
    (a_lost_transition, "not taken"),
    (sql("DELETE FROM outbox"), "lost"),
    (sql("DELETE FROM letters"), "lost"),
    (sql("DELETE FROM lines"), "does not tell"),
    (sql("DELETE FROM pairs"), "never decided"),
    (sql("UPDATE outbox SET state=3"), "not reported"),
    (sql("UPDATE outbox SET state=3, reported=2"), "not reported"),
    (sql("UPDATE outbox SET state=0, due_ms=1"), "nobody sends"),
    (sql("UPDATE outbox SET state=1, due_ms=1, lease_ms=1"), "nobody sends"),
    (sql("UPDATE outbox SET state=0, deadline_ms=1"), "beyond its deadline"),
    (sql("UPDATE pairs SET told=x'9700a0a000000000', reason='quiet hours', again_ms=1"),
     "beyond its time"),
    (sql("UPDATE pairs SET told=x'9700a0a000000000', reason='storm', again_ms=9e15"),
     "beyond its time"),
    (sql("UPDATE pairs SET told=x'9700a0a000000000', reason='nothing new', again_ms=0"),
     "not told"),
    (sql("UPDATE pairs SET told=x'9700a0a000000000', reason='inhibition', by='gone'"),
     "which is over"),
    (sql("UPDATE pairs SET told=x'9700a0a000000000', reason='silence', again_ms=1"), "is over"),
    (lambda world: setattr(world, "now", world.now + 30 * 24 * HOUR_MS), "overdue"),
])
def test_the_auditor_finds_what_fell_between(plant: Callable[[World], None], words: str) -> None:
    world = World(Fake("scjg"), Fake("dcs"), Fake("centre"))
    world.take(notice())
    assert world.gaps() == []
    plant(world)
    assert any(words in g.what for g in world.gaps()), world.gaps()


def test_what_the_ledger_learned_since_is_no_gap_for_a_minute() -> None:
    """An acknowledgement between the look at the view and the look at the ledger."""
    world = World(Fake("scjg"), Fake("dcs"), Fake("centre"))
    world.take(notice())
    before = dict(world.view)
    world.take(changed(notice(), seq=7, state="acknowledged", updated_ms=world.now))
    world.view = before
    assert world.gaps() == []
    world.now += 3 * MINUTE_MS
    assert [g.what for g in world.gaps()] == ["the ledger knows more than the log"]


def test_without_a_channel_the_auditor_says_so() -> None:
    world = World()
    world.view["a"] = notice("a")
    world.dispatcher.submit([notice("a")], upto=2)
    assert [g.what for g in world.gaps()] == ["no channel, or its letter is lost"]


def test_old_things_are_forgotten() -> None:
    world = World(Fake("scjg"), Fake("centre"))
    world.take(notice())
    world.take(changed(notice(), state="resolved", updated_ms=NOW + 1))
    ledger = world.dispatcher.ledger
    assert ledger.purge(NOW) == 0
    assert ledger.purge(NOW + HOUR_MS) == 1
    for table in ("alerts", "pairs", "outbox", "letters", "lines"):
        assert ledger.one(f"SELECT count(*) FROM {table}") == (0,), table
