"""One server process: its own session, its log in a file, on loopback."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

LOOPBACK = "127.0.0.1"
TAIL_LINES = 15
POLL_S = 0.05
STOP_S = 30.0


class ServerError(Exception):
    """What went wrong, in words for the person at the terminal."""


class Server:
    """A server with its data in `folder`; a new object on the same folder goes on with the data."""

    name: ClassVar[str]
    start_s: ClassVar[float] = 60.0

    def __init__(self, folder: Path, port: int) -> None:
        self.folder = folder.resolve()
        self.port = port
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return f"{LOOPBACK}:{self.port}"

    @property
    def pid(self) -> int:
        assert self._process is not None, f"{self.name} has not been started"
        return self._process.pid

    @property
    def log(self) -> Path:
        return self.folder / f"{self.name}.log"

    def prepare(self) -> None:
        """Write the configuration; make what a new folder needs."""

    def command(self) -> list[str]:
        raise NotImplementedError

    def environment(self) -> Mapping[str, str]:
        return {}

    def answers(self) -> bool:
        """Whether it does its work, not only listens; OSError and ValueError mean not yet."""
        raise NotImplementedError

    def start(self) -> None:
        """Return when it answers. An error holds the end of its log."""
        if self._process is not None and self._process.poll() is None:
            raise ServerError(f"{self.name} is already running as process {self.pid}")
        if taken(self.port):
            raise ServerError(f"{self.name} cannot start: port {self.port} is taken; give it "
                              f"another (--{self.name}-port)")
        self.folder.mkdir(parents=True, exist_ok=True)
        self.prepare()
        with self.log.open("ab") as log:
            begin = log.tell()
            # A session of its own: Ctrl-C in the terminal is not for the server.
            process = self._process = subprocess.Popen(
                self.command(), cwd=self.folder, env={**os.environ, **self.environment()},
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        try:
            self._wait(process, begin)
        except BaseException:
            self.kill()
            raise

    def _wait(self, process: subprocess.Popen[bytes], begin: int) -> None:
        deadline = time.monotonic() + self.start_s
        while not self._answers():
            if process.poll() is not None:
                raise ServerError(f"{self.name} ended with code {process.returncode} instead of "
                                  f"starting; the end of its log:\n{tail(self.log, begin)}")
            if time.monotonic() > deadline:
                raise ServerError(f"{self.name} did not answer on {self.address} within "
                                  f"{self.start_s:.0f} s; the end of its log:\n"
                                  f"{tail(self.log, begin)}")
            time.sleep(POLL_S)

    def _answers(self) -> bool:
        try:
            return self.answers()
        except (OSError, ValueError):
            return False

    def stop(self) -> None:
        """SIGTERM, and SIGKILL if that is not enough."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL: it gets no chance to write anything."""
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        """On the same data and the same port."""
        self.stop()
        self.start()

    def _end(self, how: signal.Signals) -> None:
        if self._process is None or self._process.poll() is not None:
            return
        os.killpg(self.pid, how)
        try:
            self._process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            os.killpg(self.pid, signal.SIGKILL)
            self._process.wait()


def born(pid: int) -> str | None:
    """When a process began, as a name that no other process with this pid has; None: it is gone."""
    try:
        # After the name in brackets, which may hold anything: state, then 18 fields, then start.
        fields = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()
        boot = Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    except OSError:
        return None
    return None if fields[0] in "ZX" else f"{boot}/{fields[19]}"


def end(pid: int, birth: str) -> bool:
    """Stop a server that another process started; False: it was gone already."""
    if born(pid) != birth:
        return False
    for how in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(pid, how)
        except ProcessLookupError:
            return True
        deadline = time.monotonic() + STOP_S
        while time.monotonic() < deadline:
            if born(pid) != birth:
                return True
            time.sleep(POLL_S)
    raise ServerError(f"process {pid} does not end, not even by SIGKILL")


def taken(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return True
    return False


_RANDOM = random.SystemRandom()
_CLAIMS: list[socket.socket] = []


def free_port() -> int:
    """A port nobody listens on, below those the kernel gives to outgoing connections: one of them
    may not sit on the port while its server is being restarted. It is given to nobody else on this
    machine who asks here, as long as this process lives: its server may not have bound it yet."""
    for _ in range(100):
        port = _RANDOM.randrange(20_000, 32_000)  # not seeded, as tests are
        claim = socket.socket(socket.AF_UNIX)
        try:
            # A name without a file (unix(7)): the kernel lets one process have it, and takes it
            # back however that process ends.
            claim.bind(f"\0xinfeng-port-{port}")
        except OSError:
            claim.close()
            continue
        _CLAIMS.append(claim)
        if not taken(port):
            return port
    raise ServerError("no free port between 20000 and 32000")


def tail(log: Path, begin: int) -> str:
    """The last lines written since byte `begin`."""
    text = log.read_bytes()[begin:].decode("utf-8", "replace")
    return "\n".join(f"  {line}" for line in text.splitlines()[-TAIL_LINES:]) or "  (empty)"
