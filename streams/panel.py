"""Cuts the learner's examples from a subject's own facts, when their outcome is final. Pure.

A rotating panel: each business is looked at once in `learning.every_d` days, on days that its code
decides. So every time and every business has its share, whatever happens to whom, and nothing has
to be kept until the outcome is known: the ledger still says what counted on that day.
"""

from __future__ import annotations

import xxhash

from models import records as r
from models.examples import Example
from models.grade import STEP
from models.ledger import Fact, Facts, Segment, resolve, segments
from models.policy import INDICATORS, Learning
from models.scorecard import Card, decay
from models.subject import Subject

ADVERSE = frozenset({r.PENALTY, r.INSPECTION, r.LISTED, r.BREACHED, r.NOT_RECTIFIED})
_BAD_LISTS = frozenset(n for n, name in enumerate(r.LISTS)
                       if name in ("serious", "debtor", "abnormal", "ban"))
_ONE = float(1 << 64)
_FADING = [x / _ONE for x in decay(180, 7_320)]


def place_of(key: str, learning: Learning) -> int:
    """On which day of every `every_d` a business is looked at."""
    return xxhash.xxh3_64_intdigest(key.encode()) % learning.every_d


def examples_of(subject: Subject, card: Card, day: int) -> list[Example]:
    """The examples of one business on a day, one for each item with evidence by then.

    Parameters
    ----------
    day
        The day that was looked at; its outcomes are those of the `horizon_d` days after it.

    Returns
    -------
    None of a business that ended by then, or of one without a finding that is not in the sample.
    An item with a finding that is objected to is left out: nobody knows yet. Cost 1 µs where there
    is nothing to tell, else about 50.
    """
    learning = card.policy.learning
    last = day + learning.horizon_d
    offset = card.offset_ms
    known = candidate = False
    until_ms, last_ms = (day + 1) * 86_400_000 - offset, (last + 1) * 86_400_000 - offset
    for _, _, time, _, _, _, _, kind, variant in r.RECORD.iter_unpack(subject.facts):
        if time < until_ms:
            known = True
        elif time < last_ms and kind in ADVERSE and (kind != r.INSPECTION or variant & 7 > 1):
            candidate = True
    if not known and not subject.signals:
        return []
    mark = xxhash.xxh3_64_intdigest(f"{subject.key}\n{day}".encode())
    chosen = not mark % learning.clean_one_in
    if not candidate and not chosen:
        return []
    facts, signals = resolve(subject.facts, offset), resolve(subject.signals, offset)
    ended = min((f.day for f in facts.by_type.get(r.CANCELLED, ()) if not f.revoked), default=0)
    if ended and ended <= day:
        return []
    findings = [f for f in _findings(facts) if f.day <= last]
    adverse = {f.item for f in findings if f.day > day and f.objection != 1}
    unknown = {f.item for f in findings if f.day > day and f.objection == 1}
    if not adverse and (not chosen or (ended and ended <= last)):
        return []
    live = [s for s in (*segments(facts, card, public=True), *segments(facts, card, public=False),
                        *segments(signals, card, public=False)) if s.start <= day < s.stop]
    items = {s.item for s in live} | {item for item, since, _ in STEP.iter_unpack(subject.path)
                                      if since <= day}
    profile = subject.registration()
    weight = 1.0 if adverse else float(learning.clean_one_in)
    out = []
    for item in sorted(items - {r.WHOLE_SUBJECT}):
        bad = item in adverse or r.WHOLE_SUBJECT in adverse
        if not bad and (item in unknown or r.WHOLE_SUBJECT in unknown):
            continue
        out.append(Example(
            subject.key, subject.group, profile.kind if profile else "",
            profile.size if profile else "", profile.district if profile else "",
            profile.industry if profile else "", card.item_ids[item], day, bad, weight,
            subject.grade_at(item, day), _count(findings, item, day), _features(live, item, day,
                                                                                card)))
    return out


def _findings(facts: Facts) -> list[Fact]:
    """Every adverse finding that stands."""
    out = []
    for kind in ADVERSE & facts.by_type.keys():
        for f in facts.by_type[kind]:
            if f.revoked or (f.parent is not None and f.parent.revoked) or (
                    kind == r.INSPECTION and f.variant & 7 <= 1) or (
                    kind == r.LISTED and f.variant not in _BAD_LISTS) or (
                    kind in (r.BREACHED, r.NOT_RECTIFIED) and f.parent is None):
                continue
            out.append(f)
    return out


def _features(live: list[Segment], item: int, day: int, card: Card) -> dict[str, float]:
    """What each indicator amounts to on a day, by name ascending [units of its weight]."""
    sums: dict[int, int] = {}
    for s in live:
        if not s.item or s.item == item:
            # In 1/2**64: whole numbers add up in any order to the same.
            sums[s.indicator] = sums.get(s.indicator, 0) + round(
                card.indicators[s.indicator].multipliers[s.step]
                * card.curves[s.indicator][day - s.origin])
    return {name: x / _ONE for name, x in sorted(
        (INDICATORS[n], x) for n, x in sums.items()) if x}


def _count(findings: list[Fact], item: int, day: int) -> float:
    """Findings on an item so far, each halved every 180 days."""
    ages = sorted(day - f.day for f in findings if f.day <= day and f.item in (item, 0))
    return round(sum(_FADING[min(age, len(_FADING) - 1)] for age in ages), 9)
