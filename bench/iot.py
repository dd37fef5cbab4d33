"""Question: how many IoT readings a second does one core decode, join and judge?

Data: messages of 500 readings (one series of 500, ten series of 50, one reading a message), one
reading a minute, values around a limit with noise of 0.01 steps; 40 devices in turn, so that every
state is full and old readings are being dropped. `clean`: 0.1 % of the readings beyond the limit;
`dirty`: 20 %; `beyond`: all of them, every series in violation (rare in life). Baseline: decoding
alone. `+ hours`: the hours of `models.anomaly` too, as in the service; their ratio is taken in the
same run. `judge`: a whole look at a series of 35 days, every six hours of it. `shard`: all of it
through `Shard.step`, series with a full past, by time between two readings. Seed 7. Best of three.
Command: `python -m bench.iot`
"""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable
from functools import partial

import msgspec
import numpy as np

from config import load
from models import anomaly
from models import events as e
from models.events import Readings, Series
from models.iot import DeviceSpec, SeriesState, canonical_series, findings, observe
from models.policy import digest, encode
from streams import codec
from streams.pipeline import Entry, Shard

T0_MS = 1_780_000_000_000
HORIZON_MS = 7 * 86_400_000
DEVICES = 40
READINGS = 400_000
HOUR = 3_600_000

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
    hours: bool = False,
) -> int:
    """Decode every message; with a spec also join and judge every series, and keep its hours."""
    states: dict[str, SeriesState] = {}
    windows: dict[str, anomaly.WindowState] = {}
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
            if hours:
                windows[series.device] = anomaly.observe(windows.get(series.device), series, 35)
    return n


def event(subject: int, t: np.ndarray, devices: int, v: Callable[[], np.ndarray]) -> e.IotReadings:
    """One message of a subject: the same times for each of its devices."""
    parts = [Series(f"d{d}", "coldchain", "temperature_c", "C", t.astype("<i8").tobytes(),
                    np.round(5 + v(), 2).tobytes())
             for d in range(devices)]
    end = int(t[-1])
    return e.IotReadings("1.0", f"{subject}-{end}", "iot", f"S{subject:03d}",
                         dt.datetime.fromtimestamp(end / 1000, dt.UTC), Readings("cq1-17", parts))


def past(step_ms: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Times and values of 35 days: of each hour the least and the greatest of its readings."""
    noise = rng.normal(0, 0.5, (840, HOUR // step_ms))
    hour = T0_MS // HOUR * HOUR - HOUR * np.arange(840, 0, -1)
    return (np.stack((hour, hour + HOUR // 2), 1).ravel(),
            np.stack((noise.min(1), noise.max(1)), 1).ravel())


def through_shard(devices: int, readings: int, step_ms: int, judged: bool) -> tuple[float, float]:
    """Readings a second [millions], and bytes of hours a series."""
    rng = np.random.default_rng(7)
    policy = load.policy()
    rule = msgspec.structs.replace(policy.rules.iot.anomaly, enabled=judged)
    rules = msgspec.structs.replace(
        policy.rules, iot=msgspec.structs.replace(policy.rules.iot, anomaly=rule))
    document = encode(msgspec.structs.replace(policy, rules=rules))
    before_t, before_v = past(step_ms, rng)
    old = [(T0_MS, event(s, before_t, devices, lambda: before_v)) for s in range(DEVICES)]
    made: list[tuple[int, e.LogEvent]] = []
    for k in range(READINGS // (devices * readings) // DEVICES):
        t = T0_MS + step_ms * (k * readings + np.arange(readings))
        made += [(int(t[-1]), event(s, t, devices, lambda: rng.normal(0, 0.5, readings)))
                 for s in range(DEVICES)]
    bodies = [(ms, codec.encode(one)) for ms, one in made]
    best = 0.0
    for _ in range(3):
        shard = Shard()
        first: list[tuple[int, e.LogEvent]] = [
            (T0_MS, e.PolicyChanged(document, digest(document))), *old]
        shard.step([Entry(ms, codec.encode(one), one) for ms, one in first])
        before, start = shard.counts.readings, time.perf_counter()
        for n in range(0, len(bodies), 500):
            shard.step([Entry(ms, body, codec.decode_body(body))
                        for ms, body in bodies[n : n + 500]])
        best = max(best, (shard.counts.readings - before) / (time.perf_counter() - start))
    windows = [w.nbytes for s in shard.subjects.values() for w in (s.windows or {}).values()]
    return best / 1e6, max(windows, default=0)


def judge_ms() -> float:
    """One judgement of a series of 35 days, without a class [ms]."""
    rng = np.random.default_rng(7)
    t, v = past(60_000, rng)
    one = event(0, t, 1, lambda: v).data.series[0]
    state = anomaly.observe(None, one, 35)
    best = 1e9
    for _ in range(200):
        start = time.perf_counter()
        anomaly.judge(state, msgspec.structs.replace(CHILLED, interval_s=300), None,
                      anomaly.Rule(), None, T0_MS)
        best = min(best, time.perf_counter() - start)
    return 1000 * best


def main() -> None:
    from_json = msgspec.json.Decoder(Readings).decode
    from_msgpack = msgspec.msgpack.Decoder(Readings).decode
    print("series x readings  data   form     decode M/s   run limit M/s   mean limit M/s"
          "   run limit + hours M/s")
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
                    readings_per_s(partial(fold, raw, decode, spec, readings, hours)) / 1e6
                    for spec, hours in ((None, False), (CHILLED, False), (NOX, False),
                                        (CHILLED, True))
                ]
                print(
                    f"{series:6} x {readings:<9} {name:6} {form:8}"
                    f" {rates[0]:10.2f} {rates[1]:15.3f} {rates[2]:16.3f} {rates[3]:15.3f}"
                    f" ({rates[3] / rates[1]:.2f})"
                )
    print(f"judge: {judge_ms():.2f} ms a series")
    for devices, readings in ((1, 500), (10, 50)):
        for step_s in (60, 10, 1):
            plain, _ = through_shard(devices, readings, step_s * 1000, judged=False)
            full, held = through_shard(devices, readings, step_s * 1000, judged=True)
            print(f"shard: {devices} x {readings}, every {step_s} s: {plain:.3f} M/s, with "
                  f"anomalies {full:.3f} ({full / plain:.2f}), {held:.0f} B of hours a series")


if __name__ == "__main__":
    main()
