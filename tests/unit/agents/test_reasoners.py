"""Kinds of reasoners: the shipped one and the one of the how-to keep to the contract."""

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from agents import behaviours, reasoners
from agents.reasoners import Reasoner
from domains import tools
from tests.contracts.reasoners import ReasonerContract

EXAMPLE = Path(__file__).parents[3] / "docs" / "how-to" / "example_plugin"


class TestRules(ReasonerContract):
    @pytest.fixture
    def kind(self) -> Reasoner:
        rules = reasoners.get("rules")
        assert rules
        return rules


class TestTheExample(ReasonerContract):
    @pytest.fixture
    def kind(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[Reasoner]:
        monkeypatch.syspath_prepend(EXAMPLE)
        importlib.import_module("lighthouse")
        keeper = reasoners.get("keeper")
        assert keeper
        yield keeper
        reasoners.unregister("keeper")
        behaviours.unregister("light_the_lamp")
        tools._tools.pop("read_the_tide")
        for name in [name for name in sys.modules if name.split(".")[0] == "lighthouse"]:
            del sys.modules[name]


def test_kinds_are_listed() -> None:
    assert "rules" in reasoners.kinds() == sorted(reasoners.kinds())
    assert reasoners.get("oracle") is None


def test_a_kind_is_taken_once() -> None:
    class Other:
        kind = "rules"

        def decide(self, batch: object) -> list[object]:
            return []

    with pytest.raises(ValueError, match="a reasoner of kind 'rules' is registered already"):
        reasoners.register(Other())  # type: ignore[arg-type]
