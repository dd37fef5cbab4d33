"""Goal: the board and the statistics say of a whole city what its reviews and grades say one by
one, and a case is the same whichever shard knows the business.

Method: two simulated years; the board is compared with the reviews, the shares of disagreement with
a scan over every business' grades in force, outcomes with the rows of all reviews.
"""

from __future__ import annotations

import datetime as dt
import json
from collections import Counter
from collections.abc import Iterator
from itertools import combinations
from statistics import median
from typing import Any, get_args

import events as ev
import jsonschema
import msgspec
import pytest
from prometheus_client.parser import text_string_to_metric_families

from config import load
from console import answers_reviews as answers
from console.service import Column
from models.calendar import from_date
from models.gap import PUBLIC, Grades, distance, parties
from models.ledger import resolve
from storage.tallies import at
from streams import review_board
from streams.embedded import Embedded
from streams.fold import fold
from streams.review_case import case
from streams.service import EmbeddedService
from streams.simulate import city

Row = dict[str, Any]
COLUMNS: tuple[Column, ...] = get_args(Column)
EVERY = 100_000
NOW_MS = 1_792_500_000_000
"""2026-10-20, a week after the city ends."""


@pytest.fixture(scope="module")
def full() -> Iterator[EmbeddedService]:
    with ev.quick_cards():
        runner = Embedded(None, load.policy())
        service = EmbeddedService(runner, lambda: NOW_MS)
        service.submit(list(city(300, 500, 5, dt.date(2025, 6, 1), iot=False)), "test",
                       event_time=True)
        answer(service)
        yield service
        service.close()


def answer(service: EmbeddedService) -> None:
    """All departments of a review keep their grades; of another the worse one adjusts its own; a
    new gap opens."""
    found = service.reviews(state="open", limit=EVERY)
    kept = next(r for r in found if len(r["departments"]) > 1)
    adjusted = next(r for r in found if len(r["pairs"]) == 1 and r["lowest"]["department"])
    for n, name in enumerate(kept["departments"]):
        said(service, kept, f"k{n}", department=name, decision="keep")
    said(service, adjusted, "a", department=adjusted["lowest"]["department"], decision="adjust",
         grade=adjusted["highest"]["grade"])
    quiet = next(s for s in service.subjects(grade="A", limit=EVERY)
                 if not service.runner.shard.subjects[s["subject"]].alerts)
    sent = {"specversion": "1.0", "id": "g", "source": "cq/swj", "type": "grade.assigned",
            "subject": quiet["subject"], "time": "2026-10-19T10:00:00+08:00",
            "data": {"item": "cq1-48", "issuer": "department", "grade": "D"}}
    assert service.submit([json.dumps(sent).encode()], "test").accepted == 1


def said(service: EmbeddedService, review: Row, id: str, **data: str) -> None:
    done = service.act({
        "specversion": "1.0", "id": id, "source": "xinfeng/console", "type": "review.answered",
        "subject": review["subject"], "time": "2020-01-01T00:00:00Z",
        "data": {"review": review["id"], "reason": "核实", **data}})
    assert done.accepted == 1


def today(service: EmbeddedService) -> int:
    return from_date(dt.date.fromisoformat(service.review_statistics()["as_of"]))


def test_every_review_stands_in_its_column(full: EmbeddedService) -> None:
    rows = {r["id"]: r for r in full.reviews(limit=EVERY)}
    shown = {c: full.review_column(c, limit=EVERY) for c in COLUMNS}
    assert full.review_board() == {c: len(found) for c, found in shown.items()}
    now = full.review_statistics()["as_of"]
    late = (dt.date.fromisoformat(now) - dt.timedelta(days=30)).isoformat()
    where = {r["id"]: c for c, found in shown.items() for r in found}
    assert len(where) == sum(len(found) for found in shown.values()), "none stands twice"
    for id, row in rows.items():
        match row["stage"]:
            case "waiting":
                wanted = "overdue" if row["due_on"] < now else where[id]
                assert wanted in ("overdue", "soon", "later")
            case "answered":
                wanted = "answered"
            case _:
                wanted = "closed" if row["ended_on"] >= late else ""
        assert where.get(id, "") == wanted, row
    assert {"overdue", "later", "answered", "closed"} <= {c for c in COLUMNS if shown[c]}
    due = [r["due_on"] for r in shown["overdue"]]
    assert due == sorted(due), "the most urgent first"
    ended = [r["ended_on"] for r in shown["closed"]]
    assert ended == sorted(ended, reverse=True), "the newest first"


