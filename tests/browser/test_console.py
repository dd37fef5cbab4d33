"""Goal: in a real browser the console is quiet, fits, and is alive. Method: the application over a
service in memory, served by uvicorn in a thread; system chromium through playwright."""

from __future__ import annotations

import re
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
from looks import LOOKS, WAIT_MS, Looks, at_rest, axe, watched, wrong
from playwright.sync_api import Browser, Page, expect

from console.answering import Addressee
from console.app import create_app
from servers.process import free_port

pytestmark = pytest.mark.browser

ALERT = an_alert(2)["id"].replace("/", "%2F")
DEVICE = "/devices/one?" + urlencode({"subject": SUBJECT, "item": "cq1-17",
                                      "device": XSS_DEVICE})
PAGES = {
    "situation": "/",
    "wall": "/?wall=1",
    "subjects": "/subjects",
    "subject": f"/subjects/{SUBJECT}",
    "alert": f"/alerts/{ALERT}",
    "report": f"/subjects/{SUBJECT}/report?internal=1",
    "reviews": "/reviews",
    "reviews-column": "/reviews?column=overdue",
    "review": f"/reviews/review%2F{SUBJECT}%2F1",
    "departments": "/departments",
    "devices": "/devices",
    "device": DEVICE,
    "models": "/models",
    "policy": "/policy",
    "policy-diff": f"/policy/diff?from={OLD}&to={HASH}",
    "rejects": "/rejects",
    "login": "/login",
    "answer": "/a/one",
    "answer-review": "/a/review",
    "answer-many": "/a/many",
    "docs": "/api/docs",
}


def read(token: str) -> Addressee:
    """Every link is ours."""
    alerts = [f"grade-gap/{SUBJECT}/{n:04d}" for n in range(4)]
    review = f"review/{SUBJECT}/1"
    about = {"one": alerts[:1], "review": [review], "many": [*alerts, review]}[token]
    more = 2 if token == "many" else 0
    return Addressee("d-1", "市市场监管局", "市市场监管局", tuple(about), more, False)


class Running:
    """The console on a port that stays the same over a restart."""

    def __init__(self) -> None:
        self.service = FakeService()
        for number in range(8):
            level = ("orange", "red", "yellow", "blue")[number % 4]
            self.service.put(an_alert(number, level=level))
        self.service.submit([b'{"id": "<script>alert(1)</script>"}'], "http:10.0.0.1")
        self.port = free_port()
        self.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        self.app = create_app(self.service, items=items(), answers=read)
        config = uvicorn.Config(self.app, port=self.port, log_level="error")
        self.server = uvicorn.Server(config)
        self.thread = threading.Thread(target=self.server.run)
        self.thread.start()
        while not self.server.started:
            assert self.thread.is_alive()
            time.sleep(0.01)

    def stop(self) -> None:
        self.app.state.streams.close()
        self.server.should_exit = True
        self.thread.join(60)
        assert not self.thread.is_alive()


@pytest.fixture
def running() -> Iterator[Running]:
    running = Running()
    yield running
    running.stop()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(locale="zh-CN")
    page = context.new_page()
    page.set_default_timeout(WAIT_MS)
    yield page
    context.close()


@pytest.mark.parametrize("looks", LOOKS)
def test_every_page_is_quiet_fits_and_is_accessible(browser: Browser, running: Running,
                                                    looks: Looks) -> None:
    found = wrong(browser, running.url, PAGES, looks)
    assert not found, "\n".join(found)


def test_a_planted_barrier_is_found(page: Page, running: Running) -> None:
    page.goto(running.url)
    page.evaluate("document.querySelector('h1').style.color = '#ddd'")
    assert [line for line in axe(page) if line.startswith("color-contrast: h1")]


def test_alerts_arrive_live_once_and_as_text(page: Page, running: Running) -> None:
    complaints = watched(page)
    page.goto(f"{running.url}/")
    rows = page.locator("#alerts > li")
    expect(page.locator("#link")).to_have_attribute("data-state", "live")
    expect(rows).to_have_count(8)
    running.service.put(an_alert(30, level="red"))
    expect(rows).to_have_count(9)
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
    expect(page.locator("#link")).to_have_attribute("data-state", "live")
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


def test_closing_asks_for_the_reason_and_keeps_what_was_typed(page: Page,
                                                              running: Running) -> None:
    page.goto(f"{running.url}/alerts/{ALERT}")
    page.fill("input[name=actor]", "王敏")
    page.click("button[value=close]")
    expect(page.locator("textarea[name=note]:invalid")).to_be_focused()
    expect(page.locator("input[name=actor]")).to_have_value("王敏")
    page.fill("textarea[name=note]", "查实")
    page.click("button[value=close]")
    expect(page.locator(".state").first).to_have_text("已办结")
    page.goto(f"{running.url}/reviews/review%2F{SUBJECT}%2F1")
    page.select_option("select[name=decision]", "adjust")
    page.fill("textarea[name=reason]", "新证据")
    page.locator("main form button.primary").click()
    expect(page.locator("select[name=grade]:invalid")).to_be_focused()
    expect(page.locator("textarea[name=reason]")).to_have_value("新证据")


