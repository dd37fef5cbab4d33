"""Goal: the pages and the API of departments, devices, models and policy show what the service
says, escaped, in both languages; before anything was counted or learned they explain themselves.
Method: the application over a service in memory; HTML read as text, CSV and TOML read back."""

from __future__ import annotations

import csv
import io
import json
import tomllib
from typing import Any
from urllib.parse import urlencode

import centre_fake as fake
import pytest
from console_fake import SUBJECT, FakeService, items
from starlette.testclient import TestClient
from test_console_pages import Outline

from config.measures import shipped
from console import centre_charts, i18n, policy_page
from console.app import create_app
from console.ranking_csv import safe
from models.policy import decode, digest, encode
from models.policy_diff import flat

DEVICE = "/devices/one?" + urlencode({"subject": SUBJECT, "item": "cq1-17",
                                      "device": fake.XSS_DEVICE})
DIFF = f"/policy/diff?from={fake.OLD}&to={fake.HASH}"
PAGES = ("/departments", "/departments?quarter=2026Q3", "/devices", "/devices?state=silent",
         DEVICE, "/models", "/policy", f"/policy?hash={fake.OLD}", DIFF)
HTML = {"accept": "text/html"}


@pytest.fixture
def service() -> FakeService:
    return FakeService()


@pytest.fixture
def client(service: FakeService) -> TestClient:
    app = create_app(service, items=items(), measures=shipped())
    return TestClient(app, "http://localhost", follow_redirects=False)


@pytest.mark.parametrize("lang", ["zh", "en"])
@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("fresh", [False, True])
def test_pages_hold_nothing_foreign(client: TestClient, service: FakeService, path: str, lang: str,
                                    fresh: bool) -> None:
    service.counted = service.learned = not fresh
    response = client.get(path, params={"lang": lang}, headers=HTML) if "?" not in path else (
        client.get(f"{path}&lang={lang}", headers=HTML))
    assert response.status_code == 200
    outline = Outline()
    outline.feed(response.text)
    assert outline.bad == []
    for wrong in ("<b>kitchen", "Undefined", ">None<", ">dep_", ">dev_", ">mod_", ">pol_", "sec_"):
        assert wrong not in response.text, wrong


def test_every_word_is_there_in_both_languages() -> None:
    for key, pair in i18n.UI.items():
        if key.startswith(("dep_", "dev_", "mod_", "pol_", "sec_", "unit_")):
            assert all(pair), key


def test_departments_show_rank_and_parts(client: TestClient) -> None:
    text = client.get("/departments", headers=HTML).text
    for expected in ("市市场监管局", "8 / 9", "88.9 %", "11.1 %", "每个数由什么构成",
                     "100 % (2027)", "可计算的项目不足，不排名", "departments.csv?quarter=2026Q4"):
        assert expected in text, expected
    assert client.get("/departments?quarter=2026Q7", headers=HTML).status_code == 400
    assert client.get("/api/v1/departments?quarter=soon").json()["field"] == "quarter"
    assert client.get("/api/v1/departments?quarter=2026q3").json()["quarter"] == "2026Q3"


