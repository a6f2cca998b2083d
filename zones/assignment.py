"""Which node serves a zone: the address to which its clients are sent, and what becomes of it when that node dies.

A zone keeps its node for as long as that lives. Otherwise it gets another one by weighted chance, under the zone's
lock: whoever comes second finds it served, so all processes agree, and each change is told once.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Iterable, Sequence
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from domains import sql
from domains.thunderflow.actions import NewEvent, publish_many
from domains.thunderflow.faults import AWAY
from domains.thunderlink import nodes
from domains.thunderlink.nodes import LiveNode
from zones import events
from zones.actions import places
from zones.errors import NotFound
from zones.models import Zone

MOVED_AT_ONCE = 100
"""Zones locked together when nodes have died: ticks wait for no more."""
CHANCE = random.SystemRandom()

MOVE = """
UPDATE pac_zones z SET assigned_server = u.node, updated_at = statement_timestamp()
FROM unnest(%s::uuid[], %s::uuid[]) AS u (id, node) WHERE z.id = u.id
"""


def weight(sessions: int) -> int:
    """How readily a node with so many open sockets is given another zone."""
    if sessions < 300:
        return 500
    return 50 if sessions < 600 else 1


def choose(live: Sequence[LiveNode], count: int, chance: random.Random) -> list[LiveNode]:
    """A node for each of `count` zones, by weight. `live` must not be empty."""
    return chance.choices(live, [weight(node.sessions) for node in live], k=count)


def address_of(zone_id: UUID) -> str | None:
    """Where clients of a zone are sent; None when it has no live node. Two queries."""
    return addresses([zone_id]).get(zone_id)


def addresses(zone_ids: Iterable[UUID]) -> dict[UUID, str]:
    """Where clients of these zones are sent; those without a live node are left out. Two queries."""
    where = {node.id: node.address for node in nodes.live()}
    served = Zone.objects.filter(pk__in=set(zone_ids), assigned_server__in=where)
    return {pk: where[node_id] for pk, node_id in served.values_list("pk", "assigned_server") if node_id in where}


def advise(zone_id: UUID) -> str | None:
    """Where clients of a zone should go; it gets a node if it has none. Any node serves any zone: a zone that is held
    for longer than a moment is not waited for."""
    try:
        with transaction.atomic():
            sql.execute("SET LOCAL lock_timeout = '300ms'")
            return assign([zone_id]).get(zone_id)
    except AWAY:
        return None


def assign(zone_ids: Iterable[UUID], *, chance: random.Random = CHANCE) -> dict[UUID, str]:
    """See to it that these zones have a live node each. Returns their addresses; none when no node lives.

    Zones that are served are neither changed nor locked. Locks the others, by id, in a transaction. Raises: NotFound.
    """
    wanted = set(zone_ids)
    found = addresses(wanted)
    if lacking := wanted - found.keys():
        _move(lacking, chance)
        found |= addresses(lacking)
    return found


def release_dead(*, chance: random.Random = CHANCE) -> list[UUID]:
    """Move zones with sessions whose node is dead, or that have none, to others. Returns those moved here, by id.

    Called once a second by whoever likes: of several at once, one moves each zone. Three queries when all is well.
    """
    nodes.mark_dead()
    live = [node.id for node in nodes.live()]
    if not live:
        return []
    rows = Zone.objects.filter(active_session_count__gt=0).exclude(assigned_server__in=live)
    stranded, moved = list(rows.order_by("pk").values_list("pk", flat=True)), []
    for i in range(0, len(stranded), MOVED_AT_ONCE):
        try:
            moved += _move(stranded[i : i + MOVED_AT_ONCE], chance)
        except NotFound:
            continue  # one was deleted just now; a second later nobody looks for it
    return moved


def _move(zone_ids: Collection[UUID], chance: random.Random) -> list[UUID]:
    with transaction.atomic():
        zones = places.lock_many(zone_ids)
        live = nodes.live()  # asked under the locks: who was before us may have chosen one that is new
        known = {node.id for node in live}
        lacking = sorted(pk for pk, zone in zones.items() if zone.assigned_server not in known)
        if not live or not lacking:
            return []
        chosen = choose(live, len(lacking), chance)
        sql.execute(MOVE, [sql.Ids(lacking), sql.Ids(node.id for node in chosen)])
        publish_many([_told(zones[pk], node) for pk, node in zip(lacking, chosen, strict=True)])
    return lacking


def _told(zone: Zone, node: LiveNode) -> NewEvent:
    payload = events.HostChanged(was=zone.assigned_server, now=node.id, address=node.address, timestamp=timezone.now())
    return NewEvent(events.zone_stream(zone.pk), events.zone_topic(zone.pk, "host_changed"), payload)
