"""Goal: in a real browser the console is quiet, fits, and is alive. Method: the application over a
service in memory, served by uvicorn in a thread; system chromium through playwright. The pictures
of every page land in the directory named by XINFENG_SHOTS, where that is set."""

from __future__ import annotations

import os
import shutil
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

import pytest
import uvicorn

sys.path.insert(0, str(Path(__file__).parents[1] / "unit"))

from centre_fake import HASH, OLD, XSS_DEVICE
from console_fake import SUBJECT, XSS, FakeService, an_alert, items
from playwright.sync_api import Browser, Page, expect, sync_playwright

from console.app import create_app

pytestmark = pytest.mark.browser

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
ALERT = an_alert(2)["id"].replace("/", "%2F")
DEVICE = "/devices/one?" + urlencode({"subject": SUBJECT, "item": "cq1-17",
                                      "device": XSS_DEVICE})
PAGES = {
    "situation": "/",
    "subjects": "/subjects",
    "subject": f"/subjects/{SUBJECT}",
    "alert": f"/alerts/{ALERT}",
    "reviews": "/reviews",
    "review": f"/reviews/review%2F{SUBJECT}%2F1",
    "departments": "/departments",
    "devices": "/devices",
    "device": DEVICE,
    "models": "/models",
    "policy": "/policy",
    "policy-diff": f"/policy/diff?from={OLD}&to={HASH}",
    "rejects": "/rejects",
    "docs": "/api/docs",
}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if not CHROMIUM:
        message = "no chromium: set CHROMIUM to its path, or install it"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    with sync_playwright() as playwright:
        # The tests' container runs as root, where chromium's own sandbox cannot.
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


class Running:
    """The console on a port that stays the same over a restart."""

    def __init__(self) -> None:
        self.service = FakeService()
        for number in range(8):
            level = ("orange", "red", "yellow", "blue")[number % 4]
            self.service.put(an_alert(number, level=level))
        self.service.submit([b'{"id": "<script>alert(1)</script>"}'], "http:10.0.0.1")
        self.port = 0
        self.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        self.app = create_app(self.service, items=items())
        config = uvicorn.Config(self.app, port=self.port, log_level="error")
        self.server = uvicorn.Server(config)
        self.thread = threading.Thread(target=self.server.run)
        self.thread.start()
        deadline = time.monotonic() + 10
        while not self.server.started and time.monotonic() < deadline:
            time.sleep(0.01)
        self.port = self.server.servers[0].sockets[0].getsockname()[1]

    def stop(self) -> None:
        self.app.state.streams.close()
        self.server.should_exit = True
        self.thread.join(10)


@pytest.fixture
def running() -> Iterator[Running]:
    running = Running()
    yield running
    running.stop()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(locale="zh-CN")
    page = context.new_page()
    page.set_default_timeout(10_000)
    yield page
    context.close()


