"""From settings to channels: the only place that knows which kind is which class."""

from __future__ import annotations

import msgspec

from config.channels import Channels, ChannelSettings
from config.load import ConfigError
from dispatch import robots
from dispatch.apprise_channel import AppriseChannel
from dispatch.backoff import Delivery
from dispatch.channel import Channel
from dispatch.post import Poster
from dispatch.webhook import AlertmanagerChannel, WebhookChannel

_ROBOTS = {"wecom": (robots.wecom, robots.WECOM), "wecom-text": (robots.wecom_text, robots.WECOM),
           "dingtalk": (robots.dingtalk, robots.DINGTALK),
           "feishu": (robots.feishu, robots.FEISHU)}


def delivery(settings: Channels) -> Delivery:
    return msgspec.convert(msgspec.to_builtins(settings.delivery), Delivery)


def channels(settings: Channels, poster: Poster | None = None) -> list[Channel]:
    """One channel for each that is on.

    Raises
    ------
    ConfigError: an Apprise URL that is none.
    """
    limits = settings.delivery
    poster = poster or Poster(limits.hosts, limits.timeout_s)
    return [_channel(c, poster, limits.timeout_s) for c in settings.channel]


def _channel(c: ChannelSettings, poster: Poster, timeout_s: float) -> Channel:
    match c.kind:
        case "email" | "sms" as form:
            try:
                return AppriseChannel(c.endpoint, c.receiver, c.url, form, timeout_s=timeout_s,
                                      segments_max=c.segments_max,
                                      per_minute_max=c.per_minute_max)
            except ValueError as error:
                raise ConfigError(f"channel {error}") from None
        case "webhook":
            return WebhookChannel(c.endpoint, c.receiver, c.url, c.secret, poster,
                                  private=c.private, per_minute_max=c.per_minute_max)
        case "alertmanager":
            return AlertmanagerChannel(c.endpoint, c.receiver, c.url, poster, private=c.private,
                                       per_minute_max=c.per_minute_max)
        case _:
            make, codes = _ROBOTS[c.kind]
            return robots.Robot(c.endpoint, c.receiver, c.url, c.secret, poster, make=make,
                                codes=codes, private=c.private, per_minute_max=c.per_minute_max)
