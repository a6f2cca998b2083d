"""Plans in words, and as data for `--json`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

from agents.world_files.plans import Change, Plan

SHOWN_CHANGES = 200
SHOWN_NAMES = 12
LONGEST = 60


def as_data(plan: Plan, *, dry_run: bool) -> dict[str, Any]:
    """Everything that would change or has changed."""
    return {
        "world": plan.file.name,
        "action": plan.action,
        "dry_run": dry_run,
        "counts": counts(plan),
        "created": {
            "zones": [zone.name for zone in plan.new_zones],
            "agents": [{"name": agent.name, "zone": agent.zone} for agent in plan.new_agents],
        },
        "changes": [
            {"kind": c.kind, "name": c.name, "field": c.field, "old": c.old, "new": c.new} for c in plan.changes
        ],
        "left_alone": {"zones": plan.left_zones, "agents": plan.left_agents},
        "from_a_reset_on": plan.starts,
    }


def counts(plan: Plan) -> dict[str, int]:
    """How many are made and changed, of each kind."""
    changed = {kind: len({c.name for c in plan.changes if c.kind == kind}) for kind in ("zone", "way", "agent")}
    return {
        "zones_created": len(plan.new_zones),
        "zones_changed": changed["zone"],
        "ways_changed": len(plan.ways) + len(plan.cut) if plan.action in ("create", "reset") else changed["way"],
        "agents_created": len(plan.new_agents),
        "agents_changed": changed["agent"],
        "changes": len(plan.changes),
    }


def in_words(plan: Plan, *, dry_run: bool) -> Iterator[str]:
    """Lines to print, the whole first and what concerns single things after it."""
    yield _headline(plan, dry_run)
    if plan.action == "update":
        yield from _made("zone", [zone.name for zone in plan.new_zones])
        yield from _made("agent", [f"{agent.name} in {agent.zone}" for agent in plan.new_agents])
        yield from _changes(plan.changes)
    yield from _asides(plan)
    if dry_run and plan.action != "nothing":
        yield "Nothing was changed: this was a dry run."


def _headline(plan: Plan, dry_run: bool) -> str:
    name, n = plan.file.name, counts(plan)
    would = "would be" if dry_run else "was"
    size = f"{several(n['zones_created'], 'zone')}, {several(n['agents_created'], 'agent')}"
    if plan.action == "create":
        return f"{name} {would} made: {size}."
    if plan.action == "reset":
        return f"{name} {would} begun anew at tick 0: {size}."
    if plan.action == "nothing":
        return f"{name}: nothing to do."
    new = [several(n[f"{kind}s_created"], f"new {kind}") for kind in ("zone", "agent") if n[f"{kind}s_created"]]
    changed = [f"{several(n['changes'], 'change')} in {_things(plan)} of what is there"] if plan.changes else []
    return f"{name} {would} changed: {', '.join(new + changed)}."


def _things(plan: Plan) -> int:
    return len({(change.kind, change.name) for change in plan.changes})


def _made(kind: str, names: Sequence[str]) -> Iterator[str]:
    for name in names[:SHOWN_CHANGES]:
        yield f"  + {kind} {name}"
    if len(names) > SHOWN_CHANGES:
        yield f"  + {len(names) - SHOWN_CHANGES} more {kind}s"


def _changes(changes: Sequence[Change]) -> Iterator[str]:
    for (kind, name), group in groupby(changes[:SHOWN_CHANGES], key=lambda change: (change.kind, change.name)):
        yield f"  ~ {kind} {name}"
        for change in group:
            yield f"      {change.field}: {_value(change.old)} → {_value(change.new)}"
    if len(changes) > SHOWN_CHANGES:
        yield f"  ~ {len(changes) - SHOWN_CHANGES} more changes (--json has them all)"


def _asides(plan: Plan) -> Iterator[str]:
    for kind, names in (("zone", plan.left_zones), ("agent", plan.left_agents)):
        if names:
            yield f"Not in the file, left alone: {several(len(names), kind)} ({_some(names)})."
    if plan.starts:
        yield f"Start differently from a reset on: {_some(plan.starts)}."


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - SHOWN_NAMES} more" if len(names) > SHOWN_NAMES else ""
    return ", ".join(names[:SHOWN_NAMES]) + more


def _value(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, list):
        return f"[{', '.join(map(str, value))}]"
    text = f"“{value}”" if isinstance(value, str) else str(value)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"


def several(count: int, noun: str) -> str:
    """`1 zone`, `2 zones`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
