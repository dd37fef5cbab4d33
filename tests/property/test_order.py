"""Histories in any order: conclusions follow from what happened, never from how it arrived.

Goal: the promises of the core hold for every history, and every short cut of the step gives the
answer of the slow, plain definition in `oracle.py`. Method: the checks of `checks.py` over seeds
(reproducible, cheap) and under hypothesis (shrinks); each is first shown to notice planted faults.

    XINFENG_SEED=1234 pytest tests/property/test_order.py -k seed      one seed, all checks
    XINFENG_SEEDS=5000 pytest -n 2 tests/property/test_order.py        a long run
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable

import checks
import events as ev
import pytest
from checks import Check
from hypothesis import given
from hypothesis import strategies as st

from alerts import rules
from models import draw, gap, grade, identity, inspection_pool, ledger, records
from models import subject as subject_module
from models.events import Event
from models.policy import INDICATORS
from storage.effects import Reason
from streams import checkpoint, inspections, pipeline, show

CHECKS: tuple[Check, ...] = (
    checks.short_cuts, checks.policy_change, checks.weights, checks.permutation, checks.duplicates,
    checks.partitions, checks.drawing, checks.envelopes, checks.expiry, checks.notice,
    checks.hourly, checks.restart, checks.reversal, checks.monotony, checks.adding_up,
    checks.round_trip)
SEEDS = int(os.environ.get("XINFENG_SEEDS", "160"))
CHUNK = 20
ONE = os.environ.get("XINFENG_SEED")
GRADES_ONLY = ("grade.assigned", "list.entered", "penalty.decided")
"""One history in eight is of these alone: gaps are rare among all the rest."""


def history(seed: int) -> tuple[list[ev.Made], str]:
    """A log in its order of arrival, and the policy it is held against."""
    shape = ev.Shape(span_d=(20, 60, 200, 500)[seed % 4], devices=seed % 5 == 0,
                     kinds=GRADES_ONLY if seed % 8 == 7 else ())
    variant = ("plain", "plain", "nervous", "two facts")[seed // 4 % 4]
    made = ev.build(ev.draw(seed, (6, 12, 25, 40)[seed // 16 % 4], shape), shape, variant)
    if seed % 3 == 0:
        random.Random(seed).shuffle(made)
    elif seed % 3 == 1:
        made.sort(key=lambda m: m.time_ms)
    return made, variant


def hold(check: Check, seed: int) -> None:
    """Run a check over the history of a seed; a failure prints the smallest part that fails."""
    made, variant = history(seed)
    if not made:
        return
    try:
        check(made, variant, seed)
    except AssertionError:
        small = ev.shrink(made, lambda m: fails(check, m, variant, seed))
        print(f"\nseed {seed}, policy {variant!r}; again: XINFENG_SEED={seed} pytest "
              f"tests/property/test_order.py -k 'seed and {check.__name__}'\n{ev.story(small)}")
        check(small, variant, seed)
        raise


def fails(check: Check, made: list[ev.Made], variant: str, seed: int) -> bool:
    try:
        check(made, variant, seed)
    except AssertionError:
        return True
    return False


@pytest.mark.parametrize("check", CHECKS, ids=lambda c: c.__name__)
@pytest.mark.parametrize("chunk", range(0, SEEDS, CHUNK) if ONE is None else [int(ONE)])
def test_seeds(check: Check, chunk: int) -> None:
    for seed in range(chunk, chunk + (CHUNK if ONE is None else 1)):
        hold(check, seed)


SHAPE = ev.Shape(span_d=150)


@pytest.mark.parametrize("check", CHECKS, ids=lambda c: c.__name__)
@given(moves=ev.moves(SHAPE, 12), seed=st.integers(0, 3))
def test_hypothesis(check: Check, moves: list[ev.Move], seed: int) -> None:
    made = ev.build(moves, SHAPE)
    if made:
        check(made, "plain", seed)


# ---------------------------------------------------------------------------------- planted faults


def _no_timers(p: pytest.MonkeyPatch) -> None:
    plain = pipeline.walk
    p.setattr(pipeline, "walk", lambda *a: plain(*a)._replace(next_day=0))


def _revocation_without_rewalk(p: pytest.MonkeyPatch) -> None:
    plain = pipeline.Shard._walk
    p.setattr(pipeline.Shard, "_walk",
              lambda s, subject, facts, start, *a: plain(s, subject, facts, max(start, s.day), *a))


def _lost_condition(p: pytest.MonkeyPatch) -> None:
    plain = rules.conditions
    p.setattr(rules, "conditions", lambda v: {k: c for k, c in plain(v).items()
                                              if c.rule != "grade-drop"})


def _lost_deadline(p: pytest.MonkeyPatch) -> None:
    plain = rules.deadlines

    def late(*a: object) -> object:
        found, nearest = plain(*a)
        return found, nearest + 3

    p.setattr(rules, "deadlines", late)


def _path_of_arrival(p: pytest.MonkeyPatch) -> None:
    """The path starts where the record arrived, not where it belongs."""
    plain = pipeline.Shard._walk

    def walk(s: object, subject: object, facts: object, start: int, *a: object) -> object:
        return plain(s, subject, facts, max(start, s.day - 3), *a)  # type: ignore

    p.setattr(pipeline.Shard, "_walk", walk)


def _first_registration_wins(p: pytest.MonkeyPatch) -> None:
    plain = subject_module.Subject.register
    p.setattr(subject_module.Subject, "register",
              lambda s, profile: not s.profile and plain(s, profile))


def _modifiers_in_arrival(p: pytest.MonkeyPatch) -> None:
    """The ledger lets the last modifier to arrive win, not the last to happen."""
    p.setattr(ledger, "_when", lambda fact: 0)


def _forgets_identities(p: pytest.MonkeyPatch) -> None:
    p.setattr(identity.Identities, "put", lambda *a: None)


def _keeps_the_expired(p: pytest.MonkeyPatch) -> None:
    p.setattr(identity.Identities, "remove", lambda *a: None)


def _expired_at_the_end_of_the_envelope(p: pytest.MonkeyPatch) -> None:
    """What a timer lets go is let go only when the envelope under way is done."""
    plain = pipeline.Shard.step

    def step(s: pipeline.Shard, envelope: list[pipeline.Entry]) -> object:
        gone: list[int] = []
        with pytest.MonkeyPatch.context() as within:
            within.setattr(identity.Identities, "remove", lambda _, key: gone.append(key))
            within.setattr(s, "_known", _Deaf())
            effects = plain(s, envelope)
        for key in gone:
            s.identities.remove(key)
        return effects

    p.setattr(pipeline.Shard, "step", step)


class _Deaf(dict[int, int]):
    """Does not hear that an identity was let go."""

    def __setitem__(self, key: int, body: int) -> None:
        if body:
            super().__setitem__(key, body)


def _keeps_revoked(p: pytest.MonkeyPatch) -> None:
    """A revocation that was itself revoked still acts."""
    p.setattr(ledger, "taken_back", lambda revocations: {of for _, of in revocations})


def _resolve_keeps_penalties(p: pytest.MonkeyPatch) -> None:
    plain = ledger._penalty

    def counted(fact: object, *a: object) -> None:
        plain(fact, *a)  # type: ignore

    def segments(facts: ledger.Facts, card: object, *, public: bool) -> list[ledger.Segment]:
        out: list[ledger.Segment] = []
        for kind, group in facts.by_type.items():
            make = (ledger._PUBLIC if public else ledger._INTERNAL).get(kind)
            for fact in group if make else ():
                if not fact.revoked or kind == records.PENALTY:
                    make(fact, card, out)  # type: ignore
        return out

    for module in (ledger, pipeline, rules, show, checks, __import__("oracle")):
        for name in ("segments", "_segments"):
            if hasattr(module, name):
                p.setattr(module, name, segments)
    assert counted


def _checkpoint_loses(name: str, value: object) -> Callable[[pytest.MonkeyPatch], None]:
    def plant(p: pytest.MonkeyPatch) -> None:
        plain = checkpoint._restore

        def restore(row: list[object]) -> subject_module.Subject:
            made = plain(row)
            setattr(made, name, value)
            return made

        p.setattr(checkpoint, "_restore", restore)

    return plant


def _bad_is_good(p: pytest.MonkeyPatch) -> None:
    plain = ledger._add

    def add(out: list[ledger.Segment], card: object, indicator: int, *a: object) -> None:
        general, red = INDICATORS.index("penalty_general"), INDICATORS.index("list_red")
        plain(out, card, red if indicator == general else indicator, *a)  # type: ignore

    p.setattr(ledger, "_add", add)


def _clip_is_lost(p: pytest.MonkeyPatch) -> None:
    plain = checks.score

    def score(*a: object) -> object:
        s = plain(*a)  # type: ignore
        return s._replace(contributions=[c for c in s.contributions
                                         if not c.indicator.startswith(("clip", "cap"))])

    p.setattr(checks, "score", score)


def _body_loses_offset(p: pytest.MonkeyPatch) -> None:
    plain = checks.codec.decode_body
    p.setattr(checks.codec, "decode_body", lambda b: plain(b.replace(b"dept-a", b"dept-b")))


def _envelope_starts_a_new_clock(p: pytest.MonkeyPatch) -> None:
    plain = pipeline.Shard.step

    def step(s: object, envelope: list[pipeline.Entry]) -> object:
        return plain(s, [x._replace(recorded_ms=envelope[0].recorded_ms)  # type: ignore
                         for x in envelope[:-1]] + list(envelope[-1:]))

    p.setattr(pipeline.Shard, "step", step)


def _no_timers_kept(p: pytest.MonkeyPatch) -> None:
    """A timer that is not met by a tick of its own day is lost."""
    plain = pipeline.Shard._advance

    def advance(s: pipeline.Shard, recorded_ms: int) -> None:
        for day in [d for d in s.wheel if d < (recorded_ms + 28_800_000) // ev.DAY_MS]:
            del s.wheel[day]
        plain(s, recorded_ms)

    p.setattr(pipeline.Shard, "_advance", advance)


def _future_refused(p: pytest.MonkeyPatch) -> None:
    """The step does not take what lies ahead of its clock."""
    plain = pipeline.Shard._take

    def take(s: pipeline.Shard, event: Event, *a: object) -> object:
        if event.time.timestamp() * 1000 > s.clock_ms:
            return Reason("time", "", "", "in the future")
        return plain(s, event, *a)  # type: ignore

    p.setattr(pipeline.Shard, "_take", take)


def _gap_ignored(p: pytest.MonkeyPatch) -> None:
    p.setattr(gap.Grades, "outside", lambda s: [])


def _hysteresis_lost(p: pytest.MonkeyPatch) -> None:
    p.setattr(grade, "hold", lambda g, score, card: grade.band(score, card))


def _weights_from_today(p: pytest.MonkeyPatch) -> None:
    """What is learned counts from the day it arrives."""
    p.setattr(pipeline.Shard, "_reweigh", lambda s, subject, start, *more, old=(
        pipeline.Shard._reweigh): old(s, subject, s.day, *more))


def _bounds_not_scaled(p: pytest.MonkeyPatch) -> None:
    """Signals weigh more now, and nobody looks."""
    p.setattr(pipeline.Card, "steeper_than", lambda *_: 0.0)


def _pool_looks_at_the_first_record(p: pytest.MonkeyPatch) -> None:
    p.setattr(inspection_pool, "_mentions", lambda subject, item: any(
        row[6] == item for row in records.RECORD.iter_unpack(subject.facts[:records.SIZE])))


def _pool_keeps_the_cancelled(p: pytest.MonkeyPatch) -> None:
    plain = inspection_pool.Pool.place

    def place(pool: inspection_pool.Pool, subject: subject_module.Subject) -> object:
        held, subject.cancelled_day = subject.cancelled_day, 0
        found = plain(pool, subject)
        subject.cancelled_day = held
        return found

    p.setattr(inspection_pool.Pool, "place", place)


def _draw_in_order_of_arrival(p: pytest.MonkeyPatch) -> None:
    p.setattr(draw, "_first", lambda candidates, count: [*candidates][:count])


def _taken_back_unsaid(p: pytest.MonkeyPatch) -> None:
    """What takes an inspection back, or a release, says nothing of the draw."""
    p.setattr(inspections, "concerned", lambda subject, row: row[1] if row[7] in (
        records.DRAWN, records.INSPECTION) else 0)


PLANTED: tuple[tuple[Check, Callable[[pytest.MonkeyPatch], None]], ...] = (
    (checks.short_cuts, _no_timers),
    (checks.short_cuts, _revocation_without_rewalk),
    (checks.short_cuts, _lost_condition),
    (checks.short_cuts, _lost_deadline),
    (checks.short_cuts, _hysteresis_lost),
    (checks.short_cuts, _gap_ignored),
    (checks.policy_change, _hysteresis_lost),
    (checks.weights, _weights_from_today),
    (checks.weights, _bounds_not_scaled),
    (checks.permutation, _path_of_arrival),
    (checks.permutation, _first_registration_wins),
    (checks.permutation, _modifiers_in_arrival),
    (checks.partitions, _no_timers_kept),
    (checks.drawing, _pool_looks_at_the_first_record),
    (checks.drawing, _pool_keeps_the_cancelled),
    (checks.drawing, _draw_in_order_of_arrival),
    (checks.drawing, _taken_back_unsaid),
    (checks.notice, _future_refused),
    (checks.hourly, _no_timers_kept),
    (checks.duplicates, _forgets_identities),
    (checks.envelopes, _envelope_starts_a_new_clock),
    (checks.expiry, _keeps_the_expired),
    (checks.expiry, _expired_at_the_end_of_the_envelope),
    (checks.restart, _checkpoint_loses("change_day", 0)),
    (checks.restart, _checkpoint_loses("parked", None)),
    (checks.restart, _checkpoint_loses("alerts", None)),
    (checks.restart, _checkpoint_loses("profile", b"")),
    (checks.restart, _checkpoint_loses("fall", (0, 0, 0))),
    (checks.reversal, _resolve_keeps_penalties),
    (checks.reversal, _keeps_revoked),
    (checks.monotony, _bad_is_good),
    (checks.adding_up, _clip_is_lost),
    (checks.adding_up, _resolve_keeps_penalties),
    (checks.round_trip, _body_loses_offset),
)


@pytest.mark.parametrize(("check", "plant"), PLANTED,
                         ids=[f"{c.__name__}-{p.__name__}" for c, p in PLANTED])
def test_checker_notices_a_planted_fault(check: Check, plant: Callable[[pytest.MonkeyPatch], None],
                                         monkeypatch: pytest.MonkeyPatch) -> None:
    """Each fails on one of 300 histories when the fault is there: so passing means something."""
    plant(monkeypatch)
    for seed in range(300):
        made, variant = history(seed)
        if made and fails(check, made, variant, seed):
            return
    pytest.fail("planted fault not noticed")
