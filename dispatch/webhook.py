"""Signed webhooks by Standard Webhooks, and the hand-over to a Prometheus Alertmanager.

The body is a CloudEvent. `webhook-id` is the idempotency key: the same letter has the same one, in
every attempt and after every crash. `webhook-timestamp` is the attempt's own, so a copy of it is of
no use later; a receiver refuses what is older than five minutes.
"""

from __future__ import annotations

import datetime as dt
from typing import Any, Literal

import msgspec
from standardwebhooks.webhooks import Webhook

from alerts.letter import LEVEL_WORDS, Entry, Letter
from alerts.notice import OVER
from dispatch.channel import Outcome
from dispatch.outbox import Act
from dispatch.post import Answer, Poster, Refused, Unreachable

_ENCODE = msgspec.json.Encoder().encode
GONE = frozenset({401, 403, 404, 405, 410, 421})
"""Answers that speak of the address or the secret."""
UNFIT = frozenset({400, 413, 415, 422})
"""Answers that speak of the message."""
HOLD_D = 30
"""Alertmanager forgets an alert of which it hears nothing for so long."""


class _Reply(msgspec.Struct, frozen=True):
    """What a receiver may answer: acts of its people on what the letter tells of."""

    acts: list[_ReplyAct] = []


class _ReplyAct(msgspec.Struct, frozen=True):
    type: Literal["alert.acknowledged", "alert.assigned", "alert.closed", "review.answered"]
    actor: str
    alert: str = ""
    review: str = ""
    department: str = ""
    decision: Literal["", "keep", "adjust"] = ""
    grade: Literal["A", "B", "C", "D"] | None = None
    reason: str = ""
    note: str = ""


