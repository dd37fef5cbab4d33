"""Puts `tests/` on the path (`events`, `oracle`), takes in the servers' fixtures, and sets how
hypothesis runs."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from cluster import kafka, kafka_alone, redis_server  # noqa: F401
from hypothesis import HealthCheck, settings

# `events`, `oracle`, `checks`, `story` lie beside this file, `simulator` one folder below.
sys.path.insert(0, str(Path(__file__).parent / "simulation"))

# In CI the same examples each time: a run that fails does so for a change. Elsewhere others.
settings.register_profile(
    "default", deadline=None, print_blob=True, max_examples=40,
    derandomize=bool(os.environ.get("CI")),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
settings.register_profile("long", parent=settings.get_profile("default"), max_examples=2_000,
                          derandomize=False)
settings.load_profile(os.environ.get("XINFENG_HYPOTHESIS", "default"))
