"""Who may do what: roles, scopes, objects, and the one answer for all doors."""

from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import Group, Permission
from django.test import Client
from django.urls import reverse

from domains.thunderflow import queries as log
from domains.thundergate import access, grants, keys, roles
from domains.thundergate.access import Identity, Via
from domains.thundergate.errors import Forbidden, GateError
from domains.thundergate.models import MemoryGrant
from domains.thundergate.tokens import Claims
from memory import actions as memory
from tests.conftest import CountQueries
from tests.factories import make_user, make_world, wake_domains
from zones import queries
from zones.actions import places
from zones.models import World

pytestmark = pytest.mark.django_db


def person(name: str, role: str | None = None, **fields: Any) -> Any:
    user = make_user(name, is_staff=role is not None, **fields)
    if role:
        user.groups.add(Group.objects.get(name=role))
    return user


def signed_in(user: Any) -> Identity:
    return Identity(user, Via.SESSION)


def with_key(user: Any, *scopes: str, agent_id: Any = None) -> Identity:
    made = keys.issue(user, name="x", scopes=scopes, agent_id=agent_id, by="test")
    row = keys.issued(ids=[made.id]).get()
    claims = Claims(row.pk, user.pk, agent_id, row.created_at, None, row.pk, tuple(row.scopes))
    return Identity(user, Via.KEY, claims)


@pytest.fixture
def world() -> Any:
    wake_domains()
    return make_world(agents=2, zones=1, by=make_user("owner"))


@pytest.fixture
def owner(world: Any) -> Any:
    return world.owner


# --- Roles ---------------------------------------------------------------------------------------------------


def test_roles_are_there_and_stay_as_the_table_says(count_queries: CountQueries) -> None:
    assert set(roles.ROLES) <= set(Group.objects.values_list("name", flat=True))
    viewer = Group.objects.get(name="viewer")
    before = set(viewer.permissions.values_list("pk", flat=True))
    viewer.permissions.add(Permission.objects.get(codename="delete_user"))
    viewer.permissions.remove(Permission.objects.get(codename="view_agent"))
    mine = Group.objects.create(name="gardeners")
    mine.permissions.add(Permission.objects.get(codename="delete_user"))
    roles.establish()
    assert set(viewer.permissions.values_list("pk", flat=True)) == before
    assert mine.permissions.count() == 1
    with count_queries() as statements:
        roles.establish()
    assert not any(statement.startswith(("INSERT", "DELETE", "UPDATE")) for statement in statements)


def test_what_roles_let_one_do() -> None:
    admin, developer, viewer = (person(role, role) for role in ("admin", "developer", "viewer"))
    assert signed_in(admin).roles == {"admin"}
    may = {who.get_username(): signed_in(who).may("agents:write") for who in (admin, developer, viewer)}
    assert may == {"admin": True, "developer": True, "viewer": False}
    assert [access.sees_every_world(who) for who in (admin, developer, viewer, None)] == [True, False, False, False]
    assert access.holding([admin, developer, None], access.SEE_EVERY_WORLD) == {admin.pk}
    assert not signed_in(make_user("nobody")).may("system:write")


@pytest.mark.parametrize("access_", World.Access.values)
def test_the_rule_of_seeing_worlds_is_one(world: Any, access_: str) -> None:
    """For one world, as a filter, and as an identity is asked; SYSTEMS.md says the rest."""
    member = make_user("member")
    World.objects.filter(pk=world.pk).update(access=access_)
    world.refresh_from_db()
    world.members.add(member)
    cast = {
        "owner": world.owner, "member": member, "stranger": make_user("stranger"),
        "root": make_user("r", operator=True),
        "admin": person("admin", "admin"), "developer": person("developer", "developer"),
        "viewer": person("viewer", "viewer"), "gone": person("gone", "admin", is_active=False),
    }  # fmt: skip
    expected = {"owner", "root", "admin"}
    expected |= {"member"} if access_ != "private" else set()
    expected |= {"stranger", "developer", "viewer"} if access_ == "open" else set()
    assert {name for name, who in cast.items() if places.may_see(world, who)} == expected
    assert {name for name, who in cast.items() if queries.worlds(who).filter(pk=world.pk).exists()} == expected
    assert {name for name, who in cast.items() if signed_in(who).may("worlds:read", world)} == expected
    seen = places.seeing(world, cast.values())
    assert seen == {cast[name].pk for name in expected}