def test_two_working_days_are_not_two_days(full: EmbeddedService) -> None:
    """1 October 2025 begins eight days off: what is due on the 10th is due soon on 30 September."""
    day = from_date(dt.date(2025, 9, 30))
    assert review_board.spans(full._view, day)["later"].first == at(
        from_date(dt.date(2025, 10, 11)))


def test_pages_of_a_column_make_the_whole(full: EmbeddedService) -> None:
    whole = full.review_column("overdue", limit=EVERY)
    pages: list[Row] = []
    while found := full.review_column("overdue", limit=3,
                                      after=pages[-1]["place"] if pages else ""):
        pages += found
    assert pages == whole and len(whole) > 6


def test_the_board_of_two_parties(full: EmbeddedService) -> None:
    rows = full.reviews(limit=EVERY)
    pairs = {(p["a"], p["b"]) for r in rows for p in r["pairs"]}
    assert len(pairs) > 5
    for a, b in pairs:
        shown = {r["id"] for c in COLUMNS for r in full.review_column(c, a=b, b=a, limit=EVERY)}
        want = {r["id"] for r in rows if (a, b) in {(p["a"], p["b"]) for p in r["pairs"]}}
        assert shown <= want and len(shown) == sum(full.review_board(a=a, b=b).values())
        assert {r["id"] for r in rows if r["id"] in want and r["state"] == "open"} <= shown
        alone = {r["id"] for c in COLUMNS for r in full.review_column(c, b=a, limit=EVERY)}
        assert shown <= alone
    assert not any(full.review_board(a="无此部门").values())


def scan(service: EmbeddedService) -> tuple[Counter[tuple[str, str]], Counter[tuple[str, str]]]:
    """Businesses that two departments grade, and of these apart, by looking at every one."""
    shard = service.runner.shard
    assert shard.timeline is not None
    card = shard.timeline.last
    both: Counter[tuple[str, str]] = Counter()
    apart: Counter[tuple[str, str]] = Counter()
    for subject in shard.subjects.values():
        grades = Grades(subject, resolve(subject.facts, card.offset_ms), card)
        held = parties({i: g.grade for i, g in grades.vector(shard.day).items()}, card)
        held.pop(PUBLIC, None)
        pairs = {(a, b): distance(held[a], held[b]) >= 2 for a, b in combinations(held, 2)}
        both.update(pairs.keys())
        apart.update(k for k, wide in pairs.items() if wide)
        both["", ""] += bool(pairs)
        apart["", ""] += any(pairs.values())
    return both, apart


def test_the_rate_of_disagreement_is_that_of_a_scan(full: EmbeddedService) -> None:
    both, apart = scan(full)
    found = full.review_statistics()
    city_wide = found["disagreement"]
    assert (city_wide["businesses"], city_wide["apart"]) == (both["", ""], apart["", ""])
    assert 0 < city_wide["rate"] == round(apart["", ""] / both["", ""], 6) < 1
    for p in found["pairs"]:
        key = p["a"], p["b"]
        assert (p["businesses"], p["apart"]) == (both[key], apart[key])
        both.pop(key, None)
    assert set(both) <= {("", "")}, "every two departments are listed"


def test_one_business_too_many_in_the_sums_is_found(full: EmbeddedService) -> None:
    """Planted: one business more in the sums than there is."""
    both, _ = scan(full)
    sums = full._view.tallies()
    sums['["both","",""]'] += 1
    found = review_board.statistics(sums, today(full))
    assert found["disagreement"]["businesses"] != both["", ""]


