"""Finds the servers' programs: on the PATH, else from packages, once, into `.servers/`.

Kafka is put together from Maven Central; Redis, Prometheus and its Alertmanager are Debian's
packages, unpacked but not installed. A folder appears under its final name only when it is
complete.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from textwrap import shorten

from servers.process import ServerError

ROOT = Path(__file__).parents[1] / ".servers"

# 4.4.0 is out, but one of its jars (kafka-tools-api) is not on Maven Central.
KAFKA = "4.3.1"
SCALA = "2.13"
# The binding that Kafka's own distribution uses; the jars of log4j itself come with Kafka.
LOG4J = "2.25.4"
MAVEN_PLUGIN = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1"
JAVA_MIN = 17
"""Kafka 4 runs on no older one. Of the others the Debian release decides the version."""

POM = f"""\
<project>
  <modelVersion>4.0.0</modelVersion>
  <groupId>xinfeng</groupId><artifactId>servers</artifactId><version>1</version>
  <packaging>pom</packaging>
  <dependencies>
    <dependency>
      <groupId>org.apache.kafka</groupId>
      <artifactId>kafka_{SCALA}</artifactId><version>{KAFKA}</version>
    </dependency>
    <dependency>
      <groupId>org.apache.logging.log4j</groupId>
      <artifactId>log4j-slf4j-impl</artifactId><version>{LOG4J}</version>
    </dependency>
  </dependencies>
</project>
"""

FETCH_S = 600.0
HEARTBEAT_S = 5.0


@dataclass(frozen=True)
class Program:
    """How to run a server: `libraries` are folders that the loader needs, besides its own."""

    path: Path
    libraries: tuple[Path, ...] = ()

    def environment(self) -> dict[str, str]:
        if not self.libraries:
            return {}
        known = os.environ.get("LD_LIBRARY_PATH")
        folders = [str(folder) for folder in self.libraries] + ([known] if known else [])
        return {"LD_LIBRARY_PATH": os.pathsep.join(folders)}


def kafka_script(name: str) -> Path | None:
    """A script of a Kafka installed on this machine, as Apache or as a distribution names it."""
    found = shutil.which(f"{name}.sh") or shutil.which(name)
    return Path(found) if found else None


def java() -> Path:
    home = os.environ.get("JAVA_HOME")
    found = shutil.which("java", path=f"{home}/bin" if home else None) or shutil.which("java")
    if found is None:
        raise ServerError(
            f"no Kafka: java is missing (Debian: apt-get install default-jre-headless; {JAVA_MIN} "
            "or newer). Or name a running one: XINFENG_KAFKA=host:port.")
    return Path(found)


def kafka_jars() -> Path:
    """The folder with Kafka's jars."""
    java()
    folder = ROOT / f"kafka-{KAFKA}"
    once(folder, _fetch_kafka)
    return folder / "libs"


def redis() -> Program:
    return _debian("redis-server", ROOT / "redis",
                   "Or name a running one: XINFENG_REDIS=redis://host:port/0.")


def prometheus() -> Program:
    return _debian("prometheus", ROOT / "prometheus", "Nothing else needs it.")


def alertmanager() -> Program:
    return _debian("prometheus-alertmanager", ROOT / "alertmanager", "Nothing else needs it.")


def _debian(name: str, folder: Path, otherwise: str) -> Program:
    """The package and its program have the same name."""
    if found := shutil.which(name):
        return Program(Path(found))

    def fetch(part: Path) -> None:
        _fetch_debian(name, part, otherwise)

    once(folder, fetch)
    return Program(folder / "usr/bin" / name,
                   tuple(path for path in sorted((folder / "usr/lib").glob("*-linux-gnu*"))
                         if path.is_dir()))


EXTRA: dict[str, Callable[[], Program]] = {"prometheus": prometheus, "alertmanager": alertmanager}
"""Servers that are fetched when asked for."""


def everything(extra: Collection[str]) -> None:
    """All that the tests use and nobody gives: before them, so that its time shows as its own."""
    if not os.environ.get("XINFENG_KAFKA") and kafka_script("kafka-server-start") is None:
        kafka_jars()
    if not os.environ.get("XINFENG_REDIS"):
        redis()
    for name in extra:
        EXTRA[name]()


