"""How long a scrape of `/metrics` takes beside a million businesses, and what counting costs.

    python -m bench.scrape --subjects 1000000 --alerts 300000 --scrapes 60

A simulated city of 200 is played; its subjects, in the state and in the view, and its alerts, in
the view, are then repeated under other names until there are as many as asked for. Scrapes are a
second apart. `tally` is what the counts cost at each event, best of 7.
"""

from __future__ import annotations

import argparse
import datetime as dt
import statistics
import tempfile
import time
import timeit
from pathlib import Path

from config import load
from models.subject import Subject
from streams import codec
from streams.embedded import Embedded
from streams.service import EmbeddedService
from streams.simulate import city
from streams.tally import Tally

NOW_MS = 1_790_000_000_000


def grow(service: EmbeddedService, subjects: int, alerts: int) -> None:
    """Repeat what is there. What stands in the state shares its bytes: it is only counted."""
    store, shard = service.runner.store, service.runner.shard
    held = store.query("SELECT * FROM subjects")
    told = store.query("SELECT * FROM alerts")
    db = store._db
    db.execute("BEGIN")
    for k in range(subjects // len(held)):
        db.executemany("INSERT INTO subjects VALUES (?,?,?,?,?,?,?,?,?)",
                       [(f"{k}-{row[0]}", *row[1:]) for row in held])
    for k in range(alerts // len(told)):
        db.executemany("INSERT INTO alerts VALUES (?,?,?,?,?,?,?,?)",
                       [(f"{k}-{row[0]}", (k + 1) * 10**6 + n, *row[2:-1], (k + 1) * 10**6 + n)
                        for n, row in enumerate(told)])
    for factor, kinds in ((subjects // len(held), ("subjects",)),
                          (alerts // len(told), ("alerts", "open"))):
        for kind in kinds:
            db.execute("UPDATE counts SET n = n * ? WHERE kind = ?", (factor + 1, kind))
    db.execute("COMMIT")
    known = list(shard.subjects.values())
    for k in range(subjects // len(known)):
        for one in known:
            more = Subject(f"{k}-{one.key}")
            more.profile, more.facts = one.profile, one.facts
            more.signals, more.path = one.signals, one.path
            shard.subjects[more.key] = more


def tally_us(service: EmbeddedService) -> float:
    """Of one event [µs], over the longest envelope of the log."""
    body = max((body for _, body in service.runner.store.read(0)), key=len)
    entries = codec.decode_envelope(body)
    took = timeit.repeat(lambda: Tally().take(entries, [], service.runner.shard), number=20,
                         repeat=7)
    return min(took) / 20 / len(entries) * 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--subjects", type=int, default=1_000_000)
    parser.add_argument("--alerts", type=int, default=300_000)
    parser.add_argument("--scrapes", type=int, default=60)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="xinfeng-") as folder:
        service = EmbeddedService(Embedded(Path(folder), load.policy()), lambda: NOW_MS)
        raws = list(city(200, 250, 3, dt.date(2025, 9, 1)))
        for n in range(0, len(raws), 250):
            service.submit(raws[n : n + 250], "bench", event_time=True)
        print(f"tally           {tally_us(service):.2f} µs an event")
        grow(service, options.subjects, options.alerts)
        print(f"subjects        {len(service.runner.shard.subjects)}")
        took = []
        for _ in range(options.scrapes + 1):
            started = time.perf_counter()
            size = len(service.metrics_text())
            took.append((time.perf_counter() - started) * 1000)
            time.sleep(1)
        print(f"first scrape    {took[0]:.0f} ms, {size} bytes")
        print(f"then            median {statistics.median(took[1:]):.1f} ms, longest "
              f"{max(took[1:]):.1f} ms of {options.scrapes}")


if __name__ == "__main__":
    main()
