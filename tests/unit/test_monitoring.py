"""Goal: Prometheus' rules and Grafana's dashboards speak of metrics that the product has.

Method: names of metrics are read from the code where they are declared; `promtool`, where it is to
be had, reads the rules, plays them, and parses the dashboards' queries.
"""

from __future__ import annotations

import ast
import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from cluster import missing

from servers import fetch
from servers.process import ServerError

ROOT = Path(__file__).parents[2]
RULES = ROOT / "config/prometheus/rules.yml"
DASHBOARDS = sorted((ROOT / "config/grafana/dashboards").glob("*.json"))
PLAYED = """
rule_files: [RULES]
evaluation_interval: 1m
tests:
  - interval: 1m
    input_series:
      - {series: 'xinfeng_partition_stopped{partition="3"}', values: '0x4 1x10'}
      - {series: 'xinfeng_partition_applied_offset{partition="1"}', values: '1+1x40'}
      - {series: 'xinfeng_partition_applied_offset{partition="2"}', values: '1+1x10 stale'}
      - {series: 'xinfeng_partition_clock_seconds{partition="1"}', values: '0+60x5 300x40'}
      - {series: 'xinfeng_intake_leads{instance="a"}', values: '1x20 0x20'}
      - {series: 'xinfeng_intake_leads{instance="b"}', values: '0x40'}
      - {series: 'xinfeng_intake_lag_records{instance="a"}', values: '0+2000x40'}
      - {series: 'xinfeng_intake_lag_records{instance="b"}', values: '90000+1x40'}
      - {series: 'xinfeng_intake_rejected_total', values: '0+10x40'}
      - {series: 'xinfeng_intake_events_total', values: '0+100x40'}
      - {series: 'xinfeng_partition_reopened{partition="1"}', values: '0x9 1x40'}
    alert_rule_test:
EXPECTED"""
EXPECTED = {
    # rule: (last minute of silence, a minute at which it fires, labels)
    "XinfengPartitionStopped": (4, 6, {"severity": "critical", "partition": "3"}),
    "XinfengPartitionUnkept": (10, 20, {"severity": "critical"}),
    "XinfengPartitionClockBehind": (10, 25, {"severity": "warning", "partition": "1"}),
    "XinfengIntakeLeaderless": (20, 25, {"severity": "critical"}),
    "XinfengIntakeLagGrows": (10, 19, {"severity": "warning", "instance": "a"}),
    "XinfengRejectsGrow": (1, 20, {"severity": "warning"}),
    "XinfengViewReopened": (9, 11, {"severity": "warning", "partition": "1"}),
    "XinfengPartitionLagGrows": (10, None, {}),
    "XinfengNoWorker": (20, None, {}),
}


def metrics() -> set[str]:
    """What the code declares, under the names that Prometheus sees."""
    out = set()
    for path in (ROOT / "streams").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.args:
                first = node.args[0]
                if node.func.id in ("Counter", "Gauge", "Declared") and isinstance(
                        first, ast.Constant) and str(first.value).startswith("xinfeng_"):
                    out.add(f"{first.value}_total" if node.func.id == "Counter" else first.value)
    return out


def named(text: str) -> set[str]:
    return set(re.findall(r"\bxinfeng_\w+", text))


def rules() -> Iterator[dict[str, Any]]:
    for group in yaml.safe_load(RULES.read_text("utf-8"))["groups"]:
        yield from group["rules"]


def queries() -> Iterator[str]:
    for path in DASHBOARDS:
        for panel in json.loads(path.read_text("utf-8"))["panels"]:
            for target in panel["targets"]:
                yield target["expr"]


def promtool(*arguments: str) -> subprocess.CompletedProcess[str]:
    try:
        found = fetch.prometheus()
    except ServerError as err:
        missing(err)
    tool = found.path.with_name("promtool")
    if not tool.exists():
        missing(ServerError(f"{tool}: there is no promtool beside Prometheus"))
    return subprocess.run([str(tool), *arguments], env=found.environment(), capture_output=True,
                          text=True, check=False)


def test_rules_and_dashboards_name_metrics_that_exist() -> None:
    known = metrics()
    assert {"xinfeng_partition_lag_envelopes", "xinfeng_intake_events_total"} <= known
    for text in [*(rule["expr"] for rule in rules()), *queries()]:
        assert named(text) <= known, text
    assert named("rate(xinfeng_nowhere_total[1m])") - known == {"xinfeng_nowhere_total"}


def test_every_metric_of_the_roles_is_shown_or_watched() -> None:
    text = "\n".join([*(rule["expr"] for rule in rules()), *queries()])
    own = {m for m in metrics() if re.match("xinfeng_(partition|worker|intake)_", m)}
    assert own - named(text) == set()


def test_every_rule_says_what_to_do() -> None:
    for rule in rules():
        assert set(rule["annotations"]) == {"summary", "action"}, rule["alert"]
        assert rule["labels"]["severity"] in ("critical", "warning")


def test_dashboards_fit_their_provisioning() -> None:
    folder = ROOT / "config/grafana/provisioning"
    sources = yaml.safe_load((folder / "datasources/prometheus.yml").read_text("utf-8"))
    uids = {x["uid"] for x in sources["datasources"]}
    assert DASHBOARDS
    for path in DASHBOARDS:
        board = json.loads(path.read_text("utf-8"))
        assert board["uid"] and board["title"]
        ids = [panel["id"] for panel in board["panels"]]
        assert len(ids) == len(set(ids))
        for panel in board["panels"]:
            assert {t["datasource"]["uid"] for t in panel["targets"]} <= uids


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


@pytest.mark.integration
def test_rules_fire_when_they_should(tmp_path: Path) -> None:
    cases = []
    for alert, (silent, fires, labels) in EXPECTED.items():
        cases.append({"alertname": alert, "eval_time": f"{silent}m", "exp_alerts": []})
        if fires is not None:
            cases.append({"alertname": alert, "eval_time": f"{fires}m",
                          "exp_alerts": [{"exp_labels": labels}]})
    # Their words are left out: who reads them is a person.
    plain = yaml.safe_load(RULES.read_text("utf-8"))
    for rule in plain["groups"][0]["rules"]:
        del rule["annotations"]
    (tmp_path / "rules.yml").write_text(yaml.safe_dump(plain), "utf-8")
    listed = "".join(f"      - {json.dumps(case)}\n" for case in cases)
    played = tmp_path / "played.yml"
    played.write_text(PLAYED.replace("RULES", "rules.yml").replace("EXPECTED", listed), "utf-8")
    done = promtool("test", "rules", str(played))
    assert done.returncode == 0, done.stdout + done.stderr
    played.write_text(played.read_text("utf-8").replace('"partition": "3"', '"partition": "4"'),
                      "utf-8")
    assert promtool("test", "rules", str(played)).returncode != 0
