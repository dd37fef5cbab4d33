"""The classic points scorecard: evidence weights in log-odds, turned into exact integer points.

All points are integers in thousandths, so sums are exact and independent of their order, and a
contribution that is taken back leaves no trace.

References
----------
[^1]: N. Siddiqi, Credit Risk Scorecards, Wiley, 2006 (points to double the odds).
"""

from __future__ import annotations

import math
from decimal import Context, Decimal

from models.calendar import WorkingDays, add_months, from_date
from models.policy import CAPPED, INDICATORS, Indicator, Policy, digest, encode
from models.records import LISTS, Reducer

GROUPS = ("enterprise", "individual", "organisation")
GROUP_OF_KIND = {
    "enterprise": 0, "soe": 0, "platform": 0, "individual": 1, "organisation": 2, "institution": 2,
}
AGE_MAX_D = 7_320
"""Evidence older than twenty years counts for nothing, whatever the policy says."""
_ONE = 1 << 64
_EXACT = Context(prec=40)
UNGRADED = 4


def decay(half_life_d: int, days: int) -> list[int]:
    """2**(-age / half_life) for age 0..days-1, in 1/2**64; half-life 0 = constant.

    Integers throughout: the same on every machine, now and in ten years.

    Examples
    --------
    >>> [round(x / 2**64, 6) for x in decay(2, 5)]
    [1.0, 0.707107, 0.5, 0.353553, 0.25]
    """
    if not half_life_d:
        return [_ONE] * days
    exponent = _EXACT.divide(Decimal(-1), Decimal(half_life_d))
    ratio = int(_EXACT.multiply(_EXACT.power(Decimal(2), exponent), Decimal(_ONE)))
    out, x = [], _ONE
    for _ in range(days):
        out.append(x)
        x = (x * ratio + (_ONE >> 1)) >> 64
    return out


