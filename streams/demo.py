"""`xinfeng run --demo`: a simulated city, its past at full speed, its present by the minute."""

from __future__ import annotations

import datetime as dt
import threading
import time

import msgspec

from config.load import ConfigError, Demo
from models.calendar import DAY_MS, day_of, from_date, start_ms, to_date
from storage.sqlite_store import SqliteStore
from streams.service import EmbeddedService
from streams.simulate import city

PAST_D = 450
"""Days that have already passed when the demonstration begins: enough outcomes for a first version
of learned weights."""
DEVICES_D = 60
"""Readings begin so long before the present: they are nine tenths of the bytes."""
AGAIN_EVERY, WRONG_EVERY = 97, 331
"""Departments send one event in so many twice, and one with a mistyped code."""
LENGTH_D = 1_500
STEP_S = 0.25
"""How often the present is brought forward [s]."""
CHUNK_EVENTS = 500
BREATH_S = 0.004
"""Pause between two envelopes of the past, so that pages get their turn [s]."""
_FIRST_DAY = "demo_first_day"


class Timed(msgspec.Struct):
    """What the player reads of an event."""

    id: str
    time: dt.datetime
    type: str
    subject: str


class SimulatedClock:
    """The present of the demonstration [epoch ms]; the player alone moves it, never back."""

    def __init__(self, now_ms: int) -> None:
        self.now_ms = now_ms

    def __call__(self) -> int:
        return self.now_ms


def first_day(store: SqliteStore, now_ms: int) -> dt.date:
    """First day of the city a store holds; of a new one, so that its past ends today.

    Raises
    ------
    ConfigError: the store holds something else.
    """
    held = store.meta(_FIRST_DAY)
    if held is not None:
        return dt.date.fromisoformat(held.decode())
    if store.last_offset() > 1:
        raise ConfigError(f"--demo --store {store.folder}: holds other events; the demonstration "
                          "needs a new store")
    first = to_date(day_of(now_ms) - PAST_D)
    store.put_meta(_FIRST_DAY, first.isoformat().encode())
    return first


def slipped(raw: bytes, event: Timed, number: int) -> list[bytes]:
    """What arrives of the event with this number: most once, some twice, some with a wrong code
    beside them (their check character is another)."""
    if event.type == "iot.readings":
        return [raw]
    if number % WRONG_EVERY == 1:
        last = "0" if event.subject[-1] != "0" else "1"
        return [raw, raw.replace(event.subject.encode(), f"{event.subject[:-1]}{last}".encode())
                .replace(event.id.encode(), f"{event.id}-x".encode())]
    return [raw, raw] if number % AGAIN_EVERY == 1 else [raw]


class Player:
    """Plays `city` into a service.

    Parameters
    ----------
    demo
        Number of subjects, seed, and how fast the present runs.
    first
        First day of the city.
    held_ms
        The clock of the log that is played into: what happened before is there already.
    """

    def __init__(self, demo: Demo, first: dt.date, held_ms: int) -> None:
        self.demo = demo
        self.first = first
        self.held_ms = held_ms
        start = from_date(first)
        self.clock = SimulatedClock(max(start_ms(start), held_ms))
        self.present_ms = max(start_ms(start + PAST_D), held_ms)
        """Up to here at full speed, from here on by the minute."""

    def play(self, service: EmbeddedService, stop: threading.Event) -> None:
        """Run until the city ends or `stop` is set."""
        decode = msgspec.json.Decoder(Timed).decode
        begun = 0.0
        chunk: list[bytes] = []
        devices_ms = start_ms(from_date(self.first) + PAST_D - DEVICES_D)
        for number, raw in enumerate(city(self.demo.subjects, LENGTH_D, self.demo.seed,
                                          self.first)):
            event = decode(raw)
            time_ms = round(event.time.timestamp() * 1000)
            if time_ms < self.held_ms or (event.type == "iot.readings" and time_ms < devices_ms):
                continue
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
            chunk += slipped(raw, event, number)
        self._send(service, chunk, self.clock.now_ms)

    def _now_ms(self, begun: float) -> int:
        days = (time.monotonic() - begun) * self.demo.days_per_minute / 60
        return self.present_ms + round(days * DAY_MS)

    def _send(self, service: EmbeddedService, chunk: list[bytes], now_ms: int) -> None:
        self.clock.now_ms = max(self.clock.now_ms, now_ms)
        if chunk:
            service.submit(chunk, "demo", event_time=True)
            chunk.clear()
