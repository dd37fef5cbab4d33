"""Alerts, and people who act on them at random moments, over the desk. One seed, one life.

Not a test itself. The log is a list of transitions with the moments at which they happened; the
desk hears of them then, and time passes in steps of minutes to days, over the holidays of autumn.
`faults` says what is wrong with the letters, from the history alone.
"""

from __future__ import annotations

import contextlib
import random
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from notify_world import DAYS, HOUR_MS, ITEMS, MINUTE_MS, OFFSET_MS, POLICY, TIME, at, notice

from alerts.notice import Notice, rank
from alerts.notify import Reason
from alerts.routing import Directory, route
from dispatch.audit import audit
from dispatch.desk import Desk
from dispatch.ledger import DELIVERED, Ledger
from dispatch.outbox import Result

START = at("2026-09-21T09:00")
STEPS = (MINUTE_MS, 7 * MINUTE_MS, HOUR_MS, 5 * HOUR_MS, 26 * HOUR_MS, 90 * HOUR_MS)
SUBJECTS = [f"91500106MA5U0{n:05d}" for n in range(4)]
RULES = ("grade-gap", "grade-drop", "score-plunge", "ban-breach", "repeat-offence")
FACTS = {"from": "B", "to": "D", "levels": "2", "highest": "cq1-17", "highest_grade": "A",
         "lowest": "cq1-40", "lowest_grade": "C", "points": "90", "days": "30", "count": "3"}
ENDPOINTS = {r.id: [f"{r.id}/webhook"] for r in POLICY.receivers}


class Said(NamedTuple):
    """One line of one letter."""

    at_ms: int
    receiver: str
    alert: str
    reason: str
    seq: int


