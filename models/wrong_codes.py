"""Wrong and duplicate codes of businesses, by feed: their share of the latest days against the one
that is allowed. Pure.

A code is wrong when intake refuses it (`subject`), and duplicate when registrations of different
businesses carry it. One error in a small feed proves nothing, so the share must also be more than
chance at the allowed rate [^1].

[^1]: C. J. Clopper, E. S. Pearson, Biometrika 26 (1934) 404-413 (exact binomial tail).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec

from models.policy import IdentifierErrors

SOURCES_MAX = 4096
"""Feeds that are remembered: the latest days of each, about 100 bytes a day."""


class Errors(msgspec.Struct, frozen=True, array_like=True):
    """A feed with too many wrong codes, or that had them."""

    source: str
    since_day: int
    """The first day it was told."""
    sent: int
    wrong: int
    high: bool
    open: bool


class Count(NamedTuple):
    """Of one day."""

    sent: int
    """Wrong ones included."""
    wrong: int


def upper_tail(wrong: int, sent: int, rate: float) -> float:
    """P(at least `wrong` of `sent`) when each is wrong with chance `rate`: exact but for rounding.

    Examples
    --------
    >>> round(upper_tail(2, 3, 0.5), 12), upper_tail(0, 3, 0.5)
    (0.5, 1.0)
    """
    if wrong <= 0:
        return 1.0
    if wrong > sent:
        return 0.0
    if wrong <= sent * rate:
        # Never told there: the smaller side is the lower one.
        return 1.0 - math.fsum(_terms(wrong - 1, sent, rate, -1))
    return min(math.fsum(_terms(wrong, sent, rate, 1)), 1.0)


def _terms(first: int, sent: int, rate: float, step: int) -> list[float]:
    """Chances of `first` errors and more (fewer), as long as they matter."""
    log = (math.lgamma(sent + 1) - math.lgamma(first + 1) - math.lgamma(sent - first + 1)
           + first * math.log(rate) + (sent - first) * math.log1p(-rate))
    term, n = math.exp(log), first
    out = [term]
    odds = rate / (1 - rate)
    while 0 <= n + step <= sent and (term > out[0] * 1e-17):
        term *= (sent - n) / (n + 1) * odds if step > 0 else n / (sent - n + 1) / odds
        n += step
        out.append(term)
    return out


class WrongCodes:
    """Cost per day: one pass over the feeds, a tail for those above the rate."""

    def __init__(self) -> None:
        self._days: dict[str, dict[int, Count]] = {}
        self.told: dict[str, Errors] = {}

    def add(self, day: int, sent: Mapping[str, int], wrong: Mapping[str, int]) -> None:
        """Take in an hour of a day; `sent`: all events of a source, wrong ones included."""
        for source in sorted(sent):
            held = self._days.get(source)
            if held is None:
                if len(self._days) >= SOURCES_MAX and not self._forget():
                    continue
                held = self._days[source] = {}
            before = held.get(day, Count(0, 0))
            held[day] = Count(before.sent + sent[source], before.wrong + wrong.get(source, 0))

    def _forget(self) -> bool:
        """Make room: the feed that sent least goes, unless it is told of."""
        free = [s for s in self._days if s not in self.told]
        if not free:
            return False
        del self._days[min(free, key=lambda s: (sum(c.sent for c in self._days[s].values()), s))]
        return True

    def judge(self, day: int, rule: IdentifierErrors) -> list[Errors]:
        """What changed by the first moment of a day, by name of the feed."""
        out = []
        for source in sorted(self._days):
            held = self._days[source]
            for old in [d for d in held if d < day - rule.window_d]:
                del held[old]
            sent, wrong = sum(c.sent for c in held.values()), sum(c.wrong for c in held.values())
            told = self.told.get(source)
            if not held and told is None:
                del self._days[source]
                continue
            above = wrong > sent * rule.rate
            if told is None:
                if not above or wrong < rule.errors_min or (
                        upper_tail(wrong, sent, rule.rate) > rule.p_max):
                    continue
                since = day
            elif not above:
                del self.told[source]
                out.append(msgspec.structs.replace(told, open=False))
                continue
            else:
                since = told.since_day
            high = wrong >= sent * rule.rate * rule.high_factor
            found = Errors(source, since, sent, wrong, high, True)
            self.told[source] = found
            if told is None or told.high != high:
                out.append(found)
        return out

    def dump(self) -> list[Any]:
        return [list(self._days.items()), list(self.told.values())]

    @classmethod
    def load(cls, held: list[Any]) -> WrongCodes:
        made = cls()
        days, told = held
        made._days = {s: {d: Count(*c) for d, c in one.items()} for s, one in days}
        made.told = {x.source: x for x in msgspec.convert(told, list[Errors])}
        return made
