"""Goal: every alert and every fact has official words in both languages, and no personal data.

Method: real effects of a simulated year and of random histories, until every rule was seen; then
every type of record with every variant its code allows.
"""

from __future__ import annotations

import datetime as dt
import json
import re
from functools import cache
from itertools import product

import events as ev
import msgspec
import pytest

from alerts import message
from alerts.matters import MATTER_RULES
from alerts.told import DEVICES
from alerts.words import LIST_WORDS, TYPE_WORDS
from config import load
from config.districts import district_names
from models import records as r
from models.events import EVENT_TYPES
from storage.effects import AlertChanged
from streams import rows
from streams.batch import Feed
from streams.embedded import Embedded
from streams.rows import catalogue
from streams.simulate import city

RULES = {"grade-gap", "grade-drop", "score-plunge", "review-overdue", "objection-overdue",
         "repeat-offence", "ban-breach", "list-conflict", "iot-limit", "iot-tamper", "iot-silent",
         *MATTER_RULES}
ITEMS = catalogue(load.policy(), district_names())
CHINESE = re.compile(r"[\u4e00-\u9fff]")
CHINESE_MARKS = re.compile(r"[，。；：（）]")


@cache
def alerts() -> list[AlertChanged]:
    """Transitions of a year of 300 businesses, and of random histories."""
    runner = Embedded(None, load.policy())
    feed = Feed(runner, "test", 1 << 42)
    for raw in city(300, 365, 5, dt.date(2025, 10, 1)):
        feed.put(raw)
    feed.flush()
    found = [rows_of for (body,) in runner.store.query("SELECT body FROM transitions")
             if (rows_of := _decode(body))]
    with ev.quick_cards():
        for seed in range(60):
            shape = ev.Shape(span_d=120, devices=seed % 2 == 0)
            made = ev.build(ev.draw(seed, 60, shape), shape, "nervous")
            entries = [*ev.entries(made), ev.tick(ev.end_ms(made, 40))]
            found += [x for x in ev.shard("nervous").step(entries) if isinstance(x, AlertChanged)]
    return found


def _decode(body: bytes) -> AlertChanged:
    return msgspec.msgpack.decode(body, type=AlertChanged)


def test_every_rule_was_seen() -> None:
    seen = {a.rule for a in alerts()}
    assert seen >= RULES, RULES - seen


@pytest.mark.parametrize("rule", sorted(RULES))
def test_every_rule_has_words_in_both_languages(rule: str) -> None:
    for alert in (a for a in alerts() if a.rule == rule):
        title = message.title(alert, ITEMS)
        body = message.body(alert, "某某公司", ITEMS)
        for text in (title, body):
            assert set(text) == {"zh", "en"}
            assert CHINESE.search(text["zh"]) and not re.search(r"[{}]|None", text["zh"])
            assert re.search(r"[a-z]{3}", text["en"]) and not CHINESE_MARKS.search(
                text["en"].replace("某某公司", "")), text["en"]
            assert rule not in text["zh"], "a rule's name is for programs"
        assert len(title["zh"]) <= 60 and len(title["en"]) <= 120
        assert body["zh"].startswith("某某公司：") and body["zh"].endswith("。")
        assert body["en"].startswith("某某公司: ") and body["en"].endswith(".")
        assert message.body(alert)["zh"].startswith(alert.subject)
        if alert.state == "resolved":
            assert "已消除" in body["zh"] and "no longer" in body["en"]


def test_due_dates_are_dates() -> None:
    overdue = [a for a in alerts() if a.rule in MATTER_RULES]
    for alert in overdue:
        due = dt.date(1970, 1, 1) + dt.timedelta(int(alert.facts["due"]))
        assert due.isoformat() in message.title(alert)["zh"]
    assert {bool(a.facts["late"]) for a in overdue} == {True, False}


def test_a_rule_nobody_wrote_words_for() -> None:
    alert = msgspec.structs.replace(alerts()[0], rule="made-up", facts={}, state="firing")
    assert "made-up" in message.title(alert)["zh"]
    assert message.body(alert, "某某公司")["en"].endswith("Please check.")


