"""Goal: the image of docker-compose.yml holds a product that works, with all its files.

Method: the RUN lines of the Dockerfile's first stage are carried out by hand, in a temporary folder
that holds what .dockerignore lets through; then the commands run from an empty folder, in an
environment that knows nothing of this checkout.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.integration, pytest.mark.slow]
ROOT = Path(__file__).parents[2]
SHIPPED = ("config/*.toml", "config/catalogue/*.csv", "config/maps/*.toml", "console/templates/*",
           "console/static/*")


def steps(dockerfile: str) -> list[str]:
    """RUN lines of the first stage."""
    first = re.split(r"^FROM ", dockerfile, flags=re.MULTILINE)[1].replace("\\\n", " ")
    return re.findall(r"^RUN (.+)$", first, re.MULTILINE)


def context(folder: Path) -> None:
    """Copy what .dockerignore lets through."""
    lines = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    assert "*" in lines
    out = [x for x in lines if x and x[0] not in "#!*"]
    folder.mkdir()
    for name in (x[1:] for x in lines if x.startswith("!")):
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, folder / name)
    for name in out:
        shutil.rmtree(folder / name)


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The environment that the image has as /opt/xinfeng."""
    top = tmp_path_factory.mktemp("image")
    made, build = top / "xinfeng", top / "build"
    context(build)
    runs = steps((ROOT / "Dockerfile").read_text("utf-8"))
    assert len(runs) == 4
    plain = {k: v for k, v in os.environ.items() if not k.startswith("XINFENG_")}
    for run in runs:
        # Compiling takes as long as installing, and nobody runs this twice.
        done = subprocess.run(
            re.sub(r"^python\b", sys.executable, run.replace("/opt/xinfeng", str(made))),
            shell=True, cwd=build, capture_output=True, text=True, check=False,
            env={**plain, "PIP_NO_COMPILE": "1", "PYTHONDONTWRITEBYTECODE": "1"})
        assert done.returncode == 0, f"{run}\n{done.stdout}{done.stderr}"
    return made


def xinfeng(image: Path, folder: Path, *arguments: str) -> str:
    done = subprocess.run([str(image / "bin/xinfeng"), *arguments], cwd=folder, check=False,
                          env={"PATH": "/usr/bin", "HOME": str(folder)}, capture_output=True,
                          text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_file_is_inside(image: Path) -> None:
    inside = next(image.glob("lib/python*/site-packages"))
    wanted = [path.relative_to(ROOT) for pattern in SHIPPED for path in ROOT.glob(pattern)
              if path.is_file()]
    assert len(wanted) > 20
    assert [str(p) for p in wanted if not (inside / p).is_file()] == []


def test_no_tool_is_left(image: Path) -> None:
    assert not list(image.glob("bin/pip*"))
    assert not list(image.glob("lib/python*/site-packages/pip"))


def test_commands_run(image: Path, tmp_path: Path) -> None:
    assert "worker" in xinfeng(image, tmp_path, "--help")
    for role in (["worker"], ["intake"], ["console"], ["topics", "create"]):
        assert "--settings" in xinfeng(image, tmp_path, *role, "--help")
    assert str(image) in xinfeng(image, tmp_path, "check-config")
    (tmp_path / "e.ndjson").write_bytes((ROOT / "docs/example/restaurant.ndjson").read_bytes())
    assert '"rejected":0' in xinfeng(image, tmp_path, "process", "e.ndjson", "--store", "s")
    assert xinfeng(image, tmp_path, "show", "91500106MA60AB125D", "--store", "s")


def test_the_roles_load_outside_this_checkout(image: Path, tmp_path: Path) -> None:
    """Everything a role imports is in a package that is installed with it."""
    code = ("import streams.worker, streams.intake_role, streams.console_role, storage.kafka_topics"
            "; print(streams.worker.__file__)")
    done = subprocess.run([str(image / "bin/python"), "-c", code], cwd=tmp_path, check=False,
                          env={"PATH": "/usr/bin"}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert str(image) in done.stdout
