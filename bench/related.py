"""What does the search for related risk keep of a large city, and how long does it hold up an hour?

    python -m bench.related --businesses 1000000

Data: businesses registered with a controller each, one in four with that of three others; one in a
hundred on a list that counts; and one controller of 10,000 businesses, of which a hundred are on a
list. What shards would say of them is handed over as one hour, then an hour with nothing new, then
one in which a tenth of the listings end and as many begin.
"""

from __future__ import annotations

import argparse
import json
import resource
import time
from pathlib import Path
from typing import Any

import msgspec
import xxhash

from bench.load import code
from config import load
from models.ledger import FOREVER
from storage.effects import Linked, Listed
from streams.related import Related

DAY = 20_500
HOUR_MS = 3_600_000
NOW_MS = DAY * 24 * HOUR_MS
NOMINEE = 10_000


def link(name: str) -> str:
    return f"controller {xxhash.xxh3_64_hexdigest(name.encode())}"


def link_of(n: int) -> str:
    if n < NOMINEE:
        return link("nominee")
    return link(f"shared-{n // 16}" if n % 4 == 0 else f"own-{n}")


def listing(n: int, stop_day: int = FOREVER, kind: str = "l") -> Listed:
    return Listed("cq.court", f"{kind}{n}", code(n), f"重庆示例{n}有限公司", "debtor", [link_of(n)],
                  NOW_MS, DAY - 1, stop_day, NOW_MS)


def resident_mb() -> float:
    with Path("/proc/self/statm").open(encoding="ascii") as file:
        return int(file.read().split()[1]) * resource.getpagesize() / 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--businesses", type=int, default=100_000)
    count = parser.parse_args().businesses
    policy, out = load.policy(), dict[str, Any]()
    made, before_mb, begun = Related(1), resident_mb(), time.process_time()
    for n in range(count):
        made.hear(0, 0, Linked(code(n), [link_of(n)], [], True, "cq.register", f"r{n}", NOW_MS,
                               NOW_MS))
    out["linked_us"] = round((time.process_time() - begun) / count * 1e6, 2)
    out["links_mb"] = round(resident_mb() - before_mb)
    out["bytes_a_business"] = round((resident_mb() - before_mb) * 1e6 / count)
    listed = [*range(0, NOMINEE, 100), *range(NOMINEE, count, 100)]

    def hour(name: str, at_ms: int) -> None:
        begun = time.process_time()
        said = made.close(at_ms, policy)
        out[name] = {"ms": round((time.process_time() - begun) * 1e3, 1), "said": len(said)}

    for n in listed:
        made.hear(0, 0, listing(n))
    hour("first", NOW_MS)
    hour("quiet", NOW_MS + HOUR_MS)
    for n in listed[::10]:
        made.hear(0, 0, listing(n, DAY))
        made.hear(0, 0, listing(n + 4, kind="new"))
    hour("a_tenth_new", NOW_MS + 2 * HOUR_MS)
    out |= made.report()
    out["all_mb"] = round(resident_mb() - before_mb)
    begun = time.process_time()
    blob = msgspec.msgpack.encode(made.dump())
    out["dump_s"], out["dump_mb"] = round(time.process_time() - begun, 2), round(len(blob) / 1e6)
    begun = time.process_time()
    again = Related.load(msgspec.msgpack.decode(blob))
    out["load_s"] = round(time.process_time() - begun, 2)
    assert again.report() == made.report()
    print(json.dumps(out))


if __name__ == "__main__":
    main()
