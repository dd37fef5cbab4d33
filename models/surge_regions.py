"""From the hits of one day to episodes: one outbreak is told once."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from models.surge_episode import REGIONAL, Place, Surge, quiet, surge_id
from models.surge_past import ALL
from models.surge_policy import Level, RegionalPolicy, SurgePolicy
from models.surge_scan import Hit, Scan
from models.surge_series import Cell
from models.surge_state import Cells
from models.surge_tails import level_for

HITS = 15.0
"""Hits of one false alert: the units, windows and days that the same few reports show in, and what
counts lose by being whole. Measured on noise by `bench/surge.py`: 20 to 30; less is safe."""
_LEVELS: tuple[Level, ...] = ("blue", "yellow", "orange", "red")


def strong(found: Scan, rule: RegionalPolicy) -> list[Hit]:
    """The hits beyond chance: at most `false_per_week` a week on average, if none is real.

    Half of a day's share goes to the units, an eighth to each kind of spread. Expectations of hits
    add up whatever the dependence, so no independence of units, windows or days is needed.
    """
    share = rule.false_per_week * HITS / 7.0
    hits = [h for h in found.hits if h.p <= rule.p_max]
    if not hits:
        return []
    unit = level_for(found.ceilings, share / 2.0)
    spread = {group: min(1.0, share / 8.0 / n) for group, n in found.spreads.items()}
    return [h for h in hits if h.p <= (
        unit if h.kind == "unit" else spread[h.kind, h.unit[:2] == (ALL, ALL)])]


def regions(found: Scan, state: Cells, policy: SurgePolicy,
            before: Sequence[Surge]) -> list[Surge]:
    """Episodes of `regional-surge`: those held before go on, grow or end, new ones open.

    Hits of one cause whose places share a district or an item belong together, and to the oldest
    open episode that they touch; another one that they touch ends as merged into it.
    """
    rule, day = policy.regional, found.day
    cells: dict[str, list[Cell]] = {}

    def places(hit: Hit) -> set[Cell]:
        if not cells:
            for cell in found.cells:
                cells.setdefault(cell[2], []).append(cell)
        return _places(hit, cells.get(hit.unit[2], ()), found, rule)

    clusters: dict[str, list[_Cluster]] = {}
    for hit in strong(found, rule):
        own = clusters.setdefault(hit.unit[2], [])
        _join(own, _Cluster([hit], places(hit)))
    out: list[Surge] = []
    for old in sorted((s for s in before if s.rule == REGIONAL),
                      key=lambda s: (s.start_day, s.id)):
        known = {(p.district, p.item, old.cause) for p in old.places}
        near = [c for c in clusters.get(old.cause, ()) if c.touches(known)]
        taken = next((c.episode for c in near if c.episode), "")
        if taken:
            out.append(msgspec.structs.replace(old, phase="resolved", day=day, merged_into=taken))
        elif near:
            whole = near[0]
            for other in near[1:]:
                whole.hits += other.hits
                whole.places |= other.places
                clusters[old.cause].remove(other)
            whole.episode = old.id
            out.append(_tell(old, whole.hits, whole.places | known, found, state, policy))
        else:
            still = [h for h in found.hits if h.p <= rule.keep_p and h.unit[2] == old.cause
                     and places(h) & known]
            out.append(_tell(old, still, known, found, state, policy, False) if still
                       else quiet(old, day, rule.quiet_d))
    out += [_tell(None, c.hits, c.places, found, state, policy)
            for cause in sorted(clusters) for c in clusters[cause]
            if not c.episode and len(_subjects(c.places, state, day, rule)) >= rule.subjects_min]
    return out


def _subjects(cells: set[Cell], state: Cells, day: int, rule: RegionalPolicy) -> set[str]:
    return {name[1] for c in cells for name, n in state.recent.get(c, {}).items()
            if n > 0 and day - rule.spread_d < name[0] <= day}


class _Cluster:
    """Hits that belong together; `episode`: the id of the open one they go on with."""

    def __init__(self, hits: list[Hit], places: set[Cell]) -> None:
        self.hits = hits
        self.places = places
        self.episode = ""

    def touches(self, places: set[Cell]) -> bool:
        districts, items = {c[0] for c in self.places}, {c[1] for c in self.places}
        return any(c[0] in districts or c[1] in items for c in places)


def _join(clusters: list[_Cluster], new: _Cluster) -> None:
    """Add a cluster; those it touches become one with it."""
    for other in [c for c in clusters if c.touches(new.places)]:
        new.hits = other.hits + new.hits
        new.places |= other.places
        clusters.remove(other)
    clusters.append(new)


def _places(hit: Hit, cells: Sequence[Cell], found: Scan, rule: RegionalPolicy) -> set[Cell]:
    """The cells behind each unit of a hit: those that rise by themselves, or else the highest."""
    out: set[Cell] = set()
    for unit in hit.units:
        inside = {c: found.cells[c] for c in cells if _within(c, unit)}
        rising = {c for c, (_, _, p) in inside.items() if p <= rule.member_p}
        highest = sorted(inside, key=lambda c: (inside[c][1] - inside[c][0], c))[:1]
        out |= rising or set(highest)
    return out


def _within(cell: Cell, unit: Cell) -> bool:
    return (cell[2] == unit[2] and unit[0] in (ALL, cell[0]) and unit[1] in (ALL, cell[1]))


def _tell(old: Surge | None, hits: list[Hit], cells: set[Cell], found: Scan, state: Cells,
          policy: SurgePolicy, sure: bool = True) -> Surge:
    """Weak evidence (not `sure`) keeps an episode open, and never raises its level."""
    rule, day = policy.regional, found.day
    best = min(hits, key=lambda h: (h.p, h.kind, h.unit))
    places = [Place(c[0], c[1], *found.cells.get(c, (0, 0.0, 1.0))) for c in sorted(cells)]
    scope = _scope(hits, rule) if sure else "cell"
    level = rule.level if scope == "cell" else rule.spread_level
    if old:
        level = max(level, old.level, key=_LEVELS.index)
        scope = old.scope if scope == "cell" else scope
    start = old.start_day if old else day
    window_d = max(rule.spread_d, *(h.window_d for h in hits))
    named = sorted((name for c in cells for name, n in state.recent.get(c, {}).items()
                    if n > 0 and day - window_d < name[0] <= day), reverse=True)
    return Surge(
        old.id if old else surge_id(REGIONAL, min(cells, default=best.unit), day), REGIONAL,
        ("opened" if old is None else
         "grown" if level != old.level or len(places) > len(old.places) else "held"),
        level, scope, best.unit[2], start, day, day, best.window_d, best.reports, best.expected,
        best.p, places, sorted({name[1] for name in named}),
        sorted((name[2], name[3]) for name in named[:policy.evidence_max]))


def _scope(hits: list[Hit], rule: RegionalPolicy) -> str:
    """Whether strong evidence names several districts or items."""
    for hit in hits:
        if hit.kind != "unit":
            return hit.kind
    districts = {h.unit[0] for h in hits} - {ALL}
    items = {h.unit[1] for h in hits} - {ALL}
    if len(districts) >= rule.spread_min:
        return "districts"
    return "items" if len(items) >= rule.spread_min else "cell"
