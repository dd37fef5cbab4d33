"""The console as one ASGI application."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path

from fastapi import FastAPI, Request
from starlette.responses import Response
from starlette.staticfiles import StaticFiles

from console import errors, openapi, problems
from console.acts import Acts
from console.answering import Read, answering
from console.api import reading
from console.api_reviews import reviewing
from console.api_write import writing
from console.centre import centre_pages
from console.centre_api import centre
from console.draws import Draws
from console.draws_api import drawing
from console.limits import BODY_BYTES_MAX, Gate
from console.pages import showing
from console.pages_draws import draw_pages
from console.pages_report import reporting
from console.pages_reviews import cases
from console.pages_situation import watching
from console.pages_write import acting
from console.receipts import Receive, receiving
from console.security import ANSWERS, LOOPBACK, Guard
from console.service import Service
from console.sse import Streams
from console.view import Items, View, language
from models.measures import Measure

METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"
ORDERS_MAX = 8
"""Draws that wait for the shards at once; the pages keep the other threads."""


def create_app(
    service: Service,
    *,
    token: str | None = None,
    allow_hosts: Sequence[str] = LOOPBACK,
    items: Items | None = None,
    measures: Sequence[Measure] = (),
    streams: Streams | None = None,
    body_bytes_max: int = BODY_BYTES_MAX,
    receive: Receive | None = None,
    districts: Sequence[Mapping[str, str]] = (),
    answers: Read | None = None,
) -> FastAPI:
    """Build the console.

    Parameters
    ----------
    service
        The running system.
    token
        Secret that every request must prove, or None for a service nobody else can reach.
    allow_hosts
        Names the service answers to, without port; `("*",)` behind a proxy that checks them.
    items
        The supervision catalogue, {item id: row of items.csv}.
    measures
        Measures by grade (`config.measures`), for people.
    streams
        The alert streams, where a runner wants to tune them.
    body_bytes_max
        Bytes of one request with events.
    answers
        Reads the signed links of letters; None = there are none.
    receive
        Takes what departments' systems answer; None = nobody is told by webhook.
    districts
        Rows of districts.csv: names, and places on the map; others find a place by themselves.

    Returns
    -------
    The application. `app.state.streams.close()` ends the open streams; a runner calls it when it
    stops, since a server waits for its connections.

    Raises
    ------
    ValueError: an empty token, which anybody could give.
    """
    if token is not None and not token.strip():
        raise ValueError("token: must not be empty; None for no token")
    app = FastAPI(
        title="xinfeng",
        version="1",
        description="Rolling credit scores, grades, grade gaps and early warnings.",
        openapi_url="/api/openapi.json",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    acts = Acts(service)
    app.state.streams = streams or Streams(service)
    view = View(items or {}, token is not None, districts)
    draws, orders = Draws(service), Gate(ORDERS_MAX)

    @app.get("/healthz", tags=["service"])
    def healthz() -> Response:
        """Whether the process answers."""
        return Response("ok\n", media_type="text/plain")

    @app.get("/readyz", tags=["service"])
    def readyz() -> Response:
        """Whether the store answers."""
        try:
            service.last_seq()
        except (OSError, RuntimeError, sqlite3.Error) as error:
            raise problems.Problem(
                503, "not-ready", f"the store does not answer: {error}"
            ) from error
        return Response("ready\n", media_type="text/plain")

    @app.get("/metrics", tags=["service"])
    def metrics() -> Response:
        """Metrics for Prometheus."""
        return Response(service.metrics_text(), headers={"content-type": METRICS_TYPE})

    app.include_router(writing(service, acts, body_bytes_max))
    app.include_router(receiving(receive))
    app.include_router(answering(service, acts, view, answers))
    app.include_router(reading(service, app.state.streams))
    app.include_router(reviewing(service))
    app.include_router(cases(service, view))
    app.include_router(drawing(service, draws, orders))
    app.include_router(draw_pages(service, draws, orders, view, districts))
    app.include_router(centre(service, view.places))
    app.include_router(reporting(service, view))
    app.include_router(showing(app, service, view))
    app.include_router(watching(service, view, districts))
    app.include_router(centre_pages(service, view, measures))
    app.include_router(acting(acts, view, token))
    app.mount("/static", StaticFiles(directory=Path(__file__).parent / "static"))

    def error_page(request: Request, status: int, zh: str, en: str) -> Response:
        detail = en if language(request) == "en" else zh
        return view.render(request, "error.html", status, code=status, detail=detail,
                           back=back(request, status))

    errors.install(app, error_page)
    openapi.install(app)
    app.add_middleware(Guard, token=token, hosts=allow_hosts, page=error_page)
    return app


def back(request: Request, status: int) -> str:
    """Word for the way back to the page whose form was refused, or "" where there is none."""
    kind = "answer" if request.url.path.startswith(ANSWERS) else request.url.path.split("/")[1]
    there = request.method == "POST" and status != 404 and kind in ("alerts", "reviews", "answer")
    return f"back_{kind}" if there else ""