def test_a_cell_of_the_matrix_leads_to_the_reviews_between_two(page: Page,
                                                               running: Running) -> None:
    complaints = watched(page)
    page.set_viewport_size({"width": 1280, "height": 900})
    page.goto(f"{running.url}/reviews?lang=en")
    plot = page.locator("figure[data-chart=disagreement] .plot")
    plot.scroll_into_view_if_needed()
    at_rest(plot)
    box = plot.bounding_box()
    assert box is not None
    # Two departments: the right upper quarter of the grid is where they meet.
    width, height = box["width"] - 120, box["height"] - 140
    plot.click(position={"x": 108 + 0.75 * width, "y": 8 + 0.25 * height})
    expect(page.locator("select[name=a]")).to_have_value("市市场监管局")
    expect(page.locator("select[name=b]")).to_have_value("市生态环境局")
    assert complaints == []


def test_a_red_alert_is_seen_understood_and_acknowledged_by_keyboard(
        page: Page, running: Running) -> None:
    """The duty officer's way: five seconds, one click, two acts."""
    complaints = watched(page)
    page.goto(f"{running.url}/")
    expect(page.locator("#link")).to_have_attribute("data-state", "live")
    running.service.put(an_alert(40, level="red"))
    rows = page.locator("#alerts > li")
    expect(rows).to_have_count(9)
    expect(page.locator(".counter.l-red b")).to_have_text("3")
    # Nobody is on duty yet: asked for, nothing sent.
    page.keyboard.press("j")
    expect(rows.first).to_have_attribute("aria-current", "true")
    page.keyboard.press("a")
    expect(page.locator("#actor")).to_be_focused()
    assert running.service.last_seq() == 9
    page.keyboard.type("王敏")
    page.keyboard.press("Tab")
    page.keyboard.press("j")
    page.keyboard.press("k")
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_contain_text("部门间等级相差两级（40）")
    page.go_back()
    expect(page.locator("#actor")).to_have_value("王敏")
    page.keyboard.press("j")
    page.keyboard.press("a")
    expect(rows.first.locator("[data-slot=state]")).to_have_text("已签收")
    expect(rows.first.locator("[data-act]")).to_be_hidden()
    assert running.service.alert(an_alert(40)["id"])["state"] == "acknowledged"
    expect(page.locator("#said")).to_have_text("已签收")
    page.keyboard.press("?")
    expect(page.locator("#keys")).to_be_visible()
    assert axe(page) == []
    page.keyboard.press("Escape")
    expect(page.locator("#keys")).to_be_hidden()
    assert complaints == []


def test_the_first_key_leads_past_the_menu(page: Page, running: Running) -> None:
    page.goto(f"{running.url}/reviews")
    page.keyboard.press("Tab")
    expect(page.locator(".skip")).to_be_in_viewport()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("document.querySelector('main').contains(document.activeElement)")


def test_what_somebody_else_did_first_is_said(page: Page, running: Running) -> None:
    page.goto(f"{running.url}/")
    expect(page.locator("#link")).to_have_attribute("data-state", "live")
    page.fill("#actor", "王敏")
    first = page.locator("#alerts > li").first
    # The page does not know of this yet: its stream is held up.
    page.route("**/api/v1/alerts/*/acknowledge", lambda route: (
        running.service.put(an_alert(7, level="blue", state="closed", actor="李")),
        route.continue_()))
    first.locator("[data-act]").click()
    expect(page.locator("#said")).to_have_text("此前已有他人处理，您的操作未执行: 李")


def test_a_flood_is_shown_whole_and_the_chosen_row_stays(page: Page, running: Running) -> None:
    """1,000 transitions at once and cut connections between: the newest are there, each once."""
    complaints = watched(page)
    page.goto(f"{running.url}/")
    expect(page.locator("#link")).to_have_attribute("data-state", "live")
    page.keyboard.press("j")
    chosen = page.locator("#alerts > li[aria-current]")
    kept = chosen.get_attribute("data-id")
    for part in range(4):
        for number in range(250):
            at = part * 250 + number
            running.service.put(an_alert(
                1000 + at, opened_at=f"2026-11-21T09:{at // 60:02d}:{at % 60:02d}.000Z"))
        if part == 1:
            running.app.state.streams.close()
            expect(page.locator("#link")).to_have_attribute("data-state", "lost")
            running.app.state.streams.closing = False
    expect(page.locator("#link")).to_have_attribute("data-state", "live")
    rows = page.locator("#alerts > li")
    expect(rows.first).to_have_attribute("data-id", an_alert(1999)["id"])
    ids = rows.evaluate_all("(all) => all.map((each) => each.dataset.id)")
    newest = [an_alert(1999 - n)["id"] for n in range(60)]
    assert ids[:59] == newest[:59] and len(set(ids)) == len(ids) == 60
    assert ids[-1] == kept and chosen.get_attribute("data-id") == kept
    assert not [line for line in complaints if "net::" not in line]


def test_the_panels_renew_themselves(page: Page, running: Running) -> None:
    page.clock.install()
    page.goto(f"{running.url}/")
    expect(page.locator("#panel-map .tile")).to_have_count(7)
    expect(page.locator("#panel-trend canvas")).to_have_count(2)
    was = running.service.situation()
    running.service.situation = lambda: was | {  # type: ignore[method-assign]
        "districts": was["districts"][:3], "trend": was["trend"] | {"days": ["2026-12-01"] * 30}}
    page.clock.run_for(11_000)
    expect(page.locator("#panel-map .tile")).to_have_count(3)
    assert "12-01" in page.locator("#trend-alerts").text_content()  # type: ignore[operator]
    page.click("#panel-map summary")
    expect(page.locator("#panel-map tbody tr")).to_have_count(3)
    page.locator("#panel-map .tile").first.click()
    expect(page).to_have_url(re.compile(r"/subjects\?district=500101"))
