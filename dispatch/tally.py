"""How long people take: from an alert to its acknowledgement, from a review to each answer."""

from __future__ import annotations

from collections import Counter

from alerts.escalation import Course
from alerts.notice import REVIEW_RULE, Notice


class Tally:
    """Sums since the process started; each transition counts where the desk takes it in, once.

    Counters by level [count, seconds]; of reviews an answer of each department counts.
    """

    def __init__(self) -> None:
        self.acknowledged: Counter[str] = Counter()
        self.acknowledge_s: dict[str, float] = {}
        self.answered = 0
        self.answer_s = 0.0

    def take(self, before: Notice | None, course: Course | None, now: Notice) -> None:
        """A transition; `before` and `course` as they stood."""
        if before is None:
            return
        if now.rule == REVIEW_RULE:
            count = len(set(before.departments) - set(now.departments))
            self.answered += count
            self.answer_s += count * max(now.updated_ms - now.opened_ms, 0) / 1000
        elif before.state == "firing" and now.state == "acknowledged":
            since = course.started_ms if course else now.opened_ms
            self.acknowledged[now.level] += 1
            took_s = max(now.updated_ms - since, 0) / 1000
            self.acknowledge_s[now.level] = self.acknowledge_s.get(now.level, 0.0) + took_s
