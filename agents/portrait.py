"""One agent, complete, as data and as a portrait on a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.text import Text

from agents import queries
from agents.models import Agent, Mod, TickLog
from domains import console
from memory import queries as memory

LATEST = 5


def brief(agent: Agent) -> dict[str, Any]:
    """What a list says of an agent."""
    return {
        "id": agent.pk,
        "name": agent.name,
        "world": agent.world.name,
        "zone": agent.zone.name,
        "lifecycle": agent.lifecycle,
        "activity": agent.activity,
        "mood": agent.mood,
        "energy": agent.energy,
        "tick_number": agent.tick_number,
        "due_tick": agent.due_tick,
    }


def full(agent: Agent, *, latest: int = LATEST) -> dict[str, Any]:
    """All that is known of an agent, with its mods in force, newest memories and newest ticks. Three queries."""
    return {
        **brief(agent),
        "description": agent.description,
        "stats": agent.stats,
        "traits": agent.traits,
        "state": agent.state,
        "position": agent.position,
        "reasoner": agent.reasoner,
        "model": agent.model,
        "capabilities": agent.capabilities,
        "movement_range": agent.movement_range,
        "tick_interval": agent.tick_interval,
        "mods": [_mod(mod) for mod in queries.mods(agent.pk)],
        "memories": [
            {"content": m.content, "kind": m.kind, "importance": m.importance, "valence": m.valence}
            for m in memory.latest(agent.pk, limit=latest)
        ],
        "ticks": [tick(log) for log in queries.ticks(agent.pk, limit=latest)],
    }


def _mod(mod: Mod) -> dict[str, Any]:
    return {"name": mod.name, "kind": mod.kind, "effects": mod.effects, "expires_tick": mod.expires_tick}


def tick(log: TickLog) -> dict[str, Any]:
    """What a tick was."""
    return {
        "tick_number": log.tick_number,
        "world_tick": log.world_tick,
        "action": log.action,
        "narrative": log.narrative,
        "reasoning": log.reasoning,
        "stat_changes": log.stat_changes,
        "error": log.error,
    }


def draw(out: Console, data: Mapping[str, Any]) -> None:
    """Print what `full` gives, for people."""
    out.print(Text(data["name"], style="bold"), Text(f"{data['lifecycle']}, in {data['zone']} ({data['world']})"))
    if data["description"]:
        out.print(Text(f"  {data['description']}", style="italic"))
    doing = data["activity"] or "nothing yet"
    out.print(f"  tick {data['tick_number']}, every {data['tick_interval']} world ticks, next at {data['due_tick']}")
    out.print(Text(f"  {doing}; in mind: {data['state']['current_focus'] or 'nothing'}"))
    _bars(out, "stats", data["stats"], 100.0, "{:.0f}")
    _bars(out, "traits", data["traits"], 1.0, "{:.2f}")
    out.print(f"  {'mood':<18}{console.bar(data['mood'], low=-1.0)} {data['mood']:+.2f}")
    _section(out, "goals", [f"{console.bar(g['progress'])} {g['name']}" for g in data["state"]["goals"]])
    _section(out, "mods", [_mod_in_words(mod) for mod in data["mods"]])
    _section(out, "memories", [f"{_feeling(m['valence'])} {m['content']}" for m in data["memories"]])
    _section(out, "latest ticks", [f"{t['tick_number']:>4}  {t['action']:<13} {t['narrative']}" for t in data["ticks"]])


def _bars(out: Console, title: str, values: Mapping[str, float], top: float, form: str) -> None:
    out.print(f"[bold]{title}[/]")
    for name, value in values.items():
        out.print(f"  {name:<18}{console.bar(value, high=top)} {form.format(value)}")


def _section(out: Console, title: str, lines: list[str]) -> None:
    if lines:
        out.print(f"[bold]{title}[/]")
    for line in lines:
        out.print(Text(f"  {line}"))


def _mod_in_words(mod: Mapping[str, Any]) -> str:
    until = f", until world tick {mod['expires_tick']}" if mod["expires_tick"] is not None else ""
    effects = "; ".join(f"{name.replace('_', ' ')}: {_plain(value)}" for name, value in mod["effects"].items())
    return f"{mod['name']} ({mod['kind']}{until}) {effects}"


def _plain(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {amount:+g}" for name, amount in value.items())
    return ", ".join(map(str, value))


def _feeling(valence: float) -> str:
    return "+" if valence > 0.1 else "−" if valence < -0.1 else "·"
