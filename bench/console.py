"""Does the console keep up with a large city and with a flood of alerts?

    python -m bench.console --subjects 20000 --alerts 5000 --seconds 10
    python -m bench.console --subjects 1000000 --alerts 100000 --seconds 30

`pages`: median and 95th percentile of the server's time for each page, asked one after another, of
a store with so many businesses (registered and folded like any others) and so many open alerts
(effects as the pipeline makes them, committed like any others); `cold` with every short memory
forgotten before each request. `browser`: a real Chromium shows the first page while so many alerts
a second are committed: transitions that its stream delivered, missed or doubled, rows at the end
against what the interface lists, the longest gap between two frames and the longest task. Of the
open `streams` of one process of the console each must get every transition; latency is from
the commit to the last byte of the event at the client. Clients run in processes of their own, on
the same machine: where the cores are few, their time is in the figures.
"""

from __future__ import annotations

import argparse
import asyncio
import http.client
import json
import multiprocessing as mp
import os
import re
import shutil
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any
from urllib.parse import quote

import uvicorn

from bench.load import FAR_MS, code
from config import load
from config.districts import districts
from console.app import create_app
from models import events as e
from storage.effects import AlertChanged, Effect, Evidence, OpenAlerts, ReviewChanged
from streams import batch, codec
from streams.embedded import Embedded
from streams.pipeline import Entry
from streams.service import EmbeddedService
from streams.simulate.places import DISTRICTS

RULES = ("grade-gap", "grade-drop", "score-plunge", "grade-gap", "grade-drop", "related-risk")
LEVELS = ("blue", "yellow", "yellow", "orange", "orange", "red")
BATCH = 2_000
TIMES = 31
FACTS = {"days": "30", "from": "A", "to": "C", "levels": "2", "points": "80", "highest_grade": "A",
         "lowest_grade": "C", "highest": "cq1-17", "lowest": "cq1-31", "since": "2026-01-06",
         "list": "serious", "by": "controller", "name": "", "listed": code(0)}
DEPARTMENT, ITEM = "市市场监管局", "cq1-17"
REVIEWS_SHARE = 0.05
STEP_S = 0.05
"""Alerts of a flood are committed in steps of so long."""
WAIT_S = 30.0


# ------------------------------------------------------------------------------------- the store


def facts(subjects: int) -> Iterator[bytes]:
    """A registration and an inspection each, over all districts."""
    head = ('{"specversion":"1.0","source":"bench","id":"%s%d","type":"%s","subject":"%s",'
            '"time":"2026-01-0%dT09:00:00+08:00","data":%s}')
    for n in range(subjects):
        data = (f'{{"name":"重庆测试{n}号有限公司","kind":"enterprise","district":'
                f'"{DISTRICTS[n * 7919 % len(DISTRICTS)].code}","industry":"H6210",'
                '"size":"small","registered_on":"2020-01-01"}')
        yield (head % ("r", n, "subject.registered", code(n), 5, data)).encode()
    data = '{"item":"cq1-17","plan":"random","result":"pass","findings":[]}'
    for n in range(subjects):
        yield (head % ("i", n, "inspection.completed", code(n), 6, data)).encode()


