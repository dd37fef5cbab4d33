"""Goal: a service that is killed between the steps of an escalation loses none and repeats none,
and an acknowledgement given between two lives stops what is left.

Method: `xinfeng run` as a process, by a clock thirty times as fast (no faster than ours while
somebody acts), with steps a minute apart; it is killed with SIGKILL between the steps, and stays
away over the moment of one. Receivers on loopback write down what they are told, by key and reason.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from bench import receivers
from bench.notify_site import departments, events
from bench.receivers import SECRET, Receivers
from bench.site import ROOT
from servers.process import free_port

TIMES = 30.0
MINUTE_S = 60.0 / TIMES
"""A minute of the service, in ours."""
STEPS = (("department", 1), ("superior", 2), ("centre", 3))
HOURS_S = 36_000
"""The receivers go by our clock: this far from it a signature may be."""
NAMES = {"department": "d", "superior": "s", "centre": "c"}


class Site:
    def __init__(self, folder: Path, port: int) -> None:
        department, self.item = departments(1)[0]
        (folder / "receivers.csv").write_text("\n".join((
            "id,name,role,department,district,kinds,mode,language",
            f"d,{department},department,{department},,,people,zh", "s,上级,superior,,,,people,zh",
            "c,中心,centre,,,,people,zh")) + "\n", "utf-8")
        steps = ", ".join(f'{{ after_min = {n}, to = ["{role}"], clock = "always" }}'
                          for role, n in STEPS)
        (folder / "site-policy.toml").write_text(
            'extends = "policy.toml"\n[catalogue]\nreceivers = "receivers.csv"\n'
            f"[notify.escalate]\nyellow = [{steps}]\n[notify.quiet]\nlevels = []\n"
            "[notify.gather]\nwait_s = { blue = 0, yellow = 0, orange = 0, red = 0 }\n", "utf-8")
        limits = {"retry_first_s": 0.2, "retry_max_s": 2.0, "breaker_failures": 50,
                  "breaker_s": 0.2, "breaker_max_s": 2.0, "dead_after_min": 500.0,
                  "timeout_s": 5.0, "deadline_h": 48.0, "workers_max": 4, "keep_d": 400}
        lines = ["[delivery]", 'base_url = "http://127.0.0.1"', 'hosts = ["127.0.0.1"]',
                 *(f"{k} = {v}" for k, v in limits.items())]
        for name in NAMES.values():
            lines += ["[[channel]]", f'receiver = "{name}"', 'kind = "webhook"', "private = true",
                      f'url = "http://127.0.0.1:{port}/hook/{name}"', f'secret = "{SECRET}"',
                      "enabled = true"]
        (folder / "channels.toml").write_text("\n".join(lines) + "\n", "utf-8")
        self.folder, self.port = folder, free_port()
        self.log = folder / "run.log"
        self.times, self.began_s = TIMES, time.time()
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        environment = {**os.environ, "FAST_FROM": str(self.began_s), "FAST_TIMES": str(self.times)}
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, str(Path(__file__).with_name("fast_clock.py")), "run", "--store",
                 str(self.folder / "store"), "--policy", str(self.folder / "site-policy.toml"),
                 "--channels", str(self.folder / "channels.toml"), "--port", str(self.port)],
                cwd=ROOT, env={**environment, "PYTHONPATH": str(ROOT)}, stdout=log, stderr=log)
        until = time.monotonic() + 30
        while not self.ready():
            assert self.process.poll() is None, self.log.read_text("utf-8")
            assert time.monotonic() < until, "the service does not come up"
            time.sleep(0.02)

    def turn(self, times: float) -> None:
        """From the next start on the service's clock runs so many times as fast, from now."""
        self.times, self.began_s = times, time.time()

    def ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/readyz", timeout=5) as got:
                return bool(got.status == 200)
        except OSError:
            return False

    def kill(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def post(self, path: str, body: bytes) -> None:
        kind = "application/x-ndjson" if path == "events" else "application/json"
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}/api/v1/{path}", body,
                                         {"content-type": kind})
        with urllib.request.urlopen(request, timeout=10) as got:
            assert not json.load(got).get("rejected")


def heard(server: Receivers) -> list[tuple[str, str]]:
    """(receiver, reason) of every letter that was processed, each key once."""
    return sorted((name, body["data"]["reason"]) for name, it in server.names.items()
                  for body in it.bodies)


ALL = [("c", "escalation"), ("d", "first"), ("d", "reminder"), ("s", "escalation")]


@pytest.fixture(autouse=True)
def window(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(receivers, "WINDOW_S", HOURS_S)


@pytest.mark.slow
def test_killed_between_the_steps(tmp_path: Path) -> None:
    with Receivers() as server:
        site = Site(tmp_path, server.port)
        site.start()
        try:
            site.post("events", b"\n".join(events(1, site.item)))
            fired = time.monotonic()

            def wait(minutes: float, count: int) -> None:
                """Until so many letters came, and so long after the alert in any case."""
                until = fired + 4 * len(STEPS) * MINUTE_S + 15
                while len(heard(server)) < count and time.monotonic() < until:
                    time.sleep(0.02)
                time.sleep(max(0.0, fired + minutes * MINUTE_S - time.monotonic()))

            wait(0.3, 1)
            site.kill()
            site.start()
            wait(1.2, 2)
            # Away over the moment of the second step.
            site.kill()
            time.sleep(max(0.0, fired + 2.2 * MINUTE_S - time.monotonic()))
            site.start()
            wait(2.4, 3)
            site.kill()
            site.start()
            wait(3.5, 4)
            assert heard(server) == ALL, site.log.read_text("utf-8")[-2000:]
            # Nothing comes again: neither by itself nor by one more start.
            site.kill()
            site.start()
            time.sleep(MINUTE_S)
            assert heard(server) == ALL, site.log.read_text("utf-8")[-2000:]
            keys = [key for it in server.names.values() for key in it.heard]
            assert len(keys) == len(set(keys)) == len(ALL)
        finally:
            site.kill()


@pytest.mark.slow
def test_an_acknowledgement_before_the_kill_stops_what_is_left(tmp_path: Path) -> None:
    with Receivers() as server:
        site = Site(tmp_path, server.port)
        # Whoever acknowledges has a whole minute for it, on a busy machine too; only then does time
        # run.
        site.turn(1.0)
        site.start()
        try:
            site.post("events", b"\n".join(events(1, site.item)))
            until = time.monotonic() + 30
            while not heard(server) and time.monotonic() < until:
                time.sleep(0.02)
            (told,) = server.names["d"].bodies
            site.post(f"alerts/{told['data']['alerts'][0]['id']}/acknowledge",
                      '{"actor": "王工"}'.encode())
            site.kill()
            assert heard(server) == [("d", "first")]
            site.turn(TIMES)
            site.start()
            # Over all the steps there would have been.
            time.sleep((len(STEPS) + 1) * MINUTE_S)
            assert heard(server) == [("d", "first")], site.log.read_text("utf-8")[-2000:]
        finally:
            site.kill()
