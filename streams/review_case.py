"""One grade-gap review, whole: grades with their evidence, tasks, history, who was told."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import Any

from alerts import review_history as history
from models.gap import PUBLIC, Grades, InForce
from models.grade import letter
from models.ledger import FOREVER, Fact, resolve
from models.records import GRADES
from models.scorecard import UNGRADED, Card
from streams.pipeline import Shard
from streams.profile import facts_page
from streams.show import describe, iso_day, iso_ms

Row = dict[str, Any]
FACTS_MAX = 2_000
"""Of one business, the newest: older ones are named without their words."""


def case(shard: Shard, review: Row, told: list[Row] | None) -> Row:
    """A review as `streams.rows.review_row` has it, with all that is known about it.

    Parameters
    ----------
    shard
        Holds the business, at the present.
    told
        Messages about it (`dispatch.outbox.Outbox.deliveries`); None where nobody here knows.

    Returns
    -------
    The review and `grades`, `tasks`, `history`, `told`; these are made from the facts alone, so
    both runners say the same. Cost about 2 ms.
    """
    subject = shard.subjects.get(review["subject"])
    if subject is None or shard.timeline is None:
        return {**review, "grades": [], "tasks": [], "history": [], "told": told}
    card = shard.timeline.last
    facts = resolve(subject.facts, card.offset_ms)
    grades = Grades(subject, facts, card)
    given = {(card.department_names[f.extra], iso_ms(f.time)): f
             for f in history.answers(facts.acts, review["id"])}
    answers = [_answer(grades, a, given.get((a["department"], a["at"])))
               for a in review["answers"]]
    made = {**review, "answers": answers}
    people = {r.id: r for r in card.policy.notify.receivers} if card.policy.notify else {}
    shown = None if told is None else [
        {**row, "name": people[row["receiver"]].name if row["receiver"] in people else "",
         "department": people[row["receiver"]].department if row["receiver"] in people else ""}
        for row in told]
    return made | {
        "grades": _grades(shard, review),
        "tasks": _tasks(made, iso_day(shard.day), card, shown),
        "history": _history(grades, made, shard.day),
        "told": shown,
    }


def _answer(grades: Grades, answer: Row, fact: Fact | None) -> Row:
    """An answer and the grades that it assigned."""
    card = grades.card
    return {**answer, "assigned": [
        {"item": card.item_ids[a.item], "grade": GRADES[a.grade], "from": iso_day(a.start),
         "until": iso_day(a.stop) if a.stop < FOREVER else None}
        for a in (history.became(grades, fact) if fact is not None else ())]}


def _grades(shard: Shard, review: Row) -> list[Row]:
    """Every grade in force with the facts behind it, those that lie apart first."""
    found = describe(shard, review["subject"], shard.clock_ms)
    assert found is not None
    words = {(f["source"], f["id"]): f
             for f in facts_page(shard, review["subject"], FACTS_MAX)[0]}
    apart = {i["item"] for i in review["items"]}
    listed = [x["event"] for x in found["lists"]]
    out = []
    for id, item in (*found["items"].items(), ("public", found["public"])):
        if item["grade"] == "ungraded":
            continue
        evidence = [{**_ref(e, words), "points": e["points"], "indicator": c["indicator"]}
                    for c in item["contributions"] if c["record"] == "public"
                    for e in c["events"]]
        evidence.sort(key=lambda e: (-abs(e["points"]), e["source"], e["id"]))
        assigned = item["assigned"]
        if item["grade_source"] == "assigned" and assigned:
            rests = [_ref(assigned["event"], words)]
        else:
            rests = [_ref(e, words) for e in listed] if item["grade_source"] == "direct" else []
        out.append({
            "item": id, "department": item.get("department", ""), "grade": item["grade"],
            "grade_source": item["grade_source"], "since": item["since"],
            "computed": item["computed"], "credit_score": item["credit_score"],
            "assigned": assigned, "apart": id in apart, "rests_on": rests,
            "evidence": evidence})
    return sorted(out, key=lambda g: (not g["apart"], g["grade"], g["item"]))


def _ref(event: Row, words: dict[tuple[str, str], Row]) -> Row:
    known = words.get((event["source"], event["id"]), {})
    return {"source": event["source"], "id": event["id"], "type": known.get("type", ""),
            "time": known.get("time"), "text_zh": known.get("text_zh", ""),
            "text_en": known.get("text_en", ""),
            **({"objected": True} if event.get("objected") else {})}


def _tasks(review: Row, today: str, card: Card, told: list[Row] | None) -> list[Row]:
    """Who must answer by when, and whether they have: the first answer of each counts."""
    names = list(dict.fromkeys([*review["departments"], *(
        d for p in review["pairs"] for d in (p["a"], p["b"]) if d != PUBLIC)]))
    out = []
    for name in names:
        given = [a for a in review["answers"] if a["department"] == name]
        day = _day(given[0]["at"], card) if given else (
            review["ended_on"] if review["state"] == "closed" else today)
        late = day > review["due_on"]
        state = ("answered_late" if late else "answered") if given else (
            "not_needed" if review["state"] == "closed" else "overdue" if late else "waiting")
        out.append({
            "department": name, "due_on": review["due_on"], "state": state,
            "answered_at": given[0]["at"] if given else None,
            "decision": given[-1]["decision"] if given else None,
            "told": None if told is None else _counted(
                r["reason"] for r in told if r["department"] == name and r["state"] != "dead")})
    return out


def _counted(reasons: Iterable[str]) -> dict[str, int]:
    out: dict[str, int] = {}
    for reason in reasons:
        out[reason] = out.get(reason, 0) + 1
    return dict(sorted(out.items()))


def _history(grades: Grades, review: Row, today: int) -> list[Row]:
    """What opened it, changed and ended it, oldest first. A day's grades come before its answers
    only where no answer gave them."""
    card = grades.card
    episode = history.episode_of(grades, review["id"], today)
    rows: list[tuple[str, int, Row]] = []
    if episode is not None:
        for moved in history.moves(grades, episode, today):
            day = iso_day(moved.day)
            rows.append((day, 0 if day == review["since"] else 3, {
                "day": day, "what": "grade", "item": card.item_ids[moved.item],
                "department": card.department_of[moved.item],
                "from": _letter(moved.was), "to": _letter(moved.now),
                "grade_source": moved.now.source if moved.now else ""}))
    rows.append((review["since"], 1, {"day": review["since"], "what": "opened",
                                      "at": review["opened_at"]}))
    for answer in review["answers"]:
        day = _day(answer["at"], card)
        rows.append((day, 2, {"day": day, "what": "answer", **answer}))
    if review["state"] == "closed":
        by = [p[p["end"]] for p in review["pairs"]
              if p["ended_on"] == review["ended_on"] and p["end"] in ("a", "b")]
        how = "adjusted" if by else "facts" if episode is not None else "taken_back"
        rows.append((review["ended_on"], 4, {
            "day": review["ended_on"], "what": "closed", "how": how,
            "departments": sorted(set(by))}))
    return [row for _, _, row in sorted(rows, key=lambda r: r[:2])]


def _letter(held: InForce | None) -> str:
    return letter(UNGRADED if held is None else held.grade)


def _day(at: str, card: Card) -> str:
    """Civil day of a moment."""
    moment = dt.datetime.fromisoformat(at) + dt.timedelta(milliseconds=card.offset_ms)
    return moment.date().isoformat()
