from uuid import UUID

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.factories.states import zone_state
from zones.models import RESOURCES
from zones.state import KEPT_HAPPENINGS, Happening, pack, unpack

AMOUNTS = st.floats(0, 1e9) | st.floats(0, 5)
MOVES = st.lists(st.tuples(st.booleans(), st.sampled_from(RESOURCES), AMOUNTS), max_size=40)
STOCK = st.floats(0, 100).map(lambda value: round(value, 4))


@given(MOVES, STOCK)
def test_resources_never_leave_their_range_and_every_unit_is_accounted_for(
    moves: list[tuple[bool, str, float]], stock: float
) -> None:
    zone = zone_state(resources=dict.fromkeys(RESOURCES, stock))
    balance = dict.fromkeys(RESOURCES, stock)
    for giving, resource, amount in moves:
        moved = (zone.give if giving else zone.take)(resource, amount)
        assert -1e-9 <= moved <= amount + 5e-5, "never more than was asked for, but for rounding"
        balance[resource] += moved if giving else -moved
        assert 0 <= zone.resources[resource] <= 100
        assert zone.resources[resource] == pytest.approx(balance[resource], abs=1e-6)
    for resource in RESOURCES:
        assert zone.changes.get(resource, 0.0) == pytest.approx(zone.resources[resource] - stock, abs=1e-2)


@given(STOCK, AMOUNTS)
def test_taking_gets_what_there_is(stock: float, amount: float) -> None:
    zone = zone_state(resources=dict.fromkeys(RESOURCES, stock))
    assert zone.take("food", amount) == pytest.approx(min(stock, amount), abs=1e-4)


@given(STOCK, AMOUNTS)
def test_giving_fills_up_to_a_hundred(stock: float, amount: float) -> None:
    zone = zone_state(resources=dict.fromkeys(RESOURCES, stock))
    assert zone.give("food", amount) == pytest.approx(min(100 - stock, amount), abs=1e-4)


def test_what_did_not_change_is_no_change() -> None:
    zone = zone_state(resources={"food": 0.0, "materials": 100.0, "energy": 50.0, "knowledge": 50.0})
    zone.take("food", 5)
    zone.give("materials", 5)
    zone.take("energy", 0)
    assert zone.changes == {}


def test_changes_are_net() -> None:
    zone = zone_state(resources=dict.fromkeys(RESOURCES, 50.0))
    zone.take("food", 5)
    zone.give("food", 3)
    assert zone.changes == {"food": -2.0}


def test_a_zone_knows_its_stream() -> None:
    assert zone_state(id=UUID(int=7)).stream == "zone:00000000-0000-0000-0000-000000000007"


HAPPENINGS = st.builds(
    Happening,
    tick=st.integers(0, 2**53),
    kind=st.text(max_size=5),
    text=st.text(max_size=5),
    importance=st.floats(0, 1),
    valence=st.floats(-1, 1),
    by=st.none() | st.integers(0, 100),
    to=st.none() | st.integers(0, 100),
)


@given(st.lists(HAPPENINGS, max_size=5))
def test_happenings_come_back_from_json_as_they_were(happenings: list[Happening]) -> None:
    assert unpack(orjson.loads(orjson.dumps([pack(each) for each in happenings]))) == happenings


@given(st.lists(HAPPENINGS, max_size=KEPT_HAPPENINGS), st.lists(HAPPENINGS, max_size=3 * KEPT_HAPPENINGS))
def test_the_newest_happenings_are_kept_and_of_one_tick_those_that_matter(
    old: list[Happening], fresh: list[Happening]
) -> None:
    zone = zone_state(happenings=list(old))
    for happening in fresh:
        zone.tell(happening)
    kept = unpack(zone.kept())
    assert len(kept) == min(KEPT_HAPPENINGS, len(old) + len(fresh))
    new = kept[-min(len(fresh), KEPT_HAPPENINGS) :] if fresh else []
    assert kept == old[len(old) - (len(kept) - len(new)) :] + new, "of the old ones the oldest go"

    def weight(happening: Happening) -> float:
        return max(happening.importance, abs(happening.valence))

    assert sorted(map(weight, new)) == sorted(map(weight, fresh))[-len(new) or len(fresh) :]
    order = iter(fresh)
    assert all(any(each == other for other in order) for each in new), "they stay in their order"