def test_what_was_not_counted_yet_is_explained(client: TestClient, service: FakeService) -> None:
    service.counted = service.learned = False
    assert "首次统计尚未完成" in client.get("/departments", headers=HTML).text
    assert "首次统计尚未完成" in client.get("/devices", headers=HTML).text
    models = client.get("/models", headers=HTML).text
    assert "尚未学到东西" in models and "180" in models
    assert client.get("/api/v1/departments").json()["as_of"] is None
    assert client.get("/api/v1/departments.csv").status_code == 503


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_the_csv_opens_in_excel_and_runs_nothing(client: TestClient, lang: str) -> None:
    response = client.get(f"/api/v1/departments.csv?quarter=2026Q3&lang={lang}")
    assert response.headers["content-type"].startswith("text/csv")
    assert "departments-2026Q3.csv" in response.headers["content-disposition"]
    assert response.content.startswith(b"\xef\xbb\xbf") and b"\r\n" in response.content
    rows = list(csv.reader(io.StringIO(response.content.decode("utf-8-sig"))))
    assert len({len(row) for row in rows}) == 1 and len(rows) == 4
    assert rows[1][:7] == ["2026Q3", "1", "市市场监管局", "89.5", "88.89", "8", "9"]
    assert rows[2][2] == "'" + fake.FORMULA
    assert rows[3][1] == rows[3][3] == ""
    assert rows[0][2] == ("部门" if lang == "zh" else "department")


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_districts_are_a_table_and_a_file(service: FakeService, lang: str) -> None:
    app = create_app(service, items=items(), districts=[
        {"code": "500106", "name": "沙坪坝区", "column": "0", "row": "0"}])
    client = TestClient(app, "http://localhost")
    text = client.get(f"/departments?lang={lang}", headers=HTML).text
    for expected in ("沙坪坝区", "33.3 %", "▲ +2.0", "▼ -1.3", "2026Q3", "districts.csv"):
        assert expected in text, expected
    assert "-0.0" not in text, "that is no fall"
    response = client.get(f"/api/v1/districts.csv?lang={lang}")
    assert "districts-2026-11-22.csv" in response.headers["content-disposition"]
    rows = list(csv.reader(io.StringIO(response.content.decode("utf-8-sig"))))
    assert rows[0][2] == ("区县" if lang == "zh" else "district")
    assert rows[1][1:9] == ["500106", "沙坪坝区", "1200", "33.33", "3", "9", "33.33", "2.0"]
    assert rows[2][1] == rows[2][2] == "'" + fake.FORMULA and rows[4][4] == rows[4][8] == ""


@pytest.mark.parametrize("path", ["/devices", DEVICE, "/subjects", f"/subjects/{SUBJECT}"])
def test_districts_go_by_their_names(service: FakeService, path: str) -> None:
    app = create_app(service, items=items(), districts=[
        {"code": "500106", "name": "沙坪坝区", "column": "0", "row": "0"}])
    text = TestClient(app, "http://localhost").get(path, headers=HTML).text
    assert "沙坪坝区" in text and ">500106<" not in text and "区划代码" not in text


def test_a_district_is_chosen_by_name_or_code(service: FakeService) -> None:
    app = create_app(service, items=items(), districts=[
        {"code": "500106", "name": "沙坪坝区", "column": "0", "row": "0"}])
    for path in ("/subjects", "/devices"):
        text = TestClient(app, "http://localhost").get(f"{path}?district=500106", headers=HTML).text
        assert '<option value="500106" selected>沙坪坝区</option>' in text
        text = TestClient(app, "http://localhost").get(f"{path}?district=9", headers=HTML).text
        assert "<option selected>9</option>" in text, "a filter that is on shows"


@pytest.mark.parametrize("cell", ["=1", "+1", "-1", "@a", "\t=1", "\r=1"])
def test_no_cell_is_a_formula(cell: str) -> None:
    assert safe(cell) == "'" + cell


def test_devices_are_filtered_and_paged(client: TestClient) -> None:
    text = client.get("/devices?state=over&district=500106", headers=HTML).text
    assert "监测超限" in text and "后厨温度" in text and "temperature_c" not in text
    assert "after=next%26one" in text and "district=500106" in text
    assert "没有符合条件的设备" in client.get("/devices?state=silent", headers=HTML).text
    assert client.get("/devices?state=odd", headers=HTML).status_code == 200
    assert client.get("/api/v1/devices?state=odd").status_code == 422
    assert client.get("/api/v1/devices?limit=0").status_code == 422


