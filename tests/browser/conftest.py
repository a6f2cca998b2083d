"""A real browser before a real server; both live as long as the tests of this folder."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from tests.factories.people import PASSWORD

CHROMIUM = Path(os.environ.get("THUNDERLINE_CHROMIUM", "/usr/bin/chromium"))
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
WIDTHS = {"wide": 1320, "phone": 390}

# Playwright's loop makes this thread look asynchronous to Django, whose calls here are not.
os.environ.setdefault("DJANGO_ALLOW_ASYNC_UNSAFE", "true")


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One Chromium for all tests."""
    if not CHROMIUM.exists():
        pytest.skip(f"there is no {CHROMIUM}: install chromium, or name it in THUNDERLINE_CHROMIUM")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture
def context(browser: Browser, live_server: Any) -> Iterator[BrowserContext]:
    """A visitor without cookies."""
    fresh = browser.new_context(base_url=live_server.url, viewport={"width": WIDTHS["wide"], "height": 900})
    fresh.set_default_timeout(10_000)
    yield fresh
    fresh.close()


@pytest.fixture
def page(context: BrowserContext) -> Iterator[Page]:
    """A tab in which nothing may go wrong unseen: what a script throws or the console complains of fails the test."""
    tab = context.new_page()
    wrong: list[str] = []
    tab.on("pageerror", lambda error: wrong.append(str(error)))
    tab.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
    yield tab
    tab.goto("about:blank")  # polls end before the server does
    assert wrong == []


@pytest.fixture
def sign_in(page: Page) -> Callable[[str], None]:
    """Signs somebody in by the form."""

    def sign(name: str) -> None:
        page.goto("/login/")
        page.get_by_label("Username").fill(name)
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_role("button", name="Sign out")).to_be_visible()

    return sign


@pytest.fixture(scope="session")
def screenshots() -> Path:
    """Where pictures go: the folder that THUNDERLINE_SCREENSHOTS names, or ./screenshots."""
    folder = Path(os.environ.get("THUNDERLINE_SCREENSHOTS", "screenshots"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture
def photograph(page: Page, screenshots: Path) -> Callable[[str], None]:
    """Takes the page as it is, by day and by night, on a wide screen and on a phone, and sees that it fits."""

    def take(name: str) -> None:
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
            if name.startswith("admin"):
                page.reload()  # its theme asks once
            for label, width in WIDTHS.items():
                page.set_viewport_size({"width": width, "height": 900})
                page.screenshot(path=screenshots / f"{name}-{scheme}-{label}.png", full_page=True)
                assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{name} is too wide"
        page.emulate_media(color_scheme="light")
        page.set_viewport_size({"width": WIDTHS["wide"], "height": 900})

    return take
