"""Goal: what is concluded of the whole city depends on what was said of each day, and on nothing
else; it enters the log once, whatever breaks in between, and a replay concludes it again.

Method: one town that learns quickly, in one process and on 1, 3 and 7 partitions; what the shards
said is played again in any interleaving, with dump and load anywhere; crashes at conclusions; by
hand: what is counted, taken back and forgotten. Planted faults are found.
"""

from __future__ import annotations

import datetime as dt
import json
import random
from collections import Counter
from collections.abc import Sequence
from contextlib import closing, nullcontext
from pathlib import Path

import events as ev
import msgspec
import pytest
import town as tw
from starlette.testclient import TestClient

from console.app import create_app
from models import events as e
from models.examples import Example
from models.policy import INDICATORS, Policy
from models.scorecard import Card
from models.surge_state import WINDOW_D, Cells
from storage.effects import ForAnalysis, Passed, Signal
from storage.sqlite_store import SqliteStore
from streams import cli, codec, digest, trial
from streams.analysis import WEEK_D, WEEKDAY, Analysis, Concluded, Own, next_week_ms
from streams.codec import InvalidEvent
from streams.embedded import Embedded, replay
from streams.fold import fold
from streams.rows import catalogue
from streams.service import EmbeddedService

HOUR_MS = 3_600_000
OFFSET_MS = 8 * HOUR_MS


@pytest.fixture(autouse=True)
def quick() -> object:
    with ev.quick_cards():
        yield


def said(concluded: Sequence[Concluded]) -> list[tuple[int, bytes]]:
    return [(c.at_ms, msgspec.json.encode(event)) for c in concluded for event in c.events]


def day_of(ms: int) -> int:
    return (ms + OFFSET_MS) // ev.DAY_MS


# ------------------------------------------------------------------------------------ the town


def test_the_town_has_everything() -> None:
    """Else the comparisons below say nothing."""
    events = [event for c in tw.town(1).concluded for event in c.events]
    assert sum(isinstance(x, e.WeightsChanged) for x in events) >= 4
    rules = Counter(x.data.rule for x in events if isinstance(x, e.Detected))
    assert rules["regional-surge"] >= 2 and not any(
        isinstance(x, e.Detected) and x.data.open for x in events[-1:])
    assert {c.event for c in tw.log() if isinstance(c.event, e.PolicyChanged)} == {
        tw.change(tw.policy(), 0).event, tw.change(tw.other(), 0).event}


def test_any_number_of_partitions_concludes_the_same() -> None:
    """To the last bit; and the shards come to the same state, that of one process too."""
    one = tw.town(1)
    for partitions in (3, 7):
        more = tw.town(partitions)
        assert said(more.concluded) == said(one.concluded)
        assert [c.at_ms for c in more.concluded] == [c.at_ms for c in one.concluded]
        assert more.digest() == one.digest()
    assert tw.plain().digest() == one.digest()


def test_a_weekly_word_whether_there_is_news_or_not() -> None:
    """Whoever plays history waits for it; weights only on every second Tuesday of the calendar."""
    town = tw.town(3)
    moments = [c.at_ms for c in town.concluded]
    assert moments == sorted(set(moments)), "each is judged once, in order"
    days = [day_of(ms) for ms in moments if not (ms + OFFSET_MS) % ev.DAY_MS]
    # Of feeds something may be said at any hour.
    assert all(isinstance(x, e.Detected) and x.subject.startswith("service:")
               for c in town.concluded if (c.at_ms + OFFSET_MS) % ev.DAY_MS for x in c.events)
    tuesdays = [d for d in range(days[0], town.shards[0].day + 1) if d % WEEK_D == WEEKDAY]
    assert set(tuesdays) <= set(days) and any(not c.events for c in town.concluded)
    published = [(day_of(c.at_ms), x.weights) for c in town.concluded for x in c.events
                 if isinstance(x, e.WeightsChanged)]
    assert [w.name for _, w in published] == [f"w{n:06d}" for n in range(1, len(published) + 1)]
    for day, weights in published:
        assert weights.since_day == day and day % WEEK_D == WEEKDAY and day // WEEK_D % 2 == 0


