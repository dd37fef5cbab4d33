"""Goal: of quick receivers one is asked at a time, and a slow one holds nobody up.

Method: threads that pass the gate and stay inside for a given time.
"""

from __future__ import annotations

import threading
import time

from dispatch.gate import PATIENCE_S, QUICK_S, Gate


def inside(gate: Gate, key: str, stay_s: float, count: int) -> list[tuple[float, float]]:
    """(in, out) of so many threads."""
    spans = []

    def one() -> None:
        gate.enter(key)
        begun = time.monotonic()
        time.sleep(stay_s)
        spans.append((begun, time.monotonic()))
        gate.leave()

    threads = [threading.Thread(target=one) for _ in range(count)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    return sorted(spans)


def at_once(spans: list[tuple[float, float]]) -> int:
    return max(sum(a <= begun < b for a, b in spans) for begun, _ in spans)


def test_quick_ones_go_one_at_a_time() -> None:
    assert at_once(inside(Gate(), "quick", QUICK_S / 5, 20)) == 1


def test_a_slow_one_holds_nobody_up() -> None:
    gate = Gate()
    inside(gate, "slow", 4 * QUICK_S, 3)
    spans = inside(gate, "slow", 0.2, 10)
    assert at_once(spans) == 10
    hung = threading.Thread(target=inside, args=(gate, "quick-once", 0.3, 1))
    hung.start()
    time.sleep(0.01)
    begun = time.monotonic()
    inside(gate, "other", 0.0, 1)
    assert time.monotonic() - begun < PATIENCE_S + 0.1
    hung.join()


def test_who_leaves_without_having_been_inside_does_no_harm() -> None:
    gate = Gate()
    gate.leave()
    gate.enter("a")
    gate.leave()
    gate.leave()
