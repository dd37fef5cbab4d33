"""What the tests of notification share: a small policy, a calendar, notices."""

from __future__ import annotations

import datetime as dt
from typing import Any

import msgspec

from alerts.notice import Fact, Notice
from alerts.worktime import WorkTime
from config import notify as notify_config
from dispatch.backoff import Delivery
from models.calendar import WorkingDays
from models.notify_policy import Notify, Receiver

OFFSET_MS = 8 * 3_600_000
HOUR_MS, MINUTE_MS = 3_600_000, 60_000
DAYS = WorkingDays(
    ["2026-10-01", "2026-10-02", "2026-10-05", "2026-10-06", "2026-10-07", "2026-09-25"],
    ["2026-09-20", "2026-10-10"], "2026-12-31")
POLICY: Notify = notify_config.notify()
TIME = WorkTime(DAYS, POLICY.work, OFFSET_MS)
ITEMS = {"cq1-17": {"item": "春、秋季校园及周边食品安全专项检查", "department": "市市场监管局"},
         "cq1-40": {"item": "企业环境", "department": "市生态环境局"}}
DELIVERY = Delivery("http://127.0.0.1:8642", ("127.0.0.1",), 0.05, 0.4, 48.0, 5, 0.1, 0.5, 0.02,
                    5.0, 16, 400)


def at(text: str) -> int:
    """Epoch milliseconds of a moment in Beijing civil time."""
    return round((dt.datetime.fromisoformat(text) - dt.datetime(1970, 1, 1)
                  ).total_seconds() * 1000) - OFFSET_MS


def notice(id: str = "grade-drop-1", **over: Any) -> Notice:
    """A firing grade-drop of a restaurant, with some fields replaced."""
    made: dict[str, Any] = {
        "id": id, "rule": "grade-drop", "level": "orange", "state": "firing",
        "subject": "91500106MA5U00017K", "cell": "", "item": "cq1-17", "items": ["cq1-17"],
        "departments": ["市市场监管局"], "since_ms": at("2026-11-16T08:00"),
        "opened_ms": at("2026-11-16T10:00"), "updated_ms": at("2026-11-16T10:00"),
        "silenced_until_ms": 0, "facts": {"from": "B", "to": "D"},
        "evidence": [Fact("cq/market", "PEN-1", "penalty.decided", at("2026-11-15T10:00"))],
        "seq": 1, "name": "重庆示例餐饮管理有限公司", "kind": "enterprise", "district": "500112",
        "reason": "opened"}
    return Notice(**{**made, **over})


def changed(old: Notice, **over: Any) -> Notice:
    """The next transition of an alert."""
    return msgspec.structs.replace(old, **{"seq": old.seq + 1, **over})


def with_receivers(policy: Notify, receivers: list[Receiver]) -> Notify:
    return msgspec.structs.replace(policy, receivers=tuple(receivers))
