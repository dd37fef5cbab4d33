"""Who was drawn, as a file for the double-random system: UTF-8 with a mark, CRLF, no formulas."""

from __future__ import annotations

import csv
import io

from console import i18n
from console.i18n import Lang
from console.ranking_csv import MARK, safe
from console.service import Row

COLUMNS = ("draw", "item", "item_name", "department", "code", "name", "district", "stratum",
           "probability", "rank", "state")


def drawn_list(found: Row, lang: Lang) -> str:
    """The whole file: a row a business, in the order of the draw."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow([i18n.word(lang, "ui", f"dr_{key}") for key in COLUMNS])
    for one in found["picked"]:
        writer.writerow([safe(x) for x in (
            found["id"], found["item"], found["item_name"], found["department"], one["subject"],
            one["name"], one["district"], i18n.word(lang, "grade", one["stratum"]),
            round(one["probability"], 6), one["rank"],
            i18n.word(lang, "ui", f"dr_state_{one['state']}"))])
    return MARK + out.getvalue()
