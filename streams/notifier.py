"""What both runners do around a dispatcher: carry answers back into the log, report receivers that
are dead, look for what fell between, and count."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from alerts.notice import Notice
from alerts.rules import alert_id
from alerts.worktime import WorkTime
from config.channels import Channels
from config.districts import district_names
from config.load import ConfigError
from dispatch import build
from dispatch.audit import Gap
from dispatch.dispatcher import Dispatcher
from dispatch.outbox import DeadReceiver
from dispatch.post import Poster
from models import events as e
from models.policy import Policy
from models.records import WHOLE_SUBJECT
from streams import answers, rows
from streams.analysis import RECEIVER, Own
from streams.metrics import Samples
from streams.options import wall_ms
from streams.show import iso_ms

_LOG = logging.getLogger("xinfeng.notify")
LEDGER = "notify.db"
"""Its file, beside the store."""
DEAD_RULE = "receiver-dead"
DEAD = "dead:"
"""Marks of receivers that were reported: since when [epoch ms], 0 = well again."""
ANSWERS = "answers"
LOOK_S = 0.2
"""How often answers are carried back."""
DEAD_LOOK_S = 1.0
AUDIT_S = 60.0
AUDIT_FACTOR = 20
"""An audit rests for so many times as long as it took."""
SAID_MAX = 20
"""Gaps that the process's log names after one look. All of them: `xinfeng audit`."""
Post = Callable[[dict[str, Any]], Sequence[str]]
"""Puts an event into the log; what the log refused."""


def work_time(policy: Policy) -> WorkTime:
    """Working hours by the calendar of a policy that has a section `notify`."""
    assert policy.notify is not None
    return WorkTime(policy.calendar.working_days(), policy.notify.work,
                    policy.utc_offset_min * 60_000)


def dispatcher(path: Path | None, policy: Policy, settings: Channels) -> Dispatcher:
    """A dispatcher under a policy that has a section `notify`, by the wall clock.

    Raises
    ------
    LedgerError: another dispatcher holds the ledger. ConfigError: a channel cannot be made.
    """
    assert policy.notify is not None
    known = {r.id for r in policy.notify.receivers}
    for c in settings.channel:
        if c.receiver not in known:
            raise ConfigError(f"channel {c.endpoint}: receiver={c.receiver}: not in the catalogue "
                              "of receivers of the policy in force")
    poster = Poster(settings.delivery.hosts, settings.delivery.timeout_s)
    return Dispatcher(path, policy.notify, work_time(policy),
                      rows.catalogue(policy, district_names()), build.channels(settings, poster),
                      build.delivery(settings), wall_ms, poster.gate,
                      answers.links(policy, settings))


