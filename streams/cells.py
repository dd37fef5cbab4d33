"""Values of an event from the cells of a row, as the fields of a mapping say (pure)."""

from __future__ import annotations

import datetime as dt
import re
import unicodedata
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Final
from zoneinfo import ZoneInfo

import msgspec

from models import uscc
from streams.mapping import (
    PLACEHOLDER,
    Condition,
    Field,
    Moment,
    Scalar,
    Subject,
    alternatives,
    placeholders,
)
from streams.sheet import Row, header_name

OMITTED: Final = object()
"""Value of an optional field that the row does not have."""

_SHOWN_MAX = 40


class RowError(msgspec.Struct, frozen=True):
    """Why a row became no event.

    `field` is the event's key, `column` the header it came from ("" if several or none).
    """

    field: str
    column: str
    value: str
    allowed: str
    message: str


class CellError(Exception):
    """Carries a `RowError` from a cell up to its row."""

    def __init__(self, field: str, column: str, value: str, allowed: str) -> None:
        shown = value if len(value) <= _SHOWN_MAX else value[:_SHOWN_MAX] + "…"
        of = f" (column {column})" if column else ""
        self.error = RowError(field, column, value, allowed, f"{field}={shown!r}{of}: {allowed}")
        super().__init__(self.error.message)


def holds(condition: Condition, row: Row) -> bool:
    """Whether a row passes one test."""
    cell = row.get(condition.column, "")
    if condition.in_ is not None:
        return cell in condition.in_
    if condition.not_in is not None:
        return cell not in condition.not_in
    if condition.empty is not None:
        return condition.empty == (not cell)
    return re.search(condition.matches or "", cell) is not None


def value_of(field: Field, row: Row, name: str) -> object:
    """Value of one field, or `OMITTED`.

    Parameters
    ----------
    name
        Key of the event, for errors: `data.kinds`.

    Raises
    ------
    CellError: the cell is empty where it must not be, or is none of what the field allows.
    """
    if not all(holds(condition, row) for condition in field.when):
        return OMITTED
    if field.constant is not None:
        found: object = field.constant
    elif field.object is not None and field.split is None:
        found = _members(field.object, row, name)
    else:
        column, text = _cell(field, row)
        if field.extract is not None and text:
            match = re.search(field.extract, text)
            text = (match[1] or "").strip() if match else ""
        if not text:
            if field.default is not None:
                return field.default
            if field.optional:
                return OMITTED
            full = row.get(column, "")
            wanted = f"must match {field.extract}" if full else "must not be empty"
            raise CellError(name, column, full, wanted)
        if field.split is None:
            found = _one(field, text, name, column)
        else:
            parts = [part.strip() for part in re.split(f"[{re.escape(field.split)}]", text)]
            found = _list(field, [part for part in parts if part], row, name, column)
    return [found] if field.wrap else found


def subject_of(subject: Subject, row: Row) -> str:
    """The business; a USCC is normalised and checked."""
    column, text = _first(subject.column, row)
    if not text:
        raise CellError("subject", column, "", "must not be empty")
    if subject.scheme == "opaque":
        return text
    code = uscc.normalise(text)
    reason = uscc.check(code)
    if reason is not None:
        raise CellError("subject", column, text, reason)
    return code


def time_of(moment: Moment, row: Row) -> str:
    """RFC 3339 with offset; a date alone gets the mapping's time of day."""
    column, text = _first(moment.column, row)
    parsed, has_time = _parse(text, moment.formats, "time", column)
    if not has_time:
        parsed = dt.datetime.combine(parsed, moment.at)
    if parsed.tzinfo is None:
        parsed = parsed.replace(tzinfo=ZoneInfo(moment.zone))
    return parsed.isoformat()


def filled(template: str, row: Row) -> str:
    """A template with the row's cells in it; "" if one of them is empty."""
    if not all(row.get(name) for name in placeholders(template)):
        return ""
    return PLACEHOLDER.sub(lambda match: row[match[1]], template)


def _cell(field: Field, row: Row) -> tuple[str, str]:
    if field.template is not None:
        return ", ".join(placeholders(field.template)), filled(field.template, row)
    return _first(field.column or "", row)


def _first(column: str | list[str], row: Row) -> tuple[str, str]:
    names = [name for name in alternatives(column) if name in row]
    for name in names:
        if row[name]:
            return name, row[name]
    return (names[0] if names else ""), ""


def _members(fields: Mapping[str, Field], row: Row, name: str) -> dict[str, object]:
    found = {key: value_of(field, row, f"{name}.{key}") for key, field in fields.items()}
    return {key: value for key, value in found.items() if value is not OMITTED}


def _list(field: Field, parts: list[str], row: Row, name: str, column: str) -> list[object]:
    if field.object is not None:
        return [_members(field.object, {**row, "item": part}, name) for part in parts]
    return list(dict.fromkeys(_one(field, part, name, column) for part in parts))


def _one(field: Field, text: str, name: str, column: str) -> Scalar:
    table = field.values()
    if table:
        found = table.get(header_name(text), field.otherwise)
        if found is None:
            raise CellError(name, column, text, f"must be one of {', '.join(table)}")
        return found
    if field.ranges is not None:
        return _banded(field, text, name, column)
    match field.as_:
        case "text":
            return text
        case "date":
            return _parse(text, field.formats, name, column)[0].date().isoformat()
        case "number":
            return float(_number(field, text, name, column))
        case "integer":
            return _integer(field, text, name, column)


def _banded(field: Field, text: str, name: str, column: str) -> Scalar:
    number = _number(field, text, name, column)
    bands = field.ranges or []
    for low, high, value in bands:
        if low <= number <= high:
            return value
    if field.otherwise is None:
        raise CellError(
            name, column, text, f"must be in {', '.join(f'{a}-{b}' for a, b, _ in bands)}"
        )
    return field.otherwise


def _integer(field: Field, text: str, name: str, column: str) -> int:
    number = _number(field, text, name, column)
    if number != int(number):
        raise CellError(name, column, text, "must be a whole number")
    return int(number)


def _number(field: Field, text: str, name: str, column: str) -> Decimal:
    """Decimal, so that 1.1 ten-thousands are exactly 11000 yuan."""
    plain = unicodedata.normalize("NFKC", text).replace(",", "").replace(" ", "")
    try:
        number = Decimal(plain)
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite():
        raise CellError(name, column, text, "must be a number")
    return number * Decimal(str(field.scale))


def _parse(text: str, formats: list[str], name: str, column: str) -> tuple[dt.datetime, bool]:
    """Moment of a cell, and whether the cell gave a time of day."""
    try:
        return dt.datetime.fromisoformat(text), len(text) > len("YYYY-MM-DD")
    except ValueError:
        pass
    for form in formats:
        try:
            return dt.datetime.strptime(text, form), "%H" in form
        except ValueError:
            continue
    if not text:
        raise CellError(name, column, text, "must not be empty")
    raise CellError(name, column, text, f"must be a date: {', '.join(['YYYY-MM-DD', *formats])}")
