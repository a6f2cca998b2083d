"""The choice by rules: the formula as documented, traits that matter, draws that can be repeated."""

from collections import Counter
from math import exp
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents import behaviours, decide
from agents.behaviours import Behaviour, all_behaviours
from agents.facts import Facts, Outcome
from tests.unit.agents.making import Happening, agent, facts, way, zone

DRAWS = 1500


def shares(**how: Any) -> Counter[str]:
    """How often each action is chosen over many seeds, as shares."""
    mods = how.pop("mods", ())
    place = how.pop("place", {})
    near = how.pop("near", ("Ben", "Cato"))
    chosen: Counter[str] = Counter()
    for seed in range(DRAWS):
        me = agent(**{key: list(v) if isinstance(v, list) else v for key, v in how.items()})
        chosen[choose(facts(me, zone(**place), near=near, mods=mods, seed=seed)).action] += 1
    return Counter({action: n / DRAWS for action, n in chosen.items()})  # type: ignore[misc]


def choose(of: Facts, among: tuple[Behaviour, ...] = ()) -> Any:
    return decide.choose_all([of], among or all_behaviours())[0]


def utilities(of: Facts, among: tuple[Behaviour, ...]) -> dict[str, float]:
    """U by name."""
    (row,) = decide.Scale(among).weigh([of], [decide.features(of)])
    return {behaviour.name: float(score) for behaviour, score in zip(among, row, strict=True)}


def act(*_: Any) -> Outcome:
    return Outcome(("{name} did it.",), "Did it.")


# --- The formula ---------------------------------------------------------------------------------------------


def test_the_utility_is_the_documented_sum() -> None:
    of = facts(
        agent(energy=40, openness=0.9, actions=["try", "rest", "try", "try"]),
        mods=({"action_weights": {"try": 0.7, "rest": 9.0}},),
    )
    tried = Behaviour("try", 12.0, act, "x", bias=0.3, weights={"openness": 0.5, "tired": -0.2})
    expected = 0.3 + 0.5 * 0.8 - 0.2 * 0.6 + 0.7 - 0.6 * 12 / 20 * (1.5 - 0.4) - 0.5 * 3 / 4
    assert utilities(of, (tried,)) == {"try": pytest.approx(expected)}


def test_what_gives_energy_costs_nothing() -> None:
    of = facts(agent(energy=10))
    assert utilities(of, (Behaviour("try", -30.0, act, "x", bias=0.4),)) == {"try": 0.4}


def test_confidence_is_the_share_of_the_softmax() -> None:
    of = facts(near=("Ben",))
    decision = choose(of)
    scores = utilities(of, tuple(b for b in all_behaviours() if b.refusal(of) is None))
    total = sum(exp(score / 0.35) for score in scores.values())
    assert decision.confidence == pytest.approx(exp(scores[decision.action] / 0.35) / total, abs=1e-4)


def test_draws_follow_the_softmax() -> None:
    """Over many seeds each action comes as often as its confidence says."""
    seen: Counter[str] = Counter()
    said: dict[str, float] = {}
    for seed in range(4000):
        decision = choose(facts(near=("Ben",), seed=seed))
        seen[decision.action] += 1
        said[decision.action] = decision.confidence
    assert sum(said.values()) == pytest.approx(1, abs=0.02)
    for action, confidence in said.items():
        assert seen[action] / 4000 == pytest.approx(confidence, abs=0.03)


def test_every_feature_is_documented_and_computed() -> None:
    assert len(decide.features(facts())) == len(decide.FEATURES)
    assert all(decide.FEATURES.values())


@pytest.mark.parametrize("behaviour", all_behaviours(), ids=lambda b: b.name)
def test_every_weight_names_a_feature(behaviour: Behaviour) -> None:
    assert behaviour.weights.keys() <= decide.FEATURES.keys()


def test_a_weight_that_names_none_is_refused() -> None:
    with pytest.raises(ValueError, match="no such features: luck"):
        behaviours.register(Behaviour("gamble", 1, act, "x", weights={"luck": 1.0, "mood": 1.0}))
    assert behaviours.get("gamble") is None


def test_a_name_that_is_taken_is_refused() -> None:
    with pytest.raises(ValueError, match="'rest' is registered already"):
        behaviours.register(Behaviour("rest", 1, act, "x"))


def test_every_base_action_is_there() -> None:
    assert [b.name for b in all_behaviours()] == [
        "create", "explore", "forage", "learn", "move_zone", "reflect", "rest", "socialize", "use_tool", "work_on_goal",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "cost"),
    [("rest", -30), ("reflect", 5), ("socialize", 10), ("create", 20), ("explore", 15), ("learn", 15)],
)
def test_base_costs(name: str, cost: float) -> None:
    behaviour = behaviours.get(name)
    assert behaviour
    assert behaviour.cost == cost


# --- Needs and features --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("energy", "need"), [(100, 0), (30, 0), (15, 0.5), (0, 1)])
def test_rest_is_needed_below_thirty(energy: float, need: float) -> None:
    assert facts(agent(energy=energy)).needs["rest"] == need


