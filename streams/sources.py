"""What the analysis of the whole city says of the feeds themselves: silent, wrong codes. Pure.

Counts belong to the hour in which the log took the events. An hour is looked at when every shard
has come past it, so neither the number of shards nor their order makes a difference.
"""

from __future__ import annotations

from typing import Any

import msgspec

from alerts.rules import alert_id
from models import events as e
from models.calendar import DAY_MS, WorkingDays, to_date
from models.policy import Policy
from models.records import WHOLE_SUBJECT
from models.rhythm import HOURS, Rhythm, Silence, day_kind
from models.wrong_codes import Errors, WrongCodes
from storage.effects import Misnamed, Passed

HOUR_MS = 3_600_000
JUMP_MAX_H = 28 * 24
"""A longer silence of the whole log says nothing of any feed."""
LATE_MAX_H = 48
"""How late intake's count of an hour may come."""
JUDGED_MAX_D = 400
SUBJECT = "service:feed:"


class Sources:
    """
    Parameters
    ----------
    partitions
        How many shards there are.
    """

    def __init__(self, partitions: int) -> None:
        self.rhythm = Rhythm()
        self.codes = WrongCodes()
        self._came = [0] * partitions
        """The hour [epoch ms] each shard has come to."""
        self._taken: dict[int, dict[str, int]] = {}
        """Events by hour and source, of hours not looked at yet."""
        self._doubled: dict[int, dict[str, int]] = {}
        """Registrations among them under a code that another business holds."""
        self._wrong: dict[int, dict[tuple[str, int], tuple[int, int]]] = {}
        """Hour -> source and part of the hour -> wrong codes that intake counted, and how many of
        them were looked at; the latest hours."""
        self._day = 0
        """Wrong codes were judged on it."""
        self._days: WorkingDays | None = None

    # ------------------------------------------------------------------------------------- taking

    def renew(self, policy: Policy) -> None:
        """Go by another calendar."""
        self._days = policy.calendar.working_days()

    def hear(self, partition: int, passed: Passed) -> None:
        """A shard has come to an hour: what it took since then is of the one it stood at."""
        before, self._came[partition] = self._came[partition], passed.clock_ms
        for held, said in ((self._taken, passed.taken), (self._doubled, passed.doubled)):
            if said and before:
                hour = held.setdefault(before // HOUR_MS, {})
                for source, n in said.items():
                    hour[source] = hour.get(source, 0) + n

    def report(self, said: Misnamed) -> None:
        """Intake has counted; said again of the same part, the larger count stands."""
        hour = self._wrong.setdefault(said.hour_ms // HOUR_MS, {})
        for source, n in said.wrong.items():
            held, counted = hour.get((source, said.since_ms), (0, 0))
            hour[source, said.since_ms] = max(held, n), counted

    # ------------------------------------------------------------------------------------ judging

    def close(self, clock_ms: int, policy: Policy) -> list[e.Detected]:
        """Every shard has come to this hour: look at what was before it."""
        end = clock_ms // HOUR_MS
        taken = {hour: self._taken.pop(hour) for hour in sorted(self._taken) if hour < end}
        return self._codes(end, taken, policy) + self._silences(end, taken, policy)

    def _silences(self, end: int, taken: dict[int, dict[str, int]],
                  policy: Policy) -> list[e.Detected]:
        assert self._days is not None
        rhythm, rule = self.rhythm, policy.rules.feed_silent
        if not rule.enabled:
            # What cannot end by itself any more ends now.
            out = [self._silent(msgspec.structs.replace(told, open=False), end, policy)
                   for told in rhythm.told.values()]
            self.rhythm = Rhythm()
            return out
        out = []
        first = rhythm.hour or min(taken, default=end)
        long = end - first > JUMP_MAX_H
        for hour in sorted(taken) if long else range(first, end):
            rhythm.hour = max(rhythm.hour, hour)
            day, clock = divmod((hour * 60 + policy.utc_offset_min) // 60, HOURS)
            out += [self._silent(told, hour + 1, policy)
                    for told in rhythm.step(taken.get(hour, {}),
                                            day_kind(day, self._days.is_workday), clock, rule)]
        rhythm.hour = end
        return out

    def _silent(self, told: Silence, hour: int, policy: Policy) -> e.Detected:
        rule, subject = policy.rules.feed_silent, SUBJECT + told.source
        day, clock = divmod((told.since_hour * 60 + policy.utc_offset_min) // 60, HOURS)
        data = e.Detection(
            alert_id("feed-silent", subject, WHOLE_SUBJECT, told.since_hour), "feed-silent",
            rule.rare_level if told.rare else rule.level, told.open, told.since_hour * HOUR_MS,
            "public", [], {"source": told.source, "since": f"{to_date(day)} {clock:02d}:00",
                           "expected": f"{max(told.expected, 1):.0f}"})
        return e.Detected(subject, hour * HOUR_MS, data)

    def _codes(self, end: int, taken: dict[int, dict[str, int]],
               policy: Policy) -> list[e.Detected]:
        rule, offset_ms = policy.rules.identifier_errors, policy.utc_offset_min * 60_000
        today = (end * HOUR_MS + offset_ms) // DAY_MS
        doubled = {hour: self._doubled.pop(hour) for hour in sorted(self._doubled) if hour < end}
        for hour in sorted(taken.keys() | {h for h in self._wrong if h < end}):
            wrong = dict(doubled.get(hour, {}))
            sent = dict(taken.get(hour, {}))
            for (source, part), (n, counted) in self._wrong.get(hour, {}).items():
                wrong[source] = wrong.get(source, 0) + n - counted
                sent[source] = sent.get(source, 0) + n - counted
                self._wrong[hour][source, part] = n, n
            if rule.enabled:
                self.codes.add((hour * HOUR_MS + offset_ms) // DAY_MS, sent, wrong)
        for hour in [h for h in self._wrong if h < end - LATE_MAX_H]:
            del self._wrong[hour]
        if today <= self._day:
            return []
        # Each day by itself, also those on which nobody came to any hour.
        days = range(max(self._day + 1, today - JUDGED_MAX_D) if self._day else today, today + 1)
        self._day = today
        if not rule.enabled:
            out = [self._misnamed(msgspec.structs.replace(told, open=False), today, policy)
                   for told in self.codes.told.values()]
            self.codes = WrongCodes()
            return out
        return [self._misnamed(told, day, policy) for day in days
                for told in self.codes.judge(day, rule)]

    @staticmethod
    def _misnamed(told: Errors, day: int, policy: Policy) -> e.Detected:
        rule, subject = policy.rules.identifier_errors, SUBJECT + told.source
        offset_ms = policy.utc_offset_min * 60_000
        data = e.Detection(
            alert_id("identifier-errors", subject, WHOLE_SUBJECT, told.since_day),
            "identifier-errors", rule.high_level if told.high else rule.level, told.open,
            told.since_day * DAY_MS - offset_ms, "public", [],
            {"source": told.source, "taken": str(told.sent), "wrong": str(told.wrong),
             "limit": f"{rule.rate * 100:.4g} %"})
        return e.Detected(subject, day * DAY_MS - offset_ms, data)

    # ----------------------------------------------------------------------------------- standing

    def dump(self) -> list[Any]:
        return [self.rhythm.dump(), self.codes.dump(), self._came,
                *(list(held.items()) for held in (self._taken, self._doubled)),
                [(hour, [(*key, *n) for key, n in one.items()])
                 for hour, one in self._wrong.items()], self._day]

    @classmethod
    def load(cls, held: list[Any], policy: Policy | None) -> Sources:
        rhythm, codes, came, taken, doubled, wrong, day = held
        made = cls(len(came))
        if policy is not None:
            made.renew(policy)
        made.rhythm, made.codes = Rhythm.load(rhythm), WrongCodes.load(codes)
        made._came, made._day = came, day
        made._taken, made._doubled = dict(taken), dict(doubled)
        made._wrong = {hour: {(source, part): (n, counted) for source, part, n, counted in one}
                       for hour, one in wrong}
        return made
