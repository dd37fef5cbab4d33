"""Makes and checks the topics, with `kafka-python`'s admin client."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import closing
from typing import Any, NamedTuple

from kafka import TopicPartition
from kafka.admin import (
    ConfigResource,
    ConfigResourceType,
    KafkaAdminClient,
    NewTopic,
    OffsetSpec,
)
from kafka.errors import KafkaError as AdminError
from kafka.errors import TopicAlreadyExistsError

from storage.kafka_client import RECORD_MAX_BYTES, Access, Topics, kafka_python, refusal
from storage.sqlite_store import StoreError

BOOTSTRAP_MS = 10_000
"""So long a broker that is only away is waited for."""
COORDINATOR_S = 15.0
"""So long a broker may take to make its own topic of offsets: it does so when first asked."""
_FOREVER = {"retention.ms": "-1", "retention.bytes": "-1"}


class Wanted(NamedTuple):
    """A topic as it should be; `partitions` 0 = as many as there are."""

    name: str
    partitions: int
    configs: dict[str, str]


def wanted(access: Access, *, log: int, feed: int, by_producer: bool) -> list[Wanted]:
    """All topics of a prefix.

    Parameters
    ----------
    log, feed
        Partitions of the log, and of each topic that departments write to.
    by_producer
        Whether a record's time is its producer's (history being played) or the broker's.
    """
    t = Topics.of(access.prefix)
    time = {"message.timestamp.type": "CreateTime" if by_producer else "LogAppendTime"}
    large = {"max.message.bytes": str(RECORD_MAX_BYTES)}
    compact = {"cleanup.policy": "compact"}
    return [
        *(Wanted(name, feed, {**time, **large}) for name in t.feeds),
        # Everything is folded from it: it is kept whole, for ever.
        Wanted(t.log, log, {**_FOREVER, **large, "cleanup.policy": "delete"}),
        Wanted(t.policies, 1, {**compact, **large}),
        # One partition for each of the log: what a shard says stays in its order.
        Wanted(t.signals, log, _FOREVER),
        Wanted(t.examples, log, _FOREVER),
        Wanted(t.conclusions, 1, {**time, **large, **_FOREVER}),
        Wanted(t.assessments, log, compact),
        Wanted(t.alerts, log, _FOREVER),
        Wanted(t.reviews, log, _FOREVER),
        Wanted(t.proposals, log, _FOREVER),
        Wanted(t.rejects, 1, {**_FOREVER, **large}),
        # By which Faust decides who leads the intake.
        Wanted(f"{access.prefix}.intake-__assignor-__leader", 1, {}),
    ]


def create(access: Access, topics: list[Wanted], replication: int) -> list[str]:
    """Make the topics that are missing; their names.

    Raises
    ------
    StoreError: the broker cannot be reached, or refused.
    """
    made = []
    with closing(_admin(access)) as admin:
        for topic in topics:
            try:
                admin.create_topics([NewTopic(topic.name, topic.partitions, replication,
                                              topic_configs=topic.configs)],
                                    wait_for_metadata=True)
                made.append(topic.name)
            except TopicAlreadyExistsError:
                continue
            except AdminError as error:
                raise StoreError(f"Kafka topic {topic.name}: not made: {error}") from None
    return made


def problems(access: Access, topics: list[Wanted]) -> Iterator[str]:
    """What is not as wanted, a line each.

    Raises
    ------
    StoreError: the broker cannot be reached.
    """
    with closing(_admin(access)) as admin:
        there = set(admin.list_topics())
        known = [t for t in topics if t.name in there]
        counts = {t["name"]: len(t["partitions"])
                  for t in admin.describe_topics([t.name for t in known])}
        held = _configs(admin, [t.name for t in known])
    for topic in topics:
        if topic.name not in there:
            yield f"{topic.name}: missing; `xinfeng topics create` makes it"
            continue
        if counts[topic.name] != topic.partitions:
            yield (f"{topic.name}: partitions={counts[topic.name]}, wanted "
                   f"{topic.partitions}")
        for key, value in topic.configs.items():
            got = held[topic.name].get(key, "")
            if got != value:
                yield f"{topic.name}: {key}={got}, wanted {value}"


def require(access: Access, names: Iterable[str]) -> None:
    """See that topics are there, for who would wait for them without end.

    Raises
    ------
    StoreError: the broker cannot be reached, or a topic is missing.
    """
    with closing(_admin(access)) as admin:
        _described(admin, names)


class Lag(NamedTuple):
    """How far one partition of a topic was taken."""

    topic: str
    partition: int
    end: int
    """Offset that the next record will have."""
    done: int
    """Next offset that was not taken yet: read by intake, or said by a worker."""


def lag(access: Access) -> list[Lag]:
    """Of the feeds, as far as intake noted; of the log, as far as workers noted what they said.

    Raises
    ------
    StoreError: the broker cannot be reached, or a topic is missing.
    """
    t = Topics.of(access.prefix)
    out = []
    with closing(_admin(access)) as admin:
        try:
            for group, topics in ((f"{access.prefix}.intake.feeds", t.feeds),
                                  (f"{access.prefix}.emitted", (t.log,))):
                parts = [TopicPartition(found["name"], p["partition_index"])
                         for found in _described(admin, topics)
                         for p in found["partitions"]]
                ends = admin.list_partition_offsets(dict.fromkeys(parts, OffsetSpec.LATEST))
                done = _offsets(admin, group)
                out += [Lag(p.topic, p.partition, ends[p].offset,
                            max(done[p].offset, 0) if p in done else 0) for p in parts]
        except AdminError as error:
            raise StoreError(f"kafka.servers={access.servers}: {error}") from None
    return sorted(out)


def unheld(access: Access, partitions: int) -> set[int]:
    """Partitions of the log that no worker has, as the broker knows it; empty while the workers
    are sharing out, or where the broker does not answer.

    Notes
    -----
    Faust's assignor leaves a topic out whose metadata is missing at that moment (a broker just
    back), and says so only in its log: the group is then stable and folds nothing.
    """
    t, group = Topics.of(access.prefix), f"{access.prefix}.worker"
    try:
        with closing(_admin(access)) as admin:
            found = admin.describe_groups([group])[group]
    except (AdminError, StoreError):
        return set()
    if found["group_state"] != "Stable":
        return set()
    held = {partition for member in found["members"] if member["member_assignment"]
            for topic in member["member_assignment"]["assigned_partitions"]
            if topic["topic"] == t.log for partition in topic["partitions"]}
    return set(range(partitions)) - held


def _described(admin: Any, names: Iterable[str]) -> list[Any]:
    found: list[Any] = admin.describe_topics(list(names))
    for topic in found:
        if not topic["partitions"]:
            raise StoreError(f"Kafka topic {topic['name']}: missing; `xinfeng topics create` "
                             "makes it")
    return found


def _offsets(admin: Any, group: str) -> Any:
    """By partition; waits for a broker that has just been made."""
    until = time.monotonic() + COORDINATOR_S
    while True:
        try:
            return admin.list_group_offsets(group)[group]
        except AdminError as error:
            if not error.retriable or time.monotonic() > until:
                raise
            time.sleep(0.2)


def _configs(admin: Any, names: list[str]) -> dict[str, dict[str, str]]:
    if not names:
        return {}
    found = admin.describe_configs(
        [ConfigResource(ConfigResourceType.TOPIC, name) for name in names], config_filter="all")
    return {name: {key: str(row["value"]) for key, row in rows.items()}
            for name, rows in found["topic"].items()}


def _admin(access: Access) -> Any:
    try:
        return KafkaAdminClient(**kafka_python(access), bootstrap_timeout_ms=BOOTSTRAP_MS)
    except AdminError as error:
        why = refusal(access) or f"no broker answers: {error}"
        raise StoreError(f"kafka.servers={access.servers}: {why}") from None
