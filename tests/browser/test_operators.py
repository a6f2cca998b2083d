"""Domains, events, dead letters and the system as who looks after them uses them, in Chromium, against what is real."""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone
from playwright.sync_api import Page, expect

from agents import actions as agents
from agents.minds import budget
from agents.models import Endpoint
from domains.lifecycle import Tick
from domains.thunderblock import actions, guards
from domains.thunderblock.models import ActiveDomain
from domains.thunderflow.actions import publish_many
from domains.thunderflow.models import Breaker, Cursor, DeadLetter, Subscription
from domains.thundergate.alerts.models import Alert, AlertRule
from domains.thunderlink import nodes
from tests.browser.serving import Site
from tests.factories import beat, let_nodes_pass, make_letter, make_user, make_world, run_ticks, wake_domains
from tests.integration.thunderflow.following import Effects, follow, refusing, settle, tell_some, work
from tests.integration.thunderflow.told import told

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("commits")]

Sign = Callable[[str], None]
Photograph = Callable[[str], None]


@pytest.fixture
def world(commits: None) -> Any:
    make_user("ada", operator=True)
    wake_domains()
    beat()
    world = make_world(zones=3, agents=9)
    run_ticks(world, 3)
    return world


def tell(*whats: str, topic: str = "test.told") -> None:
    with transaction.atomic():
        publish_many([told("test:1", what, topic=topic) for what in whats])


def start_waiting() -> None:
    """What workers do at the next heartbeat."""
    actions.activate("thundermcp", Tick(beat().number, timezone.now()))


# --- Domains -------------------------------------------------------------------------------------------------


def test_a_domain_is_switched_off_and_on(
    world: Any, page: Page, sign_in: Sign, photograph: Photograph, accessible: Callable[[], None]
) -> None:
    sign_in("ada")
    page.get_by_role("navigation", name="Main").get_by_role("link", name="Domains").click()
    card = page.locator("#d-thundermcp")
    expect(card.locator(".badge")).to_have_text("active")
    page.wait_for_function("() => live.state === 'live'")
    page.evaluate("window.notReloaded = true")

    page.get_by_role("button", name="Switch off thunderlink").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("3 others need it")
    expect(dialog).to_contain_text("thunderpac")
    accessible()
    photograph("domains-asked")
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(page.get_by_role("button", name="Switch off thunderlink")).to_be_focused()

    card.get_by_role("button", name="Switch off").click()
    expect(dialog).to_contain_text("No other domain needs it")
    dialog.get_by_label("Why").fill("a new one is on its way")
    dialog.get_by_role("button", name="Switch off").click()
    expect(page.locator("#notice")).to_contain_text("thundermcp is switched off")
    expect(dialog).to_be_hidden()
    expect(card.locator(".badge")).to_have_text("inactive")
    expect(card).to_contain_text("Switched off by ada: a new one is on its way.")
    expect(page.locator("#panel-domain_history li").first).to_contain_text("thundermcp active → inactive")
    ActiveDomain.objects.filter(domain_name="thundervault").update(
        status="crashed", reason="ConnectionError: no route to the embedder", failures=3, retry_at=timezone.now()
    )
    expect(page.locator("#d-thundervault .badge")).to_have_text("crashed")
    photograph("domains")

    card.get_by_role("button", name="Switch on").click()
    expect(card.locator(".badge")).to_have_text("waiting")
    start_waiting()
    expect(card.locator(".badge")).to_have_text("active")
    assert page.evaluate("window.notReloaded")


def test_before_the_first_start_the_page_says_what_to_run(
    commits: None, page: Page, sign_in: Sign, photograph: Photograph
) -> None:
    make_user("ada", operator=True)
    sign_in("ada")
    page.goto("/domains/")
    expect(page.get_by_text("make run")).to_be_visible()
    photograph("domains-empty")


# --- Events --------------------------------------------------------------------------------------------------


def test_what_happens_arrives_in_the_tail_if_it_is_like_the_pattern(
    world: Any, page: Page, sign_in: Sign, photograph: Photograph
) -> None:
    sign_in("ada")
    page.get_by_role("link", name="Events").click()
    photograph("events")
    page.get_by_label("Topics like").fill("zone.*.agent_ticked")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"pattern=zone\.\*\.agent_ticked"))
    page.evaluate("window.notReloaded = true")
    first = page.locator("#tail li").first
    agent = world.agents.get(name="Agent 5")
    tell("of no interest")
    number = agents.force_tick(agent.pk, by="tests")
    expect(first).to_contain_text(agent.ticks.get(tick_number=number).narrative)
    expect(page.locator("#tail")).not_to_contain_text("of no interest")
    assert page.evaluate("window.notReloaded")


