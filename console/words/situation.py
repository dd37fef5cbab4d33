"""Words of the pages: Situation."""

from __future__ import annotations

from collections.abc import Mapping

WORDS: Mapping[str, tuple[str, str]] = {
    "sit_map": ("区县风险", "Risk by district"),
    "sit_map_hint": (
        "颜色为红、橙预警数与全市平均水平之比；点击查看该区县主体。",
        "Colour: red and orange alerts against the city's rate. Click for its businesses.",
    ),
    "sit_heat": ("风险比", "against the city"),
    "sit_heat_0": ("明显低于平均", "well below"),
    "sit_heat_1": ("接近平均", "about average"),
    "sit_heat_2": ("偏高", "raised"),
    "sit_heat_3": ("高", "high"),
    "sit_heat_4": ("很高", "very high"),
    "sit_no_districts": ("尚无带区县的主体", "No business with a district yet"),
    "sit_trend_alerts": (
        "每日预警：新发与消除（负值），近 30 天",
        "Alerts a day: opened and ended (below zero), 30 days",
    ),
    "sit_trend_grades": (
        "公共评级 B、C、D 主体数，近 30 天",
        "Businesses graded B, C, D, 30 days",
    ),
    "sit_day": ("日期", "day"),
    "sit_emerging": ("苗头", "Emerging"),
    "sit_rising_hint": (
        "近 7 天 {n} 起，往常 {usual} 起",
        "{n} in 7 days, usually {usual}",
    ),
    "sit_nothing_emerging": (
        "没有扩散迹象，各类预警与往常相当",
        "Nothing spreads; every rule is at its usual",
    ),
    "sit_feeds": ("数据源", "Feeds"),
    "sit_feeds_ok": ("{n} 个数据源，未发现中断或差错", "{n} feeds, none silent or faulty"),
    "sit_feeds_bad": ("{bad} 个异常，共 {n} 个", "{bad} of {n} in trouble"),
    "sit_no_feeds": ("尚未收到数据", "Nothing received yet"),
    "sit_last_event": ("最近一小时段", "last hour with events"),
    "sit_events_24h": ("24 小时事件数", "events in 24 h"),
    "sit_feed_state": ("状态", "state"),
    "sit_fine": ("正常", "fine"),
    "sit_dead_24h": ("24 小时退回", "dead letters, 24 h"),
    "sit_model_health": ("模型", "Model"),
    "sit_no_model": (
        "尚无足够结果检验模型；评分按政策中的专家权重计算。",
        "No outcomes to judge the model by yet: scores rest on the policy's expert weights.",
    ),
    "sit_auc_hint": (
        "区分度 AUC（先预测后学习；0.5 = 随机）",
        "AUC, forecast before learning; 0.5 = chance",
    ),
    "sit_calibrated": ("预测 / 实际不良率", "forecast / observed rate"),
    "sit_weights_now": ("权重", "weights"),
    "sit_outcomes": ("已检验结果", "outcomes seen"),
    "sit_drift": ("漂移", "drift"),
    "sit_drift_no": ("无", "none"),
    "sit_drift_yes": ("有漂移", "drifting"),
    "sit_to_models": ("模型详情", "more about the model"),
    "sit_acknowledge_short": ("签收", "Acknowledge"),
    "sit_ack_busy": ("提交中…", "sending…"),
    "sit_ack_done": ("已签收", "acknowledged"),
    "sit_ack_failed": ("未能签收：", "Not acknowledged: "),
    "sit_ack_who": ("请先填写值班员姓名", "Fill in who is on duty first"),
    "sit_duty_officer": ("值班员", "on duty"),
    "sit_keys": ("快捷键", "Keys"),
    "sit_keys_hint": ("按 ? 查看快捷键", "? shows the keys"),
    "sit_key_next": ("下一条 / 上一条", "next / previous alert"),
    "sit_key_ack": ("签收所选预警", "acknowledge the chosen alert"),
    "sit_key_open": ("打开所选预警：为什么", "open the chosen alert: why"),
    "sit_key_help": ("本帮助", "this help"),
    "sit_close_help": ("关闭", "Close"),
    "sit_wall_on": ("大屏", "Wall"),
}
