"""`python -m servers up | down | status`: Kafka and Redis for development."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from servers import fetch
from servers.alertmanager import Alertmanager
from servers.fetch import say
from servers.kafka import Kafka
from servers.process import Server, ServerError, born, end
from servers.prometheus import Prometheus
from servers.redis import Redis

VARIABLES = {"kafka": "XINFENG_KAFKA", "redis": "XINFENG_REDIS"}
"""A server that the environment names is used, not started."""


@dataclass(frozen=True)
class Running:
    """A server that `up` has started. `born` tells its process from a later one with its pid."""

    pid: int
    born: str
    address: str

    def alive(self) -> bool:
        return born(self.pid) == self.born


class Cluster:
    """What `up` has started and `down` may stop, in `run.json` of a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file = folder / "run.json"

    def read(self) -> dict[str, Running]:
        try:
            return {name: Running(**entry)
                    for name, entry in json.loads(self.file.read_text("utf-8")).items()}
        except FileNotFoundError:
            return {}
        except (ValueError, TypeError) as err:
            raise ServerError(f"{self.file} cannot be read ({err}); stop what runs by hand, then "
                              "remove it") from err

    def write(self, running: dict[str, Running]) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        part = self.file.with_suffix(".part")
        part.write_text(json.dumps({name: asdict(entry) for name, entry in running.items()},
                                   indent=2) + "\n", "utf-8")
        part.rename(self.file)

    def up(self, wanted: list[Server]) -> dict[str, str]:
        """Name -> address of every server wanted. When one cannot start, those started here are
        stopped again."""
        running = {name: entry for name, entry in self.read().items() if entry.alive()}
        started: list[Server] = []
        addresses: dict[str, str] = {}
        try:
            for server in wanted:
                name = server.name
                given = os.environ.get(VARIABLES.get(name, ""))
                if given:
                    say(f"{name}: {given}, given by {VARIABLES[name]}")
                    addresses[name] = given
                elif name in running:
                    addresses[name] = running[name].address
                    say(f"{name}: already running on {addresses[name]}, "
                        f"process {running[name].pid}")
                else:
                    began = time.monotonic()
                    server.start()
                    started.append(server)
                    addresses[name] = server.address
                    running[name] = Running(server.pid, born(server.pid) or "", server.address)
                    self.write(running)
                    say(f"{name}: answers on {server.address} after "
                        f"{time.monotonic() - began:.1f} s, process {server.pid}, "
                        f"log {server.log}")
        except BaseException:
            for server in started:
                server.stop()
                del running[server.name]
            self.write(running)
            raise
        return addresses

    def down(self, wipe: bool) -> None:
        running = self.read()
        if not running:
            say("nothing to stop")
        for name, entry in reversed(running.items()):
            ended = end(entry.pid, entry.born)
            say(f"{name}: stopped process {entry.pid}" if ended
                else f"{name}: process {entry.pid} had ended already")
        self.file.unlink(missing_ok=True)
        data = self.folder / "data"
        if wipe:
            shutil.rmtree(data, ignore_errors=True)
            say("data removed")
        elif data.is_dir():
            say(f"data kept in {data} (--wipe removes it)")

    def status(self) -> int:
        running = self.read()
        for name, entry in running.items():
            print(f"{name:10}  {entry.address}  process {entry.pid}"
                  + ("" if entry.alive() else "  ended"))
        if not running:
            print("nothing is running")
        return 0 if running and all(entry.alive() for entry in running.values()) else 1


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m servers", description=__doc__)
    parser.add_argument("--folder", type=Path, default=fetch.ROOT,
                        help="data, logs and run.json of this cluster")
    commands = parser.add_subparsers(dest="command", required=True)
    up = commands.add_parser("up", help="start what is not running yet")
    up.add_argument("--kafka-port", type=int, default=9092)
    up.add_argument("--redis-port", type=int, default=6379)
    up.add_argument("--prometheus-port", type=int, default=9090)
    up.add_argument("--alertmanager-port", type=int, default=9093)
    down = commands.add_parser("down", help="stop what `up` has started")
    down.add_argument("--wipe", action="store_true", help="remove the data as well")
    commands.add_parser("status", help="exit code 0: all that was started is running")
    get = commands.add_parser("fetch", help="only get the programs")
    for command in (up, get):
        command.add_argument("--with", dest="extra", choices=[*fetch.EXTRA], action="append",
                             default=[], help="also this server")
    options = parser.parse_args()

    cluster = Cluster(options.folder.resolve())
    try:
        match options.command:
            case "up":
                data = cluster.folder / "data"
                wanted: list[Server] = [Redis(data / "redis", options.redis_port),
                                        Kafka(data / "kafka", options.kafka_port)]
                if "prometheus" in options.extra:
                    wanted.append(Prometheus(data / "prometheus", options.prometheus_port))
                if "alertmanager" in options.extra:
                    wanted.append(Alertmanager(data / "alertmanager", options.alertmanager_port))
                addresses = cluster.up(wanted)
                print(f"export XINFENG_KAFKA={addresses['kafka']}")
                print(f"export XINFENG_REDIS={addresses['redis']}")
            case "down":
                cluster.down(options.wipe)
            case "status":
                return cluster.status()
            case "fetch":
                fetch.everything(options.extra)
    except ServerError as err:
        say(str(err))
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
