"""A record of `xinfeng.alerts` or `xinfeng.reviews` as a notice for the dispatcher. Pure."""

from __future__ import annotations

import datetime as dt
from typing import Any

import msgspec

from alerts.notice import Notice
from dispatch.notices import Profile, of_alert, of_review
from models.calendar import from_date
from storage.effects import AlertChanged, Evidence, ReviewChanged
from storage.rows import PLACE_BITS

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


class Record(msgspec.Struct, frozen=True):
    id: str
    type: str
    data: dict[str, Any]
    subject: str = ""


_RECORD = msgspec.json.Decoder(Record).decode


def notice(value: bytes, offset_ms: int) -> Notice | None:
    """What a record says; None where it concerns nobody, or was written before alerts carried what
    their texts need."""
    record = _RECORD(value)
    _, offset, place = record.id.split("-")
    seq = int(offset) << PLACE_BITS | int(place)
    row = record.data
    profile = Profile(row.get("name", ""), row.get("kind", ""), row.get("district", ""))
    match record.type:
        case "xinfeng.alert.changed" if "facts" in row:
            return of_alert(alert(row), seq, profile)
        case "xinfeng.review.changed":
            return of_review(review(row), seq, offset_ms, profile)
        case _:
            return None


def alert(row: dict[str, Any]) -> AlertChanged:
    """Inverse of `streams.rows.alert_row`, with what `streams.outgoing` adds to it."""
    return AlertChanged(
        row["id"], row["rule"], row["level"], row["state"], row["was"], row["reason"],
        row["subject"] or row.get("cell", ""), row["item"], _ms(row["since"]),
        _ms(row["opened_at"]), _ms(row["updated_at"]), _ms(row["silenced_until"]),
        row["departments"], row["items"], row["facts"],
        [Evidence(x["source"], x["id"], x["type"], _ms(x["time"])) for x in row["evidence"]],
        row["weights"], row["policy"], row["actor"], row["note"], row.get("members", []))


def review(row: dict[str, Any]) -> ReviewChanged:
    """Inverse of `streams.rows.review_row`, without what departments wrote."""
    answers = [{"department": x["department"], "time_ms": _ms(x["at"]), "decision": x["decision"],
                "grade": x["grade"]} for x in row["answers"]]
    return ReviewChanged(
        row["id"], row["subject"], row["state"] == "open", _ms(row["opened_at"]),
        _day(row["since"]), _day(row["due_on"]), _day(row["ended_on"]), row["levels"],
        row["highest"] or {}, row["lowest"] or {}, row["items"], row["departments"], answers,
        _ms(row["updated_at"]))


def _ms(text: str | None) -> int:
    if not text:
        return 0
    return (dt.datetime.fromisoformat(text) - _EPOCH) // dt.timedelta(milliseconds=1)


def _day(text: str | None) -> int:
    return from_date(dt.date.fromisoformat(text)) if text else 0