class WebhookChannel:
    """POST to a department's system."""

    def __init__(self, endpoint: str, receiver: str, url: str, secret: str, poster: Poster, *,
                 private: bool = False, per_minute_max: int = 0) -> None:
        self.endpoint = endpoint
        self.receiver = receiver
        self.per_minute_max = per_minute_max
        self._url = url
        self._webhook = Webhook(secret)
        self._poster = poster
        self._private = private

    def send(self, letter: Letter, now_ms: int) -> Outcome:
        body = _ENCODE(event(letter))
        # The library takes a naive time for UTC.
        at = dt.datetime.fromtimestamp(now_ms // 1000, dt.UTC)
        headers = {"content-type": "application/cloudevents+json", "webhook-id": letter.key,
                   "webhook-timestamp": str(now_ms // 1000),
                   "webhook-signature": self._webhook.sign(letter.key, at, body.decode()),
                   "idempotency-key": letter.key}
        return posted(self._poster, self._url, body, headers, self._private, letter)


class AlertmanagerChannel:
    """Hands alerts over to an Alertmanager of version 0.16 or newer (API v2)."""

    def __init__(self, endpoint: str, receiver: str, url: str, poster: Poster, *,
                 private: bool = False, per_minute_max: int = 0) -> None:
        self.endpoint = endpoint
        self.receiver = receiver
        self.per_minute_max = per_minute_max
        self._url = url.rstrip("/") + "/api/v2/alerts"
        self._poster = poster
        self._private = private

    def send(self, letter: Letter, now_ms: int) -> Outcome:
        body = _ENCODE([_alert(e, now_ms) for e in (*letter.entries, *letter.rest)])
        return posted(self._poster, self._url, body, {"content-type": "application/json"},
                      self._private, letter)


def posted(poster: Poster, url: str, body: bytes, headers: dict[str, str], private: bool,
           letter: Letter) -> Outcome:
    """Post and judge by the HTTP status; 2xx = taken."""
    answer = attempt(poster, url, body, headers, private)
    if isinstance(answer, Outcome):
        return answer
    fate = by_status(answer)
    return fate or Outcome("ok", answer.status, _text(answer), acts=_acts(answer, letter))


def attempt(poster: Poster, url: str, body: bytes, headers: dict[str, str],
            private: bool) -> Answer | Outcome:
    """The answer, or what became of it where there is none."""
    try:
        return poster.post(url, body, headers, private=private)
    except Refused as error:
        return Outcome("endpoint", 0, str(error))
    except Unreachable as error:
        return Outcome("retry", 0, str(error))


def by_status(answer: Answer) -> Outcome | None:
    """What an HTTP status says, None for 2xx. A redirect is not followed: the address is wrong."""
    status = answer.status
    if 200 <= status < 300:
        return None
    if 300 <= status < 400 or status in GONE:
        return Outcome("endpoint", status, _text(answer))
    if status in UNFIT:
        return Outcome("letter", status, _text(answer))
    return Outcome("retry", status, _text(answer), answer.retry_after_s)


def event(letter: Letter) -> dict[str, Any]:
    """The letter as a CloudEvent; `data.alerts` as in the contract, with evidence."""
    return {
        "specversion": "1.0", "id": letter.key, "source": "urn:xinfeng:notify",
        "type": "xinfeng.notification", "time": iso(letter.at_ms),
        "datacontenttype": "application/json", "subject": letter.group,
        "data": {"receiver": letter.receiver, "reason": letter.reason, "level": letter.level,
                 "count": letter.count, "digest": letter.digest, "link": letter.link,
                 "note": msgspec.to_builtins({"zh": letter.note.zh, "en": letter.note.en}),
                 "alerts": [_row(e) for e in (*letter.entries, *letter.rest)]}}


def _row(e: Entry) -> dict[str, Any]:
    return {
        "id": e.alert, "rule": e.rule, "level": e.level, "state": e.state, "reason": e.reason,
        "subject": e.subject, "cell": e.cell, "name": e.name, "kind": e.kind,
        "district": e.district, "item": e.item, "departments": e.departments,
        "opened_at": iso(e.opened_ms), "updated_at": iso(e.updated_ms), "sequence": e.seq,
        "title": {"zh": e.title.zh, "en": e.title.en}, "body": {"zh": e.body.zh, "en": e.body.en},
        "evidence": [{"source": f.source, "id": f.id, "type": f.type, "time": iso(f.time_ms)}
                     for f in e.evidence], "link": e.link,
        **({"review": e.review} if e.review else {})}


def _alert(e: Entry, now_ms: int) -> dict[str, Any]:
    ends = e.updated_ms if e.state in OVER else now_ms + HOLD_D * 86_400_000
    labels = {"alertname": e.rule, "severity": e.level, "alert": e.alert, "subject": e.subject,
              "cell": e.cell, "item": e.item, "district": e.district,
              "department": "、".join(e.departments)}
    return {"labels": {k: v for k, v in labels.items() if v},
            "annotations": {"title": e.title.zh, "title_en": e.title.en, "body": e.body.zh,
                            "body_en": e.body.en, "level": LEVEL_WORDS[e.level][0],
                            "evidence": str(len(e.evidence)), "state": e.state},
            "startsAt": iso(e.opened_ms), "endsAt": iso(max(ends, e.opened_ms + 1)),
            "generatorURL": e.link}


def _acts(answer: Answer, letter: Letter) -> tuple[Act, ...]:
    """Acts in the answer, on nothing but what the letter told this receiver of."""
    if not answer.headers.get("content-type", "").startswith("application/json"):
        return ()
    try:
        reply = msgspec.json.decode(answer.body, type=_Reply)
    except msgspec.DecodeError:
        return ()
    told = (*letter.entries, *letter.rest)
    alerts = {e.alert for e in told}
    reviews = {(e.review, name) for e in told for name in e.departments if e.review}
    return tuple(Act(**msgspec.to_builtins(a)) for a in reply.acts if a.actor and (
        (a.review, a.department) in reviews if a.type == "review.answered" else a.alert in alerts))


def reply_acts(body: bytes) -> tuple[Act, ...]:
    """Acts that a system hands in by itself.

    Raises
    ------
    ValueError: it is none.
    """
    try:
        reply = msgspec.json.decode(body, type=_Reply)
    except msgspec.DecodeError as error:
        raise ValueError(str(error)) from None
    return tuple(Act(**msgspec.to_builtins(a)) for a in reply.acts if a.actor)


def _text(answer: Answer) -> str:
    return answer.body.decode(errors="replace")


def iso(ms: int) -> str:
    at = dt.datetime.fromtimestamp(ms / 1000, dt.UTC)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
