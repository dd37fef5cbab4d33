"""Pathway: a JSON connector, a stateful reducer, a subscriber that writes.

The reducer gets the rows of one moment in no order: they are put into that of the topic. Pathway's
own Kafka writer would also write each retraction, so a subscriber writes the changes.
"""

from __future__ import annotations

import os
from typing import Any

import pathway as pw
from confluent_kafka import Producer

from bench.peers import fold

MOMENT_MS = 100
"""Rows are worked on together after so long; half a second or more makes it no faster."""


class Event(pw.Schema):
    type: str
    subject: str
    time: str
    item: str = pw.column_definition(default_value="")
    severity: int = pw.column_definition(default_value=2)


def main() -> None:
    a = fold.arguments()
    tally = fold.Tally("Pathway")
    expected = 0
    producer = Producer({"bootstrap.servers": a.servers, "enable.idempotence": True,
                         "compression.type": "lz4", "linger.ms": 5})

    @pw.reducers.stateful_many
    def grade(held: tuple[Any, ...] | None, rows: list[tuple[list[Any], int]]) -> tuple[Any, ...]:
        nonlocal expected
        state = list(held[0]) if held is not None else None
        changes = []
        for _, at, type_, severity in sorted(row for row, _ in rows):
            tally.event()
            if not type_ or not 1 <= severity <= 4:
                raise ValueError(type_)
            state, score, changed = fold.step(state, type_, severity, at)
            if changed:
                changes.append((at, state[3], score))
        expected += len(changes)
        return tuple(state or ()), tuple(changes)

    def write(key: pw.Pointer, row: dict[str, Any], time: int, is_addition: bool) -> None:
        if is_addition:
            for at_s, now, score in row["state"][1]:
                value = fold.said(row["subject"], row["item"], at_s, now, score)
                tally.output(value)
                producer.produce(a.sink, value, row["subject"])

    def moment(time: int) -> None:
        producer.flush()
        # The reducer may be a moment ahead of the writer.
        if tally.events == a.events and tally.outputs == expected:
            tally.done()
            os._exit(0)

    events = pw.io.kafka.read(
        {"bootstrap.servers": a.servers, "group.id": a.group, "auto.offset.reset": "earliest"},
        a.source, schema=Event, format="json", with_metadata=True,
        json_field_paths={"item": "/data/item", "severity": "/data/severity"},
        autocommit_duration_ms=MOMENT_MS)
    rows = events.select(
        pw.this.type, pw.this.subject, pw.this.item, pw.this.severity,
        offset=pw.this._metadata["offset"].as_int(),
        at=pw.this.time.dt.strptime("%Y-%m-%dT%H:%M:%S%z").dt.timestamp(unit="s"))
    grades = rows.groupby(pw.this.subject, pw.this.item).reduce(
        pw.this.subject, pw.this.item,
        state=grade(pw.this.offset, pw.this.at, pw.this.type, pw.this.severity))
    pw.io.subscribe(grades, on_change=write, on_time_end=moment)
    pw.run(monitoring_level=pw.MonitoringLevel.NONE, terminate_on_error=True)


if __name__ == "__main__":
    main()
