"""Rankings as files that Excel opens as they are: UTF-8 with a mark, CRLF."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from typing import Any

from console import i18n
from console.i18n import Lang
from console.service import Row

MARK = "\ufeff"
SHARES = ("timeliness", "completeness", "reviews", "alerts", "inspections", "coverage", "access")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def ranking(found: Row, lang: Lang) -> str:
    """The whole file: a row a department, with the parts that each share is made of.

    Shares are per cent with two decimals; an empty cell says that there is nothing to count.
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")

    def word(key: str) -> str:
        return i18n.word(lang, "ui", key)

    head = ["quarter", "rank", "department", "score"]
    columns = [word(f"dep_{key}") for key in head]
    for name in SHARES:
        label = word(f"dep_{name}")
        columns += [f"{label} %", f"{label} · {word('dep_part')}", f"{label} · {word('dep_whole')}"]
    columns += [word(f"dep_{key}") for key in (
        "codes_wrong", "codes_sent", "overdue", "review_answer_h", "alert_answer_h", "record_age_d",
        "grade_age_d", "as_of")]
    writer.writerow([safe(x) for x in columns])
    for row in found["departments"]:
        cells: list[Any] = [found["quarter"], row["rank"], row["department"], row["score"]]
        for name in SHARES:
            share = row[name]
            cells += [_per_cent(share["rate"]), share["part"], share["whole"]]
        cells += [row["codes"]["wrong"], row["codes"]["sent"], row["overdue"],
                  row["review_answer_h"], row["alert_answer_h"], row["record_age_d"],
                  row["grade_age_d"], found["as_of"]]
        writer.writerow([safe(x) for x in cells])
    return MARK + out.getvalue()


def districts(found: Row, names: Mapping[str, str], lang: Lang) -> str:
    """The table of districts: a row each. Shares are per cent, their change is in points; an empty
    cell says that there is nothing to count.

    Parameters
    ----------
    names
        Of districts, by code; others go by their code.
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow([safe(i18n.word(lang, "ui", f"dep_{key}") + unit) for key, unit in (
        ("rank", ""), ("district_code", ""), ("district", ""), ("subjects", ""), ("low", " %"),
        ("low_part", ""), ("graded", ""), ("low_before", " %"), ("change", ""), ("open", ""),
        ("severe", ""), ("per_1000", ""), ("as_of", ""))])
    for row in found["districts"]:
        levels = row["alerts_open"]
        writer.writerow([safe(x) for x in (
            row["rank"], row["district"], names.get(row["district"], row["district"]),
            row["subjects"], _per_cent(row["low"]["rate"]), row["low"]["part"],
            row["low"]["whole"], _per_cent(row["low_before"]["rate"]), _per_cent(row["change"]),
            sum(levels.values()), levels["red"] + levels["orange"], row["alerts_per_1000"],
            found["as_of"])])
    return MARK + out.getvalue()


def _per_cent(rate: float | None) -> float | None:
    return None if rate is None else round(100 * rate, 2)


def safe(cell: object) -> object:
    """A cell no spreadsheet takes for a formula (OWASP: CSV injection); None is empty.

    Examples
    --------
    >>> safe("=1+1"), safe("市公安局"), safe(-1.5), safe(None)
    ("'=1+1", '市公安局', -1.5, '')
    """
    if isinstance(cell, str) and cell.startswith(_FORMULA):
        return "'" + cell
    return "" if cell is None else cell
