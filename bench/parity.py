"""Parity: the same city through the embedded runner and through Kafka, in several shapes.

    python -m bench.parity --subjects 90000          1,000,000 events, 6 shapes
    python -m bench.parity --subjects 500 --shapes 4x1,12x3

A shape is partitions x workers. In each, every subject's digest, the alerts with their transitions
and the reviews must be those of the embedded runner.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from bench.killtest import conclusions, differences, make_city, say, undisturbed
from bench.site import Site

SHAPES = "1x1,1x3,4x1,4x3,12x1,12x3"


def through_kafka(site: Site, city: Path, workers: int, limit_s: float) -> dict[str, Any]:
    """The city through one shape; what it concludes, and how long folding took [s]."""
    try:
        site.start_servers()
        site.run("publish", str(city), "--event-time")
        for name in ("analyst", "intake0", *(f"worker{n}" for n in range(workers))):
            site.start(name)
        started = time.monotonic()
        site.wait(limit_s, revive=False)
        reader = site.reader()
        said, repeats = site.said(site.topics.alerts)
        return {**conclusions(reader), "digest": reader.digest(),
                "seconds": time.monotonic() - started, "said": len(said), "repeats": repeats,
                "ended": site.dead()}
    finally:
        site.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--subjects", type=int, default=90_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--shapes", default=SHAPES)
    given = parser.parse_args()
    failed = False
    with tempfile.TemporaryDirectory(prefix="parity-") as made:
        city = Path(made) / "city.ndjson"
        make_city(city, given.subjects, given.seed)
        wanted = undisturbed(city, Path(made) / "embedded")
        say(f"embedded: {wanted['accepted']} events, {len(wanted['alerts'])} alerts")
        for shape in given.shapes.split(","):
            partitions, workers = map(int, shape.split("x"))
            site = Site(Path(made) / shape, partitions=partitions)
            found = through_kafka(site, city, workers, 3_600)
            wrong = differences(found, wanted)
            failed |= bool(wrong)
            print(f"{shape}: {wanted['accepted']} events in {found['seconds']:.0f} s, digest "
                  f"{found['digest']}, {len(found['alerts'])} alerts, {found['said']} transitions "
                  f"said, {found['repeats']} repeated; {'; '.join(wrong) or 'as embedded'}",
                  flush=True)
    sys.exit(failed)


if __name__ == "__main__":
    main()
