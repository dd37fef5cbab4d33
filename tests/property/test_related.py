"""Businesses linked to one on a list: who is told follows from what happened, never from how it
arrived.

Goal: the alerts that stand are those of a plain definition over all pairs of businesses, for every
history, in any order, from any number of partitions, with the analysis restarted anywhere.
Method: random histories of registrations, cancellations, listings, and of what takes them back;
faults are planted and found.
"""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Callable, Iterator

import events as ev
import msgspec
import pytest
import town as tw

from models.ledger import list_span, resolve
from models.policy import Policy
from models.records import CANCELLED, LISTED, LISTS, identity
from models.subject import Subject
from storage.effects import ForAnalysis
from streams import links, related
from streams.analysis import Analysis
from streams.pipeline import Entry

KINDS = (*("subject.registered",) * 8, *("list.entered",) * 8, "subject.cancelled", "list.exited",
         "list.revoked", "repair.approved", "objection.upheld", "objection.upheld",
         "penalty.decided", "complaint.filed")
SHAPE = ev.Shape(span_d=60, subjects=6, kinds=KINDS)
SEEDS = 60
END_MS = int(dt.datetime.combine(ev.FIRST + dt.timedelta(SHAPE.span_d + 90), dt.time(),
                                 ev.BEIJING).timestamp() * 1000)
"""By then everything has happened that is dated."""
LINKS = ("controller", "platform")


def policy(most: int) -> Policy:
    """Nothing else is looked for in the city, to be quick."""
    base, replace = ev.policy(), msgspec.structs.replace
    off = {name: replace(getattr(base.rules, name), enabled=False)
           for name in ("feed_silent", "complaint_surge", "regional_surge")}
    return replace(base, learning=replace(base.learning, enabled=False), rules=replace(
        base.rules, **off, related_risk=replace(
            base.rules.related_risk, links=LINKS, businesses_max=most)))


def history(seed: int) -> list[ev.Made]:
    return ev.build(ev.draw(seed, 20 + seed % 30, SHAPE), SHAPE)


def entries(made: list[ev.Made], seed: int, most: int) -> list[Entry]:
    """A log in that order of arrival: the policy, the events with hours in between, a long end."""
    rng = random.Random(seed)
    clock_ms = min(m.time_ms for m in made)
    out = [tw.change(policy(most), clock_ms)]
    for one in made:
        clock_ms = max(clock_ms, one.time_ms)
        out.append(Entry(clock_ms, one.body, one.event))
        if rng.random() < 0.4:
            clock_ms += rng.choice((1, 8)) * 3_600_000
            out.append(ev.tick(clock_ms))
    # The end is the same whatever was said on the way.
    return [*out, ev.tick(max(clock_ms + 3_600_000, END_MS)), ev.tick(END_MS + ev.DAY_MS)]


class Town(tw.Town):
    """One whose analysis is sometimes restarted."""

    def __init__(self, partitions: int, seed: int, restarts: float) -> None:
        super().__init__(partitions)
        self._rng, self._restarts = random.Random(seed), restarts

    def _put(self, entry: Entry) -> None:
        super()._put(entry)
        if self._rng.random() < self._restarts:
            blob = self.analysis.dump()
            self.analysis = Analysis.load(blob)
            assert self.analysis.dump() == blob


def play(made: list[ev.Made], seed: int, most: int = 2, partitions: int = 1,
         restarts: float = 0.0) -> tw.Town:
    return Town(partitions, seed, restarts).play(entries(made, seed, most))


Told = set[tuple[str, str, tuple[tuple[str, str], ...]]]
"""Subject, level and facts of what is said."""


def said(town: tw.Town) -> Told:
    """The last word of the analysis on all that is open."""
    return {(x.subject, x.data.level, row(x.data.facts))
            for told in town.analysis.related._told.values() for x in told.values()}


def held(town: tw.Town) -> Told:
    """The alerts that stand."""
    return {(s.key, a.level, row(a.facts)) for shard in town.shards
            for s in shard.subjects.values() for a in (s.alerts or {}).values()
            if a.rule == links.RULE}


def lasting(told: Told) -> Told:
    """Without what an alert keeps as it was when somebody was told."""
    return {(subject, level, row({k: v for k, v in facts if k not in ("name", "by")}))
            for subject, level, facts in told}


def plain(town: tw.Town, most: int) -> Told:
    """The definition, over all pairs."""
    subjects = {k: s for shard in town.shards for k, s in shard.subjects.items() if s.is_business}
    active = {k for k, s in subjects.items() if s.registration() and not any(
        not f.revoked for f in facts(s).by_type.get(CANCELLED, ()))}
    out: Told = set()
    for key, subject in subjects.items():
        own = subject.registration()
        if own is None:
            continue
        groups: list[tuple[str, set[str]]] = []
        for name in sorted(own.controllers):
            groups.append(("controller", {k for k in active - {key}
                                          if name in profile(subjects[k]).controllers}))
        if own.platform and own.platform != key:
            groups.append(("platform", {k for k in active & {own.platform}
                                        if profile(subjects[k]).kind == "platform"}))
        if own.kind == "platform":
            groups.append(("operator", {k for k in active - {key}
                                        if profile(subjects[k]).platform == key}))
        for fact in facts(subject).by_type.get(LISTED, ()):
            start, stop = list_span(fact)
            if not start <= town.shards[0].day < stop or LISTS[fact.variant] not in (
                    "serious", "debtor", "ban"):
                continue
            about = {"listed": key, "name": own.name, "list": LISTS[fact.variant]}
            few: dict[str, str] = {}
            for by, group in groups:
                for other in group if len(group) <= most else ():
                    few.setdefault(other, by)
            out |= {(other, "orange", row({**about, "by": by})) for other, by in few.items()}
            over = len(set[str]().union(*(group for _, group in groups if len(group) > most)))
            if over:
                limit = max(most * 2 ** n for n in range(9) if not n or most * 2 ** n < over)
                out.add((key, "orange", row({**about, "over": str(limit)})))
    return out


