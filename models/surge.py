"""Surges of a city's complaints: what is told of them from day to day.

`evaluate` is a pure function of the counts, the day and the surges open so far. An alert is one
*episode*: it opens when the evidence is beyond chance for the whole city, grows while neighbours
join it, and is resolved when it has been quiet. Cells of one cause that share a district or an item
are one episode, so that an outbreak is told once.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from models.surge_episode import COMPLAINT, REGIONAL, Surge, quiet, surge_id
from models.surge_grid import grid
from models.surge_policy import SurgePolicy
from models.surge_regions import regions
from models.surge_scan import LOOSE, scan
from models.surge_state import Cells
from models.surge_subjects import Bursts, bursts
from models.surge_tails import discoveries

__all__ = ["Surge", "evaluate", "subjects"]


def evaluate(state: Cells, day: int, policy: SurgePolicy,
             held: Sequence[Surge] = ()) -> list[Surge]:
    """All surges of one day, by id: those that go on, opened or were resolved.

    Parameters
    ----------
    state
        Counts; reports later than `day` are not looked at.
    day
        The civil day to judge, normally the last one that is over.
    held
        What the call before returned; those resolved there are left out.
    """
    before = [s for s in held if s.phase != "resolved"]
    out: list[Surge] = []
    if policy.complaint.enabled:
        out += subjects(bursts(state, day, policy), state, policy, before)
    if policy.regional.enabled:
        out += regions(scan(state, day, policy, loose(policy, before)), state, policy, before)
    off = {rule for rule, on in ((COMPLAINT, policy.complaint.enabled),
                                 (REGIONAL, policy.regional.enabled)) if not on}
    out += [msgspec.structs.replace(s, phase="resolved", day=day) for s in before if s.rule in off]
    return sorted(out, key=lambda s: s.id)


def loose(policy: SurgePolicy, before: Sequence[Surge]) -> float:
    """No p-value above it has a say."""
    rule = policy.regional
    return min(LOOSE, max(rule.p_max, rule.keep_p) if before else rule.p_max)


# ---------------------------------------------------------------------------------- one subject


def subjects(found: Bursts, state: Cells, policy: SurgePolicy,
             before: Sequence[Surge]) -> list[Surge]:
    """Episodes of `complaint-surge`."""
    rule, day = policy.complaint, found.day
    limit = discoveries([b.p for b in found.found], found.tests, rule.false_share)
    open_ = {s.subjects[0]: s for s in before if s.rule == COMPLAINT}
    out = []
    recent: dict[str, list[tuple[int, str, str]]] = {}
    wanted = {b.subject for b in found.found if b.p <= limit or b.subject in open_}
    for cell in grid(state, day).behind(wanted) if wanted else ():
        for (when, subject, source, id, _, _), n in state.recent.get(cell, {}).items():
            if n > 0 and subject in wanted and day - rule.window_d < when <= day:
                recent.setdefault(subject, []).append((when, source, id))
    for burst in found.found:
        old = open_.pop(burst.subject, None)
        if burst.p > (rule.keep_p if old else limit):
            if old:
                open_[burst.subject] = old
            continue
        latest = sorted(recent.get(burst.subject, ()), reverse=True)
        start = old.start_day if old else day
        out.append(Surge(
            old.id if old else surge_id(COMPLAINT, (burst.subject,), day), COMPLAINT,
            "held" if old else "opened", rule.level, "subject", "", start, day, day,
            rule.window_d, burst.reports, burst.expected, burst.p, [], [burst.subject],
            sorted((source, id) for _, source, id in latest[:policy.evidence_max])))
    out += [quiet(old, day, rule.quiet_d) for _, old in sorted(open_.items())]
    return out
