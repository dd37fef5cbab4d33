"""Errors as RFC 9457 problem details, and JSON that can always be written."""

from __future__ import annotations

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import msgspec
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
    """An answer that is an error: a `slug` to tell it by, a `detail` for people, and where the slug
    does not say enough (`console.words.problems`) the same in Chinese, `zh`.

    A subclass of `HTTPException`, so that the framework lets it pass where it reads a body.
    """

    def __init__(
        self,
        status: int,
        slug: str,
        detail: str,
        headers: Mapping[str, str] | None = None,
        *,
        zh: str = "",
        **extra: Any,
    ) -> None:
        super().__init__(status, detail, dict(headers) if headers else None)
        self.slug = slug
        self.zh = zh
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