def test_a_row_of_history_with_each_weekly_word() -> None:
    """The same from any number of shards; it says which of them published weights."""
    history = tw.town(3).analysis.report()["learner"]["history"]
    assert history == tw.town(1).analysis.report()["learner"]["history"]
    days = [row["day"] for row in history]
    assert len(days) > 8 and days == list(range(days[0], days[-1] + 1, WEEK_D))
    assert days[0] % WEEK_D == WEEKDAY and tw.town(3).shards[0].day - days[-1] < WEEK_D
    assert [(row["day"], row["weights"]) for row in history if row["weights"]] == [
        (x.weights.since_day, x.weights.name) for c in tw.town(3).concluded for x in c.events
        if isinstance(x, e.WeightsChanged)]


@pytest.mark.parametrize("day", range(20_400, 20_410))
def test_the_next_week(day: int) -> None:
    """The first Tuesday after a moment; of a Tuesday's first moment the one a week later."""
    for ms in (0, 1, ev.DAY_MS - 1):
        week_ms = next_week_ms(day * ev.DAY_MS - OFFSET_MS + ms, tw.policy())
        assert (week_ms + OFFSET_MS) % ev.DAY_MS == 0
        assert day < day_of(week_ms) <= day + 7 and day_of(week_ms) % WEEK_D == WEEKDAY


def test_nothing_is_published_before_there_is_enough_to_learn_from() -> None:
    found = learned(tw.policy(adverse_min=100_000))
    assert not found and learned(tw.policy())
    assert not learned(tw.policy(enabled=False))


def learned(policy: Policy) -> list[e.WeightsChanged]:
    """Weights that would be published of the town's examples under a policy."""
    analysis = Analysis()
    document = tw.policy_taken(policy)
    told = [document if isinstance(x, type(document)) else x for x in tw.town(1).told[0]]
    return [x for c in analysis.take(0, told) for x in c.events
            if isinstance(x, e.WeightsChanged)]


# -------------------------------------------------------------------------- streams, interleaved


def interleaved(streams: Sequence[Sequence[ForAnalysis]], seed: int, chunk: int,
                restarts: float = 0.0) -> tuple[list[Concluded], Analysis]:
    """Take what each shard said in its order, pieces of one and another by chance; sometimes dump
    and load."""
    rng = random.Random(seed)
    analysis, out = Analysis(len(streams)), []
    at = [0] * len(streams)
    while left := [n for n, stream in enumerate(streams) if at[n] < len(stream)]:
        n = rng.choice(left)
        size = rng.randrange(1, chunk)
        out += analysis.take(n, streams[n][at[n]:at[n] + size])
        at[n] += size
        if rng.random() < restarts:
            analysis = Analysis.load(analysis.dump())
            assert Analysis.load(analysis.dump()).dump() == analysis.dump()
    return out, analysis


@pytest.mark.parametrize(("partitions", "chunk", "restarts"), [
    (3, 4_000, 0.0), (7, 100, 0.0), (3, 900, 0.3), (7, 300, 0.05)])
def test_any_interleaving(partitions: int, chunk: int, restarts: float) -> None:
    town = tw.town(partitions)
    concluded, analysis = interleaved(town.told, partitions + chunk, chunk, restarts)
    assert said(concluded) == said(town.concluded)
    assert analysis.report() == town.analysis.report()


def test_two_topics_of_one_shard() -> None:
    """On Kafka signals and examples come by two streams, each with the hours and the policy."""
    streams: list[list[ForAnalysis]] = []
    for stream in tw.town(3).told:
        signals: list[ForAnalysis] = [x for x in stream if not isinstance(x, Example)]
        examples: list[ForAnalysis] = [Passed(x.clock_ms, [], {}) if isinstance(x, Passed) else x
                                       for x in stream if not isinstance(x, Signal)]
        streams += [signals, examples]
    concluded, _ = interleaved(streams, 5, 2_000)
    assert said(concluded) == said(tw.town(3).concluded)


def test_one_shard_behind_holds_all_up() -> None:
    """No day is judged before everybody has said everything of it."""
    streams = tw.town(3).told
    analysis = Analysis(3)
    assert analysis.take(0, streams[0]) == analysis.take(1, streams[1]) == []
    half = len(streams[2]) // 2
    first = analysis.take(2, streams[2][:half])
    until = max(x.clock_ms for x in streams[2][:half] if isinstance(x, Passed))
    assert first and all(c.at_ms <= until for c in first) and analysis.clock_ms == until
    assert said(first + analysis.take(2, streams[2][half:])) == said(tw.town(3).concluded)


