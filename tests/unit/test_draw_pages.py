"""Goal: draws of inspections are ordered, shown, handed on as a file and let go, over HTTP and by
forms; what cannot be done is said by field, value and what was allowed, and does nothing.
Method: the application over a service in memory that draws by the real rule; HTML read as text and
CSV read back, the command for checking a rank run in a shell."""

from __future__ import annotations

import csv
import io
import subprocess
from html import unescape
from typing import Any

import msgspec
import pytest
from console_fake import FakeService, items
from draws_fake import NOBODY_ITEM, SIZES
from fastapi import FastAPI
from starlette.testclient import TestClient
from test_console_pages import Outline

from console import i18n, pages_draws
from console.app import create_app
from console.draws import DrawIn, Draws, order_of
from console.draws_api import drawing
from console.limits import Gate
from console.problems import Problem

HTML = {"accept": "text/html"}
ORDER = {"item": "cq1-17", "count": 30, "seed": "开奖 2026-130", "actor": "王科长"}
FORM = {**{k: str(v) for k, v in ORDER.items()}, "act": "draw"}
DISTRICTS = [{"code": "500106", "name": "沙坪坝区", "column": "0", "row": "0"},
             {"code": "500101", "name": "万州区", "column": "1", "row": "0"}]


@pytest.fixture
def service() -> FakeService:
    return FakeService()


@pytest.fixture
def client(service: FakeService) -> TestClient:
    app = create_app(service, items=items(), districts=DISTRICTS)
    return TestClient(app, "http://localhost", follow_redirects=False)


def order(client: TestClient, **changes: Any) -> dict[str, Any]:
    response = client.post("/api/v1/draws", json={**ORDER, **changes})
    assert response.status_code == 201, response.text
    made: dict[str, Any] = response.json()
    assert response.headers["location"] == f"/api/v1/draws/{made['id']}"
    return made


def text(client: TestClient, path: str, status: int = 200) -> str:
    response = client.get(path, headers=HTML)
    assert response.status_code == status, response.text
    return response.text


# --------------------------------------------------------------------------------------- over HTTP


def test_the_same_order_is_the_same_draw(client: TestClient, service: FakeService) -> None:
    made = order(client)
    assert made["drawn"] == 30 == len(made["picked"])
    assert order(client, actor="李处") == made and len(service.made) == 1
    assert order(client, seed="another")["id"] != made["id"]
    assert client.get(f"/api/v1/draws/{made['id']}").json() == made


def test_draws_come_in_pages_without_those_they_drew(client: TestClient) -> None:
    made = [order(client, seed=f"s{n}")["id"] for n in range(5)]
    order(client, count=0)
    seen, before = [], None
    for _ in range(3):
        page = client.get("/api/v1/draws", params={"limit": 2} | (
            {"before": before} if before else {})).json()
        seen += page["draws"]
        before = page["next"]
    assert [d["id"] for d in seen] == made[::-1] and before is None
    assert not any("picked" in d for d in seen)
    assert client.get("/api/v1/draws?before=never").status_code == 422


def shown(value: Any) -> str:
    """A value as a refusal repeats it: on one line, cut."""
    text = "" if value is None else " ".join(str(value).split())
    return text if len(text) <= 60 else text[:59] + "…"


