"""A day's readings of all sending devices, written as the `data` of `iot.readings`."""

from __future__ import annotations

import datetime as dt
from typing import Final

import msgspec
import numpy as np

from streams.simulate import devices as faults
from streams.simulate.devices import METRICS, Devices, Metric
from streams.simulate.draws import Ints, stream
from streams.simulate.parameters import DAY_S
from streams.simulate.trades import DEVICE_CLASSES, ITEMS

STEPS: Final = 96
"""Readings a day: one a quarter of an hour."""

STEP_MS: Final = DAY_S * 1000 // STEPS
# Rises until the afternoon, per mille of the swing.
_WAVE: Final = np.array([abs(48 - (k + 36) % 96) * 1000 // 24 - 1000 for k in range(STEPS)])
_ENCODE: Final = msgspec.json.Encoder().encode


class Readings:
    """Writes messages day by day; keeps one day in memory (300 devices: under 1 MB)."""

    def __init__(self, devices: Devices, seed: int, start: dt.date) -> None:
        self._devices = devices
        self._seed = seed
        self._midnight_ms = (start - dt.date(1970, 1, 1)).days * DAY_S * 1000 - 8 * 3_600_000
        self._day = -1
        self._values: dict[int, Ints] = {}
        self._times = b""
        self._place: dict[int, int] = {}
        sending = len(devices.fault)
        for cls in range(len(DEVICE_CLASSES)):
            own = np.flatnonzero(devices.cls[:sending] == cls).tolist()
            self._place |= {number: place for place, number in enumerate(own)}

    def data(self, number: int, day: int) -> str:
        """The `data` object of one device-day; days must not go back."""
        if day != self._day:
            self._draw(day)
        devices = self._devices
        cls = int(devices.cls[number])
        fault = int(devices.fault[number, day])
        values = self._values[cls][self._place[number]]
        kept, flags = slice(None), b""
        times = self._times
        if fault == faults.GAP:
            hole = 8 + (number * 31 + day * 17) % 60
            kept = slice(0, hole)
            times = self._time_list(day, kept)
        elif fault == faults.MAINTAINED:
            flags = b',"flag":' + _ENCODE(["N"] * 32 + ["M"] * 24 + ["N"] * 40)
        name = devices.name(number)
        series = [
            b'{"device":"%b","class":"%b","metric":"%b","unit":"%b","t":%b,"v":%b%b}'
            % (
                name.encode(),
                DEVICE_CLASSES[cls].encode(),
                metric.name.encode(),
                metric.unit.encode(),
                times,
                _values(metric, values[column][kept], fault),
                flags,
            )
            for column, metric in enumerate(METRICS[cls])
        ]
        item = ITEMS[int(devices.item[number])]
        return f'{{"item":"{item}","series":[{b",".join(series).decode()}]}}'

    def _time_list(self, day: int, kept: slice) -> bytes:
        first = self._midnight_ms + day * DAY_S * 1000
        return _ENCODE([first + k * STEP_MS for k in range(STEPS)][kept])

    def _draw(self, day: int) -> None:
        """All values of a day, class by class: shape (devices, metrics, STEPS), scaled integers."""
        self._day = day
        self._times = self._time_list(day, slice(None))
        rng = stream(self._seed, 1000 + day)
        sending = len(self._devices.fault)
        for cls in range(1, len(DEVICE_CLASSES)):
            own = np.flatnonzero(self._devices.cls[:sending] == cls)
            shape = (len(own), len(METRICS[cls]), STEPS)
            # Sum of three uniform draws: bell-shaped, and exact everywhere.
            noise = rng.integers(-100, 101, (3, *shape)).sum(axis=0)
            values = np.empty(shape, np.int64)
            for column, metric in enumerate(METRICS[cls]):
                # A device's own level stays the same all year.
                own_level = (own * 7919 % 201 - 100) * metric.spread // 100
                values[:, column] = (
                    metric.base
                    + own_level[:, None]
                    + _WAVE * metric.swing // 1000
                    + noise[:, column] * metric.noise // 100
                )
            spoil = self._devices.fault[own, day]
            for place in np.flatnonzero(spoil).tolist():
                _spoil(rng, METRICS[cls], values[place], int(spoil[place]))
            floors = np.array([metric.floor for metric in METRICS[cls]])
            self._values[cls] = np.maximum(values, floors[None, :, None])


def _spoil(rng: np.random.Generator, metrics: tuple[Metric, ...], values: Ints, fault: int) -> None:
    """Change one device's day in place, shape (metrics, STEPS)."""
    column = int(rng.integers(0, len(metrics)))
    # Lift doors have no limit to pass: the fault code does.
    column = 0 if metrics[column].over == 0 else column
    metric = metrics[column]
    begin = int(rng.integers(0, STEPS // 3))
    end = begin + int(rng.integers(STEPS // 8, STEPS // 2))
    if metric.mean:
        begin, end = 0, STEPS
    excess = rng.integers(0, metric.over + 1, end - begin)
    match fault:
        case faults.OVER:
            values[column, begin:end] = metric.limit + metric.over // 4 + excess + 1
        case faults.FLAT:
            values[:, :] = values[:, :1]
        case faults.REGULAR:
            # Too good to be true: the same six values over and over.
            values[:, :] = np.tile(values[:, :6], STEPS // 6)
        case faults.HUGGING if metric.limit:
            values[column] = metric.limit - rng.integers(0, 2, STEPS) * (metric.limit * 9 // 1000)
        case faults.MAINTAINED:
            values[:, 32:56] = 0
        case _:
            pass


def _values(metric: Metric, values: Ints, fault: int) -> bytes:
    listed: list[float | None] = (values / metric.scale).tolist()
    if fault == faults.GAP:
        # The last reading before the hole is broken.
        listed[-1] = None
    return bytes(_ENCODE(listed))
