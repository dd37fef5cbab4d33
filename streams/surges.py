"""What the analysis of the whole city says of a surge, for the log. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec

from models import events as e
from models.records import identity
from models.surge import Surge
from models.surge_episode import COMPLAINT
from models.surge_state import Report


class Filed(msgspec.Struct, array_like=True):
    """A complaint that was told of, as it was counted."""

    report: Report
    time_ms: int
    counts: bool


def detected(surge: Surge, filed: Mapping[int, Filed], ms: Callable[[int], int]) -> e.Detected:
    """A surge as it stands in the evening of its day.

    Parameters
    ----------
    filed
        Identity of a complaint -> as it was counted.
    ms
        First moment [epoch ms] of a civil day.
    """
    times = {(f.report.source, f.report.id): f.time_ms for f in map(filed.get, (
        identity(*ref) for ref in surge.evidence)) if f is not None}
    districts = sorted({p.district for p in surge.places})
    items = sorted({p.item for p in surge.places})
    if not items:
        # Of one business: the items its own reports are about.
        keys = [identity(*ref) for ref in surge.evidence]
        items = sorted({filed[k].report.item for k in keys if k in filed})
    facts = {"reports": str(surge.reports), "expected": f"{surge.expected:.1f}",
             "days": str(surge.window_d), "cause": surge.cause, "scope": surge.scope,
             "districts": " ".join(districts), "items": " ".join(items),
             "places": str(len(surge.places)), "businesses": str(len(surge.subjects))}
    subject = surge.subjects[0] if surge.rule == COMPLAINT else f"cell:{surge.id}"
    data = e.Detection(
        surge.id, surge.rule, surge.level, surge.phase != "resolved", ms(surge.start_day),
        items[0] if len(items) == 1 else "public", items, facts,
        [(source, id, "complaint.filed", times.get((source, id), 0))
         for source, id in surge.evidence], surge.subjects)
    return e.Detected(subject, ms(surge.day + 1), data)
