"""Goal: an officer reads in Chinese what was refused: the field, the value, what was allowed; in
English by the switch; programs get English, or Chinese when they ask for it.

Method: forms as browsers post them and requests as programs do, over a real embedded service; every
`Problem` in the source is looked at for words in Chinese, and a planted one without is found.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from urllib.parse import quote

import pytest
from starlette.testclient import TestClient
from test_answer_race import TWO, assigned

from bench.notify_site import events
from config import load
from console.app import create_app
from console.errors import prefers_chinese
from console.words.problems import PROBLEMS
from streams.embedded import Embedded
from streams.service import EmbeddedService

ROOT = Path(__file__).parents[2]
HTML = {"accept": "text/html,*/*"}
CHINESE = re.compile(r"[\u4e00-\u9fff]")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[EmbeddedService, TestClient]]:
    service = EmbeddedService(Embedded(tmp_path_factory.mktemp("store"), load.policy()))
    lines = [*events(1, TWO[0][1])]
    for (_, item), grade in zip(TWO, "AD", strict=True):
        lines.append(assigned(lines[0], item, grade, item))
    assert not service.submit(lines, "test").rejected
    yield service, TestClient(create_app(service), "http://localhost", follow_redirects=False)
    service.close()


def said(response: object) -> str:
    """What an error page tells, between its title and the ways back."""
    found = re.search(r"</h1>(.*?)<p>(?:<a|\s*<a)", response.text, re.DOTALL)  # type: ignore[attr-defined]
    assert found
    return " ".join(unescape(re.sub(r"<[^>]+>", "", found[1])).split())


ALERT_FORMS = [
    ({"act": "explode", "actor": "x"}, "处置：您填写的是“explode”；应为 签收、",
     "act=explode: must be one"),
    ({"act": "close"}, "经办人：未填写；应为 1 至 256 个字符，不能全为空格",
     "actor=: must be 1 to 256 characters, not only spaces"),
    ({"act": "close", "actor": "甲" * 300},
     f"经办人：您填写的是“{'甲' * 59}…”；应为 1 至 256 个字符", "must be 1 to 256 characters"),
    ({"act": "close", "actor": "甲", "note": "x" * 2001}, "说明：您填写的是“xxx",
     "must be 0 to 2000"),
    ({"act": "silence", "actor": "x"}, "静默至：未填写；静默需要截止时间",
     "until=: a silence needs an end"),
    ({"act": "silence", "actor": "x", "until": "2026-12-01T09:30"},
     "说明：未填写；静默需要写明原因", "note=: a silence needs a reason"),
    ({"act": "silence", "actor": "x", "until": "soon"}, "静默至：您填写的是“soon”；应为时间",
     "must be a time with offset"),
    ({"act": "silence", "actor": "x", "until": "9900-01-01T00:00", "note": "n"},
     "静默至：您填写的是“9900-01-01”；应在 1", "data.until=9900-01-01: must be from 1"),
    ({"act": "silence", "actor": "x", "until": "0900-01-01T00:00", "note": "n"},
     "应晚于当前时间", "must lie after now"),
    ({"act": "close", "actor": "甲", "seq": "x"},
     "页面所见状态的编号：您填写的是“x”；应为不小于 0 的整数", "seq=x: must be an integer"),
]
REVIEW_FORMS = [
    ({"decision": "keep", "reason": "x"}, "部门：未填写；", "department=: must be"),
    ({"department": "不存在局", "decision": "keep", "reason": "x"},
     "部门：您填写的是“不存在局”；须为该复核涉及的部门", "must be one that the review asks"),
    ({"department": TWO[0][0], "decision": "perhaps", "reason": "x"},
     "决定：您填写的是“perhaps”；应为 调整（adjust）、维持（keep） 之一",
     "decision=perhaps: must be one of adjust, keep"),
    ({"department": TWO[0][0], "decision": "adjust", "reason": "x"},
     "调整为：未填写；决定为“调整”时填写", "grade=: must be given with 'adjust'"),
    ({"department": TWO[0][0], "decision": "adjust", "reason": "x", "grade": "E"},
     "调整为：您填写的是“E”；应为 A、B、C、D 之一", "grade=E: must be one of A, B, C, D"),
]


@pytest.mark.parametrize(("kind", "form", "zh", "en"), [
    *(("alerts", *row) for row in ALERT_FORMS), *(("reviews", *row) for row in REVIEW_FORMS)])
def test_a_wrong_form(site: tuple[EmbeddedService, TestClient], kind: str, form: dict[str, str],
                      zh: str, en: str) -> None:
    service, client = site
    row = service.alerts()[0] if kind == "alerts" else service.reviews()[0]
    before = service.runner.offset, service.rejects(limit=1)[:1]
    path = f"/{kind}/{quote(row['id'])}"
    page = client.post(path, data=form, headers=HTML)
    assert page.status_code == 422 and zh in said(page) and "must" not in said(page), said(page)
    english = client.post(f"{path}?lang=en", data=form, headers=HTML)
    client.cookies.clear()
    assert en in said(english), said(english)
    assert service.runner.offset == before[0] or service.rejects(limit=1)[:1] != before[1]


@pytest.mark.parametrize(("path", "status", "zh", "en"), [
    ("/alerts/none", 404, "没有编号为“none”的预警", "alert=none: there is none"),
    ("/reviews/none", 404, "没有编号为“none”的复核事项", "review=none: there is none"),
    ("/subjects/none", 404, "没有代码为“none”的主体", "subject=none: there is none"),
    ("/subjects/none/report", 404, "没有代码为“none”的主体", "subject=none"),
    ("/subjects/none?as_of=never", 400, "日期“never”无法识别：应为日期", "as_of=never: must be"),
    ("/departments?quarter=7", 400, "季度“7”无法识别：应为年份加季度", "quarter=7: must be"),
    ("/nowhere", 404, "没有这个页面：/nowhere", "Not Found"),
    ("/a/x", 404, "", ""),
    (f"/subjects?q={'x' * 500}", 422, "参数 q：最多 ", "at most"),
])
def test_a_wrong_address(site: tuple[EmbeddedService, TestClient], path: str, status: int, zh: str,
                         en: str) -> None:
    _, client = site
    page = client.get(path, headers=HTML)
    assert page.status_code == status and zh in said(page), said(page)
    assert CHINESE.search(said(page))
    english = client.get(path + ("&" if "?" in path else "?") + "lang=en", headers=HTML)
    client.cookies.clear()
    assert en in said(english) and not CHINESE.search(said(english)), said(english)


def test_a_session_that_ended_and_a_page_of_elsewhere(
        site: tuple[EmbeddedService, TestClient]) -> None:
    service, _ = site
    client = TestClient(create_app(service, token="t" * 20), "http://localhost")
    page = client.post("/alerts/x", data={"act": "close"}, headers=HTML)
    assert page.status_code == 401 and "需要登录" in said(page) and "未执行" in said(page)
    assert client.get("/login").status_code == 200
    cross = {**HTML, "sec-fetch-site": "cross-site", "authorization": "Bearer " + "t" * 20}
    assert "其他网站" in said(client.post("/alerts/x", data={}, headers=cross))
    other = client.get("/login", headers={**HTML, "host": "evil.example"})
    assert other.status_code == 421 and "evil.example" in said(other)
    assert client.post("/alerts/x").json()["detail"].startswith("this needs")


def test_a_fault_of_ours(site: tuple[EmbeddedService, TestClient],
                         monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise OSError("secret")

    service, _ = site
    monkeypatch.setattr(service, "review_case", broken)
    client = TestClient(create_app(service), "http://localhost", raise_server_exceptions=False)
    page = client.get("/reviews/x", headers=HTML)
    assert page.status_code == 500 and "详情见服务日志" in said(page) and "secret" not in page.text
    assert client.get("/api/v1/reviews/x").json()["detail"].startswith("the service failed")


def test_programs_choose_the_language(site: tuple[EmbeddedService, TestClient]) -> None:
    service, client = site
    path = f"/api/v1/alerts/{service.alerts()[0]['id']}/close"
    for accepts, zh in (("", False), ("en", False), ("zh-CN,zh;q=0.9,en;q=0.8", True),
                        ("en,zh;q=0.5", False), ("zh", True), ("*;q=x", False)):
        problem = client.post(path, json={"actor": 1}, headers={"accept-language": accepts})
        assert problem.status_code == 422 and problem.headers["vary"] == "accept-language"
        assert bool(CHINESE.search(problem.json()["detail"])) == zh, accepts
        assert problem.headers.get("content-language") == ("zh-CN" if zh else None)
        assert (problem.json()["field"], problem.json()["value"]) == ("actor", "1")
        assert problem.json()["allowed"].startswith("must be 1 to 256")
    assert prefers_chinese("fr;q=1, zh-TW;q=0.4, en;q=0.3")


def test_of_two_the_second_reads_who_was_first(site: tuple[EmbeddedService, TestClient]) -> None:
    _, client = site
    zh = {"accept-language": "zh-CN"}
    alert = client.get("/api/v1/alerts").json()["alerts"][0]
    path = f"/api/v1/alerts/{alert['id']}/acknowledge"
    assert client.post(path, json={"actor": "甲", "seq": alert["seq"]}).status_code == 202
    late = client.post(path, json={"actor": "乙", "seq": alert["seq"]}, headers=zh)
    assert late.status_code == 409 and "甲 已先处理：已签收" in late.json()["detail"]
    review = client.get("/api/v1/reviews").json()["reviews"][0]
    path = f"/api/v1/reviews/{review['id']}/answer"
    body = {"department": TWO[0][0], "decision": "keep", "reason": "x", "seq": review["seq"]}
    assert client.post(path, json=body).status_code == 202
    late = client.post(path, json={**body, "department": TWO[1][0]}, headers=zh)
    assert f"目前答复：{TWO[0][0]} 维持；" in late.json()["detail"]


def wordless(text: str) -> list[str]:
    """Slugs of problems that have no words in Chinese."""
    out = []
    for node in ast.walk(ast.parse(text)):
        if (isinstance(node, ast.Call) and getattr(node.func, "id",
            getattr(node.func, "attr", "")) == "Problem" and len(node.args) > 1
                and "zh" not in {k.arg for k in node.keywords}):
            slug = node.args[1]
            if isinstance(slug, ast.Constant) and slug.value not in PROBLEMS:
                out.append(str(slug.value))
    return out


def test_every_problem_has_words() -> None:
    assert wordless('raise Problem(404, "made-up", "x")') == ["made-up"]
    assert [slug for file in sorted((ROOT / "console").rglob("*.py"))
            for slug in wordless(file.read_text("utf-8"))] == []


