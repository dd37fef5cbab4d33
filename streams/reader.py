"""Read queries on a store's view, as the rows the outside sees."""

from __future__ import annotations

import heapq
import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any, TypeAlias

import msgspec

from config.districts import district_names
from models import events as e
from models.policy import Policy, decode
from storage import sqlite_draws, tallies
from storage.effects import AlertChanged, DrawnChanged, DrawPooled, Reason, ReviewChanged
from storage.sqlite_store import SqliteStore
from storage.tallies import Lane
from streams import codec, rows
from streams.rows import Row
from streams.view import GRADES, District, Hour, by_district, count_open, group_open

_ALERT = msgspec.msgpack.Decoder(AlertChanged).decode
_REVIEW = msgspec.msgpack.Decoder(ReviewChanged).decode
_REASON = msgspec.msgpack.Decoder(Reason).decode
Variants: TypeAlias = Callable[[Sequence[AlertChanged]], list[list[int | None]]]
_ALERTS = """
SELECT a.body, a.seq, ifnull(s.name, ''), a.opened FROM alerts a
LEFT JOIN subjects s ON s.subject = a.subject WHERE a.opened < ?"""
_GROUP = " AND a.rule = ? AND a.level = ? AND a.state = ?"
_END = 2**63 - 1
_NEWEST = " ORDER BY a.opened DESC LIMIT ?"

_FIRST = (-_END, "")
"""Before every review: they are ordered by `newest`, their opening [ms] negated, then by id."""
_BOARD = "FROM board WHERE a=? AND b=? AND lane=? AND at>? AND at<?"
STORY_MAX = 200
"""Transitions of one alert that are shown."""

_POLICIES = """
SELECT offset FROM log WHERE subjects = zeroblob(8) AND length(body) > 2000 ORDER BY offset DESC"""


def policy_of(store: SqliteStore) -> Policy | None:
    """The policy a store's log ends with. It stands in an envelope of its own, as others of no
    subject do."""
    for (offset,) in store.query(_POLICIES):
        [(body,)] = store.query("SELECT body FROM log WHERE offset=?", (offset,))
        for entry in codec.decode_envelope(body):
            if isinstance(entry.event, e.PolicyChanged):
                return decode(entry.event.document)
    return None


