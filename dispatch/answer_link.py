"""Links by which an addressee answers without a login: signed, for what one message told, for a
while.

The link is the proof that its bearer was told. It opens a page; nothing is done until somebody
confirms there, since mail scanners and previews of chats follow links by themselves.

All that a link says stands in it, so that a console without the dispatcher's ledger can read it;
packed, so that it has room in a short message. In order: receiver (a hash), end (seconds), how many
more the message tells of, then each alert or review; signature; a last byte 0, so that the address
ends in a letter: phones leave out marks at the end of a link.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
import struct
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from alerts.notice import REVIEW_RULE, Notice
from alerts.titles import TITLES
from models.notify_policy import Receiver

PATH = "/a/"
SIGNATURE_BYTES = 12
MATTERS_MAX = 20
"""Alerts and reviews of one link; of the others the page gives the number."""
SHORT_MAX = 3
"""Of the link of a short message: each costs 18 of its 201 characters."""
_HEAD = struct.Struct(">4sIB")
_PURPOSE = "xinfeng answer 2"
_FORMAT = b"\0"
_PACKED = re.compile(r"([a-z-]+)-([0-9a-f]{20})", re.ASCII)


def _mark(text: str, size: int) -> bytes:
    return hashlib.blake2b(text.encode(), digest_size=size).digest()


_RULES = {_mark(rule, 2): rule for rule in (*TITLES, "review")}


class Claim(NamedTuple):
    """What a link says, once its signature was found to be ours."""

    receiver: Receiver
    about: tuple[str, ...]
    """Ids of alerts and reviews."""
    more: int
    """Further ones that the message told of; 255 = or more."""
    expired: bool


class Links:
    """Makes and reads them.

    Parameters
    ----------
    key
        Secret of all links: with another one those sent before open nothing any more.
    valid_d
        Days after the letter in which a link may be used.
    """

    def __init__(self, key: str, base_url: str, valid_d: int,
                 receivers: Mapping[str, Receiver]) -> None:
        self._key = key.encode()
        self._base_url = base_url.rstrip("/")
        self._valid_ms = valid_d * 86_400_000
        self._receivers = {_mark(id, 4): r for id, r in receivers.items()}

    def url(self, receiver: Receiver, notices: Sequence[Notice], now_ms: int, *,
            most: int = MATTERS_MAX) -> str:
        """The link of a letter, for the first `most` of what there is to answer in it.

        "" where there is nothing for this receiver to answer.
        """
        open_ = [n for n in notices if _answerable(receiver, n)]
        matters = [packed for n in open_ if (packed := _packed(n.id))][:most]
        if not matters or receiver.mode != "people":
            return ""
        until_s = (now_ms + self._valid_ms) // 1000
        more = min(len(open_) - len(matters), 255)
        said = _HEAD.pack(_mark(receiver.id, 4), until_s, more) + b"".join(matters)
        token = base64.urlsafe_b64encode(said + self._sign(receiver.id, said) + _FORMAT)
        return f"{self._base_url}{PATH}{token.decode().rstrip('=')}"

    def read(self, token: str, now_ms: int) -> Claim | None:
        """None: not made with our key, or for somebody who is no receiver any more."""
        whole = _decoded(token)
        said, signed = whole[:-SIGNATURE_BYTES - 1], whole[-SIGNATURE_BYTES - 1:]
        if len(said) < _HEAD.size:
            return None
        mark, until_s, more = _HEAD.unpack_from(said)
        known = self._receivers.get(mark)
        if known is None or not hmac.compare_digest(self._sign(known.id, said) + _FORMAT, signed):
            return None
        return Claim(known, _unpacked(said[_HEAD.size:]), more, now_ms >= until_s * 1000)

    def _sign(self, receiver: str, said: bytes) -> bytes:
        text = f"{_PURPOSE}\n{receiver}\n".encode() + said
        return hmac.digest(self._key, text, hashlib.sha256)[:SIGNATURE_BYTES]


def _answerable(receiver: Receiver, notice: Notice) -> bool:
    if notice.rule == REVIEW_RULE and receiver.department not in notice.departments:
        return False
    return notice.state == "firing"


def _packed(id: str) -> bytes:
    """An id: 0, a hash of its rule and its digest; or its length and itself. b"" = too long."""
    found = _PACKED.fullmatch(id)
    if found and _RULES.get(mark := _mark(found[1], 2)) == found[1]:
        return b"\0" + mark + bytes.fromhex(found[2])
    raw = id.encode()
    return bytes([len(raw)]) + raw if 0 < len(raw) < 256 else b""


def _unpacked(packed: bytes) -> tuple[str, ...]:
    """Ids; those of a rule that is no longer there are left out."""
    out, at = [], 0
    while at < len(packed):
        size = packed[at] or 12
        raw = packed[at + 1 : at + 1 + size]
        if packed[at]:
            out.append(raw.decode())
        elif raw[:2] in _RULES:
            out.append(f"{_RULES[raw[:2]]}-{raw[2:].hex()}")
        at += 1 + size
    return tuple(out)


def _decoded(token: str) -> bytes:
    """Bytes of a token as it is written by us, in no other spelling; b"" else."""
    try:
        raw = base64.b64decode(token + "=" * (-len(token) % 4), b"-_", validate=True)
    except (binascii.Error, ValueError):
        return b""
    return raw if base64.urlsafe_b64encode(raw).decode().rstrip("=") == token else b""
