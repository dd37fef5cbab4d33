"""What links one business to another, and who stands at the end of each link. Pure.

A link is a kind and a hash of a name, so no controller is named: `controller` (both have one in
common), `operator` (trades on a platform), `platform` (is one). Nothing is kept of a controller
but which businesses have it.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import xxhash

from models.subject import Profile

CONTROLLERS_MAX = 32
"""So many controllers of one registration are looked at, the first in the order of names."""
_OTHER_END = {"controller": "controller", "operator": "platform", "platform": "operator"}


def links_of(key: str, profile: Profile | None) -> list[str]:
    """Links of a business by its registration, none before.

    Examples
    --------
    >>> import datetime as dt
    >>> links_of("x", Profile(0, 1, "x", "platform", "", "", "", dt.date(2020, 1, 1), [], ["b"]))
    ['controller 575a0b1c44d8843f', 'platform eaf06c6480b2cd11']
    """
    if profile is None:
        return []
    out = [_link("controller", name) for name in sorted(set(profile.controllers))[:CONTROLLERS_MAX]]
    if profile.platform and profile.platform != key:
        out.append(_link("operator", profile.platform))
    if profile.kind == "platform":
        out.append(_link("platform", key))
    return out


def _link(kind: str, name: str) -> str:
    return f"{kind} {xxhash.xxh3_64_hexdigest(name.encode())}"


def kind_of(link: str) -> str:
    return link.partition(" ")[0]


def other_end(link: str) -> str:
    """The link that those have to whom this one leads.

    Examples
    --------
    >>> other_end("operator 00ff"), other_end("controller 00ff")
    ('platform 00ff', 'controller 00ff')
    """
    kind, _, name = link.partition(" ")
    return f"{_OTHER_END[kind]} {name}"


class Member(NamedTuple):
    """A business with a link, and the registration that says so."""

    subject: str
    active: bool
    source: str
    id: str
    time_ms: int


class Members:
    """Link -> the businesses that have it.

    Memory: about 230 bytes for each link of a business; most links are of one business only, which
    is then all that is kept.
    """

    def __init__(self) -> None:
        self._held: dict[int, bytes | dict[str, bytes]] = {}
        """Hash of a link -> packed members: one, or by business."""

    def put(self, link: str, member: Member) -> None:
        """Take a business in, or over what is known of it."""
        key, row = _key(link), _pack(member)
        held = self._held.get(key)
        if isinstance(held, dict):
            held[member.subject] = row
        elif held is None or _subject(held) == member.subject:
            self._held[key] = row
        else:
            self._held[key] = {_subject(held): held, member.subject: row}

    def drop(self, link: str, subject: str) -> None:
        """A business has the link no more."""
        key = _key(link)
        held = self._held.get(key)
        if isinstance(held, dict):
            held.pop(subject, None)
            if len(held) == 1:
                [self._held[key]] = held.values()
        elif held is not None and _subject(held) == subject:
            del self._held[key]

    def get(self, link: str, subject: str) -> Member | None:
        held = self._held.get(_key(link))
        row = held.get(subject) if isinstance(held, dict) else held
        return _unpack(row) if row is not None and _subject(row) == subject else None

    def others(self, link: str, subject: str, most: int) -> list[Member] | frozenset[str]:
        """Who else has the link and is not cancelled; of more than `most` their codes only."""
        held = self._held.get(_key(link))
        rows = held.values() if isinstance(held, dict) else [held] if held is not None else []
        found = [row for row in rows if row.endswith(_ACTIVE) and _subject(row) != subject]
        if len(found) > most:
            return frozenset(map(_subject, found))
        return [_unpack(row) for row in found]

    def __len__(self) -> int:
        """Links that lead to anybody."""
        return len(self._held)

    def dump(self) -> list[Any]:
        return [(key, list(held.values()) if isinstance(held, dict) else [held])
                for key, held in self._held.items()]

    @classmethod
    def load(cls, dumped: list[Any]) -> Members:
        made = cls()
        for key, rows in dumped:
            made._held[key] = rows[0] if len(rows) == 1 else {_subject(row): row for row in rows}
        return made


_ACTIVE = b"\n1"


def _key(link: str) -> int:
    return xxhash.xxh3_64_intdigest(link.encode())


def _pack(m: Member) -> bytes:
    # No control character can occur in a code, a source or an id (see intake).
    return f"{m.subject}\n{m.source}\n{m.id}\n{m.time_ms}\n{int(m.active)}".encode()


def _subject(row: bytes) -> str:
    return row[: row.index(b"\n")].decode()


def _unpack(row: bytes) -> Member:
    subject, source, id, time_ms, active = row.decode().split("\n")
    return Member(subject, active == "1", source, id, int(time_ms))
