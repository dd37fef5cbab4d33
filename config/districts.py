"""Names of the districts, and where they stand on the map."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from config import load
from config.load import ConfigError


def districts(path: Path | None = None) -> list[dict[str, str]]:
    """Rows of `districts.csv` beside the items catalogue of a policy file: `code`, `name`, and the
    `column` and `row` of its tile on the map, from 0. Where there is none, those shipped.

    Raises
    ------
    ConfigError: a place that is no whole number from 0 to 99, or taken twice.
    """
    path = path or load.POLICY
    name = str(Path(load._layers(path)["catalogue"]["items"]).with_name("districts.csv"))
    rows = load._csv(path, name, ("code", "name", "column", "row"))
    seen: dict[tuple[str, str], str] = {}
    for row in rows:
        for axis in ("column", "row"):
            if not (row[axis].isascii() and row[axis].isdigit() and int(row[axis]) < 100):
                raise ConfigError(f"{name}: {row['code']}: {axis}={row[axis]}: must be a whole "
                                  "number from 0 to 99")
        at = row["column"], row["row"]
        if at in seen:
            raise ConfigError(f"{name}: {row['code']}: column={at[0]}, row={at[1]}: is the place "
                              f"of {seen[at]}; must be free")
        seen[at] = row["code"]
    return rows


@cache
def district_names() -> dict[str, str]:
    """Names by code, for people: no conclusion, evidence or digest depends on them."""
    return {row["code"]: row["name"] for row in districts()}
