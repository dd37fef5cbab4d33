"""Bytes to events and back. The only place that sees input nobody has checked yet."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

import msgspec
from msgspec import inspect

from models.events import EVENT_TYPES, Event, LogEvent
from storage.effects import Reason
from streams.pipeline import Entry

_JSON: msgspec.json.Decoder[Event] = msgspec.json.Decoder(Event)
_ANY = msgspec.json.Decoder()
_LOG: msgspec.msgpack.Decoder[LogEvent] = msgspec.msgpack.Decoder(LogEvent)
_ENVELOPE = msgspec.msgpack.Decoder(list[tuple[int, bytes]])
_PACK = msgspec.msgpack.Encoder()
VALUE_MAX = 120
"""Characters of an offending value that a reason repeats."""


class _Typed(msgspec.Struct):
    type: str


_TYPE = msgspec.json.Decoder(_Typed)


class InvalidEvent(Exception):
    """Input that cannot be an event; carries the reason for the dead letter."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason.message)
        self.reason = reason


def reason(field: str, value: object, allowed: str) -> Reason:
    """A reason in the house form: `field=value: allowed`."""
    shown = value if isinstance(value, str) else repr(value)
    if len(shown) > VALUE_MAX:
        shown = shown[:VALUE_MAX] + "…"
    # A lone surrogate could not be written anywhere.
    shown = shown.encode("utf-8", "replace").decode()
    return Reason(field, shown, allowed, f"{field}={shown}: {allowed}" if field else allowed)


def decode(raw: bytes) -> Event:
    """One JSON CloudEvent, decoded and validated in one pass.

    Raises
    ------
    InvalidEvent: with the field, the value and what was allowed.
    """
    try:
        return _JSON.decode(raw)
    except msgspec.ValidationError as error:
        raise InvalidEvent(_explain(raw, str(error))) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidEvent(reason("", "", f"must be one JSON object: {error}")) from None
    except RecursionError:
        raise InvalidEvent(reason("", "", "must not be nested this deeply")) from None


def _explain(raw: bytes, message: str) -> Reason:
    text, _, at = message.partition(" - at `$")
    path = at.rstrip("`").lstrip(".")
    missing = re.search(r"missing required field `([^`]+)`", text)
    if missing:
        field = f"{path}.{missing[1]}" if path else missing[1]
        return reason(field, "", "is required")
    value: Any = None
    try:
        value = _ANY.decode(raw)
        for name, index in re.findall(r"([^.\[\]]+)|\[(\d+)\]", path):
            value = value[int(index)] if index else value[name]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, LookupError, TypeError,
            ValueError):
        value = ""
    if isinstance(value, dict | list):
        value = "an object" if isinstance(value, dict) else "an array"
    if "complainant" in path or "complainant" in str(value).casefold():
        value = "(withheld)"
    allowed = text[:1].lower() + text[1:]
    if path == "type":
        allowed = "allowed types: " + ", ".join(EVENT_TYPES)
    elif text.startswith("Invalid enum value"):
        choices = _choices(raw, path)
        if choices:
            allowed = f"must be {'one of ' if len(choices) > 1 else ''}{', '.join(choices)}"
    return reason(path, value, allowed)


def _choices(raw: bytes, path: str) -> list[str]:
    """The values of the closed choice at a path, by the type of the event; [] = not to be told.

    What follows the wrong value was not read, and may be broken.
    """
    try:
        at = _layouts().get(_TYPE.decode(raw).type)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return []
    for name in re.findall(r"[^.\[\]]+", path):
        if isinstance(at, inspect.ListType):
            at = at.item_type
        elif isinstance(at, inspect.StructType):
            at = next((f.type for f in at.fields if f.encode_name == name), None)
        if isinstance(at, inspect.UnionType):
            # A field that may be absent: its type, or None.
            at = next(t for t in at.types if not isinstance(t, inspect.NoneType))
    return [str(value) for value in at.values] if isinstance(at, inspect.LiteralType) else []


@cache
def _layouts() -> dict[str, inspect.Type]:
    """The types of all events, taken apart."""
    return {str(cls.__struct_config__.tag): inspect.type_info(cls) for cls in Event.__args__}


def encode(event: LogEvent) -> bytes:
    """Body of an event in the log: msgpack, times in UTC."""
    return _PACK.encode(event)


def type_of(event: Event) -> str:
    """The event's `type`."""
    return str(type(event).__struct_config__.tag)


def as_json(event: LogEvent) -> bytes:
    """An event as somebody could send it again: JSON, without a tag of our own."""
    return msgspec.json.encode(event)


def decode_body(body: bytes) -> LogEvent:
    """Inverse of `encode`."""
    return _LOG.decode(body)


def encode_envelope(entries: list[Entry]) -> bytes:
    return _PACK.encode([(x.recorded_ms, x.body) for x in entries])


def decode_envelope(data: bytes) -> list[Entry]:
    return [Entry(recorded, body, _LOG.decode(body)) for recorded, body in _ENVELOPE.decode(data)]


def decode_entries(data: bytes, positions: set[int]) -> list[Entry]:
    """Only the entries at some positions of an envelope: the others are not decoded."""
    return [Entry(recorded, body, _LOG.decode(body))
            for n, (recorded, body) in enumerate(_ENVELOPE.decode(data)) if n in positions]
