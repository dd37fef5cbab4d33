"""Everything the page of one subject shows, from one look at its state: now or at any moment.

What `show` concludes, and beside it how the scores went, the facts in pages, what is open and until
when, inspections, devices, and what the state knows of related businesses. Natural persons behind
a business (controllers) are pseudonyms in the log; they are not shown, and nothing is said of them.
"""

from __future__ import annotations

import datetime as dt

from models.ledger import DAY_MS, Fact
from models.records import ACT, COMMITMENT, INSPECTION, ORDERED, PENALTY, TYPES, identity
from models.score import of_item, score
from streams import links
from streams.course import course
from streams.look import Look, Row, name, newest
from streams.pipeline import Shard
from streams.show import describe, iso_day, iso_ms

ALERT_ASSIGNED = TYPES["alert.assigned"]
FACTS = 50
INSPECTIONS_MAX = 20
MATTERS_MAX = 100
DEVICES_MAX = 50


def profile(shard: Shard, key: str, as_of_ms: int, *, facts: int = FACTS, before: str = "",
            at: str = "") -> Row | None:
    """
    Parameters
    ----------
    as_of_ms
        The moment it is asked for [epoch ms]; the shard has let time pass up to it.
    facts
        So many facts; `before` = the `next` of the page before, `at` = the `key` of the fact to
        begin with.

    Returns
    -------
    `show` (as `describe`), `course`, `facts`, `next`, `matters`, `inspections`, `devices`,
    `related`, `named` (every fact that `show` names), `alerts` (those open at that moment: id,
    rule, level, state, opened_at), and `commitments`; None for a subject the shard does not know.
    Bounded whatever there is; about 15 ms with a few dozen facts.
    """
    shown = describe(shard, key, as_of_ms)
    if shown is None:
        return None
    look = Look(shard, key, as_of_ms)
    every = newest(list(look.facts()))
    page, next_ = _page(every, facts, before, at)
    return {
        "show": shown,
        "course": course(look),
        "facts": [look.row(f) for f in page],
        "facts_total": len(every),
        "named": _named(look, shown),
        "next": next_,
        "matters": matters(look),
        "inspections": [look.row(f) for f in every if f.type == INSPECTION][:INSPECTIONS_MAX],
        "commitments": commitments(look),
        "devices": _devices(look),
        "related": _related(look),
        "alerts": [{"id": a.id, "rule": a.rule, "level": a.level, "state": a.state,
                    "opened_at": iso_ms(a.opened_ms)}
                   for a in sorted((look.subject.alerts or {}).values(),
                                   key=lambda a: (-a.opened_ms, a.id))
                   if a.id in shown["open_alerts"]],
    }


def facts_page(shard: Shard, key: str, limit: int,
               before: str = "") -> tuple[list[Row], str | None]:
    """One page of a subject's facts, newest first, and the cursor of the next one."""
    if key not in shard.subjects or shard.timeline is None:
        return [], None
    look = Look(shard, key, shard.clock_ms)
    page, next_ = _page(newest(list(look.facts())), limit, before, "")
    return [look.row(f) for f in page], next_


def epoch_ms(text: str) -> int:
    """Of an RFC 3339 time [epoch ms].

    Examples
    --------
    >>> epoch_ms("1970-01-01T00:00:01.500Z")
    1500
    """
    return round(dt.datetime.fromisoformat(text).timestamp() * 1000)


def _page(every: list[Fact], limit: int, before: str, at: str) -> tuple[list[Fact], str | None]:
    start = 0
    wanted = before or at
    if wanted:
        names = [name(f) for f in every]
        # A cursor that names no fact leads nowhere; a fact that is gone, to the first page.
        start = (names.index(wanted) + bool(before) if wanted in names
                 else len(every) if before else 0)
    page = every[start : start + limit]
    return page, name(page[-1]) if start + limit < len(every) else None


def matters(look: Look) -> list[Row]:
    """What is open and has a deadline, the nearest first: promises, orders, fines, publications,
    objections, the review. `late` where the day has passed."""
    view, card, rules = look.view, look.card, look.card.policy.rules
    found: list[tuple[str, int, Fact]] = []
    for f in look.facts():
        if f.revoked:
            continue
        if f.type in _MATTERS and f.day1 and f.repair != 2 and not (
                f.performed_day if f.type == PENALTY else f.closed >= 0):
            found.append((_MATTERS[f.type], f.day1, f))
        if _published(f) and not f.published_day and rules.publication_overdue.enabled:
            found.append(("publication", card.workday(f.day2 or f.day,
                                                      rules.publication_overdue.due_workdays), f))
        if f.objection == 1:
            raised = (f.objected + card.offset_ms) // DAY_MS
            found.append(("objection", card.workday(raised, rules.objection_overdue.workdays), f))
    out = [{"matter": matter, "due": iso_day(due), "late": look.day > due, **look.row(f)}
           for matter, due, f in found]
    review = view.review
    if review is not None and review.open:
        out.append({"matter": "review", "due": iso_day(review.due), "late": look.day > review.due,
                    "id": review.id, "departments": review.departments})
    return sorted(out, key=lambda m: (m["due"], m["matter"], m["id"]))[:MATTERS_MAX]


