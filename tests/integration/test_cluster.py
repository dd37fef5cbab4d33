"""The distributed runner on a real Kafka and a real Redis.

Goal: what it concludes is what the embedded runner concludes, for any number of partitions and
workers; a short kill test loses and doubles nothing. Method: roles are processes, as users run
them; the long runs are `python -m bench.parity` and `make killtest`.
"""

from __future__ import annotations

import copy
from collections import Counter
from pathlib import Path
from typing import Any

import cluster
import pytest

from bench import killtest, parity
from bench.site import Site
from servers.process import ServerError

pytestmark = [pytest.mark.integration, pytest.mark.slow]


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("city") / "city.ndjson"
    killtest.make_city(path, 400, 3)
    return path


@pytest.fixture(scope="module")
def embedded(city: Path) -> dict[str, Any]:
    made = killtest.undisturbed(city, city.parent / "embedded")
    rules = {rule for rule, *_ in made["alerts"].values()}
    assert "related-risk" in rules, "of businesses that lie in different partitions"
    return made


@pytest.mark.parametrize(("partitions", "workers"), [(1, 1), (4, 3), (12, 2)])
def test_parity(partitions: int, workers: int, city: Path, embedded: dict[str, Any],
                tmp_path: Path, kafka: cluster.Given, redis_server: Any) -> None:
    site = Site(tmp_path, prefix=f"parity{partitions}x{workers}", partitions=partitions,
                kafka=kafka.address, redis_url=redis_server.address)
    found = parity.through_kafka(site, city, workers, 300)
    assert killtest.differences(found, embedded) == []
    assert found["ended"] == []
    assert found["said"] == embedded["transitions"].total()
    # A handover may say some of it twice, under the same ids: `said` counts ids.


@pytest.mark.timeout(1_200)
def test_kill_test(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    try:
        wrong = killtest.killtest(tmp_path, subjects=2_500, kills=6, seed=11, partitions=4,
                                  workers=2, limit_s=480)
    except ServerError as error:
        cluster.missing(error)
    with capsys.disabled():
        print("\nkill test:", capsys.readouterr().out.strip())
    assert wrong == []


def test_differences_are_seen(embedded: dict[str, Any]) -> None:
    """The comparison notices a lost alert, a doubled transition, another state."""
    assert killtest.differences(embedded, embedded) == []
    for spoil in ("alert", "transition", "review", "digest"):
        other = copy.deepcopy(embedded)
        match spoil:
            case "alert":
                other["alerts"].popitem()
            case "transition":
                other["transitions"].update(Counter([next(iter(other["transitions"]))]))
            case "review":
                other["reviews"][next(iter(other["reviews"]))] = ("open", 3, "", None)
            case "digest":
                other["digest"] = "0"
        assert killtest.differences(other, embedded), spoil
