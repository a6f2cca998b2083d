"""A restless world for chaos runs, made by a process of its own:

python -m tests.chaos.population make NAME                       prints the world's id
python -m tests.chaos.population run NAME TICKS                  makes it and lets it live in peace
python -m tests.chaos.population history NAME                    prints what happened, without ids and times
python -m tests.chaos.population thinkers NAME URL               a world of agents who ask the model at URL
"""

import json
import sys
from decimal import Decimal
from typing import Any

import django

ZONES, PEOPLE = 6, 300
THINKERS, RULED = 40, 8
ENDPOINT = "moody"


def specs() -> list[dict[str, Any]]:
    traits = ("openness", "conscientiousness", "extraversion", "agreeableness", "neuroticism")
    tools = {"tool_access": ["write_notices", "read_notices", "use_tools"], "action_weights": {"use_tool": 0.3}}
    feet = {"action_weights": {"move_zone": 1.5}}
    return [
        {
            "name": f"Agent {i}",
            "traits": {trait: (i * (37 + 11 * n) % 101) / 100 for n, trait in enumerate(traits)},
            "tick_interval": 1 + i % 2,
            "goals": [{"name": "mend the bridge"}],
            "mods": [
                *([{"name": "tools", "kind": "tool", "effects": tools}] if i % 5 == 0 else []),
                *([{"name": "feet", "kind": "behavior", "effects": feet, "duration": 50 + i}] if i % 3 == 0 else []),
            ],
        }
        for i in range(PEOPLE)
    ]


def make(name: str) -> Any:
    from agents import actions
    from agents.specs import AgentSpec
    from tests.integration.agents.living import make_world

    places = [
        {"name": f"Place {i}", "capacity": 55, "environment_interval": 7 + i, "entropy": 0.6} for i in range(ZONES)
    ]
    ways = [(i, (i + 1) % ZONES, 0.8) for i in range(ZONES)]
    world, zones = make_world(*places, name=name, seed=99, ways=ways)
    wanted = [(zones[i % ZONES].pk, AgentSpec.model_validate(spec)) for i, spec in enumerate(specs())]
    actions.create_many(wanted, world_id=world.pk, by="chaos")
    return world


def make_thinkers(name: str, base_url: str) -> Any:
    """Those who ask a model, a few who go by the rules, four places to go to, and a price for what is asked."""
    from agents import actions
    from tests.integration.agents.living import make_world, people

    actions.add_endpoint(name=ENDPOINT, base_url=base_url, model=ENDPOINT, by="chaos", timeout_s=10.0)
    actions.set_price(ENDPOINT, prompt=Decimal(1), completion=Decimal(4), by="chaos")
    places = [{"name": f"Place {i}", "capacity": 40} for i in range(4)]
    ways = [(i, (i + 1) % 4, 0.8) for i in range(4)]
    world, zones = make_world(*places, name=name, seed=99, ways=ways)
    for i, zone in enumerate(zones):
        people(zone, THINKERS // 4, first=THINKERS // 4 * i, reasoner="openai", goals=[{"name": "mend the bridge"}])
        people(zone, RULED // 4, first=THINKERS + RULED // 4 * i)
    return world


def history(name: str) -> list[list[Any]]:
    """Of each tick: who, which, when, what, and the hash of all that the agent then was."""
    from agents.models import TickLog

    rows = TickLog.objects.filter(agent__world__name=name).values_list(
        "agent__ordinal", "tick_number", "world_tick", "action", "narrative", "state_hash"
    )
    return sorted([*row[:-1], bytes(row[-1]).hex()] for row in rows)


def main(verb: str, name: str, *more: str) -> None:
    if verb == "history":
        print(json.dumps(history(name)))  # noqa: T201 - read by the test
        return
    world = make_thinkers(name, *more) if verb == "thinkers" else make(name)
    if verb == "run":
        from agents.engine import loop
        from tests.integration.agents.living import allow
        from zones.actions import clock

        allow(world, int(more[0]))
        while clock.anything_to_do(world.pk):
            loop.run(seconds=60, world_id=world.pk)
    print(json.dumps(str(world.pk)))  # noqa: T201


if __name__ == "__main__":
    django.setup()
    main(*sys.argv[1:])
