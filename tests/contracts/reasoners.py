"""What every kind of reasoner keeps to. Subclass `ReasonerContract` in a test module and give it the kind as a fixture;
for a kind whose agents ask a model first, `ThinkingContract`, which has all of it and more.

The tests have no database and no network: a kind that needs either fails.
"""

from __future__ import annotations

import copy
import json
import math
import socket
from collections.abc import Sequence
from dataclasses import replace

import orjson
import pytest

from agents import behaviours, reasoners
from agents.facts import Answer, Decision, Facts
from agents.reasoners import CHEAP, EXPENSIVE, RULES, STANDARD, Reasoner, ThinkingReasoner
from tests.model_server import NONSENSE
from tests.unit.agents.making import Happening, agent, facts, way, zone
from tests.unit.agents.minds.making import heard, told


def a_crowd() -> list[Facts]:
    """People and places of all sorts: worn out, rich, alone, crowded, tooled, spoken to; with goals and without."""
    crowd = []
    for n in range(60):
        me = agent(
            ordinal=n, name=f"Agent {n}", energy=[0.0, 12.5, 50.0, 79.99, 100.0][n % 5], social=n % 7 * 16.0,
            openness=n % 11 / 10, extraversion=n % 3 / 2, mood=[-1.0, 0.0, 1.0][n % 3],
            goals=[{"name": "mend the bridge", "progress": n % 5 / 4}] if n % 2 else [],
            memories=[[1, "A bell rang.", 0.5, -0.5]] if n % 4 else [], actions=["rest"] * (n % 5),
            capabilities=["use_tools", "write_notices"] if n % 6 == 0 else [], tick_number=n,
        )  # fmt: skip
        place = zone(
            resources=dict.fromkeys(("food", "materials", "energy", "knowledge"), [0.0, 3.5, 100.0][n % 3]),
            ways=[way("Mill"), way("Tower", 0.2, 2)] if n % 2 else [], entropy=n % 10 / 9, seed=n * 7919,
            happenings=[Happening(9, "glitch", "x", 0.4, -0.2)] if n % 3 == 0 else [],
        )  # fmt: skip
        mail = [
            heard("How are you?", number=10 * n + 1),
            heard("A bell rang.", number=10 * n + 2, by=n + 1),
            heard("Farewell.", number=10 * n + 3, by=n + 1, answerable=False),
        ][: n % 7 if n % 7 < 4 else 0]
        crowd.append(told(facts(me, place, near=("Ben", "Cato", "Dora")[: n % 4]), *mail))
    return crowd


USAGE = {"model": "m", "prompt_tokens": 600, "completion_tokens": 60}


def answered(crowd: list[Facts]) -> list[Facts]:
    """The crowd after each was asked, and a model gave a good answer: something possible, by turns."""
    for n, of in enumerate(crowd):
        possible = _possible(of)
        action = possible[n % len(possible)]
        answer = {
            "action": action,
            "arguments": {"tool": min(of.tools), "arguments": {}} if action == "use_tool" else {},
            "reasoning": f"I am number {n}.",
            "confidence": 0.75,
            "expected": "a good day",
            "remember": f"I was number {n}.",
            "replies": [{"to": message.number, "text": f"This is number {n}."} for message in of.messages],
        }
        of.me.answer = Answer(of.tick, json.dumps(answer), usage=USAGE, heard=frozenset(m.number for m in of.messages))
    return crowd


def _possible(of: Facts) -> list[str]:
    return [behaviour.name for behaviour in behaviours.all_behaviours() if behaviour.refusal(of) is None]


def crowd_for(kind: Reasoner) -> list[Facts]:
    """The crowd as agents of this kind are when they decide."""
    return answered(a_crowd()) if isinstance(kind, ThinkingReasoner) else a_crowd()