@pytest.mark.parametrize("access_", World.Access.values)
@pytest.mark.parametrize("role", ["viewer", "developer", "admin"])
def test_the_admin_shows_worlds_by_the_same_rule(client: Client, world: Any, role: str, access_: str) -> None:
    World.objects.filter(pk=world.pk).update(access=access_)
    client.force_login(person("someone", role))
    shown = role == "admin" or access_ == "open"
    row = {"world": world.pk, "zone": world.zones.get().pk, "agent": world.agents.first().pk}
    for app, model in (("zones", "world"), ("zones", "zone"), ("agents", "agent")):
        listed = client.get(reverse(f"admin:{app}_{model}_changelist"))
        assert listed.context["cl"].result_count == (0 if not shown else 2 if model == "agent" else 1)
        one = client.get(reverse(f"admin:{app}_{model}_change", args=[row[model]]))
        assert one.status_code == (200 if shown else 302)


def test_the_admin_shows_memories_to_who_may_read_them(client: Client, world: Any) -> None:
    World.objects.filter(pk=world.pk).update(access="open")
    agent = world.agents.first()
    memory_id = memory.store(agent.pk, "The key is under the mat.")
    mind = [{"content": "The key is under the mat."}]
    type(agent).objects.filter(pk=agent.pk).update(working_memory=mind)
    pages = [
        reverse("admin:memory_memorynode_changelist"), reverse("admin:memory_memorynode_change", args=[memory_id]),
        reverse("admin:memory_memorynode_history", args=[memory_id]),
        reverse("admin:agents_agent_change", args=[agent.pk]),
    ]  # fmt: skip
    for role, shown in (("viewer", False), ("developer", False), ("admin", True)):
        client.force_login(person(f"a-{role}", role))
        told = ["under the mat" in client.get(page).content.decode() for page in pages]
        assert any(told) == shown, (role, told)
        assert client.get(pages[0]).status_code == (403 if role == "viewer" else 200)
    owner = person("a-owner", "developer")
    World.objects.filter(pk=world.pk).update(owner=owner)
    client.force_login(owner)
    assert all("under the mat" in client.get(pages[i]).content.decode() for i in (0, 1, 3))


def test_a_developer_changes_in_the_admin_what_is_hers_only(client: Client, world: Any) -> None:
    World.objects.filter(pk=world.pk).update(access="open")
    ada = person("ada", "developer")
    client.force_login(ada)
    url = reverse("admin:zones_world_changelist")
    client.post(url, {"action": "resume", "_selected_action": [str(world.pk)]})
    assert World.objects.get(pk=world.pk).status == "paused"
    client.post(reverse("admin:agents_agent_changelist"),
                {"action": "suspend", "_selected_action": [str(a.pk) for a in world.agents.all()]})  # fmt: skip
    assert set(world.agents.values_list("lifecycle", flat=True)) == {"active"}
    page = reverse("admin:zones_world_change", args=[world.pk])
    assert client.post(page, {"name": "Mine", "access": "open", "rate": 1}).status_code == 403
    World.objects.filter(pk=world.pk).update(owner=ada)
    client.post(url, {"action": "resume", "_selected_action": [str(world.pk)]})
    assert World.objects.get(pk=world.pk).status == "running"


# --- Scopes and objects --------------------------------------------------------------------------------------


def test_a_key_narrows_and_never_widens(world: Any, owner: Any) -> None:
    zone, agent = world.zones.get(), world.agents.first()
    stranger = make_user("stranger")
    reader, writer = with_key(owner, "agents:read"), with_key(owner, "agents:write", "zones:read")
    assert [reader.may("agents:read", agent), reader.may("agents:write", agent)] == [True, False]
    assert [writer.may("agents:read", agent), writer.may("agents:write", agent)] == [True, True]
    assert [writer.may("zones:read", zone), writer.may("zones:write", zone)] == [True, False]
    assert not with_key(stranger, "agents:write").may("agents:read", agent)
    assert signed_in(owner).may("zones:write", zone) and not signed_in(stranger).may("zones:read", zone)
    with pytest.raises(Forbidden, match="needs the scope agents:write"):
        reader.check("agents:write", agent)
    with pytest.raises(Forbidden, match="you may not"):
        signed_in(stranger).check("agents:write", agent)


