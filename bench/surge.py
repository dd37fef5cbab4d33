"""Question: how soon is an outbreak of complaints told, and how often is one told that is none?

Data: complaints of the simulated city (subjects below, without devices) with those rejected or
withdrawn taken back when closed; 400 days of past, then one year that is judged day by day. The
simulator's bad actors, seasons and double 15 March are in it: whatever is told of a region there is
a false alarm. Into copies of the year outbreaks are planted for 28 days: a cell's (district x item
x cause) own rate times 1.5, 2, 3, 5; in one cell, in three districts, in three items of one
district; at once or rising over 14 days; one cause at a time has at most one. Not seen by then
counts as 28 days. 3-sigma: 7 days above the mean of the 8 weeks before by z deviations, the same
sums over cells, the same least count; z = 3, and z with our rate of false alarms. Spikes: causes of
consumers fourfold from 10 to 20 March, services and prices threefold at the holidays, everywhere,
in the judged year only (the past knows nothing of them).
Command: `python -m bench.surge [--subjects 50000] [--seed 1] [--json]`
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import math
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import msgspec
import numpy as np

from models import calendar
from models.surge import subjects
from models.surge_episode import Surge
from models.surge_past import ALL
from models.surge_policy import RegionalPolicy, SurgePolicy
from models.surge_regions import regions, strong
from models.surge_scan import Scan, scan
from models.surge_series import Cell
from models.surge_state import Cells, Report
from models.surge_subjects import bursts
from streams.simulate.complaints import OUTCOMES, plan_complaints
from streams.simulate.departments import DEPARTMENTS
from streams.simulate.draws import Calendar
from streams.simulate.lifecycle import plan_lifecycle
from streams.simulate.parameters import DAY_S
from streams.simulate.places import DISTRICTS
from streams.simulate.plan import Kind, Plan
from streams.simulate.population import SIZES, populate
from streams.simulate.trades import ITEMS, NO_ITEM, TRADES

START = dt.date(2024, 1, 1)
PAST_D, YEAR_D, LASTS_D, RAMP_D = 400, 365, 28, 14
FACTORS, SHAPES = (1.5, 2.0, 3.0, 5.0), ("sudden", "gradual")
PLACES = ("cell", "districts", "items")
RATES_PER_WEEK = (0.1, 0.3, 1.0, 3.0, 10.0)
QUIET_D = 7
RATE_MIN = 0.4
"""Least weekly rate of a planted cell: twice nothing is nothing."""
CONSUMER = ("质量", "售后服务", "虚假宣传", "假冒", "食品安全", "价格")
BURSTS = (3, 5, 8, 12)
LEISURE = ("服务", "价格", "卫生", "绕道")

Days = dict[int, list[Report]]


class Outbreak(NamedTuple):
    factor: float
    shape: str
    place: str
    start: int
    cells: tuple[Cell, ...]


class City:
    """Two years of complaints by day, and who could have complained about whom."""

    def __init__(self, number: int, seed: int) -> None:
        days = PAST_D + YEAR_D
        self.rng = np.random.default_rng([seed, 77])
        self.first = calendar.from_date(START)
        people = populate(number, days, seed)
        plan = Plan(people, Calendar(START, days))
        plan_lifecycle(plan)
        plan_complaints(plan, seed)
        rows = plan.columns()
        self.peers = [(TRADES[t].industry, DISTRICTS[d].code, SIZES[z]) for t, d, z in zip(
            people.trade.tolist(), people.district.tolist(), people.size.tolist(), strict=True)]
        self.codes = people.code.astype("U18").tolist()
        self.decline = {self.codes[s]: self.first + int(people.decline_s[s]) // DAY_S
                        for s in np.flatnonzero(people.decline_s < days * DAY_S).tolist()}
        self.under: dict[tuple[str, str], list[int]] = defaultdict(list)
        for s, held in enumerate(people.items.tolist()):
            for item in held:
                if item != NO_ITEM:
                    self.under[self.peers[s][1], ITEMS[item]].append(s)
        filed = np.flatnonzero(rows.kind == Kind.COMPLAINT)
        self.filed: Days = defaultdict(list)
        self.back: Days = defaultdict(list)
        made: dict[int, Report] = {}
        draws = self.rng.integers(0, 2 ** 20, (len(filed), 2)).tolist()
        for n, s, item, t, (a, b) in zip(
                filed.tolist(), rows.subject[filed].tolist(), rows.item[filed].tolist(),
                (rows.t[filed].astype(np.int64) // DAY_S).tolist(), draws, strict=True):
            causes = DEPARTMENTS[item].causes  # as the simulator writes them
            cause = causes[min(a % len(causes), b % len(causes))]
            made[n] = self.report(f"c{n}", s, ITEMS[item], cause, self.first + t)
            self.filed[made[n].day].append(made[n])
        off = [OUTCOMES.index("rejected"), OUTCOMES.index("withdrawn")]
        closed = np.flatnonzero((rows.kind == Kind.COMPLAINT_CLOSED) & np.isin(rows.detail, off))
        for n, of in zip(closed.tolist(), rows.ref[closed].tolist(), strict=True):
            self.back[self.first + int(rows.t[n]) // DAY_S].append(made[of])

        state = Cells()
        for peer in self.peers:
            state.enrol(peer)
        for day in range(self.first, self.first + PAST_D):
            self.live(state, day, {})
        self.start = state.dump()

    def report(self, id: str, s: int, item: str, cause: str, day: int) -> Report:
        industry, district, size = self.peers[s]
        return Report("cq/12345", id, self.codes[s], district, industry, size, item, cause, day)

    def more(self, cell: Cell, n: int, day: int, name: str) -> list[Report]:
        """`n` more complaints of a cell about subjects drawn from those it could be about."""
        there = self.under[cell[0], cell[1]]
        return [self.report(f"{name}-{j}", there[int(self.rng.integers(len(there)))], cell[1],
                            cell[2], day) for j in range(n)]

    def walk(self, extra: Days, look: Callable[[Cells, int], None],
             judged: Iterable[int] | None = None) -> None:
        """Count the second year, and look at the state in the evening of each judged day."""
        wanted = set(range(self.first + PAST_D, self.first + PAST_D + YEAR_D)
                     if judged is None else judged)
        state = Cells.load(self.start)
        for day in range(self.first + PAST_D, max(wanted) + 1):
            self.live(state, day, extra)
            if day in wanted:
                look(state, day)

    def live(self, state: Cells, day: int, extra: Days) -> None:
        state.advance(day)
        for report in (*self.filed[day], *extra.get(day, ())):
            state.add(report)
        for report in self.back[day]:
            state.take_back(report)


# -------------------------------------------------------------------------------------- outbreaks


def plant(city: City, passes: int) -> list[tuple[list[Outbreak], Days]]:
    """All kinds of outbreaks in turn, one pass of a year each with its own."""
    rates: Counter[Cell] = Counter()
    for day, reports in city.filed.items():
        if day < city.first + PAST_D:
            rates.update(r.cell for r in reports)
    busy = sorted(c for c, n in rates.items()
                  if n * 7 / PAST_D >= RATE_MIN and len(city.under[c[0], c[1]]) >= 20)
    kinds = [(f, s, p) for p in PLACES for s in SHAPES for f in FACTORS]
    out, turn = [], 0
    for number in range(passes):
        planted, extra = [], Days()
        for start in range(city.first + PAST_D + 5, city.first + PAST_D + YEAR_D - LASTS_D,
                           LASTS_D + 7):
            free = {c[2] for c in busy}
            for _ in range(8):
                factor, shape, place = kinds[turn % len(kinds)]
                cells = _cells(city, [c for c in busy if c[2] in free], place)
                if not cells:
                    continue
                turn += 1
                free.discard(cells[0][2])
                planted.append(Outbreak(factor, shape, place, start, cells))
                for cell in cells:
                    daily = rates[cell] / PAST_D * (factor - 1.0)
                    for d in range(LASTS_D):
                        ramp = 1.0 if shape == "sudden" else min(1.0, (d + 1) / RAMP_D)
                        n = int(city.rng.poisson(daily * ramp))
                        extra.setdefault(start + d, []).extend(
                            city.more(cell, n, start + d, f"o{number}-{len(planted)}-{cell}-{d}"))
        out.append((planted, extra))
    return out


def _cells(city: City, busy: list[Cell], place: str) -> tuple[Cell, ...]:
    for _ in range(30):
        if not busy:
            return ()
        one = busy[int(city.rng.integers(len(busy)))]
        if place == "cell":
            return (one,)
        axis = 0 if place == "districts" else 1
        like = [c for c in busy if c[2] == one[2] and c[1 - axis] == one[1 - axis]]
        if len(like) >= 3:
            return tuple(like[j] for j in city.rng.permutation(len(like))[:3])
    return ()


def spikes(city: City) -> tuple[Days, list[int]]:
    """Rises everywhere on known dates, and the days to look at."""
    extra: Days = {}
    looked: set[int] = set()
    usual = [r for day in range(city.first, city.first + PAST_D) for r in city.filed[day]]
    for first, last, causes, times in (
            ("2025-03-10", "2025-03-20", CONSUMER, 3.0), ("2025-05-01", "2025-05-05", LEISURE, 2.0),
            ("2025-10-01", "2025-10-08", LEISURE, 2.0)):
        a, b = (calendar.from_date(dt.date.fromisoformat(d)) for d in (first, last))
        looked |= set(range(a - 7, b + 22))
        like = [r for r in usual if r.cause in causes]
        for day in range(a, b + 1):
            # Every cell in proportion to its past: the rate rises, independently from cell to cell.
            for j in city.rng.integers(0, len(like), city.rng.poisson(times * len(like) / PAST_D)):
                extra.setdefault(day, []).extend(
                    city.more(like[j].cell, 1, day, f"s{day}-{j}-{len(extra.get(day, ()))}"))
    return extra, sorted(d for d in looked if d < city.first + PAST_D + YEAR_D)


def bursting(city: City) -> tuple[dict[str, tuple[int, int]], Days]:
    """Sound subjects that get some complaints within 14 days: subject -> (first day, how many)."""
    planted: dict[str, tuple[int, int]] = {}
    extra: Days = {}
    for turn in range(30 * len(BURSTS)):
        s = int(city.rng.integers(len(city.codes)))
        item = next(i for (d, i), held in city.under.items() if d == city.peers[s][1] and s in held)
        start = city.first + PAST_D + int(city.rng.integers(YEAR_D - 30))
        n = BURSTS[turn % len(BURSTS)]
        if city.codes[s] in city.decline or city.codes[s] in planted:
            continue
        planted[city.codes[s]] = start, n
        for j, d in enumerate(sorted(city.rng.integers(0, 14, n).tolist())):
            cause = DEPARTMENTS[ITEMS.index(item)].causes[0]
            extra.setdefault(start + d, []).append(
                city.report(f"b{s}-{j}", s, item, cause, start + d))
    return planted, extra


# ------------------------------------------------------------------------------------- 3 sigma


class Sigma:
    """The comparator: every unit's 7 days against mean and deviation of 8 weeks before."""

    def __init__(self, city: City, extra: Days) -> None:
        self.first, days = city.first, PAST_D + YEAR_D
        number: dict[Cell, int] = {}
        rows, columns = [], []
        for source in (city.filed, extra):
            for day, reports in source.items():
                for d, i, k in (r.cell for r in reports):
                    for unit in ((d, i, k), (d, ALL, k), (ALL, i, k), (ALL, ALL, k)):
                        rows.append(number.setdefault(unit, len(number)))
                        columns.append(day - self.first)
        daily = np.bincount(np.array(rows) * days + np.array(columns), minlength=len(number) * days)
        total = np.cumsum(daily.reshape(-1, days), axis=1, dtype=np.float64)
        week = total.copy()
        week[:, 7:] -= total[:, :-7]
        self.week = week
        past = np.stack([np.roll(week, 7 * (j + 1), axis=1) for j in range(8)])
        self.z = (week - past.mean(axis=0)) / np.maximum(past.std(axis=0, ddof=1), 0.5)
        self.units = list(number)
        self.number = number

    def alarms(self, z: float, count_min: int) -> dict[str, list[int]]:
        """Days with an alarm, by cause."""
        days: dict[str, set[int]] = defaultdict(set)
        us, ds = np.nonzero((self.z > z) & (self.week >= count_min))
        for u, d in zip(us.tolist(), ds.tolist(), strict=True):
            if d >= PAST_D:
                days[self.units[u][2]].add(self.first + d)
        return {cause: sorted(own) for cause, own in days.items()}

    def delay(self, one: Outbreak, z: float, count_min: int) -> int:
        units = {u for d, i, k in one.cells for u in ((d, i, k), (d, ALL, k), (ALL, i, k),
                                                      (ALL, ALL, k))}
        at = one.start - self.first
        own = [self.number[u] for u in units if u in self.number]
        hit = ((self.z[own, at:at + LASTS_D] > z)
               & (self.week[own, at:at + LASTS_D] >= count_min)).any(axis=0)
        return int(np.argmax(hit)) if hit.any() else LASTS_D


