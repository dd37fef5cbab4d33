"""The desk: transitions and the passing of time in, letters in the outbox out.

Everything it decides it decides by `alerts.*`; here are the state and the order. One batch is one
transaction of the ledger, so a letter exists if and only if it is written down that it does.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import NamedTuple

import msgspec

from alerts import escalation
from alerts.escalation import Course
from alerts.letter import PLAIN, STORM_NOTE, Words, entry, letter
from alerts.notice import OPEN, OVER, REVIEW_RULE, Notice
from alerts.notify import HELD, Decision, Reason, Told, after, decide, digest_ms, storm
from alerts.routing import Directory, Route, route
from alerts.told import Catalogue
from alerts.worktime import WorkTime
from config.measures import shipped
from dispatch import undelivered
from dispatch.answer_link import SHORT_MAX, Links
from dispatch.channel import is_machine, parts
from dispatch.children import held_above
from dispatch.ledger import Held, Ledger, Pair
from dispatch.outbox import Outbox
from dispatch.tally import Tally
from models.notify_policy import Notify

BATCH_MAX = 500
"""Timers that are looked at in one transaction."""
DIGEST_MAX = 20_000
"""The same, of those that wait for a digest: one for each receiver."""


class Case(NamedTuple):
    """One receiver and one alert, ready to be decided on."""

    pair: Pair
    held: Held
    route: Route | None


class Desk:
    """Owns the alerts and pairs of a ledger.

    Parameters
    ----------
    endpoints
        Receiver -> its endpoints. Routing goes round who has none.
    deadline_h
        After how many hours a letter that could not be delivered is given up and reported.
    """

    def __init__(self, ledger: Ledger, policy: Notify, time: WorkTime,
                 endpoints: Mapping[str, Sequence[str]], items: Catalogue, *, base_url: str,
                 deadline_h: float, retry_max_s: float = 900.0,
                 links: Links | None = None) -> None:
        self.ledger = ledger
        self.outbox = Outbox(ledger)
        self.policy = policy
        self.time = time
        self.endpoints = {r: tuple(e) for r, e in endpoints.items() if e}
        self.directory = Directory(policy, self.endpoints)
        self.items, self.measures = items, shipped()
        self.base_url = base_url
        self.tally = Tally()
        self.links = links
        self.fresh: set[str] = set()
        """Endpoints for which something was enqueued: for `Sender.wake`, which empties it."""
        self.retry_max_s = retry_max_s
        self.deadline_ms = round(deadline_h * 3_600_000)

    def apply(self, notices: Iterable[Notice], now_ms: int, *, upto: int | None = None,
              source: str = "") -> int:
        """Take transitions in, in the order of the log; how many letters came of it.

        A transition that was taken before changes nothing. `upto` is the next position of the log
        `source`, remembered in the same transaction.
        """
        with self.ledger.transaction():
            touched: dict[str, Held] = {}
            for notice in notices:
                held = touched.get(notice.id) or self.ledger.held(notice.id)
                if held is not None and held.notice.seq >= notice.seq:
                    continue
                course = self._course(held.course if held else None, notice, now_ms)
                self.tally.take(held and held.notice, held and held.course, notice)
                touched[notice.id] = self._put(notice, course)
            if upto is not None:
                self.ledger.set_mark(source, upto)
            return self._settle(touched, now_ms)

    def adopt(self, notices: Iterable[Notice], now_ms: int, *, upto: int | None = None,
              source: str = "") -> None:
        """Begin with alerts of which people know already: they count as told, their clocks start.

        For the first start over a log with a history, which must not be told all at once.
        """
        with self.ledger.transaction():
            for notice in notices:
                now = msgspec.structs.replace(notice, updated_ms=now_ms)
                course = self._course(None, now, now_ms)
                held = self._put(now, course)
                for each in self.routes(held):
                    told = after(now, Told(), course, each, now_ms, Reason.FIRST)
                    case = Case(self._pair(each.receiver, now), held, each)
                    self._save(case, told, self._decide(case, (), now_ms, told), "")
            if upto is not None:
                self.ledger.set_mark(source, upto)

    def look_again(self, held: Mapping[str, Held], now_ms: int) -> int:
        """Write down and decide on alerts anew; how many letters came of it."""
        with self.ledger.transaction():
            return self._settle({id: self._put(*h) for id, h in held.items()}, now_ms)

    def tick(self, now_ms: int) -> int:
        """Let time pass: steps that are due, what was held back, what could not be delivered.

        Returns
        -------
        When to come again; 0 = nothing is waiting.
        """
        while self._tick_once(now_ms):
            pass
        return self.ledger.next_ms()

    # --------------------------------------------------------------------------------------- steps

    def _tick_once(self, now_ms: int) -> bool:
        with self.ledger.transaction():
            alerts = self.ledger.due_alerts(now_ms, BATCH_MAX)
            pairs = self.ledger.due_pairs(now_ms, BATCH_MAX)
            if any(p.reason == Reason.STORM for p in pairs):
                pairs = [p for p in pairs if p.reason != Reason.STORM]
                pairs += self.ledger.due_pairs(now_ms, DIGEST_MAX, Reason.STORM)
            lost = undelivered.tell(self, now_ms)
            touched: dict[str, Held] = {}
            for id in alerts:
                held = self.ledger.held(id)
                assert held is not None and held.course is not None
                course = escalation.advance(held.course, now_ms, self.policy.escalate, self.time)
                due = escalation.next_ms(course, self.policy.escalate, self.time)
                assert not due or due > now_ms, f"{id}: a step is due and is not taken"
                touched[id] = self._put(held.notice, course)
            for pair in pairs:
                if pair.receiver not in self.directory.by_id:  # taken out of the catalogue
                    self.ledger.put_pair(pair._replace(again_ms=0, done=True))
                elif pair.alert not in touched:
                    found = self.ledger.held(pair.alert)
                    assert found is not None, f"pair without alert {pair.alert}"
                    touched[pair.alert] = found
            digests = {p.receiver for p in pairs if p.reason == Reason.STORM}
            self._settle(touched, now_ms, digests)
            return bool(lost or alerts or pairs)

    def _course(self, course: Course | None, notice: Notice, now_ms: int) -> Course | None:
        if notice.rule == REVIEW_RULE:
            due_end = int(notice.facts["due_end_ms"])
            made: Course | None = escalation.review(
                course, notice.state in OPEN, len(notice.departments), due_end, notice.updated_ms)
        else:
            made = escalation.step(course, notice, self.policy.escalate)
        return made and escalation.advance(made, now_ms, self.policy.escalate, self.time)

    def _put(self, notice: Notice, course: Course | None) -> Held:
        due = escalation.next_ms(course, self.policy.escalate, self.time) if course else 0
        # A moment at or before the epoch is due all the same.
        self.ledger.put_alert(notice, course, max(due, 1) if due else 0)
        return Held(notice, course)

    def routes(self, held: Held) -> list[Route]:
        course = held.course
        plan = self.policy.escalate.plan(course.plan) if course else ()
        stage = course.stage if course else 0
        return route(held.notice, self.directory, plan, stage)

    def _pair(self, receiver: str, notice: Notice) -> Pair:
        return Pair(receiver, notice.id, notice.group, 0, False, Reason.NOTHING, "", "", "", Told())

    def _settle(self, touched: Mapping[str, Held], now_ms: int,
                digests: Iterable[str] = ()) -> int:
        """Decide again on everything that the touched alerts bear on."""
        known = dict(touched)
        groups: dict[tuple[str, str], dict[str, Case]] = {}
        for held in touched.values():
            routes = {r.receiver: r for r in self.routes(held)}
            pairs = {p.receiver: p for p in self.ledger.pairs_of(held.notice.id)}
            for receiver in dict.fromkeys((*routes, *pairs)):
                if receiver not in self.directory.by_id:
                    continue
                pair = pairs.get(receiver) or self._pair(receiver, held.notice)
                case = Case(pair, held, routes.get(receiver))
                groups.setdefault((receiver, held.notice.group), {})[held.notice.id] = case
        sent = 0
        collected: dict[str, list[tuple[Case, Decision]]] = {r: [] for r in digests}
        for (receiver, group), cases in groups.items():
            for pair in self.ledger.live(receiver, group):
                if pair.alert in cases:
                    continue
                found = known.get(pair.alert) or self.ledger.held(pair.alert)
                assert found is not None, f"pair without alert {pair.alert}"
                if found.course is not None:
                    # A step that is due counts; the next tick writes it down and tells the others.
                    found = found._replace(course=escalation.advance(
                        found.course, now_ms, self.policy.escalate, self.time))
                known[pair.alert] = found
                routes = {r.receiver: r for r in self.routes(found)}
                cases[pair.alert] = Case(pair, found, routes.get(receiver))
            sent += self._group(receiver, list(cases.values()), now_ms,
                                collected.get(receiver))
        for receiver, waiting in collected.items():
            for part in parts(waiting, self.endpoints.get(receiver, ())):
                sent += self._send(receiver, part, now_ms, digest=True, note=STORM_NOTE)
        return sent

    def _group(self, receiver: str, cases: list[Case], now_ms: int,
               digest: list[tuple[Case, Decision]] | None) -> int:
        """All that one receiver is to know of one subject or cell."""
        mates = [c.held.notice for c in cases if c.held.notice.state in OPEN and
                 ((c.route is not None and c.route.direct) or c.pair.told.state in OPEN)]
        decided = [(c, self._decide(c, mates, now_ms)) for c in cases]
        going = [(c, d) for c, d in decided if d.send]
        if going:
            going += [(c, d) for c, d in decided if d.reason is Reason.GATHERING]
        alerts = {c.held.notice.id for c, _ in going}
        person = self.directory.by_id[receiver]
        if going and person.mode == "people":
            if digest is not None and any(c.pair.reason == Reason.STORM for c, _ in going):
                digest += going
                going = []
            elif self._storms(receiver, going, now_ms):
                level = _heaviest(going)
                again = digest_ms(now_ms, level, self.policy.storm)
                for c, d in going:  # What waits for a digest already keeps its place in that one.
                    at = (c.pair.again_ms or again) if c.pair.reason == Reason.STORM else again
                    held = Decision(False, Reason.STORM, at, d.wants)
                    self._save(c, c.pair.told, held, c.pair.key)
                going = []
        for c, d in decided:
            if c.held.notice.id not in alerts:
                self._save(c, c.pair.told, d, c.pair.key)
        if person.mode == "system":
            return sum(self._send(receiver, [each], now_ms) for each in going)
        return self._send(receiver, going, now_ms) if going else 0

    def _decide(self, case: Case, mates: Sequence[Notice], now_ms: int,
                told: Told | None = None) -> Decision:
        system = self.directory.by_id[case.pair.receiver].mode == "system"
        found = decide(case.held.notice, told or case.pair.told, case.held.course, case.route,
                       now_ms, mates, self.policy, self.time, system=system)
        return held_above(self, case, found, now_ms)

    def _storms(self, receiver: str, going: Sequence[tuple[Case, Decision]], now_ms: int) -> bool:
        since = now_ms - 1000 * self.policy.storm.window_s
        sent, red = self.ledger.sent_since(receiver, since)
        return storm(sent, red, _heaviest(going), self.policy.storm)

    def _send(self, receiver: str, going: Sequence[tuple[Case, Decision]], now_ms: int, *,
              digest: bool = False, note: Words = PLAIN) -> int:
        """Write one letter, and that it was written."""
        person, ends = self.directory.by_id[receiver], self.endpoints.get(receiver, ())
        entries = [entry(c.held.notice, d.wants, self.items, self.base_url, self.time.offset_ms,
                         now_ms, self.measures) for c, d in going]
        # A reminder is another letter than the one before about the same transition.
        salt = [f"{c.held.notice.id} {c.pair.told.at_ms} {c.pair.told.reminders}"
                for c, _ in going if c.pair.told.at_ms]
        made = letter(person, entries, now_ms, self.base_url, salt=sorted(salt), digest=digest,
                      note=note, entries_max=self.policy.gather.alerts_max,
                      whole=any(map(is_machine, ends)))
        if self.links is not None:
            told_of = {c.held.notice.id: c.held.notice for c, _ in going}
            weightiest = [told_of[e.alert] for e in made.entries]
            rest = [n for id, n in told_of.items() if id not in {e.alert for e in made.entries}]
            link = partial(self.links.url, person, [*weightiest, *rest], now_ms)
            made = msgspec.structs.replace(made, answer=link(), short=link(most=SHORT_MAX))
        new = self.outbox.put(made, ends, now_ms, now_ms + self.deadline_ms)
        assert new, f"letter {made.key} was written before"
        self.fresh.update(ends)
        self.outbox.note_lines(made.key, [(e.alert, e.seq, e.reason) for e in entries])
        for c, d in going:
            told = after(c.held.notice, c.pair.told, c.held.course, c.route, now_ms, d.wants)
            self._save(c, told, self._decide(c, (), now_ms, told), made.key)
        return 1

    def _save(self, case: Case, told: Told, decision: Decision, key: str) -> None:
        """Write a pair down. It is done with when its alert is over and there is nothing to say."""
        notice = case.held.notice
        done = notice.state in OVER and decision.reason not in HELD
        pair = Pair(case.pair.receiver, notice.id, notice.group, decision.again_ms, done,
                    decision.reason, decision.wants, decision.by, key, told)
        if pair != case.pair or not case.pair.key:
            self.ledger.put_pair(pair)


def _heaviest(going: Sequence[tuple[Case, Decision]]) -> str:
    return max((c.held.notice for c, _ in going), key=lambda n: n.rank).level
