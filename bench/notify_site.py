"""Alerts of real events, told to receivers: a service or a cluster from end to end.

    python -m bench.notify_site latency --alerts 4000 --rate 200                   embedded
    python -m bench.notify_site latency --alerts 4000 --rate 200 --distributed     Kafka and Redis
    python -m bench.notify_site kill --alerts 100000 --receivers 50 --kills 30 [--distributed]

Data: made-up businesses, each registered and with a promise that is long overdue: one alert each,
for the system of the department that has its item. In the kill test receivers fail before or
after they processed a message, are slow, answer twice, acknowledge in their answers, and the
processes are killed.
"""

from __future__ import annotations

import argparse
import datetime as dt
import http.client
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.notify import DUPLICATES_MAX, Server, few
from bench.receivers import SECRET, Behaviour, Receivers
from bench.site import ROOT, XINFENG, Site
from config import load
from models import uscc
from servers.process import free_port

HARM: tuple[dict[str, Any], ...] = (
    {"fail": 0.05, "late": 0.02, "ack": "王工"}, {"slow_ms": 2}, {"twice": True},
    {"fail": 0.02, "late": 0.02}, {"hang": 0.001}, {"mute": 0.001, "fail": 0.01})
BATCH = 20
LIMIT_S = 120.0
GAPS = 3
"""Exit code of `audit` where it finds any."""
OFFSET = dt.timezone(dt.timedelta(hours=8))


def departments(count: int) -> list[tuple[str, str]]:
    """So many departments, each with an item of its own."""
    found: dict[str, str] = {}
    for row in load.items():
        found.setdefault(row["department"], row["id"])
    return list(found.items())[:count]


def configure(folder: Path, receivers: int, port: int) -> tuple[Path, Path]:
    """Policy and channels with so many departments' systems."""
    folder.mkdir(parents=True, exist_ok=True)
    names = [name for name, _ in departments(receivers)]
    # Of more receivers than departments some share one: then each is told of its alerts.
    rows = [f"r{n},{names[n % len(names)]} {n},department,{names[n % len(names)]},,,system,zh"
            for n in range(receivers)]
    (folder / "receivers.csv").write_text("\n".join((
        "id,name,role,department,district,kinds,mode,language", *rows,
        "centre,中心,centre,,,,people,zh")) + "\n", "utf-8")
    policy, channels = folder / "site-policy.toml", folder / "channels.toml"
    policy.write_text('extends = "policy.toml"\n[catalogue]\nreceivers = "receivers.csv"\n',
                      "utf-8")
    limits = {"retry_first_s": 0.2, "retry_max_s": 2.0, "breaker_failures": 10, "breaker_s": 0.2,
              "breaker_max_s": 2.0, "dead_after_min": 30.0, "timeout_s": 15.0, "deadline_h": 48.0,
              "workers_max": 32, "keep_d": 400}
    lines = ["[delivery]", 'base_url = "http://127.0.0.1:8642"', 'hosts = ["127.0.0.1"]',
             *(f"{k} = {v}" for k, v in limits.items())]
    for n in range(receivers):
        lines += ["[[channel]]", f'receiver = "r{n}"', 'kind = "webhook"', "private = true",
                  f'url = "http://127.0.0.1:{port}/hook/r{n}"', f'secret = "{SECRET}"',
                  "enabled = true"]
    channels.write_text("\n".join(lines) + "\n", "utf-8")
    return policy, channels


def code(n: int) -> str:
    """A valid USCC."""
    organisation = f"M{n:07d}"
    first = "91500106" + organisation + uscc.organisation_check(organisation)
    return first + uscc.check_character(first)


def events(n: int, item: str) -> list[bytes]:
    """A business whose promise is overdue."""
    today = dt.datetime.now(OFFSET)

    def one(id: str, type_: str, days: float, data: dict[str, Any]) -> bytes:
        return json.dumps({
            "specversion": "1.0", "id": f"{id}{n}", "source": "bench", "type": type_,
            "subject": code(n), "time": (today - dt.timedelta(days=days)).isoformat(),
            "data": data}, ensure_ascii=False).encode()

    return [one("r", "subject.registered", 300, {
        "name": f"示例企业{n}", "kind": "enterprise", "district": "500106", "industry": "H6210",
        "size": "small", "registered_on": "2015-01-01"}),
        one("c", "commitment.made", 200, {
            "item": item, "matter": "m", "kind": "approval",
            "due_on": (today - dt.timedelta(days=100)).date().isoformat()})]


