"""One line for each rule: what happened. The subject's name stands beside it. Pure."""

from __future__ import annotations

from alerts.told import DEVICES, MATTERS, Alert, Catalogue, Make, Words, date, districts
from alerts.words import LIST_WORDS, RELATION_WORDS


def other(a: Alert, items: Catalogue) -> Words:
    """For a rule that has no words of its own."""
    return f"风险预警（{a.rule}）", f"Risk alert ({a.rule})"


def _gap(a: Alert, items: Catalogue) -> Words:
    f = a.facts
    return (f"部门间信用等级相差 {f['levels']} 级（{f['highest_grade']} 与 {f['lowest_grade']}）",
            f"Grades {f['levels']} levels apart ({f['highest_grade']} and {f['lowest_grade']})")


def _drop(a: Alert, items: Catalogue) -> Words:
    f = a.facts
    if f.get("list"):
        zh, en = LIST_WORDS[f["list"]]
        return f"因列入{zh}直接判定为 {f['to']} 级", f"Graded {f['to']} for being on {en}"
    if a.item == "public":
        return (f"公共信用等级由 {f['from']} 降为 {f['to']}",
                f"Public grade fell from {f['from']} to {f['to']}")
    name = items.get(a.item, {}).get("item", a.item)
    return (f"“{name}”信用等级由 {f['from']} 降为 {f['to']}",
            f'Grade for "{name}" fell from {f["from"]} to {f["to"]}')


def _plunge(a: Alert, items: Catalogue) -> Words:
    f = a.facts
    return (f"{f['days']} 日内风险分下降 {f['points']} 分",
            f"Risk score down {f['points']} points within {f['days']} days")


def _risk(a: Alert, items: Catalogue) -> Words:
    f = a.facts
    percent = f"{float(f['probability']):.0%}"
    return (f"{f['days']} 日内出现不良结果的概率 {percent}",
            f"Chance of an adverse finding within {f['days']} days: {percent}")


def _complaints(a: Alert, items: Catalogue) -> Words:
    f = a.facts
    return (f"{f['days']} 日内投诉 {f['reports']} 件，明显多于往常",
            f"{f['reports']} complaints within {f['days']} days, far more than usual")


def _regional(a: Alert, items: Catalogue) -> Words:
    f = a.facts
    where = {"cell": ("苗头性", "emerging"), "districts": ("跨区域", "spreading over districts"),
             "items": ("跨行业", "spreading over trades")}[f["scope"]]
    names = districts(f["districts"], items)
    return (f"{where[0]}风险：“{f['cause']}”投诉上升（{'、'.join(names)}）",
            f'Complaints about "{f["cause"]}" rise, {where[1]} ({", ".join(names)})')


def _drift(a: Alert, items: Catalogue) -> Words:
    return "评分模型预测质量下降", "The scoring model forecasts worse than it did"


def _silent(a: Alert, items: Catalogue) -> Words:
    return f"数据源中断：{a.facts['source']}", f"Feed silent: {a.facts['source']}"


def _identifiers(a: Alert, items: Catalogue) -> Words:
    return (f"统一社会信用代码差错超标：{a.facts['source']}",
            f"Too many wrong codes: {a.facts['source']}")


def _dead(a: Alert, items: Catalogue) -> Words:
    name = a.facts["name"]
    return f"预警接收方无法送达：{name}", f"Warnings do not reach {name}"


def _matter(a: Alert, items: Catalogue) -> Words:
    (zh, act), (en, _) = MATTERS[a.rule]
    due = date(a.facts["due"])
    if a.facts["late"]:
        return f"{zh}逾期未{act}（期限 {due}）", f"{en} overdue since {due}"
    return f"{zh}{act}期限将至（期限 {due}）", f"{en} due on {due}"


def _review(a: Alert, items: Catalogue) -> Words:
    names = a.facts["departments"].split()
    return f"等级差异复核逾期未答复（{'、'.join(names)}）", (
        f"Review of a grade gap not answered ({', '.join(names)})")


def _objection(a: Alert, items: Catalogue) -> Words:
    due = date(a.facts["due"])
    return f"异议处理逾期（期限 {due}）", f"Objection not answered by {due}"


def _repeat(a: Alert, items: Catalogue) -> Words:
    f = a.facts
    return (f"{f['days']} 日内因同一事由受到 {f['count']} 次行政处罚",
            f"{f['count']} penalties for one cause within {f['days']} days")


def _ban(a: Alert, items: Catalogue) -> Words:
    return "市场禁入期间仍有经营活动", "Active while banned from the market"


def _conflict(a: Alert, items: Catalogue) -> Words:
    return "同时列入守信与失信名单", "On a red list and a black list at once"


def _related(a: Alert, items: Catalogue) -> Words:
    f = a.facts
    if f.get("over"):
        return (f"列入名单的主体关联超过 {f['over']} 户，未逐户预警",
                f"Listed, and linked to more than {f['over']} businesses")
    (zh, en), (by_zh, by_en) = LIST_WORDS[f["list"]], RELATION_WORDS[f["by"]]
    name = f["name"] or f["listed"]
    return (f"关联主体列入{zh}：{name}（{by_zh}）",
            f"A related business is on {en}: {name} ({by_en})")


def _device(a: Alert, items: Catalogue) -> Words:
    zh, en = DEVICES[a.rule]
    return f"{zh}：{a.facts['device']}", f"{en}: {a.facts['device']}"


TITLES: dict[str, Make] = {
    "grade-gap": _gap,
    "grade-drop": _drop,
    "score-plunge": _plunge,
    "risk-high": _risk,
    "complaint-surge": _complaints,
    "regional-surge": _regional,
    "model-drift": _drift,
    "feed-silent": _silent,
    "identifier-errors": _identifiers,
    "receiver-dead": _dead,
    "review-overdue": _review,
    "objection-overdue": _objection,
    "repeat-offence": _repeat,
    "ban-breach": _ban,
    "list-conflict": _conflict,
    "related-risk": _related,
    **dict.fromkeys(MATTERS, _matter),
    **dict.fromkeys(DEVICES, _device),
}
