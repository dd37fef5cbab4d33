"""Effects as records of the out topics (contract section 5): CloudEvents in JSON. Pure.

The `id` of each is its place in the log, `<partition>-<offset>-<place>`: a worker that has to say
something again says it under the same id, and a reader drops what it has seen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple, TypeAlias

import msgspec

from alerts.message import Catalogue
from models.calendar import DAY_MS
from models.examples import Example
from storage.effects import (
    AlertChanged,
    Answered,
    DeviceSummary,
    DrawnChanged,
    DrawPooled,
    ForAnalysis,
    Linked,
    Listed,
    Misnamed,
    OpenAlerts,
    Passed,
    PolicyTaken,
    Rejected,
    ReviewChanged,
    Signal,
    SubjectChanged,
)
from storage.kafka_client import Topics
from storage.sqlite_store import Dead
from storage.view import Placed
from streams import rows
from streams.analysis import Concluded, Own
from streams.show import iso_day, iso_ms

SOURCE = "urn:xinfeng:log"
INTAKE = "urn:xinfeng:intake"
ANALYSIS = "urn:xinfeng:analysis"
HOURS = "urn:xinfeng:log:hours"
MONDAY = 4
"""Day of the first full week since 1970."""
MeasuresOf: TypeAlias = Callable[[str], Callable[[str, str], list[dict[str, Any]]]]
_ENCODE = msgspec.json.Encoder().encode


class Message(NamedTuple):
    topic: str
    key: bytes
    value: bytes
    partition: int = -1
    """-1 = the one of its key."""


class Outgoing:
    """Says effects in the words of the contract.

    Parameters
    ----------
    name_of
        Name of a subject, "" when it has none.
    profile_of
        Its kind and district too.
    measures_of
        Its measures, by item and grade.
    """

    def __init__(self, topics: Topics, partition: int, name_of: Callable[[str], str],
                 profile_of: Callable[[str], tuple[str, str]] = lambda _: ("", ""),
                 measures_of: MeasuresOf = lambda _: lambda *_: []) -> None:
        self.topics = topics
        self.partition = partition
        self._name_of = name_of
        self._profile_of = profile_of
        self._measures_of = measures_of

    def messages(self, effects: Iterable[Placed], items: Catalogue,
                 offset_ms: int) -> Iterator[Message]:
        """Records for effects, in their order.

        Parameters
        ----------
        items
            Names of items and departments.
        offset_ms
            What civil days are off UTC.
        """
        topics = self.topics
        for offset, place, effect, raw in effects:
            id = f"{self.partition}-{offset}-{place}"
            match effect:
                case AlertChanged():
                    name = self._name_of(effect.subject)
                    data = rows.alert_row(effect, place, name, items, offset_ms)
                    del data["seq"]
                    kind, district = self._profile_of(effect.subject)
                    data |= {"item": effect.item, "facts": effect.facts, "kind": kind,
                             "district": district}
                    yield _event(topics.alerts, effect.id, id, "xinfeng.alert.changed",
                                 effect.subject, effect.updated_ms, data)
                case ReviewChanged():
                    data = rows.review_row(effect, self._name_of(effect.subject), {})
                    data["kind"], data["district"] = self._profile_of(effect.subject)
                    yield _event(topics.reviews, effect.id, id, "xinfeng.review.changed",
                                 effect.subject, effect.updated_ms, data)
                case Answered():
                    yield _event(topics.reviews, effect.review, id, "xinfeng.review.answered", "",
                                 effect.time_ms, {"review": effect.review,
                                                  "department": effect.department,
                                                  "at": iso_ms(effect.time_ms),
                                                  "reason": effect.reason})
                case SubjectChanged():
                    yield _event(topics.assessments, effect.subject, id,
                                 "xinfeng.assessment.changed", effect.subject, effect.recorded_ms,
                                 _assessment(effect))
                    yield from self._recommended(id, effect, items)
                case Rejected():
                    data = rows.reject_row(effect.recorded_ms, "log", effect.source, effect.id,
                                           effect.type, effect.subject, effect.reason, raw)
                    yield _event(topics.rejects, effect.subject, id, "xinfeng.event.rejected",
                                 effect.subject, effect.recorded_ms, data)
                case Signal():
                    yield self._told(topics.signals, id, "xinfeng.signal", effect,
                                     effect.recorded_ms, effect.subject)
                case Example():
                    yield self._told(topics.examples, id, "xinfeng.example", effect,
                                     effect.day * DAY_MS, effect.subject)
                case DeviceSummary():
                    yield self._told(topics.examples, id, "xinfeng.device.summary", effect,
                                     (effect.week * 7 + MONDAY) * DAY_MS)
                case Passed():
                    # What it counts is said once; that the hour is over, to readers of either. Two
                    # events that differ have two sources, since they have one id.
                    yield self._told(topics.signals, id, "xinfeng.hour.passed", effect,
                                     effect.clock_ms)
                    yield self._told(topics.examples, id, "xinfeng.hour.passed",
                                     Passed(effect.clock_ms, [], {}), effect.clock_ms,
                                     source=HOURS)
                case Misnamed():
                    yield self._told(topics.signals, id, "xinfeng.codes.wrong", effect,
                                     effect.hour_ms)
                case Linked():
                    yield self._told(topics.signals, id, "xinfeng.business.linked", effect,
                                     effect.recorded_ms, effect.subject)
                case Listed():
                    yield self._told(topics.signals, id, "xinfeng.business.listed", effect,
                                     effect.recorded_ms, effect.subject)
                case PolicyTaken():
                    for topic in (topics.signals, topics.examples):
                        yield self._told(topic, id, "xinfeng.policy.taken", effect,
                                         effect.recorded_ms)
                case DrawnChanged():
                    yield _event(topics.proposals, effect.subject, id, "xinfeng.inspection.changed",
                                 effect.subject, effect.updated_ms, rows.drawn_row(effect, items))
                case DrawPooled():
                    pass  # Of use to who ordered the draw: the view has it.
                case OpenAlerts():
                    pass  # A count for lists: whoever reads alerts can count them.


    def _recommended(self, id: str, effect: SubjectChanged, items: Catalogue) -> Iterator[Message]:
        """The measures of every grade in force that changed."""
        if not effect.in_force:
            return
        measures = self._measures_of(effect.subject)
        for moved in effect.in_force:
            item = moved["item"]
            yield _event(self.topics.proposals, effect.subject, f"{id}-{item}",
                         "xinfeng.measure.recommended", effect.subject, effect.recorded_ms, {
                             "subject": effect.subject, "name": effect.name, "kind": effect.kind,
                             "district": effect.district, "item": item,
                             "department": items.get(item, {}).get("department", ""),
                             "from": moved["from"], "to": moved["to"],
                             "measures": measures(item, moved["to"])})

    def _told(self, topic: str, id: str, type_: str, effect: ForAnalysis, time_ms: int,
              subject: str = "", source: str = SOURCE) -> Message:
        """For the analysis: in the partition of the shard, since its order matters."""
        made = _event(topic, subject, id, type_, subject, time_ms, msgspec.to_builtins(effect),
                      source)
        return made._replace(partition=self.partition)


TOLD: dict[str, Any] = {
    "xinfeng.signal": Signal, "xinfeng.example": Example, "xinfeng.device.summary": DeviceSummary,
    "xinfeng.hour.passed": Passed, "xinfeng.policy.taken": PolicyTaken,
    "xinfeng.codes.wrong": Misnamed, "xinfeng.business.linked": Linked,
    "xinfeng.business.listed": Listed}
"""What the analysis is told, by the type of the record."""


def conclusion(concluded: Concluded) -> bytes:
    """What the analysis concluded, as a record of the conclusions topic."""
    return _event("", "", str(concluded.at_ms), "xinfeng.concluded", "", concluded.at_ms,
                  {"at_ms": concluded.at_ms, "events": concluded.events}, ANALYSIS).value


class _Conclusion(msgspec.Struct):
    at_ms: int
    events: list[Own]


class _ConclusionRecord(msgspec.Struct):
    data: _Conclusion


_CONCLUSION = msgspec.json.Decoder(_ConclusionRecord).decode


def conclusion_of(value: bytes) -> Concluded:
    """Inverse of `conclusion`."""
    data = _CONCLUSION(value).data
    return Concluded(data.at_ms, data.events)


def dead_letter(id: str, dead: Dead) -> bytes:
    """A dead letter of intake as a record of the rejects topic."""
    data = rows.reject_row(dead.received_ms, dead.origin, dead.source, dead.id, dead.type,
                           dead.subject, dead.reason, dead.raw)
    return _event("", "", id, "xinfeng.event.rejected", dead.subject, dead.received_ms, data,
                  INTAKE).value


def _assessment(effect: SubjectChanged) -> dict[str, Any]:
    return {
        "subject": effect.subject, "name": effect.name, "kind": effect.kind,
        "district": effect.district, "industry": effect.industry, "size": effect.size,
        "public_grade": effect.public_grade, "lowest_grade": effect.lowest_grade,
        "gap": effect.gap, "open_alerts": effect.open_alerts,
        "changes": [{**c, "since": iso_day(c["since"])} for c in effect.changes],
        "recorded_at": iso_ms(effect.recorded_ms),
    }


def _event(topic: str, key: str, id: str, type_: str, subject: str, time_ms: int,
           data: dict[str, Any], source: str = SOURCE) -> Message:
    made = {"specversion": "1.0", "id": id, "source": source, "type": type_,
            "time": iso_ms(time_ms), "datacontenttype": "application/json", "data": data}
    if subject:
        made["subject"] = subject
    return Message(topic, key.encode(), _ENCODE(made))
