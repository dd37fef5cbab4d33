"""Effects as the JSON objects the outside sees (contract section 2). Pure, but for the catalogue
of measures shipped."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from itertools import zip_longest
from typing import Any

import msgspec
import xxhash

from alerts import message
from alerts.message import Catalogue
from alerts.told import districts
from models.events import NO_BUSINESS
from models.ledger import DAY_MS
from models.policy import Policy
from storage import tallies
from storage.effects import AlertChanged, DrawnChanged, Evidence, Reason, ReviewChanged
from streams.measures import advice
from streams.show import iso_day, iso_ms

Row = dict[str, Any]
_PACK = msgspec.msgpack.Encoder().encode
_SEQ_BITS = 52
"""Of a number that JSON of every language keeps whole."""


def catalogue(policy: Policy, names: Mapping[str, str]) -> Catalogue:
    """Names of items with their departments, by item id, and of districts, by code."""
    return ({code: {"district": name} for code, name in names.items()}
            | {i.id: {"item": i.item, "department": i.department} for i in policy.items})


def alert_row(effect: AlertChanged, seq: int, name: str, items: Catalogue, offset_ms: int,
              variants: Sequence[int | None] = ()) -> Row:
    """An alert.

    Parameters
    ----------
    seq
        Number of the transition.
    name
        Of its subject.
    offset_ms
        What civil days are off UTC.
    variants
        Particulars of each fact in evidence, where they are known.
    """
    of_cell = effect.subject.startswith(NO_BUSINESS)
    return {
        "id": effect.id,
        "seq": seq,
        "rule": effect.rule,
        "level": effect.level,
        "state": effect.state,
        "subject": "" if of_cell else effect.subject,
        **({"cell": effect.subject, "members": effect.members} if of_cell else {}),
        "name": _cell_name(effect, items) if of_cell else name,
        "items": [i for i in effect.items if i != "public"],
        "departments": effect.departments,
        "since": iso_ms(effect.since_ms),
        "opened_at": iso_ms(effect.opened_ms),
        "updated_at": iso_ms(effect.updated_ms),
        "silenced_until": iso_ms(effect.silenced_until_ms) if effect.silenced_until_ms else None,
        "title": message.title(effect, items),
        "body": message.body(effect, name, items),
        "evidence": [_evidence(e, variant, offset_ms) | _whose(effect, n)
                     for n, (e, variant) in enumerate(zip_longest(effect.evidence, variants))],
        "proposals": advice(effect),
        "was": effect.was,
        "reason": effect.reason,
        "actor": effect.actor,
        "note": effect.note,
        "weights": effect.weights,
        "policy": effect.policy,
    }


def transition_row(effect: AlertChanged, seq: int) -> Row:
    """One step in the life of an alert: who did it, or why it came by itself."""
    return {"seq": seq, "at": iso_ms(effect.updated_ms), "opened_at": iso_ms(effect.opened_ms),
            "was": effect.was, "state": effect.state, "level": effect.level, "item": effect.item,
            "reason": effect.reason, "actor": effect.actor, "note": effect.note,
            "silenced_until": (iso_ms(effect.silenced_until_ms) if effect.silenced_until_ms
                               else None)}


def _cell_name(effect: AlertChanged, items: Catalogue) -> str:
    """What stands where a business' name would."""
    names = districts(effect.facts.get("districts", ""), items)
    if not names:
        return "信风"
    return f"{'、'.join(names)}（{len(effect.members)} 家主体）"


def _whose(effect: AlertChanged, n: int) -> Row:
    """Of a related business' listing and registration: whose they are; the last is its own."""
    listed = effect.facts.get("listed", effect.subject)
    other = listed != effect.subject and n < len(effect.evidence) - 1
    return {"subject": listed} if other else {}


def _evidence(e: Evidence, variant: int | None, offset_ms: int) -> Row:
    words = message.record_text(e.type, iso_day((e.time_ms + offset_ms) // DAY_MS), variant)
    return {"source": e.source, "id": e.id, "type": e.type, "time": iso_ms(e.time_ms),
            "text_zh": words["zh"], "text_en": words["en"]}


def review_row(effect: ReviewChanged, name: str, reasons: dict[tuple[str, int], str]) -> Row:
    """A review. `reasons` holds what departments wrote, by (department, time [ms])."""
    return {
        "id": effect.id,
        "seq": review_seq(effect),
        "subject": effect.subject,
        "name": name,
        "state": "open" if effect.open else "closed",
        "opened_at": iso_ms(effect.opened_ms),
        "updated_at": iso_ms(effect.updated_ms),
        "since": iso_day(effect.start_day),
        "due_on": iso_day(effect.due_day),
        "ended_on": iso_day(effect.ended_day) if effect.ended_day else None,
        "levels": effect.levels,
        "highest": effect.highest or None,
        "lowest": effect.lowest or None,
        "items": effect.items,
        "departments": effect.departments,
        "stage": tallies.lane(effect),
        "pairs": [{"a": p.a, "b": p.b, "since": iso_day(p.start_day),
                   "ended_on": iso_day(p.ended_day) if p.ended_day else None, "end": p.end}
                  for p in effect.pairs],
        "answers": [{"department": a["department"], "at": iso_ms(a["time_ms"]),
                     "decision": a["decision"], "grade": a["grade"],
                     "reason": reasons.get((a["department"], a["time_ms"]), "")}
                    for a in effect.answers],
    }


def drawn_row(effect: DrawnChanged, items: Catalogue) -> Row:
    """A business that was drawn for an inspection, and what came of it."""
    return {"draw": effect.draw, "event": {"source": effect.source, "id": effect.id},
            "subject": effect.subject, "item": effect.item,
            "department": items.get(effect.item, {}).get("department", ""),
            "stratum": effect.stratum, "probability": effect.probability,
            "drawn_at": iso_ms(effect.drawn_ms), "state": effect.state,
            "findings": effect.findings,
            "inspected_at": iso_ms(effect.inspected_ms) if effect.inspected_ms else None}


def review_seq(effect: ReviewChanged) -> int:
    """Names a state of a review, the same in every runner: another one after each change, in no
    order. Made of all that is said of it, when included: it does not come back with an old state.
    """
    return xxhash.xxh3_64_intdigest(_PACK(effect)) >> 64 - _SEQ_BITS


def reject_row(received_ms: int, origin: str, source: str, id: str, type_: str, subject: str,
               reason: Reason, raw: bytes) -> Row:
    """A dead letter: its bytes as text, or as base64 where they are none."""
    out: Row = {
        "at": iso_ms(received_ms), "origin": origin,
        "reason": {"field": reason.field, "value": reason.value, "allowed": reason.allowed,
                   "message": reason.message},
    }
    given = {"source": source, "id": id, "type": type_, "subject": subject}
    out |= {key: value for key, value in given.items() if value}
    try:
        out["raw"] = raw.decode()
    except UnicodeDecodeError:
        out["raw"] = raw.decode("utf-8", "backslashreplace")
        out["raw_base64"] = base64.b64encode(raw).decode()
    return out
