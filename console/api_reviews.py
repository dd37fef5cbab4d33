"""The HTTP interface of contract §6: grade-gap reviews, read."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from starlette.responses import Response

from console.api import Limit, cursor_in, page
from console.problems import Json, Problem
from console.service import Column, Service

Party = Annotated[str, Query(max_length=256, description="a department, or `public`")]


def reviewing(service: Service) -> APIRouter:
    """Routes of reviews; none changes anything."""
    router = APIRouter(prefix="/api/v1", default_response_class=Json, tags=["reviews"])

    @router.get("/reviews")
    def reviews(
        state: Literal["open", "closed"] | None = None,
        limit: Limit = 50,
        before: Annotated[str | None, Query(max_length=512)] = None,
    ) -> Response:
        """Reviews of grade gaps, newest first, in pages."""
        rows = service.reviews(state=state, limit=limit + 1,
                               before=cursor_in(before, service.review))
        return Json(page("reviews", rows, limit, "id"))

    # Before those by id, which would take their names for one.
    @router.get("/reviews/statistics")
    def statistics() -> Response:
        """How often grades lie apart now, and what came of gaps, for every two parties."""
        return Json(service.review_statistics())

    @router.get("/reviews/board")
    def board(
        column: Column | None = None,
        a: Party = "",
        b: Party = "",
        limit: Limit = 50,
        after: Annotated[str, Query(max_length=512, description="`next` of the page before")] = "",
    ) -> Response:
        """Reviews by deadline: how many in each column and, of one, the most urgent first."""
        found: dict[str, Any] = {"columns": service.review_board(a=a, b=b)}
        if column is not None:
            rows = service.review_column(column, a=a, b=b, limit=limit + 1, after=after)
            found |= page("reviews", rows, limit, "place")
        return Json(found)

    @router.get("/reviews/{review_id:path}")
    def review(review_id: str) -> Response:
        """One review whole: every grade with its evidence, tasks, history, answers."""
        found = service.review_case(review_id)
        if found is None:
            raise Problem(
                404, "no-such-review", f"review={review_id}: there is none", review=review_id
            )
        return Json(found)

    return router
