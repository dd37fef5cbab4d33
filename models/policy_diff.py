"""Documents of policies as flat keys, and where two of them differ."""

from __future__ import annotations

from typing import Any

Row = dict[str, Any]
_NAMES = {"items": ("id",), "devices": ("class", "metric"), "publicity": ("name",),
          "receivers": ("id",), "rules": ("rule",)}
"""What tells the rows of a list of tables apart."""


def flat(value: Any, path: str = "") -> dict[str, Any]:
    """Dotted keys of a document; a row of a list of tables is named by what tells it apart."""
    if isinstance(value, dict):
        out: dict[str, Any] = {}
        for key, each in value.items():
            out |= flat(each, f"{path}.{key}" if path else key)
        return out
    if isinstance(value, list) and value and all(isinstance(x, dict) for x in value):
        names = _NAMES.get(path.rpartition(".")[2], ())
        out = {}
        for n, each in enumerate(value):
            told = "|".join(str(each[k]) for k in names if k in each) or str(n)
            out |= flat(each, f"{path}[{told}]")
        return out
    return {path: value}


def diff(old: Row, new: Row) -> list[Row]:
    """Keys that differ, in the order of their names; None = not there."""
    a, b = flat(old), flat(new)
    return [{"key": key, "from": a.get(key), "to": b.get(key)}
            for key in sorted(a.keys() | b.keys())
            if key not in a or key not in b or a[key] != b[key]]
