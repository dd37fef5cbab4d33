"""Chicago's inspections as the system would meet them: state built event by event, day by day.

`State.features` says what is known about a business on the eve of a day; nothing in it reads an
event that has not been put in.
"""

from __future__ import annotations

import collections
import csv
import datetime as dt
import gzip
import math
from pathlib import Path
from typing import NamedTuple

from bench.chicago_places import Field, Place, cell

USED_VISITS = ("complaint", "suspected_food_poisoning", "license")
"""Kinds of visits that do not follow from the canvass schedule: used inside a window too."""
FIRST_DAY = dt.date(2011, 1, 1).toordinal()
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
    facility: str
    risk: int
    cell: tuple[int, int]
    """Row and column of the grid; (-1, -1) = place unknown."""
    first_licence: int
    """Ordinal of the first day of the oldest licence; 0 = unknown."""
    kind: str


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


KINDS = (("school", ("school",)), ("daycare", ("daycare", "day care", "children")),
         ("restaurant", ("restaurant",)), ("grocery", ("grocery", "convenien")),
         ("bakery", ("bakery",)), ("care", ("hospital", "long term", "nursing")),
         ("bar", ("liquor", "tavern", "bar")), ("catering", ("cater",)))
"""Kind of business -> words in the facility type, first match wins."""


def kind_of(facility: str) -> str:
    return next((name for name, words in KINDS if any(w in facility for w in words)), "other")


def load(folder: Path) -> Data:
    """Everything in the folder, ordered by day; inspections of a day by identity."""
    business = {r["inspection_id"]: r for r in rows(folder, "business_features")}
    inspections = []
    for r in rows(folder, "inspections"):
        b = business.get(r["inspection_id"], {})
        inspections.append(Inspection(
            int(r["inspection_id"]), ordinal(r["date"]), r["license_id"], r["result"],
            int(r["critical"]), int(r["serious"]), int(r["minor"]),
            r["facility_type"].strip().lower(), int(r["risk"] or 1), cell(r["lat"], r["lon"]),
            ordinal(b.get("first_license_start", "")),
            kind_of(r["facility_type"].lower())))
    visits: dict[int, list[tuple[str, str]]] = collections.defaultdict(list)
    for r in rows(folder, "visits"):
        if r["license_id"]:
            visits[ordinal(r["date"])].append((r["license_id"], r["kind"]))
    return Data(sorted(inspections, key=lambda i: (i.day, i.id)), visits,
                by_place(rows(folder, "sanitation_complaints")),
                by_place(rows(folder, "burglaries")),
                {ordinal(r["date"]): float(r["temp_max_f"]) for r in rows(folder, "weather")
                 if r["temp_max_f"]})


def by_place(found: list[dict[str, str]]) -> dict[int, list[tuple[int, int]]]:
    """Day -> cells. A request is counted once; its status, the final one, is not looked at."""
    out: dict[int, list[tuple[int, int]]] = collections.defaultdict(list)
    seen: set[str] = set()
    for r in found:
        at, key = cell(r["lat"], r["lon"]), r.get("request_id", "")
        if at[0] >= 0 and key not in seen:
            out[ordinal(r["date"])].append(at)
            seen |= {key} - {""}
    return out


class Past:
    """What is known of one business from the days before."""

    __slots__ = ("findings", "visits")

    def __init__(self) -> None:
        self.findings: list[tuple[int, Inspection]] = []
        """(day it was carried out, inspection), oldest first."""
        self.visits: list[tuple[int, str]] = []


PLACES = {"block": (0.5, 365.0), "near": (1.0, 240.0), "quarter": (1.0, 60.0),
          "side": (2.0, 30.0)}
"""Where and how long a critical finding speaks of its place: (sigma in km, half-life in days)."""
SERIOUS_PLACE = (1.0, 120.0)
UNSEEN_D = 730


def log_odds(rate: float) -> float:
    return math.log(rate / (1.0 - rate))


class Rate:
    """Share of inspections with a finding, by kind of business and risk class; place apart."""

    def __init__(self) -> None:
        self.count: dict[tuple[str, int], list[float]] = {}
        self.all = [20.0 * BASE_RATE, 20.0]

    def of(self, one: Inspection) -> float:
        found, made = self.count.get((one.kind, one.risk), (0.0, 0.0))
        return (found + 20 * self.all[0] / self.all[1]) / (made + 20)

    def add(self, one: Inspection, found: float) -> None:
        for count in (self.count.setdefault((one.kind, one.risk), [0.0, 0.0]), self.all):
            count[0] += found
            count[1] += 1


