"""What the state keeps of one device, as rows: nothing is shown that is not kept.

Of a measurement the least and greatest reading of each hour (35 days, `models.anomaly_windows`), of
a metric judged by its mean one sample a cell, of a code or a gas alarm only the cells in which some
reading lay beyond the limit (`models.iot`). Single readings are kept nowhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import Any

import numpy as np

from alerts.lifecycle import OPEN
from alerts.rules import alert_id, devices
from models import anomaly, iot
from models.anomaly_course import GREATEST, LEAST, course
from models.anomaly_windows import DEVICE, NULL, SERVICED, WindowState
from models.iot import DeviceSpec, SeriesState
from models.iot_batch import HOUR_MS
from models.ledger import DAY_MS
from models.norms import ByClass
from models.records import identity
from models.scorecard import Card
from models.subject import Subject
from streams.show import iso_ms

Row = dict[str, Any]
RULES = ("iot-limit", "iot-tamper", "iot-anomaly", "iot-fault", "iot-silent")
BAND_SPREADS = 3.0
"""Half the width of what is usual, in spreads of the hour."""
GAP_H = 2
"""Hours without a reading that count as a stretch offline, at least."""
_PERIODS = (("maintenance", SERVICED), ("device", DEVICE), ("null", NULL))


def device(subject: Subject, item: int, name: str, card: Card, norms: ByClass,
           clock_ms: int) -> Row | None:
    """One device, or None if the subject has none of that name under that item.

    Parameters
    ----------
    subject
        A copy nobody else changes.
    norms
        What is usual in each class; empty where the runner's view does not have them: the band is
        then of the device's own past alone.

    Cost about 2 ms a series.
    """
    own = {at: state for at, state in (subject.devices or {}).items() if at[:2] == (item, name)}
    if not own:
        return None
    profile, found = subject.registration(), _found(subject, name, item, card, clock_ms)
    alerts = [a for a in (subject.alerts or {}).values()
              if a.item == item and a.facts.get("device") == name and a.state in OPEN]
    return {
        "subject": subject.key, "name": profile.name if profile else "",
        "district": profile.district if profile else "", "device": name,
        "item": card.item_ids[item], "department": card.department_of[item],
        "as_of": iso_ms(clock_ms), "class_norms": bool(norms),
        "states": sorted({a.rule for a in alerts}),
        "series": [_series(subject, at, state, card, norms, clock_ms, found)
                   for at, state in sorted(own.items())],
    }


def alert_ids(found: Row, card: Card) -> list[str]:
    """Ids of all alerts that the device's series may ever have had."""
    item = card.item_codes[found["item"]]
    return [alert_id(rule, found["subject"], item, identity(found["device"], series["metric"]))
            for series in found["series"] for rule in RULES]


def _series(subject: Subject, at: tuple[int, str, str], state: SeriesState, card: Card,
            norms: ByClass, clock_ms: int, found: dict[str, list[Row]]) -> Row:
    spec = card.devices.get((state.class_, at[2]))
    rule = card.policy.rules.iot
    window = (subject.windows or {}).get(at)
    due_ms = iot.due_ms(state, spec, rule.silent_intervals)
    out: Row = {
        "metric": at[2], "class": state.class_, "last_at": iso_ms(state.last_ms),
        "silent_from": iso_ms(due_ms) if due_ms else None,
        "kept": "hours" if window is not None or state.hour else
                "samples" if state.t.size else "cells" if state.over or state.good else "nothing",
        **_spec(spec),
        "found": found.get(at[2], []),
        "hours": [], "usual": [], "periods": [], "samples": [],
        "beyond": _beyond(state, spec, rule.silent_intervals),
    }
    if window is not None:
        norm = norms.get((state.class_, at[2]))
        out["hours"] = _hours(window)
        out["usual"] = _usual(window, norm, card, clock_ms)
        out["periods"] = _periods(window, clock_ms)
    elif state.hour:
        out["hours"] = [[hour * HOUR_MS, _short(lo), _short(hi)]
                        for hour, lo, hi in zip(state.hour, state.lo, state.hi, strict=True)]
    if state.t.size and spec is not None and spec.mean_s:
        out["samples"] = [[t, _short(v)] for t, v in zip(state.t.tolist(), state.v.tolist(),
                                                         strict=True)]
    return out


