"""The bits of a zone, as sets would have them; and that every door which changes a zone asks for them."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from django.contrib.auth.models import Permission as DjangoPermission
from django.db import transaction
from django.test import Client
from django.urls import reverse
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from agents import actions as agents
from agents import inputs
from agents.actions.inputs import Input, apply_inputs
from agents.specs import AgentSpec
from domains.thunderflow import queries as log
from tests.conftest import CountQueries
from tests.factories import make_user, wake_domains
from tests.factories.worlds import make_world
from zones import queries
from zones.actions import places
from zones.errors import AccessDenied
from zones.models import Neighbour, Permission, World, Zone

BITS = st.integers(0, 15)
PERMISSIONS = st.sampled_from(list(Permission))
CHANGES = st.lists(st.tuples(st.booleans(), PERMISSIONS), max_size=12)


def granted(bits: int) -> set[Permission]:
    return {permission for permission in Permission if bits & permission}


class Person:
    """As much of a user as permissions look at."""

    def __init__(self, pk: UUID, *, active: bool = True, root: bool = False) -> None:
        self.pk, self.is_active, self.is_superuser, self.is_staff = pk, active, root, False


WORLD_OWNER, ZONE_OWNER, MEMBER, STRANGER = (UUID(int=n) for n in range(1, 5))


class Members:
    """The members of a world that is nowhere stored."""

    def filter(self, pk__in: list[UUID]) -> "Members":
        self.found = [pk for pk in pk__in if pk == MEMBER]
        return self

    def values_list(self, *_: str, flat: bool) -> list[UUID]:
        return self.found


class Somewhere:
    """A world that is nowhere stored."""

    def __init__(self, access: str) -> None:
        self.owner_id, self.access, self.members = WORLD_OWNER, access, Members()


class Spot:
    """A zone that is nowhere stored."""

    def __init__(self, bits: int, access: str, *, closed: bool = False) -> None:
        self.permissions, self.closed, self.owner_id, self.world = bits, closed, ZONE_OWNER, Somewhere(access)


def expected(bits: int, access: str, closed: bool, person: Person | None, permission: Permission) -> bool:
    """The rule in other words: SYSTEMS.md, Permissions."""
    if person is None or not person.is_active or closed:
        return False
    if person.is_superuser or person.pk in (WORLD_OWNER, ZONE_OWNER):
        return True
    sees = access == "open" or (access == "shared" and person.pk == MEMBER)
    return sees and permission in granted(bits)


PEOPLE = st.none() | st.builds(
    Person, st.sampled_from([WORLD_OWNER, ZONE_OWNER, MEMBER, STRANGER]), active=st.booleans(), root=st.booleans()
)


@pytest.mark.django_db
@given(BITS, st.sampled_from(World.Access.values), st.booleans(), st.lists(PEOPLE, max_size=6), PERMISSIONS)
def test_who_may_do_what(
    bits: int, access: str, closed: bool, people: list[Person | None], permission: Permission
) -> None:
    zone: Any = Spot(bits, access, closed=closed)
    for person in people:
        assert places.has_permission(zone, person, permission) is expected(bits, access, closed, person, permission)
    by_key = {person.pk: person for person in people if person is not None}
    allowed = {pk for pk, person in by_key.items() if expected(bits, access, closed, person, permission)}
    assert places.permitted(zone, by_key.values(), permission) == allowed


@pytest.mark.django_db
@given(BITS, PERMISSIONS)
def test_a_bit_says_nothing_about_another(bits: int, permission: Permission) -> None:
    """What a member may do depends on that one bit, and on all others not at all."""
    zone: Any = Spot(bits, "open")
    for other in Permission:
        flipped: Any = Spot(bits ^ other, "open")
        same = places.has_permission(zone, Person(MEMBER), permission) is places.has_permission(
            flipped, Person(MEMBER), permission
        )
        assert same is (other != permission)


class TestTheField(TestCase):
    """Granting and revoking what is stored, in any order."""

    @settings(max_examples=30)
    @given(BITS, CHANGES)
    def test_granting_and_revoking_is_what_a_set_would_do(
        self, bits: int, changes: list[tuple[bool, Permission]]
    ) -> None:
        root = make_user("root", operator=True)
        zone = make_world(zones=1, agents=0).zones.get()
        Zone.objects.filter(pk=zone.pk).update(permissions=bits)
        held = granted(bits)
        for granting, permission in changes:
            act = places.grant_permission if granting else places.revoke_permission
            held = held | {permission} if granting else held - {permission}
            for _ in range(2):  # twice is as good as once
                assert granted(act(zone.pk, permission, by=root)) == held
                assert granted(Zone.objects.get(pk=zone.pk).permissions) == held


@pytest.mark.django_db
def test_many_users_are_asked_about_at_once(count_queries: CountQueries) -> None:
    world = make_world(zones=1, agents=0, access="shared")
    users = [make_user(f"user {n}") for n in range(20)]
    world.members.add(*users[:10])
    zone = Zone.objects.select_related("world").get(world=world)
    with count_queries() as statements:
        found = places.permitted(zone, users, Permission.BROADCAST_EVENTS)
    assert found == {user.pk for user in users[:10]}
    assert len(statements) == 3  # members, who sees every world, who operates zones


# --- Every door ----------------------------------------------------------------------------------------------

Door = Callable[[Zone, Any], object]


def _granting(zone: Zone, user: Any) -> object:
    return places.grant_permission(zone.pk, Permission.MODIFY_ZONE, by=user)


def _revoking(zone: Zone, user: Any) -> object:
    return places.revoke_permission(zone.pk, Permission.SPAWN_AGENTS, by=user)


def _pushing(verb: str, payload: dict[str, Any]) -> Door:
    def push(zone: Zone, user: Any) -> object:
        one = Input(verb, inputs.parse(verb, payload), None, user, "test")
        (answer,) = apply_inputs(zone.pk, [one])
        if isinstance(answer, Exception):
            raise answer
        return answer

    return push


DOORS: dict[str, tuple[Permission, Door]] = {
    "grant": (Permission.ADMIN_ZONE, _granting),
    "revoke": (Permission.ADMIN_ZONE, _revoking),
    "say": (Permission.BROADCAST_EVENTS, _pushing("say", {"text": "Hello."})),
    "broadcast": (Permission.BROADCAST_EVENTS, _pushing("broadcast", {"event": "x"})),
}


@pytest.mark.django_db
@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize(
    ("who", "closed"),
    [
        ("root", False), ("owner", False), ("zone owner", False), ("member", False), ("stranger", False),
        ("disabled", False), ("nobody", False), ("root", True), ("owner", True), ("member", True),
    ],
)  # fmt: skip
@pytest.mark.parametrize("lacking", [True, False])
def test_every_door_asks_the_same_question(door: str, who: str, closed: bool, lacking: bool) -> None:
    """Each lets through whom `has_permission` does, and refuses the others without a trace."""
    permission, act = DOORS[door]
    cast = {
        "root": make_user("root", operator=True),
        "owner": make_user("owner"),
        "zone owner": make_user("zone owner"),
        "member": make_user("member"),
        "stranger": make_user("stranger"),
        "disabled": make_user("gone", operator=True, is_active=False),
        "nobody": None,
    }
    world = make_world(zones=1, agents=0, by=cast["owner"], access="shared")
    world.members.add(cast["member"])
    bits = 15 & ~permission if lacking else permission
    world.zones.update(owner=cast["zone owner"], permissions=bits, closed=closed)
    zone = Zone.objects.select_related("world").get(world=world)
    before = Zone.objects.values().get(pk=zone.pk), len(log.read_stream(f"zone:{zone.pk}", after=0))
    if places.has_permission(zone, cast[who], permission):
        assert not closed
        act(zone, cast[who])
        return
    with pytest.raises(AccessDenied) as refusal:
        act(zone, cast[who])
    assert refusal.value.code == "access_denied"
    assert (Zone.objects.values().get(pk=zone.pk), len(log.read_stream(f"zone:{zone.pk}", after=0))) == before


@pytest.mark.django_db
@pytest.mark.parametrize("page", ["zone_add", "zone_change", "zone_delete", "neighbour_add", "neighbour_change"])
@pytest.mark.parametrize(("who", "status"), [("member", 302), ("owner", 302), ("staff", 403), ("disabled", 302)])
def test_the_admin_is_for_operators_only(client: Client, page: str, who: str, status: int) -> None:
    """Not even who owns a zone changes it there: that takes an operator's account, with the right to change zones."""
    wake_domains()
    people = {
        "member": make_user("member"),
        "owner": make_user("owner"),
        "staff": make_user("staff", is_staff=True),
        "disabled": make_user("gone", operator=True, is_active=False),
    }
    world = make_world(zones=2, agents=0, by=people["owner"], access="open")
    row = Zone.objects.earliest("ordinal") if page.startswith("zone") else Neighbour.objects.earliest("pk")
    url = reverse(f"admin:zones_{page}", args=[] if page.endswith("add") else [row.pk])
    before = [list(model.objects.order_by("pk").values()) for model in (Zone, Neighbour)]
    client.force_login(people[who])
    data = {"world": world.pk, "name": "Zone 0", "capacity": 1, "permissions": ["8"], "permeability": 1, "post": "yes"}
    response = client.post(url, data)
    assert response.status_code == status
    assert status == 403 or "login" in response["Location"]
    assert [list(model.objects.order_by("pk").values()) for model in (Zone, Neighbour)] == before


