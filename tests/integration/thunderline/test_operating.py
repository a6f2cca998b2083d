"""Operators act where they look: forms, buttons, what undoes them, and who may do what."""

from __future__ import annotations

import html
import json
import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.test import Client
from django.urls import reverse

from agents.models import Spending
from domains.ids import new_id
from domains.thunderflow import queries as thunderflow
from domains.thundergate.audit import queries as audit
from tests.factories import make_user, make_world, run_ticks, wake_domains
from thunderline.views import clocks, forms
from zones.events import zone_stream
from zones.models import Permission, World, Zone

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("commits")]

HTMX = {"HX-Request": "true"}
TRAITS = {"openness": "0.8", "conscientiousness": "0.4", "extraversion": "0.6", "agreeableness": "0.5",
          "neuroticism": "0.1"}  # fmt: skip
AGENT = {"name": "Mara", "tick_interval": "1", "goals": "mend the bridge\n\nfind the cat", **TRAITS}
ZONE = {"name": "Mill", "capacity": "7", "permissions": ["1", "4"], "movement_cost": "2", "interaction_range": "20",
        "environment_interval": "10"}  # fmt: skip


@pytest.fixture(autouse=True)
def alive(commits: None) -> None:
    wake_domains()


@pytest.fixture
def world() -> Any:
    return make_world(zones=3, agents=3, access="open")


@pytest.fixture
def zone(world: Any) -> Any:
    return world.zones.get(name="Zone 0")


@pytest.fixture
def agent(world: Any) -> Any:
    return world.agents.get(name="Agent 0")


@pytest.fixture
def as_member(member: Any) -> Client:
    client = Client()
    client.force_login(member)
    return client


def at(name: str, thing: Any) -> str:
    return reverse(name, args=[thing.pk])


def post(client: Client, name: str, thing: Any, **given: Any) -> Any:
    return client.post(at(name, thing), given, headers=HTMX)


def said(response: Any) -> str:
    """The notice's words."""
    return html.unescape(re.sub(r"<[^>]+>", "", response.content.decode())).strip()


def undo(client: Client, response: Any) -> Any:
    """Press the button that a notice offers."""
    body = response.content.decode()
    found = re.search(r'hx-post="([^"]+)" hx-vals=\'([^\']+)\'', body)
    assert found, body
    return client.post(found[1], json.loads(html.unescape(found[2])), headers=HTMX)


def lifecycle(agent: Any) -> str:
    agent.refresh_from_db()
    return str(agent.lifecycle)


# --- Making agents -------------------------------------------------------------------------------------------


def test_an_agent_is_made_by_the_form_and_lives(as_operator: Client, world: Any, zone: Any) -> None:
    page = as_operator.get(at("new-agent", zone)).content.decode()
    assert 'name="openness"' in page and 'name="system_prompt"' in page
    suggested = re.search(r'name="name" value="(\w+)"', page)
    assert suggested and suggested[1] in forms.NAMES
    response = as_operator.post(at("new-agent", zone), {**AGENT, "capabilities": "swim\nfish"})
    made = world.agents.get(name="Mara")
    assert response.headers["Location"] == at("agent", made)
    assert (made.zone_id, made.lifecycle, made.openness) == (zone.pk, "active", 0.8)
    assert [goal["name"] for goal in made.goals] == ["mend the bridge", "find the cat"]
    assert made.capabilities == ["swim", "fish"]
    run_ticks(world, 3)
    made.refresh_from_db()
    assert made.tick_number > 0
    entered = [e for e in thunderflow.stream_latest(zone_stream(zone.pk)) if e.topic.endswith("agent_entered")]
    assert entered[0].actor == "user:operator" and entered[0].payload["name"] == "Mara"


def test_what_the_form_suggests_is_nobodys_name_and_another_turn_is_another(as_operator: Client, zone: Any) -> None:
    def suggested(turn: int) -> str:
        page = as_operator.get(at("new-agent", zone), {"turn": turn}).content.decode()
        return "".join(re.findall(r'name="(?:name|openness|neuroticism)" value="([^"]+)"', page))

    assert suggested(0) == suggested(0)
    assert len({suggested(turn) for turn in range(5)}) > 1
    assert forms.suggested(1, 5, 0, taken=forms.NAMES)["name"].endswith(" 5")


