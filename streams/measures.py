"""The measures of the grades in force of one subject, as rows; and those a change of grade is said
with."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache, cached_property
from typing import Any

from alerts import rules
from alerts.proposals import proposals
from alerts.told import Alert
from config.measures import shipped
from models import measures as m
from models.basis import Cited, cited
from models.calendar import to_date
from models.ledger import NO_FACTS, Fact, resolve
from models.measures import Measure, paper
from models.records import BREACHED, SIZE, TYPE_AT, WHOLE_SUBJECT
from models.score import of_item
from models.subject import Subject
from streams.pipeline import Shard

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
    """Measures of one subject on one day, by the catalogue shipped.

    Parameters
    ----------
    subject
        Most have breached nothing, and at most grades no more is asked.
    view
        Gives the subject on that day, with its facts.
    ref
        Names a fact by source and id.
    """

    def __init__(self, subject: Subject, view: Callable[[], rules.View],
                 ref: Callable[[Fact], Row]) -> None:
        self._subject, self._make, self._ref = subject, view, ref

    @cached_property
    def _view(self) -> rules.View:
        return self._make()

    @cached_property
    def _bases(self) -> dict[int, list[Cited]]:
        return cited(self._subject.bases)

    @cached_property
    def _withheld(self) -> m.Withheld:
        if BREACHED not in self._subject.facts[TYPE_AT::SIZE]:
            return m.Withheld([], 0)
        return m.withheld(shipped(), self._view.facts, self._view.card, self._view.day)

    def of(self, item: int, grade: str) -> list[Row]:
        """Measures of the grade in force of an item (0 = public), in the catalogue's order.

        Returns
        -------
        `kind`, `state` (recommended, proposed, not_applicable, withheld), `channel_zh`, `text_zh`
        and the same in `en`, `seed_ref`, `paper`, and as `basis` that paper. A restriction has
        `proposal_only` and `facts`, and as `basis` what these cite; one that is not applicable and
        an incentive that is withheld, `reason` and its words; the latter `facts` and `until` too.
        """
        if grade not in _restricting() and not self._withheld.facts:
            return _plain(grade)
        grounds = m.Grounds([], "no_fact")
        if grade in _restricting():
            view = self._view
            grounds = m.grounds(of_item(view.public, item), view.card, view.day, self._bases)
        return [self._row(x) for x in m.proposals(shipped(), grade, grounds, self._withheld)]

    def _row(self, proposal: m.Proposal) -> Row:
        one = proposal.measure
        out = _row(one, proposal.state)
        if proposal.reason:
            zh, en = REASONS[proposal.reason]
            out |= {"reason": proposal.reason, "reason_zh": zh, "reason_en": en}
        if one.kind == "restriction":
            laws = dict.fromkeys(x for f in proposal.facts for x in self._bases[f.key])
            out |= {"proposal_only": True, "facts": [self._ref(f) for f in proposal.facts],
                    "basis": _basis(laws)}
        elif proposal.state == "withheld":
            out |= {"facts": [self._ref(f) for f in proposal.facts],
                    "until": to_date(proposal.until).isoformat()}
        return out


@cache
def _restricting() -> frozenset[str]:
    """Grades of which a measure may restrict."""
    return frozenset(x.grade for x in shipped() if x.kind == "restriction")


@cache
def _plain(grade: str) -> list[Row]:
    """Rows of a grade of which nothing is restricted or withheld: the same ones for everybody."""
    return [_row(x, "recommended") for x in shipped() if x.grade == grade]


def _row(one: Measure, state: m.State) -> Row:
    return {"kind": one.kind, "state": state,
            **_words((one.channel, one.channel_en), (one.measure, one.measure_en), one.seed_ref)}


def advice(alert: Alert) -> list[Row]:
    """What an alert proposes, by the catalogue shipped."""
    return [{"kind": "attention", "state": "recommended",
             **_words(one.channel, one.text, one.seed_ref),
             **({"department": one.department} if one.department else {})}
            for one in proposals(alert, shipped())]


def measures_of(shard: Shard, key: str) -> Callable[[str, str], list[Row]]:
    """Gives the measures of a subject by item id (or "public") and grade, as the shard knows it.

    Cost some 2 µs; where a measure is restricted or withheld, as much as a look at all facts.
    """
    assert shard.timeline is not None
    subject, card = shard.subjects[key], shard.timeline.last
    sources = list(shard.sources)

    def view() -> rules.View:
        return rules.View(subject, resolve(subject.facts, card.offset_ms), NO_FACTS, card,
                          shard.day, shard.clock_ms)

    def ref(fact: Fact) -> Row:
        code, id = subject.refs({fact.key})[fact.key]
        return {"source": sources[code], "id": id,
                **({"objected": True} if fact.objection == 1 else {})}

    made = Measures(subject, view, ref)
    return lambda item, grade: made.of(
        WHOLE_SUBJECT if item == "public" else card.item_codes[item], grade)


def _words(channel: tuple[str, str], text: tuple[str, str], seed_ref: str) -> Row:
    return {"channel_zh": channel[0], "channel_en": channel[1], "text_zh": text[0],
            "text_en": text[1], "seed_ref": seed_ref, "paper": " ".join(paper(seed_ref)).strip(),
            "basis": _basis([paper(seed_ref)])}


def _basis(laws: Iterable[Cited]) -> list[Row]:
    return [{"law": law, "article": article} for law, article in laws]
