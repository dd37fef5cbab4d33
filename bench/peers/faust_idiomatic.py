"""Faust as its documentation shows it: an agent, records, a table."""

from __future__ import annotations

import asyncio
import os
import sys
from datetime import datetime

import faust

from bench.peers import fold


class Data(faust.Record, coerce=True):
    item: str = ""
    severity: int = 2


class Event(faust.Record, coerce=True, serializer="json"):
    type: str
    subject: str
    time: datetime
    data: Data


class Graded(faust.Record, serializer="json"):
    subject: str
    item: str
    time: float
    grade: str
    score: float


def main() -> None:
    a = fold.arguments()
    tally = fold.Tally("Faust, idiomatic")
    app = faust.App(a.group, broker=f"kafka://{a.servers}", store="memory://", topic_partitions=1,
                    web_enabled=False, consumer_auto_offset_reset="earliest")
    events = app.topic(a.source, key_type=str, key_serializer="raw", value_type=Event)
    grades = app.topic(a.sink, key_type=str, key_serializer="raw", value_type=Graded)
    states = app.Table("states", partitions=1)

    @app.agent(events)
    async def grade(stream: faust.StreamT[Event]) -> None:
        pending = []
        async for event in stream:
            tally.event()
            if not event.subject or not 1 <= event.data.severity <= 4:
                raise ValueError(event)
            key = f"{event.subject}|{event.data.item}"
            at_s = event.time.timestamp()
            state, score, changed = fold.step(states.get(key), event.type, event.data.severity,
                                              at_s)
            states[key] = state
            if changed:
                tally.output(fold.said(event.subject, event.data.item, at_s, state[3], score))
                pending.append(await grades.send(key=event.subject, value=Graded(
                    event.subject, event.data.item, at_s, state[3], score)))
            if tally.events == a.events:
                await app.producer.flush()
                await asyncio.gather(*pending)
                tally.done()
                os._exit(0)

    sys.argv[1:] = []
    faust.Worker(app, loglevel="ERROR", quiet=True,
                 redirect_stdouts=False).execute_from_commandline()


if __name__ == "__main__":
    main()