def test_a_row_speaks_of_the_catalogue() -> None:
    alert = next(a for a in alerts() if a.rule == "grade-gap" and a.state == "firing")
    row = rows.alert_row(alert, 7, "某某公司", ITEMS, 8 * 3_600_000)
    for key in ("id", "rule", "level", "state", "subject", "items", "departments", "opened_at",
                "updated_at", "title", "body", "evidence", "proposals"):
        assert key in row
    assert json.loads(json.dumps(row)) == row and row["seq"] == 7
    assert all(name in row["body"]["zh"] for name in row["departments"])
    for each in row["evidence"]:
        assert re.match(r"\d{4}-\d\d-\d\d ", each["text_zh"])


VARIANTS: dict[str, list[int]] = {
    "complaint.filed": list(range(8)),
    "complaint.closed": list(range(len(r.OUTCOMES))),
    "penalty.decided": list(range(len(r.CLASSES))),
    "act.decided": list(range(len(r.ACTS))),
    "inspection.completed": [result + 8 * worst for result, worst in product(
        range(len(r.RESULTS)), range(len(r.FINDINGS)))],
    "iot.alarm": list(range(8)),
    "commitment.made": list(range(len(r.COMMITMENT_KINDS))),
    "list.entered": list(range(len(r.LISTS))),
    "interview.held": [0, 1],
    "arrears.confirmed": [0, 1],
    "information.declared": [0, 1],
    "grade.assigned": [grade + 8 * issuer for grade, issuer in product(
        range(4), range(len(r.ISSUERS)))],
    "review.answered": [r.NO_GRADE, 8 + r.NO_GRADE, 8, 11],
    "inspection.drawn": list(range(len(r.STRATA))),
}


@pytest.mark.parametrize("type_", EVENT_TYPES)
def test_every_record_has_words(type_: str) -> None:
    texts = set()
    for variant in VARIANTS.get(type_, [0]):
        text = message.record_text(type_, "2026-03-04", variant, "食品生产")
        assert text["zh"].startswith("2026-03-04 ") and text["zh"].endswith("：食品生产")
        assert text["en"].startswith("2026-03-04 ") and text["en"].endswith(": 食品生产")
        words = text["en"].removesuffix("食品生产")
        assert not CHINESE.search(words) and CHINESE.search(text["zh"].removesuffix("食品生产"))
        texts.add((text["zh"], text["en"]))
    assert len({zh for zh, _ in texts}) == len({en for _, en in texts})
    assert message.record_text(type_)["zh"] == TYPE_WORDS[type_][0]


def test_unknown_type_is_its_own_name() -> None:
    assert message.record_text("made.up") == {"zh": "made.up", "en": "made.up"}


def test_districts_have_names_and_facts_keep_their_codes() -> None:
    facts = {"scope": "districts", "cause": "安全", "districts": "500108 500999", "days": "7",
             "items": "cq1-17", "reports": "9", "expected": "2", "businesses": "3"}
    alert = msgspec.structs.replace(
        next(iter(alerts())), rule="regional-surge", subject="cell:1", facts=facts, members=[])
    row = rows.alert_row(alert, 7, "", ITEMS, 8 * 3_600_000)
    for words in (row["title"], row["body"]):
        for text in words.values():
            assert "南岸区" in text and "500999" in text and "500108" not in text, text
    assert row["name"] == "南岸区、500999（0 家主体）"
    assert alert.facts["districts"] == "500108 500999"
    without = rows.alert_row(alert, 7, "", catalogue(load.policy(), {}), 8 * 3_600_000)
    assert "500108" in without["title"]["zh"]


def test_tables_are_complete() -> None:
    assert set(TYPE_WORDS) == set(EVENT_TYPES)
    assert set(LIST_WORDS) == set(r.LISTS)
    assert set(DEVICES) >= {"iot-limit", "iot-tamper", "iot-silent"}


def test_complainants_are_in_no_text() -> None:
    """The simulated complainants' numbers begin with 10 and have eleven digits."""
    number = re.compile(r"\b10\d{9}\b")
    for alert in alerts():
        text = json.dumps(message.body(alert, "x", ITEMS)) + json.dumps(alert.facts)
        assert not number.search(text) and "h:" not in text
