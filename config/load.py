"""Reads policy and settings from TOML and CSV into frozen values, strictly.

An unknown, missing or unfit key refuses to start, with one line that names the key, the value and
what is allowed.
"""

from __future__ import annotations

import csv
import datetime as dt
import os
import re
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from config import notify as notify_
from config.workdays import CalendarExceptions, calendar_exceptions
from models.iot import DeviceSpec
from models.policy import Calendar, Indicator, Policy, Strict, problems

HERE = Path(__file__).parent
POLICY = HERE / "policy.toml"
SETTINGS = HERE / "settings.toml"
VARIABLES = {"XINFENG_TOKEN": ("http", "token"), "XINFENG_KAFKA": ("kafka", "servers"),
             "XINFENG_KAFKA_PASSWORD": ("kafka", "sasl_password"),
             "XINFENG_REDIS": ("redis", "url")}
"""Settings that the environment may give: addresses, and what must not stand in files."""


class ConfigError(Exception):
    """A key is missing, unknown or unfit: one line, for people."""


class Http(Strict, frozen=True):
    host: str
    port: Annotated[int, Meta(ge=0, le=65_535)]
    token: str
    hosts: list[str]


class Intake(Strict, frozen=True):
    folder: str
    time_ahead_max_s: Annotated[int, Meta(ge=0, le=86_400 * 366)]
    time_oldest: dt.date
    time_jump_max_d: Annotated[int, Meta(ge=1, le=100_000)]
    body_max_bytes: Annotated[int, Meta(ge=1_000, le=1_000_000_000)]


class Log(Strict, frozen=True):
    envelope_events: Annotated[int, Meta(ge=1, le=100_000)]
    checkpoint_events: Annotated[int, Meta(ge=1)]
    tick_s: Annotated[int, Meta(ge=1, le=3_600)]
    envelope_ms: Annotated[int, Meta(ge=1, le=60_000)]
    envelope_max_bytes: Annotated[int, Meta(ge=10_000, le=100_000_000)]


