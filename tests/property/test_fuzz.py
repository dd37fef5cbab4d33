"""Input that nobody has checked yet: refused with a reason, or taken and folded. Nothing else.

Goal: no bytes from outside raise anything but `InvalidEvent`, end the process, are written in part,
or bring a complainant's name onto the disk. Method: every field of every type with every wrong
token (the samples are checked against the structs, so that a new field is not forgotten), random
and mutated bytes, and a list of ways to hide a name; what is accepted is stepped over as well.
"""

from __future__ import annotations

import json
import random
import re
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import events as ev
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models import events as e
from storage.effects import Reason
from storage.sqlite_store import SqliteStore
from streams import batch, codec, digest, show
from streams.codec import InvalidEvent
from streams.embedded import Embedded
from streams.intake import Intake
from streams.pipeline import Entry

TOKENS = tuple(token.encode() if isinstance(token, str) else token for token in (
    "null", "true", "0", "-1", "1.5", "1e999", "-1e999", "NaN", "Infinity", "1e308",
    "99999999999999999999999999", "123456789012345678", '""', '" "', f'"{"x" * 300}"', "[]", "{}",
    "[[]]", "[null]", '["x"]', '{"source":"a","id":"b"}', '{"source":"","id":""}',
    r'"\ud800"', r'"\udc00x"', r'"\u0000"', r'"a\nb"', r'"\u2028"', b'"\xff"', '"public"',
    '"cq1-01"', '"0001-01-01"', '"9999-12-31"', '"9998-02-28"', '"1969-12-31"', '"2026-13-01"',
    '"0001-01-01T00:00:00+08:00"', '"9999-12-31T23:59:59-08:00"', '"9999-12-31T00:00:00Z"',
    '"6100-01-01T00:00:00Z"', '"2026-01-01T00:00:00+25:00"', '"2026-01-01T00:00:00"',
    '"2026-01-01T24:00:00+08:00"', '"2026-01-01T23:59:60+08:00"', '"1970-01-01T00:00:00Z"',
    '"2026-01-01T00:00:00Z"'))
WRONG = b'{"nope":[[]]}'
"""Fits no field that is not an object."""

OPTIONAL: dict[str, dict[str, Any]] = {
    "subject.registered": {"aliases": ["a1"], "controllers": ["c1"], "platform": "p1",
                           "items": ["cq1-01"]},
    "complaint.filed": {"severity": 2, "complainant": "somebody"},
    "penalty.decided": {"amount_cny": 1.0, "class": "minor", "due_on": "2026-06-01"},
    "penalty.performed": {"reason": "r"}, "penalty.revoked": {"reason": "r"},
    "act.published": {"url": "https://example.org"},
    "inspection.completed": {"draw": "d", "findings": [{"code": "f", "severity": "minor"}]},
    "iot.readings": {}, "list.entered": {"until": "2027-01-01",
                                         "basis": [{"law": "l", "article": "a"}]},
    "rectification.ordered": {"of": {"source": "s", "id": "i"}},
    "interview.held": {"of": {"source": "s", "id": "i"}},
    "grade.assigned": {"scheme": "s", "original": "M", "valid_until": "2027-01-01"},
    "review.answered": {"decision": "adjust", "grade": "B"},
    "inspection.drawn": {"rank": "00ff00ff00ff00ff"}, "inspection.released": {"reason": "r"},
    **{f"objection.{x}": {"ground": "g"} for x in ("raised", "upheld", "rejected")},
    **{f"alert.{x}": {"note": "n", "until": "2026-07-01T00:00:00Z"}
       for x in ("acknowledged", "assigned", "closed", "reopened", "silenced")},
}


@cache
def samples() -> dict[str, dict[str, Any]]:
    """One valid event of each type, with every field there is."""
    shape = ev.Shape(span_d=60, devices=True)
    found: dict[str, dict[str, Any]] = {}
    for seed in range(60):
        for made in ev.build(ev.draw(seed, 40, shape), shape):
            found.setdefault(made.type, json.loads(made.raw))
    for name, extra in OPTIONAL.items():
        found[name].setdefault("data", {}).update(extra)
    found["subject.cancelled"]["data"] = {}
    series = found["iot.readings"]["data"]["series"][0]
    times = series["t"][:2]
    series.update(t=times, v=[1.0] * len(times), flag=["N"] * len(times))
    return dict(sorted(found.items()))


