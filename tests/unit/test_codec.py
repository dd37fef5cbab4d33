"""Goal: a dead letter for a wrong choice says which ones there are, whatever else is wrong.

Method: every closed choice of every event type is found in the types, and refused a value in a real
event; then events that are broken behind the wrong value, or have it where no type says so.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from msgspec import inspect

from models import events as e
from streams import codec

_HEAD = {"specversion": "1.0", "id": "1", "source": "s", "subject": "x",
         "time": "2026-01-01T00:00:00Z"}


def refusal(raw: bytes) -> codec.Reason:
    with pytest.raises(codec.InvalidEvent) as caught:
        codec.decode(raw)
    return caught.value.reason


def choices() -> Iterator[tuple[str, str, tuple[Any, ...]]]:
    """(event type, path below `data`, allowed values) of every choice of texts."""
    def walk(at: inspect.Type, path: str) -> Iterator[tuple[str, tuple[Any, ...]]]:
        match at:
            case inspect.UnionType():
                for each in at.types:
                    yield from walk(each, path)
            case inspect.ListType():
                yield from walk(at.item_type, f"{path}[0]")
            case inspect.StructType():
                for field in at.fields:
                    yield from walk(field.type, f"{path}.{field.encode_name}")
            case inspect.LiteralType():
                yield path, at.values

    for cls in e.Event.__args__:
        info = inspect.type_info(cls)
        assert isinstance(info, inspect.StructType)
        for field in info.fields:
            if field.name == "data":
                for path, values in walk(field.type, ""):
                    yield str(cls.__struct_config__.tag), path, values


CHOICES = list(choices())


def test_choices_are_found() -> None:
    paths = {(type_, path) for type_, path, _ in CHOICES}
    assert len(paths) > 15
    assert {("penalty.decided", ".kinds[0]"), ("penalty.decided", ".class"),
            ("inspection.completed", ".findings[0].severity")} <= paths


@pytest.mark.parametrize(("type_", "path", "values"), CHOICES,
                         ids=[f"{t}{p}" for t, p, _ in CHOICES])
def test_every_choice_is_named(type_: str, path: str, values: tuple[Any, ...]) -> None:
    """Only what leads to the value is given: a wrong one is refused before a missing field."""
    value: Any = "no such"
    for name in reversed(path.replace("[0]", ".[0]").strip(".").split(".")):
        value = [value] if name == "[0]" else {name: value}
    found = refusal(json.dumps({**_HEAD, "type": type_, "data": value}).encode())
    assert found.field == f"data{path}" and found.value == "no such"
    assert found.allowed == "must be one of " + ", ".join(map(str, values))
    assert found.message == f"data{path}=no such: {found.allowed}"


def test_the_only_choice() -> None:
    raw = json.dumps({**_HEAD, "type": "subject.cancelled", "specversion": "2.0"}).encode()
    assert refusal(raw).message == "specversion=2.0: must be 1.0"


@pytest.mark.parametrize("raw", [
    b'{"type":"complaint.filed","specversion":"1.0","data":{"kind":"no such"',
    b'{"type":"complaint.filed","specversion":"1.0","data":{"kind":"no such"},"type":"x"}',
    b'{"type":"complaint.filed","specversion":"1.0","data":{"kind":"no such"},"type":7}',
    b'{"type":"complaint.filed","data":{"kind":"no such"},"type":"penalty.decided"}',
    b'{"type":"complaint.filed","data":{"kind":"no such"},"z":"\xff"}',
    b'{"type":"complaint.filed","data":{"kind":"no such"},"z":' + b"[" * 100_000,
])
def test_broken_behind_the_wrong_value(raw: bytes) -> None:
    """Never anything but a reason."""
    assert refusal(raw).field in ("data.kind", "data", "")


def test_choices_cost_nothing_but_on_the_error_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(codec, "_layouts", lambda: pytest.fail("taken apart for a valid event"))
    event = codec.decode(msgspec.json.encode({**_HEAD, "type": "subject.cancelled"}))
    assert isinstance(event, e.SubjectCancelled)
