"""`xinfeng console`: the console over a cluster; reads Redis, writes to the Kafka feeds."""

from __future__ import annotations

import logging
import sys
import threading
from pathlib import Path

import redis

from config.channels import Channels
from config.load import Settings
from models.policy import Policy
from streams import deliveries, run
from streams.answers import Answers, links
from streams.cluster_service import ClusterService
from streams.connect import client
from streams.notifier import LEDGER
from streams.receipts import Receipts
from streams.redis_reader import RedisReader

_LOG = logging.getLogger("xinfeng.console")
RETRY_S = 5.0


def serve(settings: Settings, policy: Policy, policy_path: Path | None, secret: bytes, *,
          host: str, port: int, channels: Channels) -> None:
    """Run until SIGINT or SIGTERM.

    Raises
    ------
    ConfigError: nobody may listen there.
    """
    run.check_host(settings, host)
    with run.listen(host, port) as server_socket:
        # A page that cannot be had now is an error now: it does not wait.
        reader = RedisReader(client(settings, patient=False), settings.kafka.prefix)
        service = ClusterService(settings, policy, secret, reader)
        service.with_deliveries(deliveries.Beside(Path(settings.worker.folder) / LEDGER))
        made = links(policy, channels)
        app = run.console_of(service, settings, policy_path, host, Receipts(
            policy, channels, service.act, service.alert, service.review),
            Answers(made) if made is not None else None)
        name = f"[{host}]" if ":" in host else host
        sys.stdout.write(f"http://{name}:{server_socket.getsockname()[1]}/\n"
                         "信风 集群控制台 / console of the cluster; Ctrl-C 停止\n")
        sys.stdout.flush()
        run.until_stopped(app, server_socket, {"census": lambda stop: _count(service, stop)})


def _count(service: ClusterService, stop: threading.Event) -> None:
    """Walk over the city again and again; a Redis that does not answer is asked again later."""
    while not stop.is_set():
        try:
            service.census.run(stop)
        except redis.RedisError as error:
            _LOG.warning('msg="the city cannot be counted now" error=%r', error)
            stop.wait(RETRY_S)
