"""The OpenAPI document's bodies, taken from the types that validate them."""

from __future__ import annotations

from functools import cache
from typing import Any

import msgspec
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from console.acts import AlertActIn, ReviewAnswerIn
from console.service import Receipt, Row
from models import events

_REF = "#/components/schemas/{name}"
_EVENT_TYPES: tuple[Any, ...] = events.Event.__args__

EXAMPLE: Row = {
    "specversion": "1.0",
    "id": "12345-2026-000123",
    "source": "cq/12345",
    "type": "complaint.filed",
    "subject": "91500106MA5U00011W",
    "time": "2026-11-21T16:00:00+08:00",
    "data": {"item": "cq1-17", "kind": "complaint", "category": "食品安全", "severity": 2},
}
_ONE = {"$ref": _REF.format(name="Event")}


def _body(content: Row) -> Row:
    return {"requestBody": {"required": True, "content": content}}


EVENTS_BODY = _body(
    {
        "application/json": {"schema": _ONE, "example": EXAMPLE},
        "application/cloudevents+json": {"schema": _ONE},
        "application/cloudevents-batch+json": {"schema": {"type": "array", "items": _ONE}},
        "application/x-ndjson": {"schema": {"type": "string", "description": "one event a line"}},
        "application/msgpack": {
            "schema": {
                "type": "string",
                "format": "binary",
                "description": "`data` of iot.readings, attributes in ce- headers (binary mode)",
            }
        },
    }
)
ACT_BODY = _body({"application/json": {"schema": {"$ref": _REF.format(name="AlertActIn")}}})
ANSWER_BODY = _body({"application/json": {"schema": {"$ref": _REF.format(name="ReviewAnswerIn")}}})
KEY_HEADER: Row = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "schema": {"type": "string", "maxLength": 256},
    "description": "a repeat with the same key is done once",
}
SEEN_HEADER: Row = {
    "name": "If-Match",
    "in": "header",
    "required": False,
    "schema": {"type": "string", "maxLength": 64},
    "description": "`seq` of the alert as it was seen: 409 if something has happened since",
}
_PROBLEM: Row = {
    "type": "object",
    "description": "RFC 9457 problem details",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
    },
}


@cache
def _schemas() -> Row:
    kinds = [*_EVENT_TYPES, AlertActIn, ReviewAnswerIn, Receipt]
    _, schemas = msgspec.json.schema_components(kinds, ref_template=_REF)
    refs = {
        str(each.__struct_config__.tag): _REF.format(name=each.__name__) for each in _EVENT_TYPES
    }
    schemas["Event"] = {
        "oneOf": [{"$ref": ref} for ref in refs.values()],
        "discriminator": {"propertyName": "type", "mapping": refs},
    }
    schemas["Problem"] = _PROBLEM
    return schemas


def install(app: FastAPI) -> None:
    """Let `app` describe itself with the event schemas and problem responses."""

    def document() -> Row:
        if app.openapi_schema is None:
            built = get_openapi(
                title=app.title, version=app.version, description=app.description, routes=app.routes
            )
            built.setdefault("components", {})["schemas"] = _schemas()
            for path in built["paths"].values():
                for operation in path.values():
                    _answers(operation)
            app.openapi_schema = built
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign]


def _answers(operation: Row) -> None:
    responses = operation["responses"]
    responses.pop("422", None)
    responses["default"] = {
        "description": "anything else",
        "content": {"application/problem+json": {"schema": {"$ref": _REF.format(name="Problem")}}},
    }
    if operation.get("operationId", "").startswith("events_"):
        responses["202"]["content"] = {
            "application/json": {"schema": {"$ref": _REF.format(name="Receipt")}}
        }
