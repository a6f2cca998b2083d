"""Memories on an agent's page, in Chromium: asked for, explained, and looked at with what is around them."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.staticfiles import finders
from django.db import transaction
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import Browser, Page, expect

from memory.actions import NewMemory, store_many
from memory.graph import actions as graphs
from memory.graph import facts
from memory.graph.facts import NewFact
from tests.factories import beat, make_user, make_world, wake_domains
from tests.factories.people import PASSWORD

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("commits")]

Sign = Callable[[str], None]
Photograph = Callable[[str], None]

TOLD = [
    ("Ann: I painted the sunrise over the harbour last weekend.", "episodic", 0.8),
    ("Bo: That sounds lovely! Which colours did you use?", "episodic", 0.3),
    ("Ann: Mostly orange and a little violet, as in Lisbon.", "episodic", 0.6),
    ("I met Ann and Bo at the market in Lisbon.", "episodic", 0.5),
    ("The baker gave me warm bread, and I felt at home.", "emotional", 0.7),
    ("A storm tore the roof off the barn.", "episodic", 0.9),
    ("After the storm Bo helped Ann to mend the roof.", "episodic", 0.7),
    ("A bowline holds when it is tied with the end inside.", "procedural", 0.4),
    ("Lisbon lies on seven hills, as Bo said.", "semantic", 0.5),
    ("I heard Ann sing on the stairs in Lisbon.", "episodic", 0.45),
    ("Bo: The ferry to Cacilhas leaves at nine.", "episodic", 0.35),
    ("Ann was proud when Bo bought her picture of the sunrise.", "emotional", 0.95),
]


@pytest.fixture(autouse=True)
def _library() -> None:
    """Skips what needs the library of the picture where there is none; in CI that is a failure."""
    if finders.find("lib/d3.js") is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)("the libraries of the pages are not there: make browser")


@pytest.fixture
def agent(commits: None) -> Any:
    make_user("ada", operator=True)
    wake_domains()
    beat()
    agent = make_world(zones=2, agents=2).agents.get(name="Agent 0")
    now = timezone.now()
    for n, (text, kind, importance) in enumerate(TOLD):
        at = now - timedelta(hours=len(TOLD) - n)
        with transaction.atomic():
            store_many([NewMemory(agent.pk, text, kind=kind, importance=importance, at=at)])
    while graphs.link_new().memories:
        pass
    first = agent.memories.get(content=TOLD[0][0])
    roof = agent.memories.get(content=TOLD[6][0])
    with transaction.atomic():
        graphs.link([graphs.NewEdge(agent.memories.get(content=TOLD[5][0]).pk, roof.pk, "causal", 0.8)])
        facts.learn(
            [
                NewFact(agent.pk, "Ann", "lives in", "Porto", valid_from=now - timedelta(days=300)),
                NewFact(agent.pk, "Ann", "lives in", "Lisbon", first.pk, now - timedelta(days=20)),
                NewFact(agent.pk, "Bo", "works as", "a ferryman"),
            ],
            now=now,
        )
    return agent


@pytest.fixture
def tab(agent: Any, page: Page, sign_in: Sign) -> Page:
    """The agent's page, in which something is left that a reload would wipe out."""
    sign_in("ada")
    page.goto(reverse("agent", args=[agent.pk]))
    page.evaluate("window.notReloaded = true")
    return page


@pytest.fixture
def around(agent: Any, tab: Page) -> Page:
    """The page around the first memory, its picture drawn."""
    tab.goto(reverse("agent-memory", args=[agent.pk, agent.memories.get(content=TOLD[0][0]).pk]))
    expect(tab.locator(".memory.root")).to_be_visible()
    tab.evaluate("window.notReloaded = true")
    return tab


def box(page: Page) -> Any:
    return page.get_by_role("searchbox", name="Search the memories of Agent 0")


def not_reloaded(page: Page) -> bool:
    return bool(page.evaluate("window.notReloaded === true"))


