"""Words of the pages: Devices."""

from __future__ import annotations

from collections.abc import Mapping

WORDS: Mapping[str, tuple[str, str]] = {
    "dev_title": ("监测设备", "Devices"),
    "dev_as_of": ("截至", "As of"),
    "dev_one": ("设备", "Device"),
    "dev_state": ("状态", "state"),
    "dev_silent": ("失联", "silent"),
    "dev_suspicious": ("可疑", "suspicious"),
    "dev_over": ("超限", "over limit"),
    "dev_well": ("正常", "well"),
    "dev_all": ("全部", "all"),
    "dev_suspicious_hint": (
        "可疑：疑似造假、异常或故障，由人核实",
        "Suspicious: tampering, abnormal or a fault; people find out",
    ),
    "dev_class": ("类别", "class"),
    "dev_metrics": ("指标", "metrics"),
    "dev_last": ("最近数据", "newest data"),
    "dev_item": ("事项", "item"),
    "dev_none": ("没有符合条件的设备", "No device matches"),
    "dev_not_yet": (
        "首次统计尚未完成，稍后刷新。",
        "The first count is under way; load again soon.",
    ),
    "dev_kept_hours": (
        "保留：每小时最小与最大读数（最多 35 天），不保留单个读数。",
        "Kept: the least and greatest reading of each hour (35 days at most); no single readings.",
    ),
    "dev_kept_samples": (
        "保留：近期每个采样格的均值（按均值判断的指标）。",
        "Kept: recent means, one a cell (a metric judged by its mean).",
    ),
    "dev_kept_cells": (
        "保留：近期哪些时段有读数超限；此类指标不保留数值，无可绘制。",
        "Kept: in which recent stretches a reading lay beyond the limit. Values of this metric are "
        "not kept, so there is nothing to draw.",
    ),
    "dev_kept_nothing": (
        "仅保留最近一次数据的时间：目录中没有该指标，或尚无有效读数。",
        "Kept: only when it was last heard of. The catalogue does not know the metric, or there "
        "was no valid reading.",
    ),
    "dev_band_own": (
        "虚线：该设备自身历史与同类的通常范围（±3 倍离散度）。",
        "Dashed: what is usual by its own past and its class's (3 spreads either way).",
    ),
    "dev_band_no_class": (
        "虚线：该设备自身历史的通常范围（±3 倍离散度）。分布式运行时视图不含同类基准。",
        "Dashed: what is usual by its own past (3 spreads either way). The view of the distributed "
        "runner holds no norms of classes.",
    ),
    "dev_no_band": (
        "历史尚短，没有通常范围。",
        "Its past is too short to say what is usual.",
    ),
    "dev_limits": ("限值", "limits"),
    "dev_low": ("下限", "low limit"),
    "dev_high": ("上限", "high limit"),
    "dev_least": ("小时最小", "least of the hour"),
    "dev_greatest": ("小时最大", "greatest of the hour"),
    "dev_usual_low": ("通常下界", "usual, low"),
    "dev_usual_high": ("通常上界", "usual, high"),
    "dev_samples": ("均值", "mean"),
    "dev_interval": ("上报间隔", "reports every"),
    "dev_silent_from": ("再无数据则失联于", "silent, if nothing comes, from"),
    "dev_found": ("当前判断", "What shows now"),
    "dev_nothing_found": ("无异常", "nothing"),
    "dev_periods": ("设备时段", "Stretches of the device"),
    "dev_no_periods": ("保留期内没有维护、标定或离线时段", "None: no service, no time offline"),
    "dev_kind": ("类型", "kind"),
    "dev_from": ("自", "from"),
    "dev_until": ("至", "until"),
    "dev_maintenance": ("维护或标定", "service or calibration"),
    "dev_device": ("设备自报状态", "device state"),
    "dev_null": ("空值", "null readings"),
    "dev_offline": ("离线", "offline"),
    "dev_beyond": ("超限时段", "Stretches beyond the limit"),
    "dev_alerts": ("该设备的预警", "Alerts of this device"),
    "dev_no_alerts": ("没有预警", "No alerts"),
    "dev_seconds": ("秒", "s"),
    "dev_hour": ("时间", "hour"),
    "dev_table_cut": ("仅列最近 48 小时，全部见接口", "The last 48 hours; all by the API"),
}
