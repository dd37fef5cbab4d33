"""What an alert says to people, in Chinese and English. Pure: words from an effect, nothing else.

No text names a complainant or repeats what one wrote: effects do not carry either.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol, TypeAlias

from alerts.words import LIST_WORDS, record_text
from models.calendar import DAY_MS, to_date

__all__ = ["Alert", "Catalogue", "body", "record_text", "title"]

Text: TypeAlias = dict[str, str]
"""The same words under `zh` and `en`."""

Catalogue: TypeAlias = Mapping[str, Mapping[str, str]]
"""Supervision items: {item id: {"item": its name, "department": its department}}."""

_NO_ITEMS: Catalogue = {}


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


def title(alert: Alert, items: Catalogue = _NO_ITEMS) -> Text:
    """One line: what happened. The subject's name stands beside it and is not repeated."""
    zh, en = _TITLES.get(alert.rule, _other_title)(alert, items)
    return {"zh": zh, "en": en}


def body(alert: Alert, name: str = "", items: Catalogue = _NO_ITEMS) -> Text:
    """One to three sentences: who, what, until when, and what is asked for.

    Parameters
    ----------
    name
        Name of the subject; its code stands in where there is none.
    items
        The catalogue, for names of items and departments.
    """
    zh, en = _BODIES.get(alert.rule, _other_body)(alert, items)
    who = name or alert.subject
    zh, en = f"{who}：{zh}", f"{who}: {en}"
    match alert.state:
        case "resolved":
            zh, en = f"{zh}该情形现已消除。", f"{en} This is no longer the case."
        case "closed":
            zh, en = f"{zh}该预警已办结。", f"{en} The alert has been closed."
        case "pending":
            zh, en = f"{zh}已通知有关部门，答复期内暂不升级。", (
                f"{en} The department has been told and still has time to answer.")
        case _:
            pass
    return {"zh": zh, "en": en}


_Words: TypeAlias = tuple[str, str]
_Make: TypeAlias = Callable[[Alert, Catalogue], _Words]


def _item(id: str, items: Catalogue) -> _Words:
    """An item as people name it: its department first where it is known."""
    if id == "public":
        return "公共信用等级", "the public grade"
    row = items.get(id, {})
    name, department = row.get("item", id), row.get("department", "")
    return f"{department}“{name}”", f'"{name}"' + (f" ({department})" if department else "")


def _date(day: str) -> str:
    return to_date(int(day)).isoformat() if day else ""


def _departments(alert: Alert) -> _Words:
    return "、".join(alert.departments), ", ".join(alert.departments)


def _gap_title(a: Alert, items: Catalogue) -> _Words:
    f = a.facts
    return (f"部门间信用等级相差 {f['levels']} 级（{f['highest_grade']} 与 {f['lowest_grade']}）",
            f"Grades {f['levels']} levels apart ({f['highest_grade']} and {f['lowest_grade']})")


def _gap_body(a: Alert, items: Catalogue) -> _Words:
    f = a.facts
    high, low = _item(f["highest"], items), _item(f["lowest"], items)
    zh, en = _departments(a)
    return (f"{high[0]}为 {f['highest_grade']} 级，{low[0]}为 {f['lowest_grade']} 级，"
            f"相差 {f['levels']} 级。已发起等级差异复核，请{zh}核查后答复维持或者调整并说明理由。",
            f"{high[1]} stands at {f['highest_grade']}, {low[1]} at {f['lowest_grade']}: "
            f"{f['levels']} levels apart. A review has been opened; asked to keep or adjust, with "
            f"reasons: {en}.")


def _drop_title(a: Alert, items: Catalogue) -> _Words:
    f = a.facts
    if f.get("list"):
        zh, en = LIST_WORDS[f["list"]]
        return f"因列入{zh}直接判定为 {f['to']} 级", f"Graded {f['to']} for being on {en}"
    return f"信用等级由 {f['from']} 降为 {f['to']}", f"Grade fell from {f['from']} to {f['to']}"