def scale(page: Page) -> float:
    return float(page.evaluate("d3.zoomTransform(document.querySelector('.canvas > svg')).k"))


def settle(page: Page) -> None:
    """Until nothing moves any more: the picture says where its memories are, twice the same."""
    page.wait_for_function(
        """() => {
            const now = document.querySelector(".canvas > svg > g")?.outerHTML;
            const same = now === window.lastPicture;
            window.lastPicture = now;
            return same;
        }""",
        polling=250,
    )


# --- Asking --------------------------------------------------------------------------------------------------


def test_a_memory_is_found_explained_and_shared(agent: Any, tab: Page, photograph: Photograph) -> None:
    expect(tab.locator("#memories li.empty")).to_have_count(0)
    box(tab).press_sequentially("What did Ann paint?")
    first = tab.locator(".memories > li").first
    expect(first).to_contain_text("I painted the sunrise")
    expect(first.locator("mark")).to_have_text(["Ann", "painted"])
    expect(first.locator(".why summary")).to_contain_text("says the same words")
    expect(first.locator("svg.parts .part").first).to_be_attached()
    expect(tab).to_have_url(re.compile(r"\?q=What\+did\+Ann\+paint%3F$"))
    expect(tab.locator("#memories-told")).to_have_text(re.compile(r"^\d+ memor(y|ies) found\s*$"))

    numbers = first.locator("table.parts")
    expect(numbers).to_be_hidden()
    first.locator(".why summary").press("Enter")
    expect(numbers).to_be_visible()
    values = [float(text.replace("−", "-")) for text in numbers.locator("tbody td").all_inner_texts()]
    score = float(numbers.locator("tfoot td").inner_text().replace("−", "-"))
    assert values
    assert sum(values) == pytest.approx(score, abs=0.001 * (len(values) + 1))
    assert not_reloaded(tab)
    photograph("memories")

    tab.goto(tab.url)
    expect(box(tab)).to_have_value("What did Ann paint?")
    expect(tab.locator(".memories > li").first.locator("mark")).to_have_text(["Ann", "painted"])


def test_memories_are_narrowed_by_kind_and_by_day(agent: Any, tab: Page) -> None:
    tab.get_by_label("Kind").select_option("procedural")
    expect(tab.locator(".memories > li")).to_have_count(1)
    expect(tab.locator(".memories > li")).to_contain_text("bowline")
    tab.get_by_label("as of").fill("2001-05-31")
    expect(tab.locator("#memories")).to_contain_text("It has no such memory.")
    expect(tab).to_have_url(re.compile(r"\?kind=procedural&as_of=2001-05-31$"))
    box(tab).fill("knots")
    expect(tab.locator("#memories")).to_contain_text("Nothing comes to mind that fits")
    tab.get_by_label("as of").fill("")
    expect(tab.locator(".memories > li")).to_contain_text("bowline")
    assert not_reloaded(tab)


def test_a_name_that_is_clicked_is_asked_for(agent: Any, tab: Page) -> None:
    tab.locator(".named").get_by_role("link", name="Lisbon").first.click()
    expect(box(tab)).to_have_value("Lisbon")
    expect(tab.locator(".memories > li mark").first).to_have_text("Lisbon")
    expect(tab).to_have_url(re.compile(r"\?q=Lisbon$"))
    assert not_reloaded(tab)


def test_a_search_that_gets_no_answer_says_so_and_recovers(agent: Any, context: Any, sign_in: Sign, page: Page) -> None:
    sign_in("ada")
    tab = context.new_page()  # what the console says of a lost connection is no mistake here
    tab.goto(reverse("agent", args=[agent.pk]))
    tab.route("**/memories/?*", lambda route: route.abort())
    box(tab).fill("storm")
    expect(tab.locator("#memories-lost")).to_be_visible()
    tab.unroute("**/memories/?*")
    box(tab).press("Enter")
    expect(tab.locator(".memories > li").first).to_contain_text("storm")
    expect(tab.locator("#memories-lost")).to_be_hidden()
    tab.close()


