"""Made-up business names: sound like the trade, belong to nobody, name no person."""

from __future__ import annotations

from typing import Final

from streams.simulate.places import District
from streams.simulate.trades import Trade

_FIRST: Final = "砚沐澄霁岚栩昀葭蔚珑湛翎皓筱漪煦洺棠晗峤溯穗榕泠芃珩岫澜苒黛"
_SECOND: Final = "溪禾汀朗川屿峰鹿杉舟岭帆林泉桥野陌桐石渡竹浦柏原麓谷湾坪云岩"
_ENDINGS: Final = {
    0: "有限公司",
    2: "协会",
    3: "中心",
    4: "(集团)有限公司",
    5: "有限公司",
}


def business_name(bits: int, kind: int, trade: Trade, district: District) -> str:
    """Name from 31 random bits.

    Four uncommon characters (810,000 combinations) keep a company clear of real ones.

    Examples
    --------
    >>> from streams.simulate.places import DISTRICTS
    >>> from streams.simulate.trades import TRADES
    >>> business_name(123456, 1, TRADES[0], DISTRICTS[4])
    '沙坪坝区昀屿棠小面馆'
    """
    a, bits = _FIRST[bits % 30], bits // 30
    b, bits = _SECOND[bits % 30], bits // 30
    c, bits = _FIRST[bits % 30], bits // 30
    d, bits = _SECOND[bits % 30], bits // 30
    if kind == 1:
        return f"{district.name}{a}{b}{c}{trade.shop}"
    if kind == 2 and trade.industry.startswith("A"):
        return f"{district.name}{a}{b}{c}{d}{trade.company}专业合作社"
    place = district.name if kind in (2, 3) else "重庆"
    return f"{place}{a}{b}{c}{d}{trade.company}{_ENDINGS[kind]}"