def row(facts: dict[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(facts.items()))


def facts(subject: Subject):  # type: ignore[no-untyped-def]
    return resolve(subject.facts, 28_800_000)


def profile(subject: Subject):  # type: ignore[no-untyped-def]
    found = subject.registration()
    assert found is not None
    return found


def cases(seeds: int = SEEDS) -> Iterator[tuple[int, list[ev.Made]]]:
    for seed in range(seeds):
        made = history(seed)
        if made:
            yield seed, made


def check(seed: int, made: list[ev.Made]) -> int:
    """The definition holds, in this order and another, from one partition and from five; how many
    alerts stand."""
    most = 1 + seed % 3
    one = play(made, seed, most)
    wanted = plain(one, most)
    assert said(one) == wanted and lasting(held(one)) == lasting(wanted), seed
    shuffled = random.Random(seed).sample(made, len(made))
    for other, partitions, restarts in ((made, 5, 0.2), (shuffled, 1, 0.0), (shuffled, 3, 0.2)):
        town = play(other, seed, most, partitions, restarts)
        assert plain(town, most) == wanted, seed
        assert said(town) == wanted and lasting(held(town)) == lasting(wanted), seed
        if other is made:
            assert [c for c in town.concluded if c.events] == [
                c for c in one.concluded if c.events], seed
    return len(wanted)


def test_the_definition_holds_in_any_order() -> None:
    with ev.quick_cards():
        stand = [check(seed, made) for seed, made in cases()]
    assert sum(stand) > SEEDS and sum(n > 0 for n in stand) > SEEDS // 4, "else it says little"


def test_evidence_is_the_listing_and_both_registrations() -> None:
    """Those in force when it was told."""
    seen = 0
    with ev.quick_cards():
        for seed, made in cases(40):
            town = play(made, seed, 9)
            named = {(m.event.source, m.id): m for m in made}
            for told in (x for x in town.alerts if x.rule == links.RULE and x.state == "firing"):
                listing, *registrations = [named[x.source, x.id] for x in told.evidence]
                assert listing.type == "list.entered"
                assert [x.type for x in registrations] == ["subject.registered"] * 2
                assert [x.event.subject for x in (listing, *registrations)] == [
                    told.facts["listed"], told.facts["listed"], told.subject]
                assert [x.time_ms for x in told.evidence] == [
                    x.time_ms for x in (listing, *registrations)]
                shared = [set(x.event.data.controllers) for x in registrations]
                assert told.facts["by"] != "controller" or shared[0] & shared[1]
                seen += 1
    assert seen > 20


# ---------------------------------------------------------------------------------- planted faults


def _links_stay(p: pytest.MonkeyPatch) -> None:
    whole = links.Linked
    p.setattr(links, "Linked", lambda *a: whole(*a[:2], [], *a[3:]))


def _cancelled_unsaid(p: pytest.MonkeyPatch) -> None:
    p.setattr(links, "cancelled", lambda *a: [])


def _listing_not_said_again(p: pytest.MonkeyPatch) -> None:
    """The business on the list is registered anew, with other controllers."""
    said = links.registered
    p.setattr(links, "registered", lambda *a: [x for x in said(*a) if isinstance(x, links.Linked)])


def _only_the_listing_is_said(p: pytest.MonkeyPatch) -> None:
    """Nothing of what is said of it later."""
    said: set[int] = set()
    whole = links.listings

    def listings(subject: Subject, keys: list[int], *a: object) -> list[object]:
        new = [k for k in keys if k not in said]
        said.update(new)
        return list(whole(subject, new, *a))  # type: ignore[arg-type]

    p.setattr(links, "listings", listings)


def _no_agenda(p: pytest.MonkeyPatch) -> None:
    """Nothing ends by itself."""
    whole = related.Related.close

    def close(self: related.Related, *a: object) -> object:
        self._agenda.clear()
        return whole(self, *a)  # type: ignore[arg-type]

    p.setattr(related.Related, "close", close)


def _order_shows(p: pytest.MonkeyPatch) -> None:
    """What the shards said comes out in the order of shards."""
    said = related.Related.close
    p.setattr(related.Related, "close", lambda s, *a: sorted(
        said(s, *a), key=lambda x: -identity(x.subject, str(len(s._listings)))))
    take = tw.Analysis.take

    def last(self: Analysis, partition: int, told: Iterator[ForAnalysis]) -> object:
        return [c._replace(events=c.events[::-1]) if partition else c
                for c in take(self, partition, told)]

    p.setattr(tw.Analysis, "take", last)


def _restart_forgets(p: pytest.MonkeyPatch) -> None:
    whole = related.Related.load.__func__  # type: ignore[attr-defined]

    def load(cls: type[related.Related], dumped: list[object]) -> related.Related:
        made = whole(cls, dumped)
        made._told = {}
        return made  # type: ignore[no-any-return]

    p.setattr(related.Related, "load", classmethod(load))


@pytest.mark.parametrize("plant", [
    _links_stay, _cancelled_unsaid, _listing_not_said_again, _only_the_listing_is_said, _no_agenda,
    _order_shows, _restart_forgets])
def test_a_planted_fault_is_found(plant: Callable[[pytest.MonkeyPatch], None]) -> None:
    with pytest.MonkeyPatch.context() as p, ev.quick_cards():
        plant(p)
        with pytest.raises(AssertionError):
            for seed, made in cases():
                check(seed, made)
