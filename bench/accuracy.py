"""Everything that issue "online models that earn their place" must show, in one command.

    python -m bench.accuracy --data DIR           all of it; about two hours on two cores
    python -m bench.accuracy --only cost          one part: chicago, city, learner, surge, anomaly,
                                                  feeds, cost

Each part is a benchmark of its own, run with its seeds and printed under its command; `--quick`
takes small cities, to see that everything runs. DIR holds the Chicago data (see bench/README.md);
without it that part is left out, and says so.

`cost`: the main job (`xinfeng process` of a simulated city, device readings included, into a store)
with everything on, with learning off, and with learning, surges and device anomalies off, taken in
turns; the ratio of the medians of events/s.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import msgspec

from config import load
from models.policy import Policy
from streams import batch
from streams.embedded import Embedded
from streams.simulate import city

WINDOWS = (("2013-09-03", "2013-10-31"), ("2014-05-01", "2014-06-30"))


def say(text: str) -> None:
    sys.stderr.write(f"[{time.strftime('%H:%M:%S')}] {text}\n")
    sys.stderr.flush()


def commands(part: str, given: argparse.Namespace) -> list[list[str]]:
    """Arguments of `python -m` for a part."""
    seeds = ("1",) if given.quick else ("1", "2", "3")
    match part:
        case "chicago":
            if given.data is None:
                say("chicago: left out, --data DIR is not given")
                return []
            data = ["--data", str(given.data)]
            return [*(["bench.chicago", *data, "--from", first, "--to", last, "--rerank", "daily",
                       "--out", f"{given.folder}/scores-{first}.csv", "--table"]
                      for first, last in WINDOWS),
                    ["bench.chicago", *data, "--progressive"]]
        case "city":
            small = ["--subjects", "3000"] if given.quick else ["--subjects", "60000"]
            return [["bench.accuracy_city", *small, "--days", "730", "--seed", s]
                    for s in (("1",) if given.quick else ("1", "3"))]
        case "learner":
            return [["bench.learner"]]
        case "surge":
            small = ["--subjects", "5000"] if given.quick else []
            return [["bench.surge", *small, "--seed", s] for s in seeds]
        case "anomaly":
            return [["bench.anomaly"]]
        case "feeds":
            return [["bench.feeds"]]
        case _:
            return []


# ------------------------------------------------------------------------------------------- cost


def variants() -> dict[str, Policy]:
    """The default policy, and what it would be without the models."""
    full = load.policy()
    replace = msgspec.structs.replace
    off = replace(full, learning=replace(full.learning, enabled=False))
    rules = full.rules
    bare = replace(off, rules=replace(
        rules, complaint_surge=replace(rules.complaint_surge, enabled=False),
        regional_surge=replace(rules.regional_surge, enabled=False),
        iot=replace(rules.iot, anomaly=replace(rules.iot.anomaly, enabled=False))))
    return {"everything on": full, "learning off": off, "no model at all": bare}


def cost(subjects: int, repeats: int) -> list[dict[str, Any]]:
    """Events/s of the main job under each policy."""
    out: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(prefix="cost-") as made:
        path = Path(made, "city.ndjson")
        with path.open("wb") as file:
            file.writelines(line + b"\n" for line in city(subjects, 365, 1))
        found: dict[str, list[float]] = {name: [] for name in variants()}
        for n in range(repeats):
            for name, policy in variants().items():
                folder = Path(made, f"{n}-{len(out)}-{name.replace(' ', '-')}")
                runner = Embedded(folder, policy)
                summary = batch.process(runner, [str(path)])
                runner.close()
                found[name].append(summary["events_per_s"])
                say(f"cost: {name}: {summary['events']} events, {summary['events_per_s']} events/s")
    full = statistics.median(found["everything on"])
    for name, speeds in found.items():
        middle = statistics.median(speeds)
        out.append({"policy": name, "events_per_s": round(middle), "runs": len(speeds),
                    "everything_on_against_it": round(full / middle, 3)})
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parts = ("chicago", "city", "learner", "surge", "anomaly", "feeds", "cost")
    parser.add_argument("--data", type=Path)
    parser.add_argument("--only", choices=parts, nargs="+", default=parts)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--subjects", type=int, default=20_000, help="Of the cost.")
    parser.add_argument("--repeats", type=int, default=3, help="Of the cost.")
    given = parser.parse_args()
    failed = []
    with tempfile.TemporaryDirectory(prefix="accuracy-") as made:
        given.folder = made
        for part in given.only:
            for arguments in commands(part, given):
                say("python -m " + " ".join(arguments))
                print("\n$ python -m", *arguments, flush=True)
                if subprocess.run([sys.executable, "-m", *arguments], check=False).returncode:
                    failed.append(" ".join(arguments))
    if "cost" in given.only:
        print("\ncost of the models in the main job", flush=True)
        for row in cost(1_000 if given.quick else given.subjects, given.repeats):
            print(msgspec.json.encode(row).decode(), flush=True)
    for name in failed:
        print(f"FAILED: {name}")
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
