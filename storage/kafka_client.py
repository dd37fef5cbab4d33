"""How the clients of Kafka are told where it is, and what the topics are called.

Three clients, each for what it is best at: `confluent_kafka` moves records in bulk, `kafka-python`
administers, Faust (aiokafka) assigns partitions to workers.
"""

from __future__ import annotations

import socket
import time
from contextlib import suppress
from typing import Any, NamedTuple, Protocol

from confluent_kafka import KafkaError, KafkaException, Producer

RECORD_MAX_BYTES = 16_000_000
"""The largest record a client sends; the broker's own limit is usually lower."""
POLL_EVERY = 100
"""Records handed over between two looks at what became of the earlier ones."""
REFUSAL_S, REFUSAL_CALM_S = 20.0, 2.0
"""How long a broker may take to say why it refuses us, and how long after another complaint."""
QUEUED_MAX_KB = 65_536
"""What a producer or consumer holds in memory at most; beyond it, it waits."""


class Access(Protocol):
    """Section `kafka` of the settings."""

    @property
    def servers(self) -> str: ...
    @property
    def prefix(self) -> str: ...
    @property
    def security_protocol(self) -> str: ...
    @property
    def sasl_mechanism(self) -> str: ...
    @property
    def sasl_username(self) -> str: ...
    @property
    def sasl_password(self) -> str: ...
    @property
    def ssl_ca(self) -> str: ...
    @property
    def ssl_certificate(self) -> str: ...
    @property
    def ssl_key(self) -> str: ...


class Topics(NamedTuple):
    """Names of all topics (contract section 5)."""

    complaints: str
    penalties: str
    iot: str
    records: str
    log: str
    policies: str
    signals: str
    examples: str
    conclusions: str
    assessments: str
    alerts: str
    reviews: str
    proposals: str
    rejects: str

    @classmethod
    def of(cls, prefix: str) -> Topics:
        return cls(*(f"{prefix}.{name}" for name in cls._fields))

    @property
    def feeds(self) -> tuple[str, ...]:
        """What departments write to."""
        return self[:4]

    def feed_of(self, event_type: str) -> str:
        """The topic for events of a type."""
        match event_type.partition(".")[0]:
            case "complaint":
                return self.complaints
            case "penalty":
                return self.penalties
            case "iot":
                return self.iot
            case _:
                return self.records


def confluent(access: Access) -> dict[str, Any]:
    """Settings all `confluent_kafka` clients share."""
    given = {
        "sasl.mechanism": access.sasl_mechanism,
        "sasl.username": access.sasl_username,
        "sasl.password": access.sasl_password,
        "ssl.ca.location": access.ssl_ca,
        "ssl.certificate.location": access.ssl_certificate,
        "ssl.key.location": access.ssl_key,
    }
    return {"bootstrap.servers": access.servers, "security.protocol": access.security_protocol,
            # A broker that comes back should be found at once.
            "reconnect.backoff.max.ms": 2_000, "log_level": 3,
            **{k: v for k, v in given.items() if v}}


def kafka_python(access: Access) -> dict[str, Any]:
    """Settings of a `kafka-python` client."""
    given = {
        "sasl_mechanism": access.sasl_mechanism,
        "sasl_plain_username": access.sasl_username,
        "sasl_plain_password": access.sasl_password,
        "ssl_cafile": access.ssl_ca,
        "ssl_certfile": access.ssl_certificate,
        "ssl_keyfile": access.ssl_key,
    }
    return {"bootstrap_servers": access.servers.split(","),
            "security_protocol": access.security_protocol,
            **{k: v for k, v in given.items() if v}}


def refusal(access: Access) -> str:
    """Why no broker talks to us, where one is there: a wrong password, an authority we do not know.
    "" = nobody listens, or one answers by now. Of the clients only this one is told."""
    heard: list[KafkaError] = []
    asking = Producer({**confluent(access), "log_level": 0, "error_cb": heard.append})
    until = time.monotonic() + REFUSAL_S
    while time.monotonic() < until:
        try:
            asking.list_topics(timeout=0.1)
            return ""
        except KafkaException:
            asking.poll(0)
        for error in heard:
            if error.code() in (KafkaError._AUTHENTICATION, KafkaError._SSL):
                key = "sasl_…" if error.code() == KafkaError._AUTHENTICATION else "ssl_…"
                return f"{error.str().partition(' (after')[0]}; see kafka.{key} of the settings"
        if heard:
            # That nobody listens is heard at once, and a refusal may still come.
            until = min(until, time.monotonic() + REFUSAL_CALM_S)
    for server in access.servers.split(","):
        host, _, port = server.strip().rpartition(":")
        with suppress(OSError, ValueError), socket.create_connection(
                (host, int(port)), REFUSAL_CALM_S):
            return (f"something listens on {server.strip()}, but does not answer to "
                    f"kafka.security_protocol={access.security_protocol}")
    return ""


class Outgoing:
    """A producer that loses nothing: it waits when the broker is slow or away, and knows what was
    not taken.

    Raises
    ------
    KafkaException: from any method, once a record could not be written for good.
    """

    def __init__(self, access: Access, *, linger_ms: int = 5) -> None:
        self._failed: KafkaError | None = None
        self._sent = 0
        self._producer = Producer({
            **confluent(access), "acks": "all", "enable.idempotence": True,
            "compression.type": "lz4", "linger.ms": linger_ms,
            "message.max.bytes": RECORD_MAX_BYTES, "queue.buffering.max.kbytes": QUEUED_MAX_KB,
            # The broker may be away for as long as it likes: nothing is given up.
            "message.timeout.ms": 0,
        })
        # Its number among producers takes half a second to get: ask now, not with the first alert.
        with suppress(KafkaException):
            self._producer.list_topics(timeout=5)

    def send(self, topic: str, value: bytes | None, *, key: bytes | None = None,
             partition: int = -1, timestamp_ms: int = 0,
             headers: list[tuple[str, str | bytes | None]] | None = None) -> None:
        """Hand a record over; waits while the queue is full."""
        while True:
            try:
                self._producer.produce(
                    topic, value, key, partition, on_delivery=self._delivered,
                    timestamp=timestamp_ms, headers=headers or [])
                break
            except BufferError:
                self._producer.poll(0.1)
        self._sent += 1
        if not self._sent % POLL_EVERY:
            # It lets go of the interpreter, and getting it back takes its time.
            self._producer.poll(0)
            self._check()

    def flush(self) -> None:
        """Wait until every record handed over is durable."""
        while self._producer.flush(1.0):
            self._check()
        self._check()

    def _delivered(self, error: KafkaError | None, _: object) -> None:
        if error is not None:
            self._failed = error

    def _check(self) -> None:
        if self._failed is not None:
            raise KafkaException(self._failed)
