"""Spreadsheets as departments send them: rows of text with the row number the sheet shows.

CSV (also gzipped, tab or semicolon separated) in UTF-8 with or without BOM, UTF-16 with BOM, or
GB18030, which covers GBK and GB2312; XLSX by openpyxl, read as a stream.
"""

from __future__ import annotations

import codecs
import csv
import datetime as dt
import gzip
import io
import re
import unicodedata
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import BinaryIO, TypeAlias, cast

from openpyxl import load_workbook  # type: ignore[import-untyped]
from openpyxl.utils import get_column_letter  # type: ignore[import-untyped]
from openpyxl.utils.exceptions import InvalidFileException  # type: ignore[import-untyped]

Row: TypeAlias = Mapping[str, str]
"""Cells by header, white space stripped, empty cells as ""."""

BEYOND_HEADER = "_beyond"
"""Key of the cells to the right of the last header, joined: commonly an unquoted comma."""

SUFFIXES = (".csv", ".csv.gz", ".tsv", ".xlsx")
EXACT_FLOAT_MAX = 1e15
_CHUNK_BYTES = 1 << 20
_SPACE = re.compile(r"\s+")


class SheetError(ValueError):
    """The file as a whole cannot be read; the message says what was allowed."""


def read_rows(path: Path, sheet: str = "", header_row: int = 1) -> Iterator[tuple[int, Row]]:
    """Rows below the header; blank rows are left out but counted.

    Parameters
    ----------
    path
        Name ending in one of `SUFFIXES`.
    sheet
        Name of the worksheet (XLSX), the first one if empty.
    header_row
        Row number of the headers; rows above it are titles and are left out.

    Returns
    -------
    (row number as the spreadsheet shows it, {header: cell}). Headers are as `header_name` gives
    them. One row at a time is kept in memory.

    Raises
    ------
    SheetError: unknown kind of file, encoding or worksheet, or a header given twice.
    """
    name = path.name.lower()
    if name.endswith(".xlsx"):
        return _with_header(_xlsx(path, sheet), header_row, path.name)
    if name.endswith(SUFFIXES):
        return _with_header(_csv(path), header_row, path.name)
    raise SheetError(f"{path.name}: must be one of {', '.join(SUFFIXES)}")


def header_name(text: str) -> str:
    """A header as it is compared: half-width, no line breaks; no spaces at all beside Chinese.

    Examples
    --------
    >>> header_name(" 罚款金额\\n（万元） "), header_name("License  Id")
    ('罚款金额(万元)', 'License Id')
    """
    plain = _SPACE.sub(" ", unicodedata.normalize("NFKC", text)).strip()
    return plain.replace(" ", "") if any(ord(c) >= 0x2E80 for c in plain) else plain


def _with_header(
    lines: Iterator[list[str]], header_row: int, name: str
) -> Iterator[tuple[int, Row]]:
    header: list[str] = []
    for number, cells in enumerate(lines, start=1):
        if number < header_row or not any(cells):
            continue
        if not header:
            if number > header_row:
                break
            header = _header(cells, name)
            continue
        row = dict.fromkeys((h for h in header if h), "")
        row.update((h, cell) for h, cell in zip(header, cells, strict=False) if h)
        beyond = [cell for cell in cells[len(header) :] if cell]
        if beyond:
            row[BEYOND_HEADER] = ", ".join(beyond)
        yield number, row
    if not header:
        raise SheetError(f"{name}: row {header_row} must hold the headers; it is empty")


def _header(cells: list[str], name: str) -> list[str]:
    header = [header_name(cell) for cell in cells]
    while header and not header[-1]:
        header.pop()
    for at, text in enumerate(header):
        if text and text in header[:at]:
            where = f"columns {get_column_letter(header.index(text) + 1)} and "
            raise SheetError(
                f"{name}: header {text!r} stands in {where}{get_column_letter(at + 1)}: "
                "must be there once"
            )
    return header


def _csv(path: Path) -> Iterator[list[str]]:
    try:
        with _open(path) as raw:
            encoding = _encoding(raw, path.name)
        with _open(path) as raw, io.TextIOWrapper(raw, encoding=encoding, newline="") as text:
            first = text.readline()
            delimiter = max(",\t;", key=first.count)
            yield from _stripped(csv.reader(_again(first, text), delimiter=delimiter))
    except (csv.Error, EOFError, gzip.BadGzipFile) as exc:
        raise SheetError(f"{path.name}: {exc}") from exc


def _again(first: str, rest: Iterable[str]) -> Iterator[str]:
    yield first
    yield from rest


def _stripped(lines: Iterable[list[str]]) -> Iterator[list[str]]:
    for cells in lines:
        yield [cell.strip() for cell in cells]


def _open(path: Path) -> BinaryIO:
    if path.suffix.lower() == ".gz":
        return cast(BinaryIO, gzip.open(path, "rb"))
    return path.open("rb")


def _encoding(raw: BinaryIO, name: str) -> str:
    start = raw.read(2)
    if start in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        return "utf-16"
    for encoding in ("utf-8-sig", "gb18030"):
        raw.seek(0)
        decoder = codecs.getincrementaldecoder(encoding)()
        try:
            while chunk := raw.read(_CHUNK_BYTES):
                decoder.decode(chunk)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            continue
        return encoding
    raise SheetError(f"{name}: must be UTF-8, UTF-16 with a byte order mark, or GB18030")


def _xlsx(path: Path, sheet: str) -> Iterator[list[str]]:
    try:
        book = load_workbook(path, read_only=True, data_only=True)
    except (InvalidFileException, zipfile.BadZipFile, KeyError) as exc:
        raise SheetError(f"{path.name}: not an XLSX workbook ({exc})") from exc
    try:
        names = [worksheet.title for worksheet in book.worksheets]
        if not names or (sheet and sheet not in names):
            raise SheetError(f"{path.name}: sheet={sheet!r}: must be one of {', '.join(names)}")
        worksheet = book[sheet or names[0]]
        worksheet.reset_dimensions()
        for cells in worksheet.iter_rows(values_only=True):
            yield [_text(cell) for cell in cells]
    finally:
        book.close()


def _text(cell: object) -> str:
    """A cell as text: dates in ISO form, whole numbers without a point."""
    match cell:
        case None:
            return ""
        case dt.datetime() if cell.time() == dt.time():
            return cell.date().isoformat()
        case dt.datetime() | dt.date() | dt.time():
            return cell.isoformat()
        case float() if cell.is_integer() and abs(cell) < EXACT_FLOAT_MAX:
            return str(int(cell))
        # A code of 18 digits typed as a number has lost its last ones: leave it in the form
        # 9.1e+17, so that it is refused rather than taken for another code.
        case _:
            return str(cell).strip()
