"""Goal: the alert stream loses and doubles nothing over cuts, and lets go of what is gone.
Method: the generator itself with a quick poll, then a real server and a real cut."""

from __future__ import annotations

import asyncio
import json
import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest
import uvicorn
from console_fake import FakeService, an_alert

from console.app import create_app
from console.limits import Gate
from console.problems import Problem
from console.sse import Streams, cursor


async def read(streams: Streams, after: int, count: int) -> list[int]:
    """Ids of the next `count` events, then a cut."""
    seen, events = list[int](), streams.events(after, {})
    async for chunk in events:
        for event in chunk.decode().strip().split("\n\n"):
            if "event: alert" in event and len(seen) < count:
                fields = dict(line.split(": ", 1) for line in event.split("\n"))
                assert json.loads(fields["data"])["seq"] == int(fields["id"])
                seen.append(int(fields["id"]))
        if len(seen) == count:
            break
    await events.aclose()  # type: ignore[attr-defined]
    return seen


def test_resuming_neither_loses_nor_doubles() -> None:
    seed = random.randrange(10**6)
    rng, service = random.Random(seed), FakeService()

    async def run() -> list[int]:
        streams, seen = Streams(service, poll_s=0.001), list[int]()
        while len(seen) < 300:
            for _ in range(rng.randrange(1, 20)):
                service.put(an_alert(rng.randrange(5)))
            waiting = service.last_seq() - len(seen)
            seen += await read(streams, seen[-1] if seen else 0, rng.randrange(1, waiting + 1))
        assert streams.gate.taken == 0
        return seen

    seen = asyncio.run(run())
    assert seen == list(range(1, len(seen) + 1)), f"seed {seed}"


def test_filters_heartbeat_reset_and_close() -> None:
    service = FakeService()
    for number, level in enumerate(("red", "blue", "red")):
        service.put(an_alert(number, level=level))

    async def run() -> list[bytes]:
        streams = Streams(service, poll_s=0.005, heartbeat_s=0.02)
        chunks = list[bytes]()
        async for chunk in streams.events(0, {"level": "red"}):
            chunks.append(chunk)
            if chunk.startswith(b":"):
                streams.close()
        async for chunk in streams.events(99, {}):
            chunks.append(chunk)
        return chunks

    chunks = asyncio.run(run())
    events = b"".join(chunks).strip().split(b"\n\n")
    assert [event.split(b"\n")[0] for event in events] == [
        b"retry: 2000",
        b"id: 1",
        b"id: 3",
        b": alive",
        b"retry: 2000",
        b"id: 3",
    ]
    assert b"event: reset" in chunks[-1]


def test_many_streams_read_a_transition_once() -> None:
    """Fifty streams, a flood larger than the tail, one that lags: all get all, read few times."""
    service, rows = FakeService(), list[int]()
    changes = service.changes

    def counted(after: int, limit: int) -> list[dict[str, object]]:
        found = changes(after, limit)
        rows.append(len(found))
        return found

    service.changes = counted  # type: ignore[method-assign]

    async def run() -> list[list[int]]:
        streams = Streams(service, poll_s=0.01)
        reading = [asyncio.create_task(read(streams, 0, 1500)) for _ in range(50)]
        for number in range(1500):
            service.put(an_alert(number))
            if number % 100 == 0:
                await asyncio.sleep(0.01)
        late = await read(streams, 0, 1500)
        return [*await asyncio.gather(*reading), late]

    assert asyncio.run(run()) == [list(range(1, 1501))] * 51
    # What the tail no longer held when a stream came to it is read for that stream alone: 700 at
    # most. Read for each stream alone it were all 1,500 each.
    assert sum(rows) <= 1500 + 51 * 700, "each stream reads for itself"


def test_the_header_wins_over_the_address() -> None:
    assert [cursor(None, None), cursor("", 3), cursor("7", 3)] == [None, 3, 7]
    for bad in ("x", "-1", "٣", "9" * 19):
        with pytest.raises(Problem):
            cursor(bad, None)


def test_places_are_limited_and_given_back() -> None:
    async def run() -> None:
        gate = Gate(1)
        async with gate.place():
            with pytest.raises(Problem) as caught:
                async with gate.place():
                    pass
        assert (caught.value.status_code, gate.taken) == (503, 0)

    asyncio.run(run())


@contextmanager
def serving(service: FakeService) -> Iterator[tuple[str, Streams]]:
    app = create_app(service)
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="warning"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        port = server.servers[0].sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}", app.state.streams
    finally:
        app.state.streams.close()
        server.should_exit = True
        thread.join(60)
        assert not thread.is_alive(), "an open stream kept the server from stopping"


def test_over_a_real_connection() -> None:
    service = FakeService()
    service.put(an_alert(1))
    with serving(service) as (url, streams), httpx.Client(base_url=url, timeout=60) as client:
        with client.stream("GET", "/api/v1/alerts/stream?after=0") as response:
            assert response.headers["content-type"].startswith("text/event-stream")
            lines = response.iter_lines()
            assert "id: 1" in (next(lines) for _ in range(5))
            service.put(an_alert(2))
            # After the rest of the first one, and no heartbeat between: it came at once.
            assert [next(lines)[:5] for _ in range(4)] == ["event", "data:", "", "id: 2"]
        deadline = time.monotonic() + 60
        while streams.gate.taken and time.monotonic() < deadline:
            time.sleep(0.02)
        assert streams.gate.taken == 0, "a client that left still holds its stream"
        service.put(an_alert(3))
        with client.stream(
            "GET", "/api/v1/alerts/stream?after=0", headers={"last-event-id": "2"}
        ) as response:
            seen = next(line for line in response.iter_lines() if line.startswith("id"))
            assert seen == "id: 3"
