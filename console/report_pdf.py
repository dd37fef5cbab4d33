"""A credit report as PDF: A4, pages numbered, the same bytes for the same report.

The typeface is embedded as far as it is used, so that it prints the same everywhere
(docs/decisions/0029).
"""

from __future__ import annotations

import datetime as dt
import logging
from pathlib import Path

from fpdf import FPDF, XPos, YPos
from fpdf.enums import TableBordersLayout, WrapMode
from fpdf.fonts import FontFace, TTFFont

from console import i18n
from console.i18n import Lang
from console.report import Section, Sheet

FONT = Path(__file__).parent / "fonts" / "NotoSansSC-Regular.otf"
# It says which tables it leaves out of each typeface.
logging.getLogger("fontTools").setLevel(logging.WARNING)
MARGIN = 15.0
"""[mm]"""
INK, MUTED, LINE, SOFT = (27, 36, 48), (93, 106, 122), (200, 207, 215), (237, 242, 248)
GRADES = {"A": (28, 127, 75), "B": (42, 111, 184), "C": (150, 98, 0), "D": (196, 38, 46)}
UNKNOWN = "〓"
"""Stands for a character that the typeface does not have; its code point follows."""


def pdf(sheet: Sheet, as_of: str, lang: Lang) -> bytes:
    """
    Parameters
    ----------
    as_of
        The report's moment (RFC 3339): it is the document's date too.
    """
    page = _Page(sheet, lang)
    page.set_creation_date(dt.datetime.fromisoformat(as_of))
    page.write_all()
    return bytes(page.output())


class _Page(FPDF):
    """One report being written."""

    def __init__(self, sheet: Sheet, lang: Lang) -> None:
        super().__init__(format="A4")
        self.sheet = sheet
        self.words = lang
        self.add_font("noto", "", FONT)
        font = self.fonts["noto"]
        assert isinstance(font, TTFFont)
        self.known = font.cmap
        self.set_margin(MARGIN)
        self.set_auto_page_break(True, 20)
        self.set_title(self.safe(f"{sheet.title} {sheet.name}"))
        self.set_lang("en" if lang == "en" else "zh-CN")
        self.set_producer("xinfeng")
        self.alias_nb_pages("{pages}")

    def safe(self, text: str) -> str:
        """Text with what cannot be drawn named by its code point."""
        return "".join(c if c == "\n" or ord(c) in self.known else f"{UNKNOWN}(U+{ord(c):04X})"
                       for c in text)

    def ink(self, size: float, colour: tuple[int, int, int] = INK) -> None:
        self.set_font("noto", "", size)
        self.set_text_color(*colour)

    def line_of(self, text: str, size: float, height: float,
                colour: tuple[int, int, int] = INK) -> None:
        """A paragraph across the page."""
        self.ink(size, colour)
        self.multi_cell(0, height, self.safe(text), wrapmode=WrapMode.CHAR, align="L",
                        new_x=XPos.LMARGIN, new_y=YPos.NEXT)

    def header(self) -> None:
        meta = dict(self.sheet.meta[:1])
        self.ink(8, MUTED)
        half = self.epw / 2
        self.cell(half, 5, self.safe(f"信风 Xinfeng · {self.sheet.title}"))
        number = " ".join(f"{name} {value}" for name, value in meta.items())
        self.cell(half, 5, self.safe(number), align="R", new_x=XPos.LMARGIN, new_y=YPos.NEXT)
        self.set_draw_color(*LINE)
        self.line(self.l_margin, self.get_y(), self.l_margin + self.epw, self.get_y())
        self.ln(4)

    def footer(self) -> None:
        self.set_y(-14)
        self.ink(7.5, MUTED)
        text = "  ".join(f"{name} {value}" for name, value in self.sheet.meta[1:3])
        self.cell(self.epw * 0.7, 5, self.safe(text))
        pages = i18n.word(self.words, "ui", "page_of").format(page=self.page_no(), pages="{pages}")
        self.cell(self.epw * 0.3, 5, pages, align="R")

    def write_all(self) -> None:
        s = self.sheet
        self.add_page()
        self.line_of(s.name, 17, 9)
        self.line_of(s.scope, 8.5, 5, MUTED)
        self.ln(2)
        self.ink(10)
        self.cell(26, 8, self.safe(f"{i18n.word(self.words, 'ui', 'public_grade')} "))
        self.ink(17, GRADES.get(s.grade, MUTED))
        self.cell(18, 8, s.grade)
        self.ink(10)
        self.cell(0, 8, self.safe(f"{i18n.word(self.words, 'ui', 'credit_score')} {s.score}"),
                  new_x=XPos.LMARGIN, new_y=YPos.NEXT)
        self.ln(2)
        half = (len(s.identity) + 1) // 2
        pairs = [[*s.identity[n], *(s.identity[half + n] if half + n < len(s.identity)
                                    else ("", ""))] for n in range(half)]
        self.grid(pairs, [16, 34, 16, 34], None)
        for section in s.sections:
            self.section(section)
        self.ln(5)
        for name, value in s.meta:
            self.line_of(f"{name}: {value}", 8, 4.6, MUTED)
        self.line_of(s.check, 8, 4.6, MUTED)

    def section(self, section: Section) -> None:
        if self.will_page_break(34):
            self.add_page()
        self.ln(5)
        self.ink(11.5)
        self.cell(0, 7, self.safe(section.title), new_x=XPos.LMARGIN, new_y=YPos.NEXT)
        if section.rows:
            self.grid(section.rows, section.widths, section.columns)
        else:
            self.line_of(i18n.word(self.words, "ui", "none"), 9, 6, MUTED)
        if section.note:
            self.line_of(section.note, 8, 5, MUTED)

    def grid(self, rows: list[list[str]], widths: list[int], columns: list[str] | None) -> None:
        self.ink(8.5)
        self.set_draw_color(*LINE)
        head = FontFace(color=MUTED, fill_color=SOFT, emphasis="")
        with self.table(col_widths=tuple(widths), line_height=4.8, padding=1.1,
                        first_row_as_headings=columns is not None, headings_style=head,
                        borders_layout=TableBordersLayout.HORIZONTAL_LINES, text_align="LEFT",
                        wrapmode=WrapMode.CHAR) as table:
            for cells in ([columns] if columns is not None else []) + rows:
                row = table.row()
                for n, text in enumerate(cells):
                    row.cell(self.safe(text), style=FontFace(color=MUTED)
                             if columns is None and n % 2 == 0 else None)

