"""Goal: a record of a feed in CloudEvents' binary mode is the event it would be in structured mode;
what is broken about it becomes a reason that names the field, never a crash.

Method: events of every type are taken apart into headers and body, as JSON and as msgpack, and go
through `structured` and the real intake; hypothesis breaks headers and bodies. Two planted faults,
a body that is put in unread and bytes that stay bytes, show that the checks notice.
"""

from __future__ import annotations

import json
import math
import random
import struct
from collections.abc import Callable
from typing import Any

import events as ev
import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from models import events as e
from storage.effects import Reason
from storage.kafka_client import Topics
from streams import codec, feeds
from streams.codec import InvalidEvent
from streams.feeds import CHECKED, Feed, Feeds, structured
from streams.merge import Merge

Headers = dict[str, "str | bytes | None"]
NOW_MS = ev.FAR_MS
T = [1_767_250_800_000 - 60_000 * n for n in range(3)]


def headers_of(event: dict[str, Any], kind: bytes = b"application/json") -> Headers:
    return {"content-type": kind,
            **{f"ce_{k}": str(v).encode() for k, v in event.items() if k != "data"}}


def accept(headers: Headers, body: bytes) -> e.Event:
    return ev.intake().accept(structured(headers, body), NOW_MS)[0]


def reason(headers: Headers, body: bytes) -> Reason:
    with pytest.raises(InvalidEvent) as caught:
        accept(headers, body)
    return caught.value.reason


def event(type_: str = "complaint.filed", **data: Any) -> dict[str, Any]:
    return {"specversion": "1.0", "id": "b1", "source": "12345", "type": type_,
            "subject": ev.codes(1)[0], "time": "2026-01-01T15:00:00+08:00",
            "data": data or {"item": "cq1-17", "kind": "complaint", "category": "食品安全"}}


def series(t: Any, v: Any, **more: Any) -> dict[str, Any]:
    return {"item": "cq1-17", "series": [{"device": "d1", "class": "coldchain", "metric":
                                          "temperature_c", "unit": "°C", "t": t, "v": v, **more}]}


# --------------------------------------------------------------------------------- the same event


@pytest.mark.parametrize("pack", [json.dumps, msgspec.msgpack.encode])
def test_every_type(pack: Callable[[Any], Any]) -> None:
    """Binary mode, JSON or msgpack, says what structured mode says."""
    shape = ev.Shape(devices=True)
    seen = set()
    for made in ev.build(ev.draw(3, 900, shape), shape):
        given = json.loads(made.raw)
        kind = b"application/json" if pack is json.dumps else b"application/msgpack"
        body = pack(given["data"]) if "data" in given else b""
        raw = structured(headers_of(given, kind), body.encode() if isinstance(body, str) else body)
        assert ev.intake().accept(raw, NOW_MS)[:2] == (made.event, made.body)
        seen.add(made.type)
    assert seen == set(e.EVENT_TYPES)


@pytest.mark.parametrize("kind", [b"application/msgpack", b"application/x-msgpack; v=5",
                                  "application/msgpack"])
def test_packed_readings(kind: Any) -> None:
    """`t` and `v` as little-endian bytes are the readings they hold, NaN is no value."""
    values = [4.5, math.nan, -3.25]
    packed = series(struct.pack("<3q", *T), struct.pack("<3d", *values))
    plain = series(T, [4.5, None, -3.25])
    found = accept(headers_of(event("iot.readings"), kind), msgspec.msgpack.encode(packed))
    wanted = ev.intake().accept(json.dumps(event("iot.readings", **plain)).encode(), NOW_MS)[0]
    assert codec.encode(found) == codec.encode(wanted)
    assert isinstance(found, e.IotReadings)
    one = found.data.series[0]
    assert isinstance(one.t, bytes) and isinstance(one.v, bytes)
    assert sorted(struct.unpack("<3q", one.t)) == sorted(T)


def test_packed_readings_that_do_not_fit() -> None:
    for t, v in ((b"1234567", b""), (struct.pack("<2q", *T[:2]), struct.pack("<1d", 1.0))):
        why = reason(headers_of(event("iot.readings"), b"application/msgpack"),
                     msgspec.msgpack.encode(series(t, v)))
        assert why.field.startswith("data.series[0]")


def test_no_data() -> None:
    """`subject.cancelled` has none: its body is empty, or null in Kafka's words."""
    gone = {k: v for k, v in event("subject.cancelled").items() if k != "data"}
    for kind in (b"application/json", b"application/msgpack"):
        assert isinstance(accept(headers_of(gone, kind), b""), e.SubjectCancelled)
    why = reason(headers_of(event()), b"")
    assert (why.field, why.allowed) == ("data", "is required")


