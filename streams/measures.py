"""The measures of the grades in force of one subject, as rows; and those a change of grade is said
with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

from alerts import rules
from models import measures as m
from models.basis import cited
from models.calendar import to_date
from models.ledger import Fact
from models.measures import Measure
from models.score import of_item

Row = dict[str, Any]

REASONS: dict[str, tuple[str, str]] = {
    "no_fact": ("没有计入公共信用记录的失信行为事实，不得仅凭评分或等级采取",
                "no adverse fact stands in the public record: never on a score or a grade alone"),
    "no_basis": ("所依据的事实均未载明法律依据", "none of the facts behind the grade cites a law"),
    "minor": ("仅有轻微行政处罚，避免小过重惩",
              "minor penalties only: no heavy sanction for a light fault"),
    "breached": ("一年内违背信用承诺，期满前不享受守信激励",
                 "a commitment was breached within a year: no incentives until it is over"),
}
"""Why a measure is not applicable or withheld: Chinese, English."""


class Measures:
    """Measures of one subject on one day.

    Parameters
    ----------
    view
        The subject on that day, with its facts.
    ref
        Names a fact by source and id.
    """

    def __init__(self, view: rules.View, ref: Callable[[Fact], Row],
                 catalogue: Sequence[Measure]) -> None:
        self._view, self._ref, self._catalogue = view, ref, catalogue

    @cached_property
    def _bases(self) -> dict[int, list[tuple[str, str]]]:
        return cited(self._view.subject.bases)

    @cached_property
    def _withheld(self) -> m.Withheld:
        view = self._view
        return m.withheld(self._catalogue, view.facts, view.card, view.day)

    def of(self, item: int, grade: str) -> list[Row]:
        """Measures of the grade in force of an item (0 = public), in the catalogue's order.

        Returns
        -------
        `kind`, `state` (recommended, proposed, not_applicable, withheld), `channel_zh`, `text_zh`
        and the same in `en`, `seed_ref`. A restriction has `proposal_only`, `facts` and `basis`;
        one that is not applicable and an incentive that is withheld, `reason` and its words; the
        latter `facts` and `until` too.
        """
        view = self._view
        grounds = m.Grounds([], "no_fact")
        if any(x.grade == grade and x.kind == "restriction" for x in self._catalogue):
            grounds = m.grounds(of_item(view.public, item), view.card, view.day, self._bases)
        return [self._row(x) for x in
                m.proposals(self._catalogue, grade, grounds, self._withheld)]

    def _row(self, proposal: m.Proposal) -> Row:
        out = {**words(proposal.measure), "state": proposal.state}
        if proposal.reason:
            zh, en = REASONS[proposal.reason]
            out |= {"reason": proposal.reason, "reason_zh": zh, "reason_en": en}
        if proposal.measure.kind == "restriction":
            laws = dict.fromkeys(x for f in proposal.facts for x in self._bases[f.key])
            out |= {"proposal_only": True, "facts": [self._ref(f) for f in proposal.facts],
                    "basis": [{"law": law, "article": article} for law, article in laws]}
        elif proposal.state == "withheld":
            out |= {"facts": [self._ref(f) for f in proposal.facts],
                    "until": to_date(proposal.until).isoformat()}
        return out


def words(one: Measure) -> Row:
    """What stands of a measure itself."""
    return {"kind": one.kind, "channel_zh": one.channel, "channel_en": one.channel_en,
            "text_zh": one.measure, "text_en": one.measure_en, "seed_ref": one.seed_ref}
