"""Deciding to notify: what one receiver is to be told of one alert now, and why, or why not.

Pure: (what it was last told, the alert, the moment, what else it is told of, policy) -> decision.
Every decision says when to look again, so nothing rests on a timer that a restart could lose.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import NamedTuple

import msgspec

from alerts.escalation import Course
from alerts.notice import OPEN, OVER, REVIEW_RULE, Notice, rank
from alerts.routing import Route
from alerts.worktime import WorkTime, quiet_until
from models.notify_policy import Inhibit, Notify, Storm


class Reason(StrEnum):
    """Why something is said, or is not."""

    FIRST = "first"
    ESCALATION = "escalation"
    CHANGED = "changed"
    REOPENED = "reopened"
    REMINDER = "reminder"
    RESOLVED = "resolved"
    TRANSITION = "transition"
    """To a system: every transition is told."""
    UNDELIVERED = "undelivered"
    # not said
    NOTHING = "nothing new"
    PENDING = "pending"
    SILENCE = "silence"
    INHIBITION = "inhibition"
    QUIET = "quiet hours"
    GATHERING = "gathering"
    STORM = "storm"


HELD = frozenset({Reason.SILENCE, Reason.INHIBITION, Reason.QUIET, Reason.GATHERING, Reason.STORM})
"""There is something to say, but not now."""
LOOK_MS = 3_600_000
"""What is inhibited is looked at again after so long, whatever happens."""


class Told(msgspec.Struct, frozen=True, array_like=True):
    """What a receiver was last told of an alert: "" = nothing yet."""

    at_ms: int = 0
    level: str = ""
    state: str = ""
    seq: int = 0
    episode: int = 0
    stage: int = 0
    reminders: int = 0


class Decision(NamedTuple):
    send: bool
    reason: Reason
    again_ms: int
    """When to look again; 0 = not before something changes."""
    wants: Reason = Reason.NOTHING
    """What would be said, where something holds it back."""
    by: str = ""
    """What holds it back: the id of an alert."""


def decide(notice: Notice, told: Told, course: Course | None, route: Route | None, now_ms: int,
           mates: Sequence[Notice], policy: Notify, time: WorkTime, *,
           system: bool = False) -> Decision:
    """What to tell a receiver of an alert now.

    Parameters
    ----------
    route
        None: it is no longer among the receivers, but once was told.
    mates
        Other alerts of the same subject or cell of which this receiver is, or will be, told.
    """
    if system:
        return _system(notice, told, route)
    news, again = _news(notice, told, course, route, now_ms, policy, time)
    if news in (Reason.NOTHING, Reason.PENDING):
        return Decision(False, news, again)
    return _held(news, notice, now_ms, mates, policy, time) or Decision(True, news, 0, news)


def after(notice: Notice, told: Told, course: Course | None, route: Route | None, now_ms: int,
          reason: Reason) -> Told:
    """What it was last told, once `reason` was said."""
    level = notice.level
    if told.state in OPEN and rank(told.level) > notice.rank:
        level = told.level
    reminders = _reminded(notice, told) + 1 if reason is Reason.REMINDER else 0
    return Told(now_ms, level, notice.state, notice.seq, course.episode if course else 0,
                route.stage if route else told.stage, reminders)


def storm(sent: int, sent_red: int, level: str, storm: Storm) -> bool:
    """Whether a message of a level is to wait for the digest, after so many within the window."""
    if level == "red":
        return sent_red >= storm.red_messages_max
    return sent - sent_red >= storm.messages_max


def digest_ms(now_ms: int, level: str, storm: Storm) -> int:
    """When the next digest goes out: whole steps of the pace, so that all wait for the same one."""
    step = 1000 * (storm.red_digest_s if level == "red" else storm.digest_s)
    return (now_ms // step + 1) * step


def release(decisions: Iterable[Decision]) -> bool:
    """Whether what is only being gathered may go along, because something of its group goes now."""
    return any(d.send for d in decisions)


# ------------------------------------------------------------------------------------------- parts


def _system(notice: Notice, told: Told, route: Route | None) -> Decision:
    """A machine is told of every transition, once; nothing keeps it back."""
    if notice.rule == REVIEW_RULE:
        return Decision(False, Reason.NOTHING, 0)
    if told.seq >= notice.seq or (told.at_ms == 0 and notice.state in OVER):
        return Decision(False, Reason.NOTHING, 0)
    if notice.state == "pending" or (route is None and notice.state not in OVER):
        return Decision(False, Reason.PENDING, 0)
    return Decision(True, Reason.TRANSITION, 0, Reason.TRANSITION)


def _news(notice: Notice, told: Told, course: Course | None, route: Route | None, now_ms: int,
          policy: Notify, time: WorkTime) -> tuple[Reason, int]:
    """What there is to say, whatever holds it back; else when there may be."""
    if notice.state == "pending":
        return Reason.PENDING, 0
    if notice.state in OVER:
        if not told.state or told.state in OVER or not policy.resolved:
            return Reason.NOTHING, 0
        return Reason.RESOLVED, 0
    if route is None:
        return Reason.NOTHING, 0
    episode = course.episode if course else 1
    if not told.state:
        if route.direct:
            return (Reason.REMINDER if notice.rule == REVIEW_RULE else Reason.FIRST), 0
        # Who is reached by escalation alone is not, once somebody has acknowledged.
        running = route.stage > 0 and notice.state == "firing"
        return (Reason.ESCALATION if running else Reason.NOTHING), 0
    if rank(told.level) < notice.rank:
        return Reason.CHANGED, 0
    if told.state in OVER or (told.episode < episode and notice.state == "firing"):
        if not route.direct and (route.stage == 0 or notice.state != "firing"):
            return Reason.NOTHING, 0
        return Reason.REOPENED, 0
    if (notice.state == "firing" and (told.episode, told.stage) < (episode, route.stage)):
        return (Reason.REMINDER if route.direct else Reason.ESCALATION), 0
    return _reminder(notice, told, route, now_ms, policy, time)


def _reminder(notice: Notice, told: Told, route: Route, now_ms: int, policy: Notify,
              time: WorkTime) -> tuple[Reason, int]:
    remind = policy.remind
    if notice.rule == REVIEW_RULE or _reminded(notice, told) >= remind.most:
        return Reason.NOTHING, 0
    if notice.state == "firing":
        since, wait = told.at_ms, remind.unacknowledged_min.of(notice.level)
    elif route.direct:
        since, wait = max(told.at_ms, notice.updated_ms), remind.idle_min.of(notice.level)
    else:
        return Reason.NOTHING, 0
    if not wait:
        return Reason.NOTHING, 0
    at = time.add(since, wait)
    return (Reason.REMINDER, 0) if now_ms >= at else (Reason.NOTHING, at)


def _reminded(notice: Notice, told: Told) -> int:
    """Reminders so far; those to acknowledge and those that an acknowledged one idles count apart.
    """
    return told.reminders if told.state == notice.state else 0


def _held(news: Reason, notice: Notice, now_ms: int, mates: Sequence[Notice], policy: Notify,
          time: WorkTime) -> Decision | None:
    """What keeps news back, the weightiest first."""
    if notice.silenced_until_ms > now_ms:
        return Decision(False, Reason.SILENCE, notice.silenced_until_ms, news, notice.id)
    if news is not Reason.RESOLVED:
        for mate in mates:
            if mutes(mate, notice, policy.inhibit, now_ms):
                # What changes the mate looks here again; the hour is for one that is missed.
                return Decision(False, Reason.INHIBITION, now_ms + LOOK_MS, news, mate.id)
    if notice.level in policy.quiet.levels:
        until = quiet_until(now_ms, policy.quiet, time)
        if until > now_ms:
            return Decision(False, Reason.QUIET, until, news)
    if news in (Reason.FIRST, Reason.REOPENED, Reason.CHANGED, Reason.RESOLVED):
        ready = notice.updated_ms + 1000 * policy.gather.wait_s.of(notice.level)
        if ready > now_ms:
            return Decision(False, Reason.GATHERING, ready, news)
    return None


def mutes(source: Notice, target: Notice, inhibit: Inhibit, now_ms: int) -> bool:
    """Whether an open alert keeps another of the same subject quiet. Red is never kept quiet.

    A source that is silenced itself mutes nothing: else nobody would hear of either.
    """
    if (target.level == "red" or source.id == target.id or source.state not in OPEN
            or source.group != target.group or source.silenced_until_ms > now_ms):
        return False
    if source.level == "red" and target.level in inhibit.red_mutes:
        return True
    return any(m.rule == source.rule and target.rule in m.mutes for m in inhibit.rules)
