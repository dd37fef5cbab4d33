"""Goal: pages of reviews are cut by the database, newest opening first, ids in order within one
moment.

Method: reviews of few moments and many ids, written in random order, some again; pages are compared
with a sort of all. Mistakes planted in the order must show, and a page decodes its own rows only.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from config import load
from storage import sqlite_reviews
from storage.effects import ReviewChanged
from storage.sqlite_store import SqliteStore
from streams import reader
from streams.reader import Reader

STATES = (None, "open", "closed")
CODE = "91500106MA60AB125D"


def review(n: int, opened_ms: int, *, open: bool) -> ReviewChanged:
    return ReviewChanged(f"review-{n:03d}", CODE, open, opened_ms, 20_000, 20_014,
                         0 if open else 20_003, 2, {}, {}, [], ["市市场监管局"], [], opened_ms)


@pytest.fixture
def store() -> Iterator[SqliteStore]:
    chance = random.Random(3)
    told = [review(n, 1_000 * chance.randrange(8), open=chance.random() < 0.6) for n in range(60)]
    chance.shuffle(told)
    # Written again as it ends: its place among those of its state is that of its opening.
    told += [msgspec.structs.replace(r, open=False, ended_day=20_005) for r in told[:10]]
    made = SqliteStore(None, write=True)
    sqlite_reviews.put_reviews(made._db, list(enumerate(told)))
    yield made
    made.close()


def pages(of: Reader, state: str | None, size: int) -> list[str]:
    out: list[str] = []
    while page := of.reviews(state=state, limit=size, before=out[-1] if out else None):
        out += [r["id"] for r in page]
        assert len(out) <= 200, "pages without end"
    return out


def wanted(store: SqliteStore, state: str | None) -> list[str]:
    """The slow answer: all bodies, sorted."""
    found = [reader._REVIEW(body) for (body,) in store.query("SELECT body FROM reviews")]
    return [r.id for r in sorted(found, key=lambda r: (-r.opened_ms, r.id))
            if state is None or r.open == (state == "open")]


def wrong(store: SqliteStore) -> list[tuple[str | None, int]]:
    """(state, size of a page) for which the pages are not the sorted whole."""
    of = Reader(store, load.policy())
    return [(state, size) for state in STATES for size in (1, 7, 100)
            if pages(of, state, size) != wanted(store, state)]


def test_pages_are_the_whole_in_order(store: SqliteStore) -> None:
    assert wrong(store) == []
    assert all(len(wanted(store, state)) > 15 for state in STATES)
    of = Reader(store, load.policy())
    assert of.reviews(before="review-none") == []


@pytest.mark.parametrize("mistake", [
    "UPDATE reviews SET newest = -newest",
    "UPDATE reviews SET newest = 0",
    "UPDATE reviews SET newest = seq",
    "UPDATE reviews SET newest = newest + 1000 WHERE id = 'review-007'",
    "UPDATE reviews SET open = 1 - open WHERE id = 'review-007'",
])
def test_a_planted_mistake_of_order_is_found(store: SqliteStore, mistake: str) -> None:
    store._db.execute(mistake)
    assert wrong(store) != []


@pytest.mark.parametrize("state", STATES)
def test_a_page_decodes_its_own_rows_only(store: SqliteStore, state: str | None,
                                          monkeypatch: pytest.MonkeyPatch) -> None:
    decoded: list[bytes] = []
    decode = reader._REVIEW

    def counted(body: bytes) -> Any:
        decoded.append(body)
        return decode(body)

    monkeypatch.setattr(reader, "_REVIEW", counted)
    of = Reader(store, load.policy())
    first = of.reviews(state=state, limit=5)
    of.reviews(state=state, limit=5, before=first[-1]["id"])
    assert len(decoded) == 10
    within = "" if state is None else " AND open=1"
    plan = store.query("EXPLAIN QUERY PLAN SELECT body FROM reviews WHERE (newest, id) > (0, '')"
                       f"{within} ORDER BY newest, id LIMIT 5")
    assert not any("TEMP B-TREE" in str(row) or "SCAN" in str(row) for row in plan), plan


def test_a_review_that_ends_between_two_pages_ends_no_paging(store: SqliteStore) -> None:
    of, rest = Reader(store, load.policy()), wanted(store, "open")
    first = [r["id"] for r in of.reviews(state="open", limit=7)]
    ((body,),) = store.query("SELECT body FROM reviews WHERE id=?", (first[-1],))
    sqlite_reviews.put_reviews(store._db, [
        (1_000, msgspec.structs.replace(reader._REVIEW(body), open=False, ended_day=20_006))])
    following = of.reviews(state="open", limit=100, before=first[-1])
    assert [r["id"] for r in following] == rest[7:] != []