@pytest.mark.parametrize(
    ("given", "field", "words"),
    [
        ({"name": ""}, "name", "This field is required."),
        ({"name": "x" * 101}, "name", "at most 100 characters"),
        ({"name": "Agent 1"}, "name", "Agent 1 is taken in this world."),
        ({"tick_interval": "0"}, "tick_interval", "greater than or equal to 1"),
        ({"openness": "1.2"}, "openness", "less than or equal to 1"),
        ({"goals": "\n".join(f"goal {i}" for i in range(21))}, "goals", "at most 20 items"),
        ({"goals": "x" * 201}, "goals", "at most 200 characters"),
        ({"reasoner": "oracle"}, "reasoner", "not one of the available choices"),
        ({"capabilities": "\n".join(f"c{i}" for i in range(51))}, "capabilities", "50 at most"),
        ({"capabilities": "x" * 101}, "capabilities", "at most 100 characters"),
    ],
)
def test_what_does_not_fit_is_told_beside_its_field(
    as_operator: Client, world: Any, zone: Any, given: dict[str, str], field: str, words: str
) -> None:
    response = as_operator.post(at("new-agent", zone), {**AGENT, **given})
    assert response.status_code == 200
    errors = response.context["form"].errors
    assert list(errors) == [field] and words in errors[field][0]
    assert re.search(rf'name="{field}"[^>]*aria-invalid="true"', response.content.decode())
    assert world.agents.count() == 3


def test_a_full_zone_refuses_above_the_fields(as_operator: Client, world: Any, zone: Any) -> None:
    Zone.objects.filter(pk=zone.pk).update(capacity=zone.agent_count)
    response = as_operator.post(at("new-agent", zone), AGENT)
    assert "Zone 0 has place for 0 more" in response.context["form"].non_field_errors()[0]


def test_members_make_agents_where_the_zone_lets_them_and_nothing_that_costs(
    as_member: Client, world: Any, zone: Any
) -> None:
    assert "New agent" in as_member.get(at("zone", zone)).content.decode()
    page = as_member.get(at("new-agent", zone)).content.decode()
    assert "system_prompt" not in page and "reasoner" not in page
    as_member.post(at("new-agent", zone), {**AGENT, "reasoner": "openai", "system_prompt": "x", "capabilities": "y"})
    made = world.agents.get(name="Mara")
    assert (made.reasoner, made.system_prompt, made.capabilities) == ("rules", "", [])
    Zone.objects.filter(pk=zone.pk).update(permissions=0)
    assert "New agent" not in as_member.get(at("zone", zone)).content.decode()
    assert as_member.get(at("new-agent", zone)).status_code == 403
    assert as_member.post(at("new-agent", zone), AGENT | {"name": "Bo"}).status_code == 403


def test_nobody_is_born_where_nobody_may_be(as_operator: Client, zone: Any) -> None:
    Zone.objects.filter(pk=zone.pk).update(spawning=False)
    assert as_operator.get(at("new-agent", zone)).status_code == 403
    Zone.objects.filter(pk=zone.pk).update(spawning=True, closed=True)
    assert as_operator.get(at("new-agent", zone)).status_code == 403


# --- Making zones --------------------------------------------------------------------------------------------


def test_a_zone_is_made_by_the_form_with_ways(as_operator: Client, world: Any, zone: Any) -> None:
    assert at("new-zone", world) in as_operator.get(at("world", world)).content.decode()
    response = as_operator.post(at("new-zone", world), {**ZONE, "neighbours": [str(zone.pk)]})
    made = world.zones.get(name="Mill")
    assert response.headers["Location"] == at("zone", made)
    assert (made.capacity, made.permissions, made.movement_cost) == (7, 5, 2.0)
    ways = {(way.zone_id, way.other_id) for way in made.ways.all()} | {(w.zone_id, w.other_id) for w in zone.ways.all()}
    assert {(made.pk, zone.pk), (zone.pk, made.pk)} <= ways


@pytest.mark.parametrize(
    ("given", "field", "words"),
    [
        ({"name": "Zone 1"}, "name", "Harbour has a zone 'Zone 1' already"),
        ({"capacity": "-1"}, "capacity", "greater than or equal to 0"),
        ({"neighbours": ["x"]}, "neighbours", "not one of the available choices"),
        ({"permissions": ["16"]}, "permissions", "not one of the available choices"),
    ],
)
def test_a_zone_that_does_not_fit_is_not_made(
    as_operator: Client, world: Any, given: dict[str, Any], field: str, words: str
) -> None:
    response = as_operator.post(at("new-zone", world), {**ZONE, **given})
    assert words in response.context["form"].errors[field][0]
    assert world.zones.count() == 3


