"""The delivery ledger: who is to be told what, who was, when, on which channel, with what answer.

One SQLite file (WAL) of the dispatcher's own. A batch of transitions and all that follows from it
is one transaction, with the mark of the log up to which it was read: after a crash either all of it
is there or the log is read again. One process holds the file; any of its threads may call.
"""

from __future__ import annotations

import fcntl
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from alerts.escalation import Course
from alerts.notice import Notice
from alerts.notify import Told

SCHEMA_VERSION = 1
_SCHEMA = """
CREATE TABLE IF NOT EXISTS marks (source TEXT PRIMARY KEY, upto INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS alerts (
    id TEXT PRIMARY KEY, seq INTEGER NOT NULL, state TEXT NOT NULL, subject TEXT NOT NULL,
    updated_ms INTEGER NOT NULL, next_ms INTEGER NOT NULL, course BLOB, body BLOB NOT NULL)
    WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS alerts_next ON alerts (next_ms) WHERE next_ms > 0;
CREATE TABLE IF NOT EXISTS pairs (
    receiver TEXT NOT NULL, alert TEXT NOT NULL, grp TEXT NOT NULL, again_ms INTEGER NOT NULL,
    done INTEGER NOT NULL, reason TEXT NOT NULL, wants TEXT NOT NULL, by TEXT NOT NULL,
    key TEXT NOT NULL, told BLOB NOT NULL, PRIMARY KEY (alert, receiver)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS pairs_group ON pairs (receiver, grp) WHERE done = 0;
CREATE INDEX IF NOT EXISTS pairs_again ON pairs (again_ms) WHERE again_ms > 0;
CREATE TABLE IF NOT EXISTS letters (
    id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, receiver TEXT NOT NULL,
    at_ms INTEGER NOT NULL, level TEXT NOT NULL, reason TEXT NOT NULL, digest INTEGER NOT NULL,
    body BLOB NOT NULL);
CREATE INDEX IF NOT EXISTS letters_receiver ON letters (receiver, at_ms);
CREATE TABLE IF NOT EXISTS lines (
    alert TEXT NOT NULL, letter INTEGER NOT NULL, seq INTEGER NOT NULL, reason TEXT NOT NULL,
    PRIMARY KEY (alert, letter)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS outbox (
    id INTEGER PRIMARY KEY, letter INTEGER NOT NULL, endpoint TEXT NOT NULL, rank INTEGER NOT NULL,
    created_ms INTEGER NOT NULL, due_ms INTEGER NOT NULL, deadline_ms INTEGER NOT NULL,
    state INTEGER NOT NULL, attempts INTEGER NOT NULL, lease_ms INTEGER NOT NULL,
    done_ms INTEGER NOT NULL, code INTEGER NOT NULL, answer TEXT NOT NULL,
    reported INTEGER NOT NULL, UNIQUE (letter, endpoint));
CREATE INDEX IF NOT EXISTS outbox_due ON outbox (endpoint, rank, due_ms) WHERE state = 0;
CREATE INDEX IF NOT EXISTS outbox_open ON outbox (state, reported)
    WHERE state = 1 OR state = 3;
CREATE TABLE IF NOT EXISTS endpoints (
    endpoint TEXT PRIMARY KEY, receiver TEXT NOT NULL, failing_since_ms INTEGER NOT NULL,
    ok_ms INTEGER NOT NULL, code INTEGER NOT NULL, answer TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS answers (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, receiver TEXT NOT NULL,
    at_ms INTEGER NOT NULL, body BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS watched (
    alert TEXT PRIMARY KEY, seq INTEGER NOT NULL, firing INTEGER NOT NULL,
    updated_ms INTEGER NOT NULL, body BLOB NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS watched_firing ON watched (firing) WHERE firing = 1;
"""
WAITING, SENDING, DELIVERED, DEAD = range(4)
STATES = ("waiting", "sending", "delivered", "dead")
ANSWER_MAX = 500
"""Characters of an answer that are kept."""

_PACK = msgspec.msgpack.Encoder().encode
_NOTICE = msgspec.msgpack.Decoder(Notice).decode
_COURSE = msgspec.msgpack.Decoder(Course).decode
_TOLD = msgspec.msgpack.Decoder(Told).decode


