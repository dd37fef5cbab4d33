"""Crashes between any two writes, duplicates, disorder, garbage: nothing lost, nothing doubled.

Goal: acknowledged means kept, once. Method: see `simulator.py`; each seed is one whole life of a
store. Planted faults first show that the checks notice.

    XINFENG_SEED=17 pytest tests/simulation/test_faults.py -k seeds      one seed
    XINFENG_SEEDS=5000 pytest -n 2 tests/simulation -k seeds             a long run
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable

import events as ev
import pytest
import simulator

from models.identity import Identities
from storage.effects import AlertChanged
from storage.sqlite_store import SqliteStore
from streams import checkpoint

SEEDS = int(os.environ.get("XINFENG_SEEDS", "60"))
CHUNK = 10
ONE = os.environ.get("XINFENG_SEED")


@pytest.mark.parametrize("chunk", range(0, SEEDS, CHUNK) if ONE is None else [int(ONE)])
def test_seeds(chunk: int) -> None:
    for seed in range(chunk, chunk + (CHUNK if ONE is None else 1)):
        try:
            simulator.check(seed, ev.policy())
        except BaseException:
            print(f"\nseed {seed}; again: XINFENG_SEED={seed} pytest "
                  "tests/simulation/test_faults.py -k seeds")
            raise


def test_seeds_reach_what_they_should() -> None:
    """The faults are really there: crashes, every kind of arrival, alerts at stake."""
    loads = [simulator.load(seed) for seed in range(24)]
    assert {x.arrival for x in loads} == set(simulator.ARRIVALS)
    outcomes = [simulator.disturbed(x, ev.policy()) for x in loads[:6]]
    assert sum(x.crashes for x in outcomes) >= 6
    assert sum(len(x.transitions) for x in outcomes) >= 50
    assert sum(len(x.rejects) for x in outcomes) >= 3


# ---------------------------------------------------------------------------------- planted faults


def _loses_an_effect(p: pytest.MonkeyPatch) -> None:
    plain = SqliteStore._apply

    def apply(s: SqliteStore, offset: int, effects: list[object], raws: object) -> None:
        alerts = [x for x in effects if isinstance(x, AlertChanged)]
        lost = alerts[-1] if len(alerts) > 3 else None
        plain(s, offset, [x for x in effects if x is not lost], raws)  # type: ignore

    p.setattr(SqliteStore, "_apply", apply)


def _log_before_effects(p: pytest.MonkeyPatch) -> None:
    """Two transactions: after a crash between them the log is ahead of its effects."""
    plain = SqliteStore._apply

    def apply(s: SqliteStore, *a: object) -> None:
        s._db.execute("COMMIT")
        s._db.execute("BEGIN IMMEDIATE")
        plain(s, *a)  # type: ignore

    p.setattr(SqliteStore, "_apply", apply)


def _effects_before_log(p: pytest.MonkeyPatch) -> None:
    plain = SqliteStore.commit

    def commit(s: SqliteStore, offset: int, recorded: int, subjects: object, envelope: bytes,
               effects: object, raws: object, dead: object) -> None:
        with s.together():
            s._apply(offset, effects, raws)  # type: ignore
            s._db.execute("COMMIT")
            s._db.execute("BEGIN IMMEDIATE")
            plain(s, offset, recorded, subjects, envelope, [], raws, dead)  # type: ignore

    p.setattr(SqliteStore, "commit", commit)


def _checkpoint_in_pieces(p: pytest.MonkeyPatch) -> None:
    """Not one transaction: the stamp comes first, the parts after it."""

    def save(s: SqliteStore, offset: int, parts: Iterable[bytes]) -> None:
        s._db.execute("INSERT OR REPLACE INTO meta VALUES ('checkpoint', ?)", (offset,))
        s._db.execute("DELETE FROM checkpoint")
        for n, part in enumerate(parts):
            s._db.execute("INSERT INTO checkpoint VALUES (?,?)", (n, part))

    p.setattr(SqliteStore, "save_checkpoint", save)


def _checkpoint_ahead(p: pytest.MonkeyPatch) -> None:
    plain = SqliteStore.save_checkpoint
    p.setattr(SqliteStore, "save_checkpoint", lambda s, offset, parts: plain(s, offset + 1, parts))


def _checkpoint_forgets_identities(p: pytest.MonkeyPatch) -> None:
    plain = checkpoint.load

    def load(parts: object) -> object:
        shard = plain(parts)  # type: ignore
        shard.identities = Identities()
        return shard

    p.setattr(checkpoint, "load", load)


def _acknowledges_early(p: pytest.MonkeyPatch) -> None:
    """The client goes on although the envelope was not written."""
    plain = simulator.deliver

    def deliver(runner: object, load: object, chunk: object) -> None:
        try:
            plain(runner, load, chunk)  # type: ignore
        except simulator.Crash:
            if chunk:
                chunk.clear()  # type: ignore
            raise

    p.setattr(simulator, "deliver", deliver)


def _not_durable(p: pytest.MonkeyPatch) -> None:
    """Transactions that end in memory only."""
    plain = simulator.Connection.execute

    def execute(s: simulator.Connection, sql: str, values: object = ()) -> object:
        if sql == "COMMIT" and s.fuse.left % 3 == 0:
            return plain(s, "ROLLBACK")
        return plain(s, sql, values)  # type: ignore

    p.setattr(simulator.Connection, "execute", execute)


@pytest.mark.parametrize("plant", [
    _loses_an_effect, _log_before_effects, _effects_before_log, _checkpoint_in_pieces,
    _checkpoint_ahead, _checkpoint_forgets_identities, _acknowledges_early, _not_durable])
def test_simulator_notices_a_planted_fault(plant: Callable[[pytest.MonkeyPatch], None],
                                           monkeypatch: pytest.MonkeyPatch) -> None:
    """Each fault is found within sixty seeds, or the simulator would prove nothing."""
    plant(monkeypatch)
    for seed in range(30, 90):
        try:
            simulator.check(seed, ev.policy())
        except Exception:
            return
    pytest.fail("planted fault not noticed")