def test_the_tail_pauses_goes_on_and_stays_bounded(world: Any, page: Page, sign_in: Sign, accessible: Any) -> None:
    sign_in("ada")
    page.goto("/events/?pattern=test.**")
    expect(page.get_by_text("Nothing like it among the latest events.")).to_be_visible()
    tell("first")
    rows = page.locator("#tail li")
    expect(rows).to_have_count(1)
    expect(page.locator(".tail-empty")).to_be_hidden()
    page.get_by_role("button", name="Pause").click()
    tell("second")
    page.wait_for_timeout(1500)
    expect(rows).to_have_count(1)
    accessible()
    page.get_by_role("button", name="Go on").click()
    expect(rows.first).to_contain_text("second")
    for n in range(5):
        tell(*(f"{n}-{i}" for i in range(90)))
        expect(rows.first).to_contain_text(f"{n}-89")
    expect(rows).to_have_count(300)
    tell(*(f"many {i}" for i in range(150)))
    expect(rows.first).to_contain_text("many 149")
    expect(page.get_by_text("More happened here than is shown")).to_be_visible()


def test_nothing_is_polled_while_the_line_brings_it(world: Any, page: Page, sign_in: Sign) -> None:
    sign_in("ada")
    page.clock.install()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if "hx-request" in request.headers else None)
    page.goto("/events/?pattern=test.**")
    page.wait_for_function("() => live.state === 'live'")
    page.clock.pause_at(page.evaluate("Date.now() + 1000"))
    asked.clear()
    page.clock.run_for(9000)
    tell("pushed")
    expect(page.locator("#tail li").first).to_contain_text("pushed")
    assert asked == []


def test_panels_are_polled_only_while_the_heart_is_silent(world: Any, page: Page, sign_in: Sign) -> None:
    sign_in("ada")
    page.clock.install()
    page.goto("/domains/")
    page.wait_for_function("() => live.state === 'live'")
    page.clock.pause_at(page.evaluate("Date.now() + 1000"))
    expect(page.locator("#poll.htmx-request")).to_have_count(0)  # the last one before the clock stood still
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if "hx-request" in request.headers else None)
    with page.expect_response("**/domains/*"):  # a heart that was silent beats: what changed meanwhile?
        beat()
    page.clock.run_for(4000)
    with page.expect_response("**/domains/*"):
        page.clock.run_for(3100)
    assert len(asked) in (2, 3)  # one or two polls after the fifth second; it would be four at least


def test_the_tail_catches_up_after_the_server_was_away(
    world: Any, page: Page, sign_in: Sign, site: Site, wrong: list[str]
) -> None:
    sign_in("ada")
    page.goto("/events/?pattern=test.**")
    tell("before")
    rows = page.locator("#tail li")
    expect(rows.first).to_contain_text("before")
    site.stop()
    expect(page.locator("#lost")).to_be_visible()
    tell("meanwhile")
    site.start()
    expect(rows.first).to_contain_text("meanwhile")
    expect(rows).to_have_count(2)
    wrong.clear()


def test_an_event_is_read_with_what_belongs_to_it(
    world: Any, page: Page, sign_in: Sign, photograph: Photograph, wrong: list[str]
) -> None:
    sign_in("ada")
    page.goto("/events/?pattern=zone.*.agent_ticked")
    page.locator("#tail .verb").first.click()
    expect(page.get_by_role("heading", name="Agent ticked")).to_be_visible()
    expect(page.locator("#tree .here")).to_have_count(1)
    expect(page.get_by_role("region", name="Payload")).to_contain_text("state_hash")
    photograph("event")
    page.goto("/events/?pattern=a..b")
    expect(page.get_by_role("alert")).to_contain_text("a..b")
    photograph("events-problem")
    wrong.clear()  # it was a bad request


# --- Dead letters --------------------------------------------------------------------------------------------


def test_a_dead_letter_is_retried_and_then_handled(
    world: Any, page: Page, sign_in: Sign, photograph: Photograph
) -> None:
    effects = Effects()
    effects.fails = refusing("a1", error=lambda text: PermissionError(text))
    shard = follow(effects)
    tell_some("a", "a1", "a2")
    settle(shard)
    for n in range(3):
        make_letter(f"chronicle-{n}", topic=f"zone.{n}.agent_entered", error_class="permanent")
    sign_in("ada")
    page.goto("/events/")
    page.get_by_role("link", name="Dead letters").click()
    letter = DeadLetter.objects.get(subscription__name="test")
    row = page.locator(f"#l-{letter.pk}")
    expect(row).to_contain_text("PermissionError: not a1")
    photograph("letters")
    row.get_by_role("link").click()
    expect(page.get_by_role("region", name="Where it failed")).to_contain_text("Traceback")
    photograph("letter")
    effects.fails = lambda event: None
    page.get_by_role("button", name="Retry").click()
    expect(page.locator("#notice")).to_have_text("The dead letter is sent again.")
    expect(page.locator("h1 .badge")).to_have_text("retrying")
    work(shard, until=lambda: DeadLetter.objects.filter(status="handled").exists())
    expect(page.locator("h1 .badge")).to_have_text("handled")
    assert effects.rows("a") == ["a2", "a1"]