def watched(page: Page) -> list[str]:
    """What the browser complains about, as it comes."""
    complaints = list[str]()
    page.on("console", lambda m: complaints.append(m.text) if m.type != "log" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("dialog", lambda dialog: (complaints.append("dialog"), dialog.dismiss()))
    return complaints


@pytest.mark.parametrize("lang", ["zh", "en"])
@pytest.mark.parametrize("width", [390, 1280, 1920])
def test_every_page_is_quiet_and_fits(page: Page, running: Running, width: int, lang: str) -> None:
    complaints = watched(page)
    hosts = set[str]()
    page.on("request", lambda request: hosts.add(request.url.split("/")[2]))
    page.set_viewport_size({"width": width, "height": 900})
    shots = os.environ.get("XINFENG_SHOTS")
    for name, path in PAGES.items():
        page.goto(f"{running.url}{path}{'&' if '?' in path else '?'}lang={lang}")
        page.evaluate("document.querySelectorAll('details').forEach((each) => each.open = true)")
        over = page.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert over <= 0, f"{name} is {over} px too wide at {width}"
        if shots:
            page.screenshot(path=Path(shots) / f"{name}-{width}-{lang}.png", full_page=True)
    assert complaints == []
    assert hosts == {f"127.0.0.1:{running.port}"}


def test_alerts_arrive_live_once_and_as_text(page: Page, running: Running) -> None:
    complaints = watched(page)
    page.goto(f"{running.url}/")
    rows = page.locator("#alerts > li")
    expect(page.locator("#link")).to_have_attribute("data-state", "live")
    expect(rows).to_have_count(8)
    running.service.put(an_alert(30, level="red"))
    expect(rows).to_have_count(9, timeout=2_000)
    first = rows.first
    expect(first.locator("[data-slot=title]")).to_have_text("部门间等级相差两级（30）")
    expect(first.locator("[data-slot=name]")).to_have_text(XSS)
    expect(first.locator("[data-slot=departments]")).to_contain_text("市生态环境局")
    expect(first.locator("[data-slot=evidence] li")).to_have_count(2)
    expect(page.locator("[data-sum='alerts_open.red']")).to_have_text("3")
    running.service.put(an_alert(30, level="red", state="acknowledged"))
    expect(first.locator("[data-slot=state]")).to_have_text("已签收")
    expect(rows).to_have_count(9)
    assert complaints == []
    first.locator("[data-slot=name]").click()
    expect(page.locator("h1")).to_have_text(XSS)


def test_a_restart_loses_and_doubles_nothing(page: Page, running: Running) -> None:
    page.goto(f"{running.url}/")
    expect(page.locator("#link")).to_have_attribute("data-state", "live")
    running.service.put(an_alert(20))
    rows = page.locator("#alerts > li")
    expect(rows).to_have_count(9)
    running.stop()
    expect(page.locator("#link")).to_have_attribute("data-state", "lost")
    for number in (20, 21, 22):
        running.service.put(an_alert(number))
    running.start()
    expect(page.locator("#link")).to_have_attribute("data-state", "live", timeout=20_000)
    expect(rows).to_have_count(11)
    ids = rows.evaluate_all("(all) => all.map((each) => each.dataset.id)")
    assert len(set(ids)) == 11
    assert ids == sorted(ids, reverse=True)


def test_a_filter_holds_for_what_arrives(page: Page, running: Running) -> None:
    page.goto(f"{running.url}/")
    page.select_option("select[name=level]", "red")
    page.wait_for_url("**/?level=red*")
    rows = page.locator("#alerts > li")
    expect(rows).to_have_count(2)
    expect(page.locator("#link")).to_have_attribute("data-state", "live")
    running.service.put(an_alert(31, level="blue"))
    running.service.put(an_alert(32, level="red"))
    expect(rows).to_have_count(3)
    expect(rows.first).to_have_class("alert l-red new")


def test_an_alert_is_acknowledged_by_hand(page: Page, running: Running) -> None:
    complaints = watched(page)
    page.goto(f"{running.url}/alerts/{ALERT}")
    page.fill("input[name=actor]", "王敏")
    page.fill("textarea[name=note]", "已联系")
    page.click("button[value=acknowledge]")
    expect(page.locator(".banner")).to_contain_text("签收")
    expect(page.locator(".state")).to_have_text("已签收")
    assert complaints == []


def test_a_cell_of_the_matrix_leads_to_the_reviews_between_two(page: Page,
                                                               running: Running) -> None:
    complaints = watched(page)
    page.set_viewport_size({"width": 1280, "height": 900})
    page.goto(f"{running.url}/reviews?lang=en")
    plot = page.locator("figure[data-chart=disagreement] .plot")
    expect(plot.locator("canvas").first).to_be_visible()
    plot.scroll_into_view_if_needed()
    box = plot.bounding_box()
    assert box is not None
    # Two departments: the right upper quarter of the grid is where they meet.
    width, height = box["width"] - 120, box["height"] - 140
    plot.click(position={"x": 108 + 0.75 * width, "y": 8 + 0.25 * height})
    expect(page.locator("select[name=a]")).to_have_value("市市场监管局")
    expect(page.locator("select[name=b]")).to_have_value("市生态环境局")
    assert complaints == []
