"""Goal: the pages of a subject, its report and its alerts are of use in a real browser: from an
alert to why and to an answer, from a score to the fact that moved it, to the report, to a past day;
quiet, and no wider than the screen.

Method: the real embedded service over the restaurant of the README, served by uvicorn in a thread;
system chromium through playwright.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import uvicorn
from looks import LOOKS, WAIT_MS, Looks, at_rest, axe, wrong
from playwright.sync_api import Browser, Page, expect

from config import load
from console.app import create_app
from dispatch.ledger import Ledger
from streams import deliveries
from streams.batch import process
from streams.embedded import Embedded
from streams.service import EmbeddedService

pytestmark = pytest.mark.browser

ROOT = Path(__file__).parents[2]
SUBJECT = "91500106MA60AB125D"
NOW_MS = 1_756_782_000_000
"""2025-09-02, a day after the last event."""


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedService]:
    runner = Embedded(tmp_path_factory.mktemp("store"), load.policy())
    process(runner, [str(ROOT / "docs" / "example" / "restaurant.ndjson")])
    made = EmbeddedService(runner, lambda: NOW_MS)
    told = deliveries.of(Ledger(None))
    made.with_deliveries(lambda: (told, "here"))
    yield made
    made.close()


@pytest.fixture(scope="module")
def url(service: EmbeddedService) -> Iterator[str]:
    app = create_app(service, items={row["id"]: row for row in load.items(None)})
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.01)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    app.state.streams.close()
    server.should_exit = True
    thread.join(60)


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(locale="zh-CN", viewport={"width": 1280, "height": 900})
    made = context.new_page()
    made.set_default_timeout(WAIT_MS)
    complaints = list[str]()
    made.on("console", lambda m: complaints.append(m.text) if m.type != "log" else None)
    made.on("pageerror", lambda error: complaints.append(str(error)))
    yield made
    context.close()
    # A refused act is answered by 409, and chromium says so itself.
    assert [c for c in complaints if "409" not in c] == []


def alert_of(service: EmbeddedService, rule: str) -> str:
    return str(service.alerts(rule=rule)[0]["id"])


@pytest.mark.parametrize("looks", LOOKS)
def test_pages_are_quiet_fit_and_are_accessible(browser: Browser, service: EmbeddedService,
                                                url: str, looks: Looks) -> None:
    review = service.reviews()[0]["id"]
    found = wrong(browser, url, {
        "subject-real": f"/subjects/{SUBJECT}",
        "subject-past": f"/subjects/{SUBJECT}?as_of=2025-07-01",
        "report-real": f"/subjects/{SUBJECT}/report?internal=1",
        "alert-real": f"/alerts/{alert_of(service, 'grade-gap')}",
        "review-real": f"/reviews/{review}",
    }, looks)
    assert not found, "\n".join(found)


def test_from_an_alert_to_why_to_an_answer(page: Page, service: EmbeddedService, url: str) -> None:
    alert = alert_of(service, "grade-gap")
    page.goto(f"{url}/alerts/{alert}")
    why = page.locator("section", has=page.get_by_role("heading", name="触发时的分值构成"))
    expect(why).to_contain_text("516.0")
    expect(why).to_contain_text("−81.6")
    expect(why.locator(".badge", has_text="依据").first).to_be_visible()
    # Somebody else looks at the same state, and is slower.
    other = page.context.new_page()
    other.goto(f"{url}/alerts/{alert}")
    page.get_by_label("经办人").fill("王科长")
    page.get_by_label("说明").fill("已联系企业")
    page.get_by_role("button", name="签收").click()
    expect(page.get_by_role("status")).to_contain_text("签收")
    steps = page.locator(".steps-list").first
    expect(steps.locator("li")).to_have_count(2)
    expect(steps).to_contain_text("王科长")
    expect(steps).to_contain_text("已联系企业")
    other.get_by_label("经办人").fill("李科员")
    other.get_by_role("button", name="签收").click()
    expect(other.get_by_role("alert")).to_contain_text("此前已有他人处理，您的操作未执行: 王科长")
    other.close()
    page.get_by_label("说明").fill("请市场监管局核查")
    page.get_by_role("button", name="指派").click()
    expect(page.locator(".steps-list").first).to_contain_text("请市场监管局核查")
    page.get_by_label("说明").fill("等级已调整")
    page.get_by_role("button", name="办结").click()
    expect(page.locator(".steps-list").first).to_contain_text("已办结")
    assert (service.alert(alert) or {})["state"] == "closed"
    page.locator(".facts a").first.click()
    expect(page).to_have_url(f"{url}/subjects/{SUBJECT}" + page.url.partition(SUBJECT)[2])


def test_a_form_that_is_refused_leads_back(page: Page, service: EmbeddedService, url: str) -> None:
    """Sent, gone back to, and sent with other words under the same key: told, and led back."""
    alert = next(a["id"] for a in service.alerts(state="firing") if a["rule"] != "grade-gap")
    for lang, said, way in (("zh", "您的操作未执行", "返回该预警"),
                            ("en", "nothing was done", "Back to the alert")):
        page.goto(f"{url}/alerts/{alert}?lang={lang}")
        form = page.locator("form.act").first
        key = form.locator("[name=key]").get_attribute("value")
        for note in ("一", "二"):
            page.goto(f"{url}/alerts/{alert}")
            form.locator("[name=key]").evaluate("(input, key) => input.value = key", key)
            form.locator("[name=actor]").fill("王科长")
            form.locator("[name=note]").fill(note)
            form.locator("button[value=assign]").click()
        expect(page.locator("main")).to_contain_text(said)
        assert axe(page) == []
        page.get_by_role("link", name=way).click()
        expect(page).to_have_url(re.compile(rf"/alerts/{alert}\??$"))
        expect(page.locator(".steps-list").first).to_contain_text("一")


def test_from_a_score_to_the_fact_that_moved_it(page: Page, url: str) -> None:
    page.goto(f"{url}/subjects/{SUBJECT}")
    figure = page.locator("figure[data-chart=course]")
    figure.locator("summary").scroll_into_view_if_needed()
    at_rest(figure.locator(".plot"))
    # Where the chart says that the mark of the fine stands, a click leads to it.
    spot = page.evaluate("""() => {
        const plot = document.querySelector("figure[data-chart=course] .plot");
        const chart = echarts.getInstanceByDom(plot), box = plot.getBoundingClientRect();
        const data = chart.getOption().series[2].data;
        const mark = data.find((each) => each.name.includes("2025-06-20"));
        const [x, y] = chart.convertToPixel({seriesIndex: 2}, mark.value);
        return {x: box.left + x, y: box.top + y, href: mark.href};
    }""")
    page.mouse.click(spot["x"], spot["y"])
    page.wait_for_url(f"**{spot['href']}")
    expect(page.locator("li:target")).to_contain_text("PEN-2025-118")
    page.locator("figure summary").click()
    expect(page.locator("figure tbody tr").first).to_be_visible()


def test_from_a_subject_to_its_report(page: Page, service: EmbeddedService, url: str) -> None:
    page.goto(f"{url}/subjects/{SUBJECT}")
    page.get_by_role("link", name="信用报告").click()
    expect(page.locator("h1")).to_have_text("重庆示例餐饮有限公司")
    expect(page.locator(".sheet")).not_to_contain_text("12345-2025-0601")
    number = (service.report(SUBJECT) or {})["number"]
    expect(page.locator("dl.meta")).to_contain_text(number)
    page.goto(page.url + f"&check={number}")
    expect(page.get_by_role("status")).to_contain_text("核对一致")
    page.goto(page.url.replace(number, "20250101-000000000000"))
    expect(page.get_by_role("status")).to_contain_text("不一致")
    page.get_by_role("link", name="内部版").click()
    expect(page.locator(".sheet")).to_contain_text("12345-2025-0601")
    link = page.get_by_role("link", name="下载 PDF").get_attribute("href")
    first, again = (page.request.get(url + str(link)) for _ in range(2))
    assert first.headers["content-type"] == "application/pdf" and first.body()[:5] == b"%PDF-"
    assert first.body() == again.body()
    page.emulate_media(media="print")
    expect(page.locator(".tools")).to_be_hidden()
    page.get_by_role("link", name="English", include_hidden=True).evaluate("(a) => a.click()")
    expect(page.locator("h2").first).to_have_text("Identity")


def test_a_past_day(page: Page, url: str) -> None:
    page.goto(f"{url}/subjects/{SUBJECT}")
    expect(page.locator(".identity .grade")).to_have_text("C")
    page.get_by_label("查看历史日期").fill("2025-06-30")
    page.get_by_role("button", name="查看").click()
    expect(page.locator(".banner").first).to_contain_text("2025-06-30")
    expect(page.locator(".identity .grade")).to_have_text("B")
    expect(page.locator("#facts")).not_to_contain_text("PEN-2025-204")
    expect(page.locator("#facts")).to_contain_text("PEN-2025-118")
    page.get_by_role("link", name="信用报告").click()
    expect(page.locator("dl.meta")).to_contain_text("2025-06-30 23:59:59")
    expect(page.locator(".sheet")).not_to_contain_text("PEN-2025-204")