def test_only_who_governs_a_world_makes_zones(client: Client, as_member: Client, member: Any, world: Any) -> None:
    page = as_member.get(at("world", world)).content.decode()
    for forbidden in ("new-zone", "/zones/new/", "world-pause", "/pause/", "Seven days"):
        assert forbidden not in page
    assert as_member.get(at("new-zone", world)).status_code == 403
    assert as_member.post(at("new-zone", world), ZONE).status_code == 403
    world.owner = member
    world.save(update_fields=["owner"])
    assert as_member.post(at("new-zone", world), ZONE).status_code == 302
    assert client.post(at("new-zone", world), ZONE).headers["Location"].startswith("/login/")


# --- Clocks --------------------------------------------------------------------------------------------------


def test_a_clock_is_paused_stepped_and_set_and_each_is_undone(as_operator: Client, world: Any) -> None:
    resumed = post(as_operator, "world-resume", world)
    assert said(resumed).startswith("Harbour goes on.")
    assert World.objects.get().status == "running"
    paused = undo(as_operator, resumed)
    assert World.objects.get().status == "paused" and "Resume it" in said(paused)
    assert said(post(as_operator, "world-step", world, ticks="3")) == "Harbour goes on to tick 3."
    assert World.objects.get().target_tick == 3
    faster = post(as_operator, "world-speed", world, rate="2.5")
    assert World.objects.get().rate == 2.5
    undo(as_operator, faster)
    assert World.objects.get().rate == 1.0


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("world-step", {"ticks": "0"}),
        ("world-step", {"ticks": "x"}),
        ("world-step", {"ticks": str(clocks.MOST_STEPS + 1)}),
        ("world-speed", {"rate": "0"}),
        ("world-speed", {"rate": "nan"}),
        ("world-speed", {"rate": ""}),
    ],
)
def test_what_no_clock_can_do_is_refused(as_operator: Client, world: Any, name: str, given: dict[str, str]) -> None:
    assert post(as_operator, name, world, **given).status_code == 409
    world.refresh_from_db()
    assert (world.target_tick, world.rate) == (0, 1.0)


def test_clocks_are_for_who_governs_the_world(as_member: Client, member: Any, world: Any) -> None:
    for name in ("world-pause", "world-resume", "world-step", "world-speed"):
        refused = post(as_member, name, world, rate="2")
        assert refused.status_code == 403 and "Only the owner of Harbour" in said(refused)
        assert as_member.get(at(name, world)).status_code == 405
    World.objects.update(access="private")
    assert post(as_member, "world-pause", world).status_code == 404
    World.objects.update(owner=member)
    assert post(as_member, "world-resume", world).status_code == 200


# --- Agents --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("was", ["active", "suspended", "dormant"])
def test_an_archived_agent_comes_back_as_it_was(as_operator: Client, agent: Any, was: str) -> None:
    type(agent).objects.filter(pk=agent.pk).update(lifecycle=was)
    archived = post(as_operator, "agent-archive", agent)
    assert lifecycle(agent) == "archived"
    assert Zone.objects.get(pk=agent.zone_id).agent_count == 0
    assert "Bring back" in as_operator.get(at("agent", agent)).content.decode()
    assert f"is back in Zone 0, {was}" in said(undo(as_operator, archived))
    assert lifecycle(agent) == was
    assert Zone.objects.get(pk=agent.zone_id).agent_count == 1


def test_nobody_is_brought_back_as_something_else(as_operator: Client, agent: Any) -> None:
    post(as_operator, "agent-archive", agent)
    assert post(as_operator, "agent-restore", agent, was="immortal").status_code == 409
    assert lifecycle(agent) == "archived"
    post(as_operator, "agent-restore", agent)
    assert lifecycle(agent) == "dormant"


def test_an_agent_is_moved_to_a_neighbour_and_back(as_operator: Client, world: Any, agent: Any) -> None:
    there = world.zones.get(name="Zone 1")
    assert str(there.pk) in as_operator.get(at("agent", agent)).content.decode()
    moved = post(as_operator, "agent-move", agent, zone=there.pk)
    assert said(moved).startswith("Agent 0 is in Zone 1 now.")
    agent.refresh_from_db()
    assert agent.zone_id == there.pk
    again = post(as_operator, "agent-move", agent, zone=there.pk)
    assert said(again) == "Agent 0 is in Zone 1 already."
    undo(as_operator, moved)
    agent.refresh_from_db()
    assert agent.zone.name == "Zone 0"
    left = [e for e in thunderflow.stream_latest(zone_stream(there.pk)) if e.topic.endswith("agent_left")]
    assert left[0].actor == "user:operator"


