"""The admin over every model: it opens, it asks as much for many rows as for few, and it writes through actions."""

from __future__ import annotations

from typing import Any

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.messages import get_messages
from django.db import connection
from django.test import Client
from django.urls import reverse

from domains.thunderblock import guards
from tests.conftest import CountQueries
from tests.factories import beat, make_world, run_ticks, wake_domains

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("commits")]


def registered() -> list[Any]:
    return sorted(admin.site._registry, key=lambda model: model._meta.label_lower)


def address(model: Any, page: str = "changelist", *args: object) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}", args=args)


def act(client: Client, model: str, action: str, *chosen: Any) -> list[str]:
    """Run a list's action on rows. Returns the last thing that the page then says."""
    url = address(apps.get_model(model))
    data = {"action": action, "_selected_action": [str(row.pk) for row in chosen]}
    response = client.post(url, data)
    assert response.status_code == 302, response.content
    return said(response)[-1:]


def said(response: Any) -> list[str]:
    """What the next page will say, the latest last."""
    return [str(message) for message in get_messages(response.wsgi_request)]


def analyze() -> None:
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


@pytest.fixture
def life(as_operator: Client) -> Any:
    """A world that has lived for two ticks."""
    wake_domains()
    beat()
    world = make_world(agents=4)
    run_ticks(world, 8)
    world.refresh_from_db()
    return world


def test_every_list_and_every_form_opens(life: Any, as_operator: Client) -> None:
    for model in registered():
        assert as_operator.get(address(model)).status_code == 200, model
        options = admin.site._registry[model]
        if options.search_fields:
            assert as_operator.get(address(model), {"q": "7"}).status_code == 200, model
        request = as_operator.get(address(model)).wsgi_request
        if options.has_add_permission(request):
            assert as_operator.get(address(model, "add")).status_code == 200, model
        row = model._default_manager.order_by().first()
        if row is not None:
            assert as_operator.get(address(model, "change", row.pk)).status_code == 200, model


