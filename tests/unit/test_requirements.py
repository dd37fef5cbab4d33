"""Goal: the traceability table of docs/requirements.md names only files that exist.

Method: read the columns `met by` and `shown by` of every requirement; each name in back quotes must
be a file of the repository, what is met must be shown, and tests named must be in their file. The
checkers themselves are shown to fail on a planted name.
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


def unshown(text: str) -> list[str]:
    """Requirements that are met, as is said, and shown by no test; and tests that their file does
    not have: of "`tests/x.py` (a, b_c)" the words a and b_c must stand in the file."""
    out = []
    for id, *_, met, shown in rows(text):
        if met != "–" and "`tests/" not in shown:
            out.append(f"{id}: not shown")
        for file, words in re.findall(r"`(tests/[\w./-]+\.py)` \(([^)]*)\)", shown):
            body = (ROOT / file).read_text("utf-8")
            out += [f"{id}: {file} ({word})" for word in words.split(", ")
                    if re.fullmatch(r"\w+", word) and word not in body]
    return out


def test_what_is_met_is_shown_by_tests_that_are_there() -> None:
    assert unshown(TEXT) == []
    row = "| PRE-01 | a | b | c | core | `models/gap.py` | {} |"
    assert unshown(row.format("–")) == ["PRE-01: not shown"]
    assert unshown(row.format("`tests/unit/test_gap.py` (no_such)")) == [
        "PRE-01: tests/unit/test_gap.py (no_such)"]


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
