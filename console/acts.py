"""A person's act at the console, as the CloudEvent that goes into the log.

The identity of an act is (`SOURCE`, id). The id is the client's idempotency key, or follows from
what is done to which state of the alert, so a double click or a repeated request is a duplicate.
A repeat must also be the *same* event, time included, or the log would call it a conflict; so the
last `KEPT_MAX` acts are kept and handed in again as they were.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import threading
from collections import OrderedDict
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from console.i18n import word
from console.problems import Problem
from console.refusals import by_log, invalid, refused
from console.service import Receipt, Row, Service
from console.view import when

SOURCE = "xinfeng/console"
KEPT_MAX = 10_000

ALERT_ACTS: Mapping[str, str] = {
    "acknowledge": "alert.acknowledged",
    "assign": "alert.assigned",
    "close": "alert.closed",
    "reopen": "alert.reopened",
    "silence": "alert.silenced",
    "unsilence": "alert.silenced",
}
"""Act -> its event. A silence without an end lifts the one that holds."""

Name = Annotated[str, Meta(min_length=1, max_length=256, pattern=r"\S")]


class AlertActIn(msgspec.Struct, frozen=True, omit_defaults=True):
    """Body of an act on an alert; `until` ends a silence."""

    actor: Name
    note: Annotated[str, Meta(max_length=2000)] | None = None
    until: Annotated[dt.datetime, Meta(tz=True)] | None = None
    seq: Annotated[int, Meta(ge=0)] | None = None
    """The state the officer saw: the act is done only where nothing has happened since."""


class ReviewAnswerIn(msgspec.Struct, frozen=True, omit_defaults=True):
    """Body of an answer to a review; `grade` goes with `adjust`."""

    department: Name
    decision: Literal["keep", "adjust"]
    reason: Annotated[str, Meta(min_length=1, max_length=2000, pattern=r"\S")]
    grade: Literal["A", "B", "C", "D"] | None = None
    seq: Annotated[int, Meta(ge=0)] | None = None
    """The state the officer saw, as of an alert."""


class Acts:
    """Builds and submits acts; one per application, used by all its threads."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._kept: OrderedDict[str, Row] = OrderedDict()
        self._lock = threading.Lock()
        self._turn = threading.Lock()

    def on_alert(self, alert_id: str, act: str, body: AlertActIn, key: str) -> Row:
        """Do `act` to an alert; `key` is the client's idempotency key, or empty.

        Raises
        ------
        Problem: 404 for an unknown alert, 409 for a key used for something else, 422 for an act
        the log refuses.
        """
        alert = self._service.alert(alert_id)
        if alert is None:
            raise Problem(404, "no-such-alert", f"alert={alert_id}: there is none", alert=alert_id)
        body = _silence(act, body)
        if body.until is not None:
            self._later(body.until)
        data = {"alert": alert_id, **msgspec.to_builtins(body)}
        data.pop("seq", None)
        subject = str(alert.get("subject") or alert.get("cell") or alert_id)
        if body.seq is None:
            if not key and _done(alert, act, body):
                return {"accepted": 0, "duplicates": 1, "event": None}
            return self._submit(ALERT_ACTS[act], subject, data, key, str(alert.get("seq", "")))
        # One at a time: of two who saw the same state one is first, and the other is told.
        with self._turn:
            alert = self._service.alert(alert_id) or alert
            # The same form sent twice is no race.
            if alert.get("seq") != body.seq and key not in self._kept:
                if _done(alert, act, body):
                    return {"accepted": 0, "duplicates": 1, "event": None}
                who = str(alert.get("actor") or alert.get("reason") or "")
                raise Problem(
                    409,
                    "changed",
                    f"alert={alert_id}: {who} was first: {alert.get('state')} at "
                    f"{alert.get('updated_at')}; look again before you act",
                    alert=alert_id,
                    actor=alert.get("actor"),
                    state=alert.get("state"),
                    zh=f"{who} 已先处理：{word('zh', 'state', alert.get('state'))}，"
                    f"{when(alert.get('updated_at'))}；请查看后再处理",
                    seq=alert.get("seq"),
                    updated_at=alert.get("updated_at"),
                )
            return self._submit(ALERT_ACTS[act], subject, data, key, str(body.seq))

    def on_review(self, review_id: str, body: ReviewAnswerIn, key: str) -> Row:
        """Answer a review; see `on_alert`."""
        review = self._service.review(review_id)
        if review is None:
            raise Problem(
                404, "no-such-review", f"review={review_id}: there is none", review=review_id
            )
        if (body.decision == "adjust") != (body.grade is not None):
            raise refused(
                "grade", body.grade, ("决定为“调整”时填写，且仅在此时填写",
                                      "must be given with 'adjust', and only then")
            )
        data = {"review": review_id, **msgspec.to_builtins(body)}
        data.pop("seq", None)
        subject = str(review["subject"])
        if body.seq is None:
            return self._submit("review.answered", subject, data, key, "")
        with self._turn:
            review = self._service.review(review_id) or review
            if review.get("seq") != body.seq and key not in self._kept:
                if _answered(review, body):
                    return {"accepted": 0, "duplicates": 1, "event": None}
                raise _review_changed(review)
            return self._submit("review.answered", subject, data, key, str(body.seq))

    def _later(self, until: dt.datetime) -> None:
        """A silence that would be over before it began is no silence: 422."""
        now = self._service.summary()["as_of"]
        if now and until <= dt.datetime.fromisoformat(now):
            raise refused("until", until, (
                f"应晚于当前时间 {when(now)}（北京时间）", f"must lie after now, {now}"))

    def _submit(self, kind: str, subject: str, data: Row, key: str, state: str) -> Row:
        identity = key or hashlib.sha256(msgspec.json.encode([kind, data, state])).hexdigest()[:32]
        event = self._remember(identity, kind, subject, data)
        receipt: Receipt = self._service.act(event)
        for rejected in receipt.rejected:
            if not key and rejected.reason.get("field") == "id":
                # The same act on the same state, by a process that is gone: only its time differs.
                return {"accepted": 0, "duplicates": 1, "event": _ref(identity)}
            raise by_log(rejected.reason)
        return {
            "accepted": receipt.accepted,
            "duplicates": receipt.duplicates,
            "event": _ref(identity),
        }

    def _remember(self, identity: str, kind: str, subject: str, data: Row) -> Row:
        now = dt.datetime.now(dt.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        event = {
            "specversion": "1.0",
            "id": identity,
            "source": SOURCE,
            "type": kind,
            "subject": subject,
            "time": now,
            "data": data,
        }
        with self._lock:
            kept = self._kept.setdefault(identity, event)
            while len(self._kept) > KEPT_MAX:
                self._kept.popitem(last=False)
        if (kept["type"], kept["data"]) != (kind, data):
            raise Problem(
                409, "key-reused", f"idempotency-key={identity}: already used for another act"
            )
        return kept


def _ref(identity: str) -> Row:
    return {"source": SOURCE, "id": identity}


def _silence(act: str, body: AlertActIn) -> AlertActIn:
    """A silence says until when and why; one that is lifted, and other acts, have no end.

    Raises
    ------
    Problem: 422 with the field.
    """
    if act != "silence":
        return msgspec.structs.replace(body, until=None)
    if body.until is None:
        raise refused("until", None, ("静默需要截止时间", "a silence needs an end"))
    if not (body.note or "").strip():
        raise refused("note", None, ("静默需要写明原因", "a silence needs a reason"))
    return body


STATES: Mapping[str, str] = {"acknowledge": "acknowledged", "close": "closed", "reopen": "firing"}
"""State of an alert after an act."""


def _done(alert: Row, act: str, body: AlertActIn) -> bool:
    """Whether the last thing that happened to an alert is this act, by the same person."""
    if alert.get("actor") != body.actor or (alert.get("note") or "") != (body.note or ""):
        return False
    if act == "assign":
        return alert.get("reason") == "assigned"
    if act == "unsilence":
        return not alert.get("silenced_until") and alert.get("reason") == "act"
    if act == "silence" and body.until is not None:
        held = alert.get("silenced_until")
        return bool(held) and dt.datetime.fromisoformat(str(held)) == body.until
    return STATES.get(act) == alert.get("state")


def _answered(review: Row, body: ReviewAnswerIn) -> bool:
    """Whether the last answer of the department is this one."""
    given = [a for a in review.get("answers") or [] if a.get("department") == body.department]
    return bool(given) and (body.decision, body.grade, body.reason) == tuple(
        given[-1].get(name) for name in ("decision", "grade", "reason"))


def _review_changed(review: Row) -> Problem:
    """What was answered meanwhile, by whom; where nobody did, the grades have changed."""
    answers = [
        {name: a.get(name) for name in ("department", "at", "decision", "grade", "reason")}
        for a in review.get("answers") or []
    ]
    told = ", ".join(
        " ".join(str(a[n]) for n in ("department", "decision", "grade", "at") if a[n])
        for a in answers
    )
    return Problem(
        409,
        "changed",
        f"review={review['id']}: changed at {review.get('updated_at')}, {review.get('state')}; "
        f"answers: {told or 'none'}; look again before you answer",
        review=review["id"],
        state=review.get("state"),
        seq=review.get("seq"),
        zh="您查看后情况已有变化；目前答复："
        + ("；".join(
            f"{a['department']} {word('zh', 'ui', a['decision'])} {a['grade'] or ''}".rstrip()
            for a in answers) or "无") + "；请查看后再答复",
        updated_at=review.get("updated_at"),
        answers=answers,
    )


def parse(body: bytes | Row, kind: type[Any]) -> Any:
    """Validate the body of an act: JSON bytes, or the fields of a form.

    Raises
    ------
    Problem: 400 where it is not JSON, 422 with the field where it is not what was asked for.
    """
    try:
        if isinstance(body, bytes):
            return msgspec.json.decode(body, type=kind)
        # Everything in a form is text.
        return msgspec.convert(body, type=kind, strict=False)
    except msgspec.ValidationError as error:
        given = msgspec.json.decode(body) if isinstance(body, bytes) else body
        raise invalid(kind, given if isinstance(given, dict) else {}, error) from None
    except (msgspec.DecodeError, RecursionError, UnicodeError) as error:
        raise Problem(400, "malformed", f"the body is not JSON: {error}") from None
