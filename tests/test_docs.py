"""Goal: the documentation says what the product is, and nothing in it points nowhere.

Method: keys of the configuration, event types, targets of the Makefile, links and numbers are taken
from the product and looked for in the texts. Each check is first shown to find a planted fault.
"""

from __future__ import annotations

import re
import shlex
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from config import load
from models.events import EVENT_TYPES
from models.policy import INDICATORS
from models.scorecard import Card
from streams import cli
from streams.batch import process
from streams.embedded import Embedded
from streams.show import describe

ROOT = Path(__file__).parents[1]
READMES = ("README.md", "README.zh-CN.md")
FORBIDDEN = (
    r"(?<![\w.])/(?:work|root|home|mnt|Users)/",
    r"(?<![\w.])/tmp/exp",
    r"[\w.-]+\.(?:aliyun|tuna\.tsinghua|mirrors|nexus|artifactory|jfrog)\b",
    r"://(?:10\.\d{1,3}|192\.168)\.\d{1,3}\.\d{1,3}\b",
    r"extra-index-url|index-url|trusted-host",
)
"""Paths of some machine, hosts of some registry."""


def read(name: str) -> str:
    return (ROOT / name).read_text("utf-8")


def tracked() -> list[str]:
    """Files git knows or would add; all but caches where there is no git."""
    try:
        listed = subprocess.run(
            ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
            cwd=ROOT, capture_output=True, check=True, text=True).stdout.split("\0")
    except (OSError, subprocess.CalledProcessError):
        listed = [p.relative_to(ROOT).as_posix() for p in ROOT.rglob("*")
                  if not {".venv", ".git"} & set(p.parts)]
    return sorted(n for n in listed if n and (ROOT / n).is_file())


def leaves(table: dict[str, Any], path: str = "") -> Iterator[str]:
    """Dotted keys of a TOML document; of a list of tables, the keys of each."""
    for key, value in table.items():
        name = f"{path}.{key}" if path else key
        rows = value if isinstance(value, list) else [value]
        tables = [row for row in rows if isinstance(row, dict)]
        if tables:
            for row in tables:
                yield from leaves(row, name)
        else:
            yield name


def policy_keys() -> set[str]:
    """Keys of the policy as docs/policy.md names them: those of indicators stand there once."""
    out = set()
    for key in leaves(tomllib.loads(read("config/policy.toml"))):
        if key.startswith("indicators."):
            _, name, own = key.split(".")
            out |= {f"indicators.{name}", own}
        else:
            out.add(key)
    return out


def unnamed(keys: set[str] | tuple[str, ...], text: str) -> list[str]:
    """Keys that the text does not name in back quotes."""
    named = set(re.findall(r"`([^`\n]+)`", text))
    return sorted(set(keys) - named)


def commands(text: str) -> list[str]:
    """Targets of every `make` that a text names."""
    return re.findall(r"(?:^|[`\s])make ([a-z]+)", text)


def anchors(text: str) -> set[str]:
    """What GitHub makes of the headings."""
    return {re.sub(r"[^\w\- ]", "", h.strip().lower()).replace(" ", "-")
            for h in re.findall(r"^#+ (.+)$", text, re.MULTILINE)}


def dead_links(name: str, text: str) -> list[str]:
    """Relative links of a text to files or headings that are not there."""
    out = []
    text = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        there = (ROOT / name).parent / path if path else ROOT / name
        dead = not there.exists()
        if not dead and anchor and there.suffix == ".md":
            dead = anchor not in anchors(there.read_text("utf-8"))
        if dead:
            out.append(f"{name}: {target}")
    return out


def named_files(name: str, text: str) -> list[str]:
    """Files of the project that a text names in back quotes and that are not there."""
    tops = "models|alerts|storage|dispatch|streams|console|config|servers|tests|bench|docs"
    return [f"{name}: {found}" for found in re.findall(
                rf"`((?:{tops})/[\w./-]+\.\w+)(?:::\w+)?`", text) if not (ROOT / found).exists()]


def forbidden(name: str, text: str) -> list[str]:
    return [f"{name}: {found[0]}" for pattern in FORBIDDEN
            for found in re.finditer(pattern, text)]


def documents() -> list[str]:
    return [n for n in tracked() if n.endswith(".md")]


# -------------------------------------------------------------------------------------- tests


def test_every_key_of_the_policy_is_explained() -> None:
    assert unnamed(policy_keys(), read("docs/policy.md")) == []
    assert unnamed(policy_keys() | {"bands.nowhere"}, read("docs/policy.md")) == ["bands.nowhere"]


def test_every_key_of_the_settings_is_explained() -> None:
    text = read("docs/operations.md")
    assert unnamed(set(leaves(tomllib.loads(read("config/settings.toml")))), text) == []
    assert unnamed({"http.nowhere"}, text) == ["http.nowhere"]


def test_every_environment_variable_is_explained() -> None:
    code = "".join(read(n) for n in tracked() if re.match(r"(?!tests/|bench/).+\.py$", n))
    found = set(re.findall(r"\bXINFENG_[A-Z_]+\b", code))
    assert {"XINFENG_TOKEN", "XINFENG_PSEUDONYM_KEY"} <= found
    assert unnamed(found, read("docs/operations.md")) == []


def test_every_event_type_is_explained() -> None:
    assert unnamed(EVENT_TYPES, read("docs/events.md")) == []
    assert unnamed(("penalty.invented",), read("docs/events.md")) == ["penalty.invented"]


