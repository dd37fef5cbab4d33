"""A credit report as a file that needs nothing beside it."""

from __future__ import annotations

from pathlib import Path

from console.i18n import Lang
from console.problems import dumps
from console.report import sheet
from console.report_pdf import pdf
from console.service import Row
from console.view import Items, View

CSS = Path(__file__).parent / "static" / "report.css"


def written(report: Row, suffix: str, lang: Lang, items: Items) -> bytes:
    """The bytes of a `.pdf`, `.html` or `.json` of a report of `Service.report`."""
    if suffix == ".json":
        return dumps(report) + b"\n"
    made = sheet(report, lang, items)
    if suffix == ".pdf":
        return pdf(made, report["as_of"], lang)
    assert suffix == ".html", suffix
    text = View(items, with_login=False).text(
        lang, "report.html", s=made, css=CSS.read_text("utf-8"),
        internal=report["scope"] == "internal")
    return text.encode()
