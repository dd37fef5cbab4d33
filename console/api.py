"""The HTTP interface of contract §6: reading."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

from fastapi import APIRouter, Header, Query
from starlette.responses import Response, StreamingResponse

from console.i18n import KINDS, RULES
from console.problems import Json, Problem
from console.service import Row, Service
from console.sse import Streams, cursor

Level = Literal["blue", "yellow", "orange", "red"]
State = Literal["pending", "firing", "acknowledged", "resolved", "closed"]
Grade = Literal["", "A", "B", "C", "D", "ungraded"]
if TYPE_CHECKING:
    Kind: TypeAlias = str
    Rule: TypeAlias = str
else:
    Kind, Rule = Literal[("", *KINDS)], Literal[tuple(RULES)]
Word = Annotated[str | None, Query(max_length=256)]
Limit = Annotated[int, Query(ge=1, le=500, description="rows on a page")]
AsOf = Annotated[str, Query(max_length=64, description="date (its end, Beijing) or RFC 3339 time")]
Seq = Annotated[int | None, Query(ge=0, lt=2**63)]

CHINA = dt.timezone(dt.timedelta(hours=8))
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


def reading(service: Service, streams: Streams) -> APIRouter:
    """Routes that change nothing."""
    router = APIRouter(prefix="/api/v1", default_response_class=Json)

    @router.get("/summary", tags=["situation"])
    def summary() -> Response:
        """The situation in numbers."""
        return Json(service.summary())

    @router.get("/situation", tags=["situation"])
    def situation() -> Response:
        """Districts, trend, what is emerging, feeds, the model."""
        return Json(service.situation())

    @router.get("/subjects", tags=["subjects"])
    def subjects(
        q: Annotated[str, Query(max_length=256, description="part of a name or code")] = "",
        district: Annotated[str, Query(max_length=12)] = "",
        grade: Grade = "",
        kind: Kind = "",
        limit: Limit = 50,
        after: Annotated[str, Query(max_length=256, description="`next` of the page before")] = "",
    ) -> Response:
        """Search subjects, in pages."""
        rows = service.subjects(
            q=q, district=district, grade=grade, kind=kind, limit=limit + 1, after=after
        )
        return Json(page("subjects", rows, limit, "subject"))

    @router.get("/subjects/{subject:path}/events", tags=["subjects"])
    def facts(
        subject: str,
        limit: Limit = 50,
        before: Annotated[str, Query(max_length=64, description="`next` of the page before")] = "",
    ) -> Response:
        """The facts known about a subject, newest first, in pages; no text repeats a complaint."""
        rows, following = service.facts(subject, limit, before)
        if not rows and service.show(subject) is None:
            raise no_subject(subject)
        if not rows and before:
            raise _no_page(before)
        return Json({"events": rows, "next": following})

    @router.get("/subjects/{subject:path}/report", tags=["subjects"])
    def report(
        subject: str,
        as_of: AsOf = "",
        internal: Annotated[
            Literal["", "0", "1"], Query(description="1: with what may not be public")
        ] = "",
    ) -> Response:
        """The credit report of a subject: what may be public, each item with source and date.

        The same log and moment give the same `number`. To print: `/subjects/CODE/report` and
        `/subjects/CODE/report.pdf`.
        """
        found = service.report(subject, moment_ms(as_of), internal=internal == "1")
        if found is None:
            raise no_subject(subject, as_of)
        return Json(found)

    @router.get("/subjects/{subject:path}", tags=["subjects"])
    def subject(
        subject: str,
        as_of: AsOf = "",
    ) -> Response:
        """A subject's two scores, grades, facts in points, and gap; now or at an earlier time."""
        found = service.show(subject, moment_ms(as_of))
        if found is None:
            raise no_subject(subject, as_of)
        return Json(found)

    @router.get("/alerts", tags=["alerts"])
    def alerts(
        rule: Rule | None = None,
        state: State | None = None,
        level: Level | None = None,
        subject: Word = None,
        limit: Limit = 50,
        before: Annotated[
            str | None, Query(max_length=512, description="`next` of the page before")
        ] = None,
    ) -> Response:
        """Alerts, newest first, in pages."""
        rows = service.alerts(
            rule=rule, state=state, level=level, subject=subject, limit=limit + 1,
            before=cursor_in(before, service.alert),
        )
        return Json(page("alerts", rows, limit, "id"))

    @router.get("/alerts/stream", tags=["alerts"])
    def stream(
        after: Seq = None,
        rule: Rule | None = None,
        level: Level | None = None,
        state: State | None = None,
        subject: Word = None,
        last_event_id: Annotated[str | None, Header(max_length=64)] = None,
    ) -> Response:
        """Alert transitions as server-sent events, from now or after a `seq`."""
        start = cursor(last_event_id, after)
        given = {"rule": rule, "level": level, "state": state, "subject": subject}
        wanted = {field: value for field, value in given.items() if value is not None}
        if streams.gate.taken >= streams.gate.places:
            raise Problem(503, "busy", "too many streams are open", {"retry-after": "5"})
        return StreamingResponse(
            streams.events(service.last_seq() if start is None else start, wanted),
            media_type="text/event-stream",
            headers={"x-accel-buffering": "no"},
        )

    @router.get("/alerts/{alert_id:path}/story", tags=["alerts"])
    def story(alert_id: str) -> Response:
        """How an alert went: every transition, its points when it opened, who was told."""
        found = service.story(alert_id)
        if found is None:
            raise Problem(404, "no-such-alert", f"alert={alert_id}: there is none", alert=alert_id)
        return Json(found)

    @router.get("/alerts/{alert_id:path}", tags=["alerts"])
    def alert(alert_id: str) -> Response:
        """One alert."""
        found = service.alert(alert_id)
        if found is None:
            raise Problem(404, "no-such-alert", f"alert={alert_id}: there is none", alert=alert_id)
        return Json(found)

    @router.get("/rejects", tags=["events"])
    def rejects(
        limit: Limit = 50,
        before: Annotated[
            int | None, Query(ge=0, lt=2**63, description="`next` of the page before")
        ] = None,
    ) -> Response:
        """Dead letters, newest first, in pages."""
        return Json(page("rejects", service.rejects(limit=limit + 1, before=before), limit, "seq"))

    return router


