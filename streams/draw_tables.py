"""A draw on paper: the strata with their chances, then who was drawn. Chinese, or English."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.table import Table
from rich.text import Text

from streams.options import Lang
from streams.tables import screen

Row = Mapping[str, Any]
SHOWN = 200
"""Businesses printed; --json has all."""
_STYLES = {"A": "green", "B": "cyan", "C": "yellow", "D": "bold red"}
_WORDS: dict[str, tuple[str, str]] = {
    "stratum": ("等级层", "stratum"), "eligible": ("可抽取", "eligible"),
    "resting": ("暂不抽取", "resting"), "ratio": ("抽取系数", "ratio"),
    "expected": ("期望数", "expected"), "drawn": ("抽中", "drawn"),
    "probability": ("抽中概率", "chance"), "inspected": ("已检查", "inspected"),
    "with_problems": ("发现问题", "with problems"), "subject": ("主体", "business"),
    "name": ("名称", "name"), "district": ("区县", "district"), "rank": ("随机序", "rank"),
    "state": ("状态", "state"), "ungraded": ("未评级", "ungraded"),
    "suggested": ("按政策系数应抽取", "by the policy's ratios"),
    "unregistered": ("有事实但未登记、不在对象库", "known by facts only, outside the pool"),
    "estimate": ("推算对象库问题率", "estimated share with problems in the pool"),
    "short": ("可抽取的主体不足", "fewer may be drawn than asked for"),
    "more": ("其余见 --json", "the rest: --json"),
    "pending": ("待记录", "to be recorded"), "released": ("已撤回", "let go"),
    "pass": ("合格", "passed"), "fixed": ("整改合格", "fixed"), "fail": ("不合格", "failed"),
    "obstructed": ("阻挠检查", "obstructed"), "untraceable": ("查无下落", "not to be found"),
    "seed": ("种子", "seed"), "raised": ("提级", "raised"),
}


def draw(row: Row, lang: Lang) -> None:
    """One draw, or a count of the pool."""
    out = screen()

    def word(key: str) -> str:
        return _WORDS[key][lang == "en"]

    out.print(Text(f"{row['item']} {row['item_name']}  {row['department']}  {row['district_name']}",
                   style="bold"))
    out.print(f"{row['id']}  {row['ordered_at']}  {word('seed')} {row['seed']}")
    table = Table(box=None, pad_edge=False, header_style="bold")
    names = ("eligible", "resting", "ratio", "expected", "drawn", "probability", "inspected",
             "with_problems")
    for key in ("stratum", *names):
        table.add_column(word(key), justify="left" if key == "stratum" else "right")
    for one in row["strata"]:
        grade = one["stratum"]
        table.add_row(Text(_WORDS.get(grade, (grade, grade))[lang == "en"],
                           style=_STYLES.get(grade, "")),
                      str(one["eligible"]), str(one["resting"]), f"{one['ratio']:g}",
                      f"{one['expected']:.2f}", str(one["drawn"]),
                      f"{100 * one['probability']:.3f} %", str(one["inspected"]),
                      str(one["with_problems"]))
    out.print(table)
    out.print(f"{word('suggested')}: {row['suggested']}")
    if row["unregistered"]:
        out.print(f"{word('unregistered')}: {row['unregistered']}")
    if row["estimate"] is not None:
        out.print(f"{word('estimate')}: {100 * row['estimate']:.1f} %")
    if row["drawn"] < row["count"]:
        out.print(Text(f"{word('short')}: {row['drawn']} / {row['count']}", style="yellow"))
    if not row["picked"]:
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for key in ("stratum", "subject", "name", "district", "probability", "rank", "state"):
        table.add_column(word(key), overflow="fold")
    for one in row["picked"][:SHOWN]:
        grade = one["stratum"]
        table.add_row(
            Text(_WORDS.get(grade, (grade, grade))[lang == "en"]
                 + (f" ({word('raised')}: {one['raised']})" if one["raised"] else ""),
                 style=_STYLES.get(grade, "")),
            one["subject"], one["name"], one["district"], f"{100 * one['probability']:.3f} %",
            one["rank"], word(one["state"]))
    out.print(table)
    if len(row["picked"]) > SHOWN:
        out.print(f"… {len(row['picked']) - SHOWN}: {word('more')}")
