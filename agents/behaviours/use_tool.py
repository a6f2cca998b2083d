from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import transaction

from agents.behaviours import Behaviour, register
from agents.facts import Decision, Facts, Outcome
from agents.tools import suggest, tell
from domains import tools
from domains.chance import Chance

ENERGY = 4.0


def _can(facts: Facts) -> str | None:
    return None if facts.tools else "it has no tools"


def _which(facts: Facts, chance: Chance) -> Mapping[str, Any]:
    """A tool of those it has; its arguments are what the tool suggests for these facts."""
    name = sorted(facts.tools)[chance.index(len(facts.tools))]
    return {"tool": name, "arguments": suggest(name, facts, chance)}


def _act(facts: Facts, decision: Decision, _chance: Chance) -> Outcome:
    name = str(decision.arguments.get("tool"))
    caller = tools.Caller(
        actor=f"agent:{facts.me.name}",
        capabilities=facts.capabilities,
        agent_id=facts.me.id,
        zone_id=facts.zone.id,
        world_tick=facts.tick,
        facts=facts,
    )
    with transaction.atomic():  # what a failing tool wrote is taken back alone
        result = tools.get(name).call(dict(decision.arguments.get("arguments", {})), caller)
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