@pytest.mark.parametrize(("changes", "field", "value"), [
    ({"item": "cq9-99"}, "item", "cq9-99"), ({"item": ""}, "item", ""), ({"item": 7}, "item", 7),
    ({"count": -1}, "count", -1), ({"count": 10_001}, "count", 10_001),
    ({"count": "30"}, "count", "30"), ({"count": 1.5}, "count", 1.5),
    ({"seed": ""}, "seed", ""), ({"seed": "x" * 257}, "seed", "x" * 257),
    ({"seed": " a"}, "seed", " a"), ({"seed": "a\n"}, "seed", "a\n"),
    ({"seed": "a\nb"}, "seed", "a\nb"), ({"seed": None}, "seed", None),
    ({"district": "123456"}, "district", "123456"), ({"district": "../x"}, "district", "../x"),
    ({"actor": "  "}, "actor", "  "), ({"note": "n" * 2001}, "note", "n" * 2001),
])
def test_a_bad_order_is_refused_by_field(client: TestClient, service: FakeService,
                                         changes: dict[str, Any], field: str, value: Any) -> None:
    response = client.post("/api/v1/draws", json={**ORDER, **changes})
    found = response.json()
    assert response.status_code == 422 and response.headers["content-type"].startswith(
        "application/problem+json")
    assert (found["field"], found["value"]) == (field, shown(value)) and found["allowed"]
    assert found["allowed"] in found["detail"] and not service.made


def test_what_is_missing_or_foreign_is_named(client: TestClient, service: FakeService) -> None:
    for field in ORDER:
        found = client.post("/api/v1/draws", json={k: v for k, v in ORDER.items() if k != field})
        assert found.status_code == 422 and found.json()["field"] == field
    # A misspelt district must not draw the whole city.
    found = client.post("/api/v1/draws", json={**ORDER, "distrikt": "500106"})
    assert found.status_code == 422 and "distrikt" in found.json()["detail"]
    for body, status in ((b"[]", 422), (b"{", 400), (b"null", 422), (b"x" * 70_000, 413)):
        found = client.post("/api/v1/draws", content=body,
                            headers={"content-type": "application/json"})
        assert found.status_code == status
    assert client.post("/api/v1/draws", content=b"{}").status_code == 415
    assert not service.made


def test_a_district_without_a_name_is_one_where_businesses_are(client: TestClient) -> None:
    assert order(client, district="999999")["district"] == "999999"


@pytest.mark.parametrize(("trouble", "status", "says"), [
    (TimeoutError("ordered; no shard has answered"), 503, "no shard"),
    (NotImplementedError("feed_time=producer: no orders"), 409, "producer"),
    (RuntimeError("the service is stopping"), 409, "stopping"),
])
def test_what_the_service_cannot_do(client: TestClient, service: FakeService, trouble: Exception,
                                    status: int, says: str) -> None:
    made = order(client)["id"]
    service.trouble = trouble
    response = client.post("/api/v1/draws", json=ORDER)
    assert response.status_code == status and says in response.json()["detail"]
    assert ("retry-after" in response.headers) == (status == 503)
    page = client.post("/draws", data=FORM, headers=HTML)
    assert page.status_code == status
    assert ("未执行" in page.text) == (status == 409) and ("已下达" in page.text) == (status == 503)
    assert 'value="开奖 2026-130"' in page.text
    if status == 409:
        body = {"actor": "王科长", "reason": "并入联合检查"}
        assert client.post(f"/api/v1/draws/{made}/release", json=body).status_code == 409
        page = client.post(f"/draws/{made}/release", data=body, headers=HTML)
        assert page.status_code == 409 and "并入联合检查" in page.text


def test_orders_wait_in_few_places(service: FakeService) -> None:
    app, gate = FastAPI(), Gate(1)
    app.include_router(drawing(service, Draws(service), gate))
    client = TestClient(app, "http://localhost")
    assert client.post("/api/v1/draws", json=ORDER).status_code == 201
    gate.taken = 1
    response = client.post("/api/v1/draws", json=ORDER | {"seed": "another"})
    assert response.status_code == 503 and response.headers["retry-after"] == "1"
    assert len(service.made) == 1


def test_nobody_orders_without_token_or_from_elsewhere(service: FakeService) -> None:
    app = create_app(service, items=items(), token="secret")
    client = TestClient(app, "http://localhost", follow_redirects=False)
    assert client.post("/api/v1/draws", json=ORDER).status_code == 401
    known = {"authorization": "Bearer secret"}
    for path, body in (("/api/v1/draws", {"json": ORDER}), ("/draws", {"data": FORM})):
        assert client.post(path, headers=known | {"origin": "http://evil"},
                           **body).status_code == 403
    assert not service.made
    assert client.post("/api/v1/draws", json=ORDER, headers=known).status_code == 201


