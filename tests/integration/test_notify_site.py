"""Goal: alerts of real events reach every receiver that they should while receivers fail and
processes are killed, embedded and on a cluster; each is processed once, and nothing falls between.

Method: `bench.notify_site`, small. Its checks are shown to find a fault in
`tests/simulation/test_notify_kill.py`.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import cluster
import pytest

from bench.notify_site import Cluster, Embedded, departments, events, kill, wait_for
from bench.receivers import Behaviour, Receivers
from servers.process import free_port
from servers.redis import Redis
from streams.redis_reader import RedisReader

pytestmark = [pytest.mark.integration, pytest.mark.slow]


def check(found: dict[str, Any], kills: int) -> None:
    assert len(found["killed"]) == kills
    assert (found["missing"], found["gaps"], found["processed_twice"]) == (0, 0, 0), found
    # A crash may send what it was just sending again: of receivers that are quick one message a
    # kill, and on a machine that is busy all are slow (`dispatch.gate`).
    assert found["duplicates"] <= kills * found["receivers"], found


def test_embedded() -> None:
    check(kill(Embedded, 300, 4, 3, 1), 3)


def test_on_a_cluster(kafka: cluster.Given, tmp_path: Path) -> None:
    redis = Redis(tmp_path / "redis", free_port())
    with cluster.started(redis):
        def make(folder: Path, policy: Path, channels: Path) -> Cluster:
            text = channels.read_text("utf-8")
            channels.write_text(text.replace("dead_after_min = 30.0", "dead_after_min = 0.05"),
                                "utf-8")
            return Cluster(folder, policy, channels, kafka=kafka.address,
                           redis_url=redis.address, prefix=f"notify-{os.getpid()}")

        found = kill(make, 300, 4, 3, 2, more=dead)
        check(found, 3)
        # What they answered went over the feeds into the log and came back as transitions.
        assert found["acknowledged"] == 75


def dead(run: Cluster, server: Receivers) -> None:
    """A receiver that cannot be reached is an alert of the log, which ends when it can."""
    reader = RedisReader(run.site.client(), run.site.settings.kafka.prefix)

    def states() -> list[str]:
        return [x["state"] for x in reader.alerts(rule="receiver-dead")
                if x["subject"] == "" and x["cell"].endswith("r1")]

    server.behaviours["r1"] = Behaviour(status=404)
    item = departments(2)[1][1]
    run.feed(events(900, item))
    wait_for(lambda: states() == ["firing"], "nobody hears of the dead receiver")
    server.behaviours["r1"] = Behaviour()
    wait_for(lambda: states() == ["resolved"], "it does not end")
    assert len(server.names["r1"].alerts) == 76
    # The auditor in the dispatcher read each record once.
    assert "fell between" not in run.log("dispatcher")
