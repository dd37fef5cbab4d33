"""Who lives in the city: subjects with their fixed traits, and which of them will go bad."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from streams.simulate.draws import Bools, Ints, chance, expected, pick, stream
from streams.simulate.parameters import DAY_S, LEVELS, NEVER_S, RATES
from streams.simulate.places import DISTRICTS, ENDED_CODES
from streams.simulate.trades import ENTERPRISE_ONLY, NO_ITEM, TRADES, item_index
from streams.simulate.uscc import ALPHABET, codes

KINDS: Final = ("enterprise", "individual", "organisation", "institution", "soe", "platform")
SIZES: Final = ("micro", "small", "medium", "large", "unknown")
STORIES: Final = ("service", "safety", "finance", "abandonment")
"""How a bad actor declines: complaints, failed inspections, money, or silent disappearance."""

ITEMS_MAX: Final = 4
_NEW_HUB: Final = "500157"
_STORY_PM: Final = (350, 300, 200, 150)
_SIZE_PM: Final = (
    (620, 300, 60, 15, 5),
    (970, 25, 0, 0, 5),
    (500, 300, 50, 10, 140),
    (100, 500, 250, 100, 50),
    (30, 270, 400, 295, 5),
    (50, 400, 350, 195, 5),
)
# Authorities by kind, with weights: 91 market, 92 individual, 51/52 civil affairs, 93 cooperatives,
# N1/N2 rural collectives, 12 institutions, 53 foundations, Y1 others.
_PREFIXES: Final = (
    (("91", 1000),),
    (("92", 1000),),
    (("51", 260), ("52", 260), ("53", 20), ("93", 350), ("N1", 60), ("N2", 40), ("Y1", 10)),
    (("12", 950), ("13", 50)),
    (("91", 1000),),
    (("91", 1000),),
)


@dataclass(frozen=True, slots=True)
class Population:
    """Traits of all subjects, one array element each (about 90 bytes a subject).

    `born_s`, `gone_s`: moments of registration and cancellation [s]; `age_d`: days since the
    registration at the first moment; `items`: shape (n, 4), padded with NO_ITEM; `level`: latent
    risk quantile; `decline_s`: onset [s] or NEVER_S; `bits`: 31 random bits for names and pools.
    """

    code: NDArray[np.bytes_]
    kind: NDArray[np.uint8]
    district: NDArray[np.uint8]
    trade: NDArray[np.uint8]
    size: NDArray[np.uint8]
    age_d: NDArray[np.int32]
    born_s: NDArray[np.int32]
    gone_s: NDArray[np.int32]
    items: NDArray[np.uint8]
    item_count: NDArray[np.uint8]
    level: NDArray[np.int16]
    decline_s: NDArray[np.int32]
    story: NDArray[np.uint8]
    bits: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.code)


def populate(subjects: int, days: int, seed: int) -> Population:
    """Draw the city's subjects; costs about 2 µs each."""
    rng = stream(seed, 1)
    n = subjects
    kind = pick(rng, RATES.kinds_pm, n)
    district = pick(rng, [d.share for d in DISTRICTS], n)
    trade = np.zeros(n, np.int64)
    size = np.zeros(n, np.int64)
    prefix = np.zeros((n, 2), np.int64)
    for k in range(len(KINDS)):
        own = np.flatnonzero(kind == k)
        trade[own] = pick(rng, [t.shares[k] for t in TRADES], len(own))
        size[own] = pick(rng, _SIZE_PM[k], len(own))
        letters = np.array([[ALPHABET.index(c) for c in p] for p, _ in _PREFIXES[k]], np.int64)
        prefix[own] = letters[pick(rng, [w for _, w in _PREFIXES[k]], len(own))]
    items, item_count = _supervised(rng, kind, trade)

    bad = chance(rng, n, RATES.decline_pm)
    born, age = _births(rng, n, days, bad)
    gone = np.full(n, NEVER_S, np.int64)
    leaves = chance(rng, n, expected(1000, RATES.cancelled_pky, days)) & ~bad
    gone[leaves] = born[leaves] + DAY_S + rng.integers(0, days * DAY_S, int(leaves.sum()))
    # Onset early enough to leave a trace, late enough to have a normal past.
    low, high = days // 20, max(days // 20 + 1, days * 17 // 20)
    decline = np.where(bad, rng.integers(low, high, n) * DAY_S, NEVER_S)

    return Population(
        code=codes(prefix, _registrar(rng, district), np.arange(n), age > 3650),
        kind=kind.astype(np.uint8),
        district=district.astype(np.uint8),
        trade=trade.astype(np.uint8),
        size=size.astype(np.uint8),
        age_d=age.astype(np.int32),
        born_s=born.astype(np.int32),
        gone_s=np.minimum(gone, NEVER_S).astype(np.int32),
        items=items,
        item_count=item_count,
        level=rng.integers(0, LEVELS, n).astype(np.int16),
        decline_s=decline.astype(np.int32),
        story=pick(rng, _STORY_PM, n).astype(np.uint8),
        bits=rng.integers(0, 2**31, n).astype(np.int32),
    )


