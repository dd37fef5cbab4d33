"""Numbers of the view in Redis: kept as it grows, so that none is counted to answer."""

from __future__ import annotations

from storage import redis_keys as keys
from storage.redis_keys import Group
from storage.rows import HOUR_MS
from streams.redis_state import RedisState
from streams.view import GRADES, District, Hour, by_district, count_open, group_open


class RedisNumbers(RedisState):
    """The part of `streams.view.View` that gives numbers."""

    def _groups(self, kind: str, wanted: dict[int, str]) -> list[Group]:
        return keys.groups(self.client.hgetall(f"{kind}:groups"), wanted)

    def open_alerts(self) -> tuple[dict[str, int], dict[str, int]]:
        """Open alerts by level and by rule."""
        return count_open([(rule, level, state, count) for (rule, level, state), _, count
                           in self._groups(self.keys.alerts, {})])

    def open_groups(self) -> list[tuple[str, str, int]]:
        """(rule, level, open alerts)."""
        return group_open([(rule, level, state, count) for (rule, level, state), _, count
                           in self._groups(self.keys.alerts, {})])

    def grades(self) -> dict[str, int]:
        """Subjects by public grade."""
        out = dict.fromkeys(GRADES, 0)
        for (_, grade, _), _, count in self._groups(self.keys.subjects, {}):
            out[grade] += count
        return out

    def districts(self) -> dict[str, District]:
        """Businesses by grade and open alerts by level, of each district."""
        at = self.client.hgetall(f"{self.keys.alerts}:at")
        return by_district(
            [(district, grade, count) for (district, grade, _), _, count
             in self._groups(self.keys.subjects, {})],
            [(*key.decode().split("\n"), int(n)) for key, n in at.items()])

    def hours(self, first: int) -> list[Hour]:
        """What happened in each hour from `first` on."""
        last = int(self.standing().clock_ms // HOUR_MS)
        with self.client.pipeline(transaction=False) as tx:
            # A shard may be a little ahead of the slowest.
            for day in range(first // 24, last // 24 + 2):
                tx.hgetall(self.keys.hours(day))
            held = [x for part in tx.execute() for x in part.items()]
        found = [(*key.decode().split("\n"), int(n)) for key, n in held]
        return [Hour(int(hour), what, a, b, n) for hour, what, a, b, n in found
                if n and int(hour) >= first]

    def feeds(self) -> list[tuple[str, int, int]]:
        """(source, hour since 1970, events), the latest hours of each source that sent any."""
        out = []
        for key, value in self.client.hgetall(self.keys.feeds).items():
            source = key.decode().partition("\n")[0]
            if source:
                hour, _, n = value.decode().partition(" ")
                out.append((source, int(hour), int(n)))
        return sorted(out)

    def utc_offset_ms(self) -> int:
        timeline = self.timeline()
        return timeline.last.offset_ms if timeline is not None else 0

    def reviews_open(self) -> int:
        return int(self.client.zcard(self.keys.reviews_in("open")))

    def rejected(self) -> int:
        """Dead letters ever written."""
        return int(self.client.get(f"{self.keys.rejects}:count") or 0)
