"""A person's act at the console, as the CloudEvent that goes into the log.

The identity of an act is (`SOURCE`, id). The id follows from what is done, and from the client's
idempotency key or else the state it is done to: a double click or a repeated request is a
duplicate, and what the log calls a conflict differs in its time only. So that there are none of
these, and a key stands for one act, the last `KEPT_MAX` acts are kept and handed in again as they
were.
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

from console.changed import alert_changed, overtaken, review_changed
from console.problems import Problem
from console.refusals import by_log, invalid, refused
from console.service import Receipt, Row, Service
from console.view import when

SOURCE = "xinfeng/console"
KEPT_MAX = 10_000
TURNS = 64
"""Locks that alerts and reviews share: those of others hardly ever wait for each other."""

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
        self._turns = [threading.Lock() for _ in range(TURNS)]

    def on_alert(self, alert_id: str, act: str, body: AlertActIn, key: str) -> Row:
        """Do `act` to an alert; `key` is the client's idempotency key, or empty.

        Raises
        ------
        Problem: 404 for an unknown alert, 409 for a key used for something else and for an act that
        comes too late to do anything, 422 for an act the log refuses.
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
        kind = ALERT_ACTS[act]
        # One at a time: of two who saw the same state one is first, and the other is told; in other
        # processes by their claim.
        with self._turn(alert_id):
            alert = self._service.alert(alert_id) or alert
            seen = alert.get("seq") if body.seq is None else body.seq
            late = alert.get("seq") != seen or _in_vain(alert, act)
            # The same form sent twice is no race.
            if (late or not key) and key not in self._kept and _done(alert, act, body):
                return {"accepted": 0, "duplicates": 1, "event": None}
            if late and key not in self._kept:
                raise alert_changed(alert)
            identity = _identity(kind, data, str(seen), key)
            if body.seq is not None:
                first = self._first(alert_id, body.seq, identity, body.actor)
                if first:
                    raise overtaken("alert", alert, first)
            return self._submit(kind, subject, data, key, identity)

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
        asked = [*(review.get("departments") or []), *(
            str(a.get("department")) for a in review.get("answers") or [])]
        if body.department not in asked and review.get("state") == "open":
            names = "、".join(dict.fromkeys(asked))
            raise refused("department", body.department, (
                f"须为该复核涉及的部门：{names}", f"must be one that the review asks: {names}"))
        if body.department not in asked:
            # It is over. Whoever answered may still correct that: a grade given counts on.
            raise review_changed(review)
        kind, subject = "review.answered", str(review["subject"])
        identity = _identity(kind, data, "" if body.seq is None else str(body.seq), key)
        if body.seq is None:
            return self._submit(kind, subject, data, key, identity)
        with self._turn(review_id):
            review = self._service.review(review_id) or review
            if review.get("seq") != body.seq and key not in self._kept:
                if _answered(review, body):
                    return {"accepted": 0, "duplicates": 1, "event": None}
                raise review_changed(review)
            first = self._first(review_id, body.seq, identity, body.department)
            if first:
                raise overtaken("review", review, first)
            return self._submit(kind, subject, data, key, identity)

    def _later(self, until: dt.datetime) -> None:
        """A silence that would be over before it began is no silence: 422."""
        now = self._service.summary()["as_of"]
        if now and until <= dt.datetime.fromisoformat(now):
            raise refused("until", until, (
                f"应晚于当前时间 {when(now)}（北京时间）", f"must lie after now, {now}"))

    def _turn(self, matter: str) -> threading.Lock:
        return self._turns[hash(matter) % TURNS]

    def _first(self, matter: str, seq: int, identity: str, who: str) -> str:
        """Who acted on this state through another console, before the view shows it; else ""."""
        holder = f"{identity} {who}"
        held = self._service.claim(f"{matter}/{seq}", holder)
        return "" if held == holder else held.partition(" ")[2]

    def _submit(self, kind: str, subject: str, data: Row, key: str, identity: str) -> Row:
        event = self._remember(key or identity, identity, kind, subject, data)
        receipt: Receipt = self._service.act(event)
        for rejected in receipt.rejected:
            if rejected.reason.get("field") == "id":
                # The same act, taken in by a process that is gone: only its time differs.
                return {"accepted": 0, "duplicates": 1, "event": _ref(identity)}
            raise by_log(rejected.reason)
        return {
            "accepted": receipt.accepted,
            "duplicates": receipt.duplicates,
            "event": _ref(identity),
        }

    def _remember(self, key: str, identity: str, kind: str, subject: str, data: Row) -> Row:
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
            kept = self._kept.setdefault(key, event)
            while len(self._kept) > KEPT_MAX:
                self._kept.popitem(last=False)
        if (kept["type"], kept["data"]) != (kind, data):
            raise Problem(
                409, "key-reused", f"idempotency-key={key}: already used for another act"
            )
        return kept


def _identity(kind: str, data: Row, state: str, key: str) -> str:
    """Id of an act: the same with the same key, or without one on the same state."""
    told = [kind, data, *([key, "key"] if key else [state])]
    return hashlib.sha256(msgspec.json.encode(told)).hexdigest()[:32]


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


VAIN: Mapping[str, frozenset[str]] = {
    "acknowledge": frozenset({"acknowledged", "closed"}), "assign": frozenset({"closed"}),
    "close": frozenset({"closed"}), "reopen": frozenset({"firing"})}
"""States of an alert in which an act would change nothing; one that is over takes none at all."""


def _in_vain(alert: Row, act: str) -> bool:
    return alert.get("state") in VAIN.get(act, frozenset()) | {"resolved"}


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
