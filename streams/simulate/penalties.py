"""Penalties: decided, published, performed, disputed, revoked, repaired."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from streams.simulate.acts import publish
from streams.simulate.draws import Ints, chance, choose, expected, pick, stream
from streams.simulate.parameters import DAY_S, RATES
from streams.simulate.plan import Kind, Plan, Rows
from streams.simulate.weights import condition, decline_events, penalty_weights

CLASSES: Final = ("minor", "general", "serious")


class Sanction(NamedTuple):
    """Kinds of a decision and its fine [yuan], 0 to 0 when there is none."""

    kinds: str
    low_cny: int
    high_cny: int
    share: int


# Ordinary fines of organisations start above the 3,000 yuan of the simple procedure (art. 51).
SANCTIONS: Final = (
    (
        Sanction('"warning"', 0, 0, 500),
        Sanction('"fine"', 200, 3000, 380),
        Sanction('"criticism"', 0, 0, 120),
    ),
    (
        Sanction('"fine"', 3100, 50_000, 620),
        Sanction('"fine","confiscation"', 3500, 60_000, 260),
        Sanction('"warning","fine"', 3100, 20_000, 120),
    ),
    (
        Sanction('"fine"', 150_000, 2_000_000, 300),
        Sanction('"suspension"', 0, 0, 160),
        Sanction('"fine","shutdown"', 50_000, 500_000, 240),
        Sanction('"revocation"', 0, 0, 120),
        Sanction('"fine","restriction"', 60_000, 800_000, 140),
        Sanction('"fine","confiscation","ban"', 100_000, 1_000_000, 40),
    ),
)
DUE_D: Final = 15
"""Days to pay a fine (行政处罚法 art. 67)."""

_MIN_PUBLIC_D: Final = np.array((0, 92, 366), np.int64)
"""Minimum publicity by class before a repair may be applied for (NDRC Order 36)."""


def sanction_of(detail: int) -> tuple[int, Sanction, bool]:
    """Class index, sanction and whether the decision states its class."""
    level = detail & 3
    return level, SANCTIONS[level][detail >> 2 & 7], bool(detail >> 5)


def plan_penalties(plan: Plan, seed: int, cases: Rows) -> None:
    """Rows of `penalty.decided` (detail: class + 4 x sanction + 32 if stated) and what follows."""
    rng = stream(seed, 4)
    people, calendar = plan.people, plan.calendar
    n = expected(len(people), RATES.penalty_pky, calendar.days)
    more_t, more_subject = decline_events(
        rng, people, calendar, RATES.decline_penalties, RATES.decline_penalty_delay_d
    )
    t = np.concatenate([calendar.office(rng, n), calendar.later(rng, more_t, 0, 0)])
    subject = np.concatenate([pick(rng, penalty_weights(people), n), more_subject])
    item = np.concatenate([plan.items_of(rng, subject), cases.item])
    t = np.concatenate([t, calendar.later(rng, cases.t, 6, 40)])
    subject = np.concatenate([subject, cases.subject])

    sick = condition(people, subject, t) // 2
    level = choose(rng, (RATES.classes_pm, RATES.classes_declining_pm), sick)
    detail = level + np.where(chance(rng, len(t), RATES.class_given_pm), 32, 0)
    for number, sanctions in enumerate(SANCTIONS):
        own = np.flatnonzero(level == number)
        detail[own] += 4 * pick(rng, [s.share for s in sanctions], len(own))
    decided = plan.add(Kind.PENALTY, t, subject, item, detail)
    publish(plan, rng, decided)
    _conclude(plan, rng, decided)


def dispute(plan: Plan, rng: np.random.Generator, records: Rows) -> tuple[Rows, Ints]:
    """Objections to records and their answers.

    Returns
    -------
    The records whose objection was upheld, and when [s].
    """
    calendar = plan.calendar
    raised_t = calendar.later(rng, records.t, 2, 20)
    plan.follow(Kind.OBJECTION, records, raised_t)
    answered_t = calendar.workdays_later(rng, raised_t, 2, 7)
    upheld, unanswered = RATES.objection_upheld_pm, RATES.objection_open_pm
    shares = (upheld, unanswered, 1000 - upheld - unanswered)
    answer = choose(rng, [shares], np.zeros(len(records), np.int64))
    won, lost = answer == 0, answer == 2
    plan.follow(Kind.OBJECTION_UPHELD, records[won], answered_t[won])
    plan.follow(Kind.OBJECTION_REJECTED, records[lost], answered_t[lost])
    return records[won], answered_t[won]


def _conclude(plan: Plan, rng: np.random.Generator, decided: Rows) -> None:
    calendar = plan.calendar
    disputed = chance(rng, len(decided), RATES.objection_pm)
    won, won_t = dispute(plan, rng, decided[disputed])
    plan.follow(Kind.REVOKED, won, calendar.later(rng, won_t, 1, 3))
    revoked = ~disputed & chance(rng, len(decided), RATES.revoked_pm)
    plan.follow(Kind.REVOKED, decided[revoked], calendar.later(rng, decided.t[revoked], 5, 90))

    standing = decided[~disputed & ~revoked]
    end = choose(rng, [RATES.performed_pm], np.zeros(len(standing), np.int64))
    days = np.where(
        end == 1, rng.integers(DUE_D + 1, 70, len(end)), rng.integers(1, DUE_D, len(end))
    )
    done_t = calendar.later(rng, standing.t + days * DAY_S, 0, 0)
    performed = end != 2
    plan.follow(Kind.PERFORMED, standing[performed], done_t[performed])
    _repair(plan, rng, standing[performed], done_t[performed])


def _repair(plan: Plan, rng: np.random.Generator, performed: Rows, done_t: Ints) -> None:
    """Rows of `repair.*`; both the application and the answer name the penalty."""
    calendar = plan.calendar
    level = performed.detail & 3
    shortest_t = performed.t + _MIN_PUBLIC_D[level] * DAY_S
    # Some apply before the minimum publicity ends and are turned down.
    early = (level > 0) & (done_t < performed.t + 40 * DAY_S)
    early &= chance(rng, len(performed), RATES.repair_early_pm)
    late = ~early & chance(rng, len(performed), RATES.repair_pm)
    for mask, since, answer in (
        (early, done_t, Kind.REPAIR_REJECTED),
        (late, np.maximum(shortest_t, done_t), Kind.REPAIR_APPROVED),
    ):
        applied_t = calendar.later(rng, since[mask], 2, 30)
        plan.follow(Kind.REPAIR, performed[mask], applied_t)
        plan.follow(answer, performed[mask], calendar.workdays_later(rng, applied_t, 2, 10))
