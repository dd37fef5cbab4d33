"""Goal: a draw looks the same from the view in SQLite and from views in Redis of 1 and 4
partitions, after results, a release and a second draw of the same pool.

Method: a small city is played into the embedded runner, draws are ordered there, and its envelopes
are played again into shards with a view each (`played`). Nothing is ordered or recorded by whoever
only looks: every word of the answers comes from the view.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import events as ev
import msgspec
import played
import pytest
import redis

from alerts.message import Catalogue
from console.service import Receipt
from models.events import DrawOrdered
from storage.redis_view import RedisView
from streams.drawing import Drawing
from streams.redis_reader import RedisReader
from streams.service import EmbeddedService
from streams.show import iso_ms
from streams.simulate import city
from streams.view import View

pytestmark = pytest.mark.integration
Row = dict[str, Any]
ITEM = "cq1-17"
NOW_MS = 1_763_200_000_000
"""After all that happens in the city: 2025-11-15."""


class Looking(Drawing):
    """Whoever only looks at a view."""

    def __init__(self, view: View, names: Catalogue) -> None:
        super().__init__()
        self._view = view
        self.names = names

    def _say_order(self, order: DrawOrdered) -> None:
        raise AssertionError(order)

    def _log_ms(self) -> int:
        raise AssertionError

    def _items(self) -> Catalogue:
        return self.names

    def submit(self, raws: Sequence[bytes], origin: str) -> Receipt:
        raise AssertionError(f"{len(raws)} businesses were drawn and do not know it")


LET_GO = (1, 3, 5)
"""Places of those drawn that are not inspected."""


class City(NamedTuple):
    service: EmbeddedService
    runner: played.Recording
    draws: list[str]
    """In the order they were ordered."""
    first: Row
    """The first draw, as it was answered."""


def completed(subject: str, n: int, draw: str, time_ms: int) -> bytes:
    return msgspec.json.encode({
        "specversion": "1.0", "id": f"inspected-{n}", "source": "cq/scjg", "subject": subject,
        "type": "inspection.completed", "time": iso_ms(time_ms), "data": {
            "item": ITEM, "plan": "random", "draw": draw,
            "result": ("pass", "fail", "fixed")[n % 3],
            "findings": [{"code": "x", "severity": "minor"}] if n % 3 else []}})


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[City]:
    with ev.quick_cards():
        runner = played.Recording(Path(tmp_path_factory.mktemp("draws")))
        service = EmbeddedService(runner, lambda: NOW_MS)
        lines = list(city(400, 60, played.SEED, dt.date(2025, 9, 1)))
        for start in range(0, len(lines), 500):
            service.submit(lines[start : start + 500], "city", event_time=True)
        ids = [service.order_draw(ITEM, 0, "-", "李处")["id"]]
        first = service.order_draw(ITEM, 12, "2025-11-01", "李处", note="秋季开学前检查")
        results = [completed(one["subject"], n, first["id"], runner.shard.clock_ms)
                   for n, one in enumerate(first["picked"]) if n not in LET_GO]
        assert service.submit(results, "test").accepted == len(results)
        service.release_draw(first["id"], "李处", "并入联合检查")
        ids += [first["id"]] + [service.order_draw(ITEM, *order, "王科长", district=where)["id"]
                                for *order, where in ((5, "2025-11-02", ""), (9, "a", "500106"))]
        yield City(service, runner, ids, first)
        service.close()


@pytest.fixture(scope="module", params=[1, 4])
def looking(request: pytest.FixtureRequest, town: City, redis_server: Any) -> Iterator[Looking]:
    client = redis.Redis.from_url(redis_server.address)
    view = RedisView(client, f"test-draws-{request.param}")
    view.clear()
    with ev.quick_cards():
        played.show_to(view, town.runner.steps, request.param)
    reader = RedisReader(client, f"test-draws-{request.param}")
    assert reader.shards() == request.param
    yield Looking(reader, town.service._items())
    view.clear()
    client.close()


def test_the_draws_are_worth_comparing(town: City) -> None:
    found = town.service.draw(town.draws[1])
    assert found is not None and found["drawn"] == 12 == found["recorded"]
    assert (found["inspected"], found["released"]) == (12 - len(LET_GO), len(LET_GO))
    assert 0 < found["with_problems"] < found["inspected"]
    assert found["estimate"] is not None and len({s["drawn"] for s in found["strata"]}) > 2
    assert [x["subject"] for x in found["picked"]] == [x["subject"] for x in town.first["picked"]]
    assert {x["state"] for x in town.first["picked"]} == {"drawn"}


def test_every_draw_is_the_same(town: City, looking: Looking) -> None:
    for draw_id in town.draws:
        assert looking.draw(draw_id) == town.service.draw(draw_id)
    assert looking.draw("draw-none") is town.service.draw("draw-none") is None


def test_the_list_is_the_same_page_by_page(town: City, looking: Looking) -> None:
    assert looking.draws() == town.service.draws()
    assert {d["id"] for d in looking.draws()} == set(town.draws[1:])
    for drawing in (looking, town.service):
        rows: list[Row] = []
        while page := drawing.draws(limit=1, before=rows[-1]["id"] if rows else None):
            rows += page
        assert rows == drawing.draws()
        assert drawing.draws(before="draw-none") == []


def test_a_draw_that_a_shard_has_not_seen_draws_nobody(town: City, looking: Looking,
                                                       monkeypatch: pytest.MonkeyPatch) -> None:
    """As it is while the shards answer: a planted gap."""
    view = looking._view
    late = Looking(view, looking.names)
    monkeypatch.setattr(view, "shards", lambda: view.partitions() + 1)
    found = late.draw(town.draws[1])
    assert found is not None and not found["complete"] and found["picked"] == []
