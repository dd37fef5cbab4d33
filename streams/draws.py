"""Draws of inspections as a service gives them: the order, the outcome, and what came of it. Pure.

An order goes to every shard, through the log; each says whom it has in the pool at that place
(`streams.inspections`). The outcome is a function of what they say, made anew wherever it is asked
for, and each business drawn is then an event of its own: its history says by what chance.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, Literal

import msgspec
import xxhash

from alerts.message import Catalogue
from console.service import Unfit
from models.draw import Outcome, draw
from models.events import DRAW_MAX, DrawOrdered
from models.records import draw_key
from storage.effects import DrawnChanged, DrawPooled
from streams.show import iso_day, iso_ms

Row = dict[str, Any]
SOURCE = "xinfeng/draws"
PASSED = "pass"
UNSEEN = ("drawn", "released")
"""States of an inspection without a result."""


def order(item: str, count: int, seed: str, actor: str, *, district: str = "", note: str = "",
          day: int, clock_ms: int, items: Catalogue) -> DrawOrdered:
    """An order, named by what is ordered on a civil day: given twice it is one. A count of the pool
    (`count` 0) is always a new one.

    Raises
    ------
    Unfit: a field is not what it must be.
    """
    known = [id for id, names in items.items() if "item" in names]
    if item not in known:
        raise Unfit("item", item, f"must be an item of the catalogue, {known[0]} to {known[-1]}")
    if not 0 <= count <= DRAW_MAX:
        raise Unfit("count", count, f"must be 1 to {DRAW_MAX}, or 0 to count the pool")
    for field, text, most in (("seed", seed, 256), ("actor", actor, 256), ("note", note, 2000)):
        if (field != "note" and not text.strip()) or len(text) > most or not text.isprintable():
            raise Unfit(field, text[:40], f"must be printable text of at most {most} characters")
    if district and "district" not in items.get(district, {}):
        raise Unfit("district", district, "must be the code of a district, or nothing")
    what = msgspec.json.encode([item, count, seed, district, day if count else clock_ms])
    kind = "draw" if count else "pool"
    return DrawOrdered(f"{kind}-{xxhash.xxh3_128_hexdigest(what)[:20]}", item, count, seed, actor,
                       district, note)


def key_of(draw_id: str) -> str:
    """What views name a draw by beside those it drew."""
    return f"{draw_key(draw_id):016x}"


def outcome(pools: Sequence[DrawPooled]) -> Outcome:
    """Who is drawn, from what all shards have in the pool."""
    return draw(pools[0].order, [p.part for p in pools], pools[0].ratios)


def events(pools: Sequence[DrawPooled], made: Outcome) -> list[Row]:
    """The outcome as events of the businesses: always the same ones."""
    given, at = pools[0].order, iso_ms(max(p.clock_ms for p in pools))
    return [_event("inspection.drawn", f"{given.draw}/{one.subject}", one.subject, at, {
        "item": given.item, "draw": given.draw, "stratum": one.stratum,
        "probability": one.probability, "rank": one.rank}) for one in made.picked]


def releases(draw_id: str, subjects: Iterable[str], reason: str, at_ms: int) -> list[Row]:
    """Events that let businesses go which were drawn and not inspected."""
    return [_event("inspection.released", f"{draw_id}/{subject}/released", subject, iso_ms(at_ms),
                   {"of": {"source": SOURCE, "id": f"{draw_id}/{subject}"}, "reason": reason})
            for subject in subjects]


def _event(type_: str, id: str, subject: str, time: str, data: Row) -> Row:
    return {"specversion": "1.0", "id": id, "source": SOURCE, "type": type_, "subject": subject,
            "time": time, "data": data}


def draw_row(pools: Sequence[DrawPooled], made: Outcome, drawn: Iterable[DrawnChanged],
             items: Catalogue, *, complete: bool) -> Row:
    """A draw: what was ordered, the strata with their chances, what came of it.

    Parameters
    ----------
    complete
        Whether every shard has said whom it has; until then nobody is drawn.
    """
    given, first = pools[0].order, pools[0]
    states = list(drawn)
    counted = Counter((one.stratum, _fate(one)) for one in states)
    named = items.get(given.item, {})
    inspected = [one for one in states if one.state not in UNSEEN]
    return {
        "id": given.draw, "item": given.item, "item_name": named.get("item", ""),
        "department": named.get("department", ""), "count": given.count, "seed": given.seed,
        "district": given.district,
        "district_name": items.get(given.district, {}).get("district", ""),
        "actor": given.actor, "note": given.note,
        "ordered_at": iso_ms(max(p.clock_ms for p in pools)),
        "as_of": iso_day(first.day), "policy": first.policy, "complete": complete,
        "drawn": sum(s.drawn for s in made.strata), "suggested": made.suggested,
        "unregistered": made.unregistered, "recorded": len(states),
        "released": sum(one.state == "released" for one in states),
        "inspected": len(inspected),
        "with_problems": sum(one.state != PASSED for one in inspected),
        "estimate": estimate(inspected),
        "strata": [{**msgspec.to_builtins(s),
                    "inspected": counted[s.stratum, "passed"] + counted[s.stratum, "problems"],
                    "with_problems": counted[s.stratum, "problems"]} for s in made.strata],
    }


def picked_rows(made: Outcome, drawn: Iterable[DrawnChanged]) -> list[Row]:
    """Who was drawn, and how far each inspection has come."""
    held = {one.subject: one for one in drawn}
    out = []
    for one in made.picked:
        state = held.get(one.subject)
        out.append({
            **msgspec.to_builtins(one),
            "state": state.state if state is not None else "pending",
            "findings": state.findings if state is not None else 0,
            "inspected_at": iso_ms(state.inspected_ms)
            if state is not None and state.inspected_ms else None})
    return out


def estimate(inspected: Iterable[DrawnChanged]) -> float | None:
    """Share of the whole pool with problems, from those inspected, each weighted by the inverse of
    its chance [J. Hajek, 1971]; None before the first."""
    weights = problems = 0.0
    for one in inspected:
        weights += 1 / one.probability
        problems += (one.state != PASSED) / one.probability
    return problems / weights if weights else None


def _fate(one: DrawnChanged) -> Literal["passed", "problems", "open"]:
    if one.state in UNSEEN:
        return "open"
    return "passed" if one.state == PASSED else "problems"

