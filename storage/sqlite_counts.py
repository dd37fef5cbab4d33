"""Counts of the view in SQLite that grow with what happens: nothing is scanned to answer.

`counts` stands for the present: alerts by rule, level and state ("alerts"), open ones by district
and level ("open"), businesses by district and grade ("subjects"). `hours` says what happened in
each hour: alerts "opened" and "ended" by rule and level, the net change of each "grade", "dead"
letters. `feeds` has events by source for its latest 24 hours with events, one row each hour of the
clock. All of it is written with the effects it counts, in one transaction.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterable, Sequence

import msgspec

from alerts.lifecycle import OPEN
from storage.effects import AlertChanged
from storage.rows import HOUR_MS, HOURS_KEPT_D, Rows, SubjectRow, Taken

SCHEMA = """
CREATE TABLE IF NOT EXISTS counts (
    kind TEXT NOT NULL, a TEXT NOT NULL, b TEXT NOT NULL, c TEXT NOT NULL, n INTEGER NOT NULL,
    PRIMARY KEY (kind, a, b, c)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS hours (
    hour INTEGER NOT NULL, what TEXT NOT NULL, a TEXT NOT NULL, b TEXT NOT NULL,
    n INTEGER NOT NULL, PRIMARY KEY (hour, what, a, b)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS feeds (
    source TEXT NOT NULL, slot INTEGER NOT NULL, hour INTEGER NOT NULL, n INTEGER NOT NULL,
    PRIMARY KEY (source, slot)) WITHOUT ROWID;
"""
_PACK = msgspec.msgpack.Encoder().encode


class Tally:
    """What one transaction adds; `write` ends it."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._counts: Counter[tuple[str, str, str, str]] = Counter()
        self._hours: Counter[tuple[int, str, str, str]] = Counter()

    def subjects(self, rows: Rows) -> None:
        """Write the rows of businesses, and count them."""
        db = self._db
        for code, row in rows.subjects.items():
            self._regrade(row, self._held(code), rows.recorded_ms[code] // HOUR_MS)
        if rows.subjects:
            db.executemany("INSERT OR REPLACE INTO subjects VALUES (?,?,?,?,?,?,?,?,?)",
                           rows.subjects.values())
        for code in rows.open_alerts:
            if self._held(code) is None:
                self._counts["subjects", "", "ungraded", ""] += 1
        if rows.open_alerts:
            db.executemany(
                "INSERT INTO subjects VALUES (?,'','','','','ungraded','ungraded',0,?) "
                "ON CONFLICT (subject) DO UPDATE SET open_alerts=excluded.open_alerts",
                rows.open_alerts.items())

    def _held(self, code: str) -> tuple[str, str] | None:
        """(district, grade) of a business in the view."""
        found: tuple[str, str] | None = self._db.execute(
            "SELECT district, public_grade FROM subjects WHERE subject=?", (code,)).fetchone()
        return found

    def _regrade(self, row: SubjectRow, held: tuple[str, str] | None, hour: int) -> None:
        if held == (row.district, row.public_grade):
            return
        district, grade = held or ("", "")
        self._counts["subjects", row.district, row.public_grade, ""] += 1
        if held is not None:
            self._counts["subjects", district, grade, ""] -= 1
        if grade != row.public_grade:
            self._hours[hour, "grade", row.public_grade, ""] += 1
            if grade:
                self._hours[hour, "grade", grade, ""] -= 1
        if district != row.district:
            # It moved, and takes its open alerts along.
            for level, state in self._db.execute(
                    "SELECT level, state FROM alerts WHERE subject=?", (row.subject,)):
                if state in OPEN:
                    self._counts["open", district, level, ""] -= 1
                    self._counts["open", row.district, level, ""] += 1

    def alerts(self, told: Sequence[tuple[int, AlertChanged]]) -> None:
        """Write transitions and the alerts they leave, and count them; after `subjects`."""
        db = self._db
        made = []
        standing: dict[str, tuple[str, str, str, int]] = {}
        for seq, x in told:
            held = standing.get(x.id) or db.execute(
                "SELECT rule, level, state, opened FROM alerts WHERE id=?", (x.id,)).fetchone()
            # Of an alert that opened more than once the last opening counts.
            opened = seq if held is None or not x.was else held[3]
            standing[x.id] = x.rule, x.level, x.state, opened
            self._transition(x, held)
            made.append((seq, x, _PACK(x), opened))
        db.executemany("INSERT OR REPLACE INTO alerts VALUES (?,?,?,?,?,?,?,?)", [
            (x.id, seq, x.rule, x.level, x.state, x.subject, body, opened)
            for seq, x, body, opened in made])
        db.executemany("INSERT OR REPLACE INTO transitions VALUES (?,?,?,?,?)", [
            (seq, x.id, x.was, x.state, body) for seq, x, body, _ in made])

    def _transition(self, x: AlertChanged, held: tuple[str, str, str, int] | None) -> None:
        counts, hour = self._counts, x.updated_ms // HOUR_MS
        was_open, is_open = held is not None and held[2] in OPEN, x.state in OPEN
        counts["alerts", x.rule, x.level, x.state] += 1
        if held is not None:
            counts["alerts", held[0], held[1], held[2]] -= 1
        if was_open or is_open:
            district = (self._held(x.subject) or ("",))[0]
            if held is not None and was_open:
                counts["open", district, held[1], ""] -= 1
            if is_open:
                counts["open", district, x.level, ""] += 1
        if is_open != was_open:
            self._hours[hour, "opened" if is_open else "ended", x.rule, x.level] += 1

    def dead(self, received_ms: Iterable[int]) -> None:
        """Count dead letters."""
        for ms in received_ms:
            self._hours[ms // HOUR_MS, "dead", "", ""] += 1

    def taken(self, told: Iterable[Taken]) -> None:
        """Note what feeds sent in the hour that is over; the shard stood at it since it last
        spoke."""
        db = self._db
        for clock_ms, counts in told:
            came = db.execute("SELECT hour FROM feeds WHERE source='' AND slot=0").fetchone()
            hour = came[0] if came else clock_ms // HOUR_MS - 1
            db.executemany(
                "INSERT INTO feeds VALUES (?,?,?,?) ON CONFLICT (source, slot) DO UPDATE SET "
                "n = excluded.n + CASE hour WHEN excluded.hour THEN n ELSE 0 END, "
                "hour = excluded.hour",
                [(source, hour % 24, hour, n) for source, n in counts.items()])
            db.execute("INSERT OR REPLACE INTO feeds VALUES ('', 0, ?, 0)", (clock_ms // HOUR_MS,))

    def write(self) -> None:
        db = self._db
        db.executemany("INSERT INTO counts VALUES (?,?,?,?,?) ON CONFLICT DO UPDATE SET "
                       "n = n + excluded.n", [(*key, n) for key, n in self._counts.items() if n])
        db.executemany("INSERT INTO hours VALUES (?,?,?,?,?) ON CONFLICT DO UPDATE SET "
                       "n = n + excluded.n", [(*key, n) for key, n in self._hours.items() if n])
        # Not by dead letters: a file's are dated far ahead (`streams.batch`).
        newest = max((hour for hour, what, *_ in self._hours if what != "dead"), default=0)
        if newest:
            db.execute("DELETE FROM hours WHERE hour < ?", (newest - HOURS_KEPT_D * 24,))
