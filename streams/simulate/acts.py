"""Administrative acts and their publication; promises, declarations and arrears."""

from __future__ import annotations

from typing import Final

import numpy as np

from streams.simulate.draws import chance, choose, expected, pick, stream
from streams.simulate.parameters import DAY_S, RATES
from streams.simulate.plan import Kind, Plan, Rows
from streams.simulate.weights import condition, declining

ACTS: Final = (
    "permit",
    "confirmation",
    "levy",
    "payment",
    "ruling",
    "compulsion",
    "compensation",
    "reward",
)
_ACT_SHARES: Final = (640, 170, 90, 40, 20, 15, 5, 20)
COMMITMENTS: Final = ("approval", "voluntary", "association", "repair")
DECLARATIONS: Final = ("annual_report", "social_insurance", "contact", "qualification", "output")
ARREARS: Final = ("sme", "wage")
_FINANCE: Final = 2
# Enterprises and platforms have more to do with offices than individuals.
_OFFICE_SHARES: Final = np.array((150, 75, 90, 90, 180, 300), np.int64)


def publish(plan: Plan, rng: np.random.Generator, acts: Rows) -> None:
    """Rows of `act.published`: mostly 1-3 working days later, some late, some never."""
    speed = choose(rng, [RATES.published_pm], np.zeros(len(acts), np.int64))
    pace = np.where(speed == 1, 2, chance(rng, len(acts), 120).astype(np.int64))
    for number, (low_d, high_d) in enumerate(((1, 3), (4, 6), (9, 20))):
        own = acts[(pace == number) & (speed != 2)]
        plan.follow(Kind.PUBLISHED, own, plan.calendar.workdays_later(rng, own.t, low_d, high_d))


def plan_acts(plan: Plan, seed: int) -> None:
    """Rows of `act.decided` (detail: act) with their publication."""
    rng = stream(seed, 5)
    n = expected(len(plan.people), RATES.act_pky, plan.calendar.days)
    subject = pick(rng, _OFFICE_SHARES[plan.people.kind], n)
    act = pick(rng, _ACT_SHARES, n)
    t = plan.calendar.office(rng, n)
    publish(plan, rng, plan.add(Kind.ACT, t, subject, plan.items_of(rng, subject), act))


def plan_promises(plan: Plan, seed: int) -> None:
    """Rows of `commitment.*` (detail: days until due) and `information.*`."""
    rng = stream(seed, 6)
    people, calendar = plan.people, plan.calendar
    n = expected(len(people), RATES.commitment_pky, calendar.days)
    subject = pick(rng, _OFFICE_SHARES[people.kind], n)
    due_d = 20 + rng.integers(0, 17, n) * 10
    made = plan.add(
        Kind.COMMITMENT, calendar.office(rng, n), subject, plan.items_of(rng, subject), due_d
    )
    due_t = made.t + made.detail * DAY_S
    sick = condition(people, made.subject, due_t) // 2
    end = choose(rng, (RATES.kept_pm, RATES.kept_declining_pm), sick)
    kept, broken = end == 0, end == 1
    used = made.detail[kept] * rng.integers(200, 950, int(kept.sum())) // 1000
    plan.follow(Kind.FULFILLED, made[kept], calendar.later(rng, made.t[kept] + used * DAY_S, 0, 0))
    plan.follow(Kind.BREACHED, made[broken], calendar.later(rng, due_t[broken], 2, 20))

    n = expected(len(people), RATES.declared_pky, calendar.days)
    subject = pick(rng, _OFFICE_SHARES[people.kind], n)
    declared = plan.add(Kind.DECLARED, calendar.public(rng, n), subject)
    checked = declared[chance(rng, len(declared), RATES.verified_pm)]
    plan.follow(Kind.VERIFIED, checked, calendar.later(rng, checked.t, 1, 20))


def plan_arrears(plan: Plan, seed: int) -> None:
    """Rows of `arrears.confirmed` (detail: kind + 2 x amount [1000 yuan])."""
    rng = stream(seed, 7)
    people, calendar = plan.people, plan.calendar
    employers = np.where(people.kind == 1, 1, 8).astype(np.int64)
    n = expected(len(people), RATES.arrears_pky, calendar.days)
    bad = declining(people)
    # Bad actors short of money owe in most cases, the others now and then.
    owing = bad[chance(rng, len(bad), np.where(people.story[bad] == _FINANCE, 600, 60))]
    late = people.decline_s[owing].astype(np.int64) + rng.integers(30, 200, len(owing)) * DAY_S
    t = np.concatenate([calendar.office(rng, n), calendar.later(rng, late, 0, 2)])
    subject = np.concatenate([pick(rng, employers, n), owing])
    # Squared: many small debts, few large ones.
    amount = 3 + rng.integers(0, 1000, len(t)) ** 2 * 2000 // 1_000_000
    plan.add(Kind.ARREARS, t, subject, detail=rng.integers(0, 2, len(t)) + 2 * amount)
