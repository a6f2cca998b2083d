"""Perception: from an agent and its locked zone to the facts it decides on. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from agents.decide import needs
from agents.facts import AgentState, Facts, Other
from domains import tools
from zones.state import Happening, ZoneState

NEAR_LIMIT = 8
NOTICED_LIMIT = 4
WORTH_NOTICING = 0.15
BASE_CAPABILITIES = frozenset({"observe", "recall"})


@dataclass(frozen=True, slots=True)
class Bystander:
    """Anybody in the zone, for who is near."""

    ordinal: int
    name: str
    x: float
    y: float


def perceive(
    agents: Sequence[AgentState], zone: ZoneState, roster: Sequence[Bystander], mods: Mapping[Any, Sequence[dict[str, Any]]]
) -> list[Facts]:
    """Facts for each agent, in order. `roster` is by ordinal; `mods` has the effects in force by agent id.

    Only what happened before this world tick is noticed, so that it makes no difference who ticks first in it.
    """
    happened = [h for h in zone.happenings if h.tick < zone.tick]
    return [_facts(agent, zone, roster, mods.get(agent.id, ()), happened) for agent in agents]


def _facts(
    agent: AgentState,
    zone: ZoneState,
    roster: Sequence[Bystander],
    mods: Sequence[dict[str, Any]],
    happened: Sequence[Happening],
) -> Facts:
    stats, traits, capabilities, weights = _modified(agent, mods)
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
        needs=needs(stats, traits, any(goal["progress"] < 1 for goal in agent.goals)),
        near=_near(agent, zone.interaction_range, roster),
        noticed=_noticed(agent, happened),
    )


def _modified(
    agent: AgentState, mods: Sequence[dict[str, Any]]
) -> tuple[Mapping[str, float], Mapping[str, float], frozenset[str], Mapping[str, float]]:
    """Stats, traits, capabilities and extra weights with the mods laid over them; the agent's own stay as they are."""
    if not mods and not agent.capabilities:
        return agent.stats, agent.traits, BASE_CAPABILITIES, {}
    stats, traits, weights = dict(agent.stats), dict(agent.traits), {}
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
    if "use_tools" in extra:
        extra = capabilities
    return frozenset(t.name for t in tools.for_capabilities(extra))


def _near(agent: AgentState, reach: float, roster: Sequence[Bystander]) -> tuple[Other, ...]:
    """Who is within reach, nearest first; of a large crowd only the first in order after the agent are looked at."""
    x, y, square, me = agent.x, agent.y, reach * reach, agent.ordinal
    found = [
        (far, b.ordinal, b.name)
        for b in _around(me, roster)
        if (far := (b.x - x) ** 2 + (b.y - y) ** 2) <= square and b.ordinal != me
    ]
    found.sort()
    return tuple(Other(ordinal, name, far**0.5) for far, ordinal, name in found[:NEAR_LIMIT])


LOOKED_AT = 24


def _around(ordinal: int, roster: Sequence[Bystander]) -> Sequence[Bystander]:
    """At most `LOOKED_AT` people of the roster: those after `ordinal` in it, going round."""
    count = len(roster)
    if count <= LOOKED_AT:
        return roster
    start = ordinal % count
    end = start + LOOKED_AT
    return roster[start:end] if end <= count else [*roster[start:], *roster[: end - count]]


def _noticed(agent: AgentState, happened: Sequence[Happening]) -> tuple[Happening, ...]:
    me, since = agent.ordinal, agent.last_tick
    seen = [
        h
        for h in happened
        if h.tick >= since and h.by != me and (h.to == me or (h.to is None and h.importance >= WORTH_NOTICING))
    ]
    if len(seen) > 1:
        seen.sort(key=lambda h: (h.to != me, -max(h.importance, abs(h.valence)), -h.tick))
    return tuple(seen[:NOTICED_LIMIT])
