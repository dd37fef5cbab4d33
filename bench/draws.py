"""How long does a draw of inspections hold up a shard, and how large is what it says?

    python -m bench.draws --subjects 1000000

Data: made-up businesses, each registered and with one fact of one of ten items in turn, so that a
tenth are in the pool of each. Asked are an order of an item that a tenth have, of one that nobody
has, and of a trade that all are in (by the policy's list). The step takes nothing else meanwhile.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import time
from typing import Any

import msgspec

from bench.load import FAR_MS, code
from config import load
from models.draw import draw
from models.events import DrawOrdered, Tick
from storage.effects import DrawPooled
from streams import codec
from streams.embedded import Embedded
from streams.intake import Intake, oldest_ms
from streams.pipeline import Entry, Shard

ITEMS = 10
NOW_MS = 1_767_225_600_000
"""Two years and more after every inspection: nobody rests."""


def lines(n: int, items: list[str]) -> list[bytes]:
    subject = code(n)
    made = [("subject.registered", {
        "name": f"重庆示例{n}有限公司", "kind": "enterprise", "district": "500106",
        "industry": "G5430", "size": "small", "registered_on": "2015-01-01"}),
        ("inspection.completed", {"item": items[n % ITEMS], "plan": "random", "result": (
            "pass", "pass", "pass", "fail")[n % 4], "findings": []})]
    return [msgspec.json.encode({
        "specversion": "1.0", "id": f"{k}{n}", "source": "bench", "type": type_,
        "subject": subject, "time": f"2023-0{1 + k}-03T10:00:00+08:00", "data": data})
        for k, (type_, data) in enumerate(made)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--subjects", type=int, default=100_000)
    parser.add_argument("--count", type=int, default=1_000)
    given = parser.parse_args()
    policy = load.policy()
    items = [i.id for i in policy.items if i.id not in ("cq1-08", "cq2-08")][:ITEMS]
    runner = Embedded(None, policy)
    shard, card = runner.shard, runner.card
    intake = Intake(card, b"bench", oldest_ms(dt.date(1990, 1, 1)), 300_000)
    begun = time.perf_counter()
    for n in range(given.subjects):
        shard.step([Entry(time_ms, body, event) for raw in lines(n, items)
                    for event, body, time_ms in [intake.accept(raw, FAR_MS)]])
    shard.step([Entry(NOW_MS, codec.encode(Tick()), Tick())])
    out: dict[str, Any] = {"subjects": given.subjects, "count": given.count,
                           "filled_s": round(time.perf_counter() - begun, 1)}
    for name, item in (("a tenth", items[0]), ("nobody", "cq2-08"), ("a trade", "cq1-08")):
        out[name] = ordered(shard, item, given.count, [
            x.ratio for x in policy.inspections.strata()])
    print(json.dumps(out))


def ordered(shard: Shard, item: str, count: int, ratios: list[float]) -> dict[str, Any]:
    """One order, as the step takes it."""
    order = DrawOrdered(f"draw-{item}", item, count, "2026-11-22", "bench")
    entry = Entry(shard.clock_ms, codec.encode(order), order)
    begun = time.perf_counter()
    [said] = [x for x in shard.step([entry]) if isinstance(x, DrawPooled)]
    took = time.perf_counter() - begun
    begun = time.perf_counter()
    made = draw(order, [said.part], ratios)
    pool = sum(said.part.eligible) + sum(said.part.resting)
    return {"pool": pool, "step_s": round(took, 2),
            "us_a_subject": round(1e6 * took / len(shard.subjects), 2),
            "said_bytes": len(msgspec.msgpack.encode(said)),
            "draw_s": round(time.perf_counter() - begun, 3), "drawn": len(made.picked)}


if __name__ == "__main__":
    main()
