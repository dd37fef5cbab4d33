"""Prometheus' tool for rules and queries, and where what it reads lies."""

from __future__ import annotations

import subprocess
from pathlib import Path

from cluster import missing

from servers import fetch
from servers.process import ServerError

ROOT = Path(__file__).parents[1]
RULES = ROOT / "config/prometheus/rules.yml"


def promtool(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run it; where it is not to be had, the test is skipped (under CI it fails)."""
    try:
        found = fetch.prometheus()
    except ServerError as err:
        missing(err)
    tool = found.path.with_name("promtool")
    if not tool.exists():
        missing(ServerError(f"{tool}: there is no promtool beside Prometheus"))
    return subprocess.run([str(tool), *arguments], env=found.environment(), capture_output=True,
                          text=True, check=False)
