"""Reads `[notify]` of the policy: notify.toml, and the receivers from their catalogue, strictly."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from models.notify_policy import Notify, problems

HERE = Path(__file__).parent
COLUMNS = ("id", "name", "role", "department", "district", "kinds", "mode", "language")


def section(toml: Mapping[str, Any], rows: Iterable[Mapping[str, str]]) -> dict[str, Any]:
    """The section as plain values, ready for `msgspec.convert`."""
    receivers = [{**{c: row[c] for c in COLUMNS if row.get(c)},
                  "kinds": (row.get("kinds") or "").split()} for row in rows]
    return {**toml, "receivers": receivers}


def notify(path: Path | None = None, receivers: Path | None = None,
           departments: Iterable[str] = ()) -> Notify:
    """The section from its two files, checked.

    Raises
    ------
    ConfigError: a key is missing, unknown or unfit.
    """
    # `config.load` reads the whole policy and so will import this module.
    from config import load

    path = path or HERE / "notify.toml"
    rows = load._csv(receivers or path, str(receivers or "catalogue/receivers.csv"), COLUMNS)
    made: Notify = load._convert(section(load._toml(path), rows), Notify, path)
    wrong = problems(made, departments)
    if wrong:
        raise load.ConfigError(f"{path.name}: {wrong}")
    return made


__all__ = ["COLUMNS", "Notify", "notify", "section"]
