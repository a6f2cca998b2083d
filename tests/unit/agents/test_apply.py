"""Doing what was decided: changes are clamped, recorded as they took effect, and nothing unsound gets through."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents import behaviours
from agents.behaviours import Behaviour
from agents.engine import apply
from agents.engine.apply import DRIFT, Ticked
from agents.facts import AgentState, Decision, Facts, Outcome
from agents.models import STATS
from agents.review import review
from tests.unit.agents.making import Happening, agent, facts, way, zone


@pytest.fixture
def doing(request: pytest.FixtureRequest) -> Any:
    """Let an agent do something that comes to a given outcome."""

    def register(act: Any, **how: Any) -> None:
        behaviours.register(Behaviour("try_it", 1, act, "something", **how))
        request.addfinalizer(lambda: behaviours.unregister("try_it"))

    def do(outcome: Any, of: Facts | None = None, **how: Any) -> Ticked:
        register((lambda *_: outcome) if not callable(outcome) else outcome, **how)
        return apply_one(of or facts(), Decision("try_it"))

    return do


def test_drift_names_the_stats_in_the_order_of_their_columns() -> None:
    """Stats are written back by their places."""
    assert tuple(DRIFT) == STATS


def apply_one(of: Facts, decision: Decision, error: str | None = None) -> Ticked:
    return apply.apply_all([of], [review(decision, of)], [error])[0]


def outcome(**changes: Any) -> Outcome:
    return Outcome(**{"stories": ("{name} did.",), "impression": "Did in {zone}.", "activity": "doing"} | changes)


# --- Stats and mood ------------------------------------------------------------------------------------------


def test_effective_changes_are_recorded(doing: Any) -> None:
    me = agent(energy=90, social=1, focus=50)
    ticked = doing(outcome(stats={"energy": 30.0, "focus": 4.0}), facts(me))
    assert me.stats == {"energy": 100, "creativity": 49.5, "focus": 52.8, "social": 0, "exploration": 48.5}
    assert ticked.stat_changes == {
        "energy": 10, "creativity": -0.5, "focus": 2.8, "social": -1, "exploration": -1.5,
    }  # fmt: skip


def test_what_does_not_change_is_not_recorded(doing: Any) -> None:
    ticked = doing(outcome(stats={"energy": -5.0}), facts(agent(energy=0, social=0)))
    assert ticked.stat_changes.keys() == {"creativity", "focus", "exploration"}


@given(
    st.fixed_dictionaries({name: st.floats(0, 100) for name in DRIFT}),
    st.fixed_dictionaries({name: st.floats(-1e6, 1e6) for name in DRIFT}),
    st.floats(-1, 1),
    st.floats(-10, 10),
)
def test_stats_and_mood_stay_in_range(before: Any, wished: Any, mood: float, change: float) -> None:
    before = {name: round(value, 2) for name, value in before.items()}
    me = agent(mood=mood, **before)
    behaviours.register(Behaviour("try_it", 1, lambda *_: outcome(stats=wished, mood=change), "x"))
    try:
        ticked = apply_one(facts(me), Decision("try_it"))
    finally:
        behaviours.unregister("try_it")
    assert all(0 <= value <= 100 for value in me.stats.values())
    assert -1 <= me.mood <= 1
    for name, value in me.stats.items():
        assert before[name] + ticked.stat_changes.get(name, 0) == pytest.approx(value, abs=0.01)


def test_mood_fades_and_takes_in_what_was_noticed(doing: Any) -> None:
    place = zone(happenings=[Happening(9, "x", "sad", 0.5, -0.5)])
    me = agent(mood=0.4, neuroticism=1.0)
    ticked = doing(outcome(mood=0.1), facts(me, place))
    calm = -0.25
    assert me.mood == pytest.approx(calm + (0.4 - calm) * 0.85 + 0.1 - 0.5 * 0.12 * 1.5, abs=1e-4)
    assert ticked.state_changes["mood"] == pytest.approx(me.mood - 0.4)


def test_the_neurotic_feel_it_more(doing: Any) -> None:
    place = zone(happenings=[Happening(9, "x", "sad", 0.5, -0.5)])
    calm, nervous = agent(neuroticism=0.0, mood=0.25), agent(neuroticism=1.0, mood=-0.25)
    doing(outcome(), facts(calm, place))
    apply_one(facts(nervous, place), Decision("try_it"))
    assert nervous.mood + 0.25 < calm.mood - 0.25 < 0


# --- State ---------------------------------------------------------------------------------------------------


def test_the_tick_is_counted(doing: Any) -> None:
    me = agent(tick_number=4, tick_interval=3, actions=["a", "b", "c", "d"])
    doing(outcome(), facts(me))
    assert (me.tick_number, me.last_tick, me.due_tick) == (5, 10, 13)
    assert me.actions == ["b", "c", "d", "try_it"]


def test_state_changes_are_told(doing: Any) -> None:
    me = agent(goals=[{"name": "sing", "progress": 0.98}])
    ticked = doing(outcome(focus="a bird", goal=(0, 0.5), position=(1.0, 2.0), destination=way("Mill")), facts(me))
    assert ticked.state_changes == {
        "activity": "doing", "current_focus": "a bird", "position": [1.0, 2.0], "goal": ["sing", 1.0],
        "destination": "Mill",
    }  # fmt: skip
    assert (me.x, me.y, me.activity, me.current_focus) == (1.0, 2.0, "doing", "a bird")


def test_what_stays_the_same_is_not_told(doing: Any) -> None:
    me = agent(activity="doing", current_focus="a bird", goals=[{"name": "sing", "progress": 0.5}])
    assert doing(outcome(focus="a bird", goal=(0, 0.0)), facts(me)).state_changes == {}


def test_progress_never_falls_below_nothing(doing: Any) -> None:
    me = agent(goals=[{"name": "sing", "progress": 0.2}])
    doing(outcome(goal=(0, -3.0)), facts(me))
    assert me.goals[0]["progress"] == 0


# --- What goes wrong -----------------------------------------------------------------------------------------


def stumbled(ticked: Ticked) -> str:
    """The error; the agent ticked all the same, and nothing but time passed."""
    assert ticked.outcome is apply.STUMBLE
    assert ticked.agent.tick_number == 5
    assert ticked.agent.activity == "at a loss"
    assert ticked.stat_changes.keys() <= DRIFT.keys()
    assert ticked.error
    return ticked.error


def test_an_action_that_does_not_exist() -> None:
    assert stumbled(apply_one(facts(), Decision("fly"))) == "there is no action 'fly'"


def test_an_action_that_is_not_possible_any_more() -> None:
    assert stumbled(apply_one(facts(agent(energy=95)), Decision("rest"))) == "rest is not possible now: it is not tired"


def test_a_capability_that_is_missing(doing: Any) -> None:
    assert "lacks the capability wings" in stumbled(doing(outcome(), capability="wings"))


def test_a_behaviour_that_raises(doing: Any) -> None:
    def act(*_: Any) -> Outcome:
        raise KeyError("oil")

    assert stumbled(doing(act)) == "try_it: KeyError: 'oil'"


@pytest.mark.parametrize("nonsense", [None, 5, "fine", {"mood": 1}, outcome(stories=())], ids=str)
def test_a_behaviour_that_returns_nonsense(doing: Any, nonsense: Any) -> None:
    assert "is not an outcome" in stumbled(doing(nonsense))


@pytest.mark.parametrize(
    "changes",
    [
        {"mood": float("nan")}, {"mood": float("inf")}, {"importance": float("nan")}, {"valence": -float("inf")},
        {"stats": {"energy": float("nan")}}, {"goal": (0, float("nan"))}, {"position": (float("nan"), 1.0)},
    ],
    ids=str,
)  # fmt: skip
def test_numbers_that_are_none(doing: Any, changes: dict[str, Any]) -> None:
    me = agent(goals=[{"name": "sing", "progress": 0.5}])
    assert "not a finite number" in stumbled(doing(outcome(**changes), facts(me)))
    assert me.goals == [{"name": "sing", "progress": 0.5}]


@pytest.mark.parametrize("place", [-1, 1, 99])
def test_a_goal_that_does_not_exist(doing: Any, place: int) -> None:
    me = agent(goals=[{"name": "sing", "progress": 0.5}])
    assert stumbled(doing(outcome(goal=(place, 0.1)), facts(me))) == f"try_it: ValueError: there is no goal {place}"


def test_an_earlier_error_is_kept(doing: Any) -> None:
    behaviours.register(Behaviour("well", 1, lambda *_: outcome(), "x"))
    try:
        assert apply_one(facts(), Decision("well"), "the rules decided").error == "the rules decided"
    finally:
        behaviours.unregister("well")


# --- Memory --------------------------------------------------------------------------------------------------


def remembered(ticked: Ticked) -> list[str]:
    apply.remember(ticked)
    return [m.content for m in ticked.memories]


@pytest.mark.parametrize(
    ("importance", "valence", "kept"),
    [(0.3, 0.0, True), (0.29, 0.39, False), (0.0, 0.4, True), (0.0, -0.4, True), (0.1, -0.39, False)],
)
def test_the_formation_rule(doing: Any, importance: float, valence: float, kept: bool) -> None:
    ticked = doing(outcome(importance=importance, valence=valence))
    assert remembered(ticked) == (["Did in Harbour."] if kept else [])


def test_a_memory_says_where_it_came_from(doing: Any) -> None:
    ticked = doing(outcome(importance=0.55555, valence=0.2, kind="semantic"))
    apply.remember(ticked)
    (memory,) = ticked.memories
    assert memory.source == {"tick": 5, "world_tick": 10}
    assert (memory.kind, memory.importance, memory.agent_id) == ("semantic", 0.556, ticked.agent.id)
    assert ticked.agent.memories == [[10, "Did in Harbour.", 0.556, 0.2]]


def test_what_was_only_recalled_is_not_remembered(doing: Any) -> None:
    assert remembered(doing(outcome(importance=0.9, memorable=False))) == []


def test_what_is_known_already_is_not_remembered_twice(doing: Any) -> None:
    me = agent(memories=[[3, "Did in Harbour.", 0.5, 0.0]])
    assert remembered(doing(outcome(importance=0.9), facts(me))) == []


def test_the_two_weightiest_things_noticed_are_remembered(doing: Any) -> None:
    place = zone(happenings=[Happening(9, "x", text, weight) for text, weight in (("a", 0.9), ("b", 0.8), ("c", 0.7))])
    assert remembered(doing(outcome(), facts(place=place))) == ["a", "b"]


def test_faint_things_are_not(doing: Any) -> None:
    place = zone(happenings=[Happening(9, "x", "a", 0.2, 0.39)])
    assert remembered(doing(outcome(), facts(place=place))) == []


def test_only_the_latest_six_stay_in_mind(doing: Any) -> None:
    me = agent(memories=[[n, f"m{n}", 0.5, 0.0] for n in range(6)])
    remembered(doing(outcome(importance=0.9), facts(me)))
    assert [m[1] for m in me.memories] == ["m1", "m2", "m3", "m4", "m5", "Did in Harbour."]


# --- The hash ------------------------------------------------------------------------------------------------


def test_the_hash_is_of_the_state_and_not_of_ids() -> None:
    one, same = agent(), agent(id=agent(ordinal=9).id)
    assert apply.state_hash(one, 0) == apply.state_hash(same, 0)
    assert len(apply.state_hash(one, 0)) == 16


@pytest.mark.parametrize(
    "changes",
    [
        {"ordinal": 1}, {"name": "Ben"}, {"tick_number": 9}, {"due_tick": 11}, {"energy": 60.01}, {"mood": 0.0001},
        {"activity": "x"}, {"current_focus": "x"}, {"goals": [{"name": "a", "progress": 0}]}, {"x": 50.001},
        {"memories": [[1, "a", 0.5, 0]]}, {"actions": ["rest"]}, {"z": 1.0}, {"y": 1.0}, {"last_tick": 6},
    ],
    ids=str,
)  # fmt: skip
def test_every_part_of_the_state_counts(changes: dict[str, Any]) -> None:
    me: AgentState = agent(**changes)
    assert apply.state_hash(me, 0) != apply.state_hash(agent(), 0)


def test_the_zone_counts() -> None:
    assert apply.state_hash(agent(), 0) != apply.state_hash(agent(), 1)
