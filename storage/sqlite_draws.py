"""Draws of inspections in a SQLite store."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import msgspec

from storage.effects import DrawnChanged, DrawPooled

Query: TypeAlias = Callable[[str, Sequence[Any]], list[tuple[Any, ...]]]
_PACK = msgspec.msgpack.Encoder().encode
_POOL = msgspec.msgpack.Decoder(DrawPooled).decode
_DRAWN = msgspec.msgpack.Decoder(DrawnChanged).decode
_NEVER = (2**63 - 1, "")


def put(db: sqlite3.Connection, pools: Sequence[DrawPooled], drawn: Sequence[DrawnChanged]) -> None:
    """Of a draw ordered twice the first order stands, of an inspection the last word."""
    db.executemany("INSERT OR IGNORE INTO draws VALUES (?,?,?)", [
        (x.order.draw, x.clock_ms, _PACK(x)) for x in pools])
    db.executemany("INSERT OR REPLACE INTO drawn VALUES (?,?,?)", [
        (x.draw, x.subject, _PACK(x)) for x in drawn])


def pools(query: Query, draw: str) -> list[DrawPooled]:
    """What the store's one shard has in the pool of a draw; none = no such draw."""
    return [_POOL(body) for (body,) in query("SELECT body FROM draws WHERE id=?", (draw,))]


def ids(query: Query, limit: int, before: str | None) -> list[str]:
    """Draws that drew, the newest order first, after `before`."""
    at: tuple[Any, ...] = _NEVER
    if before is not None:
        held = query("SELECT ordered, id FROM draws WHERE id=?", (before,))
        if not held:
            return []
        at = held[0]
    return [id for (id,) in query(
        "SELECT id FROM draws WHERE (ordered, id) < (?, ?) AND id GLOB 'draw-*' "
        "ORDER BY ordered DESC, id DESC LIMIT ?", (*at, limit))]


def drawn(query: Query, key: str) -> list[DrawnChanged]:
    """Who was drawn, by code."""
    return [_DRAWN(body) for (body,) in query(
        "SELECT body FROM drawn WHERE draw=? ORDER BY subject", (key,))]
