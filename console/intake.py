"""A request body to single raw events, without judging any of them.

What an event may contain is the core's business; here only the container is opened, and each
element keeps its own bytes, so that a bad one becomes a dead letter and the others go in.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

import msgspec

from console.problems import Problem

EVENTS_MAX = 100_000
"""Events in one request."""

JSON_TYPES = ("application/json", "application/cloudevents+json")
BATCH_TYPE = "application/cloudevents-batch+json"
LINE_TYPES = ("application/x-ndjson", "application/ndjson", "application/jsonl")
MSGPACK_TYPES = ("application/msgpack", "application/x-msgpack", "application/vnd.msgpack")
ALLOWED = (*JSON_TYPES, BATCH_TYPE, *LINE_TYPES, *MSGPACK_TYPES)

_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*+"|[\[{]+|[\]}]+|[,"]', re.DOTALL)
_BOM = b"\xef\xbb\xbf"


class Batch(msgspec.Struct, frozen=True):
    """Raw events and where each stood: its index in the array, or its line counted from 0."""

    raws: list[bytes]
    places: list[int]


def split(body: bytes, headers: Mapping[str, str]) -> Batch:
    """Open the container that `content-type` names.

    Raises
    ------
    Problem: 400 with an offset where the container is broken, 413 with too many events in it,
    415 where the type is not one of `ALLOWED`.
    """
    kind = _kind(headers)
    body = body.removeprefix(_BOM)
    if kind in LINE_TYPES:
        return _lines(body)
    if kind in MSGPACK_TYPES:
        return _single(_binary(headers, _from_msgpack(body)))
    if kind != BATCH_TYPE and "ce-specversion" in headers:
        return _single(_binary(headers, _checked(body) if body.strip() else None))
    match body.lstrip()[:1]:
        case b"[":
            return _array(body)
        case b"{" if kind != BATCH_TYPE:
            return _single(_checked(body))
        case b"":
            raise Problem(400, "malformed", "the body is empty: expected an event", offset=0)
        case first:
            expected = "an array" if kind == BATCH_TYPE else "an object or an array"
            found = first.decode("ascii", "backslashreplace")
            offset = len(body) - len(body.lstrip())
            raise Problem(
                400,
                "malformed",
                f"byte {offset}: found {found!r}, expected {expected} of events",
                offset=offset,
            )


def _kind(headers: Mapping[str, str]) -> str:
    kind, *parameters = headers.get("content-type", JSON_TYPES[0]).lower().split(";")
    kind = kind.strip()
    charset = [p.split("=", 1)[1].strip(' "') for p in parameters if p.strip()[:8] == "charset="]
    if kind not in ALLOWED:
        raise Problem(
            415,
            "content-type",
            f"content-type={kind}: must be one of {', '.join(ALLOWED)}",
            value=kind,
            allowed=list(ALLOWED),
        )
    if charset and charset[0] not in ("utf-8", "utf8", "us-ascii"):
        raise Problem(415, "charset", f"charset={charset[0]}: must be utf-8", allowed=["utf-8"])
    coding = headers.get("content-encoding", "identity").lower()
    if coding != "identity":
        raise Problem(415, "content-encoding", f"content-encoding={coding}: must be identity")
    return kind


def _single(raw: bytes) -> Batch:
    return Batch([raw], [0])


def _lines(body: bytes) -> Batch:
    if body.count(b"\n") > EVENTS_MAX:
        raise _too_many(body.count(b"\n"))
    found = [(place, line) for place, line in enumerate(body.split(b"\n")) if line.strip()]
    if not found:
        raise Problem(400, "malformed", "the body has no lines: expected events", offset=0)
    return Batch([line.strip() for _, line in found], [place for place, _ in found])


def _array(body: bytes) -> Batch:
    try:
        raws = [bytes(raw) for raw in msgspec.json.decode(body, type=list[msgspec.Raw])]
    except (msgspec.DecodeError, RecursionError) as error:
        raws = _salvage(body, error)
    if len(raws) > EVENTS_MAX:
        raise _too_many(len(raws))
    return Batch(raws, list(range(len(raws))))


def _salvage(body: bytes, error: Exception) -> list[bytes]:
    """Elements of an array of which one is not JSON (NaN, a lone surrogate, absurd depth).

    Raises
    ------
    Problem: 400 with the first `error` where the array itself does not close.
    """
    depth, start, raws = 0, 0, list[bytes]()
    for token in _TOKEN.finditer(body):
        match body[token.start()]:
            case 0x5B | 0x7B:
                if depth == 0:
                    start = token.start() + 1
                depth += len(token[0])
            case 0x5D | 0x7D:
                depth -= len(token[0])
                if depth <= 0:
                    end = token.end() - 1
                    if depth < 0 or body[end] != 0x5D or body[token.end() :].strip():
                        break
                    return _filled([*raws, body[start:end].strip()], error)
            case 0x2C if depth == 1:
                raws.append(body[start : token.start()].strip())
                start = token.end()
                if len(raws) > EVENTS_MAX:
                    raise _too_many(len(raws))
            case 0x22 if len(token[0]) == 1:
                break  # a string that never ends
    raise _malformed(error, body)


def _filled(raws: list[bytes], error: Exception) -> list[bytes]:
    for index, raw in enumerate(raws):
        if not raw:
            raise Problem(400, "malformed", f"element {index} is empty: {error}", index=index)
    return raws


def _checked(body: bytes) -> bytes:
    try:
        msgspec.json.decode(body, type=msgspec.Raw)
    except (msgspec.DecodeError, RecursionError) as error:
        raise _malformed(error, body) from None
    return body


def _from_msgpack(body: bytes) -> bytes:
    """The same data as JSON: bytes become base64 strings, which the decoder takes for bytes."""
    try:
        return msgspec.json.encode(msgspec.msgpack.decode(body, type=dict[str, Any]))
    except (msgspec.MsgspecError, RecursionError, UnicodeError, TypeError, ValueError) as error:
        raise Problem(400, "malformed", f"the body is not msgpack data: {error}") from None


def _binary(headers: Mapping[str, str], data: bytes | None) -> bytes:
    """A structured event from `ce-*` headers and the data of the body."""
    try:
        event: dict[str, Any] = {
            name[3:]: unquote(value, errors="strict")
            for name, value in headers.items()
            if name.startswith("ce-") and len(name) > 3
        }
    except UnicodeDecodeError as error:
        raise Problem(
            400, "malformed", f"a ce- header is not percent-encoded UTF-8: {error}"
        ) from None
    if "specversion" not in event:
        raise Problem(400, "malformed", "ce-specversion is missing: binary mode needs ce- headers")
    if data is not None:
        event["data"] = msgspec.Raw(data)
    return msgspec.json.encode(event)


def _malformed(error: Exception, body: bytes) -> Problem:
    if isinstance(error, RecursionError):
        return Problem(400, "malformed", "the body is nested too deeply")
    detail = f"the body is not JSON: {error}"
    if re.search(rb"\\u[dD][89a-fA-F]", body):
        detail += " (or an escape is half a surrogate pair)"
    at = re.search(r"byte (\d+)", str(error))
    return Problem(400, "malformed", detail, offset=int(at[1]) if at else len(body))


def _too_many(count: int) -> Problem:
    return Problem(
        413,
        "too-many-events",
        f"{count} events: at most {EVENTS_MAX} in one request",
        events_max=EVENTS_MAX,
    )