def test_those_not_inspected_are_let_go(client: TestClient, service: FakeService) -> None:
    made = order(client)
    first, second = (one["subject"] for one in made["picked"][:2])
    service.inspect(made["id"], first, "fail")
    path = f"/api/v1/draws/{made['id']}/release"
    for body, field in (({"actor": "王科长"}, "reason"), ({"reason": "x"}, "actor"),
                        ({"actor": "王", "reason": " "}, "reason"),
                        ({"actor": "王", "reason": "x" * 1001}, "reason")):
        assert client.post(path, json=body).json()["field"] == field
    assert client.get(f"/api/v1/draws/{made['id']}").json()["released"] == 0
    done = client.post(path, json={"actor": "王科长", "reason": "并入联合检查"})
    assert done.status_code == 200 and done.json()["released"] == 29
    states = {one["subject"]: one["state"] for one in done.json()["picked"]}
    assert (states[first], states[second]) == ("fail", "released")
    assert client.post("/api/v1/draws/none/release",
                       json={"actor": "王", "reason": "x"}).status_code == 404


def test_the_list_is_a_file_without_formulas(client: TestClient) -> None:
    made = order(client, count=220)
    response = client.get(f"/draws/{made['id']}.csv?lang=en")
    assert response.headers["content-disposition"] == f'attachment; filename="{made["id"]}.csv"'
    body = response.content.decode()
    assert body.startswith("\ufeff") and body.count("\r\n") == 221
    head, *rows = csv.reader(io.StringIO(body[1:]))
    assert head == ["draw", "item", "name of the item", "department", "code", "name", "district",
                    "grade", "probability", "rank", "state"]
    assert [row[4] for row in rows] == [one["subject"] for one in made["picked"]]
    assert {row[5][0] for row in rows} == {"'", "示"} and {row[10] for row in rows} == {
        "to be inspected"}
    chinese = client.get(f"/draws/{made['id']}.csv").content.decode()
    assert chinese.startswith("\ufeff抽取编号") and "待检查" in chinese


def test_a_list_that_is_not_known_yet_is_not_handed_out(client: TestClient,
                                                        service: FakeService) -> None:
    made = order(client)["id"]
    service.answered = False
    response = client.get(f"/draws/{made}.csv")
    assert response.status_code == 503 and response.headers["retry-after"]
    assert "尚未全部答复" in text(client, f"/draws/{made}")
    assert "30 / …" in text(client, "/draws")


# ------------------------------------------------------------------------------------- by the pages


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_pages_hold_nothing_foreign(client: TestClient, service: FakeService, lang: str) -> None:
    made = order(client, count=220, seed="'; <script>alert(1)</script>", note="<u>x</u>",
                 actor="<s>王</s>", district="500106")
    for n, state in enumerate(("pass", "fixed", "fail", "obstructed", "untraceable", "released")):
        service.inspect(made["id"], made["picked"][n]["subject"], state)
    pool = order(client, count=0)["id"]
    for path in ("/draws", f"/draws?pool={pool}", f"/draws/{made['id']}", f"/draws/{pool}",
                 f"/draws/{made['id']}?at=100", f"/draws/{made['id']}?all=1&done=release",
                 f"/draws/{order(client, item=NOBODY_ITEM)['id']}"):
        page = text(client, f"{path}{'&' if '?' in path else '?'}lang={lang}")
        outline = Outline()
        outline.feed(page)
        assert outline.bad == []
        for wrong in ("<b>小面馆", "<script>alert", "<u>", "<s>", "<i>", "Undefined", ">None<",
                      "dr_"):
            assert wrong not in page, (path, wrong)


