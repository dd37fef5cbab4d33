"""Question: how many IoT readings a second does one core decode, join and judge?

Data: messages of 500 readings (one series of 500, ten series of 50, one reading a message), one
reading a minute, values around a limit with noise of 0.01 steps; 40 devices in turn, so that every
state is full and old readings are being dropped. `clean`: 0.1 % of the readings beyond the limit;
`dirty`: 20 %; `beyond`: all of them, every series in violation (rare in life). Baseline: decoding
alone. Seed 7. Best of three rounds.
Command: `python -m bench.iot`
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

import msgspec
import numpy as np

from models.events import Readings, Series
from models.iot import DeviceSpec, SeriesState, canonical_series, findings, observe

T0_MS = 1_780_000_000_000
HORIZON_MS = 7 * 86_400_000
DEVICES = 40
READINGS = 400_000

CHILLED = DeviceSpec(
    "coldchain", "temperature_c", "°C", 0, 8, 1800, 0, 60, 21600, "orange", "冷藏", "chilled", "GB"
)
NOX = DeviceSpec(
    "cems", "nox_mg_m3", "mg/m³", None, 8, 0, 3600, 60, 43200, "orange", "氮氧", "NOx", "GB"
)


def messages(series: int, readings: int, dirty: float, total: int) -> list[Readings]:
    """Messages of `series` series of `readings` readings each, in time order per device."""
    rng = np.random.default_rng(7)
    clock = dict.fromkeys(range(DEVICES), T0_MS)
    out, device = [], 0
    for _ in range(total // (series * readings)):
        parts = []
        for _ in range(series):
            t = clock[device] + 60_000 * np.arange(readings)
            noise = rng.normal(0, 0.5, readings)
            v = np.round(5 + noise + 6 * (rng.random(readings) < dirty), 2)
            parts.append(
                Series(f"d{device}", "coldchain", "temperature_c", "C", t.tolist(), v.tolist())
            )
            clock[device] = int(t[-1]) + 60_000
            device = (device + 1) % DEVICES
        out.append(Readings("cq1-17", parts))
    return out


def readings_per_s(run: Callable[[], int]) -> float:
    best = 0.0
    for _ in range(3):
        start = time.perf_counter()
        n = run()
        best = max(best, n / (time.perf_counter() - start))
    return best


def fold(
    raw: list[bytes],
    decode: Callable[[bytes], Readings],
    spec: DeviceSpec | None,
    readings: int,
) -> int:
    """Decode every message; with a spec also join and judge every series."""
    states: dict[str, SeriesState] = {}
    n = 0
    for body in raw:
        message = decode(body)
        for series in message.series:
            n += readings
            if spec is None:
                continue
            state = observe(states.get(series.device), series, spec, 0, HORIZON_MS)
            states[series.device] = state
            findings(state, spec, state.last_ms, 3)
    return n


def main() -> None:
    from_json = msgspec.json.Decoder(Readings).decode
    from_msgpack = msgspec.msgpack.Decoder(Readings).decode
    print("series x readings  data   form     decode M/s   run limit M/s   mean limit M/s")
    for series, readings in ((1, 500), (10, 50), (1, 1)):
        for name, dirty in (("clean", 0.001), ("dirty", 0.2), ("beyond", 2.0)):
            made = messages(series, readings, dirty, READINGS if readings > 1 else READINGS // 20)
            packed = [Readings(m.item, [canonical_series(s) for s in m.series]) for m in made]
            forms = (
                ("json", [msgspec.json.encode(m) for m in made], from_json),
                ("msgpack", [msgspec.msgpack.encode(m) for m in packed], from_msgpack),
            )
            for form, raw, decode in forms:
                rates = [
                    readings_per_s(partial(fold, raw, decode, spec, readings)) / 1e6
                    for spec in (None, CHILLED, NOX)
                ]
                print(
                    f"{series:6} x {readings:<9} {name:6} {form:8}"
                    f" {rates[0]:10.2f} {rates[1]:15.3f} {rates[2]:16.3f}"
                )


if __name__ == "__main__":
    main()
