"""The board of reviews, and the sums over reviews and businesses, in Redis.

The sums are written by the script of `storage.redis_view`, in the same transaction.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import msgspec

from storage import tallies
from storage.effects import ReviewChanged
from storage.redis_keys import Keys
from storage.rows import Rows
from storage.tallies import PAIRS, Place

CHUNK = 1_000
_PACK = msgspec.msgpack.Encoder().encode
_REVIEW = msgspec.msgpack.Decoder(ReviewChanged).decode


class Sums:
    """What some rows change, worked out from what is there before them.

    Parameters
    ----------
    tx
        Watches, and answers at once.
    """

    def __init__(self, tx: Any, names: Keys, rows: Rows) -> None:
        self.moved: Counter[str] = Counter()
        self._names = names
        self._left: list[Place] = []
        self._taken: list[Place] = []
        self._pairs: dict[str, bytes] = {}
        self._unpaired: list[str] = []
        self._of_reviews(tx, rows)
        self._of_pairs(tx, rows)
        self.moved = Counter({name: n for name, n in self.moved.items() if n})

    def _of_reviews(self, tx: Any, rows: Rows) -> None:
        # Of a review only the last word counts.
        new = {x.id: x for _, x in rows.reviews}
        held = tx.hmget(self._names.reviews, list(new)) if new else []
        for review, body in zip(new.values(), held, strict=True):
            old = _REVIEW(body) if body is not None else None
            self._left += tallies.places(old) if old is not None else []
            self._taken += tallies.places(review)
            self.moved.update(tallies.moved(tallies.of_review(old) if old is not None else (),
                                            tallies.of_review(review)))

    def _of_pairs(self, tx: Any, rows: Rows) -> None:
        codes = list(rows.pairs)
        for start in range(0, len(codes), CHUNK):
            some = codes[start : start + CHUNK]
            for code, body in zip(some, tx.hmget(self._names.pairs, some), strict=True):
                old = PAIRS(body) if body is not None else []
                new = rows.pairs[code]
                if old == list(new):
                    continue
                self.moved.update(tallies.moved(tallies.of_business(old),
                                                tallies.of_business(new)))
                if new:
                    self._pairs[code] = _PACK(new)
                else:
                    self._unpaired.append(code)

    def write(self, tx: Any) -> None:
        """Write the board and the pairs of each business."""
        for p in self._left:
            tx.zrem(self._names.board(p.a, p.b, p.lane), p.at)
        for p in self._taken:
            tx.zadd(self._names.board(p.a, p.b, p.lane), {p.at: 0})
        if self._pairs:
            tx.hset(self._names.pairs, mapping=self._pairs)
        if self._unpaired:
            tx.hdel(self._names.pairs, *self._unpaired)
