"""What the detection of surges is told of complaints. Pure."""

from __future__ import annotations

from models import records as r
from models.ledger import DAY_MS, resolve
from models.scorecard import Card
from models.subject import Subject
from storage.effects import Signal

FAILED = frozenset({r.OUTCOMES.index("rejected"), r.OUTCOMES.index("withdrawn")})
"""Outcomes after which a complaint does not count."""
DECIDES = frozenset({r.COMPLAINT_CLOSED, r.OBJECTION_UPHELD})
"""Types after which a complaint may begin or cease to count."""


def signal(subject: Subject, row: r.Row, ref: tuple[str, str], cause: str, card: Card,
           recorded_ms: int) -> Signal:
    """What is to be said of a complaint now.

    Parameters
    ----------
    row, ref
        The complaint's record, its source and id.
    cause
        Its category, "" if it was said before.
    """
    counts = True
    if not cause or subject.parked is not None:
        fact = resolve(subject.signals, card.offset_ms).by_key.get(row[0])
        counts = fact is None or not (fact.revoked or fact.closed in FAILED)
    profile = subject.registration()
    return Signal(*ref, subject.key, profile.district if profile else "",
                  profile.industry if profile else "", profile.size if profile else "",
                  card.item_ids[row[6]], cause, (row[2] + card.offset_ms) // DAY_MS, row[2], counts,
                  recorded_ms)
