"""Redis, with an append-only file flushed every second and no snapshots."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from typing import ClassVar

from servers import fetch
from servers.process import LOOPBACK, Server

SETTINGS = """\
bind {host}
port {port}
dir {folder}
appendonly yes
appendfsync everysec
save ""
"""


class Redis(Server):
    name: ClassVar[str] = "redis"

    @property
    def address(self) -> str:
        return f"redis://{LOOPBACK}:{self.port}/0"

    def prepare(self) -> None:
        (self.folder / "redis.conf").write_text(
            SETTINGS.format(host=LOOPBACK, port=self.port, folder=self.folder), "utf-8")

    def command(self) -> list[str]:
        return [str(fetch.redis().path), str(self.folder / "redis.conf")]

    def environment(self) -> Mapping[str, str]:
        return fetch.redis().environment()

    def answers(self) -> bool:
        """-LOADING is an answer too, but not this one."""
        with socket.create_connection((LOOPBACK, self.port), timeout=2.0) as link:
            link.sendall(b"PING\r\n")
            return link.recv(64) == b"+PONG\r\n"
