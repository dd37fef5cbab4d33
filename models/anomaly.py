"""Is a series abnormal against its own and its class's past, tampered with, or its sensor broken?

`observe` joins readings into hours (`models.anomaly_windows`), `judge` says what they show at a
clock: a pure function of the state, the device's row, the class's norm and the policy. No reading
is judged alone, none judges a subject: hours with a device state or a null neither alarm nor train,
and a broken sensor is a fault, not tampering. What is found is for people to look at.

    models.anomaly_windows   what is kept: a join-semilattice over hours
    models.anomaly_course    each hour against what is usual for the series and its class
    models.anomaly_class     the class's norm; thresholds as rates of false alarms
    models.anomaly_tamper    replay, hugging, dullness; stuck, spikes, nulls
    models.anomaly_words     what is said to people
"""

from __future__ import annotations

from typing import Annotated, Literal, NamedTuple

import msgspec
import numpy as np
from msgspec import Meta

from models import anomaly_tamper as tamper
from models.anomaly_class import Summary, class_norm, rate_of, summarise, threshold
from models.anomaly_course import (
    AGGREGATES,
    STATISTICS,
    WIGGLE,
    Course,
    Norm,
    Statistic,
    course,
    statistic,
)
from models.anomaly_windows import (
    HORIZON_MAX_D,
    WindowState,
    bytes_max,
    canonical,
    dump,
    load,
    observe,
)
from models.anomaly_words import RANK, words
from models.calendar import WorkingDays
from models.iot import HOLD_MS, DeviceSpec
from models.iot_batch import HOUR_MS

__all__ = [
    "Norm", "Rule", "Summary", "Verdict", "WindowState", "bytes_max", "canonical", "class_norm",
    "due_ms", "dump", "judge", "load", "observe", "silences", "summary",
]  # fmt: skip


class Rule(msgspec.Struct, frozen=True):
    """Section `rules.iot.anomaly` of the policy.

    `false_alarms`: wanted a device-month, of all statistics together; `tamper_false_alarms` the
    same of the statistic that accuses somebody. `clear`: a finding ends when its statistic falls
    below this share of the threshold. `every_h`: judged that often (`due_ms`).
    """

    enabled: bool = True
    horizon_d: Annotated[int, Meta(ge=14, le=HORIZON_MAX_D)] = 35
    false_alarms: Annotated[float, Meta(gt=0, le=1)] = 0.1
    tamper_false_alarms: Annotated[float, Meta(gt=0, le=1)] = 0.01
    clear: Annotated[float, Meta(ge=0.2, le=1)] = 0.7
    every_h: Annotated[int, Meta(ge=1, le=24)] = 6


class Verdict(msgspec.Struct, frozen=True, gc=False):
    """One thing seen in a series. `until_ms` 0 = still going on.

    What is usual moves a little with every hour, and so may the last digit of the texts: whether it
    is the same thing is told by `kind`, `code` and `since_ms`.

    `aggregate` had `value` where `low` to `high` was expected, in the metric's unit (hours and
    shares for `aggregate` "hours" and code "hugging"). `false_alarms`: of the statistic at that
    value, a device-month; 0 where a count was tested instead.
    """

    kind: Literal["anomaly", "tamper", "fault"]
    code: str
    aggregate: str
    value: float
    low: float
    high: float
    since_ms: int
    until_ms: int
    false_alarms: float
    zh: str
    en: str


class Episode(NamedTuple):
    """Newest stretch of a statistic: place of its first hour, its raise and its last."""

    first: int
    raised: int
    last: int


