"""What agents conclude: from what is in mind and from nothing else, never twice, and so that it leans their choices."""

from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents import decide, insights
from agents.behaviours import all_behaviours
from agents.facts import KEPT_INSIGHTS, KEPT_MEMORIES, Facts, Insight
from agents.insights import LASTS, SAY, TOPICS
from domains.chance import Chance
from memory.texts import layers
from tests.unit.agents.making import agent, facts, zone

GOOD = [3, "Mara talked with Ben about old debts in Harbour.", 0.5, 0.5]
BAD = [3, "Mara quarrelled with Ben about old debts in Harbour.", 0.4, -0.7]
WALK = [4, "A walk by the sea.", 0.35, 0.1]
DRAWS = 800


def form(*memories: list[Any], seed: int = 1, words: str = "", near: tuple[str, ...] = (), **fields: Any) -> Any:
    of = facts(agent(memories=[list(memory) for memory in memories], **fields), near=near)
    return insights.form(of, Chance(seed, 0, 5, "act"), words)


def made(about: str, lean: float, at: int = 9) -> list[Any]:
    return [at, f"Something about {about}.", 0.6, 0.0, about, lean]


# --- What it is ----------------------------------------------------------------------------------------------


def test_an_insight_is_about_what_weighs_most_and_names_its_evidence() -> None:
    found = form(GOOD, WALK, [5, "Ben talked with Mara about the river in Harbour.", 0.3, 0.3], near=("Ben",))
    assert (found.about, found.lean > 0.5, found.valence > 0) == ("company", True, True)
    assert found.evidence == (GOOD[1], "Ben talked with Mara about the river in Harbour.")
    assert 0.5 < found.importance <= 0.9
    assert "Ben" in found.text
    assert GOOD[1] in found.question


def test_bad_experience_turns_away() -> None:
    found = form(BAD, WALK)
    assert (found.about, found.lean < -0.5, found.valence < 0) == ("company", True, True)


def test_hunger_is_more_pressing_the_worse_it_was() -> None:
    found = form([3, "Found nothing to eat in Harbour.", 0.35, -0.45], [5, "Found no food.", 0.35, -0.45])
    assert (found.about, found.lean > 0) == ("food", True)


@pytest.mark.parametrize(("neuroticism", "sign"), [(0.9, -1), (0.1, 1)])
def test_a_goal_that_will_not_come_puts_off_the_anxious(neuroticism: float, sign: int) -> None:
    goal = {"name": "mend the bridge", "progress": 0.2}
    bad = [[n, f"Worked to mend the bridge, day {n}.", 0.4, -0.5] for n in (3, 5)]
    found = form(*bad, goals=[goal], neuroticism=neuroticism, conscientiousness=0.5)
    assert found.about == "goal"
    assert found.lean * sign > 0
    assert "mend the bridge" in found.text


def test_nothing_is_concluded_from_little() -> None:
    assert form() is None
    assert form(WALK) is None
    assert form([3, "They talked.", 0.3, 0.1]) is None


def test_the_same_is_not_concluded_again_while_it_is_in_mind() -> None:
    later = [[12, "Mara talked with Ida about old debts.", 0.5, 0.5], [13, "Ida told Mara they talked well.", 0.5, 0.5]]
    assert form(GOOD, made("company", 0.7), *later) is None
    assert form(GOOD, made("rest", 0.7), *later).about == "company"


def test_it_takes_two_new_memories_for_the_next() -> None:
    fresh = [12, "Mara talked with Ida about kites.", 0.9, 0.9]
    assert form(GOOD, made("rest", 0.7), fresh) is None
    assert form(made("rest", 0.7), fresh, [13, "A walk.", 0.3, 0.0]).about == "company"


def test_a_place_is_not_taken_for_what_it_is_called_after() -> None:
    of = facts(agent(memories=[[3, "A fall in Storm.", 0.9, -0.9]]), zone(name="Storm"))
    assert insights.form(of, Chance(1, 0, 5, "act")) is None


def test_the_same_facts_lead_to_the_same_insight_and_others_vary() -> None:
    assert form(GOOD, seed=3) == form(GOOD, seed=3)
    assert len({form(GOOD, seed=seed).text for seed in range(60)}) == len(TOPICS["company"].towards)


def test_need_makes_its_topic_weightier() -> None:
    both = [[3, "They talked.", 0.5, 0.2], [4, "Rested after a weary day.", 0.55, 0.2]]
    assert form(*both, social=60.0).about == "rest"
    assert form(*both, social=0.0, extraversion=1.0).about == "company"


@pytest.mark.parametrize("about", TOPICS)
def test_every_sentence_is_whole_and_is_no_report_of_somebody_s_words(about: str) -> None:
    """Or what quotes a memory would pass for its echo."""
    slots = {"name": "Mara", "zone": "Harbour", "subject": "Ben", "thought": "“The bridge is shut.”"}
    topic = TOPICS[about]
    for template in (*topic.towards, *topic.away):
        text = insights.fill(template, slots)
        assert "{" not in text
        assert text[-1] in ".”"
        assert len(layers(text)) == 1, text
    assert topic.actions.keys() <= {behaviour.name for behaviour in all_behaviours()}
    assert topic.need in {"", *facts().needs}