def paths(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place in a JSON value, of a list the first element only."""
    if at:
        yield at
    items = value.items() if isinstance(value, dict) else list(enumerate(value))[:1] if isinstance(
        value, list) else ()
    for key, inner in items:
        yield from paths(inner, (*at, key))


def put(value: Any, at: tuple[Any, ...], token: bytes | None) -> bytes:
    """The JSON of a value with a token in one place; None leaves the place out."""
    value = json.loads(json.dumps(value))
    inner = value
    for key in at[:-1]:
        inner = inner[key]
    if token is None:
        del inner[at[-1]]
        return json.dumps(value).encode()
    inner[at[-1]] = "@here@"
    return json.dumps(value).encode().replace(b'"@here@"', token)


def name_of(at: tuple[Any, ...]) -> str:
    return "".join(f"[{k}]" if isinstance(k, int) else f".{k}" for k in at).lstrip(".")


def taken(raw: bytes) -> Reason | None:
    """Intake and step of one line; the reason if it was refused.

    Raises
    ------
    Whatever else happens: that is the failure.
    """
    intake = ev.intake("default")
    try:
        event, body, time_ms = intake.accept(raw, ev.FAR_MS)
    except InvalidEvent as error:
        reason = error.reason
        assert reason.message and reason.message == str(error)
        assert reason.field or "JSON" in reason.message or "expected" in reason.message or (
            "nested" in reason.message), reason
        assert len(reason.message) < 3_000
        msgspec.msgpack.encode(reason)
        assert isinstance(intake.scrub(raw), bytes)
        return reason
    assert codec.decode_body(body) == event
    shard = ev.shard("default")
    shard.step([Entry(time_ms, body, event)])
    shard.step([ev.tick(max(time_ms, 0) + 40 * ev.DAY_MS)])
    show.describe(shard, event.subject, shard.clock_ms)
    digest.total([shard])
    return None


# ---------------------------------------------------------------------------------------- fields


def test_samples_have_every_field() -> None:
    """Goal: a field added to a struct is fuzzed, or this fails."""
    assert set(samples()) == set(e.EVENT_TYPES)
    for cls in e.Event.__args__:  # type: ignore[attr-defined]
        event = samples()[str(cls.__struct_config__.tag)]
        assert taken(json.dumps(event).encode()) is None
        _has_all(msgspec.inspect.type_info(cls), event, cls.__name__)


def _has_all(info: Any, value: Any, where: str) -> None:
    if isinstance(info, msgspec.inspect.StructType):
        for field in info.fields:
            assert field.encode_name in value, f"{where} lacks {field.encode_name}"
            _has_all(field.type, value[field.encode_name], f"{where}.{field.encode_name}")
    elif isinstance(info, msgspec.inspect.UnionType):
        for one in info.types:
            if isinstance(one, msgspec.inspect.StructType) or (
                    isinstance(one, msgspec.inspect.ListType) and isinstance(value, list)):
                _has_all(one, value, where)
    elif isinstance(info, msgspec.inspect.ListType) and value:
        _has_all(info.item_type, value[0], where)


@pytest.mark.parametrize("type_", e.EVENT_TYPES)
def test_wrong_tokens_in_every_field(type_: str) -> None:
    for at in paths(samples()[type_]):
        for token in (None, *TOKENS):
            raw = put(samples()[type_], at, token)
            try:
                taken(raw)
            except Exception as error:
                raise AssertionError(f"{type_} {name_of(at)}={token!r}: {error!r}") from error


@pytest.mark.parametrize("type_", e.EVENT_TYPES)
def test_wrong_type_names_the_field(type_: str) -> None:
    for at in paths(samples()[type_]):
        reason = taken(put(samples()[type_], at, WRONG))
        if at == ("data",) and type_ == "subject.cancelled":
            continue
        assert reason is not None, f"{type_}: an object was taken for {name_of(at)}"
        name = name_of(at)
        assert reason.field == name or reason.field.startswith((f"{name}.", f"{name}[")), (
            f"{type_}: {name} is wrong, the reason names {reason.field!r}")


@pytest.mark.parametrize("at", [("time",), ("data", "decided_on")])
@pytest.mark.parametrize("value", ["2026-01-01", "2026-02-30T00:00:00+08:00", "yesterday", 1, None])
def test_no_date(at: tuple[str, ...], value: object) -> None:
    reason = taken(put(samples()["penalty.decided"], at, json.dumps(value).encode()))
    if at == ("time",) or value != "2026-01-01":
        assert reason is not None and reason.field == name_of(at)


# ----------------------------------------------------------------------------------------- bytes


@given(st.binary(max_size=200))
def test_random_bytes(raw: bytes) -> None:
    assert taken(raw) is not None


@given(st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda x: st.lists(x, max_size=4) | st.dictionaries(
        st.sampled_from(["id", "source", "type", "subject", "time", "data", "specversion", "item",
                         "complainant"]), x, max_size=5), max_leaves=12))
def test_random_json(value: object) -> None:
    assert taken(json.dumps(value).encode()) is not None


@pytest.mark.parametrize("chunk", range(8))
def test_mutated_events(chunk: int) -> None:
    rng = random.Random(chunk)
    raws = [json.dumps(x, ensure_ascii=bool(n % 2)).encode() for n, x in enumerate(
        samples().values())]
    for n in range(1_000):
        raw = mutated(rng, rng.choice(raws))
        try:
            taken(raw)
        except Exception as error:
            raise AssertionError(f"chunk {chunk}, number {n}: {raw!r}: {error!r}") from error


def mutated(rng: random.Random, raw: bytes) -> bytes:
    b = bytearray(raw)
    at = rng.randrange(len(b))
    match rng.randrange(6):
        case 0:
            del b[at:]
        case 1:
            for _ in range(rng.randrange(1, 4)):
                b[rng.randrange(len(b))] = rng.randrange(256)
        case 2:
            b[at:at] = rng.randbytes(3)
        case 3:
            del b[at : at + rng.randrange(1, 9)]
        case 4:
            b[at:at] = b[rng.randrange(len(b)) :][:20]
        case _:
            b[at] ^= 1 << rng.randrange(8)
    return bytes(b)


@pytest.mark.parametrize("raw", [
    b"", b" ", b"null", b"1", b'"x"', b"[]", b"{}", b"\x00" * 1000, b"\xff\xfe\x00",
    b"[" * 100_000, b"[" * 100_000 + b"]" * 100_000, b'{"a":' * 100_000,
    b'{"data":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    b'{"data":{"complainant":' + b"[" * 100_000,
    b'{"data":{"complainant":' * 50_000,
    b'"' + b"x" * 10_000_000 + b'"', b'{"id":"' + b"y" * 10_000_000 + b'"}',
    b'{"complainant":"' + b"\\" * 2_000_000, b'"complainant":' * 500_000,
], ids=lambda raw: f"{raw[:12]!r}-{len(raw)}")
def test_hostile_bodies(raw: bytes) -> None:
    # Of this process: a busy machine takes none of it.
    started = time.process_time()
    assert taken(raw) is not None
    assert time.process_time() - started < 10


def test_garbage_leaves_no_trace(tmp_path: Path) -> None:
    """Good events among garbage: the same state as without, one dead letter for each bad line."""
    rng = random.Random(3)
    good = [m.raw for m in ev.history_of(3)]
    bad = [x for raw in good * 3 if taken(x := mutated(rng, raw)) is not None]
    lines = good + bad
    rng.shuffle(lines)
    clean = Embedded(None, ev.policy())
    for raw in (raw for raw in lines if raw in set(good)):
        _feed(clean, raw)
    dirty = Embedded(tmp_path / "store", ev.policy())
    for raw in lines:
        _feed(dirty, raw)
    assert dirty.digest() == clean.digest()
    rows = dirty.store.query("SELECT reason, raw FROM rejects WHERE origin != 'log'")
    assert len(rows) == len(bad)
    assert all(msgspec.msgpack.decode(reason, type=Reason).message for reason, _ in rows)
    dirty.close()


def _feed(runner: Embedded, raw: bytes) -> None:
    feed = batch.Feed(runner, "fuzz", ev.FAR_MS)
    feed.put(raw)
    feed.flush()


# ------------------------------------------------------------------------------------- complainant


def hidden(who: str, phone: str) -> dict[str, bytes]:
    """Ways in which a complainant's name comes in, well-formed and not."""
    escaped = "".join(f"\\u{ord(c):04x}" for c in who)
    upper = "".join(f"\\u{ord(c):04X}" for c in who)
    key, secret_key = f'"complainant":"{who}"', f'"compl\\u0061inant":"{who}"'

    def event(data: str, extra: str = "", **fields: str) -> str:
        attributes = {"specversion": "1.0", "id": "c1", "source": "d", "type": "complaint.filed",
                      "subject": ev.codes(1)[0], "time": "2026-01-05T09:00:00+08:00", **fields}
        return json.dumps(attributes)[:-1] + f'{extra},"data":{data}}}'

    def bad(more: str) -> str:
        return event(f'{{"item":"NOPE","kind":"complaint","category":"x",{more}}}')

    def good(more: str, **fields: str) -> str:
        return event(f'{{"item":"cq1-01","kind":"complaint","category":"x",{more}}}', **fields)

    nested = f'{{"name":"{who}","phone":"{phone}"}}'
    forms = {
        "accepted": good(key), "accepted, escaped": good(f'"complainant":"{escaped}"'),
        "accepted, escaped key": good(secret_key, id="c2"),
        "duplicate": good(key), "conflict": good(f'{key},"severity":4'),
        "conflict, escaped key": good(f'{secret_key},"severity":3'),
        "on another type": good(f'{key},"of":{{"source":"d","id":"c1"}}', type="penalty.performed"),
        "unknown type": good(key, type="complaint.made"),
        "bad subject": good(key, subject="91500101MA5U00003X"),
        "bad time": good(key, time="2026-01-05T09:00:00"),
        "bad item": bad(key), "escaped value": bad(f'"complainant":"{escaped}"'),
        "upper escapes": bad(f'"complainant":"{upper}"'), "escaped key": bad(secret_key),
        "too long": good(f'"complainant":"{who * 60}"'), "spaces": bad(key.replace(":", " :\t ")),
        "truncated": bad(key)[:-3], "truncated, escaped value": bad(
            f'"complainant":"{escaped}"')[:-3],
        "truncated, escaped key": bad(secret_key)[:-3], "cut in the name": bad(key)[:-4],
        "object": bad(f'"complainant":{nested}'),
        "broken object": bad(f'"complainant":{nested}')[:-2],
        "broken object, spaces": bad(
            f'"complainant": {{ "phone" : "{phone}" , "name" : "{who}" }}')[:-2],
        "list": bad(f'"complainant":["x","{who}","{phone}"]'),
        "broken list": bad(f'"complainant":["x","{who}","{phone}"]')[:-2],
        "number": bad(f'"complainant":{phone}'),
        "broken number": bad(f'"complainant":{phone}')[:-2],
        "two keys": bad(f'{key},"complainant":"b"'), "two keys, broken": bad(
            f'{key},"complainant":"b"')[:-1],
        "two data": bad(key)[:-1] + ',"data":{}}', "two data, escaped key": bad(
            secret_key)[:-1] + ',"data":{}}',
        "top level": event('{"item":"NOPE"}', f",{key}"),
        "top level, escaped key": event('{"item":"NOPE"}', f",{secret_key}"),
        "nested": bad(f'"x":{{{key}}}'), "nested, escaped key": bad(f'"x":{{{secret_key}}}'),
        "batch": f"[{bad(key)}]", "batch, escaped key": f"[{bad(secret_key)}]",
        "data is a list": event(f"[{{{key}}}]"), "data is a list, escaped key": event(
            f"[{{{secret_key}}}]"),
        "data is a string": event(json.dumps(f"{{{key}}}")),
        "category is an object": event(
            f'{{"item":"cq1-01","kind":"complaint","category":{{{key}}}}}'),
        "type is an object": good(key).replace('"complaint.filed"', f"{{{key}}}"),
        "key in capitals": bad(key.replace("complainant", "Complainant")),
        "key with a tail": bad(key.replace("complainant", "complainant_name")),
        "single quotes": bad(key).replace('"', "'"), "no quotes": bad(
            key.replace('"complainant"', "complainant")),
        "no JSON": f"complainant={who}", "two objects": bad(key) * 2, "comma": bad(f"{key},"),
        "comment": bad(key.replace(":", "/**/:")), "no colon": bad(key.replace(":", " ")),
        "quote in the name": bad(f'"complainant":"a\\"{who}"'),
        "bare quote in the name": bad(f'"complainant":"a"{who}"'),
        "deep": bad(f'{key},"x":{"[" * 5_000}{"]" * 5_000}'),
        "byte order mark": "\ufeff" + bad(key),
        "byte order mark, escaped key": "\ufeff" + bad(secret_key),
    }
    made = {name: form.encode() for name, form in forms.items()}
    made["utf-16"] = bad(key).encode("utf-16")
    made["gbk"] = bad(key).encode("gbk")
    made["bad byte behind it"] = bad(key).encode()[:-2] + b"\xff}}"
    return made


def leaks(folder: Path, names: dict[str, tuple[str, str]]) -> list[str]:
    """Forms whose name or number can be read anywhere under a folder, whatever it is written in."""
    found = set()
    for path in folder.rglob("*"):
        if path.is_file():
            data = path.read_bytes()
            plain = data.replace(b"\0", b"")
            plain += re.sub(rb"\\+u([0-9a-fA-F]{4})",
                            lambda m: chr(int(m[1], 16)).encode("utf-8", "replace"), plain)
            found |= {form for form, needles in names.items()
                      if any(n.encode() in plain for n in needles)}
    return sorted(found)


def planted(folder: Path) -> list[str]:
    """Send every form with a name of its own, then look for the names on the disk."""
    runner = Embedded(folder, ev.policy("default"))
    names = {}
    for n, form in enumerate(hidden("", "")):
        # Half a name must not be found either: the needle is its beginning.
        who, phone = f"Zq{n:03d}Kx张三丰", f"1387{n:03d}5544"
        names[form] = (f"Zq{n:03d}Kx", phone)
        _feed(runner, hidden(who, phone)[form])
    runner.checkpoint()
    before = leaks(folder, names)
    runner.close()
    return sorted({*before, *leaks(folder, names)})


def test_no_complainant_on_the_disk(tmp_path: Path) -> None:
    found = planted(tmp_path / "store")
    assert not found, f"{len(found)} forms can be read from the store: {found}"


def test_no_complainant_in_a_reason() -> None:
    """Reasons go to the sender, to logs and to lists of dead letters."""
    found = []
    for form, raw in hidden("Zq000Kx张三丰", "13870005544").items():
        reason = taken(raw)
        text = "" if reason is None else f"{reason.value} {reason.message}"
        if "Zq000Kx" in text or "13870005544" in text:
            found.append(form)

    assert found == []


# ---------------------------------------------------------------------------------- planted faults


def test_leak_checker_notices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Intake, "scrub", lambda s, raw: raw)
    found = planted(tmp_path / "dead")
    assert {"bad item", "escaped value", "utf-16", "conflict"} <= set(found)
    monkeypatch.undo()
    monkeypatch.setattr(Intake, "_pseudonym", lambda s, who: who.decode("utf-8", "replace"))
    assert "accepted" in planted(tmp_path / "log")


def test_intake_checker_notices(monkeypatch: pytest.MonkeyPatch) -> None:
    def explain(*a: object) -> Reason:
        raise KeyError("data")

    monkeypatch.setattr(codec, "_explain", explain)
    with pytest.raises(KeyError):
        taken(b'{"specversion":"1.0"}')
    monkeypatch.undo()
    monkeypatch.setattr(codec, "_explain", lambda *a: Reason("", "", "", ""))
    with pytest.raises(AssertionError):
        taken(b'{"specversion":"1.0"}')


def test_trace_checker_notices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Planted fault: a dead letter that is dropped."""
    plain = SqliteStore.commit
    monkeypatch.setattr(SqliteStore, "commit",
                        lambda s, *a: plain(s, *a[:6], a[6][1:]))  # type: ignore
    with pytest.raises(AssertionError):
        test_garbage_leaves_no_trace(tmp_path)