def test_no_way_is_no_way(as_operator: Client, agent: Any) -> None:
    elsewhere = make_world("Elsewhere", zones=1, agents=0).zones.get()
    for zone_id in (elsewhere.pk, new_id(), "x"):
        assert post(as_operator, "agent-move", agent, zone=zone_id).status_code == 409
    agent.refresh_from_db()
    assert agent.zone.name == "Zone 0"


def test_members_steer_where_they_may_and_move_nobody(as_member: Client, world: Any, agent: Any) -> None:
    Zone.objects.update(permissions=Permission.MODIFY_ZONE)
    page = as_member.get(at("agent", agent)).content.decode()
    assert "agent-move" not in page and "Move to" not in page and 'id="archive"' in page
    refused = post(as_member, "agent-move", agent, zone=world.zones.get(name="Zone 1").pk)
    assert refused.status_code == 403
    assert post(as_member, "agent-suspend", agent).status_code == 200
    assert post(as_member, "agent-archive", agent).status_code == 200
    Zone.objects.update(permissions=0)
    assert post(as_member, "agent-restore", agent).status_code == 403
    assert 'id="restore"' not in as_member.get(at("agent", agent)).content.decode()
    assert lifecycle(agent) == "archived"


def test_suspending_offers_to_wake(as_operator: Client, agent: Any) -> None:
    undo(as_operator, post(as_operator, "agent-suspend", agent))
    assert lifecycle(agent) == "active"


def test_who_did_what_is_in_the_audit_trail(as_operator: Client, agent: Any) -> None:
    post(as_operator, "agent-suspend", agent)
    row = audit.entries(table="pac_agents", object_id=str(agent.pk)).first()
    assert row is not None and row.actor == "user:operator" and "suspended" in str(audit.plain(row))


# --- Zones ---------------------------------------------------------------------------------------------------


def test_something_happens_in_a_zone_and_is_noticed(as_operator: Client, world: Any, zone: Any) -> None:
    assert "Make something happen" in as_operator.get(at("zone", zone)).content.decode()
    response = post(as_operator, "zone-happening", zone, text="A bell rings three times.", event="bell")
    assert response.headers["HX-Trigger"] == "refresh"
    told = thunderflow.stream_latest(zone_stream(zone.pk), limit=1)[0]
    assert (told.topic, told.actor) == (f"zone.{zone.pk}.broadcast", "user:operator")
    assert told.payload["text"] == "A bell rings three times."
    zone.refresh_from_db()
    assert "A bell rings" in json.dumps(zone.happenings)
    assert "A bell rings" in as_operator.get(at("zone", zone)).content.decode()


@pytest.mark.parametrize(
    ("field", "value"), [("text", ""), ("text", "x" * 1001), ("event", "Bell Tower"), ("event", "")]
)
def test_a_happening_that_does_not_fit_is_told(as_operator: Client, zone: Any, field: str, value: str) -> None:
    response = post(as_operator, "zone-happening", zone, **{"text": "A bell rings.", "event": "bell", field: value})
    assert list(response.context["form"].errors) == [field]
    assert not [e for e in thunderflow.stream_latest(zone_stream(zone.pk)) if e.topic.endswith("broadcast")]


def test_only_who_governs_a_zone_makes_things_happen(as_member: Client, zone: Any) -> None:
    assert "Make something happen" not in as_member.get(at("zone", zone)).content.decode()
    assert post(as_member, "zone-happening", zone, text="Boo.", event="boo").status_code == 403


def test_permissions_are_shown_to_all_and_changed_by_who_may(as_operator: Client, as_member: Client, zone: Any) -> None:
    shown = as_member.get(at("zone", zone)).content.decode()
    assert "announce things to all who are here" in shown and "Forbid" not in shown and "Close the zone" not in shown
    assert post(as_member, "zone-doors", zone, permission="modify_zone", on="1").status_code == 403
    assert post(as_member, "zone-doors", zone, closed="1", on="1").status_code == 403
    allowed = post(as_operator, "zone-doors", zone, permission="modify_zone", on="1")
    assert said(allowed).startswith("Members may now change the zone")
    assert Zone.objects.get(pk=zone.pk).permissions == 7
    undo(as_operator, allowed)
    assert Zone.objects.get(pk=zone.pk).permissions == 5
    assert post(as_operator, "zone-doors", zone, permission="fly", on="1").status_code == 409


