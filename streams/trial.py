"""A policy tried on the whole history: who would stand where if it had been in force all along."""

from __future__ import annotations

from collections import Counter
from typing import Any, NamedTuple

from alerts.lifecycle import OPEN
from models import events as e
from models.gap import Grades
from models.grade import letter
from models.ledger import resolve
from models.policy import Policy, encode
from models.policy import digest as policy_digest
from storage.effects import ForAnalysis
from storage.sqlite_store import SqliteStore, StoreError
from streams import codec
from streams.analysis import Analysis, is_own
from streams.pipeline import Entry, Shard

Row = dict[str, Any]


class Standing(NamedTuple):
    """Conclusions of one shard: grades in force by (subject, item), rule of each open alert."""

    grades: dict[tuple[str, str], str]
    alerts: dict[str, tuple[str, str]]
    """Alert id -> (rule, subject)."""


def replay_under(store: SqliteStore, policy: Policy, known: list[str]) -> Shard:
    """The log folded again as if `policy` had been in force from its beginning.

    Raises
    ------
    StoreError: the policy does not have the items the log speaks of (`known`).
    """
    items = ["public", *(i.id for i in policy.items)]
    if items[: len(known)] != known:
        missing = next(i for n, i in enumerate(known) if items[n : n + 1] != [i])
        raise StoreError(f"--policy: the items catalogue may only grow at its end; the log knows "
                         f"{missing} at another place")
    document = encode(policy)
    event = e.PolicyChanged(document, policy_digest(document))
    shard, analysis = Shard(), Analysis()
    for _, body in store.read(0):
        # Where the log changes its policy nothing changes: it is the same one again. What was
        # concluded under another is left out, and concluded anew.
        told = shard.step([Entry(x.recorded_ms, codec.encode(event), event)
                           if isinstance(x.event, e.PolicyChanged) else x
                           for x in codec.decode_envelope(body) if not is_own(x.event)])
        for concluded in analysis.take(0, (x for x in told if isinstance(x, ForAnalysis))):
            shard.step([Entry(shard.clock_ms, b"", own) for own in concluded.events])
    return shard


def standing(shard: Shard) -> Standing:
    """What a shard concludes at its clock."""
    assert shard.timeline is not None
    card = shard.timeline.last
    grades: dict[tuple[str, str], str] = {}
    alerts: dict[str, tuple[str, str]] = {}
    for key, subject in shard.subjects.items():
        facts = resolve(subject.facts, card.offset_ms)
        for item, held in Grades(subject, facts, card).vector(shard.day).items():
            grades[key, card.item_ids[item]] = letter(held.grade)
        for alert in (subject.alerts or {}).values():
            if alert.state in OPEN:
                alerts[alert.id] = alert.rule, key
    return Standing(grades, alerts)


def compare(before: Standing, after: Standing) -> Row:
    """What would change: grades (with counts from -> to), alerts that would open or vanish."""
    changes = []
    for key in sorted({*before.grades, *after.grades}):
        old, new = before.grades.get(key, "ungraded"), after.grades.get(key, "ungraded")
        if old != new:
            changes.append({"subject": key[0], "item": key[1], "from": old, "to": new})
    counts = Counter((c["from"], c["to"]) for c in changes)
    opened = sorted(set(after.alerts) - set(before.alerts))
    gone = sorted(set(before.alerts) - set(after.alerts))
    return {
        "grades": {"changed": len(changes), "subjects": len({c["subject"] for c in changes}),
                   "counts": [{"from": a, "to": b, "count": n}
                              for (a, b), n in sorted(counts.items())]},
        "alerts": {"open": _by_rule(after, opened), "vanish": _by_rule(before, gone)},
        "changes": changes,
        "opens": [{"alert": i, "rule": after.alerts[i][0], "subject": after.alerts[i][1]}
                  for i in opened],
        "vanishes": [{"alert": i, "rule": before.alerts[i][0], "subject": before.alerts[i][1]}
                     for i in gone],
    }


def _by_rule(standing: Standing, ids: list[str]) -> dict[str, int]:
    return dict(sorted(Counter(standing.alerts[i][0] for i in ids).items()))
