"""Words of the pages: Chinese first, English beside it.

Texts of alerts and facts come from the service in both languages; only labels live here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeAlias

from console import words

Lang: TypeAlias = Literal["zh", "en"]

LEVELS: Mapping[str, tuple[str, str]] = {
    "red": ("红色", "red"),
    "orange": ("橙色", "orange"),
    "yellow": ("黄色", "yellow"),
    "blue": ("蓝色", "blue"),
}
STATES: Mapping[str, tuple[str, str]] = {
    "pending": ("待触发", "pending"),
    "firing": ("预警中", "firing"),
    "acknowledged": ("已签收", "acknowledged"),
    "resolved": ("已消除", "resolved"),
    "closed": ("已办结", "closed"),
    "open": ("待答复", "open"),
}
RULES: Mapping[str, tuple[str, str]] = {
    "grade-gap": ("等级差异", "grade gap"),
    "grade-drop": ("等级下降", "grade drop"),
    "score-plunge": ("评分骤降", "score plunge"),
    "risk-high": ("高风险", "high risk"),
    "complaint-surge": ("投诉激增", "complaint surge"),
    "regional-surge": ("区域苗头", "regional surge"),
    "iot-limit": ("监测超限", "reading over limit"),
    "iot-tamper": ("疑似数据造假", "suspected tampering"),
    "iot-silent": ("设备失联", "device silent"),
    "iot-anomaly": ("监测异常", "abnormal readings"),
    "iot-fault": ("设备故障", "device fault"),
    "commitment-overdue": ("承诺逾期", "commitment overdue"),
    "rectification-overdue": ("整改逾期", "rectification overdue"),
    "penalty-unperformed": ("处罚未履行", "penalty not performed"),
    "publication-overdue": ("公示逾期", "publication overdue"),
    "review-overdue": ("复核逾期", "review overdue"),
    "objection-overdue": ("异议逾期", "objection overdue"),
    "repeat-offence": ("屡罚屡犯", "repeat offence"),
    "ban-breach": ("违反禁入", "breach of a ban"),
    "list-conflict": ("名单冲突", "list conflict"),
    "related-risk": ("关联风险", "related risk"),
    "feed-silent": ("数据源中断", "feed silent"),
    "identifier-errors": ("代码差错", "identifier errors"),
    "model-drift": ("模型漂移", "model drift"),
    "receiver-dead": ("接收方失联", "receiver dead"),
}
KINDS: Mapping[str, tuple[str, str]] = {
    "enterprise": ("企业", "enterprise"),
    "individual": ("个体工商户", "individual business"),
    "organisation": ("社会组织", "organisation"),
    "institution": ("事业单位", "institution"),
    "soe": ("国有企业", "state-owned enterprise"),
    "platform": ("平台企业", "platform"),
}
GRADES: Mapping[str, tuple[str, str]] = {
    **{grade: (grade, grade) for grade in "ABCD"},
    "ungraded": ("未评级", "ungraded"),
}
ACTS: Mapping[str, tuple[str, str]] = {
    "acknowledge": ("签收", "Acknowledge"),
    "assign": ("指派", "Assign"),
    "silence": ("静默", "Silence"),
    "unsilence": ("解除静默", "Lift the silence"),
    "close": ("办结", "Close"),
    "reopen": ("重新打开", "Reopen"),
}
ACTS_BY_STATE: Mapping[str, tuple[str, ...]] = {
    "acknowledged": ("assign", "close", "silence"),
    "resolved": ("close", "reopen"),
    "closed": ("reopen",),
}
"""What a page offers; any state not listed offers all but `reopen`."""

LISTS: Mapping[str, tuple[str, str]] = {
    "serious": ("严重失信主体名单", "serious-dishonesty list"),
    "debtor": ("失信被执行人", "dishonest judgment debtors"),
    "abnormal": ("经营异常名录", "abnormal operations"),
    "watch": ("重点关注名单", "watch list"),
    "red": ("守信激励名单", "red list (trustworthy)"),
    "ban": ("市场禁入", "market ban"),
}
ISSUERS: Mapping[str, tuple[str, str]] = {
    "department": ("部门", "department"),
    "city": ("市级", "city"),
    "province": ("省级", "province"),
    "nation": ("国家", "nation"),
    "market": ("市场机构", "market"),
}
INDICATORS: Mapping[str, tuple[str, str]] = {
    "base": ("基础分", "base"),
    "clip": ("截至 0–1000", "clipped to 0–1000"),
    "experience": ("同行经验（学习所得）", "experience with the trade (learned)"),
    "complaint": ("投诉", "complaint"),
    "tip": ("举报", "tip-off"),
    "complaint_mediated": ("投诉调解结案", "complaint settled by mediation"),
    "complaint_upheld": ("投诉查实", "complaint upheld"),
    "iot_alarm": ("设备告警（未核实）", "device alarm, not verified"),
    "iot_violation": ("设备告警（已核实）", "device alarm, verified"),
    "interview": ("约谈", "interview"),
    "commitment_overdue": ("承诺逾期未履行", "commitment overdue"),
    "commitment_fulfilled": ("承诺已履行", "commitment fulfilled"),
    "commitment_breached": ("违背承诺", "commitment breached"),
    "rectification_overdue": ("整改逾期", "rectification overdue"),
    "rectification_failed": ("整改不合格", "rectification failed"),
    "penalty_unperformed": ("处罚逾期未履行", "penalty not performed"),
    "penalty_minor": ("轻微行政处罚", "minor penalty"),
    "penalty_general": ("一般行政处罚", "general penalty"),
    "penalty_serious": ("严重行政处罚", "serious penalty"),
    "inspection_pass": ("检查合格", "inspection passed"),
    "inspection_fixed": ("检查发现问题并已改正", "inspection: faults put right"),
    "inspection_fail": ("检查不合格", "inspection failed"),
    "inspection_evaded": ("拒绝检查或无法联系", "inspection obstructed or subject untraceable"),
    "list_serious": ("列入严重失信主体名单", "on the serious-dishonesty list"),
    "list_debtor": ("列入失信被执行人名单", "on the list of dishonest judgment debtors"),
    "list_abnormal": ("列入经营异常名录", "on the list of abnormal operations"),
    "list_watch": ("列入重点关注名单", "on the watch list"),
    "list_red": ("列入守信激励名单", "on the red list (trustworthy)"),
    "list_ban": ("市场禁入", "banned from the market"),
    "arrears": ("拖欠账款或工资", "arrears of payments or wages"),
    "information_verified": ("自主申报信息已核实", "declared information verified"),
}
_COMMON: Mapping[str, tuple[str, str]] = {
    "title": ("信风 · 信用风险监测", "Xinfeng · credit-risk monitor"),
    "brand": ("信风", "Xinfeng"),
    "situation": ("态势", "Situation"),
    "subjects": ("主体", "Subjects"),
    "reviews": ("复核", "Reviews"),
    "rejects": ("退回数据", "Dead letters"),
    "docs": ("接口", "API"),
    "logout": ("退出", "Log out"),
    "as_of": ("数据截至", "as of"),
    "policy": ("政策", "policy"),
    "live": ("实时", "live"),
    "connecting": ("连接中", "connecting"),
    "lost": ("连接中断，正在重连", "connection lost, reconnecting"),
    "open_alerts": ("未办结预警", "Open alerts"),
    "t_subjects": ("监测主体", "subjects watched"),
    "t_events": ("已入账事件", "events in the log"),
    "t_duplicates": ("重复", "duplicates"),
    "t_rejected": ("退回", "rejected"),
    "t_reviews": ("待答复复核", "open reviews"),
    "grade_shares": ("等级分布", "Grades"),
    "alerts": ("预警", "Alerts"),
    "level": ("级别", "level"),
    "rule": ("规则", "rule"),
    "state": ("状态", "state"),
    "all": ("全部", "all"),
    "filter": ("筛选", "Filter"),
    "search": ("查询", "Search"),
    "no_alerts": ("没有符合条件的预警", "No alerts match"),
    "none": ("暂无", "none"),
    "more": ("下一页", "Next page"),
    "first": ("回到首页", "First page"),
    "name_or_code": ("名称或统一社会信用代码", "name or code"),
    "district": ("区划代码", "district code"),
    "kind": ("类型", "kind"),
    "industry": ("行业", "industry"),
    "grade": ("等级", "grade"),
    "public_grade": ("公共信用等级", "public grade"),
    "lowest_grade": ("最低等级", "lowest grade"),
    "gap": ("差异", "gap"),
    "levels": ("级", "levels"),
    "no_subjects": ("没有符合条件的主体", "No subjects match"),
    "code": ("统一社会信用代码", "code (USCC)"),
    "credit_score": ("信用分", "credit score"),
    "risk_score": ("风险分", "risk score"),
    "credit_hint": ("仅含可公示信息", "only what may be public"),
    "risk_hint": ("含全部信号，内部使用", "every signal, internal"),
    "by_department": ("各部门等级", "Grades by department"),
    "department": ("部门", "department"),
    "item": ("监管事项", "item"),
    "assigned": ("部门评定", "assigned"),
    "computed": ("系统计算", "computed"),
    "direct": ("直接判定", "direct rule"),
    "in_force": ("现行", "in force"),
    "since": ("自", "since"),
    "probability": ("风险概率", "probability"),
    "gap_banner": ("部门间等级相差", "Grades differ by"),
    "highest": ("最高", "highest"),
    "lowest": ("最低", "lowest"),
    "costs": ("每项事实的分值", "What each fact costs"),
    "costs_hint": (
        "各项相加即为风险分；标“公示”者相加即为信用分。",
        "All points add up to the risk score; those marked public to the credit score.",
    ),
    "points": ("分", "points"),
    "public": ("公示", "public"),
    "internal": ("内部", "internal"),
    "history": ("等级变化", "Grade history"),
    "history_table": ("变化明细", "all changes"),
    "day": ("日期", "day"),
    "from": ("原等级", "from"),
    "to": ("新等级", "to"),
    "facts": ("事实记录", "Facts"),
    "repairable": ("可修复信息", "Repairable"),
    "repair_from": ("可申请自", "from"),
    "path": ("修复路径：预计达到", "Path to"),
    "by": ("最早", "by"),
    "lists": ("所在名单", "Lists"),
    "as_of_date": ("查看历史日期", "as it stood on"),
    "show": ("查看", "Show"),
    "as_of_banner": ("以下为当时的评价，截至", "As it stood at"),
    "back_to_now": ("回到现在", "back to now"),
    "subject": ("主体", "subject"),
    "cell": ("区域×事项", "cell"),
    "departments": ("有关部门", "departments"),
    "opened_at": ("触发时间", "opened"),
    "updated_at": ("更新时间", "updated"),
    "evidence": ("依据", "Evidence"),
    "members": ("涉及主体", "Businesses concerned"),
    "proposals": ("建议措施（待人工决定）", "Proposed measures (a person decides)"),
    "legal_basis": ("法律依据", "legal basis"),
    "no_proposals": ("无建议措施", "No measures proposed"),
    "handle": ("处置", "Handle"),
    "actor": ("经办人", "your name"),
    "note": ("说明", "note"),
    "note_hint": ("指派时写明承办人", "when assigning: to whom"),
    "until": ("静默至（北京时间）", "silence until (Beijing time)"),
    "done": ("已提交，稍后生效", "Submitted; it takes effect shortly"),
    "open_reviews": ("待答复复核", "Open reviews"),
    "no_reviews": ("没有复核事项", "No reviews"),
    "due_on": ("答复期限", "answer due"),
    "answer": ("答复", "Answer"),
    "answers": ("已收答复", "Answers so far"),
    "decision": ("决定", "decision"),
    "keep": ("维持", "keep"),
    "adjust": ("调整", "adjust"),
    "new_grade": ("调整为", "new grade"),
    "reason": ("理由", "reason"),
    "submit": ("提交", "Submit"),
    "rejects_hint": (
        "未能入账的数据原样保存，供报送单位改正后重报。",
        "Data that did not enter the log, kept as it came.",
    ),
    "no_rejects": ("没有退回的数据", "No dead letters"),
    "origin": ("来源", "origin"),
    "time": ("时间", "time"),
    "field": ("字段", "field"),
    "value": ("值", "value"),
    "raw": ("原文", "raw"),
    "error": ("未能完成", "That did not work"),
    "home": ("回到态势页", "Back to the situation"),
    "token": ("访问令牌", "access token"),
    "login": ("登录", "Log in"),
    "wrong_token": ("令牌不正确", "The token is wrong"),
    "operations": ("接口操作", "Operations"),
    "parameters": ("参数", "parameters"),
    "body": ("请求体", "request body"),
    "answers_http": ("响应", "answers"),
    "schemas": ("事件与数据结构", "Schemas"),
    "source": ("来源", "source"),
    "as_table": ("数据表", "as a table"),
    "nav_departments": ("部门", "Departments"),
    "nav_devices": ("设备", "Devices"),
    "nav_models": ("模型", "Models"),
    "nav_policy": ("政策", "Policy"),
}
UI = words.merged(_COMMON, words.PAGES)
TABLES: Mapping[str, Mapping[str, tuple[str, str]]] = {
    "ui": UI,
    "level": LEVELS,
    "state": STATES,
    "rule": RULES,
    "kind": KINDS,
    "grade": GRADES,
    "act": ACTS,
    "list": LISTS,
    "issuer": ISSUERS,
    "indicator": INDICATORS,
}


def word(lang: Lang, table: str, key: object) -> str:
    """The label of `key`, or the key itself where it has none.

    Examples
    --------
    >>> word("zh", "level", "red"), word("en", "rule", "made-up")
    ('红色', 'made-up')
    """
    pair = TABLES[table].get(str(key))
    return pair[lang == "en"] if pair else str(key)


def labels(lang: Lang, table: str) -> dict[str, str]:
    """A whole table in one language, {key: label}."""
    return {key: pair[lang == "en"] for key, pair in TABLES[table].items()}
