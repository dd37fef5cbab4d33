"""A map of the city as tiles, one a district: no shapes are needed, and every district is readable.

Districts that `districts.csv` knows stand where it says; others follow below, in code order, as
wide as the map. Without the file all are laid out so.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

WIDTH, HEIGHT, GAP = 92, 62, 6
"""Of a tile, and between two [svg units]."""
LIMITS = (0.6, 1.4, 2.0, 3.0)
"""Risk against the city's rate at which the next colour begins: 0 (low) to 4."""
NAME_MAX = 5


class Tile(msgspec.Struct, frozen=True):
    """One district; `x`, `y` [svg units]. `name` is its code where no name is known."""

    code: str
    name: str
    short: str
    x: int
    y: int
    heat: int
    """0 to 4."""
    open: int
    row: Mapping[str, Any]


class Map(msgspec.Struct, frozen=True):
    width: int
    height: int
    tiles: list[Tile]


def heat(risk: float) -> int:
    """Colour of a risk.

    Examples
    --------
    >>> [heat(r) for r in (0.2, 1.0, 1.4, 9.0)]
    [0, 1, 2, 4]
    """
    return sum(risk >= limit for limit in LIMITS)


def tile_map(rows: Iterable[Mapping[str, Any]], known: Iterable[Mapping[str, str]]) -> Map:
    """Lay out the districts of `GET /api/v1/situation`.

    Parameters
    ----------
    known
        Rows of districts.csv: `code`, `name`, `column`, `row`.

    Examples
    --------
    >>> row = {"district": "1", "risk": 1.0, "alerts_open": {"red": 2}}
    >>> made = tile_map([row, row | {"district": "2"}], [])
    >>> [(t.code, t.x, t.y) for t in made.tiles], made.width
    ([('1', 0, 0), ('2', 98, 0)], 190)
    """
    held = sorted(rows, key=lambda row: str(row["district"]))
    places = {row["code"]: row for row in known}
    at = {code: (int(place["column"]), int(place["row"])) for code, place in places.items()
          if any(row["district"] == code for row in held)}
    others = [row["district"] for row in held if row["district"] not in at]
    wide = max((column for column, _ in at.values()), default=-1) + 1
    wide = wide or max(1, round((len(others) * HEIGHT * 1.6 / WIDTH) ** 0.5 + 0.5))
    below = max((row for _, row in at.values()), default=-1) + 1
    for n, code in enumerate(others):
        at[code] = n % wide, below + n // wide
    tiles = []
    for row in held:
        code = str(row["district"])
        name = places.get(code, {}).get("name", code)
        column, line = at[code]
        tiles.append(Tile(code, name, name[:NAME_MAX] if name != code else code[-6:],
                          column * (WIDTH + GAP), line * (HEIGHT + GAP), heat(row["risk"]),
                          sum(row["alerts_open"].values()), row))
    across = max((tile.x for tile in tiles), default=0) + WIDTH
    down = max((tile.y for tile in tiles), default=0) + HEIGHT
    return Map(across, down, tiles)