def test_no_content_type_is_json() -> None:
    made = event()
    headers = {k: v for k, v in headers_of(made).items() if k != "content-type"}
    assert accept(headers, json.dumps(made["data"]).encode()).id == "b1"


def test_a_complainant_in_binary_mode_is_hashed() -> None:
    made = event(item="cq1-17", kind="complaint", category="x", complainant="张三 13800000000")
    for kind, body in ((b"application/json", json.dumps(made["data"]).encode()),
                       (b"application/msgpack", msgspec.msgpack.encode(made["data"]))):
        found = accept(headers_of(made, kind), body)
        assert isinstance(found, e.ComplaintFiledEvent)
        assert str(found.data.complainant).startswith("h:")
        assert "张三".encode() not in codec.encode(found)


# --------------------------------------------------------------------------------- broken records


@pytest.mark.parametrize(("change", "body", "field", "value"), [
    ({}, b"no json", "data", "not JSON"),
    ({}, b"{", "data", "not JSON"),
    ({}, b'{} ,"subject":"other"', "data", "not JSON"),
    ({}, b"[1]", "data", "an array"),
    ({}, b"null", "data", "None"),
    ({"content-type": b"application/msgpack"}, b"\xc1", "data", "not msgpack"),
    ({"content-type": b"application/msgpack"}, b'{"item":1}', "data", "not msgpack"),
    ({"content-type": b"application/msgpack"}, b"\x81\x80\x01", "data", "not msgpack"),
    ({"content-type": b"application/msgpack"}, b"\x81\x91\x01\x01", "data", "not msgpack"),
    ({"content-type": b"application/msgpack"}, b"\xc7\x01\x05a", "data", "not msgpack"),
    ({"content-type": b"application/msgpack"}, b"\x91" * 9_000 + b"\x01", "data", "not msgpack"),
    ({"content-type": b"application/msgpack"}, b"\xa1\xff", "data", "not msgpack"),
    ({"ce_specversion": b"0.3"}, b"{}", "specversion", "0.3"),
    ({"ce_id": b""}, b"{}", "id", ""),
    ({"ce_id": None}, b"{}", "id", "None"),
    ({"ce_source": b"\xff\xfe"}, b"{}", "data.item", ""),
    ({"ce_type": b"complaint.field"}, b"{}", "type", "complaint.field"),
    ({"ce_time": b"yesterday"}, b"{}", "time", "yesterday"),
    ({"ce_data": b"{}"}, b"[]", "data", "an array"),
])
def test_what_is_wrong_is_named(change: Headers, body: bytes, field: str, value: str) -> None:
    why = reason(headers_of(event()) | change, body)
    assert (why.field, why.value) == (field, value)
    assert why.allowed and why.message


@pytest.mark.parametrize("name", ["ce_id", "ce_source", "ce_type", "ce_subject", "ce_time"])
def test_a_missing_header_is_named(name: str) -> None:
    made = event()
    headers = {k: v for k, v in headers_of(made).items() if k != name}
    why = reason(headers, json.dumps(made["data"]).encode())
    assert (why.field, why.allowed) == (name[3:], "is required")


BODIES = st.one_of(st.binary(max_size=60), st.builds(
    msgspec.msgpack.encode, st.recursive(
        st.none() | st.booleans() | st.integers(-2**63, 2**64 - 1) | st.floats() | st.text()
        | st.binary(max_size=20),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
        max_leaves=8)), st.builds(
    lambda t, v: msgspec.msgpack.encode(series(t, v)), st.binary(max_size=33),
    st.binary(max_size=33)))
VALUES = st.one_of(st.none(), st.binary(max_size=30), st.text(max_size=30))
NAMES = st.sampled_from(["ce_specversion", "ce_id", "ce_source", "ce_type", "ce_subject",
                         "ce_time", "ce_data", "ce_", "ce_x", "content-type", "traceparent"])


@given(st.dictionaries(NAMES, VALUES, max_size=4), BODIES, st.booleans(), st.sampled_from(
    ["iot.readings", "complaint.filed", "subject.cancelled"]))
@example({"ce_x": "\ud800"}, b"", True, "subject.cancelled")
def test_nothing_crashes(change: Headers, body: bytes, packed: bool, type_: str) -> None:
    """Whatever headers and body are: an event, or a reason. What is said of it can be written."""
    kind = b"application/msgpack" if packed else b"application/json"
    raw = structured(headers_of(event(type_), kind) | change, body)
    try:
        ev.intake().accept(raw, NOW_MS)
    except InvalidEvent as error:
        assert error.reason.message
        msgspec.json.encode(error.reason)
    ev.intake().scrub(raw)


