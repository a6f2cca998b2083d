"""Which streams of the log somebody may read, at REST and on pages alike."""

from __future__ import annotations

from typing import Any

from domains.thunderflow.queries import Seen
from zones import queries as zones
from zones.events import world_stream, zone_stream

SYSTEM, BLACKBOARD = "thunderblock.view_activedomain", "thunderflow.view_entry"
"""Permissions that it takes beside those of worlds."""


def seen_by(user: Any) -> Seen | None:
    """What a browser in which they are signed in reads."""
    return seen(user, system=user.has_perm(SYSTEM), blackboard=user.has_perm(BLACKBOARD))


def seen(user: Any, *, system: bool, blackboard: bool) -> Seen | None:
    """Those of worlds and zones that they may see, the system's and the blackboard's where that is so. None: all.

    Two queries, none for who sees everything.
    """
    if system and blackboard and zones.sees_all(user):
        return None
    streams = [zone_stream(zone_id) for zone_id in zones.visible_zone_ids(user)]
    streams += [world_stream(pk) for pk in zones.worlds(user).order_by("pk").values_list("pk", flat=True)]
    return Seen(frozenset([*streams, *(["system"] if system else [])]), blackboard=blackboard)
