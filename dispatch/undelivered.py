"""What could not be delivered is told to the centre, one letter an endpoint."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from alerts.letter import Entry, Letter, Words, letter
from alerts.notify import Reason
from models.notify_policy import Receiver

if TYPE_CHECKING:
    from dispatch.desk import Desk

LETTERS_MAX = 500
NOTE = Words("以下预警未能通过{channel}送达{who}，请另行通知。",
             "These could not be delivered to {who} by {channel}; please see to it.")


def tell(desk: Desk, now_ms: int) -> bool:
    """Report what was given up since the last time, within the desk's transaction; whether
    anything was."""
    lost = desk.outbox.undelivered(LETTERS_MAX)
    by_endpoint: dict[str, list[Entry]] = {}
    for _, endpoint, given_up in lost:
        by_endpoint.setdefault(endpoint, []).extend(
            msgspec.structs.replace(e, reason=Reason.UNDELIVERED) for e in given_up.entries)
    receivers = {endpoint: given_up.receiver for _, endpoint, given_up in lost}
    nobody = set()
    for endpoint, entries in by_endpoint.items():
        centres = _centres(desk, receivers[endpoint])
        if not centres:
            nobody.add(endpoint)
        who = desk.directory.by_id.get(receivers[endpoint])
        name = who.name if who else receivers[endpoint]
        # By which: it may have others that work.
        words = {"who": name, "channel": endpoint.partition("/")[2]}
        note = Words(NOTE.zh.format(**words), NOTE.en.format(**words))
        rows = [str(row) for row, lost_at, _ in lost if lost_at == endpoint]
        lines = {alert: seq for _, lost_at, given_up in lost if lost_at == endpoint
                 for alert, seq in _lines(desk, given_up)}
        for centre in centres:
            made = letter(centre, list({e.alert: e for e in entries}.values()), now_ms,
                          desk.base_url, salt=[endpoint, *rows], digest=True, note=note,
                          entries_max=desk.policy.gather.alerts_max)
            made = msgspec.structs.replace(made, count=len(lines))
            desk.outbox.put(made, desk.endpoints.get(centre.id, ()), now_ms,
                            now_ms + desk.deadline_ms)
            desk.outbox.note_lines(made.key, [
                (alert, seq, Reason.UNDELIVERED) for alert, seq in lines.items()])
            desk.fresh.update(desk.endpoints.get(centre.id, ()))
    desk.outbox.report((row, endpoint not in nobody) for row, endpoint, _ in lost)
    return bool(lost)


def _lines(desk: Desk, given_up: Letter) -> list[tuple[str, int]]:
    """(alert, seq) of all that a letter told of: one of many names some only, the ledger has all.
    """
    if given_up.count > len(given_up.entries):
        return desk.outbox.lines(given_up.key)
    return [(e.alert, e.seq) for e in given_up.entries]


def _centres(desk: Desk, failed: str) -> list[Receiver]:
    return [r for r in desk.directory.of("centre")
            if r.id != failed and r.mode == "people" and r.id in desk.endpoints]
