"""Policies a log has seen, as people read them: their history, and the weights."""

from __future__ import annotations

from typing import Any

import msgspec

from models.calendar import to_date
from models.policy import INDICATORS
from models.scorecard import GROUPS, Card, Timeline

Row = dict[str, Any]


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


def _day(day: int) -> str | None:
    return to_date(day).isoformat() if day else None