class Embedded:
    """`xinfeng run` in a process of its own."""

    def __init__(self, folder: Path, policy: Path, channels: Path) -> None:
        self.folder, self.port = folder, free_port()
        self._command = [*XINFENG, "run", "--store", str(folder / "store"), "--policy", str(policy),
                         "--channels", str(channels), "--port", str(self.port)]
        self.process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        with (self.folder / "run.log").open("ab") as log:
            self.process = subprocess.Popen(self._command, cwd=ROOT, stdout=log, stderr=log)
        until = time.monotonic() + LIMIT_S
        while not self.ready():
            assert self.process.poll() is None, (self.folder / "run.log").read_text("utf-8")
            assert time.monotonic() < until, "the service does not come up"
            time.sleep(0.05)

    def ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/readyz", timeout=60) as got:
                return bool(got.status == 200)
        except (OSError, http.client.HTTPException):
            return False

    def feed(self, lines: list[bytes]) -> None:
        """Hand events in until they are accepted."""
        while True:
            try:
                request = urllib.request.Request(
                    f"http://127.0.0.1:{self.port}/api/v1/events", b"\n".join(lines),
                    {"content-type": "application/x-ndjson"})
                with urllib.request.urlopen(request, timeout=60) as got:
                    assert not json.load(got)["rejected"]
                return
            except (OSError, http.client.HTTPException, ValueError):
                time.sleep(0.05)  # killed before, or while, it answered: all of it again

    def kill(self, rng: random.Random) -> str:
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.start()
        return "run"

    def gaps(self) -> str:
        """What the auditor finds."""
        return subprocess.run(
            [*XINFENG, "audit", "--store", str(self.folder / "store"), "--channels",
             str(self.folder / "channels.toml"), "--json"], cwd=ROOT, stdout=subprocess.PIPE,
            text=True).stdout

    def close(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()


class Cluster:
    """All roles on Kafka and Redis, a process each."""

    ROLES = ("intake", "worker1", "worker2", "dispatcher")

    def __init__(self, folder: Path, policy: Path, channels: Path, *, kafka: str = "",
                 redis_url: str = "", prefix: str = "kt") -> None:
        self.site = Site(folder, feed_time="broker", kafka=kafka, redis_url=redis_url,
                         prefix=prefix, feed_partitions=1, checkpoint_s=5)
        self.site.start_servers()
        self._policy, self._channels = policy, channels
        self._out: Any = None
        for name in self.ROLES:
            self.start(name)
        until = time.monotonic() + 2 * LIMIT_S
        while "msg=telling" not in self.log("dispatcher"):
            assert not self.site.dead(), self.log("dispatcher")
            assert time.monotonic() < until, "the cluster does not come up"
            time.sleep(0.1)

    def log(self, name: str) -> str:
        return (self.site.folder / f"{name}.log").read_text("utf-8")

    def start(self, name: str) -> None:
        options = {"intake": ["--policy", str(self._policy)],
                   "dispatcher": ["--channels", str(self._channels)]}
        command = name.rstrip("0123456789")
        with (self.site.folder / f"{name}.log").open("ab") as log:
            self.site.roles[name] = subprocess.Popen(
                [*XINFENG, command, "--settings", str(self.site.path), *options.get(command, [])],
                cwd=ROOT, env=self.site.environment, stdin=subprocess.DEVNULL, stdout=log,
                stderr=log, start_new_session=True)

    def feed(self, lines: list[bytes]) -> None:
        from storage.kafka_client import Outgoing

        if self._out is None:
            self._out = Outgoing(self.site.settings.kafka)
        for raw in lines:
            self._out.send(self.site.topics.records, raw)
        self._out.flush()

    def kill(self, rng: random.Random) -> str:
        name = rng.choice(("dispatcher", "dispatcher", "worker1", "worker2"))
        self.site.kill(name)
        self.start(name)
        return name

    def gaps(self) -> str:
        try:
            return self.site.run("audit", "--channels", str(self._channels), "--json").decode()
        except subprocess.CalledProcessError as error:
            assert error.returncode == GAPS, error
            return str(error.stdout.decode())

    def close(self) -> None:
        self.site.close()


def told(server: Server) -> int:
    """Alerts that arrived, at all receivers."""
    return sum(s["alerts"] for s in server.state().values())


def wait_for(done: Callable[[], bool], what: str, limit_s: float = LIMIT_S) -> None:
    until = time.monotonic() + limit_s
    while not done():
        assert time.monotonic() < until, what
        time.sleep(0.1)


def latency(make: Callable[[Path, Path, Path], Any], alerts: int, rate: int,
            receivers: int) -> dict[str, Any]:
    """Alerts at a steady rate; from the alert's own moment to its arrival."""
    with tempfile.TemporaryDirectory() as made, Server({}) as server:
        folder = Path(made)
        run = make(folder, *configure(folder, receivers, server.port))
        items = [item for _, item in departments(receivers)]
        try:
            warm = 20
            for n in range(warm):
                run.feed(events(n, items[n % len(items)]))
            wait_for(lambda: told(server) == warm, "the first do not arrive")
            begun = time.monotonic()
            for n in range(warm, warm + alerts, BATCH):
                run.feed([raw for k in range(n, n + BATCH)
                          for raw in events(k, items[k % len(items)])])
                time.sleep(max(0.0, begun + (n + BATCH - warm) / rate - time.monotonic()))
            fed = time.monotonic() - begun
            wait_for(lambda: told(server) >= warm + alerts, "not all arrive")
            state = server.state("latency")
        finally:
            run.close()
    quantiles = [s["latency_ms"] for s in state.values()]
    return {"alerts": alerts, "rate": round(alerts / fed), "receivers": receivers,
            **{f"{q}_ms": max(x[q] for x in quantiles) for q in ("p50", "p99", "max")}}


def kill(make: Callable[[Path, Path, Path], Any], alerts: int, receivers: int, kills: int,
         seed: int, more: Callable[[Any, Receivers], None] | None = None,
         say: Callable[[str], None] = lambda text: None) -> dict[str, Any]:
    """Every alert must arrive, and every acknowledgement in an answer come back as a transition,
    while processes are killed; what came of it.

    Parameters
    ----------
    more
        Looks at the run before it ends; the receivers are then in this process.
    """
    rng = random.Random(seed)
    behaviours = {f"r{n}": HARM[n % len(HARM)] for n in range(receivers)}
    acking = [name for name, how in behaviours.items() if how.get("ack")]
    items = [item for _, item in departments(receivers)]
    wanted = {f"r{n}": len(range(n % len(items), alerts, len(items))) for n in range(receivers)}
    total = sum(wanted.values())
    begun = time.monotonic()
    serve: Any = Server(behaviours) if more is None else Receivers(
        {name: Behaviour(**how) for name, how in behaviours.items()})
    with tempfile.TemporaryDirectory() as made, serve as server:
        folder = Path(made)
        run = make(folder, *configure(folder, receivers, server.port))
        fed: list[BaseException] = []

        def feed() -> None:
            try:
                for n in range(0, alerts, BATCH):
                    run.feed([raw for k in range(n, min(n + BATCH, alerts))
                              for raw in events(k, items[k % len(items)])])
            except BaseException as error:
                fed.append(error)
                raise

        feeding = threading.Thread(target=feed, daemon=True)
        # By how much has arrived: a slow machine is killed as often, and in the same phases.
        marks = sorted(rng.uniform(0.02, 0.95) * total for _ in range(kills))
        killed: list[str] = []
        moved, before = time.monotonic(), (0, 0)
        try:
            feeding.start()
            while True:
                time.sleep(rng.uniform(0.02, 0.2))
                assert not fed, fed
                state = server.state()
                arrived = sum(s["alerts"] for s in state.values())
                back = sum(state[name]["acked"] for name in acking if name in state)
                if (arrived, back) != before:
                    moved, before = time.monotonic(), (arrived, back)
                if len(killed) < kills and arrived >= marks[len(killed)]:
                    killed.append(run.kill(rng))
                    moved = time.monotonic()
                    say(f"killed {killed[-1]}, {len(killed)} of {kills}, at {arrived} of {total}")
                elif arrived >= total and back >= sum(wanted[name] for name in acking):
                    break
                assert time.monotonic() < moved + LIMIT_S, (
                    f"{arrived} of {total} arrive, {back} answers come back")
            feeding.join()
            gaps: list[str] = []

            def clean() -> bool:
                gaps[:] = run.gaps().splitlines()
                return not gaps

            wait_for(clean, f"the auditor finds {gaps}")
            state = server.state()
            if more is not None:
                more(run, server)
        finally:
            run.close()
    again = sum(s["again"] for s in state.values())
    keys = sum(s["keys"] for s in state.values())
    seconds = time.monotonic() - begun
    return {"alerts": alerts, "receivers": receivers, "messages": total, "killed": killed,
            "seconds": round(seconds, 1), "per_s": round(total / seconds),
            "missing": sum(wanted[r] - state[r]["alerts"] for r in wanted), "gaps": len(gaps),
            "acknowledged": sum(state[name]["acked"] for name in acking),
            "keys": keys,
            "processed_twice": sum(s["processed_twice"] for s in state.values()),
            "duplicates": again, "duplicates_share": round(again / keys, 5)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["latency", "kill"])
    parser.add_argument("--distributed", action="store_true")
    parser.add_argument("--alerts", type=int, default=4_000)
    parser.add_argument("--rate", type=int, default=200)
    parser.add_argument("--receivers", type=int, default=5)
    parser.add_argument("--kills", type=int, default=4)
    parser.add_argument("--seed", type=int, default=1)
    o = parser.parse_args()
    make: Any = Cluster if o.distributed else Embedded
    if o.what == "latency":
        found = latency(make, o.alerts, o.rate, o.receivers)
    else:
        found = kill(make, o.alerts, o.receivers, o.kills, o.seed,
                     say=lambda text: print(text, file=sys.stderr, flush=True))
    print(json.dumps(found))
    if found.get("duplicates_share", 0.0) >= DUPLICATES_MAX and not few(
            found, len(found["killed"])):
        sys.exit("too many sent twice")
    if found.get("missing") or found.get("gaps") or found.get("processed_twice"):
        sys.exit("wrong")


if __name__ == "__main__":
    os.environ.pop("XINFENG_KAFKA", None)
    os.environ.pop("XINFENG_REDIS", None)
    main()
