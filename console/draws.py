"""Orders of inspection draws as people hand them in, and what they are told."""

from __future__ import annotations

from typing import Annotated, cast

import msgspec
from msgspec import Meta

from console.acts import Name, parse
from console.problems import Problem
from console.refusals import unfit
from console.service import Row, Service, Unfit
from models.events import DRAW_MAX

RETRY_S = 30


class DrawIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Body of an order; `count` 0 counts the pool and draws nobody."""

    item: Name
    count: Annotated[int, Meta(ge=0, le=DRAW_MAX)]
    seed: Annotated[str, Meta(min_length=1, max_length=256)]
    actor: Name
    district: Annotated[str, Meta(max_length=12)] = ""
    note: Annotated[str, Meta(max_length=2000)] = ""


class ReleaseIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Body of letting go whoever was drawn and not inspected."""

    actor: Name
    reason: Annotated[str, Meta(min_length=1, max_length=1000, pattern=r"\S")]


class Draws:
    """Draws for both the interface and the pages."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def order(self, body: DrawIn) -> Row:
        """Draw, or count the pool.

        Raises
        ------
        Problem: 422 for an item or a district that there is none of, 503 where it is ordered but
        nobody has answered yet, 409 where this service takes no orders.
        """
        try:
            return self._service.order_draw(body.item, body.count, body.seed, body.actor,
                                            district=body.district, note=body.note)
        except Unfit as wrong:
            raise unfit(wrong) from wrong
        except TimeoutError as error:
            raise Problem(503, "draw-under-way", str(error),
                          {"retry-after": str(RETRY_S)}) from error
        except RuntimeError as error:
            raise _no_orders(error) from error

    def release(self, draw_id: str, body: ReleaseIn) -> Row:
        """Let go whoever waits to be inspected; the draw as it is then.

        Raises
        ------
        Problem: 404 where there is no such draw, 422 and 409 as for an order.
        """
        try:
            found = self._service.release_draw(draw_id, body.actor, body.reason)
        except Unfit as wrong:
            raise unfit(wrong) from wrong
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

    @staticmethod
    def _none(draw_id: str) -> Row:
        raise Problem(404, "no-such-draw", f"draw={draw_id}: there is none", draw=draw_id)


def order_of(body: bytes | Row) -> DrawIn:
    """An order: JSON bytes, or the fields of a form.

    Raises
    ------
    Problem: 400 where it is not JSON, 422 with `field`, `value` and `allowed`.
    """
    return cast(DrawIn, parse(body, DrawIn))


def release_of(body: bytes | Row) -> ReleaseIn:
    """The same of a release."""
    return cast(ReleaseIn, parse(body, ReleaseIn))


def _no_orders(error: RuntimeError) -> Problem:
    return Problem(409, "no-orders", str(error) or "this service takes no orders of draws")
