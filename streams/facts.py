"""Particulars of the facts that a shard holds of a subject."""

from __future__ import annotations

from collections.abc import Sequence

from models import records as r
from streams.pipeline import Shard


def variants_of(shard: Shard, subject: str, refs: Sequence[tuple[str, str]]) -> list[int | None]:
    """Variant codes of a subject's facts by (source, id); None for what is not there."""
    held = shard.subjects.get(subject)
    if held is None:
        return [None] * len(refs)
    keys = [r.identity(*ref) for ref in refs]
    rows = [r.find(held.facts, key) or r.find(held.signals, key) for key in keys]
    return [row[8] if row is not None else None for row in rows]
