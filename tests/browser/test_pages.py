"""The pages as a person uses them, in Chromium, against a server, PostgreSQL and Redis that are real."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import Page, expect

from agents import actions
from domains.thunderlink.models import Heart
from tests.factories import beat, make_user, make_world, run_ticks, wake_domains

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("commits")]

Sign = Callable[[str], None]
Photograph = Callable[[str], None]

SPEC = {
    "goals": [{"name": "mend the bridge", "progress": 0.4}],
    "traits": {"openness": 0.9, "extraversion": 0.7},
    "mods": [
        {
            "name": "Wanderlust",
            "kind": "personality",
            "duration": 500,
            "effects": {"trait_modifiers": {"openness": 0.1}},
        }
    ],
}


@pytest.fixture
def world(commits: None) -> Any:
    make_user("ada", operator=True)
    wake_domains()
    beat()
    world = make_world(zones=3, agents=9, spec=SPEC, description="A small harbour.")
    run_ticks(world, 6)
    return world


def mark(page: Page) -> None:
    """Leave something in the page that a reload would wipe out."""
    page.evaluate("window.notReloaded = true")


def not_reloaded(page: Page) -> bool:
    return bool(page.evaluate("window.notReloaded === true"))


def test_signing_in_shows_heart_zones_and_stories(
    world: Any, page: Page, sign_in: Sign, photograph: Photograph
) -> None:
    page.goto("/")
    expect(page).to_have_url(re.compile(r"/login/\?next=/$"))
    photograph("login")
    beat()  # it may have taken a while to come here
    sign_in("ada")
    expect(page.get_by_text("Beating")).to_be_visible()
    for zone in ("Zone 0", "Zone 1", "Zone 2"):
        expect(page.get_by_role("heading", name=zone)).to_be_visible()
    expect(page.locator("#panel-stories li")).not_to_have_count(0)
    expect(page.locator("#panel-domains")).to_contain_text("thundergrid")
    beat()
    photograph("home")
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("button", name="Sign in")).to_be_visible()


def test_a_new_story_arrives_without_a_reload(world: Any, page: Page, sign_in: Sign) -> None:
    sign_in("ada")
    mark(page)
    page.locator("#panel-stories a").first.focus()
    page.mouse.wheel(0, 150)
    page.wait_for_function("() => scrollY > 0")
    scrolled = page.evaluate("scrollY")
    expect(page.locator("#panel-heart dd").first).to_have_text("1")
    actions.force_tick(world.agents.get(name="Agent 5").pk, by="tests")
    beat()
    told = world.agents.get(name="Agent 5").ticks.first().narrative
    expect(page.locator("#panel-stories li").first).to_contain_text(told)
    expect(page.locator("#panel-heart dd").first).to_have_text("2")
    assert not_reloaded(page)
    assert page.evaluate("scrollY") == scrolled


def test_a_heart_that_falls_silent_is_told_first(world: Any, page: Page, sign_in: Sign, photograph: Photograph) -> None:
    sign_in("ada")
    mark(page)
    expect(page.get_by_role("alert")).to_have_count(0)
    Heart.objects.update(beat_at=timezone.now() - timedelta(seconds=7))
    expect(page.get_by_role("alert")).to_contain_text("The heart has been silent for")
    photograph("home-silent")
    beat()
    expect(page.get_by_role("alert")).to_have_count(0)
    assert not_reloaded(page)


def test_an_agent_is_looked_at_searched_ticked_and_suspended(
    world: Any, page: Page, sign_in: Sign, photograph: Photograph
) -> None:
    sign_in("ada")
    agent = world.agents.get(name="Agent 1")
    page.locator("#panel-zones").get_by_role("link", name="Agent 1", exact=True).click()
    expect(page.get_by_role("heading", name="Agent 1")).to_be_visible()
    expect(page.get_by_text("Wanderlust")).to_be_visible()
    expect(page.get_by_text("mend the bridge").first).to_be_visible()
    mark(page)

    tick = page.locator(".ticks details").first
    tick.click()
    expect(tick.get_by_text("Because")).to_be_visible()
    number = agent.tick_number
    page.get_by_role("button", name="Tick now").click()
    expect(page.locator("#notice")).to_have_text(f"Agent 1 did tick {number + 1}.")
    expect(page.locator(f"#t-{number + 1}")).to_be_visible()
    # What was open stays open, though it is further down now.
    expect(page.locator(f"#t-{number}").get_by_text("Because")).to_be_visible()
    photograph("agent")

    page.get_by_role("button", name="Suspend").click()
    expect(page.get_by_role("button", name="Wake")).to_be_visible()
    expect(page.get_by_text("At rest (suspended)")).to_be_visible()
    page.get_by_role("button", name="Wake").click()
    expect(page.get_by_role("button", name="Tick now")).to_be_visible()
    assert not_reloaded(page)
    agent.refresh_from_db()
    assert (agent.lifecycle, agent.tick_number) == ("active", number + 1)


def test_memories_are_searched_as_one_types(world: Any, page: Page, sign_in: Sign) -> None:
    from django.db import transaction

    from memory.actions import NewMemory, store_many

    agent = world.agents.get(name="Agent 2")
    with transaction.atomic():
        store_many([NewMemory(agent.pk, t) for t in ("A storm tore the roof off.", "The baker gave me warm bread.")])
    sign_in("ada")
    page.goto(reverse("agent", args=[agent.pk]))
    mark(page)
    expect(page.locator("#memories li").first).to_contain_text("baker")
    page.get_by_label("Search the memories of Agent 2").press_sequentially("bad weather and wind")
    expect(page.locator("#memories li").first).to_contain_text("storm")
    page.get_by_label("Search the memories of Agent 2").press("Enter")
    expect(page.locator("#memories li").first).to_contain_text("storm")
    assert not_reloaded(page)


def test_a_zone_lists_its_agents(world: Any, page: Page, sign_in: Sign, photograph: Photograph) -> None:
    sign_in("ada")
    page.get_by_role("link", name="Zone 1").first.click()
    expect(page.get_by_role("heading", name="Zone 1")).to_be_visible()
    expect(page.locator("#panel-crowd li")).not_to_have_count(0)
    photograph("zone")
    page.get_by_label("Part of a name").fill("zebra")
    page.get_by_role("button", name="Find").click()
    expect(page.get_by_text("Nobody here has “zebra” in the name.")).to_be_visible()


def test_times_are_told_relatively_and_exactly(world: Any, page: Page, sign_in: Sign) -> None:
    sign_in("ada")
    time = page.locator("#panel-stories time").first
    expect(time).to_have_text(re.compile(r"^(just now|\d+ s ago)$"))
    assert re.search(r"\d{4}, \d\d:\d\d:\d\d UTC$", time.get_attribute("title") or "")


def test_a_session_that_ends_leads_to_the_login(world: Any, page: Page, sign_in: Sign) -> None:
    sign_in("ada")
    expect(page.locator("#live")).to_have_text("Live")  # a line that is asked for afterwards is refused
    page.context.clear_cookies()
    expect(page).to_have_url(re.compile(r"/login/\?next=%2F$|/login/\?next=/$"))


def test_an_empty_installation_says_what_to_do(
    commits: None, page: Page, sign_in: Sign, photograph: Photograph
) -> None:
    make_user("ada", operator=True)
    sign_in("ada")
    expect(page.get_by_role("heading", name="No world yet")).to_be_visible()
    expect(page.get_by_role("alert")).to_contain_text("The heart has not beaten yet")
    photograph("home-empty")
