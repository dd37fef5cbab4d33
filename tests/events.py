"""Small random histories: valid events of every type, with references, late and early times.

A history is a list of `Move`s, plain small integers, so that hypothesis can shrink it and a seed
can draw it; `build` turns moves into events and is total: every list of moves gives a valid log.
`shrink` takes a failing log down to a minimal one, `story` prints it.
"""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache, lru_cache
from typing import Any, NamedTuple
from unittest import mock

import msgspec
from hypothesis import strategies as st

from alerts.rules import alert_id
from config import load
from models import events as e
from models import records as r
from models import scorecard, uscc
from models.gap import review_id
from models.policy import Policy, digest, encode
from models.scorecard import Card
from models.weights import NOTHING_LEARNED, Weights
from streams import codec, pipeline
from streams.intake import Intake
from streams.pipeline import Entry, Shard

DAY_MS = 86_400_000
BEIJING = dt.timezone(dt.timedelta(hours=8))
FIRST = dt.date(2025, 11, 20)
"""Histories start here: before the publicity regime of 2026-04-01, before Spring Festival."""
FAR_MS = int(dt.datetime(2031, 1, 1, tzinfo=dt.UTC).timestamp() * 1000)
SECRET = b"for tests only"
SOURCES = ("dept-a", "dept-b", "部门/丙")

KNOWN: frozenset[str] = frozenset()
"""Names of open defects whose trigger random histories leave out; see `test_known.py`."""


class Move(NamedTuple):
    """One event, in small integers. `kind` indexes `KINDS`, `ref` picks the record it names."""

    kind: int
    who: int
    item: int
    day: int
    second: int
    a: int
    b: int
    ref: int


class Made(NamedTuple):
    """One event of a history: its JSON, its body for the log, what it is."""

    raw: bytes
    body: bytes
    event: e.Event
    time_ms: int
    of: str
    """Id of the event it names, or ""."""

    @property
    def id(self) -> str:
        return self.event.id

    @property
    def type(self) -> str:
        return self.event.type


class Shape(NamedTuple):
    """What a history may hold."""

    span_d: int = 120
    subjects: int = 2
    items: int = 3
    devices: bool = False
    kinds: tuple[str, ...] = ()
    """Types to draw from; () = all."""


# How often each type is drawn. What moves grades and opens alerts comes first.
KINDS: tuple[str, ...] = tuple(
    name for name, weight in {
        "penalty.decided": 8, "inspection.completed": 8, "complaint.filed": 8,
        "complaint.closed": 5, "penalty.performed": 3, "penalty.revoked": 2, "act.decided": 4,
        "act.published": 6, "iot.alarm": 3, "commitment.made": 4, "commitment.fulfilled": 3,
        "commitment.breached": 3, "list.entered": 4, "list.exited": 2, "list.revoked": 2,
        "rectification.ordered": 3, "rectification.done": 2, "rectification.failed": 2,
        "interview.held": 3, "repair.applied": 1, "repair.approved": 4, "repair.rejected": 1,
        "objection.raised": 3, "objection.upheld": 3, "objection.rejected": 2,
        "arrears.confirmed": 3, "information.declared": 2, "information.verified": 2,
        "grade.assigned": 6, "grade.withdrawn": 2, "subject.registered": 3,
        "subject.cancelled": 1, "review.answered": 3, "alert.acknowledged": 2,
        "alert.closed": 1, "alert.reopened": 1, "alert.silenced": 1, "alert.assigned": 1,
        "inspection.drawn": 3, "inspection.released": 2,
    }.items() for _ in range(weight))
IOT_WEIGHT = 12

TARGET_NAMES: dict[str, frozenset[str]] = {
    r.TYPE_NAMES[code]: frozenset(r.TYPE_NAMES[t] for t in targets)
    for code, targets in r.TARGETS.items()}
