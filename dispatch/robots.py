"""Group robots of WeCom, DingTalk and Feishu.

They answer HTTP 200 whatever happens and say in the body what did: `errcode` (`code` at Feishu) 0
is the only success. Codes not listed here are taken for passing trouble, and tried again.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote

import msgspec

from alerts import render
from alerts.letter import Letter
from dispatch.channel import Fate, Outcome
from dispatch.post import Poster
from dispatch.webhook import attempt, by_status

_ENCODE = msgspec.json.Encoder().encode
_SLOW_S = 60.0
_BLOCKED_S = 600.0
"""DingTalk shuts a robot out for ten minutes."""

WECOM: dict[int, tuple[Fate, float]] = {
    45009: ("retry", _SLOW_S), 45033: ("retry", _SLOW_S), -1: ("retry", 0),
    93000: ("endpoint", 0), 93004: ("endpoint", 0), 93008: ("endpoint", 0), 40001: ("endpoint", 0),
    40058: ("letter", 0), 40008: ("letter", 0), 44004: ("letter", 0), 45002: ("letter", 0),
}
DINGTALK: dict[int, tuple[Fate, float]] = {
    130101: ("retry", _BLOCKED_S), 410100: ("retry", _BLOCKED_S), 130103: ("retry", _BLOCKED_S),
    660026: ("retry", _BLOCKED_S), -1: ("retry", 0),
    300001: ("endpoint", 0), 300005: ("endpoint", 0), 310000: ("endpoint", 0),
    400013: ("endpoint", 0), 400101: ("endpoint", 0), 400102: ("endpoint", 0),
    460101: ("letter", 0), 400105: ("letter", 0), 430101: ("letter", 0), 430102: ("letter", 0),
}
FEISHU: dict[int, tuple[Fate, float]] = {
    11232: ("retry", _SLOW_S), 9499: ("letter", 0), 99991400: ("retry", _SLOW_S),
    19001: ("endpoint", 0), 19021: ("endpoint", 0), 19022: ("endpoint", 0), 19024: ("endpoint", 0),
    19002: ("letter", 0), 19036: ("letter", 0),
}
"""Code -> whose fault it is, and how long to wait [s]."""


class Robot:
    """One robot of a group: how it wants its message, and what its codes mean."""

    def __init__(self, endpoint: str, receiver: str, url: str, secret: str, poster: Poster, *,
                 make: Callable[[Letter, str, str, int], tuple[str, dict[str, object]]],
                 codes: Mapping[int, tuple[Fate, float]], private: bool = False,
                 per_minute_max: int = 20) -> None:
        self.endpoint = endpoint
        self.receiver = receiver
        self.per_minute_max = per_minute_max
        self._url = url
        self._secret = secret
        self._poster = poster
        self._private = private
        self._make = make
        self._codes = codes

    def send(self, letter: Letter, now_ms: int) -> Outcome:
        url, message = self._make(letter, self._url, self._secret, now_ms)
        answer = attempt(self._poster, url, _ENCODE(message),
                         {"content-type": "application/json; charset=utf-8"}, self._private)
        if isinstance(answer, Outcome):
            return answer
        said = answer.json()
        code, text = _code(said)
        if code == 0:
            return Outcome("ok", 0, text)
        if code is None:
            return by_status(answer) or Outcome("retry", answer.status, "no code in the answer")
        fate, wait = self._codes.get(code, ("retry", 0.0))
        return Outcome(fate, code, text, max(wait, answer.retry_after_s))


def wecom(letter: Letter, url: str, secret: str, now_ms: int) -> tuple[str, dict[str, object]]:
    return url, {"msgtype": "markdown", "markdown": {"content": render.wecom_markdown(letter)}}


def wecom_text(letter: Letter, url: str, secret: str, now_ms: int) -> tuple[str, dict[str, object]]:
    return url, {"msgtype": "text", "text": {"content": render.wecom_text(letter)}}


def dingtalk(letter: Letter, url: str, secret: str, now_ms: int) -> tuple[str, dict[str, object]]:
    """Signed by "milliseconds, newline, secret" under the secret, in the query."""
    if secret:
        url += f"&timestamp={now_ms}&sign={quote(dingtalk_sign(now_ms, secret), safe='')}"
    return url, render.dingtalk(letter)


def feishu(letter: Letter, url: str, secret: str, now_ms: int) -> tuple[str, dict[str, object]]:
    """Signed by nothing under "seconds, newline, secret", in the body."""
    message = render.feishu(letter, extra_bytes=100)
    if secret:
        message |= {"timestamp": str(now_ms // 1000), "sign": feishu_sign(now_ms // 1000, secret)}
    return url, message


def dingtalk_sign(now_ms: int, secret: str) -> str:
    return _b64(hmac.digest(secret.encode(), f"{now_ms}\n{secret}".encode(), hashlib.sha256))


def feishu_sign(now_s: int, secret: str) -> str:
    return _b64(hmac.digest(f"{now_s}\n{secret}".encode(), b"", hashlib.sha256))


def _b64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def _code(said: Mapping[str, Any]) -> tuple[int | None, str]:
    """The code of an answer, under any of the three names, and its words."""
    for key, words in (("errcode", "errmsg"), ("code", "msg"), ("StatusCode", "StatusMessage")):
        found = said.get(key)
        if isinstance(found, int) and not isinstance(found, bool):
            return found, str(said.get(words, ""))
    return None, ""
