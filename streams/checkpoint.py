"""A shard's state as a stream of blobs, and back. Written now and then; the log does the rest."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from models import anomaly, iot, norms
from models.events import Detected
from models.identity import Identities
from models.policy import decode
from models.scorecard import Card, Timeline
from models.subject import Alert, Subject
from models.weights import Weights
from streams.pipeline import Shard

SUBJECTS_PER_PART = 4096
_PACK = msgspec.msgpack.Encoder().encode
_UNPACK = msgspec.msgpack.Decoder().decode
_WEIGHTS = msgspec.json.Encoder(order="deterministic").encode
_LEARNED = msgspec.json.Decoder(Weights).decode
_DETECTED = msgspec.msgpack.Decoder(list[Detected]).decode
_ALERTS = msgspec.msgpack.Decoder(list[Alert]).decode
_VERDICTS = msgspec.msgpack.Decoder(
    list[tuple[tuple[int, str, str], tuple[anomaly.Verdict, ...]]]).decode


def dump(shard: Shard) -> Iterator[bytes]:
    """Blobs of a shard: one head, then subjects in groups."""
    keys, bodies = shard.identities.dump()
    counts = {name: getattr(shard.counts, name) for name in shard.counts.__slots__}
    yield _PACK([shard.clock_ms, shard.day, shard.hour, list(shard.sources), counts, cards(shard),
                 keys, bodies, shard.norms.document, list(shard.roster.items()), shard.taken,
                 shard.doubled])
    rows = iter(shard.subjects.values())
    while group := list(itertools.islice(rows, SUBJECTS_PER_PART)):
        yield _PACK([_subject(s) for s in group])


def load(parts: Iterable[bytes]) -> Shard:
    """Inverse of `dump`; timers are set again from the subjects' own dates."""
    shard = Shard()
    stream = iter(parts)
    (shard.clock_ms, shard.day, shard.hour, sources, counts, held, keys, bodies,
     usual, roster, shard.taken, shard.doubled) = _UNPACK(next(stream))
    shard.roster = {(a, b, c): n for (a, b, c), n in roster}
    shard.norms = norms.decode(usual)
    shard.sources = {name: n for n, name in enumerate(sources)}
    for name, value in counts.items():
        setattr(shard.counts, name, value)
    if held:
        shard.bring(timeline(held))
    shard.identities = Identities.load(keys, bodies)
    for part in stream:
        for row in _UNPACK(part):
            subject = _restore(row)
            shard.subjects[subject.key] = subject
            shard.enlist(subject)
            if subject.due:
                shard.wheel.setdefault(subject.due, []).append(subject)
            if subject.devices:
                shard.watch(subject)
    return shard


def cards(shard: Shard) -> list[tuple[int, str, str]]:
    """(first day, policy, weights) of every card of a shard, oldest first, both as documents."""
    return [(c.since_day, c.document, _WEIGHTS(c.learned).decode()) for c in
            (shard.timeline.cards if shard.timeline else [])]


def timeline(cards: Iterable[tuple[int, str, str]]) -> Timeline:
    """Inverse of `cards`; there is at least one. Cost about 15 ms a policy."""
    return Timeline(*(Card(decode(document), since_day, _LEARNED(weights))
                      for since_day, document, weights in cards))


def pack(subject: Subject) -> bytes:
    """One subject's whole state."""
    return _PACK(_subject(subject))


def unpack(state: bytes) -> Subject:
    """Inverse of `pack`."""
    return _restore(_UNPACK(state))


def _subject(s: Subject) -> list[Any]:
    return [s.key, s.facts, s.signals, s.fact_refs, s.signal_refs, s.path, s.change_day, s.due,
            s.group, s.profile, s.cancelled_day, s.fall,
            _PACK(list(s.alerts.values())) if s.alerts else None,
            [(*k, iot.dump(d)) for k, d in s.devices.items()] if s.devices else None, s.parked,
            s.marked, s.acted, s.view_day, s.spotless, s.low,
            _PACK(list(s.detected.values())) if s.detected else None,
            [(*k, anomaly.dump(w)) for k, w in s.windows.items()] if s.windows else None,
            _PACK(list(s.verdicts.items())) if s.verdicts else None, s.bases, s.told]


def _restore(row: list[Any]) -> Subject:
    s = Subject(row[0])
    s.facts, s.signals, s.fact_refs, s.signal_refs = row[1:5]
    s.path, s.change_day, s.due, s.group, s.profile, s.cancelled_day = row[5:11]
    a, b, c = row[11]
    s.fall = (a, b, c)
    if row[12]:
        s.alerts = {alert.id: alert for alert in _ALERTS(row[12])}
    if row[13]:
        s.devices = {(item, device, metric): iot.load(state)
                     for item, device, metric, state in row[13]}
    s.parked, s.marked, s.acted, s.view_day, s.spotless, s.low = row[14:20]
    if row[20]:
        s.detected = {x.data.alert: x for x in _DETECTED(row[20])}
    if row[21]:
        s.windows = {(item, device, metric): anomaly.load(state)
                     for item, device, metric, state in row[21]}
    if row[22]:
        s.verdicts = dict(_VERDICTS(row[22]))
    s.bases, s.told = row[23:25]
    return s