class Notifier:
    """
    Parameters
    ----------
    post
        Hands a person's act in.
    say
        Writes events of our own; None = there is no way to.
    firing
        The alerts that are firing, as the view of the log has them.
    """

    def __init__(self, held: Dispatcher, post: Post, say: Callable[[Sequence[Own]], None] | None,
                 firing: Callable[[], Iterable[Notice]]) -> None:
        self.dispatcher = held
        self._post = post
        self._say = say
        self._firing = firing
        self._gaps: int | None = None
        self._said: set[Gap] = set()
        """Gaps that stand in the process's log already."""

    # ------------------------------------------------------------------------------------- threads

    def deliver(self, stop: threading.Event) -> None:
        """Send, and let time pass."""
        self.dispatcher.run(stop)

    def report(self, stop: threading.Event) -> None:
        """Carry back what receivers answered and what became of them."""
        looked_s = 0.0
        while not stop.wait(LOOK_S):
            self.carry_back()
            if time.monotonic() - looked_s > DEAD_LOOK_S:
                self.report_dead()
                looked_s = time.monotonic()

    def audit(self, stop: threading.Event) -> None:
        """Look for what fell between, now and then."""
        wait_s = LOOK_S
        while not stop.wait(wait_s):
            started = time.monotonic()
            gaps = self.dispatcher.gaps(self._firing())
            new = [gap for gap in gaps if gap not in self._said]
            for gap in new[:SAID_MAX]:
                _LOG.error('msg="fell between" alert=%s receiver=%s what="%s"', *gap)
            if len(new) > SAID_MAX:
                _LOG.error('msg="fell between" more=%d see="xinfeng audit"', len(new) - SAID_MAX)
            self._gaps, self._said = len(gaps), set(gaps)
            wait_s = max(AUDIT_S, AUDIT_FACTOR * (time.monotonic() - started))

    # --------------------------------------------------------------------------------------- parts

    def carry_back(self) -> int:
        """Put what receivers answered by machine into the log; how many answers there were.

        An answer goes in under the same identity however often it is handed in.
        """
        ledger, done = self.dispatcher.ledger, 0
        while found := self.dispatcher.answers(ledger.mark(ANSWERS)):
            for number, receiver, event in found:
                data = event["data"]
                about = str(data.get("alert") or data.get("review"))
                held = ledger.held(about)
                refused: Sequence[str] = ["nobody knows it"]
                person = self.dispatcher.desk.directory.by_id.get(receiver)
                own = person.department if person else ""
                if own and data.get("department", own) != own:
                    refused = [f"department={data['department']}: must be {own}"]
                elif held is not None:
                    subject = held.notice.subject or held.notice.cell
                    refused = self._post({**event, "subject": subject})
                for why in refused:
                    _LOG.warning('msg="answer refused" about=%s why="%s"', about, why)
                ledger.move_mark(ANSWERS, number)
            done += len(found)
        return done

    def report_dead(self) -> None:
        """Make receivers that cannot be reached an alert of their own, and end it when they can."""
        if self._say is None:
            return
        dispatcher = self.dispatcher
        now: dict[str, list[DeadReceiver]] = {}
        for one in dispatcher.dead():
            now.setdefault(one.receiver, []).append(one)
        before = {k.removeprefix(DEAD): ms for k, ms in dispatcher.ledger.marks(DEAD).items()}
        for receiver in sorted({*now, *before}):
            told, since = before.get(receiver, 0), min(
                (one.since_ms for one in now.get(receiver, [])), default=0)
            if told == since:
                continue
            events = [self._dead(receiver, at, found, open_=open_) for at, found, open_ in (
                (told, [], False), (since, now.get(receiver, []), True)) if at]
            self._say(events)
            dispatcher.ledger.move_mark(DEAD + receiver, since)
            _LOG.warning("msg=%s receiver=%s", "dead" if since else "reached", receiver)

    def _dead(self, receiver: str, since_ms: int, found: Sequence[DeadReceiver], *,
              open_: bool) -> e.Detected:
        subject = RECEIVER + receiver
        person = self.dispatcher.desk.directory.by_id.get(receiver)
        facts = {"receiver": receiver, "name": person.name if person else receiver,
                 "channels": " ".join(one.endpoint.partition("/")[2] for one in found),
                 "since": iso_ms(since_ms), "answer": found[0].answer[:200] if found else ""}
        data = e.Detection(alert_id(DEAD_RULE, subject, WHOLE_SUBJECT, since_ms), DEAD_RULE,
                           "orange", open_, since_ms, "public", [], facts)
        return e.Detected(subject, wall_ms(), data)

    def metrics(self) -> Mapping[str, Samples]:
        """Values for `streams.metrics`."""
        outbox, sender = self.dispatcher.desk.outbox, self.dispatcher.sender
        tally = self.dispatcher.desk.tally
        waiting = outbox.on_their_way()
        oldest = min((at for _, at in waiting.values()), default=0)
        out: dict[str, Samples] = {
            "xinfeng_messages_sent_total": _by_endpoint(sender.sent),
            "xinfeng_messages_failed_total": _by_endpoint(sender.failed),
            "xinfeng_messages_waiting": _by_endpoint({k: n for k, (n, _) in waiting.items()}),
            "xinfeng_messages_oldest_seconds": [
                ((), max(wall_ms() - oldest, 0) / 1000 if oldest else 0.0)],
            "xinfeng_acknowledged_total": [((k,), n) for k, n in tally.acknowledged.items()],
            "xinfeng_acknowledge_seconds_total": [
                ((k,), s) for k, s in tally.acknowledge_s.items()],
            "xinfeng_answered_total": [((), tally.answered)],
            "xinfeng_answer_seconds_total": [((), tally.answer_s)],
            "xinfeng_messages_undelivered": [((), outbox.given_up())],
            "xinfeng_receivers_dead": [((), len({d.receiver for d in self.dispatcher.dead()}))],
            "xinfeng_notify_mark": [((), sum(self.dispatcher.ledger.marks("alerts").values()))]}
        if self._gaps is not None:
            out["xinfeng_notify_gaps"] = [((), self._gaps)]
        return out


def _by_endpoint(values: Mapping[str, float] | Counter[str]) -> Samples:
    split = ((name.partition("/"), value) for name, value in sorted(values.items()))
    return [((receiver, channel), value) for (receiver, _, channel), value in split]
