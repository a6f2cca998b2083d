"""What facts say of themselves."""

import pytest

from agents.facts import energy_band
from tests.unit.agents.making import agent, facts, way, zone


@pytest.mark.parametrize(
    ("energy", "band"),
    [
        (100, "high"), (80.01, "high"), (80, "medium"), (50.01, "medium"),
        (50, "low"), (20.01, "low"), (20, "depleted"), (0, "depleted"),
    ],
)  # fmt: skip
def test_bands(energy: float, band: str) -> None:
    assert energy_band(energy) == band
    assert facts(agent(energy=energy)).band == band


def test_the_open_goal_is_the_one_furthest_along() -> None:
    goals = [{"name": "a", "progress": 0.2}, {"name": "b", "progress": 1.0}, {"name": "c", "progress": 0.7}]
    assert facts(agent(goals=goals)).open_goal() == (2, goals[2])


def test_of_equal_goals_it_is_the_first() -> None:
    goals = [{"name": "a", "progress": 1.0}, {"name": "b", "progress": 0.5}, {"name": "c", "progress": 0.5}]
    assert facts(agent(goals=goals)).open_goal() == (1, goals[1])


@pytest.mark.parametrize("goals", [[], [{"name": "a", "progress": 1}]])
def test_there_may_be_none(goals: list[dict[str, object]]) -> None:
    assert facts(agent(goals=goals)).open_goal() is None


def test_ways_are_those_of_the_zone() -> None:
    assert [w.name for w in facts(place=zone(ways=[way("Mill")])).ways] == ["Mill"]
