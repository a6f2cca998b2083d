from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import transaction

from domains.thunderflow import queries as log
from tests.factories import make_user
from tests.factories.worlds import make_world
from zones import queries
from zones.actions import places
from zones.errors import AccessDenied, Invalid, NotFound, ZoneFull
from zones.models import Notice, Permission, Zone

pytestmark = pytest.mark.django_db


@pytest.fixture
def world() -> Any:
    return make_world(zones=3, agents=0, access="open")


@pytest.fixture
def zone(world: Any) -> Zone:
    return world.zones.get(ordinal=0)


def read(zone: Zone) -> Zone:
    return Zone.objects.get(pk=zone.pk)


# --- Making --------------------------------------------------------------------------------------------------


def test_zones_are_made_in_order_after_those_that_are_there(world: Any) -> None:
    world.tick = 40
    world.zones.filter(ordinal=1).delete()
    with transaction.atomic():
        made = places.create_many(world, [{"name": "Cave"}, {"name": "Hill", "environment_interval": 5}])
    assert [(each.ordinal, each.due_tick, each.environment_due) for each in made] == [(3, 41, 70), (4, 41, 45)]
    assert [each.name for each in queries.zones(world.pk)] == ["Zone 0", "Zone 2", "Cave", "Hill"]
    assert [each.permissions for each in made] == [0x05, 0x05]


def test_ways_lie_in_both_directions_and_can_be_changed(world: Any) -> None:
    a, b, c = (each.pk for each in queries.zones(world.pk))
    assert len(queries.ways(world.pk)) == 6
    places.connect([(a, b, 0.25)])
    assert queries.ways(world.pk) == [
        (a, b, 0.25), (a, c, 0.5), (b, a, 0.25), (b, c, 0.5), (c, a, 0.5), (c, b, 0.5),
    ]  # fmt: skip


def test_a_zone_is_found_by_its_name(world: Any, zone: Zone) -> None:
    assert queries.zone(world.pk, "Zone 0") == zone
    with pytest.raises(NotFound, match="'Zone 9'"):
        queries.zone(world.pk, "Zone 9")


def test_a_zone_shows_what_belongs_together(zone: Zone) -> None:
    assert zone.resources == {"food": 60, "materials": 60, "energy": 60, "knowledge": 60}
    assert zone.properties == {"temperature": 20, "humidity": 0.5, "light": 0.7, "noise": 0.2}
    assert zone.rules == {"movement_cost": 3, "interaction_range": 30, "regeneration": {}, "spawning": True}
    assert str(zone) == "Zone 0"


# --- Places --------------------------------------------------------------------------------------------------


def test_agents_are_counted_up_to_the_capacity(zone: Zone) -> None:
    places.add_agents(zone, 10, due_tick=5)
    assert (zone.agent_count, read(zone).agent_count) == (10, 10)
    with pytest.raises(ZoneFull, match="Zone 0 has place for 0 more, not for 1") as refusal:
        places.add_agents(zone, 1, due_tick=5)
    assert refusal.value.code == "zone_full"
    places.remove_agents(zone, 4)
    assert (zone.agent_count, read(zone).agent_count) == (6, 6)
    assert queries.population(zone.world_id) == 6


def test_a_zone_is_due_when_its_first_agent_is(zone: Zone) -> None:
    Zone.objects.filter(pk=zone.pk).update(due_tick=30)
    for due_tick, expected in ((40, 30), (20, 20), (25, 20)):
        places.add_agents(zone, 1, due_tick=due_tick)
        assert read(zone).due_tick == expected
    places.make_due(zone, tick=99)
    assert read(zone).due_tick == 20
    places.make_due(zone, tick=3)
    assert read(zone).due_tick == 3


def test_an_empty_world_has_no_people() -> None:
    assert queries.population(uuid4()) == 0


def test_zones_are_locked_by_id_whatever_the_order_of_asking(world: Any) -> None:
    ids = [each.pk for each in queries.zones(world.pk)]
    with transaction.atomic():
        assert list(places.lock_many(reversed(ids))) == sorted(ids)
        missing = uuid4()
        with pytest.raises(NotFound, match=str(missing)):
            places.lock_many([ids[0], missing])


# --- Permissions ---------------------------------------------------------------------------------------------


def test_the_bits_are_those_of_the_manual() -> None:
    assert {permission.name: permission.value for permission in Permission} == {
        "SPAWN_AGENTS": 0x01, "MODIFY_ZONE": 0x02, "BROADCAST_EVENTS": 0x04, "ADMIN_ZONE": 0x08,
    }  # fmt: skip


