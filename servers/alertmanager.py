"""A Prometheus Alertmanager that keeps what it is handed and tells nobody."""

from __future__ import annotations

from typing import ClassVar
from urllib.request import ProxyHandler, build_opener

from servers import fetch
from servers.process import LOOPBACK, Server


class Alertmanager(Server):
    name: ClassVar[str] = "alertmanager"

    @property
    def address(self) -> str:
        return f"http://{LOOPBACK}:{self.port}"

    def prepare(self) -> None:
        (self.folder / "alertmanager.yml").write_text(
            "route: {receiver: none}\nreceivers: [{name: none}]\n", "utf-8")

    def command(self) -> list[str]:
        # Alone: no gossip with others.
        return [str(fetch.alertmanager().path),
                f"--config.file={self.folder / 'alertmanager.yml'}",
                f"--storage.path={self.folder / 'data'}",
                f"--web.listen-address={LOOPBACK}:{self.port}", "--cluster.listen-address="]

    def answers(self) -> bool:
        # Without the proxy that the environment may name: it does not know our loopback.
        with build_opener(ProxyHandler({})).open(f"{self.address}/-/ready", timeout=2.0) as answer:
            return bool(answer.status == 200)