class City:
    """A store of so many businesses, and alerts that come when they are told to."""

    def __init__(self, folder: Path, subjects: int) -> None:
        self.runner = Embedded(folder, load.policy(), checkpoint_events=1 << 60)
        self.subjects = subjects
        self.made = 0
        feed = batch.Feed(self.runner, "bench", FAR_MS)
        for line in facts(subjects):
            feed.put(line)
        feed.flush()

    def alert(self, n: int, at_ms: int) -> AlertChanged:
        subject = code(n * 104_729 % self.subjects)
        return AlertChanged(
            f"{RULES[n % 6]}/{subject}/{n}", RULES[n % 6], LEVELS[n // 6 % 6], "firing", "",
            "opened", subject, ITEM, at_ms, at_ms, at_ms, 0, [DEPARTMENT], [ITEM],
            FACTS,
            [Evidence("bench", f"i{n % self.subjects}", "inspection.completed", at_ms)] * 2,
            "w000000", self.runner.card.hash)

    def open(self, count: int, reviews: int = 0) -> int:
        """Commit so many new alerts as one envelope; the `seq` of the last."""
        runner, at_ms = self.runner, self.runner.shard.clock_ms + 1
        effects: list[Effect] = []
        for n in range(self.made, self.made + count):
            alert = self.alert(n, at_ms)
            effects += [alert, OpenAlerts(alert.subject, 1)]
        for n in range(reviews):
            subject, day = code(n), at_ms // 86_400_000
            effects.append(ReviewChanged(
                f"review/{subject}/{day}", subject, True, at_ms + n, day, day + 10, 0, 2,
                {"item": ITEM, "grade": "A"}, {"item": "cq1-31", "grade": "C"}, [], [DEPARTMENT],
                [], at_ms))
        self.made += count
        runner.offset += 1
        entry = Entry(at_ms, codec.encode(e.Tick()), e.Tick())
        runner.store.commit(runner.offset, at_ms, [""], codec.encode_envelope([entry]), effects,
                            {}, [])
        return runner.offset << 24 | max(2 * count - 2, 0)

    def flood(self, rate: int, seconds: float) -> list[tuple[int, float]]:
        """So many alerts a second, evenly; (seq, when it was committed) of each."""
        out: list[tuple[int, float]] = []
        start = time.monotonic()
        while (passed := time.monotonic() - start) < seconds:
            due = int(rate * passed) + 1 - len(out)
            if due > 0:
                first = (self.runner.offset + 1) << 24
                self.open(due)
                now = time.monotonic()
                out += [(first | 2 * n, now) for n in range(due)]
            time.sleep(STEP_S)
        return out


@contextmanager
def serving(city: City) -> Iterator[tuple[EmbeddedService, int]]:
    service = EmbeddedService(city.runner)
    app = create_app(service, items={row["id"]: row for row in load.items()},
                     districts=districts())
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield service, server.servers[0].sockets[0].getsockname()[1]
    finally:
        app.state.streams.close()
        server.should_exit = True
        thread.join()
        service.close()


# ----------------------------------------------------------------------------------------- pages


def pages(city: City, service: EmbeddedService, port: int) -> dict[str, Any]:
    """Milliseconds of each page: median, 95th percentile, median with nothing remembered."""
    alert = quote(city.alert(city.made // 2, 0).id, safe="")
    paths = ["/", "/?level=red", "/?rule=grade-gap&state=firing", f"/alerts/{alert}",
             f"/subjects/{code(city.subjects // 2)}", "/subjects", "/subjects?district=500106",
             "/reviews", "/api/v1/situation", "/api/v1/summary", "/metrics"]
    client = http.client.HTTPConnection("127.0.0.1", port)

    def ask(path: str, cold: bool) -> float:
        if cold:
            for kept in (service._situation._summary, service._situation._details):
                kept.forget()
        start = time.perf_counter()
        client.request("GET", path)
        answer = client.getresponse()
        answer.read()
        assert answer.status == 200, (path, answer.status)
        return 1000 * (time.perf_counter() - start)

    out = {}
    for path in paths:
        ask(path, True)
        warm = sorted(ask(path, False) for _ in range(TIMES))
        cold = [ask(path, True) for _ in range(TIMES)]
        out[re.sub(r"[0-9A-Z%]{18,}.*", "…", path)] = {
            "median_ms": round(statistics.median(warm), 1),
            "p95_ms": round(warm[int(0.95 * TIMES)], 1),
            "cold_median_ms": round(statistics.median(cold), 1)}
    client.close()
    return out


# --------------------------------------------------------------------------------------- browser

WATCH = """
window.seen = []; window.longest = 0; window.gap = 0; window.frames = 0;
const Plain = window.EventSource;
window.EventSource = class extends Plain {
  constructor(...given) {
    super(...given);
    this.addEventListener("alert", (event) => window.seen.push(event.lastEventId));
  }
};
new PerformanceObserver((list) => {
  for (const task of list.getEntries()) window.longest = Math.max(window.longest, task.duration);
}).observe({ type: "longtask" });
window.watchFrames = () => {
  let before = performance.now();
  const frame = (now) => {
    window.gap = Math.max(window.gap, now - before);
    before = now;
    window.frames += 1;
    requestAnimationFrame(frame);
  };
  requestAnimationFrame(frame);
};
"""


def browse(port: int, pipe: Connection) -> None:
    """A browser on the first page, in a process of its own."""
    from playwright.sync_api import sync_playwright

    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.add_init_script(WATCH)
        page.goto(f"http://127.0.0.1:{port}/")
        page.wait_for_selector("#link[data-state=live]")
        page.wait_for_timeout(1000)
        page.evaluate("window.longest = window.gap = 0; watchFrames()")
        page.keyboard.press("j")
        pipe.send("ready")
        while not pipe.poll(0.2):
            page.wait_for_timeout(50)
        last, until = str(pipe.recv()), time.monotonic() + WAIT_S
        while page.evaluate("window.seen.at(-1)") != last and time.monotonic() < until:
            page.wait_for_timeout(100)
        page.wait_for_timeout(1500)
        pipe.send(page.evaluate(
            "({seen, longest, gap, frames, rows: [...document.querySelectorAll('#alerts > li')]"
            ".map((each) => each.dataset.id),"
            " chosen: document.querySelectorAll('#alerts [aria-current]').length})"))
        browser.close()


def in_browser(city: City, port: int, rate: int, seconds: float) -> dict[str, Any]:
    here, there = mp.get_context("spawn").Pipe()
    child = mp.get_context("spawn").Process(target=browse, args=(port, there))
    child.start()
    assert here.recv() == "ready"
    start = time.monotonic()
    sent = city.flood(rate, seconds)
    took = time.monotonic() - start
    here.send(sent[-1][0])
    assert here.poll(WAIT_S + 5), "the browser did not come to the end"
    found = here.recv()
    child.join()
    seen, rows = [int(x) for x in found["seen"]], found["rows"]
    client = http.client.HTTPConnection("127.0.0.1", port)
    client.request("GET", "/api/v1/alerts?limit=60")
    listed = [x["id"] for x in json.loads(client.getresponse().read())["alerts"]]
    # The chosen row stays, in the place of the oldest.
    return {"alerts_per_s": round(len(sent) / took), "sent": len(sent),
            "missed": len({s for s, _ in sent} - set(seen)), "doubled": len(seen) - len(set(seen)),
            "rows": len(rows), "rows_doubled": len(rows) - len(set(rows)),
            "rows_as_listed": len(set(rows) & set(listed)), "chosen_rows": found["chosen"],
            "longest_task_ms": round(found["longest"]), "longest_frame_gap_ms": round(found["gap"]),
            "frames_per_s": round(found["frames"] / took, 1)}


# --------------------------------------------------------------------------------------- streams

_ID = re.compile(rb"\nid: (\d+)\n")
TAIL = 48
"""Bytes that hold the longest line with an id."""


class Listener(asyncio.Protocol):
    """One stream: when each `seq` came. As cheap as can be, since 500 of them share a process."""

    def __init__(self, opened: asyncio.Semaphore) -> None:
        self.got: list[tuple[float, int]] = []
        self._opened = opened
        self._open = False
        self._tail = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        transport.write(b"GET /api/v1/alerts/stream HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")

    def data_received(self, data: bytes) -> None:
        now, known = time.monotonic(), len(self._tail)
        data = self._tail + data
        if not self._open and b"retry: 2000" in data:
            self._open = True
            self._opened.release()
        # A line that lay whole in the tail was seen before.
        self.got += [(now, int(x[1])) for x in _ID.finditer(data) if x.end() > known]
        self._tail = data[-TAIL:]


def _itself(listener: Listener) -> Listener:
    return listener


def listen(port: int, count: int, pipe: Connection) -> None:
    """So many streams, in a process of their own."""
    async def run() -> list[list[tuple[float, int]]]:
        opened = asyncio.Semaphore(0)
        loop, listeners = asyncio.get_running_loop(), [Listener(opened) for _ in range(count)]
        for listener in listeners:
            await loop.create_connection(partial(_itself, listener), "127.0.0.1", port)
        for _ in range(count):
            await asyncio.wait_for(opened.acquire(), WAIT_S)
        got = [listener.got for listener in listeners]
        started = time.process_time()
        pipe.send("ready")
        while not pipe.poll():
            await asyncio.sleep(0.1)
        last, until = pipe.recv(), time.monotonic() + WAIT_S
        while time.monotonic() < until and not all(x and x[-1][1] == last for x in got):
            await asyncio.sleep(0.1)
        pipe.send(time.process_time() - started)
        return got

    pipe.send(asyncio.run(run()))


def in_streams(city: City, port: int, count: int, rate: int, seconds: float) -> dict[str, Any]:
    here, there = mp.get_context("spawn").Pipe()
    child = mp.get_context("spawn").Process(target=listen, args=(port, count, there))
    child.start()
    assert here.recv() == "ready"
    started = time.process_time()
    sent = city.flood(rate, seconds)
    here.send(sent[-1][0])
    clients_s, server_s = float(here.recv()), time.process_time() - started
    got: Sequence[list[tuple[float, int]]] = here.recv()
    child.join()
    when, wanted = dict(sent), [seq for seq, _ in sent]
    late = sorted(1000 * (at - when[seq]) for each in got for at, seq in each if seq in when)
    return {"streams": count, "sent": len(sent), "alerts_per_s": round(len(sent) / seconds),
            "whole_and_in_order": sum([seq for _, seq in each] == wanted for each in got),
            "deliveries": len(late), "server_cpu_s": round(server_s, 1),
            "clients_cpu_s": round(clients_s, 1),
            **{f"latency_ms_p{p}": round(late[min(int(len(late) * p / 100), len(late) - 1)])
               for p in (50, 99)}, "latency_ms_max": round(late[-1])}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--subjects", type=int, default=20_000)
    parser.add_argument("--alerts", type=int, default=5_000)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--rate", type=int, default=500, help="alerts a second in the browser")
    parser.add_argument("--streams", type=int, default=500)
    parser.add_argument("--streams-rate", type=int, default=200)
    parser.add_argument("--only", choices=["pages", "browser", "streams"], action="append")
    a = parser.parse_args()
    asked = a.only or ["pages", "browser", "streams"]
    with tempfile.TemporaryDirectory(prefix="bench-console-") as folder:
        start = time.perf_counter()
        city = City(Path(folder), a.subjects)
        while city.made < a.alerts:
            count = min(BATCH, a.alerts - city.made)
            city.open(count, int(REVIEWS_SHARE * a.alerts) if not city.made else 0)
        out: dict[str, Any] = {"subjects": a.subjects, "alerts": a.alerts, "cores": os.cpu_count(),
                               "filled_s": round(time.perf_counter() - start, 1)}
        with serving(city) as (service, port):
            if "pages" in asked:
                out["pages"] = pages(city, service, port)
            if "browser" in asked:
                out["browser"] = in_browser(city, port, a.rate, a.seconds)
            if "streams" in asked:
                out["streams"] = in_streams(city, port, a.streams, a.streams_rate, a.seconds)
    print(json.dumps(out, indent=1, ensure_ascii=False))


if __name__ == "__main__":
    main()