def test_dead_letters_are_let_go_by_a_filter_once_that_is_confirmed(
    world: Any, page: Page, sign_in: Sign, photograph: Photograph
) -> None:
    tell("x")
    for name in ("chronicle", "bells", "horn"):
        make_letter(name)
    sign_in("ada")
    page.goto("/events/dead-letters/")
    page.get_by_label("Subscriber").select_option("bells")
    page.get_by_role("button", name="Show").click()
    expect(page.locator(".letters li")).to_have_count(1)
    page.wait_for_load_state()
    page.get_by_role("button", name="Discard all").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("Let 1 dead letter go?")
    photograph("letters-asked")
    dialog.get_by_role("button", name="Cancel").click()
    assert not DeadLetter.objects.exclude(status="waiting").exists()
    page.get_by_role("button", name="Discard all").click()
    dialog.get_by_role("button", name="Discard all").click()
    expect(page.locator("#notice")).to_have_text("1 dead letter let go.")
    expect(page.get_by_text("No dead letter waits that is like this")).to_be_visible()
    states = dict(DeadLetter.objects.values_list("subscription__name", "status"))
    assert states == {"chronicle": "waiting", "bells": "discarded", "horn": "waiting"}


# --- System --------------------------------------------------------------------------------------------------


@pytest.fixture
def busy(world: Any) -> None:
    """A system in which something of everything is to be seen."""
    now = timezone.now()
    live, gone = nodes.register("ws://harbour-1:8000"), nodes.register("ws://harbour-2:8000")
    nodes.beat(live, sessions=231, cpu=0.34, memory_mb=412.0)
    let_nodes_pass(40, gone)
    for name, fields in (("chronicle", {}), ("bells", {"paused": True, "paused_by": "user:ada"})):
        row = Subscription.objects.create(name=name, pattern="zone.**", shards=1, **fields)
        Cursor.objects.create(subscription=row, shard=0, position=3, handled=48_211)
    make_letter("chronicle")
    for name, state, error in (
        ("handler:chronicle", "open", "TimeoutError: no answer"),
        ("endpoint:l", "half-open", ""),
    ):
        Breaker.objects.create(name=name, state=state, failures=6, opened_at=now, last_error=error)
    rule = AlertRule.objects.create(
        name="A breaker is open", metric="thunderline_breaker_open", threshold=0, severity="critical",
        hint="Look at the service behind it.",
    )  # fmt: skip
    Alert.objects.create(
        rule=rule, key="breaker=handler:chronicle", state="firing", severity="critical", since=now, fired_at=now,
        details={"value": 1},
    )  # fmt: skip
    endpoint = Endpoint.objects.create(name="large", base_url="http://127.0.0.1:1/v1", model="m")
    spent = budget.Amount(311, 482_113, Decimal("3.214"))
    budget.count([(now, (("endpoint", endpoint.pk), ("world", world.pk)), spent)])


def test_the_system_is_looked_at_and_seen_to(busy: None, page: Page, sign_in: Sign, photograph: Photograph) -> None:
    sign_in("ada")
    page.get_by_role("navigation", name="Main").get_by_role("link", name="System").click()
    for wanted in ("harbour-1", "48\u202f211", "tick_logs", "$3.21", "TimeoutError"):
        expect(page.locator("main")).to_contain_text(wanted)
    photograph("system")
    page.get_by_role("button", name="Pause chronicle").click()
    expect(page.get_by_role("button", name="Resume chronicle")).to_be_visible()
    page.locator("#notice").get_by_role("button", name="Resume").click()
    expect(page.get_by_role("button", name="Pause chronicle")).to_be_visible()
    page.get_by_role("button", name="Close it").click()
    expect(page.locator("#panel-system_breakers")).not_to_contain_text("handler:chronicle")
    page.get_by_role("button", name="See to it").click()
    expect(page.locator("#panel-system_alerts")).to_contain_text("user:ada sees to it")
    assert Breaker.objects.get(name="handler:chronicle").state == "closed"


def test_a_redis_that_is_away_leaves_the_rest_of_the_page(
    world: Any, page: Page, sign_in: Sign, settings: Any, accessible: Callable[[], None]
) -> None:
    sign_in("ada")
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    page.goto("/system/")
    expect(page.locator("#panel-system_queues")).to_contain_text("Unreachable.")
    expect(page.locator("#panel-system_database")).to_contain_text("events")
    accessible()


def test_a_log_that_rests_says_why(world: Any, page: Page, sign_in: Sign, wrong: list[str]) -> None:
    sign_in("ada")
    ActiveDomain.objects.filter(domain_name="thunderflow").update(status="inactive", reason="the log rests")
    guards.forget()
    page.goto("/events/")
    expect(page.get_by_text("the log rests")).to_be_visible()
    wrong.clear()