ANY_NAMES = frozenset(r.TYPE_NAMES[code] for code in r.ANY_TARGET)
NOT_NAMED = frozenset({"subject.registered", "iot.readings"})
"""Types that leave no record which another event could name."""


# ------------------------------------------------------------------------------- policy and shard


@cache
def policy(variant: str = "plain") -> Policy:
    """The default policy with a parking time no test reaches, and variants that stress it."""
    base = load.policy()
    replace = msgspec.structs.replace
    base = replace(base, limits=replace(base.limits, park_d=9_000))
    match variant:
        case "plain":
            return base
        case "default":
            return load.policy()
        case "hasty":
            # References wait for four days only.
            return replace(base, limits=replace(base.limits, park_d=4))
        case "two facts":
            return replace(base, bands=replace(base.bands, evidence_min=2))
        case "nervous":
            drop = replace(base.rules.grade_drop, to_b="blue", hold_d=20)
            rules = replace(base.rules, grade_drop=drop,
                            score_plunge=replace(base.rules.score_plunge, fall_points=25.0,
                                                 window_d=9),
                            repeat_offence=replace(base.rules.repeat_offence, count=2, window_d=40),
                            ban_breach=replace(base.rules.ban_breach, hold_d=11))
            return replace(base, rules=rules, gap=replace(base.gap, levels=1, merge_d=5),
                           bands=replace(base.bands, a=680.0, b=600.0, c=500.0))
        case "unit":
            return _fixed(load.policy())
        case _:
            raise AssertionError(variant)


_WEIGHTS: dict[str, tuple[float, int, int, tuple[float, ...]]] = {
    "complaint": (-0.2, 60, 12, (0.5, 1.0, 1.5, 2.0)), "tip": (-0.25, 60, 12, (0.5, 1.0, 1.5, 2.0)),
    "complaint_mediated": (-0.15, 90, 12, (0.5, 1.0, 1.5, 2.0)),
    "complaint_upheld": (-0.5, 120, 12, (0.5, 1.0, 1.5, 2.0)),
    "iot_alarm": (-0.15, 30, 6, (0.5, 1.0, 1.5, 2.0)), "interview": (-0.2, 120, 12, (1.0,)),
    "commitment_overdue": (-0.4, 0, 24, (1.0,)), "rectification_overdue": (-0.6, 0, 24, (1.0,)),
    "penalty_unperformed": (-0.6, 0, 36, (1.0,)), "list_watch": (-0.8, 0, 36, (1.0,)),
    "iot_violation": (-0.25, 90, 12, (0.5, 1.0, 1.5, 2.0)), "penalty_minor": (-0.35, 90, 0, (1.0,)),
    "penalty_general": (-1.3, 365, 0, (1.0,)), "penalty_serious": (-3.4, 730, 0, (1.0,)),
    "inspection_pass": (0.1, 0, 24, (1.0, 0.5, 0.0, 0.0)),
    "inspection_fixed": (-0.12, 120, 12, (0.7, 0.7, 1.2, 1.6)),
    "inspection_fail": (-0.6, 240, 24, (1.0, 0.8, 1.2, 1.6)),
    "inspection_evaded": (-0.9, 240, 24, (1.0,)), "commitment_fulfilled": (0.08, 0, 24, (1.0,)),
    "commitment_breached": (-0.9, 365, 24, (1.0,)), "rectification_failed": (-0.9, 365, 24, (1.0,)),
    "list_serious": (-4.0, 0, 0, (1.0,)), "list_debtor": (-3.5, 0, 0, (1.0,)),
    "list_abnormal": (-1.0, 0, 0, (1.0,)), "list_red": (0.3, 0, 36, (1.0,)),
    "list_ban": (-4.0, 0, 0, (1.0,)), "arrears": (-1.3, 365, 24, (1.0,)),
    "information_verified": (0.05, 0, 24, (1.0,)),
}


