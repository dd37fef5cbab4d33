"""The delivery half of the ledger: letters on their way, one row an endpoint.

waiting -> sending (with a lease) -> delivered | waiting again | dead. A process that dies while
sending leaves the row `sending`; the next one puts it back, and it goes again under the same key.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec

from alerts.letter import Letter
from alerts.notice import rank
from dispatch.ledger import ANSWER_MAX, DEAD, DELIVERED, SENDING, STATES, WAITING, Ledger

_PACK = msgspec.msgpack.Encoder().encode
_LETTER = msgspec.msgpack.Decoder(Letter).decode


class Row(NamedTuple):
    """A letter claimed for one endpoint."""

    id: int
    endpoint: str
    attempts: int
    """This one included."""
    deadline_ms: int
    letter: Letter


class Result(NamedTuple):
    """What became of an attempt. `due_ms` is for `WAITING`."""

    state: int
    code: int
    answer: str
    due_ms: int = 0


class Act(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a receiver answered by machine: a person's act, to go back into the log."""

    type: str
    actor: str
    alert: str = ""
    review: str = ""
    department: str = ""
    decision: str = ""
    grade: str | None = None
    reason: str = ""
    note: str = ""

    def data(self, receiver: str) -> dict[str, str]:
        """As the data of an event."""
        if self.type == "review.answered":
            made = {"review": self.review, "department": self.department,
                    "decision": self.decision,
                    "reason": f"{self.reason} ({self.actor} ({receiver}))" if self.reason else ""}
            return made | ({"grade": self.grade} if self.grade else {})
        made = {"alert": self.alert, "actor": f"{self.actor} ({receiver})"}
        return made | ({"note": self.note} if self.note else {})


class DeadReceiver(msgspec.Struct, frozen=True):
    """An endpoint that has failed for too long: the cause of an alert of its own."""

    endpoint: str
    receiver: str
    since_ms: int
    waiting: int
    code: int
    answer: str