_memories = st.lists(
    st.tuples(
        st.integers(0, 10), st.text(max_size=40) | st.sampled_from([GOOD[1], BAD[1]]), st.floats(0, 1), st.floats(-1, 1)
    ).map(list),
    max_size=8,
)


@given(_memories)
def test_whatever_is_in_mind_it_is_fit_to_be_stored(memories: list[Any]) -> None:
    found = form(*memories)
    if found is not None:
        assert 0 <= found.importance <= 1
        assert -1 <= found.lean <= 1
        assert -1 <= found.valence <= 1
        assert set(found.evidence) <= {memory[1] for memory in memories}
        assert found.text.strip()


# --- In its own words ----------------------------------------------------------------------------------------


def test_a_model_s_words_are_the_insight() -> None:
    found = form(GOOD, BAD, WALK, words=" I should sleep, and talk to Ben. ")
    assert found.text == "I should sleep, and talk to Ben."
    assert found.about == "company", "of what it speaks of, that which weighs most in mind"
    assert found.evidence == (BAD[1], GOOD[1])


def test_words_about_nothing_that_choices_know_rest_on_the_weightiest() -> None:
    found = form(GOOD, WALK, words="The tide turned early.")
    assert (found.about, found.lean, found.evidence) == ("", 0.0, (GOOD[1], WALK[1]))
    assert insights.leanings([[1, found.text, 0.5, 0.0, found.about, found.lean]], 1, 1) == {}


# --- What it does --------------------------------------------------------------------------------------------


def shares(*memories: list[Any], tick: int = 10) -> Counter[str]:
    chosen: Counter[str] = Counter()
    for seed in range(DRAWS):
        of = facts(agent(memories=list(memories)), zone(tick=tick), near=("Ben", "Cato"), seed=seed)
        chosen[decide.choose_all([of], all_behaviours())[0].action] += 1
    return Counter({action: n / DRAWS for action, n in chosen.items()})  # type: ignore[misc]


@pytest.mark.parametrize(
    ("about", "action"),
    [("company", "socialize"), ("rest", "rest"), ("exploring", "explore"), ("making", "create"), ("learning", "learn")],
)
def test_an_insight_changes_how_often_an_action_is_chosen(about: str, action: str) -> None:
    before = shares()[action]
    assert shares(made(about, 1.0))[action] > 1.5 * before + 0.02
    assert shares(made(about, -1.0))[action] < before / 1.5


def test_it_fades_to_nothing() -> None:
    """Over the agent's own ticks, evenly."""
    said = [insights.leanings([made("company", 1.0, at=0)], tick, 3)["socialize"] for tick in (0, 15, 30)]
    assert said == [pytest.approx(SAY), pytest.approx(SAY * 0.75), pytest.approx(SAY * 0.5)]
    assert insights.leanings([made("company", 1.0, at=0)], 3 * LASTS, 3) == {}
    assert shares(made("company", 1.0, at=0), tick=10_000) == shares(tick=10_000)


def test_the_decision_says_that_an_insight_spoke() -> None:
    for seed in range(60):
        of = facts(agent(memories=[made("company", 1.0)]), near=("Ben",), seed=seed)
        decision = decide.choose_all([of], all_behaviours())[0]
        if decision.action == "socialize":
            assert decision.reasoning.endswith("; an insight about company +0.59")
        elif decision.action not in ("rest",):
            assert "insight" not in decision.reasoning
    assert of.leanings.keys() == {"socialize", "rest"}


def test_insights_add_up() -> None:
    both = insights.leanings([made("exploring", 1.0), made("place", -0.5)], 9, 3)
    assert both["move_zone"] == pytest.approx(SAY * (0.4 + 0.5))


# --- What stays in mind --------------------------------------------------------------------------------------


def test_insights_stay_in_mind_besides_the_memories_while_they_have_a_say() -> None:
    plain = [[n, f"memory {n}", 0.5, 0.0] for n in range(10)]
    mind = [made("rest", 0.5, at=0), made("food", 0.5, at=1), made("company", 0.5, at=2), *plain]
    kept = insights.kept(mind, 10, 3)
    assert [m[1] for m in kept if len(m) == 4] == [f"memory {n}" for n in range(10 - KEPT_MEMORIES, 10)]
    assert [m[4] for m in kept if len(m) > 4] == ["food", "company"]
    assert len(kept) == KEPT_MEMORIES + KEPT_INSIGHTS
    assert insights.kept(mind, 10_000, 3) == plain[-KEPT_MEMORIES:]


def test_a_mind_without_insights_leans_nowhere() -> None:
    of: Facts = facts(agent(memories=[list(GOOD)]))
    assert of.leanings == {}
    assert isinstance(form(GOOD), Insight)
