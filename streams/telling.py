"""The embedded feed of the dispatcher: what is new in the view of a store, as notices."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from alerts.notice import Notice
from dispatch.dispatcher import Dispatcher
from dispatch.notices import UNKNOWN, Profile, of_alert, of_review
from storage.effects import AlertChanged, ReviewChanged
from storage.sqlite_store import SqliteStore

ALERTS, REVIEWS = "alerts", "reviews"
"""Sources, by which the ledger keeps its marks."""
BATCH = 20
"""Transitions taken in at once: answers that come meanwhile wait for the ledger, and are lost with
the process."""
LOOK_S = 0.05
_ALERT = msgspec.msgpack.Decoder(AlertChanged).decode
_REVIEW = msgspec.msgpack.Decoder(ReviewChanged).decode
_OF = "LEFT JOIN subjects s ON s.subject="
_PROFILE = "ifnull(s.name, ''), ifnull(s.kind, ''), ifnull(s.district, '')"


class Told:
    """A store's alerts and reviews as notices. One thread at a time.

    Parameters
    ----------
    offset_ms
        What civil days are off UTC.
    """

    def __init__(self, folder: Path, offset_ms: int) -> None:
        self._store = SqliteStore(folder, write=False)
        self._offset_ms = offset_ms

    def close(self) -> None:
        self._store.close()

    def last(self) -> int:
        """Number of the newest transition of an alert or a review."""
        return int(self._store.query(
            "SELECT max(ifnull((SELECT max(seq) FROM transitions), 0), "
            "ifnull((SELECT max(seq) FROM reviews), 0))")[0][0])

    def since(self, source: str, seq: int, most: int) -> list[Notice]:
        """Transitions from a number on, oldest first. Of a review only the last one is kept."""
        if source == ALERTS:
            return self._alerts(
                f"SELECT t.body, t.seq, {_PROFILE} FROM transitions t JOIN alerts a ON a.id=t.alert"
                f" {_OF}a.subject WHERE t.seq>=? ORDER BY t.seq LIMIT ?", (seq, most))
        return self._reviews(
            f"SELECT r.body, r.seq, {_PROFILE} FROM reviews r {_OF}r.subject WHERE r.seq>=? "
            "ORDER BY r.seq LIMIT ?", (seq, most))

    def standing(self, source: str) -> list[Notice]:
        """Alerts that are firing or acknowledged, or reviews that are open."""
        if source == ALERTS:
            return self._alerts(
                f"SELECT a.body, a.seq, {_PROFILE} FROM alerts a {_OF}a.subject "
                "WHERE a.state IN ('firing', 'acknowledged') ORDER BY a.seq", ())
        return self._reviews(f"SELECT r.body, r.seq, {_PROFILE} FROM reviews r {_OF}r.subject "
                             "WHERE r.open=1 ORDER BY r.seq", ())

    def alert(self, id: str) -> Notice | None:
        found = self._alerts(f"SELECT a.body, a.seq, {_PROFILE} FROM alerts a {_OF}a.subject "
                             "WHERE a.id=?", (id,))
        return found[0] if found else None

    def _alerts(self, sql: str, values: tuple[Any, ...]) -> list[Notice]:
        return [of_alert(_ALERT(body), seq, _profile(profile))
                for body, seq, *profile in self._store.query(sql, values)]

    def _reviews(self, sql: str, values: tuple[Any, ...]) -> list[Notice]:
        return [of_review(_REVIEW(body), seq, self._offset_ms, _profile(profile))
                for body, seq, *profile in self._store.query(sql, values)]


def _profile(row: list[str]) -> Profile:
    return Profile(*row) if any(row) else UNKNOWN


def begin(told: Told, dispatcher: Dispatcher) -> None:
    """The first time over a store: what stands there is known already, and told to nobody anew."""
    last = told.last()
    for source in (ALERTS, REVIEWS):
        if not dispatcher.mark(source):
            standing = [n for n in told.standing(source) if n.seq <= last]
            dispatcher.adopt(standing, upto=last + 1, source=source)


def turn(told: Told, dispatcher: Dispatcher) -> int:
    """Take in what is new; how many transitions there were."""
    taken = 0
    for source in (ALERTS, REVIEWS):
        fresh = told.since(source, dispatcher.mark(source), BATCH)
        if fresh:
            dispatcher.submit(fresh, upto=fresh[-1].seq + 1, source=source)
            taken += len(fresh)
    return taken


def run(told: Told, dispatcher: Dispatcher, stop: threading.Event) -> None:
    """Take in what is new, until told to stop."""
    while not stop.is_set():
        if not turn(told, dispatcher):
            stop.wait(LOOK_S)


def firing(folder: Path, offset_ms: int) -> Iterator[Notice]:
    """Alerts that are firing, by a connection of its own."""
    told = Told(folder, offset_ms)
    try:
        yield from (n for n in told.standing(ALERTS) if n.state == "firing")
    finally:
        told.close()
