"""The dispatcher: desk and sender over one ledger. What the runners hold."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from alerts.notice import Notice
from alerts.told import Catalogue
from alerts.worktime import WorkTime
from dispatch.answer_link import Links
from dispatch.audit import Gap, audit
from dispatch.backoff import Delivery
from dispatch.channel import Channel
from dispatch.desk import Desk
from dispatch.gate import Gate
from dispatch.ledger import Ledger
from dispatch.outbox import Act, DeadReceiver
from dispatch.rebase import rebase
from dispatch.sender import Sender
from dispatch.webhook import iso
from models.notify_policy import Notify

LOOK_S = 1.0
"""A timer is late by this at most."""
PURGE_MS = 3_600_000
SOURCE = "urn:xinfeng:answer"


class Dispatcher:
    """Takes transitions in from one thread, delivers from its own.

    Parameters
    ----------
    path
        The ledger's file; None = in memory.
    now
        Epoch milliseconds. Moments of reminders and escalation follow this clock, the log's clock
        says when things happened.
    gate
        That of the channels' `Poster`.
    """

    def __init__(self, path: Path | None, policy: Notify, time: WorkTime, items: Catalogue,
                 channels: Sequence[Channel], delivery: Delivery, now: Callable[[], int],
                 gate: Gate | None = None, links: Links | None = None) -> None:
        self.ledger = Ledger(path)
        endpoints: dict[str, list[str]] = {}
        for c in channels:
            endpoints.setdefault(c.receiver, []).append(c.endpoint)
        self.desk = Desk(self.ledger, policy, time, endpoints, items, base_url=delivery.base_url,
                         deadline_h=delivery.deadline_h, retry_max_s=delivery.retry_max_s,
                         links=links)
        self.sender = Sender(self.desk.outbox, channels, delivery, now, gate)
        self.delivery = delivery
        self._now = now
        self._purged_ms = now()
        rebase(self.desk, now())

    def mark(self, source: str = "") -> int:
        """The next position of a log that is needed: what lies before was taken."""
        return self.ledger.mark(source)

    def submit(self, notices: Iterable[Notice], *, upto: int, source: str = "") -> int:
        """Take transitions in, durably; how many letters came of it."""
        made = self.desk.apply(notices, self._now(), upto=upto, source=source)
        self._send()
        return made

    def adopt(self, notices: Iterable[Notice], *, upto: int, source: str = "") -> None:
        """Begin over a log with a history, of which nobody is told anew."""
        self.desk.adopt(notices, self._now(), upto=upto, source=source)

    def tick(self) -> int:
        """Let time pass; when to come again, 0 = nothing is waiting."""
        now = self._now()
        again = self.desk.tick(now)
        self._send()
        if now - self._purged_ms > PURGE_MS:
            self._purged_ms = now
            self.ledger.purge(now - self.delivery.keep_d * 86_400_000)
        return again

    def run(self, stop: threading.Event) -> None:
        """Deliver and let time pass, until told to stop."""
        failed: list[BaseException] = []

        def send() -> None:
            try:
                self.sender.run(stop)
            except BaseException as error:
                failed.append(error)

        sending = threading.Thread(target=send, name="send", daemon=True)
        sending.start()
        while not failed:
            again = self.tick()
            wait_s = max(again - self._now(), 1) / 1000 if again else LOOK_S
            if stop.wait(min(wait_s, LOOK_S)):
                break
        self.sender.wake()
        sending.join()
        if failed:
            raise failed[0]

    def close(self) -> None:
        self.ledger.close()

    # -------------------------------------------------------------------------------------- asking

    def gaps(self, firing: Iterable[Notice]) -> list[Gap]:
        """The auditor's list; empty = nothing fell between."""
        return audit(self.desk, firing, self._now())

    def dead(self) -> list[DeadReceiver]:
        """Receivers that cannot be reached: each the cause of an alert."""
        return self.desk.outbox.dead(self._now(), round(60_000 * self.delivery.dead_after_min))

    def deliveries(self, alert: str) -> list[dict[str, object]]:
        """Who was told of an alert: when, why, on which channel, with what answer."""
        return self.desk.outbox.deliveries(alert)

    def answers(self, after: int, most: int = 100) -> list[tuple[int, str, dict[str, Any]]]:
        """(number, receiver, CloudEvent) of what receivers answered by machine, to go back into
        the log.

        An event has the same id whenever it is read, so handing it in twice does nothing. The
        caller fills in `subject`, which the log knows by the alert or review.
        """
        return [(number, receiver, _event(name, receiver, at_ms, act))
                for number, name, receiver, at_ms, act in self.desk.outbox.answers(after, most)]

    def status(self) -> Mapping[str, object]:
        """Numbers for metrics."""
        return {"outbox": self.desk.outbox.counts(), "attempts": self.sender.attempts,
                "open_breakers": sum(b.open_until_ms > self._now()
                                     for b in self.sender.breakers.values()),
                "endpoints": len(self.sender.channels)}

    def _send(self) -> None:
        with self.ledger.lock:
            fresh, self.desk.fresh = self.desk.fresh, set()
        if fresh:
            self.sender.wake(fresh)


def _event(name: str, receiver: str, at_ms: int, act: Act) -> dict[str, Any]:
    return {"specversion": "1.0", "id": name, "source": SOURCE, "type": act.type,
            "time": iso(at_ms), "data": act.data(receiver)}
