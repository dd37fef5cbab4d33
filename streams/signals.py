"""What other stages count and learn from: adverse facts, and outcomes with what was known before.

Both are cut as the shard takes an event in, from the event and the subject's records alone. Pure.
"""

from __future__ import annotations

from models import events as e
from models import records as r
from models.ledger import DAY_MS
from models.subject import Subject
from storage.effects import Example, Signal

KNOWN_D = 365
"""How far back an example looks [days]."""


def signal(subject: Subject, event: e.Event, row: r.Row, recorded_ms: int) -> Signal | None:
    """The signal of an accepted event; None when it is nothing adverse."""
    match event:
        case e.ComplaintFiledEvent(data=d):
            cause, item = d.category, d.item
        case e.PenaltyDecided(data=d):
            cause, item = d.kinds[0], d.item
        case e.InspectionCompleted(data=d) if row[8] & 7 > 1:
            cause, item = (d.findings[0].code if d.findings else d.result), d.item
        case e.IotAlarm(data=d):
            cause, item = d.code, d.item
        case _:
            return None
    profile = subject.registration()
    return Signal(event.source, event.id, r.TYPE_NAMES[row[7]], subject.key,
                  profile.district if profile else "", profile.industry if profile else "",
                  item, cause, row[2], recorded_ms)


def example(subject: Subject, event: e.Event, row: r.Row, recorded_ms: int) -> Example | None:
    """The outcome that an accepted event is for its item; None when it is none.

    An inspection is one, good or bad; a penalty is a bad one.
    """
    match event:
        case e.InspectionCompleted(data=d):
            adverse, item = row[8] & 7 > 1, d.item
        case e.PenaltyDecided(data=d):
            adverse, item = True, d.item
        case _:
            return None
    profile = subject.registration()
    return Example(event.source, event.id, subject.key, profile.kind if profile else "", item,
                   adverse, _before(subject, row), row[2], recorded_ms)


def _before(subject: Subject, row: r.Row) -> dict[str, int]:
    """Records of each type on the same item in the year before [count], by name ascending."""
    key, _, until, _, _, _, item, _, _ = row
    since = until - KNOWN_D * DAY_MS
    counts: dict[int, int] = {}
    for records in (subject.facts, subject.signals):
        for other, _, time_ms, _, _, _, code, kind, _ in r.RECORD.iter_unpack(records):
            if code == item and since < time_ms <= until and other != key:
                counts[kind] = counts.get(kind, 0) + 1
    return dict(sorted(
        (r.TYPE_NAMES[kind], count) for kind, count in counts.items()))
