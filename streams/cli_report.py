"""`xinfeng report`: the credit report of one subject, as JSON, page or PDF."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from config import load
from models.uscc import normalise
from streams.cli_store import shards
from streams.options import InLang, PolicyFile, SettingsFile, StoreAny, Wrong, moment, put, say
from streams.report import report as make

KINDS = (".pdf", ".html", ".json")


def register(app: typer.Typer) -> None:
    """Add the command of this module."""
    app.command()(report)


def report(
    subject: Annotated[str, typer.Argument(metavar="SUBJECT", help="Its code (USCC).")],
    store: StoreAny,
    as_of: Annotated[str, typer.Option("--as-of", metavar="TIME", help="Date (its end) or "
                                       "RFC 3339; default: the log's clock.")] = "",
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE", help="A .pdf, .html or .json "
                                             "to write; default: JSON on standard output.")] = None,
    internal: Annotated[bool, typer.Option("--internal", help="With what may not be public.")
                        ] = False,
    policy: PolicyFile = None,
    settings: SettingsFile = None,
    lang: InLang = "zh",
) -> None:
    """The credit report of one subject: what may be public, each item with source and date.

    The same log and the same moment give the same bytes and the same number.
    """
    if out is not None and out.suffix not in KINDS:
        raise Wrong(f"--out {out}: must end in one of {', '.join(KINDS)}")
    as_of_ms = moment("--as-of", as_of) if as_of else None
    with shards(store, as_of_ms, settings) as shard_of:
        for key in dict.fromkeys((subject, normalise(subject))):
            shard = shard_of(key)
            found = shard and make(shard, key, shard.clock_ms, internal=internal)
            if found:
                break
        else:
            until = f" up to {as_of}" if as_of else ""
            raise Wrong(f"SUBJECT {subject}: the store knows nothing of it{until}")
    if out is None:
        put(found)
        return
    # Here, since the typesetter takes a third of a second to load.
    from console import report_file

    items = {row["id"]: row for row in load.items(policy)}
    out.write_bytes(report_file.written(found, out.suffix, lang, items))
    say(f"{out}: {found['number']}")
