"""Which agent a program means, and whether it may do what it wants to do with it."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Annotated, Any

from pydantic import Field

from agents import queries
from agents.actions.moves import may_act_for
from agents.models import Agent
from domains.tools import Caller, Request, ToolError
from zones.client_tools import Name, world_meant

Text = Annotated[str, Field(max_length=1000, pattern=r"^[^\x00]*$")]


class AgentWanted(Request):
    """Which agent."""

    agent: Name
    """Name or id of the agent."""
    world: Name | None = None
    """Name or id of its world, where several worlds have an agent of that name."""


def agent_meant(wanted: AgentWanted, caller: Caller) -> Agent:
    """An agent of a world that the caller may see, with zone and world. Raises: ToolError, which says what to do."""
    world_id = world_meant(wanted.world, caller).pk if wanted.world else None
    found = queries.visible_named(wanted.agent, caller.user, world_id=world_id)
    if len(found) > 1:
        raise ToolError("ambiguous", f"several worlds have an agent {wanted.agent!r}: give `world`, or the agent's id")
    if not found:
        names = queries.visible_names(caller.user, world_id=world_id)
        near = get_close_matches(wanted.agent, names, n=3, cutoff=0.6)
        hint = f"did you mean {' or '.join(near)}?" if near else "pac_list_agents tells which there are"
        raise ToolError("agent_not_found", f"there is no agent {wanted.agent!r} that you may see; {hint}")
    return found[0]


def check_key(agent: Agent, caller: Caller) -> None:
    """A key for one agent is for that one only. Raises: ToolError."""
    if caller.token_agent is not None and caller.token_agent != agent.pk:
        raise ToolError("access_denied", f"this key acts for another agent than {agent.name}; use that one")


def may_act(agent: Agent, caller: Caller) -> bool:
    """Whether the caller may act for the agent: with its key, or as who governs its zone or world."""
    if caller.token_agent is not None and caller.token_agent != agent.pk:
        return False
    return may_act_for(caller.user, agent, token_agent=caller.token_agent)


def mine(wanted: AgentWanted, caller: Caller) -> Agent:
    """An agent that the caller may act for. Raises: ToolError."""
    agent = agent_meant(wanted, caller)
    check_key(agent, caller)
    if not may_act(agent, caller):
        raise ToolError(
            "access_denied",
            f"you may not act for {agent.name}: that takes the agent's own key, or to own its zone or world",
        )
    return agent


def plain(value: Any) -> Any:
    """Numbers of a row as they are told: with as many decimal places as mean something."""
    return {name: round(number, 3) for name, number in value.items()}
