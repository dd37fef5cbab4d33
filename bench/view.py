"""What does a view in Redis cost? Client and server time and memory per subject.

    python -m bench.view [--url redis://127.0.0.1:6379/0] [--subjects 100000] [--state 1500]

Data: made-up states of so many random bytes, and effects for 15 of 100: a change of grade and an
alert each, as the pipeline makes them. Each subject is written twice: new, and again. `script` is
the other way that was tried: states, effects and the check of the mark in one Lua script. `packed`
says what zlib (level 1) would do to real states, those of a simulated city of a year. Needs a Redis
of its own for the figures of memory and of the server's time; writes under the prefix bench-view.
"""

from __future__ import annotations

import argparse
import datetime as dt
import itertools
import json
import random
import time
import zlib
from collections.abc import Callable, Iterable
from typing import Any

import redis

from config import load
from storage.effects import AlertChanged, Evidence, SubjectChanged
from storage.redis_view import RedisView
from storage.view import Change, Placed
from streams import checkpoint
from streams.batch import PRESENT_MS, Feed
from streams.embedded import Embedded
from streams.redis_reader import RedisReader
from streams.simulate import city

PREFIX = "bench-view"
BATCHES = (450, 3_500)
EFFECTS = 0.15
DISTRICTS, KINDS = [f"5001{n:02d}" for n in range(38)], ("enterprise", "individual", "soe")
# Sets many fields in one step: unpack() has room for less than 8,000 values.
SCRIPT = """
if tonumber(redis.call('HGET', KEYS[1], 'mark') or 0) ~= tonumber(ARGV[1]) then return 0 end
for i = 3, #ARGV, 4000 do
  redis.call('HSET', KEYS[2], unpack(ARGV, i, math.min(i + 3999, #ARGV)))
end
redis.call('HSET', KEYS[1], 'mark', ARGV[2])
return 1
"""


def effects(rng: random.Random, key: str, at: int, again: bool) -> list[Placed]:
    graded = SubjectChanged(
        key, "重庆示例餐饮管理有限公司", rng.choice(KINDS), rng.choice(DISTRICTS), "6210", "S",
        rng.choice("ABCD"), "C", 1, 1,
        [{"item": "cq1-17", "from": "A", "to": "B", "since": 20_000}], 1_770_000_000_000)
    alert = AlertChanged(
        f"grade-drop-{key}", "grade-drop", "yellow", "resolved" if again else "firing",
        "firing" if again else "", "opened", key, "cq1-17", 1_770_000_000_000, 1_770_000_000_000,
        1_770_000_000_000, 0, ["市市场监管局"], ["cq1-17"], {"from": "A", "to": "B"},
        [Evidence("cq/market", f"PEN-{n}", "penalty.decided", 1_770_000_000_000) for n in range(3)],
        "w000000", "19f0943bf45ba315")
    return [Placed(at, 0, alert, b""), Placed(at, 1, graded, b"")]


def batches(subjects: int, size: int, state: int, again: bool) -> Iterable[Change]:
    rng = random.Random(again)
    document = Embedded(None, load.policy()).card.document
    for start in range(0, subjects, size):
        keys = [f"9150{n:014d}" for n in range(start, min(start + size, subjects))]
        at = start + again * subjects
        told = [x for key in keys if rng.random() < EFFECTS
                for x in effects(rng, key, at, again)]
        yield Change(0, 1, at, min(start + size, subjects) + again * subjects, at,
                     {"accepted": at, "subjects": at}, [(0, document, "w000000")] if not at
                     else None, [], told, {key: rng.randbytes(state) for key in keys})


def spent(client: Any) -> float:
    """Seconds of processor time the server has used."""
    held = client.info("cpu")
    return float(held["used_cpu_user"]) + float(held["used_cpu_sys"])


def measured(client: Any, changes: Iterable[Change],
             apply: Callable[[Change], object]) -> dict[str, float]:
    """µs per subject: on the wall, of this process, of the server."""
    wall = here = there = 0.0
    subjects = 0
    for change in changes:
        before = spent(client), time.process_time(), time.perf_counter()
        apply(change)
        wall += time.perf_counter() - before[2]
        here += time.process_time() - before[1]
        there += spent(client) - before[0]
        subjects += len(change.states)
    return {name: round(1e6 * seconds / subjects, 2)
            for name, seconds in (("wall", wall), ("client", here), ("server", there))}


