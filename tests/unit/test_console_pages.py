"""Goal: the pages show what the service says, escaped, in both languages, and their forms act.
Method: the whole application over a service in memory; HTML read as text."""

from __future__ import annotations

import json
import re
import tomllib
from html.parser import HTMLParser
from pathlib import Path

import pytest
from console_fake import SHOWN, SUBJECT, XSS, FakeService, an_alert, items
from starlette.testclient import TestClient

from console import chart, i18n
from console.app import create_app
from console.pages import graveness

ALERT = an_alert(1)["id"]
QUOTED = ALERT.replace("/", "%2F")
PAGES = [
    "/",
    "/subjects",
    f"/subjects/{SUBJECT}",
    f"/alerts/{QUOTED}",
    "/reviews",
    "/reviews?column=overdue&a=public",
    "/reviews?pairs=all",
    f"/reviews/review%2F{SUBJECT}%2F1",
    "/rejects",
    "/api/docs",
    "/login",
    "/nothing",
]
HTML = {"accept": "text/html"}


@pytest.fixture
def service() -> FakeService:
    service = FakeService()
    for number in range(3):
        service.put(an_alert(number))
    service.submit([b'{"id": "<script>alert(1)</script>"}'], "<script>alert(2)</script>")
    return service


@pytest.fixture
def client(service: FakeService) -> TestClient:
    app = create_app(service, items=items())
    return TestClient(app, "http://localhost", headers=HTML, follow_redirects=False)


