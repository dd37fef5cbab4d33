"""How departments answered: reviews of grade gaps and alerts, against the day they were due.

A review is due on its own due day. An alert is due when nobody having acted on it would be told
(`notify.escalate`): before that first step nothing is late. What ended before it was due without
an answer needed none, and is not counted; nor are levels that nobody is asked to answer.
"""

from __future__ import annotations

from models.calendar import DAY_MS
from models.departments import LATE, ON_TIME, Total, quarter_of, state_of
from models.policy import Policy
from models.scorecard import Card

LEVELS = ("blue", "yellow", "orange", "red")


def answer_workdays(policy: Policy) -> dict[str, int]:
    """Working days within which an alert of each level is to be answered; levels that nobody is
    asked to answer are left out."""
    if policy.notify is None:
        return {}
    work = policy.notify.work
    day_min = work.to_min - work.from_min
    out = {}
    for level in LEVELS:
        plan = policy.notify.escalate.plan(level)
        if plan:
            step = plan[0]
            out[level] = -(-step.after_min // (day_min if step.clock == "work" else 1_440))
    return out


def put_alert(total: Total, card: Card, departments: list[str], opened_ms: int, ended_ms: int,
              answered_ms: int, workdays: int, day: int) -> None:
    """Count one alert.

    Parameters
    ----------
    ended_ms, answered_ms
        When it resolved, and when somebody first acted on it; 0 = neither yet.
    workdays
        Within which it was to be answered.
    """
    opened_day = (opened_ms + card.offset_ms) // DAY_MS
    due_day = card.workday(opened_day, workdays)
    _put(total, "alert", departments, opened_day, due_day, _day(ended_ms, card), answered_ms,
         opened_ms, card, day)


def put_review(total: Total, card: Card, department: str, opened_ms: int, start_day: int,
               due_day: int, ended_day: int, answered_ms: int, day: int) -> None:
    """Count one department's part in one review; as `put_alert`."""
    _put(total, "review", [department], start_day, due_day, ended_day, answered_ms, opened_ms,
         card, day)


def _put(total: Total, what: str, departments: list[str], start_day: int, due_day: int,
         ended_day: int, answered_ms: int, opened_ms: int, card: Card, day: int) -> None:
    answered_day = _day(answered_ms, card)
    if not answered_day and ended_day and ended_day <= due_day:
        return
    # What ended late unanswered was late, however it looks now.
    state = state_of(answered_day, due_day, max(day, ended_day))
    quarter = quarter_of(start_day)
    for department in departments:
        total.put(department, quarter, f"{what}.{state}")
        if state in (ON_TIME, LATE):
            total.put(department, quarter, f"{what}.answers")
            total.put(department, quarter, f"{what}.answer_min",
                      max(answered_ms - opened_ms, 0) // 60_000)


def _day(ms: int, card: Card) -> int:
    return (ms + card.offset_ms) // DAY_MS if ms else 0
