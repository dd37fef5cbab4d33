"""Goal: a view in Redis has the digest of the shards whose devices it shows, norms included.

Method: the fleet of `fleet.py` in two partitions, said to an empty view; without the norms, or
without the hours, the digests differ.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import fleet as fl
import pytest
import redis

from storage.redis_view import RedisView
from streams.change import change
from streams.redis_state import RedisState


@pytest.fixture
def client(redis_server: Any) -> Iterator[redis.Redis]:
    made = redis.Redis.from_url(redis_server.address)
    yield made
    made.close()


def test_digest(client: redis.Redis) -> None:
    fleet = fl.Fleet(2).run(fl.messages(9, 16), 16)
    assert fleet.published
    view = RedisView(client, "fleet")
    view.clear()
    for n, shard in enumerate(fleet.shards):
        view.apply(change(shard, n, 2, 0, 1, [], shard.subjects, 0, []))
    assert RedisState(client, "fleet").digest() == fleet.digest()
    client.hdel(view.keys.part(0), "norms")
    client.hdel(view.keys.part(1), "norms")
    assert RedisState(client, "fleet").digest() != fleet.digest()
    view.clear()