def test_a_lost_complaint_is_noticed() -> None:
    """Planted: one shard does not say one complaint of the outbreak."""
    streams = [list(stream) for stream in tw.town(3).told]
    for stream in streams:
        stream[:] = [x for x in stream if not (isinstance(x, Signal) and x.id == "c3.0")]
    assert said(interleaved(streams, 1, 2_000)[0]) != said(tw.town(3).concluded)


def test_another_policy_recentres() -> None:
    """What was learned stays, as distances; the expert's card and the bounds are the new one's."""
    town = tw.town(1)
    learner = town.analysis.learner
    assert learner is not None and learner.policy == tw.other() == town.analysis.policy
    complaint = INDICATORS.index("complaint")
    for group, card in enumerate(learner.cards):
        assert card.expert("complaint") == -0.3
        low, high = tw.other().indicators.complaint.bounds
        assert low <= card.weight("complaint") <= high
        assert town.shards[0]._card.weight(complaint, group) == pytest.approx(
            card.weight("complaint"), abs=0.1)
    cards = town.shards[0].timeline.cards  # type: ignore[union-attr]
    assert {c.policy.version for c in cards} == {tw.policy().version, "other"}
    assert cards[-1].weights == f"w{town.analysis.published:06d}"


# ---------------------------------------------------------------------------- counts, by hand


class Hand:
    """One shard that says what the test wants, from a Monday on."""

    def __init__(self) -> None:
        self.analysis = Analysis()
        self.day = 20_458
        assert self.day % WEEK_D == WEEKDAY - 1
        self.take(tw.policy_taken(tw.policy()))

    def take(self, *told: ForAnalysis) -> list[Concluded]:
        return self.analysis.take(0, told)

    def to(self, day: int) -> list[Concluded]:
        """Every day passes."""
        out = []
        for n in range(self.day + 1, day + 1):
            out += self.take(Passed(n * ev.DAY_MS - OFFSET_MS, [], {}))
        self.day = max(self.day, day)
        return out

    def signal(self, id: str, counts: bool = True, cause: str = "价格", day: int = 0) -> Signal:
        return Signal("s", id, "x", tw.DISTRICT, "H6210", "small", tw.ITEM, cause,
                      day or self.day, 5, counts, self.day * ev.DAY_MS)

    def cells(self) -> bytes:
        self.take(Passed((self.day * 24 + 1) * HOUR_MS - OFFSET_MS, [], {}))
        return self.analysis._cells.dump()


def test_what_is_taken_back_was_never_counted() -> None:
    hand, never = Hand(), Hand()
    for one in (hand, never):
        one.to(20_459)
        one.take(one.signal("stays"))
    hand.take(hand.signal("goes"), hand.signal("goes", False, ""))
    hand.to(20_460)
    never.to(20_460)
    assert hand.cells() == never.cells() != Cells().dump()
    hand.take(hand.signal("goes", True, "", 20_459), hand.signal("goes", True, "", 20_459))
    hand.to(20_461)
    again = Hand()
    again.to(20_459)
    again.take(again.signal("stays"), again.signal("goes"))
    again.to(20_461)
    assert hand.cells() == again.cells(), "where it was filed, and once"


def test_a_complaint_that_does_not_count_when_it_comes() -> None:
    """Its rejection was there first."""
    hand, never = Hand(), Hand()
    hand.take(hand.signal("a", False))
    assert hand.cells() == never.cells()
    hand.take(hand.signal("a", True, ""))
    assert hand.cells() != never.cells()


def test_a_late_word_about_a_forgotten_complaint_is_passed_over() -> None:
    hand = Hand()
    hand.take(hand.signal("old"))
    filed = hand.day
    hand.to(filed + WINDOW_D)
    assert hand.analysis._filed
    hand.to(filed + WINDOW_D + 8)
    assert hand.analysis._filed == {}, "once a week what is too old is let go"
    before = hand.cells()
    for counts in (False, True):
        hand.take(hand.signal("old", counts, "", filed))
        hand.to(hand.day + 1)
    hand.take(hand.signal("never heard of", False, ""))
    later = Cells.load(hand.cells())
    assert Cells.load(before).cells == later.cells and hand.analysis._filed == {}


