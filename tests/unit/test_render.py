"""Goal: a message fits its channel, whatever it says, and never loses its link or its evidence.

Method: letters of any length and any characters through every channel, measured as the channel
does; a renderer that cuts at the end is first shown to be caught.
"""

from __future__ import annotations

import json
from collections.abc import Callable

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from notify_world import ITEMS, OFFSET_MS, at, notice

from alerts import render
from alerts.letter import Entry, Letter, Words, entry, letter
from alerts.message import BODIES
from alerts.notice import REVIEW_RULE, Fact
from alerts.notify import Reason
from config.measures import shipped
from models.events import EVENT_TYPES
from models.notify_policy import LEVELS, Receiver

BASE = "https://credit.example.gov.cn"
NOW = at("2026-11-16T10:00")
PERSON = Receiver("scjg", "市市场监管局", "department", "市市场监管局")


def made(*entries: Entry, language: str = "zh", digest: bool = False, most: int = 20) -> Letter:
    person = msgspec.structs.replace(PERSON, language=language)
    return letter(person, entries, NOW, BASE, digest=digest, entries_max=most)


def one(reason: str = Reason.FIRST, **over: object) -> Entry:
    return entry(notice(**over), reason, ITEMS, BASE, OFFSET_MS, NOW, shipped())


CHANNELS: dict[str, tuple[Callable[[Letter], str], Callable[[str], int], int]] = {
    "wecom": (render.wecom_markdown, render.utf8, 4_096),
    "wecom-text": (render.wecom_text, render.utf8, 2_048),
    "dingtalk": (lambda x: json.dumps(render.dingtalk(x), ensure_ascii=False,
                                      separators=(",", ":")), render.utf8, 20_000),
    "feishu": (lambda x: json.dumps(render.feishu(x, 100), ensure_ascii=False,
                                    separators=(",", ":")), render.utf8, 20_000 - 100),
    "sms": (lambda x: render.sms(x, 3), render.utf16, 201),
    "sms-1": (lambda x: render.sms(x, 2), render.utf16, 134),
    "email": (lambda x: render.email(x)[1], render.utf8, 100_000),
}


def faults(text: str, size: Callable[[str], int], limit: int, x: Letter) -> list[str]:
    out = []
    if size(text) > limit:
        out.append(f"{size(text)} > {limit}")
    if x.link not in text:
        out.append("the link is cut")
    if str(x.evidence) not in text or not ("依据" in text or "evidence" in text):
        out.append("the number of facts is cut")
    if x.count > len(x.entries) and str(x.count - len(x.entries)) not in text:
        out.append("the number of further alerts is cut")
    return out


@pytest.mark.parametrize("name", CHANNELS)
def test_a_renderer_that_cuts_at_the_end_is_caught(name: str) -> None:
    make, size, limit = CHANNELS[name]
    x = made(*(one(id=f"a-{n}", name="长" * 400) for n in range(300)), most=300)
    careless = "\n".join(e.body.zh for e in x.entries)[:limit] + x.link
    assert faults(careless[:limit], size, limit, x)
    assert not faults(make(x), size, limit, x)


def test_what_is_proposed_stands_in_it_where_there_is_room() -> None:
    fell = one(rule="grade-drop", facts={"from": "A", "to": "C"})
    assert fell.advice[0].en == "drawn for inspection more often"
    for name, said in (("wecom", True), ("wecom-text", True), ("feishu", True), ("email", True),
                       ("sms", False)):
        make, size, limit = CHANNELS[name]
        text = make(made(fell))
        assert ("建议（由人决定）：适当提高抽查比例；" in text) == said, name
        assert not faults(text, size, limit, made(fell))
    assert "proposed (people decide): drawn" in render.email(made(fell, language="en"))[1]
    over = one(rule="grade-drop", facts={"from": "A", "to": "C"}, state="resolved")
    assert over.advice == [] and "由人决定" not in render.email(made(over))[1]


names = st.text(min_size=1, max_size=3_000)


@settings(max_examples=60)
@given(names, st.integers(1, 40), st.sampled_from(["zh", "en", "both"]), st.booleans(),
       st.integers(1, 20), st.sampled_from(LEVELS))
def test_whatever_it_says_it_fits(name: str, count: int, language: str, digest: bool, most: int,
                                  level: str) -> None:
    x = made(*(one(id=f"grade-drop-{n:020d}", name=name, level=level) for n in range(count)),
             language=language, digest=digest, most=most)
    for make, size, limit in CHANNELS.values():
        assert not faults(make(x), size, limit, x)


