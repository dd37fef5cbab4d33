"""Who was told of an alert, as the console shows it: rows of the delivery ledger."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from dispatch.ledger import Ledger, LedgerError
from dispatch.outbox import Outbox
from streams.rows import Row
from streams.show import iso_ms

MAX = 200
"""Messages about one alert: the newest."""


def of(ledger: Ledger) -> Callable[[str], list[Row]]:
    """Asks a ledger: messages about an alert, oldest first, with their channel and answer."""
    outbox = Outbox(ledger)

    def ask(alert: str) -> list[Row]:
        return [_row(row) for row in outbox.deliveries(alert)[-MAX:]]

    return ask


class Beside:
    """The ledger that a dispatcher keeps at a path, opened as soon as it is there; it never is
    where the dispatcher has a disk of its own."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._ask: Callable[[str], list[Row]] | None = None

    def __call__(self) -> tuple[Callable[[str], list[Row]] | None, str]:
        if self._ask is None:
            try:
                self._ask = of(Ledger(self._path, write=False))
            except LedgerError:
                return None, str(self._path)
        return self._ask, "here"


def _row(row: dict[str, object]) -> Row:
    made: Row = {name: row[name] for name in (
        "receiver", "endpoint", "reason", "state", "attempts", "code", "answer")}
    for name in ("at", "done"):
        ms = int(str(row[f"{name}_ms"]))
        made["at" if name == "at" else "done_at"] = iso_ms(ms) if ms else None
    return made
