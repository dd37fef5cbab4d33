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

from models.calendar import add_months, from_date
from models.policy import CAPPED, INDICATORS, Indicator, Policy, digest, encode
from models.records import LISTS, Reducer
from models.weights import NOTHING_LEARNED, Weights

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
    """A policy and what was learned, made ready to compute with, in force from `since_day` on.

    `points[group][indicator][step]` is a list over age in days of points in thousandths, where
    `step` is the index of the severity multiplier. Memory: about 60 MB with default half-lives is
    avoided by sharing the lists of constant indicators; the default policy takes about 3 MB.
    """

    def __init__(self, policy: Policy, since_day: int,
                 learned: Weights = NOTHING_LEARNED) -> None:
        self.policy = policy
        self.document = encode(policy)
        self.hash = digest(self.document)
        self.learned = learned
        self.weights = learned.name
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
        curves = {h: decay(h, max(span for i, span in zip(self.indicators, self.span_d, strict=True)
                                  if i.half_life_d == h))
                  for h in {i.half_life_d for i in self.indicators}}
        self.curves = [curves[i.half_life_d] for i in self.indicators]
        """Decay by age [days] of each indicator, in 1/2**64."""
        self.points = [[self._tables(n, g) for n in range(len(self.indicators))]
                       for g in range(3)]
        self.caps = {g: round(1000 * p) for g, p in policy.caps.items()}
        self.cap_of = [CAPPED.get(n, "") for n in INDICATORS]
        bands = policy.bands
        self.item_ids = ["public", *(i.id for i in policy.items)]
        self.item_codes = {id: code for code, id in enumerate(self.item_ids)}
        rule = policy.rules.risk_high
        odds = (1 - rule.probability) / rule.probability
        self.high_risk = math.floor(1000 * (score.base_points + self.factor
                                            * (math.log(odds) - math.log(score.base_odds))))
        """Risk score [thousandths], not clipped, at which the chance of a finding is the cut-off
        of `risk-high`."""
        self.high_after = [
            base + min(self.experience(g, item) for item in range(len(self.item_ids)))
            - self.high_risk if rule.enabled else 1 << 60 for g, base in enumerate(self.base)]
        """Points [thousandths] a subject of a group must have lost at least to be there."""
        self.plunges = (round(1000 * policy.rules.score_plunge.fall_points)
                        if policy.rules.score_plunge.enabled else 1 << 60)
        self.floors = [round(1000 * x) for x in (bands.a, bands.b, bands.c)]
        self.margin = round(1000 * bands.margin_points)
        self.evidence_min = bands.evidence_min
        self.clean_is_a = bands.evidence_min == 1 and min(self.base) >= self.floors[0]
        """Whether any kind of subject starts at A with its first, good evidence."""
        self.direct = frozenset(LISTS.index(name) for name in bands.direct_d)
        self.regimes = [(from_date(p.since), p.months) for p in policy.publicity]
        self.calendar = policy.calendar.working_days()
        self._workdays: dict[tuple[int, int], int] = {}
        self._worst: dict[tuple[str, ...], int] = {}
        self._months: dict[tuple[int, int], int] = {}
        self.department_names = sorted({i.department for i in policy.items})
        self.department_codes = {d: n for n, d in enumerate(self.department_names)}
        self.department_of = ["", *(i.department for i in policy.items)]
        self.devices = {(d.class_, d.metric): d for d in policy.devices}
        self.reducer = Reducer(self.item_codes, self.department_codes, policy.penalty_classes)

    @staticmethod
    def _span(one: Indicator) -> int:
        """Days a table needs: until the effect has ended for certain."""
        return AGE_MAX_D if not one.max_months else min(one.max_months * 31 + 2, AGE_MAX_D)

    def weight(self, indicator: int, group: int) -> float:
        """Weight [log-odds] of an indicator: the expert's and what was learned, in its bounds."""
        weight = self.expert(indicator, group)
        moved = self.learned.moved.get(INDICATORS[indicator])
        if moved is None:
            return weight
        low, high = self.indicators[indicator].bounds
        return min(max(weight + moved[group], low), high)

    def expert(self, indicator: int, group: int) -> float:
        """The policy's own weight [log-odds] of an indicator."""
        one = self.indicators[indicator]
        weight = (one.weight, one.individual, one.organisation)[group]
        return one.weight if weight is None else weight

    def steeper_than(self, other: Card) -> float:
        """By how much more, at most, one bad fact costs than under another card; at least 1."""
        return max([1.0, *(new[0] / old[0] for mine, others in zip(self.points, other.points,
                                                                  strict=True)
                           for tables, before in zip(mine, others, strict=True)
                           for new, old in zip(tables, before, strict=False) if old[0] < 0),
                    *(1e9 for mine, others in zip(self.points, other.points, strict=True)
                      for tables, before in zip(mine, others, strict=True)
                      for new, old in zip(tables, before, strict=False) if new[0] < old[0] == 0)])

    def experience(self, group: int, item: int) -> int:
        """Points [thousandths] by which an item's businesses fare better than the policy's
        intercept says, as far as was learned; 0 = all items. Moves the risk score only: nobody's
        public credit depends on the conduct of others in the trade."""
        learned = self.learned.trades[group]
        if not learned:
            return 0
        found = learned.get("", 0.0)
        if item:
            found += learned.get(self.item_ids[item], 0.0)
        return round(1000 * self.factor * found)

    def _tables(self, indicator: int, group: int) -> list[list[int]]:
        one = self.indicators[indicator]
        weight = self.weight(indicator, group)
        curve = self.curves[indicator][: self.span_d[indicator]]
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

    Each joins the policy and the weights of its day, whichever came to be known first. Item and
    department codes of all cards must agree: a new policy may add items at the end.
    """

    def __init__(self, first: Card, *more: Card) -> None:
        self.cards = [first, *more]

    @property
    def last(self) -> Card:
        return self.cards[-1]

    @property
    def clean_is_a(self) -> bool:
        """Whether, under every card, any kind of subject starts at A with its first, good
        evidence."""
        return all(card.clean_is_a for card in self.cards)

    def renew(self, policy: Policy, day: int) -> None:
        """Put a policy in force from a day on; it replaces one that starts on the same day or
        later."""
        self._join([(d, p) for d, p in self._policies() if d < day or not d] + [(day, policy)],
                   self._learned())

    def learn(self, learned: Weights) -> None:
        """Put weights in force from their day on; they replace those of the same day or later."""
        day = learned.since_day
        self._join(self._policies(), [w for w in self._learned() if w.since_day < day] + [learned])

    def _policies(self) -> list[tuple[int, Policy]]:
        return [(card.since_day, card.policy) for n, card in enumerate(self.cards)
                if not n or card.hash != self.cards[n - 1].hash]

    def _learned(self) -> list[Weights]:
        return [card.learned for n, card in enumerate(self.cards)
                if card.learned != (self.cards[n - 1].learned if n else NOTHING_LEARNED)]

    def _join(self, policies: list[tuple[int, Policy]], learned: list[Weights]) -> None:
        made = []
        for day in sorted({d for d, _ in policies} | {w.since_day for w in learned}):
            policy = [p for d, p in policies if d <= day][-1]
            weights = ([w for w in learned if w.since_day <= day] or [NOTHING_LEARNED])[-1]
            made.append(next((c for c in self.cards if c.since_day == day and c.learned == weights
                              and c.policy == policy), None) or Card(policy, day, weights))
        self.cards = made

    def spans(self, start: int, end: int) -> list[tuple[Card, int, int]]:
        """(card, first day, last day) for each card in force within [start, end], in order."""
        out = []
        for n, card in enumerate(self.cards):
            first = start if n == 0 else max(start, card.since_day)
            last = end if n + 1 == len(self.cards) else min(end, self.cards[n + 1].since_day - 1)
            if first <= last:
                out.append((card, first, last))
        return out
