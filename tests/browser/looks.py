"""What every page must be: readable to everybody, within its window, quiet."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from playwright.sync_api import Page

AXE = (Path(__file__).parent / "vendor" / "axe.min.js").read_text(encoding="utf-8")
SERIOUS = ("serious", "critical")


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


def watched(page: Page) -> list[str]:
    """What the browser complains about, as it comes."""
    complaints = list[str]()
    page.on("console", lambda m: complaints.append(m.text) if m.type != "log" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("dialog", lambda dialog: (complaints.append("dialog"), dialog.dismiss()))
    return complaints
