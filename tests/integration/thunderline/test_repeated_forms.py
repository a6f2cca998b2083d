"""A form that is sent twice, by a double click, a reload or after an answer that was lost, is done once."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.contrib.messages import get_messages
from django.test import Client
from django.urls import reverse

from agents.models import Message
from domains.thunderflow import queries as thunderflow
from domains.thundergate.models import Repeatable
from tests.factories import make_user, make_world, wake_domains
from tests.integration.thunderline.test_operating import AGENT, HTMX, ZONE, at
from tests.threads import at_once
from tests.unchanged import unchanged
from zones.events import zone_stream
from zones.models import World

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("commits")]


@pytest.fixture(autouse=True)
def alive(commits: None) -> None:
    wake_domains()


@pytest.fixture
def world() -> Any:
    return make_world(zones=2, agents=2, access="open")


def key_of(page: Any) -> str:
    """The key that a page's form has."""
    found = re.search(r'name="once" value="([\w-]{20,})"', page.content.decode())
    assert found
    return found[1]


@pytest.mark.parametrize("name", ["new-agent", "new-zone"])
def test_what_a_form_makes_is_made_once(as_operator: Client, world: Any, name: str) -> None:
    thing, given = (world.zones.get(name="Zone 0"), AGENT) if name == "new-agent" else (world, ZONE)
    form = {**given, "once": key_of(as_operator.get(at(name, thing)))}
    first = as_operator.post(at(name, thing), form)
    assert first.status_code == 302
    with unchanged():
        again = as_operator.post(at(name, thing), form)
    assert (again.status_code, again["Location"]) == (302, first["Location"])
    other = as_operator.post(at(name, thing), {**form, "name": "Another"})
    assert other.status_code == 302 and other["Location"] != first["Location"], "filled in otherwise, it is another"


def test_each_form_has_a_key_of_its_own(as_operator: Client, world: Any) -> None:
    assert len({key_of(as_operator.get(at("new-zone", world))) for _ in range(3)}) == 3


def test_what_was_refused_is_mended_and_done(as_operator: Client, world: Any) -> None:
    zone = world.zones.get(name="Zone 0")
    taken = {**AGENT, "name": "Agent 0", "once": "k" * 22}
    assert as_operator.post(at("new-agent", zone), taken).status_code == 200
    assert not Repeatable.objects.exists()
    world.agents.filter(name="Agent 0").update(name="Elsewhere")
    assert as_operator.post(at("new-agent", zone), taken).status_code == 302


def test_forms_of_others_are_others(as_operator: Client, world: Any) -> None:
    somebody = Client()
    somebody.force_login(make_user("somebody", operator=True))
    step = {"ticks": "1", "once": "k" * 22}
    for client in (as_operator, somebody, as_operator):
        assert client.post(at("world-step", world), step, headers=HTMX).status_code == 200
    assert World.objects.get().target_tick == 2


def test_without_a_key_it_is_done_whenever_it_comes(as_operator: Client, world: Any) -> None:
    for _ in range(2):
        as_operator.post(at("world-step", world), {"ticks": "1"}, headers=HTMX)
    assert World.objects.get().target_tick == 2


@pytest.mark.parametrize(
    ("name", "given"),
    [("world-step", {"ticks": "3"}), ("zone-happening", {"text": "A bell rings.", "event": "bell"}),
     ("agent-force-tick", {}), ("agent-say", {"text": "Hello", "voice": "own"})],
)  # fmt: skip
def test_buttons_act_once(as_operator: Client, world: Any, name: str, given: dict[str, str]) -> None:
    zone = world.zones.get(name="Zone 0")
    agent = world.agents.get(name="Agent 0")
    where = at(name, {"world": world, "zone": zone, "agent": agent}[name.partition("-")[0]])
    before = _done(world, zone, agent)
    first = as_operator.post(where, {**given, "once": "k" * 22}, headers=HTMX)
    assert first.status_code == 200 and _done(world, zone, agent) == before + 1
    again = as_operator.post(where, {**given, "once": "k" * 22}, headers=HTMX)
    assert (again.status_code, again.content, again["HX-Trigger"]) == (200, first.content, first["HX-Trigger"])
    assert _done(world, zone, agent) == before + 1
    as_operator.post(where, {**given, "once": "l" * 22}, headers=HTMX)
    assert _done(world, zone, agent) == before + 2, "another click is another"


def _done(world: Any, zone: Any, agent: Any) -> int:
    """How often something was done by one of the buttons."""
    world.refresh_from_db()
    agent.refresh_from_db()
    told = [e for e in thunderflow.stream_latest(zone_stream(zone.pk), limit=500) if e.topic.endswith("broadcast")]
    return int(world.target_tick / 3) + len(told) + agent.tick_number + Message.objects.count()


def test_two_at_once_are_done_once_and_both_led_to_what_was_made(operator: Any, world: Any) -> None:
    zone = world.zones.get(name="Zone 0")

    def send() -> Any:
        client = Client()
        client.force_login(operator)
        return client.post(at("new-agent", zone), {**AGENT, "once": "k" * 22})

    answers = at_once(*[send] * 4)
    made = world.agents.get(name="Mara")
    assert [(one.status_code, one["Location"]) for one in answers] == [(302, at("agent", made))] * 4


def test_an_action_of_the_admin_is_done_once(as_operator: Client, world: Any) -> None:
    where = reverse("admin:zones_world_changelist")
    chosen = {"action": "step_ten", "_selected_action": str(world.pk), "once": key_of(as_operator.get(where))}
    answers = [as_operator.post(where, chosen) for _ in range(2)]
    assert [one.status_code for one in answers] == [302, 302] and answers[0]["Location"] == answers[1]["Location"]
    assert [str(each) for each in get_messages(answers[0].wsgi_request)] == ["Harbour is going on by ten ticks."]
    assert World.objects.get().target_tick == 10
    as_operator.post(where, {**chosen, "once": key_of(as_operator.get(where))})
    assert World.objects.get().target_tick == 20


def test_a_tick_is_forced_in_the_admin_once(as_operator: Client, world: Any) -> None:
    agent, where = world.agents.get(name="Agent 0"), reverse("admin:agents_agent_changelist")
    chosen = {"action": "force_tick", "_selected_action": str(agent.pk), "once": key_of(as_operator.get(where))}
    for _ in range(2):
        assert as_operator.post(where, chosen).status_code == 302
    agent.refresh_from_db()
    assert agent.tick_number == 1
