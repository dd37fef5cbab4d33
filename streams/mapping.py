"""The mapping language: how a row of a spreadsheet becomes an event.

Declarative on purpose: a mapping comes from a department and may not run code. Described for its
writers in `config/maps/README.md`; `streams/mapping_file.py` reads it.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator, Mapping
from typing import Literal, TypeAlias
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from streams.value_tables import TABLES

Scalar: TypeAlias = str | bool | int | float

PLACEHOLDER = re.compile(r"\{([^{}]+)\}")
MADE_NAMES = frozenset({"item", "_row", "_hash"})
"""Names a template may use beside headers: a part of a split cell, row number, hash of the row."""


class Condition(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One test of one cell; exactly one of the four tests is given."""

    column: str
    in_: list[str] | None = msgspec.field(default=None, name="in")
    not_in: list[str] | None = None
    empty: bool | None = None
    matches: str | None = None

    def __post_init__(self) -> None:
        tests = (self.in_, self.not_in, self.empty, self.matches)
        _exactly_one(tests, "in, not_in, empty, matches")
        _regex(self.matches)


class Field(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One value of the event: where it comes from, then what is done to it, in this order."""

    column: str | list[str] | None = None
    constant: Scalar | list[Scalar] | None = None
    template: str | None = None
    object: dict[str, Field] | None = None
    extract: str | None = None
    split: str | None = None
    wrap: bool = False
    table: str | dict[str, Scalar] | None = None
    ranges: list[tuple[int, int, Scalar]] | None = None
    otherwise: Scalar | None = None
    as_: Literal["text", "integer", "number", "date"] = msgspec.field(default="text", name="as")
    scale: float = 1
    formats: list[str] = []
    default: Scalar | list[Scalar] | None = None
    optional: bool = False
    when: list[Condition] = []

    def __post_init__(self) -> None:
        parts_of_cell = self.object is not None and self.split is not None
        origins = (self.column, self.constant, self.template)
        _exactly_one(
            origins if parts_of_cell else (*origins, self.object),
            "column, constant, template, object",
        )
        if isinstance(self.table, str) and self.table not in TABLES:
            raise ValueError(f"table={self.table!r}: must be one of {', '.join(TABLES)}")
        if self.split == "":
            raise ValueError("split='': must hold the separating characters")
        _regex(self.extract, groups=1)

    def values(self) -> Mapping[str, Scalar]:
        """The table its cells are looked up in, built-in or own; empty if it has none."""
        return TABLES[self.table] if isinstance(self.table, str) else self.table or {}

    def columns(self) -> Iterator[tuple[str, ...]]:
        """Headers it reads; of each tuple one must be in the sheet."""
        if self.column is not None:
            yield alternatives(self.column)
        yield from ((name,) for name in placeholders(self.template or ""))
        yield from ((condition.column,) for condition in self.when)
        for member in (self.object or {}).values():
            yield from member.columns()


class Subject(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The business; `uscc` codes are normalised and checked."""

    column: str | list[str]
    scheme: Literal["uscc", "opaque"] = "uscc"


class Moment(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """When it happened; ISO dates are always understood, `formats` are for others (strptime)."""

    column: str | list[str]
    formats: list[str] = []
    zone: str = "Asia/Shanghai"
    at: dt.time = dt.time(12)

    def __post_init__(self) -> None:
        try:
            ZoneInfo(self.zone)
        except (ZoneInfoNotFoundError, ValueError):
            raise ValueError(f"zone={self.zone!r}: must be an IANA time zone") from None


class SheetMapping(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A whole mapping file."""

    source: str
    id: str
    subject: Subject
    time: Moment
    data: dict[str, Field] = {}
    type: str | Field = ""
    about: str = ""
    sheet: str = ""
    header_row: int = 1
    unique: list[str] = []
    skip_if: list[Condition] = []

    def event_types(self) -> tuple[str, ...]:
        """The types its rows can become; empty if the file leaves it to the command."""
        if isinstance(self.type, str):
            return (self.type,) if self.type else ()
        if self.type.constant is not None:
            return (str(self.type.constant),)
        others = [] if self.type.otherwise is None else [self.type.otherwise]
        return tuple(str(value) for value in [*self.type.values().values(), *others])

    def columns(self) -> Iterator[tuple[str, ...]]:
        """Headers it reads; of each tuple one must be in the sheet."""
        yield alternatives(self.subject.column)
        yield alternatives(self.time.column)
        yield from ((name,) for name in placeholders(self.id))
        yield from ((name,) for name in self.unique)
        yield from ((condition.column,) for condition in self.skip_if)
        rule = () if isinstance(self.type, str) else (self.type,)
        for field in (*rule, *self.data.values()):
            yield from field.columns()


def alternatives(column: str | list[str]) -> tuple[str, ...]:
    """The headers a `column` names; the first that is not empty in a row counts."""
    return (column,) if isinstance(column, str) else tuple(column)


def placeholders(template: str) -> list[str]:
    """The names in braces of a template.

    Examples
    --------
    >>> placeholders("insp-{inspection_id}-{_row}")
    ['inspection_id', '_row']
    """
    return PLACEHOLDER.findall(template)


def _exactly_one(values: tuple[object, ...], names: str) -> None:
    if sum(value is not None for value in values) != 1:
        raise ValueError(f"must have exactly one of {names}")


def _regex(pattern: str | None, groups: int | None = None) -> None:
    if pattern is None:
        return
    try:
        found = re.compile(pattern).groups
    except re.error as exc:
        raise ValueError(f"{pattern!r}: not a regular expression ({exc})") from None
    if groups is not None and found != groups:
        raise ValueError(f"extract={pattern!r}: must have {groups} group in parentheses")
