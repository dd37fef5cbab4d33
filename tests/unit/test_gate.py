"""Goal: of quick receivers one is asked at a time, and a slow one holds nobody up.

Method: threads that pass the gate and stay inside for a time, or until others are inside too.
"""

from __future__ import annotations

import threading
import time

import pytest

from dispatch import gate as gates
from dispatch.gate import QUICK_S, Gate

LIMIT_S = 60.0


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


def test_quick_ones_go_one_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    # On a machine that is busy a moment is long: what is quick, and how long it is waited for.
    monkeypatch.setattr(gates, "QUICK_S", LIMIT_S)
    monkeypatch.setattr(gates, "PATIENCE_S", LIMIT_S)
    assert at_once(inside(Gate(), "quick", 0.004, 20)) == 1


def test_a_slow_one_holds_nobody_up() -> None:
    gate = Gate()
    inside(gate, "slow", 4 * QUICK_S, 3)
    together = threading.Barrier(11)

    def one() -> None:
        gate.enter("slow")
        together.wait(LIMIT_S)
        gate.leave()

    threads = [threading.Thread(target=one) for _ in range(10)]
    for thread in threads:
        thread.start()
    together.wait(LIMIT_S)  # broken, if one of them were not let in before another left
    for thread in threads:
        thread.join()


def test_a_quick_one_that_hangs_holds_others_up_for_a_moment_only() -> None:
    gate, there, go = Gate(), threading.Event(), threading.Event()

    def hang() -> None:
        gate.enter("quick-once")
        there.set()
        go.wait(LIMIT_S)
        gate.leave()

    hung = threading.Thread(target=hang)
    hung.start()
    assert there.wait(LIMIT_S)
    other = threading.Thread(target=inside, args=(gate, "other", 0.0, 1))
    other.start()
    other.join(LIMIT_S / 2)
    assert not other.is_alive() and hung.is_alive()
    go.set()
    hung.join()


def test_who_leaves_without_having_been_inside_does_no_harm() -> None:
    gate = Gate()
    gate.leave()
    gate.enter("a")
    gate.leave()
    gate.leave()
