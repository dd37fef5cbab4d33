"""The index of identities: a dict that takes a fifth of the room."""

from __future__ import annotations

import random

import numpy as np
import pytest

from models.identity import Identities, seal


@pytest.mark.parametrize("seed", range(6))
def test_against_a_dict(seed: int) -> None:
    """Random puts, removals and gets, with keys that collide in the low bits."""
    rng = random.Random(seed)
    index, model = Identities(slots=16), dict[int, int]()
    for _ in range(40):
        fresh = {_key(rng, seed): rng.getrandbits(64) or 1 for _ in range(rng.randrange(80))}
        fresh = {k: v for k, v in fresh.items() if k not in model}
        if fresh:
            index.put(np.array(list(fresh), np.uint64), np.array(list(fresh.values()), np.uint64))
        model |= fresh
        for key in [*rng.sample(list(model), min(len(model), rng.randrange(30))), _key(rng, seed)]:
            index.remove(key)
            model.pop(key, None)
        asked = [*rng.sample(list(model), min(len(model), 20)), _key(rng, seed), _key(rng, seed)]
        assert index.get(np.array(asked, np.uint64)).tolist() == [model.get(k, 0) for k in asked]
        assert index.count == len(model)
    loaded = Identities.load(*index.dump())
    keys = np.array(list(model), np.uint64)
    assert loaded.get(keys).tolist() == list(model.values()) and loaded.count == index.count


def _key(rng: random.Random, seed: int) -> int:
    if seed % 2:
        return rng.getrandbits(20) << 44 | rng.randrange(1, 4)
    return rng.getrandbits(64) or 1


def test_removal_closes_the_run() -> None:
    """Three of one home slot at the end of the table, so that the run wraps around."""
    keys = [15, 31, 47, 16, 1]
    for gone in keys:
        index = Identities(slots=16)
        for key in keys:
            index.put(np.array([key], np.uint64), np.array([key], np.uint64))
        index.remove(gone)
        index.remove(gone)
        assert index.get(np.array(keys, np.uint64)).tolist() == [
            0 if key == gone else key for key in keys]
        assert index.count == 4 and int((index._keys != 0).sum()) == 4


def test_empty() -> None:
    index = Identities()
    assert index.get(np.array([], np.uint64)).tolist() == []
    assert index.get(np.array([5], np.uint64)).tolist() == [0]
    assert Identities.load(*index.dump()).count == 0


def test_never_more_than_six_tenths_full() -> None:
    index = Identities(slots=16)
    for n in range(1, 2_000):
        index.put(np.array([n * 0x9E3779B97F4A7C15 % 2**64], np.uint64), np.array([n], np.uint64))
        assert index.count * 10 <= len(index._keys) * 6


def test_zero_is_sealed() -> None:
    assert seal([0, 1, 2**64 - 1]).tolist() == [1, 1, 2**64 - 1]


def test_model_notices_a_planted_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    """An index that loses what collided."""
    plain = Identities._insert

    def insert(s: Identities, keys: np.ndarray, bodies: np.ndarray) -> None:  # type: ignore
        _, first = np.unique(keys & np.uint64(len(s._keys) - 1), return_index=True)
        plain(s, keys[first], bodies[first])

    monkeypatch.setattr(Identities, "_insert", insert)
    with pytest.raises(AssertionError):
        for seed in range(6):
            test_against_a_dict(seed)


def test_model_notices_a_gap_left_open(monkeypatch: pytest.MonkeyPatch) -> None:
    """A removal that only empties its slot hides what stands behind it."""
    def remove(s: Identities, key: int) -> None:
        at = np.flatnonzero(s._keys == np.uint64(key))
        s._keys[at] = 0
        s.count -= len(at)

    monkeypatch.setattr(Identities, "remove", remove)
    with pytest.raises(AssertionError):
        for seed in range(6):
            test_against_a_dict(seed)
