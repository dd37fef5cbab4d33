"""What the service in memory says of draws: real draws over a pool that does not change."""

from __future__ import annotations

from typing import Any

import msgspec

from console.service import Row
from models.draw import rank
from models.events import DrawOrdered
from models.inspection_pool import Candidate, Part
from storage.effects import DrawnChanged, DrawPooled
from streams import draws

NOBODY_ITEM, FORMULA = "cq1-01", "=1+1 <b>小面馆</b>"
SIZES = (120, 60, 20, 5, 15)
"""In the pool, in the order of `records.STRATA`."""
RATIOS = [0.02, 0.05, 0.3, 1.0, 0.05]
NAMES = {"cq1-01": {"item": "粮油收购监管", "department": "市发展改革委"},
         "cq1-17": {"item": "食品安全 <i>专项</i>", "department": "市市场监管局"},
         "500106": {"district": "沙坪坝区"}}
DISTRICTS = {"999999"}
"""Where there are businesses, and no name for it."""
CLOCK_MS = 1_795_248_000_000
DAY = 20_778


def pooled(order: DrawOrdered) -> DrawPooled:
    """Nobody under `NOBODY_ITEM`; else `SIZES`, the first of each with a name like a formula."""
    sizes = (0,) * 5 if order.item == NOBODY_ITEM else SIZES
    found = []
    for n, size in enumerate(sizes):
        codes = [f"9150010{n}MA5U{m:05d}X" for m in range(size)] if order.count else []
        found.append([Candidate(rank(order.seed, order.item, code), code,
                                FORMULA if m == 0 else f"示例 {n}-{m}", "500106",
                                "risk-high" if n == 2 and m % 2 else "")
                      for m, code in enumerate(codes)])
    part = Part(list(sizes), [7, 0, 0, 0, 0], found, 3)
    return DrawPooled(order, part, RATIOS, CLOCK_MS, DAY, "9f2c44aa01")


class DrawsFake:
    """The part of `FakeService` that draws; `trouble` is raised instead, `answered` = whether the
    shards have."""

    made: dict[str, Row]
    trouble: Exception | None = None
    answered = True

    def order_draw(self, item: str, count: int, seed: str, actor: str, *, district: str = "",
                   note: str = "") -> Row:
        if self.trouble:
            raise self.trouble
        draws.check(item, count, seed, actor, district, note, NAMES, DISTRICTS)
        order = draws.order(item, count, seed, actor, district, note, day=DAY, clock_ms=CLOCK_MS)
        assert msgspec.convert(msgspec.to_builtins(order), DrawOrdered) == order, "unfit for a log"
        self.made.setdefault(order.draw, {"pools": [pooled(order)], "drawn": {}})
        row = self.draw(order.draw)
        assert row is not None
        return row

    def _row(self, draw_id: str) -> tuple[Row, list[Row]]:
        held = self.made[draw_id]
        made = draws.outcome(held["pools"])
        states: dict[str, Any] = held["drawn"]
        if self.answered:
            for one in made.picked:
                states.setdefault(one.subject, DrawnChanged(
                    "", "", "", one.subject, "", one.stratum, one.probability, CLOCK_MS, "drawn",
                    0, 0, CLOCK_MS))
        row = draws.draw_row(held["pools"], made, states.values(), NAMES, complete=self.answered)
        return row, draws.picked_rows(made, states.values()) if self.answered else []

    def draw(self, draw_id: str) -> Row | None:
        if draw_id not in self.made:
            return None
        row, picked = self._row(draw_id)
        return {**row, "picked": picked}

    def draws(self, *, limit: int = 50, before: str | None = None) -> list[Row]:
        ids = [x for x in reversed(self.made) if x.startswith("draw-")]
        ids = ids[ids.index(before) + 1 :] if before in ids else [] if before else ids
        return [self._row(x)[0] for x in ids[:limit]]

    def inspect(self, draw_id: str, subject: str, state: str) -> None:
        """An inspection that the draw asked for is done, or let go."""
        held = self.made[draw_id]["drawn"]
        held[subject] = msgspec.structs.replace(
            held[subject], state=state, findings=int(state in ("fixed", "fail")),
            inspected_ms=0 if state == "released" else CLOCK_MS)

    def release_draw(self, draw_id: str, actor: str, reason: str) -> Row | None:
        if self.trouble:
            raise self.trouble
        row = self.draw(draw_id)
        for one in row["picked"] if row else ():
            if one["state"] == "drawn":
                self.inspect(draw_id, one["subject"], "released")
        return self.draw(draw_id)
