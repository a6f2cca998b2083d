"""What cannot be, cannot be written: each rule is tried by a bare UPDATE, past all of the code."""

from typing import Any

import pytest
from django.apps import apps
from django.db import IntegrityError, connection, models, transaction

from tests.factories.worlds import make_world
from zones.models import Neighbour, World, Zone

pytestmark = pytest.mark.django_db

NAN = "'NaN'::float8"
BROKEN: list[tuple[str, str, str]] = [
    ("worlds", "name = ''", "world_name_given"),
    ("worlds", "rate = 0", "world_rate_range"),
    ("worlds", "rate = -1", "world_rate_range"),
    ("worlds", "rate = 1000.5", "world_rate_range"),
    ("worlds", f"rate = {NAN}", "world_rate_range"),
    ("worlds", "tick = -1", "world_ticks_positive"),
    ("worlds", "target_tick = -1", "world_ticks_positive"),
    ("worlds", "seed = -1", "world_seed_positive"),
    ("pac_zones", "name = ''", "zone_name_given"),
    ("pac_zones", "name = 'Zone 1'", "zone_name_unique"),
    ("pac_zones", "ordinal = 1", "zone_ordinal_unique"),
    ("pac_zones", "capacity = -1, agent_count = -1", "zone_capacity_range"),
    ("pac_zones", "capacity = 100001", "zone_capacity_range"),
    ("pac_zones", "agent_count = -1", "zone_not_overfull"),
    ("pac_zones", "agent_count = capacity + 1", "zone_not_overfull"),
    ("pac_zones", "capacity = 3, agent_count = 4", "zone_not_overfull"),
    ("pac_zones", "active_session_count = -1", "zone_sessions_positive"),
    ("pac_zones", "permissions = 16", "zone_permission_bits"),
    ("pac_zones", "permissions = -1", "zone_permission_bits"),
    *[
        ("pac_zones", f"{name} = {value}", "zone_resources_range")
        for name in ("food", "materials", "energy", "knowledge")
        for value in ("-0.0001", "100.0001", NAN)
    ],
    *[
        ("pac_zones", f"{name} = {value}", "zone_shares_range")
        for name in ("humidity", "light", "noise", "entropy")
        for value in ("-0.0001", "1.0001", NAN)
    ],
    *[("pac_zones", f"thermal = {value}", "zone_thermal_range") for value in ("-1.0001", "1.0001", NAN)],
    ("pac_zones", "movement_cost = -0.1", "zone_rules_range"),
    ("pac_zones", "interaction_range = 0", "zone_rules_range"),
    ("pac_zones", "environment_interval = 0", "zone_rules_range"),
    ("zone_neighbours", "other_id = zone_id", "neighbour_not_itself"),
    ("zone_neighbours", "zone_id = other_id", "neighbour_not_itself"),
    ("zone_neighbours", "permeability = -0.1", "neighbour_permeability_range"),
    ("zone_neighbours", "permeability = 1.1", "neighbour_permeability_range"),
    ("zone_neighbours", f"permeability = {NAN}", "neighbour_permeability_range"),
    ("zone_neighbours", "other_id = (SELECT id FROM pac_zones WHERE ordinal = 2)", "neighbour_unique"),
]  # fmt: skip
WHERE = {
    "worlds": "name = 'Harbour'",
    "pac_zones": "ordinal = 0",
    "zone_neighbours": """zone_id = (SELECT id FROM pac_zones WHERE ordinal = 0)
                          AND other_id = (SELECT id FROM pac_zones WHERE ordinal = 1)""",
}


@pytest.fixture
def world() -> Any:
    return make_world(zones=3, agents=0)


@pytest.mark.parametrize(("table", "change", "constraint"), BROKEN)
def test_the_database_refuses_what_cannot_be(world: Any, table: str, change: str, constraint: str) -> None:
    with pytest.raises(IntegrityError) as refusal, transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"UPDATE {table} SET {change} WHERE {WHERE[table]}")
    assert refusal.value.__cause__.diag.constraint_name == constraint  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "change",
    [
        "food = 0, materials = 100, energy = 0, knowledge = 100",
        "humidity = 0, light = 1, noise = 0, entropy = 1, thermal = -1",
        "capacity = 0, agent_count = 0",
        "capacity = 100000, agent_count = 100000",
        "permissions = 15",
        "permissions = 0, movement_cost = 0, environment_interval = 1",
    ],
)
def test_the_edges_are_allowed(world: Any, change: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"UPDATE pac_zones SET {change} WHERE ordinal = 0")
        assert cursor.rowcount == 1


def test_two_worlds_cannot_have_one_name(world: Any) -> None:
    with pytest.raises(IntegrityError, match="worlds_name"), transaction.atomic():
        World.objects.create(name=world.name)


def test_two_worlds_may_have_zones_of_the_same_name(world: Any) -> None:
    assert make_world("Another", zones=3, agents=0).zones.count() == 3


def test_every_named_rule_of_the_models_is_tried() -> None:
    named = {
        rule.name
        for model in (World, Zone, Neighbour)
        for rule in model._meta.constraints
        if isinstance(rule, (models.CheckConstraint, models.UniqueConstraint))
    }
    assert named == {constraint for _, _, constraint in BROKEN}
    others = {model for model in apps.get_app_config("zones").get_models() if model._meta.constraints}
    assert others == {World, Zone, Neighbour}
