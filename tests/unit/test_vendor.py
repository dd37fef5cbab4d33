"""Goal: libraries of the pages are those that were published. Method: hashes of the README."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

VENDOR = Path(__file__).parents[2] / "console" / "static" / "vendor"


def test_every_library_is_the_one_named() -> None:
    text = (VENDOR / "README.md").read_text("utf-8")
    rows = re.findall(r"\| `([^`]+)` \|.*\| `([0-9a-f]{64})` \|", text)
    assert {name for name, _ in rows} == {p.name for p in VENDOR.glob("*.js")}
    for name, sha in rows:
        assert hashlib.sha256((VENDOR / name).read_bytes()).hexdigest() == sha, name
