"""Does the simulation of `bench.chicago` look ahead? Three ways in which it would show.

    python -m bench.chicago_check --data DIR

On January 2013 the order must not change when the real dates are shuffled among the candidates,
nor when everything that happens later and every scheduled visit inside the window is taken away;
and it must not change up to a day when the outcomes of what is inspected after it are inverted.
"""

from __future__ import annotations

import argparse
import collections
import datetime as dt
import itertools
from pathlib import Path

import numpy as np

from bench.chicago import critical, history, simulate
from bench.chicago_data import USED_VISITS, Data, Inspection, load
from bench.chicago_models import Bounded

START, END = dt.date(2013, 1, 2).toordinal(), dt.date(2013, 1, 31).toordinal()
DAYS = 10


def order(data: Data, window: list[Inspection]) -> list[int]:
    state, days = history(data, START)
    ranker = Bounded()
    for _, ones, rows in days:
        ranker.learn(rows, critical(ones))
    return [one.id for one in simulate(state, ranker, window)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    data = load(parser.parse_args().data)
    window = [one for one in data.inspections if START <= one.day <= END]
    slots = list(collections.Counter(one.day for one in window).values())
    base = order(data, window)

    at = np.random.default_rng(3).permutation(len(window)).tolist()
    shuffled = [window[n]._replace(day=one.day) for n, one in zip(at, window, strict=True)]
    assert order(data, shuffled) == base, "real dates are used"

    less = data._replace(
        inspections=[one for one in data.inspections if one.day <= END],
        visits={d: [v for v in found if d < START or v[1] in USED_VISITS]
                for d, found in data.visits.items() if d < END},
        complaints={d: v for d, v in data.complaints.items() if d < END},
        burglaries={d: v for d, v in data.burglaries.items() if d < END},
        temperature={d: v for d, v in data.temperature.items() if d < END})
    assert order(less, window) == base, "something later, or scheduled, is used"

    first, known = (list(itertools.accumulate(slots))[n] for n in (DAYS, DAYS - 1))
    early = set(base[:known])
    turned = [one if one.id in early else one._replace(
        critical=int(not one.critical), serious=3, result="Fail") for one in window]
    after = order(data, turned)
    assert after[:first] == base[:first], "outcomes are used before they are known"
    assert after != base, "outcomes are not used at all"
    print(f"{len(window)} candidates in {len(slots)} days: no look-ahead found")


if __name__ == "__main__":
    main()
