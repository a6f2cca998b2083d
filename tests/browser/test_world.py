"""The page of a world in Chromium: the pulse, the map, stories as they happen, a server that is lost and back."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.contrib.staticfiles import finders
from django.db import transaction
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import Page, expect

from agents.actions import moves
from agents.models import Agent, WorldPulse
from domains import sql
from domains.thunderflow.actions import NewEvent, publish_many
from tests.browser.serving import Site
from tests.factories import beat, make_user, make_world, run_ticks, wake_domains
from zones.events import NoticeWritten, zone_stream, zone_topic

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("commits")]

Sign = Callable[[str], None]
Photograph = Callable[[str], None]
LIVE = "() => window.watching && live.state === 'live'"
PLACE = """name => {
    const { map, state } = watching, i = state.names.indexOf(name), box = map.canvas.getBoundingClientRect()
    const [x, y] = map.view.apply([state.px[i], state.py[i]])
    return { x: box.x + x, y: box.y + y, zone: state.zones[state.zone[i]].name, moving: state.moving }
}"""
ZONE = """name => {
    const { map, state } = watching, zone = state.zones.find((each) => each.name === name)
    const [x, y] = map.view.apply([zone.x, zone.y + zone.r * 0.96])
    const box = map.canvas.getBoundingClientRect()
    return { x: box.x + x, y: box.y + y }
}"""


@pytest.fixture(autouse=True)
def _libraries() -> None:
    """Without its libraries the page shows lists, which other tests look at."""
    if any(finders.find(f"lib/{name}.js") is None for name in ("d3", "phoenix", "uplot")):
        pytest.fail("the libraries of the pages are not there: make browser")


@pytest.fixture
def world(commits: None) -> Any:
    make_user("ada", operator=True)
    wake_domains()
    beat()
    world = make_world(zones=3, agents=9, description="A small harbour.")
    run_ticks(world, 4)
    return world


@pytest.fixture
def tab(world: Any, page: Page, sign_in: Sign) -> Page:
    sign_in("ada")
    page.wait_for_function(LIVE)
    return page


def tell(world: Any, count: int, *, zone: str = "Zone 0") -> None:
    """Publish notices, each with a number in its text."""
    place = world.zones.get(name=zone)
    stream, topic = zone_stream(place.pk), zone_topic(place.pk, "notice_written")
    with transaction.atomic():
        publish_many(
            [NewEvent(stream, topic, NoticeWritten(author="Tern", text=f"Notice {n}", tick=0)) for n in range(count)]
        )


def test_the_page_comes_alive_and_a_tick_arrives(world: Any, tab: Page, photograph: Photograph) -> None:
    pulse = tab.locator("#panel-heart")
    expect(pulse.locator("[data-pulse=tick]")).to_have_text("4")
    beat()
    expect(pulse.locator("[data-pulse=beat]")).to_have_text("2")
    expect(pulse.locator("[data-pulse=age]")).to_have_text(re.compile(r"^\d\.\d s ago$"))
    run_ticks(world, 1)
    expect(pulse.locator("[data-pulse=tick]")).to_have_text("5")
    expect(pulse.locator("[data-pulse=rate]")).not_to_have_text(re.compile("–"))
    told = world.agents.get(name="Agent 5").ticks.first().narrative
    expect(tab.locator("#feed-told")).to_contain_text(told)
    WorldPulse.objects.create(
        world=world, at=timezone.now(), world_tick=5, agents=12, ticks=60, took_ms=42, mood=0.2, energy=61
    )
    for _ in range(9):  # with the eleventh beat comes what the tenth has written
        beat()
    expect(tab.locator("#chart-took b")).to_have_text("42 ms")
    expect(tab.locator("#chart-took [role=img]")).to_have_attribute("aria-label", re.compile("now 42"))
    expect(tab.locator("#chart-mood b")).to_have_text("0.2")
    photograph("world")


def test_the_map_answers_mouse_and_clicks(world: Any, tab: Page) -> None:
    for name in ("Agent 4", "Agent 7"):
        tab.wait_for_function("() => watching.state.moving === 0")
        place = tab.evaluate(PLACE, name)
        tab.mouse.move(place["x"], place["y"])
        expect(tab.locator("#map-over")).to_contain_text(re.compile(r"^Agent \d in Zone \d: "))
        tab.mouse.click(place["x"], place["y"])
        expect(tab.locator("#map-chosen h3")).to_have_text(re.compile(r"^Agent \d$"))
    place = tab.evaluate(ZONE, "Zone 2")
    tab.mouse.click(place["x"], place["y"])
    expect(tab.locator("#map-chosen h3")).to_have_text("Zone 2")
    expect(tab.locator("#map-chosen")).to_contain_text("of 19")
    tab.locator("#map-chosen h3 a").click()
    expect(tab).to_have_url(re.compile(reverse("zone", args=[world.zones.get(name="Zone 2").pk])))


def test_the_map_is_gone_through_with_the_keyboard(world: Any, tab: Page, photograph: Photograph) -> None:
    canvas = tab.get_by_role("application", name="Map of Harbour")
    canvas.focus()
    seen = set()
    for key in ("ArrowRight", "ArrowRight", "ArrowLeft", "ArrowDown", "ArrowUp"):
        canvas.press(key)
        expect(tab.locator("#map-chosen h3")).to_have_text(re.compile(r"^Zone \d$"))
        seen.add(tab.locator("#map-chosen h3").inner_text())
    assert len(seen) > 1
    canvas.press(".")
    first = tab.locator("#map-chosen h3").inner_text()
    expect(tab.locator("#map-said")).to_contain_text(f"{first} in Zone")
    photograph("world-chosen")
    canvas.press(".")
    expect(tab.locator("#map-chosen h3")).not_to_have_text(first)
    canvas.press(",")
    expect(tab.locator("#map-chosen h3")).to_have_text(first)
    canvas.press("Enter")
    expect(tab).to_have_url(re.compile(reverse("agent", args=[world.agents.get(name=first).pk])))


def test_who_goes_to_another_zone_is_followed_there(world: Any, tab: Page) -> None:
    agent: Agent = world.agents.get(name="Agent 1")
    there = world.zones.exclude(pk=agent.zone_id).order_by("-name").first()
    place = tab.evaluate(PLACE, "Agent 1")
    tab.mouse.click(place["x"], place["y"])
    expect(tab.locator("#map-chosen h3")).to_have_text("Agent 1")
    tab.get_by_role("button", name="Follow").click()
    moves.enter(there.pk, agent.pk, user=get_user_model().objects.get(), by="tests")
    expect(tab.locator("#map-chosen .facts")).to_have_text(f"in {there.name}")
    tab.wait_for_function("() => watching.state.moving === 0")
    assert tab.evaluate(PLACE, "Agent 1")["zone"] == there.name
    expect(tab.get_by_role("button", name="Let go")).to_be_visible()


def test_stories_are_filtered_by_zone_kind_and_agent(world: Any, tab: Page) -> None:
    stories = tab.locator("#feed-told li")
    tab.get_by_label("Zone", exact=True).select_option("Zone 1")
    expect(stories.first).to_contain_text("Zone 1")
    assert all("Zone 1" in text for text in tab.locator("#feed-told li .meta").all_inner_texts())
    tab.get_by_label("Zone", exact=True).select_option("All zones")
    tab.get_by_label("Part of an agent's name").fill("agent 8")
    assert set(tab.locator("#feed-told li .meta a:first-child").all_inner_texts()) == {"Agent 8"}
    tell(world, 1)
    tab.get_by_label("Part of an agent's name").fill("")
    expect(stories.first).to_contain_text("“Notice 0”")
    tab.get_by_label("Kind").select_option("notice")
    expect(stories).to_have_count(1)
    tab.get_by_label("Part of an agent's name").fill("nobody at all")
    expect(stories).to_have_text("Nothing like this has been told lately.")


def test_what_is_read_does_not_run_away(world: Any, tab: Page) -> None:
    tab.get_by_role("button", name="Hold").click()
    first = tab.locator("#feed-told li").first.inner_text().splitlines()[0]
    tell(world, 5)
    expect(tab.locator("#feed-newer")).to_have_text("5 newer")
    expect(tab.locator("#feed-told li").first).to_contain_text(first)
    tab.locator("#feed-newer").click()
    expect(tab.locator("#feed-told li").first).to_contain_text("“Notice 4”")


def test_a_feed_that_runs_for_long_does_not_grow(world: Any, tab: Page) -> None:
    for _ in range(6):
        tell(world, 400)
    tab.wait_for_function(
        "last => [...document.querySelectorAll('#feed-told li')].some((li) => li.textContent.includes(last))",
        arg="Notice 399",
    )
    tab.wait_for_function("() => watching.stories.size >= 500")
    assert tab.evaluate("watching.stories.size") <= 1500
    assert tab.locator("#feed-told li").count() <= 60
    tab.wait_for_function("() => watching.stories.size === 500")


def test_a_lost_server_is_told_and_the_world_catches_up(
    world: Any, tab: Page, site: Site, wrong: list[str], photograph: Photograph
) -> None:
    site.stop()
    expect(tab.locator("#lost")).to_contain_text("No answer from Thunderline")
    run_ticks(world, 2)
    site.start()
    beat()
    expect(tab.locator("#lost")).to_have_text("Up to date again.", timeout=20_000)
    expect(tab.locator("[data-pulse=tick]")).to_have_text("6")
    told = world.agents.get(name="Agent 2").ticks.first().narrative
    expect(tab.locator("#feed-told")).to_contain_text(told)
    # What Chromium and htmx say of a server that is not there.
    wrong[:] = [text for text in wrong if not re.search("WebSocket connection|ERR_CONNECTION|^htmx:", text)]


def test_who_was_away_for_too_long_goes_on_without_a_reload(
    world: Any, tab: Page, site: Site, wrong: list[str]
) -> None:
    tab.evaluate("window.notReloaded = true")
    site.stop()
    expect(tab.locator("#lost")).to_contain_text("No answer from Thunderline")
    run_ticks(world, 2)
    sql.execute("DELETE FROM events WHERE position < (SELECT max(position) FROM events)")
    site.start()
    tab.wait_for_function("() => watching.state.world.tick === 6")
    tab.wait_for_function(LIVE)
    run_ticks(world, 1)
    expect(tab.locator("[data-pulse=tick]")).to_have_text("7")
    told = world.agents.get(name="Agent 2").ticks.first().narrative
    expect(tab.locator("#feed-told")).to_contain_text(told)
    assert tab.evaluate("window.notReloaded")
    wrong[:] = [text for text in wrong if not re.search("WebSocket connection|ERR_CONNECTION|^htmx:", text)]


def test_a_map_that_does_not_come_is_told_and_asked_for_again(
    world: Any, page: Page, sign_in: Sign, wrong: list[str], photograph: Photograph
) -> None:
    page.route("**/map/", lambda route: route.fulfill(status=500))
    sign_in("ada")
    expect(page.locator("#map-waits")).to_contain_text("could not be fetched")
    photograph("world-no-map")
    page.unroute("**/map/")
    page.wait_for_function(LIVE)
    expect(page.locator("#map-waits")).to_be_hidden()
    wrong[:] = [text for text in wrong if "500" not in text]


def test_without_its_libraries_the_page_shows_lists(
    world: Any, page: Page, sign_in: Sign, wrong: list[str], photograph: Photograph
) -> None:
    page.route("**/static/lib/*.js", lambda route: route.fulfill(status=404))
    sign_in("ada")
    expect(page.locator("#map-waits")).to_contain_text("its libraries were not installed")
    photograph("world-without-libraries")
    run_ticks(world, 1)
    told = world.agents.get(name="Agent 3").ticks.first().narrative
    expect(page.locator("#feed-told")).to_contain_text(told)  # the polls bring it
    wrong[:] = [text for text in wrong if "404" not in text]


def test_a_world_without_zones_says_so(commits: None, page: Page, sign_in: Sign, photograph: Photograph) -> None:
    make_user("ada", operator=True)
    wake_domains()
    beat()
    make_world(zones=0, agents=0)
    sign_in("ada")
    expect(page.get_by_text("There is no zone in this world yet.")).to_be_visible()
    expect(page.get_by_text("No zones yet.")).to_be_visible()
    photograph("world-without-zones")
