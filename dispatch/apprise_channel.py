"""E-mail and SMS gateways through Apprise: whatever its URLs can name.

Apprise says only whether it went; why not stands in its log lines, which are kept as the answer.
Robots of WeCom, DingTalk and Feishu do not go through it (docs/decisions/0023).
"""

from __future__ import annotations

import logging
from typing import Literal

import apprise

from alerts import render
from alerts.letter import Letter
from dispatch.channel import Outcome


class AppriseChannel:
    """One Apprise URL, for letters as e-mail or as short messages."""

    def __init__(self, endpoint: str, receiver: str, url: str, form: Literal["email", "sms"], *,
                 timeout_s: float, segments_max: int = 3, per_minute_max: int = 0) -> None:
        """
        Raises
        ------
        ValueError: no URL that Apprise knows.
        """
        self.endpoint = endpoint
        self.receiver = receiver
        self.per_minute_max = per_minute_max
        self._form = form
        self._segments_max = segments_max
        # It must neither try again by itself nor read files or links that a text names.
        asset = apprise.AppriseAsset(async_mode=False, secure_logging=True,
                                     default_service_retry=0, service_timeout=3 * timeout_s)
        self._apprise = apprise.Apprise(asset=asset)
        logging.getLogger("apprise").setLevel(logging.WARNING)
        if not self._apprise.add(url):
            raise ValueError(f"{endpoint}: url: not one that Apprise knows")
        for service in self._apprise:
            service.socket_connect_timeout = timeout_s
            service.socket_read_timeout = timeout_s
            service.redirects = False
            # How many a minute is a setting of the channel, kept by the sender.
            service.request_rate_per_sec = 0

    def send(self, letter: Letter, now_ms: int) -> Outcome:
        if self._form == "email":
            title, body = render.email(letter)
        else:
            title, body = "", render.sms(letter, self._segments_max)
        found = self._apprise.notify(body=body, title=title,
                                     body_format=apprise.NotifyFormat.TEXT)
        # A wrong password looks like a server that is away: the breaker sees to both.
        return Outcome("ok", 0, _why(found)) if found else Outcome("retry", 1, _why(found))


def _why(result: apprise.AppriseResult) -> str:
    """The last words of Apprise about an attempt."""
    lines = [entry.message for each in result.results for attempt in each.attempts[-1:]
             for entry in attempt.logs if entry.level in ("WARNING", "ERROR")]
    return "; ".join(lines)[:300]
