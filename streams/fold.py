"""One subject's state at any moment, folded from the log alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol, TypeAlias

from models import events as e
from models.anomaly_windows import HORIZON_MAX_D
from models.calendar import DAY_MS
from models.policy import Policy, decode
from storage.effects import Reason
from streams import codec
from streams.pipeline import Entry, Shard

_Key: TypeAlias = tuple[str, str, int]
"""Source, id, and 0; of a device's message a number, since its id tells it from no other."""
_TICK = e.Tick()
_TICK_BODY = codec.encode(_TICK)


class Log(Protocol):
    """What is asked of a log: `storage.sqlite_store`, or `streams.past` on Kafka."""

    def clock_ms(self) -> int:
        """When its last envelope was recorded [epoch ms]; 0 = it is empty."""

    def find(self, subject: str) -> Iterator[tuple[int, bytes, set[int]]]:
        """(offset, envelope, positions) of the events of one subject and of those of none."""

    def refusals(self, subject: str) -> Iterator[tuple[int, str, str, Reason]]:
        """(when [epoch ms], source, id, why) of the subject's events that the step refused, in the
        order of the log."""


def fold(log: Log, subject: str, as_of_ms: int | None = None) -> Shard | None:
    """A shard with one subject only, as it stands (or stood) by the events' own times.

    Parameters
    ----------
    as_of_ms
        Events that happened later are left out, whenever they were recorded: what is known today
        about that moment. None = all of the log, at the log's clock.

    Returns
    -------
    The shard, its clock at `as_of_ms`; None when nothing had happened to the subject by then.
    Cost: a scan over 8 bytes an event of the log, then the subject's own events.
    """
    clock_ms = log.clock_ms()
    if not clock_ms:
        return None
    until = clock_ms if as_of_ms is None else as_of_ms
    policies: list[Entry] = []
    weights: list[Entry] = []
    norms: list[Entry] = []
    detected: list[Entry] = []
    sent: dict[_Key, list[Entry]] = {}
    for _, body, positions in log.find(subject):
        for entry in codec.decode_entries(body, positions):
            event = entry.event
            if isinstance(event, e.PolicyChanged):
                policies.append(entry)
            elif isinstance(event, e.WeightsChanged):
                weights.append(entry)
            elif isinstance(event, e.NormsChanged):
                norms.append(entry)
            elif isinstance(event, e.Detected):
                if event.subject == subject and event.at_ms <= until:
                    detected.append(entry)
            elif isinstance(event, e.CloudEvent) and event.subject == subject:
                # Readings are taken in as often as they are sent: each stands by itself.
                n = len(sent) + 1 if isinstance(event, e.IotReadings) else 0
                sent.setdefault((event.source, event.id, n), []).append(entry)
    refused = _refused(log, subject)
    own = {key: stands for key, entries in sent.items()
           if (stands := _standing(entries, refused.get(key, []))) is not None}
    known = _items(policies)
    timed = [(p.recorded_ms, 0, p) for p in policies if p.recorded_ms <= until]
    if weights:
        offset_ms = _policy(policies[0]).utc_offset_min * 60_000
        timed += [(ms, 1, w) for w in weights if (ms := _since_ms(w, offset_ms)) <= until]
    timed += [(n.recorded_ms, 0, n) for n in norms if n.recorded_ms <= until]
    timed += [(d.event.at_ms, 2, d) for d in detected if isinstance(d.event, e.Detected)]
    for key, ms in _moments(own, as_of_ms).items():
        # An item that came with a later policy cannot be read before it.
        since = known.get(getattr(_data(own[key]), "item", ""), 0)
        timed.append((min(max(ms, since), until), 2, own[key]))
    timed.sort(key=lambda x: x[:2])
    shard = Shard()
    # What devices showed so long before it shows in no alert of the moment.
    shard.judges_from_ms = until - HORIZON_MAX_D * DAY_MS
    shard.step([entry._replace(recorded_ms=ms) for ms, _, entry in timed]
               + [Entry(until, _TICK_BODY, _TICK)])
    return shard if subject in shard.subjects else None


def _policy(entry: Entry) -> Policy:
    assert isinstance(entry.event, e.PolicyChanged)
    return decode(entry.event.document)


def _since_ms(entry: Entry, offset_ms: int) -> int:
    """When learned weights came into force [epoch ms], whenever they were known."""
    assert isinstance(entry.event, e.WeightsChanged)
    return entry.event.weights.since_day * DAY_MS - offset_ms


def _data(entry: Entry) -> object:
    assert isinstance(entry.event, e.CloudEvent)
    return getattr(entry.event, "data", None)


def _moments(own: dict[_Key, Entry], as_of_ms: int | None) -> dict[_Key, int]:
    """When each event that had happened by a moment is to be stepped [epoch ms].

    At its own time; but what names another event not before that one, or it might wait in vain
    for what the log had brought first.
    """
    at: dict[_Key, int] = {}
    for key, entry in own.items():
        assert isinstance(entry.event, e.CloudEvent)
        ms = round(entry.event.time.timestamp() * 1000)
        if as_of_ms is None or ms <= as_of_ms:
            at[key] = ms
    named = {key: (of.source, of.id, 0) for key in at
             if (of := getattr(_data(own[key]), "of", None)) is not None}
    moved = True
    while moved:  # as often as the longest chain of such names is long
        moved = False
        for key, of in named.items():
            if at.get(of, 0) > at[key]:
                at[key], moved = at[of], True
    return at


def _refused(log: Log, subject: str) -> dict[_Key, list[tuple[int, Reason]]]:
    """When [epoch ms] and why the step refused events of the subject."""
    out: dict[_Key, list[tuple[int, Reason]]] = {}
    for ms, source, id, reason in log.refusals(subject):
        out.setdefault((source, id, 0), []).append((ms, reason))
    return out


def _standing(sent: list[Entry], refused: list[tuple[int, Reason]]) -> Entry | None:
    """Which of the events sent under one identity stands, by what the step said to each.

    The first that was not refused; but a reference that waited too long was let go again, and then
    the next one sent counts. None = none of them.
    """
    expired = [ms for ms, why in refused if why.field == "data.of" and not why.value]
    unfit = [ms for ms, why in refused if why.field == "data.of" and why.value]
    # Refused for an identity that another subject's event holds.
    taken = [ms for ms, why in refused if why.field == "id"]
    held: Entry | None = None
    for n, entry in enumerate(sent):
        ms = entry.recorded_ms
        while expired and expired[0] <= ms:
            held, expired = None, expired[1:]
        if held is not None:
            continue
        if ms in unfit:
            unfit.remove(ms)
        elif taken.count(ms) < sum(x.recorded_ms == ms for x in sent[n:]):
            held = entry
    return None if expired else held


def _items(policies: list[Entry]) -> dict[str, int]:
    """When each item came into the catalogue [epoch ms]; the first policy's are always there."""
    out: dict[str, int] = {}
    for policy in policies[1:]:
        for item in _policy(policy).items:
            out.setdefault(item.id, policy.recorded_ms)
    if policies and out:
        for item in _policy(policies[0]).items:
            out.pop(item.id, None)
    return out
