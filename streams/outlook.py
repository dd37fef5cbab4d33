"""What the first page shows beside the counters: trend, what rises, feeds. Pure."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from models.calendar import DAY_MS, to_date
from storage.rows import HOUR_MS
from streams.show import iso_ms
from streams.view import LEVELS, District, Hour

Row = dict[str, Any]
TREND_D = 30
LATELY_D, USUAL_D = 7, 28
"""What rises: the latest days against so many before them."""
RISING_MIN = 4
CHANCE_MAX = 0.005
"""A rise is shown when mere chance would bring it less often."""
GRADES = ("A", "B", "C", "D")
RISK_LEVELS = ("red", "orange")


def first_hour(clock_ms: int, offset_ms: int) -> int:
    """The first hour that `trend` and `rising` look at."""
    days = max(TREND_D, LATELY_D + USUAL_D)
    return ((clock_ms + offset_ms) // DAY_MS - days) * 24 - offset_ms // HOUR_MS - 1


def trend(hours: Iterable[Hour], grades: Mapping[str, int], clock_ms: int, offset_ms: int) -> Row:
    """Alerts opened and ended by level, and businesses by grade at the end of each day.

    Parameters
    ----------
    grades
        Businesses by public grade now; earlier days follow from what changed since.
    offset_ms
        What civil days are off UTC.

    Returns
    -------
    `days` [ISO dates, the running one last], `opened` and `ended` {level: counts}, `grades`
    {grade: counts}: lists as long as `days`.
    """
    today = (clock_ms + offset_ms) // DAY_MS
    days = range(today - TREND_D + 1, today + 1)
    seen: Counter[tuple[int, str, str]] = Counter()
    for x in hours:
        day = (x.hour * HOUR_MS + offset_ms) // DAY_MS
        seen[day, x.what, x.a if x.what == "grade" else x.b] += x.n
    by_grade: dict[str, list[int]] = {}
    for grade in GRADES:
        n, held = grades.get(grade, 0), []
        for day in reversed(days):
            held.append(n)
            n -= seen[day, "grade", grade]
        by_grade[grade] = held[::-1]
    return {"days": [str(to_date(day)) for day in days],
            **{what: {level: [seen[day, what, level] for day in days] for level in LEVELS}
               for what in ("opened", "ended")},
            "grades": by_grade}


def rising(hours: Iterable[Hour], clock_ms: int) -> list[Row]:
    """Rules that open more alerts lately than is usual for them, the most unlikely first.

    Each is held against a Poisson count of its own mean of the weeks before [^1], half an alert at
    least: a rule that was never heard of needs more than one.

    [^1]: C. Farrington et al., J. Royal Statistical Society A 159 (1996) 547-563 (outbreaks).

    Examples
    --------
    >>> week = [Hour(1000, "opened", "risk-high", "red", 6)]
    >>> rising(week, 1001 * 3_600_000)[0] | {"chance": 0}
    {'rule': 'risk-high', 'opened': 6, 'usual': 0.0, 'chance': 0}
    """
    end = clock_ms // HOUR_MS + 1
    lately: Counter[str] = Counter()
    before: Counter[str] = Counter()
    for x in hours:
        if x.what == "opened":
            if x.hour >= end - LATELY_D * 24:
                lately[x.a] += x.n
            elif x.hour >= end - (LATELY_D + USUAL_D) * 24:
                before[x.a] += x.n
    out = []
    for rule, n in lately.items():
        usual = before[rule] * LATELY_D / USUAL_D
        chance = poisson_tail(n, max(usual, 0.5))
        if n >= RISING_MIN and n > usual and chance < CHANCE_MAX:
            out.append({"rule": rule, "opened": n, "usual": round(usual, 1), "chance": chance})
    return sorted(out, key=lambda row: (row["chance"], row["rule"]))


def poisson_tail(n: int, mean: float) -> float:
    """P(at least `n`) of a Poisson count with this mean.

    Examples
    --------
    >>> round(poisson_tail(1, 1.0), 6), poisson_tail(0, 3.0)
    (0.632121, 1.0)
    """
    below = math.fsum(math.exp(k * math.log(mean) - mean - math.lgamma(k + 1)) for k in range(n))
    return max(0.0, 1.0 - below) if n else 1.0


def districts(held: Mapping[str, District]) -> list[Row]:
    """Districts by code; `risk` is how many times as many red and orange alerts are open there as
    the city's rate would have: (open + 1) / (expected + 1), so that few businesses prove little."""
    total = sum(sum(x.grades.values()) for x in held.values())
    open_ = sum(x.open.get(level, 0) for x in held.values() for level in RISK_LEVELS)
    out = []
    for code, x in held.items():
        if not code:
            continue
        subjects = sum(x.grades.values())
        severe = sum(x.open.get(level, 0) for level in RISK_LEVELS)
        expected = open_ * subjects / total if total else 0.0
        out.append({"district": code, "subjects": subjects,
                    "grades": dict(sorted(x.grades.items())),
                    "alerts_open": {level: x.open.get(level, 0) for level in LEVELS},
                    "risk": round((severe + 1) / (expected + 1), 2)})
    return out


def feeds(slots: Iterable[tuple[str, int, int]], troubles: Iterable[Row], clock_ms: int
          ) -> list[Row]:
    """Each source with its latest hour and what it sent in the day before the running hour; those
    in trouble first, then by name.

    Parameters
    ----------
    troubles
        Open alerts of the feeds themselves: silent, wrong codes.
    """
    wrong = {str(a["cell"]).removeprefix("service:feed:"): a for a in troubles}
    now = clock_ms // HOUR_MS
    last: dict[str, int] = {}
    sent: Counter[str] = Counter()
    for source, hour, n in slots:
        last[source] = max(hour, last.get(source, 0))
        sent[source] += n if hour >= now - 24 else 0
    rows = []
    for source in sorted(last.keys() | wrong.keys(), key=lambda x: (x not in wrong, x)):
        alert = wrong.get(source)
        rows.append({
            "source": source, "events_24h": sent[source],
            "last_hour": iso_ms(last[source] * HOUR_MS) if source in last else None,
            "alert": {k: alert[k] for k in ("id", "rule", "level", "title")} if alert else None})
    return rows


def model(report: Row | None) -> Row | None:
    """How the model in use stands, from the report of the analysis."""
    learner = (report or {}).get("learner")
    if report is None or not learner or not learner.get("models"):
        return None
    name, champion = next(iter(learner["models"].items()))
    tenths = champion.get("calibration") or []
    weight = sum(t["n"] for t in tenths)
    return {
        "name": name, "weights": f"w{report['published']:06d}",
        "as_of": str(to_date(report["as_of_day"])), "examples": learner["examples"],
        "adverse": learner["adverse"], "auc": champion.get("auc"), "ece": champion.get("ece"),
        "predicted": sum(t["predicted"] * t["n"] for t in tenths) / weight if weight else None,
        "observed": sum(t["observed"] * t["n"] for t in tenths) / weight if weight else None,
        "drifting": bool((learner.get("drift") or {}).get("drifting")),
    }
