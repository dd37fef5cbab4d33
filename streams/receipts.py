"""What a department's system answers later, by itself: signed like the webhooks it gets.

It proves itself by the secret of its own channel, so it needs no token of the console; and it may
act on nothing but what concerns its department.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from config.channels import Channels
from console.service import Receipt, Row
from dispatch.dispatcher import SOURCE
from dispatch.webhook import iso, reply_acts
from models.policy import Policy

Ask = Callable[[str], Row | None]


class Receipts:
    """
    Parameters
    ----------
    act
        Hands a person's act in.
    alert, review
        What the view has under an id.
    """

    def __init__(self, policy: Policy, channels: Channels, act: Callable[[Row], Receipt],
                 alert: Ask, review: Ask) -> None:
        self._webhooks = {c.receiver: Webhook(c.secret) for c in channels.channel
                          if c.kind == "webhook"}
        receivers = policy.notify.receivers if policy.notify else ()
        self._department = {r.id: r.department for r in receivers}
        self._act, self._alert, self._review = act, alert, review

    def __call__(self, receiver: str, headers: Mapping[str, str], body: bytes) -> Row | None:
        """What became of the acts; None where the signature is not the receiver's.

        Raises
        ------
        ValueError: the body is not what was asked for.
        """
        webhook = self._webhooks.get(receiver)
        if webhook is None:
            return None
        try:
            webhook.verify(body, dict(headers))
        except WebhookVerificationError:
            return None
        acts = reply_acts(body)
        accepted = duplicates = 0
        rejected: list[Row] = []
        at = iso(int(headers["webhook-timestamp"]) * 1000)
        for n, act in enumerate(acts):
            about = self._review(act.review) if act.type == "review.answered" else self._alert(
                act.alert)
            mine = self._department.get(receiver, "")
            names = (about or {}).get("departments", [])
            if about is None or (mine and mine not in names) or (
                    act.type == "review.answered" and mine and act.department != mine):
                rejected.append({"index": n, "reason": {
                    "field": "alert", "value": act.alert or act.review,
                    "allowed": "what concerns the receiver's department",
                    "message": "it does not concern this receiver"}})
                continue
            subject = about.get("subject") or about.get("cell")
            event: dict[str, Any] = {
                "specversion": "1.0", "id": f"{receiver}:{headers['webhook-id']}:{n}",
                "source": SOURCE, "type": act.type, "subject": subject, "time": at,
                "data": act.data(receiver)}
            receipt = self._act(event)
            accepted += receipt.accepted
            duplicates += receipt.duplicates
            for each in receipt.rejected:
                # Sent again, with the time of the second attempt.
                if each.reason.get("field") == "id":
                    duplicates += 1
                else:
                    rejected.append({"index": n, "reason": each.reason})
        return {"accepted": accepted, "duplicates": duplicates, "rejected": rejected}
