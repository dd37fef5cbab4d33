"""What `models.anomaly` saw, in words for people. Times are China Standard Time."""

from __future__ import annotations

import datetime as dt
from typing import Final

from models.iot import DeviceSpec

_CHINA: Final = dt.timezone(dt.timedelta(hours=8))
_WORDS: Final = {
    "high": ("整体偏高", "higher than usual throughout"),
    "low": ("整体偏低", "lower than usual throughout"),
    "peaks": ("反复出现异常高值", "unusual peaks again and again"),
    "dips": ("反复出现异常低值", "unusual dips again and again"),
    "unsteady": ("波动异常加大", "far more unsteady than usual"),
    "quiet": ("波动异常减小，疑似人为平滑", "far quieter than usual, as if smoothed"),
    "shift-up": ("水平持续上移", "level has moved up"),
    "shift-down": ("水平持续下移", "level has moved down"),
    "burst": ("出现异常高值", "an hour far higher than usual"),
    "slump": ("出现异常低值", "an hour far lower than usual"),
    "replay": ("与以往时段逐小时完全相同，疑似重放历史数据", "an earlier stretch over again"),
    "hugging": ("长期在限值边缘截断，疑似人为压低", "breaks off at the limit"),
    "dull": ("波动远小于同类设备，疑似模拟数据", "far more regular than its class"),
    "stuck": ("卡在异常值，疑似设备故障", "stuck at a value such a place does not show"),
    "spikes": ("出现不可能的尖峰，疑似设备故障", "spikes that such a place cannot show"),
    "nulls": ("大量空值，疑似设备故障", "mostly nulls"),
    "state": ("长期处于维护等非正常工况标记", "flagged as not in service for three days or more"),
}
RANK: Final = {code: place for place, code in enumerate(_WORDS)}
"""The most telling first."""
_AGGREGATES: Final = {
    "least": ("小时最低值", "least of an hour"),
    "greatest": ("小时最高值", "greatest of an hour"),
    "middle": ("小时中值", "middle of an hour"),
    "wiggle": ("小时波动", "swing within an hour"),
}


def words(
    code: str, aggregate: str, value: float, low: float, high: float, since_ms: int,
    spec: DeviceSpec,
) -> tuple[str, str]:  # fmt: skip
    """One line about a verdict, Chinese and English; see `anomaly.Verdict` for the numbers."""
    when = f"{dt.datetime.fromtimestamp(since_ms // 1000, _CHINA):%Y-%m-%d %H:%M}"
    zh, en = _WORDS[code]
    zh, en = f"{spec.name_zh}自 {when} 起{zh}", f"{spec.name_en}: {en} since {when}"
    unit = f" {spec.unit}" if spec.unit else ""
    if code == "hugging":
        zh += f"（{value:.0%} 的小时在 {low:.4g}–{high:.4g}{unit}）"
        en += f" ({value:.0%} of hours at {low:.4g}–{high:.4g}{unit})"
    elif code == "replay":
        zh += f"（与 {high:.0f} 小时前相同）"
        en += f" (as {high:.0f} hours before)"
    elif aggregate in _AGGREGATES:
        of_zh, of_en = _AGGREGATES[aggregate]
        span = f"{low:.3g}–{high:.3g}" if high < 1e300 else f"≥ {low:.3g}"
        zh += f"（{of_zh} {value:.4g}{unit}，预期 {span}）"
        en += f" ({of_en} {value:.4g}{unit}, expected {span})"
    return zh, en
