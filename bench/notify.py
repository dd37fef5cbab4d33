"""Does every warning arrive, once, whatever dies? And how fast?

    python -m bench.notify kill --alerts 100000 --receivers 50 --fan 5   kill -9 at random moments
    python -m bench.notify latency --rate 200 --seconds 60               enqueued -> received
    python -m bench.notify throughput --messages 20000
    python -m bench.notify status --alerts 1000000                       one change among many

Data: made-up alerts, each for `fan` of the receivers, which are systems: one letter an alert,
signed webhooks to `bench.receivers` in a process of its own. In the kill test receivers fail before
or after they processed a message, hang, are slow and answer twice. A request that comes although
one with the same key had been answered with success is a duplicate sent; a retry after a failure is
none.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from alerts.notice import Fact, Notice
from alerts.worktime import WorkTime
from bench.receivers import SECRET
from config import notify as notify_config
from config.workdays import calendar_exceptions
from dispatch.audit import audit
from dispatch.backoff import Delivery
from dispatch.dispatcher import Dispatcher
from dispatch.post import Poster
from dispatch.webhook import WebhookChannel
from models.calendar import WorkingDays
from models.notify_policy import Notify, Receiver

ROOT = Path(__file__).parents[1]
OFFSET_MS = 8 * 3_600_000
BATCH = 10
SHARE_FROM = 50_000
"""Messages from which on a share of them says something."""
DUPLICATES_MAX = 0.001
HARM: tuple[dict[str, Any], ...] = (
    {"fail": 0.02, "late": 0.01}, {"hang": 0.001}, {"slow_ms": 2}, {"twice": True},
    {"mute": 0.001, "fail": 0.01})
"""What ails the receivers, in turn."""
_PACK = msgspec.msgpack.Encoder().encode


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def policy(receivers: int) -> Notify:
    """The shipped policy with so many departments' systems and the centre."""
    centre = Receiver("centre", "中心", "centre")
    systems = [Receiver(f"r{n}", f"局{n}", "department", f"局{n}", mode="system")
               for n in range(receivers)]
    return msgspec.structs.replace(notify_config.notify(), receivers=(centre, *systems))


def work_time(notify: Notify) -> WorkTime:
    return WorkTime(WorkingDays(**calendar_exceptions(2026, 2027)), notify.work, OFFSET_MS)


def alert(n: int, receivers: int, fan: int, at: int) -> Notice:
    """Alert number n, for `fan` of the receivers."""
    mine = [f"局{(n + k) % receivers}" for k in range(fan)]
    return Notice(
        f"ban-breach-{n:08d}", "ban-breach", "orange", "firing", f"91500106MA5U{n % 99_999:05d}",
        "", "cq1-17", ["cq1-17"], mine, at, at, at, 0, {},
        [Fact("cq/market", f"PEN-{n}", "penalty.decided", at)], n + 1, "重庆示例餐饮管理有限公司",
        "enterprise", "500106", "opened")


def dispatcher(path: Path | None, receivers: int, port: int, **delivery: Any) -> Dispatcher:
    limits = msgspec.structs.replace(
        Delivery("http://127.0.0.1:8642", ("127.0.0.1",), 0.1, 2.0, 48.0, 10, 0.2, 2.0, 30.0, 3.0,
                 max(receivers + 2, 8), 400), **delivery)
    made = policy(receivers)
    poster = Poster(limits.hosts, limits.timeout_s)
    url = f"http://127.0.0.1:{port}/hook/r"
    channels = [WebhookChannel(f"r{n}/webhook", f"r{n}", f"{url}{n}", SECRET, poster, private=True)
                for n in range(receivers)]
    return Dispatcher(path, made, work_time(made), {}, channels, limits, now_ms,
                      poster.gate)


class Server:
    """`bench.receivers` in a process of its own."""

    def __init__(self, behaviours: dict[str, dict[str, Any]]) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "bench.receivers", "--behaviours", json.dumps(behaviours)],
            cwd=ROOT, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self.port = int(self.process.stdout.readline())

    def state(self, query: str = "") -> dict[str, Any]:
        url = f"http://127.0.0.1:{self.port}/state?{query}"
        with urllib.request.urlopen(url, timeout=60) as answer:
            found: dict[str, Any] = json.load(answer)
        return found

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()


# ------------------------------------------------------------------------------------------- kills


def feed(path: Path, alerts: int, receivers: int, fan: int) -> None:
    """The log: one alert a record."""
    at = now_ms()
    with path.open("wb") as file:
        for n in range(alerts):
            body = _PACK(alert(n, receivers, fan, at))
            file.write(len(body).to_bytes(4, "little") + body)


def read(path: Path) -> Iterator[Notice]:
    decode = msgspec.msgpack.Decoder(Notice).decode
    with path.open("rb") as file:
        while head := file.read(4):
            yield decode(file.read(int.from_bytes(head, "little")))


