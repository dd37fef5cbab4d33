"""What `xinfeng reviews --case` and `--statistics` print."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from models.ledger import DAY_MS
from storage.sqlite_store import StoreError
from streams import deliveries, notifier, review_board, review_tables
from streams.options import Lang, is_url, put
from streams.pipeline import Shard
from streams.review_case import case as case_of
from streams.rows import Row
from streams.view import View


def tell(view: View, shard_of: Callable[[str], Shard | None], store: str, case: str, limit: int,
         json: bool, lang: Lang) -> None:
    """Print one review whole, or without an id the statistics of all.

    Raises
    ------
    StoreError: there is no such review, or nothing in the store.
    """
    if not case:
        today = (view.clock_ms() + view.utc_offset_ms()) // DAY_MS
        found = review_board.statistics(view.tallies(), today)
        if json:
            put(found)
        else:
            review_tables.statistics(found, lang, limit)
        return
    row = view.review(case)
    if row is None:
        raise StoreError(f"--case {case}: there is no such review in {store}")
    whole = case_of(shard_of(row["subject"]) or Shard(), row, _told(store, case))
    if json:
        put(whole)
    else:
        review_tables.case(whole, lang)


def _told(store: str, about: str) -> list[Row] | None:
    """Messages about a review, where the ledger lies beside the store."""
    if is_url(store):
        return None
    ask, _ = deliveries.Beside(Path(store) / notifier.LEDGER)()
    return ask(about) if ask is not None else None
