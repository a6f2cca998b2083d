"""Stories of who watches and steers the whole system, started as people start it, with its own workers and clock."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import WIDTHS
from tests.factories.people import PASSWORD
from tests.installation import Installation, eventually, installed

LIVE = "() => live.state === 'live'"
PATIENCE_MS = 60_000


@pytest.fixture(scope="module")
def running(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """`manage.py up` with the demo world and an operator called ada."""
    with installed(tmp_path_factory.mktemp("running") / "var") as made:
        made.served |= {"THUNDERLINE_DEMO": "true", "THUNDERLINE_PLUGINS": "tests.browser.brittle"}
        made.start()
        eventually(made.answers)
        code = (
            "from django.contrib.auth import get_user_model as m;"
            f"m().objects.create_superuser('ada', 'ada@example.test', {PASSWORD!r})"
        )
        told = made.manage("shell", "-v0", "-c", code)
        assert told.returncode == 0, told.stderr
        yield made
        made.end()


@pytest.fixture
def page(running: Installation, browser: Browser) -> Iterator[Page]:
    """A tab of ada's, signed in."""
    context = browser.new_context(
        base_url=f"http://127.0.0.1:{running.port}", viewport={"width": WIDTHS["wide"], "height": 900}
    )
    context.set_default_timeout(PATIENCE_MS)
    expect.set_options(timeout=PATIENCE_MS)
    tab = context.new_page()
    tab.goto("/login/")
    tab.get_by_label("Username").fill("ada")
    tab.get_by_label("Password").fill(PASSWORD)
    tab.get_by_role("button", name="Sign in").click()
    expect(tab.get_by_role("button", name="Sign out")).to_be_visible()
    yield tab
    context.close()
    expect.set_options(timeout=5_000)


def first_zone(page: Page) -> None:
    """Open the page of some zone of the demo world."""
    page.goto("/")
    page.locator("a[href^='/zones/']").first.click()
    expect(page.get_by_role("link", name="New agent")).to_be_visible()


def make_agent(page: Page, name: str, *, every: int = 1) -> None:
    """By the form, with all that it suggests but its pace, in world ticks."""
    first_zone(page)
    page.get_by_role("link", name="New agent").click()
    page.get_by_label("Name").fill(name)
    page.get_by_label("Acts every").fill(str(every))
    page.get_by_role("button", name="Create").click()
    expect(page.get_by_role("heading", name=name)).to_be_visible()


def test_a_tick_arrives(page: Page) -> None:
    page.goto("/")
    page.wait_for_function(LIVE)
    number = page.locator("[data-pulse=tick]")
    before = number.inner_text()
    expect(number).not_to_have_text(before)
    expect(page.locator("#feed-told li").first).to_be_visible()


def test_an_agent_is_made_acts_and_is_put_to_rest(page: Page) -> None:
    make_agent(page, "Ottilie Vance")
    expect(page.locator(".ticks details")).not_to_have_count(0)  # its first tick came by itself
    page.get_by_role("button", name="Suspend").click()
    expect(page.get_by_text("At rest (suspended)")).to_be_visible()


def test_an_agent_is_followed_into_another_zone(page: Page) -> None:
    make_agent(page, "Wander Holm", every=1000)  # it goes nowhere by itself
    page.wait_for_function(LIVE)
    page.get_by_text("Move to…").click()
    way = page.locator("#move button").first
    there = way.inner_text()
    way.click()
    expect(page.locator("#panel-agent_head").get_by_role("link", name=there, exact=True)).to_be_visible()
    page.locator("#panel-agent_head").get_by_role("link", name=there, exact=True).click()
    expect(page.get_by_role("heading", name=there)).to_be_visible()
    expect(page.locator("#panel-happened")).to_contain_text("Wander Holm came from")


def test_a_memory_is_searched(page: Page) -> None:
    make_agent(page, "Ida Fenn")
    expect(page.locator(".ticks details")).not_to_have_count(0)
    first = page.locator("#memories .remembered").first
    while not first.is_visible():  # until it has lived through something that it keeps
        page.wait_for_timeout(500)
        page.reload()
    remembered = first.inner_text()
    page.get_by_label("Search the memories of Ida Fenn").fill(remembered)
    expect(page.locator("#memories-how")).to_be_visible()
    expect(page.locator("#memories .remembered").filter(has_text=remembered).first).to_be_visible()


def test_what_a_subscriber_could_not_handle_is_sent_again(page: Page) -> None:
    make_agent(page, "Fetch Alder", every=1000)
    page.get_by_text("Move to…").click()
    page.locator("#move button").first.click()  # it leaves a zone, which `brittle` does not take at first
    expect(page.locator("#notice")).to_contain_text("Fetch Alder is in")
    letter = page.locator(".letters li").filter(has_text="brittle").first
    while not letter.is_visible():
        page.goto("/events/dead-letters/")
        page.wait_for_timeout(500)
    letter.get_by_role("link").first.click()
    page.get_by_role("button", name="Retry").click()
    expect(page.locator("h1 .badge")).to_have_text("handled")


def test_a_domain_is_switched_off_and_on(page: Page) -> None:
    page.get_by_role("navigation", name="Main").get_by_role("link", name="Domains").click()
    card = page.locator("#d-thundermcp")
    expect(card.locator(".badge")).to_have_text("active")
    card.get_by_role("button", name="Switch off").click()
    page.get_by_role("dialog").get_by_role("button", name="Switch off").click()
    expect(card.locator(".badge")).to_have_text("inactive")
    card.get_by_role("button", name="Switch on").click()
    expect(card.locator(".badge")).to_have_text("active")


def test_the_server_is_lost_and_comes_back(running: Installation, page: Page) -> None:
    page.goto("/")
    page.wait_for_function(LIVE)
    said = running.end()
    assert "Stopped" in said
    expect(page.locator("#lost")).to_contain_text("No answer from Thunderline")
    running.start()
    eventually(running.answers)
    page.wait_for_function(LIVE)
    expect(page.locator("#lost")).not_to_contain_text(re.compile("No answer"))
