"""The OpenAPI document's bodies, taken from the types that validate them."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import msgspec
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from console import answers, draws_csv, ranking_csv
from console import answers_centre as centre
from console import answers_districts as places
from console import answers_draws as draws
from console import answers_models as models
from console import answers_reviews as reviews
from console import answers_subject as about
from console.acts import AlertActIn, ReviewAnswerIn
from console.draws import DrawIn, ReleaseIn
from console.service import Receipt, Row
from models import events

_REF = "#/components/schemas/{name}"
_EVENT_TYPES: tuple[Any, ...] = events.Event.__args__

EXAMPLES: Row = msgspec.json.decode((Path(__file__).parent / "examples.json").read_bytes())
"""`events` by type, `answers` and `bodies` by operation ("GET /path"), and a `problem`: what a
service that has played docs/example/restaurant.ndjson says, shortened."""

EXAMPLE: Row = EXAMPLES["events"]["complaint.filed"]
ANSWERS: dict[str, type[msgspec.Struct]] = {
    "GET /api/v1/summary": answers.Summary,
    "GET /api/v1/situation": centre.Situation,
    "GET /api/v1/subjects": about.Subjects,
    "GET /api/v1/subjects/{subject}": about.Assessment,
    "GET /api/v1/subjects/{subject}/events": about.Facts,
    "GET /api/v1/subjects/{subject}/report": about.Report,
    "GET /api/v1/alerts": answers.Alerts,
    "GET /api/v1/alerts/{alert_id}": answers.Alert,
    "GET /api/v1/alerts/{alert_id}/story": answers.Story,
    "GET /api/v1/reviews": reviews.Reviews,
    "GET /api/v1/reviews/statistics": reviews.ReviewStatistics,
    "GET /api/v1/reviews/board": reviews.ReviewBoard,
    "GET /api/v1/reviews/{review_id}": reviews.ReviewCase,
    "GET /api/v1/draws": draws.Draws,
    "GET /api/v1/draws/{draw_id}": draws.DrawWhole,
    "GET /api/v1/departments": centre.Departments,
    "GET /api/v1/districts": places.Districts,
    "GET /api/v1/devices": centre.Devices,
    "GET /api/v1/devices/one": centre.Device,
    "GET /api/v1/models": models.Models,
    "GET /api/v1/policies": models.Policies,
    "GET /api/v1/policies/diff": models.PolicyDiff,
    "GET /api/v1/policies/{name}": models.PolicyDocument,
    "GET /api/v1/rejects": answers.Rejects,
    "POST /api/v1/events": Receipt,
    "POST /api/v1/alerts/{alert_id}/{act}": answers.Done,
    "POST /api/v1/reviews/{review_id}/answer": answers.Done,
    "POST /api/v1/draws": draws.DrawWhole,
    "POST /api/v1/draws/{draw_id}/release": draws.DrawWhole,
    "POST /api/v1/receipts/{receiver}": answers.Done,
}
"""What each operation answers when it is done; those that are no JSON are in `TEXTS`."""

TEXTS: dict[str, tuple[str, str]] = {
    "GET /healthz": ("text/plain", "ok\n"),
    "GET /readyz": ("text/plain", "ready\n"),
    "GET /metrics": ("text/plain", "xinfeng_subjects 2000.0\n"),
    "GET /api/v1/departments.csv": (
        "text/csv",
        ranking_csv.ranking(EXAMPLES["answers"]["GET /api/v1/departments"], "zh"),
    ),
    "GET /api/v1/districts.csv": (
        "text/csv",
        ranking_csv.districts(EXAMPLES["answers"]["GET /api/v1/districts"], {}, "zh"),
    ),
    "GET /draws/{draw_id}.csv": (
        "text/csv",
        draws_csv.drawn_list(EXAMPLES["answers"]["GET /api/v1/draws/{draw_id}"], "zh"),
    ),
    "GET /api/v1/alerts/stream": (
        "text/event-stream",
        'id: 41\nevent: alert\ndata: {"id": "grade-gap-fe9f10526da82fe014af", "seq": 41}\n\n',
    ),
}
_ONE = {"$ref": _REF.format(name="Event")}


def _body(content: Row) -> Row:
    return {"requestBody": {"required": True, "content": content}}


EVENTS_BODY = _body(
    {
        "application/json": {
            "schema": _ONE,
            "examples": {name: {"value": value} for name, value in EXAMPLES["events"].items()},
        },
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


def _act_body(operation: str, name: str) -> Row:
    schema = {"$ref": _REF.format(name=name)}
    return _body({"application/json": {"schema": schema,
                                       "example": EXAMPLES["bodies"][operation]}})


ACT_BODY = _act_body("POST /api/v1/alerts/{alert_id}/{act}", "AlertActIn")
ANSWER_BODY = _act_body("POST /api/v1/reviews/{review_id}/answer", "ReviewAnswerIn")
DRAW_BODY = _act_body("POST /api/v1/draws", "DrawIn")
RELEASE_BODY = _act_body("POST /api/v1/draws/{draw_id}/release", "ReleaseIn")
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
    "description": "`seq` of the alert or review as it was seen: 409 if it has changed since",
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
    kinds = [*_EVENT_TYPES, AlertActIn, ReviewAnswerIn, DrawIn, ReleaseIn, *ANSWERS.values()]
    _, schemas = msgspec.json.schema_components(kinds, ref_template=_REF)
    refs = {
        str(each.__struct_config__.tag): _REF.format(name=each.__name__) for each in _EVENT_TYPES
    }
    for each in _EVENT_TYPES:
        schemas[each.__name__]["examples"] = [EXAMPLES["events"][each.__struct_config__.tag]]
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
            for path, operations in built["paths"].items():
                for method, operation in operations.items():
                    _answers(f"{method.upper()} {path}", operation)
            app.openapi_schema = built
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign]


def _answers(name: str, operation: Row) -> None:
    """Say what an operation answers: its schema and an example, and problems for all else."""
    responses = operation["responses"]
    responses.pop("422", None)
    responses["default"] = {
        "description": "anything else",
        "content": {
            "application/problem+json": {
                "schema": {"$ref": _REF.format(name="Problem")},
                "example": EXAMPLES["problem"],
            }
        },
    }
    done = responses[next(code for code in responses if code.startswith("2"))]
    if name in TEXTS:
        kind, text = TEXTS[name]
        done["content"] = {kind: {"schema": {"type": "string"}, "example": text}}
    elif name in ANSWERS:
        schema = {"$ref": _REF.format(name=ANSWERS[name].__name__)}
        done["content"] = {
            "application/json": {"schema": schema, "example": EXAMPLES["answers"][name]}
        }
