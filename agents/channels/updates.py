"""`agents:updates`: what every tick changed, of all zones that a user may see, of one world or of one zone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar
from uuid import UUID

from django.contrib.auth import get_user_model

from agents.channels import admission
from domains.thunderblock import guards
from domains.thunderlink.socket.following import Following, Joining
from domains.thunderlink.socket.sources import Log, Source
from zones import queries
from zones.errors import AccessDenied
from zones.events import zone_stream


def visible_streams(user_pk: Any, *, world: UUID | None = None, zone: UUID | None = None) -> list[str]:
    """Streams of the zones that somebody may see now: all, those of a world, or the one. Two queries."""
    user = get_user_model().objects.filter(pk=user_pk, is_active=True).first()
    visible = queries.visible_zone_ids(user, world_id=world, zone_id=zone) if user else []
    return [zone_stream(zone_id) for zone_id in visible]


class Wanted(Joining):
    """Which agents: those of a zone, of a world, or all."""

    world: UUID | None = None
    zone: UUID | None = None


class AgentUpdates(Following):
    """Each agent's tick as `agent_ticked`, with its `zone_id`. Numbers are positions of the log."""

    topics = ("agents:updates",)
    domain = "thunderpac"
    scope = "agents:read"
    Given: ClassVar[type[Joining]] = Wanted

    given: Wanted

    def source(self) -> tuple[str, Callable[[], Source]]:
        """One for each person: what one may see changes with the person's rights."""
        user, world, zone = self.connection.user, self.given.world, self.given.zone
        return (
            f"{self.topic}?{world}&{zone}&{user.pk}",
            lambda: Log(
                "zone.*.agent_ticked",
                lambda _: "agent_ticked",
                lambda: visible_streams(user.pk, world=world, zone=zone),
            ),
        )

    async def admit(self) -> tuple[dict[str, Any], int]:
        """Raises: AccessDenied, DomainInactive."""
        await self.connection.hub.database(self._check)
        return await super().admit()

    def _check(self) -> None:
        guards.require(self.domain)
        user, world, zone = admission.fresh(self.connection), self.given.world, self.given.zone
        if (world or zone) and not queries.visible_zone_ids(user, world_id=world, zone_id=zone):
            raise AccessDenied("there is no such world or zone that you may see")
