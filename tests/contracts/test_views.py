"""Goal: the view in SQLite and the view in Redis give the same answers, for any number of
partitions; a view in Redis takes each change once, in order, and loses nothing.

Method: one city is played into the embedded runner, and its envelopes again into shards of 1 and 4
partitions, each with a view (`played`). Every query is asked of all three; what is compared across
partitions leaves out `seq` and ties of the same moment, which depend on arrival. The runner's own
state is the yardstick. Faults are planted in the script and the writer, and must be noticed.
"""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple
from unittest import mock

import events as ev
import msgspec
import played
import pytest
import redis
from cluster import Given

from alerts.lifecycle import OPEN
from models.weights import NOTHING_LEARNED
from storage import redis_view
from storage.effects import AlertChanged, Answered, OpenAlerts, Reason, ReviewChanged
from storage.redis_view import RedisView
from storage.rows import HOUR_MS
from storage.sqlite_store import Dead, StoreError
from storage.view import Change, MarkMismatch, Placed
from streams import codec, device_view, review_board
from streams.census import Census
from streams.census_redis import RedisHeld
from streams.change import place, touched
from streams.cli import invoke
from streams.district_table import districts_of
from streams.embedded import Embedded
from streams.profile import facts_page
from streams.reader import Reader
from streams.redis_reader import RedisReader
from streams.review_case import case
from streams.service import EmbeddedService
from streams.situation import Situation
from streams.view import Standing, View

pytestmark = pytest.mark.integration
Row = dict[str, Any]
STATES = ("pending", "firing", "acknowledged", "resolved", "closed")
LEVELS = ("blue", "yellow", "orange", "red")
EXPERT = msgspec.json.encode(NOTHING_LEARNED).decode()


class Asked(NamedTuple):
    """One view, and what else is asked of it."""

    view: View
    show: Callable[[str], Row | None]
    facts: Callable[[str, int], tuple[list[Row], str | None]]
    digest: Callable[[], str]
    standing: Callable[[], Standing]
    in_order: bool
    """Whether effects came in the order of the embedded log."""


@pytest.fixture(scope="module")
def client(redis_server: Any) -> Iterator[redis.Redis]:
    made = redis.Redis.from_url(redis_server.address)
    yield made
    made.close()


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedService]:
    def asked(runner: Embedded) -> tuple[list[Row], list[Row]]:
        reader = Reader(runner.store, runner.card.policy)
        return reader.alerts(limit=40, state="firing"), reader.reviews(limit=20, state="open")

    with ev.quick_cards():
        runner = played.play(tmp_path_factory.mktemp("city"), asked)
        service = EmbeddedService(runner)
        yield service
        service.close()


@pytest.fixture(scope="module")
def shown(city: EmbeddedService, client: redis.Redis) -> Iterator[dict[str, Asked]]:
    """Every view of the city, by name."""
    runner = city.runner
    assert isinstance(runner, played.Recording)
    out = {"sqlite": Asked(city._reader, city.show, city.facts, runner.digest, runner.standing,
                           True)}
    views = []
    for partitions in (1, 4):
        views.append(RedisView(client, f"test-{partitions}"))
        views[-1].clear()
        with ev.quick_cards():
            played.show_to(views[-1], runner.steps, partitions)
        reader = RedisReader(client, f"test-{partitions}")
        out[f"redis-{partitions}"] = Asked(reader, reader.show, facts_of(reader), reader.digest,
                                           reader.standing, partitions == 1)
    yield out
    for view in views:
        view.clear()


def facts_of(reader: RedisReader) -> Callable[[str, int], tuple[list[Row], str | None]]:
    return lambda key, limit: facts_page(reader.shard_of(key), key, limit)


@pytest.fixture(params=["sqlite", "redis-1", "redis-4"])
def asked(request: pytest.FixtureRequest, shown: dict[str, Asked]) -> Asked:
    return shown[request.param]


def plain(rows: list[Row]) -> list[Row]:
    """Without what depends on arrival."""
    return [{key: value for key, value in row.items() if key != "seq"} for row in rows]


def by_id(rows: list[Row]) -> dict[str, Row]:
    found = {row["id"]: row for row in plain(rows)}
    assert len(found) == len(rows)
    return found


