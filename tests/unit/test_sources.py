"""Goal: what is said of feeds rests on the hour and the feed of each event alone; wrong and
duplicate codes are counted once, told when they are too many, and no more when they are not.

Method: tails against rational sums; courses by hand; counts split over shards at random; a store
fed with wrong codes, and replayed.
"""

from __future__ import annotations

import datetime as dt
import json
import math
import random
from fractions import Fraction

import events as ev
import msgspec
import pytest

from config import load
from models import events as e
from models.policy import IdentifierErrors, digest, encode
from models.wrong_codes import Errors, WrongCodes, upper_tail
from storage.effects import Misnamed, Passed, Reason
from streams import checkpoint, codec, miscounts
from streams.batch import Feed
from streams.embedded import Embedded, replay
from streams.miscounts import Miscounts
from streams.pipeline import Entry, Shard
from streams.service import EmbeddedService
from streams.sources import Sources

HOUR_MS = 3_600_000
POLICY = load.policy()
RULE = IdentifierErrors(enabled=True)
SUBJECT = Reason("subject", "x", "18 characters", "subject=x: 18 characters")
T0_MS = int(dt.datetime(2025, 9, 1, tzinfo=dt.UTC).timestamp()) * 1000


# ------------------------------------------------------------------------------------- the rule


@pytest.mark.parametrize(("sent", "wrong"), [(3, 2), (50, 1), (50, 7), (400, 3), (400, 40),
                                             (400, 400)])
@pytest.mark.parametrize("rate", [Fraction(1, 10_000), Fraction(1, 100), Fraction(1, 3)])
def test_tails_are_exact(sent: int, wrong: int, rate: Fraction) -> None:
    exact = sum(math.comb(sent, k) * rate**k * (1 - rate) ** (sent - k)
                for k in range(wrong, sent + 1))
    assert upper_tail(wrong, sent, float(rate)) == pytest.approx(float(exact), rel=1e-9, abs=1e-15)


@pytest.mark.parametrize(("sent", "wrong", "wanted"), [
    (30_000, 3, False),     # as many as are allowed
    (3_000, 2, False),      # too few to be told, though six times the rate
    (3_000, 3, False),      # P = 0.0036
    (1_500, 3, True),       # P = 0.0005
    (1_000_000, 120, False),  # P = 0.028
    (1_000_000, 140, True)])  # P = 0.0001
def test_what_is_too_much(sent: int, wrong: int, wanted: bool) -> None:
    codes = WrongCodes()
    codes.add(9, {"s": sent}, {"s": wrong})
    assert bool(codes.judge(10, RULE)) is wanted


def test_a_course() -> None:
    """Told once; again when much worse; ended when the bad days have left the window."""
    codes, told = WrongCodes(), {}
    for day in range(1, 80):
        codes.add(day, {"s": 1_000, "t": 1_000}, {"s": 2 if 5 <= day < 9 else 0})
        if day == 8:
            codes.add(day, {"s": 100}, {"s": 100})
        if found := codes.judge(day + 1, RULE):
            told[day + 1] = found
    assert told == {
        8: [Errors("s", 8, 7_000, 6, False, True)],
        9: [Errors("s", 8, 8_100, 108, True, True)],
        39: [Errors("s", 8, 30_100, 102, True, False)]}


def test_feeds_are_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("models.wrong_codes.SOURCES_MAX", 3)
    codes = WrongCodes()
    codes.add(1, {"big": 1_000, "bad": 50}, {"bad": 50})
    assert [x.source for x in codes.judge(2, RULE)] == ["bad"]
    for n in range(50):
        codes.add(2, {f"x{n}": 1}, {f"x{n}": 1})
    assert {"big", "bad"} < set(codes._days) and len(codes._days) == 3


# -------------------------------------------------------------------------------------- counting


