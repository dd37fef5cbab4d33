"""One to three sentences for each rule: what, until when, and what is asked for. Pure."""

from __future__ import annotations

from alerts.told import DEVICES, MATTERS, Alert, Catalogue, Make, Words, date, item_words, since
from alerts.words import LIST_WORDS


def other(a: Alert, items: Catalogue) -> Words:
    """For a rule that has no words of its own."""
    zh, en = item_words(a.item, items)
    return f"{zh}出现风险信号，依据见所列事实，请核查。", (
        f"a risk signal for {en}, for the facts listed. Please check.")


def _gap(a: Alert, items: Catalogue) -> Words:
    f = a.facts
    high, low = item_words(f["highest"], items), item_words(f["lowest"], items)
    return (f"{high[0]}为 {f['highest_grade']} 级，{low[0]}为 {f['lowest_grade']} 级，"
            f"相差 {f['levels']} 级。已发起等级差异复核，请{'、'.join(a.departments)}核查后"
            "答复维持或者调整并说明理由。",
            f"{high[1]} stands at {f['highest_grade']}, {low[1]} at {f['lowest_grade']}: "
            f"{f['levels']} levels apart. A review has been opened; asked to keep or adjust, with "
            f"reasons: {', '.join(a.departments)}.")


def _drop(a: Alert, items: Catalogue) -> Words:
    f = a.facts
    zh, en = item_words(a.item, items)
    if f.get("list"):
        list_zh, list_en = LIST_WORDS[f["list"]]
        return (f"该主体列入{list_zh}，依直接判定规则按 {f['to']} 级管理，直至移出名单。",
                f"it is on {list_en}; by the direct rule its grade is {f['to']} until it is "
                "removed.")
    return (f"{zh}于 {since(a)} 由 {f['from']} 级降为 {f['to']} 级，依据见所列事实，"
            "请核查并视情调整监管措施。",
            f"{en} fell from {f['from']} to {f['to']} on {since(a)}, for the facts listed. "
            "Please check and adjust supervision as needed.")


def _plunge(a: Alert, items: Catalogue) -> Words:
    f = a.facts
    zh, en = item_words(a.item, items)
    whole = a.item == "public"
    return (f"{'综合' if whole else zh}风险分在 {f['days']} 日内下降 {f['points']} 分，"
            "请关注并适时开展核查。",
            f"the risk score{'' if whole else f' of {en}'} fell by {f['points']} points within "
            f"{f['days']} days. Please watch it and check in time.")


def _matter(a: Alert, items: Catalogue) -> Words:
    (zh, act), (en, done) = MATTERS[a.rule]
    due = date(a.facts["due"])
    item_zh, item_en = item_words(a.item, items)
    if a.facts["late"]:
        return (f"{item_zh}的{zh}应于 {due} 前{act}，至今未见{act}记录，请督促办理并补报结果。",
                f"{en.lower()} for {item_en} was to {done} by {due}; nothing says it was. Please "
                "see to it and report the result.")
    return (f"{item_zh}的{zh}应于 {due} 前{act}，尚无{act}记录，请提醒按期办理。",
            f"{en.lower()} for {item_en} is to {done} by {due}; nothing says it was yet. Please "
            "send a reminder.")


def _review(a: Alert, items: Catalogue) -> Words:
    names = a.facts["departments"].split()
    return (f"等级差异复核的答复期限已过，{'、'.join(names)}尚未答复，"
            "请尽快核查并答复维持或者调整。",
            "the time to answer the review of its grade gap is over; no answer yet from "
            f"{', '.join(names)}. Please check and answer: keep or adjust.")


def _objection(a: Alert, items: Catalogue) -> Words:
    zh, en = item_words(a.item, items)
    due = date(a.facts["due"])
    return (f"该主体对{zh}相关信息提出的异议应于 {due} 前处理完毕，至今未见处理结果，"
            "请信息提供单位尽快核实答复。",
            f"its objection to a record of {en} was to be answered by {due}; there is no answer. "
            "The department that sent the record is asked to verify and answer.")


def _repeat(a: Alert, items: Catalogue) -> Words:
    f = a.facts
    zh, en = item_words(a.item, items)
    return (f"{zh}在 {f['days']} 日内因同一法律依据受到 {f['count']} 次行政处罚，"
            "请列为重点检查对象并研究后续措施。",
            f"{f['count']} penalties on the same legal basis within {f['days']} days for {en}. "
            "Please inspect it first and consider what else is needed.")


def _ban(a: Alert, items: Catalogue) -> Words:
    zh, en = item_words(a.item, items)
    return (f"该主体处于市场禁入期间，{zh}仍有新的许可或者承诺记录，请核查是否违反禁入决定。",
            f"it is banned from the market, yet {en} has a new permit or commitment. Please check "
            "whether the ban is broken.")


def _conflict(a: Alert, items: Catalogue) -> Words:
    names = [LIST_WORDS[name] for name in dict.fromkeys(a.facts["lists"].split())]
    return (f"该主体同时在{'、'.join(zh for zh, _ in names)}中，激励与约束措施相互冲突，"
            "请认定单位核对并更正。",
            f"it is on {' and '.join(en for _, en in names)} at once: incentives and restrictions "
            "conflict. The listing authorities are asked to check and correct.")


def _device(a: Alert, items: Catalogue) -> Words:
    f = a.facts
    zh, en = item_words(a.item, items)
    if a.rule == "iot-fault":
        return (f"{zh}的设备 {f['device']}：{f['zh']}。请安排检修；"
                "属设备问题，不计入对该主体的评价。",
                f"device {f['device']} of {en}: {f['en']}. Please have it repaired; this is about "
                "the device and says nothing against the subject.")
    return (f"{zh}的设备 {f['device']}：{f['zh']}。请核实现场情况；未经核实不影响信用等级。",
            f"device {f['device']} of {en}: {f['en']}. Please verify on site; unverified it does "
            "not touch a grade.")


BODIES: dict[str, Make] = {
    "grade-gap": _gap,
    "grade-drop": _drop,
    "score-plunge": _plunge,
    "review-overdue": _review,
    "objection-overdue": _objection,
    "repeat-offence": _repeat,
    "ban-breach": _ban,
    "list-conflict": _conflict,
    **dict.fromkeys(MATTERS, _matter),
    **dict.fromkeys(DEVICES, _device),
}
