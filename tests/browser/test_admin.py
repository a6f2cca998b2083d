"""The admin in Chromium: its first page, its lists and forms, and the ways between them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.apps import apps
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import Page, expect

from domains.thunderlink import nodes
from domains.thunderlink.models import Heart
from tests.factories import beat, make_user, run_ticks, wake_domains
from tests.integration.redaction.planting import plant

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("commits")]

Sign = Callable[[str], None]
Photograph = Callable[[str], None]


@pytest.fixture
def life(commits: None) -> Any:
    """A world in which there is something of everything, and an operator."""
    make_user("ada", operator=True)
    wake_domains()
    beat()
    world, agent, _ = plant()
    run_ticks(world, 3)
    nodes.register("ws://127.0.0.1:8000")
    return agent


@pytest.fixture
def tab(life: Any, page: Page, sign_in: Sign) -> Page:
    sign_in("ada")
    return page


def test_the_first_page_says_how_the_system_is(tab: Page, photograph: Photograph) -> None:
    for _ in range(3):
        beat()
    tab.goto(reverse("admin:index"))
    expect(tab.locator(".tile", has_text="Pulse")).to_contain_text("Beating")
    expect(tab.locator(".tile", has_text="Dead letters")).to_contain_text("1")
    expect(tab.locator(".tables")).to_contain_text("Harbour")
    photograph("admin-start")
    tab.locator(".tile", has_text="Dead letters").get_by_role("link").click()
    expect(tab.locator("#result_list")).to_contain_text("a.b")


def test_a_silent_heart_is_told_first(tab: Page, photograph: Photograph) -> None:
    Heart.objects.update(beat_at=timezone.now() - timedelta(seconds=70))
    tab.goto(reverse("admin:index"))
    expect(tab.get_by_role("heading", level=1, name="need")).to_be_visible()
    expect(tab.locator(".problems li").first).to_contain_text("The heart has been silent for 70 s")
    expect(tab.locator(".tile.bad", has_text="Pulse")).to_contain_text("Silent")
    photograph("admin-start-silent")


def test_one_goes_from_an_agent_to_all_that_has_to_do_with_it(life: Any, tab: Page) -> None:
    tab.goto(reverse("admin:agents_agent_change", args=[life.pk]))
    for way, there in {"ticks": "/ticklog/", "memories": "/memorynode/", "events of its zone": "/event/",
                       "messages": "/message/", "mods": "/mod/"}.items():  # fmt: skip
        tab.get_by_role("link", name=way, exact=True).first.click()
        expect(tab.locator("#result_list tbody tr").first).to_be_visible()
        assert there in tab.url
        tab.go_back()
    tab.get_by_role("link", name="events of its zone").click()
    tab.locator("#result_list tbody tr").first.get_by_role("link").first.click()
    expect(tab.locator("pre.document")).to_be_visible()
    tab.get_by_role("link", name="its zone", exact=True).click()
    expect(tab.get_by_role("link", name="agents in it")).to_be_visible()


LISTS = [
    "agents.agent", "agents.mod", "agents.ticklog", "agents.message", "agents.modelcall", "memory.memorynode",
    "memory.memoryedge", "zones.world", "zones.zone", "thunderflow.event", "thunderflow.subscription",
    "thunderflow.deadletter", "thunderblock.activedomain", "thunderlink.node", "thundergate.user",
    "thundergate.auditentry", "thundergate.alert", "mcp_server.toolsetting", "django_celery_beat.periodictask",
]  # fmt: skip
FORMS = ["agents.agent", "agents.ticklog", "zones.world", "zones.zone", "memory.memorynode", "thunderflow.event",
         "thunderflow.subscription", "thunderflow.deadletter", "thundergate.user"]  # fmt: skip


@pytest.mark.timeout(600)  # some eighty pictures
def test_every_list_can_be_looked_at(tab: Page, photograph: Photograph) -> None:
    for label in LISTS:
        app, name = label.split(".")
        tab.goto(reverse(f"admin:{app}_{name}_changelist"))
        expect(tab.locator("#result_list, #changelist").first).to_be_visible()
        photograph(f"admin-list-{name}")


@pytest.mark.timeout(600)
def test_every_form_can_be_looked_at(life: Any, tab: Page, photograph: Photograph) -> None:
    for label in FORMS:
        model = apps.get_model(label)
        row = life if label == "agents.agent" else model._default_manager.order_by("pk").last()
        tab.goto(reverse(f"admin:{label.replace('.', '_')}_change", args=[row.pk]))
        expect(tab.locator("#content form, #content fieldset").first).to_be_visible()
        photograph(f"admin-form-{label.split('.')[1]}")