class Kafka(Strict, frozen=True):
    """Addresses and access, in the words of Kafka's own clients."""

    servers: Annotated[str, Meta(min_length=1)]
    prefix: Annotated[str, Meta(pattern=r"^[A-Za-z0-9._-]{1,100}$")]
    partitions: Annotated[int, Meta(ge=1, le=1_000)]
    feed_partitions: Annotated[int, Meta(ge=1, le=100)]
    feed_time: Literal["broker", "producer"]
    session_s: Annotated[int, Meta(ge=6, le=300)]
    replication: Annotated[int, Meta(ge=1, le=10)]
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]
    sasl_mechanism: Literal["", "PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]
    sasl_username: str
    sasl_password: str
    ssl_ca: str
    ssl_certificate: str
    ssl_key: str


class Redis(Strict, frozen=True):
    url: Annotated[str, Meta(pattern=r"^(rediss?|unix)://")]
    ssl_ca: str


class Worker(Strict, frozen=True):
    folder: str
    checkpoint_s: Annotated[int, Meta(ge=1, le=86_400)]
    flush_max_events: Annotated[int, Meta(ge=1, le=100_000)]
    queue_max: Annotated[int, Meta(ge=1, le=10_000)]


class Demo(Strict, frozen=True):
    subjects: Annotated[int, Meta(ge=10, le=1_000_000)]
    days_per_minute: Annotated[float, Meta(gt=0, le=10_000)]
    seed: int


class Settings(Strict, frozen=True):
    http: Http
    intake: Intake
    log: Log
    kafka: Kafka
    redis: Redis
    worker: Worker
    demo: Demo


def settings(path: Path | None = None) -> Settings:
    """Settings from `path` laid over the defaults, and over both the environment (`VARIABLES`)."""
    merged = _merge(_toml(SETTINGS), _toml(path) if path else {})
    for variable, (section, key) in VARIABLES.items():
        given = os.environ.get(variable)
        if given is not None and isinstance(merged.get(section), dict):
            merged[section][key] = given
    made: Settings = _convert(merged, Settings, path or SETTINGS)
    at = made.kafka
    sasl = at.security_protocol.startswith("SASL")
    if sasl != bool(at.sasl_mechanism):
        raise ConfigError(f"kafka.sasl_mechanism={at.sasl_mechanism!r}: "
                          f"{'is required' if sasl else 'must be empty'} with "
                          f"security_protocol = {at.security_protocol}")
    for key, file in (("kafka.ssl_ca", at.ssl_ca), ("kafka.ssl_certificate", at.ssl_certificate),
                      ("kafka.ssl_key", at.ssl_key), ("redis.ssl_ca", made.redis.ssl_ca)):
        if file and not Path(file).is_file():
            raise ConfigError(f"{key}={file}: there is no such file; must be PEM")
    if made.http.host not in ("127.0.0.1", "::1", "localhost") and not made.http.token:
        raise ConfigError(
            f"http.host={made.http.host}: listening beyond this machine needs http.token (or "
            "XINFENG_TOKEN); allowed without one: 127.0.0.1, ::1, localhost")
    return made


def policy(path: Path | None = None) -> Policy:
    """The whole policy: TOML, the catalogues and the calendar it names, checked."""
    path = path or POLICY
    raw = _layers(path)
    catalogue = raw.pop("catalogue", None)
    want = {"items", "devices", "calendar_years", "notify", "receivers"}
    if not isinstance(catalogue, dict) or set(catalogue) != want:
        raise ConfigError(f"{path.name}: catalogue: must hold exactly {sorted(want)}")
    drop = raw.get("rules", {}).get("grade_drop", {})
    if drop.get("to_b") == "":
        drop["to_b"] = None
    own = raw.get("notify", {})
    if not isinstance(own, dict):
        raise ConfigError(f"{path.name}: notify={own}: must be a section")
    raw["items"] = [{k: row[k] for k in ("id", "department", "item")}
                    for row in _csv(path, catalogue["items"], ("id", "department", "item"))]
    raw |= {"devices": [], "calendar": _calendar(catalogue["calendar_years"]),
            "notify": notify_.section(
                _merge(_toml(_beside(path, catalogue["notify"])), own),
                _csv(path, catalogue["receivers"], notify_.COLUMNS))}
    made: Policy = _convert(raw, Policy, path)
    absent = next(_absent(raw, made), None)
    if absent:
        raise ConfigError(f"{path.name}: {absent}: missing key")
    made = msgspec.structs.replace(made, devices=_devices(path, catalogue["devices"]))
    wrong = problems(made)
    if wrong:
        raise ConfigError(f"{path.name}: {wrong}")
    return made


def items(path: Path | None = None) -> list[dict[str, str]]:
    """Rows of the items catalogue of a policy file, all columns, for people."""
    path = path or POLICY
    return _csv(path, _layers(path)["catalogue"]["items"], ("id",))


def _layers(path: Path, *over: Path) -> dict[str, Any]:
    """A TOML file laid over the one it extends. `over`: what is being laid over it."""
    if path.resolve() in over:
        raise ConfigError(f"{over[-1].name}: extends={path.name!r}: leads back to {path}; must be "
                          "another file: one beside it, or, where there is none, one shipped")
    raw = _toml(path)
    base = raw.pop("extends", None)
    if base is None:
        return raw
    if not isinstance(base, str):
        raise ConfigError(f"{path.name}: extends={base}: must be a file name")
    return _merge(_layers(_beside(path, base), *over, path.resolve()), raw)


def _merge(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    out = dict(base)
    for key, value in over.items():
        both = isinstance(value, dict) and isinstance(out.get(key), dict)
        out[key] = _merge(out[key], value) if both else value
    return out


def _beside(path: Path, name: str) -> Path:
    """A file named by another: beside it, or shipped with the product."""
    near = path.parent / name
    return near if near.exists() else HERE / name


def _toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not TOML: {error}") from None


def _csv(beside: Path, name: str, need: tuple[str, ...]) -> list[dict[str, str]]:
    path = _beside(beside, name)
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    for column in need:
        if not rows or column not in rows[0]:
            raise ConfigError(f"{path.name}: column {column} is missing; needed: {list(need)}")
    return rows


def _devices(beside: Path, name: str) -> list[DeviceSpec]:
    fields = msgspec.structs.fields(DeviceSpec)
    out = []
    for n, row in enumerate(_csv(beside, name, tuple(f.encode_name for f in fields)), 2):
        try:
            cells = {k: None if v == "" and k in ("low", "high") else v for k, v in row.items()}
            out.append(msgspec.convert(cells, DeviceSpec, strict=False))
        except msgspec.ValidationError as error:
            raise ConfigError(f"{name}: line {n}: {error}") from None
    return out


@cache
def _exceptions(first: int, last: int) -> CalendarExceptions:
    return calendar_exceptions(first, last)


def _calendar(years: Any) -> Calendar:
    if not (isinstance(years, list) and len(years) == 2 and all(isinstance(y, int) for y in years)):
        raise ConfigError(f"catalogue.calendar_years={years}: must be [first, last]")
    try:
        return msgspec.convert(_exceptions(*years), Calendar)
    except ValueError as error:
        raise ConfigError(f"catalogue.calendar_years={years}: {error}") from None


def _convert(raw: dict[str, Any], type_: Any, path: Path) -> Any:
    try:
        return msgspec.convert(raw, type_)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{path.name}: {_explain(raw, type_, str(error))}") from None


def _absent(raw: dict[str, Any], made: msgspec.Struct, at: str = "") -> Iterator[str]:
    """Keys that a file leaves to a default: only logs of older versions may."""
    for field in msgspec.structs.fields(made):
        value = getattr(made, field.name)
        if isinstance(value, Indicator):
            continue
        if field.encode_name not in raw:
            yield at + field.encode_name
        elif isinstance(value, msgspec.Struct) and isinstance(raw[field.encode_name], dict):
            yield from _absent(raw[field.encode_name], value, f"{at}{field.encode_name}.")


def _explain(raw: Any, type_: Any, message: str) -> str:
    """A msgspec message with the key, its value and what is allowed there."""
    text, _, at = message.partition(" - at `$")
    keys = re.findall(r"\.([^.\[`]+)|\[(\d+)\]", at.rstrip("`"))
    where, value = type_, raw
    names = []
    for name, index in keys:
        names.append(name or f"[{index}]")
        if isinstance(value, dict):
            value = value.get(name)
        elif isinstance(value, list) and index:
            value = value[int(index)]
        fields = {f.encode_name: f.type for f in msgspec.structs.fields(where)} if (
            isinstance(where, type) and issubclass(where, msgspec.Struct)) else {}
        where = fields.get(name)
    path = ".".join(names)
    for pattern in (r"unknown field `([^`]+)`", r"missing required field `([^`]+)`"):
        found = re.search(pattern, text)
        if found:
            key = f"{path}.{found[1]}" if path else found[1]
            allowed = ""
            if isinstance(where, type) and issubclass(where, msgspec.Struct):
                allowed = ", ".join(f.encode_name for f in msgspec.structs.fields(where))
            kind = "unknown key" if "unknown" in text else "missing key"
            return f"{key}: {kind}; allowed and required here: {allowed}"
    return f"{path}={value!r}: {text}"


__all__ = ["POLICY", "ConfigError", "Settings", "items", "policy", "settings"]
