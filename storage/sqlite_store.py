"""The embedded store: log, effects, view and checkpoint in one SQLite file (WAL).

One envelope is one transaction: its log record, the rejects of its intake, and all its effects.
After a crash either all of it is there or nothing. State is the fold of the log; a checkpoint only
saves folding it again from the start.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
import xxhash

from storage import sqlite_counts, sqlite_draws, sqlite_reviews
from storage.effects import Effect, Reason, Rejected
from storage.rows import rows_of
from storage.sqlite_schema import SCHEMA
from storage.view import Placed

SCHEMA_VERSION = 6
_PACK = msgspec.msgpack.Encoder().encode
_REASON = msgspec.msgpack.Decoder(Reason).decode


class StoreError(Exception):
    """The store cannot be used: one line, for people."""


class Dead(NamedTuple):
    """A dead letter from intake, before the log."""

    received_ms: int
    origin: str
    reason: Any
    raw: bytes
    source: str = ""
    id: str = ""
    type: str = ""
    subject: str = ""


class SqliteStore:
    """One store folder (None = in memory only); `write=True` locks a second writer out.

    Raises
    ------
    StoreError: the folder is missing, locked by another process, or of another version.
    """

    def __init__(self, folder: Path | None, *, write: bool) -> None:
        self.folder = folder
        self._lock = None
        self._within = False
        """Whether a transaction is open."""
        if folder is None:
            self._db = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
            self._create()
            return
        path = folder / "xinfeng.db"
        if write:
            folder.mkdir(parents=True, exist_ok=True)
        elif not path.exists():
            raise StoreError(f"--store {folder}: holds no xinfeng.db; start with process or run")
        if write:
            self._lock = (folder / "lock").open("w")
            try:
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise StoreError(f"--store {folder}: another process is writing to it") from None
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._db.execute("PRAGMA busy_timeout=10000")
        if write:
            self._db.execute("PRAGMA journal_mode=WAL")
            # Acknowledged means durable, also over a loss of power.
            self._db.execute("PRAGMA synchronous=FULL")
            self._db.execute("PRAGMA wal_autocheckpoint=4000")
        # Looked at before anything is made: a store of another schema stays as it is.
        schema = self._schema()
        if schema is None and write:
            self._create()
        elif schema != SCHEMA_VERSION:
            self.close()
            raise StoreError(f"--store {folder}: has schema {schema}, this program reads "
                             f"{SCHEMA_VERSION}; use the xinfeng that wrote it, or process its "
                             "events into a new store")

    def _schema(self) -> int | None:
        """Schema of what is there already; None = nothing is."""
        if not self._db.execute("SELECT 1 FROM sqlite_master WHERE name='meta'").fetchone():
            return None
        row = self._db.execute("SELECT value FROM meta WHERE key='schema'").fetchone()
        return int(row[0]) if row else None

    def _create(self) -> None:
        self._db.executescript(SCHEMA)
        self._db.execute("INSERT OR IGNORE INTO meta VALUES ('schema', ?)", (SCHEMA_VERSION,))

    def close(self) -> None:
        self._db.close()
        if self._lock is not None:
            self._lock.close()

    # --------------------------------------------------------------------------------- writing

    @contextmanager
    def together(self) -> Iterator[None]:
        """What is written in the block is durable when it ends, or none of it is there."""
        if self._within:
            yield
            return
        self._db.execute("BEGIN IMMEDIATE")
        self._within = True
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        finally:
            self._within = False

    def commit(self, offset: int, recorded_ms: int, subjects: Sequence[str], envelope: bytes,
               effects: Sequence[Effect], raws: Mapping[int, bytes], dead: Sequence[Dead]) -> None:
        """Write one envelope and all that follows from it, or nothing.

        `subjects` has one entry per event of the envelope, "" for those of no subject; `raws` the
        bytes with which a refused one goes to the dead letters, by position.
        An empty envelope writes only `dead`.
        """
        db = self._db
        with self.together():
            if subjects:
                hashes = np.array([subject_hash(s) for s in subjects], "<u8").tobytes()
                db.execute("INSERT INTO log VALUES (?,?,?,?)",
                           (offset, recorded_ms, hashes, envelope))
                self._apply(offset, effects, raws)
            if dead:
                tally = sqlite_counts.Tally(db)
                tally.dead(d.received_ms for d in dead)
                tally.write()
                db.executemany(_REJECT, [
                    (d.received_ms, d.origin, d.source, d.id, d.type, d.subject, _PACK(d.reason),
                     d.raw) for d in dead])

    def _apply(self, offset: int, effects: Sequence[Effect], raws: Mapping[int, bytes]) -> None:
        rows = rows_of(
            Placed(offset, n, x, raws.get(x.position, b"") if isinstance(x, Rejected) else b"")
            for n, x in enumerate(effects))
        db = self._db
        tally = sqlite_counts.Tally(db)
        tally.subjects(rows)
        tally.alerts(rows.alerts)
        tally.taken(rows.taken)
        tally.dead(x.recorded_ms for _, x, _ in rows.rejects)
        tally.write()
        if rows.reviews:
            sqlite_reviews.put_reviews(db, rows.reviews)
        if rows.pairs:
            sqlite_reviews.put_pairs(db, rows.pairs)
        if rows.answers:
            db.executemany("INSERT OR REPLACE INTO answers VALUES (?,?,?,?)", [
                (x.review, x.department, x.time_ms, x.reason) for x in rows.answers])
        if rows.pools or rows.drawn:
            sqlite_draws.put(db, rows.pools, rows.drawn)
        if rows.rejects:
            db.executemany(_REJECT, [
                (x.recorded_ms, "log", x.source, x.id, x.type, x.subject, _PACK(x.reason), raw)
                for _, x, raw in rows.rejects])

    def save_checkpoint(self, offset: int, parts: Iterable[bytes]) -> None:
        """Replace the checkpoint, in one transaction, stamped with the offset it has applied."""
        db = self._db
        with self.together():
            db.execute("DELETE FROM checkpoint")
            for n, part in enumerate(parts):
                db.execute("INSERT INTO checkpoint VALUES (?,?)", (n, part))
            db.execute("INSERT OR REPLACE INTO meta VALUES ('checkpoint', ?)", (offset,))

    def put_meta(self, key: str, value: bytes) -> None:
        self._db.execute("INSERT OR REPLACE INTO meta VALUES (?,?)", (key, value))

    # --------------------------------------------------------------------------------- reading

    def meta(self, key: str) -> Any:
        row = self._db.execute("SELECT value FROM meta WHERE key=?", (key,)).fetchone()
        return row[0] if row else None

    def last_offset(self) -> int:
        row = self._db.execute("SELECT max(offset) FROM log").fetchone()
        return row[0] or 0

    def read(self, after: int) -> Iterator[tuple[int, bytes]]:
        """(offset, envelope) of the log after an offset, in order."""
        yield from self._db.cursor().execute(
            "SELECT offset, body FROM log WHERE offset > ? ORDER BY offset", (after,))

    def load_checkpoint(self) -> tuple[int, Iterator[bytes]]:
        """The offset a checkpoint has applied (0 = there is none), and its parts in order."""
        rows = self._db.cursor().execute("SELECT body FROM checkpoint ORDER BY part")
        return self.meta("checkpoint") or 0, (row[0] for row in rows)

    def clock_ms(self) -> int:
        """When the last envelope was recorded [epoch ms]; 0 = there is none."""
        row = self._db.execute(
            "SELECT recorded_ms FROM log ORDER BY offset DESC LIMIT 1").fetchone()
        return row[0] if row else 0

    def refusals(self, subject: str) -> Iterator[tuple[int, str, str, Reason]]:
        """(when [epoch ms], source, id, why) of the subject's events that the step refused."""
        for ms, source, id, reason in self._db.execute(
                "SELECT received_ms, source, id, reason FROM rejects WHERE origin='log' AND "
                "subject=? ORDER BY seq", (subject,)):
            yield ms, source, id, _REASON(reason)

    def find(self, subject: str) -> Iterator[tuple[int, bytes, set[int]]]:
        """(offset, envelope, positions) of the events of one subject and of those of none.

        A scan over 8 bytes an event; no index is kept for it, so that writing stays sequential.
        """
        want = (subject_hash(subject), subject_hash(""))
        cursor = self._db.cursor()
        found = []
        for offset, hashes in cursor.execute("SELECT offset, subjects FROM log ORDER BY offset"):
            array = np.frombuffer(hashes, "<u8")
            at = np.flatnonzero((array == want[0]) | (array == want[1]))
            if len(at):
                found.append((offset, set(at.tolist())))
        for offset, positions in found:
            body = self._db.execute("SELECT body FROM log WHERE offset=?", (offset,)).fetchone()[0]
            yield offset, body, positions

    def query(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Rows of a read-only statement on the view tables."""
        return self._db.execute(sql, values).fetchall()


_REJECT = ("INSERT INTO rejects (received_ms, origin, source, id, type, subject, reason, raw) "
           "VALUES (?,?,?,?,?,?,?,?)")


def subject_hash(subject: str) -> int:
    """How the log's index names a subject; 0 = the events of no subject (ticks, policies)."""
    return xxhash.xxh3_64_intdigest(subject.encode()) | 1 if subject else 0


def secret(folder: Path) -> bytes:
    """Key of the complainants' hash: from the environment, else made once and kept beside the log.

    The file is for its owner only. Without it old hashes can no longer be matched, nothing else.
    """
    given = os.environ.get("XINFENG_PSEUDONYM_KEY")
    if given:
        return given.encode()
    path = folder / "pseudonym.key"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
        path.write_bytes(os.urandom(32))
    return path.read_bytes()
