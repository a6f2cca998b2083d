"""The one line of a page to the server, in Chromium: what comes, what is missed and made up for, what is told of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from domains.thunderlink.models import HeartbeatTick
from tests.browser.serving import Site
from tests.factories import beat, make_user, wake_domains

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("commits")]

FOLLOW = """(from) => {
    window.heard = []; window.states = []; window.answers = [];
    document.addEventListener("live:state", (event) => window.states.push(event.detail.state));
    window.following = live.follow("system:domain_tick", {
        from, onBatch: (events) => window.heard.push(...events.map((event) => event.payload.count)),
        onState: (answer) => window.answers.push(answer),
    });
}"""
LIVE = "() => live.state === 'live'"


@pytest.fixture
def tab(commits: None, page: Page, sign_in: Callable[[str], None]) -> Page:
    """A page of ours, signed in, that follows nothing of its own."""
    make_user("ada", operator=True)
    wake_domains()
    beat()
    sign_in("ada")
    page.goto("/password/")
    return page


def wait_heard(page: Page, *counts: int) -> None:
    page.wait_for_function("counts => window.heard.join() === counts", arg=",".join(map(str, counts)))


def test_what_happens_comes_once_and_in_order(tab: Page) -> None:
    tab.evaluate(FOLLOW, None)
    tab.wait_for_function(LIVE)
    expect(tab.locator("#live")).to_have_text("Live")
    for _ in range(3):
        beat()
    wait_heard(tab, 2, 3, 4)
    assert tab.evaluate("window.following.seq") == 4


def test_one_begins_with_the_number_of_what_one_has(tab: Page) -> None:
    beat()
    beat()
    tab.evaluate(FOLLOW, 1)
    wait_heard(tab, 2, 3)
    assert [answer["seq"] for answer in tab.evaluate("window.answers")] == [1]


def test_a_lost_server_is_told_and_what_was_missed_is_made_up_for(tab: Page, site: Site, wrong: list[str]) -> None:
    tab.evaluate(FOLLOW, None)
    tab.wait_for_function(LIVE)
    beat()
    wait_heard(tab, 2)
    site.stop()
    expect(tab.locator("#lost")).to_contain_text("No answer from Thunderline. What you see is from")
    expect(tab.locator("#live")).to_have_text("Lost")
    beat()
    beat()
    site.start()
    expect(tab.locator("#lost")).to_have_text("Up to date again.")
    wait_heard(tab, 2, 3, 4)
    assert tab.evaluate("window.states.slice(-3)") == ["lost", "catching up", "live"]
    expect(tab.locator("#lost")).to_be_hidden()
    wrong[:] = [text for text in wrong if "WebSocket connection" not in text]


def test_who_was_away_for_too_long_begins_anew(tab: Page, site: Site, wrong: list[str]) -> None:
    tab.evaluate(FOLLOW, None)
    tab.wait_for_function(LIVE)
    site.stop()
    for _ in range(3):
        beat()
    HeartbeatTick.objects.filter(number__lt=4).delete()
    site.start()
    tab.wait_for_function("() => window.answers.some((answer) => answer.resync)")
    beat()
    wait_heard(tab, 5)
    assert [(answer["resync"], answer["seq"]) for answer in tab.evaluate("window.answers")] == [(False, 1), (True, 4)]
    wrong[:] = [text for text in wrong if "WebSocket connection" not in text]


def test_what_is_refused_for_good_is_not_asked_again(tab: Page) -> None:
    refused: Any = tab.evaluate(
        """() => new Promise((resolve) => live.follow("nowhere:1", { onRefused: (why) => resolve(why) }))"""
    )
    assert refused["reason"] == "unmatched topic"
    assert tab.evaluate("live.state") == "waiting"


def test_several_may_follow_one_topic_and_the_last_to_stop_leaves_it(tab: Page) -> None:
    tab.evaluate(FOLLOW, None)
    tab.evaluate("""() => {
        window.second = [];
        window.other = live.follow("system:domain_tick", { onBatch: (events) => window.second.push(...events) });
    }""")
    tab.wait_for_function(LIVE)
    beat()
    tab.wait_for_function("() => window.second.length === 1 && window.heard.length === 1")
    tab.evaluate("window.following.stop()")
    beat()
    tab.wait_for_function("() => window.second.length === 2")
    assert tab.evaluate("window.heard") == [2]
    tab.evaluate("window.other.stop()")
    assert tab.evaluate("live.state") == "waiting"
