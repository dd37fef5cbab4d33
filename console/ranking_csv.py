"""The quarterly ranking as a file that Excel opens as it is: UTF-8 with a mark, CRLF."""

from __future__ import annotations

import csv
import io
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
            rate = share["rate"]
            cells += [None if rate is None else round(100 * rate, 2), share["part"], share["whole"]]
        cells += [row["codes"]["wrong"], row["codes"]["sent"], row["overdue"],
                  row["review_answer_h"], row["alert_answer_h"], row["record_age_d"],
                  row["grade_age_d"], found["as_of"]]
        writer.writerow([safe(x) for x in cells])
    return MARK + out.getvalue()


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