@pytest.mark.parametrize("seed", range(3))
def test_shards_and_their_order_make_no_difference(seed: int) -> None:
    """A hundred days of three feeds, one of which falls silent and one of which goes wrong."""
    rng = random.Random(seed)
    one, many = Sources(1), Sources(3)
    for made in (one, many):
        made.renew(POLICY)
    said: list[list[e.Detected]] = [[], []]
    hours = range(1, 100 * 24)
    for n in hours:
        at_ms = T0_MS + n * HOUR_MS
        counts = {"a": 5, "b": 9 * (n < 80 * 24), "c": 3}
        parts: list[dict[str, int]] = [{}, {}, {}]
        for source, count in counts.items():
            for _ in range(count if n > 1 else 0):
                part = parts[rng.randrange(3)]
                part[source] = part.get(source, 0) + 1
        if n == 50 * 24:
            for made in (one, many):
                made.report(Misnamed(at_ms - HOUR_MS, at_ms - HOUR_MS, {"c": 9}))
                made.report(Misnamed(at_ms - HOUR_MS, at_ms - HOUR_MS, {"c": 8}))  # said twice
                made.report(Misnamed(at_ms - HOUR_MS, at_ms - 5, {"c": 1}))  # another process
        one.hear(0, Passed(at_ms, [], counts if n > 1 else {}, {"a": int(n == 7)}))
        for p in rng.sample(range(3), 3):
            many.hear(p, Passed(at_ms, [], parts[p], {"a": int(n == 7 and p == 1)}))
        for out, made in zip(said, (one, many), strict=True):
            out += made.close(at_ms, POLICY)
        if rng.random() < 0.002:
            many = Sources.load(many.dump(), POLICY)
    assert said[0] == said[1]
    assert [(x.subject, x.data.rule, x.data.open, x.data.level) for x in said[0]] == [
        ("service:feed:c", "identifier-errors", True, "yellow"),
        ("service:feed:b", "feed-silent", True, "orange"),
        ("service:feed:c", "identifier-errors", False, "yellow")]
    assert said[0][0].data.facts["wrong"] == "10"
    assert [x.at_ms for x in said[0]] == sorted(x.at_ms for x in said[0])
    assert len({x.data.alert for x in said[0]}) == 2, "an episode keeps its id"


def test_a_rule_that_is_switched_off_ends_its_alerts() -> None:
    made = Sources(1)
    made.renew(POLICY)
    told = []
    for n in range(1, 75 * 24):
        made.hear(0, Passed(T0_MS + n * HOUR_MS, [], {"a": 5, "b": 9 * (n < 70 * 24)}))
        told += made.close(T0_MS + n * HOUR_MS, POLICY)
    assert [x.data.open for x in told] == [True]
    off = msgspec.structs.replace(POLICY, rules=msgspec.structs.replace(
        POLICY.rules, feed_silent=msgspec.structs.replace(POLICY.rules.feed_silent,
                                                          enabled=False)))
    (last,) = made.close(T0_MS + 75 * 24 * HOUR_MS, off)
    assert (last.data.alert, last.data.open) == (told[0].data.alert, False)


def test_a_long_jump_of_the_log_is_nobodys_silence() -> None:
    made = Sources(1)
    made.renew(POLICY)
    told, at_ms = [], T0_MS
    for n in range(1, 90 * 24):
        at_ms += HOUR_MS if n != 80 * 24 else 400 * 24 * HOUR_MS
        made.hear(0, Passed(at_ms, [], {"a": 5, "b": 9}))
        told += made.close(at_ms, POLICY)
    assert told == []


# ---------------------------------------------------------------------------------------- intake


