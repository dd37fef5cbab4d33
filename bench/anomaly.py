"""Question: how well are faults and tampering found in device readings, how soon, at which price?

Simulated: devices of the catalogue's classes (levels, swing and noise of `streams.simulate`, with
slow weather, working hours and quiet weekends added), 35 days of past, then one fault of a kind and
magnitude for three days (hugging: 14), then two days. Judged every three hours. Against river's
HalfSpaceTrees (scaled features) and a plain z-score (mean and deviation of the past), both on the
same four aggregates of the same closed hours, per device, with a threshold per class.
Everything is chosen on part `tune` (seed 11): our default tails, and for the baselines the
threshold that gives them our wanted rate of false alarms. The numbers are of part `test` (seed 14).
Starred: the baseline with the threshold that gives it one false alarm a class on `test` itself, in
hindsight; so its rate is comparable with ours.
An alarm counts as found from the onset to a day after the end. Precision: right alarms among all of
a mix of one faulty device-month in ten, one false alarm more than seen being assumed.

Public series: river's `WaterFlow` (a pipe in Italy; four stretches described in its docstring) and,
with `--streamad PATH` (the wheel or its unpacked folder), the labelled series that the PyPI package
`streamad` ships (an hourly one in the style of Yahoo S5). Nothing is downloaded, nothing kept.
Command: `python -m bench.anomaly [--streamad streamad-0.3.1-py3-none-any.whl] [--json]`
"""

from __future__ import annotations

import argparse
import copy
import csv
import datetime as dt
import io
import json
import math
import time
import zipfile
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
from river import anomaly as river_anomaly
from river import datasets, preprocessing

from models import anomaly, iot
from models.calendar import WorkingDays, from_date
from models.events import Series
from models.iot import DeviceSpec

HOUR, DAY = 3_600_000, 86_400_000
T0 = from_date(dt.date(2026, 3, 2)) * DAY - 8 * HOUR  # a Monday, Beijing
PAST_D, FAULT_D, AFTER_D = 35, 3, 2
STEP_H = 3
RULE = anomaly.Rule()
CALENDAR = WorkingDays([], [], dt.date(2026, 12, 31))
RATE_PLAIN = RULE.false_alarms


class Place(NamedTuple):
    """A class to simulate: level, spread between devices, daily swing, noise, weather, weekend."""

    cls: str
    metric: str
    level: float
    between: float
    swing: float
    noise: float
    weather: float
    weekend: float
    step: float
    floor: float
    interval_s: int


PLACES = (
    Place("kitchen", "temperature_c", 26, 2, 3, 0.4, 1.0, -1.5, 0.1, 5, 300),
    Place("coldchain", "temperature_c", 4, 0.8, 0.6, 0.3, 0.15, 0, 0.1, -30, 300),
    Place("hotholding", "temperature_c", 66, 2, 1.5, 0.8, 0.4, 0, 0.1, 10, 300),
    Place("wastewater", "cod_mg_l", 29, 4, 4, 1.5, 2.0, -3, 0.1, 1, 3600),
    Place("wastewater", "ph", 7.3, 0.2, 0.12, 0.06, 0.05, 0, 0.01, 0, 3600),
    Place("cems", "nox_mg_m3", 31, 2.5, 3, 1.5, 1.5, 0, 0.1, 0, 600),
    Place("site", "pm10_ug_m3", 70, 12, 25, 6, 8, -10, 1, 0, 300),
    Place("site", "noise_db", 52, 1.5, 8, 1.2, 0.8, -3, 0.1, 20, 300),
)
FAULTS = {
    "spike": "fault", "stuck-bound": "fault", "stuck-inside": "tamper", "drift": "anomaly",
    "door": "anomaly", "hugging": "tamper", "replay-day": "tamper", "scaled": "anomaly/tamper",
    "smoothed": "tamper", "swap": "anomaly", "serviced": "", "flagged": "",
}  # fmt: skip
SIZES = (0, 1, 2)


