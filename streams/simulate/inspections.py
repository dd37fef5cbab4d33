"""Inspections with what follows: publication, rectification, interviews, penalty cases."""

from __future__ import annotations

from typing import Final

import numpy as np

from streams.simulate.acts import publish
from streams.simulate.draws import Ints, chance, choose, expected, pick, stream
from streams.simulate.parameters import DAY_S, RATES
from streams.simulate.plan import Kind, Plan, Rows
from streams.simulate.weights import condition, decline_events, inspection_weights

PLANS: Final = ("random", "targeted", "complaint", "joint", "iot")
RESULTS: Final = ("pass", "fixed", "fail", "obstructed", "untraceable")
PLAN_IOT: Final = 4
_FAIL: Final = 2
_PLAN_SHARES: Final = ((480, 240, 100, 180, 0), (350, 380, 120, 150, 0), (60, 500, 340, 100, 0))


def plan_inspections(plan: Plan, seed: int, leads: Rows | None) -> Rows:
    """Rows of `inspection.completed` (detail: 8 x result + plan) and their consequences.

    Parameters
    ----------
    plan
        The city's table.
    seed
        Of the whole city.
    leads
        Verified device alarms, each of which sends an inspector within days.

    Returns
    -------
    The failed inspections that will end in a penalty.
    """
    rng = stream(seed, 3)
    people, calendar = plan.people, plan.calendar
    n = expected(len(people), RATES.inspection_pky, calendar.days)
    more_t, more_subject = decline_events(
        rng, people, calendar, RATES.decline_inspections, delay_d=10
    )
    t = np.concatenate([calendar.office(rng, n), calendar.later(rng, more_t, 0, 0)])
    subject = np.concatenate([pick(rng, inspection_weights(people), n), more_subject])
    item = plan.items_of(rng, subject)
    how = choose(rng, _PLAN_SHARES, condition(people, subject, t))
    if leads is not None:
        t = np.concatenate([t, calendar.later(rng, leads.t, 1, 5)])
        subject = np.concatenate([subject, leads.subject])
        item = np.concatenate([item, leads.item])
        how = np.concatenate([how, np.full(len(leads), PLAN_IOT, np.int64)])

    result = choose(
        rng,
        (RATES.results_pm, RATES.results_risky_pm, RATES.results_declining_pm),
        condition(people, subject, t),
    )
    done = plan.add(Kind.INSPECTION, t, subject, item, result * 8 + how)
    publish(plan, rng, done)
    failed = done[done.detail // 8 == _FAIL]
    _rectify(plan, rng, failed)
    called = failed[chance(rng, len(failed), RATES.interview_pm)]
    plan.follow(Kind.INTERVIEW, called, calendar.later(rng, called.t, 1, 12))
    return failed[chance(rng, len(failed), RATES.punished_pm)]


def _rectify(plan: Plan, rng: np.random.Generator, failed: Rows) -> None:
    """Rows of `rectification.*`; detail of an order: days until due."""
    calendar = plan.calendar
    ordered = failed[chance(rng, len(failed), RATES.rectification_pm)]
    due_d = 7 + rng.integers(0, 24, len(ordered))
    orders = plan.follow(Kind.ORDERED, ordered, calendar.later(rng, ordered.t, 0, 2), due_d)
    due_t = orders.t + orders.detail * DAY_S
    end = choose(rng, [RATES.rectified_pm], np.zeros(len(orders), np.int64))
    in_time: Ints = orders.t + orders.detail * rng.integers(300, 900, len(orders)) * DAY_S // 1000
    for outcome, kind, t in (
        (0, Kind.RECTIFIED, calendar.later(rng, in_time, 0, 0)),
        (1, Kind.RECTIFIED, calendar.later(rng, due_t, 1, 15)),
        (2, Kind.NOT_RECTIFIED, calendar.later(rng, due_t, 1, 10)),
    ):
        plan.follow(kind, orders[end == outcome], t[end == outcome])