def test_no_list_counts_a_large_table_or_reads_all_of_it(
    life: Any, as_operator: Client, count_queries: CountQueries, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("domains.readonly.EstimatedPaginator.EXACT_BELOW", 10)
    run_ticks(make_world("Island", agents=60), 3)
    analyze()
    for label in ("agents.agent", "agents.ticklog", "thunderflow.event"):
        model = apps.get_model(label)
        with count_queries() as statements:
            assert as_operator.get(address(model)).status_code == 200
        table = model._meta.db_table
        reads = [sql for sql in statements if f'FROM "{table}"' in sql and not sql.startswith("EXPLAIN")]
        # Whether there is enough within some seconds, and anything before them.
        reads = [sql for sql in reads if not sql.endswith(("LIMIT 500", "LIMIT 1"))]
        assert [sql for sql in reads if "COUNT(" in sql] == [], label
        assert len([sql for sql in reads if "LIMIT 50" in sql]) == len(reads) == 1, label


@pytest.mark.parametrize(
    ("label", "long"),
    [
        ("agents.agent", "working_memory happenings"),
        ("agents.mod", "working_memory"),
        ("agents.ticklog", "working_memory happenings"),
        ("zones.zone", "happenings"),
        ("zones.worldsource", "content"),
        ("memory.memorynode", "embedding working_memory"),
        ("memory.memoryedge", "embedding"),
    ],
)
def test_lists_leave_long_fields_where_they_are(
    life: Any, as_operator: Client, count_queries: CountQueries, label: str, long: str
) -> None:
    with count_queries() as statements:
        as_operator.get(address(apps.get_model(label)))
    assert not [(column, sql) for column in long.split() for sql in statements if f'"{column}"' in sql]


def test_logs_only_show(life: Any, as_operator: Client) -> None:
    for label in ("agents.ticklog", "thunderflow.event", "memory.memorynode", "thunderlink.heartbeattick"):
        model = apps.get_model(label)
        row = model.objects.first()
        assert as_operator.get(address(model, "add")).status_code == 403
        assert as_operator.post(address(model, "change", row.pk), {}).status_code == 403
        assert as_operator.get(address(model, "delete", row.pk)).status_code == 403


# --- Agents --------------------------------------------------------------------------------------------------


@pytest.fixture
def agent(life: Any) -> Any:
    return life.agents.get(name="Agent 0")


def test_lifecycle_actions_go_through_the_domain(agent: Any, as_operator: Client) -> None:
    steps = [
        ("suspend", "suspended"), ("activate", "active"), ("archive", "archived"), ("unarchive", "dormant"),
    ]  # fmt: skip
    for action, state in steps:
        assert act(as_operator, "agents.agent", action, agent) == [f"1 agent now {state}."]
        agent.refresh_from_db()
        assert agent.lifecycle == state
    changes = apps.get_model("thunderflow.Event").objects.filter(topic=f"agent.{agent.pk}.changed")
    assert {event.actor for event in changes} == {"user:operator"}


def test_what_the_domain_refuses_is_told(agent: Any, as_operator: Client) -> None:
    assert act(as_operator, "agents.agent", "unarchive", agent) == [
        "Agent 0 is active; from there it can become archived, suspended"
    ]


def test_a_tick_can_be_forced(agent: Any, as_operator: Client) -> None:
    before = agent.tick_number
    assert act(as_operator, "agents.agent", "force_tick", agent) == ["Agent 0 ticked."]
    agent.refresh_from_db()
    assert agent.tick_number == before + 1


@pytest.mark.parametrize(
    ("domain", "model", "action"),
    [
        ("thunderpac", "agents.agent", "force_tick"), ("thunderpac", "agents.agent", "suspend"),
        ("thundergrid", "zones.world", "pause"), ("thundergrid", "zones.world", "step_once"),
    ],
)  # fmt: skip
def test_nothing_is_done_while_the_domain_rests(
    domain: str, model: str, action: str, agent: Any, as_operator: Client
) -> None:
    apps.get_model("thunderblock.ActiveDomain").objects.filter(domain_name=domain).update(status="inactive")
    guards.forget()
    row = agent if model == "agents.agent" else agent.world
    before = type(row).objects.values().get(pk=row.pk)
    assert act(as_operator, model, action, row) == [f"{domain} is not active: inactive"]
    assert type(row).objects.values().get(pk=row.pk) == before


def test_a_form_saves_nothing_while_the_domain_rests(agent: Any, as_operator: Client) -> None:
    apps.get_model("thunderblock.ActiveDomain").objects.filter(domain_name="thunderpac").update(status="inactive")
    guards.forget()
    form = address(type(agent), "change", agent.pk)
    assert as_operator.get(form).status_code == 200
    answer = as_operator.post(form, {"description": "changed"}, follow=True)
    assert "thunderpac is not active: inactive" in [str(m) for m in answer.context["messages"]]
    agent.refresh_from_db()
    assert agent.description != "changed"


def form_of(agent: Any, **changes: Any) -> dict[str, Any]:
    names = (
        "description", "tick_interval", "movement_range", "openness", "conscientiousness", "extraversion",
        "agreeableness", "neuroticism", "reasoner", "model", "temperature", "max_tokens", "system_prompt", "narrator",
    )  # fmt: skip
    values = {name: getattr(agent, name) for name in names} | {"capabilities": "[]"}
    management = {"mods-TOTAL_FORMS": 0, "mods-INITIAL_FORMS": 0}
    return values | management | changes


def test_an_edit_leaves_what_ticks_changed_meanwhile(agent: Any, life: Any, as_operator: Client) -> None:
    form = form_of(agent, openness=0.9)
    run_ticks(life, 2)
    ticked = life.agents.get(pk=agent.pk)
    response = as_operator.post(address(type(agent), "change", agent.pk), {**form, "energy": 1, "tick_number": 0})
    assert response.status_code == 302, response.context["adminform"].form.errors
    after = life.agents.get(pk=agent.pk)
    assert after.openness == 0.9
    assert (after.energy, after.tick_number) == (ticked.energy, ticked.tick_number)
    assert after.tick_number > agent.tick_number


def test_an_edit_that_is_refused_is_told_and_changes_nothing(agent: Any, as_operator: Client) -> None:
    url = address(type(agent), "change", agent.pk)
    response = as_operator.post(url, form_of(agent, reasoner="x" * 51, openness=0.9))
    agent.refresh_from_db()
    assert agent.openness == 0.5
    assert response.status_code == 200

    response = as_operator.post(url, form_of(agent, temperature=99))
    assert said(response)[-1].startswith("temperature")


def test_an_agent_is_born_in_a_zone(life: Any, as_operator: Client) -> None:
    zone = life.zones.first()
    agents = apps.get_model("agents.Agent")
    blank = agents(name="Mira", tick_interval=5)
    form = form_of(blank, name="Mira", zone=str(zone.pk), openness=0.8)
    response = as_operator.post(address(agents, "add"), form)
    assert response.status_code == 302, response.context["adminform"].form.errors
    born = agents.objects.get(name="Mira")
    assert (born.zone, born.world, born.lifecycle, born.openness) == (zone, life, "active", 0.8)
    zone.refresh_from_db()
    assert zone.agent_count == zone.agents.count()


def test_mods_are_applied_and_taken_off(agent: Any, as_operator: Client) -> None:
    mods = apps.get_model("agents.Mod")
    form = {"agent": str(agent.pk), "name": "Quill", "kind": "tool", "duration": 5,
            "effects": '{"new_capabilities": ["write_notices"]}'}  # fmt: skip
    assert as_operator.post(address(mods, "add"), form).status_code == 302
    mod = mods.objects.get(name="Quill")
    assert (mod.active, mod.expires_tick) == (True, agent.world.tick + 5)
    assert act(as_operator, "agents.mod", "remove", mod) == ["Quill taken off."]
    agent.refresh_from_db()
    assert agent.mod_count == 0

    response = as_operator.post(address(mods, "add"), {**form, "effects": '{"stat_modifiers": {"luck": 1}}'})
    assert said(response)[-1].startswith("effects.stat_modifiers.luck")


# --- Worlds and zones ----------------------------------------------------------------------------------------


def test_worlds_pause_resume_and_go_on(life: Any, as_operator: Client) -> None:
    assert act(as_operator, "zones.world", "resume", life) == ["Harbour is running."]
    assert act(as_operator, "zones.world", "pause", life) == ["Harbour is paused."]
    assert act(as_operator, "zones.world", "step_ten", life) == ["Harbour is going on by ten ticks."]
    tick = life.tick
    life.refresh_from_db()
    assert (life.status, life.target_tick) == ("paused", tick + 10)


def test_editing_a_world_does_not_turn_back_its_clock(life: Any, as_operator: Client) -> None:
    form = {"name": "Haven", "description": "", "access": "open", "rate": 2, "owner": "", "members": []}
    run_ticks(life, 3)
    response = as_operator.post(address(type(life), "change", life.pk), form)
    assert response.status_code == 302, response.context["adminform"].form.errors
    tick = life.tick
    life.refresh_from_db()
    assert (life.name, life.access, life.rate) == ("Haven", "open", 2)
    assert life.tick >= tick + 3


def test_a_world_and_its_zones_are_made(as_operator: Client, operator: Any) -> None:
    wake_domains()
    worlds, zones = apps.get_model("zones.World"), apps.get_model("zones.Zone")
    form = {"name": "New", "description": "", "seed": 3, "access": "private", "rate": 1, "owner": "", "members": []}
    assert as_operator.post(address(worlds, "add"), form).status_code == 302
    world = worlds.objects.get(name="New")
    assert (world.owner, world.seed) == (operator, 3)
    form = {"world": str(world.pk), "name": "Quay", "description": "", "capacity": 9, "permissions": [1, 4],
            "movement_cost": 3, "interaction_range": 30, "regeneration": "{}", "environment_interval": 30}  # fmt: skip
    response = as_operator.post(address(zones, "add"), form)
    assert response.status_code == 302, response.context["adminform"].form.errors
    zone = zones.objects.get(name="Quay")
    assert (zone.capacity, zone.permissions, zone.ordinal, zone.owner) == (9, 5, 0, operator)


def test_editing_a_zone_keeps_what_lives_in_it(life: Any, as_operator: Client) -> None:
    zone = life.zones.first()
    form = {"description": "Wet", "capacity": 50, "permissions": [1, 2], "movement_cost": 3, "interaction_range": 30,
            "regeneration": "{}", "environment_interval": 30, "spawning": "on", "food": 1}  # fmt: skip
    response = as_operator.post(address(type(zone), "change", zone.pk), form)
    assert response.status_code == 302, response.context["adminform"].form.errors
    food = zone.food
    zone.refresh_from_db()
    assert (zone.description, zone.capacity, zone.permissions, zone.food) == ("Wet", 50, 3, food)

    as_operator.post(address(type(zone), "change", zone.pk), {**form, "capacity": 1})
    zone.refresh_from_db()
    assert zone.capacity == 50


def test_ways_go_both_ways(life: Any, as_operator: Client) -> None:
    ways = apps.get_model("zones.Neighbour")
    way = ways.objects.first()
    as_operator.post(address(ways, "change", way.pk), {"permeability": 0.25})
    assert set(ways.objects.values_list("permeability", flat=True)) == {0.25}
    as_operator.post(address(ways, "delete", way.pk), {"post": "yes"})
    assert ways.objects.count() == 0


def test_who_is_not_staff_does_not_get_in(client: Client, member: Any) -> None:
    client.force_login(member)
    assert client.get(reverse("admin:index")).status_code == 302
