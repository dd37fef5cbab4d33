"""The Faust applications of the cluster's roles.

Faust gives what it is good at: which worker has which partitions, rebalancing, lifecycle, signals.
No state lives in its tables and nothing rests on its acknowledgements (`streams/keeper.py`).
"""

from __future__ import annotations

import ssl
import tempfile
from pathlib import Path

import faust
from faust.types.auth import CredentialsT

from config.load import Kafka

BUFFER_MAX = 64
"""Envelopes that Faust itself may hold: each can be a megabyte."""


def app(kafka: Kafka, role: str, *, leader: bool) -> faust.App:
    """An application whose group is `<prefix>.<role>`.

    Parameters
    ----------
    leader
        Whether one process of the group is to lead it.
    """
    return faust.App(
        f"{kafka.prefix}.{role}",
        broker=[f"kafka://{server.strip()}" for server in kafka.servers.split(",")],
        broker_credentials=_credentials(kafka), store="memory://", cache="memory://",
        key_serializer="raw", value_serializer="raw", web_enabled=False,
        topic_allow_declare=False, topic_disable_leader=not leader,
        stream_buffer_maxsize=BUFFER_MAX, stream_wait_empty=False,
        consumer_auto_offset_reset="earliest", consumer_max_fetch_size=16_000_000,
        broker_session_timeout=float(kafka.session_s),
        broker_heartbeat_interval=kafka.session_s / 5, broker_request_timeout=30.0,
        broker_max_poll_interval=3_600.0, broker_commit_livelock_soft_timeout=86_400.0,
        producer_acks=-1, datadir=Path(tempfile.gettempdir(), "xinfeng-faust"))


def run(made: faust.App) -> None:
    """Run an application until SIGINT or SIGTERM, then leave the process."""
    worker = faust.Worker(made, loglevel="INFO", quiet=True, redirect_stdouts=False,
                          override_logging=False)
    worker.execute_from_commandline()


def _credentials(kafka: Kafka) -> CredentialsT | None:
    if kafka.security_protocol == "PLAINTEXT":
        return None
    context = None
    if kafka.security_protocol.endswith("SSL"):
        context = ssl.create_default_context(cafile=kafka.ssl_ca or None)
        if kafka.ssl_certificate:
            context.load_cert_chain(kafka.ssl_certificate, kafka.ssl_key or None)
    if kafka.security_protocol.startswith("SASL"):
        return faust.SASLCredentials(
            username=kafka.sasl_username, password=kafka.sasl_password,
            mechanism=kafka.sasl_mechanism, ssl_context=context)
    return faust.SSLCredentials(context=context)
