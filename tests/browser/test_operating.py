"""Operators act where they look, in Chromium against a server with sockets: making, moving, stopping, undoing."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.urls import reverse
from playwright.sync_api import Page, Route, expect

from tests.factories import beat, make_user, make_world, run_ticks, wake_domains

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("commits")]

Sign = Callable[[str], None]
Photograph = Callable[[str], None]
LIVE = "() => live.state === 'live'"


@pytest.fixture
def world(commits: None) -> Any:
    make_user("ada", operator=True)
    wake_domains()
    beat()
    world = make_world(zones=4, agents=12, description="A small harbour.", access="open")
    run_ticks(world, 6)
    world.refresh_from_db()
    return world


def at(name: str, thing: Any) -> str:
    return reverse(name, args=[thing.pk])


def test_an_agent_is_made_by_the_form_and_acts(world: Any, page: Page, sign_in: Sign, photograph: Photograph) -> None:
    sign_in("ada")
    page.goto(at("zone", world.zones.get(name="Zone 0")))
    page.get_by_role("link", name="New agent").click()
    expect(page.get_by_label("Name")).to_have_value(re.compile(r"\w+"))
    first = page.get_by_label("Name").input_value()
    page.get_by_role("link", name="Suggest somebody else").click()
    expect(page).to_have_url(re.compile(r"turn=1"))
    page.get_by_label("Name").fill("Agent 1")
    page.get_by_label("Goals").fill("mend the bridge")
    openness = page.get_by_label("Openness")
    openness.focus()
    openness.press("End")
    expect(page.locator("output").first).to_have_text("1")
    page.get_by_text("Who decides for it").click()
    photograph("new-agent")
    page.get_by_role("button", name="Create").click()
    expect(page.get_by_text("Agent 1 is taken in this world.")).to_be_visible()
    photograph("new-agent-wrong")
    page.get_by_label("Name").fill("Mara")
    page.get_by_label("Acts every").fill("1")
    page.get_by_role("button", name="Create").click()
    expect(page.get_by_role("heading", name="Mara")).to_be_visible()
    expect(page.get_by_text("It has not ticked yet.")).to_be_visible()
    assert first != "Mara"
    page.wait_for_function(LIVE)
    run_ticks(world, 2)
    expect(page.locator(".ticks details")).not_to_have_count(0)
    told = world.agents.get(name="Mara").ticks.first().narrative
    expect(page.locator(".ticks details").first).to_contain_text(told)


def test_a_step_whose_answer_was_lost_is_asked_for_again_and_done_once(
    world: Any, page: Page, sign_in: Sign, wrong: list[str]
) -> None:
    def lose(route: Route) -> None:
        route.fetch()
        route.abort()

    sign_in("ada")
    page.goto(at("world", world))
    page.route("**/step/", lose, times=1)
    step, there = page.get_by_role("button", name="Step", exact=True), world.target_tick
    page.get_by_label("Step by").fill("3")
    with page.expect_event("requestfailed"):
        step.click()
    for total in (3, 6):  # what was lost, and another step
        with page.expect_response("**/step/"):
            step.click()
        world.refresh_from_db()
        assert world.target_tick == there + total
    wrong[:] = [text for text in wrong if "htmx:" not in text and "ERR_FAILED" not in text]  # of the one that was lost


def test_a_zone_is_made_by_the_form(world: Any, page: Page, sign_in: Sign, photograph: Photograph) -> None:
    sign_in("ada")
    page.goto(at("world", world))
    photograph("world-steered")
    page.get_by_role("link", name="New zone").click()
    page.get_by_label("Name").fill("Mill")
    page.get_by_label("Zone 2").check()
    page.get_by_text("Rules of the place").click()
    photograph("new-zone")
    page.get_by_role("button", name="Create").click()
    expect(page.get_by_role("heading", name="Mill")).to_be_visible()
    expect(page.locator("#panel-place").get_by_role("link", name="Zone 2")).to_be_visible()
    expect(page.get_by_text("Nobody is here.")).to_be_visible()
    photograph("zone-empty")


def test_an_agent_is_followed_into_another_zone_and_brought_back(
    world: Any, page: Page, sign_in: Sign, photograph: Photograph
) -> None:
    sign_in("ada")
    agent = world.agents.get(name="Agent 0")
    page.goto(at("agent", agent))
    page.wait_for_function(LIVE)
    head = page.locator("#panel-agent_head")
    expect(head.get_by_role("link", name="Zone 0")).to_be_visible()
    expect(page.locator("figure.chart").first).to_contain_text("exploration")
    page.get_by_text("Move to…").click()
    photograph("agent-move")
    head.get_by_role("button", name="Zone 1").click()
    expect(page.locator("#notice")).to_contain_text("Agent 0 is in Zone 1 now.")
    expect(head.get_by_role("link", name="Zone 1")).to_be_visible()
    page.wait_for_function(LIVE)
    run_ticks(world, 2)
    told = agent.ticks.order_by("-tick_number").first().narrative
    expect(page.locator(".ticks details").first).to_contain_text(told)
    agent.refresh_from_db()
    if agent.zone.name == "Zone 1":  # it may have gone on by itself
        page.locator("#notice").get_by_role("button", name="Move it back").click()
        expect(page.locator("#notice")).to_contain_text("Agent 0 is in Zone 0 now.")
    page.goto(at("zone", world.zones.get(name="Zone 1")))
    expect(page.locator("#panel-happened")).to_contain_text("Agent 0 came from Zone 0")


def test_an_agent_is_suspended_archived_and_brought_back(
    world: Any, page: Page, sign_in: Sign, accessible: Callable[[], None]
) -> None:
    sign_in("ada")
    agent = world.agents.get(name="Agent 2")
    page.goto(at("agent", agent))
    page.get_by_role("button", name="Suspend").click()
    expect(page.get_by_text("At rest (suspended)")).to_be_visible()
    page.locator("#notice").get_by_role("button", name="Undo").click()
    expect(page.get_by_role("button", name="Tick now")).to_be_visible()
    page.get_by_role("button", name="Archive").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("Archive Agent 2?")
    accessible()
    dialog.get_by_role("button", name="Cancel").click()
    agent.refresh_from_db()
    assert agent.lifecycle == "active"
    page.get_by_role("button", name="Archive").click()
    dialog.get_by_role("button", name="Archive").click()
    expect(page.get_by_role("button", name="Bring back")).to_be_visible()
    page.locator("#notice").get_by_role("button", name="Undo").click()
    expect(page.get_by_role("button", name="Tick now")).to_be_visible()
    agent.refresh_from_db()
    assert agent.lifecycle == "active"


def test_a_clock_is_steered_from_the_worlds_page(world: Any, page: Page, sign_in: Sign) -> None:
    sign_in("ada")
    page.goto(at("world", world))
    page.get_by_role("button", name="Resume").click()
    expect(page.get_by_role("button", name="Pause").first).to_be_visible()
    page.get_by_role("button", name="Pause it").click()
    expect(page.get_by_role("button", name="Resume").first).to_be_visible()
    page.get_by_label("Step by").fill("3")
    page.get_by_role("button", name="Step").click()
    expect(page.locator("#notice")).to_contain_text(f"Harbour goes on to tick {world.tick + 3}.")
    page.get_by_label("Speed").select_option("2")
    page.get_by_role("button", name="Set").click()
    expect(page.locator("#notice")).to_contain_text("Harbour lives 2 ticks a heartbeat.")
    world.refresh_from_db()
    assert (world.status, world.rate, world.target_tick) == ("paused", 2.0, world.tick + 3)


def test_a_zone_shows_who_is_there_what_happens_and_who_may_do_what(
    world: Any, page: Page, sign_in: Sign, photograph: Photograph
) -> None:
    sign_in("ada")
    page.goto(at("zone", world.zones.get(name="Zone 0")))
    page.wait_for_function(LIVE)
    expect(page.locator("#panel-connected")).to_contain_text("ada")
    page.get_by_label("What to make known").fill("A bell rings three times.")
    page.get_by_role("button", name="Make it known").click()
    expect(page.get_by_role("status").filter(has_text="is known to all in Zone 0")).to_be_visible()
    expect(page.locator("#panel-happened")).to_contain_text("A bell rings three times.")
    expect(page.locator("figure.chart").first).to_contain_text("knowledge")
    page.get_by_role("button", name="Allow: change the zone").click()
    expect(page.locator("#notice")).to_contain_text("Members may now change the zone")
    expect(page.get_by_role("button", name="Forbid: change the zone")).to_be_visible()
    photograph("zone-steered")


def test_everything_is_searched_from_one_box_by_keyboard(
    world: Any, page: Page, sign_in: Sign, photograph: Photograph
) -> None:
    from django.db import transaction

    from memory.actions import NewMemory, store_many

    agent = world.agents.get(name="Agent 2")
    with transaction.atomic():
        store_many([NewMemory(agent.pk, t) for t in ("A storm tore the roof off.", "The baker gave me warm bread.")])
    sign_in("ada")
    page.locator("h1, h2").first.wait_for()
    page.keyboard.press("/")
    box = page.get_by_role("combobox", name="Search everything")
    expect(box).to_be_focused()
    page.keyboard.type("agent 1")
    options = page.get_by_role("listbox", name="Found").get_by_role("option")
    expect(options.first).to_contain_text("Agent 1")
    photograph("search-box")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    expect(options.nth(1)).to_have_attribute("aria-selected", "true")
    expect(box).to_have_attribute("aria-activedescendant", options.nth(1).get_attribute("id") or "")
    photograph("search-chosen")
    page.keyboard.press("Escape")
    expect(options.first).not_to_be_visible()
    expect(box).to_have_attribute("aria-expanded", "false")
    page.keyboard.press("Control+a")
    page.keyboard.type("bad weather and wind")
    storm = options.filter(has_text="A storm tore the roof off.")
    expect(storm).to_be_visible()
    page.keyboard.press("ArrowDown")
    expect(storm).to_have_attribute("aria-selected", "true")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="In the middle")).to_be_visible()
    expect(page.locator("#around .middle")).to_contain_text("A storm tore the roof off.")
    page.keyboard.press("Control+k")
    page.keyboard.type("zebra")
    expect(page.get_by_text("Nothing that you may see is called or says “zebra”.")).to_be_visible()
    page.keyboard.press("Control+a")
    page.keyboard.type("Zone")
    expect(options.first).to_contain_text("Zone 0")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"/search/\?q=Zone$"))
    expect(page.locator(".found").get_by_role("link", name="Zone 3")).to_be_visible()
    photograph("search")