def test_points_of_the_policy_document_are_those_of_the_policy() -> None:
    card = Card(load.policy(), 0)
    rows = dict(re.findall(r"^\| `indicators\.(\w+)` \| ([^|]+) \|", read("docs/policy.md"), re.M))
    for n, name in enumerate(INDICATORS):
        points = " · ".join(f"{table[0] / 1000:.1f}" for table in card.points[0][n])
        assert rows[name].strip().replace("−", "-") == points, name
    text, bands = " ".join(read("docs/policy.md").split()), card.policy.bands
    low, high = bands.a - bands.margin_points, bands.a + bands.margin_points
    assert f"an A (from {bands.a:g}) falls below {low:g}, and a B rises at {high:g}" in text
    assert f"= {card.base[0] / 1000:.3f}" in text or f"has {card.base[0] / 1000:.3f}" in text


@pytest.mark.parametrize("name", [*READMES, "CONTRIBUTING.md"])
def test_commands_exist(name: str) -> None:
    targets = set(re.findall(r"^([a-z]+):", read("Makefile"), re.MULTILINE))
    found = commands(read(name))
    assert found and set(found) <= targets
    assert commands("run `make nowhere` now") == ["nowhere"]


@pytest.mark.parametrize("name", READMES)
def test_the_two_commands_stand_in_the_readme(name: str) -> None:
    assert {"run", "test"} <= set(commands(read(name)))


def test_links_lead_somewhere() -> None:
    assert [dead for name in documents() for dead in dead_links(name, read(name))] == []
    assert dead_links("README.md", "[a](docs/nowhere.md) [b](#no-such-heading)") == [
        "README.md: docs/nowhere.md", "README.md: #no-such-heading"]


def test_files_named_exist() -> None:
    assert [gone for name in documents() for gone in named_files(name, read(name))] == []
    assert named_files("a.md", "see `models/nowhere.py`") == ["a.md: models/nowhere.py"]


def test_nothing_names_a_machine_or_a_registry() -> None:
    own = Path(__file__).relative_to(ROOT).as_posix()
    wrong = []
    for name in tracked():
        if name != own:
            wrong += forbidden(name, (ROOT / name).read_bytes().decode("utf-8", "replace"))
    assert wrong == []


@pytest.mark.parametrize("text", [
    "see /work/main", "cd /root/x", "in /tmp/exp/a", "pip.conf: index-url = x",
    "https://mirror.mirrors.example/simple", "http://10.0.0.1/simple"])
def test_a_planted_trace_of_a_machine_is_found(text: str) -> None:
    assert forbidden("a", text)


@pytest.mark.parametrize("name", READMES)
def test_the_worked_example_is_what_the_engine_prints(name: str) -> None:
    """Every number of the table in the README comes out of the file the README plays."""
    runner = Embedded(None, load.policy())
    process(runner, [str(ROOT / "docs" / "example" / "restaurant.ndjson")])
    found = describe(runner.shard, "91500106MA60AB125D", runner.shard.clock_ms)
    assert found is not None
    text = read(name).replace("−", "-")
    for row in found["items"]["cq1-17"]["contributions"]:
        assert f"| `{row['indicator']}` | {row['points']:.3f} |" in text, row["indicator"]
    assert f"{found['items']['cq1-17']['risk_score']:.3f}" in text
    assert f"{found['items']['cq1-17']['credit_score']:.3f}" in text
    assert found["items"]["cq1-17"]["grade"] == "C"
    assert found["path"]["to"] == "B" and found["path"]["by"] in text
    leaves_b = load.policy().bands.b - load.policy().bands.margin_points
    assert f" {leaves_b:g}" in text
    for repair in found["repairable"]:
        assert f"-{repair['points']:.3f}" in text and repair["from"] in text


def numbers(text: str) -> set[str]:
    """Numbers of a table's rows."""
    rows = "\n".join(line for line in text.splitlines() if line.startswith("|"))
    return set(re.findall(r"\d[\d,.]*\d|\d", rows))


@pytest.mark.parametrize(("name", "heading"), [("README.md", "How fast"),
                                               ("README.zh-CN.md", "性能")])
def test_every_measured_number_is_that_of_the_bench(name: str, heading: str) -> None:
    section = read(name).partition(f"## {heading}\n")[2].partition("\n## ")[0]
    found = numbers(section)
    assert len(found) > 5
    assert found - numbers(read("bench/README.md")) == set()
    assert numbers("| a | 19,401 events/s |\n12") == {"19,401"}


def blocks(text: str) -> list[str]:
    """What stands between ``` and ```."""
    return re.findall(r"^```\w*\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("name", READMES)
def test_the_tour_works(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                        capfd: pytest.CaptureFixture[str]) -> None:
    """The commands about one business, typed as they stand, print what the README says they do."""
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("COLUMNS", "200")
    printed, done = "", 0
    for block in blocks(read(name)):
        lines = block.replace("\\\n", "").splitlines()
        if not any(line.startswith(("xinfeng", "echo", "make", "source", "printf", "curl"))
                   for line in lines):
            assert all(line in printed for line in lines), block
            continue
        for line in lines:
            # The city and the live service take longer: others test them.
            if "xinfeng" not in line or not re.search(r"var/tour", line):
                continue
            said = re.match(r"echo '(.*)'\s+\| (.*)", line)
            if said:
                (tmp_path / "said.ndjson").write_text(said[1] + "\n", "utf-8")
                line = said[2].replace(" - ", f" {tmp_path / 'said.ndjson'} ")
            code = cli.invoke(shlex.split(line.replace("var/", f"{tmp_path}/"))[1:])
            out = capfd.readouterr()
            assert code == 0, (line, out.err)
            printed, done = printed + out.out, done + 1
    assert done == 9
