"""What the analysis of the whole city says of the feeds themselves: silent, wrong codes. Pure.

Counts belong to the hour in which the log took the events. An hour is looked at when every shard
has come past it, so neither the number of shards nor their order makes a difference.
"""

from __future__ import annotations

from models import events as e
from models.calendar import WorkingDays
from models.misnamed import Misnamed
from models.policy import Policy
from models.rhythm import HOURS, Rhythm, day_kind
from storage.effects import Misnamed as MisnamedTold
from storage.effects import Passed

HOUR_MS = 3_600_000
JUMP_MAX_H = 28 * 24
"""A longer silence of the whole log says nothing: the feeds are watched anew after it."""
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
        self.misnamed = Misnamed()
        self._came = [0] * partitions
        """The hour [epoch ms] each shard has come to."""
        self._taken: dict[int, dict[str, int]] = {}
        """Events by hour and source, of hours not looked at yet."""
        self._wrong: dict[int, dict[str, int]] = {}
        """Wrong codes that intake counted, alike."""
        self._doubled: dict[int, dict[str, int]] = {}
        self._day = 0
        self._days: WorkingDays | None = None

    def renew(self, policy: Policy) -> None:
        calendar = policy.calendar
        self._days = WorkingDays(calendar.holidays, calendar.workdays, calendar.covered_to)

    def hear(self, partition: int, passed: Passed) -> None:
        """A shard has come to an hour: what it took since is of the one it stood at."""
        before, self._came[partition] = self._came[partition], passed.clock_ms
        for held, said in ((self._taken, passed.taken), (self._doubled, passed.doubled)):
            if before and said:
                hour = held.setdefault(before // HOUR_MS, {})
                for source, n in said.items():
                    hour[source] = hour.get(source, 0) + n

    def report(self, said: MisnamedTold) -> None:
        """Intake has counted wrong codes; said again of the same hour, the larger count stands."""
        hour = self._wrong.setdefault(said.hour_ms // HOUR_MS, {})
        for source, n in said.wrong.items():
            hour[source] = max(hour.get(source, 0), n)

    def close(self, clock_ms: int, policy: Policy) -> list[e.Detected]:
        """Every shard has come to this hour: look at those before it."""
        assert self._days is not None
        rules, end = policy.rules, clock_ms // HOUR_MS
        out: list[e.Detected] = []
        first = self.rhythm.hour or min(self._taken, default=end)
        if end - first > JUMP_MAX_H:
            # The last hour with events still has its say.
            first_new = end - 1
            hours = [h for h in sorted(self._taken) if first <= h < first_new] + [first_new]
        else:
            hours = list(range(first, end))
        for hour in hours:
            taken = self._taken.pop(hour, {})
            day, clock = divmod(hour + policy.utc_offset_min // 60, HOURS)
            if rules.feed_silent.enabled:
                if hour > self.rhythm.hour:
                    self.rhythm.skip(hour)
                for told in self.rhythm.step(taken, day_kind(day, self._days.is_workday), clock,
                                             rules.feed_silent):
                    out.append(self._silent(told, (hour + 1) * HOUR_MS, policy))
            if rules.identifier_errors.enabled:
                if day > self._day:
                    out += self._errors(day, hour * HOUR_MS, policy)
                wrong = self._wrong.pop(hour, {})
                for source, n in self._doubled.pop(hour, {}).items():
                    wrong[source] = wrong.get(source, 0) + n
        return out
