"""Goal: a half fetched server is never used, and what is missing is said in one line that names the
way out. Method: an empty PATH, or one with programs made for the test."""

from __future__ import annotations

from pathlib import Path

import pytest

from servers import fetch
from servers.process import ServerError


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder on the PATH; nothing has been fetched."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setattr(fetch, "ROOT", tmp_path / "servers")
    return folder


def program(folder: Path, name: str, script: str) -> None:
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)


def test_no_java_is_said_in_one_line(path: Path) -> None:
    with pytest.raises(ServerError, match=r"^no Kafka: java is missing.*XINFENG_KAFKA=.*$"):
        fetch.kafka_jars()


def test_no_maven_is_said_in_one_line(path: Path) -> None:
    program(path, "java", "true")
    with pytest.raises(ServerError, match=r"^no Kafka: mvn is missing.*XINFENG_KAFKA=.*$"):
        fetch.kafka_jars()


def test_no_maven_central_is_said_in_one_line(path: Path) -> None:
    program(path, "java", "true")
    program(path, "mvn", "echo '[INFO] Scanning'; echo '[ERROR] Unknown host'; exit 1")
    with pytest.raises(ServerError, match=r"^no Kafka: .*Unknown host.*XINFENG_KAFKA=.*$"):
        fetch.kafka_jars()


def test_no_debian_is_said_in_one_line(path: Path) -> None:
    with pytest.raises(ServerError, match=r"^no redis-server: .*apt-get.*XINFENG_REDIS=.*$"):
        fetch.redis()


def test_no_mirror_is_said_in_one_line(path: Path) -> None:
    program(path, "dpkg", "true")
    program(path, "apt-get", "echo 'E: Unable to locate package'; exit 100")
    with pytest.raises(ServerError, match=r"^no redis-server: .*apt-get.*XINFENG_REDIS=.*$"):
        fetch.redis()


def test_what_is_on_the_path_comes_first(path: Path) -> None:
    program(path, "redis-server", "true")
    program(path, "kafka-server-start", "true")
    assert fetch.redis() == fetch.Program(path / "redis-server")
    assert fetch.kafka_script("kafka-server-start") == path / "kafka-server-start"
    program(path, "kafka-server-start.sh", "true")
    assert fetch.kafka_script("kafka-server-start") == path / "kafka-server-start.sh"


def test_an_interrupted_fetch_counts_for_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "kafka"

    def interrupted(part: Path) -> None:
        (part / "half.jar").touch()
        raise KeyboardInterrupt

    def complete(part: Path) -> None:
        assert list(part.iterdir()) == []
        (part / "whole.jar").touch()

    with pytest.raises(KeyboardInterrupt):
        fetch.once(folder, interrupted)
    assert not folder.exists()
    fetch.once(folder, complete)
    assert [file.name for file in folder.iterdir()] == ["whole.jar"]
    fetch.once(folder, interrupted)  # is not called
