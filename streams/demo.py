"""`xinfeng run --demo`: a simulated city, its past at full speed, its present by the minute."""

from __future__ import annotations

import datetime as dt
import threading
import time

import msgspec

from config.load import Demo
from models.calendar import BEIJING_OFFSET_MS, DAY_MS, from_date, start_ms
from streams.service import EmbeddedService
from streams.simulate import city

PAST_D = 240
"""Days that have already passed when the demonstration begins."""
LENGTH_D = 1_500
STEP_S = 0.25
"""How often the present is brought forward [s]."""
CHUNK_EVENTS = 250
BREATH_S = 0.004
"""Pause between two envelopes of the past, so that pages get their turn [s]."""


class Timed(msgspec.Struct):
    time: dt.datetime


class SimulatedClock:
    """The present of the demonstration [epoch ms]; the player alone moves it, never back."""

    def __init__(self, now_ms: int) -> None:
        self.now_ms = now_ms

    def __call__(self) -> int:
        return self.now_ms


class Player:
    """Plays `city` into a service.

    Parameters
    ----------
    demo
        Number of subjects, seed, and how fast the present runs.
    clock
        The service's own clock.
    today
        The day on which the past ends and the present begins.
    """

    def __init__(self, demo: Demo, clock: SimulatedClock, today: dt.date) -> None:
        self.demo = demo
        self.clock = clock
        self.start = today - dt.timedelta(days=PAST_D)
        self.present_ms = start_ms(from_date(today))

    def play(self, service: EmbeddedService, stop: threading.Event) -> None:
        """Run until the city ends or `stop` is set."""
        decode = msgspec.json.Decoder(Timed).decode
        begun = 0.0
        chunk: list[bytes] = []
        for raw in city(self.demo.subjects, LENGTH_D, self.demo.seed, self.start):
            time_ms = round(decode(raw).time.timestamp() * 1000)
            if time_ms < self.present_ms:
                if len(chunk) >= CHUNK_EVENTS:
                    self._send(service, chunk, time_ms)
                    if stop.wait(BREATH_S):
                        return
            else:
                begun = begun or time.monotonic()
                while time_ms > (now_ms := self._now_ms(begun)):
                    self._send(service, chunk, now_ms)
                    service.tick()
                    if stop.wait(STEP_S):
                        return
            chunk.append(raw)
        self._send(service, chunk, self.clock.now_ms)

    def _now_ms(self, begun: float) -> int:
        days = (time.monotonic() - begun) * self.demo.days_per_minute / 60
        return self.present_ms + round(days * DAY_MS)

    def _send(self, service: EmbeddedService, chunk: list[bytes], now_ms: int) -> None:
        self.clock.now_ms = max(self.clock.now_ms, now_ms)
        if chunk:
            service.submit(chunk, "demo", event_time=True)
            chunk.clear()


def first_ms(today: dt.date) -> int:
    """Where the demonstration's clock starts: the first moment of its first day."""
    return start_ms(from_date(today) - PAST_D)


def today(now_ms: int) -> dt.date:
    """Beijing date of a moment."""
    return dt.datetime.fromtimestamp((now_ms + BEIJING_OFFSET_MS) / 1000, dt.UTC).date()