def test_every_word_is_there_in_both_languages() -> None:
    assert all(all(pair) for key, pair in i18n.UI.items() if key.startswith("dr_"))


def test_the_pool_is_counted_before(client: TestClient, service: FakeService) -> None:
    """Without a seed or a name; what was typed stays."""
    response = client.post("/draws", data={"item": "cq1-17", "district": "500106",
                                           "act": "count", "note": "秋季", "count": "999999"})
    assert response.status_code == 303
    page = text(client, response.headers["location"])
    assert f"可抽 {sum(SIZES)} 户，暂不抽 7 户" in page and "沙坪坝区" in page
    # 2.4 + 3 + 6 + 5 + 0.75
    assert '建议抽取 <b>17</b>' in page and 'name="count" type="number" min="1" max="10000" ' \
        'step="1" value="17"' in page
    assert 'value="cq1-17" selected' in page and 'value="500106" selected' in page
    assert 'value="秋季"' in page and 'name="seed" value=""' in page
    assert "另有 3 户" in page and "尚未抽取" in page
    empty = client.post("/draws", data={"item": NOBODY_ITEM, "act": "count"})
    assert "对象库中没有可抽的主体" in text(client, empty.headers["location"])
    assert "抽取数量" in text(client, "/draws") and text(client, "/draws?pool=none", 404)


def test_a_draw_is_ordered_by_the_form(client: TestClient, service: FakeService) -> None:
    response = client.post("/draws", data={**FORM, "district": "500106", "note": "秋季"})
    assert response.status_code == 303
    page = text(client, response.headers["location"])
    (made,) = service.made
    for expected in ("已抽取", "30 / 30", "开奖 2026-130", "王科长", "秋季", "不是处罚",
                     f"/draws/{made}.csv?lang=zh", "第 1–30 户，共 30 户", "30 户抽中而未检查",
                     f"xinfeng draw --check {made}", "尚无检查结果", "高风险"):
        assert expected in page, expected
    assert client.post("/draws", data=FORM | {"district": "500106"}).headers["location"] == (
        response.headers["location"])
    assert len(service.made) == 1
    # Whoever ordered need not say again who they are.
    assert 'name="actor" value="王科长"' in text(client, "/draws")
    past = text(client, "/draws")
    assert f'href="/draws/{made}"' in past and "沙坪坝区" in past and "30 / 30" in past


@pytest.mark.parametrize(("changes", "says"), [
    ({"item": ""}, "请选择目录中的监管事项"), ({"item": "cq9-99"}, "请选择目录中的监管事项"),
    ({"count": "0"}, "抽取数量须为"), ({"count": "many"}, "抽取数量须为"),
    ({"seed": ""}, "请填写随机种子"), ({"actor": ""}, "请填写经办人"),
    ({"district": "123456"}, "没有这个区划"), ({"note": "n" * 2001}, "说明不超过"),
    ({"seed": "", "act": "count", "item": ""}, "请选择目录中的监管事项"),
])
def test_a_bad_form_says_so_and_keeps_the_rest(client: TestClient, service: FakeService,
                                               changes: dict[str, str], says: str) -> None:
    response = client.post("/draws", data={**FORM, "note": "秋季", **changes}, headers=HTML)
    assert response.status_code == 422 and says in response.text
    assert "未执行" in response.text and not service.made
    kept = {"seed": "开奖 2026-130", "actor": "王科长", "note": "秋季"}
    for name in kept.keys() - changes.keys():
        assert f'name="{name}" value="{kept[name]}"' in response.text