PLANTS = {"forget": "UPDATE outbox SET state=2, done_ms=1 WHERE state=1",
          "repeat": "UPDATE outbox SET state=0 WHERE id % 10 = 0"}
"""Faults that the checks must find: what a restart would do to the outbox."""


def work(folder: Path, receivers: int, port: int, plant: str) -> None:
    """The process that is killed: takes the log in from where it stood, and delivers."""
    if plant and (folder / "dispatch.db").exists():
        with sqlite3.connect(folder / "dispatch.db") as db:
            db.execute(PLANTS[plant])
    notices = list(read(folder / "feed"))
    run = dispatcher(folder / "dispatch.db", receivers, port)
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    delivering = threading.Thread(target=run.run, args=(stop,))
    delivering.start()
    at = run.mark()
    while at < len(notices) and not stop.is_set():
        batch = notices[at:at + BATCH]
        at += len(batch)
        run.submit(batch, upto=at)
        while run.desk.outbox.waiting() > 20 * BATCH * receivers and not stop.wait(0.01):
            pass
    delivering.join()
    run.close()


def kill(alerts: int, receivers: int, fan: int, kills: int, seed: int, *, plant: str = "",
         say: Callable[[str], None] = lambda text: None) -> dict[str, Any]:
    """Deliver everything while the dispatcher is killed; what came of it."""
    rng = random.Random(seed)
    behaviours = {f"r{n}": HARM[n % len(HARM)] for n in range(receivers)}
    wanted = {f"r{r}": 0 for r in range(receivers)}
    for n in range(alerts):
        for k in range(fan):
            wanted[f"r{(n + k) % receivers}"] += 1
    killed = 0
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as made, Server(behaviours) as server:
        folder = Path(made)
        feed(folder / "feed", alerts, receivers, fan)
        command = [sys.executable, "-m", "bench.notify", "work", "--folder", str(folder),
                   "--receivers", str(receivers), "--port", str(server.port), "--plant", plant]
        total = sum(wanted.values())
        process = subprocess.Popen(command, cwd=ROOT)
        # Spread over the run, by how much has arrived: a slow machine is killed as often.
        marks = sorted(rng.uniform(0.02, 0.95) * total for _ in range(kills))
        try:
            while True:
                time.sleep(rng.uniform(0.02, 0.1) * max(1.0, total / 20_000))
                state = server.state()
                arrived = sum(s["keys"] for s in state.values())
                if killed < kills and arrived >= marks[killed]:
                    os.kill(process.pid, signal.SIGKILL)
                    process.wait()
                    killed += 1
                    process = subprocess.Popen(command, cwd=ROOT)
                    say(f"killed {killed} at {arrived} of {total}")
                assert process.poll() is None, f"ended by itself: {process.returncode}"
                if killed == kills and _settled(folder, alerts):
                    break
            process.terminate()
            process.wait()
        finally:
            process.kill()
            process.wait()
        seconds = time.monotonic() - begun
        state = server.state()
        run = dispatcher(folder / "dispatch.db", receivers, server.port)
        gaps = audit(run.desk, read(folder / "feed"), now_ms())
        counts = run.desk.outbox.counts()
        run.close()
    missing = {r: n - state.get(r, {"alerts": 0})["alerts"] for r, n in wanted.items()}
    again = sum(s["again"] for s in state.values())
    return {
        "messages": total, "receivers": receivers, "kills": killed, "seconds": round(seconds, 1),
        "per_s": round(total / seconds), "missing": sum(missing.values()), "gaps": len(gaps),
        "processed_twice": sum(s["processed_twice"] for s in state.values()),
        "keys_beyond": sum(s["keys"] for s in state.values()) - total,
        "requests": sum(s["requests"] for s in state.values()), "duplicates": again,
        "duplicates_share": again / total, "undelivered": total - counts["delivered"],
        "at_once_max": max(s["at_once_max"] for s in state.values())}


def _settled(folder: Path, alerts: int) -> bool:
    """Whether all was taken in and nothing waits, in a ledger that another process has open."""
    db = sqlite3.connect(f"file:{folder / 'dispatch.db'}?mode=ro", uri=True)
    try:
        waiting = "SELECT (SELECT upto FROM marks), (SELECT count(*) FROM outbox WHERE state<2)"
        return bool(db.execute(waiting).fetchone() == (alerts, 0))
    except sqlite3.OperationalError:
        return False
    finally:
        db.close()


def wrong(found: dict[str, Any]) -> list[str]:
    """What the kill test may not find."""
    out = [f"{k}={found[k]}" for k in ("missing", "gaps", "processed_twice", "keys_beyond",
                                       "undelivered") if found[k]]
    if found["duplicates_share"] >= DUPLICATES_MAX and not few(found, found["kills"]):
        out.append(f"duplicates_share={found['duplicates_share']}")
    return out


