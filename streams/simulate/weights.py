"""How often what happens to whom: latent risk, trade, district, and the bad actors' decline."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from streams.simulate.draws import Bools, Calendar, Ints, pick, quantiles
from streams.simulate.parameters import DAY_S, LEVELS, NEVER_S, RATES, YEAR_D
from streams.simulate.places import DISTRICTS
from streams.simulate.population import Population
from streams.simulate.trades import TRADES

_RISKY_LEVEL = LEVELS * 85 // 100


def complaint_weights(people: Population) -> Ints:
    """Relative complaint rates, shape (n,)."""
    trade = np.array([t.complaint for t in TRADES], np.int64)[people.trade]
    return _weights(people, RATES.complaint_sigma, trade)


def penalty_weights(people: Population) -> Ints:
    """Relative penalty rates, shape (n,): heavier-tailed than complaints."""
    trade = np.array([t.penalty for t in TRADES], np.int64)[people.trade]
    return _weights(people, RATES.penalty_sigma, trade)


def inspection_weights(people: Population) -> Ints:
    """Relative inspection rates, shape (n,): offices look at the risky somewhat more often."""
    trade = np.array([(1000 + t.penalty) // 2 for t in TRADES], np.int64)[people.trade]
    return _weights(people, RATES.inspection_sigma, trade)


def condition(people: Population, subject: Ints, t: Ints) -> Ints:
    """0 sound, 1 risky by nature, 2 declining at that moment."""
    risky = (people.level[subject] >= _RISKY_LEVEL).astype(np.int64)
    return np.where(t > people.decline_s[subject], 2, risky)


def declining(people: Population) -> Ints:
    """Indices of the bad actors."""
    return np.flatnonzero(people.decline_s != NEVER_S)


def decline_events(
    rng: np.random.Generator,
    people: Population,
    calendar: Calendar,
    per_year: Sequence[int],
    delay_d: int = 0,
) -> tuple[Ints, Ints]:
    """Additional events of bad actors: a rate that climbs from 0 to `per_year[story]`.

    Returns
    -------
    Moments [s] and subjects; `delay_d` days after the onset the climb begins and lasts `ramp_d`.
    """
    bad = declining(people)
    since = people.decline_s[bad].astype(np.int64) + delay_d * DAY_S
    left = np.maximum(calendar.end_s - since, 0) // 3600
    weights = left * np.array(per_year, np.int64)[people.story[bad]]
    total = int(weights.sum()) // (24 * YEAR_D)
    if total == 0:
        none = np.zeros(0, np.int64)
        return none, none
    who = pick(rng, weights, total)
    passed = rng.integers(0, 2**31, total) % (left[who] * 3600)
    climbed: Bools = rng.integers(0, RATES.ramp_d * DAY_S, total) < passed
    return (since[who] + passed)[climbed], bad[who][climbed]


def _weights(people: Population, sigma: float, trade: Ints) -> Ints:
    district = np.array([d.effect for d in DISTRICTS], np.int64)[people.district]
    weights: Ints = quantiles(sigma)[people.level] * trade // 1000 * district // 1000
    return weights + 1
