"""Chicago's inspections as the system would meet them: state built event by event, day by day.

`State.features` says what is known about a business on the eve of a day; nothing in it reads an
event that has not been put in. Places are cells of 250 m on a grid over the city; a field is a
count that fades with time (half-life in days) and is spread in space by a Gaussian (sigma in km).
"""

from __future__ import annotations

import collections
import csv
import datetime as dt
import gzip
import math
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
SOUTH, WEST, CELL_KM = 41.62, -87.96, 0.25
KM_LAT, KM_LON = 111.2, 82.9
ROWS, COLUMNS = 188, 148
USED_VISITS = ("complaint", "suspected_food_poisoning", "license")
"""Kinds of visits that do not follow from the canvass schedule: used inside a window too."""
BASE_RATE = 0.13
"""Share of inspections that find something critical, 2011-09 to 2013-08."""


class Inspection(NamedTuple):
    id: int
    day: int
    """Ordinal of the day it was really made: not a feature."""
    license: str
    result: str
    critical: int
    serious: int
    minor: int
    codes: tuple[int, ...]
    facility: str
    risk: int
    cell: tuple[int, int]
    """Row and column of the grid; (-1, -1) = place unknown."""
    spot: str
    first_licence: int
    """Ordinal of the first day of the oldest licence; 0 = unknown."""
    activity: str
    flags: tuple[str, ...]
    """Looks ahead: for use at *later* inspections of the business only."""


class Data(NamedTuple):
    inspections: list[Inspection]
    visits: dict[int, list[tuple[str, str]]]
    """Day -> (license, kind)."""
    complaints: dict[int, list[tuple[int, int]]]
    burglaries: dict[int, list[tuple[int, int]]]
    temperature: dict[int, float]


def rows(folder: Path, name: str) -> list[dict[str, str]]:
    with gzip.open(folder / f"{name}.csv.gz", "rt", newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def ordinal(text: str) -> int:
    return dt.date.fromisoformat(text).toordinal() if text else 0


def cell(lat: str, lon: str) -> tuple[int, int]:
    if not lat or not lon:
        return -1, -1
    row = int((float(lat) - SOUTH) * KM_LAT / CELL_KM)
    column = int((float(lon) - WEST) * KM_LON / CELL_KM)
    return (row, column) if 0 <= row < ROWS and 0 <= column < COLUMNS else (-1, -1)


def load(folder: Path) -> Data:
    """Everything in the folder, ordered by day; inspections of a day by identity."""
    business = {r["inspection_id"]: r for r in rows(folder, "business_features")}
    inspections = []
    for r in rows(folder, "inspections"):
        b = business.get(r["inspection_id"], {})
        inspections.append(Inspection(
            int(r["inspection_id"]), ordinal(r["date"]), r["license_id"], r["result"],
            int(r["critical"]), int(r["serious"]), int(r["minor"]),
            tuple(int(c) for c in r["violation_codes"].split("|") if c),
            r["facility_type"].strip().lower(), int(r["risk"] or 1), cell(r["lat"], r["lon"]),
            f"{r['lat']},{r['lon']}", ordinal(b.get("first_license_start", "")),
            b.get("business_activity", ""),
            tuple(sorted(k[5:] for k, v in b.items() if k.startswith("flag_") and v == "1"))))
    visits: dict[int, list[tuple[str, str]]] = collections.defaultdict(list)
    for r in rows(folder, "visits"):
        if r["license_id"]:
            visits[ordinal(r["date"])].append((r["license_id"], r["kind"]))
    places: list[dict[int, list[tuple[int, int]]]] = []
    for name in ("sanitation_complaints", "burglaries"):
        seen: set[str] = set()
        found: dict[int, list[tuple[int, int]]] = collections.defaultdict(list)
        for r in rows(folder, name):
            at = cell(r["lat"], r["lon"])
            if at[0] >= 0 and r.get("request_id", "") not in seen:
                found[ordinal(r["date"])].append(at)
                seen |= {r["request_id"]} if "request_id" in r else set()
        places.append(found)
    return Data(sorted(inspections, key=lambda i: (i.day, i.id)), visits, *places,
                {ordinal(r["date"]): float(r["temp_max_f"]) for r in rows(folder, "weather")
                 if r["temp_max_f"]})


def spread(n: int, sigma_km: float) -> Floats:
    """Gaussian kernel between the cells of one axis, shape (n, n)."""
    x = np.arange(n) * CELL_KM
    out: Floats = np.exp(-0.5 * ((x[:, None] - x[None, :]) / sigma_km) ** 2)
    return out


class Field:
    """Counts over the city that fade with time; `smooth` is spread anew when it is asked for."""

    def __init__(self, sigma_km: float, half_life_d: float) -> None:
        self.keep = 2.0 ** (-1.0 / half_life_d)
        self.count = np.zeros((ROWS, COLUMNS))
        self.down, self.across = spread(ROWS, sigma_km), spread(COLUMNS, sigma_km)
        self._smooth: Floats | None = None

    def fade(self) -> None:
        self.count *= self.keep
        self._smooth = None

    def add(self, at: tuple[int, int], n: float = 1.0) -> None:
        if at[0] >= 0:
            self.count[at] += n
            self._smooth = None

    @property
    def smooth(self) -> Floats:
        if self._smooth is None:
            self._smooth = self.down @ self.count @ self.across
        return self._smooth


class Past:
    """What has been found at one business."""

    __slots__ = ("fails", "findings", "flags", "last_day", "n", "visits")

    def __init__(self) -> None:
        self.n = 0
        self.last_day = 0
        self.findings: list[tuple[int, int, int, int, str, tuple[int, ...]]] = []
        """(day, critical, serious, minor, result, codes) of each inspection."""
        self.flags: tuple[str, ...] = ()
        self.visits: list[tuple[int, str]] = []


PLACES = {"tight": (0.3, 540.0), "near": (0.8, 240.0), "quarter": (1.5, 90.0),
          "side": (3.0, 45.0), "part": (5.0, 30.0)}
"""Fields of past findings: (sigma in km, half-life in days)."""
SHRINK = 8.0
"""Inspections that the city's own rate counts for in a place's rate."""


def log_odds(rate: float) -> float:
    return math.log(rate / (1.0 - rate))
