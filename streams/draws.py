"""Draws of inspections as a service gives them: the order, the outcome, and what came of it. Pure.

An order goes to every shard, through the log; each says whom it has in the pool at that place
(`streams.inspections`). The outcome is a function of what they say, made anew wherever it is asked
for, and each business drawn is then an event of its own: its history says by what chance.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable, Sequence
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


def check(item: str, count: int, seed: str, actor: str, district: str, note: str,
          items: Catalogue, districts: Container[str] = ()) -> None:
    """Whether an order may be given; `districts` there are beside those with a name.

    Raises
    ------
    Unfit: a field is not what it must be.
    """
    known = [id for id, names in items.items() if "item" in names]
    if item not in known:
        raise Unfit("item", item, f"must be an item of the catalogue, {known[0]} to {known[-1]}")
    if not 0 <= count <= DRAW_MAX:
        raise Unfit("count", count, f"must be 1 to {DRAW_MAX}, or 0 to count the pool")
    _fit("seed", seed, 256)
    _fit("actor", actor, 256)
    if len(note) > 2000:
        raise Unfit("note", note, "must be at most 2000 characters")
    if district and district not in districts and "district" not in items.get(district, {}):
        raise Unfit("district", district, "must be the code of a district, or nothing")


def order(item: str, count: int, seed: str, actor: str, district: str, note: str, *, day: int,
          clock_ms: int) -> DrawOrdered:
    """An order that was checked, named by what is ordered on a civil day: given twice it is one. A
    count of the pool (`count` 0) is always a new one."""
    what = msgspec.json.encode([item, count, seed, district, day if count else clock_ms])
    kind = "draw" if count else "pool"
    return DrawOrdered(f"{kind}-{xxhash.xxh3_128_hexdigest(what)[:20]}", item, count, seed, actor,
                       district, note)


def _fit(field: str, text: str, most: int) -> None:
    """Nothing may go into the log that cannot be read from it."""
    if not 0 < len(text) <= most or text != text.strip() or not text.isprintable():
        raise Unfit(field, text,
                    f"must be one line of 1 to {most} characters, without blanks around")


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


def releases(draw_id: str, subjects: Iterable[str], actor: str, reason: str,
             at_ms: int) -> list[Row]:
    """Events that let businesses go which were drawn and not inspected.

    Raises
    ------
    Unfit: the name or the reason is not what it must be.
    """
    _fit("actor", actor, 256)
    if not 0 < len(reason) <= 1000:
        raise Unfit("reason", reason, "must be 1 to 1000 characters")
    return [_event("inspection.released", f"{draw_id}/{subject}/released", subject, iso_ms(at_ms),
                   {"of": {"source": SOURCE, "id": f"{draw_id}/{subject}"},
                    "reason": f"{reason} ({actor})"})
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
    strata = [{**msgspec.to_builtins(s),
               "inspected": counted[s.stratum, "passed"] + counted[s.stratum, "problems"],
               "with_problems": counted[s.stratum, "problems"]} for s in made.strata]
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
        "estimate": estimate(strata), "strata": strata,
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


def estimate(strata: Iterable[Row]) -> float | None:
    """Share with problems among all that might have been drawn: of each stratum the share among
    those inspected, weighted by its size [W. G. Cochran, Sampling Techniques, 1977, eq. 5.1]. None
    while nobody was inspected of a stratum that somebody was drawn of: it may be quite different.
    A stratum too small for anybody to be drawn is left out."""
    sizes = problems = 0.0
    for one in strata:
        if not one["drawn"]:
            continue
        if not one["inspected"]:
            return None
        sizes += one["eligible"]
        problems += one["eligible"] * one["with_problems"] / one["inspected"]
    return problems / sizes if sizes else None


def _fate(one: DrawnChanged) -> Literal["passed", "problems", "open"]:
    if one.state in UNSEEN:
        return "open"
    return "passed" if one.state == PASSED else "problems"

