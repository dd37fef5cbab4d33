"""The facts a shard holds of one subject, in words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from alerts.message import record_text
from models import records as r
from models.ledger import DAY_MS, resolve
from streams.pipeline import Shard
from streams.show import iso_day, iso_ms

Row = dict[str, Any]


def facts_of(shard: Shard, subject: str, limit: int) -> list[Row]:
    """Newest first; nothing for a subject the shard does not know.

    Cost about 10 µs a fact shown. No text repeats what a complainant wrote.
    """
    held = shard.subjects.get(subject)
    if held is None or shard.timeline is None:
        return []
    card, sources = shard.timeline.last, list(shard.sources)
    facts = [f for records in (held.facts, held.signals)
             for f in resolve(records, card.offset_ms).by_key.values()]
    facts.sort(key=lambda f: (f.time, f.key), reverse=True)
    del facts[limit:]
    refs = held.refs({f.key for f in facts})
    out = []
    for f in facts:
        type_ = r.TYPE_NAMES[f.type]
        words = record_text(type_, iso_day((f.time + card.offset_ms) // DAY_MS), f.variant)
        code, id = refs[f.key]
        out.append({"time": iso_ms(f.time), "type": type_, "source": sources[code], "id": id,
                    "item": card.item_ids[f.item] if f.item else "",
                    "text_zh": words["zh"], "text_en": words["en"]})
    return out


def variants_of(shard: Shard, subject: str, refs: Sequence[tuple[str, str]]) -> list[int | None]:
    """Variant codes of a subject's facts by (source, id); None for what is not there."""
    held = shard.subjects.get(subject)
    if held is None:
        return [None] * len(refs)
    keys = [r.identity(*ref) for ref in refs]
    rows = [r.find(held.facts, key) or r.find(held.signals, key) for key in keys]
    return [row[8] if row is not None else None for row in rows]