def _fixed(base: Policy) -> Policy:
    """Numbers of their own for unit tests, so that a new calibration does not touch them."""
    replace = msgspec.structs.replace
    made = {name: replace(getattr(base.indicators, name), weight=weight, half_life_d=half,
                          max_months=months, multipliers=steps, individual=None, organisation=None)
            for name, (weight, half, months, steps) in _WEIGHTS.items()}
    return replace(
        base, score=replace(base.score, base_points=400.0, base_odds=1.0, pdo=50.0),
        subjects=replace(base.subjects, enterprise=4.0, individual=4.1, organisation=4.2),
        indicators=replace(base.indicators, **made),
        caps={"complaints": 150.0, "iot_alarms": 60.0},
        bands=replace(base.bands, a=650.0, b=560.0, c=460.0, margin_points=8.0, evidence_min=1))


@cache
def card(variant: str = "plain") -> Card:
    return Card(policy(variant), 0)


@lru_cache(64)
def _remembered(document: str, since_day: int, learned: bytes) -> Card:
    return Card(msgspec.json.decode(document, type=Policy), since_day,
                msgspec.json.decode(learned, type=Weights))


def _card(policy: Policy, since_day: int, learned: Weights = NOTHING_LEARNED) -> Card:
    return _remembered(encode(policy), since_day, msgspec.json.encode(learned))


@contextmanager
def quick_cards() -> Iterator[None]:
    """Within it shards share cards of equal policies: making one takes 30 ms."""
    with mock.patch.object(pipeline, "Card", _card), mock.patch.object(scorecard, "Card", _card):
        yield


def shard(variant: str = "plain") -> Shard:
    """An empty shard under a policy."""
    made = Shard()
    with quick_cards():
        made.step([change(variant)])
    return made


def change(variant: str, recorded_ms: int = 0) -> Entry:
    """A policy entering the log."""
    document = encode(policy(variant))
    event = e.PolicyChanged(document, digest(document))
    return Entry(recorded_ms, codec.encode(event), event)


@cache
def intake(variant: str = "plain") -> Intake:
    return Intake(card(variant), SECRET, 0, 300_000)


@cache
def codes(n: int) -> tuple[str, ...]:
    """Valid USCCs, different and always the same."""
    out = []
    for k in range(n):
        organisation = f"MA5U{k:04d}"
        first = f"9150{k % 38 + 101:04d}"[:8] + organisation
        first += uscc.organisation_check(organisation)
        out.append(first + uscc.check_character(first))
    assert all(uscc.check(code) is None for code in out)
    return tuple(out)


# ------------------------------------------------------------------------------------ histories


def kinds_of(shape: Shape) -> tuple[str, ...]:
    kinds = shape.kinds or KINDS + ("iot.readings",) * (IOT_WEIGHT if shape.devices else 0)
    if "alert acts" in KNOWN:
        kinds = tuple(k for k in kinds if not k.startswith("alert."))
    return kinds


def draw(seed: int, n: int, shape: Shape) -> list[Move]:
    """Moves of a seed."""
    rng = random.Random(seed)
    kinds = len(kinds_of(shape))
    return [Move(rng.randrange(kinds), rng.randrange(shape.subjects), rng.randrange(shape.items),
                 rng.randrange(shape.span_d), rng.randrange(86_400), rng.randrange(64),
                 rng.randrange(64), rng.randrange(1000)) for _ in range(n)]


def moves(shape: Shape, max_size: int = 24) -> st.SearchStrategy[list[Move]]:
    """Moves for hypothesis: small integers shrink well."""
    number = st.integers
    return st.lists(st.builds(
        Move, number(0, len(kinds_of(shape)) - 1), number(0, shape.subjects - 1),
        number(0, shape.items - 1), number(0, shape.span_d - 1), number(0, 86_399),
        number(0, 63), number(0, 63), number(0, 999)), min_size=1, max_size=max_size)