def test_granting_and_revoking_is_what_a_set_of_flags_would_do(zone: Zone) -> None:
    """Every permission granted to and revoked from every set of them."""
    root, member = make_user("root", operator=True), make_user("member")
    for bits in range(16):
        held = {permission for permission in Permission if bits & permission}
        for permission in Permission:
            for change, expected in (
                (places.grant_permission, held | {permission}),
                (places.revoke_permission, held - {permission}),
            ):
                Zone.objects.filter(pk=zone.pk).update(permissions=bits)
                assert change(zone.pk, permission, by=root) == sum(expected)
                now = read(zone)
                assert {each for each in Permission if places.has_permission(now, member, each)} == expected


@pytest.mark.parametrize("bits", range(16))
def test_bits_and_their_names_say_the_same(bits: int) -> None:
    names = queries.permission_names(bits)
    assert queries.permission_bits(names) == queries.permission_bits(names * 2) == bits


def test_a_change_of_permissions_is_told(zone: Zone) -> None:
    places.grant_permission(zone.pk, Permission.MODIFY_ZONE, by=make_user("root", operator=True))
    event = log.read_stream(f"zone:{zone.pk}", after=0)[-1]
    assert (event.topic, event.payload) == (f"zone.{zone.pk}.permission_changed", {"was": 5, "permissions": 7})


@pytest.mark.parametrize(
    ("who", "fields", "allowed"),
    [
        ("world owner", {}, True),
        ("zone owner", {}, True),
        ("root", {}, True),
        ("member", {"permissions": 15}, True),
        ("member", {"permissions": 7}, False),
        ("stranger", {"permissions": 15}, False),
        ("nobody", {"permissions": 15}, False),
        ("disabled", {}, False),
        ("disabled root", {}, False),
        ("world owner", {"closed": True}, False),
        ("zone owner", {"closed": True}, False),
        ("root", {"closed": True}, False),
        ("member", {"permissions": 15, "closed": True}, False),
    ],
)
def test_who_may_administer_a_zone(who: str, fields: dict[str, Any], allowed: bool) -> None:
    owner = make_user("world owner", is_active=who != "disabled")
    world = make_world(zones=1, agents=0, by=owner, access="shared")
    zone = world.zones.get()
    cast = {
        "world owner": owner,
        "disabled": owner,
        "zone owner": make_user("zone owner"),
        "root": make_user("root", operator=True),
        "disabled root": make_user("gone", operator=True, is_active=False),
        "member": make_user("member"),
        "stranger": make_user("stranger"),
        "nobody": None,
    }
    world.members.add(cast["member"])
    Zone.objects.filter(pk=zone.pk).update(owner=cast["zone owner"], **fields)
    zone = read(zone)
    assert places.has_permission(zone, cast[who], Permission.ADMIN_ZONE) is allowed
    if allowed:
        places.revoke_permission(zone.pk, Permission.SPAWN_AGENTS, by=cast[who])
        return
    with pytest.raises(AccessDenied, match="only who administers Zone 0") as refusal:
        places.grant_permission(zone.pk, Permission.MODIFY_ZONE, by=cast[who])
    assert refusal.value.code == "access_denied"
    assert read(zone).permissions == zone.permissions


def test_the_permissions_of_a_zone_that_is_not_there(zone: Zone) -> None:
    with pytest.raises(NotFound):
        places.grant_permission(UUID(int=0), Permission.MODIFY_ZONE, by=make_user("root", operator=True))


# --- Notices -------------------------------------------------------------------------------------------------


def test_a_notice_is_pinned_up_and_told_by_the_caller(zone: Zone) -> None:
    event = places.write_notice(zone_id=zone.pk, author="Ada", text="  Bread at noon. ", world_tick=9)
    (notice,) = queries.notices(zone.pk)
    assert (notice.author, notice.text, notice.world_tick) == ("Ada", "Bread at noon.", 9)
    assert (event.stream, event.topic) == (f"zone:{zone.pk}", f"zone.{zone.pk}.notice_written")
    assert event.payload.model_dump() == {"author": "Ada", "text": "Bread at noon.", "tick": 9}
    assert str(notice) == "Bread at noon."


@pytest.mark.parametrize("text", ["", "   ", "x" * 501])
def test_a_notice_has_something_to_say_and_not_too_much(zone: Zone, text: str) -> None:
    with pytest.raises(Invalid, match="1 to 500 characters"):
        places.write_notice(zone_id=zone.pk, author="Ada", text=text, world_tick=1)
    assert not Notice.objects.exists()


def test_the_newest_twenty_notices_of_each_zone_stay(world: Any) -> None:
    one, other, _ = queries.zones(world.pk)
    places.write_notice(zone_id=other.pk, author="Bo", text="mine", world_tick=1)
    for n in range(25):
        places.write_notice(zone_id=one.pk, author="Ada", text=str(n), world_tick=n)
    assert [notice.text for notice in queries.notices(one.pk, limit=99)] == [str(n) for n in range(24, 4, -1)]
    assert [notice.text for notice in queries.notices(one.pk)] == ["24", "23", "22", "21", "20"]
    assert [notice.text for notice in queries.notices(other.pk)] == ["mine"]
