"""Shows the dead letters of intake and console: from the rejects topic into the view.

The topic is the truth, the view has a mark in it. A view that was emptied gets them again; a Redis
that is away holds up neither intake nor console.
"""

from __future__ import annotations

import base64
import datetime as dt
from collections.abc import Callable
from typing import Any, Protocol

import msgspec
from confluent_kafka import Consumer, TopicPartition

from storage.effects import Reason
from storage.kafka_client import Access, Topics, confluent
from storage.kafka_log import ASK_S, again, ask
from storage.sqlite_store import Dead
from streams.outgoing import INTAKE


class View(Protocol):
    """`storage.redis_view`."""

    def rejects_mark(self) -> int: ...
    def move_rejects_mark(self, offset: int) -> None: ...
    def reject(self, id: str, dead: Dead) -> None: ...


def show(access: Access, view: View, stopped: Callable[[], bool]) -> None:
    """Show dead letters as they come, until told to stop. Those of the step its worker shows."""
    topic = Topics.of(access.prefix).rejects
    consumer = Consumer({**confluent(access), "group.id": f"{access.prefix}.letters",
                         "enable.auto.commit": False, "auto.offset.reset": "earliest"})
    try:
        at = -1
        while not stopped():
            mark = view.rejects_mark()
            if mark != at:  # The first time, or somebody emptied the view.
                at = mark
                consumer.assign([TopicPartition(topic, 0, max(at, _begin(consumer, topic)))])
            for message in consumer.consume(500, timeout=1.0):
                if again(message.error()):
                    continue
                event = msgspec.json.decode(message.value() or b"")
                if event["source"] == INTAKE:
                    view.reject(event["id"], dead(event["data"]))
                at = (message.offset() or 0) + 1
            if at != mark:
                view.move_rejects_mark(at)
    finally:
        consumer.close()


def _begin(consumer: Consumer, topic: str) -> int:
    return ask(lambda: consumer.get_watermark_offsets(TopicPartition(topic, 0),
                                                      timeout=ASK_S))[0]


def dead(row: dict[str, Any]) -> Dead:
    """Inverse of `streams.rows.reject_row`."""
    raw = (base64.b64decode(row["raw_base64"]) if "raw_base64" in row
           else row["raw"].encode("utf-8", "surrogatepass"))
    given = [row.get(key, "") for key in ("source", "id", "type", "subject")]
    at = dt.datetime.fromisoformat(row["at"])
    return Dead(round(at.timestamp() * 1000), row["origin"],
                msgspec.convert(row["reason"], Reason), raw, *given)
