"""Goal: Prometheus' rules and Grafana's dashboards speak of metrics that the product has.

Method: names of metrics are read from the code where they are declared; `promtool`, where it is to
be had, reads the rules, plays them, and parses the dashboards' queries.
"""

from __future__ import annotations

import ast
import json
import re
from collections import Counter
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import yaml
from console_fake import FakeService
from promtool import ROOT, RULES, promtool
from starlette.testclient import TestClient

from config.grafana.boards import BOARDS, text
from console.app import create_app
from streams.metrics import ALL

DASHBOARDS = sorted((ROOT / "config/grafana/dashboards").glob("*.json"))


def metrics() -> set[str]:
    """What the code declares, under the names that Prometheus sees."""
    out = set()
    for m in ALL:
        out |= {f"{m.name}{part}" for part in ("_bucket", "_count", "_sum")} if (
            m.type == "histogram") else {m.name}
    return out


def named(text: str) -> set[str]:
    return set(re.findall(r"\bxinfeng_\w+", text))


def rules() -> Iterator[dict[str, Any]]:
    for group in yaml.safe_load(RULES.read_text("utf-8"))["groups"]:
        yield from group["rules"]


def queries() -> Iterator[str]:
    for path in DASHBOARDS:
        board = json.loads(path.read_text("utf-8"))
        for panel in board["panels"]:
            for target in panel["targets"]:
                yield target["expr"]
        for annotation in board["annotations"]["list"]:
            yield annotation["expr"]


def test_rules_and_dashboards_name_metrics_that_exist() -> None:
    known = metrics()
    assert {"xinfeng_partition_lag_envelopes", "xinfeng_intake_events_total"} <= known
    for expr in [*(rule["expr"] for rule in rules()), *queries()]:
        assert named(expr) <= known, expr
    assert named("rate(xinfeng_nowhere_total[1m])") - known == {"xinfeng_nowhere_total"}


def test_every_metric_of_the_roles_is_shown_or_watched() -> None:
    said = "\n".join([*(rule["expr"] for rule in rules()), *queries()])
    assert {m for m in metrics() if not m.endswith("_sum")} - named(said) == set()


def test_metrics_are_declared_once_and_well() -> None:
    """A unit in brackets, a name that says it, and no metric that is declared elsewhere."""
    names = [m.name for m in ALL]
    assert [name for name, n in Counter(names).items() if n > 1] == []
    for m in ALL:
        assert (m.type == "counter") == m.name.endswith("_total"), m.name
        assert m.help.endswith(".") and len(m.help) > 20, m.name
        assert m.name.endswith(("_seconds", "_seconds_total")) == ("[s" in m.help), m.name
        assert sorted(m.buckets) == list(m.buckets)
    for path in sorted((ROOT / "streams").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.args and (
                    node.func.id in ("Counter", "Gauge", "Histogram", "Summary")):
                first = node.args[0]
                assert not (isinstance(first, ast.Constant)
                            and str(first.value).startswith("xinfeng")), path


def test_dashboards_are_what_the_code_makes() -> None:
    """`python -m config.grafana.boards` writes them."""
    assert {path.stem for path in DASHBOARDS} == set(BOARDS)
    for path in DASHBOARDS:
        assert path.read_text("utf-8") == text(BOARDS[path.stem]), path


def overlapping(panels: list[dict[str, Any]]) -> list[tuple[int, int]]:
    """Pairs of panels with a place in common, or one with itself where it leaves the grid."""
    places = [(p["id"], p["gridPos"]) for p in panels]
    out = [(id, id) for id, g in places if g["x"] + g["w"] > 24 or min(g.values()) < 0]
    return out + [(a, b) for (a, f), (b, g) in combinations(places, 2)
                  if f["x"] < g["x"] + g["w"] and g["x"] < f["x"] + f["w"]
                  and f["y"] < g["y"] + g["h"] and g["y"] < f["y"] + f["h"]]


def test_dashboards_fit_their_provisioning() -> None:
    folder = ROOT / "config/grafana/provisioning"
    sources = yaml.safe_load((folder / "datasources/prometheus.yml").read_text("utf-8"))
    uids = {x["uid"] for x in sources["datasources"]}
    boards = [json.loads(path.read_text("utf-8")) for path in DASHBOARDS]
    assert len({b["uid"] for b in boards}) == len({b["title"] for b in boards}) == len(boards) >= 6
    for board in boards:
        panels = board["panels"]
        assert len({p["id"] for p in panels}) == len(panels) and overlapping(panels) == []
        for panel in panels:
            refs = [t["refId"] for t in panel["targets"]]
            assert refs and len(refs) == len(set(refs))
            assert {t["datasource"]["uid"] for t in panel["targets"]} <= uids
        for annotation in board["annotations"]["list"]:
            assert annotation["datasource"]["uid"] in uids
        assert [v["name"] for v in board["templating"]["list"]] == ["console"]
    compose = (ROOT / "docker-compose.yml").read_text("utf-8")
    assert "HOME_DASHBOARD_PATH: /etc/grafana/dashboards/overview.json" in compose
    first = boards[0]["panels"]
    assert overlapping([first[0], {**first[1], "gridPos": first[0]["gridPos"]}])


def test_titles_are_chinese_first() -> None:
    for board in BOARDS.values():
        for title in (board["title"], *(p["title"] for p in board["panels"])):
            assert re.match(r"[A-Za-z、 ]{0,8}[一-鿿]", title) or title.isascii(), title
            assert re.search(r"[A-Za-z]{2}", title), title


def test_links_lead_to_pages_of_the_console() -> None:
    console = TestClient(create_app(FakeService()), base_url="http://127.0.0.1")
    links = [link["url"] for board in BOARDS.values() for panel in board["panels"]
             for link in panel.get("links", ())]
    assert len(links) > 20
    for url in links:
        assert url.startswith("${console}/")
        assert console.get(url.removeprefix("${console}")).status_code == 200, url
    assert console.get("/nowhere").status_code == 404


@pytest.mark.integration
def test_promtool_accepts_rules_and_queries(tmp_path: Path) -> None:
    done = promtool("check", "rules", str(RULES))
    assert done.returncode == 0, done.stderr
    done = promtool("check", "config", "--syntax-only", str(RULES.with_name("prometheus.yml")))
    assert done.returncode == 0, done.stderr
    asked = tmp_path / "queries.yml"
    asked.write_text(yaml.safe_dump({"groups": [{"name": "queries", "rules": [
        {"record": f"q{n}", "expr": query} for n, query in enumerate(queries())]}]}), "utf-8")
    done = promtool("check", "rules", str(asked))
    assert done.returncode == 0, done.stderr
    asked.write_text("groups: [{name: x, rules: [{record: y, expr: 'sum('}]}]", "utf-8")
    assert promtool("check", "rules", str(asked)).returncode != 0