class Card:
    """A policy made ready to compute with, in force from `since_day` on.

    `points[group][indicator][step]` is a list over age in days of points in thousandths, where
    `step` is the index of the severity multiplier. Memory: about 60 MB with default half-lives is
    avoided by sharing the lists of constant indicators; the default policy takes about 3 MB.
    """

    def __init__(self, policy: Policy, since_day: int, weights: str = "w000000") -> None:
        self.policy = policy
        self.document = encode(policy)
        self.hash = digest(self.document)
        self.weights = weights
        self.since_day = since_day
        self.offset_ms = policy.utc_offset_min * 60_000
        score = policy.score
        self.factor = score.pdo / math.log(2)
        """Points per unit of log-odds."""
        intercepts = (policy.subjects.enterprise, policy.subjects.individual,
                      policy.subjects.organisation)
        self.base = [round(1000 * (score.base_points
                                   + self.factor * (x - math.log(score.base_odds))))
                     for x in intercepts]
        self.indicators: list[Indicator] = [getattr(policy.indicators, n) for n in INDICATORS]
        self.public = [i.record == "public" for i in self.indicators]
        self.positive = [i.bounds[1] > 0 for i in self.indicators]
        self.span_d = [self._span(i) for i in self.indicators]
        self.points = [[self._tables(i, g) for i in self.indicators] for g in range(3)]
        self.caps = {g: round(1000 * p) for g, p in policy.caps.items()}
        self.cap_of = [CAPPED.get(n, "") for n in INDICATORS]
        bands = policy.bands
        self.floors = [round(1000 * x) for x in (bands.a, bands.b, bands.c)]
        self.margin = round(1000 * bands.margin_points)
        self.evidence_min = bands.evidence_min
        self.clean_is_a = bands.evidence_min == 1 and min(self.base) >= self.floors[0]
        """Whether any kind of subject starts at A with its first, good evidence."""
        self.direct = frozenset(LISTS.index(name) for name in bands.direct_d)
        self.regimes = [(from_date(p.since), p.months) for p in policy.publicity]
        self.calendar = WorkingDays(
            [d.isoformat() for d in policy.calendar.holidays],
            [d.isoformat() for d in policy.calendar.workdays],
            policy.calendar.covered_to.isoformat())
        self._workdays: dict[tuple[int, int], int] = {}
        self._worst: dict[tuple[str, ...], int] = {}
        self._months: dict[tuple[int, int], int] = {}
        self.item_ids = ["public", *(i.id for i in policy.items)]
        self.item_codes = {id: code for code, id in enumerate(self.item_ids)}
        self.department_names = sorted({i.department for i in policy.items})
        self.department_codes = {d: n for n, d in enumerate(self.department_names)}
        self.department_of = ["", *(i.department for i in policy.items)]
        self.devices = {(d.class_, d.metric): d for d in policy.devices}
        self.reducer = Reducer(self.item_codes, self.department_codes, policy.penalty_classes)

    @staticmethod
    def _span(one: Indicator) -> int:
        """Days a table needs: until the effect has ended for certain."""
        return AGE_MAX_D if not one.max_months else min(one.max_months * 31 + 2, AGE_MAX_D)

    def _tables(self, one: Indicator, group: int) -> list[list[int]]:
        weight = (one.weight, one.individual, one.organisation)[group]
        weight = one.weight if weight is None else weight
        curve = decay(one.half_life_d, self._span(one))
        out = []
        for step in one.multipliers:
            at_once = round(1000 * self.factor * weight * step)
            if one.half_life_d:
                half = _ONE >> 1
                out.append([(at_once * x + half) >> 64 for x in curve])
            else:
                out.append([at_once] * len(curve))
        return out

    def worst(self, names: tuple[str, ...]) -> int:
        """Most points [thousandths] one of some indicators may cost at once, in any group."""
        found = self._worst.get(names)
        if found is None:
            wanted = [INDICATORS.index(n) for n in names]
            found = max(-table[0] for group in self.points for i in wanted for table in group[i])
            self._worst[names] = found = max(found, 0)
        return found

    def workday(self, day: int, n: int) -> int:
        """The n-th working day after `day`, remembered: few days are asked for often."""
        found = self._workdays.get((day, n))
        if found is None:
            if len(self._workdays) > 100_000:
                self._workdays.clear()
            found = self._workdays[day, n] = self.calendar.add(day, n)
        return found

    def months_after(self, day: int, months: int) -> int:
        """`add_months`, remembered."""
        found = self._months.get((day, months))
        if found is None:
            if len(self._months) > 100_000:
                self._months.clear()
            found = self._months[day, months] = add_months(day, months)
        return found

    def probability(self, risk_milli: int) -> float:
        """Chance of an adverse finding at an (unclipped) risk score in thousandths."""
        log_odds = ((risk_milli / 1000 - self.policy.score.base_points) / self.factor
                    + math.log(self.policy.score.base_odds))
        return 1.0 / (1.0 + math.exp(min(log_odds, 700.0)))


class Timeline:
    """The cards in force over time: the first from the beginning, each next from its day.

    Item and department codes of all cards must agree: a new policy may add items at the end.
    """

    def __init__(self, first: Card) -> None:
        self.cards = [first]

    @property
    def last(self) -> Card:
        return self.cards[-1]

    def add(self, card: Card) -> None:
        """Put a card in force from its day on; it replaces one that starts on the same day."""
        while len(self.cards) > 1 and self.cards[-1].since_day >= card.since_day:
            self.cards.pop()
        self.cards.append(card)

    def spans(self, start: int, end: int) -> list[tuple[Card, int, int]]:
        """(card, first day, last day) for each card in force within [start, end], in order."""
        out = []
        for n, card in enumerate(self.cards):
            first = start if n == 0 else max(start, card.since_day)
            last = end if n + 1 == len(self.cards) else min(end, self.cards[n + 1].since_day - 1)
            if first <= last:
                out.append((card, first, last))
        return out
