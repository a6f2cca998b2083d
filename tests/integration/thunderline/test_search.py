"""Searching everything: what is found, by whom, what is told of it, and what it costs."""

from __future__ import annotations

import html
import re
from typing import Any

import pytest
from django.db import transaction
from django.test import Client
from django.urls import reverse

from domains.ids import new_id
from domains.thunderblock import guards
from domains.thunderblock.models import ActiveDomain
from domains.thunderflow import queries as thunderflow
from domains.thundergate import grants
from memory.actions import NewMemory, store_many
from tests.conftest import CountQueries
from tests.factories import make_user, make_world, run_ticks, wake_domains
from zones.events import zone_stream

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("commits")]

HTMX = {"HX-Request": "true"}
STORM = "A storm tore the roof off the mill."


@pytest.fixture(autouse=True)
def alive(commits: None, settings: Any) -> None:
    wake_domains()
    settings.LIMITS = {**settings.LIMITS, "on": False}


@pytest.fixture
def world() -> Any:
    return make_world(zones=3, agents=12, access="open")


@pytest.fixture
def as_member(member: Any) -> Client:
    client = Client()
    client.force_login(member)
    return client


def found(client: Client, text: str, **headers: str) -> dict[str, list[str]]:
    """Titles by kind, in order."""
    response = client.get(reverse("search"), {"q": text}, headers=headers or HTMX)
    assert response.status_code == 200
    return {group.kind: [hit.title for hit in group.hits] for group in response.context["groups"]}


def page(client: Client, text: str) -> str:
    return html.unescape(client.get(reverse("search"), {"q": text}).content.decode())


def remember(agent: Any, *texts: str) -> None:
    with transaction.atomic():
        store_many([NewMemory(agent.pk, text) for text in texts])


def reads() -> list[dict[str, Any]]:
    """What was told of looks into memories of others."""
    return [e.payload for e in thunderflow.latest(pattern="system.memories_read") if e.payload["door"] == "search"]


# --- What is found -------------------------------------------------------------------------------------------


def test_agents_are_found_by_parts_of_their_names_the_best_first(as_operator: Client, world: Any) -> None:
    assert found(as_operator, "agent 1")["agent"] == ["Agent 1", "Agent 10", "Agent 11"]
    assert found(as_operator, "GENT 3")["agent"] == ["Agent 3"]
    assert len(found(as_operator, "agent")["agent"]) == 6
    assert len(found(as_operator, "agent", Accept="text/html")["agent"]) == 12  # on the page of its own


@pytest.mark.parametrize("text", ["%", "_gent", "\\", "Agent' --", "\0", "x" * 5000, "*", "**.", "a.b.*c", "9" * 40])
def test_whatever_is_typed_is_only_text(as_operator: Client, world: Any, text: str) -> None:
    assert "agent" not in found(as_operator, text)


def test_zones_and_worlds_are_found(as_operator: Client, world: Any) -> None:
    assert found(as_operator, "zone 2")["zone"] == ["Zone 2"]
    assert found(as_operator, "harb")["world"] == ["Harbour"]


def test_ids_lead_to_what_they_are_of(as_operator: Client, world: Any) -> None:
    agent, zone = world.agents.get(name="Agent 4"), world.zones.get(name="Zone 1")
    assert found(as_operator, str(agent.pk)) == {"agent": ["Agent 4"]}
    assert found(as_operator, str(zone.pk)) == {"zone": ["Zone 1"]}
    assert found(as_operator, str(world.pk)) == {"world": ["Harbour"]}
    assert found(as_operator, str(new_id())) == {}


def test_events_are_found_by_id_by_number_and_by_topic(as_operator: Client, world: Any) -> None:
    event = thunderflow.stream_latest(zone_stream(world.zones.get(name="Zone 0").pk), limit=1)[0]
    for text in (str(event.id), str(event.position)):
        (title,) = found(as_operator, text)["event"]
        assert event.payload["name"] in title
    assert f'href="{reverse("event", args=[event.position])}"' in page(as_operator, str(event.position))
    assert len(found(as_operator, "zone.*.agent_entered")["event"]) == 6
    assert "event" not in found(as_operator, "zone")


def test_memories_are_found_in_ones_own_words(as_operator: Client, world: Any) -> None:
    agent = world.agents.get(name="Agent 2")
    remember(agent, STORM, "The baker gave me warm bread.")
    assert found(as_operator, "bad weather and wind")["memory"][0] == STORM
    assert "memory" not in found(as_operator, "st")
    shown = page(as_operator, "bad weather and wind")
    assert re.search(rf'href="/agents/{agent.pk}/memories/[0-9a-f-]+/">{STORM}', shown)
    assert reads() == []


