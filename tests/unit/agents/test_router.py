"""Whom the router asks: what is new, what is at stake and what is left to spend each move the choice."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.facts import Facts
from agents.reasoners import CHEAP, EXPENSIVE, RULES, Route
from agents.reasoners.router import CHEAP_FROM, EXPENSIVE_FROM, RouterReasoner, novelty, stakes
from tests.unit.agents.making import Happening, agent, facts
from tests.unit.agents.minds.making import heard, told

ORDER = [RULES, CHEAP, EXPENSIVE]
CALM = dict.fromkeys(("rest", "company", "stimulation", "purpose"), 0.0)


def happening(text: str = "A bell rang.", importance: float = 0.3, valence: float = 0.0) -> Happening:
    return Happening(9, "bell", text, importance, valence)


def calm(*noticed: Happening, needs: float = 0.0, **changes: Any) -> Facts:
    """Somebody who lacks nothing, but for the changes."""
    return replace(facts(agent(**changes)), needs={**CALM, "company": needs}, noticed=noticed)


def route(of: Facts, budget: float = 1.0) -> Route:
    return RouterReasoner().route(of, budget)


def test_when_nothing_happens_the_rules_decide() -> None:
    assert route(calm()) == Route(RULES, {"novelty": 0.0, "stakes": 0.0, "budget": 1.0, "worth": 0.0})


def test_when_something_is_new_a_cheap_model_decides() -> None:
    assert route(calm(happening())).tier == CHEAP


def test_when_much_is_at_stake_an_expensive_one_does() -> None:
    assert route(calm(happening(importance=0.5), needs=0.9)).tier == EXPENSIVE


def test_a_person_who_asks_is_worth_the_best() -> None:
    assert route(told(calm(), heard())).tier == EXPENSIVE
    assert ORDER.index(route(told(calm(), heard(by=3))).tier) < ORDER.index(EXPENSIVE)


def test_whose_purse_is_empty_asks_for_less() -> None:
    of = told(calm(), heard())
    assert [route(of, budget).tier for budget in (1.0, 0.0)] == [EXPENSIVE, CHEAP]
    assert [route(calm(happening()), budget).tier for budget in (1.0, 0.0)] == [CHEAP, RULES]


def test_the_scores_say_why() -> None:
    scores = route(calm(happening(importance=0.3), needs=0.4), 0.5).scores
    assert scores == {"novelty": 0.6, "stakes": 0.4, "budget": 0.5, "worth": 0.35}


@pytest.mark.parametrize(
    ("need", "tier"),
    [
        (CHEAP_FROM * 2 - 0.002, RULES),
        (CHEAP_FROM * 2, CHEAP),
        (EXPENSIVE_FROM * 2 - 0.002, CHEAP),
        (EXPENSIVE_FROM * 2, EXPENSIVE),
    ],
)
def test_the_thresholds_are_where_they_are_said_to_be(need: float, tier: str) -> None:
    assert route(calm(needs=need)).tier == tier


class TestNovelty:
    def test_the_weightiest_counts(self) -> None:
        few, many = [happening("A gull.", 0.2)], [happening("A gull.", 0.2), happening("A storm!", 0.2, -0.45)]
        assert novelty(calm(*few)) == pytest.approx(0.4)
        assert novelty(calm(*many)) == pytest.approx(0.9)

    def test_what_is_known_is_nothing_new(self) -> None:
        known = calm(happening("A bell rang."), memories=[[1, "The bell, a bell: it rang.", 0.5, 0.0]])
        assert novelty(known) == 0
        assert novelty(calm(happening("A bell rang."), memories=[[1, "A gull fell.", 0.5, 0.0]])) > 0

    def test_what_has_no_words_is_new(self) -> None:
        assert novelty(calm(happening("…"))) > 0

    def test_to_be_spoken_to_is_always_new(self) -> None:
        of = calm(memories=[[1, "How are you?", 0.5, 0.0]])
        assert novelty(told(of, heard("How are you?"))) > 0.5
        assert novelty(told(of, heard("", by=3))) > 0.5


class TestStakes:
    def test_the_most_pressing_need_counts(self) -> None:
        assert stakes(calm(needs=0.6)) == 0.6

    def test_a_goal_within_reach_counts(self) -> None:
        assert stakes(calm(goals=[{"name": "mend the bridge", "progress": 0.9}])) == 0.9
        assert stakes(calm(goals=[{"name": "mend the bridge", "progress": 0.5}])) == 0
        assert stakes(calm(goals=[{"name": "mend the bridge", "progress": 1.0}])) == 0, "it is done"

    def test_a_person_who_waits_counts(self) -> None:
        assert stakes(told(calm(), heard())) == 0.8
        assert stakes(told(calm(), heard(by=3))) == 0


_shares = st.floats(0, 1)
_facts = st.builds(
    lambda importance, valence, need, progress, texts: told(
        calm(happening(importance=importance, valence=2 * valence - 1), needs=need,
             goals=[{"name": "x", "progress": progress}]),
        *(heard(text, by=by) for text, by in texts),
    ),
    _shares, _shares, _shares, _shares,
    st.lists(st.tuples(st.text(max_size=50), st.sampled_from([None, 3])), max_size=4),
)  # fmt: skip


@given(_facts, _shares)
def test_scores_are_shares_and_agree_with_the_tier(of: Facts, budget: float) -> None:
    found = route(of, budget)
    assert found.scores.keys() == {"novelty", "stakes", "budget", "worth"}
    assert all(0 <= score <= 1 for score in found.scores.values())
    worth = found.scores["worth"]
    if abs(worth - CHEAP_FROM) > 0.001 and abs(worth - EXPENSIVE_FROM) > 0.001:
        assert found.tier == (RULES if worth < CHEAP_FROM else CHEAP if worth < EXPENSIVE_FROM else EXPENSIVE)


@given(_facts, _shares, _shares)
def test_with_more_to_spend_nobody_asks_for_less(of: Facts, one: float, two: float) -> None:
    less, more = sorted((one, two))
    assert ORDER.index(route(of, less).tier) <= ORDER.index(route(of, more).tier)


@given(_facts, _shares, _shares)
def test_with_more_at_stake_nobody_asks_for_less(of: Facts, need: float, budget: float) -> None:
    pressing = replace(of, needs={**of.needs, "company": max(need, of.needs["company"])})
    assert ORDER.index(route(of, budget).tier) <= ORDER.index(route(pressing, budget).tier)


@given(_facts, _shares)
def test_with_something_new_nobody_asks_for_less(of: Facts, budget: float) -> None:
    newer = replace(of, noticed=(*of.noticed, happening("A whale!", 1.0)))
    assert ORDER.index(route(of, budget).tier) <= ORDER.index(route(newer, budget).tier)
