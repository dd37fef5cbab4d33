"""The `xinfeng` command: its entry point, and the commands that need no store.

Exit codes: 0 done, 1 a failure of the system, 2 wrong usage or configuration, 3 with `--strict`
when anything was rejected. Errors are one line on standard error.
"""

from __future__ import annotations

import datetime as dt
import gzip
import json as json_
import os
import sys
import traceback
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import IO, Annotated

import msgspec
import typer
from typer.exceptions import TyperException

from config import channels as channels_
from config import load
from config.load import ConfigError
from config.measures import shipped
from models.policy import digest as policy_digest
from models.policy import encode
from storage.sqlite_store import StoreError
from streams import (
    batch,
    cli_act,
    cli_centre,
    cli_cluster,
    cli_draw,
    cli_notify,
    cli_replay,
    cli_report,
    cli_store,
    importer,
    logs,
    supervise,
)
from streams.embedded import Embedded
from streams.importer import Converted, MappingError, SheetError
from streams.options import (
    AsJson,
    ChannelsFile,
    PolicyFile,
    SettingsFile,
    StoreMaybe,
    Strict,
    Wrong,
    choose_policy,
    put,
    say,
    wall_ms,
)
from streams.simulate import city, truth

_INTERRUPTED = 130
app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None,
                  help="信风: rolling credit scores, grades, grade gaps and early warnings.")
cli_store.register(app)
cli_replay.register(app)
cli_report.register(app)
cli_cluster.register(app)
cli_notify.register(app)
cli_act.register(app)
cli_centre.register(app)
cli_draw.register(app)


@app.command()
def run(
    demo: Annotated[bool, typer.Option("--demo", help="Play a simulated city.")] = False,
    host: Annotated[str, typer.Option("--host", help="Address to listen on.")] = "",
    port: Annotated[int | None, typer.Option("--port", min=0, max=65_535, help="0 = any.")] = None,
    store: StoreMaybe = None,
    policy: PolicyFile = None,
    settings: SettingsFile = None,
    distributed: Annotated[bool, typer.Option("--distributed", help="All roles on Kafka and Redis, "
                                              "as processes of their own.")] = False,
    workers: Annotated[int, typer.Option("--workers", min=1, max=64, help="With --distributed."
                                         )] = 2,
    channels: ChannelsFile = None,
) -> None:
    """The whole service in one process: feeds by HTTP and folder, console, metrics.

    Without --store the data goes away with the process.
    """
    # Here, since the web server takes half a second to load.
    from streams.run import serve

    logs.to_stderr()
    chosen = load.settings(settings)
    if distributed:
        if demo or store is not None:
            raise Wrong("--distributed: has its data in Kafka and Redis; leave --demo and --store "
                        "out")
        supervise.run(cli_cluster.site(settings, policy, workers, host, port, channels))
        return
    if demo and channels is not None:
        raise Wrong("--channels: nobody is told of a simulated city; leave --demo out")
    serve(chosen, choose_policy(store, policy), policy, store, host=host or chosen.http.host,
          port=chosen.http.port if port is None else port, with_demo=demo,
          channels=None if demo else channels_.channels(channels, os.environ))


@app.command("check-config")
def check_config(policy: PolicyFile = None, settings: SettingsFile = None,
                 channels: ChannelsFile = None, json: AsJson = False) -> None:
    """Say what was read, and what is wrong with it."""
    read, chosen = load.policy(policy), load.settings(settings)
    receivers = {r.id for r in read.notify.receivers} if read.notify else set()
    reached = channels_.channels(channels, os.environ, receivers)
    today = dt.date.today()
    warnings = []
    if read.calendar.covered_to < today + dt.timedelta(days=30):
        warnings.append(f"catalogue.calendar_years: holidays are known up to "
                        f"{read.calendar.covered_to}; days after it count as Monday to Friday")
    if not reached.channel:
        warnings.append("channel.enabled: none is on; nobody is told of anything outside the "
                        "console")
    made = {
        "policy": {"file": str(policy or load.POLICY), "version": read.version,
                   "hash": policy_digest(encode(read)), "items": len(read.items),
                   "departments": len({i.department for i in read.items}),
                   "devices": len(read.devices), "measures": len(shipped()),
                   "subject_scheme": read.subject_scheme,
                   "calendar_to": read.calendar.covered_to.isoformat()},
        "settings": {"file": str(settings or load.SETTINGS), "http": f"{chosen.http.host}:"
                     f"{chosen.http.port}", "token": bool(chosen.http.token),
                     "folder": chosen.intake.folder, "tick_s": chosen.log.tick_s},
        "channels": {"file": str(channels or channels_.CHANNELS), "receivers": len(receivers),
                     "on": len(reached.channel)},
        "warnings": warnings,
    }
    if json:
        put(made)
        return
    for part in ("policy", "settings", "channels"):
        values = msgspec.to_builtins(made[part])
        typer.echo(f"{part}: " + " ".join(f"{k}={v}" for k, v in values.items()))
    for line in warnings:
        typer.echo(f"warning: {line}")