def specs() -> dict[tuple[str, str], DeviceSpec]:
    path = Path(__file__).parents[1] / "config" / "catalogue" / "devices.csv"
    rows = csv.DictReader(path.open(encoding="utf-8"))
    out = {}
    for row in rows:
        filled = {k: None if k in ("low", "high") and not v else v for k, v in row.items()}
        spec = msgspec.convert(filled, DeviceSpec, strict=False)
        out[spec.class_, spec.metric] = spec
    return out


def clean(p: Place, device: int, days: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Times and unrounded values of one device."""
    rng = np.random.default_rng([seed, PLACES.index(p), device])
    per_day = DAY // (p.interval_s * 1000)
    t = T0 + np.arange(days * per_day) * p.interval_s * 1000
    hour = (t - T0) / HOUR % 24
    day = (t - T0) // DAY
    weather = np.zeros(days + 1)
    for d in range(1, days + 1):  # half of yesterday's stays
        weather[d] = 0.5 * weather[d - 1] + rng.normal(0, p.weather)
    slow = np.interp((t - T0) / DAY, np.arange(days + 1), weather)
    shift = rng.normal(0, 1.0)
    busy = np.clip(np.minimum(hour - 7, 20 - hour) / 2, 0, 1)
    wave = -np.cos((hour - 3 - shift) / 24 * 2 * np.pi)
    v = p.level + rng.uniform(-p.between, p.between) + p.swing * (0.6 * wave + 0.4 * busy) + slow
    v += p.weekend * ((day % 7) >= 5) * busy
    v += rng.normal(0, p.noise, t.size) * (1 + 0.5 * busy) * rng.uniform(0.8, 1.25)
    return t, v


def spoil(
    p: Place, spec: DeviceSpec, t: np.ndarray, v: np.ndarray, fault: str, size: int, seed: int
) -> tuple[np.ndarray, list[str] | None, int, int]:
    """Values with one fault, flags, and its first and last moment [epoch ms]."""
    rng = np.random.default_rng([seed, size, list(FAULTS).index(fault)])
    v = v.copy()
    flags: list[str] | None = None
    begin, end = T0 + PAST_D * DAY, T0 + (PAST_D + FAULT_D) * DAY
    if fault == "hugging":
        begin -= 11 * DAY
    own = (t >= begin) & (t < end)
    at = np.flatnonzero(own)
    scale = max(p.noise * 1.5, p.weather)
    k = (1, 2, 4)[size]
    per_hour = 3600 // p.interval_s
    match fault:
        case "spike":
            far = abs(p.level) * 1.5 + 30 * scale + 6 * p.between
            v[rng.choice(at, 2 + 2 * size, replace=False)] += far * (1 + size)
        case "stuck-bound":
            v[at] = (p.floor - 20 * scale, 4095.0, 850.0)[size]
        case "stuck-inside":
            v[at[: at.size * (size + 1) // 3]] = v[at[0]]
        case "drift":
            v[at] += np.linspace(0, 3 * k * scale, at.size)
        case "door":
            phase = (t[at] // 60_000) % 120 < (20, 30, 40)[size]
            lift = 2.0 * k * scale * (1 + 0.2 * rng.random(at.size))
            v[at] += np.where(phase if per_hour > 1 else rng.random(at.size) < 0.3, lift, 0)
        case "hugging":
            top, sign = (spec.high, 1) if spec.high is not None else (spec.low, -1)
            assert top is not None
            typical = float(np.quantile(sign * v[at], 1 - (0.1, 0.25, 0.5)[size]))
            v[at] += sign * (sign * top - typical)
            cap = sign * top - 0.01 * abs(top) * rng.random(at.size)
            v[at] = sign * np.minimum(sign * v[at], cap)
        case "replay-day":
            day = DAY // (p.interval_s * 1000)
            n = at.size * (size + 1) // 3
            v[at[:n]] = np.resize(v[at[0] - (3 + size) * day : at[0] - (2 + size) * day], n)
        case "scaled":
            v[at] *= (0.9, 0.75, 0.5)[size]
        case "smoothed":
            m = float(v[at].mean())
            v[at] = m + (v[at] - m) * (0.4, 0.2, 0.05)[size]
        case "swap":
            v[at] = v[at][::-1] + (1, 2, 4)[size] * scale * (1 if size % 2 else -1)
        case "serviced":  # six hours of maintenance, and another level from then on
            flags = ["N"] * t.size
            for i in at[: 6 * per_hour].tolist():
                flags[i] = "M"
            v[at[: 6 * per_hour]] = 0
            v[t >= begin] += 3 * k * scale
            end = int(t[-1]) + 1
        case "flagged":
            flags = ["calibration" if o else "N" for o in own]
            v[at] = rng.uniform(-100, 100, at.size) * k
    return v, flags, begin, end


def rounded(p: Place, v: np.ndarray) -> np.ndarray:
    return np.round(np.maximum(v, p.floor if p.floor >= 0 else -1e9) / p.step) * p.step


def message(p: Place, t: np.ndarray, v: np.ndarray, flags: list[str] | None) -> Series:
    return Series("d", p.cls, p.metric, "", t.astype("<i8").tobytes(), v.astype("<f8").tobytes(),
                  flags)


# --------------------------------------------------------------------------------------- baselines


class Plain:
    """Greatest |z| of the aggregates against the mean and deviation of all hours before."""

    def __init__(self) -> None:
        self.n = 0
        self.mean = np.zeros(4)
        self.square = np.zeros(4)

    def score(self, x: np.ndarray) -> float:
        out = 0.0
        if self.n > 48:
            sd = np.sqrt(self.square / (self.n - 1))
            out = float(np.max(np.abs(x - self.mean) / np.where(sd > 0, sd, np.inf)))
        self.n += 1
        delta = x - self.mean
        self.mean = self.mean + delta / self.n
        self.square = self.square + delta * (x - self.mean)
        return out


class Trees:
    """river: MinMaxScaler | HalfSpaceTrees(25 trees, height 8, window 168 h)."""

    def __init__(self) -> None:
        self.scale = preprocessing.MinMaxScaler()
        self.model = river_anomaly.HalfSpaceTrees(
            n_trees=25, height=8, window_size=168, limits=None, seed=1
        )

    def score(self, x: np.ndarray) -> float:
        one = dict(enumerate(x.tolist()))
        self.scale.learn_one(one)
        scaled = self.scale.transform_one(one)
        out = self.model.score_one(scaled)
        self.model.learn_one(scaled)
        return float(out)


def features(state: anomaly.WindowState, clock: int) -> tuple[np.ndarray, np.ndarray]:
    """Numbers and the four aggregates (n, 4) of the closed hours that may be used."""
    hour = np.arange(state.first, state.first + state.lo.size)
    use = (state.mark == 0) & (state.lo <= state.hi) & ((hour + 1) * HOUR <= clock)
    lo, hi = state.lo[use].astype(float), state.hi[use].astype(float)
    middle = (lo + hi) / 2
    step = np.abs(np.diff(middle, prepend=middle[:1]))
    return hour[use], np.stack((lo, hi, middle, np.sqrt(np.maximum(hi - lo, step))), axis=1)


def baseline_alarms(scores: list[float], hours: np.ndarray, bound: float) -> list[int]:
    """Moments of alarm episodes: hours at or over the bound, those within a day taken together."""
    out: list[int] = []
    last = -10**9
    for hour, score in zip(hours.tolist(), scores, strict=True):
        if score >= bound:
            if hour - last > 24:
                out.append((hour + 1) * HOUR)
            last = hour
    return out


# -------------------------------------------------------------------------------------- simulation


class Seen(NamedTuple):
    """Alarms of one series: (moment, kind) of ours, moments of the others."""

    ours: list[tuple[int, str]]
    scores: dict[str, list[float]]
    hours: np.ndarray
    iot: list[int]


def watch(
    p: Place, spec: DeviceSpec, norm: Any, past: tuple[Any, Any, dict[str, Any], int],
    t: np.ndarray, v: np.ndarray, flags: list[str] | None, begin: int, step_h: int = STEP_H,
) -> Seen:  # fmt: skip
    """Feed what follows the past, hour by hour to the others, every `step_h` hours judged."""
    state, single, others, _ = past
    state, single = anomaly.load(anomaly.dump(state)), iot.load(iot.dump(single))
    ours: list[tuple[int, str]] = []
    found_iot: list[int] = []
    on: set[str] = set()
    for clock in range(begin, int(t[-1]) + 1, step_h * HOUR):
        own = slice(int(np.searchsorted(t, clock)), int(np.searchsorted(t, clock + step_h * HOUR)))
        piece = message(p, t[own], v[own], None if flags is None else flags[own])
        state = anomaly.observe(state, piece, RULE.horizon_d)
        single = iot.observe(single, piece, spec, 0, 7 * DAY)
        now = clock + step_h * HOUR
        verdicts = anomaly.judge(state, spec, norm, RULE, CALENDAR, now)
        kinds = {one.kind for one in verdicts}
        ours += [(now, kind) for kind in sorted(kinds - on)]
        on = kinds
        if any(f.rule == "iot-tamper" for f in iot.findings(single, spec, now, 3)):
            found_iot.append(now)
    hours, x = features(state, int(t[-1]) + 1)
    new = hours >= begin // HOUR
    scores: dict[str, list[float]] = {}
    for name, model in others.items():
        model = copy.deepcopy(model)
        scores[name] = [model.score(row) for row in x[new]]
    return Seen(ours, scores, hours[new], found_iot)


def settle(
    p: Place, spec: DeviceSpec, t: np.ndarray, v: np.ndarray, until: int, models: bool
) -> tuple[Any, Any, dict[str, Any], int]:
    """State, state of `models.iot` and trained baselines up to a moment."""
    n = int(np.searchsorted(t, until))
    piece = message(p, t[:n], v[:n], None)
    state = anomaly.observe(None, piece, RULE.horizon_d)
    single = iot.observe(None, piece, spec, 0, 7 * DAY)
    others: dict[str, Any] = {"z-score": Plain(), "HalfSpaceTrees": Trees()} if models else {}
    for row in features(state, until)[1]:
        for model in others.values():
            model.score(row)
    return state, single, others, until


def norm_of(p: Place, spec: DeviceSpec, seed: int, devices: int) -> anomaly.Norm:
    """The class's norm, learned in two rounds from clean devices: levels first, then tails."""
    clock = T0 + PAST_D * DAY
    states = []
    for device in range(1000, 1000 + devices):
        t, v = clean(p, device, PAST_D, seed)
        states.append(anomaly.observe(None, message(p, t, rounded(p, v), None), RULE.horizon_d))
    norm = None
    for _ in range(2):
        told = [anomaly.summary(s, spec, norm, CALENDAR, clock) for s in states]
        norm = anomaly.class_norm([one for one in told if one is not None])
    assert norm is not None
    return norm


def simulated(seed: int, devices: int, clean_devices: int, bounds: Any) -> dict[str, Any]:
    """All classes; `bounds` None: choose the baselines' thresholds on the clean devices."""
    catalogue = specs()
    clean_d = 28
    out: dict[str, Any] = {"cells": {}, "clean": {}, "bounds": {} if bounds is None else bounds,
                           "matched": {}}
    months = 0.0
    false: dict[str, int] = {"ours": 0, "ours tamper": 0, "ours fault": 0, "models.iot": 0}
    for p in PLACES:
        spec = catalogue[p.cls, p.metric]
        norm = norm_of(p, spec, seed + 100, 40)
        key = f"{p.cls}/{p.metric}"
        tops: dict[str, list[list[float]]] = {"z-score": [], "HalfSpaceTrees": []}
        hours_of: list[np.ndarray] = []
        for device in range(clean_devices):
            t, v = clean(p, device, PAST_D + clean_d, seed)
            v = rounded(p, v)
            begin = T0 + PAST_D * DAY
            seen = watch(p, spec, norm, settle(p, spec, t, v, begin, True), t, v, None, begin,
                         12)  # findings hold a day: none is missed
            months += clean_d / 30
            for _, kind in seen.ours:
                name = "ours" if kind == "anomaly" else f"ours {kind}"
                false[name] += 1
            false["models.iot"] += bool(seen.iot)
            hours_of.append(seen.hours)
            for name in tops:
                tops[name].append(seen.scores[name])
        if bounds is None:
            out["bounds"][key] = {
                name: _bound(tops[name], hours_of, clean_d / 30 * clean_devices) for name in tops
            }
        matched = {name: _bound(tops[name], hours_of, 1.0 / RATE_PLAIN) for name in tops}
        for name in tops:  # one false alarm a class: as few as ours, or more, in hindsight
            out["matched"][key, name] = matched[name]
            b = out["bounds"][key][name]
            n = sum(len(baseline_alarms(s, h, b))
                    for s, h in zip(tops[name], hours_of, strict=True))
            false[name] = false.get(name, 0) + n
        if bounds is not None:
            for device in range(devices):
                _faulty(p, spec, norm, 500 + device, seed, out)
    out["clean"] = {"device-months": round(months, 1), "false alarms": false}
    return out


def _faulty(p: Place, spec: DeviceSpec, norm: Any, device: int, seed: int, out: Any) -> None:
    t, v = clean(p, device, PAST_D + FAULT_D + AFTER_D, seed)
    pasts: dict[int, Any] = {}
    for fault in FAULTS:
        if fault == "hugging" and spec.high is None and spec.low is None:
            continue
        for size in SIZES:
            w, flags, begin, end = spoil(p, spec, t, v, fault, size, seed)
            w = rounded(p, w)
            if begin not in pasts:
                pasts[begin] = settle(p, spec, t, rounded(p, v), begin, True)
            seen = watch(p, spec, norm, pasts[begin], t, w, flags, begin)
            cell = out["cells"].setdefault((fault, size), {"n": 0, "found": {}, "delay": {},
                                                           "kinds": {}})
            cell["n"] += 1
            alarms = {"ours": [a for a, _ in seen.ours], "models.iot": seen.iot}
            for name, b in out["bounds"][f"{p.cls}/{p.metric}"].items():
                alarms[name] = baseline_alarms(seen.scores[name], seen.hours, b)
                best = out["matched"][f"{p.cls}/{p.metric}", name]
                alarms[name + "*"] = baseline_alarms(seen.scores[name], seen.hours, best)
            for name, moments in alarms.items():
                hits = [a for a in moments if begin < a <= end + DAY]
                cell["found"][name] = cell["found"].get(name, 0) + bool(hits)
                if hits:
                    cell["delay"].setdefault(name, []).append((hits[0] - begin) / HOUR)
            for kind in sorted({k for a, k in seen.ours if begin < a <= end + DAY}):
                cell["kinds"][kind] = cell["kinds"].get(kind, 0) + 1


def _bound(scores: list[list[float]], hours: list[np.ndarray], months: float) -> float:
    """Least threshold with at most the wanted false alarms on the clean devices of `tune`."""
    allowed = RATE_PLAIN * months
    low, high = 0.0, 2 * max(max(s) for s in scores) + 1e-9
    for _ in range(30):
        mid = (low + high) / 2
        n = sum(len(baseline_alarms(s, h, mid)) for s, h in zip(scores, hours, strict=True))
        low, high = (low, mid) if n <= allowed else (mid, high)
    return high


# --------------------------------------------------------------------------------- public series


class Public(NamedTuple):
    name: str
    t: np.ndarray
    v: np.ndarray
    spans: list[tuple[int, int]]


def public_series(streamad: Path | None) -> list[Public]:
    """Hourly series with labelled spans [epoch ms]; times are shifted to whole hours."""
    rows = list(datasets.WaterFlow())
    t = np.array([int(x["Time"].timestamp() * 1000) // HOUR * HOUR for x, _ in rows])
    v = np.array([y for _, y in rows])
    # Its docstring: three low moments, a small peak after the first two. Low: under 90 l/s.
    low = np.flatnonzero(v < 90)
    spans, begin = [], low[0]
    for a, b in zip(low, [*low[1:], 10**9], strict=True):
        if b - a > 24:
            spans.append((int(t[begin]), int(t[a])))
            begin = b
    after = np.flatnonzero(t > spans[1][1] + 2 * DAY)
    peak = int(after[np.argmax(v[after])])
    spans.append((int(t[peak]) - 2 * HOUR, int(t[peak]) + 2 * HOUR))
    out = [Public("river WaterFlow", t, v, sorted(spans))]
    if streamad is not None:
        name = "streamad/util/data/uniDS.csv"
        if streamad.is_file():
            text = zipfile.ZipFile(streamad).read(name).decode()
        else:
            text = (streamad / "util/data/uniDS.csv").read_text("utf-8")
        table = list(csv.DictReader(io.StringIO(text)))
        when = [dt.datetime.fromisoformat(r["timestamp"]).replace(tzinfo=dt.UTC) for r in table]
        t = np.array([int(w.timestamp() * 1000) for w in when])
        hit = np.flatnonzero([r["label"] == "1" for r in table])
        groups = np.split(hit, np.flatnonzero(np.diff(hit) > 1) + 1)
        out.append(Public("streamad uniDS", t, np.array([float(r["value"]) for r in table]),
                          [(int(t[g[0]]), int(t[g[-1]])) for g in groups]))
    return out


def on_public(one: Public) -> dict[str, dict[str, Any]]:
    """Streaming over the whole series, judged hourly, without a class."""
    spec = msgspec.structs.replace(specs()["wastewater", "cod_mg_l"], high=None)
    p = PLACES[3]
    state, single, others, _ = settle(p, spec, one.t, one.v, int(one.t[0]) + HOUR, True)
    ours: list[int] = []
    on: set[tuple[str, str]] = set()
    scores: dict[str, list[float]] = {name: [] for name in others}
    for i in range(1, one.t.size):
        clock = int(one.t[i]) + HOUR
        state = anomaly.observe(state, message(p, one.t[i : i + 1], one.v[i : i + 1], None),
                                RULE.horizon_d)
        found = {(v.kind, v.code) for v in anomaly.judge(state, spec, None, RULE, None, clock)}
        ours += [clock] * bool(found - on)
        on = found
    hours = one.t // HOUR
    x = features(anomaly.observe(None, message(p, one.t, one.v, None), 62), int(one.t[-1]) + HOUR)
    table = dict(zip(x[0].tolist(), x[1], strict=True))
    for hour in hours.tolist():
        for name, model in others.items():
            scores[name].append(model.score(table[hour]) if hour in table else 0.0)
    del single
    out = {"ours": _public_row(ours, one)}
    for name, values in scores.items():  # the best threshold in hindsight: an upper bound
        best = max((_public_row(_over(values, hours, b), one)
                    for b in np.quantile(values[48:], np.linspace(0.9, 0.9995, 60))),
                   key=lambda row: row["f1"])
        out[f"{name} (best threshold)"] = best
        if name == "z-score":
            out["z-score 3"] = _public_row(_over(values, hours, 3.0), one)
    return out


def _over(scores: list[float], hours: np.ndarray, bound: float) -> list[int]:
    return [(h + 1) * HOUR for h, s in zip(hours.tolist(), scores, strict=True) if s >= bound]


def _public_row(moments: list[int], one: Public) -> dict[str, Any]:
    """A span is found by a moment in it or in the day after; moments less than a day apart are one
    alarm, right if one of them found a span. The first week is not judged."""
    judged = int(one.t[0]) + 7 * DAY
    spans = [s for s in one.spans if s[1] >= judged]
    moments = [a for a in moments if a >= judged]
    groups = np.split(moments, np.flatnonzero(np.diff(moments) > DAY) + 1) if moments else []
    right = [g for g in groups if any(b < a <= e + DAY for a in g for b, e in one.spans)]
    first = [min((a - b for a in moments if b < a <= e + DAY), default=None) for b, e in spans]
    hit = [f / HOUR for f in first if f is not None]
    precision = len(right) / len(groups) if groups else math.nan
    recall = len(hit) / len(spans)
    f1 = 2 * precision * recall / (precision + recall) if right and hit else 0.0
    return {"alarms": len(groups), "precision": precision, "recall": recall, "f1": f1,
            "delay_h": float(np.median(hit)) if hit else math.nan}


# ------------------------------------------------------------------------------------------ output


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--streamad", type=Path)
    parser.add_argument("--devices", type=int, default=2, help="faulty devices a class")
    parser.add_argument("--clean", type=int, default=8, help="clean devices a class")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    began, cpu = time.perf_counter(), time.process_time()
    tune = simulated(11, 0, args.clean, None)
    test = simulated(14, args.devices, args.clean, tune["bounds"])
    names = ("ours", "models.iot", "z-score", "z-score*", "HalfSpaceTrees", "HalfSpaceTrees*")
    months = test["clean"]["device-months"]
    false = test["clean"]["false alarms"]
    all_ours = false["ours"] + false["ours tamper"] + false["ours fault"]
    false |= {name + "*": len(PLACES) for name in ("z-score", "HalfSpaceTrees")}
    rates = {name: (all_ours if name == "ours" else false[name]) / months for name in names}
    result: dict[str, Any] = {"tune": tune["clean"], "test": test["clean"], "faults": {},
                              "public": {}}
    total = {name: [0, 0] for name in names}
    for (fault, size), cell in test["cells"].items():
        row: dict[str, Any] = {"n": cell["n"], "kinds": cell["kinds"]}
        for name in names:
            hits = cell["delay"].get(name, [])
            row[name] = {"recall": cell["found"].get(name, 0) / cell["n"],
                         "delay_h": float(np.median(hits)) if hits else None}
            if FAULTS[fault]:
                total[name][0] += cell["found"].get(name, 0)
                total[name][1] += cell["n"]
        result["faults"][f"{fault} {('small', 'medium', 'large')[size]}"] = row
    result["all"] = {}
    for name in names:
        recall = total[name][0] / total[name][1]
        result["all"][name] = {
            "recall": recall, "false alarms a device-month": rates[name],
            "precision": 0.1 * recall / (0.1 * recall + 0.9 * (rates[name] + 1 / months)),
        }  # fmt: skip
    for one in public_series(args.streamad):
        result["public"][one.name] = on_public(one)
    result["seconds"] = round(time.perf_counter() - began)
    result["cpu_seconds"] = round(time.process_time() - cpu)
    if args.json:
        print(json.dumps(result, indent=1))
        return
    show(result, names)


def show(result: dict[str, Any], names: tuple[str, ...]) -> None:
    print(f"clean, tune: {result['tune']}\nclean, test: {result['test']}")
    print(f"\n{'found, delay h':20}{'n':>4}" + "".join(f"{n:>18}" for n in names) + "  our kinds")
    for fault, row in result["faults"].items():
        cells = "".join(
            f"{row[n]['recall']:>11.0%}{'-' if row[n]['delay_h'] is None else row[n]['delay_h']:>7}"
            for n in names)
        print(f"{fault:20}{row['n']:>4}{cells}  {row['kinds']}")
    for table in (result["all"], *result["public"].values()):
        print()
        for name, row in table.items():
            print(f"{name:34}" + "  ".join(f"{k} {v:.3f}" for k, v in row.items()))
    print(f"\n{list(result['public'])}  {result['seconds']} s, processor {result['cpu_seconds']} s")


if __name__ == "__main__":
    main()
