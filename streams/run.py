"""`xinfeng run`: the whole service in one process. The composition root of the embedded runner."""

from __future__ import annotations

import logging
import signal
import socket
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import uvicorn
from fastapi import FastAPI

from config import load
from config.channels import Channels
from config.districts import districts
from config.load import ConfigError, Settings
from config.measures import shipped
from console.answering import Read
from console.app import create_app
from console.receipts import Receive
from console.security import LOOPBACK
from console.service import Row, Service
from dispatch.ledger import LedgerError
from models.policy import Policy
from streams import deliveries, demo, folder, notifier, telling
from streams.answers import Answers, links
from streams.embedded import Embedded
from streams.options import wall_ms
from streams.patience import Patience
from streams.receipts import Receipts
from streams.service import EmbeddedService

_LOG = logging.getLogger("xinfeng.run")
Task: TypeAlias = Callable[[threading.Event], None]
LOCAL = ("127.0.0.1", "::1", "localhost")
GRACE_S = 5
"""How long open requests may take after the service was told to stop."""


class ServiceFailed(Exception):
    """A thread of the service failed, so that it had to stop."""


def serve(settings: Settings, policy: Policy | None, policy_path: Path | None,
          store: Path | None, *, host: str, port: int, with_demo: bool,
          channels: Channels | None = None) -> None:
    """Run until SIGINT or SIGTERM.

    Parameters
    ----------
    policy
        None = the one the store's log ends with.
    policy_path
        Where the names of its items stand in full; None = the default policy.
    store
        Folder; None = a temporary one that goes away with the process.
    channels
        How receivers are reached; None = nobody is told of anything.

    Raises
    ------
    ConfigError: nobody may listen there. StoreError: the store cannot be used. ServiceFailed: one
    of its threads could not go on.
    """
    check_host(settings, host)
    with listen(host, port) as server_socket, tempfile.TemporaryDirectory(
            prefix="xinfeng-") as made:
        runner = Embedded(
            store or Path(made), policy, oldest=settings.intake.time_oldest,
            ahead_max_s=settings.intake.time_ahead_max_s,
            envelope_events=settings.log.envelope_events,
            checkpoint_events=settings.log.checkpoint_events, challengers=True)
        player = None
        if with_demo:
            player = demo.Player(settings.demo, demo.first_day(runner.store, wall_ms()),
                                 runner.shard.clock_ms)
        service = EmbeddedService(runner, player.clock if player is not None else None)
        receive = read = None
        if channels is not None:
            made_links = links(runner.card.policy, channels)
            read = Answers(made_links) if made_links is not None else None
            receive = Receipts(runner.card.policy, channels, service.act, service.alert,
                               service.review)
        app = console_of(service, settings, policy_path, host, receive, read)
        work = _work(service, settings, player)
        policy = runner.card.policy
        if channels is not None and policy.notify is not None:
            work |= notifying(service, store or Path(made), policy, channels)
        _say(host, server_socket.getsockname()[1], store, with_demo)
        failed = until_stopped(app, server_socket, work)
        service.close()
        _LOG.info("msg=stopped offset=%d", runner.offset)
        if failed:
            raise ServiceFailed(", ".join(failed))


def _work(service: EmbeddedService, settings: Settings,
          player: demo.Player | None) -> dict[str, Task]:
    """What runs beside the web server, by name; each until its event is set."""
    if player is not None:
        work: dict[str, Task] = {"demo": lambda stop: player.play(service, stop)}
    else:
        work = {"tick": lambda stop: _tick(service, settings.log.tick_s, stop)}
    work["census"] = service.census.run
    if settings.intake.folder:
        watched = Path(settings.intake.folder)
        work["folder"] = lambda stop: folder.run(service, watched, stop)
    return work


