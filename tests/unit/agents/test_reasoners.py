"""Kinds of reasoners: the shipped ones and the one of the how-to keep to the contract."""

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from agents import behaviours, reasoners
from agents.reasoners import Reasoner, Route, ThinkingReasoner
from domains import tools
from tests.contracts.reasoners import ReasonerContract, ThinkingContract, a_crowd

EXAMPLE = Path(__file__).parents[3] / "docs" / "how-to" / "example_plugin"


class TestRules(ReasonerContract):
    @pytest.fixture
    def kind(self) -> Reasoner:
        return _get("rules")


class TestOpenAI(ThinkingContract):
    @pytest.fixture
    def kind(self) -> Reasoner:
        return _get("openai")

    def test_the_model_is_asked_at_every_tick(self, kind: ThinkingReasoner) -> None:
        assert {kind.route(of, budget).tier for of in a_crowd() for budget in (0.0, 1.0)} == {"standard"}


class TestRouter(ThinkingContract):
    @pytest.fixture
    def kind(self) -> Reasoner:
        return _get("router")

    def test_a_crowd_asks_all_of_them(self, kind: ThinkingReasoner) -> None:
        assert {kind.route(of, 0.7).tier for of in a_crowd()} == {"rules", "cheap", "expensive"}


class TestTheExample(ReasonerContract):
    @pytest.fixture
    def kind(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[Reasoner]:
        monkeypatch.syspath_prepend(EXAMPLE)
        importlib.import_module("lighthouse")
        yield _get("keeper")
        reasoners.unregister("keeper")
        behaviours.unregister("light_the_lamp")
        tools._tools.pop("read_the_tide")
        for name in [name for name in sys.modules if name.split(".")[0] == "lighthouse"]:
            del sys.modules[name]


def _get(kind: str) -> Reasoner:
    found = reasoners.get(kind)
    assert found
    return found


def test_kinds_are_listed() -> None:
    assert reasoners.kinds() == ["openai", "router", "rules"]
    assert reasoners.get("oracle") is None


def test_every_shipped_kind_has_its_tests() -> None:
    tested = {"rules": TestRules, "openai": TestOpenAI, "router": TestRouter}
    assert sorted(tested) == reasoners.kinds()
    for kind, tests in tested.items():
        assert issubclass(tests, ThinkingContract) == reasoners.thinks(kind)


def test_kinds_that_think_are_known_by_what_they_can() -> None:
    class Oracle:
        kind = "oracle"

        def route(self, facts: object, budget: float) -> Route:
            return Route("standard")

        def decide(self, batch: object) -> list[object]:
            return []

    assert reasoners.thinking_kinds() == ["openai", "router"]
    reasoners.register(Oracle())  # type: ignore[arg-type]
    try:
        assert reasoners.thinking_kinds() == ["openai", "oracle", "router"]
        assert reasoners.thinks("oracle")
    finally:
        reasoners.unregister("oracle")
    assert reasoners.thinking_kinds() == ["openai", "router"]
    assert not reasoners.thinks("rules")
    assert not reasoners.thinks("oracle")


def test_a_kind_is_taken_once() -> None:
    class Other:
        kind = "rules"

        def decide(self, batch: object) -> list[object]:
            return []

    with pytest.raises(ValueError, match="a reasoner of kind 'rules' is registered already"):
        reasoners.register(Other())  # type: ignore[arg-type]