def test_a_device_shows_what_is_kept_and_says_what_is_not(client: TestClient) -> None:
    text = client.get(DEVICE, headers=HTML).text
    for expected in ("后厨温度", "超出限值", "维护或标定", "此类指标不保留数值", "GB 31654-2021",
                     "2026-11-22 11:05"):
        assert expected in text, expected
    option = json.loads(text.split('id="readings-1">')[1].split("</script>")[0])
    assert [s["yAxis"] for s in option["series"][0]["markLine"]["data"]] == [35.0]
    assert option["series"][0]["data"][0] == [fake.HOUR + 8 * 3_600_000, 24.0]
    assert 'id="readings-2"' not in text and 'id="readings-3"' in text
    gone = client.get(DEVICE.replace("cq1-17", "x") + "x", headers=HTML)
    assert gone.status_code == 404
    missing = client.get("/api/v1/devices/one?subject=a&item=b&device=c")
    assert missing.status_code == 404 and "device=c" in missing.json()["detail"]


def test_models_show_intervals_drift_and_groups(client: TestClient) -> None:
    text = client.get("/models", headers=HTML).text
    for expected in ("0.741", "0.715 … 0.767", "模型正在漂移", "2025-01-12", "逻辑回归",
                     "<b>-0.3</b>", "12.5 %", "w000001", "微型"):
        assert expected in text, expected


def chart(text: str, id: str) -> dict[str, Any]:
    """The option of a chart of a page."""
    found = text.partition(f'id="{id}">')[2].partition("</script>")[0]
    option: dict[str, Any] = json.loads(found)
    return option