def writing(client: Any, a: argparse.Namespace) -> dict[str, Any]:
    out: dict[str, Any] = {}
    view = RedisView(client, PREFIX)
    script = client.register_script(SCRIPT)

    def by_script(change: Change) -> None:
        words: list[Any] = [change.after, change.upto]
        for pair in change.states.items():
            words += pair
        assert script([f"{PREFIX}:part:0", f"{PREFIX}:states:0"], words) == 1

    for size in BATCHES:
        for name, again in (("new", False), ("again", True)):
            if not again:
                view.clear()
            out[f"{size} {name}"] = measured(
                client, batches(a.subjects, size, a.state, again), view.apply)
        bare = [x._replace(effects=[], after=x.after, cards=None)
                for x in batches(min(a.subjects, 20_000), size, a.state, False)]
        for name, apply in (("transaction", view.apply), ("script", by_script)):
            view.clear()
            measured(client, bare, apply)
            client.hdel(f"{PREFIX}:part:0", "mark")
            out[f"{size} states alone, again, {name}"] = measured(client, bare, apply)
    return out


def memory(client: Any, a: argparse.Namespace) -> dict[str, float]:
    view = RedisView(client, PREFIX)
    view.clear()
    time.sleep(1)
    before = int(client.info("memory")["used_memory"])
    for change in batches(a.subjects, BATCHES[1], a.state, False):
        view.apply(change._replace(effects=[]))
    states = (int(client.info("memory")["used_memory"]) - before) / a.subjects
    view.clear()
    time.sleep(1)
    before = int(client.info("memory")["used_memory"])
    for change in batches(a.subjects, BATCHES[1], a.state, False):
        view.apply(change)
    whole = (int(client.info("memory")["used_memory"]) - before) / a.subjects
    return {"bytes_a_state": round(states), "of_it_state": a.state, "with_effects": round(whole),
            "bytes_an_effect_pair": round((whole - states) / EFFECTS)}


def reading(client: Any, a: argparse.Namespace) -> dict[str, float]:
    reader = RedisReader(client, PREFIX)

    def ms(work: Callable[[], object], times: int = 20) -> float:
        work()
        start = time.perf_counter()
        for _ in range(times):
            work()
        return round(1e3 * (time.perf_counter() - start) / times, 2)

    return {
        "page of 50 subjects": ms(reader.subjects),
        "page of 50 subjects of a grade": ms(lambda: reader.subjects(grade="D")),
        "ids of 50 alerts": ms(lambda: reader._newest_of(
            [f"{PREFIX}:alerts:opened"], "+inf", 50)),
        "search that finds nothing, a subject": round(
            ms(lambda: reader.subjects(q="无此"), 1) / (a.subjects * EFFECTS), 6),
        "counts of grades": ms(reader.grades),
        "counts of open alerts": ms(reader.open_alerts),
    }


def packed() -> dict[str, float]:
    runner = Embedded(None, load.policy())
    feed = Feed(runner, "bench", PRESENT_MS)
    for line in city(3_000, 365, 1, dt.date(2025, 10, 1)):
        feed.put(line)
    feed.flush()
    subjects = list(runner.shard.subjects.values())
    marks = [time.process_time()]
    states = [checkpoint.pack(x) for x in subjects]
    marks.append(time.process_time())
    small = [zlib.compress(x, 1) for x in states]
    marks.append(time.process_time())
    for x in small:
        zlib.decompress(x)
    marks.append(time.process_time())
    pack, shrink, grow = (round(1e6 * (b - a) / len(states), 1)
                          for a, b in itertools.pairwise(marks))
    sizes = sorted(map(len, states))
    return {"bytes_mean": round(sum(sizes) / len(sizes)), "bytes_median": sizes[len(sizes) // 2],
            "bytes_p99": sizes[len(sizes) * 99 // 100], "pack_us": pack,
            "zlib_share": round(sum(map(len, small)) / sum(sizes), 3), "zlib_us": shrink,
            "unzlib_us": grow}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", default="redis://127.0.0.1:6379/0")
    parser.add_argument("--subjects", type=int, default=100_000)
    parser.add_argument("--state", type=int, default=1_500)
    a = parser.parse_args()
    client: Any = redis.Redis.from_url(a.url)
    try:
        found = {"redis": client.info("server")["redis_version"],
                 "us_a_subject": writing(client, a), "memory": memory(client, a),
                 "read_ms": reading(client, a), "packed": packed()}
    finally:
        RedisView(client, PREFIX).clear()
    found["chosen"] = ("WATCH and MULTI/EXEC with HSET for states, a script for effects only; "
                       "states not compressed")
    print(json.dumps(found, indent=1, ensure_ascii=False))


if __name__ == "__main__":
    main()