def paged(page: Callable[[str | None], list[Row]], key: str, size: int) -> list[Row]:
    """All rows, page by page."""
    rows: list[Row] = []
    while found := page(rows[-1][key] if rows else None):
        assert len(found) <= size
        rows += found
    return rows


# -------------------------------------------------------------------------------- the same answers


def test_the_city_is_counted_the_same(city: EmbeddedService, shown: dict[str, Asked]) -> None:
    """Departments, devices and groups, from the states of the runner and from those in Redis."""
    city.census.walk()
    wanted = city.census.table
    assert wanted is not None and wanted.total.sums and wanted.devices and wanted.groups
    for name, asked in shown.items():
        if not isinstance(asked.view, RedisReader):
            continue
        counted = Census(RedisHeld(asked.view))
        counted.walk()
        table = counted.table
        assert table is not None
        assert table.as_of_ms == wanted.as_of_ms, name
        for key in ("sums", "newest", "graded", "inspected", "answers"):
            assert getattr(table.total, key) == getattr(wanted.total, key), (name, key)
        assert table.devices == wanted.devices and table.by_state == wanted.by_state, name
        assert table.groups == wanted.groups and table.subjects == wanted.subjects, name
        assert table.before == wanted.before and districts_of(
            table.groups, table.before, asked.view.districts(), 0) == districts_of(
            wanted.groups, wanted.before, city._view.districts(), 0), name
        for row in wanted.devices:
            held, norms, clock_ms = city._copy(row.subject)
            shard = asked.view.shard_of(row.subject)
            assert norms is not None and held is not None and shard.timeline is not None
            one, other = (device_view.device(s, row.item, row.device, wanted.card, {}, ms)
                          for s, ms in ((held, clock_ms),
                                        (shard.subjects[row.subject], clock_ms)))
            assert one is not None and one == other, (name, row)


def test_the_city_has_everything(city: EmbeddedService) -> None:
    """Else the comparisons below say nothing."""
    summary = city.summary()
    assert summary["subjects"] > 400 and summary["duplicates"] and summary["readings"]
    assert all(summary["grades"][g] for g in ("A", "B", "D", "ungraded"))
    assert {x["origin"] for x in city.rejects(limit=100)} == {"log", "city.ndjson"}
    assert {a["state"] for a in city.alerts(limit=10_000)} > {"firing", "resolved", "acknowledged"}
    answers = [a for x in city.reviews(limit=1_000) for a in x["answers"]]
    assert len(answers) > 4 and all(a["reason"].startswith("维持原等级") for a in answers)
    assert {x["state"] for x in city.reviews(limit=1_000)} == {"open", "closed"}


def test_show(asked: Asked, city: EmbeddedService) -> None:
    for key in city.runner.shard.subjects:
        assert asked.show(key) == city.show(key)
        assert asked.facts(key, 7) == city.facts(key, 7)
    assert asked.show("91000000000000000X") is None
    assert asked.facts("91000000000000000X", 7) == ([], None)


def test_numbers(asked: Asked, city: EmbeddedService) -> None:
    assert asked.digest() == city.runner.digest()
    view, other = asked.view, city._reader
    assert view.open_alerts() == other.open_alerts()
    assert view.open_groups() == other.open_groups()
    assert sum(n for _, _, n in view.open_groups()) == sum(view.open_alerts()[0].values()) > 0
    assert view.grades() == other.grades()
    assert view.districts() == other.districts() and len(view.districts()) > 2
    assert sum(n for d in view.districts().values() for n in d.grades.values()) == sum(
        view.grades().values())
    assert view.reviews_open() == other.reviews_open()
    assert view.rejected() == other.rejected()
    assert asked.standing()._replace(offset=0) == city.runner.standing()._replace(offset=0)
    assert Situation(asked.standing, view).summary() == city.summary()


