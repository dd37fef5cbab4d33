"""Words of the pages: Departments."""

from __future__ import annotations

from collections.abc import Mapping

WORDS: Mapping[str, tuple[str, str]] = {
    "dep_title": ("部门评价", "Departments"),
    "dep_city": ("全市", "the city"),
    "dep_as_of": ("统计至", "Counted as of"),
    "dep_again": (
        "后台不断重新统计，页面不等待；撤销与迟到的数据会改变已过去的季度。",
        "Counted again and again in the background; reversals and late data change past quarters.",
    ),
    "dep_not_yet": ("首次统计尚未完成", "The first count is under way"),
    "dep_not_yet_why": (
        "本页取自后台对全部主体的完整统计，启动后片刻可见；百万主体约需十分钟。请稍后刷新。",
        "This page shows complete counts of all businesses, made in the background: moments after "
        "a start, for a million businesses about ten minutes. Load it again then.",
    ),
    "dep_quarter": ("季度", "Quarter"),
    "dep_under_way": ("本季度尚未结束", "This quarter is not over"),
    "dep_csv": ("下载 CSV（Excel）", "Download CSV (Excel)"),
    "dep_ranking": ("季度排名", "Quarterly ranking"),
    "dep_rank": ("名次", "rank"),
    "dep_department": ("部门", "department"),
    "dep_score": ("得分", "score"),
    "dep_timeliness": ("按时公开", "public in time"),
    "dep_completeness": ("数据完整", "complete data"),
    "dep_reviews": ("复核办结", "reviews in time"),
    "dep_alerts": ("预警响应", "alerts in time"),
    "dep_inspections": ("检查完成", "inspections done"),
    "dep_codes": ("代码正确", "codes right"),
    "dep_coverage": ("业务覆盖率", "coverage"),
    "dep_access": ("数字化接入率", "digital access"),
    "dep_freshness": ("最近数据", "newest data"),
    "dep_part": ("分子", "part"),
    "dep_whole": ("分母", "whole"),
    "dep_wrong": ("差错", "wrong"),
    "dep_codes_wrong": ("差错代码", "wrong codes"),
    "dep_codes_sent": ("报送数据", "events sent"),
    "dep_overdue": ("逾期未公开", "acts overdue"),
    "dep_review_answer_h": ("复核答复平均小时", "mean hours to answer a review"),
    "dep_alert_answer_h": ("预警响应平均小时", "mean hours to answer an alert"),
    "dep_record_age_d": ("最近数据距今天数", "days since the newest record"),
    "dep_grade_age_d": ("最近评级距今天数", "days since the newest grade"),
    "dep_days_ago": ("天前", "days ago"),
    "dep_hours": ("小时", "hours"),
    "dep_not_ranked": ("可计算的项目不足，不排名", "too little to be counted: not ranked"),
    "dep_target": ("目标", "target"),
    "dep_target_year": ("年底", "end of"),
    "dep_code_rate": ("重错码率", "code errors"),
    "dep_code_limit": ("上限 万分之一", "allowed: 1 in 10,000"),
    "dep_trend": ("按时公开率（逐季）", "Acts public in time, by quarter"),
    "dep_trend_hint": (
        "全市与本季度名次靠后的部门；全部部门见数据表。",
        "The city and the departments ranked last; all of them in the table.",
    ),
    "dep_districts": ("区县", "Districts"),
    "dep_districts_hint": (
        "现有登记主体，按公共等级为 C、D 的比例由高到低；比例占已评级主体，升降以百分点计，"
        "比较同一批主体。区县差异首先说明其主体构成。",
        "Businesses registered now, by the share whose public grade is C or D, the greatest first. "
        "Shares are of the graded; changes, in points, are those of the same businesses. A "
        "difference says first of all which businesses a district has.",
    ),
    "dep_district": ("区县", "district"),
    "dep_district_code": ("区划代码", "district code"),
    "dep_subjects": ("主体", "businesses"),
    "dep_graded": ("已评级", "graded"),
    "dep_low": ("C、D 比例", "share of C and D"),
    "dep_low_part": ("C、D 主体", "C and D"),
    "dep_low_before": ("上季末", "end of the quarter before"),
    "dep_change": ("升降（百分点）", "change [points]"),
    "dep_open": ("未结预警", "open alerts"),
    "dep_severe": ("其中红、橙", "red and orange"),
    "dep_per_1000": ("每千户未结预警", "open per 1,000"),
    "dep_acts": ("行政行为公开（按种类）", "Acts by kind"),
    "dep_kind": ("种类", "kind"),
    "dep_on_time": ("按时", "in time"),
    "dep_late": ("迟公开", "late"),
    "dep_waiting": ("未到期", "not yet due"),
    "dep_made_of": ("每个数由什么构成", "What each number is made of"),
    "dep_records": ("数据条数", "records"),
    "dep_unattributed": ("无法归属部门的退回数据", "dead letters that name no department's item"),
    "dep_is_score": (
        "下列六项的平均值乘以 100，各项同权：文件列出六项而未规定权重。没有可统计内容的项不计入，"
        "可计入的少于三项时不排名。",
        "The mean of these six, times 100; each counts the same, since the papers name six and "
        "give no weights. What has nothing to be counted is left out; below three, no rank.",
    ),
    "dep_is_timeliness": (
        "十类行政行为在作出决定后 7 个工作日内公开的比例，按决定所在季度；"
        "轻微处罚不计，未到期不计。",
        "Of ten kinds of acts decided in the quarter, those public within 7 working days; minor "
        "penalties and acts not yet due are left out.",
    ),
    "dep_is_completeness": (
        "入账数据占入账与退回之和的比例；因主体代码退回的另计。",
        "Records taken in, of those and the dead letters; wrong codes are counted apart.",
    ),
    "dep_is_reviews": (
        "等级差异复核在期限内答复的比例，按差异出现的季度；期限前消除且未答复的不计。",
        "Reviews of grade gaps answered by their due day, by the quarter the gap arose; those that "
        "ended before it without an answer are left out.",
    ),
    "dep_is_alerts": (
        "预警在应升级之前有人处置（签收、指派、办结）的比例；无需答复的级别与期限前自行消除的不计。",
        "Alerts somebody acted on before they would be escalated; levels nobody must answer, and "
        "those that ended before, are left out.",
    ),
    "dep_is_inspections": (
        "检查得以实施的比例（非阻挠、非查无下落）。系统尚无检查计划，不能与计划比。",
        "Inspections carried out, of those begun (not obstructed, the place was found). The system "
        "knows no plans yet to compare with.",
    ),
    "dep_is_codes": (
        "差错代码不超过万分之一得满分，超过则按反比扣减。",
        "Full up to one wrong code in 10,000, beyond in inverse proportion.",
    ),
    "dep_is_coverage": (
        "季度内有主体取得等级的监管事项 ÷ 部门监督检查事项总量。不计入得分。",
        "Items in which some business had a grade in the quarter, of the department's inspection "
        "items. Not part of the score.",
    ),
    "dep_is_access": (
        "其中季度内有检查结果入账的事项 ÷ 监督检查事项总量：以数据实际到达为准。不计入得分。",
        "Those of them from which inspection results came in, of all inspection items: measured by "
        "what arrives. Not part of the score.",
    ),
    "dep_act_permit": ("行政许可", "permit"),
    "dep_act_penalty": ("行政处罚", "penalty"),
    "dep_act_compulsion": ("行政强制", "compulsion"),
    "dep_act_confirmation": ("行政确认", "confirmation"),
    "dep_act_levy": ("行政征收", "levy"),
    "dep_act_payment": ("行政给付", "payment"),
    "dep_act_ruling": ("行政裁决", "ruling"),
    "dep_act_compensation": ("行政补偿", "compensation"),
    "dep_act_reward": ("行政奖励", "reward"),
    "dep_act_inspection": ("监督检查", "inspection"),
}
