"""`world:<id>`: everything that is told in the zones of a world, for who watches all of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from agents.channels import admission
from agents.channels.updates import visible_streams
from agents.channels.zone import event_name
from domains.thunderblock import guards
from domains.thunderlink.socket.following import Following
from domains.thunderlink.socket.refusals import Refusal
from domains.thunderlink.socket.sources import Log, Source
from zones import queries
from zones.errors import AccessDenied


class WorldChannel(Following):
    """Events by the names that zones give them, each with its `zone_id`. Numbers are positions of the log."""

    topics = ("world:*",)
    domain = "thundergrid"
    scope = "zones:read"

    world_id: UUID

    def source(self) -> tuple[str, Callable[[], Source]]:
        """One for each person: what one may see changes with the person's rights."""
        user_pk, world = self.connection.user.pk, self.world_id
        return f"{self.topic}?{user_pk}", lambda: Log(
            "*.*.*", event_name, lambda: visible_streams(user_pk, world=world)
        )

    async def admit(self) -> tuple[dict[str, Any], int]:
        """Raises: Refusal, AccessDenied, DomainInactive."""
        world_id = queries.as_id(self.topic.partition(":")[2])
        if world_id is None:
            raise Refusal("invalid_world_id", "a world is named by its id: world:<uuid>")
        self.world_id = world_id
        await self.connection.hub.database(self._check)
        return await super().admit()

    def _check(self) -> None:
        guards.require(self.domain)
        if queries.visible_world(str(self.world_id), admission.fresh(self.connection)) is None:
            raise AccessDenied("there is no such world that you may see")
