"""One hash of what is concluded, equal for equal logs on any runner and any number of shards."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import msgspec

from alerts.lifecycle import DETECTED
from models import anomaly, iot
from models.norms import NONE
from models.records import SIZE
from models.scorecard import Card
from models.subject import Subject
from models.weights import NOTHING_LEARNED
from streams.pipeline import Shard

_MODULUS = 1 << 128


def subject_digest(subject: Subject) -> int:
    """128-bit hash of one subject's evidence, grades, devices and open alerts.

    Records are taken in the order of their identities, so that arrival does not show.
    """
    h = hashlib.blake2b(digest_size=16)
    h.update(subject.key.encode("utf-8", "surrogatepass"))
    for records in (subject.facts, subject.signals):
        data = bytes(records)
        rows = sorted(data[n : n + SIZE] for n in range(0, len(data), SIZE))
        h.update(len(rows).to_bytes(4, "little") + b"".join(rows))
    h.update(subject.path + b"|" + subject.profile)
    # How long a department has had notice depends on when it was told: pending counts as firing.
    # What the analysis detects it detects from what was known on a day: that is left out too.
    alerts = sorted((a.id, a.state.replace("pending", "firing"), a.level)
                    for a in (subject.alerts or {}).values() if a.rule not in DETECTED)
    devices = sorted((k, iot.canonical(s)) for k, s in (subject.devices or {}).items())
    h.update(msgspec.msgpack.encode([alerts, devices, sorted(subject.parked or {})]))
    for key, state in sorted((subject.windows or {}).items()):
        h.update(msgspec.msgpack.encode(key) + anomaly.canonical(state))
    return int.from_bytes(h.digest(), "little")


def _card_digest(card: Card) -> int:
    """Of the policy, and of what was learned beside it."""
    policy = int(card.hash, 16)
    if card.learned == NOTHING_LEARNED:
        return policy
    document = msgspec.json.encode(card.learned, order="deterministic")
    return policy + int.from_bytes(hashlib.blake2b(document, digest_size=16).digest(), "little")


def total(shards: list[Shard]) -> str:
    """Digest of all subjects of some shards: partitions do not show."""
    first = shards[0].timeline
    return combine((subject for shard in shards for subject in shard.subjects.values()),
                   first.cards if first is not None else (), shards[0].norms.hash)


def combine(subjects: Iterable[Subject], cards: Iterable[Card], norms: str = NONE.hash) -> str:
    """The sum of the subjects' digests, in any order, and of the policies and norms they stand
    under."""
    value = sum(subject_digest(s) for s in subjects if s.is_business)
    value += sum(map(_card_digest, cards))
    value += int(norms, 16)
    return f"{value % _MODULUS:032x}"