def test_nothing_found_and_nothing_asked_are_told(as_operator: Client, world: Any) -> None:
    assert "Nothing that you may see is called or says “zebra”" in page(as_operator, "zebra")
    assert "in your own words" in page(as_operator, "")
    assert found(as_operator, " ") == {}


def test_what_is_found_is_escaped(as_operator: Client) -> None:
    make_world("<b>Harbour", agents=1, spec={"name": "<i>Eve"})
    for headers in (HTMX, {}):
        body = as_operator.get(reverse("search"), {"q": "<"}, headers=headers).content.decode()
        assert "<i>Eve" not in body and "<b>Harbour" not in body and "&lt;i&gt;Eve" in body


# --- By whom -------------------------------------------------------------------------------------------------


def test_strangers_sign_in_first(client: Client) -> None:
    assert client.get(reverse("search"), {"q": "x"}).headers["Location"].startswith("/login/?next=")
    assert "everything" not in client.get("/login/").content.decode()


def test_what_one_may_not_see_is_not_found(as_member: Client, world: Any) -> None:
    remember(world.agents.get(name="Agent 2"), STORM)
    event = thunderflow.stream_latest(zone_stream(world.zones.get(name="Zone 0").pk), limit=1)[0]
    asked = ["Agent 1", "Zone 1", "Harbour", "storm", str(event.id), str(event.position), "zone.*.agent_entered",
             str(world.agents.first().pk)]  # fmt: skip
    assert found(as_member, "Agent 1")["agent"] and found(as_member, str(event.id))["event"]
    world.access = "private"
    world.save(update_fields=["access"])
    assert [found(as_member, text) for text in asked] == [{}] * len(asked)


def test_memories_of_others_take_a_grant_and_that_is_told(as_member: Client, member: Any, world: Any) -> None:
    one, other = world.agents.get(name="Agent 2"), world.agents.get(name="Agent 3")
    remember(one, STORM)
    remember(other, "The storm took my hat.")
    assert "memory" not in found(as_member, "the storm")
    grants.grant(member, one.pk, by="user:operator")
    assert found(as_member, "the storm")["memory"] == [STORM]
    assert [(read["agent_id"], read["why"]) for read in reads()] == [(str(one.pk), "grant")]
    grants.end(member, one.pk, by="user:operator")
    assert "memory" not in found(as_member, "the storm")


def test_who_owns_a_zone_or_a_world_finds_what_its_agents_remember(as_member: Client, member: Any, world: Any) -> None:
    agent = world.agents.get(name="Agent 2")
    remember(agent, STORM)
    world.zones.filter(pk=agent.zone_id).update(owner=member)
    assert found(as_member, "the storm")["memory"] == [STORM]
    assert reads() == []


# --- What rests, and what it costs ---------------------------------------------------------------------------


def test_while_a_domain_rests_the_others_are_searched(as_operator: Client, world: Any) -> None:
    ActiveDomain.objects.filter(domain_name="thundervault").update(status="inactive", reason="the vault rests")
    guards.forget()
    assert found(as_operator, "agent 3")["agent"] == ["Agent 3"]
    assert "the vault rests" in page(as_operator, "agent 3")


def test_it_costs_the_same_for_few_and_for_many(
    as_operator: Client, as_member: Client, count_queries: CountQueries, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("domains.thunderblock.guards._FRESH_S", 60.0)

    def costs() -> list[int]:
        counts = []
        for client in (as_operator, as_member):
            for text in ("Agent 1", "zone.*.agent_ticked"):
                found(client, text)
                with count_queries() as statements:
                    found(client, text)
                counts.append(len(statements))
        return counts

    small = make_world("Small", zones=2, agents=3, access="open")
    run_ticks(small, 2)
    remember(small.agents.first(), STORM)
    few = costs()
    large = make_world("Large", zones=30, agents=200, access="open")
    run_ticks(large, 2)
    assert few == costs() == [7, 9, 9, 13]


def test_the_box_is_on_every_page_of_who_is_signed_in(as_operator: Client) -> None:
    for url in ("/", reverse("password_change"), reverse("search")):
        assert 'id="everything"' in as_operator.get(url).content.decode()


def test_somebody_else_owns_nothing_here(world: Any) -> None:
    client = Client()
    client.force_login(make_user("nobody"))
    remember(world.agents.first(), STORM)
    assert "memory" not in found(client, "the storm")
