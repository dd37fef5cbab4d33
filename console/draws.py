"""Orders of inspection draws as people hand them in: checked here, then asked of the service."""

from __future__ import annotations

import re
from collections.abc import Container, Mapping
from typing import Annotated, TypeVar

import msgspec
from msgspec import Meta

from console.acts import Name, parse
from console.problems import Problem
from console.service import Row, Service
from models.events import DRAW_MAX

RETRY_S = 30
Body = TypeVar("Body")

# On one line and without blanks around: whoever draws again by hand types what he sees.
Seed = Annotated[str, Meta(
    min_length=1, max_length=256,
    pattern=r"^[^\s\x00-\x1f\x7f]([^\x00-\x1f\x7f]*[^\s\x00-\x1f\x7f])?(?!\n)$")]

ALLOWED: Mapping[str, str] = {
    "item": "an id of the supervision catalogue",
    "count": f"a whole number from 0 (count the pool only) to {DRAW_MAX}",
    "seed": "1 to 256 characters on one line, no blanks around",
    "actor": "1 to 256 characters",
    "district": "the code of a district, or none for the whole city",
    "note": "at most 2000 characters",
    "reason": "1 to 1000 characters",
}


class DrawIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Body of an order; `count` 0 counts the pool and draws nobody."""

    item: Name
    count: Annotated[int, Meta(ge=0, le=DRAW_MAX)]
    seed: Seed
    actor: Name
    district: Annotated[str, Meta(pattern=r"^([0-9A-Za-z]{2,12})?(?!\n)$")] = ""
    note: Annotated[str, Meta(max_length=2000)] = ""


class ReleaseIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Body of letting go whoever was drawn and not inspected."""

    actor: Name
    reason: Annotated[str, Meta(min_length=1, max_length=1000, pattern=r"\S")]


class Draws:
    """Draws for both the interface and the pages.

    Parameters
    ----------
    items
        Ids of the supervision catalogue; empty = any is taken.
    districts
        Codes of the districts known by name.
    """

    def __init__(self, service: Service, items: Container[str], districts: Container[str]) -> None:
        self._service = service
        self._items = items
        self._districts = districts

    def order(self, body: DrawIn) -> Row:
        """Draw, or count the pool.

        Raises
        ------
        Problem: 422 for an item or a district that there is none of, 503 where it is ordered but
        nobody has answered yet, 409 where this service takes no orders.
        """
        if self._items and body.item not in self._items:
            raise refused("item", body.item)
        if body.district and not self._known(body.district):
            raise refused("district", body.district)
        try:
            return self._service.order_draw(body.item, body.count, body.seed, body.actor,
                                            district=body.district, note=body.note)
        except TimeoutError as error:
            raise Problem(503, "draw-under-way", str(error),
                          {"retry-after": str(RETRY_S)}) from error
        except RuntimeError as error:
            raise _no_orders(error) from error

    def release(self, draw_id: str, body: ReleaseIn) -> Row:
        """Let go whoever waits to be inspected; the draw as it is then.

        Raises
        ------
        Problem: 404 where there is no such draw, 409 as for an order.
        """
        try:
            found = self._service.release_draw(draw_id, body.actor, body.reason)
        except RuntimeError as error:
            raise _no_orders(error) from error
        return found or self._none(draw_id)

    def one(self, draw_id: str) -> Row:
        """
        Raises
        ------
        Problem: 404 where there is none.
        """
        return self._service.draw(draw_id) or self._none(draw_id)

    def listed(self, draw_id: str) -> Row:
        """The draw, once it is known who was drawn.

        Raises
        ------
        Problem: 404 where there is none, 503 where it is not known yet.
        """
        found = self.one(draw_id)
        if not found["complete"]:
            raise Problem(503, "draw-under-way", f"draw={draw_id}: not all have answered yet",
                          {"retry-after": str(RETRY_S)})
        return found

    def _known(self, district: str) -> bool:
        # Businesses may come from a district that has no name here.
        return district in self._districts or any(
            district == row["district"] for row in self._service.situation()["districts"])

    @staticmethod
    def _none(draw_id: str) -> Row:
        raise Problem(404, "no-such-draw", f"draw={draw_id}: there is none", draw=draw_id)


def order_of(body: bytes | Row) -> DrawIn:
    """An order: JSON bytes, or the fields of a form.

    Raises
    ------
    Problem: 400 where it is not JSON, 422 with `field`, `value` and `allowed`.
    """
    return _parsed(body, DrawIn)


def release_of(body: bytes | Row) -> ReleaseIn:
    """The same of a release."""
    return _parsed(body, ReleaseIn)


def refused(field: str, value: object) -> Problem:
    """The problem of a value that was not allowed."""
    return Problem(422, "invalid-body", f"{field}={value}: must be {ALLOWED[field]}",
                   field=field, value=value, allowed=ALLOWED[field])


def _parsed(body: bytes | Row, kind: type[Body]) -> Body:
    try:
        made: Body = parse(body, kind)
        return made
    except Problem as problem:
        missing = re.search(r"required field `(\w+)`", problem.detail)
        field = missing[1] if missing else str(problem.extra.get("field"))
        if problem.status_code != 422 or field not in ALLOWED:
            raise
        given = msgspec.json.decode(body) if isinstance(body, bytes) else body
        raise refused(field, given.get(field)) from None


def _no_orders(error: RuntimeError) -> Problem:
    return Problem(409, "no-orders", str(error) or "this service takes no orders of draws")
