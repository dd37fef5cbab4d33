"""A partition's keeper under crashes, a lossy view, two holders at once, and Faust at its worst.

Goal: the view and the out topics end as if nothing had happened. Method: see `cluster_faults.py`;
planted faults first show that the checks notice.

    XINFENG_SEED=17 pytest tests/simulation/test_keeper.py -k seeds      one seed
    XINFENG_SEEDS=5000 pytest -n 2 tests/simulation/test_keeper.py       a long run
"""

from __future__ import annotations

import os
from collections.abc import Callable

import cluster_faults as faults
import pytest

from storage.view import MarkMismatch
from streams.keeper import Keeper

SEEDS = int(os.environ.get("XINFENG_SEEDS", "100"))
CHUNK = 25
ONE = os.environ.get("XINFENG_SEED")


@pytest.mark.parametrize("chunk", range(0, SEEDS, CHUNK) if ONE is None else [int(ONE)])
def test_seeds(chunk: int) -> None:
    for seed in range(chunk, chunk + (CHUNK if ONE is None else 1)):
        try:
            faults.check(seed)
        except BaseException:
            print(f"\nseed {seed}; again: XINFENG_SEED={seed} pytest "
                  "tests/simulation/test_keeper.py -k seeds")
            raise


def test_seeds_reach_what_they_should() -> None:
    """There are crashes, things said twice, alerts and states at stake."""
    lives = [faults.check(seed) for seed in range(20)]
    assert sum(x.crashes for x in lives) >= 20
    assert sum(x.repeated for x in lives) >= 20
    plain = faults.undisturbed()
    assert plain.repeated == 0
    assert len(plain.said) >= 50
    assert sum(b"xinfeng.alert.changed" in x for x in plain.said.values()) >= 15


def _acknowledges_first(p: pytest.MonkeyPatch) -> None:
    """The mark is set before anything was said."""
    plain = Keeper.flush

    def flush(s: Keeper) -> None:
        if s.applied > s.emitted:
            s._outbox.note(0, s.applied)
        plain(s)

    p.setattr(Keeper, "flush", flush)


def _newest_checkpoint(p: pytest.MonkeyPatch) -> None:
    """The newest checkpoint is loaded even when the view is behind it."""
    plain = Keeper._load

    def load(s: Keeper) -> object:
        shown, s.shown = s.shown, 1 << 60
        try:
            return plain(s)
        finally:
            s.shown = shown

    p.setattr(Keeper, "_load", load)


def _skips_gaps(p: pytest.MonkeyPatch) -> None:
    p.setattr(Keeper, "_refill", lambda s, stop: setattr(s, "applied", stop))


def _view_takes_anything(p: pytest.MonkeyPatch) -> None:
    plain = faults.World.apply

    def apply(s: faults.World, change: object) -> None:
        try:
            plain(s, change)  # type: ignore[arg-type]
        except MarkMismatch:
            s.changes.append(change)  # type: ignore[arg-type]

    p.setattr(faults.World, "apply", apply)


def _checkpoints_too_early(p: pytest.MonkeyPatch) -> None:
    """Folds what was folded before once more."""
    plain = Keeper._load

    def load(s: Keeper) -> object:
        shard, offset = plain(s)
        return shard, max(offset - 1, 0)

    p.setattr(Keeper, "_load", load)


@pytest.mark.parametrize("plant", [_acknowledges_first, _newest_checkpoint, _skips_gaps,
                                   _view_takes_anything, _checkpoints_too_early])
def test_a_planted_fault_is_noticed(plant: Callable[[pytest.MonkeyPatch], None],
                                    monkeypatch: pytest.MonkeyPatch) -> None:
    faults.undisturbed()
    plant(monkeypatch)
    for seed in range(60):
        try:
            faults.check(seed)
        except Exception:
            return
    pytest.fail("planted fault not noticed")


def test_a_view_emptied_while_nothing_happens_is_filled_again() -> None:
    """No write would notice: the idle look must."""
    world = faults.World(1, faults=False)
    world.end_ = len(world.log)
    held = faults.keeper(world)
    held.open()
    before = faults.digest_of(world)
    world.changes.clear()
    held.catch_up()
    assert world.mark(0) == len(world.log)
    assert faults.digest_of(world) == before