def test_what_nobody_allows_is_denied(world: Any) -> None:
    root = signed_in(make_user("root", operator=True))
    assert not root.may("agents:fly")
    assert not root.may("worlds:read", object())
    assert not root.may("agents:read", world.zones.get().notices)
    root.user.is_active = False
    assert not root.may("worlds:read", world) and not root.may("worlds:read")


def test_a_zone_may_be_joined_by_its_own_scope(world: Any, owner: Any) -> None:
    zone = world.zones.get()
    here, elsewhere = with_key(owner, f"zone:{zone.pk}:join"), with_key(owner, f"zone:{uuid4()}:join")
    assert [here.may("zones:act", zone), here.may("zones:read", zone), here.may("zones:write", zone)] == [
        True, True, False]  # fmt: skip
    assert not elsewhere.may("zones:act", zone)


def test_a_key_for_one_agent_acts_for_that_one(world: Any, owner: Any) -> None:
    mine, other = world.agents.order_by("ordinal")
    key = with_key(owner, "agents:act", "agents:write", "agents:read", "worlds:write", agent_id=mine.pk)
    assert [key.may("agents:act", mine), key.may("agents:act", other)] == [True, False]
    assert [key.may("agents:read", other), key.may("agents:write", mine)] == [True, False]
    assert [key.may("agents:read"), key.may("agents:write"), key.may("worlds:write", world)] == [True, False, False]


# --- Memories ------------------------------------------------------------------------------------------------


def test_who_may_read_memories_and_what_is_told_of_it(world: Any, owner: Any) -> None:
    agent, other = world.agents.order_by("ordinal")
    stranger, admin = make_user("stranger"), person("admin", "admin")
    grants.check(signed_in(owner), [agent.pk], own=[agent.pk], door="test")
    assert topics() == []
    with pytest.raises(Forbidden, match="takes a grant"):
        grants.check(signed_in(stranger), [agent.pk], own=[], door="test")
    grants.grant(stranger, agent.pk, days=1, by="user:owner")
    grants.check(signed_in(stranger), [agent.pk], own=[], door="test")
    grants.check(signed_in(admin), [agent.pk], own=[], door="test")
    assert topics() == ["memory_granted", "memories_read", "memories_read"]
    told = log.read_stream("security", after=0)[-2:]
    assert [event.payload["why"] for event in told] == ["grant", "operator"]
    assert [event.actor for event in told] == ["user:stranger", "user:admin"]
    with pytest.raises(Forbidden):
        grants.check(signed_in(stranger), [agent.pk, other.pk], own=[], door="test")
    assert topics()[-1] == "memories_read" and len(topics()) == 3
    grants.end(stranger, agent.pk, by="user:owner")
    assert not signed_in(stranger).may("memory:read", agent)
    with pytest.raises(GateError):
        grants.end(stranger, agent.pk, by="user:owner")


def test_keys_read_memories_with_their_scope_and_agents_their_own(world: Any, owner: Any) -> None:
    mine, other = world.agents.order_by("ordinal")
    assert with_key(owner, "memory:read").may("memory:read", mine)
    assert not with_key(owner, "agents:read").may("memory:read", mine)
    agents_key = with_key(owner, "memory:read", agent_id=mine.pk)
    assert [agents_key.may("memory:read", mine), agents_key.may("memory:read", other)] == [True, False]
    grants.grant(owner, other.pk, by="user:owner")
    assert agents_key.may("memory:read", other)


def test_a_grant_given_again_is_the_newer_one(world: Any) -> None:
    stranger, agent = make_user("stranger"), world.agents.first()
    assert grants.grant(stranger, agent.pk, by="operator") is None
    assert grants.grant(stranger, agent.pk, days=1, by="operator") is not None
    assert MemoryGrant.objects.count() == 1
    MemoryGrant.objects.update(granted_at="2020-01-01T00:00Z", expires_at="2020-01-02T00:00Z")
    assert grants.granted(stranger, [agent.pk]) == set()
    for days in (0, -1, 1e9):
        with pytest.raises(GateError):
            grants.grant(stranger, agent.pk, days=days, by="operator")


def topics() -> list[str]:
    return [
        event.topic.removeprefix("system.") for event in log.read_stream("security", after=0) if "memor" in event.topic
    ]
