"""One to three sentences for each rule: what, until when, and what is asked for. Pure."""

from __future__ import annotations

from alerts.told import (
    DEVICES,
    MATTERS,
    Alert,
    Catalogue,
    Make,
    Words,
    date,
    districts,
    item_words,
    since,
)
from alerts.words import LIST_WORDS, RELATION_WORDS


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


def _risk(a: Alert, items: Catalogue) -> Words:
    f = a.facts
    zh, en = item_words(a.item, items)
    chance, limit = float(f["probability"]), float(f["limit"])
    return (f"{zh}在今后 {f['days']} 日内出现不良结果的概率为 {chance:.0%}（界限 {limit:.0%}），"
            "依据见所列事实，请优先安排检查；该概率仅供内部参考，不影响公共信用等级。",
            f"for {en} the chance of an adverse finding within {f['days']} days is {chance:.0%} "
            f"(limit {limit:.0%}), for the facts listed. Please inspect it first. The chance is "
            "for internal use and touches no public grade.")


def _complaints(a: Alert, items: Catalogue) -> Words:
    f = a.facts
    return (f"最近 {f['days']} 日收到投诉 {f['reports']} 件，按其自身和同行的往常水平约为 "
            f"{f['expected']} 件，请核查原因。",
            f"{f['reports']} complaints within {f['days']} days, where about {f['expected']} would "
            "be usual for it and its peers. Please find out why.")


def _regional(a: Alert, items: Catalogue) -> Words:
    f = a.facts
    names = [item_words(i, items) for i in f["items"].split()]
    places = districts(f["districts"], items)
    return (f"“{f['cause']}”投诉在{'、'.join(places)}上升：{f['days']} 日内最强一处 "
            f"{f['reports']} 件，往常约 {f['expected']} 件；"
            f"涉及{'；'.join(zh for zh, _ in names)}，"
            f"主体 {f['businesses']} 家（名单见附）。请会商研判，必要时开展专项检查。",
            f'complaints about "{f["cause"]}" rise in {", ".join(places)}: in the strongest '
            f"place {f['reports']} within {f['days']} days, where about {f['expected']} are usual; "
            f"{', '.join(en for _, en in names)}; {f['businesses']} businesses, listed. Please "
            "confer, and inspect where needed.")


def _drift(a: Alert, items: Catalogue) -> Words:
    f = a.facts
    return (f"学习模型的预测误差由 {f['before']} 变为 {f['after']}（检测方法 {f['detector']}）。"
            "请检查数据来源和政策有无变化；等级仍由政策界限内的权重决定。",
            f"the error of the learned card went from {f['before']} to {f['after']} "
            f"({f['detector']}). Please check whether feeds or practice changed; weights stay "
            "inside the policy's bounds.")


def _silent(a: Alert, items: Catalogue) -> Words:
    f = a.facts
    return (f"数据源 {f['source']} 自 {f['since']} 起没有数据，按其往常规律应有约 "
            f"{f['expected']} 条。请联系该单位检查报送。",
            f"nothing from {f['source']} since {f['since']}; about {f['expected']} events would "
            "be usual by now. Please ask the department to check its transmission.")


def _identifiers(a: Alert, items: Catalogue) -> Words:
    f = a.facts
    return (f"数据源 {f['source']} 最近 {f['taken']} 条中有 {f['wrong']} 条统一社会信用代码有误"
            f"（允许 {f['limit']}）。请该单位核对后重报，原文见死信。",
            f"{f['wrong']} of the last {f['taken']} events of {f['source']} had a wrong code "
            f"({f['limit']} are allowed). The department is asked to correct and send them again; "
            "the originals are among the dead letters.")


def _dead(a: Alert, items: Catalogue) -> Words:
    f = a.facts
    return (f"自 {f['since']} 起，发往 {f['name']} 的预警经 {f['channels']} 均未送达，最近的答复："
            f"{f['answer'] or '无'}。请检查地址、密钥和网络，并另行告知该单位。",
            f"since {f['since']} nothing has reached {f['name']} by {f['channels']}; the last "
            f"answer: {f['answer'] or 'none'}. Please check address, secret and network, and tell "
            "them by other means.")


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


def _related(a: Alert, items: Catalogue) -> Words:
    f = a.facts
    zh, en = LIST_WORDS[f["list"]]
    if f.get("over"):
        return (f"该主体列入{zh}，与其关联的其他主体超过 {f['over']} 户，未逐户预警。"
                "请核查是否属于代持、批量注册等情形。",
                f"it is on {en}, and more than {f['over']} others are linked to it: they are not "
                "told of one by one. Please check for nominees or mass registration.")
    by_zh, by_en = RELATION_WORDS[f["by"]]
    who = f"{f['name']}（{f['listed']}）" if f["name"] else f["listed"]
    who_en = f"{f['name']} ({f['listed']})" if f["name"] else f["listed"]
    return (f"与其关联的主体{who}已列入{zh}，关联方式：{by_zh}。请留意该主体是否有同样的风险；"
            "关联本身不影响其信用评分和等级。",
            f"{who_en}, related to it ({by_en}), is on {en}. Please see whether the same risk "
            "is here; being related does not touch its scores or grades.")


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
