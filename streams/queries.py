"""The reading half of a service: what the console asks, whichever runner fills view and state."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from console.service import Column, Row
from streams import profile as profiles
from streams import review_board
from streams.centre import Centre
from streams.drawing import Drawing
from streams.pipeline import Shard
from streams.report import report
from streams.show import describe
from streams.situation import Situation
from streams.view import View

T = TypeVar("T")
Deliveries = Callable[[str], list[Row]]
"""Messages about an alert or review."""
Ledger = Callable[[], tuple[Deliveries | None, str]]
"""What a delivery ledger is asked by, None where it cannot be read now; and what a page says of it:
"here", "off", or where it lies."""


class Queries(Centre, Drawing):
    """Passes questions on to a view, or puts them to a subject's state; `console.service.Service`
    says what they mean."""

    def __init__(self, view: View, situation: Situation) -> None:
        super().__init__()
        self._view = view
        self._situation = situation
        self._ledger: Ledger = lambda: (None, "off")

    def _ask(self, subject: str, as_of_ms: int | None,
             question: Callable[[Shard, int], T]) -> T | None:
        """The answer of a shard that knows the subject, at a moment [epoch ms] or now; None where
        it is not known."""
        raise NotImplementedError

    def with_deliveries(self, ledger: Ledger) -> None:
        """Where the delivery ledger can be read: who was told of an alert."""
        self._ledger = ledger

    # ---------------------------------------------------------------------------------- subjects

    def show(self, subject: str, as_of_ms: int | None = None) -> Row | None:
        return self._ask(subject, as_of_ms, lambda shard, ms: describe(shard, subject, ms))

    def profile(self, subject: str, as_of_ms: int | None = None, *, before: str = "",
                at: str = "") -> Row | None:
        return self._ask(subject, as_of_ms, lambda shard, ms: profiles.profile(
            shard, subject, ms, before=before, at=at))

    def report(self, subject: str, as_of_ms: int | None = None, *,
               internal: bool = False) -> Row | None:
        return self._ask(subject, as_of_ms,
                         lambda shard, ms: report(shard, subject, ms, internal=internal))

    def facts(self, subject: str, limit: int, before: str = "") -> tuple[list[Row], str | None]:
        return self._ask(subject, None, lambda shard, _: profiles.facts_page(
            shard, subject, limit, before)) or ([], None)

    def subjects(self, *, q: str = "", district: str = "", grade: str = "", kind: str = "",
                 limit: int = 50, after: str = "") -> list[Row]:
        return self._view.subjects(q=q, district=district, grade=grade, kind=kind, limit=limit,
                                   after=after)

    # ------------------------------------------------------------------------------------ alerts

    def alerts(self, *, rule: str | None = None, state: str | None = None,
               level: str | None = None, subject: str | None = None, limit: int = 50,
               before: str | None = None) -> list[Row]:
        return self._view.alerts(rule=rule, state=state, level=level, subject=subject,
                                 limit=limit, before=before)

    def alert(self, alert_id: str) -> Row | None:
        return self._view.alert(alert_id)

    def story(self, alert_id: str) -> Row | None:
        alert = self._view.alert(alert_id)
        if alert is None:
            return None
        steps, whole = self._view.transitions_of(alert_id)
        opened_ms = profiles.epoch_ms(alert["opened_at"])
        item = steps[-1]["item"] if steps else ""
        ask, where = self._ledger()
        return {
            "transitions": steps, "whole": whole,
            "why": self._ask(alert["subject"], None, lambda shard, _: profiles.why(
                shard, alert["subject"], item, opened_ms)) if alert["subject"] else None,
            "ledger": where,
            "deliveries": ask(alert_id) if ask is not None else [],
        }

    def changes(self, after_seq: int, limit: int) -> list[Row]:
        return self._view.changes(after_seq, limit)

    def last_seq(self) -> int:
        return self._view.last_seq()

    # ------------------------------------------------------------------------- reviews, the rest

    def reviews(self, *, state: str | None = None, limit: int = 50,
                before: str | None = None) -> list[Row]:
        return self._view.reviews(state=state, limit=limit, before=before)

    def review(self, review_id: str) -> Row | None:
        return self._view.review(review_id)

    def review_case(self, review_id: str) -> Row | None:
        row = self._view.review(review_id)
        if row is None:
            return None
        ask, _ = self._ledger()
        return self._case(row, ask(review_id) if ask is not None else None)

    def _case(self, row: Row, told: list[Row] | None) -> Row:
        """`streams.review_case.case` of a review, where the facts lie."""
        raise NotImplementedError

    def review_board(self, *, a: str = "", b: str = "") -> dict[str, int]:
        return review_board.counts(self._view, self._situation.today(), a, b)

    def review_column(self, column: Column, *, a: str = "", b: str = "",
                      limit: int = 50, after: str = "") -> list[Row]:
        return review_board.column(self._view, self._situation.today(), column, a, b, limit,
                                   after)

    def review_statistics(self) -> Row:
        return self._situation.reviews()

    def rejects(self, *, limit: int = 50, before: int | None = None) -> list[Row]:
        return self._view.rejects(limit=limit, before=before)

    def summary(self) -> Row:
        return self._situation.summary()

    def situation(self) -> Row:
        return self._situation.details()

    def metrics_text(self) -> bytes:
        return self._situation.metrics_text()
