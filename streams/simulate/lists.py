"""Black, watch and red lists: who enters, who leaves."""

from __future__ import annotations

from typing import Final

import numpy as np

from streams.simulate.departments import COURT, REGISTRY
from streams.simulate.draws import Ints, chance, expected, pick, stream
from streams.simulate.parameters import DAY_S, RATES
from streams.simulate.penalties import dispute
from streams.simulate.plan import Kind, Plan, Rows
from streams.simulate.weights import declining, penalty_weights

LISTS: Final = ("serious", "debtor", "abnormal", "watch", "red", "ban")
# Years on the list when the entry states an end; 0: until removed.
LIST_YEARS: Final = (3, 2, 0, 1, 2, 3)
_ABNORMAL: Final = 2
_AUTHORITY: Final = {"debtor": COURT, "abnormal": REGISTRY}
# Per mille of the bad actors by story and list: money trouble ends at court, disappearance on the
# list of abnormal operations, bad safety on the serious list.
_DECLINE_PM: Final = (
    (50, 10, 40, 150, 0, 10),
    (90, 10, 30, 120, 0, 25),
    (20, 380, 120, 60, 0, 5),
    (20, 60, 620, 60, 0, 5),
)
# Share per mille that leaves, and between which days.
_EXIT_PM: Final = (0, 250, 560, 400, 60, 0)
_EXIT_D: Final = ((1, 2), (25, 220), (8, 150), (30, 200), (60, 300), (1, 2))
_LIST_REVOKED_PM: Final = 15
_LIST_DISPUTED_PM: Final = 30
_LIST_REPAIR_PM: Final = 400


def plan_lists(plan: Plan, seed: int) -> None:
    """Rows of `list.*` (detail: list), with repairs and objections."""
    rng = stream(seed, 8)
    people, calendar = plan.people, plan.calendar
    rates = (
        RATES.serious_pky,
        RATES.debtor_pky,
        RATES.abnormal_pky,
        RATES.watch_pky,
        RATES.red_pky,
        0,
    )
    risky = penalty_weights(people)
    # The red list praises: only the safe fifth enters it.
    safe = np.where(people.level < 205, 1000, 1).astype(np.int64)
    bad = declining(people)
    for number, per_1000 in enumerate(rates):
        n = expected(len(people), per_1000, calendar.days)
        subject = pick(rng, safe if LISTS[number] == "red" else risky, n)
        t = calendar.office(rng, n)
        odds = np.array([story[number] for story in _DECLINE_PM], np.int64)[people.story[bad]]
        fallen = bad[chance(rng, len(bad), odds)]
        onset = people.decline_s[fallen].astype(np.int64)
        t = np.concatenate([t, calendar.later(rng, onset, 60, 200)])
        subject = np.concatenate([subject, fallen])
        # Once a subject at a time: nobody enters the same list twice in a run.
        _, first = np.unique(subject, return_index=True)
        subject, t = subject[first], t[first]
        item = plan.items_of(rng, subject)
        item[:] = _AUTHORITY.get(LISTS[number], item)
        entered = plan.add(Kind.LISTED, t, subject, item, np.full(len(t), number))
        _leave(plan, rng, entered, number)


def _leave(plan: Plan, rng: np.random.Generator, entered: Rows, number: int) -> None:
    calendar = plan.calendar
    disputed = chance(rng, len(entered), _LIST_DISPUTED_PM)
    won, won_t = dispute(plan, rng, entered[disputed])
    plan.follow(Kind.LIST_REVOKED, won, calendar.later(rng, won_t, 1, 3))
    revoked = ~disputed & chance(rng, len(entered), _LIST_REVOKED_PM)
    wrong = entered[revoked]
    plan.follow(Kind.LIST_REVOKED, wrong, calendar.later(rng, wrong.t, 3, 60))
    leaves = ~disputed & ~revoked & chance(rng, len(entered), _EXIT_PM[number])
    left = entered[leaves]
    left_t: Ints = calendar.later(rng, left.t, *_EXIT_D[number])
    plan.follow(Kind.LIST_EXITED, left, left_t)
    if number == _ABNORMAL:
        asked = chance(rng, len(left), _LIST_REPAIR_PM)
        # The answer comes with the removal: application four days before it at the earliest.
        asked_t = np.maximum(left_t[asked] - rng.integers(4, 9, int(asked.sum())) * DAY_S, 0)
        plan.follow(Kind.REPAIR, left[asked], asked_t)
        plan.follow(Kind.REPAIR_APPROVED, left[asked], left_t[asked])