def test_facts_are_told_with_what_was_held_before(agent: Any, tab: Page, photograph: Photograph) -> None:
    row = tab.locator(".facts-held tr", has_text="lives in")
    expect(row).to_contain_text("Lisbon")
    row.get_by_role("link", name="history").click()
    expect(tab.locator(".facts-held tbody tr")).to_have_count(2)
    expect(tab.locator(".facts-held tbody tr").first).to_contain_text("Lisbon")
    expect(tab.locator(".facts-held .past")).to_contain_text("Porto")
    photograph("facts")
    tab.locator(".facts-held tbody tr").first.get_by_role("link", name="from this memory").click()
    expect(tab.locator(".middle")).to_contain_text("I painted the sunrise")


# --- The picture ---------------------------------------------------------------------------------------------


def test_the_picture_opens_from_a_memory_and_goes_over_to_another(
    agent: Any, tab: Page, photograph: Photograph
) -> None:
    box(tab).fill("What did Ann paint?")
    expect(tab.locator(".memories mark").first).to_be_visible()
    tab.locator(".memories > li", has_text="I painted the sunrise").get_by_role("link", name="around it").click()
    expect(tab.locator(".middle")).to_contain_text("I painted the sunrise")
    listed = tab.locator("#around [data-memory]")
    expect(listed).not_to_have_count(0)
    expect(tab.locator(".memory")).to_have_count(listed.count() + 1)
    expect(tab.locator(".ties .tie.temporal")).not_to_have_count(0)
    settle(tab)
    tab.evaluate("window.notReloaded = true")
    photograph("around")

    bought = tab.locator(".memory", has_text="Ann was proud")
    bought.hover()
    expect(tab.locator(".glimpse")).to_contain_text("Bo bought her picture of the sunrise")
    expect(tab.locator(".memory.far")).not_to_have_count(0)
    photograph("around-hover")
    bought.click()
    expect(tab.locator(".middle")).to_contain_text("Ann was proud")
    expect(tab.locator(".memory.root")).to_contain_text("Ann was proud")
    expect(tab.locator(".memory.root")).to_be_focused()
    assert not_reloaded(tab)
    tab.go_back()
    expect(tab.locator(".middle")).to_contain_text("I painted the sunrise")
    expect(tab.locator(".memory.root")).to_contain_text("Ann: I painted")


def test_the_picture_is_zoomed_and_moved(around: Page) -> None:
    settle(around)
    before = scale(around)
    around.get_by_role("button", name="Nearer").click()
    around.wait_for_function("k => d3.zoomTransform(document.querySelector('.canvas > svg')).k > k * 1.3", arg=before)
    settle(around)
    nearer = scale(around)
    picture = around.locator(".canvas > svg")
    at = picture.bounding_box()
    assert at
    around.mouse.move(at["x"] + 15, at["y"] + 15)
    around.mouse.wheel(0, 300)
    around.wait_for_function("k => d3.zoomTransform(document.querySelector('.canvas > svg')).k < k", arg=nearer)
    settle(around)
    where = around.locator(".memory.root").bounding_box()
    around.mouse.down()
    around.mouse.move(at["x"] + 75, at["y"] + 45, steps=4)
    around.mouse.up()
    moved = around.locator(".memory.root").bounding_box()
    assert where
    assert moved
    assert (moved["x"] - where["x"], moved["y"] - where["y"]) == pytest.approx((60, 30), abs=2)
    around.get_by_role("button", name="Show all").click()
    settle(around)
    assert scale(around) == pytest.approx(before, rel=0.01)