@app.command()
def simulate(
    subjects: Annotated[int, typer.Option("--subjects", min=1, max=10_000_000)] = 1_000,
    days: Annotated[int, typer.Option("--days", min=1, max=3_650)] = 365,
    seed: Annotated[int, typer.Option("--seed", min=0)] = 1,
    city_: Annotated[str, typer.Option("--city", help="chongqing")] = "chongqing",
    start: Annotated[str, typer.Option("--start", metavar="DATE", help="First day.")] = (
        "2025-10-01"),
    out: Annotated[str, typer.Option("--out", metavar="FILE", help="- = stdout; .gz packs.")] = "-",
    truth_: Annotated[Path | None, typer.Option("--truth", metavar="FILE", help="Labels.")] = None,
    iot: Annotated[bool, typer.Option("--iot/--no-iot", help="With device readings.")] = True,
) -> None:
    """A synthetic city, the same for the same arguments: events, and labels of the bad actors."""
    if city_ != "chongqing":
        raise Wrong(f"--city {city_}: must be chongqing")
    try:
        first = dt.date.fromisoformat(start)
    except ValueError:
        raise Wrong(f"--start {start}: must be a date such as 2025-10-01") from None
    if truth_ is not None:
        with _writing(str(truth_)) as file:
            for label in truth(subjects, days, seed, first):
                file.write(json_.dumps(label).encode() + b"\n")
    with _writing(out) as file:
        for raw in city(subjects, days, seed, first, iot):
            file.write(raw + b"\n")


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(metavar="FILE", help=".csv, .csv.gz, .tsv or .xlsx.")],
    map_: Annotated[Path, typer.Option("--map", metavar="MAP.toml", help="How its columns read.")],
    type_: Annotated[str, typer.Option("--type", help="Event type of its rows.")] = "",
    out: Annotated[str, typer.Option("--out", metavar="FILE", help="- = stdout.")] = "-",
    store: StoreMaybe = None,
    policy: PolicyFile = None,
    strict: Strict = False,
    json: Annotated[bool, typer.Option("--json", help="Row errors as JSON lines.")] = False,
) -> None:
    """Rows of a spreadsheet to events: printed as NDJSON, or straight into a store."""
    for option, path in (("FILE", file), ("--map", map_)):
        if not path.is_file():
            raise Wrong(f"{option} {path}: there is no such file")
    mapping = importer.load_mapping(map_)
    rows = importer.read_rows(file, mapping.sheet, mapping.header_row)
    skipped: Counter[str] = Counter()
    failed = Counter[str]()
    events = _events(importer.convert(rows, mapping, type_, skipped), failed, json)
    rejected = 0
    if store is None:
        with _writing(out) as target:
            for raw in events:
                target.write(raw + b"\n")
    else:
        with closing(Embedded(store, choose_policy(store, policy))) as runner:
            feed = batch.Feed(runner, str(file), wall_ms())
            counts = runner.shard.counts
            before = counts.accepted, counts.duplicates
            for raw in events:
                feed.put(raw)
            feed.flush()
            taken = counts.accepted - before[0], counts.duplicates - before[1]
        rejected = feed.events - sum(taken)
        put({"events": feed.events, "accepted": taken[0], "duplicates": taken[1],
             "rejected": rejected, "rows_failed": failed["rows"], "rows_skipped": dict(skipped)})
    say(f"{file.name}: {failed['events']} rows became events, {failed['rows']} failed, "
        f"{sum(skipped.values())} left out")
    if strict and (failed["rows"] or rejected):
        raise typer.Exit(3)


def _events(converted: Iterator[Converted], failed: Counter[str], as_json: bool) -> Iterator[bytes]:
    for row in converted:
        if row.event is not None:
            failed["events"] += 1
            yield msgspec.json.encode(row.event)
        elif row.error is not None:
            failed["rows"] += 1
            if as_json:
                found = {"row": row.row, **msgspec.to_builtins(row.error)}
                say(msgspec.json.encode(found).decode())
            else:
                say(f"row {row.row}: {row.error.message}")


@contextmanager
def _writing(name: str) -> Iterator[IO[bytes]]:
    """A file to write: `-` is standard output, `.gz` is packed (without the time of day)."""
    if name == "-":
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    try:
        with Path(name).open("wb") as file:
            if name.endswith(".gz"):
                with gzip.GzipFile("", "wb", fileobj=file, mtime=0) as packed:
                    yield packed  # type: ignore[misc]
            else:
                yield file
    except OSError as error:
        raise Wrong(f"{name}: cannot be written: {error.strerror}") from None


def invoke(arguments: Sequence[str]) -> int:
    """Run one command; its exit code."""
    try:
        code = app(list(arguments) or ["--help"], prog_name="xinfeng", standalone_mode=False) or 0
        if code == _INTERRUPTED:
            say("xinfeng: interrupted")
            return 1
        return int(code)
    except TyperException as error:
        say(f"xinfeng: {error.format_message()}")
        return error.exit_code
    except (ConfigError, StoreError, MappingError, SheetError, Wrong) as error:
        say("xinfeng: " + " ".join(str(error).split("\n")))
        return 2
    except SystemExit:
        # Typer's answer when whoever read our output has gone: nothing is left to do.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 0
    except (OSError, EOFError, zlib.error) as error:
        say(f"xinfeng: {error}")
        return 1
    except Exception as error:
        # The outermost frame: what gets here is a bug, and the process ends.
        if os.environ.get("XINFENG_TRACEBACK"):
            traceback.print_exc()
        say(f"xinfeng: {type(error).__name__}: {error} (XINFENG_TRACEBACK=1 shows where)")
        return 1


def main() -> None:
    """Entry point of the `xinfeng` script."""
    sys.exit(invoke(sys.argv[1:]))


if __name__ == "__main__":
    main()
