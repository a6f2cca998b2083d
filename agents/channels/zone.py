"""`zone:<id>`: a zone as a place to be in. Who joins with an agent brings it there; who joins without one watches."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, ClassVar
from uuid import UUID

from pydantic import Field

from agents import inputs
from agents.actions import moves
from agents.actions.inputs import Input
from agents.channels import acting, admission, presence, pushes, snapshot
from agents.channels.shapes import Meta, ShownZone, Spot
from domains.thunderblock import guards
from domains.thunderflow import context
from domains.thundergate import scopes
from domains.thunderlink.socket.following import Following, Joining
from domains.thunderlink.socket.sources import Source, Stream
from zones import queries
from zones.errors import AccessDenied, NotFound
from zones.events import zone_stream

HIDDEN = frozenset({"model_answered", "impersonated"})
"""What a model or an operator had in mind is not for everybody."""
SHOWN_OF_AGENTS = frozenset({"changed"})
"""Of what agents tell in the zone's stream; what they write to each other is theirs."""


def event_name(topic: str) -> str | None:
    """What clients know an event of a zone's stream by; None: they do not get it."""
    family, _, verb = topic.split(".", 2)
    if family == "zone":
        return None if verb in HIDDEN else verb
    return f"{family}_{verb}" if verb in SHOWN_OF_AGENTS else None


class JoiningZone(Joining):
    """`activity` is what others see of a client."""

    agent_id: UUID | None = None
    activity: str = Field("", max_length=200)


class ZoneChannel(Following):
    """Presence, what happens in the zone, and what a client does there."""

    topics = ("zone:*",)
    pushes = frozenset({*inputs.PUSHES, "get_zone_state"})
    domain = "thundergrid"
    Given: ClassVar[type[Joining]] = JoiningZone

    given: JoiningZone
    zone_id: UUID
    here: str
    """The topic on which the client is present: where its agent is."""
    _position: Spot | None
    _gone = False

    def source(self) -> tuple[str, Callable[[], Source]]:
        """The zone's stream."""
        return self.topic, lambda: Stream(zone_stream(self.zone_id), event_name)

    async def admit(self) -> tuple[dict[str, Any], int]:
        """Raises: AgentError, ZoneError, DomainInactive."""
        self.zone_id = inputs.zone_id(self.topic.partition(":")[2])
        self._order = asyncio.Lock()
        async with self.connection.hub.writing:
            zone, seq = await self.connection.hub.database(self._enter)
        shown = next((agent for agent in zone["agents"] if agent["id"] == str(self.given.agent_id)), None)
        self._activity, self._position = (shown["activity"], shown["position"]) if shown else ("", None)
        return {"zone": zone}, seq

    def _enter(self) -> tuple[ShownZone, int]:
        guards.require(self.domain)
        user, agent_id = admission.fresh(self.connection), self.given.agent_id
        zone = queries.visible_zone(self.zone_id, user)
        if zone is None:
            if queries.exists(self.zone_id):
                raise AccessDenied("you may not see this zone's world")
            raise NotFound(f"there is no zone {self.zone_id}")
        self.connection.who.check("zones:read" if agent_id is None else "zones:act", zone)
        if agent_id is not None:
            token_agent = acting.check_token(self.connection.claims, agent_id)
            moves.enter(self.zone_id, agent_id, user=user, by=self.connection.actor, token_agent=token_agent)
        return snapshot.take(self.zone_id)

    async def joined(self) -> None:
        """First who is there, then what happens."""
        rooms, agent_id = presence.of(self.connection.hub), self.given.agent_id
        self.here, self._came_at = self.topic, datetime.now(UTC)
        await rooms.presences.track(self.here, str(agent_id or self.connection.user.pk), self.session, self._meta())
        if self._gone:
            return
        admission.of(self.connection.hub).add(self)
        if agent_id is not None:
            acting.of(self.connection.hub).add(self)
        state = await rooms.watch(self.topic, self, self.connection.send)
        if self._gone:  # put out meanwhile
            return
        self.push("presence_state", state)
        await super().joined()

    def _meta(self) -> Meta:
        return {
            "joined_at": self._came_at.isoformat(),
            "kind": "agent" if self.given.agent_id else "user",
            "user": self.connection.user.get_username(),
            "activity": self.given.activity or self._activity,
            "position": self._position,
        }

    async def pushed(self, event: str, payload: Mapping[str, Any]) -> dict[str, Any]:
        """Raises: Refusal, AgentError, ZoneError, Overloaded."""
        hub = self.connection.hub
        if event == "get_zone_state":
            zone, seq = await hub.database(self._look)
            return {"zone": zone, "seq": seq}
        if event not in inputs.PUSHES:
            return await super().pushed(event, payload)
        claims, agent_id = self.connection.claims, self.given.agent_id
        if agent_id is None and claims is not None and claims.agent_id is not None:
            raise AccessDenied("this token acts for an agent; join with its agent_id")
        if not any(map(self.connection.who.scoped, ("zones:act", scopes.zone_join(self.zone_id)))):
            raise AccessDenied("this needs the scope zones:act, which what you showed does not have")
        one = Input(
            verb=event,
            given=inputs.parse(event, payload),
            agent_id=agent_id,
            user=self.connection.user,
            by=self.connection.actor,
            token_agent=claims.agent_id if claims else None,
            correlation_id=context.current().correlation_id,
        )
        return await pushes.of(hub).apply(self.zone_id, one, self._order)

    def _look(self) -> tuple[ShownZone, int]:
        guards.require(self.domain)
        if queries.visible_zone(self.zone_id, self.connection.user) is None:
            raise AccessDenied("you may not see this zone's world any more")
        return snapshot.take(self.zone_id)

    async def show(self, zone_id: UUID, activity: str, position: Spot) -> None:
        """Have others see where the agent is and what it does. In another zone its client is present there from now on,
        though what it watches stays until it joins there."""
        there = f"zone:{zone_id}"
        if self._gone or (there, activity, position) == (self.here, self._activity, self._position):
            return
        presences = presence.of(self.connection.hub).presences
        if there != self.here:
            await presences.untrack(self.here, self.session)
            if self._gone:
                return
            self.here, self._came_at = there, datetime.now(UTC)
        self._activity, self._position = activity, position
        await presences.track(there, str(self.given.agent_id), self.session, self._meta())

    async def left(self) -> None:
        """Nothing of it stays."""
        self._gone = True
        if hasattr(self, "here"):
            rooms = presence.of(self.connection.hub)
            admission.of(self.connection.hub).discard(self)
            acting.of(self.connection.hub).discard(self)
            rooms.unwatch(self.topic, self)
            await rooms.presences.untrack(self.here, self.session)
        await super().left()
