"""Perception: who is near, what is noticed, what mods change."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.perceive import BASE_CAPABILITIES, LOOKED_AT, Bystander, perceive
from tests.unit.agents.making import Happening, agent, facts, zone


def names(me: Any, roster: list[Bystander], **place: Any) -> list[str]:
    return [other.name for other in perceive([me], zone(**place), roster, {})[0].near]


def test_near_is_within_range_and_nearest_first() -> None:
    me = agent(x=50, y=50)
    roster = [
        Bystander(0, "Mara", 50, 50),
        Bystander(1, "far", 81, 50),
        Bystander(2, "edge", 50, 80),
        Bystander(3, "close", 51, 50),
    ]
    assert names(me, roster) == ["close", "edge"]
    assert names(me, roster, interaction_range=40.0) == ["close", "edge", "far"]
    assert names(me, roster, interaction_range=0.5) == []


def test_equally_near_go_by_ordinal() -> None:
    roster = [Bystander(3, "c", 51, 50), Bystander(1, "a", 49, 50), Bystander(2, "b", 50, 51)]
    assert names(agent(), roster) == ["a", "b", "c"]


def test_distances_are_told() -> None:
    (other,) = perceive([agent()], zone(), [Bystander(5, "Ben", 53, 54)], {})[0].near
    assert (other.ordinal, other.distance) == (5, 5.0)


@given(st.integers(0, 500), st.integers(0, 60), st.lists(st.floats(0, 100), min_size=60, max_size=60))
def test_nobody_is_near_to_themselves_and_eight_are_enough(me: int, others: int, places: list[float]) -> None:
    roster = [Bystander(n, f"a{n}", places[n], places[-1 - n]) for n in range(others)]
    near = perceive([agent(ordinal=me)], zone(interaction_range=200.0), roster, {})[0].near
    assert me not in [other.ordinal for other in near]
    assert len(near) == len({other.ordinal for other in near}) <= 8
    assert [other.distance for other in near] == sorted(other.distance for other in near)


def test_of_a_crowd_only_some_are_looked_at_and_everybody_is_looked_at_by_somebody() -> None:
    """The cost of a crowd is bounded, and no one is invisible."""
    crowd = [Bystander(n, f"a{n}", n * 37 % 20, n * 61 % 20) for n in range(100)]
    seen: set[int] = set()
    for n in range(100):
        near = perceive([agent(ordinal=n, x=crowd[n].x, y=crowd[n].y)], zone(), crowd, {})[0].near
        assert all((other.ordinal - n) % 100 < LOOKED_AT for other in near)
        seen.update(other.ordinal for other in near)
    assert seen == set(range(100))


# --- What is noticed -----------------------------------------------------------------------------------------


def noticed(*happenings: Happening, **me: Any) -> list[str]:
    return [h.text for h in facts(agent(**me), zone(happenings=list(happenings))).noticed]


def test_only_what_happened_since_the_last_tick_and_before_this_one() -> None:
    old, since, now = (Happening(tick, "x", str(tick), 0.5) for tick in (6, 7, 10))
    assert noticed(old, since, now, last_tick=7) == ["7"]


def test_the_weightiest_four_newest_of_equals_first() -> None:
    some = [Happening(8, "x", "faint", 0.2), Happening(8, "x", "sad", 0.2, -0.9), Happening(7, "x", "older", 0.5)]
    some += [Happening(9, "x", "newer", 0.5), Happening(9, "x", "slight", 0.15), Happening(9, "x", "unseen", 0.14)]
    assert noticed(*some) == ["sad", "newer", "older", "faint"]


def test_what_concerns_one_comes_first_and_reaches_nobody_else() -> None:
    said = Happening(9, "talk", "to me", 0.01, 0.0, by=5, to=3)
    loud = Happening(9, "glitch", "loud", 0.9)
    assert noticed(loud, said, ordinal=3) == ["to me", "loud"]
    assert noticed(loud, said, ordinal=4) == ["loud"]


def test_nobody_notices_their_own_doing() -> None:
    assert noticed(Happening(9, "work", "mine", 0.9, by=3), ordinal=3) == []


# --- Mods ----------------------------------------------------------------------------------------------------


def test_mods_lie_over_the_agent_and_leave_it_as_it_is() -> None:
    me = agent(energy=50, openness=0.5)
    mods: tuple[dict[str, Any], ...] = (
        {"stat_modifiers": {"energy": 70, "focus": -80}, "trait_modifiers": {"openness": -0.9}},
        {"stat_modifiers": {"energy": -10}, "new_capabilities": ["fly"], "tool_access": ["write_notices"]},
    )
    of = facts(me, mods=mods)
    assert (of.stats["energy"], of.stats["focus"], of.traits["openness"]) == (90, 0, 0)
    assert of.capabilities == BASE_CAPABILITIES | {"fly", "write_notices"}
    assert of.tools == {"write_notice"}
    assert (me.stats["energy"], me.stats["focus"], me.traits["openness"]) == (50, 50, 0.5)


def test_weights_of_mods_add_up() -> None:
    of = facts(mods=({"action_weights": {"rest": 1.5, "learn": 1}}, {"action_weights": {"rest": -0.5}}))
    assert of.weights == {"rest": 1.0, "learn": 1.0}


def test_without_mods_the_agents_own_values_are_used() -> None:
    me = agent()
    of = facts(me)
    assert of.stats is me.stats
    assert of.weights == {}
    assert of.capabilities == BASE_CAPABILITIES


@pytest.mark.parametrize(
    ("capabilities", "tools"),
    [
        ([], set()),
        (["observe"], set()),
        (["read_notices"], {"read_notices"}),
        (["use_tools"], {"look_around", "recall_memory"}),
        (["use_tools", "write_notices"], {"look_around", "recall_memory", "write_notice"}),
        (["paint"], set()),
    ],
)
def test_tools_are_those_that_something_opened(capabilities: list[str], tools: set[str]) -> None:
    assert facts(agent(capabilities=capabilities)).tools == tools


@given(st.floats(-100, 100), st.floats(-1, 1), st.floats(0, 100), st.floats(0, 1))
def test_modified_values_stay_in_range(stat: float, trait: float, energy: float, openness: float) -> None:
    of = facts(
        agent(energy=energy, openness=openness),
        mods=({"stat_modifiers": {"energy": stat}, "trait_modifiers": {"openness": trait}},),
    )
    assert 0 <= of.stats["energy"] <= 100
    assert 0 <= of.traits["openness"] <= 1