def test_a_long_silence_is_not_judged_day_by_day() -> None:
    hand = Hand()
    hand.to(hand.day + 1)
    found = hand.take(Passed((hand.day + 5_000) * ev.DAY_MS - OFFSET_MS, [], {}))
    assert WINDOW_D // 7 <= len(found) <= WINDOW_D // 7 + 1


# --------------------------------------------------------------------------- crash and replay


class Crash(Exception):
    """The process ends here."""


def crashing(folder: Path, number: int) -> int:
    """Play the town and end after an envelope is in the log, before what follows from it for the
    whole city is; where it ended."""
    with pytest.MonkeyPatch.context() as p:
        said_ = Embedded._say
        count = 0

        def say(self: Embedded, own: Sequence[object]) -> object:
            nonlocal count
            count += bool(own)
            if own and count == number:
                raise Crash
            return said_(self, own)  # type: ignore[arg-type]

        p.setattr(Embedded, "_say", say)
        # As the service does it: each append by itself.
        p.setattr(Embedded, "together", lambda _: nullcontext())
        runner = Embedded(folder, tw.policy(), checkpoint_events=600)
        with closing(runner):
            for n, raw in enumerate(tw.lines()):
                try:
                    tw.play(runner, [raw])
                except Crash:
                    # What was put in when it ended may not have been taken.
                    return n
    raise AssertionError("no such conclusion")


@pytest.mark.parametrize("number", [1, 5])
def test_a_crash_before_a_conclusion_is_written(tmp_path: Path, number: int) -> None:
    """The next start writes it, before anything else; the end is that of an undisturbed run."""
    n = crashing(tmp_path, number)
    store = SqliteStore(tmp_path, write=False)
    before = replay(store)
    store.close()
    with closing(Embedded(tmp_path, None)) as runner:
        last = [x.event for x in codec.decode_envelope(list(runner.store.read(0))[-1][1])]
        assert last and all(isinstance(x, Own) for x in last)
        found = replay(runner.store)
        assert found.concluded == found.alike == before.concluded + len(last)
        tw.play(runner, tw.lines()[n:])
        with closing(Embedded(None, tw.policy())) as whole:
            tw.play(whole, tw.lines())
            assert runner.digest() == whole.digest()
            assert owns(runner) == owns(whole)


def owns(runner: Embedded) -> list[bytes]:
    return [x.body for _, body in runner.store.read(0) for x in codec.decode_envelope(body)
            if isinstance(x.event, Own)]


def test_an_append_that_is_broken_off_leaves_no_checkpoint(tmp_path: Path) -> None:
    """Ctrl-C between the step and the commit: memory is ahead of the log, and must not be kept."""
    runner = Embedded(tmp_path, tw.policy())
    tw.play(runner, tw.lines()[:300])
    digest_before = runner.digest()
    with pytest.MonkeyPatch.context() as p, pytest.raises(KeyboardInterrupt), closing(runner):
        def interrupted(*_: object) -> None:
            raise KeyboardInterrupt

        p.setattr(runner.store, "commit", interrupted)
        tw.play(runner, tw.lines()[300:400])
    with closing(Embedded(tmp_path, None)) as again:
        assert again.digest() == digest_before == digest.total([replay(again.store).shard])


def test_a_replay_comes_to_the_same_conclusions(tmp_path: Path,
                                                capsys: pytest.CaptureFixture[str]) -> None:
    """Bit for bit; under the policy it has it comes to the same state, under another it learns
    anew."""
    with closing(Embedded(tmp_path, tw.policy())) as runner:
        tw.play(runner, tw.lines())
        known, weights = runner.card.item_ids, runner.card.learned
        assert runner.card.weights != "w000000"
    assert cli.invoke(["replay", "--store", str(tmp_path), "--json"]) == 0
    made = json.loads(capsys.readouterr().out)
    assert made["conclusions"]["in_log"] == made["conclusions"]["alike"] > 8
    assert made["weights"] == weights.name
    store = SqliteStore(tmp_path, write=False)
    with closing(store):
        same = trial.replay_under(store, tw.policy(), known)
        assert digest.total([same]) == made["digest"] and same.timeline is not None
        assert [c.learned for c in same.timeline.cards][-1] == weights
        anew = trial.replay_under(store, tw.policy(strength=0.5, rate=0.5), known)
        assert anew.timeline is not None
        assert anew.timeline.last.learned != weights and anew.timeline.last.weights != "w000000"
        assert anew.timeline.last.learned.since_day == weights.since_day
        none = trial.replay_under(store, tw.policy(enabled=False), known)
        assert none.timeline is not None and none.timeline.last.weights == "w000000"


