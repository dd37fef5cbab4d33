"""The credit report of one subject at a moment, as data: what may be public, or all of it.

The same log and the same moment give the same bytes, hence the same number: a report that is held
against the log later shows by its number whether what it says still stands.

Public is what counts towards the public credit score on that day: facts of the public record inside
their publicity period, neither repaired nor taken back. That a record was repaired would tell of
the record, so approved repairs and upheld objections stand in the internal report only.
"""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec

from models.ledger import Fact, publicity
from models.records import (
    LISTED,
    OBJECTION_RAISED,
    OBJECTION_REJECTED,
    OBJECTION_UPHELD,
    PENALTY,
    REPAIR_APPLIED,
    REPAIR_APPROVED,
    REPAIR_REJECTED,
)
from streams.look import Look, newest
from streams.pipeline import Shard
from streams.profile import commitments, matters
from streams.show import describe, iso_day

Row = dict[str, Any]
SCHEMA = "xinfeng.credit-report/1"
RECORDS_MAX = 500
"""Records of a kind: the newest. `left_off` says how many more there are."""
_REPAIRS = (REPAIR_APPLIED, REPAIR_APPROVED, REPAIR_REJECTED)
_OBJECTIONS = (OBJECTION_RAISED, OBJECTION_UPHELD, OBJECTION_REJECTED)


def report(shard: Shard, key: str, as_of_ms: int, *, internal: bool = False) -> Row | None:
    """
    Parameters
    ----------
    as_of_ms
        The moment it speaks of [epoch ms]; the shard has let time pass up to it.
    internal
        With what may not be public: risk scores, signals, open matters and alerts, repairs.

    Returns
    -------
    Built-in types, documented in docs/http.md; `number` is the day and the first 12 hex digits of
    `digest`, the SHA-256 of everything else. None for a subject the shard does not know.
    """
    shown = describe(shard, key, as_of_ms)
    if shown is None:
        return None
    look = Look(shard, key, as_of_ms)
    out: Row = {
        "schema": SCHEMA, "scope": "internal" if internal else "public", "as_of": shown["as_of"],
        "policy": shown["policy"], "weights": look.card.weights,
        "subject": {name: shown.get(name) for name in (
            "subject", "name", "kind", "district", "industry", "size", "registered_on",
            "cancelled_on", "aliases")},
        "public": _grade(look, shown["public"]),
        "grades": [{"item": id, "department": item["department"], **_grade(look, item)}
                   for id, item in shown["items"].items()],
        "lists": [x for x in shown["lists"] if internal or _public_list(look, x["list"])],
        **_records(look, look.view.public, "records"),
        "commitments": commitments(look),
    }
    if internal:
        out |= {
            "risk": [{"item": id, "risk_score": item["risk_score"],
                      "risk_probability": item["risk_probability"]}
                     for id, item in shown["items"].items()],
            "gap": shown["gap"],
            **_records(look, look.view.internal, "signals"),
            "repairs": _said(look, _REPAIRS),
            "objections": _said(look, _OBJECTIONS),
            "matters": matters(look),
            "open_alerts": shown["open_alerts"], "open_reviews": shown["open_reviews"],
            "repairable": shown["repairable"], "path": shown["path"],
        }
    digest = hashlib.sha256(msgspec.json.encode(out, order="deterministic")).hexdigest()
    day = look.day_of(as_of_ms).replace("-", "")
    return {"number": f"{day}-{digest[:12]}", "digest": digest, **out}


def _grade(look: Look, held: Row) -> Row:
    """A grade with its date and its source: the assignment, or the policy that computed it."""
    assigned = held["assigned"]
    source = {"source": "xinfeng", "id": look.card.hash}
    if held["grade_source"] == "assigned" and assigned:
        source = assigned["event"]
    return {"grade": held["grade"], "grade_source": held["grade_source"], "since": held["since"],
            "credit_score": held["credit_score"], "computed": held["computed"],
            "assigned": assigned, "period": held["period"], "event": source}


def _public_list(look: Look, name: str) -> bool:
    """Whether a list is part of the public record."""
    return bool(getattr(look.card.policy.indicators, f"list_{name}").record == "public")


def _records(look: Look, segments: list[Any], name: str) -> Row:
    """Facts that count on the day, newest first, each with its points and the end of its time."""
    points = look.points(segments)
    ends: dict[int, int] = {}
    for s in segments:
        if s.fact.key in points:
            ends[s.fact.key] = max(ends.get(s.fact.key, 0), s.stop)
    facts = newest([look.fact(k) for k in points])
    rows = [{**look.row(f), "points": points[f.key] / 1000, "until": _until(look, f, ends[f.key])}
            for f in facts[:RECORDS_MAX]]
    return {name: rows, f"{name}_left_off": max(0, len(facts) - RECORDS_MAX)}


def _until(look: Look, fact: Fact, end: int) -> str | None:
    """Last day on which it is shown; None where that depends on what happens."""
    if fact.type == PENALTY:
        origin = min(fact.day2, fact.day) if fact.day2 else fact.day
        end = publicity(look.card, fact.variant, origin)[1]
    elif fact.type == LISTED and not fact.day1:
        return None
    return iso_day(end - 1) if end < _NEVER else None


_NEVER = 1 << 20
"""Days beyond every calendar."""


def _said(look: Look, types: tuple[int, ...]) -> list[Row]:
    """What was said about records, each with the record it is about."""
    found = newest([f for f in look.facts() if f.type in types and not f.revoked])[:RECORDS_MAX]
    return [{**look.row(f), "of": look.row(f.parent) if f.parent is not None else None}
            for f in found]
