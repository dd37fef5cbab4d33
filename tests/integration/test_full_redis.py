"""A Redis that is full: the view waits, and goes on when there is room. Nothing is lost.

Method: a server of its own with a limit of memory just above what it needs empty.
"""

from __future__ import annotations

import threading
from pathlib import Path

import cluster
import msgspec
import pytest

from config import load
from servers.process import free_port
from servers.redis import Redis
from storage.redis_view import RedisView
from storage.view import Change
from streams import connect

pytestmark = pytest.mark.integration


def test_it_waits_for_room(tmp_path: Path) -> None:
    server = Redis(tmp_path, free_port())
    with cluster.started(server):
        chosen = load.settings()
        chosen = msgspec.structs.replace(
            chosen, redis=msgspec.structs.replace(chosen.redis, url=server.address))
        client = connect.client(chosen)
        used = int(client.info("memory")["used_memory"])  # type: ignore[index]
        client.config_set("maxmemory-policy", "noeviction")
        client.config_set("maxmemory", used - 1)
        view = RedisView(client, "full")
        change = Change(0, 1, 0, 1, 5, {}, [], ["s"], [], {"x": b"1" * 1000})
        thread = threading.Thread(target=view.apply, args=(change,), daemon=True)
        thread.start()
        thread.join(1.5)
        assert thread.is_alive() and view.mark(0) == 0
        client.config_set("maxmemory", 0)
        thread.join(60)
        assert not thread.is_alive() and view.mark(0) == 1
