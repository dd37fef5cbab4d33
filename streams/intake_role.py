"""`xinfeng intake`: of all processes started so, the one that Faust makes leader does the work."""

from __future__ import annotations

import asyncio
import logging
import os
import threading
from collections.abc import Callable

import faust
from prometheus_client import REGISTRY, start_http_server

from config.load import Settings
from models.policy import Policy
from storage.kafka_client import Topics
from storage.kafka_topics import require
from storage.sqlite_store import StoreError
from streams import faust_app, letters, logs
from streams.connect import view_of
from streams.declared import counter, gauge
from streams.metrics import Live
from streams.refused import Refused
from streams.sequencer import Sequencer

_LOG = logging.getLogger("xinfeng.intake")
LOOK_S = 0.5
"""How often leadership is looked at."""

EVENTS = counter("xinfeng_intake_events_total")
REJECTED = counter("xinfeng_intake_rejected_total")
LAG = gauge("xinfeng_intake_lag_records")
CLOCK = gauge("xinfeng_intake_clock_seconds")
LEADS = gauge("xinfeng_intake_leads")
REFUSED = Refused()
REGISTRY.register(Live(REFUSED.values))


class _Lead:
    """The thread that does the work while this process leads."""

    def __init__(self, settings: Settings, policy: Policy | None, secret: bytes) -> None:
        self._settings, self._policy, self._secret = settings, policy, secret
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._guarded, args=(self._run,), daemon=True)
        self._thread.start()
        # Apart: a Redis that is away must not hold up the log.
        threading.Thread(target=self._guarded, args=(self._letters,), daemon=True).start()

    def _guarded(self, work: Callable[[], None]) -> None:
        """A thread's outermost frame."""
        try:
            work()
        except BaseException as error:
            _LOG.critical('msg="the process ends" error=%r', error,
                          exc_info=None if isinstance(error, StoreError) else error)
            os._exit(1)

    def _run(self) -> None:
        sequencer = Sequencer(self._settings, self._policy, self._secret, REFUSED)
        seen = [0, 0]

        def stopped() -> bool:
            EVENTS.inc(sequencer.events - seen[0])
            REJECTED.inc(sequencer.rejected - seen[1])
            seen[:] = sequencer.events, sequencer.rejected
            LAG.set(sequencer.lag())
            CLOCK.set(sequencer.clock_ms / 1000)
            return self._stop.is_set()

        sequencer.run(stopped)
        sequencer.close()

    def _letters(self) -> None:
        letters.show(self._settings.kafka, view_of(self._settings), self._stop.is_set)

    def end(self) -> None:
        """Write what was read, and stop."""
        self._stop.set()
        self._thread.join(30)


def serve(settings: Settings, policy: Policy | None, secret: bytes, metrics_port: int,
          metrics_host: str) -> None:
    """Run an intake until SIGINT or SIGTERM; leaves the process.

    Raises
    ------
    StoreError: no broker answers at the start, it refuses us, or a feed is missing.
    """
    logs.to_stderr()
    require(settings.kafka, Topics.of(settings.kafka.prefix).feeds)
    made = faust_app.app(settings.kafka, "intake", leader=True)
    if metrics_port:
        start_http_server(metrics_port, metrics_host)

    @made.service
    class Leading(faust.Service):
        """Follows the leadership that Faust's assignor hands out."""

        held: _Lead | None = None

        @faust.Service.task
        async def follow(self) -> None:
            while not self.should_stop:
                leads = made.is_leader()
                LEADS.set(leads)
                if leads and self.held is None:
                    _LOG.info("msg=leading")
                    self.held = _Lead(settings, policy, secret)
                elif not leads and self.held is not None:
                    _LOG.info("msg=following")
                    held, self.held = self.held, None
                    await asyncio.to_thread(held.end)
                await self.sleep(LOOK_S)

        async def on_stop(self) -> None:
            if self.held is not None:
                await asyncio.to_thread(self.held.end)

    faust_app.run(made)
