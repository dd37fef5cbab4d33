"""Goal: a store of another schema is refused with one line and left as it is.

Method: a store is made, its schema set back, and opened for reading and for writing.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from storage.sqlite_store import SCHEMA_VERSION, SqliteStore, StoreError


@pytest.mark.parametrize("write", [True, False])
def test_another_schema(tmp_path: Path, write: bool) -> None:
    SqliteStore(tmp_path, write=True).close()
    with sqlite3.connect(tmp_path / "xinfeng.db") as db:
        db.execute("UPDATE meta SET value=1")
        db.execute("DROP TABLE answers")
    with pytest.raises(StoreError, match=rf"has schema 1, this program reads {SCHEMA_VERSION}; "
                                         "use the xinfeng that wrote it"):
        SqliteStore(tmp_path, write=write)
    with sqlite3.connect(tmp_path / "xinfeng.db") as db:
        assert not db.execute("SELECT 1 FROM sqlite_master WHERE name='answers'").fetchall()
        db.execute("UPDATE meta SET value=?", (SCHEMA_VERSION,))
    # The lock was let go, and half-made stores are made whole.
    SqliteStore(tmp_path, write=write).close()
