"""Who may do what to worlds and zones, as doors ask it of an identity."""

from __future__ import annotations

from domains.thundergate import access
from domains.thundergate.access import Identity
from zones import visibility
from zones.actions import places
from zones.models import Permission, World, Zone


def of_world(identity: Identity, scope: str, world: World) -> bool:
    """To read takes seeing it; to change it, or to make zones in it, governing it."""
    if scope in ("worlds:read", "zones:read", "agents:read", "events:read"):
        return places.may_see(world, identity.user)
    if scope in ("worlds:write", "zones:write") and identity.agent_id is None:
        return identity.user.pk == world.owner_id or visibility.operates(identity.user)
    return False


def of_zone(identity: Identity, scope: str, zone: Zone) -> bool:
    """To read takes seeing its world; the rest is the zone's to say by its permissions, but for who governs it."""
    user = identity.user
    if scope in ("zones:read", "agents:read", "events:read"):
        return places.may_see(zone.world, user)
    if scope == "zones:act":
        return places.governs(zone, user) or places.may_see(zone.world, user)  # that it is closed, the action says
    if identity.agent_id is not None:
        return False
    if scope == "zones:write":
        return places.governs(zone, user) or places.has_permission(zone, user, Permission.MODIFY_ZONE)
    return scope == "agents:write" and places.has_permission(zone, user, Permission.SPAWN_AGENTS)


access.register(World, of_world)
access.register(Zone, of_zone)