def test_the_list_is_paged_by_the_server(client: TestClient) -> None:
    made = order(client, count=220)
    seen = list[str]()
    for at, next_at in ((0, 100), (100, 200), (200, None)):
        page = text(client, f"/draws/{made['id']}?at={at}")
        rows = [one["subject"] for one in made["picked"]
                if f'href="/subjects/{one["subject"]}"' in page]
        assert (f"?at={next_at}#picked" in page) == (next_at is not None)
        seen += rows
    assert seen == [one["subject"] for one in made["picked"]] and len(rows) == 20
    whole = text(client, f"/draws/{made['id']}?all=1")
    assert all(f'href="/subjects/{code}"' in whole for code in seen)
    assert text(client, f"/draws/{made['id']}?at=-1", 422)
    assert "对象库不足" not in whole
    assert "对象库不足" in text(client, f"/draws/{order(client, count=221)['id']}")


def test_results_and_what_they_say_of_the_pool(client: TestClient, service: FakeService) -> None:
    made = order(client)
    by_stratum: dict[str, list[str]] = {}
    for one in made["picked"]:
        by_stratum.setdefault(one["stratum"], []).append(one["subject"])
    for code in by_stratum["A"]:
        service.inspect(made["id"], code, "pass")
    service.inspect(made["id"], by_stratum["D"][0], "fail")
    page = text(client, f"/draws/{made['id']}?lang=en")
    found = client.get(f"/api/v1/draws/{made['id']}").json()
    # What is known of A and D says nothing of the others.
    assert found["estimate"] is None and "nothing can be said of the whole pool" in page
    assert "failed" in page and "findings: 1" in page
    for code in (by_stratum["B"][0], by_stratum["C"][0], by_stratum["ungraded"][0]):
        service.inspect(made["id"], code, "pass")
    page = text(client, f"/draws/{made['id']}?lang=en")
    found = client.get(f"/api/v1/draws/{made['id']}").json()
    # All of the five in D: one was inspected, and failed.
    assert found["estimate"] == pytest.approx(SIZES[3] / sum(SIZES))
    assert f"{100 * found['estimate']:.1f} %" in page
    assert f"From the {len(by_stratum['A']) + 4} inspected" in page
    assert "nothing can be said" not in page and f"/ {sum(SIZES)} businesses" in page


@pytest.mark.parametrize("seed", ["2026-11-22", "it's $HOME `x` %s \\n", "-n"])
def test_the_command_beside_the_list_makes_the_rank(client: TestClient, seed: str) -> None:
    made = order(client, seed=seed)
    command = pages_draws.check(made)
    assert command in unescape(text(client, f"/draws/{made['id']}"))
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == made["picked"][0]["rank"]
    assert pages_draws.check({**made, "picked": []}) == ""


def test_letting_go_by_the_form(client: TestClient, service: FakeService) -> None:
    made = order(client)["id"]
    path = f"/draws/{made}/release"
    refused = client.post(path, data={"actor": "王科长"}, headers=HTML)
    assert refused.status_code == 422 and "请填写理由" in refused.text
    assert client.get(f"/api/v1/draws/{made}").json()["released"] == 0
    done = client.post(path, data={"actor": "王科长", "reason": "并入联合检查"})
    assert done.status_code == 303
    page = text(client, done.headers["location"])
    assert "已放回尚未检查的主体" in page and "并入" not in page
    assert f'action="/draws/{made}/release"' not in page
    missing = client.post("/draws/none/release", data={"actor": "王", "reason": "x"}, headers=HTML)
    assert missing.status_code == 404


def test_a_page_without_a_catalogue_takes_what_is_typed(service: FakeService) -> None:
    client = TestClient(create_app(service), "http://localhost", follow_redirects=False)
    page = text(client, "/draws")
    assert '<input name="item"' in page and '<input name="district"' in page
    assert client.post("/draws", data=FORM).status_code == 303
    assert client.post("/draws", data=FORM | {"item": "any"}, headers=HTML).status_code == 422


def test_an_order_is_read_strictly_from_json_and_kindly_from_a_form() -> None:
    fields = {key: str(value) for key, value in ORDER.items()}
    assert order_of(dict(fields)) == DrawIn("cq1-17", 30, "开奖 2026-130", "王科长")
    with pytest.raises(Problem, match="count=30"):
        order_of(msgspec.json.encode(fields))