def _drop_body(a: Alert, items: Catalogue) -> _Words:
    f = a.facts
    zh, en = _item(a.item, items)
    if f.get("list"):
        list_zh, list_en = LIST_WORDS[f["list"]]
        return (f"该主体列入{list_zh}，依直接判定规则按 {f['to']} 级管理，直至移出名单。",
                f"it is on {list_en}; by the direct rule its grade is {f['to']} until it is "
                "removed.")
    since = _since(a)
    return (f"{zh}于 {since} 由 {f['from']} 级降为 {f['to']} 级，依据见所列事实，请核查并视情调整监管措施。",
            f"{en} fell from {f['from']} to {f['to']} on {since}, for the facts listed. Please "
            "check and adjust supervision as needed.")


def _since(a: Alert) -> str:
    # A cause begins with a civil day somewhere on earth: twelve hours on it is that day in UTC.
    return to_date((a.since_ms + DAY_MS // 2) // DAY_MS).isoformat()


def _plunge_title(a: Alert, items: Catalogue) -> _Words:
    f = a.facts
    return (f"{f['days']} 日内风险分下降 {f['points']} 分",
            f"Risk score down {f['points']} points within {f['days']} days")


def _plunge_body(a: Alert, items: Catalogue) -> _Words:
    f = a.facts
    zh, en = _item(a.item, items)
    whole = a.item == "public"
    return (f"{'综合' if whole else zh}风险分在 {f['days']} 日内下降 {f['points']} 分，"
            "请关注并适时开展核查。",
            f"the risk score{'' if whole else f' of {en}'} fell by {f['points']} points within "
            f"{f['days']} days. Please watch it and check in time.")


_MATTERS: dict[str, tuple[_Words, _Words]] = {
    "commitment-overdue": (("信用承诺", "履行"), ("Commitment", "be fulfilled")),
    "rectification-overdue": (("责令整改事项", "完成"), ("Rectification order", "be complied with")),
    "penalty-unperformed": (("行政处罚决定", "履行"), ("Administrative penalty", "be performed")),
    "publication-overdue": (("行政行为信息", "公示"), ("Administrative act", "be published")),
}


def _matter_title(a: Alert, items: Catalogue) -> _Words:
    (zh, act), (en, _) = _MATTERS[a.rule]
    due = _date(a.facts["due"])
    if a.facts["late"]:
        return f"{zh}逾期未{act}（期限 {due}）", f"{en} overdue since {due}"
    return f"{zh}{act}期限将至（期限 {due}）", f"{en} due on {due}"


def _matter_body(a: Alert, items: Catalogue) -> _Words:
    (zh, act), (en, done) = _MATTERS[a.rule]
    due = _date(a.facts["due"])
    item_zh, item_en = _item(a.item, items)
    if a.facts["late"]:
        return (f"{item_zh}的{zh}应于 {due} 前{act}，至今未见{act}记录，请督促办理并补报结果。",
                f"the {en.lower()} of {item_en} was to {done} by {due}; nothing says it was. "
                "Please see to it and report the result.")
    return (f"{item_zh}的{zh}应于 {due} 前{act}，尚无{act}记录，请提醒按期办理。",
            f"the {en.lower()} of {item_en} is to {done} by {due}; nothing says so yet. Please "
            "send a reminder.")


def _review_title(a: Alert, items: Catalogue) -> _Words:
    names = a.facts["departments"].split()
    return f"等级差异复核逾期未答复（{'、'.join(names)}）", (
        f"Review of a grade gap not answered ({', '.join(names)})")


def _review_body(a: Alert, items: Catalogue) -> _Words:
    names = a.facts["departments"].split()
    return (f"等级差异复核已超过答复期限，{'、'.join(names)}尚未答复，请尽快核查并答复维持或者调整。",
            f"the review of its grade gap is past its deadline; no answer yet from "
            f"{', '.join(names)}. Please check and answer: keep or adjust.")


def _objection_title(a: Alert, items: Catalogue) -> _Words:
    due = _date(a.facts["due"])
    return f"异议处理逾期（期限 {due}）", f"Objection not answered since {due}"


def _objection_body(a: Alert, items: Catalogue) -> _Words:
    zh, en = _item(a.item, items)
    due = _date(a.facts["due"])
    return (f"该主体对{zh}相关信息提出的异议应于 {due} 前处理完毕，至今未见处理结果，请信息提供单位尽快核实答复。",
            f"its objection to a record of {en} was to be answered by {due}; there is no answer. "
            "The department that sent the record is asked to verify and answer.")


def _repeat_title(a: Alert, items: Catalogue) -> _Words:
    f = a.facts
    return (f"{f['days']} 日内因同一事由受到 {f['count']} 次行政处罚",
            f"{f['count']} penalties for one cause within {f['days']} days")


def _repeat_body(a: Alert, items: Catalogue) -> _Words:
    f = a.facts
    zh, en = _item(a.item, items)
    return (f"{zh}在 {f['days']} 日内因同一法律依据受到 {f['count']} 次行政处罚，请列为重点检查对象并研究后续措施。",
            f"{f['count']} penalties on the same legal basis within {f['days']} days for {en}. "
            "Please inspect it first and consider what else is needed.")


def _ban_title(a: Alert, items: Catalogue) -> _Words:
    return "市场禁入期间仍有经营活动", "Active while banned from the market"


def _ban_body(a: Alert, items: Catalogue) -> _Words:
    zh, en = _item(a.item, items)
    return (f"该主体处于市场禁入期间，{zh}仍有新的许可或者承诺记录，请核查是否违反禁入决定。",
            f"it is banned from the market, yet {en} has a new permit or commitment. Please check "
            "whether the ban is broken.")


def _lists(a: Alert) -> _Words:
    words = [LIST_WORDS[name] for name in dict.fromkeys(a.facts["lists"].split())]
    return "、".join(zh for zh, _ in words), " and ".join(en for _, en in words)


def _conflict_title(a: Alert, items: Catalogue) -> _Words:
    return "同时列入守信与失信名单", "On a red list and a black list at once"


def _conflict_body(a: Alert, items: Catalogue) -> _Words:
    zh, en = _lists(a)
    return (f"该主体同时在{zh}中，激励与约束措施相互冲突，请认定单位核对并更正。",
            f"it is on {en} at once: incentives and restrictions conflict. The listing "
            "authorities are asked to check and correct.")


def _device_title(a: Alert, items: Catalogue) -> _Words:
    zh, en = {"iot-limit": ("监测超限", "Reading beyond its limit"),
              "iot-tamper": ("疑似监测数据造假", "Suspected tampering"),
              "iot-silent": ("监测设备失联", "Device silent")}[a.rule]
    return f"{zh}：{a.facts['device']}", f"{en}: {a.facts['device']}"


def _device_body(a: Alert, items: Catalogue) -> _Words:
    f = a.facts
    zh, en = _item(a.item, items)
    return (f"{zh}的设备 {f['device']}：{f['zh']}。请核实现场情况；未经核实不影响信用等级。",
            f"device {f['device']} of {en}: {f['en']}. Please verify on site; unverified it does "
            "not touch a grade.")


def _other_title(a: Alert, items: Catalogue) -> _Words:
    return f"风险预警（{a.rule}）", f"Risk alert ({a.rule})"


def _other_body(a: Alert, items: Catalogue) -> _Words:
    zh, en = _item(a.item, items)
    return f"{zh}出现风险信号，依据见所列事实，请核查。", (
        f"a risk signal for {en}, for the facts listed. Please check.")


_DEVICES = ("iot-limit", "iot-tamper", "iot-silent")
_TITLES: dict[str, _Make] = {
    "grade-gap": _gap_title, "grade-drop": _drop_title, "score-plunge": _plunge_title,
    "review-overdue": _review_title, "objection-overdue": _objection_title,
    "repeat-offence": _repeat_title, "ban-breach": _ban_title, "list-conflict": _conflict_title,
    **dict.fromkeys(_MATTERS, _matter_title), **dict.fromkeys(_DEVICES, _device_title),
}
_BODIES: dict[str, _Make] = {
    "grade-gap": _gap_body, "grade-drop": _drop_body, "score-plunge": _plunge_body,
    "review-overdue": _review_body, "objection-overdue": _objection_body,
    "repeat-offence": _repeat_body, "ban-breach": _ban_body, "list-conflict": _conflict_body,
    **dict.fromkeys(_MATTERS, _matter_body), **dict.fromkeys(_DEVICES, _device_body),
}