def _spec(spec: DeviceSpec | None) -> Row:
    if spec is None:
        return {"known": False, "unit": "", "low": None, "high": None}
    return {"known": True, "unit": spec.unit, "low": spec.low, "high": spec.high,
            "duration_s": spec.duration_s, "mean_s": spec.mean_s, "interval_s": spec.interval_s,
            "level": spec.level, "standard": spec.standard,
            "text_zh": spec.name_zh, "text_en": spec.name_en}


def _hours(window: WindowState) -> list[list[float]]:
    """[start of the hour [epoch ms], least, greatest] of each hour with a reading."""
    seen = np.flatnonzero(window.lo <= window.hi)
    return [[(window.first + n) * HOUR_MS, _short(window.lo[n]), _short(window.hi[n])]
            for n in seen.tolist()]


def _usual(window: WindowState, norm: anomaly.Norm | None, card: Card,
           clock_ms: int) -> list[list[float]]:
    """[hour [epoch ms], low, high] of what is usual then; nothing while the past is too short."""
    found = course(window, norm, card.calendar, clock_ms)
    if found is None:
        return []
    low = found.usual[LEAST] - BAND_SPREADS * found.spread[LEAST]
    high = found.usual[GREATEST] + BAND_SPREADS * found.spread[GREATEST]
    return [[hour * HOUR_MS, _short(a), _short(b)] for hour, a, b in
            zip(found.hour.tolist(), low.tolist(), high.tolist(), strict=True)]


def _periods(window: WindowState, clock_ms: int) -> list[Row]:
    """Stretches of hours with a mark of the device, and those without any sign of it."""
    out = []
    for kind, bit in _PERIODS:
        marked = np.flatnonzero((window.mark & bit) > 0)
        out += [_period(kind, window.first + a, window.first + b + 1) for a, b in _runs(marked)]
    silent = np.flatnonzero((window.lo > window.hi) & (window.mark == 0))
    out += [_period("offline", window.first + a, window.first + b + 1)
            for a, b in _runs(silent) if b - a + 1 >= GAP_H]
    end, now = window.first + window.lo.size, clock_ms // HOUR_MS
    if now - end >= GAP_H:
        out.append(_period("offline", end, now))
    return sorted(out, key=lambda p: (p["from"], p["kind"]))


def _runs(places: np.ndarray[Any, Any]) -> Iterator[tuple[int, int]]:
    """First and last of each run of neighbours."""
    for _, run in groupby(enumerate(places.tolist()), key=lambda x: x[1] - x[0]):
        own = [place for _, place in run]
        yield own[0], own[-1]


def _period(kind: str, first_h: int, end_h: int) -> Row:
    return {"kind": kind, "from": iso_ms(first_h * HOUR_MS), "until": iso_ms(end_h * HOUR_MS)}


def _found(subject: Subject, name: str, item: int, card: Card,
           clock_ms: int) -> dict[str, list[Row]]:
    """What the rules say of each metric now: a broken sensor accuses nobody there either."""
    day = (clock_ms + card.offset_ms) // DAY_MS
    out: dict[str, list[Row]] = {}
    for one in devices(subject, card, day, clock_ms).values():
        if one.item == item and one.facts["device"] == name:
            out.setdefault(one.facts["metric"], []).append({
                "rule": one.rule, "level": one.level, "since": iso_ms(one.since_ms),
                "text_zh": one.facts["zh"], "text_en": one.facts["en"]})
    return out


def _beyond(state: SeriesState, spec: DeviceSpec | None, silent_intervals: int) -> list[Row]:
    """Stretches with readings beyond the limit, the oldest first, broken as a run of `iot-limit`
    is: by a reading within it, or by too long a gap."""
    if not state.over or spec is None:
        return []
    gap = -(-max(silent_intervals * spec.interval_s * 1000, spec.duration_s * 500,
                 iot.RUN_GAP_MS) // state.cell_ms)
    top = state.last_ms // state.cell_ms
    runs: list[list[int]] = []
    for age in range(state.over.bit_length() - 1, -1, -1):
        if not state.over >> age & 1:
            continue
        cell = top - age
        between = cell - runs[-1][1] - 1 if runs else 0
        if runs and between <= gap and not state.good >> age + 1 & (1 << between) - 1:
            runs[-1][1] = cell
        else:
            runs.append([cell, cell])
    return [{"from": iso_ms(first * state.cell_ms), "until": iso_ms((last + 1) * state.cell_ms)}
            for first, last in runs]


def _short(value: float) -> float:
    return float(f"{float(value):.6g}")
