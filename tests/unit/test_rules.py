"""Goal: each of Prometheus' rules fires when it should, and is silent when it should be.

Method: `promtool test rules` plays series a minute apart, two cases a rule: one in which it fires,
with exactly these labels, one near it in which it does not. A rule without cases is an error, and
so is one that no runbook speaks of.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml
from promtool import ROOT, RULES, promtool

HOUR = 60


class Case(NamedTuple):
    """Series by name, in promtool's notation; a look at `at` [min] finds alerts with `labels`."""

    fires: dict[str, str]
    at: int
    silent: dict[str, str]
    labels: tuple[dict[str, str], ...] = ({},)


def subject_codes(wrong: str) -> dict[str, str]:
    return {'xinfeng_dead_letters_total{field="subject"}': wrong, "xinfeng_subjects": "100000x200"}


CASES: dict[str, Case] = {
    # rule, or "rule, how it may come about"
    "XinfengDown": Case(
        {'up{job="worker",instance="a"}': "1x5 0x20"}, 10,
        {'up{job="worker",instance="a"}': "1x8 0 1x20", 'up{job="node"}': "0x20"},
        ({"job": "worker", "instance": "a"},)),
    "XinfengScrapeMissing": Case(
        {"xinfeng_log_clock_seconds": "0x3 stale"}, 20, {"xinfeng_log_clock_seconds": "0+60x30"}),
    "XinfengClockBehind": Case(
        {"xinfeng_log_clock_seconds": "0+60x5 300x40"}, 25,
        {"xinfeng_log_clock_seconds": "0+60x5 300x5 660+60x40"}),
    "XinfengClockAhead": Case(
        {"xinfeng_log_clock_seconds": "7200x40"}, 20, {"xinfeng_log_clock_seconds": "300+60x40"}),
    "XinfengDiskFull": Case(
        {'xinfeng_disk_free_bytes{instance="a"}': "90e9-100e6x400"}, 6 * HOUR,
        {'xinfeng_disk_free_bytes{instance="a"}': "90e9-10e6x400"}, ({"instance": "a"},)),
    "XinfengWritesSlow": Case(
        {"xinfeng_append_seconds_total": "0+30x40", "xinfeng_appends_total": "0+10x40"}, 30,
        {"xinfeng_append_seconds_total": "0+1x40", "xinfeng_appends_total": "0+100x40"}),
    "XinfengRejectsGrow": Case(
        {"xinfeng_events_rejected_total": "0+10x40", "xinfeng_events_accepted_total": "0+100x40"},
        25,
        {"xinfeng_events_rejected_total": "0+10x40",
         "xinfeng_events_accepted_total": "0+10000x40"}),
    "XinfengConflicts": Case(
        {"xinfeng_events_conflicting_total": "3x20 5x40"}, 25,
        {"xinfeng_events_conflicting_total": "3x40"}),
    "XinfengFeedSilent": Case(
        {'xinfeng_alerts_open{rule="feed-silent",level="orange"}': "0x5 2x20"}, 10,
        {'xinfeng_alerts_open{rule="feed-silent",level="orange"}': "0x20",
         'xinfeng_alerts_open{rule="grade-gap",level="red"}': "7x20"}),
    "XinfengIdentifierErrors": Case(
        subject_codes("0x20 30x200"), 90, subject_codes("0x20 5x200")),
    "XinfengAlertStorm": Case(
        {'xinfeng_alerts_opened_total{rule="risk-high",level="orange"}': "0+200x30"}, 20,
        {'xinfeng_alerts_opened_total{rule="risk-high",level="orange"}': "0+20x30"},
        ({"rule": "risk-high"},)),
    "XinfengModelDrift": Case(
        {"xinfeng_model_drifting": "0x5 1x9"}, 8, {"xinfeng_model_drifting": "0x20"}),
    "XinfengAnalysisBehind": Case(
        {"xinfeng_log_clock_seconds": "300000x90", "xinfeng_analysis_clock_seconds": "0x90"}, 70,
        {"xinfeng_log_clock_seconds": "100000x90", "xinfeng_analysis_clock_seconds": "0x90"}),
    "XinfengWeightsOld": Case(
        {"xinfeng_log_clock_seconds": "40000000x90", "xinfeng_weights_clock_seconds": "0x90"}, 70,
        {"xinfeng_log_clock_seconds": "20000000x90", "xinfeng_weights_clock_seconds": "0x90"}),
    "XinfengNotifyGaps": Case(
        {"xinfeng_notify_gaps": "0x5 1x20"}, 15, {"xinfeng_notify_gaps": "0x8 1x2 0x20"}),
    "XinfengReceiversDead": Case(
        {"xinfeng_receivers_dead": "0x5 1x20"}, 8, {"xinfeng_receivers_dead": "0x20"}),
    "XinfengOutboxOld": Case(
        {"xinfeng_messages_oldest_seconds": "0+60x90"}, 80,
        {"xinfeng_messages_oldest_seconds": "0+30x90"}),
    "XinfengMessagesUndelivered": Case(
        {"xinfeng_messages_undelivered": "4x20 5x30"}, 30,
        {"xinfeng_messages_undelivered": "4x50"}),
    "XinfengNotifyStuck": Case(
        {"xinfeng_notify_mark": "7x60", 'xinfeng_alerts_opened_total{rule="a"}': "0+2x60"}, 50,
        {"xinfeng_notify_mark": "7x60", 'xinfeng_alerts_opened_total{rule="a"}': "5x60"}),
    "XinfengPartitionStopped": Case(
        {'xinfeng_partition_stopped{partition="3"}': "0x4 1x10"}, 6,
        {'xinfeng_partition_stopped{partition="3"}': "0x14"}, ({"partition": "3"},)),
    "XinfengPartitionUnkept": Case(
        {'xinfeng_partition_applied_offset{partition="1"}': "1+1x40",
         'xinfeng_partition_applied_offset{partition="2"}': "1+1x10 stale"}, 20,
        {'xinfeng_partition_applied_offset{partition="1",instance="a"}': "1+1x10 stale",
         'xinfeng_partition_applied_offset{partition="1",instance="b"}': "_x10 1+1x20",
         'xinfeng_partition_applied_offset{partition="2"}': "1+1x40"}),
    "XinfengNoWorker": Case(
        {'xinfeng_intake_leads{instance="a"}': "1x20"}, 10,
        {"xinfeng_log_clock_seconds": "0x20"}),
    "XinfengPartitionLagGrows": Case(
        {'xinfeng_partition_lag_envelopes{partition="1"}': "60+9x40"}, 25,
        {'xinfeng_partition_lag_envelopes{partition="1"}': "400-9x40"}, ({"partition": "1"},)),
    "XinfengPartitionClockBehind": Case(
        {'xinfeng_partition_clock_seconds{partition="1"}': "0+60x5 300x40"}, 25,
        {'xinfeng_partition_clock_seconds{partition="1",instance="a"}': "0x40",
         'xinfeng_partition_clock_seconds{partition="1",instance="b"}': "0+60x40"},
        ({"partition": "1"},)),
    "XinfengViewReopened": Case(
        {'xinfeng_partition_reopened{partition="1"}': "0x9 1x40"}, 12,
        {'xinfeng_partition_reopened{partition="1"}': "1x40"}, ({"partition": "1"},)),
    "XinfengIntakeLeaderless": Case(
        {'xinfeng_intake_leads{instance="a"}': "1x20 0x20",
         'xinfeng_intake_leads{instance="b"}': "0x40"}, 25,
        {'xinfeng_intake_leads{instance="a"}': "1x10 0x30",
         'xinfeng_intake_leads{instance="b"}': "0x11 1x29"}),
    "XinfengIntakeLeaderless, all away": Case(
        {'xinfeng_partition_applied_offset{partition="1"}': "1x40",
         'xinfeng_intake_leads{instance="a"}': "1x10 stale"}, 25,
        {"xinfeng_log_clock_seconds": "0x40"}),
    "XinfengIntakeLagGrows": Case(
        {'xinfeng_intake_lag_records{instance="a"}': "0+2000x40",
         'xinfeng_intake_leads{instance="a"}': "1x40"}, 30,
        {'xinfeng_intake_lag_records{instance="b"}': "90000+1x40",
         'xinfeng_intake_leads{instance="b"}': "0x40",
         'xinfeng_intake_leads{instance="a"}': "1x40"}, ({"instance": "a"},)),
    "XinfengIntakeClockBehind": Case(
        {'xinfeng_intake_clock_seconds{instance="a"}': "0x40",
         'xinfeng_intake_leads{instance="a"}': "1x40"}, 20,
        {'xinfeng_intake_clock_seconds{instance="b"}': "0x40",
         'xinfeng_intake_leads{instance="b"}': "0x40"}, ({"instance": "a"},)),
    "XinfengAnalystBehind": Case(
        {'xinfeng_partition_clock_seconds{partition="1"}': "9000x40",
         "xinfeng_analyst_clock_seconds": "0x40"}, 20,
        {'xinfeng_partition_clock_seconds{partition="1"}': "7000x40",
         "xinfeng_analyst_clock_seconds": "0x40"}),
}