@pytest.mark.parametrize("reason", [*Reason][:8])
def test_every_reason_and_rule_has_words(reason: Reason) -> None:
    for language in ("zh", "en"):
        text = render.wecom_text(made(one(reason), language=language))
        assert "【橙色预警" in text or "[Orange" in text
    assert set(BODIES) >= {"grade-gap", "grade-drop"}


def test_a_message_as_people_read_it() -> None:
    text = render.wecom_text(made(one(Reason.REMINDER)))
    assert text.split("\n") == [
        "【橙色预警·催办】“春、秋季校园及周边食品安全专项检查”信用等级由 B 降为 D",
        "重庆示例餐饮管理有限公司（91500106MA5U00017K）",
        "重庆示例餐饮管理有限公司：市市场监管局“春、秋季校园及周边食品安全专项检查”于 2026-11-16 "
        "由 B 级降为 D 级，依据见所列事实，请核查并视情调整监管措施。",
        "事实：2026-11-15 行政处罚",
        "建议（由人决定）：列为重点监管对象；大幅提高抽取比例；加强现场检查",
        "依据 1 条",
        f"查看与办理：{BASE}/alerts/grade-drop-1"]
    many = render.wecom_text(made(one(), one(id="grade-drop-2", level="red"), language="en"))
    assert many.split("\n")[0] == "[Red] 重庆示例餐饮管理有限公司: 2 alerts"
    assert f"{BASE}/subjects/91500106MA5U00017K" in many


def test_a_review_says_whether_its_day_is_over() -> None:
    facts = {"due": "2026-11-20", "due_end_ms": str(at("2026-11-21T00:00"))}
    n = notice("review-1", rule=REVIEW_RULE, facts=facts, evidence=[])
    before = entry(n, Reason.REMINDER, ITEMS, BASE, OFFSET_MS, at("2026-11-19T09:00"))
    late = entry(n, Reason.REMINDER, ITEMS, BASE, OFFSET_MS, at("2026-11-21T09:00"))
    assert "即将到期" in before.title.zh and "已逾期" in late.title.zh
    assert before.link == f"{BASE}/reviews/review-1"


EVIL = "<at user_id=\"all\">所有人</at> [点击](http://evil.example) @all # `x` *y*\n**z**"


@pytest.mark.parametrize("name", CHANNELS)
def test_a_name_cannot_become_a_link_or_a_call_to_all(name: str) -> None:
    text = CHANNELS[name][0](made(one(name=EVIL)))
    for bad in ("<at", "](http://evil", "@all", "`"):
        assert bad not in text


@pytest.mark.parametrize("kind", [t for t in EVENT_TYPES if t.startswith("complaint")])
def test_nothing_of_a_complainant_is_told(kind: str) -> None:
    fact = Fact("cq/12345", "张三-13800000000", kind, NOW)
    x = made(one(evidence=[fact]))
    for make, _, _ in CHANNELS.values():
        text = make(x)
        assert "张三" not in text and "138" not in text


@pytest.mark.parametrize("base", ["https://credit.example.gov.cn", "https://x.cn/" + "y" * 110])
@pytest.mark.parametrize("segments_max", [1, 2])
def test_where_a_link_has_no_room_the_words_go_without(base: str, segments_max: int) -> None:
    """A console's address may have 120 characters, an id 42."""
    about = notice("rectification-overdue-0123456789abcdef0123")
    made = letter(PERSON, [entry(about, Reason.FIRST, ITEMS, base, OFFSET_MS, 0)], 0,
                  base)
    text = render.sms(made, segments_max)
    assert render.segments(text) <= segments_max and text
    assert made.link in text or ("http" not in text and "橙色" in text)


def test_segments_of_a_short_message() -> None:
    assert [render.segments("字" * n) for n in (70, 71, 134, 135, 201)] == [1, 2, 2, 3, 3]
    assert render.segments("😀" * 35) == 1 and render.segments("😀" * 36) == 2


def test_the_key_is_that_of_the_letter() -> None:
    a, b = one(), one(id="grade-drop-2")
    assert made(a, b).key == made(b, a).key
    assert made(a).key != made(b).key
    assert made(a).key != made(msgspec.structs.replace(a, reason=Reason.REMINDER)).key
    salted = letter(PERSON, [a], NOW, BASE, salt=["2"])
    assert salted.key != made(a).key
    assert Words("x", "y").of("both") == "x"