def few(found: dict[str, Any], kills: int) -> bool:
    """Whether what came twice is what was on its way at the kills, in a run too short for a share.

    On a machine that is busy every receiver is a slow one (`dispatch.gate`): one message for each.
    """
    return (found["messages"] < SHARE_FROM
            and found["duplicates"] <= kills * found["receivers"])


# ------------------------------------------------------------------------------------------- speed


def latency(rate: int, seconds: int, receivers: int, folder: Path | None) -> dict[str, Any]:
    """From the alert's own moment to its arrival, at a steady rate."""
    with Server({}) as server:
        run = dispatcher(folder / "dispatch.db" if folder else None, receivers, server.port)
        stop = threading.Event()
        thread = threading.Thread(target=run.run, args=(stop,))
        thread.start()
        begun = time.monotonic()
        for n in range(rate * seconds):
            run.submit([alert(n, receivers, 1, now_ms())], upto=n + 1)
            time.sleep(max(0.0, begun + (n + 1) / rate - time.monotonic()))
        while run.desk.outbox.waiting():
            time.sleep(0.05)
        stop.set()
        thread.join()
        run.close()
        state = server.state("latency")
    quantiles = [s["latency_ms"] for s in state.values()]
    return {"rate": rate, "messages": rate * seconds,
            **{f"{q}_ms": max(x[q] for x in quantiles) for q in ("p50", "p99", "max")}}


def throughput(messages: int, receivers: int, folder: Path | None) -> dict[str, Any]:
    """Take in and deliver as fast as it goes."""
    with Server({}) as server:
        run = dispatcher(folder / "dispatch.db" if folder else None, receivers, server.port)
        begun = time.monotonic()
        at = now_ms()
        for n in range(0, messages, BATCH):
            run.submit([alert(k, receivers, 1, at) for k in range(n, n + BATCH)], upto=n + BATCH)
        taken = time.monotonic() - begun
        begun = time.monotonic()
        run.sender.drain(now_ms() + 600_000)
        sent = time.monotonic() - begun
        run.close()
    return {"messages": messages, "taken_per_s": round(messages / taken),
            "sent_per_s": round(messages / sent)}


def status(alerts: int, changes: int, folder: Path) -> dict[str, Any]:
    """One acknowledgement on a ledger with so many open alerts [ms]."""
    receivers = 50
    run = dispatcher(folder / "dispatch.db", receivers, 9)
    at = now_ms()
    begun = time.monotonic()
    step = 2_000
    for n in range(0, alerts, step):
        run.desk.apply([alert(k, receivers, 1, at) for k in range(n, min(n + step, alerts))], at,
                       upto=n + step)
    built = time.monotonic() - begun
    rng = random.Random(1)
    times = []
    for n in rng.sample(range(alerts), changes):
        acked = msgspec.structs.replace(alert(n, receivers, 1, at), state="acknowledged",
                                        seq=alerts + n + 1, updated_ms=at + 1)
        begun = time.perf_counter()
        run.desk.apply([acked], at + 1, upto=alerts)
        times.append((time.perf_counter() - begun) * 1000)
    begun = time.perf_counter()
    run.desk.tick(at + 1)
    tick = (time.perf_counter() - begun) * 1000
    run.close()
    ordered = sorted(times)
    return {"alerts": alerts, "built_per_s": round(alerts / built),
            "median_ms": round(statistics.median(times), 3),
            "p99_ms": round(ordered[int(0.99 * len(ordered))], 3), "tick_ms": round(tick, 3),
            "file_mb": round((folder / "dispatch.db").stat().st_size / 1e6)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["kill", "latency", "throughput", "status", "work"])
    parser.add_argument("--alerts", type=int, default=2_000)
    parser.add_argument("--receivers", type=int, default=5)
    parser.add_argument("--fan", type=int, default=5)
    parser.add_argument("--kills", type=int, default=6)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rate", type=int, default=200)
    parser.add_argument("--seconds", type=int, default=20)
    parser.add_argument("--messages", type=int, default=5_000)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--plant", choices=["", *PLANTS], default="")
    o = parser.parse_args()
    if o.what == "work":
        work(o.folder, o.receivers, o.port, o.plant)
        return
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        match o.what:
            case "kill":
                found = kill(o.alerts, o.receivers, o.fan, o.kills, o.seed, plant=o.plant,
                             say=lambda text: print(text, file=sys.stderr, flush=True))
            case "latency":
                found = latency(o.rate, o.seconds, o.receivers, folder)
            case "throughput":
                found = throughput(o.messages, o.receivers, folder)
            case _:
                found = status(o.alerts, 1_000, folder)
    print(json.dumps(found))
    if o.what == "kill" and wrong(found):
        sys.exit(f"wrong: {', '.join(wrong(found))}")


if __name__ == "__main__":
    main()
