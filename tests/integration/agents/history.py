"""A world's whole history without what may differ between two runs: ids, instants, durations."""

import re
from typing import Any

from agents.models import Agent, Message, TickLog
from domains.thunderflow import queries as thunderflow
from memory.models import MemoryNode
from zones.events import zone_stream
from zones.models import Notice, World, Zone

UUID_TEXT = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
GIVEN = {"timestamp", "number", "reply_number"}
"""Fields of events that are instants, or keys given in the order of writing."""
UNLIKE = {"id", "world", "zone", "home_zone", "agent", "other", "owner", "inserted_at", "updated_at"}


def of(world: World) -> dict[str, Any]:
    """Ticks, agents, zones, memories, notices and events, each in its order."""
    zones = list(Zone.objects.filter(world=world).order_by("ordinal"))
    names = {str(zone.pk): zone.name for zone in zones}
    names |= {str(pk): name for pk, name in Agent.objects.filter(world=world).values_list("pk", "name")}
    return {
        "tick": world.tick,
        "ticks": _ticks(world, names),
        "agents": [_row(a, names) for a in Agent.objects.filter(world=world).order_by("ordinal")],
        "zones": [_row(z, names) for z in zones],
        "memories": _memories(world),
        "messages": _messages(world),
        "notices": [
            [(n.world_tick, n.author, n.text) for n in Notice.objects.filter(zone=z).order_by("inserted_at")]
            for z in zones
        ],
        "events": {z.name: _events(z, names) for z in zones},
    }


def _ticks(world: World, names: dict[str, str]) -> list[Any]:
    agents = dict(Agent.objects.filter(world=world).values_list("pk", "ordinal"))
    rows = TickLog.objects.filter(agent_id__in=agents).values_list(
        "agent_id", "tick_number", "world_tick", "zone_id", "action", "reasoning", "narrative", "decision",
        "review", "confidence", "stat_changes", "state_changes", "memories", "error", "state_hash",
    )  # fmt: skip
    return sorted(
        (agents[row[0]], *row[1:3], names[str(row[3])], *row[4:12], len(row[12]), row[13], bytes(row[14]).hex())
        for row in rows
    )


def _row(row: Any, names: dict[str, str]) -> dict[str, Any]:
    values = {f.name: getattr(row, f.attname) for f in row._meta.concrete_fields if f.name not in UNLIKE}
    return values | {"zone": names.get(str(getattr(row, "zone_id", "")))}


def _memories(world: World) -> list[Any]:
    rows = MemoryNode.objects.filter(agent__world=world).values_list(
        "agent__ordinal", "content", "kind", "importance", "valence", "source"
    )
    return sorted(rows, key=repr)


def _messages(world: World) -> list[Any]:
    rows = Message.objects.filter(world=world).values_list(
        "sender", "to", "text", "turn", "reply_to__text", "status", "sent_tick", "arrived_tick", "done_tick"
    )
    return sorted(rows, key=repr)


def _events(zone: Zone, names: dict[str, str]) -> list[Any]:
    found = thunderflow.read_stream(zone_stream(zone.pk), after=0, limit=1_000_000)
    return [(event.seq, _named(event.topic, names), event.actor, _plain(event.payload, names)) for event in found]


def _plain(value: Any, names: dict[str, str]) -> Any:
    if isinstance(value, dict):
        return {key: _plain(v, names) for key, v in value.items() if key not in GIVEN}
    return _named(value, names) if isinstance(value, str) else value


def _named(text: str, names: dict[str, str]) -> str:
    return UUID_TEXT.sub(lambda found: names.get(found[0], "?"), text)
