"""Goal: libraries of the pages are those that were published. Method: hashes of the README."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("folder", ["console/static/vendor", "tests/browser/vendor"])
def test_every_library_is_the_one_named(folder: str) -> None:
    vendor = ROOT / folder
    rows = re.findall(r"\| `([^`]+)` \|.*\| `([0-9a-f]{64})` \|",
                      (vendor / "README.md").read_text())
    assert {name for name, _ in rows} == {p.name for p in vendor.glob("*.js")} != set()
    for name, sha in rows:
        assert hashlib.sha256((vendor / name).read_bytes()).hexdigest() == sha, name
