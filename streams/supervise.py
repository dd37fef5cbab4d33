"""`xinfeng run --distributed`: all roles of a small site as processes of their own, kept alive.

For more than one machine use the system's own supervisor, or docker-compose.yml.
"""

from __future__ import annotations

import logging
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence

_LOG = logging.getLogger("xinfeng.supervise")
LOOK_S = 0.2
GRACE_S = 20.0
BACKOFF_MAX_S = 10.0
CALM_S = 30.0
"""A role that ran for so long is started again at once."""
COMMAND = [sys.executable, "-c", "from streams.cli import main; main()"]


class _Role:
    def __init__(self, name: str, arguments: Sequence[str]) -> None:
        self.name, self.arguments = name, arguments
        self.process: subprocess.Popen[bytes] | None = None
        self.started_s = self.due_s = 0.0
        self.failed = 0

    def start(self) -> None:
        self.started_s = time.monotonic()
        self.process = subprocess.Popen([*COMMAND, *self.arguments], stdin=subprocess.DEVNULL)
        _LOG.info("msg=started role=%s process=%d", self.name, self.process.pid)

    def look(self) -> None:
        """Start again what has ended: at once after a calm time, else less and less eagerly."""
        now = time.monotonic()
        if self.process is not None and (code := self.process.poll()) is not None:
            self.process = None
            self.failed = 0 if now - self.started_s > CALM_S else self.failed + 1
            wait = min(0.5 * 2 ** self.failed, BACKOFF_MAX_S) if self.failed else 0.0
            self.due_s = now + wait
            _LOG.error("msg=ended role=%s code=%d again_in=%.1f", self.name, code, wait)
        if self.process is None and now >= self.due_s:
            self.start()


def run(roles: Mapping[str, Sequence[str]]) -> None:
    """Keep roles running until SIGINT or SIGTERM.

    Parameters
    ----------
    roles
        Arguments of `xinfeng` by name of the role.
    """
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    held = [_Role(name, arguments) for name, arguments in roles.items()]
    try:
        while not stop.wait(LOOK_S):
            for role in held:
                role.look()
    finally:
        running = [role.process for role in held if role.process is not None]
        for process in running:
            process.terminate()
        until = time.monotonic() + GRACE_S
        for process in running:
            try:
                process.wait(max(until - time.monotonic(), 0.1))
            except subprocess.TimeoutExpired:
                process.kill()
