"""Measures by grade: which are recommended, withheld, or may be proposed, and on which facts. Pure.

Nothing here punishes: a grade recommends attention and incentives. What reduces rights or adds
duties is proposed only on concrete facts that cite a law, for a person to decide; a score or a
grade alone never is enough (MID-27).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, NamedTuple, TypeAlias

import msgspec

from models.basis import Cited
from models.ledger import Fact, Facts, Segment
from models.records import BREACHED, CLASSES, LISTED, PENALTY
from models.scorecard import Card

ForGrade: TypeAlias = Literal["A", "B", "C", "D", "*"]
Kind: TypeAlias = Literal["incentive", "attention", "restriction", "principle", "withholding"]
"""`principle`: what holds for all measures. `withholding`: where a catalogue has one, incentives
are withheld for a year after a commitment was breached (PRE-06: not every city has that rule)."""
State: TypeAlias = Literal["recommended", "proposed", "not_applicable", "withheld"]
Reason: TypeAlias = Literal["", "no_fact", "no_basis", "minor", "breached"]

PAPERS = {"000": "沙坪坝区社会信用体系建设实施意见", "001": "安政办〔2020〕33号",
          "002": "渝信用办发〔2023〕7号", "003": "凌信办〔2020〕23号",
          "004": "盐政办发〔2020〕33号"}
"""Policy papers by their number in docs/requirements.md."""
OF_ALL = frozenset({"principle", "withholding"})
"""Kinds that belong to no grade."""
WITHHELD_MONTHS = 12
_MINOR = CLASSES.index("minor")


class Measure(msgspec.Struct, frozen=True):
    """A row of the catalogue of measures."""

    grade: ForGrade
    kind: Kind
    channel: str
    measure: str
    channel_en: str
    measure_en: str
    seed_ref: str
    """Number and item of the policy paper it is from, see docs/requirements.md."""


class Proposal(NamedTuple):
    """What becomes of a measure of the grade in force."""

    measure: Measure
    state: State
    reason: Reason
    """Why it is withheld or not applicable; else ""."""
    facts: Sequence[Fact]
    """What a proposed restriction rests on, or why an incentive is withheld."""
    until: int = 0
    """First day on which an incentive is withheld no more; 0 = it is not."""


class Grounds(NamedTuple):
    """What a restriction may rest on; `reason` where that is nothing."""

    facts: list[Fact]
    reason: Reason


class Withheld(NamedTuple):
    """Breached commitments of the last year, and the first day they no longer count."""

    facts: list[Fact]
    until: int


def proposals(catalogue: Iterable[Measure], grade: str, grounds: Grounds,
              withheld: Withheld) -> list[Proposal]:
    """The measures of a grade, in the catalogue's order; none for "ungraded".

    Examples
    --------
    >>> bar = Measure("D", "restriction", "行业准入", "禁入", "Access", "barred", "002 三(四)")
    >>> [found] = proposals([bar], "D", Grounds([], "no_fact"), Withheld([], 0))
    >>> found.state, found.reason
    ('not_applicable', 'no_fact')
    """
    out = []
    for one in catalogue:
        if one.grade != grade:
            continue
        if one.kind == "restriction":
            state: State = "proposed" if grounds.facts else "not_applicable"
            out.append(Proposal(one, state, grounds.reason, grounds.facts))
        elif one.kind == "incentive" and withheld.facts:
            out.append(Proposal(one, "withheld", "breached", withheld.facts, withheld.until))
        else:
            out.append(Proposal(one, "recommended", "", ()))
    return out


def paper(seed_ref: str) -> Cited:
    """The paper that a reference names, and the item in it.

    Examples
    --------
    >>> paper("002 三(三)"), paper("京发〔2026〕1号第三条")
    (('渝信用办发〔2023〕7号', '三(三)'), ('京发〔2026〕1号第三条', ''))
    """
    number, _, item = seed_ref.partition(" ")
    return (PAPERS[number], item) if number in PAPERS else (seed_ref, "")


def grounds(public: Iterable[Segment], card: Card, day: int,
            bases: Mapping[int, Sequence[Cited]]) -> Grounds:
    """Penalties and adverse listings that count on a day and cite a law.

    Parameters
    ----------
    public
        What counts towards the public record of the item: what was repaired, taken back or expired
        is not in it, nor is any signal.
    bases
        What records cite, by identity.

    Returns
    -------
    The facts, oldest first. Minor penalties are none: no heavy sanction for a light fault.
    """
    adverse = {s.fact.key: s.fact for s in public
               if s.start <= day < s.stop and not card.positive[s.indicator]}
    citing = [f for f in adverse.values() if f.type in (PENALTY, LISTED) and bases.get(f.key)]
    heavy = [f for f in citing if f.type != PENALTY or f.variant != _MINOR]
    reason: Reason = ("" if heavy else "minor" if citing else "no_basis" if adverse else "no_fact")
    return Grounds(sorted(heavy, key=_when), reason)


def withheld(catalogue: Iterable[Measure], facts: Facts, card: Card, day: int) -> Withheld:
    """Whether a subject goes without incentives: for a year after it breached a commitment, unless
    that was repaired or taken back."""
    if not any(one.kind == "withholding" for one in catalogue):
        return Withheld([], 0)
    ends = {f.key: card.months_after(f.day, WITHHELD_MONTHS)
            for f in facts.by_type.get(BREACHED, ()) if f.day <= day and _stands(f)}
    breached = [f for f in facts.by_type.get(BREACHED, ()) if ends.get(f.key, 0) > day]
    return Withheld(sorted(breached, key=_when), max((ends[f.key] for f in breached), default=0))


def _stands(fact: Fact) -> bool:
    of = fact.parent
    return (not fact.revoked and fact.repair != 2
            and of is not None and not of.revoked and of.repair != 2)


def _when(fact: Fact) -> tuple[int, int]:
    return fact.time, fact.key
