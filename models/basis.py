"""The legal basis that penalties and listings cite, in words, as a subject keeps it.

Records hold numbers only, and of a penalty's basis a hash. Whoever proposes a restriction must cite
the law itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import msgspec

from models.events import Basis

Cited: TypeAlias = tuple[str, str]
"""Law, article; the article is "" where an authority wrote its basis as one text."""
_ENCODE = msgspec.json.Encoder().encode
_DECODE = msgspec.json.Decoder(tuple[int, list[Cited]]).decode_lines


def line(key: int, basis: Sequence[Basis] | str) -> bytes:
    """What one record cites, for `Subject.bases`; `key` is its identity."""
    cited = [(basis, "")] if isinstance(basis, str) else [(b.law, b.article) for b in basis]
    return _ENCODE((key, cited)) + b"\n"


def cited(bases: bytes) -> dict[int, list[Cited]]:
    """What each record cites, by identity.

    Examples
    --------
    >>> cited(line(7, "条例第十七条"))
    {7: [('条例第十七条', '')]}
    """
    return dict(_DECODE(bases)) if bases else {}
