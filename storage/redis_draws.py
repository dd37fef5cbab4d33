"""Draws of inspections in a view in Redis."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from storage.effects import DrawnChanged, DrawPooled
from storage.redis_keys import Keys

_PACK = msgspec.msgpack.Encoder().encode
_POOL = msgspec.msgpack.Decoder(DrawPooled).decode
_DRAWN = msgspec.msgpack.Decoder(DrawnChanged).decode


def put(tx: Any, keys: Keys, partition: int, pools: Sequence[DrawPooled],
        drawn: Sequence[DrawnChanged]) -> None:
    """Of a draw ordered twice the first order stands, of an inspection the last word."""
    for pool in pools:
        tx.hsetnx(keys.pool(pool.order.draw), str(partition), _PACK(pool))
        if pool.order.count:
            tx.zadd(keys.draws, {pool.order.draw: pool.clock_ms}, nx=True)
    for one in drawn:
        tx.hset(keys.drawn(one.draw), one.subject, _PACK(one))


def pools(client: Any, keys: Keys, draw: str) -> list[DrawPooled]:
    """What each partition that has answered has in the pool of a draw."""
    held = client.hgetall(keys.pool(draw))
    return [_POOL(held[n]) for n in sorted(held, key=int)]


def ids(client: Any, keys: Keys, limit: int, before: str | None) -> list[str]:
    """Draws that drew, the newest order first, after `before`."""
    start = 0
    if before is not None:
        rank = client.zrevrank(keys.draws, before)
        if rank is None:
            return []
        start = rank + 1
    return [id.decode() for id in client.zrevrange(keys.draws, start, start + limit - 1)]


def drawn(client: Any, keys: Keys, key: str) -> list[DrawnChanged]:
    """Who was drawn, by code."""
    return [_DRAWN(body) for _, body in sorted(client.hgetall(keys.drawn(key)).items())]
