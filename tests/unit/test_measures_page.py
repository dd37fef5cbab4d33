"""Goal: the pages show measures with what they rest on, in both languages, and say that people
decide; a restriction on a score alone is nowhere shown as proposed.

Method: a service that has played one business with a D by inspections only, a D by penalties and an
A behind a breached commitment; its pages are read as text.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator
from typing import Any

import events as ev
import pytest
from starlette.testclient import TestClient

from config import load
from config.measures import shipped
from console.app import create_app
from streams.batch import Feed
from streams.embedded import Embedded
from streams.options import moment
from streams.service import EmbeddedService

SUBJECT = "91350100M000100Y43"
BY_SCORE, BY_LAW, GOOD = "cq1-17", "cq1-40", "cq1-48"
LAW = {"law": "中华人民共和国安全生产法", "article": "第九十七条"}


def happened() -> Iterator[bytes]:
    def one(id: str, type_: str, day: int, **data: Any) -> bytes:
        return json.dumps({"specversion": "1.0", "id": id, "source": "cq/test", "type": type_,
                           "subject": SUBJECT, "time": f"2026-05-{day:02}T08:00:00+08:00",
                           "data": data}).encode()

    for n in range(1, 6):
        yield one(f"i{n}", "inspection.completed", n, item=BY_SCORE, plan="random", result="fail",
                  findings=[{"code": "f", "severity": "critical"}])
    for n in (6, 7, 8):
        yield one(f"p{n}", "penalty.decided", n, item=BY_LAW, document="d", kinds=["fine"],
                  decided_on=f"2026-05-0{n}", due_on="2026-05-20", basis=[LAW],
                  **{"class": "serious"})
    yield one("g", "grade.assigned", 9, item=GOOD, issuer="department", grade="A")
    yield one("c", "commitment.made", 9, item=BY_LAW, matter="m", kind="approval",
              due_on="2026-08-01")
    yield one("b", "commitment.breached", 10, of={"source": "cq/test", "id": "c"})


@pytest.fixture(scope="module")
def client() -> Iterator[TestClient]:
    with ev.quick_cards():
        runner = Embedded(None, load.policy())
        feed = Feed(runner, "test", ev.FAR_MS)
        for raw in happened():
            feed.put(raw)
        feed.flush()
        now_ms = moment("--as-of", "2026-06-01")
        runner.tick(now_ms)
        service = EmbeddedService(runner, lambda: now_ms)
        items = {row["id"]: row for row in load.items(None)}
        yield TestClient(create_app(service, items=items, measures=shipped()), "http://localhost")


def measures(client: TestClient, lang: str) -> dict[str, str]:
    """Text of the measures of each item of the subject's page, by name of the item."""
    page = client.get(f"/subjects/{SUBJECT}", params={"lang": lang}).text
    part = page.partition('id="measures"')[2].partition("</section>")[0]
    out = {}
    for block in re.findall(r"<details class=\"measures\">(.*?)</details>", part, re.DOTALL):
        name = re.search(r"<b>(.*?)</b>", block)
        assert name is not None
        out[html.unescape(name[1])] = html.unescape(
            " ".join(re.sub(r"<[^>]+>", " ", block).split()))
    return out


@pytest.mark.parametrize(("lang", "proposed", "refused", "why", "rests", "decides"), [
    ("zh", "拟议，待人工决定", "不适用", "所依据的事实均未载明法律依据",
     "暂停享受", "是否采取由人决定"),
    ("en", "proposed, a person decides", "not applicable", "none of the facts behind the grade",
     "withheld", "people decide"),
])
def test_the_page_of_a_business(client: TestClient, lang: str, proposed: str, refused: str,
                                why: str, rests: str, decides: str) -> None:
    shown = measures(client, lang)
    names = {row["id"]: row["item"] for row in load.items(None)}
    assert set(shown) == {names[i] for i in (BY_SCORE, BY_LAW, GOOD)} | {
        "公共信用等级" if lang == "zh" else "public grade"}
    alone, law, good = (shown[names[i]] for i in (BY_SCORE, BY_LAW, GOOD))
    assert proposed not in alone and refused in alone and why in alone
    assert proposed in law and LAW["law"] in law and "2026-05-06" in law
    assert rests in good and "2027-05-10" in good and proposed not in good
    assert "渝信用办发〔2023〕7号 三(四)" in alone
    assert decides in client.get(f"/subjects/{SUBJECT}", params={"lang": lang}).text


@pytest.mark.parametrize(("lang", "said", "decides"), [
    ("zh", "提示约谈（谁认定、谁约谈）", "不作任何惩戒"),
    ("en", "a reminding interview", "nothing punishes by itself")])
def test_the_page_of_an_alert(client: TestClient, lang: str, said: str, decides: str) -> None:
    rows = client.get("/api/v1/alerts", params={"rule": "penalty-unperformed"}).json()["alerts"]
    assert rows and rows[0]["proposals"][0]["department"] == rows[0]["departments"][0]
    page = client.get(f"/alerts/{rows[0]['id']}", params={"lang": lang}).text
    assert said in page and decides in page and rows[0]["departments"][0] in page
    gap = client.get("/api/v1/alerts", params={"rule": "grade-gap"}).json()["alerts"]
    assert gap and gap[0]["proposals"] == []
    page = client.get(f"/alerts/{gap[0]['id']}", params={"lang": lang}).text
    assert ("无建议措施" if lang == "zh" else "No measures proposed") in page


def test_the_printed_report_stays_as_it_is(client: TestClient) -> None:
    found = client.get(f"/api/v1/subjects/{SUBJECT}/report", params={"internal": "1"}).json()
    assert "measures" not in json.dumps(found)
