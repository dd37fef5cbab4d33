"""The step: one shard's state, and what one event does to it. Pure, like all of the core.

`Shard.step` is the only way in. Most events of quiet subjects need no more than a record, a bound
and a timer; whatever can move a grade or touches a subject with open alerts is assessed in full
(`_assess`), always from the facts. Every short cut is checked against that by a property test.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import xxhash

from alerts import lifecycle, pairs, review_history, rules
from alerts.matters import MATTER_RULES, PUBLICATION
from models import basis, norms
from models import events as e
from models import records as r
from models.gap import extremes
from models.grade import STEP, TOLD, letter, walk
from models.identity import Identities, seal
from models.ledger import (
    DAY_MS,
    FOREVER,
    INSPECTION_INDICATORS,
    LIST_INDICATORS,
    NO_FACTS,
    PENALTY_INDICATORS,
    REVOKING,
    Fact,
    Facts,
    fits,
    resolve,
    segments,
)
from models.norms import NONE as NO_NORMS
from models.policy import INDICATORS, decode
from models.score import of_item
from models.scorecard import UNGRADED, Card, Timeline
from models.subject import Alert, Profile, Subject
from models.weights import Weights
from storage.effects import (
    AlertChanged,
    Answered,
    Effect,
    Evidence,
    Misnamed,
    OpenAlerts,
    PairGap,
    Passed,
    PolicyTaken,
    Reason,
    Rejected,
    ReviewChanged,
    SubjectChanged,
)
from streams import devices, inspections, links, panel, signals

HOUR_MS = 3_600_000
_I = {name: n for n, name in enumerate(INDICATORS)}
_SIGNALS = frozenset({r.COMPLAINT, r.COMPLAINT_CLOSED})
_DUE = {r.COMMITMENT: "commitment_overdue", r.ORDERED: "rectification_overdue",
        r.PENALTY: "penalty_unperformed"}
_OVERDUE = ("commitment_overdue", "rectification_overdue", "penalty_unperformed")
_SCORED = frozenset({r.COMPLAINT, r.COMPLAINT_CLOSED, r.INSPECTION, r.ALARM, r.INTERVIEW,
                     r.FULFILLED, r.BREACHED, r.NOT_RECTIFIED, r.RECTIFIED, r.PERFORMED,
                     r.VERIFIED, r.ARREARS})
"""Types that may move a risk score."""
_SPOTLESS = frozenset({r.COMPLAINT, r.COMPLAINT_CLOSED, r.ACT, r.PUBLISHED, r.COMMITMENT,
                       r.FULFILLED, r.DECLARED, r.VERIFIED, r.INTERVIEW, r.ORDERED, r.RECTIFIED,
                       r.INSPECTION, r.ASSIGNED, r.READINGS, r.PERFORMED, r.DRAWN, r.RELEASED})
"""Types that cannot lower a credit score (an inspection that was passed, that is)."""
_MOVES = frozenset({r.INSPECTION, r.FULFILLED, r.VERIFIED, r.ALARM, r.BREACHED, r.NOT_RECTIFIED,
                    r.ARREARS})
"""Types that may move a grade by their own day, and nothing else at once."""
_ALWAYS = frozenset({
    r.PENALTY, r.LISTED, r.LIST_EXITED, r.LIST_REVOKED, r.PENALTY_REVOKED, r.REPAIR_APPROVED,
    r.OBJECTION_RAISED, r.OBJECTION_UPHELD, r.OBJECTION_REJECTED, r.WITHDRAWN, r.CANCELLED,
    r.ANSWERED, *r.ALERT_ACTS})
"""Types after which a subject is always assessed in full."""
_OFF_PATH = frozenset({r.OBJECTION_RAISED, r.OBJECTION_REJECTED, r.WITHDRAWN, r.CANCELLED,
                       r.ANSWERED, *r.ALERT_ACTS})
_COSTS = {r.BREACHED: "commitment_breached", r.NOT_RECTIFIED: "rectification_failed",
          r.ARREARS: "arrears"}
"""The indicator by which a record of these types costs points at once."""


class Entry(NamedTuple):
    """One event of an envelope: when the log took it, its encoded body, the decoded event."""

    recorded_ms: int
    body: bytes
    event: e.LogEvent


class Counts:
    """How many events a shard has taken in, by fate."""

    __slots__ = ("accepted", "conflicts", "duplicates", "readings", "rejected")

    def __init__(self) -> None:
        self.accepted = self.duplicates = self.conflicts = self.rejected = self.readings = 0


class Shard:
    """State of the subjects of one partition, and the fold over its log."""

    def __init__(self) -> None:
        self.subjects: dict[str, Subject] = {}
        self.sources: dict[str, int] = {}
        self.identities = Identities()
        self.wheel: dict[int, list[Subject]] = {}
        self.norms = NO_NORMS
        """What is usual in each class of devices."""
        self.judges_from_ms = 0
        """Before, devices are not judged by their past: for who asks about one moment only."""
        self.hours: dict[int, dict[str, Subject]] = {}
        """Subjects whose devices must be looked at in that hour."""
        self.hour = 0
        self.timeline: Timeline | None = None
        self._card: Card
        """The card in force."""
        self.clock_ms = 0
        self.day = 0
        self.counts = Counts()
        self.others = 0
        """Keys among the subjects that are cells and feeds."""
        self.panels: dict[int, list[Subject]] = {}
        """Businesses by the place of their day in the learner's panel."""
        self.roster: dict[tuple[str, str, str], int] = {}
        """(industry, district, size) -> businesses more than were told."""
        self.taken: dict[str, int] = {}
        """Source -> events taken in since the clock's last hour, but for readings and repeats:
        what is sent twice shows no rhythm, and devices are listened to one by one."""
        self.doubled: dict[str, int] = {}
        """Source -> of them registrations under a code that another business holds."""
        self._effects: list[Effect] = []
        self._known: dict[int, int] = {}
        """Identities the envelope under way has brought -> body hash, or let go -> 0: what holds
        beside, and before, the index."""

    # ------------------------------------------------------------------------------------- step

    def step(self, envelope: Sequence[Entry]) -> list[Effect]:
        """Fold one envelope and return what follows from it.

        Raises
        ------
        AssertionError: an event before any policy, or a broken invariant. That is a bug.
        """
        effects: list[Effect] = []
        self._effects = effects
        identity, hashed = r.identity, xxhash.xxh3_64_intdigest
        # Of readings no identity is kept (docs/decisions/0014), and none of entries of our own.
        keys = seal([identity(x.event.source, x.event.id) if isinstance(x.event, e.CloudEvent)
                     and not isinstance(x.event, e.IotReadings) else 0 for x in envelope])
        bodies = seal([hashed(x.body) if key else 0
                       for x, key in zip(envelope, keys.tolist(), strict=True)])
        held = self.identities.get(keys).tolist()
        known = self._known
        n = -1
        for (recorded_ms, _, event), key, body, before in zip(
                envelope, keys.tolist(), bodies.tolist(), held, strict=True):
            n += 1
            if recorded_ms > self.clock_ms:
                self._advance(recorded_ms)
            if isinstance(event, e.Broadcast):
                self._rule(event)
                continue
            if isinstance(event, e.Detected):
                self._detect(event)
                continue
            if isinstance(event, e.IntakeReport):
                effects.append(Misnamed(event.hour_ms, event.since_ms, event.wrong))
                continue
            if isinstance(event, e.IotReadings):
                # Device state is idempotent: nothing need be remembered to take them twice.
                self._readings(event)
                self.counts.accepted += 1
                continue
            before = known.get(key, before)
            if before:
                if before == body:
                    self.counts.duplicates += 1
                    continue
                self.counts.conflicts += 1
                reason: Reason | None = Reason(
                    "id", event.id, "an id not used before by this source",
                    f"id={event.id}: source {event.source} has sent another event under it; "
                    "the first stands")
            else:
                reason = self._take(event, key)
            if reason is None:
                known[key] = body
                self.counts.accepted += 1
                self.taken[event.source] = self.taken.get(event.source, 0) + 1
            else:
                self._reject(event, n, reason)
        new = {key: body for key, body in known.items() if body}
        if new:
            self.identities.put(seal(list(new)), seal(list(new.values())))
        self._known = {}
        self._effects = []
        return effects

    def _reject(self, event: e.Event, position: int, reason: Reason) -> None:
        self.counts.rejected += 1
        self._effects.append(Rejected(event.source, event.id, event.type, event.subject, reason,
                                      self.clock_ms, position))

    def bring(self, timeline: Timeline) -> None:
        """Put the policies of a checkpoint, or the first one, in force."""
        self.timeline = timeline
        self._card = timeline.last

    # ------------------------------------------------------------------------------------- time

    def _advance(self, recorded_ms: int) -> None:
        """Let time pass up to a moment, firing what falls due, hour by hour and day by day."""
        if self.timeline is None:
            self.clock_ms = recorded_ms
            return
        offset = self.timeline.last.offset_ms
        today = (recorded_ms + offset) // DAY_MS
        hour = recorded_ms // HOUR_MS
        if self.day == 0:
            self.day = today
        day_before, hour_before = self.day, self.hour
        while self.day < today:
            due = min((d for d in self.wheel if d <= today), default=0)
            if not due:
                break
            self._run_hours((due * DAY_MS - offset) // HOUR_MS)
            self.day = max(self.day, due)
            self.clock_ms = max(self.clock_ms, due * DAY_MS - offset)
            for subject in sorted(self.wheel.pop(due), key=lambda s: s.key):
                if subject.due == due:
                    subject.due = 0
                    self._fall_due(subject)
        self._run_hours(hour)
        self.day = today
        self.clock_ms = recorded_ms
        for day in range(day_before + 1, today + 1):
            self._examine(day)
        if hour > hour_before:
            self._effects.append(Passed(hour * HOUR_MS, [
                (*peer, n) for peer, n in sorted(self.roster.items()) if n], self.taken,
                self.doubled))
            self.roster, self.taken, self.doubled = {}, {}, {}

    def _examine(self, day: int) -> None:
        """Tell the learner what became of this day's part of the panel."""
        learning = self._card.policy.learning
        if learning.enabled:
            looked = day - learning.horizon_d - learning.grace_d - 1
            for subject in self.panels.get(day % learning.every_d, ()):
                self._effects += panel.examples_of(subject, self._card, looked)

    def _run_hours(self, hour: int) -> None:
        if hour <= self.hour:
            return
        assert self.timeline is not None
        self.hour = hour
        while due := [h for h in self.hours if h <= hour]:
            at = min(due)
            self.clock_ms = max(self.clock_ms, at * HOUR_MS)
            self.day = max(self.day, (self.clock_ms + self.timeline.last.offset_ms) // DAY_MS)
            for subject in sorted(self.hours.pop(at).values(), key=lambda s: s.key):
                if self.clock_ms >= self.judges_from_ms:
                    self._effects += devices.judge(subject, self._card, self.norms.of, at)
                self._sense(subject)

    def _schedule(self, subject: Subject, day: int) -> None:
        """Look at a subject again on `day`, or earlier if it already stands in the wheel."""
        if day < FOREVER and (not subject.due or day < subject.due):
            subject.due = day
            self.wheel.setdefault(day, []).append(subject)

    def _look_on(self, subject: Subject, day: int) -> None:
        """Assess a subject in full on `day`: something is shown then that is not shown now."""
        subject.view_day = min(subject.view_day or day, day)
        self._schedule(subject, day)

    def _fall_due(self, subject: Subject) -> None:
        """A timer fired. Most fire for matters settled meanwhile: look closer only if need be."""
        day = self.day
        next_day = min(subject.change_day or FOREVER, subject.view_day or FOREVER)
        if next_day <= day or subject.parked:
            self._assess(subject, None, timer=True)
        else:
            self._deadlines(subject, None)
            self._schedule(subject, next_day)

    def _deadlines(self, subject: Subject, event: e.Event | None) -> None:
        """Look at the matters with a deadline only."""
        card, day = self._card, self.day
        found, nearest = rules.deadlines(subject, card, day)
        self._schedule(subject, nearest)
        if not found and subject.alerts is None:
            return
        outcome = lifecycle.advance(subject.alerts, found, self._acts(subject), subject.key, card,
                                    day, self.clock_ms, "deadlines")
        if not outcome.transitions:
            return
        late = sum(bool(t.alert.facts.get("late")) for t in outcome.transitions
                   if t.alert.rule != PUBLICATION)
        subject.alerts = outcome.held
        for transition in outcome.transitions:
            self._effects.append(self._alert(subject, transition, event))
        if late:
            # What is overdue costs points from now on.
            self._lose(subject, late * card.worst(_OVERDUE), day)
            if rules.may_be_low(subject, card):
                self._assess(subject, None, timer=True)
        self._show_open(subject)

    # ------------------------------------------------------------------------------------ events

    def _take(self, event: e.Event, key: int) -> Reason | None:
        """Fold one new event; a reason when it cannot be taken."""
        card = self._card
        subject = self.subjects.get(event.subject)
        time_ms = round(event.time.timestamp() * 1000)
        row = card.reducer.row(event, key, time_ms)
        kind = row[7]
        target: r.Row | None = None
        signal = kind in _SIGNALS or (kind == r.ALARM and not row[8] & 4)
        if kind in r.MODIFIERS:
            if subject is not None:
                # A modifier lies beside its target, so that they are always resolved together.
                target = r.find(subject.facts, row[1])
                if target is not None:
                    signal = False
                else:
                    target = r.find(subject.signals, row[1])
                    signal = signal or target is not None
            if target is not None and not fits(kind, target[7]):
                allowed = " or ".join(sorted(r.TYPE_NAMES[t] for t in r.TARGETS[kind]))
                got = r.TYPE_NAMES[target[7]]
                return Reason("data.of", got, allowed,
                              f"data.of names a {got} event; allowed: {allowed}")
        if subject is None:
            subject = self._add(event.subject)
        if kind == r.REGISTERED:
            assert isinstance(event, e.SubjectRegistered)
            self._register(subject, Profile.of(time_ms, key, event.data), event)
            return None
        self._append(subject, event, row, signal)
        if isinstance(event, e.ReviewAnswered):
            said = event.data
            self._effects.append(Answered(said.review, said.department, time_ms, said.reason))
        if signal and subject.parked:
            self._bring_over(subject, key)
        if isinstance(event, e.ComplaintFiledEvent):
            self._effects.append(signals.signal(subject, row, (event.source, event.id),
                                                event.data.category, card, self.clock_ms))
        elif kind in signals.DECIDES and target is not None:
            complaint = r.root(subject.signals, target)
            if complaint is not None and complaint[7] == r.COMPLAINT:
                [ref] = self._named(subject, [complaint[0]])
                self._effects.append(signals.signal(subject, complaint, ref, "", card,
                                                    self.clock_ms))
        if kind == r.LISTED or (target is not None and not signal):
            listing = r.root(subject.facts, target or row)
            if listing is not None and listing[7] == r.LISTED:
                self._effects += links.listings(subject, [listing[0]], self._card, self.clock_ms,
                                                lambda key: self._named(subject, [key])[0])
        self._judge(subject, event, row, target)
        draw = inspections.concerned(subject, row)
        if draw:
            drawn = inspections.course(subject, draw, card, self.clock_ms,
                                       lambda key: self._named(subject, [key])[0])
            if drawn is not None:
                self._effects.append(drawn)
        return None

    def _add(self, key: str) -> Subject:
        subject = self.subjects[key] = Subject(key)
        self.enlist(subject)
        return subject

    def enlist(self, subject: Subject) -> None:
        """Give a business its place in the learner's panel."""
        learning = self._card.policy.learning
        if not subject.is_business:
            self.others += 1
        elif learning.enabled:
            self.panels.setdefault(panel.place_of(subject.key, learning), []).append(subject)

    def _append(self, subject: Subject, event: e.Event, row: r.Row, signal: bool) -> None:
        source = self.sources.setdefault(event.source, len(self.sources))
        line = f"{source} {event.id}\n".encode()
        if signal:
            subject.signals += r.RECORD.pack(*row)
            subject.signal_refs += line
        else:
            subject.facts += r.RECORD.pack(*row)
            subject.fact_refs += line
        if isinstance(event, e.PenaltyDecided | e.ListEntered):
            subject.bases += basis.line(row[0], event.data.basis)

    def _judge(self, subject: Subject, event: e.Event, row: r.Row, target: r.Row | None) -> None:
        """Decide how much of the subject must be looked at after a record was added.

        In order: its timers, the bound on points lost, its grade paths, its alerts. Each is left
        out only where the record provably cannot change it.
        """
        card = self._card
        key, of, time_ms, _, _, _, _, kind, variant = row
        day = (time_ms + card.offset_ms) // DAY_MS
        if kind not in _SPOTLESS or (kind == r.INSPECTION and variant & 7):
            subject.spotless = False
        if kind in r.MODIFIERS and target is None:
            subject.spotless = False
            subject.parked = {**(subject.parked or {}), key: self.day + card.policy.limits.park_d}
            self._schedule(subject, subject.parked[key])
            return
        if day > self.day:
            # An event may lie minutes ahead, over midnight: look again on its own day.
            self._look_on(subject, day)
        if kind in (r.LISTED, r.ASSIGNED) or (kind == r.ANSWERED and variant & 8):
            subject.marked = True
        elif kind in r.ALERT_ACTS:
            subject.acted = True
        if subject.parked:
            self._assess(subject, 0, event, timer=True)
            return
        if kind in _ALWAYS:
            if kind == r.PENALTY or kind == r.LISTED:
                self._may_plunge(subject, row, target, day)
            # Taking a revocation back brings points lost back: the bound is then made anew.
            self._assess(subject, self._from(kind, day), event, timer=kind in REVOKING)
            return
        due = self._set_timer(subject, row)
        look = self._may_plunge(subject, row, target, day)
        if subject.alerts is not None:
            for alert in subject.alerts.values():
                if alert.rule in ("score-plunge", "risk-high"):
                    look = look or (kind in _SCORED and not self._settled_in_time(kind, target))
                elif of and of in alert.evidence:
                    due = True
                    look = look or (alert.rule not in MATTER_RULES and kind != r.PUBLISHED)
        if kind == r.ASSIGNED:
            self._judge_assigned(subject, row, event)
            return
        moves = kind in _MOVES and not self._stays_a(subject, row, target, day)
        if look or (subject.marked and due and self._is_listed(subject)):
            self._assess(subject, day if moves else None, event)
            return
        if due:
            self._deadlines(subject, event)
        if moves:
            facts = resolve(subject.facts, card.offset_ms)
            item = target[6] if target is not None else row[6]
            due_change = subject.change_day and subject.change_day <= self.day
            changes = self._walk(subject, facts, day, r.WHOLE_SUBJECT if due_change else item)
            self._schedule(subject, subject.change_day or FOREVER)
            if changes is None:
                return
            view = rules.View(subject, facts, NO_FACTS, card, self.day, self.clock_ms)
            # A path of one step cannot have fallen, now or before.
            if (subject.alerts is not None or view.grades.widest() >= card.policy.gap.levels
                    or any(len(path) > 1 for path in view.grades.paths.values())):
                self._assess(subject, None, event, changes=changes)
            elif changes:
                self._show(subject, changes, view)

    def _judge_assigned(self, subject: Subject, row: r.Row, event: e.Event) -> None:
        """A department's own grade: only a gap can follow from it, and its end."""
        card = self._card
        last = {code: grade for code, _, grade in STEP.iter_unpack(subject.path)}
        held = {grade for _, _, grade in STEP.iter_unpack(subject.path)} - {UNGRADED}
        alone = -1
        for other in r.RECORD.iter_unpack(subject.facts):
            if other[7] == r.ASSIGNED:
                held.add(other[8] & 7)
                alone += 1
            elif other[7] == r.LISTED or other[7] == r.ANSWERED:
                held |= {0, 3}
        if max(held) - min(held) >= card.policy.gap.levels or subject.alerts is not None:
            self._assess(subject, None, event)
            return
        if row[3] >= self.day:
            self._look_on(subject, row[3] + 1)
        _, _, time_ms, until, _, _, item, _, variant = row
        if alone == 0 and (time_ms + card.offset_ms) // DAY_MS <= self.day and (
                not until or self.day <= until):
            if r.ISSUERS[variant >> 3] in card.policy.gap.issuers:
                last[item] = variant & 7
            self._show(subject, [], last=last)
        else:
            self._show(subject, [], rules.View(subject, resolve(subject.facts, card.offset_ms),
                                               NO_FACTS, card, self.day, self.clock_ms))

    def _settled_in_time(self, kind: int, target: r.Row | None) -> bool:
        """Whether a matter was settled before it could cost a point."""
        return ((kind == r.PERFORMED or kind == r.RECTIFIED) and target is not None
                and (not target[3] or self.day <= target[3]))

    @staticmethod
    def _from(kind: int, day: int) -> int | None:
        """First day from which a record of `_ALWAYS` may change a path; None = it can change none.
        """
        if kind in REVOKING:
            return 0
        return None if kind in _OFF_PATH else day

    def _set_timer(self, subject: Subject, row: r.Row) -> bool:
        """Set the timer of a new matter; whether it is due already."""
        card = self._card
        policy = card.policy.rules
        _, _, time_ms, day1, day2, _, _, kind, variant = row
        days = []
        if kind in _DUE:
            rule = getattr(policy, _DUE[kind])
            if rule.enabled and day1:
                days.append(day1 - rule.warn)
        if (kind == r.ACT or kind == r.INSPECTION) and policy.publication_overdue.enabled:
            decided = day2 or (time_ms + card.offset_ms) // DAY_MS
            days.append(card.workday(decided, policy.publication_overdue.warn_workdays))
        for day in days:
            if day <= self.day:
                return True
            if not subject.due or day < subject.due:
                self._schedule(subject, day)
        return subject.marked and (kind == r.COMMITMENT or (kind == r.ACT and variant == 0))

    def _is_listed(self, subject: Subject) -> bool:
        return any(row[7] == r.LISTED for row in r.RECORD.iter_unpack(subject.facts))

    def _stays_a(self, subject: Subject, row: r.Row, target: r.Row | None, day: int) -> bool:
        """Good evidence about what already stands at A cannot move it; only its end may."""
        kind = row[7]
        if day > self.day:
            return False
        if kind == r.INSPECTION:
            if row[8] & 7:
                return False
            item, name = row[6], "inspection_pass"
        elif kind == r.FULFILLED:
            assert target is not None
            item, name = target[6], "commitment_fulfilled"
        elif kind == r.VERIFIED:
            item, name = r.WHOLE_SUBJECT, "information_verified"
        else:
            return False
        card = self._card
        seen: dict[int, tuple[int, int]] = {}
        for code, since, grade in STEP.iter_unpack(subject.path):
            seen[code] = (since, grade)
        new = [code for code in (item, r.WHOLE_SUBJECT) if code not in seen]
        for code in seen if item == r.WHOLE_SUBJECT else (item, r.WHOLE_SUBJECT):
            since, grade = seen.get(code, (day, 0))
            if grade != 0 or since > day:
                return False
        if new:
            # First evidence, and good: an A where a clean start is one.
            if not subject.spotless or subject.marked or not card.clean_is_a or (
                    self.timeline is not None and not self.timeline.clean_is_a):
                return False
            for code in dict.fromkeys(new):
                subject.rewrite(code, day, [(day, 0)])
            self._show(subject, [(code, UNGRADED, 0, day) for code in dict.fromkeys(new)])
        stop = card.months_after(day, card.indicators[_I[name]].max_months)
        change = subject.change_day
        subject.change_day = min(change, stop) if change else stop
        self._schedule(subject, subject.change_day)
        return True

    def _may_plunge(self, subject: Subject, row: r.Row, target: r.Row | None, day: int) -> bool:
        """Add what a record may cost to the bound on points lost; whether a plunge is possible.

        Sums over two buckets of 30 days bound the sum over any window of 30 days or less.
        """
        card = self._card
        kind, variant = row[7], row[8]
        lost = 0
        tables = card.points[subject.group]
        if kind == r.COMPLAINT:
            lost = -tables[_I["tip" if variant & 4 else "complaint"]][variant & 3][0]
        elif kind == r.COMPLAINT_CLOSED:
            assert target is not None
            if variant < 2:
                name = "complaint_upheld" if variant == 0 else "complaint_mediated"
                lost = -tables[_I[name]][target[8] & 3][0]
        elif kind == r.ALARM and not variant & 4:
            lost = -tables[_I["iot_alarm"]][variant & 3][0]
        elif kind == r.INTERVIEW:
            lost = -tables[_I["interview"]][0][0] if variant else 0
        elif kind == r.INSPECTION:
            lost = self._at_once(subject, INSPECTION_INDICATORS[variant & 7], variant >> 3)
        elif kind == r.ALARM:
            lost = self._at_once(subject, _I["iot_violation"], variant & 3)
        elif kind == r.PENALTY:
            lost = self._at_once(subject, PENALTY_INDICATORS[variant], 0)
        elif kind == r.LISTED:
            lost = self._at_once(subject, LIST_INDICATORS[variant], 0)
        elif kind in _COSTS:
            lost = self._at_once(subject, _I[_COSTS[kind]], 0)
        if kind in _DUE and row[3] and (
                row[3] < self.day or not getattr(card.policy.rules, _DUE[kind]).enabled):
            # Overdue when it arrives, or nobody will be told when it is: points it costs all the
            # same.
            lost += card.worst(_OVERDUE)
        if lost <= 0:
            return False
        self._lose(subject, lost, day)
        return rules.may_be_low(subject, card)

    @staticmethod
    def _lose(subject: Subject, lost: int, day: int) -> None:
        bucket = day // 30
        at, before, now = subject.fall
        subject.low += lost
        if bucket == at:
            now += lost
        elif bucket == at + 1:
            at, before, now = bucket, now, lost
        elif bucket > at:
            at, before, now = bucket, 0, lost
        else:
            before += lost
        subject.fall = (at, before, now)

    def _at_once(self, subject: Subject, indicator: int, step: int) -> int:
        """Points [thousandths] that one record of an indicator costs on its first day."""
        tables = self._card.points[subject.group][indicator]
        return -tables[min(step, len(tables) - 1)][0]

    @staticmethod
    def _bring_over(subject: Subject, key: int) -> None:
        """A record was filed among the signals: bring what waited for it over to them."""
        keys = {key}
        while moved := [row for row in r.RECORD.iter_unpack(subject.facts)
                        if row[1] in keys and row[7] in r.MODIFIERS]:
            for row in moved:
                line = _cut(subject, row[0])
                subject.signals += r.RECORD.pack(*row)
                subject.signal_refs += line
                keys.add(row[0])

    # ------------------------------------------------------------------------------------ assess

    def _register(self, subject: Subject, profile: Profile, event: e.SubjectRegistered) -> None:
        group = subject.group
        before = subject.registration()
        if profile.contradicts(before):
            self.doubled[event.source] = self.doubled.get(event.source, 0) + 1
        if not subject.register(profile):
            return
        for one, n in ((before, -1), (profile, 1)):
            if one is not None:
                peer = one.industry, one.district, one.size
                self.roster[peer] = self.roster.get(peer, 0) + n
        self._effects += links.registered(subject, before, event, self._card, self.clock_ms,
                                          lambda key: self._named(subject, [key])[0])
        if subject.group != group and (subject.facts or subject.signals):
            self._reckon_anew(subject, 0)
        view = None
        if subject.marked:
            view = rules.View(subject, resolve(subject.facts, self._card.offset_ms), NO_FACTS,
                              self._card, self.day, self.clock_ms)
        self._show(subject, [], view)

    def _assess(self, subject: Subject, start: int | None, event: e.Event | None = None,
                timer: bool = False,
                changes: list[tuple[int, int, int, int]] | None = None) -> None:
        """Assess one subject in full: paths from `start` on, then its alerts and its timers."""
        card, day = self._card, self.day
        if subject.change_day and subject.change_day <= day:
            start = subject.change_day if start is None else min(start, subject.change_day)
        facts = resolve(subject.facts, card.offset_ms)
        signals = resolve(subject.signals, card.offset_ms)
        if subject.parked:
            self._expire(subject, {f.key for f in facts.orphans} | {f.key for f in signals.orphans})
            facts = resolve(subject.facts, card.offset_ms)
            signals = resolve(subject.signals, card.offset_ms)
        was_active = not subject.cancelled_day
        subject.cancelled_day = min((f.day for f in facts.by_type.get(r.CANCELLED, ())
                                     if not f.revoked), default=0)
        if was_active != (not subject.cancelled_day):
            self._effects += links.cancelled(subject, self.clock_ms)
        changes = changes or []
        if start is not None:
            changes = self._walk(subject, facts, start) or []
        view = rules.View(subject, facts, signals, card, day, self.clock_ms)
        if timer or rules.may_be_low(subject, card):
            subject.fall = (day // 30, 0, rules.lost_lately(view))
            subject.low = rules.held_down(view)
        outcome = lifecycle.advance(subject.alerts, rules.conditions(view), facts.acts,
                                    subject.key, card, day, self.clock_ms, "facts")
        found, nearest = rules.deadlines(subject, card, day)
        dated = lifecycle.advance(outcome.held, found, facts.acts, subject.key, card, day,
                                  self.clock_ms, "deadlines")
        subject.alerts = dated.held
        transitions = outcome.transitions + dated.transitions
        if subject.devices:
            transitions += devices.sense(subject, card, day, self.clock_ms, facts.acts)
        if subject.detected:
            transitions += self._heed(subject, facts.acts)
        if isinstance(event, e.AlertAssigned):
            transitions += lifecycle.assigned(subject.alerts, event.data.alert,
                                              round(event.time.timestamp() * 1000), self.clock_ms)
        for transition in transitions:
            self._effects.append(self._alert(subject, transition, event, view))
        reviewed = [t.alert for t in outcome.transitions if t.alert.rule == "grade-gap"]
        if (reviewed or isinstance(event, e.ReviewAnswered)
                or (view.review and (changes or isinstance(event, e.GradeAssigned)))):
            self._review(subject, view, reviewed)
        if changes or reviewed or subject.marked:
            # A listing or a department's grade starts and ends without a change on any path.
            self._show(subject, changes, view)
        elif transitions:
            self._show_open(subject)
        later = [*view.later, *outcome.later, *(subject.parked or {}).values(),
                 *(f.day for held in (facts, signals) for f in held.by_key.values()
                   if f.day > day)]
        if subject.marked:
            later += view.grades.outside()
        subject.view_day = min((d for d in later if day < d < FOREVER), default=0)
        # The earliest timer is kept: a look too many is harmless, a look too few is not.
        self._schedule(subject, min(nearest, subject.view_day or FOREVER,
                                    subject.change_day or FOREVER))

    def _walk(self, subject: Subject, facts: Facts, start: int,
              only: int = r.WHOLE_SUBJECT) -> list[tuple[int, int, int, int]] | None:
        """Rewrite the grade paths from `start` on.

        `only` names the one item, beside the public grade, that can have changed; 0 = any.
        Returns today's (item, from, to, day) changes, of which there may be none although the past
        was rewritten; None when no path changed at all.
        """
        assert self.timeline is not None
        start = min(start, self.day)
        changes = []
        rewritten = False
        next_days = []
        spans = [(card, first, last, segments(facts, card, public=True))
                 for card, first, last in self.timeline.spans(min(start, self.day), self.day)]
        if only:
            items = {only, r.WHOLE_SUBJECT}
        else:
            items = {s.item for s in spans[-1][3]} | set(subject.graded_items())
            items.add(r.WHOLE_SUBJECT)
        for item in sorted(items):
            before = subject.grade_at(item, self.day)
            grade = subject.grade_at(item, start - 1)
            steps: list[tuple[int, int]] = []
            for n, (card, first, last, known) in enumerate(spans):
                walked = walk(of_item(known, item), item, card, subject.group, grade, first, last)
                steps += walked.steps
                if steps:
                    grade = steps[-1][1]
                if n + 1 == len(spans) and walked.next_day:
                    next_days.append(walked.next_day)
            if subject.rewrite(item, start, steps):
                rewritten = True
                after = subject.grade_at(item, self.day)
                if after != before:
                    changes.append((item, before, after, steps[-1][0] if steps else start))
        if only and subject.change_day > self.day:
            # The other items' next changes are in there.
            next_days.append(subject.change_day)
        subject.change_day = min(next_days, default=0)
        return changes if rewritten else None

    def _expire(self, subject: Subject, orphans: set[int]) -> None:
        """Free modifiers that have met their target; drop those that waited too long."""
        assert subject.parked is not None
        left = {}
        for key, until in subject.parked.items():
            if key not in orphans:
                continue
            if until > self.day:
                left[key] = until
                continue
            row = r.find(subject.facts, key) or r.find(subject.signals, key)
            assert row is not None
            source, id = self._named(subject, [key])[0]
            _cut(subject, key)
            # Sent again it is taken afresh, later in this same envelope too.
            self.identities.remove(key)
            self._known[key] = 0
            self.counts.rejected += 1
            days = self._card.policy.limits.park_d
            self._effects.append(Rejected(
                source, id, r.TYPE_NAMES[row[7]], subject.key,
                Reason("data.of", "", f"an event that arrives within {days} days",
                       f"data.of: the event it names did not arrive within {days} days"),
                self.clock_ms, -1))
        subject.parked = left or None

    # ------------------------------------------------------------------------------------ effects

    def _named(self, subject: Subject, keys: Sequence[int]) -> list[tuple[str, str]]:
        refs = subject.refs(set(keys))
        names = list(self.sources)
        return [(names[refs[k][0]], refs[k][1]) for k in keys if k in refs]

    def _alert(self, subject: Subject, t: lifecycle.Transition, event: e.Event | None,
               view: rules.View | None = None) -> AlertChanged:
        card, alert = self._card, t.alert
        evidence = []
        said = (subject.detected or {}).get(alert.id)
        if said is not None:
            evidence = [Evidence(*x) for x in said.data.evidence]
        refs = subject.refs(set(alert.evidence))
        names = list(self.sources)
        for key in alert.evidence:
            row = r.find(subject.facts, key) or r.find(subject.signals, key)
            if row is not None:
                evidence.append(Evidence(names[refs[key][0]], refs[key][1],
                                         r.TYPE_NAMES[row[7]], row[2]))
        items = alert.facts.get("items", "").split() or [card.item_ids[alert.item]]
        departments = [card.department_of[card.item_codes[i]] for i in items if i != "public"]
        if not departments and alert.rule == links.RULE:
            departments = [card.department_of[i] for i in links.concerned(subject, card)]
        elif not departments and view is not None:
            departments = [card.department_of[i] for i in view.grades.items if i]
        actor = note = ""
        if event is not None and isinstance(event.data, e.AlertAct) and (
                t.reason in lifecycle.ACTED):
            actor, note = event.data.actor, event.data.note or ""
        return AlertChanged(
            alert.id, alert.rule, alert.level, alert.state, t.was, t.reason, subject.key,
            card.item_ids[alert.item], alert.since_ms, alert.opened_ms, alert.updated_ms,
            alert.silenced_until_ms, list(dict.fromkeys(departments)), items, alert.facts,
            evidence, card.weights, card.hash, actor, note,
            said.data.members if said is not None else [])

    def _review(self, subject: Subject, view: rules.View, changed: list[Alert]) -> None:
        """Say how the subject's review stands. `changed`: alerts of gaps that changed just now."""
        card, held = self._card, rules.review(view)

        def said(answers: Iterable[Fact]) -> list[dict[str, object]]:
            return [{"department": card.department_names[f.extra], "time_ms": f.time,
                     "decision": "adjust" if f.variant & 8 else "keep",
                     "grade": r.GRADES[f.variant & 7] if f.variant & 7 != r.NO_GRADE else None}
                    for f in answers]

        for alert in changed:
            id = alert.facts["review"]
            if held is not None and held.id == id:
                continue
            # A gap that never was: what it was opened for was taken back, or changed that very day.
            start = (alert.since_ms + card.offset_ms) // DAY_MS
            due = card.workday(start, card.policy.gap.answer_workdays)
            answers = said(review_history.answers(view.facts.acts, id))
            self._effects.append(ReviewChanged(
                id, subject.key, False, alert.opened_ms, start, due, self.day, 0, {}, {}, [], [],
                answers, self.clock_ms, [PairGap(*pairs.undone(
                    [card.department_of[card.item_ids.index(alert.facts[end])]
                     for end in ("highest", "lowest")], start, self.day,
                    {str(a["department"]) for a in answers if a["decision"] == "adjust"}))]))
        if held is None:
            return
        gap = rules.alert_id("grade-gap", subject.key, r.WHOLE_SUBJECT, int(held.id[-8:], 16))
        opened = (subject.alerts or {}).get(gap) or next((a for a in changed if a.id == gap), None)

        def named(item: int) -> dict[str, object]:
            g = held.grades.get(item)
            return {"item": card.item_ids[item], "department": card.department_of[item],
                    "grade": letter(g.grade) if g else "ungraded",
                    "grade_source": g.source if g else ""}

        self._effects.append(ReviewChanged(
            held.id, subject.key, held.open, opened.opened_ms if opened else view.ms(held.start),
            held.start, held.due, held.ended, held.levels,
            named(held.highest) if held.open else {}, named(held.lowest) if held.open else {},
            [named(i) for i in held.items], held.departments, said(held.answers), self.clock_ms,
            [PairGap(*p) for p in pairs.courses(view.grades, held, self.day)]))

    def _show_open(self, subject: Subject) -> None:
        """The number of open alerts changed, nothing else."""
        if not subject.is_business:
            return
        count = sum(a.state in lifecycle.OPEN for a in (subject.alerts or {}).values())
        self._effects.append(OpenAlerts(subject.key, count))

    def _show(self, subject: Subject, changes: list[tuple[int, int, int, int]],
              view: rules.View | None = None, last: dict[int, int] | None = None) -> None:
        card = self._card
        profile = subject.registration()
        if last is None:
            last = {code: grade for code, _, grade in STEP.iter_unpack(subject.path)}
        public = last.get(r.WHOLE_SUBJECT, UNGRADED)
        held = [g for g in last.values() if g != UNGRADED]
        lowest, gap = (max(held), max(held) - min(held)) if held else (UNGRADED, 0)
        graded = {item: grade for item, grade in last.items() if grade != UNGRADED}
        if view is not None:
            vector = view.grades.vector(self.day)
            graded = {item: g.grade for item, g in vector.items()}
            if vector:
                high, low = extremes(vector)
                lowest, gap = vector[low].grade, vector[low].grade - vector[high].grade
            whole = vector.get(r.WHOLE_SUBJECT)
            public = whole.grade if whole else UNGRADED
        alerts = subject.alerts or {}
        self._effects.append(SubjectChanged(
            subject.key, profile.name if profile else "", profile.kind if profile else "",
            profile.district if profile else "", profile.industry if profile else "",
            profile.size if profile else "", letter(public), letter(lowest), gap,
            sum(a.state in lifecycle.OPEN for a in alerts.values()),
            [{"item": card.item_ids[i], "from": letter(a), "to": letter(b), "since": d}
             for i, a, b, d in changes], self.clock_ms, pairs.shared(graded, card),
            [{"item": card.item_ids[i], "from": letter(a), "to": letter(b)}
             for i, a, b in self._moved(subject, changes, graded)]))

    def _moved(self, subject: Subject, changes: list[tuple[int, int, int, int]],
               graded: dict[int, int]) -> list[tuple[int, int, int]]:
        """(item, from, to) of the grades in force that are others than were last told."""
        if not subject.marked:
            # In force is what is computed.
            return [change[:3] for change in changes]
        before = dict(TOLD.iter_unpack(subject.told)) if subject.told else {
            code: subject.grade_at(code, self.day) for code in subject.graded_items()} | {
            code: was for code, was, _, _ in changes}
        subject.told = b"".join(TOLD.pack(*x) for x in sorted(graded.items()))
        return [(item, was, now) for item in sorted({*before, *graded})
                if (was := before.get(item, UNGRADED)) != (now := graded.get(item, UNGRADED))]

    # -------------------------------------------------------------------------------- the others

    def _readings(self, event: e.IotReadings) -> None:
        subject = self.subjects.get(event.subject) or self._add(event.subject)
        readings, alarming = devices.join(subject, event.data, self._card, self.clock_ms)
        self.counts.readings += readings
        if alarming or subject.alerts:
            self._sense(subject)
        else:
            self.watch(subject)

    def _sense(self, subject: Subject) -> None:
        """Look at the subject's devices only."""
        self._tell(subject, devices.sense(subject, self._card, self.day, self.clock_ms,
                                          self._acts(subject)))
        self.watch(subject)

    def _heed(self, subject: Subject, acts: Sequence[Fact]) -> list[lifecycle.Transition]:
        """Bring the alerts of what was detected up to date; what changed."""
        outcome = lifecycle.advance(subject.alerts, rules.detected(subject, self._card), acts,
                                    subject.key, self._card, self.day, self.clock_ms, "detected")
        subject.alerts = outcome.held
        return outcome.transitions

    def _tell(self, subject: Subject, transitions: list[lifecycle.Transition]) -> None:
        """Say what changed apart from the facts."""
        for transition in transitions:
            self._effects.append(self._alert(subject, transition, None))
        if transitions:
            self._show_open(subject)

    def _acts(self, subject: Subject) -> Sequence[Fact]:
        """What people did about the subject's alerts, oldest first."""
        return (resolve(subject.facts, self._card.offset_ms).acts if subject.acted else ())

    def watch(self, subject: Subject) -> None:
        """Stand in the wheel of hours for the next look at the devices."""
        hour = devices.next_hour(subject, self._card, self.clock_ms)
        if not hour:
            return
        self.hours.setdefault(hour, {})[subject.key] = subject

    def _detect(self, event: e.Detected) -> None:
        """Take the analysis' word about an alert: its last one, however often it is said."""
        said, id = event.data, event.data.alert
        subject = self.subjects.get(event.subject) or self._add(event.subject)
        held = (subject.detected or {}).get(id)
        if held is not None and held.at_ms >= event.at_ms:
            return
        subject.detected = {**(subject.detected or {}), id: event}
        self._tell(subject, self._heed(subject, self._acts(subject)))
        if not said.open:
            # Episodes never come back under their old id: nothing more will be said of it.
            subject.detected = {k: v for k, v in subject.detected.items()
                                if v.data.open or v.at_ms == event.at_ms}

    def _rule(self, event: e.Broadcast) -> None:
        """Take in what every shard is told."""
        match event:
            case e.PolicyChanged():
                self._change_policy(event)
                self._judge_all_anew()
            case e.WeightsChanged(weights=learned):
                self._learn(learned)
            case e.NormsChanged(document=document):
                self.norms = norms.decode(document)
                self._judge_all_anew()
            case e.DrawOrdered():
                self._effects.append(inspections.pool(event, self.subjects.values(), self._card,
                                                      self.day, self.clock_ms))
            case _:
                pass

    def _judge_all_anew(self) -> None:
        """What devices show is judged by something else from their next turn on."""
        for subject in self.subjects.values():
            subject.unjudged = None

    def _change_policy(self, event: e.PolicyChanged) -> None:
        policy = decode(event.document)
        known = self.timeline
        if known is not None and known.last.hash == event.hash:
            return
        self._effects.append(PolicyTaken(event.document, self.clock_ms))
        if known is None:
            self.bring(Timeline(Card(policy, 0)))
            self.day = (self.clock_ms + self._card.offset_ms) // DAY_MS
            return
        before = known.last
        known.renew(policy, self.day)
        self.bring(known)
        assert self._card.item_ids[: len(before.item_ids)] == before.item_ids, (
            "items may only be added")
        if policy.learning != before.policy.learning:
            self.panels, self.others = {}, 0
            for subject in self.subjects.values():
                self.enlist(subject)
        for subject in self._in_order():
            if subject.facts or subject.signals:
                self._reckon_anew(subject, self.day)

    def _learn(self, learned: Weights) -> None:
        """Put learned weights in force from their day on, also when they come late."""
        assert self.timeline is not None
        if any(card.learned == learned for card in self.timeline.cards):
            return
        before = self._card
        self.timeline.learn(learned)
        self.bring(self.timeline)
        steeper = self._card.steeper_than(before)
        always_a = self.timeline.clean_is_a
        for subject in self._in_order():
            if subject.facts or subject.signals:
                self._reweigh(subject, learned.since_day, steeper, always_a)

    def _reweigh(self, subject: Subject, start: int, steeper: float, always_a: bool) -> None:
        """Assess a subject whose points changed on a day and nothing else: only its paths and the
        alerts that rest on them or on its risk can be others now."""
        at, lost, now = subject.fall
        subject.fall = at, int(lost * steeper) + 1, int(now * steeper) + 1
        subject.low = int(subject.low * steeper) + 1
        changes: list[tuple[int, int, int, int]] | None = None
        if not (subject.spotless and always_a):
            # Else every grade stays the one of a clean start.
            changes = self._walk(subject, resolve(subject.facts, self._card.offset_ms), start)
            self._schedule(subject, subject.change_day or FOREVER)
        if changes is not None or rules.may_be_low(subject, self._card) or any(
                a.rule in ("score-plunge", "risk-high") for a in (subject.alerts or {}).values()):
            subject.fall, subject.low = (1 << 20, 1 << 40, 0), 1 << 40
            self._assess(subject, None, changes=changes)

    def _in_order(self) -> list[Subject]:
        return sorted(self.subjects.values(), key=lambda s: s.key)

    def _reckon_anew(self, subject: Subject, start: int | None) -> None:
        """Assess a subject whose points have other values now: its bounds say nothing any more."""
        subject.fall, subject.low = (1 << 20, 1 << 40, 0), 1 << 40
        self._assess(subject, start)


def _cut(subject: Subject, key: int) -> bytes:
    """Take a record out of a subject; returns its reference line."""
    for records, refs in (("facts", "fact_refs"), ("signals", "signal_refs")):
        held: bytes = getattr(subject, records)
        for at in range(0, len(held), r.SIZE):
            if int.from_bytes(held[at : at + 8], "little") == key:
                lines = getattr(subject, refs).split(b"\n")
                line: bytes = lines.pop(at // r.SIZE) + b"\n"
                setattr(subject, records, held[:at] + held[at + r.SIZE :])
                setattr(subject, refs, b"\n".join(lines))
                return line
    raise AssertionError(f"no record {key} in {subject.key}")
