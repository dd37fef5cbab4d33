"""What every page must be: readable to everybody, within its window, quiet."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, Literal

from playwright.sync_api import Browser, Locator, Page, expect

AXE = (Path(__file__).parent / "vendor" / "axe.min.js").read_text(encoding="utf-8")
WAIT_MS = 60_000
"""For what takes a moment on a machine that is not busy."""
SERIOUS = ("serious", "critical")
Looks = tuple[Literal["light", "dark"], Literal["zh", "en"], tuple[int, ...]]
LOOKS: tuple[Looks, ...] = (("light", "zh", (390, 3840, 1280)), ("dark", "en", (1280, 390)))
"""Theme and language, each of both once, on a telephone, a wall, a desk; on the last of each axe
looks too. What fits a desk in English fits a wall."""


def axe(page: Page) -> list[str]:
    """Serious and critical violations of WCAG that axe-core [^1] finds on a page as it stands, one
    line each: rule, place, why.

    [^1]: https://github.com/dequelabs/axe-core
    """
    # The page's own policy forbids scripts in it; the debugger's door is not the page.
    page.evaluate(AXE)
    found: dict[str, Any] = page.evaluate(
        "axe.run(document, {resultTypes: ['violations'], runOnly: ['wcag2a', 'wcag2aa', 'wcag21a',"
        " 'wcag21aa', 'wcag22aa']})")
    return [f"{rule['id']}: {' '.join(map(str, node['target']))}: "
            f"{node['failureSummary'].splitlines()[-1].strip()}"
            for rule in found["violations"] if rule["impact"] in SERIOUS
            for node in rule["nodes"]]


def too_wide(page: Page) -> int:
    """How far a page reaches beyond its window [px]; <= 0 = it does not."""
    return int(page.evaluate("document.documentElement.scrollWidth - innerWidth"))


def at_rest(plot: Locator) -> None:
    """Wait until a chart has drawn all it is going to: what it shows can then be clicked."""
    expect(plot.locator("canvas").first).to_be_visible()
    plot.page.wait_for_function(
        "(plot) => echarts.getInstanceByDom(plot).getZr().animation.isFinished()",
        arg=plot.element_handle())


def watched(page: Page) -> list[str]:
    """What the browser complains about, as it comes."""
    complaints = list[str]()
    page.on("console", lambda m: complaints.append(m.text) if m.type != "log" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("dialog", lambda dialog: (complaints.append("dialog"), dialog.dismiss()))
    return complaints


def wrong(browser: Browser, url: str, pages: Mapping[str, str], looks: Looks) -> list[str]:
    """What is wrong with pages by name, with everything unfolded: wider than the window at one of
    the widths, a serious finding of axe-core, a complaint of the browser, a call elsewhere.

    Pictures land in the directory named by XINFENG_SHOTS, where that is set.
    """
    scheme, lang, widths = looks
    out, shots = list[str](), os.environ.get("XINFENG_SHOTS")
    with closing(browser.new_context(locale="zh-CN", color_scheme=scheme)) as context:
        page = context.new_page()
        page.set_default_timeout(WAIT_MS)
        complaints = watched(page)
        page.on("request", lambda request: complaints.append(request.url)
                if not request.url.startswith((url, "data:")) else None)
        for name, path in pages.items():
            page.set_viewport_size({"width": widths[0], "height": 900})
            page.goto(f"{url}{path}{'&' if '?' in path else '?'}lang={lang}")
            page.evaluate("document.querySelectorAll('details').forEach((x) => x.open = true)")
            for width in widths:
                page.set_viewport_size({"width": width, "height": 900})
                # Charts follow the window in the frames after it.
                page.evaluate("new Promise((r) => requestAnimationFrame(() => "
                              "requestAnimationFrame(r)))")
                if (over := too_wide(page)) > 0:
                    out.append(f"{name}: {over} px too wide at {width}")
                if shots:
                    page.screenshot(path=Path(shots) / f"{name}-{width}-{scheme}.png",
                                    full_page=True)
            out += [f"{name}: {line}" for line in (*axe(page), *complaints)]
            complaints.clear()
    return out