@given(BITS)
def test_bits_and_their_names_say_the_same(bits: int) -> None:
    names = queries.permission_names(bits)
    assert queries.permission_bits([*names, *names]) == bits


@pytest.mark.django_db
def test_editing_asks_for_the_bit_of_what_is_edited() -> None:
    world = make_world(zones=1, agents=0, access="open")
    (zone,) = world.zones.all()
    ada, staff = make_user("ada"), make_user("staff", is_staff=True)
    staff.user_permissions.add(*DjangoPermission.objects.filter(codename__in=["change_zone", "see_every_world"]))
    clerk = make_user("clerk", is_staff=True)
    clerk.user_permissions.add(DjangoPermission.objects.get(codename="change_zone"))
    rename, open_up = {"description": "By the sea."}, {"permissions": 15}

    def may(user: Any, changes: dict[str, Any]) -> bool:
        try:
            with transaction.atomic():
                places.edit_many({zone.pk: changes}, user=user)
        except AccessDenied:
            return False
        return True

    Zone.objects.filter(pk=zone.pk).update(permissions=0)
    assert [may(ada, rename), may(ada, open_up), may(clerk, rename)] == [False, False, False]
    Zone.objects.filter(pk=zone.pk).update(permissions=Permission.MODIFY_ZONE)
    assert [may(ada, rename), may(ada, open_up)] == [True, False]
    Zone.objects.filter(pk=zone.pk).update(permissions=Permission.ADMIN_ZONE, closed=True)
    assert [may(ada, open_up), may(staff, rename), may(staff, {"closed": False})] == [False, True, True]
    assert [may(ada, rename), may(ada, open_up)] == [False, True]
    told = [event.topic.rpartition(".")[2] for event in log.read_stream(f"zone:{zone.pk}", after=0)]
    assert told[-2:] == ["changed", "permission_changed"]


@pytest.mark.django_db
def test_giving_birth_asks_for_its_bit() -> None:
    world = make_world(zones=1, agents=0, access="open")
    (zone,) = world.zones.all()
    ada = make_user("ada")
    agents.create(AgentSpec(name="Mara"), world_id=world.pk, zone_id=zone.pk, by="user:ada", user=ada)
    Zone.objects.filter(pk=zone.pk).update(permissions=0)
    with pytest.raises(AccessDenied, match="spawn agents"):
        agents.create(AgentSpec(name="Ben"), world_id=world.pk, zone_id=zone.pk, by="user:ada", user=ada)
    agents.create(AgentSpec(name="Ben"), world_id=world.pk, zone_id=zone.pk, by="installation")
