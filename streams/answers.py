"""What the bearer of a signed link may answer, in the console's terms."""

from __future__ import annotations

from collections.abc import Callable

from config.channels import Channels
from console.answering import Addressee
from dispatch.answer_link import Links
from models.policy import Policy
from streams.options import wall_ms


def links(policy: Policy, channels: Channels) -> Links | None:
    """None where links are off."""
    answers = channels.answers
    if policy.notify is None or not answers.enabled:
        return None
    return Links(answers.key, channels.delivery.base_url, answers.valid_d,
                 {r.id: r for r in policy.notify.receivers})


class Answers:
    """See `console.answering.Read`."""

    def __init__(self, made: Links, now: Callable[[], int] = wall_ms) -> None:
        self._links = made
        self._now = now

    def __call__(self, token: str) -> Addressee | None:
        claim = self._links.read(token, self._now())
        if claim is None:
            return None
        return Addressee(claim.receiver.id, claim.receiver.name, claim.receiver.department,
                         claim.about, claim.more, claim.expired)
