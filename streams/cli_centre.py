"""Commands of the centre on a store: departments."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Annotated

import typer

from config import load
from console.ranking_csv import ranking
from models.departments import numbered
from storage.sqlite_store import SqliteStore, StoreError
from streams import tables
from streams.census import Census, Held
from streams.census_embedded import EmbeddedHeld
from streams.centre import departments_of
from streams.embedded import restore
from streams.options import AsJson, InLang, StoreAny, Wrong, is_url, put
from streams.reader import Reader, policy_of


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command()(departments)


def departments(
    store: StoreAny,
    quarter: Annotated[str, typer.Option("--quarter", metavar="QUARTER", help="As 2026Q3; default: "
                                         "the quarter of the log's clock.")] = "",
    csv: Annotated[bool, typer.Option("--csv", help="Print CSV for Excel.")] = False,
    json: AsJson = False,
    lang: InLang = "zh",
) -> None:
    """The quarterly ranking of departments, and what it is made of."""
    if quarter and numbered(quarter) is None:
        raise Wrong(f"--quarter {quarter}: must be a year and a quarter (2026Q3)")
    if csv and json:
        raise Wrong("--csv, --json: give one of them")
    with _held(store) as held:
        census = Census(held)
        census.walk()
    if census.table is None:
        raise StoreError(f"--store {store}: holds no policy yet")
    found = departments_of(census.table, quarter)
    if csv:
        sys.stdout.buffer.write(ranking(found, lang).encode())
        sys.stdout.buffer.flush()
    elif json:
        put(found)
    else:
        tables.departments(found, lang)


@contextmanager
def _held(store: str) -> Iterator[Held]:
    if is_url(store):
        # Here, since its client takes a tenth of a second to load.
        from streams.census_redis import RedisHeld
        from streams.redis_reader import opened

        with opened(store) as view:
            yield RedisHeld(view)
        return
    with closing(SqliteStore(Path(store), write=False)) as held:
        shard, analysis, _, _ = restore(held)
        reader = Reader(held, policy_of(held) or load.policy())
        yield EmbeddedHeld(shard, analysis, reader, threading.Lock())
