"""A real browser, which lives as long as the tests of this folder, before a real server for each of them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from tests.browser import axe
from tests.browser.serving import Site
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

# Under ASGI Django leaves files that it has sent to be closed by Python; that happens in the middle of some test.
UNCLOSED = [
    "ignore:unclosed file:ResourceWarning",
    "ignore:Exception ignored in:pytest.PytestUnraisableExceptionWarning",
    "ignore:StreamingHttpResponse must consume synchronous iterators:Warning",
]

# Playwright's loop makes this thread look asynchronous to Django, whose calls here are not.
os.environ.setdefault("DJANGO_ALLOW_ASYNC_UNSAFE", "true")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What the server's threads leave behind is no failure of the test that runs then."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            for text in UNCLOSED:
                item.add_marker(pytest.mark.filterwarnings(text))


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
def site(transactional_db: None, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """The server: pages, sockets and all. `stop` and `start` it to lose it and have it back."""
    settings.ALLOWED_HOSTS = ["127.0.0.1"]
    monkeypatch.setitem(connection.settings_dict, "CONN_MAX_AGE", 0)  # its threads end before their connections would
    served = Site()
    served.start()
    yield served
    served.stop()


@pytest.fixture
def context(browser: Browser, site: Site) -> Iterator[BrowserContext]:
    """A visitor without cookies."""
    fresh = browser.new_context(base_url=site.url, viewport={"width": WIDTHS["wide"], "height": 900})
    fresh.set_default_timeout(10_000)
    yield fresh
    fresh.close()


@pytest.fixture
def wrong() -> list[str]:
    """What went wrong in the tab. A test that takes its server away clears it of what Chromium says of that."""
    return []


@pytest.fixture
def page(context: BrowserContext, wrong: list[str]) -> Iterator[Page]:
    """A tab in which nothing may go wrong unseen: what a script throws or the console complains of fails the test."""
    tab = context.new_page()
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
def accessible(page: Page) -> Callable[[], None]:
    """Sees that the page as it is keeps nobody out: axe finds nothing serious or critical. What it found is listed."""

    def look() -> None:
        found = axe.violations(page)
        assert not found, f"{page.url} keeps people out:\n\n{axe.told(found)}"

    return look


@pytest.fixture
def photograph(page: Page, screenshots: Path, accessible: Callable[[], None]) -> Callable[[str], None]:
    """Takes the page as it is, by day and by night, wide and on a phone; sees that it fits and keeps nobody out."""

    def take(name: str) -> None:
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
            if name.startswith("admin"):
                page.reload()  # its theme asks once
            for label, width in WIDTHS.items():
                page.set_viewport_size({"width": width, "height": 900})
                # Hiding the caret would take a style that our policy forbids.
                page.screenshot(path=screenshots / f"{name}-{scheme}-{label}.png", full_page=True, caret="initial")
                assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{name} is too wide"
                if scheme == "light" or label == "wide":
                    accessible()
        page.emulate_media(color_scheme="light")
        page.set_viewport_size({"width": WIDTHS["wide"], "height": 900})

    return take
