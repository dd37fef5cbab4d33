"""What the texts of alerts share: what they need of an alert, and names of items."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol, TypeAlias

from models.calendar import DAY_MS, to_date

Catalogue: TypeAlias = Mapping[str, Mapping[str, str]]
"""Names: of supervision items, {item id: {"item": its name, "department": its department}}, and of
districts, {code: {"district": its name}}."""


class Alert(Protocol):
    """What a text needs of an alert; `storage.effects.AlertChanged` has it."""

    @property
    def rule(self) -> str: ...
    @property
    def state(self) -> str: ...
    @property
    def subject(self) -> str: ...
    @property
    def item(self) -> str: ...
    @property
    def since_ms(self) -> int: ...
    @property
    def departments(self) -> list[str]: ...
    @property
    def facts(self) -> dict[str, str]: ...


Words: TypeAlias = tuple[str, str]
"""Chinese, English."""
Make: TypeAlias = Callable[[Alert, Catalogue], Words]

MATTERS: dict[str, tuple[Words, Words]] = {
    "commitment-overdue": (("信用承诺", "履行"), ("Commitment", "be fulfilled")),
    "rectification-overdue": (("责令整改事项", "完成"), ("Rectification", "be completed")),
    "penalty-unperformed": (("行政处罚决定", "履行"), ("Penalty", "be performed")),
    "publication-overdue": (("行政行为信息", "公示"), ("Publication of an act", "be made")),
}
"""What is due (Chinese noun and verb, English noun and verb), by rule."""

DEVICES: dict[str, Words] = {
    "iot-limit": ("监测超限", "Reading beyond its limit"),
    "iot-tamper": ("疑似监测数据造假", "Suspected tampering"),
    "iot-silent": ("监测设备失联", "Device silent"),
    "iot-anomaly": ("监测数据异常", "Abnormal readings"),
    "iot-fault": ("监测设备故障", "Device fault"),
}


def item_words(id: str, items: Catalogue) -> Words:
    """An item as people name it, with its department where that is known."""
    if id == "public":
        return "公共信用等级", "the public grade"
    row = items.get(id, {})
    name, department = row.get("item", id), row.get("department", "")
    return f"{department}“{name}”", f'"{name}"' + (f" ({department})" if department else "")


def districts(codes: str, items: Catalogue) -> list[str]:
    """Names of districts given by their codes, a blank between each; a code that has none stays.

    Examples
    --------
    >>> districts("500106 500999", {"500106": {"district": "沙坪坝区"}})
    ['沙坪坝区', '500999']
    """
    return [items.get(code, {}).get("district", code) for code in codes.split()]


def date(day: str) -> str:
    """ISO date of a civil day number in text, as facts of alerts hold it."""
    return to_date(int(day)).isoformat() if day else ""


def since(alert: Alert) -> str:
    """ISO date on which the cause arose.

    A cause begins with a civil day somewhere on earth: twelve hours on it is that day in UTC.
    """
    return to_date((alert.since_ms + DAY_MS // 2) // DAY_MS).isoformat()