class ReasonerContract:
    """Tests shared by all kinds."""

    @pytest.fixture
    def kind(self) -> Reasoner:
        raise NotImplementedError

    @pytest.fixture(autouse=True)
    def _alone(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(*_: object) -> None:
            raise AssertionError("a reasoner asked the network")

        monkeypatch.setattr(socket.socket, "connect", refuse)

    def test_it_has_a_name_that_fits_the_column(self, kind: Reasoner) -> None:
        assert 1 <= len(kind.kind) <= 50

    def test_there_is_one_decision_each(self, kind: Reasoner) -> None:
        crowd = crowd_for(kind)
        for batch in ([], crowd[:1], crowd):
            decisions = kind.decide(batch)
            assert len(decisions) == len(batch)
            assert all(isinstance(decision, Decision) for decision in decisions)

    def test_only_what_the_facts_allow_is_chosen(self, kind: Reasoner) -> None:
        for of, decision in self._pairs(kind, crowd_for(kind)):
            behaviour = behaviours.get(decision.action)
            assert behaviour, decision.action
            assert behaviour.refusal(of) is None, (decision.action, of.me.name)

    def test_the_same_facts_give_the_same_decisions(self, kind: Reasoner) -> None:
        assert list(kind.decide(crowd_for(kind))) == list(kind.decide(crowd_for(kind)))

    def test_company_and_order_make_no_difference(self, kind: Reasoner) -> None:
        """Who else is in the batch depends on chunks and workers, which must not be felt."""
        together = {of.me.ordinal: decision for of, decision in self._pairs(kind, crowd_for(kind))}
        backwards = {of.me.ordinal: decision for of, decision in self._pairs(kind, crowd_for(kind)[::-1])}
        alone = {of.me.ordinal: kind.decide([of])[0] for of in crowd_for(kind)}
        assert together == backwards == alone

    def test_the_facts_are_left_as_they_are(self, kind: Reasoner) -> None:
        crowd = crowd_for(kind)
        before = copy.deepcopy(crowd)
        kind.decide(crowd)
        assert crowd == before

    def test_decisions_can_be_stored(self, kind: Reasoner) -> None:
        for decision in kind.decide(crowd_for(kind)):
            assert 0 <= decision.confidence <= 1
            assert isinstance(decision.reasoning, str)
            assert isinstance(decision.expected, str)
            assert decision.error is None
            assert all(isinstance(score, int | float) for score in decision.alternatives.values())
            stored = orjson.loads(orjson.dumps([dict(decision.arguments), dict(decision.alternatives), decision.usage]))
            assert stored[0].keys() == dict(decision.arguments).keys()
            assert "\0" not in decision.reasoning + decision.expected + decision.remember + decision.narrative
            assert all(isinstance(text, str) and "\0" not in text for text in decision.replies.values())
            assert decision.by == "", "only an operator decides in somebody's place"

    def test_only_messages_that_want_an_answer_are_answered(self, kind: Reasoner) -> None:
        for of, decision in self._pairs(kind, crowd_for(kind)):
            assert decision.replies.keys() <= {message.number for message in of.messages if message.answerable}

    def test_any_sequence_will_do(self, kind: Reasoner) -> None:
        assert list(kind.decide(tuple(crowd_for(kind)[:3]))) == list(kind.decide(crowd_for(kind)[:3]))

    @staticmethod
    def _pairs(kind: Reasoner, crowd: Sequence[Facts]) -> list[tuple[Facts, Decision]]:
        return list(zip(crowd, kind.decide(crowd), strict=True))


class ThinkingContract(ReasonerContract):
    """Tests for kinds whose agents ask a model first; a model may say anything, or nothing."""

    def test_it_is_known_as_one_that_thinks(self, kind: ThinkingReasoner) -> None:
        assert isinstance(kind, ThinkingReasoner)
        assert kind.kind in reasoners.thinking_kinds()
        assert reasoners.thinks(kind.kind)

    @pytest.mark.parametrize("budget", [0.0, 0.3, 1.0])
    def test_it_says_whom_to_ask(self, kind: ThinkingReasoner, budget: float) -> None:
        for of in a_crowd():
            route = kind.route(of, budget)
            assert route.tier in (RULES, STANDARD, CHEAP, EXPENSIVE)
            assert all(isinstance(name, str) and math.isfinite(score) for name, score in route.scores.items())
            orjson.dumps(dict(route.scores))

    def test_whom_to_ask_follows_from_the_facts_alone(self, kind: ThinkingReasoner) -> None:
        crowd = a_crowd()
        before = copy.deepcopy(crowd)
        routes = [kind.route(of, 0.5) for of in crowd]
        assert crowd == before
        assert routes == [kind.route(of, 0.5) for of in reversed(a_crowd())][::-1]

    def test_what_the_model_says_is_decided(self, kind: ThinkingReasoner) -> None:
        for n, (of, decision) in enumerate(self._pairs(kind, answered(a_crowd()))):
            possible = _possible(of)
            assert decision.action == possible[n % len(possible)]
            assert decision.reasoning == f"I am number {n}."
            assert decision.remember == f"I was number {n}."
            assert decision.confidence == 0.75
            assert decision.replies == {m.number: f"This is number {n}." for m in of.messages if m.answerable}

    def test_what_it_took_is_told(self, kind: ThinkingReasoner) -> None:
        for text in (None, "nonsense", ""):
            crowd = answered(a_crowd())
            for of in crowd:
                assert of.me.answer
                of.me.answer = of.me.answer if text is None else Answer(of.tick, text, usage=USAGE)
            assert all(decision.usage == USAGE for decision in kind.decide(crowd))

    @pytest.mark.parametrize("text", NONSENSE.values(), ids=NONSENSE.keys())
    def test_after_nonsense_the_rules_decide_and_the_log_says_so(self, kind: ThinkingReasoner, text: str) -> None:
        self._ruled(kind, Answer(10, text), "the model's answer: ")

    def test_what_is_impossible_is_not_done(self, kind: ThinkingReasoner) -> None:
        for behaviour in behaviours.all_behaviours():
            crowd = [of for of in a_crowd() if behaviour.refusal(of)]
            expected = self._rules(crowd)
            for of in crowd:
                of.me.answer = Answer(of.tick, json.dumps({"action": behaviour.name}))
            for decision, rule in zip(kind.decide(crowd), expected, strict=True):
                assert replace(decision, error=None) == rule
                assert f"{behaviour.name} is not possible now: " in str(decision.error)

    def test_without_an_answer_the_rules_decide_and_the_log_says_so(self, kind: ThinkingReasoner) -> None:
        self._ruled(kind, None, "no model was asked")

    def test_after_an_error_the_rules_decide_and_the_log_says_so(self, kind: ThinkingReasoner) -> None:
        self._ruled(
            kind, Answer(10, error="the endpoint did not answer in time"), "the endpoint did not answer in time"
        )

    def test_when_no_model_needs_to_be_asked_the_rules_decide_and_all_is_well(self, kind: ThinkingReasoner) -> None:
        self._ruled(kind, Answer(10), None)

    def _ruled(self, kind: ThinkingReasoner, answer: Answer | None, error: str | None) -> None:
        crowd = a_crowd()
        expected = self._rules(crowd)
        for of in crowd:
            of.me.answer = answer
        for decision, rule in zip(kind.decide(crowd), expected, strict=True):
            assert replace(decision, error=None) == rule
            if error is None:
                assert decision.error is None
            else:
                assert decision.error
                assert decision.error.startswith(error)
                assert decision.error.endswith("; the rules decided")
                assert "\0" not in decision.error
                assert len(decision.error) < 1000

    @staticmethod
    def _rules(crowd: Sequence[Facts]) -> list[Decision]:
        rules = reasoners.get(RULES)
        assert rules
        return rules.decide(crowd)