class Life:
    """A life of some alerts. `restarts`: whether the process ends between any two steps."""

    def __init__(self, seed: int, folder: Path | None = None, *, restarts: bool = False) -> None:
        self.random = random.Random(seed)
        self.now = START
        self.history: list[Notice] = []
        self.held: dict[str, Notice] = {}
        self.gaps: list[object] = []
        self._path = folder / "dispatch.db" if folder else None
        self._restarts = restarts
        self._chance = random.Random(seed + 1)
        self._seq = 0
        self.ledger = Ledger(self._path)
        self.desk = self._desk()

    def _desk(self) -> Desk:
        return Desk(self.ledger, POLICY, TIME, ENDPOINTS, ITEMS, base_url="http://x",
                    deadline_h=48.0)

    def run(self, steps: int = 120) -> Life:
        for _ in range(steps):
            self._act()
            self._maybe_restart()
            if self.random.random() < 0.8:
                self.desk.tick(self.now)
                self._check()
            self._deliver()
            self.now += self.random.choice(STEPS)
        self._end()
        return self

    # -------------------------------------------------------------------------------- what happens

    def _act(self) -> None:
        pick = self.random.random()
        open_ = [n for n in self.held.values() if n.state in ("firing", "acknowledged", "pending")]
        over = [n for n in self.held.values() if n.state in ("resolved", "closed")]
        if pick < 0.35 or not open_:
            self._open()
        elif pick < 0.5:
            self._change(self._some([n for n in open_ if n.state == "firing"]),
                         state="acknowledged", reason="act")
        elif pick < 0.65:
            self._change(self._some(open_), state="resolved", reason="cause gone")
        elif pick < 0.7:
            self._change(self._some(open_), state="closed", reason="act")
        elif pick < 0.78:
            self._change(self._some(over), state="firing", reason="opened", opened_ms=self.now)
        elif pick < 0.86:
            n = self._some(open_)
            self._change(n, level=self.random.choice(("blue", "yellow", "orange", "red")),
                         reason="level")
        elif pick < 0.96:
            until = self.now + self.random.randrange(1, 60) * HOUR_MS
            self._change(self._some(open_), silenced_until_ms=until, reason="act")

    def _some(self, found: list[Notice]) -> Notice | None:
        return self.random.choice(sorted(found, key=lambda n: n.id)) if found else None

    def _open(self) -> None:
        subject, rule = self.random.choice(SUBJECTS), self.random.choice(RULES)
        n = self.held.get(f"{rule}-{subject}")
        if n is not None:
            return
        two = self.random.random() < 0.4
        self._take(notice(
            f"{rule}-{subject}", rule=rule, subject=subject, facts=FACTS,
            level=self.random.choice(("blue", "yellow", "orange", "red")),
            state=self.random.choice(("firing", "firing", "pending")),
            departments=["市市场监管局", "市生态环境局"] if two else ["市市场监管局"],
            kind=self.random.choice(("enterprise", "soe")),
            district=self.random.choice(("500106", "500112")),
            opened_ms=self.now, updated_ms=self.now, since_ms=self.now))

    def _change(self, n: Notice | None, **over: object) -> None:
        if n is None:
            return
        fields = {f: getattr(n, f) for f in n.__struct_fields__}
        self._take(Notice(**{**fields, **over, "updated_ms": self.now}))  # type: ignore[arg-type]

    def _take(self, n: Notice) -> None:
        self._seq += 1
        fields = {f: getattr(n, f) for f in n.__struct_fields__}
        made = Notice(**{**fields, "seq": self._seq})
        self.held[made.id] = made
        self.history.append(made)
        if self._restarts and self._chance.random() < 0.2:
            self._crash_within(made)
        # Read again after a crash, or twice for another reason: it changes nothing.
        for _ in range(2 if self._restarts and self._chance.random() < 0.2 else 1):
            self.desk.apply([made], self.now, upto=self._seq + 1)

    def _crash_within(self, n: Notice) -> None:
        """The process dies while it writes the letter: nothing of the batch is there."""
        class Died(Exception):
            pass

        def die(*_: object) -> None:
            raise Died

        self.desk.outbox.put = die  # type: ignore[method-assign,assignment]
        self.desk.ledger.set_mark = die  # type: ignore[method-assign,assignment]
        with contextlib.suppress(Died):
            self.desk.apply([n], self.now, upto=self._seq + 1)
        self._restart()

    def _maybe_restart(self) -> None:
        if self._restarts and self._chance.random() < 0.15:
            self._restart()

    def _restart(self) -> None:
        self.ledger.close()
        self.ledger = Ledger(self._path)
        self.desk = self._desk()
        self.desk.outbox.recover(e for es in ENDPOINTS.values() for e in es)

    def _deliver(self) -> None:
        outbox = self.desk.outbox
        for endpoint in sorted(e[0] for e in ENDPOINTS.values()):
            row = outbox.claim(endpoint, self.now, self.now + HOUR_MS)
            while row is not None:
                row = outbox.finish(row, Result(DELIVERED, 200, ""), self.now, claim=True,
                                    lease_ms=self.now + HOUR_MS)

    def _check(self) -> None:
        self._deliver()
        self.gaps += [(self.now, g) for g in audit(self.desk, self.held.values(), self.now)]

    def _end(self) -> None:
        """People settle everything, and time goes on until nothing waits."""
        for id in sorted(self.held):
            if self.held[id].state in ("firing", "acknowledged", "pending"):
                self._change(self.held[id], state="resolved", reason="cause gone")
            self.now += MINUTE_MS
        for _ in range(200):
            again = self.desk.tick(self.now)
            if not again:
                break
            self.now = max(again, self.now + 1)
        self._deliver()

    # ------------------------------------------------------------------------------------- oracles

    def said(self) -> list[Said]:
        return [Said(*row) for row in self.ledger.all(
            "SELECT l.at_ms, l.receiver, n.alert, n.reason, n.seq FROM lines n JOIN letters l "
            "ON l.id=n.letter ORDER BY l.id, n.alert")]

    def letters(self) -> list[str]:
        """Keys of all letters, in order."""
        return [r[0] for r in self.ledger.all("SELECT key FROM letters ORDER BY id")]

    def faults(self) -> list[str]:
        said = self.said()
        return [*self._stuck(), *self._after_an_answer(said), *self._repeated(said),
                *self._lost(said), *self._ends(said), *(str(g) for g in self.gaps)]

    def _stuck(self) -> list[str]:
        waiting = self.ledger.all("SELECT receiver, alert, reason FROM pairs WHERE again_ms>0")
        timers = self.ledger.all("SELECT id FROM alerts WHERE next_ms>0")
        unsent = self.ledger.all("SELECT id FROM outbox WHERE state<>2")
        return [f"stuck: {w}" for w in (*waiting, *timers, *unsent)]

    def _state(self, alert: str, ms: int, seq: int) -> Notice | None:
        """The alert as it was when something was said."""
        found = [n for n in self.history if n.id == alert and n.updated_ms <= ms and n.seq >= seq]
        return found[-1] if found else None

    def _after_an_answer(self, said: list[Said]) -> list[str]:
        out = []
        for s in said:
            if s.reason != Reason.ESCALATION:
                continue
            n = next(n for n in self.history if n.id == s.alert and n.seq == s.seq)
            later = [m for m in self.history
                     if m.id == s.alert and n.seq < m.seq and m.updated_ms < s.at_ms]
            if n.state != "firing" or later:
                out.append(f"escalated after an answer: {s}")
        return out

    def episodes(self, alert: str) -> list[tuple[int, int, str]]:
        """(start, end, level) of each stretch in which nobody had answered, from the history."""
        out: list[tuple[int, int, str]] = []
        start, level, runs = 0, "", False
        for n in (n for n in self.history if n.id == alert):
            if n.state == "pending":
                continue
            if runs and n.state == "firing" and rank(n.level) <= rank(level):
                continue
            if runs:
                out.append((start, n.updated_ms, level))
            runs = n.state == "firing"
            start, level = n.updated_ms, n.level
        if runs:
            out.append((start, self.now, level))
        return out

    def _moments(self, start: int, level: str) -> list[int]:
        out = []
        for step in POLICY.escalate.plan(level):
            ms = start
            if step.clock == "always":
                out.append(start + step.after_min * MINUTE_MS)
                continue
            # Hour by hour, as a clerk would count.
            left = step.after_min * MINUTE_MS
            while left:
                day, of_day = divmod(ms + OFFSET_MS, 24 * HOUR_MS)
                if not DAYS.is_workday(day) or of_day >= 18 * HOUR_MS:
                    ms = (day + 1) * 24 * HOUR_MS - OFFSET_MS
                elif of_day < 9 * HOUR_MS:
                    ms += 9 * HOUR_MS - of_day
                else:
                    part = min(left, 18 * HOUR_MS - of_day)
                    ms, left = ms + part, left - part
            out.append(ms)
        return out

    def _repeated(self, said: list[Said]) -> list[str]:
        """Nobody hears of one step, one beginning or one end twice."""
        out = []
        counts = Counter((s.receiver, s.alert, s.reason, s.seq) for s in said
                         if s.reason in (Reason.FIRST, Reason.CHANGED, Reason.RESOLVED,
                                         Reason.REOPENED))
        out += [f"said {n} times: {what}" for what, n in counts.items() if n > 1]
        for alert in self.held:
            spans = self.episodes(alert)
            for receiver in ENDPOINTS:
                mine = [s for s in said if (s.receiver, s.alert, s.reason) ==
                        (receiver, alert, Reason.ESCALATION)]
                for start, end, level in spans:
                    own = [s for s in mine if start <= s.at_ms < end]
                    taken = sum(m < end for m in self._moments(start, level))
                    if len(own) > taken:
                        out.append(f"{len(own)} escalations of {taken}: {receiver} {alert}")
                    early = self._moments(start, level)[:1]
                    out += [f"too early: {s}" for s in own if early and s.at_ms < early[0]]
        return out

    def _lost(self, said: list[Said]) -> list[str]:
        """Each step of a stretch that lasted long enough reached all it names, unless held back."""
        out = []
        directory = Directory(POLICY)
        for alert in self.held:
            for start, end, level in self.episodes(alert):
                moments = self._moments(start, level)
                n = [n for n in self.history if n.id == alert and n.updated_ms <= start][-1]
                for stage, moment in enumerate(moments, 1):
                    # Quiet hours, silences and the next look may come between.
                    if moment + 5 * 24 * HOUR_MS >= end or self._muted(n, moment, end):
                        continue
                    for r in route(n, directory, POLICY.escalate.plan(level), stage):
                        if r.stage == stage and not any(
                                s.receiver == r.receiver and s.alert == alert
                                and moment <= s.at_ms < end for s in said):
                            out.append(f"step {stage} of {alert} lost for {r.receiver}")
        return out

    def _muted(self, n: Notice, start: int, end: int) -> bool:
        """Whether anything could have held the alert back meanwhile."""
        if any(m.id == n.id and m.silenced_until_ms > start for m in self.history):
            return True
        others = [m for m in self.history if m.subject == n.subject and m.id != n.id]
        return bool(others)

    def _ends(self, said: list[Said]) -> list[str]:
        """Whoever heard of an alert hears, last, that it is over."""
        last: dict[tuple[str, str], str] = {}
        for s in said:
            last[s.receiver, s.alert] = s.reason
        return [f"never told that it is over: {who}" for who, reason in last.items()
                if reason != Reason.RESOLVED]
