"""The 37 districts of Chongqing and what they change (GB/T 2260; effects are our own choice)."""

from __future__ import annotations

from typing import Final, NamedTuple


class District(NamedTuple):
    """`share`: relative number of subjects; `effect`: risk per mille of the city's mean."""

    code: str
    name: str
    share: int
    effect: int


_TABLE: Final = """
500101 万州区 52 1050|500102 涪陵区 38 980|500103 渝中区 40 1180|500104 大渡口区 17 1000
500106 沙坪坝区 62 1080|500107 九龙坡区 78 1150|500108 南岸区 58 1100|500109 北碚区 34 930
500110 綦江区 31 1020|500111 大足区 29 960|500113 巴南区 48 1010|500114 黔江区 17 950
500115 长寿区 27 1000|500116 江津区 47 990|500117 合川区 43 970|500118 永川区 42 960
500119 南川区 21 920|500120 璧山区 31 940|500151 铜梁区 26 910|500152 潼南区 24 930
500153 荣昌区 25 900|500154 开州区 40 1040|500155 梁平区 22 920|500156 武隆区 15 980
500157 两江新区 135 1120|500229 城口县 7 900|500230 丰都县 19 960|500231 垫江县 22 930
500233 忠县 22 950|500235 云阳县 30 1000|500236 奉节县 25 1030|500237 巫山县 16 1010
500238 巫溪县 13 970|500240 石柱县 15 900|500241 秀山县 18 1020|500242 酉阳县 19 990
500243 彭水县 18 1000
"""


def _districts() -> tuple[District, ...]:
    cells = [cell.split() for cell in _TABLE.replace("\n", "|").split("|") if cell.strip()]
    return tuple(
        District(code, name, int(share), int(effect)) for code, name, share, effect in cells
    )


DISTRICTS: Final = _districts()

ENDED_CODES: Final = ("500105", "500112")
"""江北 and 渝北: ended in 2025, yet kept in the codes of subjects now in 500157 两江新区."""
