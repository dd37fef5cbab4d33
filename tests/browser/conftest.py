"""The browser that all tests here share, a module at a time, and how long they wait for it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

import pytest
from looks import WAIT_MS
from playwright.sync_api import Browser, expect, sync_playwright

expect.set_options(timeout=WAIT_MS)
CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")


# No wider than a module: playwright's event loop would stand in the way of other tests'.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if not CHROMIUM:
        message = "no chromium: set CHROMIUM to its path, or install it"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    with sync_playwright() as playwright:
        # The tests' container runs as root, where chromium's own sandbox cannot.
        made = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"],
                                          timeout=2 * WAIT_MS)
        yield made
        made.close()
