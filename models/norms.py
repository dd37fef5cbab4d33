"""The norms of the classes of devices: what is published on the log, and how a week makes it.

Every shard tells a summary of each of its series once a week (`streams.devices`). `Week` gathers
them, in any order and however often each is said; `Week.norms` is the document that the log then
carries to every shard, so that all judge by the same norm, however many partitions there are.
"""

from __future__ import annotations

import hashlib
from typing import Any, Final, NamedTuple, TypeAlias

import msgspec

from models.anomaly import Norm, Summary, class_norm
from models.anomaly_class import DEVICES_MAX
from models.policy import Policy

ByClass: TypeAlias = dict[tuple[str, str], Norm]
"""(class, metric) -> norm."""
DIGITS: Final = 6
"""Significant digits of a number of a norm: more would only make the document longer."""

_DECODE = msgspec.json.Decoder(dict[str, Norm]).decode
_ENCODE = msgspec.json.Encoder(order="deterministic").encode
_KEPT = msgspec.msgpack.Decoder(tuple[int, str, list[tuple[str, str, str, Summary]]]).decode


class Norms(NamedTuple):
    """Norms in force: their document, its hash (16 hex characters), and what it says."""

    document: str
    hash: str
    of: ByClass


NONE: Final = Norms("", "0", {})
"""Before the first: each series is judged by itself."""


def decode(document: str) -> Norms:
    """What a document says; "" = nothing."""
    if not document:
        return NONE
    of = {}
    for key, norm in _DECODE(document).items():
        class_, _, metric = key.partition("|")
        of[class_, metric] = norm
    return Norms(document, digest(document), of)


def digest(document: str) -> str:
    """Hash of a document: 16 hex characters of BLAKE2b."""
    return hashlib.blake2b(document.encode(), digest_size=8).hexdigest()


class Week:
    """Summaries of the newest week told of.

    Memory: of a class and metric at most `DEVICES_MAX` summaries of about 3 KB, those with the
    least device keys (which are hashes): which they are depends on nothing else.

    Parameters
    ----------
    document
        The norms in force.
    """

    def __init__(self, document: str = "") -> None:
        self.number = 0
        self.document = document
        self._held: dict[tuple[str, str], dict[str, Summary]] = {}

    def put(self, week: int, class_: str, metric: str, device: str, summary: Summary) -> None:
        """Take in one summary; one of an older week is ignored, a newer week begins anew."""
        if week < self.number:
            return
        if week > self.number:
            self.number = week
            self._held = {}
        held = self._held.setdefault((class_, metric), {})
        before = held.get(device)
        # Said twice it is the same; were it not, the order should still not matter.
        if before is None or _bytes(before) < _bytes(summary):
            held[device] = summary
        if len(held) > DEVICES_MAX:
            del held[max(held)]

    def norms(self, policy: Policy) -> str | None:
        """The document to publish when all have told the week; None: it would not change.

        A class with too few devices this week keeps the norm it has. Cost about 0.1 s a class of
        `DEVICES_MAX`.
        """
        known = decode(self.document).of
        judged = {(d.class_, d.metric) for d in policy.devices if d.flat_s}
        out: dict[str, Norm] = {}
        for key in sorted(judged):
            held = self._held.get(key, {})
            made = class_norm([held[device] for device in sorted(held)])
            norm = _rounded(made) if made is not None else known.get(key)
            if norm is not None:
                out["|".join(key)] = norm
        document = _ENCODE(out).decode() if out else ""
        return document if document and document != self.document else None

    def publish(self, document: str) -> None:
        """What the log took: the norms in force from now on."""
        self.document = document

    def dump(self) -> bytes:
        """All of it, for a checkpoint: equal for equal sets of summaries."""
        rows = [(*key, device, held[device]) for key, held in sorted(self._held.items())
                for device in sorted(held)]
        return msgspec.msgpack.encode((self.number, self.document, rows))

    @classmethod
    def load(cls, data: bytes) -> Week:
        """The inverse of `dump`."""
        number, document, rows = _KEPT(data)
        out = cls(document)
        out.number = number
        for class_, metric, device, summary in rows:
            out._held.setdefault((class_, metric), {})[device] = summary
        return out


def _bytes(summary: Summary) -> bytes:
    return msgspec.msgpack.encode(summary)


def _rounded(norm: Norm) -> Norm:
    def short(value: Any) -> Any:
        if isinstance(value, tuple):
            return tuple(short(one) for one in value)
        return float(f"{value:.{DIGITS}g}") if isinstance(value, float) else value

    return Norm(*(short(value) for value in msgspec.structs.astuple(norm)))