def test_what_grew_is_what_a_scan_counts(asked: Asked, city: EmbeddedService) -> None:
    """Tallies are kept by the way; here they are counted again from rows and transitions."""
    subjects = city.subjects(limit=100_000)
    alerts = city.alerts(limit=100_000)
    where = {x["subject"]: x["district"] for x in subjects}
    grades = Counter((x["district"], x["public_grade"]) for x in subjects)
    still = Counter((where.get(x["subject"], ""), x["level"]) for x in alerts
                    if x["state"] in OPEN)
    found = asked.view.districts()
    assert len(found) > 10 and sum(still.values()) > 20
    assert {(d, g): n for d, held in found.items() for g, n in held.grades.items()} == grades
    assert {(d, level): n for d, held in found.items() for level, n in held.open.items()} == still
    hours = asked.view.hours(0)
    opened, ended = Counter[tuple[str, str]](), Counter[tuple[str, str]]()
    for x in city.changes(0, 100_000):
        key = x["rule"], x["level"]
        was = x["was"] in OPEN
        opened[key] += x["state"] in OPEN and not was
        ended[key] += was and x["state"] not in OPEN
    for what, want in (("opened", +opened), ("ended", +ended)):
        got = Counter[tuple[str, str]]()
        for x in hours:
            if x.what == what:
                got[x.a, x.b] += x.n
        assert got == want and len(want) > 5
    net = Counter[str]()
    for x in hours:
        if x.what == "grade":
            net[x.a] += x.n
    assert {g: net[g] for g in "ABCD"} == {g: city.summary()["grades"][g] for g in "ABCD"}
    # Those of intake are dated far ahead here (`streams.batch.PRESENT_MS`).
    end = city.summary()["as_of"]
    dead = [x for x in city.rejects(limit=100_000) if x["at"] <= end]
    last = asked.standing().clock_ms // HOUR_MS
    assert sum(x.n for x in hours if x.what == "dead" and x.hour <= last) == len(dead) > 0
    newest = max(x.hour for x in hours if x.hour <= last)
    assert sorted(asked.view.hours(newest)) == sorted(x for x in hours if x.hour >= newest)


