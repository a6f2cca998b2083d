"""Perception: from an agent and its locked zone to the facts it decides on. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from math import inf
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from agents import insights
from agents.decide import needs
from agents.facts import AgentState, Facts, Other
from domains import tools
from zones.state import Happening, ZoneState

NEAR_LIMIT = 8
LOOKED_AT = 16
NOTICED_LIMIT = 4
WORTH_NOTICING = 0.15
BASE_CAPABILITIES = frozenset({"observe", "recall"})


class Bystander(NamedTuple):
    """Anybody in the zone, for who is near."""

    ordinal: int
    name: str
    x: float
    y: float


NOBODY = Bystander(-1, "", inf, inf)
"""Keeps the place of somebody whom no one looks at: never near."""


def perceive(
    agents: Sequence[AgentState],
    zone: ZoneState,
    roster: Sequence[Bystander],
    mods: Mapping[Any, Sequence[dict[str, Any]]],
) -> list[Facts]:
    """Facts for each agent, in order. `roster` is by ordinal; `mods` has the effects in force by agent id.

    Only what happened before this world tick is noticed, so that it makes no difference who ticks first in it.
    """
    rumours = Rumours([h for h in zone.happenings if h.tick < zone.tick])
    crowds = _near(agents, zone.interaction_range, roster)
    return [
        _facts(agent, zone, near, mods.get(agent.id, ()) if mods else (), rumours)
        for agent, near in zip(agents, crowds, strict=True)
    ]


class Whole(Protocol):
    """An agent as it is without its mods."""

    @property
    def stats(self) -> dict[str, float]: ...

    @property
    def traits(self) -> dict[str, float]: ...

    @property
    def capabilities(self) -> list[str]: ...


class Rumours:
    """What happened in a zone, sorted by whom it concerns; made once a chunk."""

    def __init__(self, happenings: Sequence[Happening]) -> None:
        self.public = [h for h in happenings if h.to is None and h.importance >= WORTH_NOTICING]
        self.personal: dict[int, list[Happening]] = defaultdict(list)
        for happening in happenings:
            if happening.to is not None:
                self.personal[happening.to].append(happening)

    def reaching(self, agent: AgentState) -> tuple[Happening, ...]:
        """What an agent notices: what concerns it first, then the weightiest, at most four."""
        me, since = agent.ordinal, agent.last_tick
        mine = [h for h in self.personal.get(me, ()) if h.tick >= since]
        seen = [h for h in self.public if h.tick >= since and h.by != me]
        mine.sort(key=_weight)
        seen.sort(key=_weight)
        return tuple((mine + seen)[:NOTICED_LIMIT])


def _weight(h: Happening) -> tuple[float, int]:
    return (-max(h.importance, abs(h.valence)), -h.tick)


def _facts(
    agent: AgentState,
    zone: ZoneState,
    near: tuple[Other, ...],
    mods: Sequence[dict[str, Any]],
    rumours: Rumours,
) -> Facts:
    stats, traits, capabilities, weights = modified(agent, mods)
    return Facts(
        me=agent,
        zone=zone,
        tick=zone.tick,
        seed=zone.seed,
        stats=stats,
        traits=traits,
        capabilities=capabilities,
        tools=_usable_tools(capabilities),
        weights=weights,
        leanings=_leanings(agent, zone.tick),
        needs=needs(stats, traits, any(goal["progress"] < 1 for goal in agent.goals)),
        near=near,
        noticed=rumours.reaching(agent),
    )


_NO_LEANINGS: Mapping[str, float] = {}


def _leanings(agent: AgentState, tick: int) -> Mapping[str, float]:
    """Of most agents none: that is soon seen."""
    for memory in agent.memories:
        if len(memory) > 4:
            return insights.leanings(agent.memories, tick, agent.tick_interval)
    return _NO_LEANINGS


def modified(
    agent: Whole, mods: Sequence[dict[str, Any]]
) -> tuple[Mapping[str, float], Mapping[str, float], frozenset[str], Mapping[str, float]]:
    """Stats, traits, capabilities and extra weights with the mods laid over them; the agent's own stay as they are."""
    if not mods and not agent.capabilities:
        return agent.stats, agent.traits, BASE_CAPABILITIES, {}
    stats, traits = dict(agent.stats), dict(agent.traits)
    weights: dict[str, float] = {}
    capabilities = set(BASE_CAPABILITIES) | set(agent.capabilities)
    for effects in mods:
        _overlay(stats, effects.get("stat_modifiers", {}), 100.0)
        _overlay(traits, effects.get("trait_modifiers", {}), 1.0)
        capabilities.update(effects.get("new_capabilities", ()), effects.get("tool_access", ()))
        for action, weight in effects.get("action_weights", {}).items():
            weights[action] = weights.get(action, 0.0) + weight
    return stats, traits, frozenset(capabilities), weights


def _overlay(values: dict[str, float], changes: Mapping[str, float], top: float) -> None:
    for name, change in changes.items():
        values[name] = max(0.0, min(top, values[name] + change))


def _usable_tools(capabilities: frozenset[str]) -> frozenset[str]:
    """Tools that a mod or a world file opened. What everybody can do anyway is no reason to reach for a tool."""
    if capabilities is BASE_CAPABILITIES:
        return frozenset()
    extra = capabilities - BASE_CAPABILITIES
    # Outside tools go by name alone: what an operator has switched meanwhile is no matter of ticks.
    outside = {name for name in extra if tools.is_outside(name)}
    if "use_tools" in extra:
        extra = capabilities
    return frozenset([*(t.name for t in tools.for_capabilities(extra)), *outside])


def _near(agents: Sequence[AgentState], reach: float, roster: Sequence[Bystander]) -> list[tuple[Other, ...]]:
    """Who is within reach of each, nearest first; of a large crowd only some, the next ones by order, are looked at."""
    if not roster:
        return [()] * len(agents)
    places = _looked_at(agents, len(roster))
    here = np.array([(agent.x, agent.y) for agent in agents]).reshape(-1, 1, 2)
    there = np.array([(b.x, b.y) for b in roster])[places]
    squares = ((there - here) ** 2).sum(axis=2)
    found: list[list[tuple[float, int, str]]] = [[] for _ in agents]
    who, column = np.nonzero(squares <= reach * reach)
    hits = (who, places[who, column], squares[who, column])
    for i, place, square in zip(*(hit.tolist() for hit in hits), strict=True):
        other = roster[place]
        if other.ordinal != agents[i].ordinal:
            found[i].append((square, other.ordinal, other.name))
    return [
        tuple(Other(ordinal, name, square**0.5) for square, ordinal, name in sorted(near)[:NEAR_LIMIT])
        for near in found
    ]


def _looked_at(agents: Sequence[AgentState], count: int) -> npt.NDArray[np.int64]:
    """Places in the roster, `[len(agents), at most LOOKED_AT]`: those after the agent's own ordinal, going round."""
    if count <= LOOKED_AT:
        return np.tile(np.arange(count), (len(agents), 1))
    first = np.array([agent.ordinal for agent in agents]).reshape(-1, 1)
    return (first + np.arange(LOOKED_AT)) % count
