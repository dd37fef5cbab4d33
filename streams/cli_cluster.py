"""Commands of the distributed roles: topics, publish, intake, worker, console, view."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from config import channels as channels_
from config import load
from config.load import Settings
from dispatch.ledger import LedgerError
from storage.sqlite_store import StoreError, secret
from streams import logs, tables
from streams.options import AsJson, ChannelsFile, InLang, PolicyFile, SettingsFile, Wrong, put
from streams.progress import shown

if TYPE_CHECKING:
    from storage.kafka_topics import Wanted

MetricsPort = Annotated[int, typer.Option("--metrics-port", min=0, max=65_535,
                                          help="Serve Prometheus metrics there; 0 = do not.")]
MetricsHost = Annotated[str, typer.Option("--metrics-host", metavar="ADDRESS", help="Address to "
                                          "serve them on; without a password.")]
KeyFolder = Annotated[Path, typer.Option("--keys", metavar="DIR", help="Folder of pseudonym.key, "
                                         "unless XINFENG_PSEUDONYM_KEY gives the key.")]
_topics = typer.Typer(help="Kafka topics: create, check.", no_args_is_help=True)
_view = typer.Typer(help="The view in Redis: rebuild.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.add_typer(_topics, name="topics")
    app.add_typer(_view, name="view")
    for command in (publish, intake, worker, analyst, dispatcher, console, lag):
        app.command()(command)


def _wanted(settings: Settings) -> list[Wanted]:
    from storage import kafka_topics  # Kafka's clients take a third of a second to load.

    kafka = settings.kafka
    return kafka_topics.wanted(kafka, log=kafka.partitions, feed=kafka.feed_partitions,
                               by_producer=kafka.feed_time == "producer")


@_topics.command("create")
def topics_create(settings: SettingsFile = None, json: AsJson = False) -> None:
    """Make the topics that are missing, with the settings the system needs."""
    from storage import kafka_topics

    chosen = load.settings(settings)
    made = kafka_topics.create(chosen.kafka, _wanted(chosen), chosen.kafka.replication)
    if json:
        put({"created": made})
    else:
        typer.echo("\n".join(made) or "nothing to do")


@_topics.command("check")
def topics_check(settings: SettingsFile = None, json: AsJson = False) -> None:
    """Say which topics are missing or not as the settings want them; exit 2 if any."""
    from storage import kafka_topics

    chosen = load.settings(settings)
    wrong = list(kafka_topics.problems(chosen.kafka, _wanted(chosen)))
    if json:
        put({"problems": wrong})
    else:
        typer.echo("\n".join(wrong) or "all topics are as wanted")
    if wrong:
        raise typer.Exit(2)


def publish(
    files: Annotated[list[str], typer.Argument(metavar="FILE…", help="NDJSON; .gz; - = stdin.")],
    event_time: Annotated[bool, typer.Option("--event-time", help="Play history: each record gets "
                                             "the time of its event.")] = False,
    settings: SettingsFile = None,
    progress: Annotated[bool, typer.Option("--progress", help="Show progress on stderr.")] = False,
) -> None:
    """Write events to the Kafka feeds, as a department's own system would."""
    from streams.publish import publish as run

    chosen = load.settings(settings)
    for name in files:
        if name != "-" and not Path(name).is_file():
            raise Wrong(f"FILE {name}: there is no such file")
    if event_time and chosen.kafka.feed_time != "producer":
        raise Wrong("--event-time: needs kafka.feed_time = \"producer\" in the settings; with "
                    "\"broker\" the broker gives each record the present time")
    with shown(files, progress) as report:
        put(run(chosen.kafka, files, event_time=event_time, progress=report))


def intake(policy: PolicyFile = None, settings: SettingsFile = None,
           keys: KeyFolder = Path("var"), metrics_port: MetricsPort = 0,
           metrics_host: MetricsHost = "127.0.0.1") -> None:
    """Check the events of all feeds and write them to the log. Several may run: one works."""
    from streams.intake_role import serve

    serve(load.settings(settings), load.policy(policy) if policy else None, secret(keys),
          metrics_port, metrics_host)


def worker(settings: SettingsFile = None, metrics_port: MetricsPort = 0,
           metrics_host: MetricsHost = "127.0.0.1") -> None:
    """Fold partitions of the log. Run as many as there are cores, up to the partitions."""
    from streams.worker import serve

    serve(load.settings(settings), metrics_port, metrics_host)


def analyst(
    settings: SettingsFile = None, metrics_port: MetricsPort = 0,
    metrics_host: MetricsHost = "127.0.0.1",
    challengers: Annotated[bool, typer.Option(help="Compare other models with it.")] = True,
) -> None:
    """Look at the whole city: learn weights, find surges. One; without it history waits."""
    from streams.analyst import serve

    serve(load.settings(settings), metrics_port, metrics_host, challengers=challengers)


def dispatcher(settings: SettingsFile = None, channels: ChannelsFile = None,
               metrics_port: MetricsPort = 0, metrics_host: MetricsHost = "127.0.0.1") -> None:
    """Tell people and systems of alerts, and carry their answers back. One."""
    from streams.dispatcher_role import serve

    try:
        serve(load.settings(settings), channels_.channels(channels, os.environ), metrics_port,
              metrics_host)
    except LedgerError as error:
        raise StoreError(str(error)) from None


def console(
    host: Annotated[str, typer.Option("--host", help="Address to listen on.")] = "",
    port: Annotated[int | None, typer.Option("--port", min=0, max=65_535, help="0 = any.")] = None,
    policy: PolicyFile = None, settings: SettingsFile = None, keys: KeyFolder = Path("var"),
    channels: ChannelsFile = None,
) -> None:
    """The console and the HTTP API over the cluster."""
    from streams.console_role import serve

    logs.to_stderr()
    chosen = load.settings(settings)
    serve(chosen, load.policy(policy), policy, secret(keys), host=host or chosen.http.host,
          port=chosen.http.port if port is None else port,
          channels=channels_.channels(channels, os.environ))


def lag(settings: SettingsFile = None, json: AsJson = False, lang: InLang = "zh") -> None:
    """How far intake has read the feeds, and the workers the log, by partition."""
    from storage import kafka_topics

    rows = kafka_topics.lag(load.settings(settings).kafka)
    if json:
        for row in rows:
            put({**row._asdict(), "lag": row.end - row.done})
    else:
        tables.lag(rows, lang)


@_view.command("rebuild")
def view_rebuild(settings: SettingsFile = None) -> None:
    """Empty the view; the workers notice and fill it again from the log."""
    from redis.exceptions import RedisError

    from streams.connect import view_of

    try:
        view_of(load.settings(settings), patient=False).clear()
    except RedisError as error:
        raise StoreError(f"redis.url: {error}") from None
    typer.echo("emptied; the workers fold their partitions again from the log")


def site(settings: Path | None, policy: Path | None, workers: int, host: str,
         port: int | None, channels: Path | None = None) -> dict[str, list[str]]:
    """Arguments of each role of a small site on one machine."""
    given = ["--settings", str(settings)] if settings else []
    told = ["--channels", str(channels)] if channels else []
    ruled = ["--policy", str(policy)] if policy else []
    listening = [*(["--host", host] if host else []),
                 *(["--port", str(port)] if port is not None else [])]
    return {"intake": ["intake", *given, *ruled],
            **{f"worker-{n}": ["worker", *given] for n in range(1, workers + 1)},
            "analyst": ["analyst", *given],
            "dispatcher": ["dispatcher", *given, *told],
            "console": ["console", *given, *ruled, *told, *listening]}
