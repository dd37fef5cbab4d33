"""Policies a log has seen, as people read them: history, flat keys, differences, weights."""

from __future__ import annotations

from typing import Any

import msgspec

from models.calendar import to_date
from models.policy import INDICATORS
from models.scorecard import GROUPS, Card, Timeline

Row = dict[str, Any]
_NAMES = {"items": ("id",), "devices": ("class", "metric"), "publicity": ("name",),
          "receivers": ("id",), "rules": ("rule",)}
"""What tells the rows of a list of tables apart."""


def cards_of(timeline: Timeline) -> list[Card]:
    """The first card of each policy, oldest first."""
    return [card for n, card in enumerate(timeline.cards)
            if not n or card.hash != timeline.cards[n - 1].hash]


def history(timeline: Timeline) -> list[Row]:
    """Every policy with the day it holds from, the newest first; the first has none."""
    return [{"hash": card.hash, "version": card.policy.version, "since": _day(card.since_day),
             "bytes": len(card.document)} for card in reversed(cards_of(timeline))]


def weights_history(timeline: Timeline) -> list[Row]:
    """Every version of the weights with the day it holds from, the newest first."""
    out: list[Row] = []
    for card in timeline.cards:
        if not out or out[-1]["name"] != card.weights:
            out.append({"name": card.weights, "since": _day(card.since_day),
                        "moved": len(card.learned.moved)})
    return out[::-1]


def weights(card: Card) -> list[Row]:
    """Each indicator's weight in force beside the expert's, by group of subjects, with bounds."""
    out = []
    for n, name in enumerate(INDICATORS):
        low, high = card.indicators[n].bounds
        out.append({"indicator": name, "record": card.indicators[n].record, "low": low,
                    "high": high, "groups": [
                        {"group": group, "weight": round(card.weight(n, g), 4),
                         "expert": card.expert(n, g)} for g, group in enumerate(GROUPS)]})
    return out


def document(timeline: Timeline, hash: str) -> Row | None:
    """The document of a policy ("" = the one in force) as values, or None."""
    for card in reversed(timeline.cards):
        if hash in ("", card.hash):
            found: Row = msgspec.json.decode(card.document)
            return found
    return None


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


def _day(day: int) -> str | None:
    return to_date(day).isoformat() if day else None
