"""What must hold of every history, as functions that raise `AssertionError` when it does not.

Each takes a log in its order of arrival, the policy's name and a seed for its own choices, and is
used three times: over seeds, under hypothesis, and with a planted fault that it must notice.
"""

from __future__ import annotations

import datetime as dt
import itertools
import random
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import events as ev
import msgspec
import oracle
from events import BEIJING, DAY_MS, Made, codes, make

from alerts.rules import View
from models import events as e
from models import records as r
from models.draw import draw
from models.identity import seal
from models.inspection_pool import Pool
from models.ledger import resolve, segments
from models.policy import INDICATORS
from models.score import of_item, score
from models.scorecard import Card
from models.subject import Subject
from models.weights import Weights
from storage.effects import AlertChanged, DrawnChanged, DrawPooled, Effect, Rejected
from streams import checkpoint, codec, digest, inspections, show
from streams.pipeline import Entry, Shard

Check: TypeAlias = Callable[[Sequence[Made], str, int], None]
HOUR_MS = 3_600_000


def conclusions(shard: Shard) -> tuple[str, object, object]:
    """Everything that may not depend on how events arrived."""
    shown = {key: show.describe(shard, key, shard.clock_ms) for key in sorted(shard.subjects)}
    return digest.total([shard]), oracle.describe(shard), shown


def same(a: Shard, b: Shard, what: str) -> None:
    """Two shards have come to the same conclusions, to the last bit."""
    one, other = conclusions(a), conclusions(b)
    alike(one[1], other[1], what)
    alike(one[2], other[2], f"{what}: shown")
    assert one[0] == other[0], f"{what}: digests differ"


def alike(one: Any, other: Any, what: str) -> None:
    """Equal; else an error that names only what differs."""
    if one == other:
        return
    if isinstance(one, dict) and isinstance(other, dict):
        for key in one.keys() | other.keys():
            assert key in one and key in other, f"{what}: only one has {key}: {one.get(key)}"
            alike(one[key], other[key], f"{what}: {key}")
    if isinstance(one, oracle.Described) and isinstance(other, oracle.Described):
        alike(one._asdict(), other._asdict(), what)
    raise AssertionError(f"{what}: {one} != {other}")


def run(made: Sequence[Made], variant: str, after_d: int = 1, envelope: int = 500) -> Shard:
    """Fold a log and let time pass until some days after everything in it."""
    arrivals = [*ev.entries(made), ev.tick(ev.end_ms(made, after_d))]
    return ev.fold(arrivals, variant, envelope)


# -------------------------------------------------------------------------------------- oracle


