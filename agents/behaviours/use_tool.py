from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from typing import Any

import orjson
from django.db import transaction

from agents.behaviours import Behaviour, register
from agents.converse import storable
from agents.facts import Decision, Facts, Outcome, Wish
from agents.tools import suggest, tell
from domains import tools
from domains.chance import Chance

ENERGY = 4.0
MOST_OF_ARGUMENTS = 4_000
"""Bytes, as JSON, of what goes outside."""
MOST_ABOUT = 300


def _can(facts: Facts) -> str | None:
    return None if facts.tools else "it has no tools"


def _which(facts: Facts, chance: Chance) -> Mapping[str, Any]:
    """A tool of those it has; its arguments are what the tool suggests for these facts."""
    name = sorted(facts.tools)[chance.index(len(facts.tools))]
    if tools.is_outside(name):
        return {"tool": name, "arguments": {}, "about": _about(facts, chance)}
    return {"tool": name, "arguments": suggest(name, facts, chance)}


def _act(facts: Facts, decision: Decision, _chance: Chance) -> Outcome:
    name = str(decision.arguments.get("tool"))
    if tools.is_outside(name):
        return _ask_outside(facts, name, decision.arguments)
    caller = tools.Caller(
        actor=f"agent:{facts.me.name}",
        capabilities=facts.capabilities,
        agent_id=facts.me.id,
        zone_id=facts.zone.id,
        world_tick=facts.tick,
        facts=facts,
    )
    tool = tools.get(name)
    with transaction.atomic() if tool.writes else nullcontext():  # what a failing one wrote is taken back alone
        result = tool.call(dict(decision.arguments.get("arguments", {})), caller)
    told = tell(name, result)
    return Outcome(
        (told.story or "{name} used {tool}.",),
        told.impression or "Used {tool} in {zone}.",
        slots={"tool": name.replace("_", " "), **told.slots},
        stats={"energy": -ENERGY, "focus": 2.0},
        activity=f"using {name.replace('_', ' ')}"[:100],
        importance=0.3 if told.impression else 0.1,
        memorable=told.memorable,
        events=tuple(caller.events),
        says=told.says,
        puts=tuple(caller.wishes),
        recalls=tuple(caller.recalls),
    )


def _about(facts: Facts, chance: Chance) -> str:
    """What is on its mind: rules know no schema of what is outside."""
    goal = facts.open_goal()
    topics = [facts.me.current_focus, goal[1]["name"] if goal else "", facts.zone.name]
    return chance.pick([topic for topic in topics if topic])[:MOST_ABOUT]


def _ask_outside(facts: Facts, name: str, given: Mapping[str, Any]) -> Outcome:
    """Only to be written down: whether and how it is called is decided outside of the tick. Raises: ToolError."""
    if name not in facts.tools:
        raise tools.ToolError("forbidden", f"{facts.me.name} has no tool {name[:100]!r}")
    arguments = given.get("arguments", {})
    written = orjson.dumps(arguments)
    if not isinstance(arguments, dict) or len(written) > MOST_OF_ARGUMENTS or rb"\u0000" in written:
        raise tools.ToolError(
            "invalid_arguments", f"{name}: an object of at most {MOST_OF_ARGUMENTS:,} bytes that can be stored"
        )
    about = given.get("about")
    wish = Wish(name, arguments, storable(about)[:MOST_ABOUT] if isinstance(about, str) else "")
    return Outcome(
        ("{name} reached out to {tool}, far outside of {zone}.", "{name} asked {tool} and waits for word."),
        "Asked {tool} from {zone}.",
        slots={"tool": name},
        stats={"energy": -ENERGY, "focus": 2.0},
        activity=f"asking {name}"[:100],
        wishes=(wish,),
    )


register(
    Behaviour(
        "use_tool",
        cost=ENERGY,
        act=_act,
        expects="what the tool gives",
        bias=-0.1,
        weights={"purpose": 0.4, "openness": 0.2, "conscientiousness": 0.2, "noticed": 0.3},
        prerequisite=_can,
        arguments=_which,
        takes={"tool": "the name of one of your tools", "arguments": "an object, as the tool says"},
    )
)