def test_bytes_flipped_in_good_records() -> None:
    draw = random.Random(1)
    good = msgspec.msgpack.encode(series(struct.pack("<3q", *T), struct.pack("<3d", 1, 2, 3)))
    headers = headers_of(event("iot.readings"), b"application/msgpack")
    assert accept(headers, good)
    refused = 0
    for at in range(len(good)):
        for _ in range(4):
            spoilt = bytearray(good)
            spoilt[at] ^= draw.randrange(1, 256)
            try:
                accept(headers, bytes(spoilt))
            except InvalidEvent as error:
                refused += error.reason.message != ""
    assert refused > len(good)


# ------------------------------------------------------------------------------ from Kafka's client


class Message:
    """What `Feeds` asks of a message of Kafka's client."""

    def __init__(self, value: bytes | None, headers: list[tuple[str, Any]] | None = None) -> None:
        self._value, self._headers = value, headers

    def topic(self) -> str:
        return "x.complaints"

    def partition(self) -> int:
        return 0

    def offset(self) -> int:
        return 5

    def value(self) -> bytes | None:
        return self._value

    def headers(self) -> list[tuple[str, Any]] | None:
        return self._headers

    def timestamp(self) -> tuple[int, int]:
        return 1, 1_000


def put(message: Message) -> feeds.Raw:
    """What becomes of a message, without a broker."""
    made = object.__new__(Feeds)
    feed = Feed("x.complaints", 0)
    made._merge = Merge([feed])
    made._at, made._topics = {feed: 0}, Topics.of("x")
    made._put(message)  # type: ignore[arg-type]
    assert made._at == {feed: 6}
    made._merge.quiet(feed, 2_000)
    [(time_ms, raw)] = made._merge.ready()
    assert time_ms == 1_000
    return raw


def test_records_are_taken_as_they_are() -> None:
    assert put(Message(b"{}")) == (Feed("x.complaints", 0), 5, b"{}", False)
    assert put(Message(None)).value == b"", "a tombstone is a dead letter"
    with pytest.raises(InvalidEvent):
        ev.intake().accept(put(Message(None)).value, NOW_MS)
    assert put(Message(b"{}", [("traceparent", b"x")])).value == b"{}"
    binary = [*headers_of(event()).items()]
    raw = put(Message(json.dumps(event()["data"]).encode(), binary))
    assert ev.intake().accept(raw.value, NOW_MS)[0].id == "b1" and not raw.checked


def test_the_header_of_our_own_intake() -> None:
    """It says that a complainant is a hash already: it is not hashed again."""
    made = event(item="cq1-17", kind="complaint", category="x", complainant="h:0011")
    for headers in ([(CHECKED, b"1")], [(CHECKED, None), ("traceparent", b"x")]):
        raw = put(Message(json.dumps(made).encode(), headers))
        assert raw.checked
        found = ev.intake().accept(raw.value, NOW_MS, hashed=raw.checked)[0]
        assert isinstance(found, e.ComplaintFiledEvent) and found.data.complainant == "h:0011"
    raw = put(Message(json.dumps(made).encode()))
    found = ev.intake().accept(raw.value, NOW_MS, hashed=raw.checked)[0]
    assert isinstance(found, e.ComplaintFiledEvent) and found.data.complainant != "h:0011"


def test_events_have_the_feed_of_their_type() -> None:
    topics = Topics.of("x")
    wanted = {"complaint.filed": "x.complaints", "complaint.closed": "x.complaints",
              "penalty.decided": "x.penalties", "iot.readings": "x.iot", "iot.alarm": "x.iot"}
    for type_ in e.EVENT_TYPES:
        assert topics.feed_of(type_) in topics.feeds
        if not type_.startswith(("complaint.", "penalty.", "iot.")):
            assert topics.feed_of(type_) == "x.records"
    assert {t: topics.feed_of(t) for t in wanted} == wanted
    assert topics.feed_of("") == topics.feed_of("complaints") == "x.records"


# -------------------------------------------------------------------------------- planted faults


def test_a_body_that_is_not_read_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feeds, "_data", lambda packed, body: msgspec.Raw(body))
    with pytest.raises((AssertionError, pytest.fail.Exception)):
        test_what_is_wrong_is_named({}, b'{} ,"subject":"other"', "data", "not JSON")


def test_bytes_in_another_alphabet_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    def data(packed: bool, body: bytes) -> msgspec.Raw:
        held = msgspec.msgpack.decode(body)
        for one in held["series"]:
            one |= {key: one[key].hex() for key in ("t", "v")}
        return msgspec.Raw(msgspec.json.encode(held))

    monkeypatch.setattr(feeds, "_data", data)
    with pytest.raises((AssertionError, InvalidEvent)):
        test_packed_readings(b"application/msgpack")
