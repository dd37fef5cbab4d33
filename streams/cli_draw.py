"""`xinfeng draw`: businesses drawn by lot for an inspection, more often where the record is bad."""

from __future__ import annotations

import getpass
import sys
import urllib.parse
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from config import load
from console import draws_csv
from console.service import Unfit
from models.calendar import DAY_MS
from storage.sqlite_store import SqliteStore, StoreError
from streams import draw_again, draw_tables, draws, progress
from streams.cli_act import URL, post
from streams.embedded import Embedded
from streams.options import AsJson, InLang, Lang, StoreMaybe, Wrong, existing, moment, put
from streams.reader import Reader, policy_of
from streams.service import EmbeddedService

Row = dict[str, Any]
DIFFERS = 3
"""Exit code where a draw comes out otherwise than the log says."""


def register(app: typer.Typer) -> None:
    """Add the command of this module."""
    app.command()(draw)


def draw(
    item: Annotated[str, typer.Option("--item", help="Of the catalogue: what is inspected.")] = "",
    count: Annotated[int, typer.Option("--count", help="How many are drawn; 0 = count the pool "
                                       "only.")] = -1,
    seed: Annotated[str, typer.Option("--seed", help="Agreed on or drawn in public beforehand.")
                    ] = "",
    district: Annotated[str, typer.Option("--district", help="Code; default: the whole city.")
                        ] = "",
    actor: Annotated[str, typer.Option("--actor", help="Who orders it; default: who is logged in.")
                     ] = "",
    note: Annotated[str, typer.Option("--note", help="What for, or why.")] = "",
    as_of: Annotated[str, typer.Option("--as-of", metavar="TIME", help="Show what the draw would "
                                       "have been then; nothing is recorded. With --store.")] = "",
    check: Annotated[str, typer.Option("--check", metavar="DRAW", help="Do a recorded draw again "
                                       "from the log, and compare. With --store.")] = "",
    release: Annotated[str, typer.Option("--release", metavar="DRAW", help="Let go who was drawn "
                                         "and not inspected; --note says why.")] = "",
    url: Annotated[str, typer.Option("--url", help=f"The running service [{URL}].")] = "",
    store: StoreMaybe = None,
    csv: Annotated[bool, typer.Option("--csv", help="Print the list as CSV, as the page has it.")
                   ] = False,
    json: AsJson = False,
    lang: InLang = "zh",
) -> None:
    """Draw businesses for an inspection by lot, stratified by grade, with everybody's chance.

    Recorded, unless --as-of asks about the past. The same item, count, seed and district on the
    same day are the same draw.
    """
    if store is not None and url:
        raise Wrong("--store and --url: one of them")
    if (as_of or check) and store is None:
        raise Wrong(f"--{'check' if check else 'as-of'}: needs --store, the log is read again")
    if csv and json:
        raise Wrong("--csv, --json: give one of them")
    who = actor or getpass.getuser()
    if check:
        assert store is not None
        _check(existing(store), check, json)
        return
    if release:
        if not note:
            raise Wrong("--note: must say why they are let go")
        _show(_release(store, url, release, who, note), csv, json, lang)
        return
    for option, missing in (("--item", not item), ("--count", count < 0), ("--seed", not seed)):
        if missing:
            raise Wrong(f"{option}: is missing, or below 0")
    try:
        if as_of:
            assert store is not None
            made = _then(existing(store), item, count, seed, district, who, note,
                         moment("--as-of", as_of))
        elif store is None:
            made = post(f"{(url or URL).rstrip('/')}/api/v1/draws", {
                "item": item, "count": count, "seed": seed, "actor": who,
                **({"district": district} if district else {}), **({"note": note} if note else {})})
        else:
            with closing(EmbeddedService(Embedded(existing(store), None))) as service:
                made = service.order_draw(item, count, seed, who, district=district, note=note)
    except Unfit as wrong:
        raise Wrong(f"--{wrong}") from None
    _show(made, csv, json, lang)


def _show(made: Row, csv: bool, json: bool, lang: Lang) -> None:
    if csv:
        sys.stdout.buffer.write(draws_csv.drawn_list(made, lang).encode())
        sys.stdout.buffer.flush()
    elif json:
        put(made)
    else:
        draw_tables.draw(made, lang)


def _release(store: Path | None, url: str, draw_id: str, who: str, note: str) -> Row:
    if store is None:
        return post(f"{(url or URL).rstrip('/')}/api/v1/draws/"
                    f"{urllib.parse.quote(draw_id, safe='')}/release",
                    {"actor": who, "reason": note})
    try:
        with closing(EmbeddedService(Embedded(existing(store), None))) as service:
            made = service.release_draw(draw_id, who, note)
    except Unfit as wrong:
        raise Wrong(f"--{wrong}") from None
    if made is None:
        raise Wrong(f"--release {draw_id}: there is no such draw")
    return made


@contextmanager
def _log(folder: Path) -> Iterator[tuple[SqliteStore, Reader]]:
    with closing(SqliteStore(folder, write=False)) as store:
        yield store, Reader(store, policy_of(store) or load.policy())


def _then(folder: Path, item: str, count: int, seed: str, district: str, who: str, note: str,
          until_ms: int) -> Row:
    """What the draw would have been at a moment."""
    with _log(folder) as (store, reader), progress.folding() as folded:
        draws.check(item, count, seed, who, district, note, reader.items, reader.districts())
        order = draws.order(item, count, seed, who, district, note, clock_ms=until_ms,
                            day=(until_ms + reader.offset_ms) // DAY_MS)
        pooled = draw_again.pool_at(store, order, until_ms, folded)
    if pooled is None:
        raise StoreError(f"--store {folder}: held nothing at that time")
    made = draws.outcome([pooled])
    return {**draws.draw_row([pooled], made, [], reader.items, complete=True),
            "picked": draws.picked_rows(made, [])}


def _check(folder: Path, draw_id: str, json: bool) -> None:
    """Compare a draw with itself, done again.

    Raises
    ------
    typer.Exit: with 3 where they differ.
    """
    with _log(folder) as (store, reader), progress.folding() as folded:
        found = draw_again.check(store, reader, draw_id, folded)
    if found is None:
        raise Wrong(f"--check {draw_id}: the log has no such order")
    if json:
        put({"draw": draw_id, "item": found.order.item, "count": found.order.count,
             "seed": found.order.seed, "drawn": found.drawn, "again": found.again,
             "differ": found.differ})
    else:
        typer.echo(f"{draw_id}: {found.drawn} drawn, {found.again} drawn again from the log, "
                   f"{len(found.differ)} differ")
        for code in found.differ:
            typer.echo(code)
    if found.differ:
        raise typer.Exit(DIFFERS)
