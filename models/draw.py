"""A stratified random draw of inspections that anybody can do again by hand (MID-21).

How many fall to each stratum follows from its size times its ratio [^1]; within a stratum everybody
has the same chance. The draw's order is the SHA-256 of seed, item and code, so that neither the
order of a list nor the program, its version or the number of processes can change who is drawn: the
permanent random numbers of sampling practice [^2]. Broken numbers are rounded by one common random
start, so each stratum gets the whole number below or above, all together exactly `count`, and the
chance of everybody is exactly what it should be [^3]: small strata of good grades are never exempt.

References
----------
[^1]: W. G. Cochran, Sampling Techniques, Wiley, 1977, ch. 5 (stratified sampling).
[^2]: E. Ohlsson, Coordination of Samples Using Permanent Random Numbers, in Business Survey
    Methods, Wiley, 1995.
[^3]: W. G. Madow, On the Theory of Systematic Sampling II, Ann. Math. Statist. 20, 1949.
"""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Iterable, Sequence
from fractions import Fraction
from itertools import accumulate, pairwise
from typing import NamedTuple

import msgspec

from models.events import DrawOrdered
from models.inspection_pool import Candidate, Part, Pool
from models.records import STRATA
from models.scorecard import Card
from models.subject import Subject


class Share(msgspec.Struct, frozen=True):
    """What becomes of a stratum in a draw."""

    stratum: str
    ratio: float
    """Of the policy: how it is drawn against the others."""
    eligible: int
    resting: int
    drawn: int
    probability: float
    """Chance of each of the eligible, before the draw: `expected` / `eligible`."""
    expected: float


class Picked(msgspec.Struct, frozen=True):
    """A business that was drawn, with the chance it had."""

    subject: str
    name: str
    district: str
    stratum: str
    probability: float
    rank: str
    raised: str


class Outcome(NamedTuple):
    strata: list[Share]
    picked: list[Picked]
    """By stratum, D first, then by rank: who matters most stands first."""
    unregistered: int
    suggested: int
    """How many the policy's ratios alone would draw."""


def rank(seed: str, item: str, subject: str) -> str:
    """Place of a business in the order of a draw: the first 16 hex digits of a SHA-256.

    Examples
    --------
    >>> rank("2026-11-22", "cq1-17", "91500106MA5U00017D")
    '9245f5db099ff1e1'
    """
    return hashlib.sha256(f"{seed}\n{item}\n{subject}".encode()).hexdigest()[:16]


def pooled(order: DrawOrdered, subjects: Iterable[Subject], card: Card, day: int) -> Part:
    """What a shard has in the pool of an order on a civil day; of each stratum the first `count`
    candidates, since no more can be drawn. Independent of the order of `subjects`."""
    item = card.item_codes.get(order.item)
    eligible, resting = [0] * len(STRATA), [0] * len(STRATA)
    found: list[list[Candidate]] = [[] for _ in STRATA]
    unregistered = 0
    if item is None:
        # A catalogue that this shard has yet to see: nobody can be in the pool of its items.
        return Part(eligible, resting, found)
    pool = Pool(item, card, day, order.district)
    for subject in subjects:
        held = pool.place(subject)
        if held is None:
            unregistered += not order.district and pool.unregistered(subject)
            continue
        (stratum, raised, rests), profile = held
        if rests:
            resting[stratum] += 1
            continue
        eligible[stratum] += 1
        if order.count:
            found[stratum].append(Candidate(rank(order.seed, order.item, subject.key),
                                            subject.key, profile.name, profile.district, raised))
    return Part(eligible, resting, [_first(group, order.count) for group in found], unregistered)


def _first(candidates: Iterable[Candidate], count: int) -> list[Candidate]:
    return heapq.nsmallest(count, candidates, key=_order)


def _order(one: Candidate) -> tuple[str, str]:
    return one.rank, one.subject


def draw(order: DrawOrdered, parts: Sequence[Part], ratios: Sequence[float]) -> Outcome:
    """The outcome of an order from what all shards have in the pool, in any order of the parts.

    Parameters
    ----------
    ratios
        Of the policy in force when it was ordered, in the order of `STRATA`.
    """
    eligible = [sum(p.eligible[n] for p in parts) for n in range(len(STRATA))]
    resting = [sum(p.resting[n] for p in parts) for n in range(len(STRATA))]
    expected = allocate(eligible, ratios, order.count)
    counts = _whole(expected, _start(order))
    strata, picked = [], []
    for n, stratum in enumerate(STRATA):
        chance = float(expected[n] / eligible[n]) if eligible[n] else 0.0
        strata.append(Share(stratum, ratios[n], eligible[n], resting[n], counts[n], chance,
                            float(expected[n])))
        picked.append([
            Picked(c.subject, c.name, c.district, stratum, chance, c.rank, c.raised)
            for c in _first((c for p in parts for c in p.candidates[n]), counts[n])])
    suggested = sum(round(Fraction(str(ratio)) * size)
                    for ratio, size in zip(ratios, eligible, strict=True))
    first = (STRATA.index(s) for s in ("D", "C", "ungraded", "B", "A"))
    return Outcome(strata, [one for n in first for one in picked[n]],
                   sum(p.unregistered for p in parts), suggested)


def allocate(sizes: Sequence[int], ratios: Sequence[float], count: int) -> list[Fraction]:
    """How many of each stratum are drawn on average: in proportion to size times ratio, at most
    all of it, together `count`, or all there are.

    Examples
    --------
    >>> [str(x) for x in allocate([100, 50, 0, 2], [0.02, 0.05, 0.3, 1.0], 10)]
    ['32/9', '40/9', '0', '2']
    """
    found = [Fraction(0)] * len(sizes)
    left = Fraction(min(count, sum(sizes)))
    open_ = {n for n, size in enumerate(sizes) if size}
    while open_:
        weights = {n: Fraction(str(ratios[n])) * sizes[n] for n in open_}
        each = left / sum(weights.values())
        full = {n for n in open_ if weights[n] * each >= sizes[n]}
        if not full:
            for n in open_:
                found[n] = weights[n] * each
            break
        for n in full:
            found[n] = Fraction(sizes[n])
        left -= sum(sizes[n] for n in full)
        open_ -= full
    return found


def _start(order: DrawOrdered) -> Fraction:
    """Random start in [0, 1) of the rounding, from the order alone."""
    return Fraction(int(rank(order.seed, order.item, ""), 16), 1 << 64)


def _whole(expected: Sequence[Fraction], start: Fraction) -> list[int]:
    """Whole numbers instead of broken ones, each up or down, with the same sum."""
    edges = [int(edge + start) for edge in accumulate(expected, initial=Fraction(0))]
    return [after - before for before, after in pairwise(edges)]
