"""Words for records, lists and deadlines, in Chinese and English. Pure tables."""

from __future__ import annotations

from collections.abc import Callable

from models.records import (
    ACTS,
    CLASSES,
    COMMITMENT_KINDS,
    FINDINGS,
    GRADES,
    ISSUERS,
    LISTS,
    NO_GRADE,
    OUTCOMES,
    RESULTS,
    STRATA,
)

Pair = tuple[str, str]
"""Chinese, English."""

LIST_WORDS: dict[str, Pair] = {
    "serious": ("严重失信主体名单", "the serious-dishonesty list"),
    "debtor": ("失信被执行人名单", "the list of dishonest judgment debtors"),
    "abnormal": ("经营异常名录", "the list of abnormal operations"),
    "watch": ("重点关注名单", "the watch list"),
    "red": ("守信激励名单", "the red list (trustworthy)"),
    "ban": ("市场禁入名单", "the list of market bans"),
}
RELATION_WORDS: dict[str, Pair] = {
    "controller": ("同一控制人", "same controller"),
    "operator": ("所在平台", "the platform it trades on"),
    "platform": ("平台内经营者", "trades on its platform"),
}
"""What the business on the list is to the one that is told of, by the latter's link."""
ISSUER_WORDS: dict[str, Pair] = {
    "department": ("行业主管部门", "the department in charge"), "city": ("市级", "the city"),
    "province": ("省级", "the province"), "nation": ("国家级", "the nation"),
    "market": ("市场机构", "a market institution"),
}
TYPE_WORDS: dict[str, Pair] = {
    "subject.registered": ("登记注册", "Registration"),
    "subject.cancelled": ("注销登记", "Deregistration"),
    "complaint.filed": ("投诉", "Complaint"),
    "complaint.closed": ("投诉举报办结", "Complaint closed"),
    "penalty.decided": ("行政处罚", "Administrative penalty"),
    "penalty.performed": ("行政处罚已履行", "Penalty performed"),
    "penalty.revoked": ("行政处罚被撤销", "Penalty revoked"),
    "act.decided": ("行政行为", "Administrative act"),
    "act.published": ("行政行为已公示", "Administrative act published"),
    "inspection.completed": ("监督检查", "Inspection"),
    "iot.readings": ("监测数据", "Device readings"),
    "iot.alarm": ("设备告警", "Device alarm"),
    "commitment.made": ("信用承诺", "Commitment"),
    "commitment.fulfilled": ("信用承诺已履行", "Commitment fulfilled"),
    "commitment.breached": ("违背信用承诺", "Commitment breached"),
    "list.entered": ("列入名单", "Entered on a list"),
    "list.exited": ("移出名单", "Removed from a list"),
    "list.revoked": ("列入名单决定被撤销", "Listing revoked"),
    "rectification.ordered": ("责令整改", "Rectification ordered"),
    "rectification.done": ("整改完成", "Rectification done"),
    "rectification.failed": ("整改不合格", "Rectification failed"),
    "interview.held": ("约谈", "Interview"),
    "repair.applied": ("申请信用修复", "Repair applied for"),
    "repair.approved": ("信用修复已批准", "Repair approved"),
    "repair.rejected": ("信用修复未批准", "Repair rejected"),
    "objection.raised": ("提出异议", "Objection raised"),
    "objection.upheld": ("异议成立", "Objection upheld"),
    "objection.rejected": ("异议不成立", "Objection rejected"),
    "arrears.confirmed": ("拖欠款项经确认", "Arrears confirmed"),
    "information.declared": ("自主申报信息", "Information declared"),
    "information.verified": ("自主申报信息已核实", "Declared information verified"),
    "grade.assigned": ("评定信用等级", "Grade assigned"),
    "grade.withdrawn": ("撤回信用等级评定", "Assigned grade withdrawn"),
    "alert.acknowledged": ("签收预警", "Alert acknowledged"),
    "alert.assigned": ("指派预警", "Alert assigned"),
    "alert.closed": ("办结预警", "Alert closed"),
    "alert.reopened": ("重新打开预警", "Alert reopened"),
    "alert.silenced": ("静默预警", "Alert silenced"),
    "review.answered": ("复核答复", "Review answered"),
    "inspection.drawn": ("被随机抽中检查", "Drawn for an inspection"),
    "inspection.released": ("抽中检查撤回", "Drawn inspection released"),
}
_CLASS_WORDS: dict[str, Pair] = {
    "minor": ("轻微", "minor"), "general": ("一般", "general"), "serious": ("严重", "serious"),
}
_OUTCOME_WORDS: dict[str, Pair] = {
    "upheld": ("查实", "upheld"), "mediated": ("调解", "mediated"),
    "rejected": ("不予认定", "rejected"), "withdrawn": ("撤回", "withdrawn"),
}
_RESULT_WORDS: dict[str, Pair] = {
    "pass": ("未发现问题", "passed"), "fixed": ("发现问题并已改正", "faults put right"),
    "fail": ("不合格", "failed"), "obstructed": ("拒绝、阻碍检查", "obstructed"),
    "untraceable": ("无法联系", "untraceable"),
}
_FINDING_WORDS: dict[str, Pair] = {
    "": ("", ""), "minor": ("，轻微问题", ", minor findings"),
    "serious": ("，较重问题", ", serious findings"),
    "critical": ("，严重问题", ", critical findings"),
}
_ACT_WORDS: dict[str, Pair] = {
    "permit": ("行政许可", "permit"), "penalty": ("行政处罚", "penalty"),
    "compulsion": ("行政强制", "compulsion"), "confirmation": ("行政确认", "confirmation"),
    "levy": ("行政征收", "levy"), "payment": ("行政给付", "payment"),
    "ruling": ("行政裁决", "ruling"), "compensation": ("行政补偿", "compensation"),
    "reward": ("行政奖励", "reward"), "inspection": ("行政检查", "inspection"),
}
_COMMITMENT_WORDS: dict[str, Pair] = {
    "approval": ("告知承诺", "in place of a certificate"), "voluntary": ("主动承诺", "voluntary"),
    "association": ("行业自律承诺", "of an association"),
    "repair": ("信用修复承诺", "for a repair"),
}
_SEVERITY_WORDS: tuple[Pair, ...] = (
    ("轻微", "severity 1"), ("一般", "severity 2"), ("较重", "severity 3"), ("严重", "severity 4"))


