"""Goal: whatever dashboards and rules ask, a running service answers.

Method: a real Prometheus scrapes a real `xinfeng run --demo`, and beside it an empty service with
delivery, since nobody is told of a simulated city. Every expression of panels, annotations and
rules is asked until it returns data. Of a rule the comparisons are made differences first, since it
rightly returns nothing while all is well. What only the roles on Kafka know is asked too, and must
name metrics that they declare; what else may have no data is listed with its reason.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import quote
from urllib.request import ProxyHandler, Request, build_opener

import pytest
import yaml
from cluster import started
from promtool import ROOT, RULES

from config.grafana.boards import BOARDS
from servers.process import free_port, tail
from servers.prometheus import Prometheus
from streams.declared import ROLES

pytestmark = pytest.mark.integration
PATIENCE_S = 240.0
NONE_HERE = {
    "xinfeng_weights_clock_seconds": "no weights are published within the first half year",
    "xinfeng_messages_sent_total": "whether somebody is told now hangs on the hour of the day",
    "xinfeng_messages_failed_total": "so does whether that fails",
    "xinfeng_messages_waiting": "and whether something waits",
    "xinfeng_acknowledged_total": "nobody acknowledges there",
    "xinfeng_answered_total": "nor answers",
    "xinfeng_notify_gaps": "the auditor looks once a minute",
    'job="worker"': "of Kafka alone",
    'rule="feed-silent"': "a lively city has no silent feed, and no alert has no series",
}
"""What an expression may name and rightly find nothing: names that its target has declared."""
CHANNELS = """
[[channel]]
receiver = "centre"
kind = "webhook"
private = true
enabled = true
url = "http://127.0.0.1:{port}/"
secret = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
"""
MISNAMED = (b'{"specversion": "1.0", "source": "a", "id": "b", "type": "subject.cancelled", '
            b'"subject": "91500106MA60AB125X", "time": "2026-01-01T00:00:00Z", "data": {}}')
"""An event about a code whose check character is wrong."""
_OPEN = build_opener(ProxyHandler({}))


def get(address: str, body: bytes | None = None) -> bytes:
    """What is answered; `body` is posted."""
    request = Request(address, body, {"content-type": "application/x-ndjson"})
    try:
        with _OPEN.open(request, timeout=60) as answer:
            return bytes(answer.read())
    except HTTPError as error:
        raise AssertionError(f"{address}: {error.read().decode()}") from None


def plain(expr: str) -> str:
    """An expression that finds data only where there is some: thresholds become differences, what
    should be absent is asked for, and nothing stands in for what is not there."""
    expr = re.sub(r" (>|<|==|!=) ", " - ", expr.replace(', alertstate="firing"', ""))
    return expr.replace("absent(", "count(").replace(" or vector(0)", "")


def questions() -> Iterator[tuple[str, str]]:
    """(where it stands, expression) of all."""
    for name, board in BOARDS.items():
        for panel in board["panels"]:
            for target in panel["targets"]:
                yield f"{name}: {panel['title']}", plain(target["expr"])
        for annotation in board["annotations"]["list"]:
            yield f"{name}: {annotation['name']}", plain(annotation["expr"])
    for group in yaml.safe_load(RULES.read_text("utf-8"))["groups"]:
        for rule in group["rules"]:
            yield rule["alert"], plain(rule["expr"])


def excused(expr: str) -> bool:
    """Whether nothing need come of it here."""
    named = set(re.findall(r"\bxinfeng_\w+", expr))
    return bool(named & {m.name for m in ROLES}) or any(name in expr for name in NONE_HERE)


@contextmanager
def running(folder: Path, name: str, port: int, *arguments: object) -> Iterator[Callable[[], str]]:
    """A service; gives how it ended, "" while it has not."""
    log = folder / f"{name}.log"
    with log.open("wb") as out, subprocess.Popen(
            [sys.executable, "-m", "streams.cli", "run", "--port", str(port), "--store",
             str(folder / name), *map(str, arguments)], cwd=ROOT, stdout=out,
            stderr=out) as process:
        try:
            yield lambda: "" if process.poll() is None else tail(log, 0)
        finally:
            process.kill()


def settings(folder: Path) -> tuple[Path, Path]:
    """Of the demonstration, and of delivery."""
    demo, channels = folder / "demo.toml", folder / "channels.toml"
    demo.write_text("[demo]\nsubjects = 200\ndays_per_minute = 3000.0\n", "utf-8")
    shipped = (ROOT / "config/channels.toml").read_text("utf-8").partition("[[channel]]")[0]
    channels.write_text(re.sub(r"hosts = \[.*", 'hosts = ["127.0.0.1"]', shipped)
                        + CHANNELS.format(port=free_port()), "utf-8")
    return demo, channels


def asked(prometheus: str, expr: str) -> list[Any]:
    body = json.loads(get(f"{prometheus}/api/v1/query?query={quote(expr)}"))
    assert body["status"] == "success", (expr, body)
    return list(body["data"]["result"])


def test_every_expression_finds_data(tmp_path: Path) -> None:
    demo, channels = settings(tmp_path)
    ports = free_port(), free_port()
    server = Prometheus(tmp_path / "p", free_port(), [f"127.0.0.1:{p}" for p in ports], [RULES],
                        every_s=1)
    with (started(server),
          running(tmp_path, "demo", ports[0], "--demo", "--settings", demo) as demo_ended,
          running(tmp_path, "telling", ports[1], "--channels", channels) as telling_ended):
        missing = dict.fromkeys(questions())
        assert len(missing) > 100
        until = time.monotonic() + PATIENCE_S
        while True:
            assert not demo_ended() + telling_ended(), demo_ended() + telling_ended()
            if asked(server.address, "max(xinfeng_subjects) > 0"):
                # What no feed of a simulated city does.
                get(f"http://127.0.0.1:{ports[0]}/api/v1/events", MISNAMED)
            missing = {q: None for q in missing if not asked(server.address, q[1])}
            wanted = [q for q in missing if not excused(q[1])]
            if not wanted:
                break
            assert time.monotonic() < until, "\n".join(f"{at}\n   {expr}" for at, expr in wanted)
            time.sleep(1)
        for planted in ("xinfeng_nowhere", 'sum(xinfeng_alerts_open{level="rot"}) or vector(0)'):
            assert asked(server.address, plain(planted)) == [] and not excused(planted)
        rules = json.loads(get(f"{server.address}/api/v1/rules"))["data"]["groups"]
        health = {r["name"]: r["health"] for group in rules for r in group["rules"]}
        assert set(health.values()) == {"ok"}, health
        # The best of all: on a machine that is busy the others say nothing of the service.
        took = asked(server.address,
                     'min_over_time(scrape_duration_seconds{job="xinfeng"}[10m])')
        assert len(took) == 2 and all(float(row["value"][1]) < 1.0 for row in took)


def test_comparisons_become_differences() -> None:
    assert plain('a{b!="c"} > 1 and d == 2') == 'a{b!="c"} - 1 and d - 2'
    assert plain('count(ALERTS{a="b", alertstate="firing"}) or vector(0)') == 'count(ALERTS{a="b"})'
    assert excused("max(xinfeng_partition_stopped)") and not excused("max(xinfeng_subjects)")