def test_the_picture_is_gone_through_with_the_keyboard(around: Page) -> None:
    settle(around)
    root = around.locator(".memory.root")
    root.focus()
    before = scale(around)
    around.keyboard.press("+")
    around.wait_for_function("k => d3.zoomTransform(document.querySelector('.canvas > svg')).k > k * 1.3", arg=before)
    around.keyboard.press("0")
    settle(around)
    for key in ("ArrowRight", "ArrowLeft", "ArrowDown", "ArrowUp"):
        around.keyboard.press(key)
    focused = around.locator(".memory:focus")
    expect(focused).to_have_count(1)
    expect(around.locator('.memory[tabindex="0"]')).to_have_count(1)
    if focused.get_attribute("class") and "root" in str(focused.get_attribute("class")):
        around.keyboard.press("ArrowRight")
    text = around.locator(".memory:focus").get_attribute("aria-label")
    assert text
    expect(around.locator(".glimpse")).to_contain_text(text[:40])
    around.keyboard.press("Enter")
    expect(around.locator(".middle")).to_contain_text(text[:40])
    expect(around.locator(".memory.root")).to_be_focused()
    assert not_reloaded(around)


def test_how_far_the_picture_reaches_is_chosen(around: Page) -> None:
    two = around.locator(".memory").count()
    around.get_by_role("navigation", name="How far").get_by_role("link", name="1").click()
    expect(around).to_have_url(re.compile(r"depth=1$"))
    expect(around.locator(".memory")).to_have_count(around.locator("#around [data-memory]").count() + 1)
    assert around.locator(".memory").count() <= two
    expect(around.get_by_role("heading", name="steps away")).to_have_count(0)
    assert not_reloaded(around)


def test_a_finger_pinches_and_touches_before_it_goes(agent: Any, browser: Browser, site: Any) -> None:
    phone = browser.new_context(
        base_url=site.url, viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True
    )
    tab = phone.new_page()
    tab.goto("/login/")
    tab.get_by_label("Username").fill("ada")
    tab.get_by_label("Password").fill(PASSWORD)
    tab.get_by_role("button", name="Sign in").tap()
    expect(tab.get_by_role("button", name="Sign out")).to_be_visible()
    tab.goto(reverse("agent-memory", args=[agent.pk, agent.memories.get(content=TOLD[0][0]).pk]))
    expect(tab.locator(".memory.root")).to_be_visible()
    settle(tab)
    before = scale(tab)
    at = tab.locator(".canvas > svg").bounding_box()
    assert at
    x, y = at["x"] + at["width"] / 2, at["y"] + at["height"] / 2
    wire = phone.new_cdp_session(tab)
    for kind, reach in (("touchStart", 30), ("touchMove", 45), ("touchMove", 60), ("touchEnd", 0)):
        points = [{"x": x - reach, "y": y, "id": 1}, {"x": x + reach, "y": y, "id": 2}] if reach else []
        wire.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    tab.wait_for_function("k => d3.zoomTransform(document.querySelector('.canvas > svg')).k > k * 1.6", arg=before)
    tab.get_by_role("button", name="Show all").tap()
    settle(tab)
    tab.locator(".memory", has_text="Ann was proud").locator(".dot-of").tap()
    expect(tab.locator(".glimpse")).to_contain_text("Ann was proud")
    expect(tab.locator(".middle")).to_contain_text("I painted the sunrise")
    tab.get_by_role("button", name="Put it in the middle").tap()
    expect(tab.locator(".middle")).to_contain_text("Ann was proud")
    phone.close()


def test_without_scripts_there_is_the_list(agent: Any, browser: Browser, site: Any) -> None:
    plain = browser.new_context(base_url=site.url, java_script_enabled=False)
    tab = plain.new_page()
    tab.goto("/login/")
    tab.get_by_label("Username").fill("ada")
    tab.get_by_label("Password").fill(PASSWORD)
    tab.get_by_role("button", name="Sign in").click()
    tab.goto(reverse("agent", args=[agent.pk]))
    box(tab).fill("storm")
    tab.get_by_role("button", name="Search").click()
    expect(tab.locator(".memories > li").first).to_contain_text("storm")
    tab.locator(".memories > li").first.get_by_role("link", name="around it").click()
    expect(tab.locator("#picture")).to_be_hidden()
    tab.locator("#around [data-memory]").first.click()
    expect(tab.locator(".middle")).to_be_visible()
    plain.close()
