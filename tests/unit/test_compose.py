"""Goal: docker-compose.yml, the image and what they name fit together and fit the product.

Method: there need not be a Docker engine. The file is held to the schema of the Compose
Specification (`tests/data`), and every command, option, variable, file and port in it to where the
product has it. Each check is first shown to find a planted fault.
"""

from __future__ import annotations

import gzip
import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from typer.main import get_command

from config import load
from servers import fetch
from streams.cli import app

ROOT = Path(__file__).parents[2]
FILE = ROOT / "docker-compose.yml"
SCHEMA = json.loads(gzip.decompress((ROOT / "tests/data/compose-spec.json.gz").read_bytes()))
WORKDIR = "/srv/xinfeng"
KNOWN = {*load.VARIABLES, "XINFENG_PSEUDONYM_KEY", "XINFENG_TRACEBACK"}
"""What the product reads from the environment."""


@pytest.fixture
def compose() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(FILE.read_text("utf-8"))
    return found


def roles(compose: dict[str, Any]) -> dict[str, Any]:
    """Services that are ours."""
    return {name: s for name, s in compose["services"].items()
            if s["image"].startswith("xinfeng:")}


def unfit(compose: dict[str, Any]) -> list[str]:
    return [e.message for e in jsonschema.Draft202012Validator(SCHEMA).iter_errors(compose)]


def wrong_command(arguments: list[str]) -> str:
    """What our command line says to these arguments, "" = it takes them."""
    command: Any = get_command(app)
    left, context = list(arguments), None
    try:
        while hasattr(command, "commands"):
            context = command.make_context("xinfeng", left, parent=context)
            left = [*context._protected_args, *context.args]
            _, command, left = command.resolve_command(context, left)
        command.make_context("xinfeng", left, parent=context)
    except Exception as error:
        return str(error) or type(error).__name__
    return ""


def option(service: dict[str, Any], name: str) -> str:
    return str(service["command"][service["command"].index(name) + 1])


def open_ports(compose: dict[str, Any]) -> list[str]:
    """Ports that others than this machine reach."""
    return [f"{name}: {port}" for name, s in compose["services"].items()
            for port in s.get("ports", []) if not str(port).startswith("127.0.0.1:")]


def unknown_variables(compose: dict[str, Any]) -> list[str]:
    return [f"{name}: {v}" for name, s in roles(compose).items()
            for v in s.get("environment", {}) if v not in KNOWN]


def interpolated(text: str) -> dict[str, str]:
    """Variables that the file takes from the environment, with what follows the name."""
    text = re.sub(r"^\s*#.*$", "", text, flags=re.MULTILINE)
    return {m[1]: m[2] for m in re.finditer(r"\$\{(\w+)([^}]*)\}", text)}


