"""Which events have been seen: an exact-size index of 64-bit identities and body hashes.

Open addressing in two numpy arrays: 16 bytes a slot, at most 60 % full, so 27 to 53 bytes an
event, and one vectorised look-up for a whole envelope. A Python dict takes 140 and more.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

U64 = NDArray[np.uint64]


class Identities:
    """Map of identity -> body hash; neither may be 0 (`seal` sees to it)."""

    def __init__(self, slots: int = 1 << 12) -> None:
        self.count = 0
        self._keys: U64 = np.zeros(slots, np.uint64)
        self._bodies: U64 = np.zeros(slots, np.uint64)

    def get(self, keys: U64) -> U64:
        """Body hashes of identities, 0 where one is unknown. Shape (n,) -> (n,)."""
        mask = np.uint64(len(self._keys) - 1)
        at = keys & mask
        out = np.zeros(len(keys), np.uint64)
        active = np.arange(len(keys))
        while len(active):
            slots = at[active]
            held = self._keys[slots]
            hit = held == keys[active]
            out[active[hit]] = self._bodies[slots[hit]]
            active = active[~hit & (held != 0)]
            at[active] = (at[active] + np.uint64(1)) & mask
        return out

    def put(self, keys: U64, bodies: U64) -> None:
        """Add identities that are not in it, each once."""
        slots = len(self._keys)
        while (self.count + len(keys)) * 10 > slots * 6:
            slots *= 2
        if slots != len(self._keys):
            self._grow(slots)
        self._insert(keys, bodies)
        self.count += len(keys)

    def remove(self, key: int) -> None:
        """Forget one identity, if it is there.

        What stands behind it in its run moves up, so that no look-up stops at the gap: no marks
        of what was deleted stay behind, and `dump` holds exactly what is known.
        """
        keys, mask = self._keys, len(self._keys) - 1
        gap = key & mask
        while int(keys[gap]) != key:
            if not keys[gap]:
                return
            gap = (gap + 1) & mask
        at = gap
        while held := int(keys[at := (at + 1) & mask]):
            # It may move if the gap lies on its way from its home slot to where it stands.
            if (at - held) & mask >= (at - gap) & mask:
                keys[gap], self._bodies[gap] = keys[at], self._bodies[at]
                gap = at
        keys[gap] = self._bodies[gap] = 0
        self.count -= 1

    def _insert(self, keys: U64, bodies: U64) -> None:
        mask = np.uint64(len(self._keys) - 1)
        at = keys & mask
        active = np.arange(len(keys))
        while len(active):
            slots = at[active]
            free = self._keys[slots] == 0
            # Several may claim one slot: the last write wins, the others try the next slot.
            self._keys[slots[free]] = keys[active[free]]
            won = self._keys[slots] == keys[active]
            self._bodies[slots[won]] = bodies[active[won]]
            active = active[~won]
            at[active] = (at[active] + np.uint64(1)) & mask

    def _grow(self, slots: int) -> None:
        keys, bodies = self._keys, self._bodies
        used = np.flatnonzero(keys)
        self._keys = np.zeros(slots, np.uint64)
        self._bodies = np.zeros(slots, np.uint64)
        self._insert(keys[used], bodies[used])

    def dump(self) -> tuple[bytes, bytes]:
        """Used slots only, as little-endian bytes."""
        used = np.flatnonzero(self._keys)
        return (self._keys[used].astype("<u8").tobytes(),
                self._bodies[used].astype("<u8").tobytes())

    @classmethod
    def load(cls, keys: bytes, bodies: bytes) -> Identities:
        made = cls()
        made.put(np.frombuffer(keys, "<u8").astype(np.uint64),
                 np.frombuffer(bodies, "<u8").astype(np.uint64))
        return made


def seal(values: Any) -> U64:
    """Hashes as an array, with 0 (which marks an empty slot) replaced by 1."""
    out = np.array(values, np.uint64)
    out[out == 0] = 1
    return out