def no_subject(subject: str, as_of: str = "") -> Problem:
    """404 for a subject nothing is known of, or was known of at that moment."""
    if as_of:
        return Problem(404, "not-known-then", f"subject={subject}: nothing was known of it at "
                       f"as_of={as_of}", subject=subject, as_of=as_of)
    return Problem(404, "no-such-subject", f"subject={subject}: there is none", subject=subject)


def cursor_in(before: str | None, one: Callable[[str], Row | None]) -> str | None:
    """A cursor that is an id, if there is something of that id; a wrong one would look like the
    end of the pages.

    Raises
    ------
    Problem: 422, `before` names nothing.
    """
    if before is not None and one(before) is None:
        raise _no_page(before)
    return before


def _no_page(before: str) -> Problem:
    return Problem(422, "cursor", f"before={before}: must be the `next` of a page",
                   field="before", value=before)


def page(name: str, rows: list[Row], limit: int, key: str) -> Row:
    """A page of at most `limit` of the `limit` + 1 `rows` asked for, and the cursor after it."""
    return {name: rows[:limit], "next": rows[limit - 1][key] if len(rows) > limit else None}


def moment_ms(text: str) -> int | None:
    """Epoch milliseconds of a date's end in Beijing or of an RFC 3339 time; None for no text.

    Examples
    --------
    >>> moment_ms("1970-01-01"), moment_ms("1970-01-01T00:00:01Z")
    (57599999, 1000)
    """
    if not text:
        return None
    try:
        if len(text) == 10:
            day = dt.date.fromisoformat(text)
            moment = dt.datetime.combine(day, dt.time(23, 59, 59, 999000), CHINA)
        else:
            # A bare + of an offset arrives as a space.
            moment = dt.datetime.fromisoformat(text.replace(" ", "+"))
        if moment.tzinfo is None:
            raise ValueError("no offset")
        return (moment - _EPOCH) // dt.timedelta(milliseconds=1)
    except (ValueError, OverflowError):
        raise Problem(
            400,
            "as-of",
            f"as_of={text}: must be a date (2026-11-21) or a time with offset "
            "(2026-11-21T08:00:00Z)",
            field="as_of",
            value=text,
        ) from None
