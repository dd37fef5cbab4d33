"""What is refused, in both languages: the field, its value, what was allowed.

English is a problem's `detail`; Chinese is made of what the problem holds besides.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from typing import Any, TypeAlias

import msgspec
from msgspec import inspect
from starlette.exceptions import HTTPException

from console.i18n import word
from console.problems import Problem
from console.service import Row, Unfit
from console.words.problems import FIELDS, LOG, PARAMETERS, PROBLEMS, STATUSES

VALUE_MAX = 60
"""Characters of a value that are repeated."""

Pair: TypeAlias = tuple[str, str]
"""Chinese and English."""


def refused(field: str, value: object, allowed: Pair, **extra: Any) -> Problem:
    """422 for a field of a form or a body.

    Examples
    --------
    >>> found = refused("grade", "E", ("A 至 D", "must be A to D"))
    >>> found.zh, found.detail
    ('调整为：您填写的是“E”；A 至 D', 'grade=E: must be A to D')
    """
    zh, en = allowed
    shown = _shown(value)
    return Problem(
        422,
        "invalid-body",
        f"{field}={shown}: {en}",
        zh=_sentence(field, shown, zh),
        field=field,
        value=shown,
        allowed=en,
        **extra,
    )


def invalid(kind: type[Any], body: Mapping[str, Any], error: msgspec.ValidationError) -> Problem:
    """What does not fit `kind`, in a body or a form."""
    message, _, path = str(error).partition(" - at `$.")
    missing = re.search(r"missing required field `(\w+)`", message)
    field = missing[1] if missing else path.rstrip("`")
    types = {f.encode_name: f.type for f in _fields(kind)}
    if field not in types:
        return Problem(422, "invalid-body", str(error), field=field or None, message=message)
    return refused(field, body.get(field), describe(types[field]), message=message)


def by_log(reason: Row) -> Problem:
    """An act that the log refuses, with its reason."""
    field = str(reason.get("field") or "").removeprefix("data.")
    zh = allowed_zh(str(reason.get("allowed") or ""))
    return Problem(
        422,
        "refused",
        str(reason.get("message", "the log refused this act")),
        zh=_sentence(field, _shown(reason.get("value")), zh),
        reason=reason,
    )


def unfit(wrong: Unfit) -> Problem:
    """What a service refuses before it comes into the log."""
    return refused(wrong.field, wrong.value, (allowed_zh(wrong.allowed), wrong.allowed))


def allowed_zh(english: str) -> str:
    """What is allowed, in Chinese where there are words for it."""
    return next((re.sub(f"^{en}$", to, english) for en, to in LOG.items()
                 if re.fullmatch(en, english)), english)


def describe(kind: inspect.Type) -> Pair:
    """What a field takes.

    Examples
    --------
    >>> describe(inspect.StrType(min_length=1, max_length=9))
    ('应为 1 至 9 个字符', 'must be 1 to 9 characters')
    """
    match kind:
        case inspect.UnionType(types=types):
            return describe(next(t for t in types if not isinstance(t, inspect.NoneType)))
        case inspect.LiteralType(values=values):
            return (f"应为 {'、'.join(map(_choice, values))} 之一",
                    f"must be one of {', '.join(map(str, values))}")
        case inspect.StrType(min_length=low, max_length=high):
            low = low or 0
            blank = ("，不能全为空格", ", not only spaces") if kind.pattern else ("", "")
            return (f"应为 {low} 至 {high} 个字符{blank[0]}",
                    f"must be {low} to {high} characters{blank[1]}")
        case inspect.DateTimeType():
            return ("应为时间，如 2026-11-21 08:00",
                    "must be a time with offset (2026-11-21T08:00:00+08:00)")
        case inspect.IntType(ge=low, le=int(high)):
            return f"应为 {low or 0} 至 {high} 的整数", f"must be an integer, {low or 0} to {high}"
        case inspect.IntType(ge=low):
            return f"应为不小于 {low or 0} 的整数", f"must be an integer from {low or 0}"
        case _:
            return "类型不对", "is of the wrong type"


def chinese(error: HTTPException, path: str) -> str:
    """An error in Chinese."""
    if isinstance(error, Problem):
        if error.zh:
            return error.zh
        if error.slug in PROBLEMS:
            return _filled(PROBLEMS[error.slug], error.extra)
        return f"请求未被接受（{error.detail}）"
    text = STATUSES.get(error.status_code)
    return _filled(text, {"path": path}) if text else f"请求未被接受（{error.status_code}）"


def parameters(errors: list[Row]) -> str:
    """What is wrong with the parameters of an address, in Chinese; `errors` as pydantic has them.

    Examples
    --------
    >>> parameters([{"loc": ("query", "limit"), "type": "less_than_equal", "ctx": {"le": 500}}])
    '参数 limit：应不大于 500'
    """
    return "；".join(
        f"参数 {each['loc'][-1]}："
        + _filled(PARAMETERS.get(each["type"], "不符合要求"), each.get("ctx") or {})
        for each in errors
    )


def _choice(value: object) -> str:
    """As the page calls it, and as it is sent."""
    label = word("zh", "ui", value)
    return str(value) if label == str(value) else f"{label}（{value}）"


def _sentence(field: str, shown: str, allowed: str) -> str:
    label = FIELDS[field][0] if field in FIELDS else field
    given = f"您填写的是“{shown}”" if shown else "未填写"
    return f"{label}：{given}；{allowed}"


def _shown(value: object) -> str:
    if value is None:
        return ""
    text = value if isinstance(value, str) else msgspec.json.encode(value, enc_hook=str).decode()
    text = " ".join(text.split())
    return text if len(text) <= VALUE_MAX else text[: VALUE_MAX - 1] + "…"


def _filled(template: str, values: Mapping[str, Any]) -> str:
    return template.format_map(defaultdict(str, {
        name: "、".join(map(str, v)) if isinstance(v, list) else v for name, v in values.items()}))


def _fields(kind: type[Any]) -> tuple[inspect.Field, ...]:
    found = inspect.type_info(kind)
    assert isinstance(found, inspect.StructType)
    return found.fields