def test_a_goal_makes_for_purpose() -> None:
    without = facts(agent(focus=10)).needs["purpose"]
    with_one = facts(agent(focus=10, goals=[{"name": "sing", "progress": 0.2}])).needs["purpose"]
    finished = facts(agent(focus=10, goals=[{"name": "sing", "progress": 1}])).needs["purpose"]
    assert with_one > without > 0
    assert finished == without


@given(
    st.dictionaries(
        st.sampled_from(["energy", "creativity", "focus", "social", "exploration"]), st.floats(0, 100), min_size=5
    ),
    st.floats(0, 1),
    st.booleans(),
)
def test_needs_are_shares(stats: dict[str, float], trait: float, goal: bool) -> None:
    traits = dict.fromkeys(("openness", "conscientiousness", "extraversion", "agreeableness", "neuroticism"), trait)
    assert all(0 <= need <= 1 for need in decide.needs(stats, traits, goal).values())


def test_features_stay_within_their_ranges() -> None:
    loud = Happening(9, "goal", "x", 0.6, -0.9)
    of = facts(agent(), zone(happenings=[loud], ways=[way()]), near=("A", "B", "C", "D", "E", "F"))
    values = dict(zip(decide.FEATURES, decide.features(of), strict=True))
    assert values["crowd"] == values["ways"] == 1.0
    assert values["noticed"] == 0.9
    assert all(-1 <= value <= 1 for value in values.values())


# --- Traits matter -------------------------------------------------------------------------------------------


def test_extraverts_socialize_more() -> None:
    out, quiet = shares(extraversion=0.9, social=20.0), shares(extraversion=0.1, social=20.0)
    assert out["socialize"] > 2 * quiet["socialize"] > 0
    assert quiet["reflect"] > out["reflect"]


def test_the_tired_rest() -> None:
    spent, low, fresh = shares(energy=5.0), shares(energy=30.0), shares(energy=79.0)
    assert spent["rest"] > 0.75
    assert spent["rest"] > low["rest"] > fresh["rest"]


def test_the_rested_cannot_rest() -> None:
    assert shares(energy=80.0)["rest"] == 0


def test_the_open_explore() -> None:
    far, near = shares(openness=0.95, exploration=20.0), shares(openness=0.05, exploration=20.0)
    assert far["explore"] > 2 * near["explore"] > 0


def test_the_conscientious_work_on_their_goals() -> None:
    goals = [{"name": "mend the bridge", "progress": 0.1}]
    strict = shares(conscientiousness=0.95, goals=goals, energy=80.0)
    loose = shares(conscientiousness=0.05, goals=goals, energy=80.0)
    assert strict["work_on_goal"] > 2 * loose["work_on_goal"] > 0


def test_the_creative_create() -> None:
    assert shares(creativity=95.0)["create"] > shares(creativity=5.0)["create"] > 0


def test_a_strange_place_drives_people_out() -> None:
    odd = shares(place={"entropy": 0.95, "ways": [way()]})
    calm = shares(place={"entropy": 0.05, "ways": [way()]})
    assert odd["move_zone"] > 1.5 * calm["move_zone"] > 0


def test_what_was_just_done_is_less_wanted() -> None:
    assert shares(actions=["reflect"] * 4)["reflect"] < shares(actions=[])["reflect"]


def test_a_mod_that_weighs_an_action_makes_it_common() -> None:
    assert shares(mods=({"action_weights": {"learn": 2.0}},))["learn"] > 2 * shares()["learn"]


# --- Repeatable ----------------------------------------------------------------------------------------------


def test_the_same_facts_give_the_same_decision() -> None:
    for seed in range(50):
        one = choose(facts(agent(), zone(ways=[way()]), near=("Ben",), seed=seed))
        other = choose(facts(agent(), zone(ways=[way()]), near=("Ben",), seed=seed))
        assert one == other


def moved(of: Facts) -> set[str]:
    """Names of the features that differ from an ordinary agent's in an ordinary zone."""
    pairs = zip(decide.FEATURES, decide.features(facts()), decide.features(of), strict=True)
    return {name for name, usual, value in pairs if usual != value}


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"openness": 0.9}, "openness"), ({"conscientiousness": 0.9}, "conscientiousness"), ({"mood": 0.3}, "mood"),
        ({"extraversion": 0.9}, "extraversion"), ({"agreeableness": 0.9}, "agreeableness"), ({"focus": 51.0}, "focus"),
        ({"neuroticism": 0.9}, "neuroticism"), ({"creativity": 9.0}, "creativity"), ({"energy": 45.0}, "tired"),
        ({"goals": [{"name": "sing", "progress": 0.2}]}, "goal"),
    ],
)  # fmt: skip
def test_what_an_agent_is_shows_in_its_own_feature(change: dict[str, Any], name: str) -> None:
    found = moved(facts(agent(**change)))
    assert name in found
    assert found <= {name, "stimulation", "company", "purpose"}


