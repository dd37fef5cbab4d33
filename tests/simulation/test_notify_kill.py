"""Goal: whatever dies, every warning reaches every receiver it should, and is processed once.

Method: `bench.notify kill` in small: a dispatcher process is killed with SIGKILL at moments drawn
from the seed, over receivers that fail, hang, are slow and answer twice. Each check is first shown
a planted fault. XINFENG_NOTIFY_ALERTS makes it larger.
"""

from __future__ import annotations

import os

import pytest

from bench.notify import kill, wrong

ALERTS = int(os.environ.get("XINFENG_NOTIFY_ALERTS", "2000"))


@pytest.mark.parametrize(("plant", "words"), [("forget", "missing"), ("repeat", "duplicates")])
def test_a_planted_fault_is_found(plant: str, words: str) -> None:
    found = kill(200, 5, 5, 5, 1, plant=plant)
    assert any(w.startswith(words) for w in wrong(found)), found


@pytest.mark.slow
def test_killed_at_random() -> None:
    found = kill(ALERTS, 5, 5, 4, 1)
    assert wrong(found) == [], found
