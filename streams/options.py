"""What the commands share: their options, how times are read, how rows are printed."""

from __future__ import annotations

import datetime as dt
import sys
import time
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import typer

from config import load
from models.policy import Policy
from storage.sqlite_store import SqliteStore, StoreError

CHINA = dt.timezone(dt.timedelta(hours=8))
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


class Wrong(Exception):
    """The command was used wrongly: one line, for people; exit code 2."""


Lang = Literal["zh", "en"]


def _folder(store: Path | None) -> Path | None:
    """Refuse the address of a Redis where a folder is wanted: as a path it would become one."""
    if store is not None and store.parts[:1] in (("redis:",), ("rediss:",), ("unix:",)):
        raise Wrong(f"--store {store.parts[0]}//…: must be a folder here. On Kafka events go in "
                    "by `xinfeng publish`, people act with --url, deliveries and audit take no "
                    "--store")
    return store


StoreDir = Annotated[Path, typer.Option("--store", metavar="DIR", help="Folder of the store.",
                                        callback=_folder)]
StoreAny = Annotated[str, typer.Option("--store", metavar="DIR|URL", help="Folder of the store, "
                                       "or redis://HOST:PORT/DB of the view.")]
StoreMaybe = Annotated[
    Path | None, typer.Option("--store", metavar="DIR", help="Folder of the store.",
                              callback=_folder)]
PolicyFile = Annotated[
    Path | None, typer.Option("--policy", metavar="FILE", help="Policy (TOML).")]
SettingsFile = Annotated[
    Path | None, typer.Option("--settings", metavar="FILE", help="Settings (TOML).")]
ChannelsFile = Annotated[Path | None, typer.Option(
    "--channels", metavar="FILE", help="How receivers are reached (TOML).")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, one object a line.")]
InLang = Annotated[
    Lang, typer.Option("--lang", help="Language of the tables.", show_default=True)]
Strict = Annotated[bool, typer.Option("--strict", help="Exit 3 when anything was rejected.")]


def moment(option: str, text: str) -> int:
    """Epoch milliseconds of an RFC 3339 time, or of the end of a date in Beijing.

    Raises
    ------
    Wrong: it is neither.

    Examples
    --------
    >>> moment("--to", "1970-01-01"), moment("--to", "1970-01-01T00:00:01Z")
    (57599999, 1000)
    """
    try:
        if len(text) == 10:
            day = dt.datetime.combine(dt.date.fromisoformat(text), dt.time.max, CHINA)
            return (day - _EPOCH) // dt.timedelta(milliseconds=1)
        given = dt.datetime.fromisoformat(text)
        if given.tzinfo is None:
            raise ValueError("no offset")
        return (given - _EPOCH) // dt.timedelta(milliseconds=1)
    except (ValueError, OverflowError):
        raise Wrong(f"{option} {text}: must be a date (2026-11-21) or a time with offset "
                    "(2026-11-21T08:00:00+08:00)") from None


def choose_policy(store: Path | None, file: Path | None) -> Policy | None:
    """The policy to open a store with: the one given, else the log's own, else the default."""
    if file is not None:
        return load.policy(file)
    if store is not None and (store / "xinfeng.db").exists():
        held = SqliteStore(store, write=False)
        try:
            if held.last_offset():
                return None
        finally:
            held.close()
    return load.policy()


def existing(store: Path) -> Path:
    """A store that somebody has written to.

    Raises
    ------
    StoreError: there is none.
    """
    if not (store / "xinfeng.db").exists():
        raise StoreError(f"--store {store}: holds no xinfeng.db; start with process or run")
    return store


def is_url(store: str) -> bool:
    """Whether a store is named by the address of a Redis.

    Examples
    --------
    >>> is_url("rediss://cache.example:6380/0"), is_url("var/store")
    (True, False)
    """
    return store.startswith(("redis://", "rediss://", "unix://"))


def wall_ms() -> int:
    """The present [epoch ms]."""
    return int(time.time() * 1000)


def put(row: Any) -> None:
    """One JSON object on one line of standard output."""
    sys.stdout.buffer.write(msgspec.json.encode(row) + b"\n")
    sys.stdout.buffer.flush()


def say(text: str) -> None:
    """One line on standard error."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()