class Outline(HTMLParser):
    """Collects tags, and whether any has a handler, an inline style or an outside address."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.bad: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.tags.append(tag)
        for name, value in attrs:
            if name.startswith("on") or name == "style":
                self.bad.append(f"{tag} {name}")
            if name in ("href", "src", "action") and "//" in (value or ""):
                self.bad.append(f"{tag} {name}={value}")
        if tag == "script" and "src" not in given and given.get("type") != "application/json":
            self.bad.append("inline script")


@pytest.mark.parametrize("lang", ["zh", "en"])
@pytest.mark.parametrize("path", PAGES)
def test_pages_hold_nothing_foreign(client: TestClient, path: str, lang: str) -> None:
    response = client.get(path, params={"lang": lang})
    assert response.status_code == (404 if path == "/nothing" else 200)
    assert response.headers["content-type"].startswith("text/html")
    outline = Outline()
    outline.feed(response.text)
    assert outline.bad == []
    assert "main" in outline.tags
    assert "<script>alert" not in response.text
    assert "Undefined" not in response.text
    assert ">None<" not in response.text


def test_a_hostile_name_is_shown_as_text(client: TestClient) -> None:
    escaped = "&lt;script&gt;alert(&#34;x&#34;)&lt;/script&gt;渝味园食品厂"
    for path in (
        "/",
        "/subjects?q=渝味园",
        f"/subjects/{SUBJECT}",
        "/reviews",
        f"/alerts/{QUOTED}",
    ):
        assert escaped in client.get(path).text, path
    assert XSS not in client.get("/").text


def test_language_stays_chosen(client: TestClient) -> None:
    assert 'lang="zh-CN"' in client.get("/").text
    assert "Situation" in client.get("/?lang=en").text
    assert "Situation" in client.get("/").text
    assert "态势" in client.get("/?lang=zh").text
    assert client.get("/subjects?q=a%26b&lang=en").text.count("q=a%26b") == 1


def test_the_subject_page_explains(client: TestClient) -> None:
    text = client.get(f"/subjects/{SUBJECT}").text
    for expected in (
        "市市场监管局",
        "春、秋季校园及周边食品安全专项检查",
        "−141.2",
        "501.9",
        "412.4",
        "渝市监罚〔2026〕17 号",
        "部门间等级相差 2 级",
        "2027-02-01",
        "重点关注名单",
    ):
        assert expected in text, expected
    past = client.get(f"/subjects/{SUBJECT}?as_of=2026-10-01").text
    assert "以下为当时的评价，截至" in past
    assert client.get(f"/subjects/{SUBJECT}?as_of=tomorrow").status_code == 400


def test_a_bare_subject_renders(client: TestClient, service: FakeService) -> None:
    service.show = lambda subject, as_of_ms=None: {  # type: ignore[method-assign]
        "subject": subject,
        "items": {},
        "path": None,
        "gap": None,
        "public": {"grade": "ungraded"},
    }
    assert "未评级" in client.get(f"/subjects/{SUBJECT}").text


def test_filters_and_paging(client: TestClient) -> None:
    assert "没有符合条件的预警" in client.get("/?level=blue").text
    first = client.get("/subjects").text
    after = re.search(r'rel="next" href="\?([^"]+)"', first)
    assert after
    second = client.get("/subjects?" + after[1].replace("&amp;", "&")).text
    assert "有限公司 0<" in first
    assert "有限公司 0<" not in second
    assert "有限公司 55<" in second


def test_an_alert_is_handled_by_form(client: TestClient, service: FakeService) -> None:
    page = client.get(f"/alerts/{QUOTED}").text
    key = re.search(r'name="key" value="(\w+)"', page)
    assert key
    form = {"act": "acknowledge", "actor": "王 敏", "note": "", "until": "", "key": key[1]}
    for _ in range(2):  # a double click
        done = client.post(f"/alerts/{QUOTED}", data=form)
        assert done.headers["location"] == f"/alerts/{QUOTED}?done=acknowledge"
    acts = [json.loads(raw) for (source, _), raw in service.events.items() if "console" in source]
    assert [(a["type"], a["data"]) for a in acts] == [
        ("alert.acknowledged", {"alert": ALERT, "actor": "王 敏"})
    ]
    after = client.get(done.headers["location"]).text
    assert "已签收" in after
    assert 'value="王 敏"' in after
    silence = {"act": "silence", "actor": "x", "until": "2100-01-01T09:30", "note": "检修"}
    assert client.post(f"/alerts/{QUOTED}", data=silence).status_code == 303
    assert any(b"2100-01-01T09:30:00+08:00" in raw for raw in service.events.values())


def test_whoever_acts_on_what_has_changed_is_told_who_was_first(
    client: TestClient, service: FakeService
) -> None:
    """Two officers open the page; both orders of their forms, with what each saw."""
    for winner, loser in (("甲", "乙"), ("乙", "甲")):
        forms = {}
        for name in (winner, loser):
            page = client.get(f"/alerts/{QUOTED}").text
            key = re.search(r'name="key" value="(\w+)"', page)
            seq = re.search(r'name="seq" value="(\d+)"', page)
            assert key and seq
            forms[name] = {"act": "close", "actor": name, "note": "查实", "key": key[1],
                           "seq": seq[1]}
        for _ in range(2):
            done = client.post(f"/alerts/{QUOTED}", data=forms[winner])
            assert done.headers["location"] == f"/alerts/{QUOTED}?done=close"
        count = len(service.events)
        late = client.post(f"/alerts/{QUOTED}", data=forms[loser])
        assert late.headers["location"] == f"/alerts/{QUOTED}?first=1"
        assert len(service.events) == count
        assert "您的操作未执行" in client.get(late.headers["location"]).text
        reopen = {"act": "reopen", "actor": winner}
        assert client.post(f"/alerts/{QUOTED}", data=reopen).status_code == 303


@pytest.mark.parametrize(
    ("lang", "said", "way"),
    [("zh", "您的操作未执行", "返回该预警"), ("en", "nothing was done", "Back to the alert")],
)
def test_a_form_sent_again_with_other_words_leads_back(
    client: TestClient, service: FakeService, lang: str, said: str, way: str
) -> None:
    client.get(f"/?lang={lang}")
    form = {"act": "assign", "actor": "甲", "key": "k", "note": "一"}
    assert client.post(f"/alerts/{QUOTED}", data=form).status_code == 303
    count = len(service.events)
    refused = client.post(f"/alerts/{QUOTED}", data=form | {"note": "二"})
    assert refused.status_code == 409 and len(service.events) == count
    assert said in refused.text and f'<a href="?">{way}</a>' in refused.text
    assert way not in client.post("/alerts/none", data=form).text, "there is no way to nowhere"


@pytest.mark.parametrize(
    ("data", "status"),
    [
        ({"act": "explode", "actor": "x"}, 422),
        ({"act": "close"}, 422),
        ({"act": "close", "actor": "x"}, 422),
        ({"act": "assign", "actor": "x", "note": " "}, 422),
        ({"act": "silence", "actor": "x"}, 422),
        ({"act": "silence", "actor": "x", "until": "2100-01-01T09:30"}, 422),
        ({"act": "silence", "actor": "x", "until": "soon"}, 422),
        ({"act": "silence", "actor": "x", "until": "2020-01-01T09:30", "note": "n"}, 422),
    ],
)
def test_a_wrong_form_is_explained_on_a_page(
    client: TestClient, data: dict[str, str], status: int
) -> None:
    response = client.post(f"/alerts/{QUOTED}", data=data)
    assert response.status_code == status
    assert "未能完成" in response.text


def test_what_is_no_form_is_refused(client: TestClient) -> None:
    assert client.post(f"/alerts/{QUOTED}", json={}).status_code == 415
    headers = {"content-type": "application/x-www-form-urlencoded"}
    for body in (b"\xff", b"a=%ff", b"a=1&" * 100):
        assert client.post(f"/alerts/{QUOTED}", content=body, headers=headers).status_code == 400


def test_a_review_is_answered_by_form(client: TestClient, service: FakeService) -> None:
    answer = {"department": "市市场监管局", "decision": "keep", "grade": "B", "reason": "充分"}
    path = f"/reviews/review%2F{SUBJECT}%2F1"
    assert client.post(path, data=answer).headers["location"] == f"{path}?done=answer"
    sent = json.loads(next(iter(service.events.values())))
    assert sent["data"]["decision"] == "keep"
    assert "grade" not in sent["data"]


def test_shares_fill_the_bar() -> None:
    pieces = chart.shares({"D": 1, "A": 2, "ungraded": 1, "B": 0})
    assert [(p.grade, p.x, p.width) for p in pieces] == [
        ("A", 0.0, 50.0),
        ("D", 50.0, 25.0),
        ("ungraded", 75.0, 25.0),
    ]
    assert chart.shares({}) == chart.shares({"A": 0}) == []


def test_steps_follow_the_changes() -> None:
    first, second, public = chart.steps(SHOWN["history"], SHOWN["as_of"])
    assert (first.item, public.item, len(second.dots)) == ("cq1-17", "public", 3)
    assert first.path.startswith(f"M{chart.LEFT} ")
    assert first.path.endswith(f"H{chart.WIDTH - 6}")
    assert chart.steps([], "") == []
    one = chart.steps([{"item": "x", "day": 20_000, "grade": "Z", "from": None}], "")
    assert (one[0].first, one[0].last) == ("2024-10-04", "2024-10-05")


def test_every_indicator_of_the_policy_has_a_label() -> None:
    policy = tomllib.loads((Path(__file__).parents[2] / "config/policy.toml").read_text("utf-8"))
    assert set(policy["indicators"]) <= set(i18n.INDICATORS)


def test_every_label_a_template_asks_for_exists() -> None:
    asked = set[str]()
    for file in (Path(i18n.__file__).parent / "templates").glob("*.html"):
        asked |= set(re.findall(r"\bt\('(\w+)'\)", file.read_text(encoding="utf-8")))
    assert asked <= set(i18n.UI)
    for table in i18n.TABLES.values():
        assert all(zh and en for zh, en in table.values())


def test_the_board_of_reviews_leads_to_each_column_and_case(client: TestClient) -> None:
    text = client.get("/reviews?lang=en").text
    assert f'href="/reviews/review%2F{SUBJECT}%2F1"' in text
    assert 'href="/reviews?column=overdue&amp;a=&amp;b="' in text, "60 stand there, 6 are shown"
    option = json.loads(text.partition('id="disagreement">')[2].partition("</script>")[0])
    (series,) = option["series"]
    assert [c["value"] for c in series["data"]] == [[0, 1, 7.5], [1, 0, 7.5]]
    led = client.get(series["data"][0]["href"])
    assert led.status_code == 200 and led.text.count("selected") == 2
    assert "public grade · 市生态环境局" in text and "7.5 %" in text


def test_a_column_of_reviews_goes_on_to_the_next_page(client: TestClient) -> None:
    text = client.get("/reviews?column=overdue&a=public&lang=en").text
    assert text.count("/reviews/review%2F") == 50 and "2 days over" in text
    assert "after=049" in text and "column=overdue" in text
    assert client.get("/reviews?column=overdue&after=049").text.count("/reviews/review%2F") == 10
    assert "no review" in client.get("/reviews?column=answered&lang=en").text.lower()
    assert client.get("/reviews?column=nonsense").text.count('class="lane ') == 5


def test_a_case_shows_grades_tasks_and_what_an_answer_became(client: TestClient) -> None:
    text = client.get(f"/reviews/review%2F{SUBJECT}%2F1?lang=en").text
    assert text.count('class="card side apart"') == 2
    assert "−141.2" in text and "2 more" in text, "eight facts of ten"
    assert "reminder 2" in text and "No ledger of messages here" in text
    assert "became the department" in text and "grade adjusted by 市生态环境局" in text
    assert client.get("/reviews/none").status_code == 404


def test_an_alert_of_many_names_them(client: TestClient, service: FakeService) -> None:
    service.put(an_alert(9, rule="regional-surge", members=[SUBJECT, "none-of-ours"]))
    text = client.get(f"/alerts/{an_alert(9)['id'].replace('/', '%2F')}").text
    row = next(row["name"] for row in service.subjects() if row["subject"] == SUBJECT)
    assert re.search(f'<a href="/subjects/{SUBJECT}">[^<]*{row[-5:]}</a>', text)
    assert '<a href="/subjects/none-of-ours">none-of-ours</a>' in text


def test_an_alert_of_a_device_says_where_its_evidence_is(client: TestClient,
                                                         service: FakeService) -> None:
    service.put(an_alert(9, rule="iot-silent", evidence=[]))
    text = client.get(f"/alerts/{an_alert(9)['id'].replace('/', '%2F')}?lang=en").text
    assert "The readings of the device" in text and "。" not in text.split("<form")[1]


def test_the_gravest_alert_of_a_subject_comes_first() -> None:
    levels = [{"level": level} for level in ("blue", "red", "yellow", "orange", "red")]
    assert [a["level"] for a in sorted(levels, key=graveness)] == [
        "red", "red", "orange", "yellow", "blue"]


def test_dead_letters_say_why_in_both_languages_and_are_paged(client: TestClient,
                                                              service: FakeService) -> None:
    why = "position 18 is 'A': the GB 32100 check character must be '3'"
    service.dead[:] = [{**service.dead[0], "origin": f"o{n}", "reason": {
        "field": "subject", "value": "91350100M000100Y4A", "allowed": why,
        "message": f"subject=91350100M000100Y4A: {why}"}} for n in range(60)]
    zh, en = (client.get(f"/rejects?lang={lang}").text for lang in ("zh", "en"))
    assert "按 GB 32100 校验码应为" in zh and "check character" not in zh
    assert "the GB 32100 check character must be" in en
    assert ">o59<" in zh and ">o10<" in zh and ">o9<" not in zh and "before=11" in zh
    assert ">o9<" in client.get("/rejects?before=11").text
