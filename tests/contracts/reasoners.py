"""What every kind of reasoner keeps to. Subclass `ReasonerContract` in a test module and give it the kind as a fixture.

The tests have no database and no network: a kind that needs either fails.
"""

from __future__ import annotations

import copy
import socket
from collections.abc import Sequence

import orjson
import pytest

from agents import behaviours
from agents.facts import Decision, Facts
from agents.reasoners import Reasoner
from tests.unit.agents.making import Happening, agent, facts, way, zone


def a_crowd() -> list[Facts]:
    """People and places of all sorts: worn out, hungry, rich, alone, crowded, tooled, with and without goals."""
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
        crowd.append(facts(me, place, near=("Ben", "Cato", "Dora")[: n % 4]))
    return crowd


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
        crowd = a_crowd()
        for batch in ([], crowd[:1], crowd):
            decisions = kind.decide(batch)
            assert len(decisions) == len(batch)
            assert all(isinstance(decision, Decision) for decision in decisions)

    def test_only_what_the_facts_allow_is_chosen(self, kind: Reasoner) -> None:
        for of, decision in self._pairs(kind, a_crowd()):
            behaviour = behaviours.get(decision.action)
            assert behaviour, decision.action
            assert behaviour.refusal(of) is None, (decision.action, of.me.name)

    def test_the_same_facts_give_the_same_decisions(self, kind: Reasoner) -> None:
        assert list(kind.decide(a_crowd())) == list(kind.decide(a_crowd()))

    def test_company_and_order_make_no_difference(self, kind: Reasoner) -> None:
        """Who else is in the batch depends on chunks and workers, which must not be felt."""
        together = {of.me.ordinal: decision for of, decision in self._pairs(kind, a_crowd())}
        backwards = {of.me.ordinal: decision for of, decision in self._pairs(kind, a_crowd()[::-1])}
        alone = {of.me.ordinal: kind.decide([of])[0] for of in a_crowd()}
        assert together == backwards == alone

    def test_the_facts_are_left_as_they_are(self, kind: Reasoner) -> None:
        crowd = a_crowd()
        before = copy.deepcopy(crowd)
        kind.decide(crowd)
        assert crowd == before

    def test_decisions_can_be_stored(self, kind: Reasoner) -> None:
        for decision in kind.decide(a_crowd()):
            assert 0 <= decision.confidence <= 1
            assert isinstance(decision.reasoning, str)
            assert isinstance(decision.expected, str)
            assert decision.error is None
            assert all(isinstance(score, int | float) for score in decision.alternatives.values())
            stored = orjson.loads(orjson.dumps([dict(decision.arguments), dict(decision.alternatives), decision.usage]))
            assert stored[0].keys() == dict(decision.arguments).keys()
            assert "\0" not in decision.reasoning + decision.expected

    def test_any_sequence_will_do(self, kind: Reasoner) -> None:
        assert list(kind.decide(tuple(a_crowd()[:3]))) == list(kind.decide(a_crowd()[:3]))

    @staticmethod
    def _pairs(kind: Reasoner, crowd: Sequence[Facts]) -> list[tuple[Facts, Decision]]:
        return list(zip(crowd, kind.decide(crowd), strict=True))
