"""Goal: no alert stuck, no escalation lost or repeated after an answer, timers right over holidays.

Method: lives by seed (`notify_life`) held to oracles that know only the history; the same life with
the process ending anywhere must write the same letters. Each oracle is first shown a planted fault.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from notify_life import Life

from alerts import escalation, notify
from dispatch import desk

SEEDS = int(os.environ.get("XINFENG_NOTIFY_SEEDS", "40"))


@pytest.mark.parametrize("seed", range(SEEDS))
def test_a_life(seed: int) -> None:
    life = Life(seed).run()
    assert life.faults() == [], f"seed {seed}"
    assert life.letters()


@pytest.mark.parametrize("seed", range(max(SEEDS // 5, 4)))
def test_the_same_letters_whenever_the_process_ends(seed: int, tmp_path: Path) -> None:
    quiet = Life(seed).run(80)
    harmed = Life(seed, tmp_path, restarts=True).run(80)
    assert harmed.letters() == quiet.letters(), f"seed {seed}"
    assert harmed.faults() == []


def never_stops(course: Any, notice: Any, policy: Any) -> Any:
    made = REAL_STEP(course, notice, policy)
    return made and msgspec.structs.replace(made, stopped="", stopped_ms=0)


def forgets(*args: Any) -> Any:
    return notify.Told()


def too_early(course: Any, step: Any, time: Any) -> int:
    return int(course.started_ms + step.after_min * 60_000)


def never_again(*args: Any, **kwargs: Any) -> Any:
    found = REAL_DECIDE(*args, **kwargs)
    return found._replace(again_ms=0)


REAL_STEP, REAL_DECIDE = escalation.step, desk.decide


@pytest.mark.parametrize(("module", "name", "fault"), [
    (escalation, "step", never_stops),
    (escalation, "advance", lambda course, *_: course),
    (escalation, "due", too_early),
    (desk, "decide", never_again),
    (desk, "after", forgets),
])
def test_a_planted_fault_is_found(module: Any, name: str, fault: Callable[..., Any],
                                  monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, name, fault)

    def found(seed: int) -> bool:
        try:
            return bool(Life(seed).run(60).faults())
        except AssertionError:
            return True
    assert any(found(seed) for seed in range(6))
