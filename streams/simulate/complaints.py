"""Complaints and tips, and how they end."""

from __future__ import annotations

from typing import Final

import numpy as np

from streams.simulate.draws import chance, choose, expected, pick, stream
from streams.simulate.parameters import RATES
from streams.simulate.plan import Kind, Plan
from streams.simulate.weights import complaint_weights, condition, decline_events

OUTCOMES: Final = ("rejected", "mediated", "upheld", "withdrawn")
ANONYMOUS: Final = -1


def plan_complaints(plan: Plan, seed: int) -> None:
    """Rows of `complaint.filed` (detail: complainant) and `.closed` (detail: outcome)."""
    rng = stream(seed, 2)
    people, calendar = plan.people, plan.calendar
    n = expected(len(people), RATES.complaint_pky, calendar.days)
    more_t, more_subject = decline_events(rng, people, calendar, RATES.decline_complaints)
    t = np.concatenate([calendar.public(rng, n), more_t])
    subject = np.concatenate([pick(rng, complaint_weights(people), n), more_subject])

    who = rng.integers(1000, 10**9, len(t))
    # A few people complain for a living: one in 2000 subjects' worth of them, over and over.
    serial = chance(rng, len(t), RATES.serial_pm)
    who[serial] = rng.integers(0, 2 + len(people) // 2000, int(serial.sum()))
    who[~chance(rng, len(t), RATES.complainant_pm)] = ANONYMOUS
    filed = plan.add(Kind.COMPLAINT, t, subject, plan.items_of(rng, subject), who)

    filed = filed[chance(rng, len(filed), RATES.complaint_closed_pm)]
    pace = pick(rng, (60, 30, 10), len(filed))
    low, high = np.array((2, 15, 40))[pace], np.array((15, 40, 75))[pace]
    days = low + rng.integers(0, 1000, len(filed)) * (high - low) // 1000
    closed_t = calendar.later(rng, filed.t + days * 86_400, 0, 0)
    sick = condition(people, filed.subject, filed.t) // 2
    outcome = choose(rng, (RATES.outcomes_pm, RATES.outcomes_declining_pm), sick)
    plan.follow(Kind.COMPLAINT_CLOSED, filed, closed_t, outcome)
