"""Draws of inspections, for both runners: ordered, made, recorded, looked at, taken back."""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Sequence

import msgspec

from alerts.message import Catalogue
from console.service import Receipt, Row
from models.calendar import DAY_MS
from models.draw import Outcome
from models.events import DrawOrdered
from storage.effects import DrawnChanged, DrawPooled
from streams import draws
from streams.view import View

ANSWER_S = 30.0
"""How long the shards are waited for."""
LOOK_S = 0.05
BATCH = 500
KEPT_MAX = 64
"""Outcomes remembered: complete ones change no more."""


class Drawing(ABC):
    """The part of a service that draws."""

    _view: View

    def __init__(self) -> None:
        self._outcomes: OrderedDict[str, tuple[list[DrawPooled], Outcome]] = OrderedDict()
        self._outcomes_lock = threading.Lock()

    @abstractmethod
    def _say_order(self, order: DrawOrdered) -> None:
        """Put an order into the log of every shard."""

    @abstractmethod
    def _log_ms(self) -> int:
        """The log's clock [epoch ms], at the present."""

    @abstractmethod
    def _items(self) -> Catalogue:
        """Names of items, departments and districts."""

    @abstractmethod
    def submit(self, raws: Sequence[bytes], origin: str) -> Receipt: ...

    def order_draw(self, item: str, count: int, seed: str, actor: str, *, district: str = "",
                   note: str = "") -> Row:
        draws.check(item, count, seed, actor, district, note, self._items(),
                    self._view.districts())
        clock_ms = self._log_ms()
        order = draws.order(item, count, seed, actor, district, note, clock_ms=clock_ms,
                            day=(clock_ms + self._view.utc_offset_ms()) // DAY_MS)
        if self._outcome(order.draw) is None:
            self._say_order(order)
        until = time.monotonic() + ANSWER_S
        while not self._complete(self._view.pools(order.draw)) and time.monotonic() < until:
            time.sleep(LOOK_S)
        row = self.draw(order.draw)
        if row is None:
            raise TimeoutError(f"draw {order.draw}: ordered; no shard has answered within "
                               f"{ANSWER_S:.0f} s, it will be made when they do")
        return row

    def _complete(self, pools: Sequence[DrawPooled]) -> bool:
        return len(pools) == self._view.shards()

    def _recorded(self, pools: Sequence[DrawPooled], made: Outcome) -> list[DrawnChanged]:
        """How far the inspections are. Businesses whose histories do not know that they were drawn
        are told: whoever looks at a draw whose maker ended in between ends it."""
        key = draws.key_of(pools[0].order.draw)
        drawn = self._view.drawn(key)
        if len(drawn) >= len(made.picked):
            return drawn
        self._hand_in(draws.events(pools, made))
        return self._view.drawn(key)

    def _hand_in(self, events: Sequence[Row]) -> None:
        raws = [msgspec.json.encode(event) for event in events]
        for start in range(0, len(raws), BATCH):
            self.submit(raws[start : start + BATCH], "draws")

    def _outcome(self, draw_id: str) -> tuple[list[DrawPooled], Outcome] | None:
        """What the shards said so far and who that draws; None = no such draw."""
        with self._outcomes_lock:
            held = self._outcomes.get(draw_id)
        if held is not None:
            return held
        pools = self._view.pools(draw_id)
        if not pools:
            return None
        made = pools, draws.outcome(pools)
        if self._complete(pools):
            with self._outcomes_lock:
                self._outcomes[draw_id] = made
                while len(self._outcomes) > KEPT_MAX:
                    self._outcomes.popitem(last=False)
        return made

    def draw(self, draw_id: str) -> Row | None:
        held = self._outcome(draw_id)
        if held is None:
            return None
        pools, made = held
        if not self._complete(pools):
            return {**draws.draw_row(pools, made, [], self._items(), complete=False),
                    "picked": []}
        drawn = self._recorded(pools, made)
        return {**draws.draw_row(pools, made, drawn, self._items(), complete=True),
                "picked": draws.picked_rows(made, drawn)}

    def draws(self, *, limit: int = 50, before: str | None = None) -> list[Row]:
        out = []
        for draw_id in self._view.draw_ids(limit, before):
            held = self._outcome(draw_id)
            assert held is not None
            pools, made = held
            out.append(draws.draw_row(
                pools, made, self._view.drawn(draws.key_of(draw_id)), self._items(),
                complete=self._complete(pools)))
        return out

    def release_draw(self, draw_id: str, actor: str, reason: str) -> Row | None:
        row = self.draw(draw_id)
        if row is None:
            return None
        self._hand_in(draws.releases(
            draw_id, [one["subject"] for one in row["picked"] if one["state"] == "drawn"],
            actor, reason, self._log_ms()))
        return self.draw(draw_id)