def notifying(service: EmbeddedService, folder: Path, policy: Policy,
              channels: Channels) -> dict[str, Task]:
    """Whoever is to be told is told: what runs for that, by name.

    Raises
    ------
    ConfigError: the ledger or a channel cannot be used.
    """
    offset_ms = policy.utc_offset_min * 60_000

    def post(event: Row) -> list[str]:
        return [str(x.reason.get("message", "")) for x in service.act(event).rejected]

    try:
        held = notifier.dispatcher(folder / notifier.LEDGER, policy, channels)
    except LedgerError as error:
        raise ConfigError(f"--store {folder}: {error}") from None
    made = notifier.Notifier(held, post, service.say, lambda: telling.firing(folder, offset_ms))
    told = telling.Told(folder, offset_ms)
    telling.begin(told, held)
    service.with_metrics(made.metrics)
    ask = deliveries.of(held.ledger)
    service.with_deliveries(lambda: (ask, "here"))
    return {"tell": lambda stop: telling.run(told, held, stop), "deliver": made.deliver,
            "report": made.report, "audit": made.audit}


def until_stopped(app: FastAPI, server_socket: socket.socket, work: dict[str, Task]) -> list[str]:
    """Serve until a signal comes or a task fails; what failed."""
    server = uvicorn.Server(uvicorn.Config(
        app, log_config=None, access_log=False, lifespan="off", server_header=False,
        timeout_graceful_shutdown=GRACE_S, http=Patience))
    stop = threading.Event()
    failed: list[str] = []

    def leave(*_: object) -> None:
        stop.set()
        app.state.streams.close()
        server.should_exit = True

    def guarded(name: str, task: Task) -> None:
        """A thread's outermost frame: what escapes it stops the service."""
        try:
            task(stop)
        except Exception as error:
            _LOG.exception('msg="thread failed, the service stops" thread=%s', name)
            failed.append(f"{name}: {error}")
            leave()

    # Uvicorn listens to signals only while it serves; the checkpoint after it counts too.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, leave)
    server.handle_exit = leave  # type: ignore[method-assign,assignment]
    threads = [threading.Thread(target=guarded, args=each, name=each[0], daemon=True)
               for each in work.items()]
    for thread in threads:
        thread.start()
    server.run(sockets=[server_socket])
    leave()
    for thread in threads:
        thread.join(GRACE_S)
    return failed


def check_host(settings: Settings, host: str) -> None:
    """
    Raises
    ------
    ConfigError: others could reach it without a token.
    """
    if host not in LOCAL and not settings.http.token:
        raise ConfigError(f"--host {host}: listening beyond this machine needs http.token (or "
                          f"XINFENG_TOKEN); allowed without one: {', '.join(LOCAL)}")


def console_of(service: Service, settings: Settings, policy_path: Path | None, host: str,
               receive: Receive | None = None, answers: Read | None = None) -> FastAPI:
    """The console over a service, for `host`."""
    return create_app(
        service, token=settings.http.token or None,
        allow_hosts=[*LOOPBACK, *settings.http.hosts, f"[{host}]" if ":" in host else host],
        items={row["id"]: row for row in load.items(policy_path)}, measures=shipped(),
        districts=districts(policy_path), answers=answers,
        body_bytes_max=settings.intake.body_max_bytes, receive=receive)


def listen(host: str, port: int) -> socket.socket:
    """A socket to serve from.

    Raises
    ------
    ConfigError: nobody may listen there, or somebody does already.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=512)
    except (OSError, OverflowError) as error:
        raise ConfigError(f"--host {host} --port {port}: cannot listen: {error}") from None


def _say(host: str, port: int, store: Path | None, with_demo: bool) -> None:
    name = f"[{host}]" if ":" in host else host
    what = ("演示：播放模拟城市的信用事件 / playing a simulated city" if with_demo else
            "等待事件：HTTP 与文件夹 / waiting for events by HTTP and folder")
    where = f"store {store}" if store else "in a temporary folder"
    sys.stdout.write(f"http://{name}:{port}/\n信风 {what} ({where}); Ctrl-C 停止\n")
    sys.stdout.flush()


def _tick(service: EmbeddedService, every_s: int, stop: threading.Event) -> None:
    while not stop.wait(every_s):
        service.tick()
