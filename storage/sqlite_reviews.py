"""Reviews, their board, and the sums over them and over businesses, in SQLite.

Within the transaction of the envelope they follow from (`storage.sqlite_store`).
"""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Mapping, Sequence

import msgspec

from storage import tallies
from storage.effects import ReviewChanged
from storage.tallies import PAIRS, Pairs

CHUNK = 1_000
_PACK = msgspec.msgpack.Encoder().encode
_REVIEW = msgspec.msgpack.Decoder(ReviewChanged).decode


def put_reviews(db: sqlite3.Connection, told: Sequence[tuple[int, ReviewChanged]]) -> None:
    """Write (seq, review) in order."""
    sums: Counter[str] = Counter()
    for seq, new in told:
        held = db.execute("SELECT body FROM reviews WHERE id=?", (new.id,)).fetchone()
        old = _REVIEW(held[0]) if held else None
        if old is not None:
            db.executemany("DELETE FROM board WHERE a=? AND b=? AND lane=? AND at=?",
                           tallies.places(old))
        db.execute("INSERT OR REPLACE INTO reviews VALUES (?,?,?,?,?,?)",
                   (new.id, seq, int(new.open), new.subject, -new.opened_ms, _PACK(new)))
        db.executemany("INSERT INTO board VALUES (?,?,?,?)", tallies.places(new))
        sums.update(tallies.moved(tallies.of_review(old) if old else (), tallies.of_review(new)))
    _add(db, sums)


def put_pairs(db: sqlite3.Connection, told: Mapping[str, Pairs]) -> None:
    """Write which departments grade each business, and whether they lie apart."""
    sums: Counter[str] = Counter()
    codes = list(told)
    for start in range(0, len(codes), CHUNK):
        some = codes[start : start + CHUNK]
        before = {code: PAIRS(body) for code, body in db.execute(
            "SELECT subject, body FROM pairs WHERE subject IN (SELECT value FROM json_each(?))",
            (json.dumps(some),))}
        changed = [code for code in some if before.get(code, []) != list(told[code])]
        for code in changed:
            sums.update(tallies.moved(tallies.of_business(before.get(code, ())),
                                      tallies.of_business(told[code])))
        db.executemany("INSERT OR REPLACE INTO pairs VALUES (?,?)", [
            (code, _PACK(told[code])) for code in changed if told[code]])
        db.executemany("DELETE FROM pairs WHERE subject=?", [
            (code,) for code in changed if not told[code]])
    _add(db, sums)


def _add(db: sqlite3.Connection, sums: Counter[str]) -> None:
    moved = {name: n for name, n in sums.items() if n}
    db.executemany("INSERT INTO tallies VALUES (?,?) "
                   "ON CONFLICT (name) DO UPDATE SET count = count + excluded.count",
                   moved.items())
    db.executemany("DELETE FROM tallies WHERE name=? AND count=0",
                   [(name,) for name, n in moved.items() if n < 0])
