"""What every peer does with an event: decode and check it, let two sums per (subject, item) decay
and add to one of them, score, grade, and say each change of grade.

It is a small part of what a worker of ours does: no bands with hysteresis, no facts that end or are
taken back, no evidence, no alerts, no deadlines, no duplicates.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import time
import zlib
from typing import Annotated, Any

import msgspec
from confluent_kafka import Consumer, TopicPartition

BAD = {"complaint.filed": 6.0, "penalty.decided": 40.0, "list.entered": 60.0,
       "commitment.breached": 20.0, "rectification.failed": 20.0, "arrears.confirmed": 15.0}
GOOD = {"inspection.completed": 3.0, "commitment.fulfilled": 5.0, "information.verified": 4.0,
        "penalty.performed": 6.0, "repair.approved": 12.0}
BAD_HALF_S = 365 * 86_400.0
GOOD_HALF_S = 730 * 86_400.0
BASE = 680.0
BANDS = ((650.0, "A"), (580.0, "B"), (500.0, "C"))

State = list[Any]
"""[bad, good, time of both in seconds, grade]; a list, since some peers keep state as JSON."""


class Data(msgspec.Struct):
    item: str = ""
    severity: Annotated[int, msgspec.Meta(ge=1, le=4)] = 2


class Event(msgspec.Struct):
    type: Annotated[str, msgspec.Meta(min_length=1)]
    subject: Annotated[str, msgspec.Meta(min_length=1)]
    time: Annotated[dt.datetime, msgspec.Meta(tz=True)]
    data: Data

    @property
    def at_s(self) -> float:
        return self.time.timestamp()


decode = msgspec.json.Decoder(Event).decode


def step(state: State | None, type_: str, severity: int, at_s: float) -> tuple[State, float, bool]:
    """(new state, score, whether the grade changed); `state` None = nothing known."""
    bad, good, since, grade = state or (0.0, 0.0, at_s, "")
    bad *= 2.0 ** ((since - at_s) / BAD_HALF_S)
    good *= 2.0 ** ((since - at_s) / GOOD_HALF_S)
    bad += BAD.get(type_, 0.0) * severity
    good += GOOD.get(type_, 0.0)
    score = BASE - bad + good
    now = next((name for least, name in BANDS if score >= least), "D")
    return [bad, good, at_s, now], score, now != grade


def said(subject: str, item: str, at_s: float, grade: str, score: float) -> bytes:
    """The record of a changed grade."""
    return (f'{{"subject":"{subject}","item":"{item}","time":{at_s:.3f},"grade":"{grade}",'
            f'"score":{score:.3f}}}').encode()


class Tally:
    """Counts, and the time from the first record to `done`."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.events = self.outputs = self._sum = 0
        self._start = self._cpu = 0.0

    def event(self) -> None:
        if not self.events:
            self._start, self._cpu = time.time(), time.process_time()
        self.events += 1

    def output(self, value: bytes) -> None:
        self.outputs += 1
        self._sum = (self._sum + zlib.crc32(value)) % 2**64

    def done(self, end: float = 0.0) -> None:
        """Prints the result; call when the last output is durable, or say when it was."""
        seconds = (end or time.time()) - self._start
        print(json.dumps({"name": self.name, "events": self.events, "seconds": round(seconds, 3),
                          "events_per_s": round(self.events / seconds), "outputs": self.outputs,
                          "cpu_s": round(time.process_time() - self._cpu, 2),
                          "outputs_digest": f"{self._sum:016x}"}), flush=True)


def last_written(servers: str, topic: str) -> float:
    """When the broker took the newest record of a topic with one partition."""
    consumer = Consumer({"bootstrap.servers": servers, "group.id": f"{topic}.last"})
    _, end = consumer.get_watermark_offsets(TopicPartition(topic, 0), timeout=10.0)
    consumer.assign([TopicPartition(topic, 0, end - 1)])
    while True:
        message = consumer.poll(1.0)
        if message is not None and message.error() is None:
            consumer.close()
            return float(message.timestamp()[1] / 1000)


def arguments() -> argparse.Namespace:
    """Of every peer: the bench gives them, and makes both topics with one partition."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--servers", default="127.0.0.1:9092")
    parser.add_argument("--source", required=True, help="topic of JSON events")
    parser.add_argument("--sink", required=True, help="topic of changed grades")
    parser.add_argument("--group", required=True, help="consumer group, or name of the application")
    parser.add_argument("--events", type=int, required=True, help="end after so many")
    return parser.parse_args()