class State:
    """All that is known on the eve of a day; `begin` moves to the next one."""

    def __init__(self, data: Data) -> None:
        self.data = data
        self.today = 0
        self.past: dict[str, Past] = collections.defaultdict(Past)
        self.places = {name: Place(*scale) for name, scale in PLACES.items()}
        self.serious = Place(*SERIOUS_PLACE)
        self.rate, self.serious_rate = Rate(), Rate()
        self.garbage, self.burglary = Field(0.7, 45.0), Field(0.7, 90.0)
        self.city = {h: [100 * BASE_RATE, 100.0] for h in (14.0, 60.0)}

    def begin(self, day: int, schedule_from: int = 1 << 30) -> None:
        """Take in the days before `day`. Canvass and reinspection visits from `schedule_from` on
        follow from the real schedule and stay unused."""
        for n in range(self.today or FIRST_DAY, day):
            for place in (*self.places.values(), self.serious):
                place.fade()
            self.garbage.fade()
            self.burglary.fade()
            for h, count in self.city.items():
                keep = 0.5 ** (1 / h)
                count[0] = 100 * BASE_RATE + (count[0] - 100 * BASE_RATE) * keep
                count[1] = 100.0 + (count[1] - 100.0) * keep
            for at in self.data.complaints.get(n, ()):
                self.garbage.add(at)
            for at in self.data.burglaries.get(n, ()):
                self.burglary.add(at)
            for license, kind in self.data.visits.get(n, ()):
                if kind in USED_VISITS or n < schedule_from:
                    self.past[license].visits.append((n, kind))
        self.today = day

    def learn(self, one: Inspection, day: int) -> None:
        """The outcome of an inspection carried out on `day`, known in the evening."""
        self.past[one.license].findings.append((day, one))
        critical, serious = float(one.critical > 0), float(one.serious > 0)
        expected = self.rate.of(one)
        for place in self.places.values():
            place.add(one.cell, critical, expected)
        self.serious.add(one.cell, serious, self.serious_rate.of(one))
        self.rate.add(one, critical)
        self.serious_rate.add(one, serious)
        for count in self.city.values():
            count[0] += critical
            count[1] += 1.0

    def features(self, one: Inspection) -> dict[str, float | str]:
        """Indicators of one candidate for an inspection today, and the groups it belongs to."""
        day = self.today
        x: dict[str, float | str] = {"kind": one.kind, "item": one.facility}
        past = self.past.get(one.license) or Past()
        self._business(x, past, day)
        high = x["risk_high"] = float(one.risk == 1)
        x["risk_low"] = float(one.risk == 3)
        years = (day - one.first_licence) / 365.25
        aged = bool(one.first_licence) and years >= 0.0    # a later start is not known yet
        x["age_unknown"] = float(not aged)
        x["age"] = math.log1p(years) if aged else 2.0
        x["young"] = float(aged and years < 1.0)
        for name, place in self.places.items():
            x[f"place_{name}"] = place.shift(one.cell)
        shifts = [float(x[f"place_{name}"]) for name in PLACES]
        x["place_high"] = high * math.fsum(shifts) / len(shifts)
        x["minor_restaurant"] = float(one.kind == "restaurant") * float(x["minor_720d"])
        x["place_serious"] = self.serious.shift(one.cell)
        known = one.cell[0] >= 0
        x["garbage"] = math.log1p(float(self.garbage.smooth[one.cell])) if known else 1.5
        x["burglary"] = math.log1p(float(self.burglary.smooth[one.cell])) if known else 1.5
        last = [self.data.temperature[d] for d in range(day - 3, day) if d in self.data.temperature]
        x["warm"] = (sum(last) / len(last) - 55.0) / 20.0 if last else 0.0
        for h, (found, made) in self.city.items():
            x[f"city_{h:.0f}d"] = log_odds(found / made) - log_odds(BASE_RATE)
        return x

    @staticmethod
    def _business(x: dict[str, float | str], past: Past, day: int) -> None:
        made = past.findings
        x["first"] = float(not made)
        for h in (180, 720):
            w = [0.5 ** ((day - d) / h) for d, _ in made]
            x[f"critical_{h}d"] = sum(a * min(i.critical, 3)
                                      for a, (_, i) in zip(w, made, strict=True))
            x[f"minor_{h}d"] = sum(a * i.minor for a, (_, i) in zip(w, made, strict=True)
                                   ) / (1.0 + sum(w)) / 4.0
        x["serious_720d"] = sum(a * min(i.serious, 3) for a, (_, i) in zip(w, made, strict=True))
        x["failed_720d"] = sum(a * (i.result == "Fail") for a, (_, i) in zip(w, made, strict=True))
        x["clean"] = float(sum(not i.critical and not i.serious for _, i in made))
        x["since"] = min(day - made[-1][0], UNSEEN_D) / 365.0 if made else 1.5
        canvass = [d for d, kind in past.visits if kind == "canvass"]
        x["since_visit"] = min(day - canvass[-1], 900) / 365.0 if canvass else 2.5
        for kind, h in (("complaint", 240), ("license", 240), ("reinspection", 240),
                        ("suspected_food_poisoning", 365)):
            x[f"visit_{kind}"] = sum(0.5 ** ((day - d) / h) for d, k in past.visits if k == kind)