class Reader:
    """Queries of one store, from any thread.

    Parameters
    ----------
    store
        A connection of its own where there is a file, so that reading never waits for writing.
    policy
        The policy in force: names of items, civil days.
    lock
        Held around each query.
    variants
        Gives the particulars (`records` variant) of each fact in evidence of each alert, where
        somebody knows them: texts then say more. Called once a page.
    """

    def __init__(self, store: SqliteStore, policy: Policy,
                 lock: AbstractContextManager[Any] | None = None,
                 variants: Variants | None = None) -> None:
        self.store = store
        self.items = rows.catalogue(policy, district_names())
        self._calendar = policy.calendar.working_days()
        self.offset_ms = policy.utc_offset_min * 60_000
        self._lock = lock if lock is not None else threading.Lock()
        self._variants = variants or (lambda alerts: [[] for _ in alerts])

    def query(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Rows of a read-only statement."""
        with self._lock:
            return self.store.query(sql, values)

    # ------------------------------------------------------------------------------------ alerts

    def alerts(self, *, rule: str | None = None, state: str | None = None,
               level: str | None = None, subject: str | None = None, limit: int = 50,
               before: str | None = None) -> list[Row]:
        """Alerts, the newest opening first; `before` = the last `id` of the page before."""
        below = _END
        if before is not None:
            opened = self.query("SELECT opened FROM alerts WHERE id=?", (before,))
            if not opened:
                return []
            below = opened[0][0]
        given = (rule, level, state)
        if subject is not None:
            sql, values = _ALERTS + " AND a.subject = ?", [below, subject]
            for column, value in zip(("rule", "level", "state"), given, strict=True):
                if value is not None:
                    sql += f" AND a.{column} = ?"
                    values.append(value)
            found = self.query(sql + _NEWEST, (*values, limit))
        elif given == (None, None, None):
            found = self.query(_ALERTS + _NEWEST, (below, limit))
        else:
            # Rule, level and state together have an index: some lists, each in order, are one.
            found = heapq.nlargest(limit, (row for group in self._groups(given) for row in
                                           self.query(_ALERTS + _GROUP + _NEWEST,
                                                      (below, *group, limit))),
                                   key=lambda row: row[3])
        return self._rows([(_ALERT(body), seq, name) for body, seq, name, _ in found])

    def _groups(self, given: tuple[str | None, ...]) -> list[tuple[str, ...]]:
        """(rule, level, state) of which there are alerts, with the given ones at their places."""
        held = self.query("SELECT a, b, c FROM counts WHERE kind='alerts' AND n > 0")
        return [group for group in held if all(
            want in (None, is_) for want, is_ in zip(given, group, strict=True))]

    def alert(self, alert_id: str) -> Row | None:
        found = self.query(
            "SELECT a.body, a.seq, ifnull(s.name, '') FROM alerts a LEFT JOIN subjects s "
            "ON s.subject = a.subject WHERE a.id=?", (alert_id,))
        return next(iter(self._rows([(_ALERT(body), seq, name) for body, seq, name in found])),
                    None)

    def transitions_of(self, alert_id: str) -> tuple[list[Row], bool]:
        """What happened to an alert, oldest first; the last `STORY_MAX` of it."""
        found = self.query("SELECT body, seq FROM transitions WHERE alert=? ORDER BY seq DESC "
                           "LIMIT ?", (alert_id, STORY_MAX + 1))
        told = [rows.transition_row(_ALERT(body), seq) for body, seq in found[STORY_MAX - 1 :: -1]]
        return told, len(found) <= STORY_MAX

    def changes(self, after_seq: int, limit: int) -> list[Row]:
        """Transitions with `seq` above `after_seq`, oldest first."""
        found = self.query("SELECT body, seq FROM transitions WHERE seq > ? ORDER BY seq LIMIT ?",
                           (after_seq, limit))
        named: dict[str, str] = {}
        told = []
        for body, seq in found:
            effect = _ALERT(body)
            if effect.subject not in named:
                named[effect.subject] = self._name(effect.subject)
            told.append((effect, seq, named[effect.subject]))
        return self._rows(told)

    def last_seq(self) -> int:
        return self.query("SELECT max(seq) FROM transitions")[0][0] or 0

    def _rows(self, told: Sequence[tuple[AlertChanged, int, str]]) -> list[Row]:
        """Rows of (alert, seq, name of its subject)."""
        variants = self._variants([effect for effect, _, _ in told])
        return [rows.alert_row(effect, seq, name, self.items, self.offset_ms, known)
                for (effect, seq, name), known in zip(told, variants, strict=True)]

    def _name(self, subject: str) -> str:
        found = self.query("SELECT name FROM subjects WHERE subject=?", (subject,))
        return str(found[0][0]) if found else ""

    # ----------------------------------------------------------------------------------- reviews

    def reviews(self, *, state: str | None = None, limit: int = 50,
                before: str | None = None) -> list[Row]:
        """Reviews, the newest opening first; `before` = the last `id` of the page before."""
        within, values = ("", []) if state is None else (" AND open=?", [int(state == "open")])
        after: tuple[int, str] = _FIRST
        if before is not None:
            # Whatever its state is by now: it may have ended since that page was read.
            found = self.query("SELECT newest, id FROM reviews WHERE id=?", (before,))
            if not found:
                return []
            after = found[0]
        return [self._review(body) for (body,) in self.query(
            f"SELECT body FROM reviews WHERE (newest, id) > (?, ?){within} "
            "ORDER BY newest, id LIMIT ?", (*after, *values, limit))]

    def review(self, review_id: str) -> Row | None:
        found = self.query("SELECT body FROM reviews WHERE id=?", (review_id,))
        return self._review(found[0][0]) if found else None

    def _review(self, body: bytes) -> Row:
        effect = _REVIEW(body)
        reasons = {(department, time_ms): reason for department, time_ms, reason in self.query(
            "SELECT department, time_ms, reason FROM answers WHERE review=?", (effect.id,))}
        return rows.review_row(effect, self._name(effect.subject), reasons)

    def board(self, lane: Lane, a: str, b: str, first: str, last: str, limit: int) -> list[Row]:
        found = self.query(f"SELECT at {_BOARD} ORDER BY at LIMIT ?",
                           (a, b, lane, first, last, limit))
        return [row for (at,) in found if (row := self.review(tallies.review_of(at)))]

    def board_size(self, lane: Lane, a: str, b: str, first: str, last: str) -> int:
        return int(self.query(f"SELECT count(*) {_BOARD}", (a, b, lane, first, last))[0][0])

    def tallies(self) -> dict[str, int]:
        return dict(self.query("SELECT name, count FROM tallies"))

    def clock_ms(self) -> int:
        found = self.query("SELECT recorded_ms FROM log ORDER BY offset DESC LIMIT 1")
        return int(found[0][0]) if found else 0

    def workday(self, day: int, n: int) -> int:
        return self._calendar.add(day, n)

    # ------------------------------------------------------------------------------------- draws

    def pools(self, draw: str) -> list[DrawPooled]:
        return sqlite_draws.pools(self.query, draw)

    def draw_ids(self, limit: int, before: str | None = None) -> list[str]:
        return sqlite_draws.ids(self.query, limit, before)

    def drawn(self, key: str) -> list[DrawnChanged]:
        return sqlite_draws.drawn(self.query, key)

    def shards(self) -> int:
        return 1

    # ---------------------------------------------------------------------------------- subjects

    def subjects(self, *, q: str = "", district: str = "", grade: str = "", kind: str = "",
                 limit: int = 50, after: str = "") -> list[Row]:
        """Subjects in code order; `after` = the last `subject` of the page before."""
        names = ("subject", "name", "kind", "district", "industry", "public_grade",
                 "lowest_grade", "gap", "open_alerts")
        sql, values = f"SELECT {', '.join(names)} FROM subjects WHERE subject > ?", [after]
        if q:
            like = "%" + q.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"
            sql += " AND (name LIKE ? ESCAPE '\\' OR subject LIKE ? ESCAPE '\\')"
            values += [like, like]
        for column, value in (("district", district), ("public_grade", grade), ("kind", kind)):
            if value:
                sql += f" AND {column} = ?"
                values.append(value)
        found = self.query(sql + " ORDER BY subject LIMIT ?", (*values, limit))
        return [dict(zip(names, row, strict=True)) for row in found]

    def rejects(self, *, limit: int = 50, before: int | None = None) -> list[Row]:
        """Dead letters, newest first; `before` = the last `seq` of the page before."""
        found = self.query(
            "SELECT seq, received_ms, origin, source, id, type, subject, reason, raw FROM rejects "
            "WHERE seq < ? ORDER BY seq DESC LIMIT ?",
            (before if before is not None else 2**63 - 1, limit))
        return [{"seq": seq, **rows.reject_row(at, origin, source, id, type_, subject,
                                               _REASON(reason), raw)}
                for seq, at, origin, source, id, type_, subject, reason, raw in found]

    # ----------------------------------------------------------------------------------- numbers

    def open_alerts(self) -> tuple[dict[str, int], dict[str, int]]:
        """Open alerts by level and by rule."""
        return count_open(self.query("SELECT a, b, c, n FROM counts WHERE kind='alerts'"))

    def open_groups(self) -> list[tuple[str, str, int]]:
        """(rule, level, open alerts)."""
        return group_open(self.query("SELECT a, b, c, n FROM counts WHERE kind='alerts'"))

    def grades(self) -> dict[str, int]:
        """Subjects by public grade."""
        out = dict.fromkeys(GRADES, 0)
        for grade, n in self.query("SELECT b, sum(n) FROM counts WHERE kind='subjects' GROUP BY b"):
            out[grade] += n
        return out

    def districts(self) -> dict[str, District]:
        """Businesses by grade and open alerts by level, of each district."""
        return by_district(
            self.query("SELECT a, b, n FROM counts WHERE kind='subjects'"),
            self.query("SELECT a, b, n FROM counts WHERE kind='open'"))

    def hours(self, first: int) -> list[Hour]:
        """What happened in each hour from `first` on."""
        return [Hour(*row) for row in self.query(
            "SELECT hour, what, a, b, n FROM hours WHERE hour >= ? AND n <> 0", (first,))]

    def feeds(self) -> list[tuple[str, int, int]]:
        """(source, hour since 1970, events), the latest hours of each source that sent any."""
        return [(source, hour, n) for source, hour, n in self.query(
            "SELECT source, hour, n FROM feeds WHERE source <> '' ORDER BY source, hour")]

    def utc_offset_ms(self) -> int:
        return self.offset_ms

    def reviews_open(self) -> int:
        return int(self.query("SELECT count(*) FROM reviews WHERE open=1")[0][0])

    def rejected(self) -> int:
        """Dead letters ever written."""
        return int(self.query("SELECT ifnull(max(seq), 0) FROM rejects")[0][0])

    def models(self) -> Row | None:
        """The last report of the analysis; None before the first."""
        found = self.query("SELECT value FROM meta WHERE key='models'")
        return msgspec.json.decode(found[0][0]) if found else None