class Outbox:
    """Rows of `outbox`, over a ledger."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger

    def recover(self, endpoints: Iterable[str]) -> int:
        """Put back what a process that is gone was sending; give up what is for an endpoint that
        is no more. Called once, before anything is sent: the lock on the file says that nobody
        else is."""
        known = msgspec.json.encode(list(endpoints)).decode()
        with self.ledger.transaction():
            self.ledger.db.execute(
                "UPDATE outbox SET state=3, answer='no such channel any more' WHERE state<2 AND "
                "endpoint NOT IN (SELECT value FROM json_each(?))", (known,))
            # What failed there is no trouble any more: else its receiver were dead for ever.
            self.ledger.db.execute("DELETE FROM endpoints WHERE endpoint NOT IN "
                                   "(SELECT value FROM json_each(?))", (known,))
            return self.ledger.db.execute(
                "UPDATE outbox SET state=0, lease_ms=0 WHERE state=1").rowcount

    def put(self, letter: Letter, endpoints: Iterable[str], now_ms: int, deadline_ms: int) -> bool:
        """Enqueue a letter, within the caller's transaction; False when its key is there."""
        db = self.ledger.db
        id = db.execute(
            "INSERT OR IGNORE INTO letters (key, receiver, at_ms, level, reason, digest, body) "
            "VALUES (?,?,?,?,?,?,?) RETURNING id",
            (letter.key, letter.receiver, now_ms, letter.level, letter.reason, letter.digest,
             _PACK(letter))).fetchone()
        if id is None:
            return False
        for endpoint in endpoints:
            db.execute("INSERT INTO outbox (letter, endpoint, rank, created_ms, due_ms, "
                       "deadline_ms, state, attempts, lease_ms, done_ms, code, answer, reported) "
                       "VALUES (?,?,?,?,?,?,0,0,0,0,0,'',0)",
                       (id[0], endpoint, rank(letter.level), now_ms, now_ms, deadline_ms))
        return True

    def note_lines(self, key: str, lines: Iterable[tuple[str, int, str]]) -> None:
        """(alert, seq, reason) of every alert a letter tells of, those it only counts included."""
        db = self.ledger.db
        id = db.execute("SELECT id FROM letters WHERE key=?", (key,)).fetchone()[0]
        db.executemany("INSERT OR IGNORE INTO lines VALUES (?,?,?,?)",
                       [(alert, id, seq, reason) for alert, seq, reason in lines])

    def lines(self, key: str) -> list[tuple[str, int]]:
        """(alert, seq) of every alert a letter tells of."""
        return [(r[0], r[1]) for r in self.ledger.all(
            "SELECT n.alert, n.seq FROM letters l JOIN lines n ON n.letter=l.id WHERE l.key=?",
            (key,))]

    # ------------------------------------------------------------------------------------- sending

    def claim(self, endpoint: str, now_ms: int, lease_ms: int) -> Row | None:
        """The weightiest letter that is due, marked as being sent."""
        with self.ledger.transaction():
            return self._claim(endpoint, now_ms, lease_ms)

    def finish(self, row: Row, result: Result, now_ms: int, *, acts: Sequence[Act] = (),
               claim: bool = False, lease_ms: int = 0) -> Row | None:
        """Write down what became of an attempt and, in the same transaction, claim the next."""
        db = self.ledger.db
        with self.ledger.transaction():
            done = now_ms if result.state in (DELIVERED, DEAD) else 0
            db.execute("UPDATE outbox SET state=?, due_ms=?, lease_ms=0, done_ms=?, code=?, "
                       "answer=? WHERE id=? AND state=1",
                       (result.state, result.due_ms, done, result.code,
                        result.answer[:ANSWER_MAX], row.id))
            for n, act in enumerate(acts):
                db.execute("INSERT OR IGNORE INTO answers (name, receiver, at_ms, body) "
                           "VALUES (?,?,?,?)", (f"{row.letter.key}:{row.endpoint}:{n}",
                                                row.letter.receiver, now_ms, _PACK(act)))
            return self._claim(row.endpoint, now_ms, lease_ms) if claim else None

    def next_due(self, endpoint: str) -> int:
        """When the next letter of an endpoint is due; 0 = none is waiting."""
        found = [r[0] for rank_ in range(4) if (r := self.ledger.one(
            "SELECT min(due_ms) FROM outbox WHERE endpoint=? AND rank=? AND state=0",
            (endpoint, rank_))) and r[0] is not None]
        return max(min(found), 1) if found else 0

    # -------------------------------------------------------------------------------------- asking

    def undelivered(self, most: int) -> list[tuple[int, str, Letter]]:
        """(row, endpoint, letter) that nobody has been told of yet: given up."""
        return [(r[0], r[1], _LETTER(r[2])) for r in self.ledger.all(
            "SELECT o.id, o.endpoint, l.body FROM outbox o JOIN letters l ON l.id=o.letter "
            "WHERE o.state=3 AND o.reported=0 LIMIT ?", (most,))]

    def report(self, rows: Iterable[tuple[int, bool]]) -> None:
        """Note, within the caller's transaction, that dead rows were told to the centre, or that
        there was nobody to tell."""
        self.ledger.db.executemany("UPDATE outbox SET reported=? WHERE id=?",
                                   [(1 if told else 2, r) for r, told in rows])

    def seen(self, endpoint: str, receiver: str, failing_since_ms: int, ok_ms: int, code: int,
             answer: str) -> None:
        """How an endpoint does; written when that changes."""
        with self.ledger.transaction():
            self.ledger.db.execute("INSERT OR REPLACE INTO endpoints VALUES (?,?,?,?,?,?)",
                                   (endpoint, receiver, failing_since_ms, ok_ms, code,
                                    answer[:ANSWER_MAX]))

    def failing_since(self, endpoint: str) -> int:
        row = self.ledger.one("SELECT failing_since_ms FROM endpoints WHERE endpoint=?",
                              (endpoint,))
        return int(row[0]) if row else 0

    def dead(self, now_ms: int, after_ms: int) -> list[DeadReceiver]:
        """Endpoints that have failed for so long."""
        return [DeadReceiver(r[0], r[1], r[2], self._waiting(r[0]), r[3], r[4])
                for r in self.ledger.all(
                    "SELECT endpoint, receiver, failing_since_ms, code, answer FROM endpoints "
                    "WHERE failing_since_ms>0 AND failing_since_ms<=? ORDER BY endpoint",
                    (now_ms - after_ms,))]

    def answers(self, after: int, most: int) -> list[tuple[int, str, str, int, Act]]:
        """(number, name, receiver, moment, act) of what receivers answered, oldest first."""
        return [(r[0], r[1], r[2], r[3], msgspec.msgpack.decode(r[4], type=Act))
                for r in self.ledger.all("SELECT id, name, receiver, at_ms, body FROM answers "
                                         "WHERE id>? ORDER BY id LIMIT ?", (after, most))]

    def deliveries(self, alert: str) -> list[dict[str, object]]:
        """Who was told of an alert: when, why, on which channel, with what answer."""
        return self._told("n.alert=? ORDER BY l.at_ms, o.id", (alert,))

    def latest(self, most: int) -> list[dict[str, object]]:
        """The last messages, newest first, whichever alerts they told of."""
        return self._told("o.id IN (SELECT id FROM outbox ORDER BY id DESC LIMIT ?) "
                          "ORDER BY o.id DESC, n.alert", (most,))

    def _told(self, where: str, values: Sequence[object]) -> list[dict[str, object]]:
        return [dict(zip(("alert", "receiver", "endpoint", "at_ms", "reason", "state", "attempts",
                          "done_ms", "code", "answer", "key"),
                         (*r[:5], STATES[r[5]], *r[6:]), strict=True))
                for r in self.ledger.all(
                    "SELECT n.alert, l.receiver, o.endpoint, l.at_ms, n.reason, o.state, "
                    "o.attempts, o.done_ms, o.code, o.answer, l.key FROM lines n JOIN letters l "
                    f"ON l.id=n.letter JOIN outbox o ON o.letter=l.id WHERE {where}", values)]

    def counts(self) -> dict[str, int]:
        """Rows by state."""
        found = {name: self._count(n) for n, name in enumerate(STATES) if n != DELIVERED}
        total = self.ledger.one("SELECT count(*) FROM outbox")
        found["delivered"] = (total[0] if total else 0) - sum(found.values())
        return found

    def on_their_way(self) -> dict[str, tuple[int, int]]:
        """Endpoint -> messages that are neither delivered nor given up, and when the oldest of
        them was written."""
        found: dict[str, tuple[int, int]] = {}
        for state in (WAITING, SENDING):
            for endpoint, count, oldest in self.ledger.all(
                    "SELECT endpoint, count(*), min(created_ms) FROM outbox "
                    f"WHERE state={state:d} GROUP BY endpoint"):
                n, at = found.get(endpoint, (0, oldest))
                found[endpoint] = n + count, min(at, oldest)
        return found

    def given_up(self) -> int:
        """Rows that were given up."""
        return self._count(DEAD)

    def waiting(self) -> int:
        """Rows that are neither delivered nor given up."""
        return self._count(WAITING) + self._count(SENDING)

    def _count(self, state: int) -> int:
        # Written out, so that the partial indices serve.
        row = self.ledger.one(f"SELECT count(*) FROM outbox WHERE state={state:d}")
        return int(row[0]) if row else 0

    def _waiting(self, endpoint: str) -> int:
        row = self.ledger.one("SELECT count(*) FROM outbox WHERE endpoint=? AND state=0",
                              (endpoint,))
        return int(row[0]) if row else 0

    def _claim(self, endpoint: str, now_ms: int, lease_ms: int) -> Row | None:
        db = self.ledger.db
        for rank_ in (3, 2, 1, 0):
            row = db.execute(
                "SELECT o.id, o.attempts, o.deadline_ms, l.body FROM outbox o JOIN letters l "
                "ON l.id=o.letter WHERE o.endpoint=? AND o.rank=? AND o.state=0 AND o.due_ms<=? "
                "ORDER BY o.due_ms, o.id LIMIT 1", (endpoint, rank_, now_ms)).fetchone()
            if row is not None:
                db.execute("UPDATE outbox SET state=?, attempts=attempts+1, lease_ms=? WHERE id=?",
                           (SENDING, lease_ms, row[0]))
                return Row(row[0], endpoint, row[1] + 1, row[2], _LETTER(row[3]))
        return None


__all__ = ["DEAD", "DELIVERED", "SENDING", "WAITING", "Act", "DeadReceiver", "Outbox", "Result",
           "Row"]
