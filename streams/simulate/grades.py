"""Grades the departments assign themselves, mostly in line with the latent quality."""

from __future__ import annotations

import datetime as dt
from typing import Final, NamedTuple

import numpy as np

from streams.simulate.draws import Ints, chance, choose, stream
from streams.simulate.parameters import DAY_S, LEVELS, RATES
from streams.simulate.plan import Kind, Plan, Rows
from streams.simulate.trades import NO_ITEM, item_index


class Scheme(NamedTuple):
    """`month`: when the yearly grades appear; `labels`: what A, B, C, D are called there."""

    month: int
    name: str
    labels: tuple[str, str, str, str]


# Tax grades of April: A from 90 points, B, M for new businesses, C, D. Environment: 环保诚信/
# 良好/警示/不良 (2013 rule). Transport: AAA to B. Others use the letters themselves.
_LETTERS: Final = ("A", "B", "C", "D")
_TABLE: Final = {
    "cq1-48": Scheme(4, "tax", _LETTERS),
    "cq1-40": Scheme(6, "environment", ("环保诚信", "环保良好", "环保警示", "环保不良")),
    "cq1-42": Scheme(3, "customs", ("高级认证", "备案", "备案", "失信")),
    "cq1-14": Scheme(5, "labour", ("A", "B", "C", "C")),
    "cq1-07": Scheme(3, "transport", ("AAA", "AA", "A", "B")),
    "cq1-08": Scheme(3, "transport", ("AAA", "AA", "A", "B")),
    "cq1-09": Scheme(7, "highway", ("AA", "A", "B", "D")),
    "cq1-32": Scheme(7, "construction", _LETTERS),
    "cq1-34": Scheme(7, "property", _LETTERS),
    "cq1-35": Scheme(7, "development", _LETTERS),
    "cq1-36": Scheme(7, "cost", ("AAA", "AA", "A", "B")),
    "cq1-46": Scheme(9, "culture", _LETTERS),
    "cq1-16": Scheme(11, "training", _LETTERS),
    "cq2-07": Scheme(11, "farming", _LETTERS),
    "cq2-03": Scheme(11, "eldercare", _LETTERS),
}
PUBLIC: Final = NO_ITEM
"""Row item of a public comprehensive grade."""

_PUBLIC_SCHEME: Final = Scheme(8, "comprehensive", ("优", "良", "中", "差"))
SCHEMES: Final = {item_index(item): scheme for item, scheme in _TABLE.items()}
SCHEMES[PUBLIC] = _PUBLIC_SCHEME
YOUNG_D: Final = 365


def grade_of(detail: int) -> tuple[int, bool, int]:
    """Grade index, whether the subject is young, and days of validity."""
    return detail & 3, bool(detail >> 2 & 1), detail >> 3


def plan_grades(plan: Plan, seed: int) -> None:
    """Rows of `grade.assigned` (detail: grade + 4 if young + 8 x days valid) and `.withdrawn`."""
    rng = stream(seed, 9)
    people = plan.people
    for item, scheme in SCHEMES.items():
        if item == PUBLIC:
            graded = np.flatnonzero(chance(rng, len(people), RATES.public_grade_pm))
        else:
            graded = np.flatnonzero((people.items == item).any(axis=1))
        renewals = _renewals(plan.calendar.start, plan.calendar.days, scheme.month)
        # The grades in force when the city begins arrive in the first ten days.
        stock = graded[chance(rng, len(graded), RATES.grade_stock_pm)]
        stock = stock[people.age_d[stock] > 0]
        stock_t = plan.calendar.later(rng, people.born_s[stock].astype(np.int64), 1, 9)
        _assign(plan, rng, item, stock_t, stock, renewals[0] + 60)
        for day in renewals:
            renewed = graded[chance(rng, len(graded), RATES.grade_stock_pm)]
            t = plan.calendar.later(rng, np.full(len(renewed), day * DAY_S), 0, 29)
            _assign(plan, rng, item, t, renewed, day + 365 + 60)


def _renewals(start: dt.date, days: int, month: int) -> list[int]:
    """Day numbers of the first of `month`, up to the first one past the end."""
    years = range(start.year, start.year + days // 365 + 3)
    firsts = [(dt.date(year, month, 1) - start).days for year in years]
    coming = [day for day in firsts if day > 10]
    inside = [day for day in coming if day < days]
    return inside or coming[:1]


def _assign(
    plan: Plan, rng: np.random.Generator, item: int, t: Ints, subject: Ints, until_day: int
) -> None:
    people = plan.people
    # 60 days into a decline the department sees it; before, the latent level decides.
    quality = people.level[subject].astype(np.int64) * 1000 // LEVELS
    grade = (quality[:, None] >= np.array(RATES.grade_cuts_pm)).sum(axis=1)
    sick = t > people.decline_s[subject].astype(np.int64) + 60 * DAY_S
    grade = np.where(sick, 2 + chance(rng, len(t), 400), grade)
    near, far = RATES.grade_near_pm, RATES.grade_far_pm
    shift = choose(rng, [(1000 - near - far, near, far)], np.zeros(len(t), np.int64))
    # A disagreement goes towards the middle: from A and B down, from C and D up.
    grade = np.clip(grade + np.where(grade < 2, shift, -shift), 0, 3)
    young = (people.age_d[subject] + t // DAY_S) < YOUNG_D
    valid_d = until_day - t // DAY_S
    detail = grade + 4 * young + 8 * valid_d
    rows = plan.add(Kind.GRADE, t, subject, np.full(len(t), item), detail)
    _withdraw(plan, rng, rows)


def _withdraw(plan: Plan, rng: np.random.Generator, rows: Rows) -> None:
    gone = rows[chance(rng, len(rows), RATES.grade_withdrawn_pm)]
    plan.follow(Kind.GRADE_WITHDRAWN, gone, plan.calendar.later(rng, gone.t, 10, 100))
