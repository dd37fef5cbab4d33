"""One subject's record on one day, with the names and words that pages and reports give its facts.
"""

from __future__ import annotations

from functools import cached_property
from itertools import chain
from typing import Any

from alerts import rules
from alerts.message import record_text
from models.ledger import DAY_MS, Fact, Segment, resolve
from models.records import RECORD, TYPE_NAMES
from models.scorecard import Timeline
from streams.pipeline import Shard
from streams.show import iso_day, iso_ms

Row = dict[str, Any]
REPAIR = ("", "applied", "approved", "rejected")
OBJECTION = ("", "open", "rejected")


class Look:
    """A subject's facts as they count on the day of a moment [epoch ms].

    Parameters
    ----------
    shard
        Knows the subject and a policy.
    happened_ms
        Leaves out what happened later; None = nothing is left out.
    """

    def __init__(self, shard: Shard, key: str, as_of_ms: int,
                 happened_ms: int | None = None) -> None:
        assert shard.timeline is not None
        self.timeline: Timeline = shard.timeline
        self.subject = shard.subjects[key]
        self.sources = list(shard.sources)
        self.as_of_ms = as_of_ms
        offset_ms = self.timeline.last.offset_ms
        self.day = (as_of_ms + offset_ms) // DAY_MS
        # The live state is described by the newest card, as `show` does it.
        self.card = (self.timeline.last if happened_ms is None
                     else self.timeline.spans(self.day, self.day)[-1][0])
        facts, signals = ((x if happened_ms is None else until(x, happened_ms))
                          for x in (self.subject.facts, self.subject.signals))
        self.view = rules.View(self.subject, resolve(facts, offset_ms),
                               resolve(signals, offset_ms), self.card, self.day, as_of_ms)

    def facts(self) -> chain[Fact]:
        """All of them, those that may be public and those that may not."""
        return chain(self.view.facts.by_key.values(), self.view.signals.by_key.values())

    def fact(self, key: int) -> Fact:
        return self.view.facts.by_key.get(key) or self.view.signals.by_key[key]

    @cached_property
    def refs(self) -> dict[int, tuple[int, str]]:
        """Source code and id of every fact."""
        return self.subject.refs({f.key for f in self.facts()})

    def ref(self, fact: Fact) -> Row:
        code, id = self.refs[fact.key]
        return {"source": self.sources[code], "id": id}

    def day_of(self, ms: int) -> str:
        return iso_day((ms + self.card.offset_ms) // DAY_MS)

    def row(self, fact: Fact) -> Row:
        """A fact as a page shows it: `key` names it in an address."""
        words = record_text(TYPE_NAMES[fact.type], "", fact.variant)
        out: Row = {
            "key": name(fact), "time": iso_ms(fact.time), "day": self.day_of(fact.time),
            "type": TYPE_NAMES[fact.type], **self.ref(fact),
            "item": self.card.item_ids[fact.item] if fact.item else "",
            "department": self.card.department_of[fact.item] if fact.item else "",
            "text_zh": words["zh"], "text_en": words["en"],
        }
        if fact.revoked:
            out["revoked"] = True
        if fact.repair:
            out |= {"repair": REPAIR[fact.repair], "repair_on": iso_day(fact.repair_day)}
        if fact.objection:
            out["objection"] = OBJECTION[fact.objection]
        if fact.performed_day:
            out["performed_on"] = iso_day(fact.performed_day)
        return out

    def points(self, segments: list[Segment]) -> dict[int, int]:
        """Points [thousandths] of each fact on the day, by identity."""
        tables, out = self.card.points[self.subject.group], dict[int, int]()
        for s in segments:
            if s.start <= self.day < s.stop:
                out[s.fact.key] = out.get(s.fact.key, 0) + tables[s.indicator][s.step][
                    self.day - s.origin]
        return out


def name(fact: Fact) -> str:
    """A fact's identity in an address.

    Examples
    --------
    >>> name(Fact((255, 0, 0, 0, 0, 0, 0, 1, 0), 0))
    '00000000000000ff'
    """
    return f"{fact.key:016x}"


def until(records: bytes, ms: int) -> bytes:
    """Records of what had happened by a moment [epoch ms], by the events' own times."""
    return b"".join(RECORD.pack(*row) for row in RECORD.iter_unpack(records) if row[2] <= ms)


def newest(facts: list[Fact]) -> list[Fact]:
    return sorted(facts, key=lambda f: (f.time, f.key), reverse=True)

