"""Goal: the traceability table of docs/requirements.md names only files that exist.

Method: read the columns `met by` and `shown by` of every requirement; each name in back quotes must
be a file of the repository. The checker itself is first shown to fail on a planted name.
"""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "requirements.md").read_text(encoding="utf-8")
ROW = re.compile(r"^\| (?:PRE|MID|POST|SUP)-\d\d \|.*$", re.MULTILINE)
NAME = re.compile(r"`([^`]+)`")


def rows(text: str) -> list[list[str]]:
    """Cells of every requirement: id, requirement, seed, what to do, priority, met by, shown by."""
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in ROW.findall(text)]


def missing(text: str) -> list[str]:
    return [
        f"{cells[0]}: {name}"
        for cells in rows(text)
        for name in NAME.findall(" ".join(cells[5:]))
        if not (ROOT / name.split("::")[0]).is_file()
    ]


def test_every_file_named_exists() -> None:
    assert missing(TEXT) == []


def test_a_planted_name_is_found() -> None:
    planted = TEXT.replace("`models/uscc.py`", "`models/nowhere.py`")
    assert "SUP-20: models/nowhere.py" in missing(planted)


def test_every_requirement_is_there_once_with_all_columns() -> None:
    found = rows(TEXT)
    assert [len(cells) for cells in found] == [7] * len(found)
    assert len({cells[0] for cells in found}) == len(found) == 95
    for cells in found:
        assert cells[4] in ("core", "should", "context only"), cells[0]
        assert all(cell == "–" or NAME.search(cell) for cell in cells[5:]), cells[0]
