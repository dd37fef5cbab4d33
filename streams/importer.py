"""`xinfeng import`: rows of a department's spreadsheet become CloudEvents (pure, but for reading).

Three steps: `load_mapping(path)`, `read_rows(path, mapping.sheet, mapping.header_row)`, and
`convert(rows, mapping)`. The mapping language is described in `config/maps/README.md`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

import msgspec
import xxhash

from models.events import Event
from streams.cells import (
    OMITTED,
    CellError,
    RowError,
    filled,
    holds,
    subject_of,
    time_of,
    value_of,
)
from streams.mapping import MADE_NAMES, SheetMapping, placeholders
from streams.mapping_file import MappingError, check_type, load_mapping, parse_mapping
from streams.sheet import BEYOND_HEADER, Row, SheetError, read_rows

__all__ = [
    "Converted",
    "MappingError",
    "RowError",
    "SheetError",
    "SheetMapping",
    "convert",
    "load_mapping",
    "parse_mapping",
    "read_rows",
]


class Converted(msgspec.Struct, frozen=True):
    """What became of one row: exactly one of `event` and `error` is given.

    `row` is the number the spreadsheet shows; `event` a CloudEvent of the contract, decoded once
    against `models.events` already.
    """

    row: int
    event: dict[str, object] | None = None
    error: RowError | None = None


def convert(
    rows: Iterable[tuple[int, Row]],
    mapping: SheetMapping,
    event_type: str = "",
    skipped: Counter[str] | None = None,
) -> Iterator[Converted]:
    """Events of a sheet, in its order.

    Parameters
    ----------
    rows
        As `read_rows` gives them.
    event_type
        `--type`: the type of rows whose mapping names none; where the mapping chooses per row,
        only rows of this type are kept.
    skipped
        If given, counts the rows left out on purpose, by `skip_if`, `unique` or `type`.

    Returns
    -------
    One entry per row that is not skipped. With `unique`, the first row of each key that becomes
    an event stands; the keys seen are kept in memory.

    Raises
    ------
    MappingError: the mapping does not fit `event_type`, or names a column the sheet does not have.
    """
    check_type(mapping, event_type)
    if not event_type and not mapping.event_types():
        raise MappingError("type: must be given in the mapping or by --type")
    return _convert(rows, mapping, event_type, Counter() if skipped is None else skipped)


def _convert(
    rows: Iterable[tuple[int, Row]],
    mapping: SheetMapping,
    event_type: str,
    skipped: Counter[str],
) -> Iterator[Converted]:
    seen: set[tuple[str, ...]] = set()
    with_hash = "_hash" in placeholders(mapping.id)
    for at, (number, cells) in enumerate(rows):
        if at == 0:
            _check_columns(mapping, cells)
        if any(holds(condition, cells) for condition in mapping.skip_if):
            skipped["skip_if"] += 1
            continue
        key = tuple(cells[name] for name in mapping.unique)
        if key and key in seen:
            skipped["unique"] += 1
            continue
        made = {"_row": str(number), "_hash": _row_hash(cells) if with_hash else ""}
        try:
            event = _event(mapping, {**cells, **made}, event_type)
            if event_type and event["type"] != event_type:
                skipped["type"] += 1
                continue
            _check_event(event)
        except CellError as exc:
            yield Converted(number, error=exc.error)
            continue
        seen.add(key)
        yield Converted(number, event=event)


def _event(mapping: SheetMapping, row: Row, event_type: str) -> dict[str, object]:
    if BEYOND_HEADER in row:
        raise CellError("row", "", row[BEYOND_HEADER], "must have no cells beyond the last header")
    kind: object = mapping.type or event_type
    if not isinstance(mapping.type, str):
        kind = value_of(mapping.type, row, "type")
    identity = filled(mapping.id, row)
    if not identity:
        names = ", ".join(placeholders(mapping.id))
        raise CellError("id", names, "", "must not be empty")
    data = {key: value_of(field, row, f"data.{key}") for key, field in mapping.data.items()}
    return {
        "specversion": "1.0",
        "id": identity,
        "source": mapping.source,
        "type": kind,
        "subject": subject_of(mapping.subject, row),
        "time": time_of(mapping.time, row),
        "data": {key: value for key, value in data.items() if value is not OMITTED},
    }


def _check_event(event: dict[str, object]) -> None:
    """Refuse what intake would refuse, while the row number is still known."""
    try:
        msgspec.convert(event, Event)
    except msgspec.ValidationError as exc:
        reason, _, path = str(exc).partition(" - at `$.")
        field = path.rstrip("`") or "event"
        raise CellError(field, "", str(_at(event, field)), reason) from exc


def _at(event: object, path: str) -> object:
    for step in path.replace("[", ".").replace("]", "").split("."):
        if isinstance(event, dict):
            event = event.get(step, "")
        elif isinstance(event, list) and step.isdigit():
            event = event[int(step)]
    return "" if isinstance(event, dict) else event


def _check_columns(mapping: SheetMapping, row: Row) -> None:
    for names in mapping.columns():
        if not any(name in row or name in MADE_NAMES for name in names):
            there = ", ".join(name for name in row if name != BEYOND_HEADER)
            raise MappingError(f"column {' or '.join(names)!r}: the sheet has {there}")


def _row_hash(cells: Row) -> str:
    """16 hex digits of a row's cells, so that the same row sent again is the same event."""
    text = "\x1f".join(f"{name}\x1e{cell}" for name, cell in sorted(cells.items()))
    return xxhash.xxh3_64_hexdigest(text.encode())
