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

from bench.notify_site import Cluster, Embedded, kill
from servers.process import free_port
from servers.redis import Redis

pytestmark = [pytest.mark.integration, pytest.mark.slow]


def check(found: dict[str, Any], kills: int) -> None:
    assert len(found["killed"]) == kills
    assert (found["missing"], found["gaps"], found["processed_twice"]) == (0, 0, 0), found
    # A crash may send what it was just sending again, one message a kill and no more.
    assert found["duplicates"] <= kills + 1, found


def test_embedded() -> None:
    check(kill(Embedded, 300, 4, 3, 1), 3)


def test_on_a_cluster(kafka: cluster.Given, tmp_path: Path) -> None:
    redis = Redis(tmp_path / "redis", free_port())
    with cluster.started(redis):
        def make(folder: Path, policy: Path, channels: Path) -> Cluster:
            return Cluster(folder, policy, channels, kafka=kafka.address,
                           redis_url=redis.address, prefix=f"notify-{os.getpid()}")

        check(kill(make, 300, 4, 3, 2), 3)
