"""Each behaviour: when it can be done, and what it does to the agent and the zone."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents import behaviours
from agents.behaviours import Behaviour
from agents.facts import Decision, Facts, Outcome
from domains.chance import Chance
from tests.unit.agents.making import Happening, agent, facts, way, zone


def get(name: str) -> Behaviour:
    behaviour = behaviours.get(name)
    assert behaviour
    return behaviour


def do(name: str, of: Facts, seed: int = 1, **arguments: Any) -> Outcome:
    return get(name).act(of, Decision(name, arguments), Chance(seed, 0, 1, "act"))


def many(name: str, make: Any, seeds: int = 200) -> list[Outcome]:
    return [do(name, make(), seed) for seed in range(seeds)]


def stock(**resources: float) -> dict[str, float]:
    return dict.fromkeys(("food", "materials", "energy", "knowledge"), 50.0) | resources


GOAL = {"name": "mend the bridge", "progress": 0.5}


@pytest.mark.parametrize(
    ("name", "able", "unable", "why"),
    [
        ("rest", facts(agent(energy=79.9)), facts(agent(energy=80)), "it is not tired"),
        ("socialize", facts(near=("Ben",)), facts(), "nobody is near"),
        ("forage", facts(place=zone(resources=stock(food=1.0))), facts(place=zone(resources=stock(food=0.9))), "food"),
        ("create", facts(agent(energy=20)), facts(agent(energy=19)), "it is too tired"),
        ("create", facts(), facts(place=zone(resources=stock(materials=3.9))), "there are no materials"),
        ("explore", facts(agent(energy=15)), facts(agent(energy=14)), "it is too tired"),
        ("learn", facts(), facts(place=zone(resources=stock(knowledge=2.9))), "nothing left to learn"),
        ("work_on_goal", facts(agent(goals=[GOAL])), facts(agent(goals=[GOAL | {"progress": 1}])), "no unfinished"),
        ("move_zone", facts(place=zone(ways=[way()])), facts(), "no way leads out"),
        ("move_zone", facts(place=zone(ways=[way()])), facts(agent(energy=13), zone(ways=[way()])), "too tired"),
        ("use_tool", facts(agent(capabilities=["read_notices"])), facts(), "it has no tools"),
    ],
)
def test_prerequisites(name: str, able: Facts, unable: Facts, why: str) -> None:
    assert get(name).refusal(able) is None
    assert why in (get(name).refusal(unable) or "")


def test_reflecting_is_always_possible() -> None:
    assert get("reflect").refusal(facts(agent(energy=0), zone(resources=stock(food=0)))) is None


def test_a_capability_that_is_missing_is_named() -> None:
    flying = Behaviour("fly", 1, lambda *_: Outcome(("{name} flew.",), "Flew."), "the sky", capability="wings")
    assert flying.refusal(facts()) == "it lacks the capability wings"
    assert flying.refusal(facts(agent(capabilities=["wings"]))) is None


def test_rest_gives_thirty() -> None:
    assert do("rest", facts(agent(energy=40))).stats == {"energy": 30}
    assert do("rest", facts(agent(energy=10))).mood > do("rest", facts(agent(energy=40))).mood


def test_reflection_goes_back_to_the_weightiest_memory_and_forms_none_of_it() -> None:
    memories = [[1, "a glove", 0.3, 0.0], [2, "a fall", 0.2, -0.9], [3, "a walk", 0.4, 0.1]]
    outcome = do("reflect", facts(agent(memories=memories)))
    assert outcome.slots == {"thought": "a fall"}
    assert outcome.insight is None
    assert outcome.stats["energy"] == -5
    assert not outcome.memorable
    assert outcome.mood < do("reflect", facts(agent(memories=memories[:1]))).mood


def test_of_equal_memories_the_newest() -> None:
    memories = [[1, "older", 0.5, 0.0], [2, "newer", 0.1, -0.5]]
    assert do("reflect", facts(agent(memories=memories))).focus == "newer"


def test_an_empty_head_remembers_nothing_either() -> None:
    outcome = do("reflect", facts())
    assert outcome.slots == {}
    assert not outcome.memorable


def test_talking_feeds_the_social_stat_and_reaches_the_other() -> None:
    for seed in range(40):
        of = facts(near=("Ben", "Cato"))
        outcome = do("socialize", of, seed, **{"with": "Cato"})
        (told,) = of.zone.fresh
        assert (told.by, told.to, told.tick) == (0, 2, 10)
        assert told.valence == outcome.valence
        assert "Cato" in told.text
        assert outcome.stats["energy"] == -10
        assert (outcome.stats["social"] == 12) == (outcome.mood > 0) == (outcome.valence > 0)


def test_somebody_who_is_gone_is_replaced_by_who_is_nearest() -> None:
    assert do("socialize", facts(near=("Ben", "Cato")), **{"with": "Nobody"}).slots["other"] == "Ben"


def test_the_agreeable_quarrel_less() -> None:
    kind = many("socialize", lambda: facts(agent(agreeableness=1.0), near=("Ben",)))
    harsh = many("socialize", lambda: facts(agent(agreeableness=0.0, neuroticism=1.0), near=("Ben",)))
    assert sum(o.valence > 0 for o in kind) > 1.3 * sum(o.valence > 0 for o in harsh) > 0


def test_what_the_place_did_is_talked_about() -> None:
    place = zone(happenings=[Happening(9, "data_storm", "x", 0.5)])
    assert do("socialize", facts(place=place, near=("Ben",))).slots["topic"] == "the data storm"


def test_making_things_takes_materials() -> None:
    for seed in range(40):
        of = facts(place=zone(resources=stock(materials=50.0)))
        outcome = do("create", of, seed)
        assert of.zone.resources["materials"] == 46
        assert outcome.stats["energy"] == -20
        assert outcome.failed == (not of.zone.fresh) == (outcome.valence < 0)


def test_the_creative_succeed_more() -> None:
    able = many("create", lambda: facts(agent(creativity=100, openness=1.0)))
    unable = many("create", lambda: facts(agent(creativity=0, openness=0.0)))
    assert sum(not o.failed for o in able) > 2 * sum(not o.failed for o in unable) > 0


@given(st.integers(0, 10_000), st.floats(0, 100), st.floats(0, 100), st.floats(0, 1000))
def test_explorers_stay_on_the_map(seed: int, x: float, y: float, reach: float) -> None:
    outcome = do("explore", facts(agent(x=x, y=y, movement_range=reach)), seed)
    assert outcome.position
    assert all(0 <= c <= 100 for c in outcome.position)
    assert ((outcome.position[0] - x) ** 2 + (outcome.position[1] - y) ** 2) ** 0.5 <= reach + 0.01


def test_the_open_find_more() -> None:
    curious = many("explore", lambda: facts(agent(openness=1.0)))
    others = many("explore", lambda: facts(agent(openness=0.0)))
    assert sum(o.focus is not None for o in curious) > 1.5 * sum(o.focus is not None for o in others) > 0


def test_learning_takes_knowledge_and_sometimes_clicks() -> None:
    of = facts(place=zone(resources=stock(knowledge=50.0)))
    do("learn", of)
    assert of.zone.resources["knowledge"] == 47
    kinds = {o.kind for o in many("learn", facts)}
    assert kinds == {"episodic", "semantic"}


def test_foraging_eats_what_there_is() -> None:
    for seed in range(40):
        of = facts(place=zone(resources=stock(food=50.0)))
        outcome = do("forage", of, seed)
        got = 50 - of.zone.resources["food"]
        assert 3.6 <= got <= 6
        assert outcome.stats["energy"] == pytest.approx(2.2 * got - 5, abs=0.01)


def test_the_last_crumb_is_a_disappointment() -> None:
    of = facts(place=zone(resources=stock(food=1.5)))
    outcome = do("forage", of)
    assert outcome.failed
    assert of.zone.resources["food"] == 0
    assert outcome.valence <= -0.4


def test_work_brings_the_goal_on() -> None:
    steps = [o.goal for o in many("work_on_goal", lambda: facts(agent(goals=[dict(GOAL)], conscientiousness=0.9)))]
    assert all(goal and goal[0] == 0 and 0 <= goal[1] < 0.07 for goal in steps)
    assert any(goal and goal[1] for goal in steps)


def test_a_goal_that_is_reached_is_news() -> None:
    outcomes = []
    for seed in range(40):
        of = facts(agent(goals=[GOAL | {"progress": 0.995}]))
        outcomes.append((do("work_on_goal", of, seed), of.zone.fresh))
    done = [(outcome, told) for outcome, told in outcomes if outcome.importance == 0.9]
    assert done
    assert all(told[0].text == "Mara managed to mend the bridge." and told[0].kind == "goal" for _, told in done)


def test_without_a_goal_work_is_refused() -> None:
    with pytest.raises(ValueError, match="no unfinished goal"):
        do("work_on_goal", facts())


def test_one_goes_where_one_meant_to() -> None:
    place = zone(ways=[way("Mill"), way("Tower", ordinal=2)], movement_cost=7.0)
    outcome = do("move_zone", facts(place=place), to="Tower")
    assert outcome.destination == place.ways[1]
    assert outcome.stats["energy"] == -12
    assert do("move_zone", facts(place=place), to="Nowhere").destination == place.ways[0]


def test_open_ways_are_taken_more_often() -> None:
    of = facts(place=zone(ways=[way("Mill", 0.9), way("Tower", 0.1, 2)]))
    to = [get("move_zone").arguments(of, Chance(seed, 0, 1, "x"))["to"] for seed in range(500)]
    assert 400 < to.count("Mill") < 490


def test_a_mark_past_all_ways_is_the_last_one() -> None:
    """Shut ways are not in the list, so one whose shares add up to nothing still leads somewhere."""
    of = facts(place=zone(ways=[way("Mill", 0.0)]))
    assert get("move_zone").arguments(of, Chance(1, 0, 1, "x")) == {"to": "Mill"}


@pytest.mark.parametrize(
    "behaviour", [b for b in behaviours.all_behaviours() if b.name != "use_tool"], ids=lambda b: b.name
)
def test_every_act_can_be_repeated(behaviour: Behaviour) -> None:
    """The same facts and chance give the same outcome and leave the same zone."""
    for seed in range(20):
        ends = []
        for _ in range(2):
            place = zone(ways=[way()])
            of = facts(agent(goals=[dict(GOAL)], memories=[[1, "a glove", 0.5, 0.1]]), place, near=("Ben",))
            chance = Chance(seed, 0, 1, "act")
            ends.append((behaviour.act(of, Decision(behaviour.name, behaviour.arguments(of, chance)), chance), place))
        assert ends[0] == ends[1]
