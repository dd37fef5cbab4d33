"""Sends what is due: one message at a time to each endpoint, so many endpoints at once.

A thread serves an endpoint while something is due there, and is then free for another. What it
learns is written down in the transaction that claims the next message.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor

from dispatch.backoff import Breaker, Delivery, broken, retry_ms
from dispatch.channel import Channel, Outcome
from dispatch.gate import Gate
from dispatch.outbox import DEAD, DELIVERED, WAITING, Outbox, Result, Row

_LOG = logging.getLogger("xinfeng.dispatch")
IDLE_S = 1.0
"""Looks at least this often: for leases, and for a clock that was set back."""
LEASE_FACTOR = 6
"""A lease in time limits of a channel: connecting, writing and reading may each take one."""


class Sender:
    """Delivers an outbox.

    Parameters
    ----------
    now
        Epoch milliseconds.
    gate
        That of the channels' `Poster`.
    """

    def __init__(self, outbox: Outbox, channels: Iterable[Channel], delivery: Delivery,
                 now: Callable[[], int], gate: Gate | None = None) -> None:
        self.outbox = outbox
        self.channels = {c.endpoint: c for c in channels}
        self.delivery = delivery
        self.breakers = {e: Breaker(failing_since_ms=outbox.failing_since(e))
                         for e in self.channels}
        self.attempts = 0
        self.sent: Counter[str] = Counter()
        self.failed: Counter[str] = Counter()
        """Messages taken, and attempts that failed, by endpoint."""
        self._gate = gate or Gate()
        self._now = now
        self._wake = threading.Condition()
        self._stopping = False
        self._asked = True
        self._busy: set[str] = set()
        self._due: dict[str, int] = {}
        self._looked_ms = 0
        self._recent: dict[str, deque[int]] = {e: deque() for e in self.channels}
        self._failed: BaseException | None = None
        outbox.recover(self.channels)

    def wake(self, endpoints: Iterable[str] = ()) -> None:
        """Something was enqueued for these."""
        with self._wake:
            for endpoint in endpoints:
                self._due[endpoint] = 1
            self._asked = True
            self._wake.notify()

    def run(self, stop: threading.Event) -> None:
        """Deliver until told to stop; what is being sent is finished first.

        Raises
        ------
        Whatever escaped a worker: the process is to end, and nothing is lost by that.
        """
        with ThreadPoolExecutor(self.delivery.workers_max, "send") as pool:
            try:
                while not stop.is_set() and self._failed is None:
                    wait_s = self._start(pool)
                    with self._wake:
                        if not self._asked:
                            self._wake.wait(wait_s)
                        self._asked = False
            finally:
                self._stopping = True
        if self._failed is not None:
            raise self._failed

    def drain(self, limit_ms: int) -> None:
        """Send what is due until nothing is, or that moment has come. For tests and benches."""
        stop = threading.Event()
        thread = threading.Thread(target=self.run, args=(stop,), name="drain")
        thread.start()
        while self._now() < limit_ms and self.outbox.waiting() + len(self._busy):
            stop.wait(0.01)
        stop.set()
        self.wake()
        thread.join()
        self._stopping = False

    def _start(self, pool: ThreadPoolExecutor) -> float:
        """Serve every endpoint that has something due; how long nothing else will be [s]."""
        now = self._now()
        nearest = now + round(1000 * IDLE_S)
        if abs(now - self._looked_ms) >= 1000 * IDLE_S:
            # What was said by `wake` is enough; this also sees what another hand wrote.
            self._looked_ms = now
            for endpoint in set(self.channels) - self._busy:
                self._due[endpoint] = self.outbox.next_due(endpoint)
        for endpoint, due in [*self._due.items()]:
            if not due or endpoint in self._busy or endpoint not in self.channels:
                continue
            at = max(due, self.breakers[endpoint].open_until_ms, self._paced(endpoint))
            if at > now:
                nearest = min(nearest, at)
            elif len(self._busy) < self.delivery.workers_max:
                self._busy.add(endpoint)
                self._due[endpoint] = 0
                pool.submit(self._serve, endpoint).add_done_callback(self._served)
        return max(nearest - now, 1) / 1000

    def _served(self, done: Future[None]) -> None:
        if done.exception() is not None:
            self._failed = done.exception()
        self.wake()

    def _serve(self, endpoint: str) -> None:
        """Send what is due at one endpoint, message by message."""
        channel = self.channels[endpoint]
        try:
            row = self.outbox.claim(endpoint, self._now(), self._lease())
            while row is not None:
                row = self._deliver(channel, row)
            due = self.outbox.next_due(endpoint)
            with self._wake:
                # What `wake` said meanwhile stands.
                self._due[endpoint] = self._due.get(endpoint, 0) or due
        finally:
            with self._wake:
                self._busy.discard(endpoint)

    def _deliver(self, channel: Channel, row: Row) -> Row | None:
        """One attempt; the next message, if one may go at once."""
        self._recent[row.endpoint].append(self._now())
        self.attempts += 1
        try:
            return self._record(channel, row, channel.send(row.letter, self._now()))
        finally:
            self._gate.leave()

    def _record(self, channel: Channel, row: Row, outcome: Outcome) -> Row | None:
        now = self._now()
        result = self._result(row, outcome, now)
        with self._wake:
            (self.sent if outcome.fate == "ok" else self.failed)[row.endpoint] += 1
        self._judge(channel, outcome, now)
        breaker = self.breakers[row.endpoint]
        more = not self._stopping and not breaker.open_until_ms and self._paced(row.endpoint) <= now
        return self.outbox.finish(row, result, now, acts=outcome.acts, claim=more,
                                  lease_ms=self._lease())

    def _result(self, row: Row, outcome: Outcome, now: int) -> Result:
        if outcome.fate == "ok":
            return Result(DELIVERED, outcome.code, outcome.text)
        if outcome.fate == "letter":
            return Result(DEAD, outcome.code, outcome.text)
        asked = round(1000 * min(outcome.retry_after_s, self.delivery.retry_max_s))
        wait = max(asked, retry_ms(f"{row.letter.key} {row.endpoint}", row.attempts, self.delivery))
        if now >= row.deadline_ms:
            return Result(DEAD, outcome.code, outcome.text)
        # The last attempt is at the deadline itself.
        return Result(WAITING, outcome.code, outcome.text, min(now + wait, row.deadline_ms))

    def _judge(self, channel: Channel, outcome: Outcome, now: int) -> None:
        """Keep the breaker; write down when an endpoint begins to fail or is well again."""
        old = self.breakers[channel.endpoint]
        if outcome.fate in ("ok", "letter"):
            new = Breaker()
        else:
            new = broken(old, now, self.delivery, hard=outcome.fate == "endpoint")
        self.breakers[channel.endpoint] = new
        if old.failing_since_ms != new.failing_since_ms:
            self.outbox.seen(channel.endpoint, channel.receiver, new.failing_since_ms,
                             now if outcome.fate == "ok" else 0, outcome.code, outcome.text)
            if new.failing_since_ms:
                _LOG.warning("msg=failing endpoint=%s code=%d", channel.endpoint, outcome.code)
            else:
                _LOG.info("msg=well endpoint=%s", channel.endpoint)

    def _paced(self, endpoint: str) -> int:
        """When the endpoint may take one more message, by its limit a minute."""
        most = self.channels[endpoint].per_minute_max
        recent = self._recent[endpoint]
        while recent and recent[0] <= self._now() - 60_000:
            recent.popleft()
        if not most:
            recent.clear()
        return recent[-most] + 60_000 if most and len(recent) >= most else 0

    def _lease(self) -> int:
        return self._now() + round(1000 * LEASE_FACTOR * self.delivery.timeout_s)
