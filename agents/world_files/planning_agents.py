"""What loading a world file would change in the agents that are there. Two queries."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from agents.models import Agent, Lifecycle, Mod
from agents.specs import AgentSpec, ModSpec
from agents.world_files import columns
from agents.world_files.plans import Plan
from agents.world_files.schema import AgentEntry, WorldFile

_FIELDS = ("id", "name", "lifecycle", "goals", *AgentSpec.EDITABLE)


def plan_agents(made: Plan, base: WorldFile, world_id: UUID) -> None:
    """Add to a plan what the file changes in the agents, compared with them and with what it said the last time."""
    rows = Agent.objects.filter(world_id=world_id).order_by("ordinal")
    there = {row["name"]: row for row in rows.values(*_FIELDS)}
    in_force = _in_force(world_id)
    before = {agent.name: agent for agent in base.agents}
    for agent in made.file.agents:
        if (row := there.get(agent.name)) is None:
            made.new_agents.append(agent)
            continue
        old = before.get(agent.name)
        _plan_columns(made, agent, old, row)
        _plan_goals(made, agent, old, row)
        _plan_mods(made, agent, old, row["id"], in_force.get(row["id"], {}))
        if old is not None and _birth(agent) != _birth(old):
            made.starts.append(agent.name)
    named = {agent.name for agent in made.file.agents}
    made.left_agents = [
        name for name, row in there.items() if name not in named and row["lifecycle"] != Lifecycle.ARCHIVED
    ]


def _birth(agent: AgentEntry) -> tuple[object, ...]:
    """What counts only when it is born."""
    return agent.zone, agent.stats, agent.mood, agent.position, [goal.progress for goal in agent.goals]


def _plan_columns(made: Plan, agent: AgentEntry, old: AgentEntry | None, row: Mapping[str, Any]) -> None:
    stated = columns.stated_in_agent(agent) | columns.stated_in_agent(old)
    if not stated:
        return
    for name, was, new in columns.differing(agent.settled(), row, stated):
        made.agents.setdefault(row["id"], {})[name] = new
        made.note("agent", agent.name, columns.shown(name), was, new)


def _plan_goals(made: Plan, agent: AgentEntry, old: AgentEntry | None, row: Mapping[str, Any]) -> None:
    """Goals that the file has gained or lost; whatever else the agent pursues, and how far it is, stays."""
    said = {goal.name for goal in old.goals} if old else set()
    says = {goal.name: goal for goal in agent.goals}
    has = {goal["name"] for goal in row["goals"]}
    if says.keys() <= said and says.keys() >= said:
        return
    kept = [goal for goal in row["goals"] if goal["name"] in says or goal["name"] not in said]
    gained = [goal.model_dump() for name, goal in says.items() if name not in said and name not in has]
    goals = [*kept, *gained]
    if goals != row["goals"]:
        made.agents.setdefault(row["id"], {})["goals"] = goals
        names = [[goal["name"] for goal in some] for some in (row["goals"], goals)]
        made.note("agent", agent.name, "goals", *names)


def _plan_mods(
    made: Plan, agent: AgentEntry, old: AgentEntry | None, agent_id: UUID, in_force: Mapping[str, ModSpec]
) -> None:
    """Mods that the file has gained, changed or lost. One that it names as before is not put on a second time."""
    said = {mod.name: mod for mod in old.mods} if old else {}
    says = {mod.name: mod for mod in agent.mods}
    for name, mod in says.items():
        if mod != said.get(name) and mod != in_force.get(name):
            made.mods.append((agent_id, mod))
            made.note("agent", agent.name, f"mods.{name}", _brief(in_force.get(name)), _brief(mod))
    for name in said.keys() - says.keys():
        if name in in_force:
            made.ended_mods.append((agent_id, name))
            made.note("agent", agent.name, f"mods.{name}", _brief(in_force[name]), None)


def _brief(mod: ModSpec | None) -> dict[str, Any] | None:
    return mod.model_dump(exclude={"name"}, exclude_defaults=True) if mod else None


def _in_force(world_id: UUID) -> dict[UUID, dict[str, ModSpec]]:
    """Mods in force by agent and name, each as it would be asked for."""
    found: dict[UUID, dict[str, ModSpec]] = defaultdict(dict)
    for mod in Mod.objects.filter(agent__world_id=world_id, active=True).order_by("name"):
        found[mod.agent_id][mod.name] = spec_of(mod)
    return found


def spec_of(mod: Mod) -> ModSpec:
    """What was asked for when this mod was put on."""
    duration = None if mod.expires_tick is None else mod.expires_tick - mod.applied_tick
    return ModSpec.model_validate({"name": mod.name, "kind": mod.kind, "effects": mod.effects, "duration": duration})
