"""The reading half of a service: what the console asks of a view, whichever runner fills it."""

from __future__ import annotations

from collections.abc import Callable

from console.service import Column, Row
from streams import review_board
from streams.centre import Centre
from streams.situation import Situation
from streams.view import View


class Queries(Centre):
    """Passes questions on to a view; `console.service.Service` says what they mean."""

    def __init__(self, view: View, situation: Situation) -> None:
        self._view = view
        self._situation = situation
        self.deliveries: Callable[[str], list[Row]] | None = None
        """Messages about an alert or review; None where no dispatcher keeps its ledger here."""

    def subjects(self, *, q: str = "", district: str = "", grade: str = "", kind: str = "",
                 limit: int = 50, after: str = "") -> list[Row]:
        return self._view.subjects(q=q, district=district, grade=grade, kind=kind, limit=limit,
                                   after=after)

    def alerts(self, *, rule: str | None = None, state: str | None = None,
               level: str | None = None, subject: str | None = None, limit: int = 50,
               before: str | None = None) -> list[Row]:
        return self._view.alerts(rule=rule, state=state, level=level, subject=subject,
                                 limit=limit, before=before)

    def alert(self, alert_id: str) -> Row | None:
        return self._view.alert(alert_id)

    def changes(self, after_seq: int, limit: int) -> list[Row]:
        return self._view.changes(after_seq, limit)

    def last_seq(self) -> int:
        return self._view.last_seq()

    def reviews(self, *, state: str | None = None, limit: int = 50,
                before: str | None = None) -> list[Row]:
        return self._view.reviews(state=state, limit=limit, before=before)

    def review(self, review_id: str) -> Row | None:
        return self._view.review(review_id)

    def review_case(self, review_id: str) -> Row | None:
        row = self._view.review(review_id)
        if row is None:
            return None
        told = self.deliveries(review_id) if self.deliveries is not None else None
        return self._case(row, told)

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

    def rejects(self, *, limit: int = 50) -> list[Row]:
        return self._view.rejects(limit=limit)

    def summary(self) -> Row:
        return self._situation.summary()

    def situation(self) -> Row:
        return self._situation.details()

    def metrics_text(self) -> bytes:
        return self._situation.metrics_text()
