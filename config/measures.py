"""The catalogue of measures by grade: `catalogue/measures.csv`."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import get_args

from config import load
from config.load import ConfigError
from models.measures import OF_ALL, ForGrade, Kind, Measure

COLUMNS = Measure.__struct_fields__


def measures(path: Path | None = None) -> tuple[Measure, ...]:
    """Rows of a catalogue of measures, in its order; None = the one shipped.

    Raises
    ------
    ConfigError: a column is missing, a cell is empty, a grade or a kind is none, or the two do not
    go together.
    """
    path = path or load.HERE / "catalogue" / "measures.csv"
    out = []
    for n, row in enumerate(load._csv(path, path.name, COLUMNS), 2):
        at = f"{path.name}: line {n}"
        for column in COLUMNS:
            if not row[column]:
                raise ConfigError(f"{at}: {column}={row[column]!r}: must not be empty")
        for column, allowed in (("grade", get_args(ForGrade)), ("kind", get_args(Kind))):
            if row[column] not in allowed:
                raise ConfigError(f"{at}: {column}={row[column]!r}: must be one of "
                                  f"{', '.join(allowed)}")
        one = Measure(**{column: row[column] for column in COLUMNS})  # type: ignore[arg-type]
        if (one.grade == "*") != (one.kind in OF_ALL):
            raise ConfigError(f"{at}: kind={one.kind!r}: with grade {one.grade} must be one of "
                              + ", ".join(kind for kind in get_args(Kind)
                                          if (kind in OF_ALL) == (one.grade == "*")))
        out.append(one)
    return tuple(out)


@cache
def shipped() -> tuple[Measure, ...]:
    """The catalogue shipped, read once: for people, no conclusion or digest depends on it."""
    return measures()