def test_outcomes_are_those_of_the_reviews(full: EmbeddedService) -> None:
    rows, now = full.reviews(limit=EVERY), full.review_statistics()["as_of"]
    told: dict[tuple[str, str], list[tuple[Row, Row]]] = {}
    for r in rows:
        for p in r["pairs"]:
            told.setdefault((p["a"], p["b"]), []).append((r, p))
    found = {(p["a"], p["b"]): p for p in full.review_statistics()["pairs"] if p["opened"]}
    assert found.keys() == told.keys()
    for key, each in told.items():
        got, ends = found[key], Counter(p["end"] for _, p in each)
        assert got["opened"] == len(each) and got["kept"] == ends["kept"]
        assert got["open"] == ends["open"] + ends["kept"]
        assert (got["adjusted_a"], got["adjusted_b"], got["by_itself"]) == (
            ends["a"], ends["b"], ends["facts"])
        assert got["overdue"] == sum(p["end"] == "open" and r["due_on"] < now for r, p in each)
        took = [(dt.date.fromisoformat(p["ended_on"]) - dt.date.fromisoformat(p["since"])).days
                for _, p in each if p["ended_on"]]
        assert got["median_days"] == (median(took) if took else None)
    ends = Counter(p["end"] for r in rows for p in r["pairs"])
    assert all(ends[e] for e in ("open", "kept", "b", "facts")), ends


def test_a_case_is_the_same_from_the_log_alone(full: EmbeddedService) -> None:
    rows = full.reviews(limit=EVERY)
    assert any(r["answers"] for r in rows)
    for row in sorted(rows, key=lambda r: -len(r["answers"]))[:12]:
        then = fold(full.runner.store, row["subject"])
        assert then is not None
        assert case(then, row, None) == full.review_case(row["id"])
    assert full.review_case("review-none") is None


def test_what_is_answered_is_what_the_api_documents(full: EmbeddedService) -> None:
    told = [{"receiver": "d-x", "endpoint": "d-x/mail", "at": None, "reason": "first",
             "state": "delivered", "attempts": 1, "code": 250, "answer": "", "done_at": None}]
    full.with_deliveries(lambda: (lambda _: told, "here"))
    cases = [full.review_case(r["id"]) for r in full.reviews(limit=EVERY)]
    full.with_deliveries(lambda: (None, "off"))
    board = {"columns": full.review_board(), "reviews": full.review_column("overdue"), "next": None}
    schemas: dict[type, jsonschema.Draft202012Validator] = {}
    for kind, found in ((answers.ReviewStatistics, full.review_statistics()),
                        (answers.ReviewBoard, board), *((answers.ReviewCase, c) for c in cases)):
        if kind not in schemas:
            schema = msgspec.json.schema(kind)
            schemas[kind] = jsonschema.Draft202012Validator(schema)
            for field in schema["$defs"][kind.__name__]["required"]:
                assert found is not None
                assert not schemas[kind].is_valid({**found, field: object()}), field
                assert not schemas[kind].is_valid({k: v for k, v in found.items() if k != field})
        schemas[kind].validate(found)
    assert all(c and c["told"][0]["name"] == "" for c in cases)


def test_prometheus_sees_the_disagreement(full: EmbeddedService) -> None:
    seen = {s.name: s.value for f in text_string_to_metric_families(full.metrics_text().decode())
            for s in f.samples if not s.labels}
    found = full.review_statistics()
    assert seen["xinfeng_disagreement_ratio"] == found["disagreement"]["rate"]
    assert seen["xinfeng_reviews_overdue"] == full.review_board()["overdue"]
    labels = [s.labels["department"] for f in text_string_to_metric_families(
        full.metrics_text().decode()) for s in f.samples
        if s.name == "xinfeng_department_disagreement_ratio"]
    assert labels == [d["department"] for d in found["departments"]]


def test_an_empty_city_has_no_rate() -> None:
    found = review_board.statistics({}, 20_000)
    assert found["disagreement"] == {"businesses": 0, "apart": 0, "rate": None}
    assert found["pairs"] == found["departments"] == []
