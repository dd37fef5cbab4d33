"""One subject's state at any moment, folded from the log alone."""

from __future__ import annotations

import msgspec

from models import events as e
from models.policy import decode
from storage.effects import Reason
from storage.sqlite_store import SqliteStore
from streams import codec
from streams.pipeline import Entry, Shard

_REASON = msgspec.msgpack.Decoder(Reason).decode
_TICK = e.Tick()
_TICK_BODY = codec.encode(_TICK)


def fold(store: SqliteStore, subject: str, as_of_ms: int | None = None) -> Shard | None:
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
    clock = store.query("SELECT recorded_ms FROM log ORDER BY offset DESC LIMIT 1")
    if not clock:
        return None
    until = clock[0][0] if as_of_ms is None else as_of_ms
    policies: list[Entry] = []
    own: dict[tuple[str, str], Entry] = {}
    refused = _refused(store, subject)
    for _, body, positions in store.find(subject):
        for entry in codec.decode_entries(body, positions):
            event = entry.event
            if isinstance(event, e.PolicyChanged):
                policies.append(entry)
            elif (not isinstance(event, e.Tick) and event.subject == subject
                  and (event.source, event.id) not in refused):
                # Of two events under one identity the first stands.
                own.setdefault((event.source, event.id), entry)
    known = _items(policies)
    timed = [(p.recorded_ms, 0, p) for p in policies if p.recorded_ms <= until]
    for entry in own.values():
        assert not isinstance(entry.event, e.Tick | e.PolicyChanged)
        time_ms = round(entry.event.time.timestamp() * 1000)
        if as_of_ms is not None and time_ms > as_of_ms:
            continue
        # An item that came with a later policy cannot be read before it.
        since = known.get(getattr(entry.event.data, "item", ""), 0)
        timed.append((min(max(time_ms, since), until), 1, entry))
    timed.sort(key=lambda x: x[:2])
    shard = Shard()
    shard.step([entry._replace(recorded_ms=ms) for ms, _, entry in timed]
               + [Entry(until, _TICK_BODY, _TICK)])
    return shard if subject in shard.subjects else None


def _refused(store: SqliteStore, subject: str) -> set[tuple[str, str]]:
    """Events of the subject that the step took back, since what they name did not fit or come."""
    rows = store.query("SELECT source, id, reason FROM rejects WHERE origin='log' AND subject=?",
                       (subject,))
    return {(source, id) for source, id, reason in rows if _REASON(reason).field == "data.of"}


def _items(policies: list[Entry]) -> dict[str, int]:
    """When each item came into the catalogue [epoch ms]; the first policy's are always there."""
    out: dict[str, int] = {}
    for policy in policies[1:]:
        assert isinstance(policy.event, e.PolicyChanged)
        for item in decode(policy.event.document).items:
            out.setdefault(item.id, policy.recorded_ms)
    if policies and out:
        assert isinstance(policies[0].event, e.PolicyChanged)
        for item in decode(policies[0].event.document).items:
            out.pop(item.id, None)
    return out
