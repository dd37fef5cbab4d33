"""The credit report of a subject: a page to print, and a PDF."""

from __future__ import annotations

import threading
from typing import Annotated, Literal
from urllib.parse import quote, urlencode

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from console.api import AsOf, moment_ms, no_subject
from console.problems import Problem
from console.report import sheet
from console.report_pdf import pdf
from console.service import Row, Service
from console.view import View, language

PDF_MAX = 2
"""PDFs being made at once: each takes a core for some tenths of a second."""

Internal = Annotated[Literal["", "0", "1"], Query(description="1: with what may not be public")]


def reporting(service: Service, view: View) -> APIRouter:
    """Routes of the report; they stand before those of a subject, whose code takes any path."""
    router = APIRouter()
    places = threading.BoundedSemaphore(PDF_MAX)

    @router.get("/subjects/{subject:path}/report", include_in_schema=False)
    def page(
        request: Request,
        subject: str,
        as_of: AsOf = "",
        internal: Internal = "",
        check: Annotated[str, Query(max_length=64)] = "",
    ) -> Response:
        found = _report(service, subject, as_of, internal)
        exact = {"as_of": found["as_of"]}
        return view.render(
            request,
            "report.html",
            s=sheet(found, language(request), view.items),
            code=found["subject"]["subject"],
            internal=internal == "1",
            check=check,
            matches=check in (found["number"], found["digest"]),
            public=urlencode(exact),
            private=urlencode(exact | {"internal": "1"}),
        )

    @router.get("/subjects/{subject:path}/report.pdf", include_in_schema=False)
    def as_pdf(
        request: Request, subject: str, as_of: AsOf = "", internal: Internal = ""
    ) -> Response:
        found = _report(service, subject, as_of, internal)
        lang = language(request)
        if not places.acquire(timeout=10):
            raise Problem(503, "busy", "too many reports are being made", {"retry-after": "5"})
        try:
            body = pdf(sheet(found, lang, view.items), found["as_of"], lang)
        finally:
            places.release()
        name = f"{found['subject']['subject']}-{found['number']}.pdf"
        return Response(
            body,
            media_type="application/pdf",
            headers={"content-disposition": f"inline; filename*=UTF-8''{quote(name, safe='')}"},
        )

    return router


def _report(service: Service, subject: str, as_of: str, internal: str) -> Row:
    found = service.report(subject, moment_ms(as_of), internal=internal == "1")
    if found is None:
        raise no_subject(subject, as_of)
    return found