def test_a_zone_is_closed_and_opened_again(as_operator: Client, zone: Any) -> None:
    closed = post(as_operator, "zone-doors", zone, closed="1", on="1")
    assert Zone.objects.get(pk=zone.pk).closed
    page = as_operator.get(at("zone", zone)).content.decode()
    assert "Open the zone" in page and "New agent" not in page and "Make something happen" not in page
    undo(as_operator, closed)
    assert not Zone.objects.get(pk=zone.pk).closed


# --- What models cost ----------------------------------------------------------------------------------------


def test_what_models_cost_is_shown_to_who_steers(
    as_operator: Client, as_member: Client, world: Any, agent: Any
) -> None:
    now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    for scope, target in (("world", world.pk), ("agent", agent.pk)):
        Spending.objects.create(scope=scope, target_id=target, hour=now, calls=3, tokens=1234, cost=Decimal("0.4"))
    assert "Models" not in as_operator.get(at("agent", agent)).content.decode()
    type(agent).objects.filter(pk=agent.pk).update(reasoner="openai")
    for page in (at("agent", agent), at("world", world)):
        assert "$0.40" in as_operator.get(page).content.decode()
        assert "$0.40" not in as_member.get(page).content.decode()
    assert "Agent 0" in as_operator.get(at("world", world)).content.decode().split("Models</h2>")[1]


# --- Roles ---------------------------------------------------------------------------------------------------


def test_admins_do_all_of_it_and_viewers_nothing(world: Any, zone: Any, agent: Any) -> None:
    zone_ids = {"zone": str(world.zones.get(name="Zone 1").pk)}
    asked = [
        ("agent-suspend", agent, {}), ("agent-wake", agent, {}), ("agent-move", agent, zone_ids),
        ("agent-archive", agent, {}), ("agent-restore", agent, {}), ("world-resume", world, {}),
        ("world-pause", world, {}), ("world-step", world, {}), ("world-speed", world, {"rate": "2"}),
        ("zone-happening", zone, {"text": "A bell rings.", "event": "bell"}),
        ("zone-doors", zone, {"permission": "admin_zone", "on": "1"}),
    ]  # fmt: skip
    Zone.objects.update(permissions=0)
    for role, status in (("viewer", 403), ("admin", 200)):
        somebody = make_user(role)
        somebody.groups.add(Group.objects.get(name=role))
        client = Client()
        client.force_login(somebody)
        assert [post(client, name, thing, **given).status_code for name, thing, given in asked] == [status] * len(asked)


# --- What charts draw ----------------------------------------------------------------------------------------


def test_stats_are_reckoned_back_through_what_ticks_changed(as_operator: Client, world: Any, agent: Any) -> None:
    before = agent.energy
    run_ticks(world, 8)
    agent.refresh_from_db()
    told = as_operator.get(at("agent-series", agent)).json()
    assert told["ticks"] == sorted(log.tick_number for log in agent.ticks.all())
    assert told["values"]["energy"][-1] == agent.energy and told["values"]["mood"][-1] == agent.mood
    first = agent.ticks.order_by("tick_number").first()
    assert told["values"]["energy"][0] == pytest.approx(before + first.stat_changes.get("energy", 0.0))
    assert all(0 <= value <= 100 for value in told["values"]["social"])


def test_a_zones_charts_tell_stores_and_events(as_operator: Client, world: Any, zone: Any) -> None:
    run_ticks(world, 12)
    zone.refresh_from_db()
    told = as_operator.get(at("zone-series", zone)).json()
    assert {name: values[-1] for name, values in told["resources"]["values"].items()} == zone.resources
    assert len(told["activity"]["at"]) == 60 and told["activity"]["at"] == sorted(told["activity"]["at"])


def test_charts_of_what_one_may_not_see_are_not_there(as_member: Client, world: Any, zone: Any, agent: Any) -> None:
    World.objects.update(access="private")
    assert as_member.get(at("zone-series", zone)).status_code == 404
    assert as_member.get(at("agent-series", agent)).status_code == 404


def test_whom_an_agent_talks_with_is_told(as_operator: Client) -> None:
    world = make_world("Parlour", zones=1, agents=2, spec={"traits": {"extraversion": 1.0}})
    run_ticks(world, 40)
    one, other = world.agents.order_by("name")
    talks = one.ticks.filter(action="socialize").count()
    assert talks, "nobody talked in 40 ticks"
    others = as_operator.get(at("agent", one)).content.decode().split("Others</h2>")[1]
    assert other.name in others and f"{talks} talk" in others
