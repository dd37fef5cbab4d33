"""Two scores from one ledger: `credit_score` (public record only) and `risk_score` (all signals).

Every score is an exact sum of integer points; what the 0..1000 range or a cap takes away is a
contribution of its own, so that the listed contributions always add up.
"""

from __future__ import annotations

from typing import NamedTuple

from models.grade import clip
from models.ledger import Segment
from models.policy import INDICATORS
from models.scorecard import Card


class Contribution(NamedTuple):
    indicator: str
    milli: int
    """Points in thousandths."""
    public: bool
    keys: list[int]
    """Identities of the facts behind it, oldest first."""
    each: list[int]
    """Points [thousandths] of each of them; they add up to `milli`."""


class Scores(NamedTuple):
    credit: int
    """[thousandths of a point], 0..1_000_000."""
    risk: int
    risk_unclipped: int
    contributions: list[Contribution]


def of_item(segments: list[Segment], item: int) -> list[Segment]:
    """Segments that count for an item: its own and those of the whole subject. 0 = all."""
    return segments if not item else [s for s in segments if not s.item or s.item == item]


def risk_at(public: list[Segment], internal: list[Segment], day: int, card: Card,
            group: int, item: int = 0) -> int:
    """Risk score [thousandths] of an item (0 = whole subject), not clipped, on a day."""
    tables = card.points[group]
    points = card.base[group] + card.experience(group, item)
    capped: dict[str, int] = {}
    for segments in (public, internal):
        for indicator, step, _, start, stop, origin, _ in segments:
            if start <= day < stop:
                x = tables[indicator][step][day - origin]
                cap = card.cap_of[indicator]
                if cap:
                    capped[cap] = capped.get(cap, 0) + x
                else:
                    points += x
    for cap, x in capped.items():
        points += max(x, -card.caps[cap])
    return points


def score(public: list[Segment], internal: list[Segment], day: int, card: Card,
          group: int, item: int = 0) -> Scores:
    """Both scores of an item (0 = whole subject) on a day, with the contributions that add up to
    them exactly."""
    tables = card.points[group]
    sums: dict[int, int] = {}
    facts: dict[int, dict[tuple[int, int], int]] = {}
    for segments in (public, internal):
        for indicator, step, _, start, stop, origin, fact in segments:
            if start <= day < stop:
                x = tables[indicator][step][day - origin]
                sums[indicator] = sums.get(indicator, 0) + x
                held = facts.setdefault(indicator, {})
                held[fact.time, fact.key] = held.get((fact.time, fact.key), 0) + x
    out = [Contribution("base", card.base[group], True, [], [])]
    experience = card.experience(group, item)
    if experience:
        out.append(Contribution("experience", experience, False, [], []))
    capped: dict[str, int] = {}
    for indicator in sorted(sums):
        ordered = sorted(facts[indicator].items())
        out.append(Contribution(INDICATORS[indicator], sums[indicator], card.public[indicator],
                                [key for (_, key), _ in ordered], [x for _, x in ordered]))
        cap = card.cap_of[indicator]
        if cap:
            capped[cap] = capped.get(cap, 0) + sums[indicator]
    for cap in sorted(capped):
        over = -card.caps[cap] - capped[cap]
        if over > 0:
            out.append(Contribution(f"cap_{cap}", over, False, [], []))
    credit_raw = sum(c.milli for c in out if c.public)
    risk_raw = sum(c.milli for c in out)
    credit, risk = clip(credit_raw), clip(risk_raw)
    if credit != credit_raw:
        out.append(Contribution("clip", credit - credit_raw, True, [], []))
    rest = risk - sum(c.milli for c in out)
    if rest:
        out.append(Contribution("clip", rest, False, [], []))
    return Scores(credit, risk, risk_raw, out)


def fall(public: list[Segment], internal: list[Segment], day: int, window_d: int, card: Card,
         group: int, item: int = 0) -> int:
    """How far the risk score [thousandths] stands below its highest value of the window.

    Between breakpoints a score only rises, so its peaks are on the eve of a breakpoint.
    """
    first = day - window_d
    eves = {first}
    for segments in (public, internal):
        for s in segments:
            if first < s.start <= day:
                eves.add(s.start - 1)
            if first < s.stop <= day:
                eves.add(s.stop - 1)
    now = clip(risk_at(public, internal, day, card, group, item))
    return max(clip(risk_at(public, internal, d, card, group, item)) for d in eves) - now


