"""Talking to an agent on its page, in Chromium: by oneself, in its place, and from two tabs at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.urls import reverse
from playwright.sync_api import Page, expect

from agents import actions
from tests.factories import beat, make_user, make_world, run_ticks, wake_domains

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("commits")]

Sign = Callable[[str], None]
Photograph = Callable[[str], None]


@pytest.fixture
def agent(commits: None) -> Any:
    make_user("ada", operator=True)
    wake_domains()
    beat()
    world = make_world(zones=2, agents=4)
    run_ticks(world, 3)
    return world.agents.get(name="Agent 1")


@pytest.fixture
def talk(agent: Any, page: Page, sign_in: Sign) -> Page:
    """The agent's page, in which something is left that a reload would wipe out."""
    sign_in("ada")
    page.goto(reverse("agent", args=[agent.pk]))
    page.evaluate("window.notReloaded = true")
    return page


def box(page: Page) -> Any:
    return page.get_by_label("What to say")


def lines(page: Page) -> Any:
    return page.locator(".talk li .words")


def not_reloaded(page: Page) -> bool:
    return bool(page.evaluate("window.notReloaded === true"))


def test_a_message_is_typed_and_answered_at_once(agent: Any, talk: Page, photograph: Photograph) -> None:
    expect(talk.get_by_text("Nobody has talked to Agent 1 yet.")).to_be_visible()
    box(talk).click()
    talk.keyboard.type("Hello there.")
    talk.keyboard.press("Shift+Enter")
    talk.keyboard.type("How are you?")
    talk.get_by_label("answer at once").check()
    talk.keyboard.press("Tab")
    box(talk).press("Enter")
    expect(talk.locator("#notice")).to_have_text("Agent 1 heard you.")
    expect(lines(talk)).to_have_count(2)
    assert lines(talk).first.inner_text() == "Hello there.\nHow are you?"
    answer = talk.locator(".talk li.own")
    expect(answer).to_contain_text("Agent 1 to ada")
    expect(box(talk)).to_have_value("")
    assert not_reloaded(talk)
    photograph("conversation")


def test_what_is_not_read_yet_says_so(agent: Any, talk: Page) -> None:
    box(talk).fill("Good morning")
    talk.get_by_role("button", name="Send").click()
    expect(talk.locator(".talk .unread")).to_have_text("not read yet")
    run_ticks(agent.world, 1)
    expect(lines(talk)).to_have_count(2)
    expect(talk.locator(".talk .unread")).to_have_count(0)
    assert not_reloaded(talk)


def test_what_is_typed_and_chosen_outlives_polls_and_refusals(agent: Any, page: Page, sign_in: Sign) -> None:
    sign_in("ada")
    talk = page.context.new_page()  # a refusal is an error in its console
    talk.goto(reverse("agent", args=[agent.pk]))
    actions.send(agent.pk, "What do you want?", by="user:bob")
    voice = talk.get_by_label("as Agent 1")
    expect(talk.get_by_text("answers bob, “What do you want?”")).to_be_visible()
    voice.check()
    box(talk).press_sequentially("Peace and")
    actions.send(agent.pk, "And you?", by="user:eve")
    expect(lines(talk)).to_have_count(2)
    expect(box(talk)).to_be_focused()
    expect(box(talk)).to_have_value("Peace and")
    expect(voice).to_be_checked()
    # It answers by itself before the operator has finished: what was meant as its answer is not said to it.
    run_ticks(agent.world, 1)
    expect(voice).to_be_disabled()
    expect(voice).to_be_checked()
    box(talk).press_sequentially(" quiet")
    box(talk).press("Enter")
    expect(talk.locator("#notice")).to_have_text("Nothing waits for an answer of Agent 1; nothing was said.")
    expect(box(talk)).to_have_value("Peace and quiet")
    expect(lines(talk)).to_have_count(4)
    talk.goto("about:blank")


def test_an_operator_answers_in_the_agents_place(agent: Any, talk: Page, photograph: Photograph) -> None:
    expect(talk.get_by_label("as Agent 1")).to_be_disabled()
    expect(talk.get_by_text("Agent 1 has nothing to answer just now.")).to_be_visible()
    actions.send(agent.pk, "Who are you?", by="user:bob")
    talk.get_by_label("as Agent 1").check()
    box(talk).fill("The one you are looking for.")
    photograph("conversation-in-its-place")
    box(talk).press("Enter")
    expect(talk.locator("#notice")).to_have_text("You answered in place of Agent 1.")
    expect(talk.locator(".talk li.own")).to_contain_text("The one you are looking for.")
    expect(talk.locator(".talk li.own")).to_contain_text("spoken by user:ada in its place")
    expect(talk.get_by_label("as Agent 1")).to_be_disabled()
    talk.get_by_label("as ada").check()
    box(talk).fill("Well said.")
    box(talk).press("Enter")
    expect(lines(talk)).to_have_count(3)


def test_two_tabs_see_the_same_and_keep_their_own_words(agent: Any, talk: Page) -> None:
    other = talk.context.new_page()
    other.goto(reverse("agent", args=[agent.pk]))
    other.evaluate("window.notReloaded = true")
    box(other).press_sequentially("Half a sentence")
    talk.bring_to_front()
    box(talk).fill("Hello from the first tab")
    talk.get_by_label("answer at once").check()
    box(talk).press("Enter")
    expect(lines(talk)).to_have_count(2)
    other.bring_to_front()
    expect(lines(other)).to_have_count(2)
    assert lines(other).first.inner_text() == "Hello from the first tab"
    expect(box(other)).to_have_value("Half a sentence")
    assert not_reloaded(other)
    other.goto("about:blank")


def test_a_long_conversation_begins_at_its_end_and_goes_back(agent: Any, talk: Page) -> None:
    for i in range(30):
        actions.send(agent.pk, f"Word {i}", by="user:bob")
    expect(lines(talk)).to_have_count(20)
    expect(lines(talk).last).to_be_in_viewport()
    talk.locator("#talk-scroller").evaluate("box => { box.scrollTop = -box.scrollHeight }")
    talk.get_by_role("button", name="Older messages").click()
    expect(lines(talk)).to_have_count(30)
    assert lines(talk).first.inner_text() == "Word 0"