def once(folder: Path, fetch: Callable[[Path], None]) -> None:
    """`fetch` fills a folder beside it; the rename makes it count. Other processes wait."""
    if folder.is_dir():
        return
    folder.parent.mkdir(parents=True, exist_ok=True)
    with _locked(folder.parent / "fetch.lock"):
        if folder.is_dir():
            return
        part = folder.with_name(folder.name + ".part")
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir()
        began = time.monotonic()
        fetch(part)
        part.rename(folder)
        say(f"{folder.name}: here, {size_mb(folder):.0f} MB in {time.monotonic() - began:.0f} s")


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _fetch_kafka(part: Path) -> None:
    say(f"kafka {KAFKA}: fetching its jars from Maven Central, once (45 MB)")
    otherwise = ("Or name a running one: XINFENG_KAFKA=host:port, or put "
                 "kafka-server-start.sh on the PATH.")
    if shutil.which("mvn") is None:
        raise ServerError("no Kafka: mvn is missing (Debian: apt-get install maven). " + otherwise)
    (part / "pom.xml").write_text(POM, "utf-8")
    _run("kafka", ["mvn", "-B", f"{MAVEN_PLUGIN}:copy-dependencies", "-DincludeScope=runtime",
                   f"-DoutputDirectory={part / 'libs'}"], part,
         "no Kafka: Maven Central does not give its jars", otherwise)
    if not (part / "libs" / f"kafka_{SCALA}-{KAFKA}.jar").is_file():
        raise ServerError(f"no Kafka: mvn has brought no kafka_{SCALA}-{KAFKA}.jar. {otherwise}")


def _fetch_debian(name: str, part: Path, otherwise: str) -> None:
    otherwise = f"{otherwise} Or put {name} on the PATH."
    if shutil.which("apt-get") is None or shutil.which("dpkg") is None:
        raise ServerError(f"no {name}: this is no Debian (apt-get and dpkg are missing). "
                          + otherwise)
    say(f"{name}: fetching Debian's package, once")
    apt = ["apt-get", "-q", "-o", "APT::Sandbox::User=root"]
    try:
        _download(apt, name, part)
    except ServerError:
        # The lists of packages are missing or name a version that has been replaced.
        if os.geteuid() != 0:
            raise ServerError(f"no {name}: apt-get does not give it; its lists may be old "
                              f"(sudo apt-get update). {otherwise}") from None
        say(f"{name}: apt-get update first")
        _run(name, [*apt, "update"], part, f"no {name}: apt-get update fails", otherwise)
        try:
            _download(apt, name, part)
        except ServerError as err:
            raise ServerError(f"{err} {otherwise}") from None
    for package in sorted(part.glob("*.deb")):
        _run(name, ["dpkg", "-x", str(package), str(part)], part,
             f"no {name}: {package.name} cannot be unpacked", otherwise)
        package.unlink()
    if not (part / "usr/bin" / name).exists():
        raise ServerError(f"no {name}: Debian's package does not hold it. {otherwise}")


def _download(apt: list[str], name: str, part: Path) -> None:
    """The package and what it needs that this machine lacks: what apt-get would install."""
    failed = f"no {name}: apt-get does not give it"
    plan = _run(name, [*apt, "install", "--simulate", "--no-install-recommends", name], part,
                failed, "")
    wanted = [line.split()[1] for line in plan.splitlines() if line.startswith("Inst ")]
    # Prometheus' own pages want these; its API, which is all we use, does not.
    wanted = [package for package in wanted if not package.startswith(("libjs-", "fonts-"))]
    _run(name, [*apt, "download", *wanted], part, failed, "")


def _run(name: str, command: list[str], folder: Path, failed: str, otherwise: str) -> str:
    """Its output; a sign of life every few seconds; its own words only when it fails."""
    output = folder / "fetch.log"
    began = time.monotonic()
    with output.open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, stdin=subprocess.DEVNULL, stdout=log,
                                   stderr=subprocess.STDOUT,
                                   env={**os.environ, "LC_ALL": "C.UTF-8"})
        try:
            while True:
                try:
                    code = process.wait(HEARTBEAT_S)
                    break
                except subprocess.TimeoutExpired:
                    spent = time.monotonic() - began
                    if spent > FETCH_S:
                        raise ServerError(f"{failed} within {FETCH_S:.0f} s. {otherwise}") from None
                    jars = output.read_bytes().count(b".jar (")
                    say(f"{name}: {spent:.0f} s" + (f", {jars} files so far" if jars else ""))
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
    text = output.read_text("utf-8", "replace")
    if code != 0:
        said = [line for line in text.splitlines() if line.startswith(("[ERROR]", "E:"))]
        why = shorten((said or text.splitlines() or ["it says nothing"])[0], 160, placeholder=" …")
        raise ServerError(f"{failed} ({why}). {otherwise}".rstrip())
    return text


def size_mb(folder: Path) -> float:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6


def say(line: str) -> None:
    print(f"[servers] {line}", file=sys.stderr, flush=True)