def build(history: Sequence[Move], shape: Shape, variant: str = "plain") -> list[Made]:
    """Events of a history, in its order. A reference with nothing to name is left out."""
    made: list[Made] = []
    kinds = kinds_of(shape)
    for n, move in enumerate(history):
        one = extra(made, kinds[move.kind], move, shape, f"e{n}", variant)
        if one is not None:
            made.append(one)
    return made


def extra(made: Sequence[Made], kind: str, move: Move, shape: Shape, id: str,
          variant: str = "plain") -> Made | None:
    """One more event of a type for a history; None when there is nothing it could name."""
    subject = codes(shape.subjects)[move.who]
    target = None
    if kind in TARGET_NAMES or kind in ANY_NAMES:
        target = _pick(made, kind, subject, move)
        if target is None:
            return None
    when = _when(move, target, shape)
    data = _data(kind, move, target, shape, subject, when)
    return make(kind, SOURCES[move.a % 3], id, subject, when, data,
                target.id if target else "", variant)


def make(kind: str, source: str, id: str, subject: str, when: dt.datetime, data: Any,
         of: str = "", variant: str = "plain") -> Made:
    """One event, through the real intake."""
    event: dict[str, Any] = {"specversion": "1.0", "id": id, "source": source, "type": kind,
                             "subject": subject, "time": when.isoformat()}
    if data is not None:
        event["data"] = data
    raw = msgspec.json.encode(event)
    accepted, body, time_ms = intake(variant).accept(raw, FAR_MS)
    return Made(raw, body, accepted, time_ms, of)


def _pick(made: Sequence[Made], kind: str, subject: str, move: Move) -> Made | None:
    allowed = TARGET_NAMES.get(kind)
    found = []
    for other in made:
        if other.event.subject != subject or other.type in NOT_NAMED:
            continue
        if allowed is not None:
            fits = other.type in allowed
        else:
            # Mostly what people object to or repair; sometimes anything, modifiers included.
            fits = other.of == "" or move.a % 4 == 0
            fits = fits and not _excluded(other, made)
        if fits:
            found.append(other)
    return found[move.ref % len(found)] if found else None


def _excluded(target: Made, made: Sequence[Made]) -> bool:
    """Whether naming this event would trigger a known defect."""
    if "cancelled objected" in KNOWN and target.type == "subject.cancelled":
        return True
    if "signal chain" in KNOWN and target.of:
        root = next(m for m in made if m.id == target.of)
        return root.of != "" or root.type in ("complaint.filed", "iot.alarm")
    return False


def _when(move: Move, target: Made | None, shape: Shape) -> dt.datetime:
    second = (0, 1, 28_800, 57_599, 57_600, 86_399)[move.b % 6] if move.b < 24 else move.second
    start = dt.datetime.combine(FIRST, dt.time(), BEIJING)
    when = start + dt.timedelta(days=move.day, seconds=second)
    if target is not None and move.a % 16:
        # Mostly after what it names, within the span; now and then before it, or at the same time.
        named = dt.datetime.fromtimestamp(target.time_ms / 1000, BEIJING)
        left = max(shape.span_d - (named - start).days - 1, 0)
        when = named + dt.timedelta(days=move.day % (left + 1), seconds=second % 3600)
    return when