def rules() -> list[dict[str, Any]]:
    return [rule for group in yaml.safe_load(RULES.read_text("utf-8"))["groups"]
            for rule in group["rules"]]


def test_every_rule_has_its_cases() -> None:
    names = [rule["alert"] for rule in rules()]
    assert len(names) == len(set(names)) and set(names) == {
        name.partition(",")[0] for name in CASES}


def test_every_rule_says_what_to_do() -> None:
    """In Chinese and in English, and where more is said."""
    headings = {line.lstrip("# ").strip().lower().replace(" ", "-").replace(",", "")
                for line in (ROOT / "docs/operations.md").read_text("utf-8").splitlines()
                if line.startswith("#")}
    for rule in rules():
        said = rule["annotations"]
        assert set(said) == {"summary", "description", "runbook"}, rule["alert"]
        for key in ("summary", "description"):
            chinese, _, english = said[key].partition("/ ")
            assert any("一" <= c <= "鿿" for c in chinese), rule["alert"]
            assert english and english.isascii(), rule["alert"]
        path, _, anchor = said["runbook"].partition("#")
        assert (ROOT / path).exists() and anchor in headings, said["runbook"]
        assert rule["labels"]["severity"] in ("critical", "warning")


def play(folder: Path, cases: dict[str, Case]) -> tuple[int, str]:
    """Exit code and words of promtool."""
    plain = yaml.safe_load(RULES.read_text("utf-8"))
    severity = {}
    for group in plain["groups"]:
        for rule in group["rules"]:
            # Their words are left out: who reads them is a person.
            del rule["annotations"]
            severity[rule["alert"]] = rule["labels"]["severity"]
    (folder / "rules.yml").write_text(yaml.safe_dump(plain), "utf-8")
    tests = []
    for title, case in cases.items():
        name = title.partition(",")[0]
        found = [{"exp_labels": {"severity": severity[name], **labels}} for labels in case.labels]
        for what, series, expected in (("fires", case.fires, found), ("silent", case.silent, [])):
            tests.append({
                "name": f"{title}: {what}", "interval": "1m",
                "input_series": [{"series": key, "values": values}
                                 for key, values in series.items()],
                "alert_rule_test": [{"eval_time": f"{case.at}m", "alertname": name,
                                     "exp_alerts": expected}]})
    (folder / "tests.yml").write_text(json.dumps(
        {"rule_files": ["rules.yml"], "evaluation_interval": "1m", "tests": tests}), "utf-8")
    done = promtool("test", "rules", str(folder / "tests.yml"))
    return done.returncode, done.stdout + done.stderr


@pytest.mark.integration
def test_rules_fire_when_they_should_and_only_then(tmp_path: Path) -> None:
    code, said = play(tmp_path, CASES)
    assert code == 0, said


@pytest.mark.integration
def test_a_case_that_is_wrong_is_found(tmp_path: Path) -> None:
    """Both halves: silence where it should fire, and the reverse."""
    case = CASES["XinfengNotifyGaps"]
    for planted in (case._replace(fires=case.silent), case._replace(silent=case.fires)):
        code, said = play(tmp_path, {"XinfengNotifyGaps": planted})
        assert code != 0 and "XinfengNotifyGaps" in said
