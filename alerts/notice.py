"""What routing, deciding and rendering need of an alert or a review, as one frozen value. Pure."""

from __future__ import annotations

import msgspec

from models.notify_policy import LEVELS

OPEN = frozenset({"firing", "acknowledged"})
OVER = frozenset({"resolved", "closed"})
REVIEW_RULE = "review-due"
"""Rule of the notice that stands for an unanswered review: told of by its steps only."""


class Fact(msgspec.Struct, frozen=True, array_like=True):
    """Evidence as it may be told: which record. Never who complained or what was written."""

    source: str
    id: str
    type: str
    time_ms: int


class Notice(msgspec.Struct, frozen=True, array_like=True):
    """An alert at one moment of its life, with what is known of its subject.

    `seq` names the transition: of two notices of one alert the later has the larger.
    """

    id: str
    rule: str
    level: str
    state: str
    subject: str
    cell: str
    item: str
    items: list[str]
    departments: list[str]
    since_ms: int
    opened_ms: int
    updated_ms: int
    silenced_until_ms: int
    facts: dict[str, str]
    evidence: list[Fact]
    seq: int
    name: str = ""
    kind: str = ""
    district: str = ""
    reason: str = ""
    actor: str = ""

    @property
    def group(self) -> str:
        """What its messages are gathered by, at one receiver."""
        return self.subject or self.cell or self.id

    @property
    def rank(self) -> int:
        return LEVELS.index(self.level)


def rank(level: str) -> int:
    """Position of a level, -1 for none."""
    return LEVELS.index(level) if level else -1