# ------------------------------------------------------------------------------------- measures


def episodes(days: dict[str, list[int]]) -> int:
    """Alarms of a cause with less than a quiet week between them are one."""
    return sum(1 for own in days.values() for j, d in enumerate(own)
               if j == 0 or d - own[j - 1] > QUIET_D)


def named(found: Scan, rule: RegionalPolicy) -> list[tuple[Cell, ...]]:
    return [h.units for h in strong(found, rule)]


def seen(one: Outbreak, hits: dict[float, dict[int, list[tuple[Cell, ...]]]], rate: float) -> int:
    """Days until a hit names a planted cell, a sum over it, or the spread it is part of."""
    for d in range(LASTS_D):
        for units in hits[rate].get(one.start + d, ()):
            if any(u[2] == c[2] and u[0] in (ALL, c[0]) and u[1] in (ALL, c[1])
                   for u in units for c in one.cells):
                return d
    return LASTS_D


def measure(number: int, seed: int, passes: int, progress: bool) -> dict[str, Any]:
    started, used = time.perf_counter(), time.process_time()

    def note(text: str) -> None:
        if progress:
            print(f"{time.perf_counter() - started:6.1f} s  {text}", file=sys.stderr)

    city, policy = City(number, seed), SurgePolicy()
    rules = {f: msgspec.structs.replace(policy.regional, false_per_week=f) for f in RATES_PER_WEEK}
    note(f"{sum(map(len, city.filed.values()))} complaints")

    # The quiet year.
    alarms: dict[float, dict[str, list[int]]] = {f: defaultdict(list) for f in rules}
    held: list[Surge] = []
    opened: Counter[str] = Counter()
    quiet_days: Counter[int] = Counter()
    quiet_told: set[str] = set()
    cost: list[float] = []

    def quiet(state: Cells, day: int) -> None:
        nonlocal held
        at = time.perf_counter()
        found = scan(state, day, policy)
        before = [s for s in held if s.phase != "resolved"]
        held = regions(found, state, policy, before)
        held += subjects(bursts(state, day, policy), state, policy, before)
        cost.append(time.perf_counter() - at)
        for f, rule in rules.items():
            for cause in sorted({u[0][2] for u in named(found, rule)}):
                alarms[f][cause].append(day)
        for surge in held:
            if surge.phase == "opened":
                opened[surge.rule] += 1
                if surge.rule == "regional-surge":
                    quiet_days[day] += 1
                    quiet_told.add(f"{calendar.to_date(day)} {surge.cause}")
                elif city.decline.get(surge.subjects[0], day) >= day:
                    opened["of a sound subject"] += 1

    city.walk({}, quiet)
    note(f"quiet year: {dict(opened)}")
    weeks = YEAR_D / 7
    false = {f: episodes(alarms[f]) / weeks for f in rules}
    sigma = Sigma(city, {})
    least = policy.regional.count_min
    levels = {z: episodes(sigma.alarms(z, least)) / weeks for z in np.arange(3.0, 15.01, 0.25)}
    matched = next((float(z) for z, n in levels.items() if n <= false[1.0]), 15.0)

    # Years with outbreaks.
    delays: dict[tuple[str, str, float], list[dict[str, int]]] = defaultdict(list)
    burst, more = bursting(city)
    first_told: dict[str, int] = {}
    for turn, (planted, extra) in enumerate(plant(city, passes)):
        if turn == 0:
            for day, reports in more.items():
                extra.setdefault(day, []).extend(reports)
        hits: dict[float, dict[int, list[tuple[Cell, ...]]]] = {f: {} for f in rules}

        def busy(state: Cells, day: int, hits: Any = hits, turn: int = turn) -> None:
            found = scan(state, day, policy)
            if turn == 0:
                for surge in subjects(bursts(state, day, policy), state, policy, []):
                    own = burst.get(surge.subjects[0])
                    if own and own[0] <= day < own[0] + LASTS_D:
                        first_told.setdefault(surge.subjects[0], day - own[0])
            for f, rule in rules.items():
                hits[f][day] = named(found, rule)

        city.walk(extra, busy)
        other = Sigma(city, extra)
        for one in planted:
            row = {f"{f:g}": seen(one, hits, f) for f in rules}
            row |= {"z=3": other.delay(one, 3.0, least), "z": other.delay(one, matched, least)}
            delays[one.place, one.shape, one.factor].append(row)
        note(f"{len(planted)} outbreaks")

    extra, looked = spikes(city)
    told: list[str] = []

    def festive(state: Cells, day: int) -> None:
        nonlocal held
        held = regions(scan(state, day, policy), state, policy,
                       [s for s in held if s.phase != "resolved"])
        told.extend(f"{calendar.to_date(day)} {s.cause}" for s in held if s.phase == "opened")

    held = []
    city.walk(extra, festive, looked)
    note(f"spikes: {told}; without them, all year: {sorted(quiet_told)}")
    rose = {*CONSUMER, *LEISURE}
    because = [x for x in told if x.split()[1] in rose and x not in quiet_told]
    rows = []
    for (place, shape, factor), own in sorted(delays.items()):
        row: dict[str, Any] = {"place": place, "shape": shape, "factor": factor, "n": len(own)}
        for key in own[0]:
            values = [x[key] for x in own]
            row[f"delay_d[{key}]"] = round(sum(values) / len(values), 1)
            row[f"seen[{key}]"] = round(sum(v < LASTS_D for v in values) / len(values), 2)
        rows.append(row)
    every = [x for own in delays.values() for x in own]
    seen_once = [x for x in every if min(x["1"], x["z"]) < LASTS_D]
    gain = np.array([x["z"] - x["1"] for x in seen_once], np.float64)
    boot = np.random.default_rng([seed, 5])
    means = [float(boot.choice(gain, len(gain)).mean()) for _ in range(2000 if len(gain) else 0)]
    return {
        "subjects": number, "seed": seed, "complaints": sum(map(len, city.filed.values())),
        "false_regional_per_week": {f"{f:g}": round(n, 2) for f, n in false.items()},
        "false_regional_per_day": {f"{f:g}": round(n / 7, 3) for f, n in false.items()},
        "alerts_opened_per_week": round(opened["regional-surge"] / weeks, 2),
        "most_opened_on_a_day": max(quiet_days.values(), default=0),
        "complaint_surges_a_year": opened["complaint-surge"],
        "burst_of_n_in_14_days": {n: _told(burst, first_told, n) for n in BURSTS},
        "of_them_not_declining": opened["of a sound subject"],
        "three_sigma_false_per_week": round(levels[3.0], 2), "matched_z": matched,
        "matched_false_per_week": round(levels.get(matched, math.nan), 2),
        "days_earlier_than_matched": [round(float(gain.mean()), 1) if len(gain) else 0.0,
                                      *(round(float(x), 1) for x in
                                        np.percentile(means or [0.0], [2.5, 97.5]))],
        "spikes_days": len(looked), "opened_around_spikes": len(told),
        "of_them_causes_of_the_spike_and_not_without_it": len(because),
        "evaluate_ms": round(1000 * sorted(cost)[len(cost) // 2], 1),
        "seconds": round(time.perf_counter() - started, 1),
        "cpu_seconds": round(time.process_time() - used, 1), "outbreaks": rows}


def _told(burst: dict[str, tuple[int, int]], first: dict[str, int], n: int) -> dict[str, float]:
    own = [s for s, (_, k) in burst.items() if k == n]
    delays = [first[s] for s in own if s in first]
    return {"subjects": len(own), "told": round(len(delays) / max(1, len(own)), 2),
            "delay_d": round(sum(delays) / max(1, len(delays)), 1)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--subjects", type=int, default=50_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--passes", type=int, default=2)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    found = measure(args.subjects, args.seed, args.passes, not args.json)
    if args.json:
        print(json.dumps(found))
        return
    rows = found.pop("outbreaks")
    for key, value in found.items():
        print(f"{key:30} {value}")
    print("\nmean delay [days] and share seen within 28 days; columns: false_per_week, 3-sigma")
    keys = [k[8:-1] for k in rows[0] if k.startswith("delay_d")]
    print(f"{'outbreak':24}{'n':>4}" + "".join(f"{k:>14}" for k in keys))
    for row in rows:
        head = f"{row['place']} {row['shape']} x{row['factor']:g}"
        print(f"{head:24}{row['n']:4}" + "".join(
            f"{row[f'delay_d[{k}]']:8.1f} {row[f'seen[{k}]']:5.2f}" for k in keys))


if __name__ == "__main__":
    main()
