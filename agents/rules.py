"""Who may do what to agents, as doors ask it of an identity; and whether an agent may be acted for at all."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet
from django.http import HttpRequest

from agents import queries
from agents.actions import moves
from agents.models import Agent
from domains.thundergate import access, addresses, grants, standing
from domains.thundergate.access import Identity
from memory import readers
from zones import queries as zones
from zones import visibility
from zones.actions import places


def of_agent(identity: Identity, scope: str, agent: Agent) -> bool:
    """A key for one agent reads what its owner may see, and acts for that agent only."""
    user = identity.user
    if scope in ("agents:read", "events:read"):
        return places.may_see(agent.world, user)
    if scope == "memory:read":
        return grants.why(identity, agent.pk, owns=places.governs(agent.zone, user)) is not None
    if identity.agent_id is not None:
        return identity.agent_id == agent.pk and scope in ("agents:act", "memory:write")
    if scope == "agents:act":
        return moves.may_act_for(user, agent)
    if scope == "agents:write":
        return queries.may_steer(agent, user)
    return scope == "memory:write" and places.governs(agent.zone, user)


def read_memories(identity: Identity, agents: Sequence[Agent], *, door: str) -> None:
    """Let somebody read what these agents remember, all or none; that it was read is told, where they are not theirs.

    Agents come with their zones and worlds. Raises: Forbidden.
    """
    own = [agent.pk for agent in agents if places.governs(agent.zone, identity.user)]
    grants.check(identity, [agent.pk for agent in agents], own=own, door=door)


def remembered_by(user: Any) -> QuerySet[Agent, UUID] | None:
    """Ids of agents whose memories a person may read, of worlds that he may see. None: of all."""
    seen = queries.seen_by(user)
    if seen is None or user.has_perm(access.READ_ALL_MEMORIES) or visibility.operates(user):
        return seen
    owned = Q(world__owner=user) | Q(zone__owner=user)
    return seen.filter(owned | Q(pk__in=grants.granted_to(user)))


def tell_read(request: HttpRequest, agent_ids: Collection[UUID]) -> None:
    """That a person read what these agents remember in the admin. Five queries at most, none for operators."""
    user = request.user
    if zones.sees_all(user) or visibility.operates(user):
        return
    owned = Agent.objects.filter(Q(world__owner=user) | Q(zone__owner=user), pk__in=agent_ids)
    own = set(owned.order_by().values_list("pk", flat=True))
    identity = Identity(user, access.Via.SESSION, address=addresses.client(request))
    grants.check(identity, sorted(set(agent_ids)), own=own, door="admin")


def refusals(agent_ids: Collection[UUID]) -> dict[UUID, str]:
    """Those of some agents that may not be acted for now, and why. One query."""
    rows = {row[0]: row[1:] for row in Agent.objects.filter(pk__in=agent_ids).values_list("pk", "name", "lifecycle")}
    found = dict.fromkeys(set(agent_ids) - set(rows), "the agent for which alone this acts is not there any more")
    for agent_id, (name, lifecycle) in rows.items():
        if lifecycle not in moves.MOVABLE:
            found[agent_id] = f"{name}, for whom alone this acts, is {lifecycle}"
    return found


access.register(Agent, of_agent)
readers.register(readers.Rule(queries.seen_by, remembered_by, tell_read))
standing.ask(refusals)