def truth(
    subjects: int, days: int, seed: int, start: dt.date = dt.date(2025, 10, 1)
) -> Iterator[dict[str, str]]:
    """Labels of the bad actors of `city` with the same arguments; draws the population only.

    Yields
    ------
    `subject` (USCC), `decline_from` (date), `kind` (service, safety, finance, abandonment), in
    the order of the population.
    """
    people = populate(subjects, days, seed)
    for i in np.flatnonzero(people.decline_s != NEVER_S).tolist():
        onset = start + dt.timedelta(days=int(people.decline_s[i]) // DAY_S)
        yield {
            "subject": people.code[i].decode(),
            "decline_from": onset.isoformat(),
            "kind": STORIES[people.story[i]],
        }


def _supervised(
    rng: np.random.Generator, kind: Ints, trade: Ints
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Items of each subject: the trade's first always, the others by their chance, four at most."""
    columns = max(len(t.items) for t in TRADES)
    item = np.full((len(TRADES), columns), NO_ITEM, np.int64)
    odds = np.zeros((2, len(TRADES), columns), np.int64)
    employers_only = {item_index(name) for name in ENTERPRISE_ONLY}
    for row, profile in enumerate(TRADES):
        for column, (number, per_mille) in enumerate(profile.items):
            item[row, column] = number
            odds[0, row, column] = per_mille
            odds[1, row, column] = 0 if number in employers_only else per_mille
    books = np.isin(kind, (1, 2, 3)).astype(np.int64)

    items = np.full((len(kind), ITEMS_MAX), NO_ITEM, np.uint8)
    count = np.zeros(len(kind), np.uint8)
    for column in range(columns):
        taken = chance(rng, len(kind), odds[books, trade, column]) & (count < ITEMS_MAX)
        # An all-employer profile still leaves the first item to everybody.
        taken |= (count == 0) & (column == 0)
        own = np.flatnonzero(taken)
        items[own, count[own]] = item[trade[own], column]
        count[own] += 1
    return items, count


def _births(rng: np.random.Generator, n: int, days: int, bad: Bools) -> tuple[Ints, Ints]:
    """Moments of registration and ages: most exist already and are sent on the first day."""
    new = chance(rng, n, expected(1000, RATES.arrivals_pky, days)) & ~bad
    born = np.where(new, rng.integers(0, max(1, days * DAY_S - 3600), n), rng.integers(0, DAY_S, n))
    # The square of a uniform number: many young subjects, few of more than twenty years.
    u = rng.integers(0, 1000, n)
    age = np.where(new, 0, 10 + u * u * 9000 // 1_000_000)
    return born, age


def _registrar(rng: np.random.Generator, district: Ints) -> Ints:
    numbers = np.array([int(d.code) for d in DISTRICTS], np.int64)[district]
    ended = np.array([int(code) for code in ENDED_CODES], np.int64)
    before = ended[rng.integers(0, len(ended), len(district))]
    return np.where(numbers == int(_NEW_HUB), before, numbers)
