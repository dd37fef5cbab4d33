"""What the routes of reviews answer, as JSON Schema for the OpenAPI document."""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]


def _of(type_: str, description: str = "", **more: Any) -> Schema:
    return {"type": type_, **({"description": description} if description else {}), **more}


def _object(**properties: Schema) -> Schema:
    return {"type": "object", "properties": properties, "required": list(properties)}


def _list(items: Schema, description: str = "") -> Schema:
    return _of("array", description, items=items)


def _one_of(*words: str, description: str = "") -> Schema:
    return _of("string", description, enum=list(words))


def _maybe(schema: Schema) -> Schema:
    return {"anyOf": [schema, {"type": "null"}]}


_TEXT, _COUNT = _of("string"), _of("integer", minimum=0)
_DAY = _of("string", "civil day", format="date")
_MOMENT = _of("string", format="date-time")
_GRADE = _one_of("A", "B", "C", "D", "ungraded")
_STAGE = _one_of(
    "waiting", "answered", "closed",
    description="somebody has still to answer · all have, and the gap stands · it is over",
)
_HELD = _object(item=_TEXT, department=_TEXT, grade=_GRADE, grade_source=_TEXT)
_PAIR = _object(
    a=_of("string", "a department, or `public`"),
    b=_TEXT,
    since=_DAY,
    ended_on=_maybe(_DAY),
    end=_one_of(
        "open", "kept", "a", "b", "facts",
        description="they lie apart · both answered and they still do · a or b gave another grade "
        "· the facts changed",
    ),
)
_FACT = _object(
    source=_TEXT, id=_TEXT, type=_TEXT, time=_maybe(_MOMENT), text_zh=_TEXT, text_en=_TEXT
)
_EVIDENCE = _object(
    **_FACT["properties"], points=_of("number", "what it costs or earns"), indicator=_TEXT
)
_REVIEW: dict[str, Schema] = {
    "id": _TEXT,
    "subject": _TEXT,
    "name": _TEXT,
    "state": _one_of("open", "closed"),
    "stage": _STAGE,
    "opened_at": _MOMENT,
    "updated_at": _MOMENT,
    "since": _DAY,
    "due_on": _DAY,
    "ended_on": _maybe(_DAY),
    "levels": _of("integer", "0 once it is closed", minimum=0, maximum=3),
    "highest": _maybe(_HELD),
    "lowest": _maybe(_HELD),
    "items": _list(_HELD, "grades that lie apart"),
    "departments": _list(_TEXT, "who is asked"),
    "pairs": _list(_PAIR, "every two parties that lay apart since it was opened"),
}
_ANSWER: dict[str, Schema] = {
    "department": _TEXT,
    "at": _MOMENT,
    "decision": _one_of("keep", "adjust"),
    "grade": _maybe(_GRADE),
    "reason": _TEXT,
}
_ASSIGNED = _object(
    item=_TEXT, grade=_GRADE, **{"from": _DAY},
    until=_maybe(_of("string", "until the day before: another grade followed", format="date")),
)

CASE = _object(
    **_REVIEW,
    answers=_list(
        _object(**_ANSWER, assigned=_list(_ASSIGNED, "the `grade.assigned` that became of it"))
    ),
    grades=_list(
        _object(
            item=_of("string", "id of the catalogue, or `public`"),
            department=_TEXT,
            grade=_GRADE,
            grade_source=_one_of("computed", "assigned", "direct"),
            since=_DAY,
            computed=_of("string", "what the facts alone give", enum=_GRADE["enum"]),
            credit_score=_of("number"),
            assigned=_maybe({"type": "object"}),
            apart=_of("boolean", "it lies two levels or more from another one"),
            rests_on=_list(_FACT, "the assignment or listing it rests on; none if computed"),
            evidence=_list(_EVIDENCE, "facts of the public record, the heaviest first"),
        ),
        "every grade of the business now, those that lie apart first",
    ),
    tasks=_list(
        _object(
            department=_TEXT,
            due_on=_DAY,
            state=_one_of("waiting", "overdue", "answered", "answered_late", "not_needed"),
            answered_at=_maybe(_MOMENT),
            decision=_maybe(_one_of("keep", "adjust")),
            told=_maybe(_of("object", "messages to it, by reason: first, reminder, escalation …",
                            additionalProperties=_COUNT)),
        )
    ),
    history=_list(
        {
            "type": "object",
            "required": ["day", "what"],
            "properties": {
                "day": _DAY,
                "what": _one_of("opened", "grade", "answer", "closed"),
                "how": _one_of("adjusted", "facts", "taken_back",
                               description="of `closed`: by whom or what"),
            },
        },
        "what opened it, changed and ended it, oldest first",
    ),
    told=_maybe(
        _list({"type": "object"}, "messages about it; null where this runner keeps no ledger")
    ),
)

_SHARE: dict[str, Schema] = {
    "businesses": _of("integer", "graded by both, or by two departments or more", minimum=0),
    "apart": _of("integer", "of these, grades two levels or more apart now", minimum=0),
    "rate": _maybe(_of("number", "apart / businesses", minimum=0, maximum=1)),
}

STATISTICS = _object(
    as_of=_DAY,
    disagreement=_object(**_SHARE),
    departments=_list(_object(department=_TEXT, **_SHARE)),
    pairs=_list(
        _object(
            a=_of("string", "a department, or `public`, which has no share of today"),
            b=_TEXT,
            **_SHARE,
            opened=_of("integer", "reviews in which they lay apart", minimum=0),
            open=_COUNT,
            overdue=_COUNT,
            kept=_of("integer", "of the open ones, answered by both: the gap stands", minimum=0),
            adjusted_a=_of("integer", "ended since a gave another grade", minimum=0),
            adjusted_b=_COUNT,
            by_itself=_of("integer", "ended since the facts changed", minimum=0),
            median_days=_maybe(_of("number", "from the first day apart to the end")),
        )
    ),
)

BOARD = {
    "type": "object",
    "required": ["columns"],
    "properties": {
        "columns": _object(
            overdue=_COUNT, soon=_COUNT, later=_COUNT, answered=_COUNT, closed=_COUNT
        ),
        "reviews": _list(_object(**_REVIEW, place=_of("string", "cursor"))),
        "next": _maybe(_TEXT),
    },
}