def record_text(type_: str, day: str = "", variant: int | None = None,
                item: str = "") -> dict[str, str]:
    """Words for one fact, in both languages.

    Parameters
    ----------
    type_
        Event type of the contract.
    day
        ISO date to begin with, or "".
    variant
        The record's variant code; None leaves the particulars out.
    item
        Name of the supervision item, or "".

    Examples
    --------
    >>> record_text("penalty.decided", "2026-03-04", 1)["zh"]
    '2026-03-04 行政处罚（一般）'
    >>> record_text("complaint.filed", variant=4 + 2)["en"]
    'Tip-off (severity 3)'
    """
    zh, en = TYPE_WORDS.get(type_, (type_, type_))
    more_zh = more_en = ""
    if variant is not None:
        if type_ == "complaint.filed" and variant & 4:
            zh, en = "举报", "Tip-off"
        particulars = _PARTICULARS.get(type_)
        if particulars is not None:
            more_zh, more_en = particulars(variant)
    zh += f"（{more_zh}）" if more_zh else ""
    en += f" ({more_en})" if more_en else ""
    if item:
        zh, en = f"{zh}：{item}", f"{en}: {item}"
    return {"zh": f"{day} {zh}".strip(), "en": f"{day} {en}".strip()}


def _inspection(variant: int) -> Pair:
    result = _RESULT_WORDS[RESULTS[variant & 7]]
    finding = _FINDING_WORDS[FINDINGS[variant >> 3]]
    return result[0] + finding[0], result[1] + finding[1]


def _alarm(variant: int) -> Pair:
    zh, en = _SEVERITY_WORDS[variant & 3]
    known = ("已核实", "verified") if variant & 4 else ("未核实", "not verified")
    return f"{zh}，{known[0]}", f"{en}, {known[1]}"


def _assigned(variant: int) -> Pair:
    zh, en = ISSUER_WORDS[ISSUERS[variant >> 3]]
    return f"{GRADES[variant & 7]} 级，{zh}", f"{GRADES[variant & 7]}, by {en}"


def _drawn(variant: int) -> Pair:
    stratum = STRATA[variant]
    if stratum == "ungraded":
        return "未评级层", "stratum of the ungraded"
    return f"{stratum} 级层", f"stratum {stratum}"


def _answered(variant: int) -> Pair:
    if not variant & 8:
        return "维持原等级", "grade kept"
    if variant & 7 == NO_GRADE:
        return "调整等级", "grade adjusted"
    grade = GRADES[variant & 7]
    return f"调整为 {grade} 级", f"adjusted to {grade}"


_PARTICULARS: dict[str, Callable[[int], Pair]] = {
    "complaint.filed": lambda v: _SEVERITY_WORDS[v & 3],
    "complaint.closed": lambda v: _OUTCOME_WORDS[OUTCOMES[v]],
    "penalty.decided": lambda v: _CLASS_WORDS[CLASSES[v]],
    "act.decided": lambda v: _ACT_WORDS[ACTS[v]],
    "inspection.completed": _inspection,
    "iot.alarm": _alarm,
    "commitment.made": lambda v: _COMMITMENT_WORDS[COMMITMENT_KINDS[v]],
    "list.entered": lambda v: LIST_WORDS[LISTS[v]],
    "interview.held": lambda v: ("警示约谈", "warning") if v else ("提醒约谈", "reminder"),
    "arrears.confirmed": lambda v: ("职工工资", "wages") if v else ("中小企业账款", "SME payments"),
    "information.declared": lambda v: ("已授权公示", "authorised") if v else ("未授权公示",
                                                                       "not authorised"),
    "grade.assigned": _assigned,
    "review.answered": _answered,
    "inspection.drawn": _drawn,
}
