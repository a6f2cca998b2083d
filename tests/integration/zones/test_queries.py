from typing import Any
from uuid import uuid4

import pytest

from tests.factories import make_user
from tests.factories.worlds import make_world
from zones import queries
from zones.actions import worlds
from zones.models import Neighbour, World

pytestmark = pytest.mark.django_db


@pytest.fixture
def world() -> Any:
    return make_world(zones=3, agents=5)


def test_the_first_zones_of_a_world_come_in_order_and_worlds_are_counted(world: Any) -> None:
    other = make_world("Other", zones=1, agents=2)
    assert [zone.ordinal for zone in queries.first_zones(world.pk, limit=2)] == [0, 1]
    assert queries.first_zones(uuid4(), limit=2) == []
    assert queries.sizes([world.pk, other.pk]) == {world.pk: (3, 5), other.pk: (1, 2)}
    assert queries.sizes([]) == {}


def test_a_zone_is_shown_to_who_may_see_its_world(world: Any, count_queries: Any) -> None:
    zone = world.zones.get(ordinal=1)
    stranger, root = make_user("stranger"), make_user("root", operator=True)
    assert queries.visible_zone(zone.pk, stranger) is None
    assert queries.names([zone.pk], user=stranger) == {}
    with count_queries() as statements:
        seen = queries.visible_zone(zone.pk, root)
        assert seen == zone and seen.world == world
    assert len(statements) == 1
    assert queries.names([zone.pk, uuid4()], user=root) == {zone.pk: "Zone 1"}
    World.objects.update(access="open")
    assert queries.visible_zone(zone.pk, stranger) == zone
    assert queries.visible_zone(uuid4(), root) is None


def test_the_ways_out_of_a_zone_come_in_order(world: Any) -> None:
    zone = world.zones.get(ordinal=1)
    ways = queries.neighbours(zone.pk)
    assert [(way.other.name, way.permeability) for way in ways] == [("Zone 0", 0.5), ("Zone 2", 0.5)]
    assert str(Neighbour.objects.get(pk=ways[0].pk)) == "Zone 1 → Zone 0"


def test_all_clocks_are_listed_by_name(world: Any) -> None:
    make_world("Another", zones=1, agents=0)
    worlds.step(world.pk, ticks=4)
    assert queries.clocks() == [("Another", 0, 0), ("Harbour", 0, 4)]


def test_a_world_made_by_hand_has_no_source(world: Any) -> None:
    assert queries.source(world.pk) == {}
    worlds.keep_source(world.pk, {"name": "Harbour"})
    assert queries.source(world.pk) == {"name": "Harbour"}
