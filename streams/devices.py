"""What readings do to a subject: their join, what its devices show, when to look again. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import xxhash

from alerts import lifecycle, rules
from models import anomaly, iot
from models import events as e
from models.ledger import DAY_MS, Fact
from models.norms import ByClass
from models.records import identity
from models.scorecard import Card
from models.subject import Subject
from storage.effects import DeviceSummary

HOUR_MS = 3_600_000


def join(subject: Subject, data: e.Readings, card: Card, clock_ms: int) -> tuple[int, bool]:
    """Take in one message: how many readings it holds, and whether a series of it alarms.

    Hours are kept of measurements only: of no code, and of no metric the catalogue does not know.
    """
    item = card.item_codes[data.item]
    rule = card.policy.rules.iot
    horizon_ms = rule.horizon_h * HOUR_MS
    devices = subject.devices if subject.devices is not None else {}
    if not rule.anomaly.enabled:
        subject.windows = subject.verdicts = None
    windows = subject.windows if subject.windows is not None else {}
    readings, alarming = 0, False
    for series in data.series:
        at = (item, series.device, series.metric)
        spec = card.devices.get((series.class_, series.metric))
        state = devices[at] = iot.observe(devices.get(at), series, spec, 0, horizon_ms)
        if rule.anomaly.enabled and spec is not None and spec.flat_s:
            windows[at] = anomaly.observe(windows.get(at), series, rule.anomaly.horizon_d)
            if subject.unjudged is not None:
                subject.unjudged.add(at)
        readings += len(series.t) // 8 if isinstance(series.t, bytes) else len(series.t)
        if not alarming and iot.findings(state, spec, clock_ms, rule.silent_intervals):
            alarming = True
    subject.devices = devices
    subject.windows = windows or None
    return readings, alarming


def judge(subject: Subject, card: Card, norms: ByClass, hour: int) -> list[DeviceSummary]:
    """At its hours, judge every series of a subject by its own past and its class's.

    What is found stays on the subject until the next time, and so does not depend on what comes in
    between. A series that showed nothing, and of which nothing came since, shows nothing again: it
    is passed over. Cost about 0.5 ms for each of the others.

    Returns
    -------
    What the series tell their classes: once a week, when it begins (Monday, local time).
    """
    rule = card.policy.rules.iot.anomaly
    phase = _phase(subject, rule.every_h)
    if not subject.windows or not rule.enabled or (hour - phase) % rule.every_h:
        return []
    clock_ms = hour * HOUR_MS
    week = _week(clock_ms, card.offset_ms)
    tells = week != _week(clock_ms - rule.every_h * HOUR_MS, card.offset_ms)
    assert subject.devices is not None
    before, unjudged = subject.verdicts or {}, subject.unjudged
    found, told = {}, []
    for at, state in sorted(subject.windows.items()):
        item, device, metric = at
        class_ = subject.devices[at].class_
        spec, norm = card.devices.get((class_, metric)), norms.get((class_, metric))
        if unjudged is None or at in unjudged or at in before:
            verdicts = anomaly.judge(state, spec, norm, rule, card.calendar, clock_ms)
            if verdicts:
                found[at] = verdicts
        # As its last turn saw it: this one was due. By the next one it may be a day behind.
        if tells and spec is not None and spec.flat_s and anomaly.due_ms(
                state, rule, clock_ms - rule.every_h * HOUR_MS, phase, found=False):
            said = anomaly.summary(state, spec, norm, card.calendar, clock_ms)
            if said is not None:
                key = identity(f"{subject.key} {item}", f"{device}\n{metric}")
                told.append(DeviceSummary(week, class_, metric, f"{key:016x}", said))
    subject.verdicts = found or None
    # The hour under way is not judged before it has ended.
    subject.unjudged = {at for at, w in subject.windows.items() if w.first + w.lo.size > hour}
    return told


def sense(subject: Subject, card: Card, day: int, clock_ms: int,
          acts: Sequence[Fact]) -> list[lifecycle.Transition]:
    """Bring the alerts of the subject's devices up to date; what changed."""
    outcome = lifecycle.advance(
        subject.alerts, rules.devices(subject, card, day, clock_ms), acts, subject.key, card, day,
        clock_ms, "devices")
    subject.alerts = outcome.held
    return outcome.transitions


def next_hour(subject: Subject, card: Card, clock_ms: int) -> int:
    """When to look at the devices again [hours since 1970], after the clock; 0 = need not be.

    At the first silence or judgement, or hourly while a device alarms.
    """
    rule = card.policy.rules.iot
    if not subject.devices or not rule.enabled:
        return 0
    soonest = clock_ms // HOUR_MS + 1
    if any(a.rule.startswith("iot-") for a in (subject.alerts or {}).values()):
        return soonest
    due = [iot.due_ms(s, card.devices.get((s.class_, s.metric)), rule.silent_intervals)
           for s in subject.devices.values()]
    hours = [d // HOUR_MS + 1 for d in due if d]
    if subject.windows and rule.anomaly.enabled:
        newest = max(subject.windows.values(), key=lambda w: w.first + w.lo.size)
        turn = anomaly.due_ms(newest, rule.anomaly, clock_ms,
                              _phase(subject, rule.anomaly.every_h), bool(subject.verdicts))
        if turn:
            hours.append(turn // HOUR_MS)
    return max(min(hours), soonest) if hours else 0


def _phase(subject: Subject, every_h: int) -> int:
    """Hour of its turn: subjects take turns, or every one would be judged in the same moment."""
    return xxhash.xxh3_64_intdigest(subject.key.encode("utf-8", "surrogatepass")) % every_h


def _week(ms: int, offset_ms: int) -> int:
    """Number of the local week, Monday to Sunday (1970-01-01 was a Thursday)."""
    return ((ms + offset_ms) // DAY_MS + 3) // 7
