"""Commands on a store: process, advance, show, alerts, reviews, rejects, models, digest."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
import typer

from config import load
from models.uscc import normalise
from storage.sqlite_store import SqliteStore, StoreError
from streams import batch, tables
from streams import digest as digests
from streams.embedded import Embedded, restore
from streams.options import (
    AsJson,
    InLang,
    PolicyFile,
    SettingsFile,
    StoreAny,
    StoreDir,
    StoreMaybe,
    Strict,
    Wrong,
    choose_policy,
    existing,
    is_url,
    moment,
    put,
)
from streams.pipeline import Shard
from streams.progress import shown
from streams.reader import Reader, policy_of
from streams.rows import Row
from streams.show import describe, fold, iso_ms
from streams.view import View

if TYPE_CHECKING:
    from streams.redis_reader import RedisReader

State = Literal["pending", "firing", "acknowledged", "resolved", "closed"]
Limit = Annotated[int | None, typer.Option("--limit", min=1, metavar="N",
                                           help="Rows at most [50 in a table, else all].")]
PAGE = 1_000
TABLE_ROWS = 50


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    for command in (process, advance, show, alerts, reviews, rejects, models, digest):
        app.command()(command)


def process(
    files: Annotated[list[str], typer.Argument(metavar="FILE…", help="NDJSON; .gz; - = stdin.")],
    store: StoreMaybe = None,
    policy: PolicyFile = None,
    settings: SettingsFile = None,
    strict: Strict = False,
    progress: Annotated[bool, typer.Option("--progress", help="Show progress on stderr.")] = False,
    json: Annotated[bool, typer.Option("--json", hidden=True)] = False,
) -> None:
    """Read events from files, run everything in event time, print one JSON summary.

    Without --store nothing is kept.
    """
    for name in files:
        if name != "-" and not Path(name).is_file():
            raise Wrong(f"FILE {name}: there is no such file")
    chosen = load.settings(settings)
    runner = Embedded(store, choose_policy(store, policy), oldest=chosen.intake.time_oldest,
                      ahead_max_s=chosen.intake.time_ahead_max_s,
                      envelope_events=chosen.log.envelope_events,
                      checkpoint_events=chosen.log.checkpoint_events)
    with closing(runner), shown(files, progress) as report:
        try:
            summary = batch.process(runner, files, jump_max_d=chosen.intake.time_jump_max_d,
                                    progress=report)
            if report is not None:
                report(summary["events"], None)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            packed = ", ".join(name for name in files if name.endswith(".gz"))
            raise Wrong(f"FILE {packed}: cannot be read to its end: {error}") from None
    put(summary)
    if strict and summary["rejected"]:
        raise typer.Exit(3)


def advance(
    store: StoreDir,
    to: Annotated[str, typer.Option("--to", metavar="TIME", help="Date (its end) or RFC 3339.")],
    json: AsJson = False,
) -> None:
    """Let time pass without events: fires what falls due."""
    to_ms = moment("--to", to)
    with closing(Embedded(existing(store), None)) as runner:
        runner.tick(to_ms)
        made: dict[str, Any] = {"clock": iso_ms(runner.shard.clock_ms), "alerts": dict(sorted(
            runner.opened.items())), "reviews": runner.reviews_opened, "digest": runner.digest()}
    if json:
        put(made)
    else:
        opened = ", ".join(f"{rule} {count}" for rule, count in made["alerts"].items()) or "–"
        typer.echo(f"{made['clock']}  {opened}")


def show(
    subject: Annotated[str, typer.Argument(metavar="SUBJECT", help="Its code (USCC).")],
    store: StoreAny,
    as_of: Annotated[str, typer.Option("--as-of", metavar="TIME", help="Date (its end) or "
                                       "RFC 3339; default: the log's clock.")] = "",
    settings: SettingsFile = None,
    json: AsJson = False,
    lang: InLang = "zh",
) -> None:
    """Everything concluded about one subject, with the facts behind each number.

    The past of a store in Redis is read from the log on Kafka, which the settings name.
    """
    as_of_ms = moment("--as-of", as_of) if as_of else None
    with shards(store, as_of_ms, settings) as shard_of:
        for key in dict.fromkeys((subject, normalise(subject))):
            shard = shard_of(key)
            found = shard and describe(shard, key, shard.clock_ms)
            if shard is not None and found:
                break
        else:
            until = f" up to {as_of}" if as_of else ""
            raise Wrong(f"SUBJECT {subject}: the store knows nothing of it{until}")
        assert shard.timeline is not None
        if json:
            put(found)
        else:
            items = {i.id: {"item": i.item, "department": i.department}
                     for i in shard.timeline.last.policy.items}
            tables.subject(found, lang, items)


def alerts(
    store: StoreAny,
    rule: Annotated[str | None, typer.Option("--rule", help="Only this rule.")] = None,
    state: Annotated[State | None, typer.Option("--state", help="Only this state.")] = None,
    level: Annotated[Literal["blue", "yellow", "orange", "red"] | None,
                     typer.Option("--level", help="Only this level.")] = None,
    subject: Annotated[str | None, typer.Option("--subject", help="Only this subject.")] = None,
    limit: Limit = None,
    json: AsJson = False,
    lang: InLang = "zh",
) -> None:
    """Alerts, newest first."""
    with _view(store) as view:
        _print(lambda n, before: view.alerts(rule=rule, state=state, level=level,
                                               subject=subject, limit=n, before=before),
               limit, json, lang, tables.alerts)


def reviews(
    store: StoreAny,
    state: Annotated[Literal["open", "closed"] | None,
                     typer.Option("--state", help="Only this state.")] = None,
    case: Annotated[str, typer.Option("--case", metavar="ID", help="One review whole: grades, "
                                      "evidence, tasks, history.")] = "",
    statistics: Annotated[bool, typer.Option("--statistics", help="Outcomes and disagreement for "
                                             "every two departments.")] = False,
    limit: Limit = None,
    json: AsJson = False,
    lang: InLang = "zh",
) -> None:
    """Reviews of grade gaps, newest first."""
    if case and statistics:
        raise Wrong(f"--case {case}: not together with --statistics")
    with _view(store) as view:
        if case or statistics:
            # Here, since it reads the ledger of deliveries, whose modules few commands need.
            from streams import cli_reviews

            with shards(store, None, None) as shard_of:
                cli_reviews.tell(view, shard_of, store, case, limit or TABLE_ROWS, json, lang)
            return
        _print(lambda n, before: view.reviews(state=state, limit=n, before=before),
               limit, json, lang, tables.reviews)


def rejects(store: StoreAny, limit: Limit = None, json: AsJson = False,
            lang: InLang = "zh") -> None:
    """Dead letters, newest first: what was refused, where it came from, and why."""
    with _view(store) as view:
        if json:
            for row in view.rejects(limit=limit or -1):
                put(row)
        else:
            rows = view.rejects(limit=(limit or TABLE_ROWS) + 1)
            tables.rejects(rows[: limit or TABLE_ROWS], lang,
                           more=len(rows) > (limit or TABLE_ROWS))


def models(store: StoreAny, json: AsJson = False, lang: InLang = "zh") -> None:
    """How well the learned scorecard forecasts, against what else would, and where."""
    with _view(store) as view:
        report = view.models()
    if report is None:
        raise StoreError(f"--store {store}: nothing was analysed yet")
    if json:
        put(report)
    else:
        tables.models(report, lang)


def digest(store: StoreAny, json: AsJson = False) -> None:
    """One hash of the whole state, equal for equal logs on any runner."""
    if is_url(store):
        with _redis_reader(store) as view:
            made: Row = {"digest": view.digest(), "offset": view.standing().offset}
    else:
        with closing(SqliteStore(Path(store), write=False)) as held:
            shard, _, offset, _ = restore(held)
        made = {"digest": digests.total([shard]), "offset": offset}
    if json:
        put(made)
    else:
        typer.echo(made["digest"])


@contextmanager
def _redis_reader(url: str) -> Iterator[RedisReader]:
    """The view at an address."""
    # Here, since its client takes a tenth of a second to load.
    from streams.redis_reader import opened

    with opened(url) as reader:
        yield reader


@contextmanager
def _view(store: str) -> Iterator[View]:
    if is_url(store):
        with _redis_reader(store) as reader:
            yield reader
        return
    with closing(SqliteStore(Path(store), write=False)) as held:
        yield Reader(held, policy_of(held) or load.policy())


@contextmanager
def shards(store: str, as_of_ms: int | None,
            settings: Path | None) -> Iterator[Callable[[str], Shard | None]]:
    """Gives a shard that holds a subject, or none; at a moment [epoch ms] or at the clock."""
    if not is_url(store):
        with closing(SqliteStore(Path(store), write=False)) as held:
            yield lambda subject: fold(held, subject, as_of_ms)
        return
    if as_of_ms is not None:
        from storage.kafka_log import KafkaLog
        from streams.past import past

        kafka, prefix = load.settings(settings).kafka, store.partition("#")[2]
        if prefix:
            kafka = msgspec.structs.replace(kafka, prefix=prefix)
        with closing(KafkaLog(kafka, patient=False)) as log:
            yield lambda subject: past(log, subject, as_of_ms)
        return
    with _redis_reader(store) as reader:
        yield reader.shard_of


def _print(page: Callable[[int, str | None], list[Any]], limit: int | None, json: bool,
           lang: str, table: Callable[..., None]) -> None:
    """Rows of a paged query: all of them as JSON, the first ones as a table."""
    if not json:
        most = limit or TABLE_ROWS
        rows = page(most + 1, None)
        table(rows[:most], lang, more=len(rows) > most)
        return
    before, left = None, limit
    while True:
        rows = page(PAGE if left is None else min(PAGE, left), before)
        for row in rows:
            put(row)
        if left is not None:
            left -= len(rows)
        if len(rows) < PAGE or left == 0:
            return
        before = rows[-1]["id"]
