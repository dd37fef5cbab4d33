"""How fast is the step on one core? Facts one by one, and device readings in batches of 500.

    python -m bench.step [--subjects 10000] [--repeats 3]

Data: the simulated city, seed 1, one year, without readings; then the same city's quiet part (no
penalties, lists or failed inspections). Compares, in the same run, with decoding alone. Figures are
medians of the repeats, in process time. `kinds` says what one event of a type takes in the step,
timers and the identity index apart (one more run, its own clock included: about 0.2 µs an event).
"""

from __future__ import annotations

import argparse
import collections
import datetime as dt
import json
import os
import platform
import statistics
import time
from pathlib import Path
from typing import Any

import numpy as np

from config import load
from streams import codec
from streams.batch import Feed
from streams.embedded import Embedded
from streams.pipeline import Entry, Shard
from streams.simulate import city

FAR_MS = 4_102_444_800_000
QUIET = (b'"penalty.', b'"list.', b'"rectification.', b'"repair.', b'"objection.', b'"arrears.',
         b'"commitment.breached"', b'"result":"f', b'"result":"o', b'"result":"u')


def envelopes(lines: list[bytes]) -> tuple[list[list[Entry]], float]:
    """The log entries of some lines, and the seconds intake took for them."""
    runner = Embedded(None, load.policy())
    out: list[list[Entry]] = []
    feed = Feed(runner, "bench", FAR_MS)
    # What would be written is kept; nothing is folded.
    runner.append = lambda entries, *_: out.append(entries)  # type: ignore[assignment, method-assign]
    start = time.process_time()
    for line in lines:
        feed.put(line)
    feed.flush()
    return out, time.process_time() - start


def timed(work: Any) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def facts(lines: list[bytes], repeats: int) -> dict[str, float]:
    n = len(lines)
    decode, step, intake = [], [], []
    for _ in range(repeats):
        decode.append(timed(lambda: [codec.decode(line) for line in lines]))
        entries, seconds = envelopes(lines)
        intake.append(seconds)
        blobs = [codec.encode_envelope(e) for e in entries]
        shard = Embedded(None, load.policy()).shard

        def run(shard: Shard = shard, blobs: list[bytes] = blobs) -> None:
            for blob in blobs:
                shard.step(codec.decode_envelope(blob))

        step.append(timed(run))
    d, s, i = (statistics.median(x) for x in (decode, step, intake))
    return {"events": n, "decode_only_per_s": n / d, "step_with_log_decode_per_s": n / s,
            "intake_and_step_per_s": n / (s + i), "step_to_decode_only": d / s}


def kinds(lines: list[bytes]) -> dict[str, dict[str, float]]:
    """Events, µs each and share of the whole step, by type; dearest first."""
    spent: collections.Counter[str] = collections.Counter()
    events: collections.Counter[str] = collections.Counter()
    take, advance = Shard._take, Shard._advance

    def timed_take(shard: Shard, event: Any, key: int) -> Any:
        start = time.perf_counter()
        found = take(shard, event, key)
        spent[event.type] += time.perf_counter() - start
        events[event.type] += 1
        return found

    def timed_advance(shard: Shard, recorded_ms: int) -> None:
        start = time.perf_counter()
        advance(shard, recorded_ms)
        spent["(timers)"] += time.perf_counter() - start
        events["(timers)"] += 1

    entries, _ = envelopes(lines)
    shard = Embedded(None, load.policy()).shard
    start = time.perf_counter()
    try:
        Shard._take, Shard._advance = timed_take, timed_advance  # type: ignore[method-assign]
        for chunk in entries:
            shard.step(chunk)
    finally:
        Shard._take, Shard._advance = take, advance  # type: ignore[method-assign]
    whole = time.perf_counter() - start
    spent["(identities, loop)"] = whole - sum(spent.values())
    events["(identities, loop)"] = len(lines)
    return {name: {"events": events[name], "us_each": round(1e6 * spent[name] / events[name], 1),
                   "share_pct": round(100 * spent[name] / whole, 1)}
            for name, _ in spent.most_common()}


def machine() -> str:
    """CPU, cores, Python, and how busy the machine is."""
    names = [line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines()
             if line.startswith("model name")] if Path("/proc/cpuinfo").exists() else []
    return (f"{names[0] if names else platform.machine()}, {os.cpu_count()} cores, "
            f"Python {platform.python_version()}, load {os.getloadavg()[0]:.1f}")


def readings(batches: int, repeats: int) -> dict[str, float]:
    rng = np.random.default_rng(1)
    found = {}
    for name, size, series in (("1x500", 500, 1), ("10x50", 50, 10)):
        lines = []
        t0 = 1_790_000_000_000
        subjects = [json.loads(x)["subject"] for _, x in
                    zip(range(20), city(200, 2, 1, iot=False), strict=False)]
        for b in range(batches):
            rows = []
            at = t0 + b // len(subjects) * size * 60_000
            for k in range(series):
                rows.append({"device": f"d{k}", "class": "coldchain", "metric": "temperature_c",
                             "unit": "°C", "t": [at + 60_000 * j for j in range(size)],
                             "v": [round(float(x), 2) for x in rng.normal(4, 0.6, size)]})
            stamp = dt.datetime.fromtimestamp(at / 1000 + size * 60, dt.UTC).isoformat()
            lines.append(json.dumps({
                "specversion": "1.0", "id": f"r{b}", "source": "bench", "type": "iot.readings",
                "subject": subjects[b % len(subjects)], "time": stamp,
                "data": {"item": "cq1-17", "series": rows}}).encode())
        total = []
        for _ in range(repeats):
            entries, intake = envelopes(lines)
            shard = Embedded(None, load.policy()).shard

            def run(shard: Shard = shard, entries: list[list[Entry]] = entries) -> None:
                for chunk in entries:
                    shard.step(chunk)

            total.append(intake + timed(run))
        found[f"readings_per_s_{name}"] = batches * size * series / statistics.median(total)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--subjects", type=int, default=10_000)
    parser.add_argument("--repeats", type=int, default=3)
    a = parser.parse_args()
    lines = list(city(a.subjects, 365, 1, iot=False))
    quiet = [x for x in lines if not any(word in x for word in QUIET)]
    result = {
        "machine": machine(),
        "city": facts(lines, a.repeats), "quiet": facts(quiet, a.repeats),
        "iot": readings(400, a.repeats), "kinds": kinds(lines),
    }
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
