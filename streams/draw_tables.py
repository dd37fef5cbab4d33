"""A draw on paper, in the words of its page: the strata with their chances, then who was drawn."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.table import Table
from rich.text import Text

from console import i18n
from streams.options import Lang
from streams.tables import screen

Row = Mapping[str, Any]
SHOWN = 200
"""Businesses printed; --json has all."""
_STYLES = {"A": "green", "B": "cyan", "C": "yellow", "D": "bold red"}


def draw(row: Row, lang: Lang) -> None:
    """One draw, or a count of the pool."""
    out = screen()

    def word(key: str) -> str:
        return i18n.word(lang, "ui", f"dr_{key}")

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
        table.add_row(Text(i18n.word(lang, "grade", grade), style=_STYLES.get(grade, "")),
                      str(one["eligible"]), str(one["resting"]), f"{one['ratio']:g}",
                      f"{one['expected']:.2f}", str(one["drawn"]),
                      f"{100 * one['probability']:.3f} %", str(one["inspected"]),
                      str(one["with_problems"]))
    out.print(table)
    out.print(f"{word('suggested')}: {row['suggested']}")
    if row["unregistered"]:
        out.print(word("unregistered").format(row["unregistered"]))
    if row["estimate"] is not None:
        out.print(f"{word('estimate')}: {100 * row['estimate']:.1f} %")
    if row["drawn"] < row["count"]:
        out.print(Text(f"{word('fewer')} {row['drawn']} / {row['count']}", style="yellow"))
    if not row["picked"]:
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for key in ("stratum", "code", "name", "district", "probability", "rank", "state"):
        table.add_column(word(key), overflow="fold")
    for one in row["picked"][:SHOWN]:
        grade = one["stratum"]
        why = one["raised"]
        named = i18n.word(lang, "list" if why in i18n.LISTS else "rule", why)
        table.add_row(
            Text(i18n.word(lang, "grade", grade)
                 + (f" ({word('raised').format(named)})" if why else ""),
                 style=_STYLES.get(grade, "")),
            one["subject"], one["name"], one["district"], f"{100 * one['probability']:.3f} %",
            one["rank"], word(f"state_{one['state']}"))
    out.print(table)
    if len(row["picked"]) > SHOWN:
        out.print(f"… {len(row['picked']) - SHOWN}: {word('more')}")
