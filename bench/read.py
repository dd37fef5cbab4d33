"""Which client reads the feeds fastest? One topic, one process, values only.

    python -m bench.read --events 200000

Writes a topic of its own with events of a simulated city, reads it to the end with each client, in
the same run, three times over, and removes it. The best time of each counts.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from collections.abc import Callable
from itertools import islice
from typing import Any

from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition
from kafka import KafkaConsumer
from kafka import TopicPartition as PlainPartition
from kafka.admin import KafkaAdminClient, NewTopic

from config import load
from storage.kafka_client import Outgoing, confluent, kafka_python
from streams.simulate import city

TOPIC = "bench-read"
REPEATS = 3


def with_confluent(access: Any, events: int) -> int:
    """`confluent_kafka`, `consume` of 5,000."""
    consumer = Consumer({**confluent(access), "group.id": TOPIC})
    consumer.assign([TopicPartition(TOPIC, 0, OFFSET_BEGINNING)])
    size = count = 0
    while count < events:
        for message in consumer.consume(5_000, timeout=0.5):
            size += len(message.value() or b"")
            count += 1
    consumer.close()
    return size


def with_aiokafka(access: Any, events: int) -> int:
    """`aiokafka`, `getmany` of 5,000."""
    from aiokafka import AIOKafkaConsumer
    from aiokafka import TopicPartition as AioPartition

    async def read() -> int:
        consumer = AIOKafkaConsumer(bootstrap_servers=access.servers, group_id=None,
                                    enable_auto_commit=False)
        await consumer.start()
        at = AioPartition(TOPIC, 0)
        consumer.assign([at])
        await consumer.seek_to_beginning(at)
        size = count = 0
        while count < events:
            for records in (await consumer.getmany(timeout_ms=500, max_records=5_000)).values():
                size += sum(len(r.value) for r in records)
                count += len(records)
        await consumer.stop()
        return size

    return asyncio.run(read())


def with_kafka_python(access: Any, events: int) -> int:
    """`kafka-python`, `poll` of 5,000."""
    consumer = KafkaConsumer(**kafka_python(access), enable_auto_commit=False, group_id=None)
    at = PlainPartition(TOPIC, 0)
    consumer.assign([at])
    consumer.seek_to_beginning(at)
    size = count = 0
    while count < events:
        for records in consumer.poll(timeout_ms=500, max_records=5_000).values():
            size += sum(len(r.value) for r in records)
            count += len(records)
    consumer.close()
    return size


CLIENTS: dict[str, Callable[[Any, int], int]] = {
    "confluent_kafka": with_confluent, "aiokafka": with_aiokafka,
    "kafka-python": with_kafka_python}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--events", type=int, default=200_000)
    events = parser.parse_args().events
    access = load.settings().kafka
    admin = KafkaAdminClient(**kafka_python(access))
    admin.create_topics(
        # kafka-python reads lz4 only with a library of its own.
        [NewTopic(TOPIC, 1, 1, topic_configs={"compression.type": "uncompressed"})],
        wait_for_metadata=True)
    try:
        out = Outgoing(access)
        for line in islice(city(events // 8, 365, 1, iot=False), events):
            out.send(TOPIC, line)
        out.flush()
        best: dict[str, float] = {}
        for _ in range(REPEATS):
            for name, read in CLIENTS.items():
                started = time.perf_counter()
                read(access, events)
                took = time.perf_counter() - started
                best[name] = min(best.get(name, took), took)
        print(json.dumps({name: round(events / took) for name, took in best.items()}))
    finally:
        admin.delete_topics([TOPIC])


if __name__ == "__main__":
    main()
