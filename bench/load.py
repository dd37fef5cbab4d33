"""A city of a million: throughput, memory, restart. Every figure in a process of its own.

    python -m bench.load process --subjects 90000        the 1,000,000-event city file, durable
    python -m bench.load memory --subjects 1000000       facts for a million subjects, and restart

`process` writes the simulated city (readings included) to a file, then runs it through the store as
`xinfeng process --store` does. `memory` gives each subject up to ten events (registration, two
inspections and an act, each published, a complaint and its end, a declaration); throughput is that
of the last round over all subjects.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from config import load
from models import uscc
from storage.sqlite_store import SqliteStore
from streams import batch
from streams.embedded import Embedded, replay, restore
from streams.simulate import city

FAR_MS = 4_102_444_800_000


def rss_mib() -> float:
    """Memory in use now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def apart(work: Any, *args: Any) -> dict[str, Any]:
    """Run in a fresh process, so that memory is its own."""
    context = multiprocessing.get_context("spawn")
    with context.Pool(1) as pool:
        found: dict[str, Any] = pool.apply(work, args)
        return found


def run_file(name: str, store: str) -> dict[str, Any]:
    runner = Embedded(Path(store), load.policy())
    before = rss_mib()
    summary = batch.process(runner, [name], now_ms=FAR_MS)
    start = time.perf_counter()
    runner.close()
    size = sum(p.stat().st_size for p in Path(store).iterdir())
    return {"summary": summary, "subjects": len(runner.shard.subjects), "peak_mib": peak_mib(),
            "bytes_per_subject": (rss_mib() - before) * 2**20 / len(runner.shard.subjects),
            "checkpoint_s": time.perf_counter() - start, "store_mib": size / 2**20}


def restart(store: str) -> dict[str, Any]:
    held = SqliteStore(Path(store), write=False)
    start = time.perf_counter()
    shard = restore(held)[0]
    return {"restart_s": time.perf_counter() - start, "subjects": len(shard.subjects),
            "peak_mib": peak_mib()}


def refold(store: str) -> dict[str, Any]:
    start = time.perf_counter()
    replay(SqliteStore(Path(store), write=False))
    return {"replay_s": time.perf_counter() - start}


def code(n: int) -> str:
    """A valid code for subject number n."""
    body = f"{n:08d}"
    stem = f"91500106{body}{uscc.organisation_check(body)}"
    return stem + uscc.check_character(stem)


def facts(subjects: int, each: int) -> Any:
    """`each` events a subject (1 to 10), day by day, so that the clock moves on."""
    head = ('{"specversion":"1.0","source":"bench","id":"%s","type":"%s","subject":"%s",'
            '"time":"%s","data":%s}')
    codes = [code(n) for n in range(subjects)]
    for n, subject in enumerate(codes):
        data = ('{"name":"重庆测试%d号有限公司","kind":"enterprise","district":"500106",'
                '"industry":"H6210","size":"small","registered_on":"2020-01-01"}' % n)
        yield (head % (f"r{n}", "subject.registered", subject, "2026-01-05T09:00:00+08:00",
                       data)).encode()
    plan = [
        ("inspection.completed", "i", 6, '{"item":"cq1-17","plan":"random","result":"pass","findings":[]}'),
        ("act.published", "p", 7, '{"of":{"source":"bench","id":"i%d"},"published_on":"2026-01-07"}'),
        ("act.decided", "a", 8, '{"act":"permit","item":"cq1-31","decided_on":"2026-01-08"}'),
        ("act.published", "q", 9, '{"of":{"source":"bench","id":"a%d"},"published_on":"2026-01-09"}'),
        ("complaint.filed", "c", 12, '{"item":"cq1-17","kind":"complaint","category":"food"}'),
        ("complaint.closed", "d", 13, '{"of":{"source":"bench","id":"c%d"},"outcome":"mediated"}'),
        ("inspection.completed", "j", 14, '{"item":"cq1-31","plan":"random","result":"fixed","findings":[]}'),
        ("act.published", "s", 15, '{"of":{"source":"bench","id":"j%d"},"published_on":"2026-01-15"}'),
        ("information.declared", "k", 16, '{"category":"award","authorised":true}'),
    ]
    for type_, mark, day, data in plan[: each - 1]:
        stamp = f"2026-01-{day:02d}T10:00:00+08:00"
        for n, subject in enumerate(codes):
            body = data % n if "%d" in data else data
            yield (head % (f"{mark}{n}", type_, subject, stamp, body)).encode()


def fill(subjects: int, each: int, store: str) -> dict[str, Any]:
    runner = Embedded(Path(store), load.policy(), checkpoint_events=1 << 60)
    before = rss_mib()
    feed = batch.Feed(runner, "bench", FAR_MS)
    start = mark = time.perf_counter()
    for line in facts(subjects, each):
        feed.put(line)
        if feed.events == (each - 1) * subjects:
            mark = time.perf_counter()
        if feed.events % 200_000 == 0:
            print(f"\r{feed.events:,} events", end="", file=sys.stderr)
    feed.flush()
    end = time.perf_counter()
    used = rss_mib() - before
    save = time.perf_counter()
    runner.checkpoint()
    return {"subjects": subjects, "events": feed.events, "events_per_s": feed.events / (end - start),
            "last_round_per_s": subjects / (end - mark), "rss_mib": rss_mib(),
            "bytes_per_subject": used * 2**20 / subjects, "peak_mib": peak_mib(),
            "checkpoint_s": time.perf_counter() - save}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("question", choices=["process", "memory"])
    parser.add_argument("--subjects", type=int, default=90_000)
    parser.add_argument("--each", type=int, default=10, help="events a subject, memory only")
    a = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        store = str(Path(folder) / "store")
        if a.question == "process":
            name = str(Path(folder) / "city.ndjson")
            with Path(name).open("wb") as file:
                for line in city(a.subjects, 365, 1):
                    file.write(line + b"\n")
            print(json.dumps(apart(run_file, name, store), indent=1))
            print(json.dumps(apart(restart, store)))
            print(json.dumps(apart(refold, store)))
        else:
            print(json.dumps(apart(fill, a.subjects, a.each, store), indent=1))
            print(json.dumps(apart(restart, store)))


if __name__ == "__main__":
    main()
