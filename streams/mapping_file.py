"""Reads a mapping file strictly: what is not known is refused, with what is allowed."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import TypeAlias, TypeVar, get_args

import msgspec

from models.events import EVENT_TYPES, Event
from streams.mapping import PLACEHOLDER, Condition, Field, Moment, SheetMapping, Subject
from streams.sheet import header_name

StructType: TypeAlias = type[msgspec.Struct]
T = TypeVar("T", bound=msgspec.Struct)


class MappingError(ValueError):
    """The mapping is wrong: names the key, the value and what is allowed."""


def load_mapping(path: Path) -> SheetMapping:
    """Mapping of a TOML file; `MappingError` names the file and the key."""
    try:
        return parse_mapping(path.read_text(encoding="utf-8"))
    except MappingError as exc:
        raise MappingError(f"{path.name}: {exc}") from exc


def parse_mapping(text: str) -> SheetMapping:
    """Mapping from TOML text.

    Raises
    ------
    MappingError: names the key as written in the file, and what is allowed.
    """
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as exc:
        raise MappingError(f"not TOML: {exc}") from exc
    for where, struct, table in _tables(raw):
        _check_keys(where, struct, table)
    for _, _, table in _tables(raw):
        _normalise(table)
    inner = [entry for entry in _tables(raw) if entry[0]]
    for where, struct, table in inner:
        _convert(where, struct, table)
    mapping = _convert("", SheetMapping, raw)
    check_type(mapping, "")
    return mapping


def check_type(mapping: SheetMapping, event_type: str) -> None:
    """Refuse an event type the mapping cannot make, and data keys its events do not have.

    Parameters
    ----------
    event_type
        The type the command asks for; "" leaves it to the mapping.
    """
    made = mapping.event_types()
    for name in (*made, event_type):
        if name and name not in EVENT_TYPES:
            raise MappingError(f"type={name!r}: must be one of {', '.join(EVENT_TYPES)}")
    if event_type and made and event_type not in made:
        raise MappingError(f"type={event_type!r}: this mapping makes {', '.join(made)}")
    types = made or ((event_type,) if event_type else ())
    allowed = [key for name in types for key in _data_keys(name)]
    for key in mapping.data:
        if types and key not in allowed:
            raise MappingError(f"data.{key}: unknown key; allowed: {', '.join(allowed)}")


def _data_keys(event_type: str) -> Iterator[str]:
    struct = get_args(Event)[EVENT_TYPES.index(event_type)]
    data = next(f.type for f in msgspec.structs.fields(struct) if f.name == "data")
    return (f.encode_name for f in msgspec.structs.fields(data))


def _tables(
    raw: object, where: str = "", struct: StructType = SheetMapping
) -> Iterator[tuple[str, StructType, object]]:
    """Every table of the file with the struct it must fit, outer before inner."""
    yield where, struct, raw
    if not isinstance(raw, dict):
        return
    dot = f"{where}." if where else ""
    inner: dict[str, StructType] = {"skip_if": Condition, "when": Condition}
    if struct is SheetMapping:
        inner |= {"subject": Subject, "time": Moment, "type": Field}
    for key, value in raw.items():
        if isinstance(value, dict) and key in ("data", "object"):
            for name, field in value.items():
                yield from _tables(field, f"{dot}{key}.{name}", Field)
        elif isinstance(value, list) and key in ("skip_if", "when"):
            for number, condition in enumerate(value):
                yield from _tables(condition, f"{dot}{key}[{number}]", Condition)
        elif isinstance(value, dict) and key in inner:
            yield from _tables(value, f"{dot}{key}", inner[key])


def _check_keys(where: str, struct: StructType, table: object) -> None:
    if not isinstance(table, dict):
        return
    allowed = [f.encode_name for f in msgspec.structs.fields(struct)]
    for key in table:
        if key not in allowed:
            dot = f"{where}." if where else ""
            raise MappingError(f"{dot}{key}: unknown key; allowed: {', '.join(allowed)}")


def _normalise(table: object) -> None:
    """Bring headers and the keys of look-up tables to the form sheets are read in."""
    if not isinstance(table, dict):
        return
    for key, value in table.items():
        match key, value:
            case "column", str():
                table[key] = header_name(value)
            case (("column" | "unique"), list()):
                table[key] = [header_name(v) if isinstance(v, str) else v for v in value]
            case (("id" | "template"), str()):
                table[key] = PLACEHOLDER.sub(lambda m: f"{{{header_name(m[1])}}}", value)
            case "table", dict():
                table[key] = {header_name(name): v for name, v in value.items()}


def _convert(where: str, struct: type[T], table: object) -> T:
    try:
        return msgspec.convert(table, struct)
    except msgspec.ValidationError as exc:
        text, _, path = str(exc).partition(" - at `$")
        key = (where + path.rstrip("`")).lstrip(".") or "mapping"
        raise MappingError(f"{key}: {text}") from exc
