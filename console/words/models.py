"""Words of the pages: Models."""

from __future__ import annotations

from collections.abc import Mapping

WORDS: Mapping[str, tuple[str, str]] = {
    "mod_title": ("模型", "Models"),
    "mod_lead": (
        "权重由专家设定，随结果在允许范围内学习。以下各数都是先预测、后知结果的。",
        "Experts set the weights; outcomes move them within bounds. All figures are of forecasts "
        "made before the outcome was known.",
    ),
    "mod_bounded scorecard": ("有界评分卡（现行）", "bounded scorecard (champion)"),
    "mod_expert card": ("专家权重", "expert card"),
    "mod_last grade": ("上次等级", "last grade"),
    "mod_decayed count": ("衰减计数", "decayed count"),
    "mod_adaptive forest": ("自适应森林", "adaptive forest"),
    "mod_adaptive tree": ("自适应树", "adaptive tree"),
    "mod_logistic": ("逻辑回归", "logistic"),
    "mod_nothing": ("尚未学到东西", "Nothing has been learned yet"),
    "mod_nothing_why": (
        "评分目前完全用专家权重。一个样本要等预测期与宽限期都过去、结果确定后才能学习：",
        "Scores use the experts' weights alone. An example is learned from when its outcome is "
        "final, after the horizon and the grace:",
    ),
    "mod_off": ("政策关闭了学习：只用专家权重。", "The policy has learning off: experts' weights."),
    "mod_horizon": ("预测期（天）", "horizon [d]"),
    "mod_grace": ("宽限期（天）", "grace [d]"),
    "mod_adverse_min": ("发布权重前需要的不良结果", "findings needed before weights are published"),
    "mod_so_far": ("目前样本／不良结果", "examples / findings so far"),
    "mod_forecasts": ("预测水平", "How well it forecasts"),
    "mod_examples": ("样本", "examples"),
    "mod_adverse": ("不良结果", "findings"),
    "mod_span": ("样本结果确定于", "outcomes final"),
    "mod_model": ("模型", "model"),
    "mod_interval": ("95% 区间", "95 % interval"),
    "mod_lead_auc": ("现行模型领先（AUC）", "lead of the champion (AUC)"),
    "mod_reliability": ("校准：预测与实际", "Calibration: said and seen"),
    "mod_predicted": ("预测概率", "said"),
    "mod_observed": ("实际比例", "seen"),
    "mod_diagonal": ("完全校准", "exactly right"),
    "mod_weeks": ("逐周变化", "Week by week"),
    "mod_weeks_hint": (
        "每周二记一行，保留最近 260 周：截至当日全部预测的渐进 AUC（上）与校准误差 ECE（下）。"
        "不良结果不足 10 例时不画 AUC。虚线为当日发布的权重，底色为漂移的周。"
        "其他参照可在图例中点选。",
        "A row each Tuesday, the last 260 are kept: progressive AUC (above) and calibration error "
        "(ECE, below) of all forecasts so far; no AUC is drawn of fewer than 10 findings. Dashed: "
        "weights published on that day; shaded: weeks of drift. Other references wait in the "
        "legend.",
    ),
    "mod_shadow_weeks_hint": (
        "只看与挑战者相同的样本；不进检查点，重启后重新开始。",
        "On the challengers' examples only; in no checkpoint, so it begins anew after a restart.",
    ),
    "mod_no_weeks": (
        "还没有记录：下一个周二记第一行。",
        "None yet: the next Tuesday brings the first row.",
    ),
    "mod_given": ("当日发布", "published"),
    "mod_is_drifting": ("漂移", "drifting"),
    "mod_challengers": ("挑战者（影子运行）", "Challengers (in shadow)"),
    "mod_challengers_hint": (
        "在每日部分样本上比较，不影响任何评分；重启后重新开始。",
        "Compared on some examples a day; they reach no score. They begin anew after a restart.",
    ),
    "mod_no_challengers": (
        "尚无比较：重启后从头开始，或此运行方式未启用。",
        "None yet: they begin anew after a restart, or are not run here.",
    ),
    "mod_drift": ("漂移", "Drift"),
    "mod_drifting": ("模型正在漂移：预测变差", "The model is drifting: its forecasts became worse"),
    "mod_no_drift": ("没有漂移", "No drift"),
    "mod_day": ("日期", "day"),
    "mod_series": ("序列", "series"),
    "mod_detector": ("检测器", "detector"),
    "mod_before": ("之前", "before"),
    "mod_after": ("之后", "after"),
    "mod_slices": ("分组表现", "By parts of the city"),
    "mod_slices_hint": (
        "预测水平取自学习样本；样本少的组 AUC 不可靠。",
        "From the learner's examples; the AUC of small groups says little.",
    ),
    "mod_dimension": ("维度", "by"),
    "mod_group": ("主体组", "group"),
    "mod_kind": ("主体类型", "kind"),
    "mod_department": ("部门", "department"),
    "mod_district": ("区县", "district"),
    "mod_size": ("规模", "size"),
    "mod_value": ("组", "value"),
    "mod_weights": ("现行权重与专家权重", "Weights in force beside the experts'"),
    "mod_bounds": ("允许范围", "bounds"),
    "mod_expert": ("专家", "expert"),
    "mod_in_force": ("现行", "in force"),
    "mod_indicator": ("指标", "indicator"),
    "mod_versions": ("权重版本", "Versions of the weights"),
    "mod_version": ("版本", "version"),
    "mod_since": ("生效自", "from"),
    "mod_moved": ("变动的指标数", "indicators moved"),
    "mod_start": ("最初", "the beginning"),
    "mod_fairness": ("公平性：各组的等级", "Fairness: grades by group"),
    "mod_fairness_hint": (
        "现时公共等级（计算所得）为 C 或 D 的比例。组间不同不等于不公：同看预测与实际。",
        "Share of computed public grades at C or D now. A difference is not unfair by itself: look "
        "at what was said and seen beside it.",
    ),
    "mod_low_share": ("C、D 比例", "share at C or D"),
    "mod_subjects": ("主体", "businesses"),
    "mod_graded": ("已评级", "graded"),
    "mod_group_enterprise": ("企业", "enterprise"),
    "mod_group_individual": ("个体工商户", "individual"),
    "mod_group_organisation": ("社会组织", "organisation"),
    "mod_size_micro": ("微型", "micro"),
    "mod_size_small": ("小型", "small"),
    "mod_size_medium": ("中型", "medium"),
    "mod_size_large": ("大型", "large"),
    "mod_size_": ("未登记", "not registered"),
    "mod_size_unknown": ("未知", "unknown"),
    "mod_not_counted": ("首次统计尚未完成，稍后刷新。", "The first count is under way."),
    "mod_no_groups": (
        "还没有已登记且已评级的主体。",
        "No business is registered and graded yet.",
    ),
    "mod_drift_calibration": ("校准", "calibration"),
    "mod_drift_log-loss": ("对数损失", "log-loss"),
}
