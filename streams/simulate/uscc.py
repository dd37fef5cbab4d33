"""Valid social credit codes for a whole city at once (GB 32100 and, inside, GB 11714)."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]

ALPHABET: Final = "0123456789ABCDEFGHJKLMNPQRTUWXY"
_ASCII: Final = np.frombuffer(ALPHABET.encode(), np.uint8)
_WEIGHTS: Final = np.array([pow(3, i, 31) for i in range(17)], np.int64)
_BODY_WEIGHTS: Final = np.array([3, 7, 9, 10, 5, 8, 4, 2], np.int64)
# GB 11714 counts letters from A = 10 through all 26; GB 32100 leaves five of them out.
_BODY_VALUES: Final = np.array([int(c, 36) for c in ALPHABET], np.int64)
_MA: Final = (ALPHABET.index("M"), ALPHABET.index("A"))
# Multipliers coprime to 31**6 and to 10**8: serial numbers look mixed yet never collide.
_MIX_MA: Final = 286_180_339
_MIX_DIGITS: Final = 61_803_399


def codes(prefix: Ints, district: Ints, serial: Ints, old: NDArray[np.bool_]) -> NDArray[np.bytes_]:
    """Codes of many subjects.

    Parameters
    ----------
    prefix
        First two characters as alphabet indices, shape (n, 2).
    district
        Six-digit GB/T 2260 codes, shape (n,).
    serial
        Distinct numbers in [0, 10**8), shape (n,).
    old
        True where the organisation code has digits only (given before 2015), else `MA` + six.

    Returns
    -------
    Array of `S18`, shape (n,). Costs about 1 µs a code.
    """
    n = len(serial)
    digits = np.empty((n, 18), np.int64)
    digits[:, :2] = prefix
    for place in range(6):
        digits[:, 2 + place] = district // 10 ** (5 - place) % 10
    mixed = serial * _MIX_MA % 31**6
    for place in range(6):
        digits[:, 10 + place] = mixed // 31 ** (5 - place) % 31
    digits[:, 8:10] = _MA
    plain = serial[old] * _MIX_DIGITS % 10**8
    for place in range(8):
        digits[old, 8 + place] = plain // 10 ** (7 - place) % 10
    inner = (11 - _BODY_VALUES[digits[:, 8:16]] @ _BODY_WEIGHTS % 11) % 11
    digits[:, 16] = np.where(inner == 10, ALPHABET.index("X"), inner)
    digits[:, 17] = (31 - digits[:, :17] @ _WEIGHTS % 31) % 31
    letters: NDArray[np.bytes_] = np.ascontiguousarray(_ASCII[digits]).view("S18").ravel()
    return letters