class LedgerError(Exception):
    """The ledger cannot be used: one line, for people."""


class Held(NamedTuple):
    """An alert as the ledger knows it."""

    notice: Notice
    course: Course | None


class Pair(NamedTuple):
    """What one receiver was told of one alert, and the last decision about it."""

    receiver: str
    alert: str
    group: str
    again_ms: int
    done: bool
    reason: str
    wants: str
    by: str
    key: str
    told: Told


class Ledger:
    """The file, its lock and its tables of alerts; `dispatch.outbox` has those of delivery."""

    def __init__(self, path: Path | None, *, write: bool = True) -> None:
        """None = in memory. `write=False` reads beside the process that holds it.

        Raises
        ------
        LedgerError: another process holds it, there is none, or it is of another version.
        """
        self._lock_file = None
        self.lock = threading.RLock()
        if not write:
            if path is None or not path.exists():
                raise LedgerError(f"{path}: there is no ledger; nobody was told of anything yet")
            self.db = sqlite3.connect(f"file:{path}?mode=ro", uri=True, isolation_level=None,
                                      check_same_thread=False)
            self.db.execute("PRAGMA busy_timeout=10000")
            if not self._check(path):
                self.db.close()
                raise LedgerError(f"{path}: the ledger is being made")
            return
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._lock_file = path.with_suffix(".lock").open("w")
            try:
                fcntl.flock(self._lock_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                self._lock_file.close()
                raise LedgerError(f"{path}: another dispatcher holds it") from None
        self.db = sqlite3.connect(path or ":memory:", isolation_level=None,
                                  check_same_thread=False)
        self.db.execute("PRAGMA journal_mode=WAL")
        # A commit outlives the process; one lost with the machine is read or sent again by its key.
        self.db.execute("PRAGMA synchronous=NORMAL")
        self.db.execute("PRAGMA temp_store=MEMORY")
        self._check(path)
        self.db.executescript(_SCHEMA)
        self.db.execute(f"PRAGMA user_version={SCHEMA_VERSION}")

    def _check(self, path: Path | None) -> int:
        """Its version, 0 before it has one."""
        version: int = self.db.execute("PRAGMA user_version").fetchone()[0]
        if version not in (0, SCHEMA_VERSION):
            raise LedgerError(f"{path}: version {version}; this program reads {SCHEMA_VERSION}")
        return version

    def close(self) -> None:
        with self.lock:
            self.db.close()
        if self._lock_file is not None:
            self._lock_file.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing; one thread at a time."""
        with self.lock:
            self.db.execute("BEGIN IMMEDIATE")
            done = False
            try:
                yield
                done = True
            finally:
                self.db.execute("COMMIT" if done else "ROLLBACK")

    # ------------------------------------------------------------------------------------- reading

    def mark(self, source: str = "") -> int:
        """The next position of a log that is needed."""
        row = self.one("SELECT upto FROM marks WHERE source=?", (source,))
        return int(row[0]) if row else 0

    def held(self, alert: str) -> Held | None:
        row = self.one("SELECT body, course FROM alerts WHERE id=?", (alert,))
        return Held(_NOTICE(row[0]), _COURSE(row[1]) if row[1] else None) if row else None

    def pairs_of(self, alert: str) -> list[Pair]:
        return self._pairs("alert=?", (alert,))

    def live(self, receiver: str, group: str) -> list[Pair]:
        """Pairs of a receiver about one subject or cell that are not done with."""
        return self._pairs("receiver=? AND grp=? AND done=0", (receiver, group))

    def due_pairs(self, now_ms: int, most: int, reason: str = "") -> list[Pair]:
        """Pairs to be looked at again; with a reason those that it holds back."""
        return self._pairs("again_ms>0 AND again_ms<=? AND (?='' OR reason=?) "
                           "ORDER BY again_ms LIMIT ?", (now_ms, reason, reason, most))

    def due_alerts(self, now_ms: int, most: int) -> list[str]:
        """Alerts of which an escalation step is due."""
        return [r[0] for r in self.all(
            "SELECT id FROM alerts WHERE next_ms>0 AND next_ms<=? ORDER BY next_ms LIMIT ?",
            (now_ms, most))]

    def next_ms(self) -> int:
        """When something is due next; 0 = nothing is waiting."""
        a = self.one("SELECT min(next_ms) FROM alerts WHERE next_ms>0")
        p = self.one("SELECT min(again_ms) FROM pairs WHERE again_ms>0")
        found = [int(r[0]) for r in (a, p) if r and r[0]]
        return min(found, default=0)

    def sent_since(self, receiver: str, ms: int) -> tuple[int, int]:
        """Letters to a receiver since a moment, digests not counted, and the red ones of them."""
        row = self.one("SELECT count(*), total(level='red') FROM letters "
                       "WHERE receiver=? AND at_ms>? AND digest=0", (receiver, ms))
        return (int(row[0]), int(row[1])) if row else (0, 0)

    # ------------------------------------------------------------------------- writing, in a batch

    def move_mark(self, source: str, upto: int) -> None:
        """`set_mark` outside a batch."""
        with self.transaction():
            self.set_mark(source, upto)

    def marks(self, prefix: str) -> dict[str, int]:
        """Marks of all sources that begin so."""
        return {r[0]: int(r[1]) for r in self.all(
            "SELECT source, upto FROM marks WHERE substr(source, 1, ?)=?", (len(prefix), prefix))}

    def set_mark(self, source: str, upto: int) -> None:
        self.db.execute("INSERT OR REPLACE INTO marks VALUES (?,?)", (source, upto))

    def put_alert(self, notice: Notice, course: Course | None, next_ms: int) -> None:
        self.db.execute(
            "INSERT OR REPLACE INTO alerts VALUES (?,?,?,?,?,?,?,?)",
            (notice.id, notice.seq, notice.state, notice.subject, notice.updated_ms, next_ms,
             _PACK(course) if course else None, _PACK(notice)))

    def put_pair(self, pair: Pair) -> None:
        self.db.execute(
            "INSERT OR REPLACE INTO pairs (receiver, alert, grp, again_ms, done, reason, wants, by,"
            " key, told) VALUES (?,?,?,?,?,?,?,?,?,?)", (*pair[:-1], _PACK(pair.told)))

    def purge(self, before_ms: int) -> int:
        """Forget alerts that are over, and letters that were delivered, before a moment."""
        with self.transaction():
            self.db.execute(
                "DELETE FROM pairs WHERE alert IN (SELECT id FROM alerts WHERE updated_ms<? AND "
                "state IN ('resolved', 'closed'))", (before_ms,))
            gone = self.db.execute("DELETE FROM alerts WHERE updated_ms<? AND state IN "
                                   "('resolved', 'closed')", (before_ms,)).rowcount
            self.db.execute("DELETE FROM watched WHERE firing=0 AND updated_ms<?", (before_ms,))
            self.db.execute("DELETE FROM outbox WHERE done_ms>0 AND done_ms<? AND (state=2 OR "
                            "reported=1)", (before_ms,))
            self.db.execute("DELETE FROM letters WHERE at_ms<? AND id NOT IN "
                            "(SELECT letter FROM outbox)", (before_ms,))
            self.db.execute("DELETE FROM lines WHERE letter NOT IN (SELECT id FROM letters)")
        return gone

    # --------------------------------------------------------------------------------------- parts

    def one(self, sql: str, values: Sequence[Any] = ()) -> tuple[Any, ...] | None:
        with self.lock:
            row: tuple[Any, ...] | None = self.db.execute(sql, values).fetchone()
        return row

    def all(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        with self.lock:
            return self.db.execute(sql, values).fetchall()

    def _pairs(self, where: str, values: Sequence[Any]) -> list[Pair]:
        rows = self.all("SELECT receiver, alert, grp, again_ms, done, reason, wants, by, key, told "
                        f"FROM pairs WHERE {where}", values)
        return [Pair(r[0], r[1], r[2], r[3], bool(r[4]), r[5], r[6], r[7], r[8], _TOLD(r[9]))
                for r in rows]