def judge(
    state: WindowState,
    spec: DeviceSpec | None,
    norm: Norm | None,
    rule: Rule,
    days: WorkingDays | None,
    clock_ms: int,
    sane: tuple[float, float] | None = None,
) -> tuple[Verdict, ...]:
    """What is true of the series at `clock_ms`: at most one verdict a kind.

    Fault before tampering before anomaly; a fault silences what overlaps it, for what a broken
    sensor shows is nothing the subject did. Nothing is true of a series that has been quiet for a
    day. Cost about 0.5 ms: ask at `due_ms`, not at each reading.

    Parameters
    ----------
    spec
        The metric's row; None, or `flat_s` 0 (a code, not a measurement), is never judged.
    norm
        The class's; None: by itself, after `OWN_MIN_D` days.
    days
        To know days off; None: every day alike.
    sane
        Least and greatest value the sensor can truly show.
    """
    if not rule.enabled or spec is None or not spec.flat_s or not state.lo.size:
        return ()
    newest = min(state.first + state.lo.size - 1, clock_ms // HOUR_MS - 1)
    if (newest + 1) * HOUR_MS < clock_ms - HOLD_MS:
        return ()
    signs: list[tamper.Sign | None] = [tamper.unusable(state, newest)]
    found: list[Verdict] = []
    c = course(state, norm, days, clock_ms)
    if c is not None:
        low, high = tamper.sane_range(c, norm, sane)
        signs += [tamper.stuck(c, low, high), tamper.spikes(c, low, high), tamper.replay(state, c),
                  tamper.hugging(c, spec, norm), tamper.dull(c, norm)]
        found = _statistics(c, spec, norm, rule)
    found += [_verdict(s.kind, s.code, s.aggregate, s.value, s.low, s.high, s.first, s.last,
                       s.ongoing, 0.0, spec) for s in signs if s is not None]
    found = [v for v in found if not v.until_ms or v.until_ms >= clock_ms - HOLD_MS]
    faults = [v for v in found if v.kind == "fault"]
    out = []
    for kind in ("fault", "tamper", "anomaly"):
        own = [v for v in found if v.kind == kind
               and (kind == "fault"
                    or not any(silences(f, v.since_ms, v.until_ms) for f in faults))]
        if own:
            out.append(min(own, key=lambda v: (v.until_ms > 0, RANK[v.code], v.since_ms)))
    return tuple(out)


def summary(
    state: WindowState,
    spec: DeviceSpec,
    norm: Norm | None,
    days: WorkingDays | None,
    clock_ms: int,
) -> Summary | None:
    """What the series tells its class, measured by the norm so far; None while it is too young."""
    c = course(state, norm, days, clock_ms)
    share = 0.0 if c is None else tamper.just_under(c, spec)[0]
    return summarise(state, norm, days, clock_ms, share)


def due_ms(state: WindowState, rule: Rule, clock_ms: int, phase_h: int, found: bool) -> int:
    """When to judge next, after the clock [epoch ms]; 0 = not before something comes in.

    At hours that are `phase_h` beyond a multiple of `every_h`, whatever has come in when: so every
    runner judges at the same moments. Findings hold a day, so none is missed in between.

    Parameters
    ----------
    found
        Whether there are verdicts, which must be seen to end.
    """
    if not rule.enabled or not state.lo.size:
        return 0
    due = (clock_ms // HOUR_MS - phase_h) // rule.every_h * rule.every_h + rule.every_h + phase_h
    end = state.first + state.lo.size
    return due * HOUR_MS if found or (due - end) * HOUR_MS <= HOLD_MS else 0


def silences(fault: Verdict, since_ms: int, until_ms: int) -> bool:
    """Whether what a series showed from `since_ms` to `until_ms` (0 = goes on) is the fault's."""
    return (not fault.until_ms or since_ms < fault.until_ms) and (
        # A day before the fault included: sensors die slowly.
        not until_ms or until_ms > fault.since_ms - HOLD_MS
    )


def _statistics(c: Course, spec: DeviceSpec, norm: Norm | None, rule: Rule) -> list[Verdict]:
    out = []
    for at, s in enumerate(STATISTICS):
        wanted = rule.tamper_false_alarms if s.kind == "tamper" else rule.false_alarms
        bound = threshold(norm, at, wanted)
        over = s.sign * c.z[s.aggregate] >= bound
        if np.count_nonzero(over) < s.k:
            continue  # most leave here
        so_far = np.append(0, np.cumsum(over))
        if not (so_far[s.n :] - so_far[: -s.n] >= s.k).any():
            continue  # never k of n hours
        x = statistic(c, s)
        found = episode(x, bound, rule.clear * bound)
        if found is not None:
            out.append(_of_statistic(c, s, at, x, found, bound, spec, norm))
    return out


def episode(x: np.ndarray, bound: float, clear: float) -> Episode | None:
    """The newest stretch that reached `bound` and has not fallen below `clear` since.

    Hours where the statistic is unknown (NaN) neither begin nor end one.
    """
    reached = np.flatnonzero(x >= bound)
    if not reached.size:
        return None
    below = np.flatnonzero(x < clear)
    last_raise = int(reached[-1])
    before = below[below < last_raise]
    after = below[below > last_raise]
    begin = int(before[-1]) + 1 if before.size else 0
    raised = int(reached[np.searchsorted(reached, begin)])
    return Episode(begin, raised, int(after[0]) - 1 if after.size else x.size - 1)


def _of_statistic(
    c: Course, s: Statistic, at: int, x: np.ndarray, found: Episode, bound: float,
    spec: DeviceSpec, norm: Norm | None,
) -> Verdict:  # fmt: skip
    raised = found.raised
    own = slice(max(raised - s.n + 1, 0), raised + 1)
    z = s.sign * c.z[s.aggregate, own]
    beyond = np.flatnonzero(z >= x[raised])
    first, show = own.start + int(beyond[0]), own.start + int(beyond[-1])
    value = float(c.value[s.aggregate, show])
    usual, width = float(c.usual[s.aggregate, show]), bound * float(c.spread[s.aggregate, show])
    low, high = usual - width, usual + width
    if s.aggregate == WIGGLE:
        value, low, high = value * value, max(low, 0.0) ** 2, high * high
    ongoing = found.last == c.hour.size - 1
    return _verdict(
        s.kind, s.code, AGGREGATES[s.aggregate], value, low, high, int(c.hour[first]),
        int(c.hour[found.last]), ongoing, rate_of(norm, at, float(x[raised])), spec,
    )  # fmt: skip


def _verdict(
    kind: Literal["anomaly", "tamper", "fault"], code: str, aggregate: str, value: float,
    low: float, high: float, first: int, last: int, ongoing: bool, rate: float, spec: DeviceSpec,
) -> Verdict:  # fmt: skip
    since, until = first * HOUR_MS, 0 if ongoing else (last + 1) * HOUR_MS
    zh, en = words(code, aggregate, value, low, high, since, spec)
    return Verdict(kind, code, aggregate, value, low, high, since, until, rate, zh, en)
