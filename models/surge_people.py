"""Reports of a city's subjects as arrays, kept up to date from day to day."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from models.surge_series import Key, Move, Peer
from models.surge_state import Cells

Ints = NDArray[np.int64]

FAR_D = 1 << 40
ANEW_D = 210
"""Days after which the arrays are made anew, without what is no longer looked at."""


class People:
    """Subjects, one number each though it may have moved; its peers are those of its last series.

    `log`: subject, day, by how much its count rose; by day. `group`: number of a subject's peers,
    -1 for one without counts. `roster`, `trade`: of a group, how many subjects were told of and the
    number of its industry.
    """

    def __init__(self, state: Cells, day: int) -> None:
        self.day = day
        self.names: list[str] = []
        self._number: dict[str, int] = {}
        self._peers: list[tuple[int, ...]] = []
        """Groups of a subject's series, the last by name first."""
        self.group: Ints = np.full(64, -1, np.int64)
        self.groups: list[Peer] = []
        self._group: dict[Key, int] = {}
        self.roster: Ints = np.zeros(64, np.int64)
        self.trade: Ints = np.zeros(64, np.int64)
        self.trades: dict[str, int] = {}
        self._log: Ints = np.zeros((3, 64), np.int64)
        self._logged = 0
        members = list(state.subjects)
        series = [state.subjects[m] for m in members]
        flat = np.frombuffer(b"".join(s.data for s in series), np.int32).reshape(-1, 2)
        one = np.array([self._settle(state, m) for m in members], np.int64)
        owner = np.repeat(one, np.array([len(s.data) // 2 for s in series], np.int64))
        self._append(np.stack((owner, flat[:, 0], np.maximum(flat[:, 1], 0))))
        for peer in state.roster:
            self._enrol(state, peer)

    @property
    def log(self) -> Ints:
        return self._log[:, :self._logged]

    def follow(self, state: Cells, moves: Iterable[Move]) -> None:
        """Take in what has changed since."""
        numbers: dict[Key, int] = {}
        rows = []
        for key, day, rise in moves:
            if len(key) == 3:
                self._enrol(state, key)
                continue
            at = numbers.get(key)
            if at is None:
                at = numbers[key] = self._settle(state, key)
            if rise:
                rows.append((at, day, rise))
        if rows:
            self._append(np.array(rows, np.int64).T)

    def _append(self, rows: Ints) -> None:
        end = self._logged + rows.shape[1]
        if end > self._log.shape[1]:
            wider = np.zeros((3, max(end, self._log.shape[1] * 3 // 2)), np.int64)
            wider[:, :self._logged] = self.log
            self._log = wider
        # What is new is of late days, most of it: only the end has to be put in order.
        start = int(np.searchsorted(self.log[1], rows[1].min(initial=FAR_D), side="right"))
        self._log[:, self._logged:end] = rows
        self._logged = end
        late = self._log[:, start:end]
        late[:] = late[:, np.argsort(late[1], kind="stable")]

    def _settle(self, state: Cells, member: Key) -> int:
        """The number of a member's subject, and its peers as they are now."""
        subject, industry, district, size = member
        at = self._number.setdefault(subject, len(self.names))
        if at == len(self.names):
            self.names.append(subject)
            self._peers.append(())
            if at >= len(self.group):
                self.group = np.concatenate((self.group, np.full_like(self.group, -1)))
        own, series = self._of((industry, district, size)), member in state.subjects
        if series != (own in self._peers[at]):
            groups = set(self._peers[at]) ^ {own}
            self._peers[at] = tuple(sorted(groups, key=self.groups.__getitem__, reverse=True))
            self.group[at] = self._peers[at][0] if groups else -1
        return at

    def _of(self, peer: Peer) -> int:
        at = self._group.setdefault(peer, len(self.groups))
        if at == len(self.groups):
            self.groups.append(peer)
            if at >= len(self.trade):
                self.trade = np.concatenate((self.trade, np.zeros_like(self.trade)))
                self.roster = np.concatenate((self.roster, np.zeros_like(self.roster)))
            self.trade[at] = self.trades.setdefault(peer[0], len(self.trades))
        return at

    def _enrol(self, state: Cells, key: Key) -> None:
        industry, district, size = key
        at = self._of((industry, district, size))
        self.roster[at] = state.roster.get((industry, district, size), 0)


def people(state: Cells, day: int) -> People:
    """The arrays of a state, up to date."""
    held, moves = state.tables.get(False), state.moves[False]
    if (not isinstance(held, People) or moves is None
            or not held.day <= day < held.day + ANEW_D):
        held = state.tables[False] = People(state, day)
    elif moves:
        held.follow(state, moves)
    state.moves[False] = []
    return held
