"""Errors as RFC 9457 problem details, and JSON that can always be written."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

import msgspec
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

PROBLEM = "application/problem+json"


class Json(Response):
    """JSON of anything a decoded event may hold; NaN becomes null, a lone surrogate its escape."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        """Encode `content`."""
        return dumps(content)


class Problem(HTTPException):
    """An answer that is an error: a `slug` to tell it by, a `detail` for people.

    A subclass of `HTTPException`, so that the framework lets it pass where it reads a body.
    """

    def __init__(
        self,
        status: int,
        slug: str,
        detail: str,
        headers: Mapping[str, str] | None = None,
        **extra: Any,
    ) -> None:
        super().__init__(status, detail, dict(headers) if headers else None)
        self.slug = slug
        self.extra = extra


def dumps(content: Any) -> bytes:
    """JSON bytes of `content`; see `Json`."""
    try:
        return msgspec.json.encode(content)
    except UnicodeEncodeError:
        # `msgspec` has already refused what `json` cannot take, save NaN, which it would write.
        return json.dumps(_finite(content), ensure_ascii=True, default=str).encode()


def response(
    status: int, slug: str, detail: str, headers: Mapping[str, str] | None = None, **extra: Any
) -> Response:
    """The problem as a response."""
    body = {
        "type": f"urn:xinfeng:problem:{slug}" if slug else "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        **extra,
    }
    return Response(dumps(body), status, headers, PROBLEM)


def install(app: FastAPI, page: Callable[[Request, int, str], Response]) -> None:
    """Answer every error of `app` with problem details, and people's browsers with a `page`."""

    async def http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        if _for_people(request):
            return page(request, error.status_code, error.detail)
        return _http(request, error)

    async def validation(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        if _for_people(request):
            return page(request, 422, _errors(error)[0])
        detail, errors = _errors(error)
        return response(422, "invalid-parameter", detail, errors=errors)

    app.add_exception_handler(HTTPException, http)
    app.add_exception_handler(RequestValidationError, validation)
    app.add_exception_handler(Exception, _bug)


def _http(request: Request, error: HTTPException) -> Response:
    if isinstance(error, Problem):
        return response(error.status_code, error.slug, error.detail, error.headers, **error.extra)
    slug = HTTPStatus(error.status_code).phrase.lower().replace(" ", "-")
    return response(error.status_code, slug, f"{request.url.path}: {error.detail}", error.headers)


def _errors(error: RequestValidationError) -> tuple[str, list[dict[str, str]]]:
    # The value is left out: it may be anything, and the client has it.
    errors = [
        {"field": ".".join(map(str, each["loc"])), "message": each["msg"]}
        for each in error.errors()
    ]
    return "; ".join(f"{each['field']}: {each['message']}" for each in errors), errors


def _for_people(request: Request) -> bool:
    return not request.url.path.startswith("/api/v1/") and "text/html" in request.headers.get(
        "accept", ""
    )


async def _bug(_request: Request, _error: Exception) -> Response:
    # Says nothing of what happened: the server's log has the trace.
    return response(500, "internal", "the service failed; its log says why")


def _finite(value: Any) -> Any:
    match value:
        case dict():
            return {str(key): _finite(each) for key, each in value.items()}
        case list() | tuple():
            return [_finite(each) for each in value]
        case float() if value != value or value in (float("inf"), float("-inf")):
            return None
        case bytes():
            return value.decode("utf-8", "replace")
        case msgspec.Struct():
            return _finite(msgspec.structs.asdict(value))
        case _:
            return value
