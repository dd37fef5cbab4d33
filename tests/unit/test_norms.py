"""Goal: a norm depends on what the series told of a week, not on the order or number of times.

Method: made-up summaries, shuffled, repeated, from weeks past; the limit of devices; what stays
when a class tells too little; the document and the checkpoint there and back.
"""

from __future__ import annotations

import random

import events as ev
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models import norms
from models.anomaly import Summary
from models.anomaly_class import DEVICES_MAX, DEVICES_MIN
from models.norms import Week

COLD = ("coldchain", "temperature_c")
POLICY = ev.policy("default")


def summary(n: int) -> Summary:
    rng = np.random.default_rng(n)

    def some(k: int) -> tuple[float, ...]:
        return tuple(rng.normal(size=k).tolist())

    return Summary(some(4), tuple(abs(x) for x in some(4)), tuple(some(24) for _ in range(4)),
                   tuple(some(30) for _ in range(10)), 0.01 * n)


def told(n: int, week: int = 10, key: tuple[str, str] = COLD) -> tuple[int, str, str, str, Summary]:
    return week, *key, f"{n * 7919 % 65536:016x}", summary(n)


def gathered(rows: list[tuple[int, str, str, str, Summary]], document: str = "") -> Week:
    week = Week(document)
    for row in rows:
        week.put(*row)
    return week


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32), st.integers(DEVICES_MIN, 20))
def test_order_and_repetition_do_not_matter(seed: int, n: int) -> None:
    rows = [told(k) for k in range(n)] + [told(k, week=9) for k in range(n)]
    rng = random.Random(seed)
    other = rows + rng.sample(rows, 5)
    rng.shuffle(other)
    one, two = gathered(rows), gathered(other)
    assert one.dump() == two.dump() and one.norms(POLICY) == two.norms(POLICY) is not None
    assert one.number == 10


def test_the_last_word_winning_would_be_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Planted fault: two words of one series in a week, and the later one stays."""
    rows = [told(k) for k in range(8)]
    rows.append((*rows[0][:4], summary(99)))
    assert gathered(rows).dump() == gathered(rows[::-1]).dump()
    ascending = iter(range(100))
    monkeypatch.setattr(norms, "_bytes", lambda one: next(ascending))
    assert gathered(rows).dump() != gathered(rows[::-1]).dump()


def test_too_few_devices_make_no_norm() -> None:
    assert gathered([told(k) for k in range(DEVICES_MIN - 1)]).norms(POLICY) is None
    assert Week().norms(POLICY) is None


def test_what_the_policy_does_not_judge_has_no_norm() -> None:
    for key in (("lift", "fault_code"), ("unknown", "x")):
        assert gathered([told(k, key=key) for k in range(9)]).norms(POLICY) is None


def test_a_document_says_the_same_again_and_stays_while_a_class_is_silent() -> None:
    week = gathered([told(k) for k in range(9)])
    document = week.norms(POLICY)
    assert document is not None
    held = norms.decode(document)
    assert held.hash == norms.digest(document) and list(held.of) == [COLD]
    assert held.of[COLD].devices == 9 and len(held.of[COLD].hours) == 4
    week.publish(document)
    assert week.norms(POLICY) is None, "nothing new"
    for n in range(9):
        week.put(*told(n, 11, ("cems", "nox_mg_m3")))
    later = week.norms(POLICY)
    assert later is not None
    assert norms.decode(later).of[COLD] == held.of[COLD] and len(norms.decode(later).of) == 2


def test_no_document_is_no_norm() -> None:
    assert norms.decode("") is norms.NONE


def test_memory_is_bounded_by_the_least_keys() -> None:
    one = summary(1)
    rows = [(1, *COLD, f"{n:016x}", one) for n in range(DEVICES_MAX + 50)]
    week = gathered(rows[::-1])
    assert week.dump() == gathered(rows[:DEVICES_MAX]).dump()


def test_dump_and_load() -> None:
    week = gathered([told(k) for k in range(9)], "{}")
    again = Week.load(week.dump())
    assert again.dump() == week.dump() and again.norms(POLICY) == week.norms(POLICY)
