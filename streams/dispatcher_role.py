"""`xinfeng dispatcher`: tells people and systems of alerts, on a cluster. One process.

Reads `xinfeng.alerts` and `xinfeng.reviews`, every partition from the mark in its ledger. What
receivers answer goes to the feeds like any other event; a receiver that cannot be reached is a
conclusion, like those of the analysis. What it has taken and said is in the ledger alone: killed at
any moment it goes on from there.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
from prometheus_client import REGISTRY, start_http_server

from alerts.notice import Notice
from config.channels import Channels
from config.load import Settings
from dispatch.dispatcher import Dispatcher
from models.policy import Policy, decode
from storage.kafka_client import Access, Outgoing, Topics
from storage.sqlite_store import StoreError
from streams import logs, notifier
from streams.analysis import Concluded, Own
from streams.feeds import CHECKED
from streams.metrics import Live
from streams.options import wall_ms
from streams.outgoing import conclusion
from streams.sequencer import last_policy
from streams.watched import Feed, Watched, name_of

_LOG = logging.getLogger("xinfeng.dispatcher")
POLL_MAX = 500
POLL_S = 0.05
POLICY_S = 30.0
"""How often the policy in force is looked at."""


def policy_in_force(access: Access) -> Policy:
    """
    Raises
    ------
    StoreError: the log has none yet.
    """
    held = last_policy(access)
    if not held:
        raise StoreError("the log has no policy yet: start `xinfeng intake` first")
    return decode(held)


class Telling:
    """One dispatcher under one policy."""

    def __init__(self, settings: Settings, policy: Policy, channels: Channels) -> None:
        self._access = settings.kafka
        self._topics = Topics.of(settings.kafka.prefix)
        self._out = Outgoing(settings.kafka)
        self._offset_ms = policy.utc_offset_min * 60_000
        self._feed = Feed(settings.kafka, self._offset_ms)
        path = Path(settings.worker.folder) / notifier.LEDGER
        self.dispatcher: Dispatcher = notifier.dispatcher(path, policy, channels)
        # Where history is played the conclusions' times are the city's clock: nothing is added.
        say = None if settings.kafka.feed_time == "producer" else self._say
        self._watched: Watched | None = None
        self.notifier = notifier.Notifier(self.dispatcher, self._post, say, self._firing)
        self._begin()

    def _begin(self) -> None:
        """The first time: what stands in the topics is known already, and told to nobody anew."""
        marks = self._marks()
        new = [s for t, p in self._feed.sources if not marks.get(s := name_of(t, p))]
        if new:
            ends = self._feed.ends()
            for source, standing in self._feed.standing(ends):
                if source in new:
                    self.dispatcher.adopt(standing, upto=ends[source] + 1, source=source)
        self._feed.assign(self._marks())

    def _marks(self) -> dict[str, int]:
        ledger = self.dispatcher.ledger
        return {**ledger.marks("alerts/"), **ledger.marks("reviews/")}

    def _post(self, event: dict[str, Any]) -> Sequence[str]:
        """Onto a feed; intake and shard judge it."""
        self._out.send(self._topics.feed_of(str(event["type"])), msgspec.json.encode(event),
                       key=str(event["subject"]).encode(), headers=[(CHECKED, b"1")])
        self._out.flush()
        return []

    def _say(self, own: Sequence[Own]) -> None:
        at_ms = wall_ms()
        self._out.send(self._topics.conclusions, conclusion(Concluded(at_ms, [*own])),
                       timestamp_ms=at_ms)
        self._out.flush()

    def tell(self, stop: threading.Event) -> None:
        """Take in what is new, until told to stop."""
        while not stop.is_set():
            for source, (notices, upto) in self._feed.read().items():
                self.dispatcher.submit(notices, upto=upto + 1, source=source)

    def _firing(self) -> list[Notice]:
        """For the auditor, in its thread."""
        if self._watched is None:
            feed = Feed(self._access, self._offset_ms, reviews=False)
            self._watched = Watched(feed, self.dispatcher.ledger)
        return self._watched.firing()

    def close(self) -> None:
        self._feed.close()
        if self._watched is not None:
            self._watched.close()
        self.dispatcher.close()


def serve(settings: Settings, channels: Channels, metrics_port: int, metrics_host: str) -> None:
    """Run until SIGINT or SIGTERM. A new policy in the log ends the process, so that it begins
    again under it."""
    logs.to_stderr()
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    if metrics_port:
        start_http_server(metrics_port, metrics_host)
    if not channels.channel:
        _LOG.warning('msg="no channel is on: nobody is told of anything outside the console; see '
                     'docs/notifications.md"')
    policy = _policy(settings.kafka, stop)
    while policy is not None:
        made = Telling(settings, policy, channels)
        collector = Live(made.notifier.metrics)
        REGISTRY.register(collector)
        _LOG.info("msg=telling channels=%d receivers=%d", len(channels.channel),
                  len(policy.notify.receivers) if policy.notify else 0)
        renewed = _work(made, settings.kafka, policy, stop)
        REGISTRY.unregister(collector)
        made.close()
        policy = None if stop.is_set() else renewed


def _policy(access: Access, stop: threading.Event) -> Policy | None:
    """The policy in force, as soon as there is one that says who is told; None = told to stop."""
    said = False
    while not stop.is_set():
        held = last_policy(access)
        policy = decode(held) if held else None
        if policy is not None and policy.notify is not None:
            return policy
        if not said:
            _LOG.info('msg="waits for a policy with a section notify: is intake running?"')
            said = True
        stop.wait(0.5)
    return None


def _work(made: Telling, access: Access, policy: Policy, stop: threading.Event) -> Policy | None:
    """Run the threads of one dispatcher; the policy that is in force now, if another one is."""
    ended = threading.Event()

    def guarded(task: Callable[[threading.Event], None]) -> None:
        """A thread's outermost frame."""
        try:
            task(ended)
        except BaseException as error:
            _LOG.critical('msg="the process ends" error=%r', error, exc_info=error)
            os._exit(1)

    threads = [threading.Thread(target=guarded, args=(task,), daemon=True) for task in (
        made.tell, made.notifier.deliver, made.notifier.report, made.notifier.audit)]
    for thread in threads:
        thread.start()
    looked_s, renewed = time.monotonic(), None
    while not stop.wait(0.2):
        if time.monotonic() - looked_s > POLICY_S:
            looked_s = time.monotonic()
            now = decode(last_policy(access))
            if now.notify is not None and now != policy:
                renewed = now
                break
    ended.set()
    for thread in threads:
        thread.join()
    return renewed
