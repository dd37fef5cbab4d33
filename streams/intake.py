"""Intake: from raw bytes to what may enter the log, or to a reason why not.

Checks what the types cannot say (codes, catalogue, dates), and reduces a complainant to a keyed
hash before anything is written anywhere, dead letters included.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import re
from typing import Any

import msgspec

from models import events as e
from models import iot, uscc
from models.scorecard import Card
from storage.effects import Reason
from streams.codec import InvalidEvent, decode, encode, reason

_ESCAPE = re.compile(rb"\\u([0-9a-fA-F]{4})")
_FIRST_DAY, _LAST_DAY = dt.date(1900, 1, 1), dt.date(2200, 1, 1)
_MUST_HAVE_GRADE = "is required when decision is adjust"
KNOWN_MAX = 2_000_000
"""Subject codes remembered as valid."""


class Intake:
    """Checks events against one policy.

    Parameters
    ----------
    card
        The policy in force: scheme of subjects, catalogue.
    secret
        Key of the complainants' hash; whoever has it can tell whether two complaints have one
        author, nobody can tell who that is.
    oldest_ms, ahead_max_ms
        An event must have happened after the first, and not further than the second in the future.
    """

    def __init__(self, card: Card, secret: bytes, oldest_ms: int, ahead_max_ms: int) -> None:
        self.card = card
        self._secret = secret[:64]
        self._oldest_ms = oldest_ms
        self._ahead_max_ms = ahead_max_ms
        self._known: set[str] = set()

    def accept(self, raw: bytes, now_ms: int, *,
               hashed: bool = False) -> tuple[e.Event, bytes, int]:
        """The event, its body for the log, and its time [epoch ms].

        Parameters
        ----------
        hashed
            Another intake has been here: a complainant is a hash already.

        Raises
        ------
        InvalidEvent: with the field, the value and what was allowed.
        """
        event = decode(raw)
        if not (event.id.isprintable() and event.source.isprintable()):
            bad = "id" if not event.id.isprintable() else "source"
            raise InvalidEvent(reason(bad, getattr(event, bad),
                                      "must not hold control characters"))
        subject = event.subject
        if subject not in self._known:
            self._check_subject(subject, isinstance(event.data, e.AlertAct))
        time_ms = round(event.time.timestamp() * 1000)
        if not self._oldest_ms <= time_ms <= now_ms + self._ahead_max_ms:
            low = dt.datetime.fromtimestamp(self._oldest_ms / 1000, dt.UTC).date()
            raise InvalidEvent(reason(
                "time", event.time.isoformat(),
                f"must be from {low} to {self._ahead_max_ms // 1000} s after the present"))
        event = self._check_data(event, hashed)
        return event, encode(event), time_ms

    def _check_subject(self, subject: str, is_act: bool) -> None:
        if subject.startswith(e.NO_BUSINESS):
            if is_act and subject.isprintable():
                return
            raise InvalidEvent(reason("subject", subject, "only what people do about an alert may "
                                      f"be about a key with {' or '.join(e.NO_BUSINESS)}"))
        if self.card.policy.subject_scheme == "uscc":
            wrong = uscc.check(subject)
            if wrong:
                raise InvalidEvent(reason("subject", subject, wrong))
        elif not subject.isprintable() or subject != subject.strip():
            raise InvalidEvent(reason("subject", subject,
                                      "must be printable, without outer spaces"))
        if len(self._known) >= KNOWN_MAX:
            self._known.clear()
        self._known.add(subject)

    def _check_data(self, event: e.Event, hashed: bool) -> e.Event:
        data = event.data
        if _DAYS[type(data).__name__]:
            _check_days(data)
        item = getattr(data, "item", None)
        if item is not None and item not in self.card.item_codes:
            ids = self.card.item_ids[1:]
            raise InvalidEvent(reason("data.item", item,
                                      f"must be an item of the catalogue, {ids[0]} to {ids[-1]}"))
        if item == "public" and not isinstance(data, e.AssignedGrade):
            raise InvalidEvent(reason("data.item", item, "only a grade can be public"))
        match data:
            case e.Complaint(complainant=str(who)) if not hashed:
                hidden = msgspec.structs.replace(data, complainant=self._pseudonym(who.encode()))
                return msgspec.structs.replace(event, data=hidden)
            case e.Penalty(decided_on=day) | e.ActDecided(decided_on=day):
                latest = event.time.date() + dt.timedelta(days=1)
                if day > latest:
                    raise InvalidEvent(reason("data.decided_on", day.isoformat(),
                                              f"must not lie after the event's time, {latest}"))
            case e.Registration(items=items):
                for one in items:
                    if one not in self.card.item_codes or one == "public":
                        ids = self.card.item_ids[1:]
                        raise InvalidEvent(reason(
                            "data.items", one,
                            f"must be items of the catalogue, {ids[0]} to {ids[-1]}"))
            case e.Readings():
                return self._check_readings(event, data)
            case e.ReviewAnswer():
                if data.department not in self.card.department_codes:
                    raise InvalidEvent(reason("data.department", data.department,
                                              "must be a department of the catalogue"))
                if data.decision == "adjust" and data.grade is None:
                    raise InvalidEvent(reason("data.grade", "", _MUST_HAVE_GRADE))
            case _:
                pass
        return event

    def _check_readings(self, event: e.Event, data: e.Readings) -> e.Event:
        made = []
        latest_ms = round(event.time.timestamp() * 1000) + self._ahead_max_ms
        for n, series in enumerate(data.series):
            wrong = iot.check(series, not_after_ms=latest_ms)
            if wrong:
                field = f"data.series[{n}]"
                raise InvalidEvent(Reason(field, "", wrong, f"{field}: {wrong}"))
            made.append(iot.canonical_series(series))
        return msgspec.structs.replace(event, data=msgspec.structs.replace(data, series=made))

    def _pseudonym(self, who: bytes) -> str:
        return "h:" + hashlib.blake2b(who, key=self._secret, digest_size=12).hexdigest()

    def scrub(self, raw: bytes) -> bytes:
        """Raw bytes for a dead letter, without whatever may name a complainant.

        In valid JSON the values are replaced by their hash. In anything else everything from the
        first mention on is withheld: broken input must not leak what valid input protects.
        """
        if not _mentions(raw):
            return raw
        try:
            value = msgspec.json.decode(raw)
            return msgspec.json.encode(self._hide(value))
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            at = raw.lower().find(b"complainant")
            kept = raw[: max(at, 0)]
            return kept + b"(%d bytes withheld)" % (len(raw) - len(kept))

    def _hide(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {k: self._pseudonym(msgspec.json.encode(v))
                    if "complainant" in k.casefold() else self._hide(v) for k, v in value.items()}
        if isinstance(value, list):
            return [self._hide(v) for v in value]
        if isinstance(value, str) and "complainant" in value.casefold():
            return "(withheld)"
        return value


def oldest_ms(day: dt.date) -> int:
    """The start of a day as `Intake` wants it [epoch ms, UTC]."""
    return (day - dt.date(1970, 1, 1)).days * 86_400_000


def _mentions(raw: bytes) -> bool:
    """Whether bytes may name a complainant, in whatever spelling or encoding."""
    if b"complainant" in raw.lower():
        return True
    plain = raw.replace(b"\0", b"") if b"\0" in raw else raw
    if b"\\u" in plain:
        plain = _ESCAPE.sub(lambda m: bytes([min(int(m[1], 16), 127)]), plain)
    return b"complainant" in plain.lower()


def _check_days(data: Any) -> None:
    """Days and times within reason: what lies beyond cannot be reckoned with."""
    for name in _DAYS[type(data).__name__]:
        value = getattr(data, name)
        if isinstance(value, dt.datetime):
            value = dt.date(value.year, value.month, value.day)
        if value is not None and not _FIRST_DAY <= value <= _LAST_DAY:
            raise InvalidEvent(reason(f"data.{name}", value.isoformat(),
                                      f"must be from {_FIRST_DAY} to {_LAST_DAY}"))


_DAYS: dict[str, tuple[str, ...]] = {
    cls.__name__: tuple(f.name for f in msgspec.structs.fields(cls) if "date" in str(f.type))
    for cls in e.Data.__subclasses__()}
"""Fields of each kind of `data` that hold a day or a time."""