@pytest.mark.parametrize("count", [1, 100])
def test_models_show_how_forecasts_stood_week_by_week(
        client: TestClient, monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    names = ("bounded scorecard", "expert card", "last grade", "decayed count")
    history = fake.weeks(names, 100)[-count:]
    monkeypatch.setitem(fake.LEARNER, "history", history)
    text = client.get("/models?lang=en", headers=HTML).text
    option = chart(text, "weeks")
    assert [len(line["data"]) for line in option["series"]] == 8 * [count]
    first, last = option["series"][0], option["series"][-1]
    assert first["data"][-1] == [20095 * 86_400_000, history[-1]["auc"]["bounded scorecard"]]
    assert last["data"][-1][1] == history[-1]["ece"]["decayed count"]
    assert option["legend"]["selected"] == {"last grade": False, "decayed count": False}
    given = [row["weights"] for row in history if row["weights"]]
    assert [mark["name"] for mark in first["markLine"]["data"]] == given
    assert len(given) == (3 if count == 100 else 0)
    assert len(first["markArea"]["data"]) == sum(row["drifting"] for row in history)
    assert all(option["xAxis"][at]["min"] < option["xAxis"][at]["max"] for at in (0, 1))
    # The newest row first, for those who cannot see the chart.
    table = text.partition('data-chart="weeks"')[2].partition("</table>")[0]
    dates = [part.partition("<")[0] for part in table.split('<th scope="row">')[1:]]
    assert dates == [row["date"] for row in reversed(history)]
    assert len(chart(text, "shadow-weeks")["series"]) == 4


def test_an_auc_of_a_few_findings_is_not_drawn() -> None:
    history = fake.weeks(("bounded scorecard", "expert card"), 2)
    history[1]["adverse"] = centre_charts.ADVERSE_MIN - 1
    option = centre_charts.weeks(history, str)
    assert [y for line in option["series"][:2] for _, y in line["data"]] == [None] * 4
    assert None not in [y for line in option["series"][2:] for _, y in line["data"]]
    history[1]["adverse"] += 1
    assert centre_charts.weeks(history, str)["series"][0]["data"][1][1] is not None


def test_models_without_a_history_say_when_it_begins(
        client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(fake.LEARNER, "history", [])
    text = client.get("/models?lang=en", headers=HTML).text
    assert "the next Tuesday brings the first row" in text and 'id="weeks"' not in text


def test_every_key_of_the_policy_has_a_meaning_in_both_languages() -> None:
    document = json.loads(fake.DOCUMENT)
    keys = [key for name in (*policy_page.PLAIN, "rules") for key in flat(document[name], name)]
    notify = {k: v for k, v in document["notify"].items() if k != "receivers"}
    keys += [*flat(notify, "notify"), *policy_page.top(document)]
    assert len(keys) > 150
    for lang in ("zh", "en"):
        assert [k for k in keys if not policy_page.meaning(k, lang)] == []  # type: ignore[arg-type]
    assert policy_page.meaning("rules.iot.nowhere", "zh") == ""


@pytest.mark.parametrize(("key", "unit"), [
    ("bands.a", "points"), ("rules.score_plunge.fall_points", "points"),
    ("gap.answer_workdays", "working days"), ("rules.iot.horizon_h", "hours"),
    ("notify.remind.idle_min.red", "min"), ("notify.gather.wait_s.blue", "s"),
    ("publicity[a].months.minor", "months"), ("subjects.enterprise", "log-odds"),
    ("rules.regional_surge.count_min", ""), ("bands.direct_d", ""),
    ("rules.grade_drop.to_d", ""), ("penalty_classes.minor_fine_cny", "CNY"),
    ("rules.complaint_surge.false_share", ""), ("utc_offset_min", "min")])
def test_units(key: str, unit: str) -> None:
    assert policy_page.unit(key, "en") == unit


def test_the_policy_is_readable_and_can_be_kept(client: TestClient) -> None:
    text = client.get("/policy", headers=HTML).text
    for expected in (fake.HASH, "春、秋季校园及周边食品安全专项检查", "A 级最低分", "663",
                     "适当降低抽取比例", "GB 31605-2020", "现行"):
        assert expected in text, expected
    assert "这是以前的政策" in client.get(f"/policy?hash={fake.OLD}", headers=HTML).text
    kept = client.get(f"/api/v1/policies/{fake.HASH}.json")
    assert digest(encode(decode(kept.text))) == fake.HASH
    made = tomllib.loads(client.get(f"/api/v1/policies/{fake.HASH}.toml").text)
    whole = json.loads(fake.DOCUMENT)
    assert made["bands"] == whole["bands"] and len(made["items"]) == len(whole["items"])
    assert made["publicity"][0]["since"].isoformat() == whole["publicity"][0]["since"]
    for path in ("nowhere", f"{fake.HASH}.exe", "nowhere.toml"):
        assert client.get(f"/api/v1/policies/{path}").status_code == 404
    assert client.get("/policy?hash=nowhere", headers=HTML).status_code == 404


def test_two_policies_are_compared(client: TestClient) -> None:
    found = client.get(f"/api/v1/policies/diff?from={fake.OLD}&to={fake.HASH}").json()
    assert found["changes"] == [{"key": "bands.a", "from": 680.0, "to": 663.0}]
    text = client.get(DIFF, headers=HTML).text
    assert "bands.a" in text and "680" in text
    assert "没有不同" in client.get(f"/policy/diff?from={fake.OLD}&to={fake.OLD}",
                                headers=HTML).text
    assert client.get(f"/api/v1/policies/diff?from=x&to={fake.HASH}").status_code == 404


def test_the_description_has_examples(client: TestClient) -> None:
    paths = client.get("/api/openapi.json").json()["paths"]
    for path in ("/departments", "/departments.csv", "/devices", "/devices/one", "/models",
                 "/policies", "/policies/diff", "/policies/{name}"):
        content = paths[f"/api/v1{path}"]["get"]["responses"]["200"]["content"]
        assert any("example" in each for each in content.values()), path


def test_a_policy_is_read_in_words(client: TestClient) -> None:
    text = client.get("/policy?lang=zh", headers=HTML).text
    assert "橙色" in text and ">orange<" not in text and "1e+06" not in text
    assert "预警规则 · 设备监测" in text and "预警规则 · surge_dates" not in text
    assert "03-08 – 03-25" in text and "严重失信主体名单" in text
