"""What the console needs of the running system, and nothing more.

The embedded runner and the distributed one both offer it; the console never sees a store, a log or
a core. Every method is called from a worker thread, so it may block and must be thread-safe.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, Protocol, TypeAlias

import msgspec

Row: TypeAlias = dict[str, Any]
"""One JSON object of the contract, passed through to the client as it is."""


Column: TypeAlias = Literal["overdue", "soon", "later", "answered", "closed"]
"""Of the board of reviews: nobody answered in time · due within two working days · later · all
have answered and the gap stands · closed in the last 30 days."""


class Rejected(msgspec.Struct, frozen=True):
    """One event that became a dead letter.

    `index` counts from 0 in the submitted sequence; `reason` has the keys `field`, `value`,
    `allowed`, `message`.
    """

    index: int
    reason: Row


class Receipt(msgspec.Struct, frozen=True):
    """What became of a submission; durable in the log when it is handed out."""

    accepted: int
    duplicates: int
    rejected: list[Rejected]


class Unfit(Exception):
    """What was asked for cannot be: the field, the value given, what was allowed."""

    def __init__(self, field: str, value: object, allowed: str) -> None:
        super().__init__(f"{field}={value}: {allowed}")
        self.field, self.value, self.allowed = field, value, allowed


class Service(Protocol):
    """The system as the console sees it."""

    def submit(self, raws: Sequence[bytes], origin: str) -> Receipt:
        """Take events in, each element one JSON CloudEvent as it was sent."""

    def act(self, event: Row) -> Receipt:
        """Take in a person's act: a CloudEvent as a mapping."""

    def claim(self, state: str, holder: str) -> str:
        """Who may act on a state that people saw (`id/seq`): `holder`, or who asked before through
        another console and is not shown yet. Asking again as the same holder is no race."""

    def show(self, subject: str, as_of_ms: int | None = None) -> Row | None:
        """Assessment of a subject (contract §2) with its `history`, or None."""

    def profile(
        self, subject: str, as_of_ms: int | None = None, *, before: str = "", at: str = ""
    ) -> Row | None:
        """All that the page of a subject shows (`streams.profile`), now or as it stood; facts from
        `before` (the `next` of the page before) or beginning with the fact `at`."""

    def report(
        self, subject: str, as_of_ms: int | None = None, *, internal: bool = False
    ) -> Row | None:
        """The credit report of a subject (`streams.report`): what may be public, or all."""

    def facts(self, subject: str, limit: int, before: str = "") -> tuple[list[Row], str | None]:
        """Facts about a subject, newest first, and the cursor of the next page."""

    def subjects(
        self,
        *,
        q: str = "",
        district: str = "",
        grade: str = "",
        kind: str = "",
        limit: int = 50,
        after: str = "",
    ) -> list[Row]:
        """Subjects in code order; `after` is the last `subject` of the page before."""

    def alerts(
        self,
        *,
        rule: str | None = None,
        state: str | None = None,
        level: str | None = None,
        subject: str | None = None,
        limit: int = 50,
        before: str | None = None,
    ) -> list[Row]:
        """Alerts, newest first; `before` is the last `id` of the page before."""

    def alert(self, alert_id: str) -> Row | None:
        """One alert, or None."""

    def story(self, alert_id: str) -> Row | None:
        """How an alert went: `transitions` (oldest first; `whole` = from the beginning), `why` (the
        points when it opened, or None), `deliveries` (who was told), and `ledger`: "here", "off"
        (nobody is told), or where it is kept."""

    def changes(self, after_seq: int, limit: int) -> list[Row]:
        """Alert transitions with `seq` above `after_seq`, oldest first."""

    def last_seq(self) -> int:
        """Sequence number of the newest alert transition, 0 before the first."""

    def reviews(
        self, *, state: str | None = None, limit: int = 50, before: str | None = None
    ) -> list[Row]:
        """Reviews, newest first; `before` is the last `id` of the page before."""

    def review(self, review_id: str) -> Row | None:
        """One review, or None."""

    def review_case(self, review_id: str) -> Row | None:
        """One review whole, or None: its `grades` with their evidence, `tasks`, `history`, and
        `told`, the messages about it (None where this runner keeps no ledger of them)."""

    def review_board(self, *, a: str = "", b: str = "") -> dict[str, int]:
        """Reviews in each column of the board, all or between two parties ("" = any)."""

    def review_column(self, column: Column, *, a: str = "", b: str = "", limit: int = 50,
                      after: str = "") -> list[Row]:
        """Reviews of a column, the most urgent first; `after` is the last `place` before."""

    def review_statistics(self) -> Row:
        """Outcomes for every two parties, and how often grades lie apart."""

    def draws(self, *, limit: int = 50, before: str | None = None) -> list[Row]:
        """Draws of inspections, newest first; `before` is the last `id` of the page before."""

    def draw(self, draw_id: str) -> Row | None:
        """One draw with those it `picked`, or None."""

    def order_draw(self, item: str, count: int, seed: str, actor: str, *, district: str = "",
                   note: str = "") -> Row:
        """Draw so many businesses for an inspection under an item (0 = count the pool only); the
        same order on the same day is the same draw.

        Raises
        ------
        Unfit: item, count, seed, district or actor is not what it must be.
        TimeoutError: it is ordered, but nobody has answered yet.
        """

    def release_draw(self, draw_id: str, actor: str, reason: str) -> Row | None:
        """Let go whoever was drawn and not inspected; the draw as it is then, None = no such one.
        """

    def rejects(self, *, limit: int = 50, before: int | None = None) -> list[Row]:
        """Dead letters, newest first: `seq`, `at`, `origin`, `reason`, `raw`; `before` is the last
        `seq` of the page before."""

    def summary(self) -> Row:
        """The situation in numbers."""

    def situation(self) -> Row:
        """Districts, trend, what is emerging, feeds, the model: `streams.situation` says how."""

    def departments(self, *, quarter: str = "") -> Row:
        """Departments by rank in a quarter (`2026Q3`, "" = this one); `as_of` is None until the
        city has been counted once."""

    def districts(self) -> Row:
        """Districts by share of C and D, with open alerts; `as_of` is None until the city has been
        counted once."""

    def devices(
        self,
        *,
        state: str = "",
        item: str = "",
        district: str = "",
        subject: str = "",
        limit: int = 50,
        after: str = "",
    ) -> Row:
        """Devices of businesses, in pages: `devices`, `next`, `counts`, `as_of`."""

    def device(self, subject: str, item: str, device: str) -> Row | None:
        """What is kept of one device, or None."""

    def models(self) -> Row:
        """How well the weights forecast, which are in force, how groups fare."""

    def policies(self) -> Row:
        """The policies the log has seen, newest first, and the versions of the weights."""

    def policy(self, hash: str = "") -> Row | None:
        """The document of a policy ("" = the one in force), or None."""

    def policy_diff(self, old: str, new: str) -> list[Row] | None:
        """Keys in which two policies differ; None if the log has not seen both."""

    def metrics_text(self) -> bytes:
        """Metrics in the Prometheus text format."""