def _data(kind: str, move: Move, target: Made | None, shape: Shape, subject: str,
          when: dt.datetime) -> Any:
    a, b = move.a, move.b
    items = card().item_ids[1:]
    item = items[move.item * 7 % len(items)]
    day = when.date()
    of = {"source": target.event.source, "id": target.id} if target else None
    due = (day + dt.timedelta(days=(0, 3, 10, 30, 60)[b % 5])).isoformat()
    severity = ("minor", "serious", "critical")
    match kind:
        case "subject.registered":
            return {"name": f"企业{move.who}-{a}", "kind": _KINDS_OF_SUBJECT[a % 6],
                    "district": "500106", "industry": "H6210", "size": "small",
                    "registered_on": "2015-01-01",
                    "controllers": [f"c{n}" for n in range(3) if b >> n & 1],
                    **({"platform": codes(shape.subjects)[b // 8 % shape.subjects]}
                       if a % 4 == 1 else {})}
        case "subject.cancelled":
            return None
        case "complaint.filed":
            return {"item": item, "kind": ("complaint", "tip")[a % 2],
                    "category": ("退款", "食品", "噪音")[b % 3], "severity": 1 + a // 2 % 4,
                    **({"complainant": f"张三{a}"} if b % 2 else {})}
        case "complaint.closed":
            return {"of": of, "outcome": ("upheld", "mediated", "upheld", "rejected",
                                          "withdrawn")[b % 5]}
        case "penalty.decided":
            data = {"item": item, "document": f"渝罚{move.ref}", "kinds": ["fine"],
                    "amount_cny": 5000.0 * (1 + a),
                    "decided_on": (day - dt.timedelta(days=b % 4)).isoformat(),
                    "basis": [{"law": "食品安全法", "article": str(b % 2)}]}
            if a % 4:
                data["class"] = ("general", "serious", "minor")[a % 4 - 1]
            if b % 3:
                data["due_on"] = due
            return data
        case "act.decided":
            return {"act": ("permit", "permit", *r.ACTS)[a % 12], "item": item,
                    "decided_on": (day - dt.timedelta(days=b % 9)).isoformat()}
        case "act.published":
            return {"of": of, "published_on": day.isoformat()}
        case "inspection.completed":
            return {"item": item, "plan": "random",
                    "result": r.RESULTS[(0, 0, 1, 2, 2, 3, 4)[a % 7]],
                    "findings": [{"code": "f", "severity": severity[b % 3]}] * (b // 3 % 3),
                    **({"draw": f"draw-{b % 2}"} if a % 2 else {})}
        case "inspection.drawn":
            return {"item": item, "draw": f"draw-{b % 2}", "stratum": r.STRATA[a % 5],
                    "probability": (1 + b % 4) / 4}
        case "iot.alarm":
            return {"item": item, "device": f"d{b % 2}", "code": "over", "severity": 1 + a % 4,
                    "verified": bool(b % 2)}
        case "iot.readings":
            return _readings(item, move, when)
        case "commitment.made":
            return {"item": item, "matter": f"m{b % 2}", "due_on": due, "kind": "approval"}
        case "list.entered":
            until = {"until": due} if b % 4 == 0 else {}
            return {"list": r.LISTS[a % 6], "authority": "市市场监管局", "basis": "依据", **until}
        case "rectification.ordered":
            return {"item": item, "due_on": due}
        case "interview.held":
            return {"item": item, "kind": ("warning", "reminder")[b % 2]}
        case "repair.applied":
            return {"of": of, "method": "training"}
        case "arrears.confirmed":
            return {"kind": ("sme", "wage")[b % 2], "amount_cny": 1000.0 * a}
        case "information.declared":
            return {"category": "资质", "authorised": True}
        case "grade.assigned":
            grade = {"item": "public" if a % 4 == 0 else item,
                     "issuer": r.ISSUERS[(0, 0, 1, 2, 4)[b % 5]], "grade": "ABCD"[a // 4 % 4]}
            if b // 5 % 3 == 0:
                grade["valid_until"] = due
            return grade
        case "review.answered":
            number = a % 2
            department = card().department_of[card().item_codes[item]]
            adjust = bool(b % 3)
            return {"review": review_id(subject, number), "department": department,
                    "decision": "adjust" if adjust else "keep", "reason": "复核",
                    **({"grade": "ABCD"[b // 3 % 4]} if adjust else {})}
        case ("alert.acknowledged" | "alert.closed" | "alert.reopened" | "alert.silenced"
              | "alert.assigned"):
            until = {"until": (when + dt.timedelta(days=b)).isoformat()} if a % 2 else {}
            return {"alert": _alert(move, subject), "actor": "李四", **until}
        case _:
            return {"of": of}


_KINDS_OF_SUBJECT = ("enterprise", "individual", "organisation", "institution", "soe", "platform")


def _alert(move: Move, subject: str) -> str:
    """An id that the history may really see: the gap alert, a plunge, a list conflict."""
    number = int(review_id(subject, move.b % 2)[-8:], 16)
    items = card().item_ids[1:]
    code = card().item_codes[items[move.item * 7 % len(items)]]
    return (alert_id("grade-gap", subject, 0, number), alert_id("score-plunge", subject, code, 0),
            alert_id("list-conflict", subject, 0, 0))[move.a // 2 % 3]


def _readings(item: str, move: Move, when: dt.datetime) -> dict[str, Any]:
    n = 1 + move.b % 40
    end = int(when.timestamp() * 1000)
    class_, metric, normal, high = (("coldchain", "temperature_c", 4.0, 12.0),
                                    ("kitchen", "gas_ppm", 10.0, 2000.0))[move.a % 2]
    over = move.a // 2 % 3 == 0
    return {"item": item, "series": [{
        "device": f"d{move.ref % 2}", "class": class_, "metric": metric, "unit": "x",
        "t": [end - 60_000 * k for k in range(n)],
        "v": [None if (k + move.ref) % 13 == 0 else (high if over else normal + (k * 7 % 11) / 10)
              for k in range(n)]}]}


# ------------------------------------------------------------------------------------- arrival


def entries(made: Sequence[Made], clock_ms: int = 0) -> list[Entry]:
    """In this order of arrival, with the clock of `xinfeng process`: the highest time so far."""
    out = []
    for one in made:
        clock_ms = max(clock_ms, one.time_ms)
        out.append(Entry(clock_ms, one.body, one.event))
    return out


def tick(recorded_ms: int) -> Entry:
    event = e.Tick()
    return Entry(recorded_ms, codec.encode(event), event)


def end_ms(made: Sequence[Made], after_d: int = 0) -> int:
    """A whole hour after everything has happened."""
    last = max((m.time_ms for m in made), default=0)
    return (last // 3_600_000 + 2) * 3_600_000 + after_d * DAY_MS


def fold(arrivals: Sequence[Entry], variant: str = "plain", envelope: int = 500,
         into: Shard | None = None) -> Shard:
    """Step over entries in envelopes of a size."""
    made = shard(variant) if into is None else into
    with quick_cards():
        for n in range(0, len(arrivals), envelope):
            made.step(arrivals[n : n + envelope])
    return made


# ---------------------------------------------------------------------------------- on failure


def shrink(made: list[Made], fails: Callable[[list[Made]], bool]) -> list[Made]:
    """A part of a history, in its order, that fails too and from which nothing can be left out."""
    size = max(len(made) // 2, 1)
    while True:
        n, left_out = 0, False
        while n < len(made):
            fewer = _named(made[:n] + made[n + size :])
            if fewer and fails(fewer):
                made, left_out = fewer, True
            else:
                n += size
        if size > 1:
            size //= 2
        elif not left_out:
            return made


def _named(made: list[Made]) -> list[Made]:
    """Without those that name what is not there."""
    while True:
        ids = {m.id for m in made}
        left = [m for m in made if not m.of or m.of in ids]
        if len(left) == len(made):
            return made
        made = left


def story(made: Sequence[Made]) -> str:
    """A history as people read it."""
    return "\n".join(f"{m.event.time.astimezone(BEIJING):%Y-%m-%d %H:%M:%S} {m.id:5} {m.type:22} "
                     f"{m.event.subject[-4:]} {msgspec.json.encode(m.event.data).decode()}"
                     for m in made)


def history_of(seed: int, n: int = 30) -> list[Made]:
    """A small log of a seed, in the order in which it was drawn."""
    shape = Shape(span_d=90)
    return build(draw(seed, n, shape), shape)