def test_a_replay_says_what_comes_out_otherwise(tmp_path: Path,
                                                capsys: pytest.CaptureFixture[str]) -> None:
    """Planted: weights in the log that no learner would make. They stand, and it is told."""
    with closing(Embedded(tmp_path, tw.policy())) as runner, pytest.MonkeyPatch.context() as p:
        plain = Embedded._say
        p.setattr(Embedded, "_say", lambda self, own: plain(self, [
            e.WeightsChanged(msgspec.structs.replace(x.weights, moved={
                "complaint": (-0.5, -0.5, -0.5)})) if isinstance(x, e.WeightsChanged) else x
            for x in own]))
        tw.play(runner, tw.lines())
        digest_before = runner.digest()
    assert cli.invoke(["replay", "--store", str(tmp_path)]) == 0
    said_ = capsys.readouterr()
    assert said_.out.strip() == digest_before and "come out otherwise than in the log" in said_.err


# ------------------------------------------------------------------------------------- a surge


def surge() -> e.Detected:
    """The last word about the planted outbreak while it was on."""
    return next(x for c in reversed(tw.town(1).concluded) for x in c.events
                if isinstance(x, e.Detected) and x.data.rule == "regional-surge" and x.data.open
                and x.data.facts["cause"] == tw.CAUSE)


def test_a_regional_surge_is_an_alert_of_a_cell() -> None:
    found = surge()
    assert found.subject == f"cell:{found.data.alert}"
    assert set(found.data.members) <= set(ev.codes(500)[480:492]) and len(found.data.members) >= 3
    own = [x for x in tw.town(7).alerts if x.subject == found.subject]
    assert (own[0].was, own[0].state) == ("", "firing") and own[-1].state == "resolved"
    told = own[-2]
    assert told.rule == "regional-surge" and told.members and told.items == [tw.ITEM]
    assert told.departments == ["市市场监管局"]
    assert {x.source for x in told.evidence} == {"hotline"}
    assert all(x.type == "complaint.filed" and x.time_ms for x in told.evidence)
    assert tw.town(7).shards[0].subjects.keys().isdisjoint(
        {found.subject}) or tw.town(7).shards[0].others


def test_no_fact_is_told_twice() -> None:
    told = [x for x in tw.town(1).alerts if x.evidence]
    assert any(x.rule == "complaint-surge" for x in told)
    for x in told:
        cited = [(one.source, one.id) for one in x.evidence]
        assert len(cited) == len(set(cited)), (x.id, cited)


def burning() -> EmbeddedService:
    """The town while the outbreak is on."""
    runner = Embedded(None, tw.policy())
    tw.play(runner, tw.lines()[:tw.at(tw.OUTBREAK + 6)])
    return EmbeddedService(runner, lambda: runner.shard.clock_ms)


def test_people_act_on_it() -> None:
    """By HTTP and by an event of a department, as on any alert."""
    service = burning()
    client = TestClient(create_app(service, items=catalogue(tw.policy(), {})), "http://localhost")
    [row] = client.get("/api/v1/alerts?rule=regional-surge&state=firing").json()["alerts"]
    assert row["subject"] == "" and row["cell"].startswith("cell:") and row["members"]
    done = client.post(f"/api/v1/alerts/{row['id']}/acknowledge", json={"actor": "李处"})
    assert done.status_code in (200, 202), done.text
    assert client.get(f"/api/v1/alerts/{row['id']}").json()["state"] == "acknowledged"
    act = {"specversion": "1.0", "id": "close-1", "source": "市市场监管局", "type": "alert.closed",
           "subject": row["cell"], "time": dt.datetime.fromtimestamp(
               service.runner.shard.clock_ms / 1000, ev.BEIJING).isoformat(),
           "data": {"alert": row["id"], "actor": "王处", "note": "已处置"}}
    answer = client.post("/api/v1/events", content=json.dumps(act), headers={
        "content-type": "application/cloudevents+json"}).json()
    assert answer["accepted"] == 1, answer
    closed = client.get(f"/api/v1/alerts/{row['id']}").json()
    assert (closed["state"], closed["actor"]) == ("closed", "王处")
    # It stays as people left it while the surge goes on.
    play_on = service.runner
    tw.play(play_on, tw.lines()[tw.at(tw.OUTBREAK + 6):tw.at(tw.OUTBREAK + 8)])
    assert client.get(f"/api/v1/alerts/{row['id']}").json()["state"] == "closed"
    assert row["cell"] in play_on.shard.subjects
    folded = fold(play_on.store, row["cell"])
    assert folded is not None
    assert folded.subjects[row["cell"]].alerts == play_on.shard.subjects[row["cell"]].alerts