def short_cuts(made: Sequence[Made], variant: str, seed: int) -> None:
    """After every event and every pause: what is held is what the records say."""
    rng = random.Random(seed)
    shard = ev.shard(variant)
    with ev.quick_cards():
        for entry in ev.entries(made):
            shard.step([entry])
            assert entry.event is not None
            oracle.scratch(shard, getattr(entry.event, "subject", None))
        oracle.scratch(shard)
        end_ms = ev.end_ms(made, 45)
        looked = rng.randrange(4)
        while shard.clock_ms < end_ms:
            step_d = rng.choice((0, 1, 3, 9, 20))
            shard.step([ev.tick((shard.clock_ms // HOUR_MS + 1) * HOUR_MS + step_d * DAY_MS)])
            oracle.scratch(shard)
            looked += 1
            if not looked % 4:
                oracle.timers(shard, 25)


def policy_change(made: Sequence[Made], variant: str, seed: int) -> None:
    """A policy that enters the log midway: days before it keep theirs, the oracle agrees."""
    rng = random.Random(seed)
    shard = ev.shard(variant)
    other = "nervous" if variant == "plain" else "plain"
    at = rng.randrange(len(made) + 1)
    with ev.quick_cards():
        for n, entry in enumerate(ev.entries(made)):
            if n == at:
                shard.step([ev.change(other, shard.clock_ms)])
                oracle.scratch(shard)
            shard.step([entry])
        oracle.scratch(shard)
        for after_d in (1, 8, 40):
            shard.step([ev.tick(ev.end_ms(made, after_d))])
            oracle.scratch(shard)


def random_weights(rng: random.Random, name: str, since_day: int) -> Weights:
    """Distances of any size and sign: the card keeps them inside its bounds."""
    moved = {n: (rng.uniform(-2, 2), rng.uniform(-0.5, 0.5), rng.uniform(-0.2, 0.2))
             for n in rng.sample(INDICATORS, rng.randrange(1, len(INDICATORS)))}
    trades = tuple({"": rng.uniform(-1, 1), "cq1-17": rng.uniform(-3, 3)} for _ in range(3))
    return Weights(name, since_day, moved, (trades[0], trades[1], trades[2]))


def weights(made: Sequence[Made], variant: str, seed: int) -> None:
    """Learned weights that enter the log on their day, or late: the same state, and the oracle
    agrees."""
    rng = random.Random(seed)
    late = rng.randrange(1, 40)
    entries = list(ev.entries(made))
    days = [(x.recorded_ms + 8 * HOUR_MS) // DAY_MS for x in entries]
    since = rng.choice(days)
    learned = random_weights(rng, "w000001", since)
    event = e.WeightsChanged(learned)
    shards = []
    for wait in (0, late):
        shard = ev.shard(variant)
        told = False
        with ev.quick_cards():
            for entry, day in zip(entries, days, strict=True):
                if not told and day >= since + wait:
                    shard.step([ev.tick(entry.recorded_ms),
                                Entry(entry.recorded_ms, codec.encode(event), event)])
                    oracle.scratch(shard)
                    told = True
                shard.step([entry])
            if not told:
                shard.step([ev.tick(ev.end_ms(made, wait)),
                            Entry(ev.end_ms(made, wait), codec.encode(event), event)])
            oracle.scratch(shard)
            for after_d in (41, 80):
                shard.step([ev.tick(ev.end_ms(made, after_d))])
                oracle.scratch(shard)
        shards.append(shard)
    same(shards[0], shards[1], "late weights")


# --------------------------------------------------------------------------------------- arrival


def permutation(made: Sequence[Made], variant: str, seed: int) -> None:
    """Any order of arrival ends in the same state."""
    rng = random.Random(seed)
    after_d = rng.choice((0, 1, 4, 12, 40))
    first = run(sorted(made, key=lambda m: (m.time_ms, m.id)), variant, after_d)
    for _ in range(2):
        order = rng.sample(made, len(made))
        same(first, run(order, variant, after_d), "order of arrival")
    same(first, run(made[::-1], variant, after_d), "reverse order")


def duplicates(made: Sequence[Made], variant: str, seed: int) -> None:
    """What is sent again changes nothing, and is counted; readings count as taken in again."""
    rng = random.Random(seed)
    twice = list(made)
    again = [m for m in made if rng.random() < 0.5]
    for one in again:
        twice.insert(rng.randrange(twice.index(one) + 1, len(twice) + 1), one)
    envelope = rng.choice((1, 3, 500))
    once, more = run(made, variant, 3, envelope), run(twice, variant, 3, envelope)
    same(once, more, "duplicates")
    refused = once.counts.rejected
    readings = sum(m.type == "iot.readings" for m in again)
    assert once.counts.accepted == len(made) - refused
    assert more.counts.accepted == once.counts.accepted + readings
    assert more.counts.duplicates + more.counts.rejected == len(again) - readings + refused


def partitions(made: Sequence[Made], variant: str, seed: int) -> None:
    """Split over shards by subject, each with its own clock in between: the same digest."""
    rng = random.Random(seed)
    parts = rng.choice((2, 3, 5))
    whole = run(made, variant, 2)
    shards = []
    for part in range(parts):
        own = [x for x in ev.entries(made)
               if sum(getattr(x.event, "subject", "").encode()) % parts == part]
        shards.append(ev.fold([*own, ev.tick(ev.end_ms(made, 2))], variant))
    assert digest.total(shards) == digest.total([whole]), "partitions"
    got = {key: held for shard in shards for key, held in oracle.describe(shard).items()}
    assert got == oracle.describe(whole), "partitions"


def drawing(made: Sequence[Made], variant: str, seed: int) -> None:
    """A draw finds whom the records say, in whatever order they came and wherever they lie; and
    what was said last of each inspection is how it stands."""
    rng = random.Random(seed)
    card = ev.card(variant)
    item = card.item_ids[rng.choice([1, 8, 15])]
    order = e.DrawOrdered("draw-9", item, rng.randrange(1, 4), str(seed), "duty")
    end_ms = ev.end_ms(made, 2)
    found = []
    for way in ("as it came", "shuffled", "three shards"):
        arrivals = ev.entries(rng.sample(made, len(made)) if way == "shuffled" else made)
        parts = 3 if way == "three shards" else 1
        pools, said = [], {}
        for part in range(parts):
            own = [x for x in arrivals
                   if sum(getattr(x.event, "subject", "").encode()) % parts == part]
            shard = ev.shard(variant)
            for entry in (*own, ev.tick(end_ms), Entry(end_ms, codec.encode(order), order)):
                for effect in shard.step([entry]):
                    if isinstance(effect, DrawPooled):
                        pools.append(effect)
                    elif isinstance(effect, DrawnChanged):
                        said[effect.draw, effect.subject] = msgspec.structs.replace(
                            effect, updated_ms=0)
            for subject in shard.subjects.values():
                standing(shard, subject, item, said)
            [pool] = pools[part:]
            plain = sorted(s.key for s in shard.subjects.values()
                           if in_pool(s, card.item_codes[item], card, shard.day))
            quick = Pool(card.item_codes[item], card, shard.day)
            assert plain == sorted(s.key for s in shard.subjects.values() if quick.place(s)), "pool"
            assert len(plain) == sum(pool.part.eligible) + sum(pool.part.resting), "pool"
        found.append((draw(order, [p.part for p in pools], pools[0].ratios), said))
    assert found[0] == found[1] == found[2], "draw"


def in_pool(subject: Subject, item: int, card: Card, day: int) -> bool:
    """The plain reading: registered, not cancelled, and a fact that stands names the item."""
    facts = resolve(subject.facts, card.offset_ms)
    gone = any(f.type == r.CANCELLED and not f.revoked and f.day <= day
               for f in facts.by_key.values())
    if not subject.profile or gone:
        return False
    return any(f.item == item and f.type != r.DRAWN and f.type not in r.MODIFIERS and not f.revoked
               for f in facts.by_key.values()) or any(
        of == item for of, _, _ in subject.devices or ())


def standing(shard: Shard, subject: Subject, item: str,
             said: dict[tuple[str, str], DrawnChanged]) -> None:
    """What was said of a business' inspections is what its records say now."""
    assert shard.timeline is not None
    card = shard.timeline.last
    for key in {row[1] for row in r.RECORD.iter_unpack(subject.facts) if row[7] == r.DRAWN}:
        now = inspections.course(subject, key, card, 0, lambda k: shard._named(subject, [k])[0])
        assert now == said[f"{key:016x}", subject.key], "course"


def envelopes(made: Sequence[Made], variant: str, seed: int) -> None:
    """The size of envelopes changes neither state nor effects."""
    arrivals = [*ev.entries(made), ev.tick(ev.end_ms(made, 2))]
    found = []
    for size in (1, 7, 500):
        shard = ev.shard(variant)
        effects: list[Effect] = []
        for n in range(0, len(arrivals), size):
            effects += shard.step(arrivals[n : n + size])
        found.append((digest.total([shard]), alerts_of(effects)))
    assert found[0] == found[1] == found[2], "envelope size"


def expiry(made: Sequence[Made], variant: str, seed: int) -> None:
    """References that wait in vain are let go, whatever the cut of envelopes: sent again they count
    anew. What was taken in and not let go is known, and nothing else is.
    """
    rng = random.Random(seed)
    sent = sorted(made, key=lambda m: m.time_ms + rng.randrange(15) * DAY_MS)
    for one in rng.sample(sent, len(sent) // 2):
        sent.insert(rng.randrange(sent.index(one) + 1, len(sent) + 1), one)
    arrivals = [*ev.entries(sent), ev.tick(ev.end_ms(made, 9))]
    found = []
    for size in (1, 7, 500):
        shard = ev.shard("hasty")
        effects: list[Effect] = []
        with ev.quick_cards():
            for n in range(0, len(arrivals), size):
                effects += shard.step(arrivals[n : n + size])
        oracle.scratch(shard)
        expired = sum(isinstance(x, Rejected) and x.position < 0 for x in effects)
        unnamed = sum(m.type == "iot.readings" for m in sent)
        assert shard.identities.count == shard.counts.accepted - unnamed - expired
        held = {row[0] for s in shard.subjects.values() for records in (s.facts, s.signals)
                for row in r.RECORD.iter_unpack(records)}
        assert all(shard.identities.get(seal(list(held)))), "a record whose event is not known"
        found.append((digest.total([shard]), alerts_of(effects), expired,
                      {name: getattr(shard.counts, name) for name in shard.counts.__slots__}))
    assert found[0] == found[1] == found[2], "envelope size"


def notice(made: Sequence[Made], variant: str, seed: int) -> None:
    """An event may lie up to five minutes ahead of the log's clock, over midnight too."""
    rng = random.Random(seed)
    clock_ms = 0
    arrivals = []
    for one in made:
        noticed_ms = one.time_ms - rng.randrange(300_000)
        clock_ms = max(clock_ms, noticed_ms)
        arrivals.append(Entry(clock_ms, one.body, one.event))
    arrivals.append(ev.tick(ev.end_ms(made, 2)))
    same(run(made, variant, 2), ev.fold(arrivals, variant), "ahead of the clock")


def hourly(made: Sequence[Made], variant: str, seed: int) -> None:
    """Ticks at every hour of the log, or none but the last: the same state."""
    arrivals: list[Entry] = []
    for entry in ev.entries(made):
        if arrivals:
            last = arrivals[-1].recorded_ms // HOUR_MS
            hours = range(last + 1, entry.recorded_ms // HOUR_MS + 1)
            arrivals += [ev.tick(h * HOUR_MS) for h in itertools.islice(hours, 200)]
        arrivals.append(entry)
    arrivals.append(ev.tick(ev.end_ms(made, 3)))
    same(run(made, variant, 3), ev.fold(arrivals, variant), "ticks")


def restart(made: Sequence[Made], variant: str, seed: int) -> None:
    """Dumped and loaded at any point: from there on the same effects, and the same state."""
    rng = random.Random(seed)
    arrivals = [*ev.entries(made), *(ev.tick(ev.end_ms(made, d)) for d in (0, 5, 30))]
    at = rng.randrange(1, len(arrivals))
    going = ev.fold(arrivals[:at], variant)
    loaded = checkpoint.load(list(checkpoint.dump(going)))
    assert conclusions(loaded) == conclusions(going), "loaded state"
    for entry in arrivals[at:]:
        one, other = going.step([entry]), loaded.step([entry])
        assert one == other, f"effects after a restart: {one} != {other}"
    same(going, loaded, "restart")


def alerts_of(effects: Sequence[Effect]) -> list[tuple[object, ...]]:
    return [(x.id, x.level, x.was, x.state, x.reason, x.updated_ms, x.opened_ms)
            for x in effects if isinstance(x, AlertChanged)]


# --------------------------------------------------------------------------------------- reversal


def reversal(made: Sequence[Made], variant: str, seed: int) -> None:
    """A fact that was added and taken back: as if it had never been, to the last bit."""
    rng = random.Random(seed)
    never = run(made, variant, 2)
    base_ms = max(m.time_ms for m in made)
    shape = ev.Shape(span_d=60)
    kinds = [k for k in sorted(set(ev.KINDS)) if k != "subject.registered"]
    for _ in range(2):
        # The new fact is drawn as the end of the history, so that it may name what is there.
        moves = [ev.Move(0, rng.randrange(2), rng.randrange(3), rng.randrange(60),
                         rng.randrange(86_400), rng.randrange(64), rng.randrange(64),
                         rng.randrange(1_000))]
        kind = rng.choice(kinds)
        fact = one_more(made, kind, moves[0], shape, variant)
        if fact is None or fact.time_ms > base_ms:
            continue
        revoker = {"penalty.decided": "penalty.revoked", "list.entered": "list.revoked"}.get(kind)
        revoker = revoker if revoker and rng.random() < 0.5 else "objection.upheld"
        after = dt.datetime.fromtimestamp(
            rng.randrange(fact.time_ms, base_ms + 1) / 1000, BEIJING)
        back = make(revoker, "dept-a", "back", fact.event.subject, after,
                    {"of": {"source": fact.event.source, "id": fact.id}}, fact.id, variant)
        log = list(made)
        at = rng.randrange(len(log) + 1)
        log.insert(at, fact)
        log.insert(rng.randrange(at, len(log)) + 1, back)
        shard = run(log, variant, 2)
        alike(oracle.describe(never), oracle.describe(shard), f"{kind} and {revoker}")


def one_more(made: Sequence[Made], kind: str, move: ev.Move, shape: ev.Shape,
             variant: str) -> Made | None:
    """One more event of a type, with a new id, as a history would have it."""
    return ev.extra(made, kind, move, shape, "extra", variant)


# ------------------------------------------------------------------------------------- monotony

BAD: dict[str, list[dict[str, object]]] = {
    "penalty.decided": [{"document": "x", "kinds": ["fine"], "class": c,
                         "basis": [{"law": "l", "article": "a"}]}
                        for c in ("minor", "general", "serious")],
    "inspection.completed": [
        {"plan": "random", "result": result, "findings": []}
        for result in ("pass", "fixed", "fail", "obstructed")],
    "complaint.filed": [{"kind": "complaint", "category": "c", "severity": s}
                        for s in (1, 2, 3, 4)],
    "iot.alarm": [{"device": "d", "code": "c", "severity": s, "verified": True}
                  for s in (1, 2, 3, 4)],
    "arrears.confirmed": [{"kind": "sme", "amount_cny": 1.0}],
    "interview.held": [{"kind": "reminder"}, {"kind": "warning"}],
    "list.entered": [{"list": name, "authority": "a", "basis": "b"}
                     for name in ("abnormal", "serious")],
}
"""One kind of fact from better to worse; the first is no worse than none where it is not good."""
GOOD_FIRST = frozenset({"inspection.completed"})


def monotony(made: Sequence[Made], variant: str, seed: int) -> None:
    """Worse evidence never raises a score, on any day, nor betters a grade that stood."""
    rng = random.Random(seed)
    kind = rng.choice(sorted(BAD))
    subject = codes(2)[rng.randrange(2)]
    item = ev.card().item_ids[1 + rng.randrange(3) * 7]
    when = dt.datetime.fromtimestamp(rng.choice(made).time_ms / 1000, BEIJING)
    known = [None, *BAD[kind]] if kind not in GOOD_FIRST else list(BAD[kind])
    shards = []
    for data in known:
        log = list(made)
        if data is not None:
            if kind not in ("arrears.confirmed", "list.entered"):
                data = {**data, "item": item}
            if kind == "penalty.decided":
                data = {**data, "decided_on": when.date().isoformat()}
            log.append(make(kind, "dept-a", "worse", subject, when, data, "", variant))
        shards.append(run(log, variant, 2))
    first_day = (min(m.time_ms for m in made)) // DAY_MS
    for better, worse in itertools.pairwise(shards):
        old, new = better.subjects.get(subject), worse.subjects[subject]
        if old is None:
            continue
        for day in range(first_day, first_day + 900, 13):
            for code in {0, *new.graded_items()}:
                one, other = scores_on(better, old, code, day), scores_on(worse, new, code, day)
                assert other[0] <= one[0] and other[1] <= one[1], (
                    f"{kind}: {one} -> {other} on day {day}, item {code}")
        for code, day, _ in oracle.describe(better).get(subject, _NOTHING).path:
            if day * DAY_MS < when.timestamp() * 1000 - DAY_MS:
                for later in (day, better.day):
                    before, after = old.grade_at(code, later), new.grade_at(code, later)
                    assert before <= after, f"{kind}: grade {before} -> {after} on {later}"


_NOTHING = oracle.Described([], {}, {}, [])


def scores_on(shard: Shard, subject: Subject, item: int, day: int) -> tuple[int, int]:
    """Credit and risk score of one item on a day."""
    s = parts(shard, subject, item, day)
    return s.credit, s.risk


def parts(shard: Shard, subject: Subject, item: int, day: int):  # type: ignore[no-untyped-def]
    assert shard.timeline is not None
    card = shard.timeline.last
    view = View(subject, resolve(subject.facts, card.offset_ms),
                resolve(subject.signals, card.offset_ms), card, day, day * DAY_MS)
    internal = (segments(view.facts, card, public=False)
                + segments(view.signals, card, public=False))
    public = segments(view.facts, card, public=True)
    return score(of_item(public, item), of_item(internal, item), day, card, subject.group)


def adding_up(made: Sequence[Made], variant: str, seed: int) -> None:
    """On any day: contributions add up exactly, scores lie in 0..1000, nothing gone is listed."""
    rng = random.Random(seed)
    shard = run(made, variant, 2)
    for subject in shard.subjects.values():
        gone = taken_back([m for m in made if m.event.subject == subject.key])
        for day in (shard.day, *(shard.day + rng.randrange(-300, 900) for _ in range(4))):
            for item in {0, *subject.graded_items()}:
                s = parts(shard, subject, item, day)
                assert 0 <= s.credit <= 1_000_000 and 0 <= s.risk <= 1_000_000
                assert sum(c.milli for c in s.contributions) == s.risk
                assert sum(c.milli for c in s.contributions if c.public) == s.credit
                assert sum(c.indicator == "base" for c in s.contributions) == 1
                listed = {key for c in s.contributions for key in c.keys}
                assert not listed & gone, "a fact that was taken back is listed"


def taken_back(made: Sequence[Made]) -> set[int]:
    """Identities of what was revoked by something that was not itself revoked."""
    by: dict[str, list[str]] = {}
    for m in made:
        if m.type in ("penalty.revoked", "list.revoked", "objection.upheld"):
            by.setdefault(m.of, []).append(m.id)

    def gone(id: str) -> bool:
        return any(not gone(revoker) for revoker in by.get(id, ()))

    return {r.identity(m.event.source, m.id) for m in made if gone(m.id)}


# ----------------------------------------------------------------------------------------- codec


def round_trip(made: Sequence[Made], variant: str, seed: int) -> None:
    """What is encoded is decoded to the same value, one by one and in envelopes."""
    for one in made:
        assert codec.decode_body(one.body) == one.event
        assert codec.encode(codec.decode_body(one.body)) == one.body
    arrivals = [*ev.entries(made), ev.tick(ev.end_ms(made))]
    envelope = codec.encode_envelope(arrivals)
    assert codec.decode_envelope(envelope) == arrivals
    rng = random.Random(seed)
    some = set(rng.sample(range(len(arrivals)), rng.randrange(len(arrivals) + 1)))
    assert codec.decode_entries(envelope, some) == [
        x for n, x in enumerate(arrivals) if n in some]
