"""Pictures of the README, from the demonstration itself.

    python -m bench.shots [--port 8650] [--settle 45]

Starts `xinfeng run --demo` on a store of its own, waits until its past is over and some of its
present has come, and writes docs/images/*.png: each page as a person sees it.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

IMAGES = Path(__file__).parents[1] / "docs" / "images"
BYTES_MAX = 300_000
PAGES = {
    "situation": ("/", 1600, 1000, "light"),
    "situation-wall": ("/?wall=1", 1600, 900, "dark"),
    "situation-phone": ("/", 390, 844, "light"),
}


def wait_for(url: str, days: int) -> None:
    """Until the city's clock moves no faster than `days` a second: its past is over."""
    before, deadline = "", time.monotonic() + 120
    while time.monotonic() < deadline:
        time.sleep(1)
        try:
            with urllib.request.urlopen(f"{url}/api/v1/summary", timeout=5) as answer:
                now = str(json.load(answer)["as_of"])[:10]
        except OSError:
            continue
        if before and (time.strptime(now, "%Y-%m-%d").tm_yday
                       - time.strptime(before, "%Y-%m-%d").tm_yday) in range(days + 1):
            return
        before = now
    raise SystemExit("the demonstration did not come to its present")


def shoot(page: Page, url: str, name: str, path: str) -> Path:
    page.goto(url + path)
    page.wait_for_selector("#link[data-state=live]")
    page.wait_for_timeout(1500)
    target = IMAGES / f"{name}.png"
    page.screenshot(path=target)
    assert target.stat().st_size < BYTES_MAX, f"{target.name} is too large for a repository"
    return target


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=8650)
    parser.add_argument("--settle", type=float, default=45.0, help="seconds of the present")
    a = parser.parse_args()
    url = f"http://127.0.0.1:{a.port}"
    IMAGES.mkdir(exist_ok=True)
    demo = subprocess.Popen([sys.executable, "-c", "from streams.cli import main; main()", "run",
                             "--demo", "--port", str(a.port)], stdout=subprocess.DEVNULL)
    try:
        wait_for(url, 2)
        time.sleep(a.settle)
        chromium = os.environ.get("CHROMIUM") or shutil.which("chromium")
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
            for name, (path, width, height, scheme) in PAGES.items():
                context = browser.new_context(
                    locale="zh-CN", viewport={"width": width, "height": height},
                    color_scheme="dark" if scheme == "dark" else "light")
                made = shoot(context.new_page(), url, name, path)
                print(f"{made.name}: {made.stat().st_size / 1000:.0f} kB")
                context.close()
            browser.close()
    finally:
        demo.terminate()
        demo.wait(30)


if __name__ == "__main__":
    main()