@pytest.mark.parametrize("type_", ["complaint.filed", "penalty.decided", "subject.registered"])
@pytest.mark.parametrize("key", ["cell:regional-surge-1", "service:model"])
def test_no_facts_about_a_cell(type_: str, key: str) -> None:
    data = {"complaint.filed": {"item": tw.ITEM, "kind": "complaint", "category": "x"},
            "penalty.decided": {"item": tw.ITEM, "document": "d", "kinds": ["fine"],
                                "decided_on": "2026-01-01",
                                "basis": [{"law": "l", "article": "1"}]},
            "subject.registered": {"name": "x", "kind": "enterprise", "district": "500106",
                                   "industry": "H6210", "size": "small",
                                   "registered_on": "2020-01-01"}}[type_]
    with pytest.raises(InvalidEvent) as caught:
        ev.make(type_, "s", "i", key, dt.datetime(2026, 1, 2, tzinfo=ev.BEIJING), data)
    assert caught.value.reason.field == "subject"


# ------------------------------------------------------------------------------- as of a moment


def test_the_past_has_the_weights_of_its_time() -> None:
    """`show --as-of` names the weights that were in force, and its contributions add up with what
    was learned of the trade."""
    runner = tw.plain()
    timeline = runner.shard.timeline
    assert timeline is not None
    keys = [k for k, s in runner.shard.subjects.items() if s.is_business and len(s.facts) > 120]
    learned_ = 0
    for n, key in enumerate(sorted(keys)[:24]):
        cards = timeline.cards[1:]
        card = cards[n % len(cards)]
        as_of_ms = (card.since_day + n % 5) * ev.DAY_MS - OFFSET_MS
        shard = fold(runner.store, key, as_of_ms)
        if shard is None:
            continue
        row = tw.shown(shard, key)
        expected = [c for c in timeline.cards if c.since_day <= card.since_day + n % 5][-1]
        for item in row["items"].values():
            assert item["weights"] == expected.weights
            parts = item["contributions"]
            learned_ += any(p["indicator"] == "experience" for p in parts)
            assert round(1000 * sum(p["points"] for p in parts)) == round(
                1000 * item["risk_score"])
            assert round(1000 * sum(p["points"] for p in parts if p["record"] == "public")) == (
                round(1000 * item["credit_score"]))
            assert all(p["record"] == "internal" for p in parts if p["indicator"] == "experience")
    assert learned_ > 10


def test_now_folded_is_now_held() -> None:
    """Without a moment, the fold of one subject is what the shard holds of it."""
    runner = tw.plain()
    for key in sorted(runner.shard.subjects)[::23]:
        shard = fold(runner.store, key)
        assert shard is not None
        assert tw.shown(shard, key) == tw.shown(runner.shard, key)


def test_the_past_of_a_detection() -> None:
    """Not there the day before, there while it was on, gone after."""
    runner, found = tw.plain(), surge()
    days = [day_of(x.at_ms) for c in tw.town(1).concluded for x in c.events
            if isinstance(x, e.Detected) and x.data.alert == found.data.alert]
    held = {}
    for day in (days[0] - 1, days[0], days[-1] - 1, days[-1]):
        shard = fold(runner.store, found.subject, day * ev.DAY_MS - OFFSET_MS)
        held[day] = shard is not None and bool(shard.subjects[found.subject].alerts)
    assert list(held.values()) == [False, True, True, False]


def test_cards_are_those_of_the_log() -> None:
    """Distances of the log beside the policy of their day, inside its bounds."""
    timeline = tw.plain().shard.timeline
    assert timeline is not None
    for card in timeline.cards:
        plain = Card(card.policy, card.since_day)
        for n, one in enumerate(card.indicators):
            for group in range(3):
                low, high = one.bounds
                moved = card.learned.moved.get(INDICATORS[n], (0.0,) * 3)[group]
                assert card.weight(n, group) == min(max(plain.weight(n, group) + moved, low), high)
