"""Reads channels.toml: how each receiver is reached. Secrets come from the environment only."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

from config.load import ConfigError, _convert, _toml
from models.policy import Strict

CHANNELS = Path(__file__).parent / "channels.toml"
Kind: TypeAlias = Literal["wecom", "wecom-text", "dingtalk", "feishu", "email", "sms", "webhook",
                          "alertmanager"]
BY_APPRISE = ("email", "sms")
KEY_MIN = 32
"""Characters of the key of signed links, at least."""
Seconds: TypeAlias = Annotated[float, Meta(gt=0, le=86_400)]


class DeliverySettings(Strict, frozen=True):
    """`[delivery]`; see `dispatch.backoff.Delivery`."""

    base_url: Annotated[str, Meta(pattern=r"^https?://[^\s]{1,120}$")]
    hosts: list[str]
    retry_first_s: Seconds
    retry_max_s: Seconds
    deadline_h: Annotated[float, Meta(gt=0, le=24 * 60)]
    breaker_failures: Annotated[int, Meta(ge=1, le=1_000)]
    breaker_s: Seconds
    breaker_max_s: Seconds
    dead_after_min: Annotated[float, Meta(gt=0, le=10_000)]
    timeout_s: Annotated[float, Meta(gt=0, le=120)]
    workers_max: Annotated[int, Meta(ge=1, le=512)]
    keep_d: Annotated[int, Meta(ge=1, le=36_500)]


class ChannelSettings(Strict, frozen=True):
    """One way to reach one receiver."""

    receiver: str
    kind: Kind
    url: str
    enabled: bool
    secret: str = ""
    per_minute_max: Annotated[int, Meta(ge=0, le=100_000)] = 0
    private: bool = False
    segments_max: Annotated[int, Meta(ge=1, le=10)] = 3

    @property
    def endpoint(self) -> str:
        """Its name in the ledger, without anything secret."""
        return f"{self.receiver}/{self.kind}"


class AnswerSettings(Strict, frozen=True):
    """`[answers]`: signed links in letters, by which an addressee answers without a login."""

    enabled: bool = False
    key: str = ""
    valid_d: Annotated[int, Meta(ge=1, le=90)] = 14


class Channels(Strict, frozen=True):
    delivery: DeliverySettings
    channel: list[ChannelSettings]
    answers: AnswerSettings = AnswerSettings()


def channels(path: Path | None, environ: Mapping[str, str],
             receivers: Collection[str] | None = None) -> Channels:
    """The channels that are on, with what they need from the environment filled in.

    Raises
    ------
    ConfigError: a key is missing, unknown or unfit, a variable is not set, two channels of a kind
    for one receiver, or a receiver that the catalogue does not have.
    """
    path = path or CHANNELS
    made: Channels = _convert(_toml(path), Channels, path)
    on = [_filled(c, environ, path) for c in made.channel if c.enabled]
    names = [c.endpoint for c in on]
    for c in on:
        if names.count(c.endpoint) > 1:
            raise ConfigError(f"{path.name}: channel {c.endpoint}: must be named once")
        if receivers is not None and c.receiver not in receivers:
            raise ConfigError(f"{path.name}: channel {c.endpoint}: receiver={c.receiver}: not in "
                              "the catalogue of receivers")
        if c.kind not in BY_APPRISE:
            host = (urlsplit(c.url).hostname or "").rstrip(".")
            if host not in made.delivery.hosts:
                raise ConfigError(f"{path.name}: channel {c.endpoint}: host={host}: must be in "
                                  "delivery.hosts")
        if c.kind == "webhook" and not _is_secret(c.secret):
            raise ConfigError(f"{path.name}: channel {c.endpoint}: secret: must be whsec_ and 24 to"
                              " 64 bytes in base64")
    return Channels(made.delivery, on, _answers(made.answers, environ, path))


def endpoints(path: Path | None) -> dict[str, list[str]]:
    """Receiver -> endpoints of the channels that are on, without what only sending needs."""
    path = path or CHANNELS
    made: Channels = _convert(_toml(path), Channels, path)
    out: dict[str, list[str]] = {}
    for c in made.channel:
        if c.enabled:
            out.setdefault(c.receiver, []).append(c.endpoint)
    return out


def delivery(path: Path | None) -> DeliverySettings:
    """How hard delivery tries."""
    path = path or CHANNELS
    made: Channels = _convert(_toml(path), Channels, path)
    return made.delivery


def _is_secret(text: str) -> bool:
    try:
        raw = base64.b64decode(text.removeprefix("whsec_"), validate=True)
    except binascii.Error:
        return False
    return text.startswith("whsec_") and 24 <= len(raw) <= 64


def _answers(a: AnswerSettings, environ: Mapping[str, str], path: Path) -> AnswerSettings:
    if not a.enabled:
        return a
    key = _with_variables(a.key, environ, f"{path.name}: answers")
    if len(key) < KEY_MIN:
        raise ConfigError(f"{path.name}: answers.key: must have at least {KEY_MIN} characters "
                          "(openssl rand -hex 32)")
    return msgspec.structs.replace(a, key=key)


def _with_variables(text: str, environ: Mapping[str, str], where: str) -> str:
    def fill(match: re.Match[str]) -> str:
        if not environ.get(match[1]):
            raise ConfigError(f"{where}: {match[1]} is not set in the environment")
        return environ[match[1]]

    return re.sub(r"\$\{([A-Z0-9_]+)\}", fill, text)


def _filled(c: ChannelSettings, environ: Mapping[str, str], path: Path) -> ChannelSettings:
    where = f"{path.name}: channel {c.endpoint}"
    values: dict[str, Any] = {k: _with_variables(getattr(c, k), environ, where)
                              for k in ("url", "secret")}
    return msgspec.structs.replace(c, **values)