_MATTERS = {COMMITMENT: "commitment", ORDERED: "rectification", PENALTY: "penalty"}


def _published(f: Fact) -> bool:
    """Whether an act must be published: all but minor penalties (docs/decisions/0006)."""
    return f.type in (ACT, INSPECTION) or (f.type == PENALTY and bool(f.variant))


def commitments(look: Look) -> Row:
    """How promises were kept: `made`, `fulfilled`, `breached`, `open`, and `ratio` = fulfilled of
    those that are settled or past their day; None while there are none."""
    made = [f for f in look.view.facts.by_type.get(COMMITMENT, ()) if not f.revoked]
    fulfilled = sum(f.closed == 0 for f in made)
    breached = sum(f.closed == 1 for f in made)
    overdue = sum(f.closed < 0 and bool(f.day1) and f.day1 < look.day for f in made)
    due = fulfilled + breached + overdue
    return {"made": len(made), "fulfilled": fulfilled, "breached": breached, "overdue": overdue,
            "open": len(made) - due, "ratio": round(fulfilled / due, 3) if due else None}


def _named(look: Look, shown: Row) -> list[Row]:
    """Every fact that `describe` names by source and id, in words."""
    refs = [e for item in (*shown["items"].values(), shown["public"])
            for c in item["contributions"] for e in c["events"]]
    refs += [item["assigned"]["event"] for item in (*shown["items"].values(), shown["public"])
             if item["assigned"]]
    refs += [x["event"] for x in (*shown["repairable"], *shown["lists"])]
    refs += [e for item in (*shown["items"].values(), shown["public"])
             for x in item["measures"] for e in x.get("facts", ())]
    keys = dict.fromkeys(identity(ref["source"], ref["id"]) for ref in refs)
    return [look.row(look.fact(key)) for key in keys]


def _devices(look: Look) -> list[Row]:
    """Devices that have ever sent readings about it."""
    held: dict[tuple[int, str], set[str]] = {}
    for item, device, metric in look.subject.devices or {}:
        held.setdefault((item, device), set()).add(metric)
    return [{"item": look.card.item_ids[item], "device": device, "metrics": sorted(metrics)}
            for (item, device), metrics in sorted(held.items())[:DEVICES_MAX]]


def _related(look: Look) -> Row:
    """Businesses the registration names: the platform it trades on, and its former codes; and
    those on a list it is related to, with the alert that says so (`subject`, `name`, `list`, `by`,
    `alert`)."""
    known = look.subject.registration()
    listed = [{"subject": a.facts["listed"], "name": a.facts["name"], "list": a.facts["list"],
               "by": a.facts["by"], "alert": a.id}
              for a in (look.subject.alerts or {}).values()
              if a.rule == links.RULE and "by" in a.facts]
    return {"platform": known.platform if known is not None else None,
            "aliases": list(known.aliases) if known is not None else [],
            "listed": sorted(listed, key=lambda row: (row["subject"], row["alert"]))}


def why(shard: Shard, key: str, item: str, ms: int) -> Row | None:
    """What the points of an item (or of all, for "") were made of at a moment [epoch ms].

    From the facts that had happened by then, with what is known of them today: no log is read.

    Returns
    -------
    `as_of`, `item`, `risk_score`, `credit_score`, `contributions` (as in `describe`, each event
    with its day and words), `policy`, `weights`; None for a subject or item that is not known.
    """
    if key not in shard.subjects or shard.timeline is None:
        return None
    code = shard.timeline.last.item_codes.get(item, 0) if item and item != "public" else 0
    look = Look(shard, key, ms, happened_ms=ms)
    scores = score(of_item(look.view.public, code), of_item(look.view.internal, code), look.day,
                   look.card, look.subject.group, code)
    parts: list[Row] = []
    for c in scores.contributions:
        events = [{**look.row(look.fact(k)), "points": milli / 1000}
                  for k, milli in zip(c.keys, c.each, strict=True)]
        parts.append({"indicator": c.indicator, "points": c.milli / 1000,
                      "record": "public" if c.public else "internal", "events": events})
    return {"as_of": iso_ms(ms), "item": item if code else "", "risk_score": scores.risk / 1000,
            "credit_score": scores.credit / 1000, "contributions": parts,
            "policy": look.card.hash, "weights": look.card.weights}

