"""The graph's share of upkeep, and what a world knows of names."""

from datetime import timedelta
from itertools import count, pairwise
from typing import Any
from uuid import uuid4

import pytest

from memory.graph import actions, queries, rules, upkeep, worlds
from memory.graph.upkeep import Done
from tests.integration.memory.graph.making import NOW, make_agents, remember, tie

pytestmark = pytest.mark.django_db


def test_a_stint_links_and_fades_all_that_is_due(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(actions.link_new, "__defaults__", (2,))
    (ada,) = make_agents(1)
    ids = remember(ada, "Agent 0 rested in Zone 0.", "It rained.", "Then Ann met Agent 0 in Zone 0.")
    tie(*pairwise(ids), at=NOW - timedelta(days=9))
    assert upkeep.waiting()
    done = upkeep.run(now=NOW, seconds=30)
    assert done == Done(memories=3, mentions=5, edges=3, faded=2)
    assert not upkeep.waiting()
    assert {(e.name, e.kind) for e in queries.entities(ada)} == {
        ("Agent 0", "person"), ("Zone 0", "place"), ("Ann", "thing"),
    }  # fmt: skip
    assert upkeep.run(now=NOW, seconds=30) == Done()


def test_a_stint_ends_in_time_and_the_next_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(actions.link_new, "__defaults__", (1,))
    monkeypatch.setattr(actions.fade, "__defaults__", (1,))
    (ada,) = make_agents(1)
    ids = remember(ada, "It rained.", "It snowed.", "It hailed.")
    tie(*pairwise(ids), relation="causal")
    tie(*pairwise(ids), at=NOW - timedelta(days=9))
    seconds = count()
    found = [upkeep.run(now=NOW, seconds=2, clock=lambda: float(next(seconds))) for _ in range(3)]
    assert [(one.memories, one.faded, one.more) for one in found] == [(2, 0, True), (1, 1, True), (0, 1, False)]


def test_what_fell_below_the_floor_is_counted() -> None:
    (ada,) = make_agents(1)
    a, b = remember(ada, "It rained.", "It snowed.")
    tie((a, b, rules.FLOOR), at=NOW - timedelta(days=9))
    assert upkeep.run(now=NOW, seconds=30).removed == 1


def test_a_world_knows_its_zones_and_agents(count_queries: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    here, also_here = make_agents(2)
    (elsewhere,) = make_agents(1, name="Another", zones=1)
    with count_queries() as statements:
        found = worlds.known([here, also_here, elsewhere])
    assert len(statements) == 2
    assert found[here] == {"Zone 0": "place", "Zone 1": "place", "Agent 0": "person", "Agent 1": "person"}
    assert found[also_here] is found[here]
    assert found[elsewhere] == {"Zone 0": "place", "Agent 0": "person"}
    assert worlds.known([]) == worlds.known([uuid4()]) == {}
    monkeypatch.setattr(worlds, "MOST", 3)
    assert worlds.known([here])[here] == {"Zone 0": "place", "Zone 1": "place", "Agent 0": "person"}
