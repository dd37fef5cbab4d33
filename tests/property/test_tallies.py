"""Goal: the sums a view keeps up over reviews and businesses, and the board of reviews, are always
those of counting everything anew.

Method: hypothesis draws what happens to some reviews and businesses and how it is cut into
envelopes; after each the store's tables are compared with a plain count over the last state of
each. Planted faults: what was there before is not taken off; a change within one envelope is lost.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import TypeAlias
from unittest import mock

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from storage import tallies
from storage.effects import Effect, PairGap, ReviewChanged, SubjectChanged
from storage.sqlite_store import SqliteStore

Happening: TypeAlias = ReviewChanged | SubjectChanged
PARTIES = ("public", "市乙局", "市甲局")
PAIRS = [(a, b) for n, a in enumerate(PARTIES) for b in PARTIES[n:]]


@st.composite
def reviews(draw: st.DrawFn) -> ReviewChanged:
    open_ = draw(st.booleans())
    pairs = draw(st.lists(st.sampled_from(PAIRS), unique=True, max_size=3))
    asked = sorted({p for pair in pairs for p in pair} - {"public"})
    answered = draw(st.lists(st.sampled_from(asked), unique=True)) if asked else []
    gaps = []
    for a, b in pairs:
        end = draw(st.sampled_from(("open", "kept", "a", "facts")))
        over = end in ("a", "facts")
        gaps.append(PairGap(a, b, 10, 10 + draw(st.integers(1, 3)) if over else 0, end))
    return ReviewChanged(f"r{draw(st.integers(0, 3))}", "s", open_, 0, 10,
                         draw(st.integers(15, 17)), 0 if open_ else draw(st.integers(12, 14)), 2,
                         {}, {}, [], asked, [{"department": d} for d in answered], 0, gaps)


@st.composite
def businesses(draw: st.DrawFn) -> SubjectChanged:
    pairs = draw(st.lists(st.sampled_from([p for p in PAIRS if p[0] != p[1]]), unique=True))
    return SubjectChanged(f"s{draw(st.integers(0, 3))}", "", "", "", "", "", "A", "A", 0, 0, [], 0,
                          [(a, b, draw(st.booleans())) for a, b in sorted(pairs)])


ENVELOPES = st.lists(st.lists(st.one_of(reviews(), businesses()), max_size=4), max_size=6)


def check(envelopes: list[list[Happening]]) -> None:
    store = SqliteStore(None, write=True)
    held: dict[str, ReviewChanged] = {}
    graded: dict[str, SubjectChanged] = {}
    for offset, happened in enumerate(envelopes, 1):
        effects: list[Effect] = list(happened)
        store.commit(offset, offset, [""], b"", effects, {}, [])
        for x in happened:
            if isinstance(x, ReviewChanged):
                held[x.id] = x
            else:
                graded[x.subject] = x
        want = Counter(n for x in held.values() for n in tallies.of_review(x))
        want.update(n for x in graded.values() for n in tallies.of_business(x.pairs))
        assert dict(store.query("SELECT name, count FROM tallies")) == dict(want)
        board = {tuple(p) for x in held.values() for p in tallies.places(x)}
        assert set(store.query("SELECT a, b, lane, at FROM board")) == board
    store.close()


@settings(max_examples=150, deadline=None)
@given(ENVELOPES)
def test_sums_are_those_of_counting_anew(envelopes: list[list[Happening]]) -> None:
    check(envelopes)


@pytest.mark.parametrize("fault", [
    lambda old, new: Counter(new),
    lambda old, new: Counter() if list(old) else Counter(new),
])
def test_a_planted_fault_is_found(fault: Callable[..., Counter[str]]) -> None:
    with mock.patch.object(tallies, "moved", fault), pytest.raises(AssertionError):
        settings(max_examples=150, deadline=None, database=None, phases=[Phase.generate])(
            given(ENVELOPES)(check))()


def test_a_review_left_where_it_stood_is_found() -> None:
    real = tallies.places
    with mock.patch.object(tallies, "places", lambda x: real(x) if x.open else []), pytest.raises(
            AssertionError):
        settings(max_examples=150, deadline=None, database=None, phases=[Phase.generate])(
            given(ENVELOPES)(lambda envelopes: check_board(envelopes, real)))()


def check_board(envelopes: list[list[Happening]],
                places: Callable[[ReviewChanged], list[tallies.Place]]) -> None:
    """As `check`, the board alone."""
    store = SqliteStore(None, write=True)
    held: dict[str, ReviewChanged] = {}
    for offset, happened in enumerate(envelopes, 1):
        store.commit(offset, offset, [""], b"", list(happened), {}, [])
        held |= {x.id: x for x in happened if isinstance(x, ReviewChanged)}
    board = {tuple(p) for x in held.values() for p in places(x)}
    assert set(store.query("SELECT a, b, lane, at FROM board")) == board
    store.close()
