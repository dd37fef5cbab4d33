"""Goal: whoever plans inspections counts the pool, draws, opens the draw, takes the list away and
lets go of the rest, by keyboard too and without script; the pages are quiet, fit and are readable.
Method: the application over a service in memory that draws by the real rule, system chromium."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from looks import LOOKS, WAIT_MS, Looks, axe, watched, wrong
from playwright.sync_api import Browser, Page, expect
from test_console import Running

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def running() -> Iterator[Running]:
    running = Running()
    yield running
    running.stop()


@pytest.fixture(scope="module")
def paths(running: Running) -> dict[str, str]:
    """Pages with something of everything on them."""
    service = running.service
    made = service.order_draw("cq1-17", 130, "长种子 " + "0123456789abcdef" * 12, "王科长",
                              district="500106", note="秋季开学前检查")
    for n, state in enumerate(("pass", "fixed", "fail", "obstructed", "untraceable", "released")):
        service.inspect(made["id"], made["picked"][n]["subject"], state)
    pool = service.order_draw("cq1-17", 0, "-", "王科长")
    return {"draws": "/draws", "draws-pool": f"/draws?pool={pool['id']}",
            "draw": f"/draws/{made['id']}?done=draw"}


@pytest.mark.parametrize("looks", LOOKS)
def test_pages_are_quiet_fit_and_are_accessible(browser: Browser, running: Running,
                                                paths: dict[str, str], looks: Looks) -> None:
    found = wrong(browser, running.url, paths, looks)
    assert not found, "\n".join(found)


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    with closing(browser.new_context(locale="zh-CN", accept_downloads=True)) as context:
        page = context.new_page()
        page.set_default_timeout(WAIT_MS)
        yield page


def test_a_draw_from_the_pool_to_the_file(page: Page, running: Running, tmp_path: Path) -> None:
    complaints = watched(page)
    page.goto(f"{running.url}/")
    page.get_by_role("link", name="抽查", exact=True).click()
    page.get_by_label("监管事项").select_option("cq1-17")
    page.get_by_label("经办人").fill("李处")
    page.get_by_role("button", name="先看对象库").click()
    pool = page.locator("#pool")
    expect(pool).to_contain_text("可抽 220 户")
    expect(page.get_by_label("抽取数量")).to_have_value("17")
    # The seed is needed now: the browser asks for it, and nothing is sent.
    page.get_by_role("button", name="抽取", exact=True).click()
    expect(page.get_by_label("随机种子")).to_be_focused()
    page.keyboard.type("2026130")
    for key in ("Tab", "Tab", "Enter"):
        page.keyboard.press(key)
    page.wait_for_url("**?done=draw")
    expect(page.get_by_role("status").first).to_have_text("已抽取")
    expect(page.locator("#picked tbody tr")).to_have_count(17)
    with page.expect_download() as file:
        page.get_by_role("link", name="下载名单 CSV").click()
    file.value.save_as(tmp_path / "list.csv")
    with (tmp_path / "list.csv").open(encoding="utf-8-sig", newline="") as lines:
        rows = list(csv.DictReader(lines))
    assert [row["统一社会信用代码"] for row in rows] == page.locator(
        "#picked tbody code:not(td:nth-child(6) code)").all_inner_texts()
    assert {row["状态"] for row in rows} == {"待检查"}
    page.get_by_role("button", name="打印").wait_for()
    page.get_by_label("理由").fill("并入联合检查")
    page.get_by_role("button", name="放回").click()
    expect(page.get_by_role("status").first).to_contain_text("已放回")
    expect(page.locator("#picked .state").first).to_have_text("已放回")
    assert axe(page) == [] and complaints == []


def test_enter_in_the_form_draws_nothing_by_mistake(page: Page, running: Running) -> None:
    """The form's first button, which Enter presses, is the one that only counts."""
    before = len(running.service.draws(limit=500))
    page.goto(f"{running.url}/draws?lang=en")
    page.locator("select[name=item]").select_option("cq1-17")
    page.get_by_label("how many").fill("5")
    page.locator("input[name=seed]").fill("again")
    page.keyboard.press("Enter")
    expect(page.locator("#pool")).to_contain_text("220 may be drawn")
    expect(page.locator("input[name=seed]")).to_have_value("again")
    assert len(running.service.draws(limit=500)) == before
    # What is wrong is said above the form, which keeps what was typed.
    page.locator("input[name=actor]").fill("李处")
    page.locator("input[name=district]").fill("123456")
    page.get_by_role("button", name="Draw", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("There is no such district")
    expect(page.locator("input[name=seed]")).to_have_value("again")
    assert axe(page) == [] and len(running.service.draws(limit=500)) == before
    if shots := os.environ.get("XINFENG_SHOTS"):
        page.screenshot(path=Path(shots) / "draws-refused.png")


def test_the_pages_work_without_script(browser: Browser, running: Running,
                                       paths: dict[str, str]) -> None:
    with closing(browser.new_context(locale="zh-CN", java_script_enabled=False)) as context:
        page = context.new_page()
        page.set_default_timeout(WAIT_MS)
        page.goto(f"{running.url}{paths['draw']}")
        expect(page.locator("#picked tbody tr")).to_have_count(100)
        expect(page.locator("[data-print]")).to_be_hidden()
        page.get_by_role("link", name="下一页").click()
        expect(page.locator("#picked tbody tr")).to_have_count(30)
        page.get_by_role("link", name="全部列出").click()
        expect(page.locator("#picked tbody tr")).to_have_count(130)
        page.emulate_media(media="print")
        expect(page.locator(".top")).to_be_hidden()
        expect(page.get_by_role("button", name="放回")).to_be_hidden()
        expect(page.locator("#picked tbody tr").last).to_be_visible()
