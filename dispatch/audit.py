"""The auditor: proves that everybody who should know of an alert does, or is being told.

It starts from the alerts as the log's view has them, routes them anew, and believes of the ledger
only what it can check: a letter that is delivered, or on its way within its time, or held back for
a reason that still holds and with a moment to look again. Whatever is left fell between.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from alerts import escalation
from alerts.notice import OPEN, REVIEW_RULE, Notice, rank
from alerts.notify import Reason
from alerts.routing import Route, route
from dispatch.desk import Desk
from dispatch.ledger import DEAD, DELIVERED, Pair

GRACE_MS = 60_000
"""How long something may be overdue: the time between two looks, and a busy minute."""
HOLD_MAX_MS = 31 * 86_400_000
"""Nothing but a silence is held back for longer."""


class Gap(NamedTuple):
    """What fell between."""

    alert: str
    receiver: str
    what: str


def audit(desk: Desk, firing: Iterable[Notice], now_ms: int) -> list[Gap]:
    """Gaps for the alerts that are firing, by whoever keeps them; [] is the proof.

    Parameters
    ----------
    firing
        As the view of the log shows them: not what the dispatcher remembers.
    """
    return [gap for notice in firing if notice.state == "firing"
            for gap in _alert(desk, notice, now_ms)]


def _alert(desk: Desk, notice: Notice, now_ms: int) -> Iterator[Gap]:
    held = desk.ledger.held(notice.id)
    if held is None or held.notice.seq < notice.seq:
        if now_ms - notice.updated_ms > GRACE_MS:
            yield Gap(notice.id, "", "not taken from the log")
        return
    if held.notice.seq > notice.seq:
        # The dispatcher took a later word since the view was looked at: the next look judges that.
        if now_ms - held.notice.updated_ms > GRACE_MS:
            yield Gap(notice.id, "", "the ledger knows more than the log")
        return
    pairs = {p.receiver: p for p in desk.ledger.pairs_of(notice.id)}
    course = held.course
    plan = desk.policy.escalate.plan(course.plan) if course else ()
    if course is None or course.stopped:
        yield Gap(notice.id, "", "firing, but its escalation does not run")
    due = escalation.next_ms(course, desk.policy.escalate, desk.time) if course else 0
    if due and due < now_ms - GRACE_MS:
        yield Gap(notice.id, "", "an escalation step is overdue")
    routes = route(notice, desk.directory, plan, course.stage if course else 0)
    if not routes and notice.rule != REVIEW_RULE:
        yield Gap(notice.id, "", "nobody is to be told")
    for each in routes:
        pair = pairs.get(each.receiver)
        what = ("never decided on" if pair is None else
                _unsaid(desk, pair, each, notice, course.episode if course else 0, now_ms))
        if what:
            yield Gap(notice.id, each.receiver, what)


def _unsaid(desk: Desk, pair: Pair, each: Route, notice: Notice, episode: int,
            now_ms: int) -> str:
    """What is wrong about one pair, "" when nothing is."""
    told = pair.told
    system = desk.directory.by_id[pair.receiver].mode == "system"
    current = (told.seq >= notice.seq if system else
               told.state in OPEN and rank(told.level) >= notice.rank
               and (told.episode, told.stage) >= (episode, each.stage))
    if current:
        return _letter(desk, pair, now_ms)
    overdue = pair.again_ms < now_ms - GRACE_MS
    match pair.reason:
        case Reason.SILENCE:
            return "a silence is over" if overdue else ""
        case Reason.INHIBITION:
            source = desk.ledger.held(pair.by)
            if source is None or source.notice.state not in OPEN:
                return f"kept back by {pair.by}, which is over"
            return "inhibition not looked at again" if overdue else ""
        case Reason.QUIET | Reason.GATHERING | Reason.STORM:
            if overdue or pair.again_ms > now_ms + HOLD_MAX_MS:
                return f"held back for {pair.reason} beyond its time"
            return ""
        case _:
            return "not told"


def _letter(desk: Desk, pair: Pair, now_ms: int) -> str:
    """Whether the last letter arrived, is on its way in time, or was reported."""
    if not pair.key:
        return ""  # known before the dispatcher began
    rows = desk.ledger.all(
        "SELECT o.endpoint, o.state, o.due_ms, o.deadline_ms, o.lease_ms, o.reported FROM letters l"
        " JOIN outbox o ON o.letter=l.id WHERE l.key=?", (pair.key,))
    listed = desk.ledger.one("SELECT 1 FROM lines n JOIN letters l ON l.id=n.letter "
                             "WHERE l.key=? AND n.alert=?", (pair.key, pair.alert))
    if not rows:
        return "no channel, or its letter is lost"
    if not listed:
        return "its letter does not tell of it"
    for _, state, due_ms, deadline_ms, lease_ms, reported in rows:
        if state == DELIVERED:
            continue
        if state == DEAD:
            if reported != 1:
                return "given up and not reported"
        elif now_ms > deadline_ms + GRACE_MS:
            return "on its way beyond its deadline"
        elif max(due_ms, lease_ms) < now_ms - max(
                GRACE_MS, round(1000 * desk.retry_max_s)):
            return "waits, and nobody sends it"
    return ""
