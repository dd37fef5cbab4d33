"""The kill test: `kill -9` of everything, at random moments, and then all must be as undisturbed.

    python -m bench.killtest                  ≥ 30 kills over ≥ 1,000,000 events
    python -m bench.killtest --short          a few over a small city, under three minutes

A simulated city is run through the embedded runner: that is how it should end. The same events go
through Kafka, two intakes and three workers; at moments drawn from the seed a worker, an intake,
Redis or the broker is killed, a worker is added or taken away, or Redis is emptied. Afterwards the
digest of the view, the alerts, their transitions and the reviews must be the same, and each
transition must stand on the alerts topic once by id.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.site import ROOT, XINFENG, Site
from config import load
from storage.sqlite_store import SqliteStore
from streams import batch
from streams.embedded import Embedded
from streams.reader import Reader

EVENTS_PER_SUBJECT = 11.6
KINDS = (("worker", 10), ("intake", 5), ("analyst", 4), ("redis", 5), ("broker", 4), ("add", 2),
         ("remove", 2), ("flush", 1))
"""What happens, and how often among the others."""
KILLS = ("worker", "intake", "analyst", "redis", "broker")


def say(text: str) -> None:
    sys.stderr.write(f"[{time.strftime('%H:%M:%S')}] {text}\n")
    sys.stderr.flush()


# ------------------------------------------------------------------------------------ how it ends


def conclusions(reader: Any) -> dict[str, Any]:
    """What a view concludes, in a form that can be compared."""
    transitions: Counter[tuple[str, str, str]] = Counter()
    seq = 0
    while rows := reader.changes(seq, 10_000):
        transitions.update((r["id"], r["was"], r["state"]) for r in rows)
        seq = rows[-1]["seq"]
    alerts, before = {}, None
    while rows := reader.alerts(limit=1000, before=before):
        alerts.update({r["id"]: (r["rule"], r["level"], r["state"], r["subject"]) for r in rows})
        before = rows[-1]["id"]
    reviews, before = {}, None
    while rows := reader.reviews(limit=1000, before=before):
        reviews.update({r["id"]: (r["state"], r["levels"], r["since"], r["ended_on"])
                        for r in rows})
        before = rows[-1]["id"]
    return {"alerts": alerts, "reviews": reviews, "transitions": transitions}


def undisturbed(city: Path, folder: Path) -> dict[str, Any]:
    """The city through the embedded runner."""
    policy = load.policy()
    runner = Embedded(folder, policy)
    summary = batch.process(runner, [str(city)])
    runner.close(checkpoint=False)
    store = SqliteStore(folder, write=False)
    made = conclusions(Reader(store, policy))
    store.close()
    return {**made, "digest": summary["digest"], "accepted": summary["accepted"],
            "events_per_s": summary["events_per_s"]}


def differences(found: dict[str, Any], wanted: dict[str, Any]) -> list[str]:
    """What differs, a line each."""
    out = []
    if found["digest"] != wanted["digest"]:
        out.append(f"digest {found['digest']}, undisturbed {wanted['digest']}")
    for what in ("alerts", "reviews", "transitions"):
        a, b = found[what], wanted[what]
        if a == b:
            continue
        missing, more = b.keys() - a.keys(), a.keys() - b.keys()
        other = [k for k in a.keys() & b.keys() if a[k] != b[k]]
        out.append(f"{what}: {len(missing)} missing {sorted(missing)[:2]}, {len(more)} more "
                   f"{sorted(more)[:2]}, {len(other)} other "
                   f"{[(k, a[k], b[k]) for k in sorted(other)[:2]]}")
    return out


# ------------------------------------------------------------------------------------ what happens


class Chaos:
    """Does harm to a site at moments of its progress, and puts it right again."""

    def __init__(self, site: Site, seed: int, kills: int, events: int, workers: int) -> None:
        self.site, self.random, self.events = site, random.Random(seed), events
        names, weights = zip(*KINDS, strict=True)
        plan = list(names)  # Each at least once.
        while sum(k in KILLS for k in plan) < kills:
            plan += self.random.choices(names, weights)
        self.random.shuffle(plan)
        at = sorted(self.random.uniform(0.02, 0.97) for _ in plan)
        self.plan = list(zip(at, plan, strict=True))
        self.done: Counter[str] = Counter()
        self.workers = [f"worker{n}" for n in range(workers)]
        self.added = workers
        self.intakes = ["intake0", "intake1"]

    def run(self, limit_s: float) -> None:
        started = time.monotonic()
        reached = 0.0
        while self.plan:
            if time.monotonic() - started > limit_s:
                raise TimeoutError(f"{len(self.plan)} of the plan left after {limit_s:.0f} s")
            for name in self.site.dead():
                self.done["ended by itself"] += 1
                self.site.start(name)
            reached = max(reached, self.site.taken() / self.events)
            if reached < self.plan[0][0]:
                time.sleep(0.1)
                continue
            _, what = self.plan.pop(0)
            say(f"{reached:5.1%} {what}")
            self.done[what] += 1
            getattr(self, f"_{what}")()
            # The next harm may come in the middle of the recovery, or after it.
            time.sleep(self.random.choice((0.0, 0.5, 2.0)))

    def _again(self, name: str) -> None:
        self.site.kill(name)
        time.sleep(self.random.choice((0.0, 1.0)))
        self.site.start(name)

    def _worker(self) -> None:
        self._again(self.random.choice([w for w in self.workers if w in self.site.roles]))

    def _analyst(self) -> None:
        self._again("analyst")

    def _intake(self) -> None:
        # Which of the two works is not known here: sometimes both go.
        for name in self.random.sample(self.intakes, self.random.choice((1, 2))):
            self._again(name)

    def _redis(self) -> None:
        assert self.site.redis is not None
        self.site.redis.kill()
        time.sleep(self.random.choice((0.0, 0.5, 2.0)))
        self.site.redis.start()

    def _broker(self) -> None:
        assert self.site.kafka is not None
        self.site.kafka.kill()
        time.sleep(self.random.choice((0.0, 1.0)))
        self.site.kafka.start()

    def _flush(self) -> None:
        self.site.client().flushall()

    def _add(self) -> None:
        self.added += 1
        name = f"worker{self.added}"
        self.workers.append(name)
        self.site.start(name)

    def _remove(self) -> None:
        there = [w for w in self.workers if w in self.site.roles]
        if len(there) > 1:
            name = self.random.choice(there)
            self.workers.remove(name)
            self.site.stop(name)


# -------------------------------------------------------------------------------------- the test


def make_city(path: Path, subjects: int, seed: int) -> None:
    subprocess.run([*XINFENG, "simulate", "--subjects", str(subjects), "--days", "365", "--seed",
                    str(seed), "--out", str(path)], cwd=ROOT, check=True)


def killtest(folder: Path, *, subjects: int, kills: int, seed: int, partitions: int, workers: int,
             limit_s: float, tell: Callable[[str], None] = say) -> list[str]:
    """Run it; what was wrong, a line each."""
    folder.mkdir(parents=True, exist_ok=True)
    city = folder / "city.ndjson"
    make_city(city, subjects, seed)
    tell("undisturbed, through the embedded runner")
    wanted = undisturbed(city, folder / "embedded")
    tell(f"  {wanted['accepted']} events, {len(wanted['alerts'])} alerts, "
         f"{wanted['transitions'].total()} transitions, digest {wanted['digest']}")
    site = Site(folder, partitions=partitions)
    started = time.monotonic()
    try:
        site.start_servers()
        tell(f"kafka {site.settings.kafka.servers}, {site.settings.redis.url}; publishing")
        site.run("publish", str(city), "--event-time")
        chaos = Chaos(site, seed, kills, wanted["accepted"], workers)
        for name in ["analyst", *chaos.intakes, *chaos.workers]:
            site.start(name)
        chaos.run(limit_s)
        tell("the plan is through; waiting until all is settled")
        site.wait(limit_s)
        reader = site.reader()
        found = {**conclusions(reader), "digest": reader.digest()}
        counts = reader.counts()
        wrong = differences(found, wanted)
        # A device's message counts each time it comes: it changes nothing the second time.
        again = counts["accepted"] - wanted["accepted"]
        if again < 0:
            wrong.append(f"accepted {counts['accepted']}, undisturbed {wanted['accepted']}")
        said, repeats = site.said(site.topics.alerts)
        on_topic = Counter((x["data"]["id"], x["data"]["was"], x["data"]["state"])
                           for x in said.values())
        lost = wanted["transitions"] - on_topic
        doubled = on_topic - wanted["transitions"]
        if lost or doubled:
            wrong.append(f"topic {site.topics.alerts}: {lost.total()} lost "
                         f"{list(lost)[:2]}, {doubled.total()} doubled {list(doubled)[:2]}")
        harm = ", ".join(f"{name} {chaos.done[name]}" for name, _ in KINDS if chaos.done[name])
        killed = sum(chaos.done[k] for k in KILLS)
        seconds = time.monotonic() - started
        print(f"seed {seed}: {wanted['accepted']} events, {killed} kills in {seconds:.0f} s "
              f"({harm}; ended by themselves and started again: "
              f"{chaos.done['ended by itself']}); duplicates in the log dropped by the step: "
              f"{counts['duplicates']}, device messages taken in again: {max(again, 0)}; repeats "
              f"on the alerts topic dropped by the reader: {repeats}; lost: {max(-again, 0)} "
              f"events, {lost.total()} transitions; doubled: {doubled.total()}; "
              f"{'as undisturbed' if not wrong else 'WRONG'}")
        return wrong
    finally:
        site.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--short", action="store_true")
    parser.add_argument("--subjects", type=int, default=90_000)
    parser.add_argument("--kills", type=int, default=34)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--partitions", type=int, default=4)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--folder", type=Path, help="Keep everything there.")
    given = parser.parse_args()
    size = (4_000, 8) if given.short else (given.subjects, given.kills)
    with tempfile.TemporaryDirectory(prefix="killtest-") as made:
        wrong = killtest(given.folder or Path(made), subjects=size[0], kills=size[1],
                         seed=given.seed, partitions=given.partitions, workers=given.workers,
                         limit_s=300 if given.short else 5_000)
    for line in wrong:
        print(line)
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