def test_what_is_counted_of_dead_letters(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(miscounts, "SOURCES_MAX", 2)
    made = Miscounts()
    other = Reason("data.item", "x", "", "")
    for raw, reason in ((b'{"source":"b","x":1}', SUBJECT), (b'{"source":"a"}', SUBJECT),
                        (b'{"source":"a"}', SUBJECT), (b'{"source":"a"}', other),
                        (b'{"source":7}', SUBJECT), (b'{"so', SUBJECT), (b"\xff", SUBJECT),
                        (b'{"source":""}', SUBJECT), (b'{"source":"third"}', SUBJECT)):
        made.refuse(raw, reason, 5 * HOUR_MS + 7)
    made.refuse(b'{"source":"a"}', SUBJECT, 6 * HOUR_MS)
    assert made.reports(5 * HOUR_MS + HOUR_MS - 1) == []
    assert made.reports(6 * HOUR_MS) == [
        e.IntakeReport(5 * HOUR_MS, 5 * HOUR_MS + 7, {"a": 2, "b": 1})]
    assert made.reports() == [e.IntakeReport(6 * HOUR_MS, 6 * HOUR_MS, {"a": 1})]
    assert made.reports() == []


def complaint(n: int, at: dt.datetime, subject: str, source: str = "dept-a") -> bytes:
    return json.dumps({
        "specversion": "1.0", "id": f"c{n}", "source": source, "type": "complaint.filed",
        "subject": subject, "time": at.isoformat(),
        "data": {"item": "cq1-17", "kind": "complaint", "category": "质量"}}).encode()


def test_a_store_that_is_fed_wrong_codes() -> None:
    """Told after midnight, with words; replayed alike; in the log also what came last."""
    runner = Embedded(None, POLICY)
    feed = Feed(runner, "test", ev.FAR_MS)
    good, bad = ev.codes(1)[0], ev.codes(1)[0][:-1] + "?"
    at = dt.datetime(2025, 9, 1, tzinfo=dt.UTC)
    for n in range(200):
        feed.put(complaint(n, at + dt.timedelta(minutes=30 * n), bad if n % 40 == 5 else good))
    feed.flush()
    subject = runner.shard.subjects["service:feed:dept-a"]
    (alert,) = subject.alerts.values()  # type: ignore[union-attr]
    assert (alert.rule, alert.level, alert.state) == ("identifier-errors", "yellow", "firing")
    assert alert.facts["wrong"] == "4", "one at 2:30 and one every 20 hours, by the third midnight"
    assert runner.opened["identifier-errors"] == 1
    again = replay(runner.store)
    assert again.concluded == again.alike >= 1
    assert again.shard.subjects["service:feed:dept-a"].alerts == subject.alerts


def test_a_service_counts_too_and_reports_when_it_closes() -> None:
    now = [T0_MS]
    runner = Embedded(None, POLICY)
    service = EmbeddedService(runner, lambda: now[0])
    at = dt.datetime.fromtimestamp(T0_MS / 1000, dt.UTC)
    good, bad = ev.codes(1)[0], ev.codes(1)[0][:-1] + "?"

    def reports() -> list[e.IntakeReport]:
        return [x.event for _, body in runner.store.read(0)
                for x in codec.decode_envelope(body) if isinstance(x.event, e.IntakeReport)]

    receipt = service.submit([complaint(1, at, good), complaint(2, at, bad)], "http")
    assert (receipt.accepted, len(receipt.rejected)) == (1, 1)
    now[0] += HOUR_MS
    receipt = service.submit([complaint(3, at, bad), complaint(4, at, good),
                              complaint(4, at + dt.timedelta(seconds=1), good)], "http")
    # The report stands between them, and shifts no place.
    assert (receipt.accepted, [x.index for x in receipt.rejected]) == (1, [0, 2])
    assert [x.wrong for x in reports()] == [{"dept-a": 1}]
    now[0] += HOUR_MS
    service.tick()
    assert [x.wrong for x in reports()] == [{"dept-a": 1}] * 2
    service.submit([complaint(5, at, bad)], "http")
    assert len(runner.reports(runner.shard.clock_ms)) == 1


def test_two_businesses_under_one_code_are_counted() -> None:
    """A change of name, or a corrected date, is none."""
    shard = Shard()
    document = ev.policy("default")
    change = e.PolicyChanged(encode(document), digest(encode(document)))
    entries = [Entry(T0_MS, codec.encode(change), change)]
    for n, (name, day) in enumerate([("甲", "2020-01-01"), ("乙", "2020-01-01"),
                                     ("乙", "2020-01-02"), ("丙", "2021-05-05")]):
        raw = json.dumps({
            "specversion": "1.0", "id": f"r{n}", "source": "dept-b", "type": "subject.registered",
            "subject": ev.codes(1)[0], "time": f"2025-09-01T0{n}:00:00Z",
            "data": {"name": name, "kind": "enterprise", "district": "500106", "industry": "H6210",
                     "size": "small", "registered_on": day}}).encode()
        event = codec.decode(raw)
        entries.append(Entry(T0_MS + n + 1, codec.encode(event), event))
    shard.step(entries)
    assert shard.doubled == {"dept-b": 1}
    assert checkpoint.load(checkpoint.dump(shard)).doubled == shard.doubled
    tick = e.Tick()
    effects = shard.step([Entry(T0_MS + 2 * HOUR_MS, codec.encode(tick), tick)])
    (passed,) = [x for x in effects if isinstance(x, Passed)]
    assert (passed.taken, passed.doubled) == ({"dept-b": 4}, {"dept-b": 1}) and not shard.doubled