@pytest.mark.parametrize("name", ["food", "materials", "knowledge", "entropy", "ways"])
def test_what_a_place_is_shows_in_its_own_feature(name: str) -> None:
    resources = dict.fromkeys(("food", "materials", "energy", "knowledge"), 60.0)
    change = {"entropy": {"entropy": 0.7}, "ways": {"ways": [way()]}}.get(name, {"resources": {**resources, name: 7.0}})
    assert moved(facts(agent(), zone(**change))) == {name}


def test_company_makes_no_difference_to_a_draw() -> None:
    crowd = [facts(agent(ordinal=n, energy=n * 2.0), near=("Ben",), seed=3) for n in range(50)]
    assert decide.choose_all(crowd, all_behaviours()) == [choose(of) for of in crowd]
    assert decide.choose_all([], all_behaviours()) == []


@pytest.mark.parametrize("changes", [{"ordinal": 5}, {"tick_number": 5}])
def test_ordinal_and_tick_change_the_draw(changes: dict[str, int]) -> None:
    """Not each time, but over many seeds."""
    differ = sum(
        choose(facts(agent(), seed=seed)).action != choose(facts(agent(**changes), seed=seed)).action
        for seed in range(100)
    )
    assert differ > 20


@given(st.lists(st.floats(1e-6, 1e6), min_size=1, max_size=12), st.floats(0, 1, exclude_max=True))
def test_a_draw_is_always_one_of_the_shares(weights: list[float], mark: float) -> None:
    place = decide.draw(weights, mark * sum(weights))
    assert 0 <= place < len(weights)
    assert sum(weights[:place]) <= mark * sum(weights) * (1 + 1e-9) + 1e-9


@given(st.lists(st.floats(0, 10), min_size=1, max_size=12))
def test_a_draw_past_the_end_is_the_last(weights: list[float]) -> None:
    assert decide.draw(weights, sum(weights) + 1) == len(weights) - 1


@given(st.lists(st.sampled_from([0.0, 1.0]), min_size=2, max_size=8), st.floats(0, 1, exclude_max=True))
def test_what_has_no_share_is_never_drawn(weights: list[float], mark: float) -> None:
    if any(weights):
        assert weights[decide.draw(weights, mark * sum(weights))] > 0


@given(
    energy=st.floats(0, 100),
    mood=st.floats(-1, 1),
    trait=st.floats(0, 1),
    resources=st.floats(0, 100),
    weight=st.floats(-100, 100),
    seed=st.integers(0, 2**63 - 1),
)
def test_there_is_always_a_choice(**of: Any) -> None:
    """Whatever the stats, resources and mods, one allowed action is chosen with a confidence above 0."""
    me = agent(energy=of["energy"], mood=of["mood"], extraversion=of["trait"], openness=of["trait"])
    place = zone(resources=dict.fromkeys(("food", "materials", "energy", "knowledge"), of["resources"]))
    perceived = facts(me, place, mods=({"action_weights": {"reflect": of["weight"]}},), seed=of["seed"])
    decision = choose(perceived)
    behaviour = behaviours.get(decision.action)
    assert behaviour
    assert behaviour.refusal(perceived) is None
    assert 0 <= decision.confidence <= 1
    assert len(decision.alternatives) <= 4
    assert list(decision.alternatives.values()) == sorted(decision.alternatives.values(), reverse=True)


# --- What is told of a choice --------------------------------------------------------------------------------


def test_the_reasoning_names_what_spoke_for_it() -> None:
    behaviour = behaviours.get("rest")
    assert behaviour
    (parts,) = decide.Scale([behaviour]).parts
    text = decide.explain("rest", parts, decide.features(facts(agent(energy=3))), 2.345)
    assert text == "rest scored 2.35: rest +2.34 and tired +1.07 spoke for it"


def test_the_reasoning_admits_when_nothing_did() -> None:
    behaviour = Behaviour("try", 0, act, "x", weights={"openness": -1.0})
    (parts,) = decide.Scale([behaviour]).parts
    assert decide.explain("try", parts, decide.features(facts()), 0) == "try scored 0.00: nothing else pressed"


def test_a_decision_says_what_it_hopes_for() -> None:
    decision = choose(facts(agent(energy=1)))
    assert (decision.action, decision.expected) == ("rest", "to feel stronger")
    assert decision.usage is decision.error is None


# --- Broken behaviours ---------------------------------------------------------------------------------------


def broken(*_: Any) -> Any:
    raise RuntimeError("not my day")


def test_a_prerequisite_that_raises_takes_only_its_own_action_out() -> None:
    bad = Behaviour("bad", 0, act, "x", bias=100, prerequisite=broken)
    of = facts()
    assert choose(of, (bad, *all_behaviours())).action != "bad"
    assert bad.refusal(of) == "its prerequisite failed: RuntimeError: not my day"


def test_arguments_that_raise_are_none_and_said() -> None:
    decision = choose(facts(), (Behaviour("bad", 0, act, "x", arguments=broken),))
    assert decision.arguments == {}
    assert decision.error == "bad: RuntimeError: not my day"
