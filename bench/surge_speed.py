"""Question: what does one day's look for surges cost, against another version of it, and does every
day come out the same?

Data: what an analysis does to its counts (reports, take-backs, rosters, days to judge), written
down once: from the signals of a file of events folded by a shard (`--city`), or from the complaints
of a simulated city alone (`--subjects`). Both versions then do the same in processes of their own,
by turns; a day's cost is its processor time in `evaluate`, the least of all turns. Dumped and
loaded in the middle.
Command: `git worktree add --detach /tmp/before f607ac6`, then
`python -m bench.surge_speed --before /tmp/before --city FILE.ndjson` (or `--subjects 90000`)
"""

from __future__ import annotations

import argparse
import gc
import os
import pickle
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import msgspec

from bench import surge
from config import load
from models.surge import evaluate
from models.surge_policy import SurgePolicy
from models.surge_state import Cells, Report
from storage.effects import Passed, PolicyTaken, Signal
from streams import analysis
from streams.batch import PRESENT_MS, Feed, open_lines
from streams.embedded import Embedded

Op = tuple[Any, ...]
ROOT = Path(__file__).parents[1]


class Written:
    """In place of `Cells`: writes down what is done to it."""

    def __init__(self, ops: list[Op]) -> None:
        self.ops = ops
        self.cells = True

    def advance(self, day: int) -> None:
        pass

    def add(self, report: Report) -> None:
        self.ops.append(("add", tuple(report)))

    def take_back(self, report: Report) -> None:
        self.ops.append(("take_back", tuple(report)))

    def enrol(self, peer: tuple[str, str, str], n: int = 1) -> None:
        self.ops.append(("enrol", tuple(peer), n))


class Runner(Embedded):
    """Keeps what the shard tells the analysis, and nothing else."""

    def __init__(self) -> None:
        self.told: list[list[Any]] = []
        super().__init__(None, load.policy())

    def append(self, entries: Any, raws: Any, dead: Any = ()) -> list[Any]:
        self.told.append([x for x in self.shard.step(entries)
                          if isinstance(x, Signal | Passed | PolicyTaken)])
        return []


def of_city(name: str) -> tuple[SurgePolicy, list[Op]]:
    """What an analysis does with the events of a file."""
    runner = Runner()
    feed = Feed(runner, name, PRESENT_MS)
    with open_lines(name) as file:
        for line in file:
            feed.put(line.strip())
    feed.flush()
    ops: list[Op] = []
    one = analysis.Analysis()
    one._cells = Written(ops)  # type: ignore[assignment]
    analysis.evaluate = lambda _, day, *rest: ops.append(("look", day)) or []  # type: ignore
    for told in runner.told:
        one.take(0, told)
    return one._surges, ops


def of_subjects(number: int) -> tuple[SurgePolicy, list[Op]]:
    """What would be done with the complaints of a simulated city."""
    city = surge.City(number, 7)
    ops: list[Op] = []
    written: Any = Written(ops)
    for peer in city.peers:
        written.enrol(peer)
    for day in range(city.first, city.first + surge.PAST_D + surge.YEAR_D):
        city.live(written, day, {})
        ops.append(("look", day))
    return SurgePolicy(), ops


def play(source: str, after: int) -> None:
    """Do what is written down; days' results and costs to standard output."""
    policy_, ops = pickle.loads(Path(source).read_bytes())
    policy = msgspec.json.decode(policy_, type=SurgePolicy)
    gc.freeze()
    state, rows, looks = Cells(), [], 0
    held: list[Any] = []
    for kind, *rest in ops:
        if kind == "add":
            state.add(Report(*rest[0]))
        elif kind == "take_back":
            state.take_back(Report(*rest[0]))
        elif kind == "enrol":
            state.enrol(*rest)
        else:
            looks += 1
            state.advance(rest[0])
            if looks <= after:
                continue
            if looks == after + 60:
                state = Cells.load(state.dump())
            at = time.process_time()
            found = evaluate(state, rest[0], policy, held)
            rows.append((time.process_time() - at, rest[0], msgspec.json.encode(found)))
            held = [s for s in found if s.phase != "resolved"]
    sys.stdout.buffer.write(pickle.dumps(rows))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--before", help="a working tree of the other version")
    parser.add_argument("--city", help="a file of events; --subjects otherwise")
    parser.add_argument("--subjects", type=int, default=90_000)
    parser.add_argument("--after", type=int, default=0, help="days that are not judged")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--play", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.play:
        play(args.play, args.after)
        return
    policy, ops = of_city(args.city) if args.city else of_subjects(args.subjects)
    with tempfile.NamedTemporaryFile() as file:
        file.write(pickle.dumps((msgspec.json.encode(policy), ops)))
        file.flush()
        trees = [str(ROOT), *([args.before] if args.before else [])]
        runs: dict[str, list[Any]] = {tree: [] for tree in trees}
        for _ in range(args.turns):
            for tree in trees:
                # This file, with the models of a tree.
                made = subprocess.run(
                    [sys.executable, __file__, "--play", file.name, "--after", str(args.after)],
                    stdout=subprocess.PIPE, check=True, cwd=tree,
                    env={**os.environ, "PYTHONPATH": tree, "OPENBLAS_NUM_THREADS": "1"})
                runs[tree].append(pickle.loads(made.stdout))
    results = [[row[1:] for row in run] for own in runs.values() for run in own]
    means = []
    for tree, own in runs.items():
        days = sorted(1000 * min(row[0] for row in rows) for rows in zip(*own, strict=True))
        means.append(sum(days) / len(days))
        print(f"{tree}: {len(days)} days, a day's mean {means[-1]:.2f} ms, median "
              f"{days[len(days) // 2]:.2f}, 99 of 100 {days[len(days) * 99 // 100]:.2f}")
    print(f"all days the same: {all(r == results[0] for r in results)}; "
          f"opened: {sum(row[1].count(b'opened') for row in results[0])}; ratio: "
          + ", ".join(f"{m / means[0]:.1f}" for m in means[1:]))


if __name__ == "__main__":
    main()