def mounts(compose: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    """(service, source, target)."""
    for name, s in compose["services"].items():
        for volume in s.get("volumes", []):
            source, target = volume.split(":")[:2]
            yield name, source, target


def missing_mounts(compose: dict[str, Any]) -> list[str]:
    return [f"{name}: {source}" for name, source, _ in mounts(compose)
            if not ((ROOT / source).exists() if source.startswith("./")
                    else source in compose["volumes"])]


def careless(compose: dict[str, Any]) -> list[str]:
    """Services without a limit, a restart policy, a health check or a pinned image."""
    out = []
    for name, s in compose["services"].items():
        limits = s.get("deploy", {}).get("resources", {}).get("limits", {})
        if not {"cpus", "memory"} <= set(limits):
            out.append(f"{name}: no limits")
        once = s.get("restart") == "on-failure"
        if not once and s.get("restart") != "unless-stopped":
            out.append(f"{name}: no restart policy")
        if not once and "test" not in s.get("healthcheck", {}):
            out.append(f"{name}: no health check")
        if not re.fullmatch(r"[\w./-]+:v?\d[\w.-]*", s["image"]):
            out.append(f"{name}: image not pinned")
    return out


# -------------------------------------------------------------------------------------- tests


def test_the_file_is_a_compose_file(compose: dict[str, Any]) -> None:
    assert unfit(compose) == []
    compose["services"]["kafka"]["restarts"] = "always"
    assert unfit(compose)


def test_every_command_is_one_of_ours(compose: dict[str, Any]) -> None:
    found = {name: s["command"] for name, s in roles(compose).items()}
    assert {"topics", "intake", "worker", "console"} <= set(found)
    assert {name: wrong for name, c in found.items() if (wrong := wrong_command(c))} == {}


@pytest.mark.parametrize("arguments", [
    ["dispatch"], ["topics", "destroy"], ["worker", "--nowhere", "1"],
    ["intake", "--metrics-port", "many"], ["worker", "surplus"]])
def test_a_planted_command_is_refused(arguments: list[str]) -> None:
    assert wrong_command(arguments)


def test_every_variable_is_known(compose: dict[str, Any]) -> None:
    assert unknown_variables(compose) == []
    compose["services"]["worker"]["environment"] = {"XINFENG_NOWHERE": "1"}
    assert unknown_variables(compose) == ["worker: XINFENG_NOWHERE"]


def test_what_is_to_be_given_stands_in_the_example() -> None:
    needed = interpolated(FILE.read_text("utf-8"))
    offered = re.findall(r"^#?([A-Z_]+)=", (ROOT / ".env.example").read_text("utf-8"), re.M)
    assert sorted(offered) == sorted(needed)
    assert interpolated("a: ${X:?why} # c\n# ${Y}") == {"X": ":?why"}


def test_secrets_have_no_default() -> None:
    needed = interpolated(FILE.read_text("utf-8"))
    secret = {n for n in needed if re.search("KEY|TOKEN|PASSWORD", n)}
    assert secret == {"XINFENG_PSEUDONYM_KEY", "XINFENG_TOKEN", "XINFENG_GRAFANA_PASSWORD"}
    for name in secret:
        assert needed[name].startswith(":?") and "see .env.example" in needed[name], name


def test_everything_mounted_is_there(compose: dict[str, Any]) -> None:
    assert missing_mounts(compose) == []
    assert {source for _, source, _ in mounts(compose) if not source.startswith("./")} == set(
        compose["volumes"])
    compose["services"]["redis"]["volumes"] = ["./config/nowhere:/data"]
    assert missing_mounts(compose) == ["redis: ./config/nowhere"]


def test_workers_keep_checkpoints_where_the_settings_say(compose: dict[str, Any]) -> None:
    folder = f"{WORKDIR}/{load.settings(ROOT / 'config/site.toml').worker.folder}"
    assert ("worker", "checkpoints", folder) in list(mounts(compose))
    image = (ROOT / "Dockerfile").read_text("utf-8")
    assert f"WORKDIR {WORKDIR}\n" in image and f"--owner xinfeng --group xinfeng {folder}" in image
    assert re.search(r"^USER xinfeng$", image, re.M)


def test_ports_are_on_loopback(compose: dict[str, Any]) -> None:
    assert open_ports(compose) == []
    compose["services"]["redis"]["ports"] = ["6379:6379"]
    assert open_ports(compose) == ["redis: 6379:6379"]


def test_services_are_careful(compose: dict[str, Any]) -> None:
    assert careless(compose) == []
    compose["services"]["redis"] = {"image": "redis:latest"}
    assert len(careless(compose)) == 4


def test_services_wait_for_services(compose: dict[str, Any]) -> None:
    for name, s in compose["services"].items():
        for other, how in s.get("depends_on", {}).items():
            on = compose["services"][other]
            assert ("healthcheck" in on) == (how["condition"] == "service_healthy"), (name, other)


def test_roles_agree_on_settings(compose: dict[str, Any]) -> None:
    for name, s in roles(compose).items():
        assert option(s, "--settings") == "site.toml"
        assert (name, "./config/site.toml", f"{WORKDIR}/site.toml") in list(mounts(compose))
    # Prometheus calls the console by the name of its service.
    assert "console" in load.settings(ROOT / "config/site.toml").http.hosts


def test_prometheus_asks_where_metrics_are(compose: dict[str, Any]) -> None:
    jobs = yaml.safe_load((ROOT / "config/prometheus/prometheus.yml").read_text("utf-8"))
    asked = {}
    for job in jobs["scrape_configs"]:
        for found in job.get("dns_sd_configs", []):
            asked[job["job_name"]] = (found["names"], found["port"])
        for found in job.get("static_configs", []):
            host, port = found["targets"][0].split(":")
            asked[job["job_name"]] = ([host], int(port))
    served = {name: ([name], int(option(s, "--metrics-port" if "--metrics-port" in s["command"]
                                        else "--port")))
              for name, s in roles(compose).items() if name != "topics"}
    assert asked == served
    for name in served:
        assert f":{served[name][1]}/" in " ".join(roles(compose)[name]["healthcheck"]["test"])


def test_kafka_is_the_version_that_tests_run(compose: dict[str, Any]) -> None:
    assert compose["services"]["kafka"]["image"] == f"apache/kafka:{fetch.KAFKA}"


def test_the_image_has_all_packages() -> None:
    """What .dockerignore lets through is what the wheel is made of."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    tops = {p.partition(".")[0] for p in project["tool"]["setuptools"]["packages"]}
    lines = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    assert {x[1:] for x in lines if x.startswith("!")} == tops | {
        "pyproject.toml", "README.md", "LICENSE"}
