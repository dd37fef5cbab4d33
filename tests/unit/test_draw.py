"""The draw: allocation, order, rounding, chances."""

from __future__ import annotations

import hashlib
import math
import random
from collections import Counter
from collections.abc import Sequence
from fractions import Fraction

import pytest

from models import draw as drawing
from models.draw import Outcome, allocate, draw, rank
from models.events import DrawOrdered
from models.inspection_pool import Candidate, Part
from models.records import STRATA

RATIOS = (0.02, 0.05, 0.3, 1.0, 0.05)


def order(count: int, seed: str = "2026-11-22") -> DrawOrdered:
    return DrawOrdered("draw-1", "cq1-17", count, seed, "duty")


def part(sizes: Sequence[int], given: DrawOrdered, first: int = 0) -> Part:
    """A pool with so many in each stratum, their codes numbered from `first`."""
    groups = []
    for n, size in enumerate(sizes):
        codes = [f"{STRATA[n]}{first + i:06d}" for i in range(size)]
        groups.append(drawing._first(
            (Candidate(rank(given.seed, given.item, code), code, "", "") for code in codes),
            given.count))
    return Part([*sizes], [0] * len(STRATA), groups)


def drawn(made: Outcome) -> list[int]:
    return [share.drawn for share in made.strata]


def test_each_stratum_by_size_and_ratio() -> None:
    assert allocate([1000, 400, 100, 0, 0], RATIOS, 35) == [10, 10, 15, 0, 0]


def test_what_a_full_stratum_cannot_give_falls_to_the_others() -> None:
    found = allocate([1000, 400, 100, 5, 0], RATIOS, 75)
    assert found == [20, 20, 30, 5, 0]
    assert allocate([1, 1, 1, 1, 1], RATIOS, 99) == [1] * 5
    assert allocate([0] * 5, RATIOS, 9) == [0] * 5


def test_together_exactly_as_many_as_were_asked_for() -> None:
    rng = random.Random(1)
    for _ in range(300):
        sizes = [rng.randrange(0, rng.choice((3, 40, 2000))) for _ in STRATA]
        given = order(rng.randrange(1, 200), str(rng.random()))
        made = draw(given, [part(sizes, given)], RATIOS)
        assert sum(drawn(made)) == min(given.count, sum(sizes)) == len(made.picked)
        expected = allocate(sizes, RATIOS, given.count)
        assert all(math.floor(x) <= n <= math.ceil(x)
                   for x, n in zip(expected, drawn(made), strict=True))
        assert Counter(one.stratum for one in made.picked) == Counter(
            {share.stratum: share.drawn for share in made.strata if share.drawn})


def test_anybody_can_find_the_order_by_hand() -> None:
    given = order(3)
    made = draw(given, [part([50, 0, 0, 0, 0], given)], RATIOS)
    by_hand = sorted(hashlib.sha256(f"2026-11-22\ncq1-17\nA{n:06d}".encode()).hexdigest()[:16]
                     for n in range(50))
    assert [one.rank for one in made.picked] == by_hand[:3]


def test_shards_do_not_show() -> None:
    given = order(40)
    whole = draw(given, [part([300, 60, 20, 3, 9], given)], RATIOS)
    parts = []
    for first in (0, 100, 200):
        parts.append(part([100, 20, 0, 1, 3], given, first))
    parts[0] = part([100, 20, 20, 1, 3], given)
    made = draw(given, parts, RATIOS)
    assert drawn(made) == drawn(whole)
    assert draw(given, parts[::-1], RATIOS) == made


def test_a_shard_never_needs_to_say_more_than_it_was_asked_for() -> None:
    """Only the first `count` candidates of a stratum travel: all others cannot be drawn."""
    given = order(7)
    cut = part([500, 0, 0, 0, 0], given)
    assert len(cut.candidates[0]) == 7
    everybody = [Candidate(rank(given.seed, given.item, f"A{n:06d}"), f"A{n:06d}", "", "")
                 for n in range(500)]
    full = Part(cut.eligible, cut.resting, [everybody, [], [], [], []])
    assert draw(given, [cut], RATIOS) == draw(given, [full], RATIOS)


SIZES = (7, 5, 4, 2, 3)


def often(seeds: int, count: int) -> dict[str, int]:
    """How often each business is drawn under so many seeds."""
    found: Counter[str] = Counter()
    for n in range(seeds):
        given = order(count, f"s{n}")
        found.update(one.subject for one in draw(given, [part(SIZES, given)], RATIOS).picked)
    return found


def unfair(found: dict[str, int], seeds: int, count: int) -> list[str]:
    """Businesses that were drawn more or less often than their chance allows (4.5 sigma)."""
    out = []
    expected = allocate(SIZES, RATIOS, count)
    for stratum, size, mean in zip(STRATA, SIZES, expected, strict=True):
        chance = float(mean / size)
        for n in range(size):
            code = f"{stratum}{n:06d}"
            sigma = math.sqrt(seeds * chance * (1 - chance)) or 0.5
            if abs(found.get(code, 0) - seeds * chance) > 4.5 * sigma:
                out.append(code)
    return out


def test_everybody_has_exactly_the_chance_that_is_recorded() -> None:
    assert unfair(often(4000, 5), 4000, 5) == []


def test_largest_remainders_would_exempt_small_good_strata(
        monkeypatch: pytest.MonkeyPatch) -> None:
    """The planted fault that the check above must see."""

    def largest(expected: Sequence[Fraction], start: Fraction) -> list[int]:
        out = [int(x) for x in expected]
        order_ = sorted(range(len(out)), key=lambda n: out[n] - expected[n])
        for n in order_[: int(sum(expected)) - sum(out)]:
            out[n] += 1
        return out

    monkeypatch.setattr(drawing, "_whole", largest)
    found = often(800, 5)
    assert {code for code in unfair(found, 800, 5) if code.startswith("A")}


def test_the_policy_suggests_a_number() -> None:
    given = order(0)
    made = draw(given, [part([1000, 100, 10, 3, 20], given)], RATIOS)
    assert made.suggested == 20 + 5 + 3 + 3 + 1 and made.picked == []
