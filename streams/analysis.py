"""The analysis of the whole city: what no shard can see by itself. Pure.

Shards say what they took in (`storage.effects.ForAnalysis`) and, at each hour, that it was all.
When every shard has come so far, the hour is closed; when a civil day is over, it is judged: surges
of complaints are looked for, examples are learned from, norms of devices are made. What follows
goes back into the log as events of our own, so that a shard folds it like everything else.

What is concluded of a day depends on the set of what was said of it, not on the order, nor on how
many shards said it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Any, NamedTuple, TypeAlias

import msgspec

from models import events as e
from models.calendar import DAY_MS, from_date
from models.examples import Example
from models.learner import Learner
from models.norms import Week, digest
from models.policy import Policy, decode
from models.records import identity
from models.surge import Surge, evaluate
from models.surge_policy import SurgePolicy
from models.surge_state import WINDOW_D, Cells, Report
from storage.effects import (
    DeviceSummary,
    ForAnalysis,
    Linked,
    Listed,
    Misnamed,
    Passed,
    PolicyTaken,
    Signal,
)
from streams.drifting import drifted
from streams.related import Related
from streams.sources import Sources
from streams.surges import Filed, detected

WEEK_D, WEEKDAY = 7, 5
"""What comes into force for all is published once a week, on Tuesdays: on Monday every device told
of the week before (1970-01-01 was a Thursday)."""
FAR_MS = 1 << 60
Own: TypeAlias = e.WeightsChanged | e.NormsChanged | e.Detected | e.DrawOrdered
"""Events of our own in the log: the analysis writes them, but for orders of draws and what delivery
says of a receiver."""
RECEIVER = "service:receiver:"
"""Key of what delivery says of a receiver."""
_KINDS: tuple[type[Any], ...] = ForAnalysis.__args__


def next_week_ms(after_ms: int, policy: Policy) -> int:
    """First moment [epoch ms] after another on which something may come into force for all."""
    offset_ms = policy.utc_offset_min * 60_000
    weeks = ((after_ms + offset_ms) // DAY_MS - WEEKDAY) // WEEK_D + 1
    return (weeks * WEEK_D + WEEKDAY) * DAY_MS - offset_ms


def is_own(event: object) -> bool:
    """Whether the analysis wrote an event."""
    return isinstance(event, Own) and not isinstance(event, e.DrawOrdered) and not (
        isinstance(event, e.Detected) and event.subject.startswith(RECEIVER))


class Concluded(NamedTuple):
    """What follows from all that was said up to a moment [epoch ms], in order."""

    at_ms: int
    events: list[Own]


class Analysis:
    """
    Parameters
    ----------
    partitions
        How many shards there are.
    challengers
        Whether other models run beside the learner, for comparison only.
    """

    def __init__(self, partitions: int = 1, *, challengers: bool = False) -> None:
        self.challengers = challengers
        self.policy: Policy | None = None
        self.learner: Learner | None = None
        self.clock_ms = 0
        """Up to here every shard has said everything."""
        self.day = 0
        self.published = 0
        """Versions of the weights so far."""
        self._queues: list[deque[ForAnalysis]] = [deque() for _ in range(partitions)]
        self._hours: list[deque[int]] = [deque() for _ in range(partitions)]
        """Hours [epoch ms] that each shard has come to and that are not closed."""
        self._passed = [0] * partitions
        self._cells = Cells()
        self._filed: dict[int, Filed] = {}
        self._held: list[Surge] = []
        self._examples: list[Example] = []
        self._week = Week()
        self._drifting: e.Detected | None = None
        self.sources = Sources(partitions)
        self.related = Related(partitions)

    # ------------------------------------------------------------------------------------- taking

    def take(self, partition: int, told: Iterable[ForAnalysis]) -> list[Concluded]:
        """Take in what one shard said, in its order; what follows for the days that are over."""
        queue = self._queues[partition]
        for one in told:
            if isinstance(one, Linked | Listed):
                self.related.hear(partition, self._passed[partition], one)
                continue
            queue.append(one)
            if isinstance(one, Passed):
                self._passed[partition] = one.clock_ms
                self._hours[partition].append(one.clock_ms)
                self.sources.hear(partition, one)
        out = []
        closed = min(self._passed)
        while (hour := min((hours[0] for hours in self._hours if hours), default=FAR_MS)) <= closed:
            # The next hour that any shard has come to: each is closed by itself.
            for hours in self._hours:
                if hours and hours[0] == hour:
                    hours.popleft()
            out += self._close(hour)
        return out

    def _close(self, clock_ms: int) -> list[Concluded]:
        """One hour of all shards."""
        said: list[Signal] = []
        for queue in self._queues:
            while queue and not (isinstance(queue[0], Passed) and queue[0].clock_ms > clock_ms):
                one = queue.popleft()
                match one:
                    case Signal():
                        said.append(one)
                    case Example():
                        self._examples.append(one)
                    case DeviceSummary():
                        self._week.put(one.week, one.class_, one.metric, one.device, one.summary)
                    case PolicyTaken():
                        self._renew(one.document)
                    case Misnamed():
                        self.sources.report(one)
                    case Passed():
                        for industry, district, size, n in one.roster:
                            self._cells.enrol((industry, district, size), n)
                        if one.clock_ms >= clock_ms:
                            break
        # Of one complaint everything comes from one shard, in order: the sort keeps that.
        for signal in sorted(said, key=lambda s: (s.recorded_ms, s.source, s.id)):
            self._count(signal)
        self.clock_ms = clock_ms
        if self.policy is None:
            return []
        today = (clock_ms + self.policy.utc_offset_min * 60_000) // DAY_MS
        first = self.day + 1 if self.day else today
        # In a long silence there is nothing to be judged day by day.
        days = range(max(first, today - WINDOW_D), today + 1)
        self.day = today
        # A weekly word also where there is nothing to say: whoever plays history waits for it.
        out = [Concluded(self._ms(day), events) for day in days
               if (events := self._judge(day)) or day % WEEK_D == WEEKDAY]
        hourly: list[Own] = [*self.sources.close(clock_ms, self.policy),
                             *self.related.close(clock_ms, self.policy)]
        if out and out[-1].at_ms == clock_ms:
            out[-1].events.extend(hourly)
        elif hourly:
            out.append(Concluded(clock_ms, hourly))
        return out

    def _renew(self, document: str) -> None:
        policy = decode(document)
        if policy == self.policy:
            return
        self.policy = policy
        self.sources.renew(policy)
        if self.learner is None:
            self.learner = Learner(policy, challengers=self.challengers)
        else:
            self.learner.recentre(policy)
        self._surges = SurgePolicy(
            policy.rules.regional_surge, policy.rules.complaint_surge,
            policy.rules.surge_dates.special,
            frozenset(from_date(day) for day in policy.calendar.holidays),
            policy.rules.surge_dates.evidence_max)

    def _count(self, signal: Signal) -> None:
        """Count a complaint where it was filed, or take it back there."""
        key = identity(signal.source, signal.id)
        held = self._filed.get(key)
        if held is None:
            if not signal.cause:
                return  # Too long ago to be remembered.
            report = Report(signal.source, signal.id, signal.subject, signal.district,
                            signal.industry, signal.size, signal.item, signal.cause, signal.day)
            held = self._filed[key] = Filed(report, signal.time_ms, False)
        if held.counts != signal.counts:
            (self._cells.add if signal.counts else self._cells.take_back)(held.report)
            held.counts = signal.counts

    # ------------------------------------------------------------------------------------ judging

    def _judge(self, day: int) -> list[Own]:
        """What follows on the first moment of a day from those before."""
        assert self.policy is not None and self.learner is not None
        events: list[Own] = []
        learning = self.policy.learning
        weekly = day % WEEK_D == WEEKDAY
        if learning.enabled:
            self.learner.learn(day, self._examples)
            self._examples = []
            if weekly and day // WEEK_D % learning.publish_weeks == 0:
                weights = self.learner.weights(day, self.published + 1)
                if weights is not None:
                    self.published += 1
                    events.append(e.WeightsChanged(weights))
            drift = drifted(self._drifting, self.learner, self.policy.rules.model_drift, day,
                            self._ms(day))
            if drift is not None:
                self._drifting = drift if drift.data.open else None
                events.append(drift)
            if weekly:
                self.learner.note()
        if weekly:
            document = self._week.norms(self.policy)
            if document is not None:
                self._week.publish(document)
                events.append(e.NormsChanged(document, digest(document)))
            for key in [k for k, f in self._filed.items() if f.report.day < day - WINDOW_D]:
                del self._filed[key]
        return events + self._look(day)

    def _look(self, day: int) -> list[Own]:
        """Surges of the day before."""
        self._cells.advance(day - 1)
        if not (self._cells.cells or self._held):
            return []
        held = {s.id: s for s in self._held}
        found = evaluate(self._cells, day - 1, self._surges, self._held)
        self._held = [s for s in found if s.phase != "resolved"]
        return [detected(s, self._filed, self._ms) for s in found
                if s.phase != "held" and (s.phase != "resolved" or s.id in held)]

    def _ms(self, day: int) -> int:
        """First moment of a civil day."""
        assert self.policy is not None
        return day * DAY_MS - self.policy.utc_offset_min * 60_000

    # ----------------------------------------------------------------------------------- standing

    def report(self) -> dict[str, Any]:
        """How well the learner forecasts, which surges are on, what is linked; for people."""
        return {
            "as_of_day": self.day, "published": self.published, "related": self.related.report(),
            "learner": self.learner.report() if self.learner is not None else None,
            "surges": [{"id": s.id, "rule": s.rule, "scope": s.scope, "cause": s.cause,
                        "since_day": s.start_day, "reports": s.reports,
                        "expected": round(s.expected, 2)} for s in self._held]}

    def dump(self) -> bytes:
        """All of it; `load` goes on from there, bit for bit. The challengers begin anew."""
        return msgspec.msgpack.encode([
            msgspec.json.encode(self.policy, order="deterministic") if self.policy else b"",
            self.learner.dump() if self.learner else b"", self.clock_ms, self.day, self.published,
            [[(_KINDS.index(type(one)), msgspec.to_builtins(one)) for one in queue]
             for queue in self._queues],
            self._passed, self._cells.dump(), list(self._filed.items()), self._held,
            self._examples, self._week.dump(), self._drifting,
            self.sources.dump(), self.related.dump()])

    @classmethod
    def load(cls, blob: bytes, *, challengers: bool = False) -> Analysis:
        (document, learner, clock_ms, day, published, queues, passed, cells, filed, held, examples,
         week, drifting, sources, related) = msgspec.msgpack.decode(blob)
        made = cls(len(queues), challengers=challengers)
        if document:
            made._renew(bytes(document).decode())
            assert made.learner is not None
            made.learner.load(learner)
        made.clock_ms, made.day, made.published = clock_ms, day, published
        made._queues = [deque(msgspec.convert(one, _KINDS[kind]) for kind, one in queue)
                        for queue in queues]
        made._hours = [deque(one.clock_ms for one in queue if isinstance(one, Passed))
                       for queue in made._queues]
        made._passed, made._cells = passed, Cells.load(cells)
        made._filed = {key: msgspec.convert(one, Filed) for key, one in filed}
        made._held = msgspec.convert(held, list[Surge])
        made._examples = msgspec.convert(examples, list[Example])
        made._week = Week.load(week)
        made._drifting = msgspec.convert(drifting, e.Detected | None)
        made.sources = Sources.load(sources, made.policy)
        made.related = Related.load(related)
        return made
