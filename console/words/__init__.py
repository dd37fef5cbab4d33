"""Words of each group of pages, Chinese and English: one module a group, no key twice."""

from __future__ import annotations

from collections.abc import Mapping

from console.words import (
    acts,
    departments,
    devices,
    draws,
    measures,
    models,
    reviews,
    rules,
    situation,
    subject,
)


def merged(*tables: Mapping[str, tuple[str, str]]) -> dict[str, tuple[str, str]]:
    """All of them as one; a key in two tables is a bug."""
    out: dict[str, tuple[str, str]] = {}
    for table in tables:
        assert not out.keys() & table.keys(), out.keys() & table.keys()
        out |= table
    return out


PAGES = merged(situation.WORDS, subject.WORDS, reviews.WORDS, departments.WORDS, devices.WORDS,
               models.WORDS, rules.WORDS, acts.WORDS, draws.WORDS, measures.WORDS)
