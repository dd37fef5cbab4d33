"""What is told of a surge: one episode on one day."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import xxhash

from models.surge_policy import Level

REGIONAL, COMPLAINT = "regional-surge", "complaint-surge"


class Place(msgspec.Struct, frozen=True):
    """A cell of a surge, with its numbers of the last `spread_d` days."""

    district: str
    item: str
    reports: int
    expected: float
    p: float


class Surge(msgspec.Struct, frozen=True):
    """One episode on one day. `reports`, `expected`, `p`: the strongest evidence of that day.

    `phase`: opened, grown (more places, or a higher level), held, resolved. `scope`: subject, cell,
    districts or items. `last_day`: the last with evidence. `subjects` and `evidence` (source, id)
    are those of the window, sorted; the evidence is cut to the policy's `evidence_max`, latest
    first. `merged_into`: the id of the episode that goes on, if this one ends because they met.
    """

    id: str
    rule: str
    phase: str
    level: Level
    scope: str
    cause: str
    start_day: int
    day: int
    last_day: int
    window_d: int
    reports: int
    expected: float
    p: float
    places: list[Place] = []
    subjects: list[str] = []
    evidence: list[tuple[str, str]] = []
    merged_into: str = ""


def surge_id(rule: str, key: Sequence[str], start_day: int) -> str:
    """Stable for one episode: its rule, where it was first seen, and when."""
    text = "\n".join((rule, *key, str(start_day)))
    return f"{rule}-{xxhash.xxh3_128_hexdigest(text.encode())[:20]}"


def quiet(old: Surge, day: int, quiet_d: int) -> Surge:
    """The episode on a day without evidence."""
    phase = "resolved" if day - old.last_day >= quiet_d else "held"
    return msgspec.structs.replace(old, phase=phase, day=day)
