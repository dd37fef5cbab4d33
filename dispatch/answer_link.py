"""Links by which an addressee answers without a login: signed, for one matter, for a while.

The link is the proof that its bearer was told. It opens a page; nothing is done until somebody
confirms there, since mail scanners and previews of chats follow links by themselves.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from typing import Literal, NamedTuple, TypeAlias
from urllib.parse import quote

from alerts.notice import REVIEW_RULE, Notice
from models.notify_policy import Receiver

PATH = "/answer/"
SIGNATURE_BYTES = 16
_PURPOSE = "xinfeng answer 1"
Action: TypeAlias = Literal["acknowledge", "answer"]


class Claim(NamedTuple):
    """What a link says, once its signature was found to be ours."""

    receiver: Receiver
    action: Action
    about: str
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
        self._receivers = receivers

    def url(self, receiver: Receiver, notice: Notice, now_ms: int) -> str:
        """The link of a letter; "" where there is nothing for this receiver to answer."""
        if notice.state != "firing" or receiver.mode != "people":
            return ""
        action: Action = "acknowledge"
        if notice.rule == REVIEW_RULE:
            if receiver.department not in notice.departments:
                return ""
            action = "answer"
        until_s = (now_ms + self._valid_ms) // 1000
        sign = self._sign(receiver.id, action, notice.id, until_s)
        return (f"{self._base_url}{PATH}{quote(receiver.id, safe='')}/{action}/{until_s}/{sign}/"
                f"{quote(notice.id, safe='')}")

    def read(self, receiver: str, action: str, until_s: str, signature: str, about: str,
             now_ms: int) -> Claim | None:
        """None: not made with our key, or for somebody who is no receiver any more."""
        known = self._receivers.get(receiver)
        if known is None or not (until_s.isascii() and until_s.isdecimal() and len(until_s) < 12):
            return None
        made = self._sign(receiver, action, about, int(until_s))
        if not hmac.compare_digest(made.encode(), signature.encode("utf-8", "replace")):
            return None
        which: Action = "answer" if action == "answer" else "acknowledge"
        return Claim(known, which, about, now_ms >= int(until_s) * 1000)

    def _sign(self, receiver: str, action: str, about: str, until_s: int) -> str:
        text = "\n".join((_PURPOSE, receiver, action, str(until_s), about))
        mark = hmac.digest(self._key, text.encode(), hashlib.sha256)[:SIGNATURE_BYTES]
        return base64.urlsafe_b64encode(mark).decode().rstrip("=")
