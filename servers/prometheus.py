"""Prometheus, which asks the given addresses for `/metrics`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar
from urllib.request import ProxyHandler, build_opener

from servers import fetch
from servers.process import LOOPBACK, Server

TARGETS = (f"{LOOPBACK}:8642",)
"""`xinfeng run`."""


class Prometheus(Server):
    name: ClassVar[str] = "prometheus"

    def __init__(self, folder: Path, port: int, targets: Sequence[str] = TARGETS,
                 rules: Sequence[Path] = (), every_s: int = 5) -> None:
        super().__init__(folder, port)
        self.targets = list(targets)
        self.rules = [str(path.resolve()) for path in rules]
        self.every_s = every_s

    @property
    def address(self) -> str:
        return f"http://{LOOPBACK}:{self.port}"

    @property
    def settings_file(self) -> Path:
        return self.folder / "prometheus.yml"

    def prepare(self) -> None:
        every = f"{self.every_s}s"
        # JSON is YAML, and needs no library.
        self.settings_file.write_text(json.dumps({
            "global": {"scrape_interval": every, "scrape_timeout": every,
                       "evaluation_interval": every},
            "rule_files": self.rules,
            "scrape_configs": [{"job_name": "xinfeng",
                                "static_configs": [{"targets": self.targets}]}],
        }, indent=2), "utf-8")

    def command(self) -> list[str]:
        return [str(fetch.prometheus().path), f"--config.file={self.settings_file}",
                f"--storage.tsdb.path={self.folder / 'data'}",
                f"--web.listen-address={LOOPBACK}:{self.port}"]

    def answers(self) -> bool:
        # Without the proxy that the environment may name: it does not know our loopback.
        opener = build_opener(ProxyHandler({}))
        with opener.open(f"{self.address}/-/ready", timeout=2.0) as answer:
            return bool(answer.status == 200)