def test_feeds(asked: Asked, city: EmbeddedService) -> None:
    """What every source sent lately, against the envelopes of the log themselves."""
    taken = Counter[tuple[str, int]]()
    for _, body in city.runner.store.read(0):
        for entry in codec.decode_envelope(body):
            source = getattr(entry.event, "source", "")
            if source:
                taken[source, entry.recorded_ms // HOUR_MS] += 1
    found = asked.view.feeds()
    assert len({source for source, _, _ in found}) > 10
    assert found == sorted(found)
    for source, hour, n in found:
        # Duplicates and refusals are not among what was taken.
        assert 0 < n <= taken[source, hour], (source, hour)
    assert asked.view.feeds() == city._reader.feeds()


def test_alerts(asked: Asked, city: EmbeddedService) -> None:
    everything = city.alerts(limit=100_000)
    assert by_id(asked.view.alerts(limit=100_000)) == by_id(everything)
    if asked.in_order:
        assert plain(asked.view.alerts(limit=100_000)) == plain(everything)
    for rule in (None, "grade-gap", "none"):
        for state in (None, *STATES):
            for level in (None, *LEVELS):
                wanted = {"rule": rule, "state": state, "level": level}
                want = [x for x in everything if all(
                    v is None or x[k] == v for k, v in wanted.items())]
                assert by_id(asked.view.alerts(**wanted, limit=100_000)) == by_id(want)


def test_alerts_of_a_subject(asked: Asked, city: EmbeddedService) -> None:
    everything = city.alerts(limit=100_000)
    assert any("cell" in x for x in everything), "those of no business too"
    for subject in {x.get("cell", x["subject"]) for x in everything}:
        for state in (None, "firing"):
            want = [x for x in everything if x.get("cell", x["subject"]) == subject
                    and state in (None, x["state"])]
            found = asked.view.alerts(subject=subject, state=state, limit=1_000)
            # One subject lies in one partition: its order is that of the log.
            assert plain(found) == plain(want)
            assert plain(asked.view.alerts(subject=subject, state=state, limit=1)) == plain(
                want[:1])
    assert asked.view.alerts(subject="91000000000000000X") == []


@pytest.mark.parametrize("wanted", [{}, {"state": "firing"}, {"level": "yellow"},
                                    {"state": "resolved", "level": "orange"}])
def test_alerts_by_pages(asked: Asked, wanted: Row) -> None:
    whole = asked.view.alerts(**wanted, limit=100_000)
    assert whole
    assert paged(lambda last: asked.view.alerts(**wanted, limit=7, before=last), "id", 7) == whole
    assert asked.view.alerts(before="alert-none") == []


def test_one_alert(asked: Asked, city: EmbeddedService) -> None:
    for row in asked.view.alerts(limit=50):
        assert asked.view.alert(row["id"]) == row
    assert asked.view.alert("alert-none") is None


def test_changes(asked: Asked, city: EmbeddedService) -> None:
    """Every transition once, in rising order; those of one subject in the order of the log."""
    rows = paged(lambda last: asked.view.changes(last or 0, 50), "seq", 50)  # type: ignore[arg-type]
    numbers = [x["seq"] for x in rows]
    assert numbers == sorted(set(numbers)) and numbers[-1] == asked.view.last_seq()
    want = city.changes(0, 100_000)
    for subject in {x["subject"] for x in want}:
        assert (plain([x for x in rows if x["subject"] == subject])
                == plain([x for x in want if x["subject"] == subject]))
    assert len(rows) == len(want)
    newest = {x["id"]: x["seq"] for x in rows}
    assert all(newest[x["id"]] == x["seq"] for x in asked.view.alerts(limit=100_000))
    assert asked.view.changes(numbers[-1], 10) == []


@pytest.mark.parametrize("state", [None, "open", "closed"])
def test_reviews(asked: Asked, city: EmbeddedService, state: str | None) -> None:
    whole = asked.view.reviews(state=state, limit=100_000)
    # Their order is by moment and id, on every view.
    assert whole == city.reviews(state=state, limit=100_000) and whole
    pages = paged(lambda last: asked.view.reviews(state=state, limit=2, before=last), "id", 2)
    assert pages == whole
    assert all(asked.view.review(x["id"]) == x for x in whole)
    assert asked.view.review("review-none") is None
    assert asked.view.reviews(before="review-none") == []


def test_board_and_sums_of_reviews(asked: Asked, city: EmbeddedService) -> None:
    """The same in every view, however the city is cut into partitions."""
    view, today = asked.view, city.runner.shard.day
    assert view.tallies() == city._view.tallies() and len(view.tallies()) > 20
    found = review_board.statistics(view.tallies(), today)
    assert found == review_board.statistics(city._view.tallies(), today)
    between = {("", ""), *((p["a"], p["b"]) for p in found["pairs"])}
    for a, b in sorted(between):
        assert review_board.counts(view, today, a, b) == review_board.counts(
            city._view, today, a, b)
    for which in review_board.COLUMNS:
        whole = review_board.column(view, today, which, "", "", 100_000, "")
        assert whole == review_board.column(city._view, today, which, "", "", 100_000, "")
        assert paged(lambda last, which=which: review_board.column(  # type: ignore[misc]
            view, today, which, "", "", 2, last or ""), "place", 2) == whole
    assert (view.clock_ms(), view.utc_offset_ms()) == (city.runner.shard.clock_ms, 8 * 3_600_000)
    assert view.workday(today, 2) == city._view.workday(today, 2)


def test_a_case_is_the_same(shown: dict[str, Asked], city: EmbeddedService) -> None:
    for name in ("redis-1", "redis-4"):
        reader = shown[name].view
        assert isinstance(reader, RedisReader)
        for row in reader.reviews(limit=30):
            assert case(reader.shard_of(row["subject"]), row, None) == city.review_case(row["id"])


def test_subjects(asked: Asked, city: EmbeddedService) -> None:
    """Every filter, alone and together, whole and by pages."""
    everything = city.subjects(limit=100_000)
    districts = sorted({x["district"] for x in everything})[:4]
    words = ["", everything[7]["name"][2:4], everything[7]["subject"][3:9].lower(), "%", "_",
             "公司", "无此"]
    for q in words:
        for district in ("", *districts):
            for grade in ("", "A", "D", "ungraded"):
                for kind in ("", "enterprise", "individual"):
                    wanted = {"q": q, "district": district, "grade": grade, "kind": kind}
                    want = [x for x in everything
                            if (q.lower() in x["name"].lower() or q.lower() in x["subject"].lower())
                            and district in ("", x["district"]) and kind in ("", x["kind"])
                            and grade in ("", x["public_grade"])]
                    assert asked.view.subjects(**wanted, limit=100_000) == want, wanted
                    assert asked.view.subjects(**wanted, limit=3) == want[:3]
    assert paged(lambda last: asked.view.subjects(limit=13, after=last or ""), "subject",
                 13) == everything
    assert paged(lambda last: asked.view.subjects(q="公司", grade="A", limit=5, after=last or ""),
                 "subject", 5) == city.subjects(q="公司", grade="A", limit=100_000)
    assert asked.view.subjects(after="~") == []


def test_how_alerts_went(asked: Asked, city: EmbeddedService) -> None:
    def apart(steps: list[Row]) -> list[Row]:
        return [dict(step, seq=0) for step in steps]

    longest = 0
    for alert in city.alerts(limit=200):
        steps, whole = asked.view.transitions_of(alert["id"])
        assert whole and steps[0]["was"] == "" and steps[-1]["state"] == alert["state"]
        assert apart(steps) == apart(city._view.transitions_of(alert["id"])[0])
        longest = max(longest, len(steps))
    assert longest > 2
    assert asked.view.transitions_of("nothing")[0] == []


def test_rejects(asked: Asked, city: EmbeddedService) -> None:
    def key(row: Row) -> str:
        return repr(sorted(row.items(), key=lambda x: x[0]))

    want = [dict(x, seq=0) for x in city.rejects(limit=100_000)]
    letters = asked.view.rejects(limit=-1)
    pages, before = list[Row](), None
    while page := asked.view.rejects(limit=2, before=before):
        pages, before = pages + page, page[-1]["seq"]
    assert pages == letters
    found = [dict(x, seq=0) for x in letters]
    assert sorted(found, key=key) == sorted(want, key=key) and len(found) > 4
    assert asked.view.rejects(limit=2) == letters[:2]


def test_an_empty_view(client: redis.Redis) -> None:
    reader = RedisReader(client, "test-empty")
    assert reader.alerts() == reader.reviews() == reader.subjects() == reader.rejects() == []
    assert reader.show("x") is None and reader.last_seq() == 0 and reader.changes(0, 10) == []
    assert reader.standing() == (0, 0, 0, 0, 0, 0, 0, "", "")
    assert set(reader.grades().values()) == {0} and reader.partitions() == 0


# --------------------------------------------------------------------------------- once, in order


def dump(client: redis.Redis, prefix: str) -> dict[bytes, Any]:
    """All that lies under a prefix, byte for byte."""
    return {key: client.dump(key) for key in client.keys(f"{prefix}:*")}


def change(after: int, upto: int, *, subject: str = "s1", partition: int = 0,
           **more: Any) -> Change:
    made = Change(partition, 2, after, upto, 1_000 * upto, {"accepted": upto, "subjects": 1},
                  None, [], [Placed(after, 0, OpenAlerts(subject, upto), b"")],
                  {subject: b"state %d" % upto})
    return made._replace(**more)


@pytest.fixture
def view(client: redis.Redis) -> Iterator[RedisView]:
    made = RedisView(client, "test-one")
    made.clear()
    made.check()
    yield made
    made.clear()


def test_older_and_repeated_changes_are_refused(view: RedisView) -> None:
    first, second = change(0, 3), change(3, 5)
    view.apply(first)
    view.apply(second)
    before = dump(view.client, "test-one")
    for wrong in (first, second, change(2, 5), change(4, 6), change(6, 9)):
        with pytest.raises(MarkMismatch) as error:
            view.apply(wrong)
        assert error.value.mark == 5 == view.mark(0)
    assert dump(view.client, "test-one") == before
    assert view.mark(1) == 0
    view.apply(change(0, 4, partition=1))
    assert (view.mark(0), view.mark(1)) == (5, 4)


def test_another_number_of_partitions_is_refused(view: RedisView) -> None:
    view.apply(change(0, 3))
    before = dump(view.client, "test-one")
    for partition, after in ((0, 3), (5, 0)):
        with pytest.raises(StoreError, match="log of 2 partitions, this one has 8"):
            view.apply(change(after, 9, partition=partition, partitions=8))
    assert dump(view.client, "test-one") == before


def test_another_schema_is_refused(view: RedisView) -> None:
    view.apply(change(0, 3))
    view.client.hset("test-one:layout", "schema", 99)
    for ask in (view.check, lambda: view.apply(change(3, 4)),
                RedisReader(view.client, "test-one").partitions):
        with pytest.raises(StoreError, match="schema 99"):
            ask()


def race(view: RedisView, rounds: int) -> int:
    """Two writers per partition apply the same log, each step of its own; how many were applied."""
    applied = []

    def write(partition: int) -> None:
        client = redis.Redis(connection_pool=view.client.connection_pool)
        mine = RedisView(client, "test-one")
        mark = 0
        while mark < rounds:
            try:
                mine.apply(change(mark, mark + 1, partition=partition, effects=[
                    Placed(mark, 0, alert(f"a-{partition}-{mark}", f"s{partition}"), b"")]))
                applied.append(partition)
                mark += 1
            except MarkMismatch as error:
                mark = error.mark

    threads = [threading.Thread(target=write, args=(n % 2,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return len(applied)


def alert(id: str, subject: str, was: str = "", state: str = "firing") -> AlertChanged:
    return AlertChanged(id, "test-rule", "orange", state, was, "opened", subject, "public", 0, 0, 0,
                        0, [], [], {}, [], "w", "p")


def test_writers_that_race(view: RedisView) -> None:
    assert race(view, 60) == 120
    reader = RedisReader(view.client, "test-one")
    assert reader.last_seq() == 120 == view.client.xlen("test-one:transitions")
    assert reader.open_alerts()[1] == {"test-rule": 120}
    assert [view.mark(n) for n in (0, 1)] == [60, 60]


def test_a_lost_view_says_so(view: RedisView) -> None:
    view.apply(change(0, 3))
    view.client.delete(*view.client.keys("test-one:*"))
    with pytest.raises(MarkMismatch) as error:
        view.apply(change(3, 4))
    assert error.value.mark == 0
    assert not view.client.keys("test-one:*")
    view.apply(change(0, 4))


def test_a_broken_connection(view: RedisView) -> None:
    """The answer to a change that was written is lost: the repetition says that it is there."""
    read = redis.client.Pipeline.parse_response

    def lose(self: Any, *rest: Any, **more: Any) -> Any:
        answer = read(self, *rest, **more)
        if isinstance(answer, list) and self.explicit_transaction:
            raise redis.ConnectionError("gone")
        return answer

    one = change(0, 3, effects=[Placed(0, 0, alert("a", "s1"), b"")])
    with mock.patch.object(redis.client.Pipeline, "parse_response", lose), \
            pytest.raises(MarkMismatch) as error:
        view.apply(one)
    assert error.value.mark == 3 and RedisReader(view.client, "test-one").last_seq() == 1


def test_a_full_server_changes_nothing(view: RedisView, redis_server: Any) -> None:
    if isinstance(redis_server, Given):
        pytest.skip("others may need the memory of a server that is given")
    view.apply(change(0, 3))
    before = dump(view.client, "test-one")
    more = change(3, 4, effects=[Placed(3, 0, alert("a", "s1"), b"")])
    view.client.config_set("maxmemory", 1)
    try:
        with pytest.raises(redis.exceptions.RedisError, match="maxmemory"):
            view.apply(more)
        view.client.config_set("maxmemory", 1 << 40)
        view.client.config_set("maxmemory-policy", "allkeys-lru")
        with pytest.raises(StoreError, match="maxmemory-policy allkeys-lru"):
            view.check()
    finally:
        view.client.config_set("maxmemory-policy", "noeviction")
        view.client.config_set("maxmemory", 0)
    assert dump(view.client, "test-one") == before
    view.apply(more)


# ------------------------------------------------------------------------------- limits, lifetimes


def test_nothing_expires(shown: dict[str, Asked], client: redis.Redis) -> None:
    kinds = set()
    for key in client.keys("test-4:*"):
        assert client.ttl(key) == -1, key
        kinds.add(key.split(b":")[1])
    assert kinds == {b"layout", b"part", b"cards", b"sources", b"states", b"subjects", b"alerts",
                     b"transitions", b"seq", b"reviews", b"answers", b"rejects",
                     b"hours", b"feeds", b"tallies", b"pairs"}


def test_dead_letters_are_few_and_counted(view: RedisView,
                                          monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redis_view, "REJECTS_MAX", 10)
    reason = Reason("id", "v", "a", "m")
    for n in range(25):
        for _ in range(2):
            view.reject(f"iot/0/{n}", Dead(n, "feed", reason, b"x" * 20_000))
    reader = RedisReader(view.client, "test-one")
    rows = reader.rejects(limit=-1)
    assert [x["at"][-4:-1] for x in rows] == [f"{n:03d}" for n in range(24, 14, -1)]
    assert reader.rejected() == 25 and view.client.scard("test-one:rejects:ids") == 10
    assert all(len(x["raw"]) == redis_view.RAW_MAX_BYTES for x in rows)


def test_transitions_are_limited_and_alerts_are_not(view: RedisView,
                                                    monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redis_view, "TRANSITIONS_MAX", 100)
    for n in range(5):
        cards = [(0, ev.change("plain").event.document, EXPERT)]
        view.apply(change(n, n + 1, cards=cards, effects=[
            Placed(n, m, alert(f"a{n}-{m}", "s1"), b"") for m in range(200)]))
    reader = RedisReader(view.client, "test-one")
    # Trimmed by whole nodes of 100 entries.
    assert 100 <= view.client.xlen("test-one:transitions") <= 200
    assert reader.changes(0, 10_000)[-1]["seq"] == reader.last_seq() == 1_000
    assert len(reader.alerts(limit=5_000)) == 1_000


def test_an_alert_that_opens_again(view: RedisView) -> None:
    """It is listed by its last opening, and counted in one group only."""
    cards = [(0, ev.change("plain").event.document, EXPERT)]
    told = [alert("a", "s1"), alert("b", "s1"), alert("a", "s1", "firing", "resolved"),
            alert("a", "s1")]
    for n, one in enumerate(told):
        view.apply(change(n, n + 1, cards=cards, effects=[Placed(n, 0, one, b"")]))
        ids = [x["id"] for x in RedisReader(view.client, "test-one").alerts()]
        assert ids == [["a"], ["b", "a"], ["b", "a"], ["a", "b"]][n]
    reader = RedisReader(view.client, "test-one")
    assert [x["id"] for x in reader.alerts(state="firing")] == ["a", "b"]
    assert [x["id"] for x in reader.alerts(state="firing", subject="s1")] == ["a", "b"]
    assert reader.open_alerts()[0]["orange"] == 2 and reader.alerts(state="resolved") == []


def test_answers(view: RedisView) -> None:
    """The text of each answer, by review, department and moment; the last word counts."""
    review = ReviewChanged("r1", "s1", True, 5, 1, 2, 0, 2, {}, {}, [], ["甲"], [
        {"department": "甲", "time_ms": t, "decision": "keep", "grade": None} for t in (1, 2, 3)],
        0)
    effects = [Answered(*x) for x in (
        ("r1", "甲", 1, "旧"), ("r1", "甲", 1, "一"), ("r1", "乙", 2, "x"), ("r2", "甲", 2, "x"),
        ("r1", "甲", 3, "三"))]
    told = [Placed(0, n, x, b"") for n, x in enumerate([*effects, review])]
    view.apply(change(0, 1, effects=told))
    row = RedisReader(view.client, "test-one").review("r1")
    assert row is not None and [a["reason"] for a in row["answers"]] == ["一", "", "三"]


def test_clear_takes_its_own_view_only(client: redis.Redis) -> None:
    views = [RedisView(client, name) for name in ("test-x", "test-xy", "test-[x]*")]
    for one in views:
        one.apply(change(0, 1))
    for n, one in enumerate(views):
        one.clear()
        assert [x.mark(0) for x in views] == [0] * (n + 1) + [1] * (2 - n)


# --------------------------------------------------------------------------------- planted faults


def faulty(city: EmbeddedService, client: redis.Redis) -> list[str]:
    """What differs between the city and a view of it that is made now."""
    runner = city.runner
    assert isinstance(runner, played.Recording)
    view = RedisView(client, "test-bad")
    view.clear()
    with ev.quick_cards():
        played.show_to(view, runner.steps, 4)
    reader = RedisReader(client, "test-bad")
    wrong = []
    if reader.digest() != runner.digest():
        wrong.append("digest")
    if by_id(reader.alerts(limit=100_000)) != by_id(city.alerts(limit=100_000)):
        wrong.append("alerts")
    if any(len(reader.alerts(state=x, limit=1_000)) != len(city.alerts(state=x, limit=1_000))
           for x in STATES):
        wrong.append("alerts by state")
    if reader.open_alerts() != city._reader.open_alerts():
        wrong.append("open alerts")
    if reader.subjects(limit=100_000) != city.subjects(limit=100_000):
        wrong.append("subjects")
    if reader.grades() != city._reader.grades():
        wrong.append("grades")
    if reader.reviews(limit=1_000) != city.reviews(limit=1_000):
        wrong.append("reviews")
    view.clear()
    return wrong


@pytest.mark.parametrize(("was", "fault", "finds"), [
    ("redis.call('ZREM', kind .. ':in:' .. old, member)", "", ["alerts by state"]),
    ("redis.call('HINCRBY', kind .. ':groups', old, -1)", "", ["open alerts", "grades"]),
    ("redis.call('HSET', p .. ':subjects', code, was", "local _ = ( was", ["subjects"]),
])
def test_a_fault_in_the_script_is_noticed(city: EmbeddedService, client: redis.Redis,
                                          monkeypatch: pytest.MonkeyPatch, was: str, fault: str,
                                          finds: list[str]) -> None:
    assert redis_view._SCRIPT.count(was) == 1
    monkeypatch.setattr(redis_view, "_SCRIPT", redis_view._SCRIPT.replace(was, fault))
    assert faulty(city, client) == finds


def test_subjects_left_out_are_noticed(city: EmbeddedService, client: redis.Redis,
                                       monkeypatch: pytest.MonkeyPatch) -> None:
    """Were only the subjects of events written, and not those that fall due."""
    monkeypatch.setattr(played, "touched", lambda entries, effects: touched(entries, []))
    assert "digest" in faulty(city, client)
    monkeypatch.undo()
    monkeypatch.setattr(played, "place", lambda n, effects, raws: [
        x for x in place(n, effects, raws) if not isinstance(x.effect, Answered)])
    assert faulty(city, client) == ["reviews"]


def test_a_writer_that_does_not_look_is_noticed(view: RedisView) -> None:
    """Without the mark, or without watching it, the tests above fail."""
    with mock.patch.object(RedisView, "_expect", lambda *_: None), \
            pytest.raises(pytest.fail.Exception):
        test_older_and_repeated_changes_are_refused(view)
    view.clear()
    with mock.patch.object(redis.client.Pipeline, "watch",
                           lambda tx, *_: setattr(tx, "watching", True)):
        assert race(view, 60) > 120


# -------------------------------------------------------------------------------------- commands


def test_the_commands_say_the_same(city: EmbeddedService, shown: dict[str, Asked],
                                   client: redis.Redis, redis_server: Any,
                                   capsys: pytest.CaptureFixture[str]) -> None:
    folder = str(city.runner.store.folder)
    url = f"{redis_server.address}#test-4"
    subject = city.alerts(limit=1)[0]["subject"]

    def said(store: str, *words: str) -> list[Row]:
        assert invoke([*words, "--store", store, "--json"]) == 0
        rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        # Texts of evidence have particulars only where somebody holds the facts.
        return sorted(({k: v for k, v in row.items() if k not in ("seq", "evidence", "offset")}
                       for row in rows), key=repr)

    for words in (["show", subject], ["show", subject.lower()], ["alerts"], ["reviews"],
                  ["alerts", "--state", "firing", "--level", "yellow"], ["rejects"], ["digest"],
                  ["alerts", "--subject", subject], ["reviews", "--state", "open"]):
        found = said(url, *words)
        assert found and found == said(folder, *words)
    for words in (["show", subject], ["alerts"], ["reviews"], ["rejects"], ["digest"]):
        assert invoke([*words, "--store", url]) == 0
        assert capsys.readouterr().out


@pytest.mark.parametrize(("words", "store", "code", "says"), [
    (["show", "x"], "{}#test-4", 2, "the store knows nothing of it"),
    (["show", "x", "--as-of", "2026-01-01"], "{}#test-4", 2, "no broker answers"),
    (["alerts"], "{}#test-none", 2, "holds no view under test-none"),
    (["digest"], "redis://user:secret@127.0.0.1:1/0", 1, "127.0.0.1:1"),
    (["rejects"], "redis://h:x/0", 2, "--store redis://h:x/0"),
])
def test_what_a_command_cannot_do(words: list[str], store: str, code: int, says: str,
                                  shown: dict[str, Asked], redis_server: Any,
                                  monkeypatch: pytest.MonkeyPatch,
                                  capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("XINFENG_KAFKA", "127.0.0.1:1")
    assert invoke([*words, "--store", store.format(redis_server.address)]) == code
    error = capsys.readouterr().err
    assert says in error and error.count("\n") == 1 and "secret" not in error
