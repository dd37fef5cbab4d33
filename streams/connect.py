"""Opens the view on Redis: a client that waits for a Redis that is away, and loses nothing."""

from __future__ import annotations

import redis
from redis.backoff import ExponentialBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import OutOfMemoryError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.retry import Retry

from config.load import Settings
from storage.redis_view import RedisView

SOCKET_S = 30.0


def client(settings: Settings, *, patient: bool = True) -> redis.Redis:
    """A client of the view's Redis.

    Parameters
    ----------
    patient
        Try again for ever while it cannot be reached or is full, instead of raising.
    """
    extra = {"ssl_ca_certs": settings.redis.ssl_ca} if settings.redis.ssl_ca else {}
    retry = Retry(ExponentialBackoff(cap=2.0, base=0.05), -1 if patient else 1,
                  (RedisConnectionError, RedisTimeoutError, OutOfMemoryError))
    return redis.Redis.from_url(settings.redis.url, retry=retry, socket_timeout=SOCKET_S,
                                socket_connect_timeout=5.0, health_check_interval=15, **extra)


def view_of(settings: Settings, *, patient: bool = True) -> RedisView:
    """The view, for whoever writes it.

    Parameters
    ----------
    patient
        Wait for a Redis that is away, for ever.

    Raises
    ------
    StoreError: this Redis would throw keys away.
    """
    view = RedisView(client(settings, patient=patient), settings.kafka.prefix)
    view.check()
    return view
